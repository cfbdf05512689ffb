"""Search: entries of listed posts, the vocabulary, and each database's full-text index.

The entries of posts that are listed already are made by `manage.py refresh_search`, in its own
short transactions; until it has run, search finds nothing. Lock: none worth naming, the tables are
new. Duration: a moment. Rollback: drops the tables; all of it is derived.
"""

import django.db.models.deletion
from django.db import migrations, models

from posts.search.database import InstallSearch


class Migration(migrations.Migration):
    dependencies = [("posts", "0013_machine_readable")]

    operations = [
        migrations.CreateModel(
            name="SearchWord",
            fields=[
                ("word", models.CharField(max_length=40, primary_key=True, serialize=False)),
            ],
        ),
        migrations.CreateModel(
            name="SearchEntry",
            fields=[
                (
                    "post",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="search_entry",
                        serialize=False,
                        to="posts.post",
                    ),
                ),
                (
                    "revision",
                    models.PositiveBigIntegerField(
                        help_text=(
                            "Whose words these are; when another one is live, the post is not "
                            "found."
                        )
                    ),
                ),
                (
                    "place",
                    models.BigIntegerField(
                        help_text="The order by date: seconds of publication, then the post.",
                        unique=True,
                    ),
                ),
                ("title_words", models.PositiveSmallIntegerField()),
                (
                    "tags",
                    models.TextField(
                        blank=True, help_text="Primary keys of the tags, between spaces."
                    ),
                ),
                (
                    "version",
                    models.PositiveSmallIntegerField(
                        help_text="posts.search.words.VERSION it was made by."
                    ),
                ),
            ],
            options={"verbose_name_plural": "search entries"},
        ),
        InstallSearch(),
    ]
