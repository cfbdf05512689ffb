"""How long reviewing takes at size: the queue, single revisions, bulk actions, comparing.

Run as `python -m benchmarks.review_bench`. In: sizes, a PostgreSQL server on which databases of the
given name may be dropped. Out: a table on stdout, figures as JSON; exit 1 when a bar is missed. The
real views and commands are measured, each step in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from benchmarks import compare_bench
from benchmarks.databases import PostgreSQL
from benchmarks.import_bench import load_average, machine, say, versions
from benchmarks.torture_places import ROOT, Child, migrated
from posts import content
from posts.compare import compare

DEFAULT_URL = "postgres://postgres@127.0.0.1:5432/alphanode_bench_review"
RESULTS = ROOT / "benchmarks" / "results" / "review.json"
JOBS = "benchmarks.review_jobs"
STEP_SECONDS = 3 * 60 * 60
SEED = 11

#: The bars: milliseconds, queries, ratios, and seconds for the sizes they are meant for.
QUEUE_MILLISECONDS, QUEUE_QUERIES, DEEP_RATIO = 150, 8, 1.5
HOME_RATIO = 1.5
LOOKUP_MILLISECONDS = 5
BULK_POSTS, BULK_SECONDS = 10_000, 10
ARCHIVE_POSTS, ARCHIVE_SECONDS = 1_000_000, 15 * 60


class BenchError(Exception):
    """The measurement could not be made: what failed, and what it said."""


class Line(NamedTuple):
    """One figure and its bar; the unit is part of the name."""

    name: str
    value: float
    bar: float

    @property
    def is_met(self) -> bool:
        return self.value <= self.bar


class Bench:
    """One database and the steps on it."""

    def __init__(self, options: argparse.Namespace, folder: Path, url: str) -> None:
        self.options, self.folder, self.url = options, folder, url

    def step(self, name: str) -> dict[str, Any]:
        """Run a step in a process of its own; return what it says."""
        options = self.options
        sizes = [
            *("--posts", str(options.posts), "--drafts", str(options.drafts)),
            *("--bulk", str(options.bulk), "--few", str(options.few)),
            *("--rounds", str(options.rounds)),
        ]
        say(f"{time.strftime('%H:%M:%S')} {name}")
        ended = Child(
            ["-m", JOBS, name, *sizes], database_url=self.url, folder=self.folder, name=name
        ).wait(STEP_SECONDS)
        if ended.code != 0:
            raise BenchError(f"{name} ended with {ended.code}: {ended.err[-2000:]}")
        found: dict[str, Any] = json.loads(ended.out)
        return found

    def command(self, *arguments: str) -> Child:
        return Child(
            ["manage.py", "review_posts", *arguments],
            database_url=self.url,
            folder=self.folder,
            name="review_posts",
        )

    def measured(self) -> dict[str, Any]:
        """Run all steps in their order and return their figures."""
        found: dict[str, Any] = {"fill": self.step("fill"), "pages": self.step("pages")}
        found["lookups"] = self.step("lookups")
        found["bulk"] = self.step("by_page")
        found["killed"] = self.killed()
        self.step("thin_out")
        found["pages_of_few"] = self.step("pages")
        self.step("make_all_wait")
        found["archive"] = self.archive()
        found["compare"] = compared(self.options.rounds)
        return found

    def killed(self) -> dict[str, Any]:
        """Approve drafts by a command that is killed again and again; return what it left."""
        choose = random.Random(SEED)  # noqa: S311  (moments, no secrets)
        number = min(self.options.bulk, self.options.drafts - self.options.bulk - self.options.few)
        say(f"{time.strftime('%H:%M:%S')} {self.options.kills} kills")
        child = self.command(
            *("--by", "bench-reviewer", "--approve", "--limit", str(number), "--yes"),
            *("--batch-size", "20"),
        )
        kills = 0
        while child.wait_for(child.has_spoken):
            time.sleep(choose.uniform(0, 0.3))
            child.send(signal.SIGKILL)
            if child.wait(60).code != -signal.SIGKILL:
                break
            kills += 1
            more = [] if kills == self.options.kills else ["--batch-size", "20"]
            child = self.command("--resume", str(self.step("progress")["bulk_action"]), *more)
            if not more:
                break
        ended = child.wait(STEP_SECONDS)
        if ended.code != 0:
            raise BenchError(f"review_posts ended with {ended.code}: {ended.err[-2000:]}")
        return {"kills": kills, "wanted": number, **self.step("newest")}

    def archive(self) -> dict[str, Any]:
        """Approve everything by one command."""
        say(f"{time.strftime('%H:%M:%S')} review_posts")
        ended = self.command(
            *("--by", "bench-reviewer", "--approve", "--all", "--yes", "--json")
        ).wait(STEP_SECONDS)
        if ended.code != 0:
            raise BenchError(f"review_posts ended with {ended.code}: {ended.err[-2000:]}")
        told: dict[str, Any] = json.loads(ended.out)
        return {
            **told,
            "seconds": ended.seconds,
            "peak_mb": round(ended.megabytes),
            **self.step("newest"),
        }


def compared(rounds: int) -> dict[str, float]:
    """Return, by their bar, the slowest cases of `make bench-compare` in milliseconds."""
    slowest: dict[str, float] = {}
    for _, before, after, most in compare_bench.cases():
        if most is None:
            continue
        sides = content.Snapshot(title="A", body=before), content.Snapshot(title="A", body=after)
        middle, _ = compare_bench.measured(lambda sides=sides: compare(*sides), rounds)
        slowest[str(most)] = max(middle, slowest.get(str(most), 0))
    return slowest


def lines_of(found: dict[str, Any]) -> list[Line]:
    """Return the figures beside their bars; those of other sizes are scaled by the posts."""
    pages, few, archive, action = (
        found[name] for name in ("pages", "pages_of_few", "archive", "bulk")
    )
    taken = {name: median(all_of) for name, all_of in pages["milliseconds"].items()}
    drafts = f"{pages['drafts']:,} drafts"
    lines = [
        Line(f"queue, first page of {drafts}, ms", taken["first"], QUEUE_MILLISECONDS),
        Line("queue, first page, queries", pages["queries"]["first"], QUEUE_QUERIES),
    ]
    if "deep" in taken:
        ratios = [
            deep / first
            for deep, first in zip(
                pages["milliseconds"]["deep"], pages["milliseconds"]["first"], strict=True
            )
        ]
        name = f"queue, page {pages['deep_page']:,}, to the first"
        lines.append(Line(name, median(ratios), DEEP_RATIO))
    home = median(few["milliseconds"]["home"])
    name = f"admin home, {drafts}, to {few['drafts']:,}"
    lines += [
        Line(name, taken["home"] / home, HOME_RATIO),
        Line("admin home, queries more", pages["queries"]["home"] - few["queries"]["home"], 0),
    ]
    for name in ("latest", "live"):
        text = f"{name} revision of {found['lookups']['revisions']:,}, ms"
        lines.append(Line(text, found["lookups"][name]["median"], LOOKUP_MILLISECONDS))
    lines += [
        Line(
            f"{action['changed']:,} posts approved in the admin, s",
            action["seconds"],
            BULK_SECONDS * max(1, action["changed"] / BULK_POSTS),
        ),
        Line(
            f"{archive['changed']:,} posts by review_posts, s",
            archive["seconds"],
            max(BULK_SECONDS, ARCHIVE_SECONDS * archive["changed"] / ARCHIVE_POSTS),
        ),
    ]
    for name, one in (("bulk", action), ("killed", found["killed"]), ("archive", archive)):
        wanted = one.get("wanted", one["posts"])
        wrong = sum(abs(wanted - one[part]) for part in ("posts", "changed", "decisions"))
        wrong += max(0, wanted - one["events"]) + one["decided_twice"]
        kills = f", {one['kills']} times killed" if "kills" in one else ""
        lines.append(Line(f"{name}{kills}: decided twice or not at all", wrong, 0))
    for words, most in (("600", compare_bench.ARTICLE_MAX), ("50,000", compare_bench.LONG_MAX)):
        lines.append(Line(f"comparing {words} words, ms", found["compare"][str(most)], most))
    return lines


def table(lines: Sequence[Line]) -> str:
    """Return the figures as a table of Markdown."""
    rows = ["| figure | measured | bar | |", "|---|---:|---:|---|"]
    rows += [
        f"| {line.name} | {line.value:,.1f} | {line.bar:,.1f} | {'' if line.is_met else 'missed'} |"
        for line in lines
    ]
    return "\n".join(rows)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description="Prints how long reviewing takes at size. Safe to run again: it drops and "
        "makes only databases named as in --database-url."
    )
    parser.add_argument("--posts", type=int, default=1_000_000)
    parser.add_argument("--drafts", type=int, default=50_000, help="of them in the queue")
    parser.add_argument("--few", type=int, default=50, help="drafts of a small queue")
    parser.add_argument("--bulk", type=int, default=10_000, help="posts of one bulk action")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--database-url", default=DEFAULT_URL, help="its name must say bench")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--keep", action="store_true", help="leave the database there")
    options = parser.parse_args(arguments)
    if options.drafts < options.bulk + options.few or options.posts < options.drafts:
        parser.error("expected posts >= drafts >= bulk + few")
    place = PostgreSQL(options.database_url)
    before = load_average()
    with TemporaryDirectory(prefix="review-bench-") as folder:
        place.build(migrated)
        place.renew()
        try:
            # The pages and commands keep no connection that a pool would have to give back.
            found = Bench(options, Path(folder), f"{place.url}?pool=off").measured()
        except BenchError as error:
            sys.stderr.write(f"{error}\n")
            return 1
        finally:
            if not options.keep:
                place.remove()
    lines = lines_of(found)
    results = {
        **{"machine": machine(), "versions": versions(), "load": [before, load_average()]},
        "sizes": {
            name: getattr(options, name)
            for name in ("posts", "drafts", "few", "bulk", "kills", "rounds")
        },
        "figures": found,
        "lines": [{**line._asdict(), "is_met": line.is_met} for line in lines],
    }
    options.results.parent.mkdir(parents=True, exist_ok=True)
    options.results.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    sys.stdout.write(table(lines) + "\n")
    missed = [line.name for line in lines if not line.is_met]
    for name in missed:
        sys.stderr.write(f"Missed: {name}\n")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
