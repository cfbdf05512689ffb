"""Keyset pages over (moment, id), newest first: no count, no offset, one query a page.

In: a queryset, the request's `after`/`before` cursor. Out: `Page` with its items and the addresses
beside it. A cursor that makes no sense gives the first page with a note, never an error.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import urlencode

from django.db.models import (
    BigIntegerField,
    BooleanField,
    DateTimeField,
    F,
    Func,
    Q,
    QuerySet,
    Value,
)

PAGE_SIZE = 20
NOTE = "The place in this address was not understood, so this is the first page."

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_ID_MAX = 2**63 - 1


class Cursor(NamedTuple):
    """A place between two posts: behind this one."""

    moment: dt.datetime
    pk: int

    def encode(self) -> str:
        """Return the cursor as URL-safe text that means nothing to anybody else."""
        microseconds = (self.moment - _EPOCH) // dt.timedelta(microseconds=1)
        return base64.urlsafe_b64encode(f"{microseconds}.{self.pk}".encode()).decode().rstrip("=")

    @classmethod
    def decode(cls, text: str) -> Cursor | None:
        """Return the cursor of a text, or None when it is not one."""
        if not 1 <= len(text) <= 60 or not text.isascii():
            return None
        try:
            raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
            microseconds, _, pk = raw.decode("ascii").partition(".")
            cursor = cls(_EPOCH + dt.timedelta(microseconds=int(microseconds)), int(pk))
        except (binascii.Error, UnicodeDecodeError, ValueError, OverflowError):
            return None
        # One spelling each, so that one page has one address.
        return cursor if 0 <= cursor.pk <= _ID_MAX and cursor.encode() == text else None


@dataclass(frozen=True)
class Page:
    """Items of one page, newest first; an empty address means there is nothing on that side.

    `query` is the canonical query string of this page, "" for the first one.
    """

    items: list[Any]
    next_url: str = ""
    previous_url: str = ""
    note: str = ""
    query: str = ""


class RowComparison(Func):
    """`(a, b) < (c, d)`, which both databases answer from an index on (a, b), ties included."""

    output_field = BooleanField()

    def __init__(self, *expressions: Any, operator: str = "<", **extra: Any) -> None:
        super().__init__(*expressions, **extra)
        self.operator = operator

    def as_sql(  # type: ignore[override]
        self, compiler: Any, connection: Any, **context: Any
    ) -> tuple[str, list[Any]]:
        """Return the comparison; the two halves are the first and the last two expressions."""
        parts: list[str] = []
        parameters: list[Any] = []
        for expression in self.source_expressions:
            sql, values = compiler.compile(expression)
            parts.append(sql)
            parameters += values
        return f"({parts[0]}, {parts[1]}) {self.operator} ({parts[2]}, {parts[3]})", parameters


def page_of(
    queryset: QuerySet[Any],
    parameters: Mapping[str, str],
    *,
    path: str,
    size: int = PAGE_SIZE,
    where: Q | None = None,
    moment: str = "listed_at",
    key: str = "pk",
) -> Page:
    """Return the page of posts a request asks for. One query, and what the queryset prefetches.

    `moment` and `key` name the columns of the index to walk; when they are reached over a join to
    many rows, `where` holds the conditions on that join, so that all speak of one row. Items must
    have `listed_at` and `pk`. `size` is in posts.
    """
    after, before = parameters.get("after", ""), parameters.get("before", "")
    text = after or before
    cursor = Cursor.decode(text) if text else None
    is_backwards = cursor is not None and not after
    condition = where or Q()
    if cursor is not None:
        condition &= Q(
            RowComparison(
                F(moment),
                F(key),
                Value(cursor.moment, output_field=DateTimeField()),
                Value(cursor.pk, output_field=BigIntegerField()),
                operator=">" if is_backwards else "<",
            )
        )
    sign = "" if is_backwards else "-"
    found = list(queryset.filter(condition).order_by(f"{sign}{moment}", f"{sign}{key}")[: size + 1])
    has_more, items = len(found) > size, found[:size]
    if is_backwards:
        items.reverse()
    if cursor is None:
        return Page(items, _next(path, items, has_more), note=NOTE if text else "")
    query = urlencode({"before" if is_backwards else "after": text})
    if not items:
        return Page([], previous_url=path, query=query)
    return Page(
        items,
        next_url=_next(path, items, has_more or is_backwards),
        previous_url=_previous(path, items, has_more or not is_backwards),
        query=query,
    )


def _next(path: str, items: list[Any], is_there: bool) -> str:
    return f"{path}?after={_place(items[-1])}" if is_there and items else ""


def _previous(path: str, items: list[Any], is_there: bool) -> str:
    return f"{path}?before={_place(items[0])}" if is_there else ""


def _place(post: Any) -> str:
    return Cursor(post.listed_at, post.pk).encode()
