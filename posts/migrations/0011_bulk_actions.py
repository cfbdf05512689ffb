"""Bulk actions whose posts are frozen as rows, with a checkpoint and a result for each post.

A bulk action of before that never ended is marked as stopped; it has no rows, so going on with it
ends it. Lock: the table of bulk actions, which has a row a command. Duration: a moment. Rollback:
drops the results for each post; decisions and events of them stay.
"""

import django.db.models.deletion
from django.db import migrations, models


def mark_stopped(apps, schema_editor):
    BulkAction = apps.get_model("posts", "BulkAction")
    BulkAction.objects.filter(finished_at__isnull=True).update(state="stopped")


class Migration(migrations.Migration):
    dependencies = [("posts", "0010_aliases")]

    operations = [
        migrations.AddField(
            model_name="bulkaction",
            name="options",
            field=models.JSONField(
                default=dict,
                help_text="What the action needs to know besides: undo window, tag, way back.",
            ),
        ),
        migrations.AddField(
            model_name="bulkaction",
            name="state",
            field=models.CharField(
                choices=[
                    ("prepared", "prepared"),
                    ("running", "running"),
                    ("stopped", "stopped"),
                    ("finished", "finished"),
                ],
                default="finished",
                max_length=10,
            ),
        ),
        migrations.AddField(
            model_name="bulkaction",
            name="total",
            field=models.PositiveBigIntegerField(default=0, help_text="Posts that were frozen."),
        ),
        migrations.AddField(
            model_name="bulkaction",
            name="position",
            field=models.PositiveBigIntegerField(default=0),
        ),
        migrations.AddField(
            model_name="bulkaction",
            name="beat_at",
            field=models.DateTimeField(
                blank=True, help_text="Last sign of life of whoever carries it out.", null=True
            ),
        ),
        migrations.AddField(
            model_name="bulkaction",
            name="problem",
            field=models.CharField(
                blank=True, help_text="Why it stopped by itself.", max_length=200
            ),
        ),
        migrations.AddField(
            model_name="bulkaction",
            name="refusals",
            field=models.JSONField(
                default=dict, help_text="Reason -> number of posts skipped by it."
            ),
        ),
        migrations.RunPython(mark_stopped, migrations.RunPython.noop),
        migrations.AddConstraint(
            model_name="bulkaction",
            constraint=models.CheckConstraint(
                condition=models.Q(state__in=["prepared", "running", "stopped", "finished"]),
                name="bulk_action_state_known",
            ),
        ),
        migrations.CreateModel(
            name="BulkItem",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "bulk_action_id",
                        "post_id",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                (
                    "bulk_action",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="items",
                        to="posts.bulkaction",
                    ),
                ),
                (
                    "post",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="posts.post",
                    ),
                ),
                (
                    "revision",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="posts.revision",
                    ),
                ),
                (
                    "outcome",
                    models.CharField(
                        blank=True,
                        help_text='"changed", or the code of the refusal.',
                        max_length=20,
                    ),
                ),
                (
                    "note",
                    models.CharField(blank=True, help_text="The refusal in words.", max_length=200),
                ),
            ],
        ),
    ]
