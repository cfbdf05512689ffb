"""Who has which draft open: leases that keep two reviewers from reading the same one.

In: a person and filters of the queue. Out: one draft that nobody else is handed while the lease
runs. A lease is a courtesy, no right: it changes what is handed out and never what may be decided,
which the digest guards.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from posts import db, queue_walk
from posts.models import QueueEntry
from posts.queue_walk import Filters, Place, Row

if TYPE_CHECKING:
    from django.contrib.auth.models import User

LEASE = dt.timedelta(minutes=10)
#: A draft that is only made ready stays taken this long.
AHEAD = dt.timedelta(minutes=3)
#: Rows looked at in one step where nothing is looked for, and steps of one call.
STEP, STEPS = 200, 5
#: Drafts of their own that a person is led back to, at most looked at.
OWN_MAX = 50
#: Rows asked for at once; some of them others may be taking at this moment.
TRIED = 50


class Handed(NamedTuple):
    """A draft under a lease, or None; then the place to go on from when the looking was cut."""

    post_id: int | None
    go_on: str = ""


def free(now: dt.datetime) -> Q:
    """Return the condition of drafts that nobody has open."""
    return Q(lease_until__isnull=True) | Q(lease_until__lte=now)


def hand_out(
    *,
    by: User,
    filters: Filters,
    now: dt.datetime,
    skipped: Collection[int] = (),
    after: str = "",
    lease: dt.timedelta = LEASE,
) -> Handed:
    """Take the first draft of the queue that nobody has open, under a lease for this person.

    Left out are `skipped` posts and what the person wrote and so may not approve. A draft that was
    made ready for them comes first; where nothing else is left, one they have open themselves.
    Up to two queries for those; a step of the walk and one attempt are three more, steps are few.
    """
    if filters.stage == QueueEntry.Stage.RETURNED:
        return Handed(None)
    filters = replace(filters, stage=QueueEntry.Stage.WAITING.value)
    ready = _own(by, filters, now, skipped, lease, ends_by=now + AHEAD)
    if ready is not None:
        return Handed(ready)
    behind = Place.decode(after)
    for _ in range(STEPS):
        found = queue_walk.look(filters, behind, most=STEP)
        open_now = [
            row.post_id
            for row in found.rows
            if (row.lease_until is None or row.lease_until <= now) and _is_for(row, by, skipped)
        ]
        for some in db.chunked(open_now, TRIED):
            if (taken := _take(some, filters.order, by, now, lease)) is not None:
                return Handed(taken)
        if found.end is None:
            return Handed(_own(by, filters, now, skipped, lease))
        behind = found.end
    return Handed(None, behind.encode() if behind else "")


def _is_for(row: Row, by: User, skipped: Collection[int]) -> bool:
    is_own = row.author_id == by.pk and not settings.REVIEW_OWN_WORK
    return not is_own and row.post_id not in skipped


def _take(
    post_ids: Sequence[int], order: str, by: User, now: dt.datetime, lease: dt.timedelta
) -> int | None:
    """Lease the first of these that is still free; one that is being taken is stepped over."""
    rows = QueueEntry.objects.select_for_update(skip_locked=True).filter(
        free(now), pk__in=post_ids, stage=QueueEntry.Stage.WAITING
    )
    with transaction.atomic():
        for post_id in queue_walk.ordered(rows, order).values_list("pk", flat=True)[:1]:
            QueueEntry.objects.filter(pk=post_id).update(lease_by=by, lease_until=now + lease)
            return int(post_id)
    return None


def _own(
    by: User,
    filters: Filters,
    now: dt.datetime,
    skipped: Collection[int],
    lease: dt.timedelta,
    ends_by: dt.datetime | None = None,
) -> int | None:
    """Return a draft the person has a lease on, one that ends soon, with its lease made longer."""
    ends = {"lease_until__lte": ends_by} if ends_by is not None else {}
    rows = QueueEntry.objects.filter(
        lease_by=by, lease_until__gt=now, stage=QueueEntry.Stage.WAITING, **ends
    ).exclude(pk__in=skipped)
    for values in rows.order_by("rank").values_list(*Row._fields)[:OWN_MAX]:
        row = Row._make(values)
        if filters.fits(row) and renew(post_id=row.post_id, by=by, now=now, lease=lease):
            return row.post_id
    return None


def renew(*, post_id: int, by: User, now: dt.datetime, lease: dt.timedelta = LEASE) -> bool:
    """Take or keep the lease of one waiting draft; False when it is another's, or waits no more.

    One query.
    """
    rows = QueueEntry.objects.filter(
        free(now) | Q(lease_by=by), pk=post_id, stage=QueueEntry.Stage.WAITING
    )
    return bool(rows.update(lease_by=by, lease_until=now + lease))


def release(*, post_ids: Collection[int], by: User) -> None:
    """Give back the leases this person has on these posts. One query."""
    QueueEntry.objects.filter(pk__in=post_ids, lease_by=by).update(lease_by=None, lease_until=None)
