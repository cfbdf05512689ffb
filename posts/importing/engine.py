"""The import engine: runs, batches, fences, counts, rejects and checkpoints.

In: records from readers. Out: rows, and a run that tells what became of every record. Data,
counts, rejects and checkpoint of a batch commit together or not at all. Renders nothing, fetches
nothing, prints nothing.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

from django.db import DatabaseError, transaction
from django.utils import timezone

from posts import content, db, projection
from posts.importing import batch, classification, runs
from posts.importing.classification import Item, Standing
from posts.importing.intake import Arrival
from posts.importing.resume import ResumePoint, chained
from posts.importing.runs import ImportFailedError, SourceBusyError
from posts.models import (
    ImportCheckpoint,
    ImportedPost,
    ImportReject,
    ImportRun,
    ImportSource,
    Post,
    PostEntity,
    PostTag,
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

BATCH_SIZE = 1_000
BATCH_BYTES = 16 * 2**20
#: Pauses before a batch is tried again after a failure whose cause may pass.
RETRY_SECONDS = (0.1, 0.4, 1.6, 6.4, 25.6)
#: From this many new posts on the planner's statistics are refreshed after the run.
ANALYZE_FROM = 5_000


@dataclass(frozen=True, slots=True)
class Options:
    """What a run was asked for. `batch_size` counts records; `max_rejects` is records or None."""

    source: str
    publish: bool = False
    dry_run: bool = False
    batch_size: int = BATCH_SIZE
    limit: int | None = None
    on_duplicate: str = SEQUENCE
    max_rejects: int | None = None
    max_reject_percent: float | None = None

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
    #: (severity, code) -> records, and the first place each was seen
    findings: Counter[tuple[str, str]] = field(default_factory=Counter)
    examples: dict[tuple[str, str], str] = field(default_factory=dict)
    batch_milliseconds: list[int] = field(default_factory=list)
    seconds: float = 0.0
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
) -> Progress:
    """Import records into a source and return what became of them.

    A dry run takes the same way up to the first write and leaves nothing behind. `should_stop` is
    asked between records. `going_on` says that the records are what an interrupted run left: the
    new run is its child and carries its chain on. Raises `SourceBusyError` when another run holds
    the source, also when one took it over meanwhile, and `ImportFailedError` for the name that is
    reserved.
    """
    if options.source == ImportSource.LOCAL:
        raise ImportFailedError(
            f"The source name {options.source!r} belongs to posts written here. Choose another."
        )
    started = time.monotonic()
    progress = Progress(run=None)
    writer: _Writer | _Rehearsal
    if options.dry_run:
        writer = _Rehearsal(options)
    else:
        writer = _Writer(options, inputs, by, going_on)
        progress.run = writer.run
    try:
        for items in _classified(_batches(incoming, options, should_stop), writer):
            began = time.monotonic()
            rejects = writer.take(items)
            _count(progress, items, rejects)
            progress.batch_milliseconds.append(round((time.monotonic() - began) * 1000))
            progress.seconds = time.monotonic() - started
            on_rejects(rejects, progress.run.pk if progress.run is not None else None)
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
        writer.finish(progress.state, progress)
    except BaseException as error:
        progress.state = ImportRun.State.FAILED
        writer.fail(error)
        raise
    finally:
        progress.seconds = time.monotonic() - started
    return progress


def _batches(
    incoming: Iterable[Arrival], options: Options, should_stop: Callable[[], bool]
) -> Iterator[list[Item]]:
    """Yield batches by count or bytes; a key that comes again begins a new batch.

    So that the second version of a key finds the first one written, whatever the batch size. Asked
    to stop, it hands out what it has: a slow input may never fill the batch.
    """
    items: list[Item] = []
    keys: set[str] = set()
    size = 0
    first_places: dict[bytes, str] = {}
    for arrival in islice(incoming, options.limit):
        item = classification.arrived(arrival)
        if options.on_duplicate == REJECT and item.key:
            _refuse_duplicate(item, first_places)
        if items and (
            item.key in keys
            or should_stop()
            or len(items) >= options.batch_size
            or size + len(item.raw.raw) > BATCH_BYTES
        ):
            yield items
            items, keys, size = [], set(), 0
        items.append(item)
        size += len(item.raw.raw)
        if item.key:
            keys.add(item.key)
    if items:
        yield items


def _refuse_duplicate(item: Item, first_places: dict[bytes, str]) -> None:
    """Reject an item whose key stood in the input before; memory grows with the keys."""
    at = item.raw.position
    here = f"{at.file}:{at.line}"
    first = first_places.setdefault(_short(item.key or ""), here)
    if first != here:
        item.reader = None  # decided for good, also when the batch is tried again
        item.reject(
            content.Problem(
                code="duplicate_key",
                field="key",
                value=content.shown(item.key),
                expected=f"a key that stands in the input once; this one stands in {first} too",
                hint="Leave one of the two out, or import with --on-duplicate sequence.",
            )
        )


def _classified(
    batches: Iterable[list[Item]], writer: _Writer | _Rehearsal
) -> Iterator[list[Item]]:
    """Yield batches decoded and classified, each while the one before is written.

    Decoding needs the processor and writing mostly waits for the database, so a thread for the
    first costs little and saves its time. A batch with a key of the one before waits until that
    one is written, because its identities are read from what is written.
    """
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="classify") as beside:
        ahead: tuple[list[Item], Future[None]] | None = None
        for items in batches:
            if ahead is not None and not _keys(items).isdisjoint(_keys(ahead[0])):
                yield _finished(ahead)
                ahead = None
            writer.look_up(items)
            coming = (items, beside.submit(classification.classify, items))
            if ahead is not None:
                yield _finished(ahead)
            ahead = coming
        if ahead is not None:
            yield _finished(ahead)


def _keys(items: Iterable[Item]) -> set[str]:
    return {item.key for item in items if item.key}


def _finished(ahead: tuple[list[Item], Future[None]]) -> list[Item]:
    items, classified = ahead
    classified.result()
    return items


def _too_many_rejects(progress: Progress, options: Options) -> bool:
    rejected = progress.counts["rejected"]
    if options.max_rejects is not None and rejected > options.max_rejects:
        return True
    return (
        options.max_reject_percent is not None
        and rejected * 100 > options.max_reject_percent * progress.read
    )


def _count(progress: Progress, items: Sequence[Item], rejects: Sequence[Reject]) -> None:
    for item in items:
        progress.counts[item.outcome] += 1
        seen = {(problem.severity, problem.code) for problem in item.problems}
        for kind in seen:
            progress.findings[kind] += 1
            if kind not in progress.examples:
                first = next(p for p in item.problems if (p.severity, p.code) == kind)
                where = f"{item.raw.position.file}:{item.raw.position.line}"
                got = f" got {first.value!r}," if first.value else ""
                progress.examples[kind] = (
                    f"{where} {first.field or 'record'}:{got} expected {first.expected}"
                )


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


class _Rehearsal:
    """A dry run: classifies as the real one would and writes nothing.

    It remembers, by a short hash, what this run would have written for a key, so that a key that
    comes twice in the input is counted as the real run counts it.
    """

    def __init__(self, options: Options) -> None:
        self.source_id = (
            ImportSource.objects.filter(name=options.source).values_list("id", flat=True).first()
        )
        #: key -> digests as the identity table would hold them, and how the post would stand
        self.seen: dict[bytes, tuple[str, str, str, Standing | None]] = {}

    def look_up(self, items: Sequence[Item]) -> None:
        """Attach what the source knows of the keys, and what this run would have written."""
        if self.source_id is not None:
            classification.look_up(self.source_id, items)
        for item in items:
            earlier = self.seen.get(_short(item.key)) if item.key else None
            if earlier is not None:
                base, record, statistics, _ = earlier
                item.identity = (item.identity or _NEW)._replace(
                    base_digest=base, record_digest=record, statistics_digest=statistics
                )

    def take(self, items: Sequence[Item]) -> list[Reject]:
        """Judge the changed ones as the real run does under its locks. Two queries."""
        changed = [item for item in items if item.outcome == classification.UPDATED]
        stored = classification.standings(
            [i.identity.post_id for i in changed if i.identity and i.identity.post_id], lock=False
        )
        for item in items:
            if not item.key or item.record is None:
                continue
            earlier = self.seen.get(_short(item.key))
            standing = earlier[3] if earlier else None
            if item.outcome == classification.UPDATED:
                if standing is None and item.identity and item.identity.post_id:
                    standing = stored[item.identity.post_id]
                if standing is not None:
                    item.outcome, _ = standing.judge(item.digest)
            if item.outcome in (classification.CREATED, classification.UPDATED):
                standing = Standing(item.digest, False, False)
            self.seen[_short(item.key)] = (
                item.digest,
                item.record_digest,
                item.statistics_digest,
                standing,
            )
        return _rejects(items)

    def finish(self, state: str, progress: Progress) -> None:
        """Nothing was begun."""

    def fail(self, error: BaseException) -> None:
        """Nothing was begun."""


_NEW = classification.Identity(0, None, None, "", "", "", False)


def _short(key: str) -> bytes:
    return hashlib.blake2b(key.encode(), digest_size=12).digest()


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
        self.chain = going_on.chain if going_on else ""
        self.run = runs.begin(
            source_name=options.source,
            options=options.as_json(),
            inputs=inputs,
            by=by,
            parent=going_on.run if going_on else None,
        )

    def look_up(self, items: Sequence[Item]) -> None:
        """Attach the identities of the source."""
        classification.look_up(self.run.source_id, items)

    def take(self, items: Sequence[Item]) -> list[Reject]:
        """Write one classified batch; wait and try again when the cause of a failure may pass."""
        before = (self.batch, self.rejected, self.chain)
        for pause in (*RETRY_SECONDS, None):
            try:
                return self._write(items)
            except DatabaseError as error:
                # Names created in the lost transaction do not exist.
                self.names.forget()
                if pause is None or not db.is_retryable(error):
                    raise
                time.sleep(pause)
                db.reconnect_if_broken()
                if self._was_written(before[0] + 1):
                    return _rejects(items)
                self.batch, self.rejected, self.chain = before
                self.run.refresh_from_db(fields=["read", *OUTCOMES])
                self._classify_again(items)
            except BaseException:
                self.names.forget()
                raise
        raise AssertionError("the last try either returns or raises")

    def _was_written(self, number: int) -> bool:
        """Say whether the batch was committed although its answer was lost."""
        return ImportCheckpoint.objects.filter(run=self.run, batch=number).exists()

    def _classify_again(self, items: Sequence[Item]) -> None:
        again = [item for item in items if item.reader is not None and item.key]
        for item in again:
            item.begin_again()
        self.look_up(again)
        classification.classify(again)

    def _write(self, items: Sequence[Item]) -> list[Reject]:
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
            rejects = _rejects(items)
            self._log(items, rejects, now, round((time.monotonic() - began) * 1000))
        return rejects

    def _log(
        self, items: Sequence[Item], rejects: Sequence[Reject], now: dt.datetime, elapsed: int
    ) -> None:
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
        if progress.counts["created"] >= ANALYZE_FROM:
            db.refresh_planner_statistics([Post, Revision, ImportedPost, PostTag, PostEntity])
        self._close(state, "")

    def fail(self, error: BaseException) -> None:
        if not isinstance(error, SourceBusyError):
            # What was counted in a transaction that was lost did not happen.
            self.run.refresh_from_db(fields=["read", *OUTCOMES])
            self._close(ImportRun.State.FAILED, f"{type(error).__name__}: {error}"[:2000])

    def _close(self, state: str, message: str) -> None:
        counts = {name: getattr(self.run, name) for name in ("read", *OUTCOMES)}
        runs.close(self.run, state, message=message, counts=counts)
