"""The command that checks the history; see its help."""

from __future__ import annotations

import argparse
import json
import sys
import time
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from posts import verification
from posts.management.command_line import positive

HELP = """
Checks every chain of events and every seal; says what was checked and what does not hold.

  manage.py verify_history
  manage.py verify_history --post 7 --post 9
  manage.py verify_history --since-seal 41 --expect-seal 41:5d0c...

Of each subject (a post, a run, a person, the site) the first broken link is named: what was
expected, what was found, and the seals it falls under. A change of any column, a missing row, also
the newest of a chain, and a row that was added are found. --since-seal N checks later seals and the
chains that went on since; --expect-seal compares a seal with the line that seal_history printed.

Exit codes: 0 everything holds, 1 something does not, 2 usage. Reads only, in pages; works beside
people and imports, and may be stopped at any time.
"""
#: Broken links told one by one without --json.
SHOWN = 100


class Command(BaseCommand):
    help = HELP

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        return super().create_parser(
            prog_name, subcommand, formatter_class=argparse.RawDescriptionHelpFormatter, **kwargs
        )

    def add_arguments(self, parser: CommandParser) -> None:
        for name in ("post", "run"):
            parser.add_argument(
                f"--{name}",
                type=positive,
                action="append",
                metavar="N",
                help=f"only the chain of this {name}; may be repeated",
            )
        parser.add_argument(
            "--since-seal", type=positive, metavar="N", help="only what came after this seal"
        )
        parser.add_argument(
            "--expect-seal", type=_seal, metavar="N:HASH", help="a seal as it was printed"
        )
        parser.add_argument(
            "--json", action="store_true", help="print one JSON object with all broken links"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        started = time.monotonic()
        tally = verification.Tally()
        number = 0
        told = []
        for one in verification.breaks(
            tally,
            posts=options["post"] or ([] if options["run"] else None),
            runs=options["run"] or ([] if options["post"] else None),
            since_seal=options["since_seal"],
            expected_seal=options["expect_seal"],
        ):
            number += 1
            if options["json"]:
                told.append(one.as_dict())
            elif number <= SHOWN:
                self.stdout.write(_in_words(one))
        seconds = time.monotonic() - started
        if options["json"]:
            self.stdout.write(
                json.dumps(
                    {
                        "holds": not number,
                        "events": tally.events,
                        "chains": tally.chains,
                        "seals": tally.seals,
                        "sealed_events": tally.sealed_events,
                        "unsealed_events": tally.unsealed_events,
                        "seconds": round(seconds, 3),
                        "events_per_second": round(tally.events / seconds) if seconds else 0,
                        "breaks": told,
                    }
                )
            )
        else:
            self._sum_up(tally, number, seconds)
        if number:
            sys.exit(1)

    def _sum_up(self, tally: verification.Tally, number: int, seconds: float) -> None:
        if number > SHOWN:
            self.stdout.write(f"… and {number - SHOWN:,} more; --json tells all.")
        self.stdout.write(
            f"{tally.events:,} events in {tally.chains:,} chains, {tally.seals:,} seals over "
            f"{tally.sealed_events:,} events, {tally.unsealed_events:,} events not sealed yet; "
            f"{seconds:.1f} s."
        )
        self.stdout.write(
            f"{number:,} broken. Compare with a backup from before; docs/operations.md says how."
            if number
            else "Everything holds."
        )


def _in_words(one: verification.Break) -> str:
    place = f" at {one.sequence}" if one.sequence is not None else ""
    event = f" (event {one.event})" if one.event else ""
    if one.subject.startswith("seal:"):
        sealed = ""
    elif one.seals:
        sealed = f"; under seal {', '.join(map(str, one.seals))}"
    else:
        sealed = "; not sealed yet"
    return (
        f"{one.subject}{place}{event}: {one.code}, expected {one.expected or 'nothing'}, "
        f"found {one.found or 'nothing'}{sealed}"
    )


def _seal(text: str) -> tuple[int, str]:
    number, _, hashed = text.partition(":")
    if not number.isascii() or not number.isdecimal() or len(hashed) != 64:
        raise argparse.ArgumentTypeError(
            f"got {text[:80]!r}, expected a number, a colon and 64 hexadecimal digits"
        )
    return int(number), hashed
