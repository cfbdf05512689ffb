"""The life of a run: it takes its source by a fence number, gives signs of life, and ends.

In: who wants what of which source. Out: an `ImportRun` that owns the source, or the reason why not.
What a run does between beginning and end is the engine's and the undo's.
"""

from __future__ import annotations

import datetime as dt
import os
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from time import sleep
from typing import TYPE_CHECKING, Any, TypeVar

from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from posts import db, history
from posts.importing.classification import ENGINE_VERSION
from posts.models import ImportRun, ImportSource, Revision

if TYPE_CHECKING:
    from django.contrib.auth.models import User

#: A run that gave no sign for this long may be taken over by another.
HEARTBEAT_SECONDS = 60
SOURCE_MAX = ImportSource._meta.get_field("name").max_length or 0
#: Pauses before something is tried again after a failure whose cause may pass.
RETRY_SECONDS = (0.1, 0.4, 1.6, 6.4, 25.6)

_pauses: ContextVar[tuple[float, ...] | None] = ContextVar("pauses", default=None)

Result = TypeVar("Result")


class ImportFailedError(Exception):
    """A run that could not go on: what happened, whether it may be tried again, what to do."""


class SourceBusyError(ImportFailedError):
    """Another run holds the source."""


@contextmanager
def patience(pauses: Sequence[float]) -> Iterator[None]:
    """Wait otherwise than `RETRY_SECONDS` inside: where somebody waits for an answer."""
    token = _pauses.set(tuple(pauses))
    try:
        yield
    finally:
        _pauses.reset(token)


def persistently(
    attempt: Callable[[], Result], *, was_done: Callable[[], Result | None] = lambda: None
) -> Result:
    """Return what a transaction or a look-up gives; wait and try again while a cause may pass.

    `was_done` is asked before each further try: a commit may have been carried out although its
    answer was lost. Inside a transaction of the caller nothing is tried again, because that one is
    lost as a whole. Raises the last failure, after about half a minute, or at once when its cause
    does not pass.
    """
    if connection.in_atomic_block:
        return attempt()
    is_first = True
    pauses = _pauses.get()
    for pause in (*(RETRY_SECONDS if pauses is None else pauses), None):
        try:
            if not is_first:
                db.reconnect_if_broken()
                if (done := was_done()) is not None:
                    return done
            is_first = False
            return attempt()
        except DatabaseError as error:
            if pause is None or not db.is_retryable(error):
                raise
            sleep(pause)
    raise AssertionError("the last try either returns or raises")


def checked_source(text: str) -> str:
    """Return the name of a source: part of an identity, of messages and of a file name.

    Raises `ValueError`, which says what is wrong with it.
    """
    if text == ImportSource.LOCAL:
        raise ValueError(f"{text!r}, which belongs to posts written here; choose another name")
    if not (text.isprintable() and text == text.strip() and "/" not in text):
        raise ValueError(f"{text!r}, which has spaces around it, controls or a slash")
    if not 0 < len(text) <= SOURCE_MAX:
        raise ValueError(f"a name of {len(text)} characters; expected 1 to {SOURCE_MAX}")
    return text


def begin(
    *,
    source_name: str,
    kind: str = ImportRun.Kind.IMPORT,
    options: Mapping[str, Any],
    inputs: Sequence[dict[str, Any]] = (),
    by: User | None = None,
    parent: ImportRun | None = None,
    at_once: Callable[[ImportRun], None] = lambda run: None,
) -> ImportRun:
    """Take the source and open a run; `at_once` is done in the same transaction.

    Tried again when a failure may pass. Raises `SourceBusyError` while another run is alive.
    """
    now = timezone.now()

    def attempt() -> ImportRun:
        return _begin(source_name, kind, options, inputs, by, parent, at_once, now)

    def begun() -> ImportRun | None:
        # The moment is ours to the microsecond, and so is the process.
        return ImportRun.objects.filter(
            source__name=source_name,
            state=ImportRun.State.RUNNING,
            kind=kind,
            host=socket.gethostname(),
            process=os.getpid(),
            started_at=now,
        ).first()

    return persistently(attempt, was_done=begun)


