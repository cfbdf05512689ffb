"""Stored images and who uses them; what the last check of a remote one found; who may upload.

`copy` of ImageSource was never filled and goes. Lock: exclusive on posts_imagesource. Duration: a
moment on PostgreSQL; SQLite writes that table anew, a few seconds for a million images. Rollback:
drops the tables; the files stay in MEDIA_FOLDER, and notes name images that are not there.
"""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

#: Group -> model -> verbs: what each group gains.
GROUPS = {
    "editor": {"storedimage": ("view", "add", "delete")},
    "reviewer": {"storedimage": ("view", "add", "delete")},
    "publisher": {"storedimage": ("view",)},
}


def extend_groups(apps, schema_editor):
    Group = apps.get_model("auth", "Group")
    for name, models_ in GROUPS.items():
        for group in Group.objects.filter(name=name):
            group.permissions.add(*_permissions(apps, models_))


def reduce_groups(apps, schema_editor):
    Group = apps.get_model("auth", "Group")
    for name, models_ in GROUPS.items():
        for group in Group.objects.filter(name=name):
            group.permissions.remove(*_permissions(apps, models_))


def _permissions(apps, models_):
    """Return permissions, made here where they are not yet: Django makes them after migrating."""
    ContentType = apps.get_model("contenttypes", "ContentType")
    Permission = apps.get_model("auth", "Permission")
    found = []
    for model, verbs in models_.items():
        kind, _ = ContentType.objects.get_or_create(app_label="posts", model=model)
        words = apps.get_model("posts", model)._meta.verbose_name
        for verb in verbs:
            permission, _ = Permission.objects.get_or_create(
                content_type=kind,
                codename=f"{verb}_{model}",
                defaults={"name": f"Can {verb} {words}"},
            )
            found.append(permission)
    return found


class Migration(migrations.Migration):
    dependencies = [
        ("posts", "0020_uploads"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RemoveField(
            model_name="imagesource",
            name="copy",
        ),
        migrations.AddField(
            model_name="imagesource",
            name="fault",
            field=models.CharField(
                blank=True,
                help_text="What the last check found wrong; empty when nothing.",
                max_length=300,
            ),
        ),
        migrations.CreateModel(
            name="StoredImage",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "digest",
                    models.CharField(
                        help_text="SHA-256 of the stored bytes.", max_length=64, unique=True
                    ),
                ),
                (
                    "format",
                    models.CharField(
                        choices=[("jpeg", "JPEG"), ("png", "PNG"), ("webp", "WebP")], max_length=4
                    ),
                ),
                ("width", models.PositiveIntegerField(help_text="Pixels.")),
                ("height", models.PositiveIntegerField(help_text="Pixels.")),
                ("bytes", models.PositiveIntegerField()),
                ("file", models.FileField(max_length=200, upload_to="")),
                (
                    "has_avif",
                    models.BooleanField(
                        default=False,
                        help_text="Every AVIF rendition is there, so pages offer them.",
                    ),
                ),
                ("created_at", models.DateTimeField()),
                (
                    "uploaded_by",
                    models.ForeignKey(
                        blank=True,
                        help_text="Empty for the copy of a remote image.",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="RevisionImage",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "revision",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="revision_images",
                        to="posts.revision",
                    ),
                ),
                (
                    "stored",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="revision_images",
                        to="posts.storedimage",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Rendition",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "format",
                    models.CharField(
                        choices=[("jpg", "JPEG"), ("webp", "WebP"), ("avif", "AVIF")], max_length=4
                    ),
                ),
                ("width", models.PositiveIntegerField(help_text="Pixels.")),
                ("bytes", models.PositiveIntegerField()),
                ("file", models.FileField(max_length=200, upload_to="")),
                (
                    "stored",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="renditions",
                        to="posts.storedimage",
                    ),
                ),
            ],
        ),
        migrations.AddField(
            model_name="imagesource",
            name="stored",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                help_text="The bytes, where this site has them.",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="sources",
                to="posts.storedimage",
            ),
        ),
        migrations.AddIndex(
            model_name="imagesource",
            index=models.Index(
                condition=models.Q(("stored__isnull", False)),
                fields=["stored"],
                name="image_source_stored",
            ),
        ),
        migrations.AddIndex(
            model_name="storedimage",
            index=models.Index(
                condition=models.Q(("has_avif", False)), fields=["id"], name="stored_without_avif"
            ),
        ),
        migrations.AddConstraint(
            model_name="revisionimage",
            constraint=models.UniqueConstraint(
                fields=("revision", "stored"), name="revision_image_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="rendition",
            constraint=models.UniqueConstraint(
                fields=("stored", "format", "width"), name="rendition_once"
            ),
        ),
        migrations.RunPython(extend_groups, reduce_groups),
    ]
