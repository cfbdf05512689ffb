"""What the check of imported claims came to, one row a revision; see `posts.claims`."""

from __future__ import annotations

from django.db import models
from django.db.models import Q


class ClaimCheck(models.Model):
    """Verdicts on the claims of one revision, as bits of `posts.claims.CLAIMS`.

    A claim whose bit is in no mask was not made. Derived: it may be made again at any time, and
    `rules_version` 0 asks for that.
    """

    revision = models.OneToOneField(
        "Revision", models.PROTECT, related_name="claim_check", primary_key=True
    )
    rules_version = models.PositiveSmallIntegerField(
        help_text="Version of the rules it was made by; 0 when it is to be made again."
    )
    verified = models.PositiveBigIntegerField()
    contradicted = models.PositiveBigIntegerField()
    unverifiable = models.PositiveBigIntegerField()

    class Meta:
        indexes = [
            # Masks are few, so one index serves every claim: see `querysets.with_contradicted`.
            models.Index(
                fields=["contradicted", "revision"],
                name="claim_contradicted",
                condition=Q(contradicted__gt=0),
            ),
        ]

    def __str__(self) -> str:
        return f"claims of revision {self.revision_id}"
