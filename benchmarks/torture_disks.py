"""Disks that run full: that of the database, or only that of the rejects file.

In: a harness and an SQLite place; root, to mount a small disk. Out: a row. The command ends with a
message, and goes on when there is room again.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from benchmarks.torture_harness import (
    COMMAND_SECONDS,
    FAILED,
    FaultError,
    Place,
    Torture,
    last_lines,
)
from benchmarks.torture_inputs import Input
from benchmarks.torture_places import SQLite


def full_disk(harness: Torture, place: Place) -> None:
    """Let the disk of the database, or only that of the rejects file, run full."""
    row = harness.row("full disk", place)
    assert isinstance(place, SQLite)  # noqa: S101  (the server's disk is not ours to fill)
    disk = harness.folder / "disk"
    disk.mkdir(exist_ok=True)
    if os.geteuid() != 0 or not _is_mounted(disk, "1m"):
        harness.leave_out(row, "needs root and a mount of tmpfs")
        return
    _unmount(disk)
    for number in range(max(1, harness.options.rounds // 4)):
        wanted = harness.input_for(place, number)
        for what in ("database", "rejects"):
            with harness.fault_told(row, place):
                _fill(harness, place, disk, what, wanted)
                row["hits"] += 1
                harness.say(f"full disk {number + 1}, {what}: clear message, same archive")
            _unmount(disk)
            row["rounds"] += 1


def _fill(
    harness: Torture, place: SQLite, disk: Path, what: str, wanted: tuple[Input, str, int]
) -> None:
    data, path, batch_size = wanted
    here, rejects = place, harness.folder / "rejects.jsonl"
    if what == "database":
        empty = place.template.stat().st_size
        room = empty + int(data.path.stat().st_size * harness.chance.uniform(0.1, 1.0))
        _is_mounted(disk, str(room))
        here = place.at(disk / "torture.sqlite3")
    else:
        _is_mounted(disk, "4k")
        (disk / "filler").write_bytes(b"x" * 3_000)
        rejects = disk / "rejects.jsonl"
    here.renew()
    ended = harness.import_of(here, path, batch_size, rejects=rejects).wait(COMMAND_SECONDS)
    if ended.code != FAILED or "Traceback" in ended.err or not ended.err.strip():
        raise FaultError(
            f"with a full disk for the {what} it ended with {ended.code}: {last_lines(ended.err)}"
        )
    remount = ["mount", "-o", "remount,size=1g", str(disk)]
    subprocess.run(remount, check=True)
    halves = harness.seen(here)["problems"]
    if halves:
        raise FaultError(f"after the disk was full for the {what}: {'; '.join(halves)}")
    harness.completed(here, path, batch_size, rejects=rejects)
    harness.verify(here, data)


def _is_mounted(folder: Path, size: str) -> bool:
    mount = shutil.which("mount")
    if mount is None:
        return False
    command = [mount, "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


def _unmount(folder: Path) -> None:
    subprocess.run(["umount", str(folder)], check=False, capture_output=True)  # noqa: S607
