"""What people are told about their work, and whether by mail too."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q


class Notice(models.Model):
    """Something of a person's that was returned or is held, counted up while they have not read it.

    One unread row a person and topic, however many posts it is about: a topic is a post of theirs,
    many of them at once, or all that came from a source.
    """

    class Kind(models.TextChoices):
        RETURNED = "returned", "returned"
        HELD = "held", "held"

    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="notices", db_index=False
    )
    kind = models.CharField(max_length=10, choices=Kind.choices)
    topic = models.CharField(max_length=60)
    post = models.ForeignKey("Post", models.PROTECT, related_name="+", null=True, blank=True)
    source = models.ForeignKey(
        "ImportSource", models.PROTECT, related_name="+", null=True, blank=True, db_index=False
    )
    run = models.ForeignKey(
        "ImportRun", models.PROTECT, related_name="+", null=True, blank=True, db_index=False
    )
    count = models.PositiveBigIntegerField(help_text="Posts, since the person last read it.")
    reason = models.CharField(max_length=500, blank=True, help_text="The latest one.")
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()
    read_at = models.DateTimeField(null=True, blank=True)
    mailed = models.PositiveBigIntegerField(
        default=0, help_text="How many of them a mail has told of."
    )

    class Meta:
        indexes = [
            models.Index(fields=["person", "-id"], name="notice_newest"),
        ]
        constraints = [
            models.UniqueConstraint(
                name="notice_unread_once",
                fields=["person", "topic"],
                condition=Q(read_at__isnull=True),
            ),
            models.CheckConstraint(
                name="notice_is_about_one",
                condition=Q(post__isnull=True) | Q(source__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.topic}"


class MailWish(models.Model):
    """Whether a person wants notices by mail, and how the last attempt went; yes without a row."""

    person = models.OneToOneField(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="mail_wish", primary_key=True
    )
    wants_mail = models.BooleanField(default=True)
    sent_at = models.DateTimeField(null=True, blank=True)
    failures = models.PositiveIntegerField(default=0, help_text="In a row.")
    error = models.CharField(max_length=300, blank=True)

    def __str__(self) -> str:
        return f"mail wish of person {self.person_id}"
