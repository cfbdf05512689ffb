"""Posts for programs: Markdown, JSON; and what robots are told. Same rules as the article page.

In: a slug. Out: text without markup of ours and without private data.
"""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from posts import markdown, metabox
from posts.views.article import (
    answers_moved_and_withdrawn,
    box_of,
    find_post,
    pictures_of,
    stamp_of,
)
from posts.views.page import NOINDEX, absolute, with_robots

MARKDOWN_TYPE = "text/markdown; charset=utf-8"

# The admin is nobody's search result; everything else says for itself whether it may be indexed,
# which a robot can only read when it may fetch the page. A preview has a secret address and is for
# the person it was given to, so no robot has any business there.
ROBOTS = "User-agent: *\nDisallow: /admin/\nDisallow: /preview/\n"


@require_safe
@answers_moved_and_withdrawn
def article_markdown(request: HttpRequest, slug: str) -> HttpResponse:
    """Return a published post as Markdown. Queries: post, tags, entities, images, stamp."""
    post = find_post(slug, timezone.now())
    robots = "" if post.is_indexable else NOINDEX
    return with_robots(HttpResponse(as_markdown(post), content_type=MARKDOWN_TYPE), robots)


@require_safe
@answers_moved_and_withdrawn
def article_json(request: HttpRequest, slug: str) -> HttpResponse:
    """Return a published post as JSON. Queries: post, tags, entities, images, stamp."""
    post = find_post(slug, timezone.now())
    robots = "" if post.is_indexable else NOINDEX
    shape = {"ensure_ascii": False, "indent": 2}
    return with_robots(JsonResponse(as_json(post), json_dumps_params=shape), robots)


@require_safe
def robots_txt(request: HttpRequest) -> HttpResponse:
    """Return the rules for robots. No queries."""
    return HttpResponse(ROBOTS, content_type="text/plain; charset=utf-8")


def as_markdown(post: Any) -> str:
    """Return title, lede, body and meta of the live revision. One query: the stamp."""
    revision = post.live_revision
    stamp = stamp_of(post)
    review = "not reviewed"
    if stamp.decided_at is not None:
        review = f"reviewed by {stamp.byline} on {stamp.decided_at:%Y-%m-%d}"
    facts = [
        f"- address: {absolute(post.get_absolute_url())}",
        f"- published: {post.published_at:%Y-%m-%d}",
        f"- review: {review}",
        f"- reading minutes: {post.reading_minutes}",
    ]
    parts = [
        f"# {revision.title}",
        revision.lede,
        markdown.portable(revision.body, pictures_of(post)),
        "## alphanode post meta",
        "\n".join(facts),
        metabox.as_markdown(box_of(post)),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def as_json(post: Any) -> dict[str, Any]:
    """Return the post as plain values. One query: the stamp."""
    revision = post.live_revision
    stamp = stamp_of(post)
    statistics = getattr(post, "statistics", None)
    return {
        "title": revision.title,
        "url": absolute(post.get_absolute_url()),
        "markdown_url": absolute(reverse("article-markdown", args=[post.slug])),
        "lede": revision.lede,
        "body": revision.body,
        "body_format": "markdown",
        "language": post.language,
        "published_at": post.published_at,
        "changed_at": post.changed_at,
        "reading_minutes": post.reading_minutes,
        "revision": {"number": revision.number, "digest": revision.digest},
        "tags": [
            {
                "name": row.tag.name,
                "kind": row.tag.kind,
                "origin": row.origin,
                "url": absolute(row.tag.get_absolute_url()),
            }
            for row in post.post_tags.all()
        ],
        "entities": [
            {
                "name": row.entity.name,
                "type": row.entity.type,
                "url": absolute(row.entity.get_absolute_url()),
            }
            for row in post.post_entities.all()
        ],
        "images": [
            {
                "number": number,
                "url": picture.url,
                "source": picture.source,
                "caption": picture.caption,
                "alt": picture.alt or picture.caption,
            }
            for number, picture in enumerate(pictures_of(post), start=1)
        ],
        "meta": metabox.as_json(box_of(post)),
        "statistics": {
            "imported": {
                "reading_time": statistics.imported_reading_time,
                "view_count": statistics.imported_view_count,
                "score": statistics.imported_score,
            }
            if statistics is not None
            else None,
        },
        "review": {
            "approved": stamp.is_reviewed,
            "at": stamp.decided_at,
            "byline": stamp.byline or None,
        },
        "gate": {
            "visibility": post.visibility,
            "is_indexable": post.is_indexable,
            "robots": "" if post.is_indexable else NOINDEX,
        },
    }
