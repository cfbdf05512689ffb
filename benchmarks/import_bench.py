"""How fast the import is, against raw writes of the same rows and against peers.

In: sizes, rounds and a PostgreSQL server on which a database of its own may be dropped. Out:
`benchmarks/results/import.json`, the table of `docs/performance.md`, and the same table on stdout.
Contestants run interleaved, each in its own process and in its own copy of an empty database.
"""

from __future__ import annotations

import argparse
import datetime as dt
import importlib.metadata
import json
import os
import platform
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psycopg

from benchmarks import format_files, peers, report
from benchmarks.databases import PostgreSQL, SQLite

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "import.json"
PAGE = ROOT / "docs" / "performance.md"
DEFAULT_URL = "postgres://postgres@127.0.0.1:5432/alphanode_bench"
SEED = 1
CHANGED_PERCENT = 10
#: The raw write of the same rows, by database.
RAW = {"postgresql": "copy", "sqlite": "executemany"}
#: Where `benchmarks.format_job` finds what texts became; that module sets Django up.
CONVERSIONS = "ALPHANODE_BENCH_CONVERSIONS"
ENVIRONMENT = {
    "SECRET_KEY": "for-a-benchmark-only",
    "DEBUG": "off",
    "REDIS_URL": "",
    "DJANGO_SETTINGS_MODULE": "alphanode.settings",
}

Timing = dict[str, Any]
Database = PostgreSQL | SQLite


class BenchmarkError(Exception):
    """A contestant failed or did other work than expected: which, and what it said."""


