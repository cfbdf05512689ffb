"""One step of the review benchmark in a process of its own; `python -m benchmarks.review_jobs`.

In: the name of a step and sizes; the database comes from DATABASE_URL. Out: one JSON object on
stdout. Pages are asked for through the whole stack of views, middleware and templates, signed in as
a reviewer; only the answer is inside the clock, and each is asked for once before.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import django

os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.readers_settings"
django.setup()

from django.conf import settings  # noqa: E402
from django.contrib.auth.models import User  # noqa: E402
from django.db import connection  # noqa: E402
from django.db.models import Count  # noqa: E402
from django.test import Client  # noqa: E402
from django.test.utils import CaptureQueriesContext  # noqa: E402
from django.urls import reverse  # noqa: E402

from benchmarks import review_rows  # noqa: E402
from posts import bulk, queue_walk  # noqa: E402
from posts.models import BulkAction, BulkItem, Decision, Event, Post, QueueEntry, Revision  # noqa: E402
from posts.queue_walk import Filters, Place  # noqa: E402

REVIEWER = "bench-reviewer"
SEED = 1
#: Posts looked up for the figures of single revisions.
LOOKUPS = 300
WAIT_SECONDS = 900


def fill(options: argparse.Namespace) -> dict[str, Any]:
    """Make the archive."""
    began = time.perf_counter()
    review_rows.fill(options.posts, options.drafts)
    return {
        "seconds": time.perf_counter() - began,
        "posts": Post.objects.count(),
        "revisions": Revision.objects.count(),
        "drafts": QueueEntry.objects.count(),
    }


def signed_in() -> Client:
    settings.ALLOWED_HOSTS = ["testserver"]
    client = Client()
    client.force_login(User.objects.get(username=REVIEWER))
    return client


def answered(client: Client, address: str) -> tuple[float, int]:
    """Return milliseconds and queries of one page."""
    began = time.perf_counter()
    response = client.get(address)
    taken = (time.perf_counter() - began) * 1_000
    if response.status_code != 200:
        raise SystemExit(f"{address} answered {response.status_code}")
    with CaptureQueriesContext(connection) as captured:
        client.get(address)
    return taken, len(captured)


def pages(options: argparse.Namespace) -> dict[str, Any]:
    """Measure the first and the last full page of the queue, and the home page, in turns."""
    client = signed_in()
    queue, home = reverse("admin:queue"), reverse("admin:index")
    drafts = QueueEntry.objects.count()
    number = min(1_000, drafts // queue_walk.PAGE_SIZE)
    addresses = {"first": queue, "home": home}
    if number > 1:
        skipped = (number - 1) * queue_walk.PAGE_SIZE - 1
        entries = QueueEntry.objects.filter(stage=Filters().stage).order_by("rank")
        rank, post = entries.values_list("rank", "post_id")[skipped]
        addresses["deep"] = f"{queue}?after={Place(rank, post).encode()}"
    taken: dict[str, list[float]] = {name: [] for name in addresses}
    queries = {}
    for address in addresses.values():
        answered(client, address)
    for _ in range(options.rounds):
        for name, address in addresses.items():
            milliseconds, queries[name] = answered(client, address)
            taken[name].append(milliseconds)
    return {
        "deep_page": number,
        "drafts": drafts,
        "milliseconds": taken,
        "queries": queries,
    }


def lookups(options: argparse.Namespace) -> dict[str, Any]:
    """Measure looking up the latest and the live revision of posts of chance."""
    choose = random.Random(SEED)  # noqa: S311  (a sample, no secret)
    ids = [choose.randrange(1, options.posts + 1) for _ in range(LOOKUPS)]
    steps: dict[str, Callable[[int], Any]] = {
        "latest": lambda pk: Revision.objects.filter(post=pk).order_by("-number").first(),
        "live": lambda pk: Post.objects.select_related("live_revision").get(pk=pk),
    }
    taken: dict[str, list[float]] = {name: [] for name in steps}
    for pk in ids:
        for name, step in steps.items():
            began = time.perf_counter()
            step(pk)
            taken[name].append((time.perf_counter() - began) * 1_000)
    return {
        "revisions": Revision.objects.count(),
        **{
            name: {"median": median(all_of), "worst": max(all_of)} for name, all_of in taken.items()
        },
    }


def by_page(options: argparse.Namespace) -> dict[str, Any]:
    """Approve drafts as an editor does: freeze, look at the confirmation, confirm, wait."""
    client = signed_in()
    by = User.objects.get(username=REVIEWER)
    began = time.perf_counter()
    oldest = Post.objects.awaiting_review().order_by("pk")[: options.bulk]
    action = bulk.prepare(actions=["approve"], queryset=oldest, by=by)
    page = client.get(reverse("admin:bulk", args=[action.pk]))
    frozen = time.perf_counter() - began
    if page.status_code != 200:
        raise SystemExit(f"the confirmation answered {page.status_code}")
    began = time.perf_counter()
    client.post(reverse("admin:bulk_confirm", args=[action.pk]))
    confirmed = time.perf_counter() - began
    progress = reverse("admin:bulk_progress", args=[action.pk])
    while client.get(progress).json()["state"] == BulkAction.State.RUNNING:
        if time.perf_counter() - began > WAIT_SECONDS:
            raise SystemExit("the bulk action does not end")
        time.sleep(0.1)
    return {
        "seconds": time.perf_counter() - began,
        "freeze_seconds": frozen,
        "request_seconds": confirmed,
        **counted(action.pk),
    }


def counted(pk: int) -> dict[str, Any]:
    """Return what a bulk action wrote, and how much of it twice."""
    items = BulkItem.objects.filter(bulk_action=pk)
    decided = Decision.objects.filter(bulk_action=pk)
    events = Event.objects.filter(kind="approve", post__in=items.values("post_id"))
    again = decided.values("revision").annotate(times=Count("pk")).filter(times__gt=1)
    return {
        "bulk_action": pk,
        "posts": items.count(),
        "changed": items.filter(outcome=BulkItem.CHANGED).count(),
        "decisions": decided.count(),
        "events": events.count(),
        "decided_twice": again.count(),
    }


def newest(options: argparse.Namespace) -> dict[str, Any]:
    """Return what the newest bulk action wrote."""
    return counted(BulkAction.objects.latest("pk").pk)


def progress(options: argparse.Namespace) -> dict[str, Any]:
    """Return how far the newest bulk action is."""
    action = BulkAction.objects.latest("pk")
    return {"bulk_action": action.pk, "done": action.done, "state": action.state}


def thin_out(options: argparse.Namespace) -> dict[str, Any]:
    """Leave only a few drafts in the queue."""
    kept = QueueEntry.objects.order_by("pk").values("pk")[: options.few]
    QueueEntry.objects.exclude(pk__in=list(kept.values_list("pk", flat=True))).delete()
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE posts_queueentry")
    return {"drafts": QueueEntry.objects.count()}


def make_all_wait(options: argparse.Namespace) -> dict[str, Any]:
    """Let every post wait for a reviewer."""
    review_rows.make_all_wait()
    return {"drafts": QueueEntry.objects.count()}


STEPS: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
    step.__name__: step
    for step in (fill, pages, lookups, by_page, newest, progress, thin_out, make_all_wait)
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("step", choices=STEPS)
    for name in ("posts", "drafts", "bulk", "few", "rounds"):
        parser.add_argument(f"--{name}", type=int, default=1)
    options = parser.parse_args()
    sys.stdout.write(json.dumps(STEPS[options.step](options)))


if __name__ == "__main__":
    main()
