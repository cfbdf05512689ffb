"""The import engine: runs, batches, fences, counts, rejects and checkpoints.

In: records from readers. Out: rows, and a run that tells what became of every record. Data,
counts, rejects and checkpoint of a batch commit together or not at all. Renders nothing, fetches
nothing, prints nothing.
"""

from __future__ import annotations

import datetime as dt
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models import Model
from django.utils import timezone

from posts import content, db, notices, projection
from posts.importing import batch, batches, classification, runs
from posts.importing.beside import garbage_collected_by_batch
from posts.importing.classification import Item
from posts.importing.intake import Arrival
from posts.importing.rehearsal import Rehearsal
from posts.importing.resume import ResumePoint, chained
from posts.importing.runs import ImportFailedError, SourceBusyError
from posts.models import (
    ClaimCheck,
    ImportCheckpoint,
    ImportedPost,
    ImportReject,
    ImportRun,
    ImportSource,
    Post,
    PostEntity,
    PostTag,
    QueueEntry,
    Revision,
)

if TYPE_CHECKING:
    from django.contrib.auth.models import User

#: The counts of a run; `read` is the sum of the others at the end of every run.
OUTCOMES = (
    "created",
    "updated",
    "statistics",
    "unchanged",
    "held",
    "converged",
    "tombstoned",
    "filtered",
    "rejected",
)
#: A key that comes again: as the next version of its post, or refused with the place of the first.
SEQUENCE = "sequence"
REJECT = "reject"

#: What a record is that is no post, as a word of its format; and how many findings are told apart.
_KIND = re.compile(r"[a-z][a-z0-9_-]{0,39}")
KINDS_MAX = 100

#: From this many new posts on the planner's statistics are refreshed after the run.
ANALYZE_FROM = 5_000
#: And within it, each time the new posts have become so many: people read meanwhile.
ANALYZE_AT = (10_000, 100_000, 1_000_000)


