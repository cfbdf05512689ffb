"""The command that lets old logs of imports go; see its help."""

from __future__ import annotations

import argparse
import datetime as dt
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from posts.importing import retention, uploads
from posts.management.command_line import positive
from posts.models import ImportCheckpoint, ImportReject

HELP = """
Deletes checkpoints and rejects of old runs, and files of the import page that nobody confirmed or
that failed; says how many. Runs with their counts and events stay for good, and so do all posts.

  manage.py prune_imports --dry-run
  manage.py prune_imports --checkpoints-days 30 --rejects-days 180

Of every source, everything of the newest run, of the newest import, of the last complete import
and of the runs these went on with is kept, whatever its age: an interrupted import can still go
on. Works in short transactions. Safe to stop and to run again.
"""


class Command(BaseCommand):
    help = HELP

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        return super().create_parser(
            prog_name, subcommand, formatter_class=argparse.RawDescriptionHelpFormatter, **kwargs
        )

    def add_arguments(self, parser: CommandParser) -> None:
        for name, days in (
            ("checkpoints", retention.CHECKPOINT_DAYS),
            ("rejects", retention.REJECT_DAYS),
        ):
            parser.add_argument(
                f"--{name}-days",
                type=_days,
                default=days,
                metavar="N",
                help=f"keep {name} of runs that ended in the last N days (default: %(default)s)",
            )
        parser.add_argument(
            "--uploads-days",
            type=_days,
            default=uploads.KEEP_DAYS,
            metavar="N",
            help="keep files of the import page of the last N days (default: %(default)s)",
        )
        parser.add_argument("--dry-run", action="store_true", help="only say how many")

    def handle(self, *args: Any, **options: Any) -> None:
        now = timezone.now()
        is_dry_run = options["dry_run"]
        verb = "would be deleted" if is_dry_run else "deleted"
        logs: tuple[tuple[str, retention.Log], ...] = (
            ("checkpoints", ImportCheckpoint),
            ("rejects", ImportReject),
        )
        for name, log in logs:
            days = options[f"{name}_days"]
            runs = retention.prunable(log, before=now - dt.timedelta(days=days))
            number = retention.count(log, runs) if is_dry_run else retention.prune(log, runs)
            self.stdout.write(f"{number:,} {name} of {len(runs):,} runs {verb}.")
        old = uploads.let_go(before=now - dt.timedelta(days=options["uploads_days"]))
        number = old.count() if is_dry_run else old.delete()[0]
        self.stdout.write(f"{number:,} uploads {verb}.")


def _days(text: str) -> int:
    days = positive(text)
    if days > 36_500:
        raise argparse.ArgumentTypeError(f"{text} days; expected at most 36500")
    return days
