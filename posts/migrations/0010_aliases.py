"""Aliases: a tag or entity may stand for others, which keep their name and their address.

Who may change tags may rename and merge both. Lock: short and exclusive on the two tables, which
gain a column without a value; the new constraints look at every row. Rollback: drops the columns; aliases become tags and entities without posts,
whose posts stay with what they were merged into.
"""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("posts", "0009_page_views"),
    ]

    operations = [
        migrations.AddField(
            model_name="entity",
            name="merged_into",
            field=models.ForeignKey(
                blank=True,
                help_text="The entity that stands for this name too; see `posts.renaming`.",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="aliases",
                to="posts.entity",
            ),
        ),
        migrations.AddField(
            model_name="tag",
            name="merged_into",
            field=models.ForeignKey(
                blank=True,
                help_text="The tag that stands for this name too; see `posts.renaming`.",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="aliases",
                to="posts.tag",
            ),
        ),
    ]
