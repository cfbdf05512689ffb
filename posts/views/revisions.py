"""The history readers may see: the approved revisions of a post, each at an address that stays.

In: a slug and a number. Out: the list, or an old version in the article's own template under a
banner that leads to the current one. Never for indexes; what nobody approved is not found.
"""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from posts import content, disclosure, markdown, metabox, pictures
from posts.known_pictures import pictures_of
from posts.models import Revision
from posts.views.article import Stamp, answers_moved_and_withdrawn, find_post
from posts.views.conditional import revalidated_by_body
from posts.views.page import NOINDEX, page_context, with_robots
from posts.views.provenance import before_of

PAGE = 50


@require_safe
@revalidated_by_body
@answers_moved_and_withdrawn
def revisions(request: HttpRequest, slug: str) -> HttpResponse:
    """List the approved revisions, newest first. Queries: the post's four, revisions, approvals."""
    post = find_post(slug, timezone.now())
    before = before_of(request)
    rows = post.revisions.approved().without_content().select_related("author").newest_first()
    if before is not None:
        rows = rows.filter(number__lt=before)
    found = list(rows[: PAGE + 1])
    page = found[:PAGE]
    approvals = disclosure.approvals_of(page)
    context = page_context(
        page_title=f"Revision history of {post.title}",
        path=reverse("revisions", args=[post.slug]),
        robots=NOINDEX,
        post=post,
        lines=[(row, _stamp(approvals.get(row.pk))) for row in page],
        live_id=post.live_revision_id,
        is_first=before is None,
        older=page[-1].number if len(found) > PAGE else None,
    )
    return with_robots(render(request, "posts/revisions.html", context), NOINDEX)


@require_safe
@revalidated_by_body
@answers_moved_and_withdrawn
def revision(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """Show one approved revision. Queries: the post's four, revision, approval, images, hands."""
    post = find_post(slug, timezone.now())
    found = (
        post.revisions.approved().filter(number=number).select_related("author").first()
        if number < 2**31
        else None
    )
    if found is None:
        raise Http404("No approved revision of this post has this number.")
    return with_robots(render(request, "posts/revision.html", _context(post, found)), NOINDEX)


def _stamp(approval: Any) -> Stamp:
    if approval is None:
        return Stamp(is_reviewed=False)
    byline = disclosure.byline(approval.reviewer, disclosure.ANONYMOUS_REVIEWER)
    return Stamp(True, byline, approval.decided_at)


def _context(post: Any, found: Revision) -> dict[str, Any]:
    snapshot = found.snapshot
    stamp = _stamp(disclosure.approvals_of([found]).get(found.pk))
    # Imported numbers and tags are those of today and belong to the current page only.
    said: dict[str, Any] = {"imported": post.imported, "origin": found.origin}
    check = metabox.claims_of(snapshot, **said)
    return page_context(
        page_title=f"{found.title} (revision {found.number})",
        # Search engines that look at the page all the same are led to the current one.
        path=post.get_absolute_url(),
        robots=NOINDEX,
        post=post,
        revision=found,
        is_current=found.pk == post.live_revision_id,
        article=markdown.rendered(
            found.digest,
            found.body,
            images=pictures_of(snapshot),
            policy=pictures.ImagePolicy.from_settings(),
        ),
        lede=markdown.render_inline(found.lede),
        metabox=metabox.meta_box(snapshot, **said, check=check),
        claims=check,
        tags=[],
        stamp=stamp,
        disclosure=disclosure.disclosure(
            post, revision=found, reviewer=stamp.byline, reviewed_at=stamp.decided_at
        ),
        reading_minutes=content.reading_minutes(snapshot),
        published_at=found.created_at,
        difficulty=snapshot.meta.difficulty,
    )
