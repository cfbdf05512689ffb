"""What may be seen and how it is fetched: the only spellings of visibility in the project.

Public pages, lists and machine views start from `published()` or `indexable()`; nothing else may
filter on state. Every method that depends on time takes `now`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from django.db import models
from django.db.models import Exists, F, Func, IntegerField, OuterRef, Prefetch, Q, Subquery
from django.db.models.functions import Greatest
from django.utils import timezone

from posts import claims, db, slugs

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

    from posts.models import Entity, Tag

#: Ids in one shard of the sitemap; the protocol allows 50,000 addresses a file.
SHARD_IDS = 10_000


def shard_of(column: str) -> Func:
    """Return the shard that the id in a column falls into.

    The number stands in the SQL itself: SQLite knows an index of an expression again only without
    parameters.
    """
    template = f"(%(expressions)s / {SHARD_IDS})"
    return Func(F(column), template=template, output_field=IntegerField())


SHARD = shard_of("id")

#: `Post.modified_at` of a listed post, in SQL.
MODIFIED_AT = Greatest("changed_at", "listed_at")


def indexable(now: dt.datetime | None = None, *, prefix: str = "") -> Q:
    """Return the gate as a condition, for a queryset that reaches the post by `prefix`.

    Listed since a moment that has come, and not past the moment it is to be archived.
    """
    now = now or timezone.now()
    return Q(**{f"{prefix}listed_at__lte": now}) & (
        Q(**{f"{prefix}archive_at__isnull": True}) | Q(**{f"{prefix}archive_at__gt": now})
    )


def left_since(moment: dt.datetime, start: dt.datetime, end: dt.datetime) -> Q:
    """Return the condition of a departure: since a moment, of a post listed from start to end."""
    return Q(left_at__gt=moment, listed_at__gte=start, listed_at__lt=end)


class Walk(NamedTuple):
    """An index over a join to many rows, for `pagination.page_of`.

    `where` holds what must be true of the joined row, beside `indexable()` of its post; `moment`
    and `key` are the columns to walk by.
    """

    where: Q
    moment: str
    key: str


def tagged(tag: Tag, now: dt.datetime) -> Walk:
    """Return the walk over the posts with a tag."""
    condition = Q(post_tags__tag=tag, post_tags__listed_at__lte=now)
    return Walk(condition, "post_tags__listed_at", "post_tags__content_object_id")


def about(entity: Entity, now: dt.datetime) -> Walk:
    """Return the walk over the posts about an entity."""
    condition = Q(post_entities__entity=entity, post_entities__listed_at__lte=now)
    return Walk(condition, "post_entities__listed_at", "post_entities__post_id")


class PostQuerySet(models.QuerySet[Any]):
    """Posts by who may see them, and with what a page needs fetched."""

    def published(self, now: dt.datetime | None = None) -> Self:
        """Posts reachable by their URL: published, due, and not past their archive time."""
        now = now or timezone.now()
        return self.filter(
            Q(archive_at__isnull=True) | Q(archive_at__gt=now),
            visibility="published",
            published_at__lte=now,
        )

    def indexable(self, now: dt.datetime | None = None) -> Self:
        """Posts that lists, feeds, search, similar posts and robots may show: the gate."""
        return self.filter(indexable(now))

    def planned(self, now: dt.datetime) -> Self:
        """Posts whose publication is planned for a time that has not come."""
        return self.filter(visibility="published", published_at__gt=now)

    def ending(self, now: dt.datetime) -> Self:
        """Posts that will be archived at a time that has not come."""
        return self.filter(archive_at__gt=now)

    def listed_within(self, start: dt.datetime | None, end: dt.datetime | None) -> Self:
        """Posts whose gate opens from `start` on and before `end`; for use beside `indexable()`."""
        found = self if start is None else self.filter(listed_at__gte=start)
        return found if end is None else found.filter(listed_at__lt=end)

    def opened_by(self, now: dt.datetime) -> Self:
        """Posts whose gate has opened, also those past their archive time, for `posts.changes`."""
        return self.filter(listed_at__lte=now)

    def closed_by(self, now: dt.datetime) -> Self:
        """Posts whose archive time has come, for `posts.changes`."""
        return self.filter(archive_at__lte=now)

    def with_gate(self) -> Self:
        """Posts whose gate is open, or opens at a moment to come."""
        return self.filter(listed_at__isnull=False)

    def listed_between(self, start: dt.datetime, end: dt.datetime) -> Self:
        """Posts whose gate opened from `start` until before `end`; beside `indexable()`."""
        return self.filter(listed_at__gte=start, listed_at__lt=end)

    def tagged(self, tag: int, now: dt.datetime) -> Self:
        """Posts with a tag, newest first, by that tag's own index; beside `indexable()`."""
        return self.filter(post_tags__tag=tag, post_tags__listed_at__lte=now).order_by(
            "-post_tags__listed_at", "-post_tags__content_object_id"
        )

    def scheduled(self, now: dt.datetime | None = None) -> Self:
        """Posts whose gate opens at a later moment: approved and published, listed from then."""
        return self.filter(listed_at__gt=now or timezone.now())

    def listed_before(self, moment: dt.datetime) -> Self:
        """Posts listed since before a moment, so that nobody has approved them anew since."""
        return self.filter(listed_at__lt=moment)

    def awaiting_review(self) -> Self:
        """Posts with a revision that waits for a verdict: the queue. Archived ones are done."""
        return self.filter(proposed_revision__isnull=False).exclude(visibility="archived")

    def returned(self) -> Self:
        """Posts whose live revision was sent back: decided on, neither approved nor waiting."""
        return self.filter(
            ~Q(approved_revision=F("live_revision")) | Q(approved_revision__isnull=True),
            proposed_revision__isnull=True,
        )

    def held_by_import(self) -> Self:
        """Posts where a newer imported version waits beside the page's own, or behind an edit."""
        from posts.models import Revision

        proposed = Revision.objects.filter(pk=OuterRef("proposed_revision"), origin="import")
        beside = Exists(proposed) & ~Q(proposed_revision=F("live_revision"))
        return self.filter(beside | Q(imported__waiting_revision__isnull=False))

    def with_contradicted(self, claim: str) -> Self:
        """Posts whose proposed revision makes this claim and contradicts it, by the last check.

        `claim` is a name of `posts.claims`; another raises `KeyError`. Asks at once for the masks
        there are, a few: one query, and an equality for the index instead of a bit for a scan.
        """
        from posts.models import ClaimCheck

        bit = claims.mask_of(claim)
        masks = [mask for mask in db.distinct_values(ClaimCheck, "contradicted") if mask & bit]
        found = ClaimCheck.objects.filter(contradicted__in=masks, contradicted__gt=0)
        return self.filter(proposed_revision__in=found.values("revision"))

    def visible_to(self, user: User | AnonymousUser, now: dt.datetime | None = None) -> Self:
        """Posts this user may open: all for staff who may view posts, published ones for others."""
        if user.is_authenticated and user.is_staff and user.has_perm("posts.view_post"):
            return self.all()
        return self.published(now)

    def for_article(self) -> Self:
        """Posts with what the article page shows. Queries: post, tags, entities, images."""
        from posts.models import PostEntity, PostImage, PostTag

        return self.select_related(
            "live_revision__author", "statistics", "imported__source"
        ).prefetch_related(
            Prefetch(
                "post_tags",
                PostTag.objects.select_related("tag").order_by("origin", "position", "tag_id"),
            ),
            Prefetch(
                "post_entities",
                PostEntity.objects.select_related("entity").order_by("position"),
            ),
            Prefetch(
                "post_images",
                PostImage.objects.select_related("image__stored").order_by("position"),
            ),
        )

    def for_summary(self) -> Self:
        """Posts with what machines are told in a list, without bodies. Queries: posts, tags."""
        from posts.models import PostTag

        return (
            self.select_related("live_revision__author", "imported__source")
            .defer("live_revision__body", "live_revision__meta")
            .prefetch_related(
                Prefetch(
                    "post_tags",
                    PostTag.objects.select_related("tag").order_by("origin", "position", "tag_id"),
                )
            )
        )

    def for_card(self) -> Self:
        """Posts with what a list line shows, without bodies and tags. One query."""
        return self.select_related("live_revision").only(
            "title",
            "slug",
            "topic",
            "difficulty",
            "code_language",
            "reading_minutes",
            "published_at",
            "listed_at",
            "live_revision__lede",
        )


