"""The gate's mechanics: what follows a change of `listed_at`, in the transaction that changes it.

`posts.review` and `posts.writing` decide; here the copies on tags and entities follow, and the
counters learn when a post becomes due. Whether a post is listed is asked in `posts.querysets`.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter as Tally
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from django.db.models import Count

from posts import db
from posts.models import CounterDelta, PostEntity, PostTag


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


def count(gates: Iterable[Gate], sign: int, now: dt.datetime) -> None:
    """Append what open gates add to (+1) or take from (-1) the use counts, each when it is due.

    Call with -1 before the tags or the gate change and with +1 after. Two queries per distinct
    moment and 500 posts, one insert.
    """
    due: dict[tuple[dt.datetime, int], list[int]] = {}
    for gate in gates:
        if gate.listed_at is None:
            continue
        due.setdefault((max(gate.listed_at, now), sign), []).append(gate.post_id)
        if gate.archive_at is not None:
            closes_at = max(gate.archive_at, gate.listed_at, now)
            due.setdefault((closes_at, -sign), []).append(gate.post_id)
    rows: list[tuple[int | None, int | None, int, dt.datetime]] = []
    for (due_at, amount), ids in due.items():
        rows.append((None, None, amount * len(ids), due_at))
        rows += [
            (tag_id, None, amount * uses, due_at) for tag_id, uses in _uses(PostTag, ids).items()
        ]
        rows += [
            (None, entity_id, amount * uses, due_at)
            for entity_id, uses in _uses(PostEntity, ids).items()
        ]
    if rows:
        db.insert_rows(CounterDelta, ("tag_id", "entity_id", "amount", "due_at"), rows)


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
