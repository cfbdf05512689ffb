"""Topics as rows, counters by name (months, difficulties), and indexes for the most used.

Lock: the indexes on tags and posts keep writers of those tables out while they
are built; the one on posts holds listed posts only. Duration: seconds for a million posts. The
numbers of what is listed already come with the next migration. Rollback: drops what it made; all of
it is derived.
"""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("posts", "0014_search")]

    operations = [
        migrations.CreateModel(
            name="Topic",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "name",
                    models.CharField(
                        help_text="Exactly as posts have it.", max_length=600, unique=True
                    ),
                ),
                ("slug", models.CharField(max_length=120, unique=True)),
                ("subject", models.CharField(max_length=600)),
                (
                    "stack",
                    models.CharField(
                        blank=True,
                        help_text="The name of a tag, when the topic says one.",
                        max_length=100,
                    ),
                ),
                (
                    "use_count",
                    models.PositiveIntegerField(
                        default=0,
                        help_text="Listed posts with this topic, folded from CounterDelta.",
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["stack", "subject", "id"], name="topic_of_stack")],
            },
        ),
        migrations.AddField(
            model_name="counterdelta",
            name="name",
            field=models.CharField(
                blank=True,
                default="",
                help_text="The counter it is for, by name.",
                max_length=40,
            ),
        ),
        migrations.AddField(
            model_name="counterdelta",
            name="topic",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="deltas",
                to="posts.topic",
            ),
        ),
        migrations.AddIndex(
            model_name="counterdelta",
            index=models.Index(
                condition=models.Q(("topic__isnull", False)),
                fields=["topic"],
                name="counter_delta_topic",
            ),
        ),
        migrations.AddIndex(
            model_name="tag",
            index=models.Index(fields=["kind", "-use_count", "name"], name="tag_of_kind"),
        ),
        migrations.AddIndex(
            model_name="post",
            index=models.Index(
                condition=models.Q(
                    ("listed_at__isnull", False), models.Q(("topic", ""), _negated=True)
                ),
                fields=["topic", "listed_at", "id"],
                name="post_topic_listed",
            ),
        ),
    ]
