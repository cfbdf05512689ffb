"""The command that judges imported claims again; see its help. Arguments in, calls, report."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError

from posts import claim_checks, claims
from posts.management.command_line import positive
from posts.management.walking import STOPPED, Walked, walk
from posts.models import Revision

HELP = """
Holds what came with imports against what this site finds, for every revision whose check is
missing, was made by older rules, or was outdated by newer numbers; and says how many.

  manage.py check_claims
  manage.py check_claims --all        judge the others again too
  manage.py check_claims --summary    what the checks say, claim by claim, of the newest posts

Checks are derived: no text, no decision and no imported value changes. Works in short transactions.
Safe to stop, to run again and to run beside imports. -v 0 tells errors only.

Exit codes: 0 complete; 1 failed; 2 wrong usage; 130 stopped by a signal after the current step.
"""


class Command(BaseCommand):
    help = HELP
    requires_migrations_checks = True

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        return super().create_parser(
            prog_name, subcommand, formatter_class=argparse.RawDescriptionHelpFormatter, **kwargs
        )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--all", action="store_true", help="also what is up to date")
        parser.add_argument(
            "--after",
            type=positive,
            default=0,
            metavar="ID",
            help="go on behind this revision; a stopped --all says where it was",
        )
        parser.add_argument("--summary", action="store_true", help="only tell, write nothing")
        parser.add_argument(
            "--posts",
            type=positive,
            default=claim_checks.FREQUENCY_POSTS,
            metavar="N",
            help="newest posts that --summary looks at (default: %(default)s)",
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["summary"]:
            if options["all"] or options["after"]:
                raise CommandError(
                    "Got --summary with --all or --after; expected one of them. Nothing was done.",
                    returncode=2,
                )
            self._tell_frequencies(options)
            return
        try:
            self._check(options)
        except DatabaseError as error:
            raise CommandError(
                f"The check failed: {error}. What was written stays. When the cause is gone, run "
                "the same command again: it goes on where this one ended."
            ) from error

    def _check(self, options: dict[str, Any]) -> None:
        every, after = options["all"], options["after"]
        total = Revision.objects.filter(pk__gt=after).count()

        def tell(so_far: Walked) -> None:
            self.stderr.write(
                f"{so_far.seen:,} of {max(so_far.seen, total):,} revisions | "
                f"{so_far.written:,} checked | {so_far.rate:,.0f}/s"
            )

        done = walk(
            lambda last: claim_checks.make_again(after=last, every=every),
            after=after,
            tell=tell if options["verbosity"] > 0 else None,
        )
        if options["json"]:
            self.stdout.write(
                json.dumps(
                    {
                        "rules_version": claims.RULES_VERSION,
                        "revisions": done.seen,
                        "checked": done.written,
                        "up_to_date": done.seen - done.written,
                        "last": done.last,
                        "state": "stopped" if done.is_stopped else "complete",
                        "seconds": round(done.seconds, 3),
                    }
                )
            )
        elif options["verbosity"] > 0:
            self.stdout.write(
                f"{done.written:,} of {done.seen:,} revisions checked by rules version "
                f"{claims.RULES_VERSION}, {done.seen - done.written:,} up to date, "
                f"{done.seconds:,.1f} s."
            )
            if done.is_stopped:
                more = f" --all --after {done.last}" if every else ""
                self.stdout.write(f"Stopped. To go on:\n  manage.py check_claims{more}")
        if done.is_stopped:
            sys.exit(STOPPED)

    def _tell_frequencies(self, options: dict[str, Any]) -> None:
        posts, rows = claim_checks.frequencies(options["posts"])
        if options["json"]:
            self.stdout.write(
                json.dumps(
                    {
                        "rules_version": claims.RULES_VERSION,
                        "posts": posts,
                        "claims": {
                            row.claim: {
                                "verified": row.verified,
                                "contradicted": row.contradicted,
                                "unverifiable": row.unverifiable,
                            }
                            for row in rows
                        },
                    }
                )
            )
            return
        self.stdout.write(
            f"{posts:,} live revisions with a check, of the newest {options['posts']:,} posts."
        )
        if not posts:
            self.stdout.write("Next: make the checks by\n  manage.py check_claims")
            return
        self.stdout.write(
            f"  {'claim':<20}  {'verified':>10}  {'contradicted':>12}  {'share':>6}  "
            f"{'cannot be verified':>18}"
        )
        for row in rows:
            share = f"{100 * row.contradicted / posts:.1f}%" if posts else "-"
            self.stdout.write(
                f"  {row.label:<20}  {row.verified:>10,}  {row.contradicted:>12,}  {share:>6}  "
                f"{row.unverifiable:>18,}"
            )
