"""Indexes for what programs read: sitemap, last change, lists of tags and entities in use.

All are partial: drafts cost nothing, so imports stay as they are. Lock: on PostgreSQL writers of
the table wait while an index is built; nothing is rewritten. Duration: the time of reading the
table once for each. Rollback: drops the indexes.
"""

import django.db.models.functions.comparison
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("posts", "0012_revisions")]

    operations = [
        migrations.AddIndex(
            model_name="entity",
            index=models.Index(
                condition=models.Q(("use_count__gt", 0)),
                fields=["type_slug", "slug"],
                name="entity_used",
            ),
        ),
        migrations.AddIndex(
            model_name="post",
            index=models.Index(
                models.Func(
                    models.F("id"),
                    output_field=models.IntegerField(),
                    template="(%(expressions)s / 10000)",
                ),
                django.db.models.functions.comparison.Greatest("changed_at", "listed_at"),
                condition=models.Q(("listed_at__isnull", False)),
                name="post_sitemap",
            ),
        ),
        migrations.AddIndex(
            model_name="tag",
            index=models.Index(
                condition=models.Q(("use_count__gt", 0)), fields=["kind", "slug"], name="tag_used"
            ),
        ),
    ]
