"""What people decided and what happened: decisions, events and their seals, bulk actions.

Also the erasure door. Rows of Decision, Event, ErasedEvent and Seal never change.
"""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q


class BulkAction(models.Model):
    """One command over many posts: who, what, over which filter, how far it came, its result.

    The posts are frozen as `BulkItem` rows before anybody confirms. `position` is the checkpoint:
    the last post that was decided on, written in the transaction of those decisions.
    """

    class State(models.TextChoices):
        PREPARED = "prepared", "prepared"
        RUNNING = "running", "running"
        STOPPED = "stopped", "stopped"
        FINISHED = "finished", "finished"

    actor = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    action = models.CharField(max_length=30)
    filters = models.JSONField(default=dict)
    options = models.JSONField(
        default=dict, help_text="What the action needs to know besides: undo window, tag, way back."
    )
    reason = models.CharField(max_length=500, blank=True)
    # An erasure is one transaction: its row is there when all of it is.
    state = models.CharField(max_length=10, choices=State.choices, default=State.FINISHED)
    total = models.PositiveBigIntegerField(default=0, help_text="Posts that were frozen.")
    position = models.PositiveBigIntegerField(default=0)
    started_at = models.DateTimeField()
    beat_at = models.DateTimeField(
        null=True, blank=True, help_text="Last sign of life of whoever carries it out."
    )
    finished_at = models.DateTimeField(null=True, blank=True)
    problem = models.CharField(max_length=200, blank=True, help_text="Why it stopped by itself.")
    changed = models.PositiveBigIntegerField(default=0)
    skipped = models.PositiveBigIntegerField(default=0)
    refusals = models.JSONField(default=dict, help_text="Reason -> number of posts skipped by it.")

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="bulk_action_state_known",
                condition=Q(state__in=["prepared", "running", "stopped", "finished"]),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.action} ({self.pk})"

    @property
    def done(self) -> int:
        """How many posts were looked at so far."""
        return self.changed + self.skipped


