"""The command that mails what people have not read about their work; see its help."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from posts import mailing
from posts.management.command_line import StopSignals

HELP = """
Mails each person one digest of the notices that no mail has told them of, and says how many left.

  manage.py send_notices            hourly or daily, by cron

Nobody gets one mail a post: a notice counts what was returned or held of a post or a source. Left
out are people without an address, with a closed account, or who want no mails. A mail that does not
leave is kept with its error and tried again by the next call. Does nothing while EMAIL_URL names no
server. Safe to stop and to run again.

Exit codes: 0 all mails left, or none was due; 1 some did not leave; 130 stopped by a signal.
"""

STOPPED = 130


class Command(BaseCommand):
    help = HELP
    requires_migrations_checks = True

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        return super().create_parser(
            prog_name, subcommand, formatter_class=argparse.RawDescriptionHelpFormatter, **kwargs
        )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        sent = failed = 0
        is_stopped = False
        if not mailing.is_configured():
            self.stderr.write("No mail was sent: EMAIL_URL names no server. Notices stay unread.")
        else:
            with StopSignals() as signals:
                for person in mailing.waiting():
                    done = mailing.send_digest(person, timezone.now())
                    if done.error:
                        failed += 1
                        self.stderr.write(
                            f"The digest of person {person.pk} did not leave: {done.error}. The "
                            "next call tries again."
                        )
                    else:
                        sent += 1
                    is_stopped = signals.was_asked
                    if is_stopped:
                        break
        if options["json"]:
            self.stdout.write(json.dumps({"sent": sent, "failed": failed}))
        elif options["verbosity"] > 0:
            self.stdout.write(f"{sent:,} digests sent, {failed:,} did not leave.")
        if is_stopped:
            sys.exit(STOPPED)
        if failed:
            sys.exit(1)
