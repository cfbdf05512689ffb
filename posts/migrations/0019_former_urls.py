"""Addresses that posts had where they came from, which lead to their own address here.

Lock: none worth naming, the table is new. Duration: a moment. Rollback: drops the table; importing
the inputs again under another source would be needed to make its rows again.
"""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("posts", "0018_provenance")]

    operations = [
        migrations.CreateModel(
            name="FormerUrl",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("path", models.CharField(max_length=1000)),
                (
                    "post",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="former_urls",
                        to="posts.post",
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["post"], name="former_url_post")],
                "constraints": [models.UniqueConstraint(fields=("path",), name="former_url_path")],
            },
        ),
    ]
