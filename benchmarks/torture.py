"""Faults put into running imports: kills, lost connections, pauses, full disks, giants, editors.

In: rounds, sizes, a seed, a PostgreSQL server on which `alphanode_torture…` may be dropped. Out: a
line a round on stderr, a table on stdout, figures as JSON; exit 1 when an archive, a count or a
message is not that of an undisturbed run. The commands are the real ones, as processes.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import psycopg

from benchmarks import torture_giants
from benchmarks.torture_commits import unanswered
from benchmarks.torture_disks import full_disk
from benchmarks.torture_harness import FaultError, Place, Torture
from benchmarks.torture_inputs import InputsError
from benchmarks.torture_kills import kill, stop, terminate, worker
from benchmarks.torture_matrix import matrix
from benchmarks.torture_races import races
from benchmarks.torture_takeover import takeover

DEFAULT_URL = "postgres://postgres@127.0.0.1:5432/alphanode_torture"
VENDORS = ("sqlite", "postgresql")


class Scenario(NamedTuple):
    """What can be done to imports; `only` names the one database on which it can happen."""

    run: Callable[[Torture, Place], None]
    only: str = ""
    needs_inputs: bool = True


SCENARIOS = {
    "kill": Scenario(kill),
    "terminate": Scenario(terminate, only="postgresql"),
    "worker": Scenario(worker, needs_inputs=False),
    "takeover": Scenario(takeover),
    "unanswered": Scenario(unanswered, only="postgresql"),
    "stop": Scenario(stop),
    "full-disk": Scenario(full_disk, only="sqlite"),
    "giants": Scenario(torture_giants.giants, needs_inputs=False),
    "matrix": Scenario(matrix),
    "races": Scenario(races, needs_inputs=False),
}
#: What runs when nothing is named; the others take long and have targets of their own.
USUAL = ("kill", "terminate", "worker", "takeover", "unanswered", "stop", "full-disk", "giants")


def run(harness: Torture) -> None:
    """Run the scenarios that were asked for, each where it can happen."""
    wanted = [SCENARIOS[name] for name in harness.options.scenarios]
    if any(scenario.needs_inputs for scenario in wanted):
        harness.make_inputs()
    for place in harness.places:
        for data in harness.inputs:
            harness.prepare(place, data)
        for scenario in wanted:
            if scenario.only in ("", place.vendor):
                scenario.run(harness, place)


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


def notes(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Return what does not fit into the table: digests of the matrix, outcomes of the races."""
    lines = []
    digests = sorted({digest for row in rows for digest in row.get("digests", ())})
    if digests:
        exports = sum(row["hits"] for row in rows if "digests" in row)
        lines.append(f"matrix: {exports} exports, SHA-256 {' and '.join(digests)}")
    lines += [
        f"races, {row['database']}: {row['races']}" for row in rows if row.get("races") is not None
    ]
    return lines


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.torture", description=__doc__)
    parser.add_argument("--rounds", type=int, default=20, help="of each scenario and database")
    parser.add_argument(
        "--hits", type=int, default=0, help="go on until so many kills hit; in place of rounds"
    )
    parser.add_argument("--posts", type=int, default=3_000, help="of the larger input")
    parser.add_argument("--database-url", default=DEFAULT_URL)
    parser.add_argument("--databases", default=list(VENDORS), type=_names(VENDORS))
    parser.add_argument(
        "--scenarios",
        default=list(USUAL),
        type=_names(SCENARIOS),
        help=f"of {', '.join(SCENARIOS)} (default: {','.join(USUAL)})",
    )
    parser.add_argument("--seed", type=int, default=None, help="repeats what another run chose")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument(
        "--worker-posts", type=int, default=6_000, help="enough for a process beside the command"
    )
    parser.add_argument("--races", type=int, default=100, help="saves that meet their batch")
    parser.add_argument("--line-bytes", type=int, default=10**9, help="of the longest line")
    parser.add_argument("--files", type=int, default=100_000, help="small files in one folder")
    parser.add_argument("--megabytes", type=int, default=200, help="most memory of a giant's run")
    parser.add_argument(
        "--giants",
        default=list(torture_giants.CASES),
        type=_names(torture_giants.CASES),
        help=f"of {', '.join(torture_giants.CASES)}",
    )
    options = parser.parse_args(arguments)
    if options.seed is None:
        options.seed = random.SystemRandom().randrange(10**6)
    return options


def _names(known: Any) -> Callable[[str], list[str]]:
    def read(text: str) -> list[str]:
        names = text.split(",")
        if unknown := [name for name in names if name not in known]:
            raise argparse.ArgumentTypeError(f"got {unknown[0]!r}, expected {', '.join(known)}")
        return names

    return read


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the harness; return 1 when anything differed."""
    options = _options(arguments)
    started = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="alphanode-torture-"))
    try:
        harness = Torture(options, folder)
        sys.stderr.write(f"Seed {options.seed}, folder {folder}.\n")
        run(harness)
    except (FaultError, InputsError, psycopg.Error, subprocess.CalledProcessError) as error:
        sys.stderr.write(f"The harness could not go on: {error} Kept: {folder}\n")
        return 1
    seconds = time.monotonic() - started
    faults = [fault for row in harness.rows for fault in row["faults"]]
    if len({digest for row in harness.rows for digest in row.get("digests", ())}) > 1:
        faults.append("the exports of the matrix differ")
    sys.stdout.write("\n".join([*table(harness.rows), *notes(harness.rows)]) + "\n")
    sys.stdout.write(
        f"seed {options.seed}, {options.posts} posts, {seconds:.0f} s, {len(faults)} faults\n"
    )
    if options.json is not None:
        told = {
            "seed": options.seed,
            "rounds": options.rounds,
            "posts": options.posts,
            "seconds": round(seconds, 1),
            "scenarios": harness.rows,
            "kept": harness.kept,
        }
        options.json.write_text(json.dumps(told, indent=1) + "\n")
    if faults:
        sys.stdout.write("".join(f"kept: {one}\n" for one in harness.kept))
        return 1
    harness.remove()
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
