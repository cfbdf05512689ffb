"""The command that erases posts for good; see its help."""

from __future__ import annotations

import argparse
from typing import Any

from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.core.management.base import BaseCommand, CommandError, CommandParser

from posts import db
from posts.content import shown
from posts.importing import erasure
from posts.models import ImportedPost, Slug

HELP = """
Erases posts with every revision, decision and event of theirs, and says how many. Without --yes it
only says what it would do.

  manage.py erase_posts --by ana --reason "asked for, ticket 7" --slug an-address
  manage.py erase_posts --by ana --reason "licence" --source notes --key n-1 --key n-2 --yes

Nothing brings an erased post back. Its identity stays as a tombstone, so that no import makes it
again; its addresses answer 404 and may be used again. The person named by --by needs the permission
posts.delete_post. Kept are who, when, how many and the reason: write no names and no titles in it.
All of them go, or none. Safe to run again: what is erased already is passed over. Copies elsewhere
(backups, exports, caches, files that were imported; the database file until it is vacuumed) are not
reached.
"""


class Command(BaseCommand):
    help = HELP

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        return super().create_parser(
            prog_name, subcommand, formatter_class=argparse.RawDescriptionHelpFormatter, **kwargs
        )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--by", required=True, metavar="USER", help="user name of the person")
        parser.add_argument("--reason", required=True, metavar="TEXT", help="why; it is kept")
        parser.add_argument("--source", metavar="S", help="the source of every --key")
        parser.add_argument(
            "--key", action="append", default=[], metavar="K", help="key there; may be repeated"
        )
        parser.add_argument(
            "--slug",
            action="append",
            default=[],
            metavar="S",
            help="an address of the post, also a former one; may be repeated",
        )
        parser.add_argument("--yes", action="store_true", help="do it")

    def handle(self, *args: Any, **options: Any) -> None:
        if not options["key"] and not options["slug"]:
            raise CommandError("Name posts by --source with --key, or by --slug.")
        if bool(options["key"]) != bool(options["source"]):
            raise CommandError("--key and --source belong together: a key is one of a source.")
        by = User.objects.filter(username=options["by"], is_active=True).first()
        if by is None:
            raise CommandError(
                f"There is no active user {options['by']!r}. Check the name of --by."
            )
        if not by.has_perm(erasure.PERMISSION):
            raise CommandError(
                f"{by.username} may not do this. Erasing needs the permission {erasure.PERMISSION}."
            )
        wanted, already = self._find(options["source"], options["key"], options["slug"])
        if not options["yes"]:
            for name in sorted(wanted.values()):
                self.stdout.write(f"  {shown(name)}")
            self.stdout.write(
                f"{len(wanted):,} posts would be erased for good, {already:,} are erased already. "
                "Nothing was changed; add --yes."
            )
            return
        if not wanted:
            self.stdout.write(f"Nothing to do: {already:,} are erased already.")
            return
        try:
            done = erasure.erase(post_ids=list(wanted), by=by, reason=options["reason"])
        except (erasure.ErasureError, PermissionDenied) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(
            f"{done.changed:,} posts erased, {already:,} were erased already. "
            f"Logged as action {done.pk}."
        )

    def _find(
        self, source: str | None, keys: list[str], slugs: list[str]
    ) -> tuple[dict[int, str], int]:
        """Return the posts by id with what they were named by, and how many are erased already.

        Raises `CommandError` when one of the names means nothing: it may be a slip of the hand.
        """
        wanted: dict[int, str] = {}
        already = 0
        missing = set(keys)
        for chunk in db.chunked(sorted(missing)):
            for key, post_id in ImportedPost.objects.filter(
                source__name=source, key__in=chunk
            ).values_list("key", "post_id"):
                missing.discard(key)
                if post_id is None:
                    already += 1
                else:
                    wanted[post_id] = f"{source} {key}"
        unknown = set(slugs)
        for chunk in db.chunked(sorted(unknown)):
            for slug, post_id in Slug.objects.filter(slug__in=chunk).values_list("slug", "post_id"):
                unknown.discard(slug)
                wanted.setdefault(post_id, slug)
        if missing or unknown:
            names = ", ".join(shown(name) for name in sorted(missing | unknown)[:10])
            raise CommandError(
                f"Nothing is known of {names}. Nothing was erased. "
                "Check --source, --key and --slug."
            )
        return wanted, already
