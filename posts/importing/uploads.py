"""Small files that people bring in on a page of the admin: kept, tried, imported when confirmed.

In: bytes, a source's name, a format's name. Out: an `ImportUpload` with the report of its dry run,
and the run that a confirmation made. The engine is that of `import_posts`; this only keeps the
bytes between the steps, because a second request may be answered by another machine.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from django.db import DatabaseError
from django.utils import timezone

from posts import processes
from posts.content import shown
from posts.importing import engine, report, resume, run_facts, runs
from posts.importing.formats.listing import OneFile
from posts.importing.intake import Intake
from posts.importing.records import is_filtered, validate
from posts.models import ImportRun, ImportUpload

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.db.models import QuerySet

#: Rejected problems and kinds of findings that a report keeps; a run's page has all of them.
REJECTS_KEPT, FINDINGS_KEPT = 50, 50
#: Days after which an upload that nobody confirmed, or that failed, is let go.
KEEP_DAYS = 7


class Finding(msgspec.Struct, frozen=True):
    """Something found in several records, with the first place it was found at."""

    severity: str
    code: str
    number: int
    example: str


class Report(msgspec.Struct, frozen=True):
    """What a dry run says: counts by outcome, findings, the first rejects, the first record."""

    read: int
    counts: dict[str, int]
    formats: tuple[str, ...]
    findings: tuple[Finding, ...]
    rejects: tuple[str, ...]
    rejects_left_out: int
    first_record: tuple[str, ...]

    @property
    def writes(self) -> int:
        """Records of which an import would write anything."""
        return sum(
            self.counts.get(name, 0)
            for name in ("created", "updated", "statistics", "held", "converged")
        )


def keep(
    content: bytes,
    *,
    file_name: str,
    source_name: str,
    by: User,
    format_name: str = "auto",
    writers: str = "",
    columns: Mapping[str, str] | None = None,
) -> ImportUpload:
    """Keep a file and try it: a dry run, whose report is stored with it. Reads all of it.

    `columns` says which column of a table stands for which field, `writers` who wrote the texts.

    Queries: one to keep it, and those of a dry run.
    """
    upload = ImportUpload(
        source_name=source_name,
        format_name=format_name,
        writers=writers,
        columns=dict(columns or {}),
        file_name=file_name,
        content=content,
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        uploaded_by=by,
        created_at=timezone.now(),
    )
    upload.report = msgspec.to_builtins(_rehearsed(upload))
    upload.save()
    return upload


def report_of(upload: ImportUpload) -> Report:
    return msgspec.convert(upload.report, Report)


@contextmanager
def _intake(upload: ImportUpload) -> Iterator[Intake]:
    """Give the records of an upload; places in reports name the file as its owner does."""
    with tempfile.TemporaryDirectory(prefix="alphanode-upload-") as folder:
        path = Path(folder, "upload")
        path.write_bytes(upload.content)
        intake = Intake(OneFile(upload.file_name, path), upload.format_name)
        intake.map_columns(upload.columns)
        yield intake


def _options(upload: ImportUpload, *, is_dry_run: bool) -> engine.Options:
    return engine.Options(
        source=upload.source_name,
        dry_run=is_dry_run,
        columns=upload.columns,
        writers=upload.writers,
    )


def _rehearsed(upload: ImportUpload) -> Report:
    rejects: list[engine.Reject] = []
    with _intake(upload) as intake:
        progress = engine.run_import(
            intake,
            options=_options(upload, is_dry_run=True),
            on_rejects=lambda some, run: rejects.extend(some),
        )
        formats = tuple(sorted(intake.formats_seen))
    with _intake(upload) as intake:
        first_record = _first_record(intake)
    return Report(
        read=progress.read,
        counts={name: number for name, number in progress.counts.items() if number},
        formats=formats,
        findings=tuple(
            Finding(severity, code, number, progress.examples[severity, code])
            for (severity, code), number in sorted(
                progress.findings.items(), key=lambda pair: (-pair[1], pair[0])
            )
            if severity != "error"
        )[:FINDINGS_KEPT],
        rejects=tuple(report.reject_text(one) for one in rejects[:REJECTS_KEPT]),
        rejects_left_out=max(len(rejects) - REJECTS_KEPT, 0),
        first_record=first_record,
    )


def _first_record(intake: Intake) -> tuple[str, ...]:
    """Return the first record that is one, as the importer understands it."""
    for arrival in intake:
        if arrival.reader is None or is_filtered(arrival.raw.problems):
            continue
        record, _ = validate(arrival.reader, arrival.raw)
        if record is not None:
            return tuple(report.record_lines(record))
    return ()


def confirm(upload: ImportUpload) -> bool:
    """Set an upload going; False when it was before. One query."""
    moved = ImportUpload.objects.filter(pk=upload.pk, confirmed_at=None).update(
        confirmed_at=timezone.now()
    )
    return bool(moved)


def begin_beside(upload_id: int) -> bool:
    """Start a process that imports a confirmed upload and ends by itself; see `processes.begin`.

    Whatever ends it, importing again goes on from its last batch.
    """
    return processes.begin("import_upload", str(upload_id))


def carry_out(
    upload: ImportUpload, *, should_stop: Callable[[], bool] = lambda: False
) -> ImportRun | None:
    """Import a confirmed upload, going on where an interrupted import of it ended.

    Returns the run, None when nothing could be begun. What hinders it is told by `upload.problem`;
    the bytes are kept until a run is complete. Two processes at once do not harm each other: one
    of them finds the source taken.
    """
    problem = ""
    seen: list[engine.Progress] = []
    with _intake(upload) as intake:
        inputs = intake.description()
        try:
            going_on = resume.resumed(
                intake,
                source=upload.source_name,
                inputs=inputs,
                publish=False,
                wanted=resume.AUTO,
            )
            progress = engine.run_import(
                intake,
                options=_options(upload, is_dry_run=False),
                inputs=inputs,
                by=upload.uploaded_by,
                going_on=going_on,
                should_stop=should_stop,
                reads_ahead=intake.never_waits,
                on_batch=lambda progress: _note_run(upload, progress, seen),
            )
            _note_run(upload, progress, seen)
        except (
            runs.SourceBusyError,
            runs.ImportFailedError,
            resume.CannotResumeError,
            DatabaseError,
            OSError,
        ) as error:
            problem = shown(str(error))
    for last in seen:
        if last.run is not None:
            with suppress(DatabaseError):
                run_facts.note_findings(last.run, last)
    upload.problem = problem
    if upload.run is not None and upload.run.state == ImportRun.State.COMPLETE:
        # An erasure of a post has nothing to look for here.
        upload.content = b""
        bare = msgspec.structs.replace(report_of(upload), findings=(), rejects=(), first_record=())
        upload.report = msgspec.to_builtins(bare)
    upload.save(update_fields=["problem", "content", "report"])
    return upload.run


def _note_run(upload: ImportUpload, progress: engine.Progress, seen: list[engine.Progress]) -> None:
    """Let the upload name its run, so that its page can tell how far it is."""
    seen[:] = [progress]
    if progress.run is not None and upload.run_id != progress.run.pk:
        upload.run = progress.run
        upload.save(update_fields=["run"])


def discard(upload: ImportUpload) -> bool:
    """Forget an upload that was not confirmed; False when it was. One query."""
    gone, _ = ImportUpload.objects.filter(pk=upload.pk, confirmed_at=None).delete()
    return bool(gone)


def let_go(*, before: dt.datetime) -> QuerySet[ImportUpload]:
    """Return the uploads from before a moment that no complete or running import came of."""
    return ImportUpload.objects.filter(created_at__lt=before).exclude(
        run__state__in=(ImportRun.State.COMPLETE, ImportRun.State.RUNNING)
    )
