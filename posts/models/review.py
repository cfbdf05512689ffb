"""What people decided and what happened: decisions, events, bulk actions, the erasure door."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q


class BulkAction(models.Model):
    """One command over many posts: who, what, over which filter, with what result."""

    actor = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    action = models.CharField(max_length=30)
    filters = models.JSONField(default=dict)
    reason = models.CharField(max_length=500, blank=True)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)
    changed = models.PositiveBigIntegerField(default=0)
    skipped = models.PositiveBigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.action} ({self.pk})"


class Decision(models.Model):
    """A person's verdict on one revision, bound to its digest. The latest on a revision counts."""

    class Verdict(models.TextChoices):
        APPROVE = "approve", "approve"
        REQUEST_CHANGES = "request_changes", "request changes"
        REJECT = "reject", "reject"
        WITHDRAW = "withdraw", "withdraw"

    revision = models.ForeignKey(
        "Revision", models.PROTECT, related_name="decisions", db_index=False
    )
    digest = models.CharField(max_length=80)
    verdict = models.CharField(max_length=20, choices=Verdict.choices)
    reviewer = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="decisions")
    reason = models.CharField(max_length=500, blank=True)
    comment = models.TextField(blank=True)
    decided_at = models.DateTimeField()
    bulk_action = models.ForeignKey(
        BulkAction, models.PROTECT, related_name="decisions", null=True, blank=True
    )

    class Meta:
        indexes = [models.Index(fields=["revision", "-id"], name="decision_latest")]
        constraints = [
            models.CheckConstraint(
                name="decision_verdict_known",
                condition=Q(verdict__in=["approve", "request_changes", "reject", "withdraw"]),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.verdict} of revision {self.revision_id}"


class Event(models.Model):
    """An append-only line of history of a post or of a run, hash-chained per subject.

    `data` holds values only: no names and no texts that an erasure would have to reach.
    """

    post = models.ForeignKey(
        "Post", models.PROTECT, related_name="events", null=True, blank=True, db_index=False
    )
    run = models.ForeignKey(
        "ImportRun", models.PROTECT, related_name="events", null=True, blank=True, db_index=False
    )
    sequence = models.PositiveIntegerField()
    kind = models.CharField(max_length=40)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", null=True, blank=True
    )
    at = models.DateTimeField()
    revision_digest = models.CharField(max_length=80, blank=True)
    data = models.JSONField(default=dict)
    previous_hash = models.CharField(max_length=64, blank=True)
    hash = models.CharField(max_length=64)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="event_of_post", fields=["post", "sequence"], condition=Q(post__isnull=False)
            ),
            models.UniqueConstraint(
                name="event_of_run", fields=["run", "sequence"], condition=Q(run__isnull=False)
            ),
            models.CheckConstraint(
                name="event_has_one_subject",
                condition=Q(post__isnull=False, run__isnull=True)
                | Q(post__isnull=True, run__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} ({self.sequence})"


class ErasureDoor(models.Model):
    """While a transaction holds a row here, its triggers let it delete immutable rows.

    `posts.db.erasing` inserts the row and removes it again before the commit, so no other
    transaction ever sees the door open.
    """

    reason = models.CharField(max_length=100)

    def __str__(self) -> str:
        return self.reason
