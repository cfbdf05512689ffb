"""The review queue: one narrow row for each post that waits for a verdict or was sent back.

Beside it what its risk is weighed by, learned from verdicts, and the filters people saved.
"""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from posts import content, risk


class QueueEntry(models.Model):
    """Everything the queue filters and orders by, and who has the draft open.

    Derived: `posts.queue.refresh` makes it from the post, and may make it again at any time. Only
    the post is a reference the database checks; the others are copied where it is checked already,
    so that an import pays for one check a row. The lease alone is written elsewhere, by
    `posts.leases`.
    """

    class Stage(models.IntegerChoices):
        WAITING = 1, "awaiting review"
        RETURNED = 2, "returned"

    class Reason(models.IntegerChoices):
        NEW = 1, "new"
        HELD = 2, "changed by an import"
        PROPOSED = 3, "proposed by a person"
        CHANGES_REQUESTED = 4, "changes requested"
        REJECTED = 5, "rejected"

    post = models.OneToOneField(
        "Post", models.PROTECT, related_name="queue_entry", primary_key=True
    )
    revision = models.ForeignKey(
        "Revision",
        models.DO_NOTHING,
        related_name="+",
        db_constraint=False,
        db_index=False,
        help_text="The one that waits, or the one that was sent back.",
    )
    stage = models.PositiveSmallIntegerField(choices=Stage.choices)
    reason = models.PositiveSmallIntegerField(choices=Reason.choices)
    source = models.ForeignKey(
        "ImportSource",
        models.DO_NOTHING,
        related_name="+",
        null=True,
        db_constraint=False,
        db_index=False,
    )
    run = models.ForeignKey(
        "ImportRun",
        models.DO_NOTHING,
        related_name="+",
        null=True,
        db_constraint=False,
        db_index=False,
        help_text="The run that brought the revision.",
    )
    stack = models.ForeignKey(
        "Tag",
        models.DO_NOTHING,
        related_name="+",
        null=True,
        db_constraint=False,
        db_index=False,
        help_text="The first stack tag of the live revision.",
    )
    difficulty = models.CharField(max_length=content.LABEL_MAX, blank=True)
    verified = models.PositiveIntegerField(
        default=0, help_text="Claims of the revision that agree: bits of posts.claims."
    )
    contradicted = models.PositiveIntegerField(
        default=0, help_text="Claims of the revision found otherwise: bits of posts.claims."
    )
    lowest_score = models.PositiveSmallIntegerField(
        null=True, help_text="The lowest score the generator gave, 0 to 100."
    )
    words_added = models.PositiveIntegerField(
        null=True, help_text="Words the page does not have; empty where this is the page itself."
    )
    words_removed = models.PositiveIntegerField(
        null=True, help_text="Words of the page that are gone; empty as above."
    )
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.DO_NOTHING,
        related_name="+",
        null=True,
        db_constraint=False,
        db_index=False,
        help_text="The person who made the revision.",
    )
    entered_at = models.DateTimeField(
        help_text="When the revision was made, or sent back: the age in the queue."
    )
    risk = models.PositiveSmallIntegerField(help_text="0 to 1,000; see posts.risk.")
    factors = models.PositiveIntegerField(help_text="What the risk comes from: bits of posts.risk.")
    rank = models.PositiveBigIntegerField(
        help_text="The order by risk as one number: the highest risk first, then the older post."
    )
    lease_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.DO_NOTHING,
        related_name="+",
        null=True,
        db_constraint=False,
        db_index=False,
        help_text="Who has the draft open.",
    )
    lease_until = models.DateTimeField(null=True)

    class Meta:
        verbose_name_plural = "queue entries"
        # An import writes every one of them for every new post, so only what may leave few rows of
        # many has its own; see `posts.queue_walk` for the rest.
        indexes = [
            models.Index(fields=["stage", "rank"], name="queue_risk"),
            models.Index(fields=["stage", "entered_at", "post"], name="queue_age"),
            models.Index(
                fields=["stage", "reason", "rank"],
                name="queue_reason_risk",
                condition=~Q(reason=1),
            ),
            models.Index(fields=["stage", "source", "rank"], name="queue_source_risk"),
            models.Index(fields=["stage", "run", "rank"], name="queue_run_risk"),
            models.Index(fields=["stage", "stack", "rank"], name="queue_stack_risk"),
            models.Index(
                fields=["lease_by", "lease_until"],
                name="queue_lease",
                condition=Q(lease_by__isnull=False),
            ),
        ]
        constraints = [
            models.CheckConstraint(
                name="queue_stage_fits_reason",
                # Not a list: Django reads SQLite's tables by their commas.
                condition=Q(stage=1, reason__lt=4) | Q(stage=2, reason__gte=4),
            ),
            models.CheckConstraint(name="queue_risk_in_range", condition=Q(risk__lte=1000)),
        ]

    def __str__(self) -> str:
        return f"queue entry of post {self.post_id}"


class RiskWeights(models.Model):
    """How often claims are contradicted and drafts sent back, as `refresh_queue` last found it.

    One row at most. The risk of every draft is weighed by it until the next time, so that the same
    draft has the same risk through every door; see `posts.risk_learning`.
    """

    #: The primary key of the row.
    ONLY = 1

    made_at = models.DateTimeField()
    claims = models.JSONField(
        default=dict, help_text="By the name of the claim: contradicted, judged."
    )
    origins = models.JSONField(
        default=dict, help_text="By generator and scenario: drafts decided on, sent back."
    )

    class Meta:
        verbose_name_plural = "risk weights"

    def __str__(self) -> str:
        return f"risk weights of {self.made_at:%Y-%m-%d %H:%M}"

    @property
    def as_weights(self) -> risk.Weights:
        return risk.weights_from(self.claims, self.origins)


class SavedFilter(models.Model):
    """A view of the queue under a name: the query of its address. Shared ones all editors see."""

    NAME_MAX = 60
    QUERY_MAX = 1_000

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", db_index=False
    )
    name = models.CharField(max_length=NAME_MAX)
    query = models.CharField(max_length=QUERY_MAX, blank=True)
    is_shared = models.BooleanField(default=False)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(name="saved_filter_name", fields=["owner", "name"]),
        ]

    def __str__(self) -> str:
        return self.name
