"""Who sent what, when, and how far a run came: sources, identities, runs, checkpoints, rejects."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from posts import content


class ImportSource(models.Model):
    """A generator or site. `fence` grows with every run that takes the source over."""

    class Writers(models.TextChoices):
        """Who wrote the texts that a source sends; every page of them says so."""

        MACHINES = "machines", "machines"
        PEOPLE = "people", "people"

    #: The source of posts written here; no import can use its name.
    LOCAL = "local"

    name = models.CharField(max_length=80, unique=True)
    writers = models.CharField(
        max_length=10,
        choices=Writers.choices,
        default=Writers.MACHINES,
        help_text="Who wrote its texts; every page of them says so.",
    )
    fence = models.PositiveBigIntegerField(default=0)
    owner = models.ForeignKey(
        "ImportRun", models.PROTECT, related_name="+", null=True, blank=True, db_index=False
    )
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name


class ImportRun(models.Model):
    """One execution of an import or of its undo: inputs, counts, state."""

    class Kind(models.TextChoices):
        IMPORT = "import", "import"
        UNDO = "undo", "undo"

    class State(models.TextChoices):
        RUNNING = "running", "running"
        COMPLETE = "complete", "complete"
        STOPPED = "stopped", "stopped"
        FAILED = "failed", "failed"

    source = models.ForeignKey(ImportSource, models.PROTECT, related_name="runs")
    kind = models.CharField(max_length=10, choices=Kind.choices, default=Kind.IMPORT)
    parent = models.ForeignKey(
        "self", models.PROTECT, related_name="children", null=True, blank=True
    )
    state = models.CharField(max_length=10, choices=State.choices, default=State.RUNNING)
    fence = models.PositiveBigIntegerField()
    options = models.JSONField(default=dict)
    inputs = models.JSONField(default=list, help_text="Name, size and first-MiB digest of each.")
    engine_version = models.CharField(max_length=20)
    started_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", null=True, blank=True
    )
    host = models.CharField(max_length=255, blank=True)
    process = models.PositiveBigIntegerField(null=True, blank=True)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)
    message = models.TextField(blank=True)

    read = models.PositiveBigIntegerField(default=0)
    created = models.PositiveBigIntegerField(default=0)
    updated = models.PositiveBigIntegerField(default=0)
    statistics = models.PositiveBigIntegerField(default=0)
    unchanged = models.PositiveBigIntegerField(default=0)
    held = models.PositiveBigIntegerField(default=0)
    converged = models.PositiveBigIntegerField(default=0)
    tombstoned = models.PositiveBigIntegerField(default=0)
    filtered = models.PositiveBigIntegerField(default=0)
    rejected = models.PositiveBigIntegerField(default=0)

    def __str__(self) -> str:
        return f"run {self.pk}"


class ImportUpload(models.Model):
    """A small file that somebody brought in on a page: tried, then imported when they confirm.

    `content` is empty once a run of it is complete, and `report` then holds counts only: what a
    post's erasure has to reach stands in posts and runs alone.
    """

    source_name = models.CharField(max_length=80)
    writers = models.CharField(
        max_length=10,
        choices=ImportSource.Writers.choices,
        blank=True,
        help_text="Who wrote the texts; empty: what is known of the source stays.",
    )
    format_name = models.CharField(max_length=30)
    columns = models.JSONField(default=dict, help_text="Of a table: field -> column.")
    file_name = models.CharField(max_length=255)
    content = models.BinaryField()
    size = models.PositiveBigIntegerField(help_text="In bytes.")
    sha256 = models.CharField(max_length=64)
    report = models.JSONField(default=dict, help_text="What the dry run said.")
    uploaded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", db_index=False
    )
    created_at = models.DateTimeField()
    confirmed_at = models.DateTimeField(null=True, blank=True)
    run = models.ForeignKey(ImportRun, models.PROTECT, related_name="+", null=True, blank=True)
    problem = models.TextField(blank=True, help_text="What hindered the import last.")

    def __str__(self) -> str:
        return f"upload {self.pk}"


class ImportedPost(models.Model):
    """The identity of an imported post. Classification reads only this table, by its index."""

    source = models.ForeignKey(
        ImportSource, models.PROTECT, related_name="identities", db_index=False
    )
    key = models.CharField(max_length=content.KEY_MAX)
    post = models.OneToOneField(
        "Post", models.PROTECT, related_name="imported", null=True, blank=True
    )
    base_revision = models.ForeignKey(
        "Revision", models.PROTECT, related_name="+", null=True, blank=True, db_index=False
    )
    waiting_revision = models.ForeignKey(
        "Revision",
        models.PROTECT,
        related_name="+",
        null=True,
        blank=True,
        db_index=False,
        help_text="An imported revision that is to be decided after a person's proposal.",
    )
    base_digest = models.CharField(max_length=80, blank=True)
    record_digest = models.CharField(
        max_length=80, blank=True, help_text="Of the raw record, with the engine's version."
    )
    statistics_digest = models.CharField(max_length=80, blank=True)
    is_tombstone = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(name="imported_identity", fields=["source", "key"]),
            models.CheckConstraint(
                name="imported_post_or_tombstone",
                condition=Q(post__isnull=False, base_revision__isnull=False, is_tombstone=False)
                | Q(post__isnull=True, base_revision__isnull=True, is_tombstone=True),
            ),
        ]
        indexes = [
            models.Index(
                fields=["base_revision"],
                name="imported_base",
                condition=Q(base_revision__isnull=False),
            ),
            models.Index(
                fields=["waiting_revision"],
                name="imported_waiting",
                condition=Q(waiting_revision__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return self.key

    @property
    def is_generated(self) -> bool:
        """Whether it came from elsewhere, not from people here. Needs the source fetched."""
        return self.source.name != ImportSource.LOCAL


class ImportCheckpoint(models.Model):
    """How far a run came, written in the transaction of the batch it counts."""

    run = models.ForeignKey(ImportRun, models.CASCADE, related_name="checkpoints", db_index=False)
    batch = models.PositiveIntegerField()
    file = models.PositiveIntegerField(help_text="Index in the run's inputs.")
    byte_offset = models.PositiveBigIntegerField(help_text="In the decompressed file.")
    record = models.PositiveBigIntegerField(help_text="1-based number in that file.")
    line = models.PositiveBigIntegerField(help_text="1-based line in that file.")
    chain_digest = models.CharField(max_length=80)
    counts = models.JSONField(default=dict)
    milliseconds = models.PositiveIntegerField()
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(name="checkpoint_batch", fields=["run", "batch"]),
        ]

    def __str__(self) -> str:
        return f"batch {self.batch} of run {self.run_id}"


class ImportReject(models.Model):
    """One problem of one refused record: where, what, got, expected, whether a retry can help."""

    run = models.ForeignKey(ImportRun, models.CASCADE, related_name="rejects", db_index=False)
    sequence = models.PositiveBigIntegerField()
    file = models.CharField(max_length=1000)
    record = models.PositiveBigIntegerField()
    line = models.PositiveBigIntegerField()
    byte = models.PositiveBigIntegerField()
    key = models.CharField(max_length=content.KEY_MAX, blank=True)
    field = models.CharField(max_length=300, blank=True)
    code = models.CharField(max_length=50)
    value = models.CharField(max_length=2100, blank=True)
    expected = models.CharField(max_length=500, blank=True)
    is_retryable = models.BooleanField()
    hint = models.CharField(max_length=500, blank=True)
    raw_digest = models.CharField(max_length=80)

    class Meta:
        constraints = [
            models.UniqueConstraint(name="reject_sequence", fields=["run", "sequence"]),
        ]

    def __str__(self) -> str:
        return f"{self.code} in {self.file}:{self.line}"
