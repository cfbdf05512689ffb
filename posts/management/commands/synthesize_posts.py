"""`synthesize_posts`: write a made-up archive for demos, tests and load.

In: command line. Out: posts on stdout or in a file or folder, a report. Only arguments, one call
and the report live here; no database is touched.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from posts.importing.synthesizer import output
from posts.importing.synthesizer.articles import Article, synthesize
from posts.management.command_line import positive

USAGE_EXIT_CODE = 2


class Command(BaseCommand):
    """Arguments to one writer call; the report goes to stderr, or to stdout with --json."""

    help = (
        "Writes N machine-made engineering notes: the same seed gives the same bytes everywhere, "
        "and post i is the same in every slice. The database is not touched. Safe to run again: "
        "an existing output is left alone unless --force is given."
    )
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--count", type=positive, required=True, help="posts to make")
        parser.add_argument("--seed", type=int, required=True, help="which archive to make")
        parser.add_argument("--start", type=positive, default=1, help="number of the first post")
        parser.add_argument(
            "--out",
            type=Path,
            help="file (packed when it ends in .gz), or folder for text-export; default stdout",
        )
        parser.add_argument("--format", choices=("jsonl", "text-export"), default="jsonl")
        parser.add_argument(
            "--changed",
            type=_percent,
            default=0.0,
            metavar="PERCENT",
            help="share of posts that come out in their second version",
        )
        parser.add_argument("--force", action="store_true", help="replace an existing output")
        parser.add_argument(
            "--json",
            action="store_true",
            help="print the report as one JSON object, on stdout unless the posts go there",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        articles = synthesize(
            options["seed"],
            options["count"],
            options["start"],
            changed_percent=options["changed"],
        )
        out: Path | None = options["out"]
        write = (
            output.write_json_lines if options["format"] == "jsonl" else output.write_text_exports
        )
        if out is None:
            if options["format"] != "jsonl":
                raise CommandError(
                    "Text exports are one file a post: got no --out, expected a folder name",
                    returncode=USAGE_EXIT_CODE,
                )
            report = self._to_stdout(articles)
        else:
            try:
                report = write(articles=articles, out=out, overwrite=options["force"])
            except output.OutputRefused as refusal:
                raise CommandError(str(refusal), returncode=USAGE_EXIT_CODE) from refusal
            except OSError as fault:
                raise CommandError(
                    f"Writing {out} failed: {fault}. Nothing is left under that name; safe to run "
                    "again once the cause is gone"
                ) from fault
        self._tell(report, as_json=options["json"], posts_on_stdout=out is None)

    def _to_stdout(self, articles: Iterator[Article]) -> output.Report:
        started = perf_counter()
        posts = size = 0
        try:
            for lines, chunk in output.json_lines(articles):
                self.stdout.write(chunk.decode(), ending="")
                posts += lines
                size += len(chunk)
            self.stdout.flush()
        except BrokenPipeError:
            # The reader, `head` for one, has enough. Without this, Python complains once more
            # when it flushes the closed pipe at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return output.Report(posts, size, perf_counter() - started)

    def _tell(self, report: output.Report, *, as_json: bool, posts_on_stdout: bool) -> None:
        seconds = max(report.seconds, 1e-6)
        if as_json:
            told = {
                "posts": report.posts,
                "bytes": report.bytes,
                "seconds": round(report.seconds, 3),
                "posts_per_second": round(report.posts / seconds),
            }
            (self.stderr if posts_on_stdout else self.stdout).write(
                json.dumps(told), style_func=str
            )
            return
        self.stderr.write(
            f"posts={report.posts} bytes={report.bytes} seconds={report.seconds:.2f} "
            f"posts_per_second={report.posts / seconds:.0f}",
            style_func=str,
        )


def _percent(text: str) -> float:
    try:
        share = float(text.removesuffix("%"))
    except ValueError:
        share = -1.0
    if not 0 <= share <= 100:
        raise argparse.ArgumentTypeError(f"got {text!r}, expected 0 to 100, such as 5 or 5%")
    return share
