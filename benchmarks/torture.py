"""Faults put into running imports: kills, lost connections, pauses, full disks, giants.

In: rounds, sizes, a seed, a PostgreSQL server on which `alphanode_torture…` may be dropped. Out: a
line a round on stderr, a table on stdout, figures as JSON; exit 1 when an archive, a count or a
message is not that of an undisturbed run. The commands are the real ones, as processes.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import zstandard

from benchmarks import torture_giants
from benchmarks.torture_places import (
    LONG_AGO,
    ROOT,
    BreakingProxy,
    Child,
    Ended,
    PostgreSQL,
    SQLite,
    environment,
)

DEFAULT_URL = "postgres://postgres@127.0.0.1:5432/alphanode_torture"
SOURCE = "torture"
SMALL_POSTS = 200
CHANGED_PERCENT = 2
BATCH_SIZES = (200, 7, 1_000, 1)
SMALL_BATCH_SIZES = (7, 20, 1, 50)
ENDINGS = (".jsonl", ".jsonl.gz", ".jsonl.zst")
#: How many times slower than with batches of 200; only says when to disturb.
SLOWNESS = {1: 4.0, 7: 2.0}
COMMAND_SECONDS = 300
#: A stop has to be heard within a batch (IMPORT.md A19).
STOP_SECONDS = 5.0
#: A run of so many seconds goes on while a second command starts and is refused.
LONG_SECONDS = 5.0
#: A paused run has at least so many batches to write, some of them classified already.
LEFT_BATCHES = 20
#: A disturbed command is started at most so many times before it runs in peace.
DISTURBED_MAX = 3
COMPLETE, FAILED, BUSY, REJECTS, STOPPED = 0, 1, 3, 4, 130

Place = SQLite | PostgreSQL


class FaultError(Exception):
    """Something is not as after an undisturbed run; the text lists what."""


class Input:
    """One set of notes in three packings, and what an undisturbed run makes of it."""

    def __init__(self, folder: Path, name: str, posts: int, seed: int) -> None:
        self.path = folder / f"{name}.jsonl"
        lines = _synthesized(posts, seed, 0)
        changed = _synthesized(posts, seed, CHANGED_PERCENT)
        chance = random.Random(seed)  # noqa: S311  (chooses faults, protects nothing)
        # A changed note comes again under its key, behind its first version.
        lines += [new for old, new in zip(lines, changed, strict=True) if old != new]
        for number in chance.sample(range(len(lines)), max(2, len(lines) // 100)):
            lines[number] = _broken(lines[number], chance)
        self.records = len(lines)
        data = b"".join(line + b"\n" for line in lines)
        self.path.write_bytes(data)
        Path(f"{self.path}.gz").write_bytes(gzip.compress(data, mtime=0))
        Path(f"{self.path}.zst").write_bytes(zstandard.compress(data))
        self.export = b""
        self.told: dict[str, Any] = {}
        #: (vendor, batch size) -> seconds from the first line to the end of an undisturbed run
        self.seconds: dict[tuple[str, int], float] = {}

    def packed(self, ending: str) -> str:
        return str(self.path) + ending.removeprefix(".jsonl")

    def expected_seconds(self, vendor: str, batch_size: int) -> float:
        known = self.seconds.get((vendor, batch_size))
        return known or self.seconds[vendor, 200] * SLOWNESS.get(batch_size, 1.0)


def _synthesized(posts: int, seed: int, changed: int) -> list[bytes]:
    made = subprocess.run(
        [
            *(sys.executable, "manage.py", "synthesize_posts", "--count", str(posts)),
            *("--seed", str(seed), "--changed", str(changed)),
        ],
        cwd=ROOT,
        env=environment("sqlite://:memory:"),
        check=True,
        capture_output=True,
    )
    return made.stdout.splitlines()


def _broken(line: bytes, chance: random.Random) -> bytes:
    """Return a record that no rule accepts."""
    return chance.choice(
        (
            line[: len(line) // 2],
            line.replace(b'"title":', b'"title":"","was":', 1),
            line.replace(b'"title":', b'"title":"twice","title":', 1),
            line.replace(b"e", b"\xff", 3),
            b"[" + line + b"]",
            b'{"title":"Without a key"}',
        )
    )


class Torture:
    """One run of the harness: places, inputs, and what every scenario gave."""

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self.options = options
        self.folder = folder
        self.chance = random.Random(options.seed)  # noqa: S311
        self.rows: list[dict[str, Any]] = []
        self.kept: list[str] = []
        self.places: list[Place] = []
        for vendor in options.databases:
            place = SQLite(folder) if vendor == "sqlite" else PostgreSQL(options.database_url)
            place.build()
            self.places.append(place)
        self.inputs: list[Input] = []
        if set(options.scenarios) != {7}:
            small = min(SMALL_POSTS, options.posts)
            self.inputs.append(Input(folder, "small", small, options.seed + 1))
            if options.posts > small:
                self.inputs.append(Input(folder, "large", options.posts, options.seed))

    # --- Steps that scenarios are made of ---------------------------------------------------------

    def say(self, text: str) -> None:
        sys.stderr.write(text + "\n")
        sys.stderr.flush()

    def import_of(
        self, place: Place, path: str, batch_size: int, *, url: str = "", **more: Any
    ) -> Child:
        rejects = more.pop("rejects", self.folder / "rejects.jsonl")
        return Child(
            [
                *("manage.py", "import_posts", path, "--source", SOURCE),
                *("--batch-size", str(batch_size), "--rejects", str(rejects)),
            ],
            database_url=url or place.url,
            folder=self.folder,
            **more,
        )

    def completed(self, place: Place, path: str, batch_size: int, **more: Any) -> Ended:
        """Run the command in peace; it has to be complete."""
        ended = self.import_of(place, path, batch_size, **more).wait(COMMAND_SECONDS)
        if ended.code not in (COMPLETE, REJECTS):
            raise FaultError(f"the run in peace ended with {ended.code}: {_last_lines(ended.err)}")
        return ended

    def seen(self, place: Place) -> dict[str, Any]:
        """Return what is in the database, with every problem, and leave the export in a file."""
        ended = Child(
            ["-m", "benchmarks.torture_verify", str(self.folder / "export.jsonl")],
            database_url=place.url,
            folder=self.folder,
            name="verify",
        ).wait(COMMAND_SECONDS)
        if ended.code != 0:
            raise FaultError(f"the verification ended with {ended.code}: {_last_lines(ended.err)}")
        told: dict[str, Any] = json.loads(ended.out)
        return told

    def verify(self, place: Place, data: Input) -> dict[str, Any]:
        """Compare with the undisturbed run, return what was seen. Raises `FaultError`."""
        told = self.seen(place)
        wrong = list(told["problems"])
        if (self.folder / "export.jsonl").read_bytes() != data.export:
            wrong.append("the canonical export differs")
        wrong += [
            f"{name}: got {_cut(told[name])}, expected {_cut(data.told[name])}"
            for name in ("chain_read", "chain_rejected", "posts", "revisions", "rejects", "owners")
            if told[name] != data.told[name]
        ]
        if told["state"] != "complete":
            wrong.append(f"the last run is {told['state']}")
        if wrong:
            raise FaultError("; ".join(wrong))
        return told

    def prepare(self, place: Place, data: Input) -> None:
        """Make the undisturbed run of an input; both databases must give the same bytes."""
        place.renew()
        child = self.import_of(place, str(data.path), 200)
        child.wait_for(child.has_spoken)
        spoken = time.monotonic()
        ended = child.wait(COMMAND_SECONDS)
        data.seconds[place.vendor, 200] = time.monotonic() - spoken
        told = self.seen(place)
        export = (self.folder / "export.jsonl").read_bytes()
        wrong = list(told["problems"])
        if ended.code != REJECTS or told["chain_read"] != data.records or told["owners"]:
            wrong.append(f"ended with {ended.code} after {told['chain_read']} records")
        if data.told and (export != data.export or told["rejects"] != data.told["rejects"]):
            wrong.append("the databases differ")
        if wrong:
            raise FaultError(f"undisturbed run on {place.vendor}: {'; '.join(wrong)}")
        data.export, data.told = export, told
        self.say(
            f"undisturbed {place.vendor} {data.path.stem}: {data.records} records, "
            f"{told['posts']} posts, {told['chain_rejected']} rejected, "
            f"{data.seconds[place.vendor, 200]:.2f} s"
        )

    def input_for(self, place: Place, number: int) -> tuple[Input, str, int]:
        """Return input, packing and batch size of a round: they take turns."""
        turn = number + len(self.rows) - 1
        # Batches of which the input has several, else there is nothing between two of them.
        sizes = BATCH_SIZES if len(self.inputs) > 1 else SMALL_BATCH_SIZES
        batch_size = sizes[turn % len(sizes)]
        data = self.inputs[0 if batch_size == 1 else -1]
        return data, data.packed(ENDINGS[turn % len(ENDINGS)]), batch_size

    def moments(self, place: Place, data: Input, batch_size: int) -> float:
        """Return seconds after the first line: uniform over what is left of the undisturbed run."""
        read = _number(place, "SELECT coalesce(sum(read), 0) FROM posts_importrun")
        left = max(0.0, 1 - read / data.records)
        return self.chance.uniform(0, data.expected_seconds(place.vendor, batch_size) * left)

    @contextmanager
    def fault_told(self, row: dict[str, Any], place: Place) -> Iterator[None]:
        """Turn what was found into a line of the row, and put the database aside."""
        try:
            yield
        except (FaultError, TimeoutError) as error:
            name = f"{row['scenario']}-{place.vendor}-{len(self.kept) + 1}"
            row["faults"].append(f"{error}")
            export = self.folder / "export.jsonl"
            if export.exists():
                shutil.copyfile(export, self.folder / f"{name}.export.jsonl")
            self.kept.append(f"{place.keep()}, {self.folder / name}.export.jsonl")
            self.say(f"FAULT {row['scenario']} {place.vendor}: {error}; kept: {self.kept[-1]}")

    def row(self, scenario: str, place: Place | None, **figures: Any) -> dict[str, Any]:
        row = {
            "scenario": scenario,
            "database": place.vendor if place is not None else "",
            "rounds": 0,
            "faults": [],
            **figures,
        }
        self.rows.append(row)
        return row

    # --- Scenarios --------------------------------------------------------------------------------

    def disturbed(
        self,
        row: dict[str, Any],
        place: Place,
        disturb: Callable[[Child, dict[str, Any]], None],
        judge: Callable[[Ended, dict[str, Any]], str],
    ) -> None:
        """Disturb a command, run it again until it is complete, verify; for each round."""
        for number in range(self.options.rounds):
            with self.fault_told(row, place):
                data, path, batch_size = self.input_for(place, number)
                place.renew()
                told: dict[str, Any] = {"hits": 0, "survived": 0, "starts": 1, "slowest": 0.0}
                for _ in range(self.chance.randint(1, DISTURBED_MAX)):
                    child = self.import_of(place, path, batch_size)
                    child.wait_for(child.has_spoken)
                    time.sleep(self.moments(place, data, batch_size))
                    disturb(child, told)
                    ended = child.wait(COMMAND_SECONDS)
                    wrong = judge(ended, told)
                    if wrong:
                        raise FaultError(f"{wrong}: {_last_lines(ended.err)}")
                    if self._is_complete(place):
                        break
                    told["starts"] += 1
                else:
                    self.completed(place, path, batch_size)
                self.verify(place, data)
                row["hits"] += told["hits"]
                row["survived"] += told["survived"]
                row["slowest_seconds"] = max(row["slowest_seconds"], told["slowest"])
                self.say(
                    f"{row['scenario']} {place.vendor} {number + 1}/{self.options.rounds}: "
                    f"{Path(path).name}, batches of {batch_size}, {told['hits']} hits, "
                    f"{told['starts']} starts: same archive"
                )
            row["rounds"] += 1

    def _is_complete(self, place: Place) -> bool:
        """Say whether the run was over, also when the fault met the command on its way home."""
        statement = "SELECT count(*) FROM posts_importrun WHERE state = 'complete'"
        return _number(place, statement) > 0

    def kill(self, place: Place) -> None:
        """End the command by signal 9 at a random moment."""

        def disturb(child: Child, told: dict[str, Any]) -> None:
            child.send(signal.SIGKILL)

        def judge(ended: Ended, told: dict[str, Any]) -> str:
            told["hits"] += ended.code == -signal.SIGKILL
            return _wrong_code(ended, -signal.SIGKILL)

        row = self.row("kill", place, hits=0, survived=0, slowest_seconds=0.0)
        self.disturbed(row, place, disturb, judge)

    def terminate(self, place: Place) -> None:
        """End the command's backends on the server; it goes on by itself or says what happened."""
        assert isinstance(place, PostgreSQL)  # noqa: S101  (only PostgreSQL has backends)

        def disturb(child: Child, told: dict[str, Any]) -> None:
            told["now"] = place.end_backends(everyone=self.chance.random() < 0.5)
            told["hits"] += told["now"] > 0

        def judge(ended: Ended, told: dict[str, Any]) -> str:
            survived = ended.code in (COMPLETE, REJECTS)
            told["survived"] += bool(told["now"]) and survived
            return _wrong_code(ended, FAILED)

        row = self.row("terminate", place, hits=0, survived=0, slowest_seconds=0.0)
        self.disturbed(row, place, disturb, judge)

    def stop(self, place: Place) -> None:
        """Ask the command to stop; it finishes its batch, exits with 130 and says so."""
        before = 0.0

        def disturb(child: Child, told: dict[str, Any]) -> None:
            nonlocal before
            before = time.monotonic()
            child.send(self.chance.choice((signal.SIGTERM, signal.SIGINT)))

        def judge(ended: Ended, told: dict[str, Any]) -> str:
            took = time.monotonic() - before
            told["hits"] += ended.code == STOPPED
            if self._is_complete(place) and ended.code not in (COMPLETE, REJECTS):
                # The run was over; the signal met the command while it went home.
                told["survived"] += 1
                return ""
            told["slowest"] = max(told["slowest"], took)
            if took > STOP_SECONDS:
                return f"it went on for {took:.1f} s"
            return _wrong_code(ended, STOPPED)

        row = self.row("stop", place, hits=0, survived=0, slowest_seconds=0.0)
        self.disturbed(row, place, disturb, judge)

    def takeover(self, place: Place) -> None:
        """Pause a run, let another take its source over, wake the first: it must write nothing."""
        row = self.row("takeover", place, hits=0, survived=0, slowest_seconds=0.0)
        for number in range(self.options.rounds):
            with self.fault_told(row, place):
                data, path, _ = self.input_for(place, number)
                batch_size = 1 if data is self.inputs[0] else 7
                for _ in range(10):
                    place.renew()
                    first = self.import_of(place, path, batch_size, name="first")
                    if self._paused(place, first, data, batch_size):
                        break
                else:
                    raise FaultError("it could not be paused between two batches")
                self._taken_over(place, first, data, path, batch_size)
                row["hits"] += 1
                self.say(
                    f"takeover {place.vendor} {number + 1}/{self.options.rounds}: "
                    f"{Path(path).name}, batches of {batch_size}: 3, taken over, 3: same archive"
                )
            row["rounds"] += 1

    def _paused(self, place: Place, first: Child, data: Input, batch_size: int) -> bool:
        """Pause a run where it holds no lock and has more to write; False when it ended before."""
        first.wait_for(first.has_spoken)
        expected = data.expected_seconds(place.vendor, batch_size)
        if expected > LONG_SECONDS:
            path = str(data.path)
            beside = self.import_of(place, path, batch_size, name="beside").wait(COMMAND_SECONDS)
            if first.poll() is None and beside.code != BUSY:
                raise FaultError(
                    f"beside a running one it ended with {beside.code}: {_last_lines(beside.err)}"
                )
        time.sleep(self.chance.uniform(0, expected / 2))
        while first.poll() is None:
            first.send(signal.SIGSTOP)
            written = _number(place, "SELECT count(*) FROM posts_importcheckpoint")
            left = data.records - written * batch_size
            if written and left > LEFT_BATCHES * batch_size and place.is_free():
                return True
            first.send(signal.SIGCONT)
            if written and left <= LEFT_BATCHES * batch_size:
                break
            time.sleep(self.chance.uniform(0.002, 0.02))
        first.wait(COMMAND_SECONDS)
        return False

    def _taken_over(
        self, place: Place, first: Child, data: Input, path: str, batch_size: int
    ) -> None:
        try:
            second = self.import_of(place, path, batch_size, name="second").wait(COMMAND_SECONDS)
            if second.code != BUSY or "Traceback" in second.err:
                raise FaultError(
                    f"beside a living run it ended with {second.code}: {_last_lines(second.err)}"
                )
            # As if it ran on another machine, of which only the heartbeat tells.
            place.run("UPDATE posts_importrun SET host = 'elsewhere'")
            place.run(f"UPDATE posts_importsource SET heartbeat_at = '{LONG_AGO}'")  # noqa: S608
            self.completed(place, path, batch_size, name="third")
            before = self.verify(place, data)
        finally:
            first.send(signal.SIGCONT)
        ended = first.wait(COMMAND_SECONDS)
        if ended.code != BUSY or "Traceback" in ended.err:
            raise FaultError(f"the first run ended with {ended.code}: {_last_lines(ended.err)}")
        if self.verify(place, data) != before:
            raise FaultError("the first run wrote after it was taken over")

    def unanswered(self, place: Place) -> None:
        """Break the connection at random COMMITs: before it, behind it, instead of its answer."""
        assert isinstance(place, PostgreSQL)  # noqa: S101  (only PostgreSQL has connections)
        row = self.row("unanswered", place, hits=0, survived=0, slowest_seconds=0.0)
        for number in range(self.options.rounds):
            with self.fault_told(row, place):
                data, path, batch_size = self.input_for(place, number)
                place.renew()
                commits = data.records // batch_size + 4
                way = ("answered", "sent", "lost")[number % 3]
                broken = self.chance.sample(range(1, commits), min(commits - 1, 3))
                proxy = BreakingProxy(place.server, break_at=broken, way=way)
                starts = 0
                try:
                    while starts < 6:
                        starts += 1
                        child = self.import_of(
                            place, path, batch_size, url=place.url_by(proxy.port)
                        )
                        ended = child.wait(COMMAND_SECONDS)
                        wrong = _wrong_code(ended, FAILED)
                        if wrong:
                            raise FaultError(f"{wrong}: {_last_lines(ended.err)}")
                        if ended.code in (COMPLETE, REJECTS):
                            break
                finally:
                    proxy.close()
                self.verify_begun_anew(place, data)
                row["hits"] += proxy.broken
                row["survived"] += max(0, proxy.broken - starts + 1)
                self.say(
                    f"unanswered {place.vendor} {number + 1}/{self.options.rounds}: "
                    f"{Path(path).name}, batches of {batch_size}, {proxy.broken} of "
                    f"{proxy.commits} COMMITs {way}, {starts} starts: same archive"
                )
            row["rounds"] += 1

    def verify_begun_anew(self, place: Place, data: Input) -> None:
        """As `verify`; only a run whose last word was lost is complete and runs once more.

        It reads a key that comes twice from its first version on, which are two revisions more.
        """
        complete = _number(place, "SELECT count(*) FROM posts_importrun WHERE state = 'complete'")
        if complete < 2:
            self.verify(place, data)
            return
        versions = data.told["revisions"]
        data.told["revisions"] = _number(place, "SELECT count(*) FROM posts_revision")
        try:
            self.verify(place, data)
        finally:
            data.told["revisions"] = versions

    def full_disk(self, place: Place) -> None:
        """Let the disk of the database, or only that of the rejects file, run full."""
        row = self.row("full disk", place, hits=0, survived=0, slowest_seconds=0.0)
        assert isinstance(place, SQLite)  # noqa: S101  (the server's disk is not ours to fill)
        disk = self.folder / "disk"
        disk.mkdir(exist_ok=True)
        if os.geteuid() != 0 or not _mounted(disk, "1m"):
            row["left_out"] = "needs root and a mount of tmpfs"
            self.say("full disk: left out, needs root and a mount of tmpfs")
            return
        _unmount(disk)
        for number in range(max(1, self.options.rounds // 4)):
            data, path, batch_size = self.input_for(place, number)
            for what in ("database", "rejects"):
                with self.fault_told(row, place):
                    self._filled(place, disk, what, (data, path, batch_size))
                    row["hits"] += 1
                    self.say(f"full disk {number + 1}, {what}: clear message, same archive")
                _unmount(disk)
                row["rounds"] += 1

    def _filled(self, place: SQLite, disk: Path, what: str, wanted: tuple[Input, str, int]) -> None:
        data, path, batch_size = wanted
        here, rejects = place, self.folder / "rejects.jsonl"
        if what == "database":
            empty = place.template.stat().st_size
            room = empty + int(data.path.stat().st_size * self.chance.uniform(0.1, 1.0))
            _mounted(disk, str(room))
            here = place.at(disk / "torture.sqlite3")
        else:
            _mounted(disk, "4k")
            (disk / "filler").write_bytes(b"x" * 3_000)
            rejects = disk / "rejects.jsonl"
        here.renew()
        ended = self.import_of(here, path, batch_size, rejects=rejects).wait(COMMAND_SECONDS)
        if ended.code != FAILED or "Traceback" in ended.err or not ended.err.strip():
            raise FaultError(
                f"with a full disk for the {what} it ended with {ended.code}: "
                f"{_last_lines(ended.err)}"
            )
        remount = ["mount", "-o", "remount,size=1g", str(disk)]
        subprocess.run(remount, check=True)
        halves = self.seen(here)["problems"]
        if halves:
            raise FaultError(f"after the disk was full for the {what}: {'; '.join(halves)}")
        self.completed(here, path, batch_size, rejects=rejects)
        self.verify(here, data)

    def giants(self, place: Place) -> None:
        """Feed what is far too large, beside records that must go in all the same."""
        for case in torture_giants.cases(self.options, self.folder):
            row = self.row(f"giant: {case.name}", place, hits=0, survived=0, slowest_seconds=0.0)
            with self.fault_told(row, place):
                place.renew()
                ended = case.run(place)
                row["seconds"] = round(ended.seconds, 1)
                row["megabytes"] = round(ended.megabytes)
                wrong = case.wrong(ended, self.seen(place))
                self.say(
                    f"giant {place.vendor} {case.name}: {ended.seconds:.1f} s, "
                    f"{ended.megabytes:.0f} MB"
                )
                if wrong:
                    raise FaultError("; ".join(wrong))
                row["hits"] += 1
            row["rounds"] += 1
            case.clean()

    # --- All of it --------------------------------------------------------------------------------

    def run(self) -> None:
        """Run the scenarios that were asked for, each where it can happen."""
        scenarios: dict[int, Callable[[Any], None]] = {
            1: self.kill,
            2: self.terminate,
            3: self.takeover,
            4: self.unanswered,
            5: self.stop,
            6: self.full_disk,
            7: self.giants,
        }
        only = {2: "postgresql", 4: "postgresql", 6: "sqlite"}
        for place in self.places:
            for data in self.inputs:
                self.prepare(place, data)
            for number in self.options.scenarios:
                if only.get(number, place.vendor) == place.vendor:
                    scenarios[number](place)

    def remove(self) -> None:
        for place in self.places:
            place.remove()


def _wrong_code(ended: Ended, expected: int) -> str:
    if "Traceback" in ended.err:
        return f"it ended with {ended.code} and a traceback"
    if ended.code not in (COMPLETE, REJECTS, expected):
        return f"it ended with {ended.code}, expected 0, 4 or {expected}"
    return ""


def _last_lines(text: str) -> str:
    return " / ".join(text.strip().splitlines()[-4:])[-600:]


def _cut(value: Any) -> str:
    return str(value)[:200]


def _number(place: Place, statement: str) -> int:
    return int(place.run(statement)[0][0])


def _mounted(folder: Path, size: str) -> bool:
    mount = shutil.which("mount")
    if mount is None:
        return False
    command = [mount, "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


def _unmount(folder: Path) -> None:
    subprocess.run(["umount", str(folder)], check=False, capture_output=True)  # noqa: S607


def table(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Return the final table as lines of Markdown."""
    lines = [
        "| scenario | database | rounds | hits | survived | slowest s | peak MB | faults |",
        "|---|---|---:|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        if "left_out" in row:
            lines.append(f"| {row['scenario']} | {row['database']} | {row['left_out']} | | | | | |")
            continue
        slowest = row.get("seconds") or row["slowest_seconds"]
        lines.append(
            f"| {row['scenario']} | {row['database']} | {row['rounds']} | {row['hits']} "
            f"| {row['survived'] or ''} | {f'{slowest:.1f}' if slowest else ''} "
            f"| {row.get('megabytes', '')} | {len(row['faults'])} |"
        )
    return lines


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.torture", description=__doc__)
    parser.add_argument("--rounds", type=int, default=20, help="of each scenario and database")
    parser.add_argument("--posts", type=int, default=3_000)
    parser.add_argument("--database-url", default=DEFAULT_URL)
    parser.add_argument("--databases", default="sqlite,postgresql", type=lambda t: t.split(","))
    parser.add_argument(
        "--scenarios",
        default=list(range(1, 8)),
        type=lambda text: [int(number) for number in text.split(",")],
        help="1 kill, 2 terminate, 3 takeover, 4 unanswered COMMIT, 5 stop, 6 full disk, 7 giants",
    )
    parser.add_argument("--seed", type=int, default=None, help="repeats what another run chose")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--line-bytes", type=int, default=10**9, help="of the longest line")
    parser.add_argument("--files", type=int, default=100_000, help="small files in one folder")
    options = parser.parse_args(arguments)
    if options.seed is None:
        options.seed = random.SystemRandom().randrange(10**6)
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the harness; return 1 when anything differed."""
    options = _options(arguments)
    started = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="alphanode-torture-"))
    try:
        torture = Torture(options, folder)
        sys.stderr.write(f"Seed {options.seed}, folder {folder}.\n")
        torture.run()
    except (FaultError, psycopg.Error, subprocess.CalledProcessError) as error:
        sys.stderr.write(f"The harness could not go on: {error} Kept: {folder}\n")
        return 1
    faults = [fault for row in torture.rows for fault in row["faults"]]
    seconds = time.monotonic() - started
    sys.stdout.write("\n".join(table(torture.rows)) + "\n")
    sys.stdout.write(
        f"seed {options.seed}, {options.posts} posts, {seconds:.0f} s, {len(faults)} faults\n"
    )
    if options.json is not None:
        told = {
            "seed": options.seed,
            "rounds": options.rounds,
            "posts": options.posts,
            "seconds": round(seconds, 1),
            "scenarios": torture.rows,
            "kept": torture.kept,
        }
        options.json.write_text(json.dumps(told, indent=1) + "\n")
    if faults:
        sys.stdout.write("".join(f"kept: {one}\n" for one in torture.kept))
        return 1
    torture.remove()
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
