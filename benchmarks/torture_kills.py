"""Commands ended from outside: signal 9, the server's word, a signal to stop, a dead worker.

In: a harness and a place. Out: a row each. The command runs again until it is complete; what it
leaves is what an undisturbed one does, and no process that it started outlives it.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import torture_processes
from benchmarks.torture_harness import (
    COMMAND_SECONDS,
    COMPLETE,
    FAILED,
    REJECTS,
    STOPPED,
    FaultError,
    Place,
    Torture,
    last_lines,
    wrong_code,
)
from benchmarks.torture_inputs import ENDINGS, Input
from benchmarks.torture_places import Child, Ended, PostgreSQL

#: A stop has to be heard within a batch (IMPORT.md A19).
STOP_SECONDS = 5.0
#: A disturbed command is started at most so many times before it runs in peace.
DISTURBED_MAX = 3
#: The same where a number of hits is asked for: many kills a round, few rounds.
DISTURBED_MAX_FOR_HITS = 10
#: What a killed command started has to be gone after so many seconds.
ORPHAN_SECONDS = 5.0
#: One kill of so many comes before the command has said a word.
EARLY_EVERY = 10
EARLY_SECONDS = 1.0
#: Where a number of hits is asked for, every other one comes within this share of what is left:
#: a run that loses little by each goes on longer and takes more of them.
SOON_SHARE = 0.2
#: Times that the server ends the connections of one command.
ENDINGS_MAX = 3
#: How often only the worker is killed; else the command beside it.
WORKER_SHARE = 0.6
WORKER_POLL_SECONDS = 0.005
#: Batch sizes of the input that is large enough for a worker.
WORKER_BATCH_SIZES = (1_000, 200)

Told = dict[str, Any]


def disturbed(
    harness: Torture,
    place: Place,
    row: dict[str, Any],
    disturb: Callable[[Child, Told], None],
    judge: Callable[[Ended, Told], str],
) -> None:
    """Disturb a command, run it again until it is complete, verify; for each round."""
    options = harness.options
    times = DISTURBED_MAX_FOR_HITS if options.hits else DISTURBED_MAX
    while not is_enough(row, options):
        number = row["rounds"]
        row["rounds"] += 1
        with harness.fault_told(row, place):
            data, path, batch_size = harness.input_for(place, number)
            place.renew()
            told: Told = {"hits": 0, "survived": 0, "starts": 1, "slowest": 0.0}
            for _ in range(times if options.hits else harness.chance.randint(1, times)):
                child = harness.import_of(place, path, batch_size)
                share = SOON_SHARE if options.hits and harness.chance.random() < 0.5 else 1.0
                told["moment"] = partial(harness.moment, place, data, batch_size, share)
                disturb(child, told)
                ended = child.wait(COMMAND_SECONDS)
                wrong = judge(ended, told)
                if wrong:
                    raise FaultError(f"{wrong}: {last_lines(ended.err)}")
                if harness.is_complete(place):
                    break
                told["starts"] += 1
            else:
                harness.completed(place, path, batch_size)
            harness.verify(place, data)
            _count(harness, row, place, told, Path(path).name, batch_size)


def is_enough(row: dict[str, Any], options: Any) -> bool:
    """Say whether a row has its rounds, or its hits where their number is asked for."""
    if options.hits:
        # Rounds that never hit end somewhere too; the table tells how many hits there were.
        return bool(row["hits"] >= options.hits or row["rounds"] >= options.hits)
    return bool(row["rounds"] >= options.rounds)


def _count(
    harness: Torture, row: dict[str, Any], place: Place, told: Told, name: str, batch_size: int
) -> None:
    row["hits"] += told["hits"]
    row["survived"] += told["survived"]
    row["slowest_seconds"] = max(row["slowest_seconds"], told["slowest"])
    wanted = harness.options.hits or harness.options.rounds
    done = row["hits"] if harness.options.hits else row["rounds"]
    harness.say(
        f"{row['scenario']} {place.vendor} {done}/{wanted}: {name}, batches of {batch_size}, "
        f"{told['hits']} hits, {told['starts']} starts: same archive"
    )


def kill(harness: Torture, place: Place) -> None:
    """End the command by signal 9 at a random moment; what it started goes with it."""

    def disturb(child: Child, told: Told) -> None:
        if harness.chance.randrange(EARLY_EVERY):
            child.wait_for(child.has_spoken)
            time.sleep(told["moment"]())
        else:
            time.sleep(harness.chance.uniform(0, EARLY_SECONDS))
        told["children"] = torture_processes.descendants(child.process.pid)
        child.send(signal.SIGKILL)

    def judge(ended: Ended, told: Told) -> str:
        told["hits"] += ended.code == -signal.SIGKILL
        left = torture_processes.survivors(told["children"], ORPHAN_SECONDS)
        if left:
            return f"{len(left)} processes outlive the killed command by {ORPHAN_SECONDS:.0f} s"
        return wrong_code(ended, -signal.SIGKILL)

    disturbed(harness, place, harness.row("kill", place), disturb, judge)


def terminate(harness: Torture, place: Place) -> None:
    """End the command's backends on the server; it goes on by itself or says what happened."""
    assert isinstance(place, PostgreSQL)  # noqa: S101  (only PostgreSQL has backends)

    def disturb(child: Child, told: Told) -> None:
        child.wait_for(child.has_spoken)
        told["now"] = 0
        for _ in range(harness.chance.randint(1, ENDINGS_MAX)):
            time.sleep(told["moment"]())
            if child.poll() is not None:
                break
            told["now"] += place.end_backends(everyone=harness.chance.random() < 0.5) > 0
        told["hits"] += told["now"]

    def judge(ended: Ended, told: Told) -> str:
        survived = ended.code in (COMPLETE, REJECTS)
        told["survived"] += told["now"] if survived else max(0, told["now"] - 1)
        return wrong_code(ended, FAILED)

    disturbed(harness, place, harness.row("terminate", place), disturb, judge)


