"""Post, its immutable revisions, its slugs and its imported numbers.

A post row is narrow: pointers and the columns lists sort and filter by. Content lives once, in
`Revision`. Pointers, visibility and `listed_at` are written by `posts.review` and the engine only.
"""

from __future__ import annotations

import datetime as dt
from functools import cached_property

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.urls import reverse
from taggit.managers import TaggableManager

from posts import content
from posts.querysets import (
    MODIFIED_AT,
    SHARD,
    PostQuerySet,
    RevisionQuerySet,
    SlugQuerySet,
)


class Post(models.Model):  # type: ignore[django-manager-missing]  # taggit's bases have no types
    """One article: identity, slug, state, list columns, pointers to its revisions."""

    class Visibility(models.TextChoices):
        PRIVATE = "private", "private"
        PUBLISHED = "published", "published"
        ARCHIVED = "archived", "archived"

    # Mirror of the live revision, for lists and filters.
    title = models.CharField(max_length=content.TITLE_MAX)
    topic = models.CharField(max_length=content.TITLE_MAX * 2, blank=True)
    difficulty = models.CharField(
        max_length=content.LABEL_MAX,
        blank=True,
        choices=[(name, name) for name in content.DIFFICULTIES],
    )
    code_language = models.CharField(max_length=content.LABEL_MAX, blank=True)
    language = models.CharField(max_length=content.LABEL_MAX, blank=True)
    reference = models.CharField(max_length=content.LABEL_MAX, blank=True)
    reading_minutes = models.PositiveIntegerField(
        default=1, help_text="Whole minutes, computed from the text."
    )
    slug = models.CharField(max_length=200, unique=True, help_text="Mirror of the current slug.")

    visibility = models.CharField(
        max_length=10, choices=Visibility.choices, default=Visibility.PRIVATE
    )
    published_at = models.DateTimeField(null=True, blank=True)
    archive_at = models.DateTimeField(null=True, blank=True)
    listed_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="The gate: from this moment the post is indexed and listed; empty keeps it out.",
    )
    live_revision = models.ForeignKey("Revision", models.PROTECT, related_name="+")
    proposed_revision = models.ForeignKey(
        "Revision", models.PROTECT, related_name="+", null=True, blank=True, db_index=False
    )
    approved_revision = models.ForeignKey(
        "Revision", models.PROTECT, related_name="+", null=True, blank=True, db_index=False
    )
    created_at = models.DateTimeField()
    changed_at = models.DateTimeField(help_text="Last change of what the page shows.")

    objects = PostQuerySet.as_manager()
    tags = TaggableManager(through="posts.PostTag", blank=True)

    class Meta:
        permissions = [
            ("review_post", "Can approve posts, request changes and reject"),
            ("publish_post", "Can publish, withdraw from publication and archive posts"),
        ]
        constraints = [
            models.CheckConstraint(
                name="post_listed_only_when_live_is_approved",
                condition=Q(listed_at__isnull=True)
                | Q(
                    visibility="published",
                    approved_revision__isnull=False,
                    approved_revision=F("live_revision"),
                ),
                violation_error_message=(
                    "A post is listed only while it is published and a person approved exactly "
                    "its live revision."
                ),
            ),
            models.CheckConstraint(
                name="post_visibility_known",
                condition=Q(visibility__in=["private", "published", "archived"]),
            ),
            models.CheckConstraint(
                name="post_published_has_a_date",
                condition=~Q(visibility="published") | Q(published_at__isnull=False),
            ),
        ]
        indexes = [
            models.Index(
                fields=["listed_at", "id"], name="post_listed", condition=Q(listed_at__isnull=False)
            ),
            models.Index(
                fields=["id"], name="post_awaiting", condition=Q(proposed_revision__isnull=False)
            ),
            # A revision that goes needs to know who points to it, and SQLite asks for every new
            # one while a reference is open: without these, an import costs the square of posts.
            models.Index(
                fields=["proposed_revision"],
                name="post_proposed",
                condition=Q(proposed_revision__isnull=False),
            ),
            models.Index(
                fields=["approved_revision"],
                name="post_approved",
                condition=Q(approved_revision__isnull=False),
            ),
            models.Index(fields=["reference"], name="post_reference", condition=~Q(reference="")),
            # Lists of what is planned; an import of private posts writes neither.
            models.Index(
                fields=["published_at", "id"],
                name="post_published_at",
                condition=Q(published_at__isnull=False),
            ),
            models.Index(
                fields=["archive_at", "id"],
                name="post_archive_at",
                condition=Q(archive_at__isnull=False),
            ),
            # The newest change within a range of ids, for the sitemap's index.
            models.Index(
                SHARD, MODIFIED_AT, name="post_sitemap", condition=Q(listed_at__isnull=False)
            ),
            # A topic's page and its parts; only listed posts, so that an import pays nothing.
            models.Index(
                fields=["topic", "listed_at", "id"],
                name="post_topic_listed",
                condition=Q(listed_at__isnull=False) & ~Q(topic=""),
            ),
        ]

    def __str__(self) -> str:
        return self.title

    def get_absolute_url(self) -> str:
        return reverse("article", args=[self.slug])

    def is_planned(self, now: dt.datetime) -> bool:
        """Whether it will be published at a time that has not come."""
        is_dated = self.published_at is not None and self.published_at > now
        return self.visibility == self.Visibility.PUBLISHED and is_dated

    def is_over(self, now: dt.datetime) -> bool:
        """Whether it is archived: by a person, or because its time came."""
        is_past = self.archive_at is not None and self.archive_at <= now
        return self.visibility == self.Visibility.ARCHIVED or is_past

    def is_public(self, now: dt.datetime) -> bool:
        """Whether readers can open it now; of one row what `published()` asks of many."""
        is_published = self.visibility == self.Visibility.PUBLISHED
        return is_published and not self.is_planned(now) and not self.is_over(now)

    @property
    def modified_at(self) -> dt.datetime:
        """When the page last changed: what it shows, or that robots may index it."""
        return max(self.changed_at, self.listed_at or self.changed_at)

    @property
    def is_awaiting_review(self) -> bool:
        return self.proposed_revision_id is not None

    @property
    def is_live_approved(self) -> bool:
        """Whether a person approved exactly the revision readers see."""
        return self.approved_revision_id is not None and (
            self.approved_revision_id == self.live_revision_id
        )


