"""Commands that walk over the archive and make derived rows anew: loop, progress, stop, report.

In: a function that does one step and returns a `rebuilding.Step`. Out: what all steps did. Stopped
by a signal it ends behind a step, and says from where to go on.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NamedTuple

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError

from posts.management.command_line import StopSignals, positive
from posts.rebuilding import Step

#: Seconds between two lines of progress.
PLAIN_SECONDS = 10
STOPPED = 130


class Walked(NamedTuple):
    """What a walk did so far: the last row looked at, rows looked at and written, seconds."""

    last: int
    seen: int
    written: int
    seconds: float
    is_stopped: bool

    @property
    def rate(self) -> float:
        """Rows looked at a second."""
        return self.seen / self.seconds if self.seconds else 0.0


def walk(
    step: Callable[[int], Step], *, after: int = 0, tell: Callable[[Walked], None] | None = None
) -> Walked:
    """Take steps until one says that it was the last, or a signal asks to stop.

    `step` is called with the row behind which it begins; `tell` every `PLAIN_SECONDS`.
    """
    started = told = time.monotonic()
    last, seen, written = after, 0, 0
    with StopSignals() as signals:
        while True:
            done = step(last)
            seen, written = seen + done.seen, written + done.written
            is_stopped = done.last is not None and signals.was_asked
            last = done.last or last
            now = time.monotonic()
            so_far = Walked(last, seen, written, now - started, is_stopped)
            if done.last is None or is_stopped:
                return so_far
            if tell is not None and now - told >= PLAIN_SECONDS:
                told = now
                tell(so_far)


class WalkingCommand(BaseCommand):
    """A command that makes derived rows anew, with --after, --json and progress on stderr."""

    requires_migrations_checks = True
    #: Name of the command, for the line that says how to go on.
    name: ClassVar[str]
    #: What is walked over, and what is written, in the plural.
    walked: ClassVar[str] = "posts"
    written: ClassVar[str]
    #: Begins the message of a failure.
    failure: ClassVar[str]
    #: What else the JSON holds.
    facts: ClassVar[Mapping[str, Any]] = {}

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
            help=f"go on behind this one of the {self.walked}; a stopped run says where it was",
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    @abstractmethod
    def step(self, after: int) -> Step:
        """Make the next rows behind `after` anew."""

    def begin(self, after: int) -> None:
        """Do what comes before the first step."""

    def end(self, done: Walked) -> None:
        """Do what comes behind the last step, also of a walk that was stopped."""

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            self.begin(options["after"])
            done = walk(
                self.step,
                after=options["after"],
                tell=self._tell if options["verbosity"] > 0 else None,
            )
            self.end(done)
        except DatabaseError as error:
            raise CommandError(
                f"{self.failure}: {error}. What was written stays. When the cause is gone, run the "
                "same command again."
            ) from error
        self._report(done, options)

    def _tell(self, so_far: Walked) -> None:
        self.stderr.write(
            f"{so_far.seen:,} {self.walked} | {so_far.written:,} {self.written} written | "
            f"{so_far.rate:,.0f}/s"
        )

    def _report(self, done: Walked, options: dict[str, Any]) -> None:
        if options["json"]:
            state = "stopped" if done.is_stopped else "complete"
            counts = {self.walked: done.seen, "written": done.written, "last": done.last}
            more = {"state": state, "seconds": round(done.seconds, 3)}
            self.stdout.write(json.dumps({**self.facts, **counts, **more}))
        elif options["verbosity"] > 0:
            self.stdout.write(
                f"{done.seen:,} {self.walked} looked at, {done.written:,} {self.written} written, "
                f"{done.seconds:,.1f} s."
            )
            if done.is_stopped:
                self.stdout.write(
                    f"Stopped. To go on:\n  manage.py {self.name} --after {done.last}"
                )
        if done.is_stopped:
            sys.exit(STOPPED)