@dataclass(frozen=True, slots=True)
class Options:
    """What a run was asked for. `batch_size` counts records; `max_rejects` is records or None."""

    source: str
    publish: bool = False
    dry_run: bool = False
    batch_size: int = field(default_factory=db.batch_size)
    limit: int | None = None
    on_duplicate: str = SEQUENCE
    max_rejects: int | None = None
    max_reject_percent: float | None = None
    #: Who wrote the texts of the source; empty leaves what is known of it.
    writers: str = ""
    #: Which column of a table stands for which field, as far as the user had to say it.
    columns: Mapping[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(slots=True)
class Reject:
    """One problem of one refused record, as the table and the rejects file hold it."""

    file: str
    record: int
    line: int
    byte: int
    key: str
    field: str
    code: str
    value: str
    expected: str
    is_retryable: bool
    hint: str
    raw_digest: str


@dataclass(slots=True)
class Progress:
    """How far a run is; handed to the report after every batch."""

    run: ImportRun | None
    counts: Counter[str] = field(default_factory=Counter)
    #: (severity, code) -> records, and the first place each was seen; the code of what is no post
    #: is followed by what it is
    findings: Counter[tuple[str, str]] = field(default_factory=Counter)
    examples: dict[tuple[str, str], str] = field(default_factory=dict)
    batch_milliseconds: list[int] = field(default_factory=list)
    #: Of the run, and those of it that it waited for its input.
    seconds: float = 0.0
    reading_seconds: float = 0.0
    state: str = ImportRun.State.RUNNING
    reject_limit_reached: bool = False

    @property
    def read(self) -> int:
        return sum(self.counts.values())


def run_import(
    incoming: Iterable[Arrival],
    *,
    options: Options,
    inputs: Sequence[dict[str, Any]] = (),
    by: User | None = None,
    on_batch: Callable[[Progress], None] = lambda progress: None,
    on_rejects: Callable[[Sequence[Reject], int | None], None] = lambda rejects, run: None,
    should_stop: Callable[[], bool] = lambda: False,
    going_on: ResumePoint | None = None,
    reads_ahead: bool = False,
) -> Progress:
    """Import records into a source and return what became of them.

    A dry run takes the same way up to the first write and leaves nothing behind. `should_stop` is
    asked between records. `going_on` says that the records are what an interrupted run left: the
    new run is its child and carries its chain on. `reads_ahead` allows to read during a commit, in
    a thread: for inputs that never let anybody wait. Raises `SourceBusyError` when another run
    holds the source, also when one took it over meanwhile, and `ImportFailedError` for the name
    that is reserved.
    """
    if options.source == ImportSource.LOCAL:
        raise ImportFailedError(
            f"The source name {options.source!r} belongs to posts written here. Choose another."
        )
    started = time.monotonic()
    progress = Progress(run=None)
    writer = None if options.dry_run else _Writer(options, inputs, by, going_on)
    if writer is not None:
        progress.run = writer.run
    stage = writer or Rehearsal(options.source)
    try:
        cut = batches.ReadAhead(
            batches.cut(
                incoming,
                size=options.batch_size,
                limit=options.limit,
                refuse_duplicates=options.on_duplicate == REJECT,
                should_stop=should_stop,
            ),
            is_allowed=reads_ahead,
        )
        if writer is not None:
            writer.before_commit = cut.begin
        classified = batches.classified(cut, source=options.source, look_up=stage.look_up)
        with closing(cut), closing(classified), garbage_collected_by_batch() as collect_garbage:
            for items in classified:
                began = time.monotonic()
                stage.take(items)
                collect_garbage()
                _count(progress, items)
                progress.batch_milliseconds.append(round((time.monotonic() - began) * 1000))
                progress.seconds = time.monotonic() - started
                progress.reading_seconds = cut.waited
                on_rejects(_rejects(items), progress.run.pk if progress.run is not None else None)
                on_batch(progress)
                if _too_many_rejects(progress, options):
                    progress.reject_limit_reached = True
                    break
                if should_stop():
                    progress.state = ImportRun.State.STOPPED
                    break
        if progress.state == ImportRun.State.RUNNING and not progress.reject_limit_reached:
            progress.state = ImportRun.State.COMPLETE
        elif progress.reject_limit_reached:
            progress.state = ImportRun.State.STOPPED
        if writer is not None:
            writer.finish(progress.state, progress)
    except BaseException as error:
        progress.state = ImportRun.State.FAILED
        if writer is not None:
            writer.fail(error)
        raise
    finally:
        progress.seconds = time.monotonic() - started
    return progress


def _note_writers(run: ImportRun, writers: str) -> None:
    """Keep who wrote the texts of a run's source. One query, none when nothing was said of it."""
    if writers:
        ImportSource.objects.filter(pk=run.source_id).update(writers=writers)


def _too_many_rejects(progress: Progress, options: Options) -> bool:
    rejected = progress.counts["rejected"]
    if options.max_rejects is not None and rejected > options.max_rejects:
        return True
    return (
        options.max_reject_percent is not None
        and rejected * 100 > options.max_reject_percent * progress.read
    )


def _count(progress: Progress, items: Sequence[Item]) -> None:
    for item in items:
        progress.counts[item.outcome] += 1
        seen: dict[tuple[str, str], content.Problem] = {}
        for problem in item.problems:
            seen.setdefault((problem.severity, _kind_of(problem, progress)), problem)
        for kind, first in seen.items():
            progress.findings[kind] += 1
            if kind not in progress.examples:
                where = f"{item.raw.position.file}:{item.raw.position.line}"
                got = f" got {first.value!r}," if first.value else ""
                progress.examples[kind] = (
                    f"{where} {first.field or 'record'}:{got} expected {first.expected}"
                )


def _kind_of(problem: content.Problem, progress: Progress) -> str:
    """Return the code a finding is counted by; of what is no post also its kind, if it is a word.

    An input can make up as many kinds as it likes: behind the first they are counted together.
    """
    if problem.severity != classification.FILTERED or not _KIND.fullmatch(problem.value):
        return problem.code
    kind = f"{problem.code}: {problem.value}"
    is_known = (problem.severity, kind) in progress.findings
    return kind if is_known or len(progress.findings) < KINDS_MAX else problem.code


def _rejects(items: Sequence[Item]) -> list[Reject]:
    """Return every error of the refused records, in the order of the input."""
    return [
        Reject(
            file=item.raw.position.file,
            record=item.raw.position.record,
            line=item.raw.position.line + (problem.line - 1 if problem.line else 0),
            byte=item.raw.position.byte,
            key=(item.key or "")[: content.KEY_MAX],
            # A path may hold names of unknown fields, and those may hold anything.
            field=content.shown(problem.field),
            code=problem.code,
            value=problem.value,
            expected=problem.expected[:500],
            is_retryable=problem.retryable,
            hint=problem.hint[:500],
            raw_digest=item.record_digest,
        )
        for item in items
        if item.outcome == classification.REJECTED
        for problem in item.problems
        if problem.severity == "error"
    ]


class _Writer:
    """A real run: owns its source by a fence number that every batch checks."""

    def __init__(
        self,
        options: Options,
        inputs: Sequence[dict[str, Any]],
        by: User | None,
        going_on: ResumePoint | None = None,
    ) -> None:
        self.options = options
        self.names = projection.Names()
        self.batch = 0
        self.rejected = 0
        #: New posts that the planner's statistics know of.
        self.created_known = 0
        #: Called when only the commit of a batch is left.
        self.before_commit: Callable[[], None] = lambda: None
        self.chain = going_on.chain if going_on else ""
        self.run = runs.begin(
            source_name=options.source,
            options=options.as_json(),
            inputs=inputs,
            by=by,
            parent=going_on.run if going_on else None,
            at_once=lambda run: _note_writers(run, options.writers),
        )

    def look_up(self, items: Sequence[Item]) -> None:
        """Attach the identities of the source."""
        runs.persistently(lambda: classification.look_up(self.run.source_id, items))

    def take(self, items: Sequence[Item]) -> None:
        """Write one classified batch; wait and try again when the cause of a failure may pass."""
        before = (self.batch, self.rejected, self.chain)
        is_again = False

        def attempt() -> None:
            nonlocal is_again
            if is_again:
                self.batch, self.rejected, self.chain = before
                self.run.refresh_from_db(fields=["read", *OUTCOMES])
                self._classify_again(items)
            is_again = True
            try:
                self._write(items)
            except BaseException:
                # Names created in the lost transaction do not exist.
                self.names.forget()
                raise

        created = self.run.created
        runs.persistently(attempt, was_done=lambda: self._was_written(before[0] + 1) or None)
        if any(created < mark <= self.run.created for mark in ANALYZE_AT):
            self._refresh_planner_statistics()

    def _was_written(self, number: int) -> bool:
        """Say whether the batch was committed although its answer was lost."""
        return ImportCheckpoint.objects.filter(run=self.run, batch=number).exists()

    def _classify_again(self, items: Sequence[Item]) -> None:
        again = [item for item in items if item.reader is not None and item.key]
        for item in again:
            item.begin_again()
        self.look_up(again)
        classification.recognise(again)
        classification.classify(again, self.options.source)

    def _write(self, items: Sequence[Item]) -> None:
        """Write data, rejects, counts and checkpoint in one transaction; about 25 queries."""
        began = time.monotonic()
        now = timezone.now()
        with transaction.atomic():
            runs.hold(self.run, now)
            batch.write(
                items,
                run=self.run,
                names=self.names,
                publish=self.options.publish,
                now=now,
            )
            self._log(items, now, round((time.monotonic() - began) * 1000))
            self.before_commit()

    def _log(self, items: Sequence[Item], now: dt.datetime, elapsed: int) -> None:
        rejects = _rejects(items)
        counts = Counter(item.outcome for item in items)
        self.batch += 1
        self.chain = chained(self.chain, [item.record_digest for item in items])
        last = items[-1]
        if rejects:
            fields = tuple(Reject.__slots__)
            db.insert_rows(
                ImportReject,
                ("run_id", "sequence", *fields),
                [
                    (self.run.pk, self.rejected + number, *(getattr(row, f) for f in fields))
                    for number, row in enumerate(rejects, start=1)
                ],
            )
            self.rejected += len(rejects)
        ImportCheckpoint.objects.create(
            run=self.run,
            batch=self.batch,
            file=last.file,
            byte_offset=last.raw.position.end,
            record=last.raw.position.record,
            line=last.raw.position.line,
            chain_digest=self.chain,
            counts=dict(counts),
            milliseconds=elapsed,
            created_at=now,
        )
        self.run.read += len(items)
        for name, number in counts.items():
            setattr(self.run, name, getattr(self.run, name) + number)
        self.run.save(update_fields=["read", *counts])

    def finish(self, state: str, progress: Progress) -> None:
        if progress.counts["created"] >= ANALYZE_FROM and self.run.created > self.created_known:
            self._refresh_planner_statistics()
        self._close(state, "")
        notices.tell_of_held(self.run, timezone.now())

    def _refresh_planner_statistics(self) -> None:
        tables: list[type[Model]] = [Post, Revision, ImportedPost, PostTag, PostEntity]
        tables += [QueueEntry, ClaimCheck]
        runs.persistently(lambda: db.refresh_planner_statistics(tables))
        self.created_known = self.run.created

    def fail(self, error: BaseException) -> None:
        if not isinstance(error, SourceBusyError):
            # What was counted in a transaction that was lost did not happen.
            runs.persistently(lambda: self.run.refresh_from_db(fields=["read", *OUTCOMES]))
            self._close(ImportRun.State.FAILED, f"{type(error).__name__}: {error}"[:2000])

    def _close(self, state: str, message: str) -> None:
        counts = {name: getattr(self.run, name) for name in ("read", *OUTCOMES)}
        runs.close(self.run, state, message=message, counts=counts)