class Revision(models.Model):
    """One immutable version of a post's content. It has no state; triggers refuse an UPDATE."""

    class Origin(models.TextChoices):
        IMPORT = "import", "import"
        EDITOR = "editor", "editor"
        RESTORE = "restore", "restore"

    post = models.ForeignKey(Post, models.PROTECT, related_name="revisions", db_index=False)
    number = models.PositiveIntegerField()
    digest = models.CharField(max_length=80)
    title = models.CharField(max_length=content.TITLE_MAX)
    lede = models.TextField(blank=True)
    body = models.TextField(blank=True)
    meta = models.JSONField(default=dict)
    origin = models.CharField(max_length=10, choices=Origin.choices)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", null=True, blank=True
    )
    run = models.ForeignKey(
        "ImportRun", models.PROTECT, related_name="revisions", null=True, blank=True
    )
    run_file = models.PositiveIntegerField(
        null=True, blank=True, help_text="Index of the file in the run's inputs."
    )
    run_line = models.PositiveBigIntegerField(
        null=True, blank=True, help_text="1-based line in that file."
    )
    parent = models.ForeignKey(
        "self", models.PROTECT, related_name="+", null=True, blank=True, db_index=False
    )
    comment = models.CharField(max_length=500, blank=True)
    created_at = models.DateTimeField()

    objects = RevisionQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(name="revision_number", fields=["post", "number"]),
            models.CheckConstraint(
                name="revision_by_run_or_person",
                condition=Q(origin="import", run__isnull=False)
                | Q(origin__in=["editor", "restore"], author__isnull=False),
            ),
        ]
        indexes = [
            models.Index(
                fields=["parent"], name="revision_parent", condition=Q(parent__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return f"revision {self.number}"

    @cached_property
    def snapshot(self) -> content.Snapshot:
        """The content as one value; the input of page, preview, compare and export."""
        return content.snapshot_from_row(self.title, self.lede, self.body, self.meta)

    @property
    def is_by_person(self) -> bool:
        return self.origin != self.Origin.IMPORT


class Slug(models.Model):
    """Every slug a post ever had: one unique index for current and retired ones."""

    slug = models.CharField(max_length=200, unique=True)
    post = models.ForeignKey(Post, models.PROTECT, related_name="slugs", db_index=False)
    is_current = models.BooleanField()
    created_at = models.DateTimeField()

    objects = SlugQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="slug_one_current_a_post", fields=["post"], condition=Q(is_current=True)
            ),
        ]
        indexes = [models.Index(fields=["post"], name="slug_post")]

    def __str__(self) -> str:
        return self.slug


class FormerUrl(models.Model):
    """An address a post had at its source; asked for here, it leads to the post's own.

    `path` is in the spelling of `posts.addresses`. The first post that came with it keeps it.
    """

    path = models.CharField(max_length=content.URL_MAX)
    post = models.ForeignKey(Post, models.PROTECT, related_name="former_urls", db_index=False)

    class Meta:
        constraints = [models.UniqueConstraint(name="former_url_path", fields=["path"])]
        indexes = [models.Index(fields=["post"], name="former_url_post")]

    def __str__(self) -> str:
        return self.path


class Statistics(models.Model):
    """Imported numbers, updated in place by an import, and the views really counted here."""

    post = models.OneToOneField(Post, models.PROTECT, related_name="statistics", primary_key=True)
    imported_reading_time = models.PositiveIntegerField(null=True, blank=True)
    imported_view_count = models.PositiveBigIntegerField(null=True, blank=True)
    imported_score = models.JSONField(default=dict)
    views = models.PositiveBigIntegerField(default=0, help_text="Counted on this site.")

    class Meta:
        verbose_name_plural = "statistics"

    def __str__(self) -> str:
        return f"statistics of post {self.post_id}"

    @property
    def imported(self) -> content.Statistics:
        """The imported numbers as one value."""
        return content.statistics_from_row(
            self.imported_reading_time, self.imported_view_count, self.imported_score
        )
