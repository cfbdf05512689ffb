"""The command that seals the history; see its help."""

from __future__ import annotations

import argparse
import datetime as dt
import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from posts import seals
from posts.models import Seal

HELP = f"""
Seals every event older than some minutes and prints number and hash of the newest seal.

  manage.py seal_history
  manage.py seal_history --older-than 0 --json

A seal is a digest over a range of events, {seals.SEAL_EVENTS:,} at most, chained to the seal
before. From then on verify_history finds every row of the range that was changed, removed or added,
even when the whole chain of a post was written anew. Keep the printed line on another machine: with
verify_history --expect-seal it also proves that the seals are the ones made then.

No transaction can add an event below a seal: those that have begun are waited for, and nobody
waits for this command. When one lasts longer than --wait, nothing is sealed and the exit code is 1.
Safe to run again and at any time; run it from cron every hour or so.
"""


class Command(BaseCommand):
    help = HELP

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        return super().create_parser(
            prog_name, subcommand, formatter_class=argparse.RawDescriptionHelpFormatter, **kwargs
        )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--older-than",
            type=_number,
            default=seals.OLDER_THAN.total_seconds() / 60,
            metavar="MINUTES",
            help="leave younger events for the next time (default: %(default)g)",
        )
        parser.add_argument(
            "--wait",
            type=_number,
            default=seals.WAIT_SECONDS,
            metavar="SECONDS",
            help="how long to wait for transactions that began earlier (default: %(default)g)",
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            made = seals.seal_events(
                now=timezone.now(),
                older_than=dt.timedelta(minutes=options["older_than"]),
                wait_seconds=options["wait"],
            )
        except seals.StillWritingError as error:
            raise CommandError(str(error)) from error
        newest = made[-1] if made else Seal.objects.order_by("-number").first()
        told = {
            "seals": len(made),
            "events": sum(seal.count for seal in made),
            "newest": newest and f"{newest.number}:{newest.hash}",
        }
        if options["json"]:
            self.stdout.write(json.dumps(told))
            return
        if made:
            self.stdout.write(f"{told['events']:,} events sealed by {told['seals']:,} seals.")
        else:
            self.stdout.write("Nothing to seal: no event is old enough and not sealed yet.")
        if newest is not None:
            self.stdout.write(f"newest seal {told['newest']}")


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1
    if not 0 <= value <= 1_000_000:
        raise argparse.ArgumentTypeError(f"got {text!r}, expected a number from 0 to 1000000")
    return value
