"""The groups editor and reviewer, with what each may do.

Lock: none worth naming. Duration: a moment. Rollback: removes the groups; people stay.
"""

from django.db import migrations

GROUPS = {
    "editor": {
        "post": ("view", "add", "change"),
        "revision": ("view",),
        "decision": ("view",),
        "event": ("view",),
        "importrun": ("view",),
        "importreject": ("view",),
        "tag": ("view", "change"),
        "entity": ("view",),
        "imagesource": ("view", "change"),
    },
}
GROUPS["reviewer"] = {**GROUPS["editor"], "post": ("view", "add", "change", "review", "publish")}


def create_groups(apps, schema_editor):
    ContentType = apps.get_model("contenttypes", "ContentType")
    Permission = apps.get_model("auth", "Permission")
    Group = apps.get_model("auth", "Group")
    for name, models in GROUPS.items():
        group, _ = Group.objects.get_or_create(name=name)
        for model, verbs in models.items():
            # Permissions are otherwise made after the last migration, too late for a group.
            kind, _ = ContentType.objects.get_or_create(app_label="posts", model=model)
            for verb in verbs:
                permission, _ = Permission.objects.get_or_create(
                    content_type=kind,
                    codename=f"{verb}_{model}",
                    defaults={"name": f"Can {verb} {model}"},
                )
                group.permissions.add(permission)


def remove_groups(apps, schema_editor):
    apps.get_model("auth", "Group").objects.filter(name__in=GROUPS).delete()


class Migration(migrations.Migration):
    dependencies = [
        ("posts", "0003_postgresql_storage"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [migrations.RunPython(create_groups, remove_groups)]
