"""The archive by years and months, from counters; and the span of time that an address names."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

from posts.selection import Span

#: Steps of the strip above 0.
LEVELS = 4
#: Side of a month's square; on the narrowest screen it is 24 pixels, the least for a finger.
SQUARE = 24
MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)


@dataclass(frozen=True)
class Month:
    """A month: its number, posts listed in it, and 0 to `LEVELS` by how many."""

    number: int
    count: int
    level: int

    @property
    def name(self) -> str:
        return MONTHS[self.number - 1]

    @property
    def share(self) -> str:
        """How dark its square is, of 1."""
        return f"{self.level / LEVELS:.2f}"

    @property
    def left(self) -> int:
        """Where its square begins in the strip's own units."""
        return (self.number - 1) * SQUARE

    @property
    def middle(self) -> int:
        """Where the letter above it stands."""
        return self.left + SQUARE // 2


@dataclass(frozen=True)
class Year:
    """A year with all its months."""

    number: int
    count: int
    months: tuple[Month, ...]


def years(counts: Mapping[str, int]) -> list[Year]:
    """Return years from counts by month ("2026-11"), newest first, none left out in between.

    A month's level is its share of the fullest month, in quarters, rounded up.
    """
    if not counts:
        return []
    fullest = max(counts.values())
    found = []
    for year in range(int(max(counts)[:4]), int(min(counts)[:4]) - 1, -1):
        months = []
        for number in range(1, 13):
            count = counts.get(f"{year:04}-{number:02}", 0)
            months.append(Month(number, count, -(-LEVELS * count // fullest)))
        found.append(Year(year, sum(month.count for month in months), tuple(months)))
    return found


def span_of(year: int, month: int | None = None) -> Span:
    """Return a year or a month as a span, in UTC. Raises `ValueError` when there is no such one."""
    start = dt.datetime(year, 1 if month is None else month, 1, tzinfo=dt.UTC)
    if month is None:
        return Span(start, start.replace(year=year + 1))
    return Span(start, (start + dt.timedelta(days=32)).replace(day=1))
