"""The gate's mechanics: what follows a change of `listed_at`, in the transaction that changes it.

`posts.review` and `posts.writing` decide; here the copies on tags and entities follow, and the
counters learn when a post becomes due. Whether a post is listed is asked in `posts.querysets`.
"""

from __future__ import annotations

import datetime as dt
import functools
from collections import Counter as Tally
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from django.db.models import Count

from posts import db, topics
from posts.counters import difficulty_counter, month_counter
from posts.models import CounterDelta, Departure, Post, PostEntity, PostTag


class Gate(NamedTuple):
    """A post's gate: open from `listed_at` (None: closed) until `archive_at` (None: for good)."""

    post_id: int
    listed_at: dt.datetime | None
    archive_at: dt.datetime | None


def copy_to_projections(gates: Iterable[Gate]) -> None:
    """Copy `listed_at` to tags and entities, whose partial indexes the lists walk.

    Two updates per 500 posts and distinct moment.
    """
    by_moment: dict[dt.datetime | None, list[int]] = {}
    for gate in gates:
        by_moment.setdefault(gate.listed_at, []).append(gate.post_id)
    for listed_at, ids in by_moment.items():
        for chunk in db.chunked(ids):
            PostTag.objects.filter(content_object_id__among=chunk).update(listed_at=listed_at)
            PostEntity.objects.filter(post_id__among=chunk).update(listed_at=listed_at)


#: Columns of a delta, in the order of `_Delta`.
_COLUMNS = ("name", "tag_id", "entity_id", "topic_id", "amount", "due_at")


class _Delta(NamedTuple):
    """A change to come; nothing named is the archive's total."""

    name: str = ""
    tag_id: int | None = None
    entity_id: int | None = None
    topic_id: int | None = None
    amount: int = 0
    due_at: dt.datetime | None = None


def note_departures(
    before: Iterable[Gate], after: Iterable[Gate] = (), *, now: dt.datetime
) -> None:
    """Note which posts leave the lists, now or by a plan: gates as they were and as they are.

    A gate that stays open since the same moment leaves nothing; what had been planned for it is
    planned anew. At most one delete per 500 posts and one insert.
    """
    were = {gate.post_id: gate for gate in before}
    are = {gate.post_id: gate for gate in after}
    planned = [pk for pk, gate in were.items() if gate.archive_at is not None]
    for chunk in db.chunked(sorted(planned)):
        ahead = Departure.objects.filter(post_number__among=chunk, left_at__gt=now)
        ahead._raw_delete(ahead.db)
    rows = []
    for pk, gate in were.items():
        is_over = gate.archive_at is not None and gate.archive_at <= now
        stays = pk in are and are[pk].listed_at == gate.listed_at
        if gate.listed_at is not None and gate.listed_at <= now and not is_over and not stays:
            rows.append((pk, gate.listed_at, now))
    rows += [
        (pk, gate.listed_at, max(gate.archive_at, now))
        for pk, gate in are.items()
        if gate.listed_at is not None and gate.archive_at is not None
    ]
    if rows:
        db.insert_rows(Departure, ("post_number", "listed_at", "left_at"), rows)


def count(gates: Iterable[Gate], sign: int, now: dt.datetime) -> None:
    """Append what open gates add to (+1) or take from (-1) the use counts, each when it is due.

    Call with -1 before the tags, the topic or the gate change and with +1 after. Three queries per
    distinct moment and 500 posts, one insert; three more for topics not known yet.
    """
    due: dict[tuple[dt.datetime, int], list[int]] = {}
    months: Tally[tuple[str, int, dt.datetime]] = Tally()
    for gate in gates:
        if gate.listed_at is None:
            continue
        month = month_counter(gate.listed_at)
        due_at = max(gate.listed_at, now)
        due.setdefault((due_at, sign), []).append(gate.post_id)
        months[(month, sign, due_at)] += 1
        if gate.archive_at is not None:
            closes_at = max(gate.archive_at, gate.listed_at, now)
            due.setdefault((closes_at, -sign), []).append(gate.post_id)
            months[(month, -sign, closes_at)] += 1
    rows = [
        _Delta(name=month, amount=amount * posts, due_at=due_at)
        for (month, amount, due_at), posts in months.items()
    ]
    for (due_at, amount), ids in due.items():
        changed = functools.partial(_Delta, due_at=due_at)
        rows.append(changed(amount=amount * len(ids)))
        rows += [
            changed(tag_id=tag_id, amount=amount * uses)
            for tag_id, uses in _uses(PostTag, ids).items()
        ]
        rows += [
            changed(entity_id=entity_id, amount=amount * uses)
            for entity_id, uses in _uses(PostEntity, ids).items()
        ]
        of_topics, of_difficulties = _kinds(ids)
        known = topics.ids_of(of_topics)
        rows += [
            changed(topic_id=known[name], amount=amount * posts)
            for name, posts in of_topics.items()
            if name in known
        ]
        rows += [
            changed(name=difficulty_counter(name), amount=amount * posts)
            for name, posts in of_difficulties.items()
        ]
    if rows:
        db.insert_rows(CounterDelta, _COLUMNS, rows)


def _kinds(ids: Sequence[int]) -> tuple[Tally[str], Tally[str]]:
    """Return how many of the posts have each topic, and each difficulty."""
    of_topics: Tally[str] = Tally()
    of_difficulties: Tally[str] = Tally()
    for chunk in db.chunked(ids):
        found = Post.objects.filter(pk__in=chunk).values_list("topic", "difficulty")
        for topic, difficulty in found:
            of_topics[topic] += 1
            of_difficulties[difficulty] += 1
    del of_topics[""], of_difficulties[""]
    return of_topics, of_difficulties


def _uses(model: type[PostTag] | type[PostEntity], ids: Sequence[int]) -> Tally[int]:
    owner, subject = (
        ("content_object_id", "tag_id") if model is PostTag else ("post_id", "entity_id")
    )
    uses: Tally[int] = Tally()
    for chunk in db.chunked(ids):
        counted = (
            model._default_manager.filter(**{f"{owner}__in": chunk})
            .values_list(subject)
            .annotate(uses=Count("pk"))
            .order_by()
        )
        for subject_id, number in counted:
            uses[subject_id] += number
    return uses
