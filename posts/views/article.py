"""The article page, and how every view of a post finds it: published, moved, withdrawn or not here.

In: a slug. Out: the page (200), a redirect to the current address (301), 404, or a styled 410.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import wraps
from typing import Any

from django.conf import settings
from django.db.models import BooleanField, Case, Value, When
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponsePermanentRedirect,
    JsonResponse,
)
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from posts import (
    claims,
    counters,
    disclosure,
    gone,
    known_pictures,
    linked_data,
    markdown,
    metabox,
    neighbours,
    pictures,
    similar,
)
from posts.models import Decision, Post, Slug
from posts.querysets import indexable
from posts.views.conditional import Moment, revalidated
from posts.views.page import DESCRIPTION_MAX, NOINDEX, absolute, page_context, with_robots

#: Whole years since the review from which a page says how long ago it was.
OLD_YEARS = 2


class MovedError(Exception):
    """The slug is retired; `slug` is the current one."""

    def __init__(self, slug: str) -> None:
        super().__init__(slug)
        self.slug = slug


class WithdrawnError(Exception):
    """The post is archived, or past the moment it was to be archived."""

    def __init__(self, title: str) -> None:
        super().__init__(title)
        self.title = title


@dataclass(frozen=True)
class Stamp:
    """The state of review that readers see. `byline` is a public name, never an account's."""

    is_reviewed: bool
    byline: str = ""
    decided_at: dt.datetime | None = None

    @classmethod
    def of(cls, decision: Decision) -> Stamp:
        """Return the stamp of an approval that came with its reviewer."""
        byline = disclosure.byline(decision.reviewer, disclosure.ANONYMOUS_REVIEWER)
        return cls(True, byline, decision.decided_at)

    def years_old(self, now: dt.datetime) -> int:
        """Return whole years since the review, 0 while there are fewer than two."""
        if self.decided_at is None:
            return 0
        then = self.decided_at
        years = now.year - then.year - ((now.month, now.day) < (then.month, then.day))
        return years if years >= OLD_YEARS else 0


def find_post(slug: str, now: dt.datetime) -> Any:
    """Return the published post with what a page of it shows, and `is_indexable`.

    Queries: post, tags, entities, images; up to three more when there is no such page. Raises
    `MovedError`, `WithdrawnError` or `Http404`.
    """
    is_indexable = Case(
        When(indexable(now), then=Value(True)),
        default=Value(False),
        output_field=BooleanField(),
    )
    published = Post.objects.published(now)
    post = published.for_article().annotate(is_indexable=is_indexable).filter(slug=slug).first()
    if post is not None:
        return post
    entry = Slug.objects.select_related("post").filter(slug=slug).first()
    if entry is None:
        if gone.is_erased(slug):
            raise WithdrawnError("")
        raise Http404("No post has this slug.")
    if published.filter(pk=entry.post_id).exists():
        raise MovedError(entry.post.slug)
    if is_withdrawn(entry.post, now):
        raise WithdrawnError(entry.post.title)
    raise Http404("The post is not published.")


def is_withdrawn(post: Post, now: dt.datetime) -> bool:
    """Say whether a post that is not published now was taken back, by hand or by its date."""
    if post.published_at is None or post.published_at > now:
        return False  # readers never saw it, so not even its title is told
    if post.visibility == Post.Visibility.ARCHIVED:
        return True
    is_past = post.archive_at is not None and post.archive_at <= now
    return post.visibility == Post.Visibility.PUBLISHED and is_past


def answers_moved_and_withdrawn(
    view: Callable[..., HttpResponse],
) -> Callable[..., HttpResponse]:
    """Make a view of a post answer 301 for retired slugs and 410 for withdrawn posts."""

    @wraps(view)
    def wrapped(request: HttpRequest, *moment: Moment, slug: str, **more: Any) -> HttpResponse:
        try:
            return view(request, *moment, slug=slug, **more)
        except MovedError as moved:
            assert request.resolver_match is not None  # noqa: S101 (always set inside a view)
            name = request.resolver_match.url_name or "article"
            address = reverse(name, kwargs={"slug": moved.slug, **more})
            return HttpResponsePermanentRedirect(address)
        except WithdrawnError as withdrawn:
            return withdrawn_page(request, withdrawn.title)

    return wrapped


