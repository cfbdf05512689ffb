"""What the check of imported claims came to, one narrow row a revision.

The rows of revisions that are there are filled in by `manage.py check_claims`, in its own short
transactions. Lock: none worth naming, the table is new. Duration: a moment. Rollback: drops the
table; nothing else is derived from it.
"""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("posts", "0005_people")]

    operations = [
        migrations.CreateModel(
            name="ClaimCheck",
            fields=[
                (
                    "revision",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="claim_check",
                        serialize=False,
                        to="posts.revision",
                    ),
                ),
                (
                    "rules_version",
                    models.PositiveSmallIntegerField(
                        help_text=(
                            "Version of the rules it was made by; 0 when it is to be made again."
                        )
                    ),
                ),
                ("verified", models.PositiveBigIntegerField()),
                ("contradicted", models.PositiveBigIntegerField()),
                ("unverifiable", models.PositiveBigIntegerField()),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("contradicted__gt", 0)),
                        fields=["contradicted", "revision"],
                        name="claim_contradicted",
                    )
                ],
            },
        ),
    ]
