"""How long a search takes on a large archive, by how common its words are, on each database.

In: a number of notes and a PostgreSQL server on which a database named for benchmarks may be
dropped. Out: `benchmarks/results/search.json`, the table of `docs/performance.md`, the same table
on stdout; exit 1 when a page is slower or typos fare worse than the bars.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import psycopg

from benchmarks import report
from benchmarks.databases import PostgreSQL, SQLite
from benchmarks.import_bench import load_average, machine, say, versions

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "search.json"
PAGE = ROOT / "docs" / "performance.md"
BEGIN = "<!-- search benchmark: begin; written by make bench-search -->"
END = "<!-- search benchmark: end -->"
DEFAULT_URL = "postgres://postgres@127.0.0.1:5432/alphanode_search_bench"
ENVIRONMENT = {
    "SECRET_KEY": "for-a-benchmark-only",
    "DEBUG": "off",
    "REDIS_URL": "",
    "DJANGO_SETTINGS_MODULE": "benchmarks.readers_settings",
}
#: Milliseconds within which 95 of 100 pages have to be made.
PAGE_MAX = 60
#: Share of titles with a typo that have to be found among the first five.
FOUND_MIN = 0.9


class BenchmarkError(Exception):
    """A job failed: which, and what it said."""


def run(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Build and measure each database; return what each job told, by vendor."""
    places: list[PostgreSQL | SQLite] = []
    if options.only != "sqlite":
        places.append(PostgreSQL(options.database_url))
    if options.only != "postgresql":
        places.append(SQLite(folder))
    results = {}
    for place in places:
        try:
            if not options.reuse:
                say(f"{place.vendor}: migrating")
                place.build(lambda url: job(url, "build", "--posts", "0"))
                place.renew()
            say(f"{place.vendor}: building an archive of {options.posts:,} notes")
            built = job(place.url, "build", "--posts", str(options.posts))
            say(f"{place.vendor}: measuring")
            results[place.vendor] = {
                "server": place.about(),
                "built": built,
                **job(place.url, "measure", "--rounds", str(options.rounds)),
            }
        finally:
            if not options.keep:
                place.remove()
    return results


def job(url: str, *arguments: str) -> Any:
    """Run a job of `search_jobs` on a database and return its JSON. Raises `BenchmarkError`."""
    ended = subprocess.run(
        [sys.executable, "-m", "benchmarks.search_jobs", *arguments],
        cwd=ROOT,
        env={**os.environ, **ENVIRONMENT, "DATABASE_URL": url},
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode:
        raise BenchmarkError(f"{' '.join(arguments)} failed:\n{ended.stderr[-2000:]}")
    return json.loads(ended.stdout)


def beyond(results: dict[str, Any]) -> list[str]:
    """Return what is beyond the bars, a line each."""
    found = []
    for vendor in report.VENDORS.keys() & results.keys():
        for name, case in results[vendor]["cases"].items():
            if case["has_bar"] and case["page_p95"] > PAGE_MAX:
                found.append(f"{vendor}: {name}: p95 {case['page_p95']} ms, bar {PAGE_MAX} ms")
        typos = results[vendor]["typos"]
        if typos["found"] < FOUND_MIN * typos["queries"]:
            found.append(f"{vendor}: {typos['found']} of {typos['queries']} typos found")
    return sorted(found)


def table(results: dict[str, Any]) -> str:
    """Return the results as Markdown."""
    return "\n".join(_lines(results)) + "\n"


def _lines(results: dict[str, Any]) -> Iterator[str]:
    vendors = [vendor for vendor in report.VENDORS if vendor in results]
    names = [report.VENDORS[vendor] for vendor in vendors]
    yield f"`{results['command']}`, {results['measured_on']}: {results['posts']:,} listed notes,"
    yield f"{results['rounds']} times each, load of the machine before {results['load'][0]}."
    yield "Milliseconds, median / 95th of 100, of the whole page and of finding alone."
    yield ""
    yield "| query | " + " | ".join(f"page, {name} | finding, {name}" for name in names) + " |"
    yield "|---" * (1 + 2 * len(names)) + "|"
    for name, case in results[vendors[0]]["cases"].items():
        cells = []
        for vendor in vendors:
            times = results[vendor]["cases"][name]
            cells += [
                f"{times[f'{what}_p50']} / {times[f'{what}_p95']}" for what in ("page", "find")
            ]
        bar = "" if case["has_bar"] else " (no bar)"
        yield f"| {name}{bar} | " + " | ".join(cells) + " |"
    cells = []
    for vendor in vendors:
        typos = results[vendor]["typos"]
        cells += [
            f"{typos['found']} of {typos['queries']}",
            f"{typos['find_p50']} / {typos['find_p95']}",
        ]
    yield "| titles with a typo, that title in the first five | " + " | ".join(cells) + " |"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description="Prints how long searches take. Safe to run again: it drops and makes only "
        "the database named by --database-url, and files in --folder."
    )
    parser.add_argument("--posts", type=int, default=100_000, help="notes of the archive")
    parser.add_argument("--rounds", type=int, default=40, help="times every query is measured")
    parser.add_argument("--database-url", default=DEFAULT_URL, help="its name must say bench")
    parser.add_argument("--folder", type=Path, help="where SQLite's file is; else a temporary one")
    parser.add_argument("--only", choices=sorted(report.VENDORS), help="leave the other one out")
    parser.add_argument("--keep", action="store_true", help="leave the databases for --reuse")
    parser.add_argument("--reuse", action="store_true", help="measure what --keep left")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where the JSON goes")
    parser.add_argument("--page", type=Path, default=PAGE, help="where the table goes")
    options = parser.parse_args(arguments)
    load = load_average()
    try:
        with tempfile.TemporaryDirectory(prefix="alphanode-bench-") as folder:
            measured = run(options, options.folder or Path(folder))
    except (BenchmarkError, ValueError, psycopg.OperationalError) as error:
        say(f"{error}\nNo result was written. Safe to run again.")
        return 1
    given = sys.argv[1:] if arguments is None else arguments
    results = {
        "measured_on": dt.datetime.now(dt.UTC).date().isoformat(),
        "command": shlex.join(["python", "-m", "benchmarks.search_bench", *given]),
        "machine": machine(),
        "load": load,
        "versions": versions(),
        "posts": options.posts,
        "rounds": options.rounds,
        "page_max_ms": PAGE_MAX,
        **measured,
    }
    options.results.parent.mkdir(parents=True, exist_ok=True)
    options.results.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    text = table(results)
    report.put_into(options.page, text, begin=BEGIN, end=END)
    sys.stdout.write(text)
    for line in beyond(results):
        say(f"Beyond the bar: {line}")
    return 1 if beyond(results) else 0


if __name__ == "__main__":
    sys.exit(main())
