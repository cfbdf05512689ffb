"""What people say about a text beside it: notes of editors, reports of readers."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q


class DraftNote(models.Model):
    """A remark of an editor on one revision, on a passage of it or on the whole; never public."""

    post = models.ForeignKey("Post", models.PROTECT, related_name="notes", db_index=False)
    revision = models.ForeignKey("Revision", models.PROTECT, related_name="notes")
    passage = models.CharField(max_length=500, blank=True, help_text="Quoted from the revision.")
    text = models.CharField(max_length=2000)
    author = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    made_at = models.DateTimeField()
    resolved_at = models.DateTimeField(null=True, blank=True)
    resolved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", null=True, blank=True
    )

    class Meta:
        verbose_name = "note on a draft"
        verbose_name_plural = "notes on drafts"
        indexes = [models.Index(fields=["post", "-id"], name="note_newest")]
        constraints = [
            models.CheckConstraint(
                name="note_resolved_by_someone",
                condition=Q(resolved_at__isnull=True, resolved_by__isnull=True)
                | Q(resolved_at__isnull=False, resolved_by__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"note {self.pk}"


class ReaderReport(models.Model):
    """A problem a reader told of, on the revision that was live then.

    The address goes when it is dealt with. Nothing else of the reader is stored: no account, no
    network address.
    """

    class State(models.TextChoices):
        NEW = "new", "new"
        ANSWERED = "answered", "answered"
        DISMISSED = "dismissed", "dismissed"
        RETURNED = "returned", "made a request for changes"

    post = models.ForeignKey("Post", models.PROTECT, related_name="reports")
    revision = models.ForeignKey("Revision", models.PROTECT, related_name="+")
    text = models.CharField(max_length=2000)
    email = models.EmailField(blank=True, help_text="For one answer; removed after it.")
    made_at = models.DateTimeField()
    state = models.CharField(max_length=10, choices=State.choices, default=State.NEW)
    answer = models.CharField(max_length=2000, blank=True)
    handled_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", null=True, blank=True
    )
    handled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "report of a reader"
        verbose_name_plural = "reports of readers"
        indexes = [
            models.Index(fields=["state", "id"], name="report_by_state"),
            models.Index(fields=["made_at"], name="report_made"),
        ]
        constraints = [
            models.CheckConstraint(
                name="report_handled_by_someone",
                condition=Q(state="new", handled_by__isnull=True, handled_at__isnull=True)
                | (~Q(state="new") & Q(handled_by__isnull=False, handled_at__isnull=False)),
            ),
            models.CheckConstraint(
                name="report_address_goes", condition=Q(state="new") | Q(email="")
            ),
        ]

    def __str__(self) -> str:
        return f"report {self.pk}"


class ErasedAddress(models.Model):
    """The digest of an address that a post had before it was erased: it answers "gone" for good.

    A digest, because an address holds words of the title.
    """

    digest = models.CharField(max_length=64, unique=True)
    erased_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "erased addresses"

    def __str__(self) -> str:
        return self.digest