class BulkItem(models.Model):
    """One post of a bulk action, the revision that was frozen for it, and what came of it.

    Neither post nor revision is a reference the database checks: an erasure takes them away, and a
    million rows are frozen by one statement. An empty outcome was not reached yet.
    """

    pk = models.CompositePrimaryKey("bulk_action_id", "post_id")
    bulk_action = models.ForeignKey(
        BulkAction,
        models.DO_NOTHING,
        related_name="items",
        db_constraint=False,
        db_index=False,
    )
    post = models.ForeignKey(
        "Post", models.DO_NOTHING, related_name="+", db_constraint=False, db_index=False
    )
    revision = models.ForeignKey(
        "Revision",
        models.DO_NOTHING,
        related_name="+",
        null=True,
        db_constraint=False,
        db_index=False,
    )
    outcome = models.CharField(
        max_length=20, blank=True, help_text='"changed", or the code of the refusal.'
    )
    note = models.CharField(max_length=200, blank=True, help_text="The refusal in words.")

    #: The outcome of a post that was changed; every other one is the code of a `ReviewError`.
    CHANGED = "changed"

    def __str__(self) -> str:
        return f"post {self.post_id} of bulk action {self.bulk_action_id}"


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
    """An append-only line of history, hash-chained per subject: post, run, person or the site.

    One of the three is named, or none: then the site itself is the subject. `data` holds ids,
    numbers and codes only: no names and no texts that an erasure would have to reach. `source` is
    where a post or a run came from, so that a list by source needs no join.
    """

    post = models.ForeignKey(
        "Post", models.PROTECT, related_name="events", null=True, blank=True, db_index=False
    )
    run = models.ForeignKey(
        "ImportRun", models.PROTECT, related_name="events", null=True, blank=True, db_index=False
    )
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        related_name="account_events",
        null=True,
        blank=True,
        db_index=False,
    )
    source = models.ForeignKey(
        "ImportSource", models.PROTECT, related_name="+", null=True, blank=True, db_index=False
    )
    sequence = models.PositiveIntegerField()
    kind = models.CharField(max_length=40)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        related_name="+",
        null=True,
        blank=True,
        db_index=False,
    )
    at = models.DateTimeField()
    revision_digest = models.CharField(max_length=80, blank=True)
    data = models.JSONField(default=dict)
    previous_hash = models.CharField(max_length=64, blank=True)
    hash = models.CharField(max_length=64)

    class Meta:
        # Every list is newest first by (at, id), whatever it is narrowed down to.
        indexes = [
            models.Index(fields=["at", "id"], name="event_newest"),
            models.Index(fields=["kind", "at", "id"], name="event_by_kind"),
            models.Index(
                fields=["actor", "at", "id"],
                name="event_by_actor",
                condition=Q(actor__isnull=False),
            ),
            models.Index(
                fields=["source", "at", "id"],
                name="event_by_source",
                condition=Q(source__isnull=False),
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                name="event_of_post", fields=["post", "sequence"], condition=Q(post__isnull=False)
            ),
            models.UniqueConstraint(
                name="event_of_run", fields=["run", "sequence"], condition=Q(run__isnull=False)
            ),
            models.UniqueConstraint(
                name="event_of_person",
                fields=["person", "sequence"],
                condition=Q(person__isnull=False),
            ),
            models.UniqueConstraint(
                name="event_of_site",
                fields=["sequence"],
                condition=Q(post__isnull=True, run__isnull=True, person__isnull=True),
            ),
            models.CheckConstraint(
                name="event_has_one_subject",
                condition=Q(post__isnull=True, run__isnull=True)
                | Q(post__isnull=True, person__isnull=True)
                | Q(run__isnull=True, person__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} ({self.sequence})"


class ChainEnd(models.Model):
    """Where the chain of a subject ends. Written with every event, in the same transaction.

    So a chain that lost its newest events is found before a seal covers it, and going on with a
    chain is one look-up. `subject_id` of the site is 0.
    """

    class Subject(models.TextChoices):
        POST = "post", "post"
        RUN = "run", "run"
        PERSON = "person", "person"
        SITE = "site", "site"

    subject = models.CharField(max_length=6, choices=Subject.choices)
    subject_id = models.PositiveBigIntegerField()
    source = models.ForeignKey(
        "ImportSource", models.PROTECT, related_name="+", null=True, blank=True, db_index=False
    )
    sequence = models.PositiveIntegerField()
    event_id = models.PositiveBigIntegerField()
    hash = models.CharField(max_length=64, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(name="chain_end_subject", fields=["subject", "subject_id"]),
        ]

    def __str__(self) -> str:
        return f"{self.subject} {self.subject_id} ({self.sequence})"


class ErasedEvent(models.Model):
    """What is left of an event that went with its post: its number and hash, for the seals.

    Append-only. `logged` is the event of the site that says how many went and their digest.
    """

    event_id = models.PositiveBigIntegerField(unique=True)
    hash = models.CharField(max_length=64)
    logged = models.ForeignKey(Event, models.PROTECT, related_name="erased")

    def __str__(self) -> str:
        return f"event {self.event_id}"


class Seal(models.Model):
    """The events of a range of numbers as they were when nothing could be added to it any more.

    Append-only, and chained like events. `digest` covers number and hash of every event from
    `first_event` to `last_event`; each seal begins where the one before it ended.
    """

    number = models.PositiveBigIntegerField(unique=True)
    first_event = models.PositiveBigIntegerField()
    last_event = models.PositiveBigIntegerField()
    count = models.PositiveBigIntegerField()
    digest = models.CharField(max_length=64)
    previous_hash = models.CharField(max_length=64, blank=True)
    hash = models.CharField(max_length=64)
    made_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(name="seal_range_begins_once", fields=["first_event"]),
            models.CheckConstraint(
                name="seal_range_in_order", condition=Q(first_event__lte=F("last_event"))
            ),
        ]

    def __str__(self) -> str:
        return f"seal {self.number}"


class ErasureDoor(models.Model):
    """While a transaction holds a row here, its triggers let it delete immutable rows.

    `posts.db.erasing` inserts the row and removes it again before the commit, so no other
    transaction ever sees the door open.
    """

    reason = models.CharField(max_length=100)

    def __str__(self) -> str:
        return self.reason
