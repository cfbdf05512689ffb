"""Walks the review queue: filters, orders, places in it, pages both ways.

In: filters and a place. Out: the rows behind it, at most a page or a window of them: one filter is
an equality of the index that is walked, any others are looked for in `WINDOW` rows at a time, and
the page says when it stopped looking. Locks and writes nothing.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from django.db.models import DateTimeField, F, IntegerField, Q, QuerySet, Subquery, Value
from django.db.models.fields import BigIntegerField

from posts.models import QueueEntry
from posts.pagination import RowComparison

RISK, OLDEST, NEWEST = "risk", "oldest", "newest"
ORDERS = (RISK, OLDEST, NEWEST)

PAGE_SIZE = 50
#: Rows examined for one page when several filters are combined.
WINDOW = 2_000
#: Counts are exact up to here.
CAP = 10_000

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
#: No rank is larger than 1,000 shifted by 48 bits and no moment is later than the year 9999.
_VALUE_MAX = 290_000_000_000_000_000
_MOMENT_MAX = 253_402_300_799_999_999


class Row(NamedTuple):
    """The columns of an entry that a walk looks at."""

    post_id: int
    rank: int
    entered_at: dt.datetime
    reason: int
    source_id: int | None
    run_id: int | None
    stack_id: int | None
    difficulty: str
    author_id: int | None
    lease_by_id: int | None
    lease_until: dt.datetime | None


#: Columns that a filter may name, those first that leave the fewest rows.
FILTERED = ("run_id", "stack_id", "source_id", "reason", "difficulty")


@dataclass(frozen=True, slots=True)
class Filters:
    """What of the queue is asked for: a stage, values of `FILTERED` columns, and an order."""

    stage: int = QueueEntry.Stage.WAITING.value
    values: dict[str, Any] = field(default_factory=dict)
    order: str = RISK

    @property
    def walked(self) -> dict[str, Any]:
        """The equality of the index that is walked: the stage and the narrowest filter."""
        name = next((name for name in FILTERED if name in self.values), None)
        return {"stage": self.stage} | ({name: self.values[name]} if name else {})

    @property
    def looked_for(self) -> dict[str, Any]:
        """The filters that are looked for in the rows that the walk meets."""
        return {name: value for name, value in self.values.items() if name not in self.walked}

    def fits(self, row: Row) -> bool:
        return all(getattr(row, name) == value for name, value in self.looked_for.items())


class Place(NamedTuple):
    """A place behind one entry: its rank or the microseconds of its moment, and its post."""

    value: int
    post_id: int

    def encode(self) -> str:
        return f"{self.value}-{self.post_id}"

    @classmethod
    def decode(cls, text: str) -> Place | None:
        """Return the place of a text, or None when it is not one."""
        found = re.fullmatch(r"(\d{1,18})-(\d{1,18})", text, re.ASCII)
        if found is None or int(found[1]) > _VALUE_MAX:
            return None
        return cls(int(found[1]), int(found[2]))


def place_of(filters: Filters, row: Row) -> Place:
    value = row.rank
    if filters.order != RISK:
        value = (row.entered_at - _EPOCH) // dt.timedelta(microseconds=1)
    return Place(value, row.post_id)


def walk(
    filters: Filters, behind: Place | None, *, limit: int, is_backwards: bool = False
) -> list[Row]:
    """Return rows behind a place in the order of the queue, or before it, nearest first."""
    rows = ordered(
        QueueEntry.objects.filter(**filters.walked), filters.order, is_backwards=is_backwards
    )
    if behind is not None:
        rows = rows.filter(_is_behind(filters.order, behind, is_backwards=is_backwards))
    return [Row._make(values) for values in rows.values_list(*Row._fields)[:limit]]


def ordered(
    rows: QuerySet[QueueEntry], order: str, *, is_backwards: bool = False
) -> QuerySet[QueueEntry]:
    """Return rows in an order of the queue: by risk the older post first, or by age."""
    if order == RISK:
        return rows.order_by("-rank" if is_backwards else "rank")
    is_down = (order == NEWEST) != is_backwards
    return rows.order_by(*(("-entered_at", "-post_id") if is_down else ("entered_at", "post_id")))


def _is_behind(order: str, behind: Place, *, is_backwards: bool) -> Q:
    if order == RISK:
        return Q(**{"rank__lt" if is_backwards else "rank__gt": behind.value})
    moment = _EPOCH + dt.timedelta(microseconds=min(behind.value, _MOMENT_MAX))
    return Q(
        RowComparison(
            F("entered_at"),
            F("post_id"),
            Value(moment, output_field=DateTimeField()),
            Value(behind.post_id, output_field=BigIntegerField()),
            operator="<" if (order == NEWEST) != is_backwards else ">",
        )
    )


@dataclass(frozen=True, slots=True)
class Page:
    """Entries of one page in the order of the queue, and the places to go on behind and before.

    `is_cut` says that the walk ended after `WINDOW` rows, not at the end of the queue.
    """

    entries: list[QueueEntry]
    after: str = ""
    before: str = ""
    is_cut: bool = False
    is_understood: bool = True


def page_of(filters: Filters, *, after: str = "", before: str = "", size: int = PAGE_SIZE) -> Page:
    """Return a page of the queue. Two queries, of at most `WINDOW` narrow rows.

    A place that makes no sense gives the first page, which then says so.
    """
    text = after or before
    behind = Place.decode(text) if text else None
    is_backwards = behind is not None and not after
    limit = WINDOW if filters.looked_for else size + 1
    rows = walk(filters, behind, limit=limit, is_backwards=is_backwards)
    fitting = [row for row in rows if filters.fits(row)]
    chosen = fitting[:size]
    has_more = len(fitting) > size
    is_cut = not has_more and bool(filters.looked_for) and len(rows) == limit
    end = chosen[-1] if has_more else rows[-1] if is_cut else None
    far = place_of(filters, end).encode() if end is not None else ""
    # The way back begins at what is shown; where nothing is, at the place it was looked for from.
    near = place_of(filters, chosen[0]).encode() if behind and chosen else text if behind else ""
    if is_backwards:
        chosen.reverse()
    return Page(
        entries=_with_what_a_line_shows([row.post_id for row in chosen]),
        after=near if is_backwards else far,
        before=far if is_backwards else near,
        is_cut=is_cut,
        is_understood=not text or behind is not None,
    )


def _with_what_a_line_shows(post_ids: list[int]) -> list[QueueEntry]:
    """Return entries in this order, with post, revision, source and holder. One query."""
    place = {post_id: number for number, post_id in enumerate(post_ids)}
    return sorted(
        QueueEntry.objects.filter(pk__in=post_ids)
        .select_related("post", "revision", "source", "lease_by")
        .only(
            *("stage", "reason", "difficulty", "entered_at", "risk", "factors", "run_id"),
            *("lease_until", "post__title", "post__live_revision_id"),
            *("revision__number", "revision__origin", "source__name"),
            *("lease_by__username", "lease_by__first_name", "lease_by__last_name"),
        ),
        key=lambda entry: place[entry.pk],
    )


def first(count: int) -> list[QueueEntry]:
    """Return the riskiest entries that wait. Two queries."""
    rows = walk(Filters(), None, limit=count)
    return _with_what_a_line_shows([row.post_id for row in rows])


class CappedCount(Subquery):
    """The number of rows of a queryset as a value, looking at no more than `CAP` + 1 of them."""

    template = "(SELECT COUNT(*) FROM (%(subquery)s) AS counted)"
    output_field = IntegerField()

    def __init__(self, queryset: QuerySet[Any], **extra: Any) -> None:
        super().__init__(queryset.order_by().values("pk")[: CAP + 1], **extra)


def count_text(count: int) -> str:
    return f"{CAP:,}+" if count > CAP else f"{count:,}"


def counts(user_id: int, wanted: dict[str, Filters]) -> dict[str, int]:
    """Return how many rows each of these has, up to `CAP` + 1, by their index alone. One query.

    `user_id` is a person there is: their row carries the answers.
    """
    from django.contrib.auth.models import User

    values = {
        f"count_{number}": CappedCount(QueueEntry.objects.filter(**filters.walked))
        for number, filters in enumerate(wanted.values())
    }
    found = User.objects.filter(pk=user_id).values_list(*(values[name] for name in values)).get()
    return dict(zip(wanted, found, strict=True))


def tab(filters: Filters, reason: int | None) -> Filters:
    """Return the same filters for one reason, None for all that waits."""
    returned = QueueEntry.Reason.RETURNED.value
    values = {name: value for name, value in filters.values.items() if name != "reason"}
    if reason == returned:
        return replace(filters, stage=QueueEntry.Stage.RETURNED.value, values=values)
    if reason is not None:
        values["reason"] = reason
    return replace(filters, stage=QueueEntry.Stage.WAITING.value, values=values)
