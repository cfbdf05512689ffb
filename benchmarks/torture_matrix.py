"""One input in every way it can be imported: batch sizes, packings, in one go or stopped half way.

In: a harness and a place. Out: a row; its digest is that of all canonical exports, which are equal.
"""

from __future__ import annotations

import hashlib
import signal
import time
from pathlib import Path

from benchmarks.torture_harness import (
    COMMAND_SECONDS,
    COMPLETE,
    REJECTS,
    STOPPED,
    FaultError,
    Place,
    Torture,
    last_lines,
    number_in,
)
from benchmarks.torture_inputs import ENDINGS, Input

BATCH_SIZES = (1, 7, 1_000, 5_000)
#: A stop that came too late to interrupt is asked for again, each time half as late.
STOPS_MAX = 6


def matrix(harness: Torture, place: Place) -> None:
    """Import the same notes with every batch size and packing, uninterrupted and resumed."""
    data = harness.inputs[-1]
    row = harness.row("matrix", place)
    for batch_size in BATCH_SIZES:
        for ending in ENDINGS:
            for is_stopped in (False, True):
                with harness.fault_told(row, place):
                    path = data.packed(ending)
                    way = "uninterrupted"
                    if is_stopped:
                        read = _stop_half_way(harness, place, data, path, batch_size)
                        way = f"stopped after {read} records and resumed"
                        harness.completed(place, path, batch_size)
                    else:
                        place.renew()
                        started = time.monotonic()
                        harness.completed(place, path, batch_size)
                        data.seconds[place.vendor, batch_size] = time.monotonic() - started
                    told = harness.verify(place, data)
                    if told["chain_runs"] != 1 + is_stopped:
                        raise FaultError(f"{told['chain_runs']} runs, expected {1 + is_stopped}")
                    row["hits"] += 1
                    digest = hashlib.sha256(harness.export()).hexdigest()
                    row.setdefault("digests", [])
                    if digest not in row["digests"]:
                        row["digests"].append(digest)
                    harness.say(
                        f"matrix {place.vendor} {Path(path).name}, batches of {batch_size}, {way}: "
                        f"export {digest[:16]}"
                    )
                row["rounds"] += 1


def _stop_half_way(harness: Torture, place: Place, data: Input, path: str, batch_size: int) -> int:
    """Stop a run when it has written some records and not all; return how many."""
    seconds = data.expected_seconds(place.vendor, batch_size) / 2
    for _ in range(STOPS_MAX):
        place.renew()
        child = harness.import_of(place, path, batch_size)
        child.wait_for(child.has_spoken)
        time.sleep(harness.chance.uniform(0, seconds))
        child.send(signal.SIGTERM)
        ended = child.wait(COMMAND_SECONDS)
        is_known = ended.code in (STOPPED, COMPLETE, REJECTS)
        if not is_known and not harness.came_too_late(place, ended):
            raise FaultError(f"asked to stop it ended with {ended.code}: {last_lines(ended.err)}")
        read = number_in(place, "SELECT coalesce(sum(read), 0) FROM posts_importrun")
        if ended.code == STOPPED and 0 < read < data.records:
            return read
        seconds = seconds / 2 if read else seconds * 1.5
    raise FaultError(f"it could not be stopped half way with batches of {batch_size}")
