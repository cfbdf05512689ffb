"""What an audit list is narrowed down to, and the walk through the events that fit.

In: the fields of the filter. Out: events newest first, in pages by key. One condition, or none,
picks the index that is walked; the others are looked at on at most `WINDOW` events of it, so that
no combination costs more. A page may then be short and still lead on.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from django import forms
from django.contrib.auth.models import User
from django.db.models import BigIntegerField, BooleanField, F, Func, Q, Value

from posts.models import BulkAction, Event, ImportSource
from posts.pagination import Cursor

if TYPE_CHECKING:
    from django.db.models import QuerySet

#: Events of one page, and events looked at for it.
PAGE = 50
WINDOW = 2_000
#: Events of one query of an export.
EXPORT_PAGE = 1_000

_NUMBER_MAX = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Wanted:
    """Conditions on events; None means any. `start` is included, `end` is not."""

    post: int | None = None
    run: int | None = None
    person: int | None = None
    actor: int | None = None
    source: int | None = None
    kind: str | None = None
    bulk: int | None = None
    start: dt.datetime | None = None
    end: dt.datetime | None = None

    @property
    def walked(self) -> str:
        """The condition whose index is walked, "" for all events."""
        names = ("post", "run", "person", "actor", "source", "kind")
        return next((name for name in names if getattr(self, name) is not None), "")

    @property
    def is_chain(self) -> bool:
        return self.walked in ("post", "run", "person")


class Found(NamedTuple):
    """Numbers of events, newest first, and the place to go on behind; None when there is no more.

    `is_cut` says that the place comes from looking at `WINDOW` events, not from a full page.
    """

    ids: list[int]
    further: Cursor | None
    is_cut: bool


def page_of(wanted: Wanted, after: Cursor | None, size: int = 0) -> Found:
    """Return a page of `size` events, by default `PAGE`, of at most `WINDOW` rows looked at.

    One query, two for a later page of a chain.
    """
    size = size or PAGE
    rows = walked_rows(wanted, after)
    columns = ["pk", "at", "kind", "actor_id", "source_id", "run_id", "person_id"]
    if wanted.bulk is not None:
        columns.append("data")
    most = WINDOW if _has_more_conditions(wanted) else size + 1
    ids: list[int] = []
    last: Cursor | None = None
    looked_at = 0
    for row in rows.values(*columns)[:most]:
        if len(ids) == size:
            return Found(ids, last, is_cut=False)
        looked_at += 1
        if _fits(wanted, row):
            ids.append(row["pk"])
        last = Cursor(row["at"], row["pk"])
    is_cut = looked_at == most
    return Found(ids, last if is_cut else None, is_cut)


def walked_rows(wanted: Wanted, after: Cursor | None) -> QuerySet[Event]:
    """Return the events of the walked index behind a place, in its order."""
    column = wanted.walked if wanted.walked in ("", "kind") else f"{wanted.walked}_id"
    rows = Event.objects.all()
    if wanted.is_chain:
        rows = rows.filter(**{column: getattr(wanted, wanted.walked)})
        # The order of a chain is the order in time, and its index is there anyway.
        if after is not None:
            number = Event.objects.filter(pk=after.pk).values_list("sequence", flat=True).first()
            rows = rows.filter(sequence__lt=number or 0)
        return rows.order_by("-sequence")
    if column and column != "kind":
        # The index leaves out the events that have none.
        rows = rows.filter(**{f"{column}__isnull": False})
    order = [column, "at", "id"] if column else ["at", "id"]
    value = [getattr(wanted, wanted.walked)] if column else []
    if wanted.start is not None or column:
        begin = [*value, wanted.start or dt.datetime.min.replace(tzinfo=dt.UTC), 0]
        rows = rows.filter(Q(_Rows(order, begin, ">=")))
    end = Cursor(wanted.end, 0) if wanted.end is not None else None
    if after is not None and (end is None or after < end):
        end = after
    if end is not None or column:
        last = end or Cursor(dt.datetime.max.replace(tzinfo=dt.UTC), 0)
        rows = rows.filter(Q(_Rows(order, [*value, last.moment, last.pk], "<")))
    return rows.order_by(*(f"-{name}" for name in order))


class _Rows(Func):
    """`(a, b, c) < (x, y, z)`: both ends of a walk, from one index and no other.

    With `a = x` instead PostgreSQL may walk the index of all events and leave out the others.
    """

    output_field = BooleanField()

    def __init__(self, columns: list[str], values: list[Any], operator: str) -> None:
        fields = [Event._meta.get_field(name.removesuffix("_id")) for name in columns]
        super().__init__(
            *(F(name) for name in columns),
            *(
                Value(value, output_field=field if name in ("kind", "at") else BigIntegerField())
                for name, value, field in zip(columns, values, fields, strict=True)
            ),
        )
        self.operator = operator

    def as_sql(  # type: ignore[override]
        self, compiler: Any, connection: Any, **context: Any
    ) -> tuple[str, list[Any]]:
        """Return the comparison of the first half of the expressions with the second."""
        parts = [compiler.compile(expression) for expression in self.source_expressions]
        half = len(parts) // 2
        left, right = (", ".join(sql for sql, _ in some) for some in (parts[:half], parts[half:]))
        parameters = [value for _, values in parts for value in values]
        return f"({left}) {self.operator} ({right})", parameters


def _has_more_conditions(wanted: Wanted) -> bool:
    names = ("post", "run", "person", "actor", "source", "kind", "bulk")
    others = sum(getattr(wanted, name) is not None for name in names) - bool(wanted.walked)
    has_days = wanted.start is not None or wanted.end is not None
    return bool(others or (wanted.is_chain and has_days))


def _fits(wanted: Wanted, row: dict[str, Any]) -> bool:
    return (
        (wanted.kind is None or row["kind"] == wanted.kind)
        and (wanted.actor is None or row["actor_id"] == wanted.actor)
        and (wanted.source is None or row["source_id"] == wanted.source)
        and (wanted.run is None or row["run_id"] == wanted.run)
        and (wanted.person is None or row["person_id"] == wanted.person)
        and (wanted.start is None or row["at"] >= wanted.start)
        and (wanted.end is None or row["at"] < wanted.end)
        and (wanted.bulk is None or row["data"].get("bulk_action") == wanted.bulk)
    )


def all_of(wanted: Wanted) -> Iterator[Event]:
    """Yield every event that fits, newest first, a page at a time in memory."""
    after: Cursor | None = None
    while True:
        found = page_of(wanted, after, EXPORT_PAGE)
        events = Event.objects.in_bulk(found.ids)
        yield from (events[pk] for pk in found.ids if pk in events)
        if found.further is None:
            return
        after = found.further


class DayInput(forms.DateInput):
    """A browser's field for a day; it stays empty for what is none, which browsers complain of."""

    input_type = "date"

    def __init__(self, attrs: dict[str, Any] | None = None) -> None:
        super().__init__(attrs, format="%Y-%m-%d")

    def format_value(self, value: Any) -> str | None:
        try:
            return dt.date.fromisoformat(str(value)).isoformat()
        except ValueError:
            return None


