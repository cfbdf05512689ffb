"""The command that decides on many posts at once; see its help."""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import QuerySet

from posts import review
from posts.content import DIFFICULTIES
from posts.management.command_line import positive
from posts.models import BulkAction, Decision, Post
from posts.transitions import TRANSITIONS, ReviewError

HELP = """
Decides on every post that fits the filters, and says how many. Without --yes it only says what it
would do.

  manage.py review_posts --by ana --approve --publish --source notes
  manage.py review_posts --by ana --reject --reason "no sources" --tag gossip --yes

The person named by --by needs the permission for each action. Every post gets its own decision and
its own line of history. Several actions are done in the order of this list. An approval by this
command has no undo window; --withdraw takes it back. What that person wrote, restored or merged is
left for somebody else to approve, unless REVIEW_OWN_WORK is on. Safe to stop and to run again: what
is done no longer fits.
"""


class Command(BaseCommand):
    help = HELP

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        return super().create_parser(
            prog_name, subcommand, formatter_class=argparse.RawDescriptionHelpFormatter, **kwargs
        )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--by", required=True, metavar="USER", help="user name of the person")
        actions = parser.add_argument_group("actions")
        for row in TRANSITIONS.values():
            actions.add_argument(
                f"--{row.name.replace('_', '-')}",
                dest="actions",
                action="append_const",
                const=row.name,
                help=row.label,
            )
        parser.add_argument("--reason", default="", help="needed to request changes or to reject")
        filters = parser.add_argument_group("filters (all must fit)")
        filters.add_argument("--source", help="name of an import source")
        filters.add_argument("--run", type=int, help="posts whose live revision this run brought")
        filters.add_argument("--tag", help="slug of a tag")
        filters.add_argument("--difficulty", choices=DIFFICULTIES)
        filters.add_argument("--visibility", choices=Post.Visibility.values)
        filters.add_argument("--key", action="append", help="key at the source; may be repeated")
        filters.add_argument("--limit", type=positive, metavar="N", help="the N oldest that fit")
        filters.add_argument("--all", action="store_true", help="every post, without a filter")
        parser.add_argument("--yes", action="store_true", help="do it")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        wanted = [name for name in TRANSITIONS if name in (options["actions"] or [])]
        if not wanted:
            raise CommandError("Say what to do, such as --approve. See --help for the actions.")
        by = User.objects.filter(username=options["by"], is_active=True).first()
        if by is None:
            raise CommandError(
                f"There is no active user {options['by']!r}. Check the name of --by."
            )
        _refuse_impossible(wanted, by, options["reason"])
        filters = {
            name: options[name]
            for name in ("source", "run", "tag", "difficulty", "visibility", "key", "limit")
            if options[name] is not None
        }
        if not filters and not options["all"]:
            raise CommandError("Name at least one filter, or --all for every post.")
        queryset = _fitting(wanted, filters)
        if not options["yes"]:
            own = _own_work(wanted, queryset, by)
            fitting = queryset.count() - own
            left = f" {own:,} more are {by.username}'s own work." if own else ""
            self.stdout.write(
                f"{' and '.join(wanted)}: {fitting:,} posts fit.{left} Nothing was changed; add "
                "--yes."
            )
            return
        self._decide(wanted, queryset, by, filters, options)

    def _decide(
        self,
        wanted: list[str],
        queryset: QuerySet[Post],
        by: User,
        filters: dict[str, Any],
        options: dict[str, Any],
    ) -> None:
        started = time.monotonic()
        refused: Counter[str] = Counter()

        def tell(bulk: BulkAction, outcome: review.Outcome) -> None:
            refused.update(error.code for error in outcome.refused.values())
            self.stderr.write(
                f"{bulk.changed:,} done, {bulk.skipped:,} did not fit", style_func=str
            )

        try:
            done = review.act_on_all(
                actions=wanted,
                queryset=queryset,
                by=by,
                reason=options["reason"],
                filters=filters,
                undo_seconds=0,
                on_chunk=tell,
            )
        except PermissionDenied as error:
            raise CommandError(f"{by.username} may not do this. {error}") from error
        except ReviewError as error:
            raise CommandError(str(error)) from error
        seconds = time.monotonic() - started
        rate = done.changed / max(seconds, 0.001)
        if options["json"]:
            self.stdout.write(
                json.dumps(
                    {
                        "bulk_action": done.pk,
                        "actions": wanted,
                        "changed": done.changed,
                        "skipped": done.skipped,
                        "own_work": refused["own_work"],
                        "seconds": round(seconds, 3),
                        "posts_per_second": round(rate, 1),
                    }
                )
            )
            return
        own = refused["own_work"]
        of_them = f" ({own:,} of them {by.username}'s own work)" if own else ""
        self.stdout.write(
            f"{' and '.join(wanted)}: {done.changed:,} posts, {done.skipped:,} did not fit"
            f"{of_them}, {seconds:,.1f} s, {rate:,.0f} posts a second."
        )


def _refuse_impossible(actions: list[str], by: User, reason: str) -> None:
    """Refuse before the first post what would be refused after some of them were changed."""
    rows = [TRANSITIONS[name] for name in actions]
    if max(sum(bool(row.verdict) for row in rows), sum(not row.verdict for row in rows)) > 1:
        raise CommandError(
            f"Got {', '.join(actions)}; expected at most one verdict and one change of visibility."
        )
    for row in rows:
        if not by.has_perm(row.permission):
            raise CommandError(
                f"{by.username} may not do this. {row.label} needs the permission {row.permission}."
            )
        if row.needs_reason and not reason.strip():
            raise CommandError(f"{row.label} needs a --reason the author can act on.")
    most = Decision._meta.get_field("reason").max_length or 0
    if len(reason) > most:
        raise CommandError(f"--reason has {len(reason)} characters; expected at most {most}.")


def _own_work(actions: list[str], posts: QuerySet[Post], by: User) -> int:
    """Return of how many posts the revision that waits is this person's own. At most one query."""
    needs_another = any(TRANSITIONS[name].needs_another for name in actions)
    if not needs_another or settings.REVIEW_OWN_WORK:
        return 0
    return posts.filter(proposed_revision__author=by).count()


def _fitting(actions: list[str], filters: dict[str, Any]) -> QuerySet[Post]:
    """Return the posts that fit the filters and that the first action can concern."""
    posts: QuerySet[Post] = Post.objects.all()
    if TRANSITIONS[actions[0]].verdict and actions[0] != "withdraw":
        posts = Post.objects.awaiting_review()
    else:
        posts = posts.filter(visibility__in=TRANSITIONS[actions[0]].visibility)
    for name, value in filters.items():
        if name == "source":
            posts = posts.filter(imported__source__name=value)
        elif name == "run":
            posts = posts.filter(live_revision__run_id=value)
        elif name == "tag":
            posts = posts.filter(post_tags__tag__slug=value)
        elif name == "key":
            posts = posts.filter(imported__key__in=value)
        elif name in ("difficulty", "visibility"):
            posts = posts.filter(**{name: value})
    if "limit" in filters:
        posts = Post.objects.filter(
            pk__in=list(posts.order_by("pk").values_list("pk", flat=True)[: filters["limit"]])
        )
    return posts
