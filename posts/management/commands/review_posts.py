"""The command that decides on many posts at once; see its help."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import QuerySet

from posts import bulk
from posts.content import DIFFICULTIES
from posts.management.command_line import StopSignals, positive
from posts.models import BulkAction, Decision, Post
from posts.review import Outcome
from posts.transitions import TRANSITIONS, ReviewError

HELP = """
Decides on every post that fits the filters, and says how many. Without --yes it only says what it
would do.

  manage.py review_posts --by ana --approve --publish --source notes
  manage.py review_posts --by ana --reject --reason "no sources" --tag gossip --yes
  manage.py review_posts --resume 12

The person named by --by needs the permission for each action. Every post gets its own decision and
its own line of history. Several actions are done in the order of this list. An approval by this
command has no undo window; --withdraw takes it back. What that person wrote, restored or merged is
left for somebody else to approve, unless REVIEW_OWN_WORK is on.

The posts are frozen before the first is decided on. After a signal, or when the process was killed,
--resume goes on with the bulk action of that number where it ended, as the person who began it; no
post is decided on twice. Exit codes: 0 done, 1 refused, 130 stopped by a signal.
"""

#: Exit code after a signal, as shells have it.
STOPPED = 130


class Command(BaseCommand):
    help = HELP

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        return super().create_parser(
            prog_name, subcommand, formatter_class=argparse.RawDescriptionHelpFormatter, **kwargs
        )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--by", metavar="USER", help="user name of the person")
        actions = parser.add_argument_group("actions")
        for row in TRANSITIONS.values():
            if row.needs_times:
                continue
            actions.add_argument(
                f"--{row.name.replace('_', '-')}",
                dest="actions",
                action="append_const",
                const=row.name,
                help=row.label,
            )
        actions.add_argument("--add-tag", metavar="NAME", help="Add an editorial tag")
        actions.add_argument("--remove-tag", metavar="NAME", help="Remove an editorial tag")
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
        parser.add_argument(
            "--resume", type=positive, metavar="N", help="go on with this bulk action, nothing else"
        )
        parser.add_argument(
            "--if-running",
            action="store_true",
            help="with --resume: nothing when somebody stopped it or it has ended",
        )
        parser.add_argument("--batch-size", type=positive, metavar="N", help="posts a transaction")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        wanted, tag = _wanted(options)
        if options["resume"] is not None:
            if wanted or options["by"]:
                raise CommandError(
                    "--resume goes on with what was begun, by whoever began it. Leave --by and the "
                    "actions out."
                )
            self._resume(options)
            return
        if not wanted:
            raise CommandError("Say what to do, such as --approve. See --help for the actions.")
        if not options["by"]:
            raise CommandError("Say by --by in whose name, as a user name.", returncode=2)
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
        begun = time.monotonic()
        prepared = bulk.prepare(
            actions=wanted,
            queryset=queryset,
            by=by,
            filters=filters,
            options={"undo_seconds": 0},
        )
        try:
            bulk.confirm(prepared, reason=options["reason"], tag=tag)
        except ReviewError as error:
            bulk.forget(prepared.pk)
            raise CommandError(str(error)) from error
        self.stderr.write(
            f"Bulk action {prepared.pk}: {prepared.total:,} posts frozen.", style_func=str
        )
        self._carry_out(prepared, begun, options)

    def _resume(self, options: dict[str, Any]) -> None:
        number = options["resume"]
        found = BulkAction.objects.filter(pk=number).first()
        if found is None:
            raise CommandError(f"There is no bulk action {number}. The admin lists them.")
        if found.state == BulkAction.State.PREPARED:
            raise CommandError(f"Bulk action {number} was not confirmed yet; do that in the admin.")
        if not bulk.go_on(number, is_stopped_too=not options["if_running"]):
            if options["if_running"]:
                return
            raise CommandError(f"Bulk action {number} has ended; nothing of it is left.")
        self._carry_out(found, time.monotonic(), options)

    def _carry_out(self, begun: BulkAction, started: float, options: dict[str, Any]) -> None:
        refused: Counter[str] = Counter()
        before = begun.changed

        def tell(now: BulkAction, outcome: Outcome) -> None:
            refused.update(error.code for error in outcome.refused.values())
            self.stderr.write(
                f"{now.done:,} of {now.total:,}: {now.changed:,} done, {now.skipped:,} did not fit",
                style_func=str,
            )

        with StopSignals() as signals:
            done = bulk.carry_out(
                begun.pk,
                size=options["batch_size"],
                is_asked_to_stop=lambda: signals.was_asked,
                on_chunk=tell,
            )
        if done.state == BulkAction.State.RUNNING:
            bulk.stop(done.pk)
        seconds = time.monotonic() - started
        rate = (done.changed - before) / max(seconds, 0.001)
        own = refused["own_work"]
        if options["json"]:
            self.stdout.write(
                json.dumps(
                    {
                        "bulk_action": done.pk,
                        "actions": bulk.names(done),
                        "total": done.total,
                        "changed": done.changed,
                        "skipped": done.skipped,
                        "own_work": own,
                        "seconds": round(seconds, 3),
                        "posts_per_second": round(rate, 1),
                    }
                )
            )
        else:
            of_them = f" ({own:,} of them {done.actor.username}'s own work)" if own else ""
            self.stdout.write(
                f"{' and '.join(bulk.names(done))}: {done.changed:,} posts, {done.skipped:,} did "
                f"not fit{of_them}, {seconds:,.1f} s, {rate:,.0f} posts a second."
            )
        if done.problem:
            raise CommandError(
                f"It stopped after {done.done:,} of {done.total:,} posts. {done.problem} "
                f"Then go on by --resume {done.pk}."
            )
        if done.state != BulkAction.State.FINISHED:
            self.stderr.write(
                f"Stopped; {done.total - done.done:,} posts are left. Go on by --resume {done.pk}."
            )
            sys.exit(STOPPED)


def _wanted(options: dict[str, Any]) -> tuple[list[str], str]:
    """Return the actions in their order, and the tag of one that needs it."""
    wanted = [name for name in TRANSITIONS if name in (options["actions"] or [])]
    tags = [name for name in ("add_tag", "remove_tag") if options[name] is not None]
    if tags and len(wanted) + len(tags) > 1:
        raise CommandError("A tag is added or removed by a command of its own.")
    return wanted + tags, options[tags[0]] if tags else ""


def _refuse_impossible(actions: list[str], by: User, reason: str) -> None:
    """Refuse before the first post what would be refused after some of them were changed."""
    rows = [bulk.KINDS[name] for name in actions]
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
    needs_another = any(TRANSITIONS[name].needs_another for name in actions if name in TRANSITIONS)
    if not needs_another or settings.REVIEW_OWN_WORK:
        return 0
    return posts.filter(proposed_revision__author=by).count()


def _fitting(actions: list[str], filters: dict[str, Any]) -> QuerySet[Post]:
    """Return the posts that fit the filters and that the first action can concern."""
    posts: QuerySet[Post] = Post.objects.all()
    row = TRANSITIONS.get(actions[0])
    if row is not None and row.verdict and row.name != "withdraw":
        posts = Post.objects.awaiting_review()
    elif row is not None:
        posts = posts.filter(visibility__in=row.visibility)
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
        posts = Post.objects.filter(pk__in=posts.order_by("pk").values("pk")[: filters["limit"]])
    return posts
