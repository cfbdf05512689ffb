"""Views of pages, counted beside the posts: told by browsers, added up in memory, written in turns.

In: the id of a post whose page somebody looks at. Out: rows of PageViews, one a post and week, and
the most read posts. No post row, cache or cookie is touched, and nothing is kept about the reader.
"""

from __future__ import annotations

import datetime as dt
import logging
import re
import threading
import time
from collections import Counter
from collections.abc import Mapping

from django.db import DatabaseError, transaction
from django.db.models import F
from django.utils import timezone

from posts import db
from posts.models import PageViews, Post

logger = logging.getLogger(__name__)

#: A process writes its views when they are so old, and when they are of so many posts.
WRITE_SECONDS = 10.0
WRITE_POSTS = 500
#: Views that could not be written are kept up to so many posts; later ones are not counted then.
KEPT_POSTS = 10_000
#: A post counts as read most for the views of this week and so many weeks before it.
WEEKS = 4
#: Rows of a week that are looked at for the most read posts; some are of posts now closed.
LOOKED_AT = 100

# Few programs run a page's script and wait; those that do and are honest say so in their name.
_PROGRAM = re.compile(
    r"bot\b|bots?/|crawl|spider|slurp|headless|lighthouse|preview|monitor|scrap|archiver|fetch|"
    r"python|curl|wget|http|java/|go-|phantom|selenium|playwright|puppeteer",
    re.IGNORECASE,
)


class Tally:
    """Views that this process has not written yet. Safe between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: Counter[int] = Counter()
        self._since = time.monotonic()

    def add(self, post_id: int) -> None:
        """Count one view; drop it when too much waits that cannot be written."""
        with self._lock:
            if not self._seen:
                self._since = time.monotonic()
            if post_id in self._seen or len(self._seen) < KEPT_POSTS:
                self._seen[post_id] += 1

    def is_due(self) -> bool:
        """Say whether it is time to write."""
        with self._lock:
            waits = time.monotonic() - self._since
            return bool(self._seen) and (waits >= WRITE_SECONDS or len(self._seen) >= WRITE_POSTS)

    def take(self) -> Counter[int]:
        """Return what has been counted, and begin anew."""
        with self._lock:
            taken, self._seen = self._seen, Counter()
            return taken

    def put_back(self, taken: Counter[int]) -> None:
        """Keep for the next turn what could not be written."""
        with self._lock:
            self._seen.update(taken)
            self._since = time.monotonic()


tally = Tally()


def is_reader(headers: Mapping[str, str]) -> bool:
    """Say whether a request is of a person's browser that shows a page of this site.

    Speculative loading says so (`Sec-Purpose`, https://wicg.github.io/nav-speculation/); a browser
    says what site a request comes from (`Sec-Fetch-Site`); programs say who they are.
    """
    agent = headers.get("User-Agent", "")
    return (
        agent.startswith("Mozilla/")
        and not _PROGRAM.search(agent)
        and "pre" not in headers.get("Sec-Purpose", "")
        and headers.get("Sec-Fetch-Site", "same-origin") == "same-origin"
    )


def count(post_id: int) -> None:
    """Count a view; now and then write what has been counted. Mostly no query."""
    tally.add(post_id)
    if tally.is_due():
        write()


def write(now: dt.datetime | None = None) -> int:
    """Write the views of this process; return how many. Raises nothing: readers do not care.

    One transaction of four queries for 500 posts, and one more for each further distinct number of
    views. Views of posts that are not published are dropped.
    """
    taken = tally.take()
    try:
        return _written(taken, now or timezone.now()) if taken else 0
    except DatabaseError:
        logger.warning("Views of %d posts could not be written; kept.", len(taken), exc_info=True)
        tally.put_back(taken)
        return 0


def _written(taken: Counter[int], now: dt.datetime) -> int:
    week = week_of(now)
    total = 0
    with transaction.atomic():
        for chunk in db.chunked(sorted(taken)):
            there = list(
                Post.objects.published(now).filter(pk__in=chunk).values_list("pk", flat=True)
            )
            PageViews.objects.bulk_create(
                [PageViews(post_id=pk, week=week) for pk in sorted(there)], ignore_conflicts=True
            )
            # In the order of ids, so that two processes never wait for each other in a ring.
            rows = PageViews.objects.filter(post_id__in=there, week=week).order_by("post_id")
            list(rows.select_for_update().values_list("pk"))
            by_amount: dict[int, list[int]] = {}
            for pk in there:
                by_amount.setdefault(taken[pk], []).append(pk)
            for amount, ids in by_amount.items():
                rows.filter(post_id__in=ids).order_by().update(count=F("count") + amount)
                total += amount * len(ids)
    return total


def week_of(moment: dt.datetime) -> dt.date:
    """Return the Monday, UTC, of the week of a moment."""
    day = moment.astimezone(dt.UTC).date()
    return day - dt.timedelta(days=day.weekday())


def most_read(now: dt.datetime, *, most: int) -> dict[int, int]:
    """Return ids of the most read listed posts of the last weeks with their views, most first.

    Queries: the first of each week by its index, and the gate. A sum over the posts that are among
    the first `LOOKED_AT` of some week, so that the work does not grow with the archive.
    """
    uses: Counter[int] = Counter()
    rows = PageViews.objects.order_by("-count", "-post_id").values("pk")
    weeks = [week_of(now) - dt.timedelta(weeks=number) for number in range(WEEKS)]
    first, *others = (
        PageViews.objects.filter(pk__in=rows.filter(week=week)[:LOOKED_AT])
        .order_by()
        .values_list("post_id", "count")
        for week in weeks
    )
    for post_id, views in first.union(*others, all=True):
        uses[post_id] += views
    if not uses:
        return {}
    listed = Post.objects.indexable(now).filter(pk__in=uses).values_list("pk", flat=True)
    ranked = sorted(listed, key=lambda pk: (-uses[pk], -pk))[:most]
    return {pk: uses[pk] for pk in ranked}


def prune(*, before: dt.date) -> int:
    """Delete the counts of weeks before a day, in short statements; return how many rows."""
    old = PageViews.objects.filter(week__lt=before).order_by("week").values_list("pk", flat=True)
    deleted = 0
    while ids := list(old[: db.LOOKUP_CHUNK]):
        deleted += PageViews.objects.filter(pk__in=ids).delete()[0]
    return deleted
