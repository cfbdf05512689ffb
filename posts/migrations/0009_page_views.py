"""How often posts are read, by week, beside the posts and what imports counted.

Lock: none worth naming, the table is new. Duration: a moment. Rollback: drops the table; what was
counted is lost, and nothing else reads it.
"""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("posts", "0008_review_queue"),
    ]

    operations = [
        migrations.CreateModel(
            name="PageViews",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("week", models.DateField(help_text="Monday of the week, UTC.")),
                ("count", models.PositiveIntegerField(default=0)),
                (
                    "post",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="page_views",
                        to="posts.post",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "page views",
                "indexes": [
                    models.Index(fields=["week", "-count", "-post"], name="page_views_most")
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("post", "week"), name="page_views_once")
                ],
            },
        ),
    ]
