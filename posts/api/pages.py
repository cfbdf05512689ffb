"""Pages of the API: keyset, never an offset or a count, each with the address of the next.

In: a queryset and a cursor that an earlier page gave. Out: its items and `next`. A cursor of
nobody's is a problem, not the first page: a program would read everything twice.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import json
from typing import Any
from urllib.parse import urlencode

from django.db.models import CharField, F, Q, Value
from django.http import HttpRequest
from ninja import Field, Schema

from posts import counters
from posts.api.problems import ProblemError
from posts.models import CounterDelta, Entity, Tag
from posts.pagination import Cursor, RowComparison, page_of
from posts.views.page import absolute

SIZE = 20
SIZE_MAX = 100
CURSOR_MAX = 600


class Paging(Schema):
    """What every list takes."""

    after: str = Field(
        "",
        max_length=CURSOR_MAX,
        pattern="^[A-Za-z0-9_-]*$",
        description="The place to go on from, as the address in `next` has it.",
    )
    limit: int = Field(SIZE, ge=1, le=SIZE_MAX, description="Items on a page.")


def bad_cursor() -> ProblemError:
    """Return the problem of a place that no page gave."""
    return ProblemError(
        400,
        "The place to go on from was not understood.",
        failed="after",
        expected="the address in `next` of the page before, as it is",
    )


def next_page(request: HttpRequest, after: str, limit: int) -> str:
    """Return the address of the page behind a place."""
    parameters = {"after": after} | ({"limit": str(limit)} if limit != SIZE else {})
    return absolute(f"{request.path}?{urlencode(parameters)}")


def newest_first(
    request: HttpRequest, paging: Paging, queryset: Any, **index: Any
) -> tuple[list[Any], str | None]:
    """Return posts by (listed_at, id), newest first, and the next address. See `page_of`."""
    if paging.after and Cursor.decode(paging.after) is None:
        raise bad_cursor()
    page = page_of(queryset, {"after": paging.after}, path=request.path, size=paging.limit, **index)
    if not page.next_url:
        return page.items, None
    last = page.items[-1]
    return page.items, next_page(request, Cursor(last.listed_at, last.pk).encode(), paging.limit)


def in_use(
    request: HttpRequest,
    paging: Paging,
    model: type[Tag] | type[Entity],
    *,
    group: str,
    within: str,
    now: dt.datetime,
) -> tuple[list[Any], str | None]:
    """Return tags or entities that listed posts carry, by (group, slug), with their `count`.

    `group` names the column before the slug, `within` its only value, or "" for all. What came
    into use since the last fold is merged in; what went out of use is left out, so that a page may
    be short. Queries: in use, lately in use, counts.
    """
    order = (group, "slug")
    rows = model._default_manager.filter(**({group: within} if within else {}))
    if paging.after:
        place = [Value(part, output_field=CharField()) for part in _place(paging.after)]
        rows = rows.filter(Q(RowComparison(F(group), F("slug"), *place, operator=">")))
    subject = model._meta.model_name or ""
    due = CounterDelta.objects.filter(due_at__lte=now, **{f"{subject}__isnull": False})
    lately = rows.filter(use_count=0, pk__in=due.values(subject))
    found = [
        *rows.filter(use_count__gt=0).order_by(*order)[: paging.limit + 1],
        *lately.order_by(*order)[: paging.limit + 1],
    ]
    found.sort(key=lambda row: (getattr(row, group), row.slug))
    page, more = found[: paging.limit], found[paging.limit :]
    if not page:
        return [], None
    ids = [row.pk for row in page]
    counts = (
        counters.use_counts(tags=ids, now=now).tags
        if model is Tag
        else counters.use_counts(entities=ids, now=now).entities
    )
    for row in page:
        row.count = counts.get(row.pk, 0)
    last = page[-1]
    after = _encoded(getattr(last, group), last.slug)
    return (
        [row for row in page if row.count],
        next_page(request, after, paging.limit) if more else None,
    )


def numbered(request: HttpRequest, paging: Paging, queryset: Any) -> tuple[list[Any], str | None]:
    """Return revisions by number, newest first, and the next address. One query."""
    if paging.after:
        if not paging.after.isdecimal() or int(paging.after) >= 2**31:
            raise bad_cursor()
        queryset = queryset.filter(number__lt=int(paging.after))
    found = list(queryset.newest_first()[: paging.limit + 1])
    page = found[: paging.limit]
    if len(found) == len(page):
        return page, None
    return page, next_page(request, str(page[-1].number), paging.limit)


def _encoded(group: str, slug: str) -> str:
    text = json.dumps([group, slug], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _place(text: str) -> tuple[str, str]:
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        group, slug = json.loads(raw)
    except (binascii.Error, ValueError, TypeError) as error:
        raise bad_cursor() from error
    if not isinstance(group, str) or not isinstance(slug, str) or "\x00" in group + slug:
        raise bad_cursor()
    return group, slug
