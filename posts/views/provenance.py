"""The provenance of a post, as a page and as JSON: where its text came from and who checked it.

In: a slug. Out: what `posts.provenance` tells of a post readers may open; never for indexes.
"""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from posts import disclosure
from posts import provenance as records
from posts.views.article import answers_moved_and_withdrawn, check_of, find_post, stamp_of
from posts.views.conditional import revalidated_by_body
from posts.views.page import NOINDEX, absolute, page_context, with_robots


def before_of(request: HttpRequest) -> int | None:
    """Return the revision to go on below, None for the newest. Raises `Http404` for no number."""
    text = request.GET.get("before")
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal()) or len(text) > 9:
        raise Http404("This is no number of a revision.")
    return int(text)


def _told(request: HttpRequest, slug: str) -> dict[str, Any]:
    post = find_post(slug, timezone.now())
    stamp = stamp_of(post)
    return {
        "post": post,
        "record": records.record(post, before=before_of(request)),
        "disclosure": disclosure.disclosure(
            post, reviewer=stamp.byline, reviewed_at=stamp.decided_at
        ),
        "claims": check_of(post),
    }


@require_safe
@revalidated_by_body
@answers_moved_and_withdrawn
def provenance(request: HttpRequest, slug: str) -> HttpResponse:
    """Show the record of a published post. Queries: those of the article, and five."""
    told = _told(request, slug)
    post = told["post"]
    context = page_context(
        page_title=f"Provenance of {post.title}",
        path=reverse("provenance", args=[post.slug]),
        robots=NOINDEX,
        is_first="before" not in request.GET,
        payload=post.live_revision.snapshot.meta.payload,
        **told,
    )
    return with_robots(render(request, "posts/provenance.html", context), NOINDEX)


@require_safe
@revalidated_by_body
@answers_moved_and_withdrawn
def provenance_json(request: HttpRequest, slug: str) -> HttpResponse:
    """Return the same as JSON."""
    told = _told(request, slug)
    post = told["post"]
    values = {
        "title": post.title,
        "url": absolute(post.get_absolute_url()),
        "disclosure": told["disclosure"]._asdict(),
        "live_revision": post.live_revision.number,
        **records.as_json(told["record"]),
        "claims": [
            {
                "claim": finding.name,
                "claimed": str(finding.claimed),
                "verdict": finding.verdict.words,
                "found": finding.found,
            }
            for finding in told["claims"].findings
        ],
    }
    shape = {"ensure_ascii": False, "indent": 2}
    return with_robots(JsonResponse(values, json_dumps_params=shape), NOINDEX)
