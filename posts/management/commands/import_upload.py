"""The command that carries an import out which was confirmed on a page; see its help."""

from __future__ import annotations

import argparse
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from posts.importing import uploads
from posts.management.command_line import StopSignals, positive
from posts.models import ImportRun, ImportUpload

HELP = """
Imports a file that somebody chose and confirmed on the import page of the admin. The page starts it
by itself; by hand it is needed only where no process may be started (BULK_PROCESS=off) or to go on.

  manage.py import_upload 12

The engine, its protection of what people wrote, and its runs are those of import_posts. Safe to run
again: it goes on behind the last batch, and a file that is in the archive is found unchanged.

Exit codes: 0 complete; 1 failed, the page tells why; 130 stopped by a signal after the batch.
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
        parser.add_argument("upload", type=positive, metavar="UPLOAD", help="number of its page")

    def handle(self, *args: Any, **options: Any) -> None:
        upload = ImportUpload.objects.filter(pk=options["upload"]).first()
        if upload is None or upload.confirmed_at is None:
            raise CommandError(
                f"There is no confirmed upload {options['upload']}. Nothing was imported."
            )
        if not upload.content:
            raise CommandError(f"{upload} was imported before. Nothing was done.")
        with StopSignals() as signals:
            run = uploads.carry_out(upload, should_stop=lambda: signals.was_asked)
        if upload.problem:
            raise CommandError(f"{upload.problem} What was imported stays; run it again.")
        if run is not None and run.state == ImportRun.State.STOPPED:
            self.stderr.write("Stopped between two batches. Run it again to go on.")
            raise SystemExit(STOPPED)
        if options["verbosity"] > 0:
            self.stdout.write(f"{run or 'No record, no run'}: {run.read if run else 0:,} read.")
