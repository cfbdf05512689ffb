"""The command that makes the review queue anew; see its help. Arguments in, calls, report out."""

from __future__ import annotations

from django.utils import timezone

from posts import queue, risk, risk_learning
from posts.management.walking import WalkingCommand
from posts.rebuilding import Step

HELP = """
Makes the rows of the review queue say what the posts say, and tells how many were written.

  manage.py refresh_queue
  manage.py refresh_queue --after 120000    go on behind this post

Learns first how rare each contradicted claim is and how many drafts of each generator's scenario
were sent back, and weighs the risk of every draft by that until it runs again: once a night is
enough. With --after nothing is learned anew, so that a stopped run goes on with the same weights.

Run it also once after the migration that brings the queue, and after `check_claims` or an update
that changes how risk is told. Otherwise every door keeps the queue by itself. Rows are derived: no
text and no decision changes, and who has a draft open keeps it. Works in short transactions. Safe
to stop, to run again and to run beside imports. -v 0 tells errors only.

Exit codes: 0 complete; 1 failed; 2 wrong usage; 130 stopped by a signal after the current step.
"""


class Command(WalkingCommand):
    help = HELP
    name = "refresh_queue"
    written = "queue rows"
    failure = "The queue was not finished"
    facts = {"rules_version": risk.RULES_VERSION}

    def begin(self, after: int) -> None:
        if not after:
            risk_learning.learn(now=timezone.now())

    def step(self, after: int) -> Step:
        return queue.rebuild(after=after)