class RevisionQuerySet(models.QuerySet[Any]):
    """Revisions of a post."""

    def newest_first(self) -> Self:
        return self.order_by("-number")

    def approved(self) -> Self:
        """Revisions whose latest verdict is an approval of their very digest: what readers may see.

        A verdict that was withdrawn is none. Reads the latest decision of each by its index.
        """
        from posts.models import Decision

        latest = Decision.objects.filter(revision=OuterRef("pk")).order_by("-pk")
        return self.alias(
            latest_verdict=Subquery(latest.values("verdict")[:1]),
            latest_digest=Subquery(latest.values("digest")[:1]),
        ).filter(latest_verdict=Decision.Verdict.APPROVE, latest_digest=F("digest"))

    def without_content(self) -> Self:
        """Revisions for a list: the long columns stay in the database."""
        return self.defer("lede", "body", "meta")


class SlugQuerySet(models.QuerySet[Any]):
    """Addresses that were ever given to a post."""

    def taken(self, wanted: Iterable[str]) -> set[str]:
        """Return those that are reserved, in use, or retired but still answering.

        One query per 500.
        """
        names = sorted(set(wanted))
        return set(slugs.RESERVED.intersection(names)).union(
            slug
            for chunk in db.chunked(names)
            for slug in self.filter(slug__in=chunk).values_list("slug", flat=True)
        )
