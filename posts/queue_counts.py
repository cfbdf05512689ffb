"""How many drafts stand in each part of the queue, and what a person has open: counts with a cap.

In: parts of the queue, a person. Out: numbers up to `CAP` + 1, in one query whose cost does not
grow with the archive. Locks and writes nothing.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any, NamedTuple

from django.db.models import IntegerField, OuterRef, QuerySet, Subquery

from posts.models import QueueEntry

#: Counts are exact up to here.
CAP = 10_000


class CappedCount(Subquery):
    """The number of rows of a queryset as a value, looking at no more than `CAP` + 1 of them."""

    template = "(SELECT COUNT(*) FROM (%(subquery)s) AS counted)"
    output_field = IntegerField()

    def __init__(self, queryset: QuerySet[Any], **extra: Any) -> None:
        super().__init__(queryset.order_by().values("pk")[: CAP + 1], **extra)


def count_text(count: int) -> str:
    return f"{CAP:,}+" if count > CAP else f"{count:,}"


class Open(NamedTuple):
    """What a person has open: how many drafts, and of the one whose lease ends next the rest."""

    number: int = 0
    post_id: int | None = None
    title: str = ""
    until: dt.datetime | None = None


def counts(
    user_id: int, wanted: Mapping[str, QuerySet[Any]], now: dt.datetime
) -> tuple[dict[str, int], Open]:
    """Return how many rows each of these has, up to `CAP` + 1, and what a person has open.

    One query: the row of `user_id`, who exists, carries the answers.
    """
    from django.contrib.auth.models import User

    mine = QueueEntry.objects.filter(lease_by=user_id, lease_until__gt=now)
    next_to_end = QueueEntry.objects.filter(lease_by=OuterRef("pk"), lease_until__gt=now).order_by(
        "lease_until"
    )
    values = {f"count_{number}": CappedCount(rows) for number, rows in enumerate(wanted.values())}
    opened = {
        "open_count": CappedCount(mine),
        **{
            name: Subquery(next_to_end.values(column)[:1])
            for name, column in (
                ("open_post", "post_id"),
                ("open_title", "post__title"),
                ("open_until", "lease_until"),
            )
        },
    }
    *found, number, post, title, until = (
        User.objects.filter(pk=user_id)
        .annotate(**values, **opened)
        .values_list(*values, *opened)
        .get()
    )
    return dict(zip(wanted, found, strict=True)), Open(number, post, title or "", until)
