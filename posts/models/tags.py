"""Tags with a kind, on django-taggit's base, and their relational projection of live revisions."""

from __future__ import annotations

from functools import lru_cache

from django.db import models
from django.db.models import Q
from django.urls import reverse
from taggit.models import ItemBase, TagBase

from posts import content


class Tag(TagBase):
    """A tag of the site. Its kind is the strongest any revision gave it, see `KIND_STRENGTH`."""

    class Kind(models.TextChoices):
        STACK = "stack", "stack"
        AREA = "area", "area"
        LANGUAGE = "language", "language"
        TOOL = "tool", "tool"
        TOPIC = "topic", "topic"
        FREE = "free", "free"

    kind = models.CharField(max_length=10, choices=Kind.choices, default=Kind.FREE)
    use_count = models.PositiveIntegerField(
        default=0, help_text="Listed posts with this tag, folded from CounterDelta."
    )
    merged_into = models.ForeignKey(
        "self",
        models.PROTECT,
        related_name="aliases",
        null=True,
        blank=True,
        help_text="The tag that stands for this name too; see `posts.renaming`.",
    )

    class Meta:
        verbose_name = "tag"
        verbose_name_plural = "tags"
        indexes = [
            models.Index(fields=["kind", "slug"], name="tag_used", condition=Q(use_count__gt=0)),
            # The most used of a kind, for home and the tag index.
            models.Index(fields=["kind", "-use_count", "name"], name="tag_of_kind"),
        ]

    def get_absolute_url(self) -> str:
        return address_of_tag(self.slug)


@lru_cache(maxsize=10_000)
def address_of_tag(slug: str) -> str:
    """Return the path of a tag's page; remembered, because a list shows a hundred tags."""
    return reverse("tag", args=[slug])


#: Which kind wins when posts give one name several: the order of records must not matter.
KIND_STRENGTH = {kind: rank for rank, kind in enumerate(reversed(Tag.Kind.values))}


class PostTag(ItemBase):
    """A tag of a post. Imported ones mirror the live revision; editorial ones are people's."""

    class Origin(models.TextChoices):
        IMPORTED = "imported", "imported"
        EDITORIAL = "editorial", "editorial"

    content_object = models.ForeignKey(
        "Post", models.PROTECT, related_name="post_tags", db_column="post_id", db_index=False
    )
    tag = models.ForeignKey(Tag, models.PROTECT, related_name="post_tags", db_index=False)
    origin = models.CharField(max_length=10, choices=Origin.choices, default=Origin.EDITORIAL)
    position = models.PositiveSmallIntegerField(default=0)
    listed_at = models.DateTimeField(
        null=True, blank=True, help_text="Copy of the post's gate, kept by posts.review."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(name="post_tag_once", fields=["content_object", "tag"]),
        ]
        indexes = [
            models.Index(
                fields=["tag", "-listed_at", "-content_object"],
                name="post_tag_listed",
                condition=Q(listed_at__isnull=False),
            ),
            models.Index(fields=["tag"], name="post_tag_tag"),
        ]

    def __str__(self) -> str:
        return f"{self.tag_id} on post {self.content_object_id}"


def parse_comma_tags(text: str) -> list[str]:
    """Split what an editor typed at commas only: "python services, git" is two tags."""
    return sorted({name for part in text.split(",") if (name := content.normal_tag(part))})
