"""Use counts of tags and entities and the archive's total: folded values plus what became due.

Gate changes append deltas (`posts.gate`); `fold` adds those that are due to the counters. Reading
gives the same number before and after a fold.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import (
    BigIntegerField,
    CharField,
    F,
    OuterRef,
    QuerySet,
    Subquery,
    Sum,
    Value,
)
from django.db.models.functions import Coalesce

from posts import db
from posts.models import Counter, CounterDelta, Entity, Tag

#: The counter of all listed posts.
LISTED = "listed"

#: Deltas taken in one fold; more are left to the next one, so that a fold stays short.
FOLD_MAX = 20_000


class UseCounts(NamedTuple):
    """Listed posts by tag id and by entity id, and in the whole archive; never below 0."""

    tags: dict[int, int]
    entities: dict[int, int]
    listed: int


def due_amount(subject: str, now: dt.datetime) -> Any:
    """Return the sum of due deltas of an outer tag or entity, for an annotation."""
    due = (
        CounterDelta.objects.filter(**{subject: OuterRef("pk")}, due_at__lte=now)
        .order_by()
        .values(subject)
        .annotate(total=Sum("amount"))
        .values("total")
    )
    return Coalesce(Subquery(due, output_field=BigIntegerField()), Value(0))


def _counted(subject: str, rows: QuerySet[Any], now: dt.datetime) -> QuerySet[Any]:
    # Folded value and deltas in one statement: a fold in between would be seen by one of two only.
    return rows.order_by().values_list(
        Value(subject, output_field=CharField()),
        F("pk"),
        F("use_count") + due_amount(subject, now),
    )


def use_counts(
    *, tags: Iterable[int] = (), entities: Iterable[int] = (), now: dt.datetime
) -> UseCounts:
    """Return use counts of tags and entities by id, and the total. One query.

    Work: the subjects asked for, and deltas of theirs that are due and not folded yet.
    """
    parts = [
        _counted("tag", Tag.objects.filter(pk__in=list(tags)), now),
        _counted("entity", Entity.objects.filter(pk__in=list(entities)), now),
    ]
    unfolded = CounterDelta.objects.filter(
        tag__isnull=True, entity__isnull=True, due_at__lte=now
    ).order_by()
    sources = (Counter.objects.filter(pk=LISTED).values("value"), unfolded.values("amount"))
    parts += [
        source.order_by().values_list(
            Value(LISTED, output_field=CharField()),
            Value(0, output_field=BigIntegerField()),
            Coalesce(Sum(column), Value(0), output_field=BigIntegerField()),
        )
        for source, column in zip(sources, ("value", "amount"), strict=True)
    ]
    found: dict[str, dict[int, int]] = {"tag": {}, "entity": {}, LISTED: {}}
    for subject, pk, number in parts[0].union(*parts[1:], all=True):
        found[subject][pk] = found[subject].get(pk, 0) + int(number)
    return UseCounts(
        {pk: max(0, number) for pk, number in found["tag"].items()},
        {pk: max(0, number) for pk, number in found["entity"].items()},
        max(0, sum(found[LISTED].values())),
    )


def total_listed(now: dt.datetime) -> int:
    """Return the number of listed posts. One query, bounded by what is not folded yet."""
    return use_counts(now=now).listed


def fold(*, now: dt.datetime) -> int:
    """Add due deltas to the counters and remove them; return how many were folded.

    One short transaction. Only one fold runs at a time, another leaves its work to the next. Deltas
    are taken by due time, additions first, so that no use count is ever below zero on the way.
    """
    with transaction.atomic():
        Counter.objects.get_or_create(name=LISTED)
        free = Counter.objects.select_for_update(skip_locked=db.is_postgresql())
        if not free.filter(pk=LISTED).values_list("pk"):
            return 0
        rows = list(
            CounterDelta.objects.filter(due_at__lte=now)
            .order_by("due_at", "-amount", "pk")
            .values_list("pk", "tag_id", "entity_id", "amount")[:FOLD_MAX]
        )
        if not rows:
            return 0
        tags: dict[int, int] = {}
        entities: dict[int, int] = {}
        total = 0
        for _, tag_id, entity_id, amount in rows:
            if tag_id is not None:
                tags[tag_id] = tags.get(tag_id, 0) + amount
            elif entity_id is not None:
                entities[entity_id] = entities.get(entity_id, 0) + amount
            else:
                total += amount
        _add(Tag, tags)
        _add(Entity, entities)
        if total:
            Counter.objects.filter(pk=LISTED).update(value=F("value") + total)
        for chunk in db.chunked([row[0] for row in rows]):
            CounterDelta.objects.filter(pk__among=chunk)._raw_delete(CounterDelta.objects.db)
    return len(rows)


def _add(model: type[Tag] | type[Entity], amounts: dict[int, int]) -> None:
    """Add to use counts, locked in id order; one update for each distinct amount."""
    changed = sorted(pk for pk, amount in amounts.items() if amount)
    for chunk in db.chunked(changed):
        list(
            model._default_manager.select_for_update()
            .filter(pk__among=chunk)
            .order_by("pk")
            .values_list("pk")
        )
    of_amount: dict[int, list[int]] = {}
    for pk in changed:
        of_amount.setdefault(amounts[pk], []).append(pk)
    for amount, ids in of_amount.items():
        for chunk in db.chunked(ids):
            model._default_manager.filter(pk__among=chunk).update(use_count=F("use_count") + amount)
