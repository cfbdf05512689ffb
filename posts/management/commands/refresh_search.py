"""The command that makes the search entries anew; see its help. Arguments in, calls, report out."""

from __future__ import annotations

from posts.management.walking import Walked, WalkingCommand
from posts.rebuilding import Step
from posts.search import database, entries

HELP = """
Makes search know every listed post as it is, and tells how many entries were written.

  manage.py refresh_search
  manage.py refresh_search --after 120000    go on behind this post

Run it once after the migration that brings search, and after an update that changes which words a
text has. Otherwise every door keeps the entries by itself, and this writes nothing. Entries are
derived: no text and no decision changes, and nothing is found that is not listed, whether or not
this has run. Works in short transactions; memory does not grow with the archive. Safe to stop, to
run again and to run beside imports and reviews. -v 0 tells errors only.

Exit codes: 0 complete; 1 failed; 2 wrong usage; 130 stopped by a signal after the current step.
"""


class Command(WalkingCommand):
    help = HELP
    name = "refresh_search"
    written = "entries"
    failure = "The search entries were not finished"

    def step(self, after: int) -> Step:
        return entries.rebuild(after=after)

    def end(self, done: Walked) -> None:
        if done.written:
            database.settle()
