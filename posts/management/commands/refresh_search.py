"""The command that makes the search entries anew; see its help. Arguments in, calls, report out."""

from __future__ import annotations

import argparse
import json
import sys
import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError

from posts.management.command_line import StopSignals, positive
from posts.search import database, entries

HELP = """
Makes search know every listed post as it is, and tells how many entries were written.

  manage.py refresh_search
  manage.py refresh_search --after 120000    go on behind this post

Run it once after the migration that brings search, and after an update that changes which words a
text has. Otherwise every door keeps the entries by itself, and this writes nothing. Entries are
derived: no text and no decision changes, and nothing is found that is not listed, whether or not
this has run. Works in short transactions; memory does not grow with the archive. Safe to stop, to
run again and to run beside imports and reviews. -v 0 tells errors only.

Exit codes: 0 complete; 1 failed; 2 wrong usage; 130 stopped by a signal after the current step.
"""

#: Seconds between two lines of progress.
PLAIN_SECONDS = 10
STOPPED = 130


class Command(BaseCommand):
    help = HELP
    requires_migrations_checks = True

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        return super().create_parser(
            prog_name, subcommand, formatter_class=argparse.RawDescriptionHelpFormatter, **kwargs
        )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--after",
            type=positive,
            default=0,
            metavar="ID",
            help="go on behind this post; a stopped run says where it was",
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            self._refresh(options)
        except DatabaseError as error:
            raise CommandError(
                f"The search entries were not finished: {error}. What was written stays. When the "
                "cause is gone, run the same command again."
            ) from error

    def _refresh(self, options: dict[str, Any]) -> None:
        last = options["after"]
        started = told = time.monotonic()
        seen = written = 0
        with StopSignals() as signals:
            while True:
                step = entries.rebuild(after=last)
                seen, written = seen + step.seen, written + step.written
                if step.last is None:
                    break
                last = step.last
                if signals.was_asked:
                    break
                if options["verbosity"] > 0 and time.monotonic() - told >= PLAIN_SECONDS:
                    told = time.monotonic()
                    self.stderr.write(
                        f"{seen:,} posts | {written:,} entries written | "
                        f"{seen / (told - started):,.0f}/s"
                    )
        if written:
            database.settle()
        seconds = time.monotonic() - started
        stopped = step.last is not None
        if options["json"]:
            self.stdout.write(
                json.dumps(
                    {
                        "posts": seen,
                        "written": written,
                        "last": last,
                        "state": "stopped" if stopped else "complete",
                        "seconds": round(seconds, 3),
                    }
                )
            )
        elif options["verbosity"] > 0:
            self.stdout.write(
                f"{seen:,} posts looked at, {written:,} entries written, {seconds:,.1f} s."
            )
            if stopped:
                self.stdout.write(f"Stopped. To go on:\n  manage.py refresh_search --after {last}")
        if stopped:
            sys.exit(STOPPED)
