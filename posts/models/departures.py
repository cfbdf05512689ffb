"""When posts left what readers are shown as a list; kept beside them, because a post may go."""

from __future__ import annotations

from django.db import models

from posts.querysets import shard_of


class Departure(models.Model):
    """The end of a stretch in which a post was listed. Written by `posts.gate` as the gate moves.

    `left_at` may lie ahead: then the post is planned to be archived. No reference, so that what is
    erased stays gone.
    """

    post_number = models.BigIntegerField(help_text="The id of the post, which may be erased.")
    listed_at = models.DateTimeField(help_text="When that stretch began.")
    left_at = models.DateTimeField()

    class Meta:
        indexes = [
            # The newest within a range of ids, for the sitemap's index.
            models.Index(shard_of("post_number"), "left_at", name="departure_shard"),
            models.Index(fields=["left_at", "listed_at"], name="departure_newest"),
            models.Index(fields=["post_number"], name="departure_post"),
        ]

    def __str__(self) -> str:
        return f"departure of post {self.post_number}"
