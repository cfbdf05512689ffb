"""How long the pages of the review queue take in a large archive, and how many queries.

Run as `DATABASE_URL=… python -m benchmarks.queue_bench`, on an empty, migrated database whose name
says that it is for benchmarks. In: numbers of posts, drafts and rounds. Out: a table on stdout,
exit 1 when the first page of the queue takes more than 150 ms or 8 queries, or the 1,000th page
more than 1.5 times as long. Fills the database with rows that share one text and leaves them there.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import sys
import time
from statistics import median
from typing import Any

#: Milliseconds of the first page, its queries, and how much longer a page far behind may take.
FIRST_MAX, QUERIES_MAX, FAR_MAX = 150, 8, 1.5
FAR_PAGE = 1_000


def fill(posts: int, drafts: int) -> None:
    """Bring the database to so many posts, of which so many wait in the queue."""
    from django.utils import timezone

    from posts import db
    from posts.models import ImportRun, ImportSource, Post, QueueEntry, Revision, Tag
    from tests.builders import make_post
    from tests.queue_rows import fill_queue

    if Post.objects.exists():
        return
    fill_queue(drafts)
    template, now = make_post(state="listed").live_revision_id, timezone.now()
    fields = (
        *("id", "title", "topic", "difficulty", "code_language", "language", "reference"),
        *("reading_minutes", "slug", "visibility", "live_revision_id", "proposed_revision_id"),
        *("approved_revision_id", "published_at", "listed_at", "created_at", "changed_at"),
    )
    ids = db.allocate_ids(Post, posts - drafts)
    for start in range(0, len(ids), 50_000):
        db.insert_rows(
            Post,
            fields,
            [
                (
                    *(pk, f"Note {pk}", "", "beginner", "", "", "", 1, f"note-{pk}", "published"),
                    *(template, None, template),
                    *(now - dt.timedelta(minutes=2 * number),) * 4,
                )
                for number, pk in enumerate(ids[start : start + 50_000], start)
            ],
        )
    db.refresh_planner_statistics([Post, QueueEntry, Revision, ImportRun, ImportSource, Tag])


def addresses(drafts: int) -> dict[str, str]:
    """Return the pages that are measured, by what they are."""
    from posts import queue_walk
    from posts.queue_walk import OLDEST, RISK, Filters

    def far(order: str) -> str:
        rows = queue_walk.walked(Filters(order=order), order, None, None)
        place = min(FAR_PAGE - 1, drafts * 98 // 100 // queue_walk.PAGE_SIZE - 1)
        behind = rows[place * queue_walk.PAGE_SIZE - 1]
        return f"order={order}&after={queue_walk.place_of(order, behind).encode()}"

    return {
        "admin home": "",
        "first page": "?",
        "first page, oldest first": "?order=oldest",
        f"page {FAR_PAGE:,} or the last": f"?{far(RISK)}",
        f"page {FAR_PAGE:,} or the last, oldest first": f"?{far(OLDEST)}",
        "tab held": "?tab=held",
        "tab stale": "?tab=stale",
        "all drafts": "?tab=all",
        "one source, newest first": "?source=north&order=newest",
        "one stack, oldest first": "?stack=stack+5&order=oldest",
        "a claim contradicted": "?claim=contradicted:reading_time",
        "a claim that nobody contradicts": "?claim=contradicted:tools",
        "scores and a check": "?score=0-39&check=images",
    }


def measured(client: Any, address: str, rounds: int) -> tuple[float, float, int]:
    """Return the median and the slowest of the rounds in milliseconds, and the queries of one."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    times = []
    with CaptureQueriesContext(connection) as captured:
        assert client.get(address, secure=True).status_code == 200, address  # noqa: S101
    queries = len(captured)  # now: a later request begins the log anew
    for _ in range(rounds):
        begun = time.perf_counter()
        client.get(address, secure=True)
        times.append((time.perf_counter() - begun) * 1_000)
    return median(times), max(times), queries


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--posts", type=int, default=1_000_000)
    parser.add_argument("--drafts", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=25)
    options = parser.parse_args()
    if "bench" not in os.environ.get("DATABASE_URL", ""):
        parser.error("DATABASE_URL names no database with 'bench' in its name; nothing was done.")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "alphanode.settings")
    import django

    django.setup()
    from django.conf import settings
    from django.core.management import call_command
    from django.test import Client
    from django.urls import reverse

    from tests.builders import make_user

    settings.ALLOWED_HOSTS.append("testserver")
    call_command("migrate", verbosity=0)
    fill(options.posts, options.drafts)
    client = Client()
    client.force_login(make_user("reviewer"))
    found = {}
    rows = [
        f"| {options.posts:,} posts, {options.drafts:,} drafts | median ms | slowest | queries |"
    ]
    rows.append("|---|---:|---:|---:|")
    for name, address in addresses(options.drafts).items():
        base = reverse("admin:queue") if address else reverse("admin:index")
        found[name] = measured(client, base + address, options.rounds)
        middle, slowest, queries = found[name]
        rows.append(f"| {name} | {middle:.0f} | {slowest:.0f} | {queries} |")
    sys.stdout.write("\n".join(rows) + "\n")
    first = found["first page"]
    far = max(middle for name, (middle, *_) in found.items() if name.startswith("page"))
    is_good = first[0] <= FIRST_MAX and first[2] <= QUERIES_MAX and far <= FAR_MAX * first[0]
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
