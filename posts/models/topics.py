"""Topics of listed posts: the text of `Post.topic`, taken apart where it says "problem / stack"."""

from __future__ import annotations

from django.db import models
from django.urls import reverse

from posts import content

SLUG_MAX = 120


class Topic(models.Model):
    """A topic that some listed post has or had; made by `posts.topics` as the gate opens."""

    name = models.CharField(
        max_length=content.TITLE_MAX * 2, unique=True, help_text="Exactly as posts have it."
    )
    slug = models.CharField(max_length=SLUG_MAX, unique=True)
    subject = models.CharField(max_length=content.TITLE_MAX * 2)
    stack = models.CharField(
        max_length=content.TAG_MAX,
        blank=True,
        help_text="The name of a tag, when the topic says one.",
    )
    use_count = models.PositiveIntegerField(
        default=0, help_text="Listed posts with this topic, folded from CounterDelta."
    )

    class Meta:
        indexes = [models.Index(fields=["stack", "subject", "id"], name="topic_of_stack")]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("topic", args=[self.slug])
