"""What editors typed and did not save yet; and the two indexes that lists of planned posts walk.

Why: a closed window must not lose an hour of writing, and "what is planned" must not read a million
posts. Lock: the indexes keep writers of posts out while they are built. Duration: a second for a
million published posts, a moment otherwise. Rollback: drops the table, and with it unsaved text.
"""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [
        ("posts", "0011_bulk_actions"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="EditWindow",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "post",
                    models.ForeignKey(
                        blank=True,
                        help_text="Empty while a new post is written.",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="edit_windows",
                        to="posts.post",
                    ),
                ),
                (
                    "tab",
                    models.CharField(
                        help_text="Made with the page; names the window.", max_length=32
                    ),
                ),
                ("step", models.PositiveIntegerField(default=0)),
                ("base_number", models.PositiveIntegerField(default=0)),
                ("base_digest", models.CharField(blank=True, max_length=80)),
                ("fields", models.JSONField(blank=True, null=True)),
                ("opened_at", models.DateTimeField()),
                ("seen_at", models.DateTimeField(help_text="The last sign of the window.")),
                ("typed_at", models.DateTimeField(blank=True, null=True)),
                (
                    "closed_at",
                    models.DateTimeField(
                        blank=True,
                        help_text="Saved or discarded: what comes late is not kept.",
                        null=True,
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["seen_at"], name="edit_window_seen")],
                "constraints": [
                    models.UniqueConstraint(fields=["user", "tab"], name="edit_window_tab"),
                    models.CheckConstraint(
                        name="edit_window_closed_is_empty",
                        condition=Q(closed_at__isnull=True) | Q(fields__isnull=True),
                    ),
                    models.CheckConstraint(
                        name="edit_window_typed_at_a_time",
                        condition=Q(fields__isnull=True) | Q(typed_at__isnull=False),
                    ),
                ],
            },
        ),
        migrations.AddIndex(
            model_name="post",
            index=models.Index(
                condition=Q(published_at__isnull=False),
                fields=["published_at", "id"],
                name="post_published_at",
            ),
        ),
        migrations.AddIndex(
            model_name="post",
            index=models.Index(
                condition=Q(archive_at__isnull=False),
                fields=["archive_at", "id"],
                name="post_archive_at",
            ),
        ),
    ]
