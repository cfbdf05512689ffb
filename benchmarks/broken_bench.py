"""What broken records cost an import, and whether each is refused for what is wrong with it.

In: a number of posts, one broken record of how many, rounds, a PostgreSQL server on which
`alphanode_torture…` may be dropped. Out: a table on stdout, figures as JSON; exit 1 when a reject
is not the expected one, a whole record was refused, or the rate is below the limit.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.broken_records import KINDS, Expected, broken
from benchmarks.import_bench import load_average, machine, say, versions
from benchmarks.torture_harness import COMPLETE, REJECTS, Place, last_lines
from benchmarks.torture_inputs import InputsError, synthesized
from benchmarks.torture_places import Child, PostgreSQL, SQLite

DEFAULT_URL = "postgres://postgres@127.0.0.1:5432/alphanode_torture_broken"
VENDORS = ("sqlite", "postgresql")
SOURCE = "broken"
#: Seconds an import may take: so many, and one for each 100 posts.
SECONDS = 120
PROBLEMS_MAX = 20
#: Posts that are synthesized at once.
SLICE = 20_000

Found = tuple[int, int, int, str, str]


class BrokenError(Exception):
    """An import did not end as it has to: which, and what it said."""


class Bench:
    """The two inputs, and what the imports of them took and left."""

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self.options = options
        self.folder = folder
        self.clean, self.broken = folder / "clean.jsonl", folder / "broken.jsonl"
        self.expected: list[Expected] = []
        with self.clean.open("wb") as clean, self.broken.open("wb") as spoilt:
            for line, expected in broken(self._lines(clean), options.every, options.seed):
                spoilt.write(line)
                if expected is not None:
                    self.expected.append(expected)

    def _lines(self, clean: Any) -> Any:
        for start in range(1, self.options.posts + 1, SLICE):
            count = min(SLICE, self.options.posts - start + 1)
            for line in synthesized(count, self.options.seed, start=start):
                clean.write(line + b"\n")
                yield line

    def measured(self, place: Place) -> dict[str, Any]:
        """Import both inputs in turns into empty databases; return rates and problems."""
        taken: dict[str, list[float]] = {"clean": [], "broken": []}
        problems: list[str] = []
        place.build()
        for number in range(self.options.rounds):
            # Who comes first takes turns, so that what a round begins with favours nobody.
            order = [("clean", self.clean), ("broken", self.broken)]
            for name, path in order if number % 2 == 0 else order[::-1]:
                place.renew()
                told = self._imported(place, path)
                taken[name].append(told["seconds"])
                say(
                    f"  {place.vendor} {name:7} {told['read']:>8,} records {told['seconds']:8.2f} s"
                )
                if name == "broken":
                    problems += self._wrong(place, told)
        place.remove()
        ratios = [c / b for c, b in zip(taken["clean"], taken["broken"], strict=True)]
        return {
            "seconds": {
                name: [round(one, 3) for one in seconds] for name, seconds in taken.items()
            },
            "rate_clean": round(self.options.posts / statistics.median(taken["clean"])),
            "rate_broken": round(self.options.posts / statistics.median(taken["broken"])),
            "ratio": round(statistics.median(ratios), 3),
            "rejected": len(self.expected),
            "problems": problems[:PROBLEMS_MAX],
        }

    def _imported(self, place: Place, path: Path) -> dict[str, Any]:
        child = Child(
            [
                *("manage.py", "import_posts", str(path), "--source", SOURCE, "--json"),
                *("--rejects", str(self.folder / "rejects.jsonl")),
            ],
            database_url=place.url,
            folder=self.folder,
        )
        ended = child.wait(SECONDS + self.options.posts / 100)
        if ended.code != (COMPLETE if path == self.clean else REJECTS):
            raise BrokenError(f"{path.name} ended with {ended.code}: {last_lines(ended.err)}")
        told: dict[str, Any] = json.loads(ended.out)
        return told

    def _wrong(self, place: Place, told: dict[str, Any]) -> list[str]:
        """Compare the rejects of the table and of the file with what was broken."""
        rows = place.run("SELECT record, line, byte, field, code FROM posts_importreject")
        lines = (self.folder / "rejects.jsonl").read_text(encoding="utf-8").splitlines()
        listed = [json.loads(line) for line in lines]
        wrong = [
            *self._differences("table", [(int(r[0]), int(r[1]), int(r[2]), *r[3:]) for r in rows]),
            *self._differences(
                "file",
                [tuple(o[n] for n in ("record", "line", "byte", "field", "code")) for o in listed],
            ),
        ]
        if {one["file"] for one in listed} != {str(self.broken)}:
            wrong.append("a reject names another file")
        got = (told["read"], told["created"], told["rejected"])
        posts = self.options.posts
        if got != (posts, posts - len(self.expected), len(self.expected)):
            wrong.append(f"read, created, rejected: got {got}, {len(self.expected)} were broken")
        return [f"{place.vendor}: {text}" for text in wrong]

    def _differences(self, where: str, rows: Sequence[Any]) -> list[str]:
        kinds = {one.record: one.kind for one in self.expected}
        wanted = Counter(
            (one.record, one.line, one.byte, field, code)
            for one in self.expected
            for field, code in one.findings
        )
        got = Counter(rows)
        return [
            *(f"{where} has no reject {one} for {kinds[one[0]]!r}" for one in wanted - got),
            *(f"{where} has a reject {one} too many" for one in got - wanted),
        ]


def table(results: dict[str, Any]) -> list[str]:
    """Return the figures as lines of Markdown."""
    return [
        "| database | records a second, all whole | with broken ones | ratio | rejected | wrong |",
        "|---|---:|---:|---:|---:|---:|",
        *(
            f"| {vendor} | {one['rate_clean']:,} | {one['rate_broken']:,} | {one['ratio']:.2f} "
            f"| {one['rejected']:,} | {len(one['problems'])} |"
            for vendor, one in results.items()
        ),
    ]


def options_of(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.broken_bench", description=__doc__)
    parser.add_argument("--posts", type=int, default=100_000)
    parser.add_argument("--every", type=int, default=100, help="one record of so many is broken")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--least", type=float, default=0.8, help="the lowest ratio; 0 for any")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--databases", default=list(VENDORS), type=lambda text: text.split(","))
    parser.add_argument("--database-url", default=DEFAULT_URL)
    parser.add_argument("--json", type=Path, metavar="FILE")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure on each database; return 1 when anything was not as it has to be."""
    options = options_of(arguments)
    before = load_average()
    folder = Path(tempfile.mkdtemp(prefix="alphanode-broken-"))
    try:
        say(f"breaking one of {options.every} of {options.posts:,} records, {len(KINDS)} kinds")
        bench = Bench(options, folder)
        results = {}
        for vendor in options.databases:
            place = SQLite(folder) if vendor == "sqlite" else PostgreSQL(options.database_url)
            results[vendor] = bench.measured(place)
    except (BrokenError, InputsError, ValueError, psycopg.Error, TimeoutError) as error:
        say(f"{error}\nNo result was written. Safe to run again.")
        return 1
    finally:
        shutil.rmtree(folder)
    sys.stdout.write("\n".join(table(results)) + "\n")
    problems = [text for one in results.values() for text in one["problems"]]
    problems += [
        f"{vendor}: the ratio is {one['ratio']}, expected at least {options.least}"
        for vendor, one in results.items()
        if one["ratio"] < options.least
    ]
    sys.stdout.write("".join(f"{text}\n" for text in problems))
    if options.json is not None:
        told = {
            "posts": options.posts,
            "every": options.every,
            "rounds": options.rounds,
            "kinds": len(KINDS),
            "machine": machine(),
            "versions": versions(),
            "load_average_before": before,
            "load_average_after": load_average(),
            "databases": results,
        }
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
