"""Two commands on one source: the second is refused, or takes over from one that is paused.

In: a harness and a place. Out: a row. A run that was taken over writes nothing more.
"""

from __future__ import annotations

import signal
import time
from pathlib import Path

from benchmarks.torture_harness import (
    BUSY,
    COMMAND_SECONDS,
    FaultError,
    Place,
    Torture,
    last_lines,
    number_in,
)
from benchmarks.torture_inputs import Input
from benchmarks.torture_places import LONG_AGO, Child

#: A run of so many seconds goes on while a second command starts and is refused.
LONG_SECONDS = 5.0
#: A paused run has at least so many batches to write, some of them classified already.
LEFT_BATCHES = 20
PAUSES_MAX = 10


def takeover(harness: Torture, place: Place) -> None:
    """Pause a run, let another take over, wake the first: it must write nothing."""
    row = harness.row("takeover", place)
    for number in range(harness.options.rounds):
        with harness.fault_told(row, place):
            data, path, _ = harness.input_for(place, number)
            batch_size = 1 if data is harness.inputs[0] else 7
            for _ in range(PAUSES_MAX):
                place.renew()
                first = harness.import_of(place, path, batch_size, name="first")
                if _is_paused(harness, place, first, data, batch_size):
                    break
            else:
                raise FaultError("it could not be paused between two batches")
            _take_over(harness, place, first, data, path, batch_size)
            row["hits"] += 1
            harness.say(
                f"takeover {place.vendor} {number + 1}/{harness.options.rounds}: "
                f"{Path(path).name}, batches of {batch_size}: 3, taken over, 3: same archive"
            )
        row["rounds"] += 1


def _is_paused(harness: Torture, place: Place, first: Child, data: Input, batch_size: int) -> bool:
    """Pause a run where it holds no lock and has more to write; False when it ended before."""
    first.wait_for(first.has_spoken)
    expected = data.expected_seconds(place.vendor, batch_size)
    if expected > LONG_SECONDS:
        path = str(data.path)
        beside = harness.import_of(place, path, batch_size, name="beside").wait(COMMAND_SECONDS)
        if first.poll() is None and beside.code != BUSY:
            raise FaultError(
                f"beside a running one it ended with {beside.code}: {last_lines(beside.err)}"
            )
    time.sleep(harness.chance.uniform(0, expected / 2))
    while first.poll() is None:
        first.send(signal.SIGSTOP)
        written = number_in(place, "SELECT count(*) FROM posts_importcheckpoint")
        left = data.records - written * batch_size
        if written and left > LEFT_BATCHES * batch_size and place.is_free():
            return True
        first.send(signal.SIGCONT)
        if written and left <= LEFT_BATCHES * batch_size:
            break
        time.sleep(harness.chance.uniform(0.002, 0.02))
    first.wait(COMMAND_SECONDS)
    return False


def _take_over(
    harness: Torture, place: Place, first: Child, data: Input, path: str, batch_size: int
) -> None:
    try:
        second = harness.import_of(place, path, batch_size, name="second").wait(COMMAND_SECONDS)
        if second.code != BUSY or "Traceback" in second.err:
            raise FaultError(
                f"beside a living run it ended with {second.code}: {last_lines(second.err)}"
            )
        # As if it ran on another machine, of which only the heartbeat tells.
        place.run("UPDATE posts_importrun SET host = 'elsewhere'")
        place.run(f"UPDATE posts_importsource SET heartbeat_at = '{LONG_AGO}'")  # noqa: S608
        harness.completed(place, path, batch_size, name="third")
        before = harness.verify(place, data)
    finally:
        first.send(signal.SIGCONT)
    ended = first.wait(COMMAND_SECONDS)
    if ended.code != BUSY or "Traceback" in ended.err:
        raise FaultError(f"the first run ended with {ended.code}: {last_lines(ended.err)}")
    if harness.verify(place, data) != before:
        raise FaultError("the first run wrote after it was taken over")
