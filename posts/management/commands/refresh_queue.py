"""The command that makes the review queue anew; see its help. Arguments in, calls, report out."""

from __future__ import annotations

import argparse
import json
import sys
import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError
from django.utils import timezone

from posts import queue, risk, risk_learning
from posts.management.command_line import StopSignals, positive

HELP = """
Makes the rows of the review queue say what the posts say, and tells how many were written.

  manage.py refresh_queue
  manage.py refresh_queue --after 120000    go on behind this post

Learns first how rare each contradicted claim is and how many drafts of each generator's scenario
were sent back, and weighs the risk of every draft by that until it runs again: once a night is
enough. With --after nothing is learned anew, so that a stopped run goes on with the same weights.

Run it also once after the migration that brings the queue, and after `check_claims` or an update
that changes how risk is told. Otherwise every door keeps the queue by itself. Rows are derived: no
text and no decision changes, and who has a draft open keeps it. Works in short transactions. Safe
to stop, to run again and to run beside imports. -v 0 tells errors only.

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
                f"The queue was not finished: {error}. What was written stays. When the cause is "
                "gone, run the same command again."
            ) from error

    def _refresh(self, options: dict[str, Any]) -> None:
        last = options["after"]
        started = told = time.monotonic()
        seen = written = 0
        if not last:
            risk_learning.learn(now=timezone.now())
        with StopSignals() as signals:
            while True:
                step = queue.rebuild(after=last)
                seen, written = seen + step.seen, written + step.written
                if step.last is None:
                    break
                last = step.last
                if signals.was_asked:
                    break
                if options["verbosity"] > 0 and time.monotonic() - told >= PLAIN_SECONDS:
                    told = time.monotonic()
                    self.stderr.write(
                        f"{seen:,} posts | {written:,} rows written | "
                        f"{seen / (told - started):,.0f}/s"
                    )
        seconds = time.monotonic() - started
        stopped = step.last is not None
        if options["json"]:
            self.stdout.write(
                json.dumps(
                    {
                        "rules_version": risk.RULES_VERSION,
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
                f"{seen:,} posts looked at, {written:,} queue rows written, {seconds:,.1f} s."
            )
            if stopped:
                self.stdout.write(f"Stopped. To go on:\n  manage.py refresh_queue --after {last}")
        if stopped:
            sys.exit(STOPPED)
