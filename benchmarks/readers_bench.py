"""How long readers and an editor wait while posts are imported into the database of the site.

In: sizes, rounds, a PostgreSQL server on which `alphanode_torture…` may be dropped. Out: a table on
stdout, figures as JSON; exit 1 above the limits. Article pages by gunicorn, cache off; idle and
busy windows take turns in one run.
"""

from __future__ import annotations

import argparse
import json
import shlex
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.import_bench import load_average, machine, say, versions
from benchmarks.readers_load import LockWatch, Readers, percentile
from benchmarks.torture_harness import COMPLETE, Place, last_lines
from benchmarks.torture_inputs import InputsError, synthesized
from benchmarks.torture_places import ROOT, Child, PostgreSQL, SQLite, environment

DEFAULT_URL = "postgres://postgres@127.0.0.1:5432/alphanode_torture_readers"
VENDORS = ("sqlite", "postgresql")
RESULTS = ROOT / "benchmarks" / "results" / "readers.json"
ARTICLES, SOURCE = "articles", "archive"
JOBS = "benchmarks.readers_jobs"
READER, EDITOR = "alphanode-reader", "alphanode-editor"
START_SECONDS = 30


class ReadersError(Exception):
    """The measurement could not be made: what failed, and what it said."""


class Bench:
    """One database: its site, its readers, and the windows they were measured in."""

    def __init__(self, options: argparse.Namespace, folder: Path, place: Place) -> None:
        self.options, self.folder, self.place = options, folder, place

    def measured(self) -> dict[str, Any]:
        """Return the figures of all windows."""
        options, place = self.options, self.place
        place.build()
        place.renew()
        self._imported(self._slice("articles", 1, options.articles), ARTICLES)
        paths = json.loads(self._job("prepare"))
        if len(paths) < options.articles:
            raise ReadersError(f"{len(paths)} articles are listed, expected {options.articles}")
        files = [
            self._slice(f"archive-{n}", 1 + options.articles + n * options.posts, options.posts)
            for n in range(options.rounds)
        ]
        windows: list[dict[str, Any]] = []
        watch = LockWatch(place.url) if isinstance(place, PostgreSQL) else None
        with self._site(paths[0]) as port:
            readers = Readers(port, paths, readers=options.readers, rate=options.rate)
            editor = Child(
                ["-m", JOBS, "edit", "--source", ARTICLES, "--pause", str(options.pause)],
                database_url=self._named(EDITOR),
                folder=self.folder,
                name="editor",
                stdin=subprocess.PIPE,
            )
            editor.wait_for(editor.has_spoken)
            if watch is not None:
                watch.start()
            readers.start()
            time.sleep(options.settle_seconds)
            for number, file in enumerate(files, 1):
                windows.append(self._idle(number))
                windows.append(self._busy(number, file))
                time.sleep(options.settle_seconds)
            readers.stop()
            if watch is not None:
                watch.stop()
            assert editor.process.stdin is not None  # noqa: S101  (asked for above)
            editor.process.stdin.close()
            ended = editor.wait(START_SECONDS)
        if ended.code != 0:
            raise ReadersError(f"the editor ended with {ended.code}: {last_lines(ended.err)}")
        for window in windows:
            _fill(window, readers, json.loads(ended.out), watch)
        place.remove()
        return _summary(windows, watch)

    def _idle(self, number: int) -> dict[str, Any]:
        began = time.time()
        time.sleep(self.options.idle_seconds)
        say(f"  {self.place.vendor} round {number}: idle {self.options.idle_seconds:.0f} s")
        return {"round": number, "is_busy": False, "began": began, "ended": time.time()}

    def _busy(self, number: int, file: Path) -> dict[str, Any]:
        child = self._import_of(file, SOURCE)
        child.wait_for(child.has_spoken)
        began = time.time()
        told = self._told(child)
        rate = round(told["read"] / told["seconds"])
        say(f"  {self.place.vendor} round {number}: busy {told['seconds']:.1f} s, {rate:,} posts/s")
        return {
            "round": number,
            "is_busy": True,
            "began": began,
            "ended": time.time(),
            "posts_per_second": rate,
        }

    def _slice(self, name: str, start: int, posts: int) -> Path:
        path = self.folder / f"{name}.jsonl"
        lines = synthesized(posts, self.options.seed, start=start)
        path.write_bytes(b"".join(line + b"\n" for line in lines))
        return path

    def _import_of(self, file: Path, source: str) -> Child:
        more = ["--rejects", str(self.folder / "rejects.jsonl")]
        for name in ("batch_size", "nice"):
            if (value := getattr(self.options, name)) is not None:
                more += [f"--{name.replace('_', '-')}", str(value)]
        return Child(
            # Not --json: its first line says that reading begins.
            ["manage.py", "import_posts", str(file), "--source", source, *more],
            database_url=self.place.url,
            folder=self.folder,
            name="import",
        )

    def _imported(self, file: Path, source: str) -> None:
        self._told(self._import_of(file, source))

    def _told(self, child: Child) -> dict[str, Any]:
        """Wait for an import; return what its run says it read and took."""
        ended = child.wait(START_SECONDS + self.options.posts / 50)
        if ended.code != COMPLETE:
            raise ReadersError(f"the import ended with {ended.code}: {last_lines(ended.err)}")
        statement = "SELECT read FROM posts_importrun ORDER BY id DESC LIMIT 1"
        return {"read": self.place.run(statement)[0][0], "seconds": ended.seconds}

    def _job(self, step: str) -> str:
        ended = Child(
            ["-m", JOBS, step, "--source", ARTICLES],
            database_url=self.place.url,
            folder=self.folder,
            name=step,
        ).wait(START_SECONDS + self.options.articles / 10)
        if ended.code != 0:
            raise ReadersError(f"{step} ended with {ended.code}: {last_lines(ended.err)}")
        return ended.out

    def _named(self, name: str) -> str:
        """Return the address of the database with a name by which the server lists who waits."""
        if isinstance(self.place, PostgreSQL):
            return f"{self.place.url}?application_name={name}"
        return self.place.url

    @contextmanager
    def _site(self, path: str) -> Iterator[int]:
        """Run gunicorn as in production, but for the cache; yield its port when a page answers."""
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        log = self.folder / "gunicorn.log"
        with log.open("wb") as out:
            server = subprocess.Popen(
                [
                    *(sys.executable, "-m", "gunicorn", "-c", "alphanode/gunicorn.conf.py"),
                    *("--bind", f"127.0.0.1:{port}", "--workers", str(self.options.workers)),
                ],
                cwd=ROOT,
                env={
                    **environment(self._named(READER)),
                    "DJANGO_SETTINGS_MODULE": "benchmarks.readers_settings",
                    "ALLOWED_HOSTS": "127.0.0.1",
                    "PUBLIC_URL": f"http://127.0.0.1:{port}",
                },
                stdout=out,
                stderr=subprocess.STDOUT,
            )
        try:
            deadline = time.monotonic() + START_SECONDS
            while time.monotonic() < deadline and server.poll() is None:
                with suppress(OSError):
                    urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=2)
                    break
                time.sleep(0.1)
            else:
                raise ReadersError(f"gunicorn did not start: {last_lines(log.read_text())}")
            yield port
        finally:
            server.terminate()
            server.wait(START_SECONDS)


