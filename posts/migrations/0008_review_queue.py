"""The review queue as rows of its own: what it filters and orders by, risk, and leases.

The entries of posts that are there are made by `manage.py refresh_queue`, in its own short
transactions; until it has run the queue looks empty and says so. Lock: none worth naming, the table
is new. Duration: a moment. Rollback: drops the table; all of it but the leases is derived.
"""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("posts", "0007_audit_trail"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="QueueEntry",
            fields=[
                (
                    "post",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="queue_entry",
                        serialize=False,
                        to="posts.post",
                    ),
                ),
                (
                    "stage",
                    models.PositiveSmallIntegerField(
                        choices=[(1, "awaiting review"), (2, "returned")]
                    ),
                ),
                (
                    "reason",
                    models.PositiveSmallIntegerField(
                        choices=[
                            (1, "new"),
                            (2, "changed by an import"),
                            (3, "proposed by a person"),
                            (4, "returned"),
                        ]
                    ),
                ),
                ("difficulty", models.CharField(blank=True, max_length=100)),
                (
                    "entered_at",
                    models.DateTimeField(
                        help_text="When the revision was made, or sent back: the age in the queue."
                    ),
                ),
                ("risk", models.PositiveSmallIntegerField(help_text="0 to 1,000; see posts.risk.")),
                (
                    "factors",
                    models.PositiveIntegerField(
                        help_text="What the risk comes from: bits of posts.risk."
                    ),
                ),
                (
                    "rank",
                    models.PositiveBigIntegerField(
                        help_text="The order by risk as one number: the highest risk first, then the older post."
                    ),
                ),
                ("lease_until", models.DateTimeField(null=True)),
                (
                    "author",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        help_text="The person who made the revision.",
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "lease_by",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        help_text="Who has the draft open.",
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "revision",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        help_text="The one that waits, or the one that was sent back.",
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="posts.revision",
                    ),
                ),
                (
                    "run",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        help_text="The run that brought the revision.",
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="posts.importrun",
                    ),
                ),
                (
                    "source",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="posts.importsource",
                    ),
                ),
                (
                    "stack",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        help_text="The first stack tag of the live revision.",
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="posts.tag",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "queue entries",
                "indexes": [
                    models.Index(fields=["stage", "rank"], name="queue_risk"),
                    models.Index(fields=["stage", "entered_at", "post"], name="queue_age"),
                    models.Index(fields=["stage", "reason", "rank"], name="queue_reason_risk"),
                    models.Index(
                        fields=["stage", "reason", "entered_at", "post"], name="queue_reason_age"
                    ),
                    models.Index(fields=["stage", "source", "rank"], name="queue_source_risk"),
                    models.Index(
                        fields=["stage", "source", "entered_at", "post"], name="queue_source_age"
                    ),
                    models.Index(fields=["stage", "run", "rank"], name="queue_run_risk"),
                    models.Index(
                        fields=["stage", "run", "entered_at", "post"], name="queue_run_age"
                    ),
                    models.Index(fields=["stage", "stack", "rank"], name="queue_stack_risk"),
                    models.Index(
                        fields=["stage", "stack", "entered_at", "post"], name="queue_stack_age"
                    ),
                    models.Index(
                        fields=["stage", "difficulty", "rank"], name="queue_difficulty_risk"
                    ),
                    models.Index(
                        fields=["stage", "difficulty", "entered_at", "post"],
                        name="queue_difficulty_age",
                    ),
                    models.Index(
                        condition=models.Q(("lease_by__isnull", False)),
                        fields=["lease_by", "lease_until"],
                        name="queue_lease",
                    ),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("reason__lt", 4), ("stage", 1)),
                            models.Q(("reason", 4), ("stage", 2)),
                            _connector="OR",
                        ),
                        name="queue_stage_fits_reason",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("risk__lte", 1000)), name="queue_risk_in_range"
                    ),
                ],
            },
        ),
    ]
