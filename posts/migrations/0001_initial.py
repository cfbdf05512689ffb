"""All tables of the archive, with their constraints and indexes.

Lock: none, the tables are new. Duration: a moment. Rollback: drops them.
"""

import django.db.models.deletion
import taggit.managers
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Counter",
            fields=[
                ("name", models.CharField(max_length=40, primary_key=True, serialize=False)),
                ("value", models.BigIntegerField(default=0)),
            ],
        ),
        migrations.CreateModel(
            name="ErasureDoor",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("reason", models.CharField(max_length=100)),
            ],
        ),
        migrations.CreateModel(
            name="ImageSource",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("url", models.CharField(max_length=1000, unique=True)),
                ("host", models.CharField(db_index=True, max_length=255)),
                (
                    "licence",
                    models.CharField(
                        choices=[
                            ("unknown", "unknown"),
                            ("cleared", "cleared"),
                            ("refused", "refused"),
                        ],
                        default="unknown",
                        max_length=10,
                    ),
                ),
                ("credit", models.CharField(blank=True, max_length=300)),
                (
                    "width",
                    models.PositiveIntegerField(
                        blank=True, help_text="Pixels, when known.", null=True
                    ),
                ),
                (
                    "height",
                    models.PositiveIntegerField(
                        blank=True, help_text="Pixels, when known.", null=True
                    ),
                ),
                ("checked_at", models.DateTimeField(blank=True, null=True)),
                ("copy", models.FileField(blank=True, upload_to="images/")),
            ],
        ),
        migrations.CreateModel(
            name="Post",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("title", models.CharField(max_length=300)),
                ("topic", models.CharField(blank=True, max_length=600)),
                (
                    "difficulty",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("beginner", "beginner"),
                            ("intermediate", "intermediate"),
                            ("advanced", "advanced"),
                        ],
                        max_length=100,
                    ),
                ),
                ("code_language", models.CharField(blank=True, max_length=100)),
                ("language", models.CharField(blank=True, max_length=100)),
                ("reference", models.CharField(blank=True, max_length=100)),
                (
                    "reading_minutes",
                    models.PositiveIntegerField(
                        default=1, help_text="Whole minutes, computed from the text."
                    ),
                ),
                (
                    "slug",
                    models.CharField(
                        help_text="Mirror of the current slug.", max_length=200, unique=True
                    ),
                ),
                (
                    "visibility",
                    models.CharField(
                        choices=[
                            ("private", "private"),
                            ("published", "published"),
                            ("archived", "archived"),
                        ],
                        default="private",
                        max_length=10,
                    ),
                ),
                ("published_at", models.DateTimeField(blank=True, null=True)),
                ("archive_at", models.DateTimeField(blank=True, null=True)),
                (
                    "listed_at",
                    models.DateTimeField(
                        blank=True,
                        help_text="The gate: from this moment the post is indexed and listed; empty keeps it out.",
                        null=True,
                    ),
                ),
                ("created_at", models.DateTimeField()),
                (
                    "changed_at",
                    models.DateTimeField(help_text="Last change of what the page shows."),
                ),
            ],
            options={
                "permissions": [
                    ("review_post", "Can approve posts, request changes and reject"),
                    ("publish_post", "Can publish, withdraw from publication and archive posts"),
                ],
            },
        ),
        migrations.CreateModel(
            name="Tag",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=100, unique=True, verbose_name="name")),
                (
                    "slug",
                    models.SlugField(
                        allow_unicode=True, max_length=100, unique=True, verbose_name="slug"
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("stack", "stack"),
                            ("area", "area"),
                            ("language", "language"),
                            ("tool", "tool"),
                            ("topic", "topic"),
                            ("free", "free"),
                        ],
                        default="free",
                        max_length=10,
                    ),
                ),
                (
                    "use_count",
                    models.PositiveIntegerField(
                        default=0, help_text="Listed posts with this tag, folded from CounterDelta."
                    ),
                ),
            ],
            options={
                "verbose_name": "tag",
                "verbose_name_plural": "tags",
            },
        ),
        migrations.CreateModel(
            name="BulkAction",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("action", models.CharField(max_length=30)),
                ("filters", models.JSONField(default=dict)),
                ("reason", models.CharField(blank=True, max_length=500)),
                ("started_at", models.DateTimeField()),
                ("finished_at", models.DateTimeField(blank=True, null=True)),
                ("changed", models.PositiveBigIntegerField(default=0)),
                ("skipped", models.PositiveBigIntegerField(default=0)),
                (
                    "actor",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Entity",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("type", models.CharField(max_length=50)),
                ("name", models.CharField(max_length=200)),
                ("type_slug", models.CharField(max_length=60)),
                ("slug", models.CharField(max_length=120)),
                (
                    "use_count",
                    models.PositiveIntegerField(
                        default=0,
                        help_text="Listed posts with this entity, folded from CounterDelta.",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "entities",
                "constraints": [
                    models.UniqueConstraint(fields=("type", "name"), name="entity_once"),
                    models.UniqueConstraint(fields=("type_slug", "slug"), name="entity_address"),
                ],
            },
        ),
        migrations.CreateModel(
            name="ImportRun",
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
                        choices=[("import", "import"), ("undo", "undo")],
                        default="import",
                        max_length=10,
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("running", "running"),
                            ("complete", "complete"),
                            ("stopped", "stopped"),
                            ("failed", "failed"),
                        ],
                        default="running",
                        max_length=10,
                    ),
                ),
                ("fence", models.PositiveBigIntegerField()),
                ("options", models.JSONField(default=dict)),
                (
                    "inputs",
                    models.JSONField(
                        default=list, help_text="Name, size and first-MiB digest of each."
                    ),
                ),
                ("engine_version", models.CharField(max_length=20)),
                ("host", models.CharField(blank=True, max_length=255)),
                ("process", models.PositiveBigIntegerField(blank=True, null=True)),
                ("started_at", models.DateTimeField()),
                ("finished_at", models.DateTimeField(blank=True, null=True)),
                ("message", models.TextField(blank=True)),
                ("read", models.PositiveBigIntegerField(default=0)),
                ("created", models.PositiveBigIntegerField(default=0)),
                ("updated", models.PositiveBigIntegerField(default=0)),
                ("statistics", models.PositiveBigIntegerField(default=0)),
                ("unchanged", models.PositiveBigIntegerField(default=0)),
                ("held", models.PositiveBigIntegerField(default=0)),
                ("converged", models.PositiveBigIntegerField(default=0)),
                ("tombstoned", models.PositiveBigIntegerField(default=0)),
                ("filtered", models.PositiveBigIntegerField(default=0)),
                ("rejected", models.PositiveBigIntegerField(default=0)),
                (
                    "parent",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="children",
                        to="posts.importrun",
                    ),
                ),
                (
                    "started_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="ImportSource",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=80, unique=True)),
                ("fence", models.PositiveBigIntegerField(default=0)),
                ("heartbeat_at", models.DateTimeField(blank=True, null=True)),
                ("created_at", models.DateTimeField()),
                (
                    "owner",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="posts.importrun",
                    ),
                ),
            ],
        ),
        migrations.AddField(
            model_name="importrun",
            name="source",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="runs",
                to="posts.importsource",
            ),
        ),
        migrations.CreateModel(
            name="Statistics",
            fields=[
                (
                    "post",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="statistics",
                        serialize=False,
                        to="posts.post",
                    ),
                ),
                ("imported_reading_time", models.PositiveIntegerField(blank=True, null=True)),
                ("imported_view_count", models.PositiveBigIntegerField(blank=True, null=True)),
                ("imported_score", models.JSONField(default=dict)),
                (
                    "views",
                    models.PositiveBigIntegerField(default=0, help_text="Counted on this site."),
                ),
            ],
            options={
                "verbose_name_plural": "statistics",
            },
        ),
        migrations.CreateModel(
            name="Revision",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("number", models.PositiveIntegerField()),
                ("digest", models.CharField(max_length=80)),
                ("title", models.CharField(max_length=300)),
                ("lede", models.TextField(blank=True)),
                ("body", models.TextField(blank=True)),
                ("meta", models.JSONField(default=dict)),
                (
                    "origin",
                    models.CharField(
                        choices=[
                            ("import", "import"),
                            ("editor", "editor"),
                            ("restore", "restore"),
                        ],
                        max_length=10,
                    ),
                ),
                (
                    "run_file",
                    models.PositiveIntegerField(
                        blank=True, help_text="Index of the file in the run's inputs.", null=True
                    ),
                ),
                (
                    "run_line",
                    models.PositiveBigIntegerField(
                        blank=True, help_text="1-based line in that file.", null=True
                    ),
                ),
                ("comment", models.CharField(blank=True, max_length=500)),
                ("created_at", models.DateTimeField()),
                (
                    "author",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "parent",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="posts.revision",
                    ),
                ),
                (
                    "post",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="revisions",
                        to="posts.post",
                    ),
                ),
                (
                    "run",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="revisions",
                        to="posts.importrun",
                    ),
                ),
            ],
        ),
        migrations.AddField(
            model_name="post",
            name="approved_revision",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="posts.revision",
            ),
        ),
        migrations.AddField(
            model_name="post",
            name="live_revision",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="+", to="posts.revision"
            ),
        ),
        migrations.AddField(
            model_name="post",
            name="proposed_revision",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="posts.revision",
            ),
        ),
        migrations.CreateModel(
            name="ImportedPost",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("key", models.CharField(max_length=200)),
                ("base_digest", models.CharField(blank=True, max_length=80)),
                (
                    "record_digest",
                    models.CharField(
                        blank=True,
                        help_text="Of the raw record, with the engine's version.",
                        max_length=80,
                    ),
                ),
                ("statistics_digest", models.CharField(blank=True, max_length=80)),
                ("is_tombstone", models.BooleanField(default=False)),
                (
                    "source",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="identities",
                        to="posts.importsource",
                    ),
                ),
                (
                    "post",
                    models.OneToOneField(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="imported",
                        to="posts.post",
                    ),
                ),
                (
                    "base_revision",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="posts.revision",
                    ),
                ),
                (
                    "waiting_revision",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        help_text="An imported revision that is to be decided after a person's proposal.",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="posts.revision",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Decision",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("digest", models.CharField(max_length=80)),
                (
                    "verdict",
                    models.CharField(
                        choices=[
                            ("approve", "approve"),
                            ("request_changes", "request changes"),
                            ("reject", "reject"),
                            ("withdraw", "withdraw"),
                        ],
                        max_length=20,
                    ),
                ),
                ("reason", models.CharField(blank=True, max_length=500)),
                ("comment", models.TextField(blank=True)),
                ("decided_at", models.DateTimeField()),
                (
                    "bulk_action",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="decisions",
                        to="posts.bulkaction",
                    ),
                ),
                (
                    "reviewer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="decisions",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "revision",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="decisions",
                        to="posts.revision",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Slug",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("slug", models.CharField(max_length=200, unique=True)),
                ("is_current", models.BooleanField()),
                ("created_at", models.DateTimeField()),
                (
                    "post",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="slugs",
                        to="posts.post",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="PostTag",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "origin",
                    models.CharField(
                        choices=[("imported", "imported"), ("editorial", "editorial")],
                        default="editorial",
                        max_length=10,
                    ),
                ),
                ("position", models.PositiveSmallIntegerField(default=0)),
                (
                    "listed_at",
                    models.DateTimeField(
                        blank=True,
                        help_text="Copy of the post's gate, kept by posts.review.",
                        null=True,
                    ),
                ),
                (
                    "content_object",
                    models.ForeignKey(
                        db_column="post_id",
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="post_tags",
                        to="posts.post",
                    ),
                ),
                (
                    "tag",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="post_tags",
                        to="posts.tag",
                    ),
                ),
            ],
        ),
        migrations.AddField(
            model_name="post",
            name="tags",
            field=taggit.managers.TaggableManager(
                blank=True,
                help_text="A comma-separated list of tags.",
                through="posts.PostTag",
                to="posts.Tag",
                verbose_name="Tags",
            ),
        ),
        migrations.CreateModel(
            name="CounterDelta",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("amount", models.IntegerField()),
                ("due_at", models.DateTimeField()),
                (
                    "entity",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="deltas",
                        to="posts.entity",
                    ),
                ),
                (
                    "tag",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="deltas",
                        to="posts.tag",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="ImportReject",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("sequence", models.PositiveBigIntegerField()),
                ("file", models.CharField(max_length=1000)),
                ("record", models.PositiveBigIntegerField()),
                ("line", models.PositiveBigIntegerField()),
                ("byte", models.PositiveBigIntegerField()),
                ("key", models.CharField(blank=True, max_length=200)),
                ("field", models.CharField(blank=True, max_length=300)),
                ("code", models.CharField(max_length=50)),
                ("value", models.CharField(blank=True, max_length=2100)),
                ("expected", models.CharField(blank=True, max_length=500)),
                ("is_retryable", models.BooleanField()),
                ("hint", models.CharField(blank=True, max_length=500)),
                ("raw_digest", models.CharField(max_length=80)),
                (
                    "run",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="rejects",
                        to="posts.importrun",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("run", "sequence"), name="reject_sequence")
                ],
            },
        ),
        migrations.CreateModel(
            name="ImportCheckpoint",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("batch", models.PositiveIntegerField()),
                ("file", models.PositiveIntegerField(help_text="Index in the run's inputs.")),
                (
                    "byte_offset",
                    models.PositiveBigIntegerField(help_text="In the decompressed file."),
                ),
                (
                    "record",
                    models.PositiveBigIntegerField(help_text="1-based number in that file."),
                ),
                ("line", models.PositiveBigIntegerField(help_text="1-based line in that file.")),
                ("chain_digest", models.CharField(max_length=80)),
                ("counts", models.JSONField(default=dict)),
                ("milliseconds", models.PositiveIntegerField()),
                ("created_at", models.DateTimeField()),
                (
                    "run",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="checkpoints",
                        to="posts.importrun",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("run", "batch"), name="checkpoint_batch")
                ],
            },
        ),
        migrations.CreateModel(
            name="Event",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("sequence", models.PositiveIntegerField()),
                ("kind", models.CharField(max_length=40)),
                ("at", models.DateTimeField()),
                ("revision_digest", models.CharField(blank=True, max_length=80)),
                ("data", models.JSONField(default=dict)),
                ("previous_hash", models.CharField(blank=True, max_length=64)),
                ("hash", models.CharField(max_length=64)),
                (
                    "actor",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "run",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="events",
                        to="posts.importrun",
                    ),
                ),
                (
                    "post",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="events",
                        to="posts.post",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("post__isnull", False)),
                        fields=("post", "sequence"),
                        name="event_of_post",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("run__isnull", False)),
                        fields=("run", "sequence"),
                        name="event_of_run",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("post__isnull", False), ("run__isnull", True)),
                            models.Q(("post__isnull", True), ("run__isnull", False)),
                            _connector="OR",
                        ),
                        name="event_has_one_subject",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="PostEntity",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("position", models.PositiveSmallIntegerField(default=0)),
                ("listed_at", models.DateTimeField(blank=True, null=True)),
                (
                    "entity",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="post_entities",
                        to="posts.entity",
                    ),
                ),
                (
                    "post",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="post_entities",
                        to="posts.post",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "post entities",
                "indexes": [
                    models.Index(
                        condition=models.Q(("listed_at__isnull", False)),
                        fields=["entity", "-listed_at", "-post"],
                        name="post_entity_listed",
                    ),
                    models.Index(fields=["entity"], name="post_entity_entity"),
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("post", "entity"), name="post_entity_once")
                ],
            },
        ),
        migrations.CreateModel(
            name="PostImage",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "position",
                    models.PositiveSmallIntegerField(help_text="From 1, the N of image:N."),
                ),
                (
                    "image",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="post_images",
                        to="posts.imagesource",
                    ),
                ),
                (
                    "post",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="post_images",
                        to="posts.post",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("post", "position"), name="post_image_position")
                ],
            },
        ),
        migrations.AddIndex(
            model_name="revision",
            index=models.Index(
                condition=models.Q(("parent__isnull", False)),
                fields=["parent"],
                name="revision_parent",
            ),
        ),
        migrations.AddConstraint(
            model_name="revision",
            constraint=models.UniqueConstraint(fields=("post", "number"), name="revision_number"),
        ),
        migrations.AddConstraint(
            model_name="revision",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("origin", "import"), ("run__isnull", False)),
                    models.Q(("author__isnull", False), ("origin__in", ["editor", "restore"])),
                    _connector="OR",
                ),
                name="revision_by_run_or_person",
            ),
        ),
        migrations.AddIndex(
            model_name="importedpost",
            index=models.Index(
                condition=models.Q(("base_revision__isnull", False)),
                fields=["base_revision"],
                name="imported_base",
            ),
        ),
        migrations.AddIndex(
            model_name="importedpost",
            index=models.Index(
                condition=models.Q(("waiting_revision__isnull", False)),
                fields=["waiting_revision"],
                name="imported_waiting",
            ),
        ),
        migrations.AddConstraint(
            model_name="importedpost",
            constraint=models.UniqueConstraint(fields=("source", "key"), name="imported_identity"),
        ),
        migrations.AddConstraint(
            model_name="importedpost",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("base_revision__isnull", False),
                        ("is_tombstone", False),
                        ("post__isnull", False),
                    ),
                    models.Q(
                        ("base_revision__isnull", True),
                        ("is_tombstone", True),
                        ("post__isnull", True),
                    ),
                    _connector="OR",
                ),
                name="imported_post_or_tombstone",
            ),
        ),
        migrations.AddIndex(
            model_name="decision",
            index=models.Index(fields=["revision", "-id"], name="decision_latest"),
        ),
        migrations.AddConstraint(
            model_name="decision",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("verdict__in", ["approve", "request_changes", "reject", "withdraw"])
                ),
                name="decision_verdict_known",
            ),
        ),
        migrations.AddIndex(
            model_name="slug",
            index=models.Index(fields=["post"], name="slug_post"),
        ),
        migrations.AddConstraint(
            model_name="slug",
            constraint=models.UniqueConstraint(
                condition=models.Q(("is_current", True)),
                fields=("post",),
                name="slug_one_current_a_post",
            ),
        ),
        migrations.AddIndex(
            model_name="posttag",
            index=models.Index(
                condition=models.Q(("listed_at__isnull", False)),
                fields=["tag", "-listed_at", "-content_object"],
                name="post_tag_listed",
            ),
        ),
        migrations.AddIndex(
            model_name="posttag",
            index=models.Index(fields=["tag"], name="post_tag_tag"),
        ),
        migrations.AddConstraint(
            model_name="posttag",
            constraint=models.UniqueConstraint(
                fields=("content_object", "tag"), name="post_tag_once"
            ),
        ),
        migrations.AddIndex(
            model_name="post",
            index=models.Index(
                condition=models.Q(("listed_at__isnull", False)),
                fields=["listed_at", "id"],
                name="post_listed",
            ),
        ),
        migrations.AddIndex(
            model_name="post",
            index=models.Index(
                condition=models.Q(("proposed_revision__isnull", False)),
                fields=["id"],
                name="post_awaiting",
            ),
        ),
        migrations.AddIndex(
            model_name="post",
            index=models.Index(
                condition=models.Q(("proposed_revision__isnull", False)),
                fields=["proposed_revision"],
                name="post_proposed",
            ),
        ),
        migrations.AddIndex(
            model_name="post",
            index=models.Index(
                condition=models.Q(("approved_revision__isnull", False)),
                fields=["approved_revision"],
                name="post_approved",
            ),
        ),
        migrations.AddIndex(
            model_name="post",
            index=models.Index(
                condition=models.Q(("reference", ""), _negated=True),
                fields=["reference"],
                name="post_reference",
            ),
        ),
        migrations.AddConstraint(
            model_name="post",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("listed_at__isnull", True),
                    models.Q(
                        ("approved_revision", models.F("live_revision")),
                        ("approved_revision__isnull", False),
                        ("visibility", "published"),
                    ),
                    _connector="OR",
                ),
                name="post_listed_only_when_live_is_approved",
                violation_error_message="A post is listed only while it is published and a person approved exactly its live revision.",
            ),
        ),
        migrations.AddConstraint(
            model_name="post",
            constraint=models.CheckConstraint(
                condition=models.Q(("visibility__in", ["private", "published", "archived"])),
                name="post_visibility_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="post",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("visibility", "published"), _negated=True),
                    ("published_at__isnull", False),
                    _connector="OR",
                ),
                name="post_published_has_a_date",
            ),
        ),
        migrations.AddIndex(
            model_name="counterdelta",
            index=models.Index(fields=["due_at"], name="counter_delta_due"),
        ),
        migrations.AddIndex(
            model_name="counterdelta",
            index=models.Index(
                condition=models.Q(("tag__isnull", False)), fields=["tag"], name="counter_delta_tag"
            ),
        ),
        migrations.AddIndex(
            model_name="counterdelta",
            index=models.Index(
                condition=models.Q(("entity__isnull", False)),
                fields=["entity"],
                name="counter_delta_entity",
            ),
        ),
    ]
