"""Use counts of tags, entities and topics, and the archive's numbers: folded plus what became due.

Gate changes append deltas (`posts.gate`); `fold` adds those that are due to the counters. Reading
gives the same number before and after a fold.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
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
from posts.models import Counter, CounterDelta, Entity, Tag, Topic

#: The counter of all listed posts, and what the names of the others begin with.
LISTED = "listed"
MONTH = "month:"
DIFFICULTY = "difficulty:"

#: Due deltas looked at for tags that are in use since the last fold.
RECENT_MAX = 500

#: Deltas taken in one fold; more are left to the next one, so that a fold stays short.
FOLD_MAX = 20_000


class UseCounts(NamedTuple):
    """Listed posts by tag id and by entity id, and in the whole archive; never below 0."""

    tags: dict[int, int]
    entities: dict[int, int]
    listed: int


def month_counter(listed_at: dt.datetime) -> str:
    """Return the name of the counter of posts listed in a month, in UTC."""
    return f"{MONTH}{listed_at.astimezone(dt.UTC):%Y-%m}"


def difficulty_counter(difficulty: str) -> str:
    """Return the name of the counter of posts of a difficulty; a long one is cut."""
    return f"{DIFFICULTY}{difficulty}"[: CounterDelta._meta.get_field("name").max_length]


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
        name="", tag__isnull=True, entity__isnull=True, topic__isnull=True, due_at__lte=now
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


def named(prefix: str, now: dt.datetime) -> dict[str, int]:
    """Return the counters whose name begins so, without that beginning, those above 0.

    One query: as many rows as there are such counters, and deltas that are due.
    """
    until = prefix[:-1] + chr(ord(prefix[-1]) + 1)  # by the index, whatever the collation
    folded = Counter.objects.filter(name__gte=prefix, name__lt=until).values_list("name", "value")
    due = CounterDelta.objects.filter(
        due_at__lte=now, name__gte=prefix, name__lt=until
    ).values_list("name", "amount")
    found: dict[str, int] = {}
    for name, number in folded.order_by().union(due.order_by(), all=True):
        key = name.removeprefix(prefix)
        found[key] = found.get(key, 0) + number
    return {name: number for name, number in found.items() if number > 0}


def topic_counts(topics: Iterable[int], now: dt.datetime) -> dict[int, int]:
    """Return use counts of topics by id. One query."""
    rows = Topic.objects.filter(pk__in=list(topics)).order_by()
    counted = rows.values_list("pk", F("use_count") + due_amount("topic", now))
    return {pk: max(0, number) for pk, number in counted}


def most_used(kinds: Sequence[str], limit: int, now: dt.datetime) -> dict[str, list[Any]]:
    """Return, by kind, the tags that most listed posts carry, each with its `count`.

    One query by indexes: what was counted since the last fold, and the most used until then of each
    kind, with their numbers. The tag table is never read through.
    """
    recent = CounterDelta.objects.filter(due_at__lte=now, tag__isnull=False).order_by("-due_at")
    # Of any kind: asked for theirs as well, SQLite prefers to look through all tags of these.
    since = Tag.objects.filter(pk__in=recent.values("tag")[:RECENT_MAX])
    until = [
        Tag.objects.filter(kind=kind, use_count__gt=0).order_by("-use_count", "name")
        for kind in kinds
    ]
    parts = [since, *(Tag.objects.filter(pk__in=some.values("pk")[:limit]) for some in until)]
    first, *others = (
        part.order_by().annotate(counted=F("use_count") + due_amount("tag", now)) for part in parts
    )
    found: dict[str, list[Any]] = {kind: [] for kind in kinds}
    for tag in {tag.pk: tag for tag in first.union(*others, all=True)}.values():
        tag.count = tag.counted
        if tag.count > 0 and tag.kind in found:
            found[tag.kind].append(tag)
    return {
        kind: sorted(tags, key=lambda tag: (-tag.count, tag.name))[:limit]
        for kind, tags in found.items()
    }


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
            .values_list("pk", "name", "tag_id", "entity_id", "topic_id", "amount")[:FOLD_MAX]
        )
        if not rows:
            return 0
        tags: dict[int, int] = {}
        entities: dict[int, int] = {}
        topics: dict[int, int] = {}
        numbers: dict[str, int] = {}
        for _, name, tag_id, entity_id, topic_id, amount in rows:
            if tag_id is not None:
                tags[tag_id] = tags.get(tag_id, 0) + amount
            elif entity_id is not None:
                entities[entity_id] = entities.get(entity_id, 0) + amount
            elif topic_id is not None:
                topics[topic_id] = topics.get(topic_id, 0) + amount
            else:
                numbers[name or LISTED] = numbers.get(name or LISTED, 0) + amount
        _add(Tag, tags)
        _add(Entity, entities)
        _add(Topic, topics)
        _add_to_counters(numbers)
        for chunk in db.chunked([row[0] for row in rows]):
            CounterDelta.objects.filter(pk__among=chunk)._raw_delete(CounterDelta.objects.db)
    return len(rows)


def _add_to_counters(amounts: dict[str, int]) -> None:
    """Add to the archive's numbers; the row of all listed posts, held by a fold, guards them."""
    db.insert_missing(Counter, ("name",), [(name,) for name in sorted(amounts)], value="0")
    for name, amount in amounts.items():
        if amount:
            Counter.objects.filter(pk=name).update(value=F("value") + amount)


def _add(model: type[Tag] | type[Entity] | type[Topic], amounts: dict[int, int]) -> None:
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