def _begin(
    source_name: str,
    kind: str,
    options: Mapping[str, Any],
    inputs: Sequence[dict[str, Any]],
    by: User | None,
    parent: ImportRun | None,
    at_once: Callable[[ImportRun], None],
    now: dt.datetime,
) -> ImportRun:
    with transaction.atomic():
        ImportSource.objects.get_or_create(name=source_name, defaults={"created_at": now})
        source = ImportSource.objects.select_for_update().get(name=source_name)
        if source.owner is not None and is_alive(source.owner, source.heartbeat_at, now):
            other = source.owner
            raise SourceBusyError(
                f"Run {other.pk} holds the source {source.name!r} since "
                f"{other.started_at:%Y-%m-%d %H:%M:%S} UTC on host {other.host}, process "
                f"{other.process}. Wait for it, or stop it and try again."
            )
        if source.owner is not None:
            ImportRun.objects.filter(pk=source.owner.pk, state=ImportRun.State.RUNNING).update(
                state=ImportRun.State.FAILED,
                finished_at=now,
                message="It gave no sign of life and another run took the source over.",
            )
        run = ImportRun.objects.create(
            source=source,
            kind=kind,
            parent=parent,
            fence=source.fence + 1,
            options=dict(options),
            inputs=list(inputs),
            engine_version=ENGINE_VERSION,
            started_by=by,
            host=socket.gethostname(),
            process=os.getpid(),
            started_at=now,
        )
        source.fence, source.owner, source.heartbeat_at = run.fence, run, now
        source.save(update_fields=["fence", "owner", "heartbeat_at"])
        # The index of runs does not know the order of their revisions; this number does.
        newest = Revision.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
        data = {"fence": run.fence, "newest_revision": newest}
        history.append_to_run(run, f"{kind} started", data=data, now=now, actor=by)
        at_once(run)
    return run


def hold(run: ImportRun, now: dt.datetime) -> None:
    """Give a sign of life inside a batch's transaction, and check that the source is still ours.

    One query. Raises `SourceBusyError` when another run took the source over; the row lock that
    is waited for makes a slow old statement end first. A failure that may pass is tried again by
    whoever tries the batch again.
    """
    held = ImportSource.objects.filter(pk=run.source_id, fence=run.fence, owner=run).update(
        heartbeat_at=now
    )
    if not held:
        raise SourceBusyError(
            f"Another run took the source {run.source.name!r} over from run {run.pk}. "
            "Nothing of this batch was written. See that run before starting another."
        )


def close(run: ImportRun, state: str, *, message: str, counts: Mapping[str, Any]) -> None:
    """End a run: its state, its last event, and the source free for others. Five queries.

    Tried again when a failure may pass. Raises `SourceBusyError` when the source is another run's
    by now; nothing is written then.
    """
    now = timezone.now()

    def closed() -> bool | None:
        return ImportRun.objects.filter(pk=run.pk, state=state, finished_at=now).exists() or None

    persistently(lambda: _close(run, state, message, counts, now), was_done=closed)


def _close(
    run: ImportRun, state: str, message: str, counts: Mapping[str, Any], now: dt.datetime
) -> bool:
    with transaction.atomic():
        freed = ImportSource.objects.filter(pk=run.source_id, fence=run.fence, owner=run)
        if not freed.update(owner=None):
            raise SourceBusyError(
                f"Another run took the source {run.source.name!r} over from run {run.pk} before it "
                "could end. Its batches are in the archive; see the other run."
            )
        run.state = state
        run.message = message
        run.finished_at = now
        run.save(update_fields=["state", "message", "finished_at"])
        history.append_to_run(run, f"{run.kind} {state}", data=counts, now=now)
    return True


def is_alive(run: ImportRun, heartbeat_at: dt.datetime | None, now: dt.datetime) -> bool:
    """Say whether a run still works: by its process on this host, by its heartbeat elsewhere."""
    if run.state != ImportRun.State.RUNNING:
        return False
    # Our own number was another process's before: in a container every import may be process 1.
    if run.host == socket.gethostname() and run.process not in (None, os.getpid()):
        return _process_exists(run.process)
    return heartbeat_at is not None and now - heartbeat_at < dt.timedelta(seconds=HEARTBEAT_SECONDS)


def _process_exists(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
