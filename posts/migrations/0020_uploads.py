"""Files brought in on the import page of the admin; importers may import.

Lock: none worth naming, the table is new. Duration: a moment. Rollback: drops files that wait to be
confirmed and takes the permission back; runs and posts stay.
"""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

CODE, WORDS = "add_importrun", "Can add import run"


def extend_group(apps, schema_editor):
    Group = apps.get_model("auth", "Group")
    for group in Group.objects.filter(name="importer"):
        group.permissions.add(_permission(apps))


def reduce_group(apps, schema_editor):
    Group = apps.get_model("auth", "Group")
    for group in Group.objects.filter(name="importer"):
        group.permissions.remove(_permission(apps))


def _permission(apps):
    """Return the permission, made here where it is not yet: Django makes it after migrating."""
    ContentType = apps.get_model("contenttypes", "ContentType")
    kind, _ = ContentType.objects.get_or_create(app_label="posts", model="importrun")
    permission, _ = apps.get_model("auth", "Permission").objects.get_or_create(
        content_type=kind, codename=CODE, defaults={"name": WORDS}
    )
    return permission


class Migration(migrations.Migration):
    dependencies = [
        ("posts", "0019_former_urls"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="ImportUpload",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("source_name", models.CharField(max_length=80)),
                ("format_name", models.CharField(max_length=30)),
                (
                    "columns",
                    models.JSONField(default=dict, help_text="Of a table: field -> column."),
                ),
                ("file_name", models.CharField(max_length=255)),
                ("content", models.BinaryField()),
                ("size", models.PositiveBigIntegerField(help_text="In bytes.")),
                ("sha256", models.CharField(max_length=64)),
                ("report", models.JSONField(default=dict, help_text="What the dry run said.")),
                ("created_at", models.DateTimeField()),
                ("confirmed_at", models.DateTimeField(blank=True, null=True)),
                (
                    "problem",
                    models.TextField(blank=True, help_text="What hindered the import last."),
                ),
                (
                    "run",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="posts.importrun",
                    ),
                ),
                (
                    "uploaded_by",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
        ),
        migrations.RunPython(extend_group, reduce_group),
    ]
