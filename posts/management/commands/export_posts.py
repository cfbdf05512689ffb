"""The command that writes the archive out as JSON Lines; see its help."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any, BinaryIO

from django.core.management.base import BaseCommand, CommandError, CommandParser

from posts.importing import export

HELP = """
Writes the whole archive as JSON Lines, one post a line, in order of source and key.

  manage.py export_posts --format canonical > archive.jsonl
  manage.py export_posts --format jsonl --out notes.jsonl

canonical  content and review state with natural keys: two databases hold the same archive exactly
           when these bytes are equal (leave out what imports count with --no-statistics)
jsonl      the live content in the schema that import_posts reads; imported again it gives the
           same digests

Reads only. Safe to run again; an existing --out file is replaced at the end.
"""

FORMATS = {"canonical": export.canonical_lines, "jsonl": export.import_lines}


class Command(BaseCommand):
    help = HELP

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        return super().create_parser(
            prog_name, subcommand, formatter_class=argparse.RawDescriptionHelpFormatter, **kwargs
        )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--format", default="canonical", choices=list(FORMATS))
        parser.add_argument(
            "--no-statistics", action="store_true", help="leave imported numbers out"
        )
        parser.add_argument("--out", metavar="FILE", help="default: the output stream")

    def handle(self, *args: Any, **options: Any) -> None:
        with export.one_moment():
            lines = FORMATS[options["format"]](with_statistics=not options["no_statistics"])
            if not options["out"]:
                number = self._write(lines, getattr(sys.stdout, "buffer", None))
            else:
                path = Path(options["out"])
                if not path.parent.is_dir():
                    raise CommandError(f"{path.parent} is no folder. Make it, then run again.")
                unfinished = path.with_name(path.name + ".part")
                with unfinished.open("wb") as file:
                    number = self._write(lines, file)
                unfinished.replace(path)
        self.stderr.write(f"{number:,} posts exported.")

    def _write(self, lines: Any, stream: BinaryIO | None) -> int:
        written = 0
        for line in lines:
            written += 1
            if stream is None:
                # call_command(stdout=...) hands in a text stream.
                self.stdout.write(line.decode(), ending="")
            else:
                stream.write(line)
        return written