def _fill(
    window: dict[str, Any], readers: Readers, saves: list[dict[str, Any]], watch: LockWatch | None
) -> None:
    """Add what happened in a window to it; times become milliseconds."""
    began, ended = window["began"], window["ended"]
    answers = [one for one in readers.answers if began <= one.at < ended]
    seconds = [one.seconds for one in answers]
    own = [one for one in saves if began <= one["at"] < ended]
    waits = [one for one in (watch.waits if watch else ()) if began <= one[0] < ended]
    window |= {
        "pages": len(answers),
        "failed": sum(one.status != 200 for one in answers),
        "page_p50_ms": _ms(percentile(seconds, 0.5)),
        "page_p95_ms": _ms(percentile(seconds, 0.95)),
        "page_max_ms": _ms(max(seconds, default=0)),
        "saves": len(own),
        "save_p95_ms": _ms(percentile([one["seconds"] for one in own], 0.95)),
        "save_max_ms": _ms(max((one["seconds"] for one in own), default=0)),
        "save_wait_max_ms": _ms(
            max((one["wait"] for one in own), default=0)
            if watch is None
            else max((wait for _, name, wait in waits if name == EDITOR), default=0)
        ),
        "page_wait_max_ms": _ms(
            max((wait for _, name, wait in waits if name == READER), default=0)
        ),
    }
    window["seconds"] = round(window.pop("ended") - window.pop("began"), 1)


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 1)


