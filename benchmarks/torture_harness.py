"""The steps that scenarios are made of: run a command, look at what it left, tell the difference.

In: options, a folder. Out: rows of figures with every fault, databases put aside for people to look
at. The commands are the real ones, as processes; scenarios stand in modules of their own.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.torture_inputs import ENDINGS, Input
from benchmarks.torture_places import Child, Ended, PostgreSQL, SQLite

SOURCE = "torture"
SMALL_POSTS = 200
BATCH_SIZES = (200, 7, 1_000, 1)
SMALL_BATCH_SIZES = (7, 20, 1, 50)
COMMAND_SECONDS = 300
COMPLETE, FAILED, BUSY, REJECTS, STOPPED = 0, 1, 3, 4, 130
#: What an archive has in common with that of an undisturbed run, beside its export.
COMPARED = ("chain_read", "chain_rejected", "posts", "revisions", "rejects", "owners")

Place = SQLite | PostgreSQL


class FaultError(Exception):
    """Something is not as after an undisturbed run; the text lists what."""


class Torture:
    """One run of the harness: places, inputs, and what every scenario gave."""

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self.options = options
        self.folder = folder
        self.chance = random.Random(options.seed)  # noqa: S311  (chooses faults only)
        self.rows: list[dict[str, Any]] = []
        self.kept: list[str] = []
        self.places: list[Place] = []
        for vendor in options.databases:
            place = SQLite(folder) if vendor == "sqlite" else PostgreSQL(options.database_url)
            place.build()
            self.places.append(place)
        self.inputs: list[Input] = []
        #: Made when a scenario needs an input for which a command starts a process of its own.
        self.large_input: Input | None = None

    def make_inputs(self) -> None:
        """Make what the disturbed commands read: few posts, and many when that was asked for."""
        small = min(SMALL_POSTS, self.options.posts)
        self.inputs.append(Input(self.folder, "small", small, self.options.seed + 1))
        if self.options.posts > small:
            self.inputs.append(Input(self.folder, "large", self.options.posts, self.options.seed))

    def say(self, text: str) -> None:
        sys.stderr.write(text + "\n")
        sys.stderr.flush()

    def import_of(
        self, place: Place, path: str, batch_size: int, *, url: str = "", **more: Any
    ) -> Child:
        """Start the import command."""
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
            raise FaultError(f"the run in peace ended with {ended.code}: {last_lines(ended.err)}")
        return ended

    def told_by(self, place: Place, module: str, *arguments: str) -> dict[str, Any]:
        """Run a module of this package on a database; return the object that it prints."""
        name = module.rpartition(".")[2]
        child = Child(
            ["-m", module, *arguments], database_url=place.url, folder=self.folder, name=name
        )
        ended = child.wait(COMMAND_SECONDS)
        if ended.code != 0:
            raise FaultError(f"{name} ended with {ended.code}: {last_lines(ended.err)}")
        told: dict[str, Any] = json.loads(ended.out)
        return told

    def seen(self, place: Place) -> dict[str, Any]:
        """Return what is in the database, with every problem, and leave the export in a file."""
        export = str(self.folder / "export.jsonl")
        return self.told_by(place, "benchmarks.torture_verify", export)

    def export(self) -> bytes:
        """Return the export that `seen` left."""
        return (self.folder / "export.jsonl").read_bytes()

    def verify(self, place: Place, data: Input) -> dict[str, Any]:
        """Compare with the undisturbed run, return what was seen. Raises `FaultError`."""
        told = self.seen(place)
        wrong = list(told["problems"])
        if self.export() != data.export:
            wrong.append("the canonical export differs")
        wrong += [
            f"{name}: got {cut(told[name])}, expected {cut(data.told[name])}"
            for name in COMPARED
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
        export = self.export()
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

    def moment(self, place: Place, data: Input, batch_size: int, share: float = 1.0) -> float:
        """Return seconds after the first line: uniform over what is left of the undisturbed run.

        `share` is the part of what is left that the moment falls into.
        """
        read = number_in(place, "SELECT coalesce(sum(read), 0) FROM posts_importrun")
        left = max(0.0, 1 - read / data.records)
        expected = data.expected_seconds(place.vendor, batch_size)
        return self.chance.uniform(0, expected * left * share)

    def is_complete(self, place: Place) -> bool:
        """Say whether the run was over, also when the fault met the command on its way home."""
        statement = "SELECT count(*) FROM posts_importrun WHERE state = 'complete'"
        return number_in(place, statement) > 0

    def came_too_late(self, place: Place, ended: Ended) -> bool:
        """Say whether a signal to stop met a command that had nothing more to stop.

        Or one that had not begun: where it does not listen to signals, they end it as any other.
        """
        runs = number_in(place, "SELECT count(*) FROM posts_importrun WHERE state = 'running'")
        return ended.code in (-signal.SIGTERM, -signal.SIGINT) and runs == 0

    def row(self, scenario: str, place: Place | None, **figures: Any) -> dict[str, Any]:
        """Begin a row of the table."""
        row = {
            "scenario": scenario,
            "database": place.vendor if place is not None else "",
            "rounds": 0,
            "hits": 0,
            "survived": 0,
            "slowest_seconds": 0.0,
            "faults": [],
            **figures,
        }
        self.rows.append(row)
        return row

    def leave_out(self, row: dict[str, Any], reason: str) -> None:
        """Say why a scenario could not be had here; its row counts nothing."""
        row["left_out"] = reason
        self.say(f"{row['scenario']} {row['database']}: left out, {reason}")

    @contextmanager
    def fault_told(self, row: dict[str, Any], place: Place) -> Iterator[None]:
        """Turn what was found into a line of the row, and put the database aside."""
        try:
            yield
        except (FaultError, TimeoutError) as error:
            name = f"{row['scenario'].replace(' ', '-')}-{place.vendor}-{len(self.kept) + 1}"
            row["faults"].append(f"{error}")
            export = self.folder / "export.jsonl"
            if export.exists():
                shutil.copyfile(export, self.folder / f"{name}.export.jsonl")
            self.kept.append(f"{place.keep()}, {self.folder / name}.export.jsonl")
            self.say(f"FAULT {row['scenario']} {place.vendor}: {error}; kept: {self.kept[-1]}")

    def remove(self) -> None:
        """Drop the databases; the folder is the caller's."""
        for place in self.places:
            place.remove()


def wrong_code(ended: Ended, expected: int) -> str:
    """Return what is wrong with an exit code that has to be that of an end or the expected one."""
    if "Traceback" in ended.err:
        return f"it ended with {ended.code} and a traceback"
    if ended.code not in (COMPLETE, REJECTS, expected):
        return f"it ended with {ended.code}, expected 0, 4 or {expected}"
    return ""


def last_lines(text: str) -> str:
    """Return the last lines of a stream as one."""
    return " / ".join(text.strip().splitlines()[-4:])[-600:]


def cut(value: Any) -> str:
    return str(value)[:200]


def number_in(place: Place, statement: str) -> int:
    """Return the number that a statement finds."""
    return int(place.run(statement)[0][0])
