"""What editors typed and have not saved yet: theirs alone, and no content of the archive."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q


class EditWindow(models.Model):
    """One window of a browser with a post in the form. `fields` is what was typed, as typed.

    Never a revision: only saving the form makes one. `step` counts what the window sent, so that a
    late one never replaces a newer one.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    post = models.ForeignKey(
        "Post",
        models.PROTECT,
        related_name="edit_windows",
        null=True,
        blank=True,
        help_text="Empty while a new post is written.",
    )
    tab = models.CharField(max_length=32, help_text="Made with the page; names the window.")
    step = models.PositiveIntegerField(default=0)
    base_number = models.PositiveIntegerField(default=0)
    base_digest = models.CharField(max_length=80, blank=True)
    fields = models.JSONField(null=True, blank=True)
    opened_at = models.DateTimeField()
    seen_at = models.DateTimeField(help_text="The last sign of the window.")
    typed_at = models.DateTimeField(null=True, blank=True)
    closed_at = models.DateTimeField(
        null=True, blank=True, help_text="Saved or discarded: what comes late is not kept."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(name="edit_window_tab", fields=["user", "tab"]),
            models.CheckConstraint(
                name="edit_window_closed_is_empty",
                condition=Q(closed_at__isnull=True) | Q(fields__isnull=True),
            ),
            models.CheckConstraint(
                name="edit_window_typed_at_a_time",
                condition=Q(fields__isnull=True) | Q(typed_at__isnull=False),
            ),
        ]
        indexes = [models.Index(fields=["seen_at"], name="edit_window_seen")]

    def __str__(self) -> str:
        return f"window {self.pk}"
