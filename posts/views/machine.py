"""Posts for programs: Markdown, JSON; and what robots are told. Same rules as the article page.

In: a slug. Out: text without markup of ours and without private data, with validators.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.templatetags.static import static
from django.urls import reverse
from django.views.decorators.http import require_safe

from posts import disclosure, markdown, metabox
from posts.views.article import (
    answers_moved_and_withdrawn,
    box_of,
    find_post,
    portable_pictures_of,
    stamp_of,
)
from posts.views.conditional import Moment, revalidated, revalidated_by_body
from posts.views.documents import document
from posts.views.page import NOINDEX, absolute, with_robots

MARKDOWN_TYPE = "text/markdown; charset=utf-8"
OPENSEARCH_TYPE = "application/opensearchdescription+xml; charset=utf-8"

# The admin is nobody's search result; everything else says for itself whether it may be indexed,
# which a robot can only read when it may fetch the page. A preview has a secret address and is for
# the person it was given to, so no robot has any business there.
ROBOTS = "User-agent: *\nDisallow: /admin/\nDisallow: /preview/\n"


@require_safe
@revalidated
@answers_moved_and_withdrawn
def article_markdown(request: HttpRequest, moment: Moment, slug: str) -> HttpResponse:
    """Return a published post as Markdown. Queries: change, post, tags, entities, images, stamp."""
    post = find_post(slug, moment.now)
    robots = "" if post.is_indexable else NOINDEX
    return with_robots(HttpResponse(as_markdown(post), content_type=MARKDOWN_TYPE), robots)


@require_safe
@revalidated
@answers_moved_and_withdrawn
def article_json(request: HttpRequest, moment: Moment, slug: str) -> HttpResponse:
    """Return a published post as JSON. Queries: change, post, tags, entities, images, stamp."""
    post = find_post(slug, moment.now)
    robots = "" if post.is_indexable else NOINDEX
    shape = {"ensure_ascii": False, "indent": 2}
    return with_robots(JsonResponse(as_json(post), json_dumps_params=shape), robots)


@require_safe
@revalidated_by_body
def robots_txt(request: HttpRequest) -> HttpResponse:
    """Return the rules for robots and where the sitemap is. No queries."""
    text = f"{ROBOTS}\nSitemap: {absolute(reverse('sitemap'))}\n"
    return HttpResponse(text, content_type="text/plain; charset=utf-8")


@require_safe
@revalidated_by_body
def opensearch(request: HttpRequest) -> HttpResponse:
    """Return what a browser needs to search this site from its own field. No queries."""
    context = {
        "name": settings.SITE_NAME,
        "description": f"Reviewed engineering field notes on {settings.SITE_NAME}.",
        "template": absolute("/search/?q={searchTerms}"),
        "self": absolute(request.path),
        "icon": absolute(static("images/favicon.svg")),
    }
    return render(request, "posts/opensearch.xml", context, content_type=OPENSEARCH_TYPE)


def as_markdown(post: Any) -> str:
    """Return title, lede, body and meta of the live revision. One query: the stamp."""
    revision = post.live_revision
    stamp = stamp_of(post)
    review = "not reviewed"
    if stamp.decided_at is not None:
        review = f"reviewed by {stamp.byline} on {stamp.decided_at:%Y-%m-%d}"
    told = disclosure.disclosure(post, reviewer=stamp.byline, reviewed_at=stamp.decided_at)
    facts = [
        f"- address: {absolute(post.get_absolute_url())}",
        f"- published: {post.published_at:%Y-%m-%d}",
        f"- review: {review}",
        f"- disclosure: {told.text} ({told.value})",
        f"- reading minutes: {post.reading_minutes}",
    ]
    parts = [
        f"# {revision.title}",
        revision.lede,
        markdown.portable(revision.body, portable_pictures_of(post)),
        "## alphanode post meta",
        "\n".join(facts),
        metabox.as_markdown(box_of(post)),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def as_json(post: Any) -> dict[str, Any]:
    """Return the post as plain values, also one that is not listed. One query: the stamp."""
    statistics = getattr(post, "statistics", None)
    return {
        **document(post, stamp_of(post)),
        "changed_at": post.changed_at,
        "statistics": {
            "imported": {
                "reading_time": statistics.imported_reading_time,
                "view_count": statistics.imported_view_count,
                "score": statistics.imported_score,
            }
            if statistics is not None
            else None,
        },
        "gate": {
            "visibility": post.visibility,
            "is_indexable": post.is_indexable,
            "robots": "" if post.is_indexable else NOINDEX,
        },
    }
