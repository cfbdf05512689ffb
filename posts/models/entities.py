"""Entities a post is about, and their projection of live revisions."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.urls import reverse

from posts import content


class Entity(models.Model):
    """A named thing of a type: stack, area, problem, or any other word an import brought."""

    type = models.CharField(max_length=content.ENTITY_TYPE_MAX)
    name = models.CharField(max_length=content.NAME_MAX)
    type_slug = models.CharField(max_length=60)
    slug = models.CharField(max_length=120)
    use_count = models.PositiveIntegerField(
        default=0, help_text="Listed posts with this entity, folded from CounterDelta."
    )
    merged_into = models.ForeignKey(
        "self",
        models.PROTECT,
        related_name="aliases",
        null=True,
        blank=True,
        help_text="The entity that stands for this name too; see `posts.renaming`.",
    )

    class Meta:
        verbose_name_plural = "entities"
        constraints = [
            models.UniqueConstraint(name="entity_once", fields=["type", "name"]),
            models.UniqueConstraint(name="entity_address", fields=["type_slug", "slug"]),
        ]
        indexes = [
            models.Index(
                fields=["type_slug", "slug"], name="entity_used", condition=Q(use_count__gt=0)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.type})"

    def get_absolute_url(self) -> str:
        return reverse("entity", args=[self.type_slug, self.slug])


class PostEntity(models.Model):
    """An entity of a post's live revision, in the order of the document."""

    post = models.ForeignKey("Post", models.PROTECT, related_name="post_entities", db_index=False)
    entity = models.ForeignKey(Entity, models.PROTECT, related_name="post_entities", db_index=False)
    position = models.PositiveSmallIntegerField(default=0)
    listed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "post entities"
        constraints = [
            models.UniqueConstraint(name="post_entity_once", fields=["post", "entity"]),
        ]
        indexes = [
            models.Index(
                fields=["entity", "-listed_at", "-post"],
                name="post_entity_listed",
                condition=Q(listed_at__isnull=False),
            ),
            models.Index(fields=["entity"], name="post_entity_entity"),
        ]

    def __str__(self) -> str:
        return f"entity {self.entity_id} of post {self.post_id}"