def _summary(windows: list[dict[str, Any]], watch: LockWatch | None) -> dict[str, Any]:
    """Return the figures of the bar: the ratio is taken in a round, the median is of the rounds."""
    pairs = list(zip(windows[::2], windows[1::2], strict=True))
    busy = [after for _, after in pairs]
    return {
        "ratio_p95": round(
            statistics.median(b["page_p95_ms"] / i["page_p95_ms"] for i, b in pairs), 2
        ),
        "idle_p95_ms": round(statistics.median(i["page_p95_ms"] for i, _ in pairs), 1),
        "busy_p95_ms": round(statistics.median(b["page_p95_ms"] for b in busy), 1),
        "posts_per_second": round(statistics.median(b["posts_per_second"] for b in busy)),
        "page_wait_max_ms": max(b["page_wait_max_ms"] for b in busy),
        "save_wait_max_ms": max(b["save_wait_max_ms"] for b in busy),
        "save_p95_ms": max(b["save_p95_ms"] for b in busy),
        "failed": sum(one["failed"] for one in windows),
        "lock_samples": watch.samples if watch is not None else None,
        "windows": windows,
    }


def table(results: dict[str, Any]) -> list[str]:
    """Return the figures as lines of Markdown."""
    rows = [
        ("article page, p95 idle, ms", "idle_p95_ms"),
        ("article page, p95 during the import, ms", "busy_p95_ms"),
        ("ratio, median of the rounds", "ratio_p95"),
        ("longest wait of a page for a lock, ms", "page_wait_max_ms"),
        ("longest wait of a save for a lock, ms", "save_wait_max_ms"),
        ("save of an editor, p95 during the import, ms", "save_p95_ms"),
        ("pages that were no answer 200", "failed"),
        ("posts imported a second meanwhile", "posts_per_second"),
    ]
    vendors = list(results)
    return [
        f"| | {' | '.join(vendors)} |",
        f"|---|{'---:|' * len(vendors)}",
        *(
            f"| {label} | {' | '.join(format(results[v][name], ',') for v in vendors)} |"
            for label, name in rows
        ),
    ]


def options_of(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.readers_bench", description=__doc__)
    parser.add_argument("--posts", type=int, default=20_000, help="imported in each round")
    parser.add_argument("--articles", type=int, default=2_000, help="listed before, and read")
    parser.add_argument("--rounds", type=int, default=3, help="of an idle and a busy window")
    parser.add_argument("--idle-seconds", type=float, default=20)
    parser.add_argument("--settle-seconds", type=float, default=3, help="before each round")
    parser.add_argument("--readers", type=int, default=4, help="connections")
    parser.add_argument("--rate", type=float, default=8, help="article pages a second in all")
    parser.add_argument("--pause", type=float, default=0.25, help="seconds between two saves")
    parser.add_argument("--batch-size", type=int, help="of the import (default: its own)")
    parser.add_argument("--nice", type=int, help="of the import, 0 to 19 (default: its own)")
    parser.add_argument("--workers", type=int, default=2, help="of gunicorn")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--databases", default=list(VENDORS), type=lambda text: text.split(","))
    parser.add_argument("--database-url", default=DEFAULT_URL)
    parser.add_argument("--most-ratio", type=float, default=2.0, help="of the two p95")
    parser.add_argument("--most-wait", type=float, default=200, help="ms for a lock")
    parser.add_argument("--json", type=Path, default=RESULTS, metavar="FILE")
    return parser.parse_args(arguments)


def above_limits(results: dict[str, Any], options: argparse.Namespace) -> list[str]:
    """Return every figure that is above its limit, as a line."""
    limits = {
        "ratio_p95": options.most_ratio,
        "page_wait_max_ms": options.most_wait,
        "save_wait_max_ms": options.most_wait,
        "failed": 0,
    }
    return [
        f"{vendor}: {name} is {one[name]:g}, expected at most {most:g}"
        for vendor, one in results.items()
        for name, most in limits.items()
        if one[name] > most
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure on each database; return 1 when a figure is above its limit."""
    options = options_of(arguments)
    before = load_average()
    folder = Path(tempfile.mkdtemp(prefix="alphanode-readers-"))
    try:
        results = {}
        for vendor in options.databases:
            place = SQLite(folder) if vendor == "sqlite" else PostgreSQL(options.database_url)
            results[vendor] = Bench(options, folder, place).measured()
    except (ReadersError, InputsError, ValueError, psycopg.Error, TimeoutError) as error:
        say(f"{error}\nNo result was written. Safe to run again.")
        return 1
    finally:
        shutil.rmtree(folder)
    given = sys.argv[1:] if arguments is None else arguments
    told = {
        "command": shlex.join(["python", "-m", "benchmarks.readers_bench", *given]),
        "machine": machine(),
        "versions": versions(),
        "load_average_before": before,
        "load_average_after": load_average(),
        **{name: getattr(options, name) for name in ("posts", "articles", "rounds", "readers")},
        **{
            name: getattr(options, name)
            for name in ("rate", "pause", "workers", "nice", "batch_size", "idle_seconds")
        },
        "databases": results,
    }
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    problems = above_limits(results, options)
    sys.stdout.write("\n".join([*table(results), *problems]) + "\n")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
