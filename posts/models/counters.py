"""Counters that pages show: folded values, and appended changes that are still to be folded."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

NAME_MAX = 40


class Counter(models.Model):
    """A number of the archive by name, such as "listed" or "month:2026-11"; `posts.counters`."""

    name = models.CharField(max_length=NAME_MAX, primary_key=True)
    value = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return self.name


class CounterDelta(models.Model):
    """A change of a use count, due when the gate moves; folded by `posts.counters`.

    No subject and no name mean the archive's total. Appending never waits for a hot counter row.
    """

    name = models.CharField(
        max_length=NAME_MAX, blank=True, default="", help_text="The counter it is for, by name."
    )
    topic = models.ForeignKey(
        "Topic", models.CASCADE, related_name="deltas", null=True, blank=True, db_index=False
    )

    tag = models.ForeignKey(
        "Tag", models.CASCADE, related_name="deltas", null=True, blank=True, db_index=False
    )
    entity = models.ForeignKey(
        "Entity", models.CASCADE, related_name="deltas", null=True, blank=True, db_index=False
    )
    amount = models.IntegerField()
    due_at = models.DateTimeField()

    class Meta:
        indexes = [
            models.Index(fields=["due_at"], name="counter_delta_due"),
            models.Index(fields=["tag"], name="counter_delta_tag", condition=Q(tag__isnull=False)),
            models.Index(
                fields=["entity"], name="counter_delta_entity", condition=Q(entity__isnull=False)
            ),
            models.Index(
                fields=["topic"], name="counter_delta_topic", condition=Q(topic__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.amount:+d}"
