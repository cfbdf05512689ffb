"""The page behind a preview link: one revision in the article's own template, for nobody's index.

In: the token of an address. Out: the page (200), or a friendly page when the link has ended (410)
or never was (404). Kept by no cache, told to no other site, and it counts for nothing.
"""

from __future__ import annotations

from typing import Any

from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from posts import content, disclosure, markdown, metabox, pictures, previews
from posts.known_pictures import pictures_of
from posts.models import Post, PostTag, PreviewLink, Revision, Statistics, Tag
from posts.views.article import Stamp, stamp_of
from posts.views.page import page_context, with_robots

ROBOTS = "noindex, nofollow"
HEADERS = {
    "Cache-Control": "private, no-store",
    # The address is the key: no other site may learn it from a link on the page.
    "Referrer-Policy": "no-referrer",
}


@require_safe
def preview(request: HttpRequest, token: str) -> HttpResponse:
    """Show the revision of a link. Queries: link, its use, images, tags, numbers, stamp."""
    now = timezone.now()
    try:
        link = previews.opened(token, now)
    except previews.LinkError:
        return _no_page(request, is_over=True)
    if link is None:
        return _no_page(request, is_over=False)
    return _private(render(request, "posts/preview.html", _context(link, token)))


def _no_page(request: HttpRequest, *, is_over: bool) -> HttpResponse:
    title = "This preview is over" if is_over else "There is no such preview"
    context = page_context(page_title=title, robots=ROBOTS, is_over=is_over)
    status = 410 if is_over else 404
    return _private(render(request, "posts/preview_closed.html", context, status=status))


def _private(response: HttpResponse) -> HttpResponse:
    for name, value in HEADERS.items():
        response.headers[name] = value
    return with_robots(response, ROBOTS)


def _context(link: PreviewLink, token: str) -> dict[str, Any]:
    revision, post = link.revision, link.revision.post
    is_live = revision.pk == post.live_revision_id
    # Images that only drafts show are found behind the link too, and nowhere else outside.
    uploads = f"{reverse('preview', args=[token])}images/"
    article = markdown.rendered(
        revision.digest,
        revision.body,
        images=pictures_of(revision.snapshot),
        policy=pictures.ImagePolicy.from_settings(uploads=uploads),
    )
    return revision_context(post, revision, article) | {
        "link": link,
        "is_shown_to_readers": is_live and post.is_public(timezone.now()),
    }


def revision_context(post: Post, revision: Revision, article: markdown.Rendered) -> dict[str, Any]:
    """Return what `posts/article.html` shows of a revision that nobody need have saved.

    Neither need be in the database. Queries: tags, and of a post that is there numbers and stamp.
    """
    snapshot = revision.snapshot
    is_live = revision.pk is not None and revision.pk == post.live_revision_id
    stamp = stamp_of(post) if is_live else Stamp(is_reviewed=False)
    said: dict[str, Any] = {
        "statistics": Statistics.objects.filter(pk=post.pk).first(),
        "imported": getattr(post, "imported", None),
        "origin": revision.origin,
    }
    check = metabox.claims_of(snapshot, **said)
    return page_context(
        page_title=revision.title,
        robots=ROBOTS,
        post=post,
        revision=revision,
        article=article,
        lede=markdown.render_inline(revision.lede),
        metabox=metabox.meta_box(snapshot, **said, check=check),
        claims=check,
        tags=_tags(post, snapshot),
        stamp=stamp,
        disclosure=disclosure.disclosure(
            post, revision=revision, reviewer=stamp.byline, reviewed_at=stamp.decided_at
        ),
        reading_minutes=content.reading_minutes(snapshot),
        published_at=post.published_at,
        difficulty=snapshot.meta.difficulty,
    )


def _tags(post: Post, snapshot: content.Snapshot) -> list[Tag]:
    """Return the tags this revision would have; one the site does not know has no slug. One query.

    The numbers beside them are those last folded: a preview is no place for exact ones.
    """
    names = [tag.name for tag in content.tag_names(snapshot.meta)]
    is_editorial = Q(post_tags__content_object=post.pk, post_tags__origin=PostTag.Origin.EDITORIAL)
    known = {tag.name: tag for tag in Tag.objects.filter(Q(name__in=names) | is_editorial)}
    tags = [known.get(name) or Tag(name=name) for name in dict.fromkeys([*names, *sorted(known)])]
    for tag in tags:
        tag.count = tag.use_count
    return tags
