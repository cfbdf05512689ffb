"""Processes that a command started: which there are, and whether they outlive it.

In: the number of a process. Out: its descendants as /proc lists them, the moment they go. A number
that was given to another process meanwhile is told apart by its start time. Ends nothing itself.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

PROC = Path("/proc")
POLL_SECONDS = 0.02


class Process(NamedTuple):
    """A process: its number, and the ticks since boot at which it began."""

    pid: int
    started: int


def can_be_listed() -> bool:
    """Say whether this system lists processes where `descendants` looks."""
    return (PROC / "self" / "stat").exists()


def descendants(pid: int) -> list[Process]:
    """Return what a process started, and what that started; empty when it is gone."""
    children: dict[int, list[Process]] = {}
    for folder in PROC.glob("[0-9]*"):
        found = _read(int(folder.name))
        if found is not None:
            process, parent, _ = found
            children.setdefault(parent, []).append(process)
    wanted, next_ones = [], list(children.get(pid, ()))
    while next_ones:
        one = next_ones.pop()
        wanted.append(one)
        next_ones += children.get(one.pid, ())
    return wanted


def is_alive(process: Process) -> bool:
    """Say whether this very process still runs; one that only waits to be reaped does not."""
    found = _read(process.pid)
    return found is not None and found[0] == process and found[2] not in "ZX"


def survivors(processes: Sequence[Process], seconds: float) -> list[Process]:
    """Return those that still run after so many seconds; earlier when none is left."""
    deadline = time.monotonic() + seconds
    while left := [one for one in processes if is_alive(one)]:
        if time.monotonic() > deadline:
            return left
        time.sleep(POLL_SECONDS)
    return []


def _read(pid: int) -> tuple[Process, int, str] | None:
    """Return a process, its parent and its state as a letter; None when there is none."""
    try:
        text = (PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return None
    # The name stands in brackets and may hold any character, brackets too.
    state, parent, *rest = text.rpartition(")")[2].split()
    return Process(pid, int(rest[17])), int(parent), state