def withdrawn_page(request: HttpRequest, title: str) -> HttpResponse:
    """Return the 410 in the form that was asked for."""
    return with_robots(_withdrawn(request, title), NOINDEX)


def _withdrawn(request: HttpRequest, title: str) -> HttpResponse:
    if request.path.endswith(".json"):
        return JsonResponse({"error": "withdrawn", "title": title}, status=410)
    if request.path.endswith(".md"):
        text = f"# {title or 'Withdrawn'}\n\nThis note was withdrawn.\n"
        return HttpResponse(text, content_type="text/markdown; charset=utf-8", status=410)
    context = page_context(page_title="Note withdrawn", robots=NOINDEX, title=title)
    return render(request, "410.html", context, status=410)


def stamp_of(post: Post) -> Stamp:
    """Return the stamp of the live revision: its latest approval, if it holds. One query."""
    return stamps_of([post])[post.pk]


def stamps_of(posts: Iterable[Post]) -> dict[int, Stamp]:
    """Return the stamps of posts by their ids. One query, and none when no approval holds."""
    posts = list(posts)
    approved = {post.live_revision_id: post for post in posts if post.is_live_approved}
    found = {post.pk: Stamp(is_reviewed=False) for post in posts}
    decisions = Decision.objects.filter(
        revision__in=list(approved), verdict=Decision.Verdict.APPROVE
    ).select_related("reviewer")
    # In order, so that the latest one stays.
    for decision in decisions.order_by("pk") if approved else ():
        post = approved[decision.revision_id]
        if decision.digest == post.live_revision.digest:
            found[post.pk] = Stamp.of(decision)
    return found


def pictures_of(post: Post) -> list[pictures.Picture]:
    """Return what `image:N` stands for in the live body. No queries after `for_article()`."""
    return known_pictures.pictures_with(
        post.live_revision.snapshot, [row.image for row in post.post_images.all()]
    )


def portable_pictures_of(post: Post) -> list[pictures.Picture]:
    """Return the same for other programs, with whole addresses of what is stored here."""
    return pictures.elsewhere(pictures_of(post), absolute(pictures.public_uploads()))


def check_of(post: Post) -> claims.Check:
    """Return what the site finds about the live revision's claims. No queries; see `box_of`."""
    return metabox.claims_of(
        post.live_revision.snapshot,
        statistics=getattr(post, "statistics", None),
        imported=getattr(post, "imported", None),
        origin=post.live_revision.origin,
    )


def box_of(
    post: Post, check: claims.Check | None = None, uses: counters.UseCounts | None = None
) -> list[metabox.Group]:
    """Return the meta box of the live revision. No queries after `for_article()`."""
    return metabox.meta_box(
        post.live_revision.snapshot,
        statistics=getattr(post, "statistics", None),
        imported=getattr(post, "imported", None),
        origin=post.live_revision.origin,
        links=metabox.Links.of(post, uses),
        check=check_of(post) if check is None else check,
    )


def description_of(post: Post) -> str:
    """Return the page's description for its head: the lede, or the summary, in words."""
    snapshot = post.live_revision.snapshot
    text = snapshot.lede or snapshot.meta.summary
    return markdown.plain_text(text, limit=DESCRIPTION_MAX)


def _counts(post: Post, now: dt.datetime) -> counters.UseCounts:
    return counters.use_counts(
        tags=[row.tag_id for row in post.post_tags.all()],
        entities=[row.entity_id for row in post.post_entities.all()],
        now=now,
    )


def _tags(post: Post, counts: counters.UseCounts) -> list[Any]:
    tags: list[Any] = [row.tag for row in post.post_tags.all()]
    for tag in tags:
        tag.count = counts.tags.get(tag.pk, 0)
    return tags