def stop(harness: Torture, place: Place) -> None:
    """Ask the command to stop; it finishes its batch, exits with 130 and says so."""

    def disturb(child: Child, told: Told) -> None:
        child.wait_for(child.has_spoken)
        time.sleep(told["moment"]())
        told["before"] = time.monotonic()
        child.send(harness.chance.choice((signal.SIGTERM, signal.SIGINT)))

    def judge(ended: Ended, told: Told) -> str:
        took = time.monotonic() - told["before"]
        if ended.code == STOPPED:
            told["hits"] += 1
            told["slowest"] = max(told["slowest"], took)
            if took > STOP_SECONDS:
                return f"it stopped {took:.1f} s after the signal, expected {STOP_SECONDS:.0f}"
        return "" if harness.came_too_late(place, ended) else wrong_code(ended, STOPPED)

    disturbed(harness, place, harness.row("stop", place), disturb, judge)


def worker(harness: Torture, place: Place) -> None:
    """End what the command started, or the command beside it, by signal 9.

    Without its worker it goes on, or ends with a message; without the command the worker is gone
    soon. Left out where the command starts no process at this size (`--worker-posts`).
    """
    options = harness.options
    row = harness.row("worker", place)
    if not torture_processes.can_be_listed():
        harness.leave_out(row, "this system lists no processes under /proc")
        return
    data = _worker_input(harness, place)
    while not is_enough(row, options):
        number = row["rounds"]
        row["rounds"] += 1
        with harness.fault_told(row, place):
            path = data.packed(ENDINGS[number % len(ENDINGS)])
            batch_size = WORKER_BATCH_SIZES[number % len(WORKER_BATCH_SIZES)]
            place.renew()
            told: Told = {"hits": 0, "survived": 0, "starts": 0, "slowest": 0.0, "seen": 0}
            for _ in range(DISTURBED_MAX):
                told["starts"] += 1
                child = harness.import_of(place, path, batch_size)
                child.wait_for(child.has_spoken)
                moment = harness.moment(place, data, batch_size)
                only_worker = harness.chance.random() < WORKER_SHARE
                there = end_with_worker(harness, child, moment, told, only_worker=only_worker)
                judge_worker(child.wait(COMMAND_SECONDS), there, told, only_worker=only_worker)
                if harness.is_complete(place):
                    break
            else:
                harness.completed(place, path, batch_size)
            harness.verify(place, data)
            if not told["seen"]:
                row["rounds"] = 0
                harness.leave_out(row, f"no process started for {options.worker_posts:,} posts")
                return
            _count(harness, row, place, told, Path(path).name, batch_size)


def _worker_input(harness: Torture, place: Place) -> Input:
    """Return the input that is large enough for a worker, with its undisturbed run."""
    if harness.large_input is None:
        posts, seed = harness.options.worker_posts, harness.options.seed + 2
        harness.large_input = Input(harness.folder, "worker", posts, seed)
    harness.prepare(place, harness.large_input)
    return harness.large_input


def end_with_worker(
    harness: Torture, child: Child, moment: float, told: Told, *, only_worker: bool
) -> list[torture_processes.Process]:
    """Kill a process of the command, or the command, when the moment is there and it has one.

    Returns the processes it had then; none when it ended before.
    """
    deadline = time.monotonic() + moment
    while child.poll() is None:
        there = torture_processes.descendants(child.process.pid)
        told["seen"] += len(there)
        if there and time.monotonic() >= deadline:
            with suppress(ProcessLookupError):
                pid = harness.chance.choice(there).pid if only_worker else child.process.pid
                os.kill(pid, signal.SIGKILL)
                told["hits"] += 1
            return there
        time.sleep(WORKER_POLL_SECONDS)
    return []


def judge_worker(
    ended: Ended,
    there: Sequence[torture_processes.Process],
    told: Told,
    *,
    only_worker: bool,
) -> None:
    """Raise `FaultError` unless it went on or said what happened, and left no process behind."""
    wrong = wrong_code(ended, FAILED if only_worker or not there else -signal.SIGKILL)
    if not wrong and ended.code == FAILED and not ended.err.strip():
        wrong = "it ended with 1 and said nothing"
    if not wrong and torture_processes.survivors(there, ORPHAN_SECONDS):
        wrong = f"a process outlives it by {ORPHAN_SECONDS:.0f} s"
    if wrong:
        killed = "its worker" if only_worker else "it"
        raise FaultError(f"after {killed} was killed {wrong}: {last_lines(ended.err)}")
    told["survived"] += bool(there) and ended.code in (COMPLETE, REJECTS)