class Bench:
    """One run: the inputs, the databases, and what every contestant took in every round."""

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self.options = options
        self.folder = folder
        self.new = folder / "new.jsonl"
        self.changed = folder / "changed.jsonl"
        #: What was asked for and could not be measured, and why.
        self.left_out: dict[str, str] = {}

    def run(self) -> dict[str, Any]:
        self._synthesize(self.new, self.options.posts, 0)
        self._synthesize(self.changed, self.options.posts, CHANGED_PERCENT)
        results: dict[str, Any] = {}
        databases: list[Database] = []
        if self.options.only != "sqlite":
            databases.append(PostgreSQL(self.options.database_url))
        if self.options.only != "postgresql":
            databases.append(SQLite(self.folder))
        wagtail = self._wagtail()
        try:
            for database in databases:
                say(f"{database.vendor}: migrating, recording the rows of one import")
                database.build(self._migrate)
                rows = self._record(database)
                results[database.vendor] = {"server": database.about(), "rows": rows, "rounds": []}
            for number in range(1, self.options.rounds + 1):
                for database in databases:
                    say(f"round {number} of {self.options.rounds}, {database.vendor}")
                    taken = self._round(database, with_others=number == 1)
                    if wagtail is not None and database.vendor == "postgresql" and number == 1:
                        taken["wagtail"] = self._publish(wagtail)
                    results[database.vendor]["rounds"].append(taken)
            results["memory"] = {one.vendor: self._memory(one) for one in databases}
            results["formats"] = self._formats(databases[0])
            results["left_out"] = self.left_out
        finally:
            for database in databases:
                database.remove()
            if wagtail is not None:
                wagtail.remove()
        return results

    def _round(self, database: Database, *, with_others: bool) -> dict[str, Timing]:
        """Run the contestants of a database once, in the same order in every round.

        The others, which are slower by far, run in the first round only.
        """
        raw = RAW[database.vendor]
        names = [raw, "import"]
        if with_others and database.vendor == "postgresql":
            names += ["bulk_create", "save"]
        taken: dict[str, Timing] = {}
        for name in names:
            database.renew()
            if name != "import":
                taken[name] = self._job(database, name)
                continue
            taken["new"] = self._job(database, "import", self.new)
            before = database.tuple_counts() if isinstance(database, PostgreSQL) else {}
            taken["unchanged"] = self._job(database, "import", self.new)
            if isinstance(database, PostgreSQL):
                after = database.tuple_counts()
                taken["unchanged"]["content_rows"] = {
                    verb: after[verb] - before[verb] for verb in after
                }
            taken["changed"] = self._job(database, "import", self.changed)
        expect_equal_rows(database.vendor, taken)
        for timing in taken.values():
            timing.pop("rows")
        return taken

    def _record(self, database: Database) -> dict[str, int]:
        """Record the rows of an import; return how many it wrote in each table."""
        folder = self.folder / database.vendor
        folder.mkdir()
        database.renew()
        rows: dict[str, int] = self._job(database, "record", self.new)["rows"]
        return {table: number for table, number in rows.items() if number}

    def _job(self, database: Database, name: str, file: Path | None = None) -> Timing:
        arguments = ["--folder", str(self.folder / database.vendor)]
        if file is not None:
            arguments += ["--file", str(file)]
        if name == "record":
            arguments += ["--small", str(self.options.small)]
        told = self._python("-m", "benchmarks.jobs", name, *arguments, url=database.url)
        timing: Timing = json.loads(told)
        if "seconds" in timing:
            say(f"  {name:12} {timing['posts']:>8,} posts {timing['seconds']:>8.2f} s")
        return timing

    def _wagtail(self) -> PostgreSQL | None:
        """Return a database with Wagtail's tables; None when not asked for or not to be had."""
        if not self.options.peers or self.options.only == "sqlite":
            return None
        database = PostgreSQL(self.options.database_url, "_wagtail")
        try:
            say("wagtail: its environment and its tables")
            peers.ensure()
            database.build(peers.build)
        except peers.PeerError as error:
            self.left_out["wagtail"] = str(error)
            say(f"wagtail is left out: {error}")
            database.remove()
            return None
        return database

    def _publish(self, database: PostgreSQL) -> Timing:
        database.renew()
        timing = peers.publish(database.url, self.folder / "postgresql" / peers.POSTS)
        say(f"  {'wagtail':12} {timing['posts']:>8,} posts {timing['seconds']:>8.2f} s")
        return timing

    def _memory(self, database: Database) -> list[dict[str, int]]:
        """Return the peak memory of `import_posts` at a quarter of the posts and at all of them."""
        found = []
        rejects = self.folder / "rejects.jsonl"
        for posts in (max(self.options.posts // 4, 1), self.options.posts):
            database.renew()
            command = ["manage.py", "import_posts", str(self.new), "--source", "bench", "--json"]
            process = subprocess.Popen(
                [sys.executable, *command, "--limit", str(posts), "--rejects", str(rejects)],
                cwd=ROOT,
                env={**os.environ, **ENVIRONMENT, "DATABASE_URL": database.url},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            # The resources of exactly this child; `getrusage` would give the largest of all.
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode:
                raise BenchmarkError(f"import_posts ended with code {process.returncode}")
            found.append({"posts": posts, "peak_kib": usage.ru_maxrss})
        return found

    def _formats(self, database: Database) -> dict[str, dict[str, Any]]:
        """Return what every format took: whole, its conversion, and without it."""
        if not self.options.formats:
            return {}
        records = self.folder / "formats.jsonl"
        self._synthesize(records, self.options.formats, 0)
        files = {
            name: format_files.write(name, format_files.records(records), self.folder)
            for name in format_files.FORMATS
        }
        taken: dict[str, dict[str, Any]] = {}
        for name, file in files.items():
            taken[name] = one = self._format(database, file)
            say(
                f"  {name:18} {one['whole']['items']:>8,} items {one['whole']['seconds']:>8.2f} s, "
                f"without conversion {one['without']['seconds']:.2f} s"
            )
        return taken

    def _format(self, database: Database, file: Path) -> dict[str, Any]:
        keep = self.folder / "conversions.pickle"

        def job(name: str, **environment: str) -> dict[str, Any]:
            arguments = [name, "--file", str(file), "--keep", str(keep)]
            told = self._python(
                "-m", "benchmarks.format_job", *arguments, url=database.url, **environment
            )
            found: dict[str, Any] = json.loads(told)
            if found["items"] != self.options.formats:
                raise BenchmarkError(
                    f"{file.name}: {name} met {found['items']:,} posts; expected "
                    f"{self.options.formats:,}"
                )
            return found

        conversion = job("convert")
        database.renew()
        whole = job("import")
        database.renew()
        without = job("import", **{CONVERSIONS: str(keep)})
        return {"conversion": conversion, "whole": whole, "without": without}

    def _synthesize(self, out: Path, posts: int, changed: float) -> None:
        self._python(
            *("manage.py", "synthesize_posts", "--seed", str(SEED), "--count", str(posts)),
            *("--changed", str(changed), "--out", str(out)),
            url="sqlite://:memory:",
        )

    def _migrate(self, url: str) -> None:
        self._python("manage.py", "migrate", "--verbosity", "0", url=url)

    def _python(self, *arguments: str, url: str, **environment: str) -> str:
        ended = subprocess.run(
            [sys.executable, *arguments],
            cwd=ROOT,
            env={**os.environ, **ENVIRONMENT, "DATABASE_URL": url, **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        if ended.returncode:
            raise BenchmarkError(f"{shlex.join(arguments)} failed:\n{ended.stderr[-3000:]}")
        return ended.stdout


def expect_equal_rows(vendor: str, taken: dict[str, Timing]) -> None:
    """Refuse figures of contestants that did not write the same rows."""
    wanted = taken["new"]["rows"]
    for name in (RAW[vendor], "bulk_create"):
        if name in taken and taken[name]["rows"] != wanted:
            raise BenchmarkError(
                f"{vendor} {name} wrote {taken[name]['rows']}, expected {wanted} as the import did"
            )


def say(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def machine() -> dict[str, Any]:
    """Return what the figures depend on: processor, cores, memory, system."""
    model = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        model = next(line.split(":", 1)[1].strip() for line in lines if "model name" in line)
    except (OSError, StopIteration):
        pass
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "processor": model,
        "cores": os.cpu_count(),
        "memory_gib": round(memory / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}",
    }


def versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in ("django", "psycopg", "msgspec"):
        found[name] = importlib.metadata.version(name)
    ended = subprocess.run(
        ["git", "describe", "--always", "--dirty"],  # noqa: S607
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return {**found, "alphanode": ended.stdout.strip() or "unknown"}


def load_average() -> list[float]:
    return [round(value, 2) for value in os.getloadavg()]


def options_of(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Prints how fast the import is, beside raw writes of the same rows. Safe to "
        "run again: it drops and makes only databases named as in --database-url."
    )
    parser.add_argument("--posts", type=int, default=20_000, help="posts of the import")
    parser.add_argument("--rounds", type=int, default=3, help="times everything is measured")
    parser.add_argument("--small", type=int, default=500, help="posts of one-at-a-time writers")
    parser.add_argument("--database-url", default=DEFAULT_URL, help="its name must say bench")
    parser.add_argument(
        "--formats", type=int, default=5_000, help="posts of each format; 0 leaves them out"
    )
    parser.add_argument("--only", choices=sorted(RAW), help="leave the other database out")
    parser.add_argument("--peers", action="store_true", help="Wagtail too, in .venv-bench")
    parser.add_argument("--results", type=Path, default=RESULTS, help="the JSON to write")
    parser.add_argument("--page", type=Path, default=PAGE, help="the page that holds the table")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    options = options_of(arguments)
    began, load = time.monotonic(), load_average()
    try:
        with tempfile.TemporaryDirectory(prefix="alphanode-bench-") as folder:
            measured = Bench(options, Path(folder)).run()
    except (BenchmarkError, ValueError, psycopg.OperationalError) as error:
        say(f"{error}\nNo result was written. Safe to run again.")
        return 1
    given = sys.argv[1:] if arguments is None else arguments
    results = {
        "measured_on": dt.datetime.now(dt.UTC).date().isoformat(),
        "command": shlex.join(["python", "-m", "benchmarks.import_bench", *given]),
        "machine": machine(),
        "load_average_before": load,
        "load_average_after": load_average(),
        "versions": versions(),
        "posts": options.posts,
        "small": options.small,
        "posts_of_formats": options.formats,
        "rounds": options.rounds,
        "changed_percent": CHANGED_PERCENT,
        "seconds": round(time.monotonic() - began),
        "state": "each contestant in a fresh copy of an empty migrated database; "
        "unchanged and changed follow new in the same copy",
        **measured,
    }
    results["summary"] = report.summary(results)
    options.results.parent.mkdir(parents=True, exist_ok=True)
    options.results.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    text = report.table(results)
    report.put_into(options.page, text)
    sys.stdout.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
