"""The command behind `make demo`: a sample archive, people, and a login; see its help."""

from __future__ import annotations

import datetime as dt
import secrets
import tempfile
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.models import Group, User
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from posts import db, review
from posts.importing import engine
from posts.importing.intake import Intake
from posts.importing.synthesizer import output
from posts.importing.synthesizer.articles import synthesize
from posts.models import Post

SOURCE = "demo"
SEED = 2026
#: Posts left in the queue for whoever tries the demo; with few posts, half of them.
WAITING = 60
#: Reviews of the sample archive lie so far back, on so many days, closer together of late.
SPAN = dt.timedelta(days=900)
DAYS = 60

HELP = """
Fills an empty archive with synthesized posts, most of them approved and public, some waiting for
review, and prints an editor's login with a new random password.

  manage.py demo --posts 500

Run again, it adds no posts and gives the editor another password. For trying things out only:
refuses an archive that holds posts of any other source.
"""


class Command(BaseCommand):
    help = HELP
    requires_migrations_checks = True

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--posts", type=int, default=500, metavar="N", help="how many")

    def handle(self, *args: Any, **options: Any) -> None:
        number = options["posts"]
        if number < 2:
            raise CommandError(f"--posts got {number}; expected a whole number of 2 or more.")
        if Post.objects.exclude(imported__source__name__in=[SOURCE, "local"]).exists():
            raise CommandError(
                "This database holds posts that are not the demo's. Name another one in "
                "DATABASE_URL, so that nothing of yours is mixed with samples."
            )
        if not Post.objects.exists():
            self._fill(number)
        password = secrets.token_urlsafe(12)
        editor = _person("editor", "Edda", "Example")
        editor.set_password(password)
        editor.save(update_fields=["password"])
        waiting = Post.objects.awaiting_review().count()
        self.stdout.write(f"Posts waiting for review: {waiting}")
        self.stdout.write(f"Site: {settings.PUBLIC_URL}/")
        self.stdout.write(
            f"Login at {settings.PUBLIC_URL}/admin/: user editor, password {password}"
        )

    def _fill(self, number: int) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "demo.jsonl"
            output.write_json_lines(articles=synthesize(SEED, number), out=path)
            engine.run_import(Intake([str(path)]), options=engine.Options(source=SOURCE))
        newest = Post.objects.order_by("-pk").values_list("pk", flat=True)
        left = min(WAITING, number // 2)
        by = _person("demo-reviewer", "Robin", "Sample")
        # A day's work at a time, so that the archive has years and months and something old.
        ids = list(newest[left:])[::-1]
        now = timezone.now()
        for day in range(DAYS):
            some = ids[len(ids) * day // DAYS : len(ids) * (day + 1) // DAYS]
            ago = SPAN * ((DAYS - 1 - day) / DAYS) ** 1.5
            for chunk in db.chunked(some):
                review.act(
                    action=["approve", "publish"],
                    posts=chunk,
                    by=by,
                    undo_seconds=0,
                    now=now - ago,
                )
        self.stdout.write(f"Sample archive: {number} posts synthesized and imported.")


def _person(username: str, first_name: str, last_name: str) -> User:
    """Return a person who may review and publish; without a password until one is set."""
    person, is_new = User.objects.get_or_create(
        username=username,
        defaults={"first_name": first_name, "last_name": last_name, "is_staff": True},
    )
    if is_new:
        person.set_unusable_password()
        person.save(update_fields=["password"])
        person.groups.add(*Group.objects.filter(name__in=("reviewer", "importer")))
    return person