class FilterForm(forms.Form):
    """The fields above the list. A name that nobody has is an error, not an empty list."""

    kind = forms.CharField(label="What", max_length=40, required=False)
    actor = forms.CharField(
        label="By", max_length=150, required=False, help_text="A user name, whole."
    )
    person = forms.CharField(
        label="Account", max_length=150, required=False, help_text="Whose account was changed."
    )
    since = forms.DateField(label="From", required=False, widget=DayInput)
    until = forms.DateField(label="To", required=False, widget=DayInput)
    post = forms.IntegerField(label="Post no.", required=False, min_value=1, max_value=_NUMBER_MAX)
    run = forms.IntegerField(label="Run no.", required=False, min_value=1, max_value=_NUMBER_MAX)
    source = forms.CharField(label="Source", max_length=80, required=False)
    bulk = forms.IntegerField(
        required=False, min_value=1, max_value=_NUMBER_MAX, widget=forms.HiddenInput
    )

    def __init__(self, *args: Any, kinds: list[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, label_suffix="", **kwargs)
        chosen = self.data.get("kind", "")
        known = [("", "everything"), *kinds]
        if chosen not in dict(known):
            known.append((chosen, chosen))
        self.fields["kind"].widget = forms.Select(choices=known)

    def clean_actor(self) -> int | None:
        return self._person("actor")

    def clean_person(self) -> int | None:
        return self._person("person")

    def _person(self, field: str) -> int | None:
        name = self.cleaned_data[field]
        if not name:
            return None
        found = User.objects.filter(username=name).values_list("pk", flat=True).first()
        if found is None:
            raise forms.ValidationError(f"There is no user “{name}”. Give the whole user name.")
        return found

    def clean_source(self) -> int | None:
        name = self.cleaned_data["source"]
        if not name:
            return None
        found = ImportSource.objects.filter(name=name).values_list("pk", flat=True).first()
        if found is None:
            raise forms.ValidationError(f"There is no source “{name}”.")
        return found

    def clean_bulk(self) -> BulkAction | None:
        number = self.cleaned_data["bulk"]
        if number is None:
            return None
        found = BulkAction.objects.filter(pk=number).first()
        if found is None:
            raise forms.ValidationError(f"There is no bulk action {number}.")
        return found

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        since, until = cleaned.get("since"), cleaned.get("until")
        if since and until and since > until:
            self.add_error("until", "The last day is before the first. Exchange them.")
        return cleaned

    def wanted(self) -> Wanted:
        """Return the conditions of a form that is valid."""
        cleaned = self.cleaned_data
        bulk = cleaned["bulk"]
        start, end = _midnight(cleaned["since"]), _midnight(cleaned["until"], days=1)
        actor = cleaned["actor"]
        if bulk is not None:
            # Its events are those of one person between two moments: an index has these.
            actor = actor or bulk.actor_id
            start = max(start or bulk.started_at, bulk.started_at)
            if bulk.finished_at is not None:
                behind = bulk.finished_at + dt.timedelta(microseconds=1)
                end = min(end or behind, behind)
        return Wanted(
            post=cleaned["post"],
            run=cleaned["run"],
            person=cleaned["person"],
            actor=actor,
            source=cleaned["source"],
            kind=cleaned["kind"] or None,
            bulk=bulk.pk if bulk is not None else None,
            start=start,
            end=end,
        )


def _midnight(day: dt.date | None, days: int = 0) -> dt.datetime | None:
    if day is None or day >= dt.date.max:
        return None
    return dt.datetime.combine(day + dt.timedelta(days=days), dt.time(), dt.UTC)
