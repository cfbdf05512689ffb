"""Walks the review queue: filters, orders, places in it, pages both ways.

In: filters and a place. Out: the rows behind it, of at most `WINDOW` that are examined for a page:
one filter is an equality of the index that is walked, the others are looked for in the rows it
meets, and the page says when it stopped looking. Locks and writes nothing.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from django.db.models import DateTimeField, F, Q, QuerySet, Value
from django.db.models.fields import BigIntegerField

from posts.models import QueueEntry
from posts.pagination import RowComparison

RISK, OLDEST, NEWEST = "risk", "oldest", "newest"
ORDERS = (RISK, OLDEST, NEWEST)

PAGE_SIZE = 50
#: Rows examined for one page.
WINDOW = 1_500

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
    verified: int
    contradicted: int
    lowest_score: int | None
    factors: int
    author_id: int | None
    lease_by_id: int | None
    lease_until: dt.datetime | None


#: Columns with an index of their own by risk, those first that leave the fewest rows.
INDEXED = ("run_id", "stack_id", "reason", "source_id")
STAGES = (QueueEntry.Stage.WAITING.value, QueueEntry.Stage.RETURNED.value)

#: A condition that no index serves.
Test = Callable[[Row], bool]


@dataclass(frozen=True, slots=True)
class Filters:
    """What of the queue is asked for: a stage (None: all), values of columns, tests, an order."""

    stage: int | None = QueueEntry.Stage.WAITING.value
    values: dict[str, Any] = field(default_factory=dict)
    tests: tuple[Test, ...] = ()
    order: str = RISK

    @property
    def narrowest(self) -> str | None:
        """The column whose index is walked, besides the stage; None for that alone."""
        return next((name for name in INDEXED if self._has_index(name)), None)

    def _has_index(self, name: str) -> bool:
        # Nearly all drafts are new, so they are not in the index of reasons.
        is_new = name == "reason" and self.values.get(name) == QueueEntry.Reason.NEW
        return name in self.values and not is_new

    @property
    def is_looked_for(self) -> bool:
        """Whether something is looked for in the rows that the walk by risk meets."""
        return bool(self.tests) or any(name != self.narrowest for name in self.values)

    def fits(self, row: Row) -> bool:
        return all(getattr(row, name) == value for name, value in self.values.items()) and all(
            test(row) for test in self.tests
        )


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


def place_of(order: str, row: Row | QueueEntry) -> Place:
    if order == RISK:
        return Place(row.rank, row.post_id)
    return place_at(row.entered_at, row.post_id)


def place_at(moment: dt.datetime, post_id: int) -> Place:
    """Return the place behind a post in an order of moments."""
    return Place((moment - _EPOCH) // dt.timedelta(microseconds=1), post_id)


def moment_of(place: Place) -> dt.datetime:
    return _EPOCH + dt.timedelta(microseconds=min(place.value, _MOMENT_MAX))


def _with(order: str, place: Place, *, is_backwards: bool) -> Place:
    """Return the place from which a walk begins with the row at this place, not behind it."""
    step = 1 if (order == NEWEST) != is_backwards else -1
    if order == RISK:
        return Place(min(max(place.value + step, 0), _VALUE_MAX), place.post_id)
    return Place(place.value, max(place.post_id + step, 0))


class Found(NamedTuple):
    """Rows that fit, in order, nearest first, and the place where the looking ended.

    `end` is None when it ended with the queue.
    """

    rows: list[Row]
    end: Place | None


def look(filters: Filters, behind: Place | None, *, most: int, is_backwards: bool = False) -> Found:
    """Return the rows that fit behind a place, or before it.

    `most` is how many rows are examined where nothing is looked for; else it is `WINDOW` in all.
    One query a stage, another one for a filter in an order of age.
    """
    stages = STAGES if filters.stage is None else (filters.stage,)
    parts = []
    for stage in stages:
        one = replace(filters, stage=stage)
        parts.append(_look(one, behind, max(1, WINDOW // len(stages)), most, is_backwards))
    return parts[0] if len(parts) == 1 else _merged(parts, filters.order, is_backwards)


def _look(
    filters: Filters, behind: Place | None, window: int, most: int, is_backwards: bool
) -> Found:
    index = filters.narrowest
    limit = window if filters.is_looked_for else most
    if index is not None and filters.order != RISK:
        # No index of its own in this order: read all of a few, else look along the age of all. A
        # part of the window is spent on finding out.
        few = window // 4
        rows = _read(filters, RISK, index, None, few + 1, is_backwards=False)
        if len(rows) <= few:
            return Found(_sorted(filters, rows, behind, is_backwards), None)
        index, limit = None, window - few - 1
    rows = _read(filters, filters.order, index, behind, limit, is_backwards=is_backwards)
    end = place_of(filters.order, rows[-1]) if len(rows) == limit else None
    return Found([row for row in rows if filters.fits(row)], end)


def _sorted(
    filters: Filters, rows: list[Row], behind: Place | None, is_backwards: bool
) -> list[Row]:
    is_down = (filters.order == NEWEST) != is_backwards
    found = sorted(
        (row for row in rows if filters.fits(row)),
        key=lambda row: place_of(filters.order, row),
        reverse=is_down,
    )
    if behind is None:
        return found
    places = ((place_of(filters.order, row), row) for row in found)
    return [row for place, row in places if (place < behind if is_down else place > behind)]


def _merged(parts: list[Found], order: str, is_backwards: bool) -> Found:
    """Return the rows of several walks as one, up to the first place where one of them ended."""
    is_down = (order == NEWEST) != is_backwards
    ends = [part.end for part in parts if part.end is not None]
    end = (max(ends) if is_down else min(ends)) if ends else None
    placed = sorted(
        ((place_of(order, row), row) for part in parts for row in part.rows), reverse=is_down
    )
    return Found(
        [
            row
            for place, row in placed
            if end is None or (place >= end if is_down else place <= end)
        ],
        end,
    )


def walked(
    filters: Filters,
    order: str,
    index: str | None,
    behind: Place | None,
    *,
    is_backwards: bool = False,
) -> QuerySet[QueueEntry]:
    """Return the entries one index gives in an order, behind a place of that order or before it."""
    rows = QueueEntry.objects.all()
    if filters.stage is not None:
        rows = rows.filter(stage=filters.stage)
    if index is not None:
        rows = rows.filter(**{index: filters.values[index]})
    if index == "reason":
        rows = rows.exclude(reason=QueueEntry.Reason.NEW)  # the condition of its index
    rows = ordered(rows, order, is_backwards=is_backwards)
    if behind is not None:
        rows = rows.filter(_is_behind(order, behind, is_backwards=is_backwards))
    return rows


def _read(
    filters: Filters,
    order: str,
    index: str | None,
    behind: Place | None,
    limit: int,
    *,
    is_backwards: bool,
) -> list[Row]:
    rows = walked(filters, order, index, behind, is_backwards=is_backwards)
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
    return Q(
        RowComparison(
            F("entered_at"),
            F("post_id"),
            Value(moment_of(behind), output_field=DateTimeField()),
            Value(behind.post_id, output_field=BigIntegerField()),
            operator="<" if (order == NEWEST) != is_backwards else ">",
        )
    )


@dataclass(frozen=True, slots=True)
class Page:
    """Entries of one page in the order of the queue, and the places to go on behind and before.

    `is_cut` says that the looking ended after `WINDOW` rows, not at the end of the queue.
    """

    entries: list[QueueEntry]
    after: str = ""
    before: str = ""
    is_cut: bool = False
    is_understood: bool = True


def page_of(filters: Filters, *, after: str = "", before: str = "", size: int = PAGE_SIZE) -> Page:
    """Return a page of the queue: one query where one index is all it takes, else up to four.

    A place that makes no sense gives the first page, which then says so.
    """
    text = after or before
    behind = Place.decode(text) if text else None
    is_backwards = behind is not None and not after
    is_plain = filters.stage is not None and not filters.is_looked_for
    if is_plain and (filters.order == RISK or filters.narrowest is None):
        rows: list[Any] = list(
            with_what_a_line_shows(
                walked(filters, filters.order, filters.narrowest, behind, is_backwards=is_backwards)
            )[: size + 1]
        )
        chosen, has_more, is_cut, end = rows[:size], len(rows) > size, False, None
        entries = chosen
    else:
        found = look(filters, behind, most=size + 1, is_backwards=is_backwards)
        chosen, has_more = found.rows[:size], len(found.rows) > size
        end = found.end
        is_cut = not has_more and end is not None
        entries = _entries([row.post_id for row in chosen])
    if has_more:
        end = place_of(filters.order, chosen[-1])
    far = end.encode() if end is not None else ""
    near = ""
    if behind is not None:
        # The way back begins at what is shown; where nothing is, with the place it was looked from.
        start = (
            place_of(filters.order, chosen[0])
            if chosen
            else _with(filters.order, behind, is_backwards=not is_backwards)
        )
        near = start.encode()
    return Page(
        entries=entries[::-1] if is_backwards else entries,
        after=near if is_backwards else far,
        before=far if is_backwards else near,
        is_cut=is_cut,
        is_understood=not text or behind is not None,
    )


def with_what_a_line_shows(rows: QuerySet[QueueEntry]) -> QuerySet[QueueEntry]:
    """Return entries with post, revision, source and holder, and without long columns."""
    return rows.select_related("post", "revision", "source", "lease_by").only(
        *("stage", "reason", "difficulty", "entered_at", "risk", "factors", "rank", "run_id"),
        *("contradicted", "words_added", "words_removed", "lease_until"),
        *("post__title", "post__live_revision_id", "post__reading_minutes"),
        *("revision__number", "revision__origin", "source__name"),
        *("lease_by__username", "lease_by__first_name", "lease_by__last_name"),
    )


def _entries(post_ids: list[int]) -> list[QueueEntry]:
    """Return entries in this order. At most one query."""
    if not post_ids:
        return []
    place = {post_id: number for number, post_id in enumerate(post_ids)}
    return sorted(
        with_what_a_line_shows(QueueEntry.objects.filter(pk__in=post_ids)),
        key=lambda entry: place[entry.pk],
    )


def first(count: int) -> list[QueueEntry]:
    """Return the riskiest entries that wait. One query."""
    return list(with_what_a_line_shows(walked(Filters(), RISK, None, None))[:count])
