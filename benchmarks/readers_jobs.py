"""What happens on the site beside a measurement: articles are listed, an editor saves some of them.

In: DATABASE_URL, a step. Out: `prepare` prints the paths of listed articles; `edit` saves one of
them now and then until its input ends, and prints how long each save waited and took. A process of
its own, because a process has one database.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import sys
import threading
import time
from collections.abc import Sequence
from typing import Any

REVIEWER = "reviewer-of-articles"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one step and print what it found."""
    parser = argparse.ArgumentParser()
    parser.add_argument("step", choices=("prepare", "edit"))
    parser.add_argument("--source", required=True)
    parser.add_argument("--pause", type=float, default=0.25, help="seconds between two saves")
    options = parser.parse_args(arguments)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "alphanode.settings")
    import django

    django.setup()
    told = prepare(options.source) if options.step == "prepare" else edit(options)
    sys.stdout.write(json.dumps(told) + "\n")
    return 0


def prepare(source: str) -> list[str]:
    """Approve and publish what was imported; return the paths of all listed articles."""
    from django.contrib.auth.models import User
    from django.core.management import call_command
    from django.utils import timezone

    from posts.models import Post

    User.objects.create_superuser(REVIEWER)
    call_command(
        *("review_posts", "--by", REVIEWER, "--approve", "--publish"),
        *("--source", source, "--yes"),
        stdout=io.StringIO(),
        stderr=io.StringIO(),
    )
    slugs = Post.objects.indexable(timezone.now()).order_by("slug").values_list("slug", flat=True)
    return [f"/posts/{slug}/" for slug in slugs]


def edit(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Save articles until the input ends; return the moment, wait and length of each save.

    `wait` is the time to begin the transaction: on SQLite that is the wait for the write lock. On
    PostgreSQL the server tells who waits. Times are seconds, moments those of `time.time`.
    """
    import msgspec
    from django.contrib.auth.models import User
    from django.db import connection, transaction

    from posts import writing
    from posts.models import Post

    by = User.objects.get(username=REVIEWER)
    chance = random.Random(1)  # noqa: S311  (chooses articles only)
    ids = list(Post.objects.filter(imported__source__name=options.source).values_list("pk"))
    is_over = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), is_over.set()), daemon=True).start()
    connection.ensure_connection()
    sys.stderr.write("ready\n")
    sys.stderr.flush()
    saves = []
    while not is_over.wait(options.pause):
        post = Post.objects.select_related("live_revision").get(pk=chance.choice(ids)[0])
        numbers = post.revisions.order_by("-number").values_list("number", flat=True)
        snapshot = msgspec.structs.replace(
            post.live_revision.snapshot, title=f"Edited for the {len(saves) + 1}. time"
        )
        seen = numbers[0]
        began = time.time()
        with transaction.atomic():
            waited = time.time() - began
            writing.revise(post=post, by=by, snapshot=snapshot, seen=seen)
        saves.append({"at": began, "wait": waited, "seconds": time.time() - began})
    return saves


if __name__ == "__main__":
    sys.exit(main())
