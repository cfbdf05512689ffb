"""What the queue filters by and shows besides: verdicts on claims, scores, the size of a change.

Also fewer indexes, for every import writes all of them for every post; risk weights; saved filters;
and "returned" told apart as changes requested and rejected. Old rows call both changes requested
and have none of the new values until `manage.py refresh_queue` has run. Lock: the table of the
queue, while its rows are looked through once; about a second for a million. Rollback: the columns
go, with them saved filters; all else is derived.
"""

from typing import Any

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


def reject_nothing(apps: Any, schema_editor: Any) -> None:
    """Give rejected drafts the one reason that the constraint of before knows."""
    apps.get_model("posts", "QueueEntry").objects.filter(reason=5).update(reason=4)


class Migration(migrations.Migration):
    dependencies = [
        ("posts", "0016_archive_counts"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="RiskWeights",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("made_at", models.DateTimeField()),
                (
                    "claims",
                    models.JSONField(
                        default=dict, help_text="By the name of the claim: contradicted, judged."
                    ),
                ),
                (
                    "origins",
                    models.JSONField(
                        default=dict,
                        help_text="By generator and scenario: drafts decided on, sent back.",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "risk weights",
            },
        ),
        migrations.CreateModel(
            name="SavedFilter",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=60)),
                ("query", models.CharField(blank=True, max_length=1000)),
                ("is_shared", models.BooleanField(default=False)),
                ("created_at", models.DateTimeField()),
                (
                    "owner",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
        ),
        migrations.RemoveConstraint(
            model_name="queueentry",
            name="queue_stage_fits_reason",
        ),
        migrations.RunPython(migrations.RunPython.noop, reject_nothing),
        migrations.RemoveIndex(
            model_name="queueentry",
            name="queue_reason_risk",
        ),
        migrations.RemoveIndex(
            model_name="queueentry",
            name="queue_reason_age",
        ),
        migrations.RemoveIndex(
            model_name="queueentry",
            name="queue_source_age",
        ),
        migrations.RemoveIndex(
            model_name="queueentry",
            name="queue_run_age",
        ),
        migrations.RemoveIndex(
            model_name="queueentry",
            name="queue_stack_age",
        ),
        migrations.RemoveIndex(
            model_name="queueentry",
            name="queue_difficulty_risk",
        ),
        migrations.RemoveIndex(
            model_name="queueentry",
            name="queue_difficulty_age",
        ),
        migrations.AddField(
            model_name="queueentry",
            name="contradicted",
            field=models.PositiveIntegerField(
                default=0, help_text="Claims of the revision found otherwise: bits of posts.claims."
            ),
        ),
        migrations.AddField(
            model_name="queueentry",
            name="lowest_score",
            field=models.PositiveSmallIntegerField(
                help_text="The lowest score the generator gave, 0 to 100.", null=True
            ),
        ),
        migrations.AddField(
            model_name="queueentry",
            name="verified",
            field=models.PositiveIntegerField(
                default=0, help_text="Claims of the revision that agree: bits of posts.claims."
            ),
        ),
        migrations.AddField(
            model_name="queueentry",
            name="words_added",
            field=models.PositiveIntegerField(
                help_text="Words the page does not have; empty where this is the page itself.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="queueentry",
            name="words_removed",
            field=models.PositiveIntegerField(
                help_text="Words of the page that are gone; empty as above.", null=True
            ),
        ),
        migrations.AlterField(
            model_name="queueentry",
            name="reason",
            field=models.PositiveSmallIntegerField(
                choices=[
                    (1, "new"),
                    (2, "changed by an import"),
                    (3, "proposed by a person"),
                    (4, "changes requested"),
                    (5, "rejected"),
                ]
            ),
        ),
        migrations.AddIndex(
            model_name="queueentry",
            index=models.Index(
                condition=models.Q(("reason", 1), _negated=True),
                fields=["stage", "reason", "rank"],
                name="queue_reason_risk",
            ),
        ),
        migrations.AddConstraint(
            model_name="queueentry",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("reason__lt", 4), ("stage", 1)),
                    models.Q(("reason__gte", 4), ("stage", 2)),
                    _connector="OR",
                ),
                name="queue_stage_fits_reason",
            ),
        ),
        migrations.AddConstraint(
            model_name="savedfilter",
            constraint=models.UniqueConstraint(fields=("owner", "name"), name="saved_filter_name"),
        ),
    ]
