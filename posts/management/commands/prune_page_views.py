"""The command that lets old page views go; see its help."""

from __future__ import annotations

import argparse
import datetime as dt
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from posts import page_views
from posts.management.command_line import positive

HELP = """
Deletes the page views of weeks long past, and says how many rows. Only the last weeks decide what
is read most; older ones are kept for people who ask.

  manage.py prune_page_views --weeks 104

Works in short transactions. Safe to stop and to run again.
"""


class Command(BaseCommand):
    help = HELP

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        return super().create_parser(
            prog_name, subcommand, formatter_class=argparse.RawDescriptionHelpFormatter, **kwargs
        )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--weeks",
            type=_weeks,
            default=104,
            metavar="N",
            help="keep this week and N before it (default: %(default)s)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        this_week = page_views.week_of(timezone.now())
        deleted = page_views.prune(before=this_week - dt.timedelta(weeks=options["weeks"]))
        self.stdout.write(f"{deleted:,} rows of page views deleted.")


def _weeks(text: str) -> int:
    weeks = positive(text)
    if not page_views.WEEKS <= weeks <= 5_000:
        raise argparse.ArgumentTypeError(
            f"{text} weeks; expected {page_views.WEEKS} (what is read most needs them) to 5000"
        )
    return weeks
