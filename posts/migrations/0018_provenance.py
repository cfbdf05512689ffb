"""Findings for generators, notes on drafts, reports of readers, notices; and who may what with them.

Findings of decisions that are there are made by `manage.py report_findings --rebuild`; until then a
report knows only those made since. Lock: none worth naming, the tables are new. Duration: a moment.
Rollback: drops the tables; findings can be made again, notes, reports and notices are lost.
"""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

#: Group -> model -> verbs: what each group gains.
GROUPS = {
    "editor": {"draftnote": ("view", "add", "change"), "readerreport": ("view", "change")},
    "reviewer": {"draftnote": ("view", "add", "change"), "readerreport": ("view", "change")},
    "publisher": {"draftnote": ("view",), "readerreport": ("view",)},
    "importer": {"draftnote": ("view",)},
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
        ("auth", "0012_alter_user_first_name_max_length"),
        ("posts", "0017_queue_details"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="ErasedAddress",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("digest", models.CharField(max_length=64, unique=True)),
                ("erased_at", models.DateTimeField()),
            ],
            options={
                "verbose_name_plural": "erased addresses",
            },
        ),
        migrations.CreateModel(
            name="MailWish",
            fields=[
                (
                    "person",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="mail_wish",
                        serialize=False,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("wants_mail", models.BooleanField(default=True)),
                ("sent_at", models.DateTimeField(blank=True, null=True)),
                ("failures", models.PositiveIntegerField(default=0, help_text="In a row.")),
                ("error", models.CharField(blank=True, max_length=300)),
            ],
        ),
        migrations.CreateModel(
            name="DraftNote",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "passage",
                    models.CharField(
                        blank=True, help_text="Quoted from the revision.", max_length=500
                    ),
                ),
                ("text", models.CharField(max_length=2000)),
                ("made_at", models.DateTimeField()),
                ("resolved_at", models.DateTimeField(blank=True, null=True)),
                (
                    "author",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "post",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="notes",
                        to="posts.post",
                    ),
                ),
                (
                    "resolved_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "revision",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="notes",
                        to="posts.revision",
                    ),
                ),
            ],
            options={
                "verbose_name": "note on a draft",
                "verbose_name_plural": "notes on drafts",
                "indexes": [models.Index(fields=["post", "-id"], name="note_newest")],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("resolved_at__isnull", True), ("resolved_by__isnull", True)),
                            models.Q(
                                ("resolved_at__isnull", False), ("resolved_by__isnull", False)
                            ),
                            _connector="OR",
                        ),
                        name="note_resolved_by_someone",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Finding",
            fields=[
                (
                    "decision",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="finding",
                        serialize=False,
                        to="posts.decision",
                    ),
                ),
                ("verdict", models.CharField(max_length=20)),
                ("reason", models.CharField(blank=True, max_length=500)),
                (
                    "scenario",
                    models.CharField(
                        blank=True, help_text="As the generator calls it, cut.", max_length=200
                    ),
                ),
                (
                    "stack",
                    models.CharField(
                        blank=True, help_text="The first of the revision's stack.", max_length=100
                    ),
                ),
                ("decided_at", models.DateTimeField()),
                ("is_open", models.BooleanField()),
                ("closed_at", models.DateTimeField(null=True)),
                (
                    "closed_run",
                    models.ForeignKey(
                        db_index=False,
                        help_text="The run that brought another text.",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="posts.importrun",
                    ),
                ),
                (
                    "post",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="findings",
                        to="posts.post",
                    ),
                ),
                (
                    "revision",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="findings",
                        to="posts.revision",
                    ),
                ),
                (
                    "run",
                    models.ForeignKey(
                        db_index=False,
                        help_text="The run that brought the revision.",
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="posts.importrun",
                    ),
                ),
                (
                    "source",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="posts.importsource",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["source", "decision"], name="finding_all"),
                    models.Index(fields=["source", "is_open", "decision"], name="finding_newest"),
                    models.Index(
                        fields=["source", "is_open", "reason", "decision"], name="finding_reason"
                    ),
                    models.Index(
                        fields=["source", "is_open", "scenario", "decision"],
                        name="finding_scenario",
                    ),
                    models.Index(
                        fields=["source", "is_open", "stack", "decision"], name="finding_stack"
                    ),
                    models.Index(
                        fields=["source", "run", "is_open", "decision"], name="finding_run"
                    ),
                    models.Index(
                        condition=models.Q(("closed_run__isnull", False)),
                        fields=["source", "closed_run"],
                        name="finding_closed_run",
                    ),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("closed_at__isnull", True),
                                ("closed_run__isnull", True),
                                ("is_open", True),
                            ),
                            models.Q(
                                ("closed_at__isnull", False),
                                ("closed_run__isnull", False),
                                ("is_open", False),
                            ),
                            _connector="OR",
                        ),
                        name="finding_closed_by_a_run",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Notice",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[("returned", "returned"), ("held", "held")], max_length=10
                    ),
                ),
                ("topic", models.CharField(max_length=60)),
                (
                    "count",
                    models.PositiveBigIntegerField(
                        help_text="Posts, since the person last read it."
                    ),
                ),
                (
                    "reason",
                    models.CharField(blank=True, help_text="The latest one.", max_length=500),
                ),
                ("first_at", models.DateTimeField()),
                ("last_at", models.DateTimeField()),
                ("read_at", models.DateTimeField(blank=True, null=True)),
                (
                    "mailed",
                    models.PositiveBigIntegerField(
                        default=0, help_text="How many of them a mail has told of."
                    ),
                ),
                (
                    "person",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="notices",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "post",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="posts.post",
                    ),
                ),
                (
                    "run",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="posts.importrun",
                    ),
                ),
                (
                    "source",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="posts.importsource",
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["person", "-id"], name="notice_newest")],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("read_at__isnull", True)),
                        fields=("person", "topic"),
                        name="notice_unread_once",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("post__isnull", True), ("source__isnull", True), _connector="OR"
                        ),
                        name="notice_is_about_one",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="ReaderReport",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("text", models.CharField(max_length=2000)),
                (
                    "email",
                    models.EmailField(
                        blank=True, help_text="For one answer; removed after it.", max_length=254
                    ),
                ),
                ("made_at", models.DateTimeField()),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("new", "new"),
                            ("answered", "answered"),
                            ("dismissed", "dismissed"),
                            ("returned", "made a request for changes"),
                        ],
                        default="new",
                        max_length=10,
                    ),
                ),
                ("answer", models.CharField(blank=True, max_length=2000)),
                ("handled_at", models.DateTimeField(blank=True, null=True)),
                (
                    "handled_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "post",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="reports",
                        to="posts.post",
                    ),
                ),
                (
                    "revision",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="posts.revision",
                    ),
                ),
            ],
            options={
                "verbose_name": "report of a reader",
                "verbose_name_plural": "reports of readers",
                "indexes": [
                    models.Index(fields=["state", "id"], name="report_by_state"),
                    models.Index(fields=["made_at"], name="report_made"),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("handled_at__isnull", True),
                                ("handled_by__isnull", True),
                                ("state", "new"),
                            ),
                            models.Q(
                                models.Q(("state", "new"), _negated=True),
                                ("handled_at__isnull", False),
                                ("handled_by__isnull", False),
                            ),
                            _connector="OR",
                        ),
                        name="report_handled_by_someone",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("state", "new"), ("email", ""), _connector="OR"),
                        name="report_address_goes",
                    ),
                ],
            },
        ),
        migrations.RunPython(extend_groups, reduce_groups),
    ]