@require_safe
@revalidated
@answers_moved_and_withdrawn
def article(request: HttpRequest, moment: Moment, slug: str) -> HttpResponse:
    """Show a published post.

    Queries: change, post, tags, entities, images, counts, stamp, similar (2), neighbours, more of
    the first tag.
    """
    post = find_post(slug, moment.now)
    robots = "" if post.is_indexable else NOINDEX
    context = _context(post, robots, moment.now)
    return with_robots(render(request, "posts/article.html", context), robots)


def _context(post: Any, robots: str, now: dt.datetime) -> dict[str, Any]:
    revision = post.live_revision
    counts = _counts(post, now)
    stamp = stamp_of(post)
    check = check_of(post)
    making = disclosure.making_of(
        post, revision, reviewer=stamp.byline, reviewed_at=stamp.decided_at
    )
    told = disclosure.said_of(making)
    tags = _tags(post, counts)
    found = similar.similar_posts(post, now=now, counts=counts)
    shown = {post.pk, *(item.post.pk for item in found)}
    description = description_of(post)
    card = absolute(reverse("article-card", args=[post.slug]))
    return page_context(
        page_title=revision.title,
        description=description,
        path=post.get_absolute_url(),
        robots=robots,
        post=post,
        revision=revision,
        article=markdown.rendered(
            revision.digest,
            revision.body,
            images=pictures_of(post),
            policy=pictures.ImagePolicy.from_settings(),
        ),
        lede=markdown.render_inline(revision.lede),
        metabox=box_of(post, check, counts),
        claims=check,
        tags=tags,
        tag_feed=reverse("tag-feed-atom", args=[tags[0].slug]) if tags else "",
        similar=found,
        similar_definition=similar.DEFINITION,
        beside=neighbours.beside(post, now),
        more=neighbours.more_of(tags[0].pk, without=shown, now=now) if tags else [],
        stamp=stamp,
        reviewed_years_ago=stamp.years_old(now),
        disclosure=told,
        is_indexable=post.is_indexable,
        is_scheduled=False,
        reading_minutes=post.reading_minutes,
        published_at=post.published_at,
        difficulty=post.difficulty,
        seen_url=reverse("seen", args=[post.pk]),
        card_image=card,
        linked_data=linked_data.script(
            _linked(post, description=description, image=card, making=making, tags=tags)
        ),
        alternates=[
            ("text/markdown", reverse("article-markdown", args=[post.slug])),
            ("application/json", reverse("article-json", args=[post.slug])),
        ],
    )


def _linked(
    post: Any, *, description: str, image: str, making: disclosure.Making, tags: list[Any]
) -> dict[str, Any]:
    """Return the note in schema.org's terms; what the import claimed is not among them.

    People stand in it by their public names only.
    """
    told = disclosure.said_of(making)
    reviewed_on = making.reviewed_at.date().isoformat() if making.reviewed_at else ""
    address = absolute(post.get_absolute_url())
    publisher = {"@type": "Organization", "name": settings.SITE_NAME, "url": absolute("/")}
    return {
        "@type": "TechArticle",
        "@id": address,
        "url": address,
        "mainEntityOfPage": linked_data.given(
            {
                "@type": "WebPage",
                "@id": address,
                "reviewedBy": linked_data.person(making.reviewer),
                "lastReviewed": reviewed_on,
            }
        ),
        "headline": post.live_revision.title,
        "description": description,
        "image": {"@type": "ImageObject", "url": image, "width": 1200, "height": 630},
        "datePublished": post.published_at.isoformat(),
        "dateModified": max(post.published_at, post.changed_at).isoformat(),
        "inLanguage": post.language or "en",
        "timeRequired": f"PT{post.reading_minutes}M",
        "proficiencyLevel": post.difficulty,
        "articleSection": tags[0].name if tags else "",
        "keywords": [tag.name for tag in tags],
        "version": str(post.live_revision.number),
        "isBasedOn": absolute(reverse("reference", args=[post.reference]))
        if post.reference and "/" not in post.reference
        else "",
        "digitalSourceType": told.digital_source_type,
        "creditText": told.text,
        "usageInfo": absolute(reverse("provenance", args=[post.slug])),
        "license": settings.LICENCE_URL,
        "publisher": publisher,
        "author": linked_data.person(making.writer) or publisher,
        "editor": linked_data.person(making.editor),
    }
