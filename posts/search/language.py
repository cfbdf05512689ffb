"""The query language: words, "phrases", -word, tag:, stack:, difficulty:, year:, before:, after:.

In: what a reader typed. Out: a `Query`, and a message for each part that makes no sense. Every text
is a query: what is not understood is left out and said. Pure.
"""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from posts import content
from posts.search.words import stems

#: Characters of a query, and the most words and phrases of one.
QUERY_MAX = 200
TERMS_MAX = 16

KINDS = ("tag", "stack", "difficulty", "year", "before", "after")
#: Years a date of the archive can have.
YEARS = range(1970, 2200)

_PART = re.compile(r'(-?)(?:([A-Za-z]+):)?(?:"([^"]*)(?:"|$)|([^\s"]+))')
_DATE = re.compile(r"(\d{4})(?:-(\d{1,2})(?:-(\d{1,2}))?)?")


class Term(NamedTuple):
    """A word, or a phrase of several, that notes must hold or must not."""

    text: str
    stems: tuple[str, ...]
    is_excluded: bool = False

    def __str__(self) -> str:
        text = f'"{self.text}"' if re.search(r"[\s:]|^-", self.text) else self.text
        return f"-{text}" if self.is_excluded else text


class Filter(NamedTuple):
    """A condition on a note's facts; `kind` is one of `KINDS`."""

    kind: str
    value: str
    is_excluded: bool = False

    def __str__(self) -> str:
        value = f'"{self.value}"' if re.search(r"\s", self.value) else self.value
        return f"{'-' if self.is_excluded else ''}{self.kind}:{value}"


Part = Term | Filter


@dataclass(frozen=True)
class Query:
    """A query as its parts, in the order they were typed, and what was wrong with the rest."""

    parts: tuple[Part, ...] = ()
    problems: tuple[str, ...] = field(default=(), compare=False)

    def __str__(self) -> str:
        return " ".join(str(part) for part in self.parts)

    @property
    def terms(self) -> tuple[Term, ...]:
        """Words and phrases that notes must hold."""
        return tuple(p for p in self.parts if isinstance(p, Term) and not p.is_excluded)

    @property
    def excluded(self) -> tuple[Term, ...]:
        return tuple(p for p in self.parts if isinstance(p, Term) and p.is_excluded)

    @property
    def filters(self) -> tuple[Filter, ...]:
        return tuple(p for p in self.parts if isinstance(p, Filter))

    @property
    def stems(self) -> frozenset[str]:
        """What a highlight marks."""
        return frozenset(one for term in self.terms for one in term.stems)

    def without(self, *gone: Part) -> Query:
        """Return the query without some of its parts."""
        return Query(tuple(part for part in self.parts if part not in gone))

    def with_part(self, part: Part) -> Query:
        """Return the query with one more part, or the same if it is there already."""
        return self if part in self.parts else Query((*self.parts, part))

    def replaced(self, old: Part, new: Part) -> Query:
        return Query(tuple(new if part == old else part for part in self.parts))

    @property
    def period(self) -> tuple[dt.date | None, dt.date | None]:
        """First day, and first day that is too late; None for no limit."""
        since: list[dt.date] = []
        until: list[dt.date] = []
        for one in self.filters:
            if one.kind in ("after", "year"):
                since.append(first_day(one.value))
            if one.kind == "before":
                until.append(first_day(one.value))
            if one.kind == "year":
                until.append(dt.date(int(one.value) + 1, 1, 1))
        return (max(since) if since else None, min(until) if until else None)


def first_day(value: str) -> dt.date:
    """Return the day a date begins: of a year, a month or itself. Raises `ValueError`."""
    match = _DATE.fullmatch(value)
    if match is None:
        raise ValueError(value)
    year, month, day = (int(part or 1) for part in match.groups())
    if year not in YEARS:
        raise ValueError(value)
    return dt.date(year, month, day)


def parse(text: str) -> Query:
    """Return the query of a text; never raises. Control characters count as spaces."""
    problems: list[str] = []
    text = _cleaned(text)
    if len(text) > QUERY_MAX:
        text = text[:QUERY_MAX]
        problems.append(f"Only the first {QUERY_MAX} characters were used.")
    parts = dict.fromkeys(_parts(text, problems))
    terms = [part for part in parts if isinstance(part, Term)]
    if len(terms) > TERMS_MAX:
        problems.append(f"Only the first {TERMS_MAX} words were used.")
    left_out = set(terms[TERMS_MAX:])
    return Query(tuple(part for part in parts if part not in left_out), tuple(problems))


def _cleaned(text: str) -> str:
    # Categories C*: controls, formats, surrogates, unassigned; none of them is part of a word.
    spaced = "".join(" " if unicodedata.category(c).startswith("C") else c for c in text)
    for quote in "“”„«»":
        spaced = spaced.replace(quote, '"')
    return " ".join(spaced.split())


def _parts(text: str, problems: list[str]) -> Iterator[Part]:
    for match in _PART.finditer(text):
        minus, key, quoted, word = match.groups()
        value = (quoted if quoted is not None else word).strip()
        kind = (key or "").lower()
        if kind in KINDS:
            accepted = _filter(kind, value, bool(minus), problems)
            if accepted is not None:
                yield accepted
            continue
        # A key that is none is a word like any other: "note: this" or "http://…".
        value = f"{key}:{value}" if key else value
        found = tuple(stems(value))
        if found:
            yield Term(value, found, bool(minus))


def _filter(kind: str, value: str, is_excluded: bool, problems: list[str]) -> Filter | None:
    refused, accept = _ACCEPTED[kind]
    try:
        accepted = accept(value)
    except ValueError:
        shown = f"{kind}:{value}"[:60]
        problems.append(f"“{shown}” was left out: expected {refused}.")
        return None
    if is_excluded and kind in ("year", "before", "after"):
        problems.append(f"“-{kind}:{value}” was left out: a date cannot be excluded.")
        return None
    return Filter(kind, accepted, is_excluded)


def _name(value: str) -> str:
    name = content.normal_tag(value)
    if not name or len(name) > content.TAG_MAX:
        raise ValueError(value)
    return name


def _difficulty(value: str) -> str:
    if value.lower() not in content.DIFFICULTIES:
        raise ValueError(value)
    return value.lower()


def _date(value: str) -> str:
    first_day(value)
    return value


def _year(value: str) -> str:
    if not re.fullmatch(r"[0-9]{4}", value) or int(value) not in YEARS:
        raise ValueError(value)
    return value


_DATES = "a year, a month or a day, such as 2026, 2026-03 or 2026-03-17"
#: Kind -> what was expected, and the function that accepts a value or raises `ValueError`.
_ACCEPTED: dict[str, tuple[str, Callable[[str], str]]] = {
    "tag": ("the name of a tag", _name),
    "stack": ("the name of a stack", _name),
    "difficulty": (f"one of {', '.join(content.DIFFICULTIES)}", _difficulty),
    "year": ("a year, such as 2026", _year),
    "before": (_DATES, _date),
    "after": (_DATES, _date),
}
