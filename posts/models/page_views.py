"""How often posts were read on this site, by week; what an import counted stays in Statistics."""

from __future__ import annotations

from django.db import models


class PageViews(models.Model):
    """Views of a post's page in one week. Written by `posts.page_views` alone."""

    post = models.ForeignKey("Post", models.PROTECT, related_name="page_views", db_index=False)
    week = models.DateField(help_text="Monday of the week, UTC.")
    count = models.PositiveIntegerField(default=0)

    class Meta:
        verbose_name_plural = "page views"
        constraints = [models.UniqueConstraint(name="page_views_once", fields=["post", "week"])]
        indexes = [models.Index(fields=["week", "-count", "-post"], name="page_views_most")]

    def __str__(self) -> str:
        return f"{self.count} views of post {self.post_id} in the week of {self.week}"
