"""Editors save posts while a running import changes the same ones.

In: a harness and a place; the import is the real command, the editors are threads of a process
beside it. Out: a row: no save is lost, no batch breaks, whoever comes first.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from benchmarks.torture_harness import (
    COMMAND_SECONDS,
    COMPLETE,
    SOURCE,
    FaultError,
    Place,
    Torture,
    last_lines,
)
from benchmarks.torture_inputs import synthesized
from benchmarks.torture_places import Child

EDITORS = "benchmarks.torture_editors"
#: Records of a batch; four of them are saved meanwhile (`torture_editors.raced`).
BATCH_SIZE = 40
POSTS_A_RACE = 10
SAVES_A_ROUND = 600
SAVES_MIN = 120
#: Rounds in which hardly a save meets its batch end somewhere too.
ROUNDS_MAX = 20


def races(harness: Torture, place: Place) -> None:
    """Race until so many saves ran while their batch did; `--races` says how many."""
    row = harness.row("races", place)
    told: Counter[str] = Counter()
    wanted = harness.options.races
    while row["hits"] < wanted and row["rounds"] < ROUNDS_MAX and not row["faults"]:
        row["rounds"] += 1
        with harness.fault_told(row, place):
            found = _round(
                harness, place, min(max(2 * wanted, SAVES_MIN), SAVES_A_ROUND), row["rounds"]
            )
            told.update({f"saves {name}": n for name, n in found["outcomes"].items()})
            told.update({"posts held": found["held"], "posts updated": found["updated"]})
            row["hits"] += found["met"]
            row["races"] = ", ".join(f"{n} {name}" for name, n in sorted(told.items()))
            harness.say(
                f"races {place.vendor} {row['hits']}/{wanted}: {found['saves']} saves, "
                f"{found['met']} met their batch, {found['outcomes']}"
            )
    if row["hits"] < wanted and not row["faults"]:
        row["faults"].append(f"only {row['hits']} of {wanted} saves met their batch")


def _round(harness: Torture, place: Place, saves: int, number: int) -> dict[str, Any]:
    """Import, let people work, import the changed notes beside the editors, judge."""
    posts, seed = saves * POSTS_A_RACE, harness.options.seed + number
    before, after = harness.folder / "race-1.jsonl", harness.folder / "race-2.jsonl"
    for path, changed in ((before, 0), (after, 100)):
        lines = synthesized(posts, seed, changed)
        path.write_bytes(b"".join(line + b"\n" for line in lines))
    place.renew()
    harness.completed(place, str(before), 1_000)
    common = ["--source", SOURCE, "--batch-size", str(BATCH_SIZE), "--races", str(saves)]
    common += ["--seed", str(seed)]
    folder = str(harness.folder)
    harness.told_by(place, EDITORS, "prepare", folder, *common)
    editors = Child(
        ["-m", EDITORS, "save", folder, *common],
        database_url=place.url,
        folder=harness.folder,
        name="editors",
    )
    if not editors.wait_for(editors.has_spoken):
        raise FaultError(f"the editors ended early: {last_lines(editors.wait(1).err)}")
    ended = harness.import_of(place, str(after), BATCH_SIZE).wait(COMMAND_SECONDS)
    edited = editors.wait(COMMAND_SECONDS)
    if ended.code != COMPLETE or "Traceback" in ended.err:
        raise FaultError(
            f"beside the editors the import ended with {ended.code}: {last_lines(ended.err)}"
        )
    if edited.code != 0 or "Traceback" in edited.err:
        raise FaultError(f"the editors ended with {edited.code}: {last_lines(edited.err)}")
    found = harness.told_by(place, EDITORS, "judge", folder, *common)
    problems = found["problems"] + harness.seen(place)["problems"]
    if problems:
        raise FaultError("; ".join(problems))
    return found
