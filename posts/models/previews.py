"""Links to previews: who let whom without an account read one revision, and until when."""

from __future__ import annotations

from django.conf import settings
from django.db import models


class PreviewLink(models.Model):
    """A link to one revision for whoever holds it. The token itself is stored nowhere."""

    revision = models.ForeignKey("Revision", models.PROTECT, related_name="preview_links")
    token_digest = models.CharField(
        max_length=64, unique=True, help_text="SHA-256 of the token, in hexadecimal digits."
    )
    made_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    made_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)
    revoked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", null=True, blank=True
    )
    last_used_at = models.DateTimeField(
        null=True, blank=True, help_text="To the minute; empty while nobody opened it."
    )

    class Meta:
        verbose_name = "preview link"
        constraints = [
            models.CheckConstraint(
                name="preview_link_expires_later",
                condition=models.Q(expires_at__gt=models.F("made_at")),
            ),
            models.CheckConstraint(
                name="preview_link_revoked_by_someone",
                condition=models.Q(revoked_at__isnull=True, revoked_by__isnull=True)
                | models.Q(revoked_at__isnull=False, revoked_by__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"preview link {self.pk}"
