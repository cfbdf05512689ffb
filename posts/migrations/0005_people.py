"""Links to previews, and the groups publisher, importer and administrator; what each group may do.

Editor and reviewer keep what 0004 gave them: a reviewer goes on publishing what they approve, as on
the running site. Both, and the publisher, may share a revision by a preview link.

Reasons for what is not obvious. An importer takes a run back, and that removes the posts it had
created, so it may delete posts; it sees the history because that says why an undo keeps a post. An
administrator manages people and sees nothing else: whoever also reviews is in both groups.

Lock: none worth naming, the table is new. Duration: a moment. Rollback: removes the links, the
three groups and what the other two gained; people stay.
"""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from django.db.models import F, Q

READING = {
    "post": ("view",),
    "revision": ("view",),
    "decision": ("view",),
    "event": ("view",),
}
SHARING = {"previewlink": ("view", "add", "change")}

#: Group -> model -> verbs. Of the new groups all that they may, of the others what they gain.
GROUPS = {
    "editor": SHARING,
    "reviewer": SHARING,
    "publisher": {
        **READING,
        "post": ("view", "publish"),
        "tag": ("view",),
        "entity": ("view",),
        "imagesource": ("view",),
        **SHARING,
    },
    "importer": {
        **READING,
        "post": ("view", "delete"),
        "importrun": ("view", "change"),
        "importreject": ("view",),
        "importsource": ("view",),
    },
    "administrator": {
        "auth.user": ("view", "add", "change"),
        "auth.group": ("view",),
    },
}
NEW = ("publisher", "importer", "administrator")


def extend_groups(apps, schema_editor):
    Group = apps.get_model("auth", "Group")
    for name, models_ in GROUPS.items():
        group, _ = Group.objects.get_or_create(name=name)
        group.permissions.add(*_permissions(apps, models_))


def reduce_groups(apps, schema_editor):
    Group = apps.get_model("auth", "Group")
    Group.objects.filter(name__in=NEW).delete()
    for name, models_ in GROUPS.items():
        for group in Group.objects.filter(name=name):
            group.permissions.remove(*_permissions(apps, models_))


def _permissions(apps, models_):
    """Return permissions, made here where they are not yet: Django makes them after migrating."""
    ContentType = apps.get_model("contenttypes", "ContentType")
    Permission = apps.get_model("auth", "Permission")
    found = []
    for path, verbs in models_.items():
        label, _, model = path.rpartition(".")
        label = label or "posts"
        kind, _ = ContentType.objects.get_or_create(app_label=label, model=model)
        words = apps.get_model(label, model)._meta.verbose_name
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
        ("posts", "0004_groups"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [
        migrations.CreateModel(
            name="PreviewLink",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "token_digest",
                    models.CharField(
                        help_text="SHA-256 of the token, in hexadecimal digits.",
                        max_length=64,
                        unique=True,
                    ),
                ),
                ("made_at", models.DateTimeField()),
                ("expires_at", models.DateTimeField()),
                ("revoked_at", models.DateTimeField(blank=True, null=True)),
                (
                    "last_used_at",
                    models.DateTimeField(
                        blank=True,
                        help_text="To the minute; empty while nobody opened it.",
                        null=True,
                    ),
                ),
                (
                    "made_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "revision",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="preview_links",
                        to="posts.revision",
                    ),
                ),
                (
                    "revoked_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name": "preview link",
                "constraints": [
                    models.CheckConstraint(
                        condition=Q(expires_at__gt=F("made_at")),
                        name="preview_link_expires_later",
                    ),
                    models.CheckConstraint(
                        condition=Q(revoked_at__isnull=True, revoked_by__isnull=True)
                        | Q(revoked_at__isnull=False, revoked_by__isnull=False),
                        name="preview_link_revoked_by_someone",
                    ),
                ],
            },
        ),
        migrations.RunPython(extend_groups, reduce_groups),
    ]
