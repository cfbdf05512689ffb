"""The command that asks other sites for their images; see its help."""

from __future__ import annotations

import argparse
import datetime as dt
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from posts.images import remote
from posts.management.command_line import StopSignals, positive

HELP = """
Asks the hosts of remote images, one image at a time, whether each is still there, or keeps copies.
Both are off until they are configured.

  manage.py remote_images check --limit 500     notes when, what was wrong, how large it is
  manage.py remote_images mirror                keeps copies, which pages then show

"check" needs IMAGE_CHECKS=on and asks the hosts in IMAGE_HOSTS; what was wrong stands in the admin,
and no page changes by it. "mirror" asks the hosts in IMAGE_MIRROR_HOSTS for images whose licence a
person set to "cleared"; what comes is checked and encoded anew like an upload. Safe to stop and to
run again: what was asked for longest ago comes first.
"""

#: Days an image is left alone after it was asked for.
DAYS = {"check": 30, "mirror": 1}


class Command(BaseCommand):
    help = HELP

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        return super().create_parser(
            prog_name, subcommand, formatter_class=argparse.RawDescriptionHelpFormatter, **kwargs
        )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("what", choices=DAYS, help="what to do with each image")
        parser.add_argument(
            "--limit",
            type=positive,
            default=1_000,
            metavar="N",
            help="ask for N images at most (default: %(default)s)",
        )
        parser.add_argument(
            "--days",
            type=positive,
            metavar="N",
            help="leave alone what was asked for in the last N days (default: 30, mirror: 1)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        what = options["what"]
        before = timezone.now() - dt.timedelta(days=options["days"] or DAYS[what])
        if what == "check":
            if not settings.IMAGE_CHECKS:
                raise CommandError("Off. Set IMAGE_CHECKS=on to let this command ask other sites.")
            hosts, ask, sources = settings.IMAGE_HOSTS, remote.check, remote.to_check(before)
        else:
            if not settings.IMAGE_MIRROR_HOSTS:
                raise CommandError("Off. Name the hosts to copy from in IMAGE_MIRROR_HOSTS.")
            hosts, ask, sources = (
                settings.IMAGE_MIRROR_HOSTS,
                remote.mirror,
                remote.to_mirror(before),
            )
        fetcher = remote.fetcher_of(hosts)
        done = faults = 0
        with StopSignals() as stop:
            for source in list(sources[: options["limit"]]):
                if stop.was_asked:
                    break
                fault = ask(source, fetcher, timezone.now())
                done += 1
                if fault:
                    faults += 1
                    self.stderr.write(f"{source.url}: {fault}")
        self.stdout.write(f"images asked for: {done:,}; with a fault: {faults:,}")
