"""The life of a run: it takes its source by a fence number, gives signs of life, and ends.

In: who wants what of which source. Out: an `ImportRun` that owns the source, or the reason why not.
What a run does between beginning and end is the engine's and the undo's.
"""

from __future__ import annotations

import datetime as dt
import os
import socket
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.utils import timezone

from posts import history
from posts.importing.classification import ENGINE_VERSION
from posts.models import ImportRun, ImportSource

if TYPE_CHECKING:
    from django.contrib.auth.models import User

#: A run that gave no sign for this long may be taken over by another.
HEARTBEAT_SECONDS = 60


class ImportFailedError(Exception):
    """A run that could not go on: what happened, whether it may be tried again, what to do."""


class SourceBusyError(ImportFailedError):
    """Another run holds the source."""


def begin(
    *,
    source_name: str,
    kind: str = ImportRun.Kind.IMPORT,
    options: Mapping[str, Any],
    inputs: Sequence[dict[str, Any]] = (),
    by: User | None = None,
    parent: ImportRun | None = None,
) -> ImportRun:
    """Take the source and open a run. Raises `SourceBusyError` while another run is alive."""
    now = timezone.now()
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
        history.append_to_run(run, f"{kind} started", data={"fence": run.fence}, now=now, actor=by)
    return run


def hold(run: ImportRun, now: dt.datetime) -> None:
    """Give a sign of life inside a batch's transaction, and check that the source is still ours.

    One query. Raises `SourceBusyError` when another run took the source over; the row lock that
    is waited for makes a slow old statement end first.
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

    Raises `SourceBusyError` when the source is another run's by now; nothing is written then.
    """
    now = timezone.now()
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
