"""The command that writes the monthly dumps; see its help."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from posts import disclosure, dumps
from posts.views.article import stamps_of
from posts.views.documents import archived

HELP = """
Writes the dumps that readers find at /dumps/: a file a month with the posts whose listing began in
it, as JSON Lines in gzip, their SHA-256 and an index, into DUMPS_FOLDER.

  manage.py write_dumps            every night, and after every erase_posts

Every run writes every month anew from what is listed now: a post that was erased, withdrawn or is
under review again leaves all of them; until then readers are not offered a file that holds one.
Files are replaced whole; equal content gives equal bytes. Safe to run again: an interrupted run
goes on where it ended unless something has changed since; --fresh begins anew.
"""


def lines(posts: Sequence[Any]) -> Iterator[dict[str, Any]]:
    """Yield what a dump says of each post. Queries: stamps, hands."""
    stamps = stamps_of(posts)
    known = disclosure.hands_of([post.live_revision for post in posts])
    for post in posts:
        yield archived(post, stamps[post.pk], known)


class Command(BaseCommand):
    help = HELP

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        return super().create_parser(
            prog_name, subcommand, formatter_class=argparse.RawDescriptionHelpFormatter, **kwargs
        )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--fresh", action="store_true", help="write also what an interrupted run has written"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        folder = Path(settings.DUMPS_FOLDER)
        try:
            index = dumps.write(
                folder,
                encode=lines,
                now=timezone.now(),
                report=self._tell,
                is_fresh=options["fresh"],
            )
        except dumps.DumpError as error:
            raise CommandError(str(error)) from error
        posts = sum(dump.posts for dump in index.dumps)
        self.stderr.write(f"{folder}: {posts:,} posts, files: {len(index.dumps)}.", style_func=str)

    def _tell(self, month: str, dump: dumps.Dump | None) -> None:
        became = f"{dump.posts:,} posts, {dump.bytes:,} bytes" if dump else "is current"
        self.stdout.write(f"{month}: {became}")
