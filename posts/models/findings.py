"""What reviewers found wrong with what a generator sent, until a newer version comes."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from posts import content

#: Characters of a scenario that are counted by: a longer text does not fit into an index.
SCENARIO_MAX = 200


class Finding(models.Model):
    """One verdict that sent an imported revision back and stands, beside what a report counts by.

    Derived: `posts.findings.follow` makes it from decisions and revisions, and may make it again
    at any time. Closed when a later import brought another text of the post.
    """

    decision = models.OneToOneField(
        "Decision", models.PROTECT, related_name="finding", primary_key=True
    )
    post = models.ForeignKey("Post", models.PROTECT, related_name="findings")
    revision = models.ForeignKey("Revision", models.PROTECT, related_name="findings")
    source = models.ForeignKey("ImportSource", models.PROTECT, related_name="+", db_index=False)
    run = models.ForeignKey(
        "ImportRun",
        models.PROTECT,
        related_name="+",
        db_index=False,
        help_text="The run that brought the revision.",
    )
    verdict = models.CharField(max_length=20)
    reason = models.CharField(max_length=500, blank=True)
    scenario = models.CharField(
        max_length=SCENARIO_MAX, blank=True, help_text="As the generator calls it, cut."
    )
    stack = models.CharField(
        max_length=content.TAG_MAX, blank=True, help_text="The first of the revision's stack."
    )
    decided_at = models.DateTimeField()
    is_open = models.BooleanField()
    closed_run = models.ForeignKey(
        "ImportRun",
        models.PROTECT,
        related_name="+",
        null=True,
        db_index=False,
        help_text="The run that brought another text.",
    )
    closed_at = models.DateTimeField(null=True)

    class Meta:
        # Pages of one state, by any dimension, are a walk; counts read an index and no row.
        indexes = [
            models.Index(fields=["source", "decision"], name="finding_all"),
            models.Index(fields=["source", "is_open", "decision"], name="finding_newest"),
            models.Index(fields=["source", "is_open", "reason", "decision"], name="finding_reason"),
            models.Index(
                fields=["source", "is_open", "scenario", "decision"], name="finding_scenario"
            ),
            models.Index(fields=["source", "is_open", "stack", "decision"], name="finding_stack"),
            models.Index(fields=["source", "run", "is_open", "decision"], name="finding_run"),
            models.Index(
                fields=["source", "closed_run"],
                name="finding_closed_run",
                condition=Q(closed_run__isnull=False),
            ),
        ]
        constraints = [
            models.CheckConstraint(
                name="finding_closed_by_a_run",
                condition=Q(is_open=True, closed_run__isnull=True, closed_at__isnull=True)
                | Q(is_open=False, closed_run__isnull=False, closed_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"finding of decision {self.decision_id}"
