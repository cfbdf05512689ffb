"""Going on where an interrupted run ended, when its input is still the same.

In: a source and an intake. Out: the intake moved to the last checkpoint, or a reason why not. A
shortcut only: running the whole input again gives the same archive, because equal records write
nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from posts.importing import classification
from posts.importing.intake import Arrival, Intake
from posts.importing.records import Position
from posts.models import ImportCheckpoint, ImportRun

AUTO = "auto"
NEVER = "never"


class CannotResumeError(Exception):
    """The run that was named cannot be gone on with; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class ResumePoint:
    """The run that is gone on with, its chain so far, and the records it had behind it."""

    run: ImportRun
    chain: str
    record: int
    byte: int


def chained(chain: str, record_digests: Sequence[str]) -> str:
    """Return the chain after these records: each link covers all records before it."""
    for digest in record_digests:
        chain = hashlib.sha256((chain + digest).encode()).hexdigest()
    return chain


def resumed(
    intake: Intake, *, source: str, inputs: Sequence[dict[str, Any]], publish: bool, wanted: str
) -> ResumePoint | None:
    """Move the intake behind the last checkpoint of an interrupted run; None starts anew.

    `wanted` is auto, never or the number of a run. The last batch before the checkpoint is read
    again and has to give the checkpoint's chain digest: so a changed input is seen before anything
    is written. Raises `CannotResumeError` when a run was named and cannot be gone on with; auto
    then starts from the beginning. A call that maps no columns takes the map of the run. At most
    five queries.
    """
    if wanted == NEVER:
        return None
    run = _interrupted(source, wanted)
    if run is None:
        return None
    reason = _difference(run, inputs, publish, intake)
    checkpoints = _last_two(run)
    if not reason and not checkpoints:
        reason = "it ended before its first batch was written"
    if not reason and not checkpoints[0].chain_digest:
        reason = "an undo took back what it brought"
    given = intake.columns
    if not reason:
        intake.map_columns(given or run.options.get("columns", {}))
        point = _moved(intake, run, checkpoints)
        if point is not None:
            return point
        reason = "the input changed before the place where it ended"
    if wanted != AUTO:
        raise CannotResumeError(
            f"Run {run.pk} cannot be gone on with: {reason}. Start over with --resume never; what "
            "is in the archive already is found unchanged."
        )
    intake.map_columns(given)
    intake.restart()
    return None


def _interrupted(source: str, wanted: str) -> ImportRun | None:
    """Return the run to go on with: the one named, or the newest one if it was interrupted."""
    runs = ImportRun.objects.filter(source__name=source, kind=ImportRun.Kind.IMPORT)
    if wanted != AUTO:
        run = runs.filter(pk=wanted).first()
        if run is None:
            raise CannotResumeError(f"The source {source!r} has no import run {wanted}.")
        if run.state == ImportRun.State.COMPLETE:
            raise CannotResumeError(f"Run {run.pk} is complete; there is nothing to go on with.")
        return run
    newest = runs.order_by("-pk").first()
    return None if newest is None or newest.state == ImportRun.State.COMPLETE else newest


def _difference(
    run: ImportRun, inputs: Sequence[dict[str, Any]], publish: bool, intake: Intake
) -> str:
    """Return why this call is not the one that was interrupted; empty when it is."""
    if not inputs or any(one["sha256_head"] is None for one in inputs):
        return "standard input and pipes cannot be read again"
    if run.inputs != list(inputs):
        return "its inputs had other names, sizes or beginnings"
    if run.options.get("publish") != publish:
        return "it was called with another --publish"
    if intake.columns and run.options.get("columns", {}) != intake.columns:
        return "it was called with another --map"
    if run.engine_version != classification.ENGINE_VERSION:
        return "another version of the engine wrote it"
    return ""


def _last_two(run: ImportRun) -> list[ImportCheckpoint]:
    """Return the last checkpoint and the one before it, also of the runs this one went on with."""
    at: ImportRun | None = run
    found: list[ImportCheckpoint] = []
    while at is not None and len(found) < 2:
        wanted = 2 - len(found)
        found += ImportCheckpoint.objects.filter(run=at).order_by("-batch")[:wanted]
        at = at.parent
    return found


def _moved(
    intake: Intake, run: ImportRun, checkpoints: Sequence[ImportCheckpoint]
) -> ResumePoint | None:
    """Read the last batch again; return the point behind it, None when it is another batch."""
    last = checkpoints[0]
    chain = ""
    if len(checkpoints) > 1:
        before = checkpoints[1]
        name = intake.inputs[before.file].file
        at = Position(name, before.record, before.line, before.byte_offset, before.byte_offset)
        intake.start_after(before.file, at)
        chain = before.chain_digest
    for arrival in intake:
        chain = chained(chain, [classification.arrived(arrival).record_digest])
        if _is_at(arrival, last):
            if chain != last.chain_digest:
                return None
            return ResumePoint(run, chain, last.record, last.byte_offset)
        if (arrival.file, arrival.raw.position.end) > (last.file, last.byte_offset):
            return None
    return None


def _is_at(arrival: Arrival, checkpoint: ImportCheckpoint) -> bool:
    position = arrival.raw.position
    return (arrival.file, position.record, position.end) == (
        checkpoint.file,
        checkpoint.record,
        checkpoint.byte_offset,
    )
