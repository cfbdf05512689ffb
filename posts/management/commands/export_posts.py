"""The command that writes the archive out; see its help."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any, BinaryIO

from django.core.management.base import BaseCommand, CommandError, CommandParser

from posts import markdown
from posts.importing import export, markdown_tree

HELP = """
Writes the whole archive as JSON Lines, one post a line, in order of source and key, or as a folder
of Markdown files.

  manage.py export_posts --format canonical > archive.jsonl
  manage.py export_posts --format jsonl --out notes.jsonl
  manage.py export_posts --format markdown --out notes/

canonical  content and review state with natural keys: two databases hold the same archive exactly
           when these bytes are equal (leave out what imports count with --no-statistics)
jsonl      the live content in the schema that import_posts reads; imported again it gives the
           same digests
markdown   a folder with SOURCE/KEY.md for every post: all values as YAML front matter, then the
           live text with ordinary images; a key that is no plain file name ends in a hash

Reads only. Safe to run again; an existing --out file is replaced at the end. An --out folder has to
be new or empty; --force replaces files of the same names and leaves others.
"""

MARKDOWN = "markdown"
FORMATS = {"canonical": export.canonical_lines, "jsonl": export.import_lines}


class Command(BaseCommand):
    help = HELP

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        return super().create_parser(
            prog_name, subcommand, formatter_class=argparse.RawDescriptionHelpFormatter, **kwargs
        )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--format", default="canonical", choices=[*FORMATS, MARKDOWN])
        parser.add_argument(
            "--no-statistics", action="store_true", help="leave imported numbers out"
        )
        parser.add_argument("--out", metavar="PATH", help="default: the output stream")
        parser.add_argument(
            "--force", action="store_true", help="write into a folder that is not empty"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["format"] == MARKDOWN:
            self._write_tree(options)
            return
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
        self.stderr.write(f"{number:,} posts exported.", style_func=str)

    def _write_tree(self, options: dict[str, Any]) -> None:
        if not options["out"]:
            raise CommandError("Markdown goes into a folder. Name it by --out FOLDER.")
        try:
            with export.one_moment():
                number = markdown_tree.write(
                    Path(options["out"]),
                    portable=markdown.portable,
                    with_statistics=not options["no_statistics"],
                    force=options["force"],
                )
        except markdown_tree.FolderError as error:
            raise CommandError(str(error)) from error
        self.stderr.write(f"{number:,} posts exported.", style_func=str)

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
