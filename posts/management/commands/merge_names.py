"""The command that merges one tag or entity into another; see its help."""

from __future__ import annotations

import argparse
from typing import Any

from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.core.management.base import BaseCommand, CommandError, CommandParser

from posts import content, renaming
from posts.models import Entity, Tag

HELP = """
Lets one tag or entity stand for another too, and moves the posts of the other. Names, or ids.

  manage.py merge_names tag "k8s" "kubernetes" --by ana
  manage.py merge_names entity 812 77 --by ana --reason "the same service"

Works in short transactions. Safe to stop and to run again: it goes on where it was stopped. The
alias is taken apart again in the admin.
"""

MODELS: dict[str, Any] = {"tag": Tag, "entity": Entity}


class Command(BaseCommand):
    help = HELP

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        return super().create_parser(
            prog_name, subcommand, formatter_class=argparse.RawDescriptionHelpFormatter, **kwargs
        )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("kind", choices=MODELS, help="what both are")
        parser.add_argument("source", help="name or id of what becomes an alias")
        parser.add_argument("target", help="name or id of what stands for it")
        parser.add_argument("--by", required=True, metavar="USER", help="user name of the person")
        parser.add_argument("--reason", default="", metavar="TEXT", help="why; it is kept")

    def handle(self, *args: Any, **options: Any) -> None:
        by = User.objects.filter(username=options["by"], is_active=True).first()
        if by is None:
            raise CommandError(
                f"There is no active user {options['by']!r}. Check the name of --by."
            )
        model = MODELS[options["kind"]]
        source, target = (_found(model, options[end]) for end in ("source", "target"))
        try:
            moved = renaming.merge(source, target, by=by, reason=options["reason"])
        except (renaming.RenamingError, PermissionDenied) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{moved:,} posts moved from {source.name!r} to {target.name!r}.")


def _found(model: Any, wanted: str) -> Any:
    by_name = list(model.objects.filter(name=content.normal_tag(wanted))[:2])
    if len(by_name) > 1:
        raise CommandError(f"Several are named {wanted!r}. Give the id, which the admin shows.")
    if by_name:
        return by_name[0]
    is_id = wanted.isascii() and wanted.isdecimal() and len(wanted) < 19
    found = model.objects.filter(pk=int(wanted)).first() if is_id else None
    if found is None:
        raise CommandError(
            f"There is no {model._meta.verbose_name} {wanted!r}. Check the spelling."
        )
    return found
