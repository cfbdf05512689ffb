"""The rows of the review queue: made from posts by one function, whichever door moved them.

In: ids of posts that moved, in the transaction of the move. Out: their queue entries as they are to
be. `refresh` from scratch gives the same rows as any sequence of doors did; leases alone are
`posts.leases`'s. Decides nothing about a post.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from django.db import transaction

from posts import content, db
from posts.models import Decision, Post, QueueEntry, Revision, RiskWeights, Tag
from posts.rebuilding import Step
from posts.risk import MOST, Weights, lowest_of, origin_of, risk, said_by_values
from posts.transitions import ARCHIVED, PUBLISHED

Stage, Reason = QueueEntry.Stage, QueueEntry.Reason

#: The columns `refresh` makes, the post first; the lease is not among them.
COLUMNS = (
    *("post_id", "revision_id", "stage", "reason", "source_id", "run_id", "stack_id"),
    *("difficulty", "verified", "contradicted", "lowest_score", "words_added", "words_removed"),
    *("author_id", "entered_at", "risk", "factors", "rank"),
)
#: Bits of a rank that hold the post's number.
POST_BITS = 48
#: Posts looked at in one transaction of `rebuild`.
STEP = 1_000
#: Pairs of texts compared at once; each may have a mebibyte.
TEXTS_AT_ONCE = 20


class Row(NamedTuple):
    """Values of `COLUMNS`."""

    post_id: int
    revision_id: int
    stage: int
    reason: int
    source_id: int | None
    run_id: int | None
    stack_id: int | None
    difficulty: str
    verified: int
    contradicted: int
    lowest_score: int | None
    words_added: int | None
    words_removed: int | None
    author_id: int | None
    entered_at: dt.datetime
    risk: int
    factors: int
    rank: int


def weights() -> Weights:
    """Return what the risk is weighed by at present. One query."""
    learned = RiskWeights.objects.first()
    return learned.as_weights if learned is not None else Weights()


def rank(points: int, post_id: int) -> int:
    """Return the place by risk: the highest first, then the older post. Fits a signed 64 bits.

    One number, because a risk and a post in two columns tempt the planner to walk all posts.
    """
    return (MOST - points << POST_BITS) + post_id


def hold(post_ids: Iterable[int]) -> None:
    """Lock posts in id order, so that nobody moves them until the commit. One query per 500."""
    for chunk in db.chunked(sorted(set(post_ids))):
        rows = Post.objects.select_for_update(no_key=True).filter(pk__among=chunk).order_by("pk")
        list(rows.values_list("pk"))


def refresh(post_ids: Iterable[int]) -> int:
    """Make the entries of these posts what their posts say; return how many rows were written.

    Inside the transaction that moved them; posts that do not wait any more leave the queue. At
    most eleven statements per 500 posts: a lock, what is there, what should be, the difference.
    """
    written = 0
    for chunk in db.chunked(sorted(set(post_ids))):
        hold(chunk)
        there = {
            row[0]: row for row in QueueEntry.objects.filter(pk__among=chunk).values_list(*COLUMNS)
        }
        written += _write(there, wanted(chunk))
    return written


def _write(there: Mapping[int, tuple[Any, ...]], rows: Mapping[int, Row]) -> int:
    """Write the difference. A post that goes from one stage to the other loses its lease."""
    gone, fresh, moved = [], [], []
    for post_id, was in there.items():
        row = rows.get(post_id)
        if row is None or row.stage != was[COLUMNS.index("stage")]:
            gone.append(post_id)
    for post_id, row in rows.items():
        if post_id not in there or post_id in gone:
            fresh.append(row)
        elif tuple(row) != tuple(there[post_id]):
            moved.append(row)
    db.delete_rows(QueueEntry, gone)
    if fresh:
        db.insert_rows(QueueEntry, COLUMNS, fresh)
    db.update_rows(QueueEntry, "post_id", COLUMNS[1:], moved)
    return len(fresh) + len(moved) + len(set(gone).difference(rows))


def wanted(post_ids: Sequence[int]) -> dict[int, Row]:
    """Return the entries these posts, at most 500, should have. At most seven queries."""
    posts: dict[int, tuple[Any, ...]] = {}
    revision_of: dict[int, int] = {}
    for pk, visibility, live, proposed, approved, *more in Post.objects.filter(
        pk__among=post_ids
    ).values_list(
        *("pk", "visibility", "live_revision_id", "proposed_revision_id", "approved_revision_id"),
        *("difficulty", "imported__source_id", "statistics__imported_score"),
    ):
        if visibility == ARCHIVED or (proposed is None and approved == live):
            continue
        posts[pk] = (visibility == PUBLISHED, live, proposed, *more)
        revision_of[pk] = proposed or live
    if not posts:
        return {}
    revisions = {
        pk: values
        for pk, *values in Revision.objects.filter(pk__among=revision_of.values()).values_list(
            *("pk", "origin", "run_id", "author_id", "created_at", "meta__image_sources"),
            *("meta__flags", "meta__revision", "meta__payload"),
            *("claim_check__verified", "claim_check__contradicted"),
        )
    }
    by = weights()
    stacks = _stacks([post[1] for post in posts.values()])
    sent_back = _sent_back([post[1] for post in posts.values() if post[2] is None])
    sizes = _sizes([pk for pk, post in posts.items() if post[2] not in (None, post[1])])
    rows = {}
    for pk, (is_public, live, proposed, difficulty, source, score) in posts.items():
        origin, run, author, made_at, images, flags, label, payload, verified, contradicted = (
            revisions[revision_of[pk]]
        )
        verdict, sent_back_at = sent_back.get(live, (Reason.CHANGES_REQUESTED.value, made_at))
        reason = _reason(live, proposed, is_import=origin == Revision.Origin.IMPORT) or verdict
        lowest_score = lowest_of((score or {}).values())
        points, factors = risk(
            said=said_by_values(
                image_urls=[image.get("url", "") for image in images or ()],
                needs_review=(flags or {}).get("needs_human_review"),
                status=(label or {}).get("status", ""),
            ),
            lowest_score=lowest_score,
            contradicted=contradicted or 0,
            origin=origin_of(*((payload or {}).get(name, "") for name in _ORIGIN)),
            is_held=reason == Reason.HELD,
            is_public=is_public,
            weights=by,
        )
        added, removed = sizes.get(pk, (None, None))
        rows[pk] = Row(
            post_id=pk,
            revision_id=revision_of[pk],
            stage=(Stage.RETURNED if proposed is None else Stage.WAITING).value,
            reason=reason,
            source_id=source,
            run_id=run,
            stack_id=stacks.get(live),
            difficulty=difficulty,
            verified=verified or 0,
            contradicted=contradicted or 0,
            lowest_score=lowest_score,
            words_added=added,
            words_removed=removed,
            author_id=author,
            entered_at=made_at if proposed else sent_back_at,
            risk=points,
            factors=factors,
            rank=rank(points, pk),
        )
    return rows


#: The members of the payload that name where a draft came from.
_ORIGIN = ("generator", "scenario")


def _reason(live: int, proposed: int | None, *, is_import: bool) -> int | None:
    """Return why a draft waits, None when it was sent back."""
    if proposed is None:
        return None
    if not is_import:
        return Reason.PROPOSED.value
    return (Reason.NEW if proposed == live else Reason.HELD).value


def _sizes(post_ids: Sequence[int]) -> dict[int, Size]:
    """Return the size of the change of posts beside whose page another revision waits.

    At most one query, of which `TEXTS_AT_ONCE` pairs of texts are held at a time.
    """
    if not post_ids:
        return {}
    sides = ("live_revision", "proposed_revision")
    texts = Post.objects.filter(pk__in=post_ids).values_list(
        "pk", *(f"{side}__{name}" for side in sides for name in ("title", "lede", "body"))
    )
    return {
        pk: size_of_change("\n".join(parts[:3]), "\n".join(parts[3:]))
        for pk, *parts in texts.iterator(chunk_size=TEXTS_AT_ONCE)
    }


class Size(NamedTuple):
    """Words that a text has and an older one has not, and the other way round."""

    added: int
    removed: int


def size_of_change(old: str, new: str) -> Size:
    """Return how many words came and went, wherever in the text: what only moved counts nothing."""
    before, after = Counter(old.split()), Counter(new.split())
    return Size((after - before).total(), (before - after).total())


def _stacks(live_ids: Sequence[int]) -> dict[int, int]:
    """Return, by live revision, the tag of its first stack: always there, because it is mirrored.

    Two queries.
    """
    names = {
        pk: content.normal_tag(stack[0])
        for pk, stack in Revision.objects.filter(pk__among=live_ids).values_list(
            "pk", "meta__stack"
        )
        if stack
    }
    tags = dict(db.primary_keys(Tag, "name", sorted(set(names.values()))))
    return {pk: tags[name] for pk, name in names.items() if name in tags}


def _sent_back(revision_ids: Sequence[int]) -> dict[int, tuple[int, dt.datetime]]:
    """Return why and when revisions were last sent back. At most one query."""
    if not revision_ids:
        return {}
    reasons = {
        Decision.Verdict.REQUEST_CHANGES.value: Reason.CHANGES_REQUESTED.value,
        Decision.Verdict.REJECT.value: Reason.REJECTED.value,
    }
    return {
        revision: (reasons[verdict], at)
        for revision, verdict, at in Decision.objects.filter(
            revision_id__among=revision_ids, verdict__in=reasons
        )
        .order_by("pk")
        .values_list("revision_id", "verdict", "decided_at")
    }


class Draft(NamedTuple):
    """What an import knows of a post it has just created; `said` and the score as `posts.risk`."""

    post_id: int
    revision_id: int
    stack_id: int | None
    difficulty: str
    said: int
    lowest_score: int | None
    verified: int
    contradicted: int
    origin: str


def insert_new(
    drafts: Iterable[Draft],
    *,
    source_id: int,
    run_id: int,
    is_public: bool,
    now: dt.datetime,
) -> None:
    """Insert the entries of posts an import has created, from what it knows. Two statements."""
    rows, by = [], weights()
    for draft in drafts:
        points, factors = risk(
            said=draft.said,
            lowest_score=draft.lowest_score,
            contradicted=draft.contradicted,
            origin=draft.origin,
            is_held=False,
            is_public=is_public,
            weights=by,
        )
        rows.append(
            (
                *(draft.post_id, draft.revision_id, Stage.WAITING.value, Reason.NEW.value),
                *(source_id, run_id, draft.stack_id, draft.difficulty, draft.verified),
                *(draft.contradicted, draft.lowest_score, None, None, None, now),
                *(points, factors, rank(points, draft.post_id)),
            )
        )
    db.insert_rows(QueueEntry, COLUMNS, rows)


def forget(post_ids: Sequence[int]) -> None:
    """Take posts that are going to be removed out of the queue. At most one statement."""
    db.delete_rows(QueueEntry, post_ids)


def rebuild(*, after: int = 0) -> Step:
    """Refresh the next `STEP` posts behind an id, in one transaction. About 20 statements."""
    with transaction.atomic():
        ids = list(
            Post.objects.filter(pk__gt=after).order_by("pk").values_list("pk", flat=True)[:STEP]
        )
        return Step(ids[-1] if ids else None, len(ids), refresh(ids))
