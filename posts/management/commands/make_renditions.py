"""The command that makes AVIF renditions of stored images; see its help."""

from __future__ import annotations

import argparse
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from posts.images import renditions
from posts.management.command_line import StopSignals, positive
from posts.models import StoredImage

HELP = """
Makes the AVIF renditions of uploaded and mirrored images; pages offer them once all of an image are
there. WebP and JPEG need no command: they are made when a page is first read.

  manage.py make_renditions                from cron, as often as wanted
  manage.py make_renditions --limit 100

Safe to stop and to run again: what is there is not made twice.
"""


class Command(BaseCommand):
    help = HELP

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        return super().create_parser(
            prog_name, subcommand, formatter_class=argparse.RawDescriptionHelpFormatter, **kwargs
        )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--limit", type=positive, metavar="N", help="stop after N images (default: all)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if not renditions.can_make_avif():
            raise CommandError("This Pillow cannot write AVIF. Install the one of the lock file.")
        ids = StoredImage.objects.filter(has_avif=False).order_by("pk").values_list("pk", flat=True)
        made = images = missing = 0
        with StopSignals() as stop:
            for pk in list(ids[: options["limit"]]):
                if stop.was_asked:
                    break
                stored = StoredImage.objects.filter(pk=pk).first()
                if stored is None:
                    continue
                try:
                    made += renditions.make_avif(stored)
                    images += 1
                except renditions.MissingFileError:
                    missing += 1
                    self.stderr.write(f"{stored.digest}: its file is missing in MEDIA_FOLDER")
        self.stdout.write(f"images: {images:,}; renditions made: {made:,}; missing: {missing:,}")
        if missing:
            raise SystemExit(1)
