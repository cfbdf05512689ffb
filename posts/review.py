"""Decisions and state changes: the only doors through which a post's state moves.

In: posts, a person, an action. Out: new pointers, visibility and gate, a decision, an event, all
in one transaction, set-based, each guarded by what the caller saw. Renders nothing.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from posts import counters, db, history, projection, queue, seals
from posts import gate as gates
from posts.models import BulkAction, Decision, ImportedPost, Post, Revision
from posts.reflection import LIST_COLUMNS, reflected
from posts.transitions import (
    TRANSITIONS,
    Moment,
    ReviewError,
    State,
    Transition,
    after,
    refuse_own_work,
    state_of,
)

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.db.models import QuerySet

#: Posts changed in one transaction by a bulk action.
CHUNK = 1_000

#: Characters of a reason, as the database holds it.
REASON_MAX = 500


@dataclass(slots=True)
class Outcome:
    """What became of a set of posts: ids changed, and per refused id the reason."""

    changed: list[int]
    refused: dict[int, ReviewError]


def act(
    *,
    action: str | Sequence[str],
    posts: Mapping[int, str] | Sequence[int],
    by: User,
    reason: str = "",
    comment: str = "",
    publish_at: dt.datetime | None = None,
    undo_seconds: int | None = None,
    bulk_action: BulkAction | None = None,
    now: dt.datetime | None = None,
) -> Outcome:
    """Carry out an action, or several in order, on a set of posts in one transaction.

    Each post gets its own event, and for a verdict its own decision. `posts` maps ids to the
    digest the person saw (of the proposed revision for a verdict); plain ids mean "whatever waits
    now". A post that no action fits is refused, the others go through; so is, whole, a post whose
    waiting revision this person made and would approve (`own_work`). `undo_seconds` is how long
    an approval waits before it opens the gate, also when the post is published meanwhile, by
    default `settings.REVIEW_UNDO_SECONDS`. About 20 queries for up to `CHUNK` posts.

    Raises `PermissionDenied` when the person lacks a permission, and `ReviewError` with code
    `reason_missing` when the verdict needs a reason or `reason_too_long`.
    """
    actions = [action] if isinstance(action, str) else list(action)
    for name in actions:
        _require(TRANSITIONS[name], by, reason)
    now = now or timezone.now()
    window = dt.timedelta(
        seconds=settings.REVIEW_UNDO_SECONDS if undo_seconds is None else undo_seconds
    )
    seen = posts if isinstance(posts, Mapping) else {}
    outcome = Outcome([], {})
    with transaction.atomic():
        locked = _lock(list(posts))
        undo_ends = _undo_ends(locked.values(), now, window) if "publish" in actions else {}
        last = _last_verdicts(locked) if "withdraw" in actions else {}
        digests, authors = _digests_and_authors(
            locked.values(), also=[decided for _, decided in last.values()]
        )
        steps: list[_Move] = []
        for post_id in dict.fromkeys(posts):
            try:
                if post_id not in locked:
                    raise ReviewError("gone", "This post no longer exists.")
                found = locked[post_id]
                before, decided = last.get(post_id, (None, None))
                moment = Moment(now, undo_ends.get(found.approved, now), publish_at, before)
                _refuse_own_work(actions, found, before, authors, by)
                taken = _steps(actions, post_id, found, moment, window, decided)
                _refuse_stale(seen.get(post_id), digests[taken[0].target])
                steps += taken
            except ReviewError as error:
                outcome.refused[post_id] = error
        moves = _whole_moves(steps)
        _carry_out(moves, now)
        _decide(steps, digests, by, reason, comment, bulk_action, now)
        history.append(
            [
                history.Entry(
                    post_id=step.post_id,
                    kind=step.action,
                    digest=digests[step.target],
                    data=_event_data(step, bulk_action),
                )
                for step in steps
            ],
            actor=by,
            now=now,
        )
        outcome.changed = [move.post_id for move in moves]
        queue.refresh(outcome.changed)
    # Folding changes no number that is read, so its failure is no failure of the action.
    transaction.on_commit(lambda: _fold(now), robust=True)
    return outcome


def _require(row: Transition, by: User, reason: str) -> None:
    if not by.has_perm(row.permission):
        raise PermissionDenied(f"{row.label} needs the permission {row.permission}.")
    if row.needs_reason and not reason.strip():
        raise ReviewError("reason_missing", f"{row.label} needs a reason the author can act on.")
    if len(reason) > REASON_MAX:
        raise ReviewError(
            "reason_too_long",
            f"The reason has {len(reason)} characters, of at most {REASON_MAX}. Shorten it.",
        )


def _refuse_own_work(
    actions: Sequence[str],
    found: State,
    before: State | None,
    authors: Mapping[int, int | None],
    by: User,
) -> None:
    """Refuse a post as a whole: published without the approval, it would be half of what was asked.

    Looks at what waits now and at what would wait again after a withdrawal.
    """
    waiting = [found.proposed]
    if "withdraw" in actions:
        waiting.append(before.proposed if before is not None else found.live)
    for name in actions:
        for revision in waiting:
            if revision is not None:
                refuse_own_work(TRANSITIONS[name], authors.get(revision), by)


def _steps(
    actions: Sequence[str],
    post_id: int,
    state: State,
    moment: Moment,
    window: dt.timedelta,
    decided: int | None,
) -> list[_Move]:
    """Return the steps of the actions that fit; raises the first refusal when none does.

    What follows a verdict in the same call takes effect when the verdict's undo window ends.
    """
    steps: list[_Move] = []
    refusal: ReviewError | None = None
    for action in actions:
        row = TRANSITIONS[action]
        if row.verdict:
            moment = replace(moment, opens_at=moment.now + window)
        try:
            new = after(action, state, moment)
        except ReviewError as error:
            refusal = refusal or error
            continue
        is_verdict = row.verdict and action != "withdraw"
        target = state.proposed if is_verdict and state.proposed else decided or state.live
        steps.append(_Move(post_id, action, state, new, target))
        state = new
    if refusal is not None and not steps:
        raise refusal
    return steps


def _whole_moves(steps: Sequence[_Move]) -> list[_Move]:
    """Return one move a post, from before its first step to after its last."""
    moves: dict[int, _Move] = {}
    for step in steps:
        first = moves.get(step.post_id, step)
        moves[step.post_id] = replace(first, after=step.after)
    return list(moves.values())


def _fold(now: dt.datetime) -> None:
    counters.fold(now=now)


@dataclass(frozen=True, slots=True)
class _Move:
    post_id: int
    action: str
    before: State
    after: State
    target: int


def _refuse_stale(seen: str | None, current: str) -> None:
    if seen is not None and seen != current:
        raise ReviewError(
            "stale",
            "Another revision waits now than the one you looked at. Open it again and compare.",
        )


#: What of a state an event keeps, before and after; enough to take a verdict back exactly.
_POINTERS = ("live", "proposed", "approved", "waiting")


def moved_pointers(before: State, after: State) -> dict[str, list[int | None]]:
    """Return a post's pointers before and after, as its events keep them."""
    return {name: [getattr(before, name), getattr(after, name)] for name in _POINTERS}


def _event_data(move: _Move, bulk_action: BulkAction | None) -> dict[str, Any]:
    data: dict[str, Any] = {
        "visibility": [move.before.visibility, move.after.visibility],
        **moved_pointers(move.before, move.after),
    }
    data["listed_at"] = [
        state.listed_at.isoformat() if state.listed_at else None
        for state in (move.before, move.after)
    ]
    data["revision"] = move.target
    if bulk_action is not None:
        data["bulk_action"] = bulk_action.pk
    return data


def _lock(ids: Sequence[int]) -> dict[int, State]:
    """Lock the posts in id order and return their states. Two queries."""
    posts = list(Post.objects.select_for_update().filter(pk__in=ids).order_by("pk"))
    # Read under the lock: an import that was waited for may have left a revision waiting.
    waiting = dict(
        ImportedPost.objects.filter(post_id__in=ids, waiting_revision__isnull=False).values_list(
            "post_id", "waiting_revision_id"
        )
    )
    return {post.pk: state_of(post, waiting.get(post.pk)) for post in posts}


def _undo_ends(
    states: Iterable[State], now: dt.datetime, window: dt.timedelta
) -> dict[int | None, dt.datetime]:
    """Return when the undo window of revisions approved just now ends. One query per 500."""
    approved = sorted({state.approved for state in states if state.approved is not None})
    if not window:
        return {}
    return {
        revision_id: decided_at + window
        for chunk in db.chunked(approved)
        for revision_id, decided_at in Decision.objects.filter(
            revision_id__in=chunk,
            verdict=Decision.Verdict.APPROVE,
            decided_at__gt=now - window,
            decided_at__lte=now,
        )
        .order_by("pk")
        .values_list("revision_id", "decided_at")
    }


def _digests_and_authors(
    states: Iterable[State], also: Sequence[int]
) -> tuple[dict[int, str], dict[int, int | None]]:
    """Return digest and author of every revision these states point to. One query per 500."""
    ids = {
        revision
        for state in states
        for revision in (state.live, state.proposed)
        if revision is not None
    }
    digests, authors = {}, {}
    for chunk in db.chunked(sorted(ids.union(also))):
        rows = Revision.objects.filter(pk__in=chunk).values_list("id", "digest", "author_id")
        for pk, digest, author in rows:
            digests[pk], authors[pk] = digest, author
    return digests, authors


def _last_verdicts(locked: Mapping[int, State]) -> dict[int, tuple[State, int]]:
    """Return, where nothing came after a post's last verdict, what it found and decided on."""
    verdicts = [row.name for row in TRANSITIONS.values() if row.verdict and row.name != "withdraw"]
    found = {}
    for post_id, (_, data) in history.latest_of_kind(list(locked), kinds=verdicts).items():
        state = locked[post_id]
        if all(data[name][1] == getattr(state, name) for name in _POINTERS):
            listed_at = data["listed_at"][0]
            before = replace(
                state,
                **{name: data[name][0] for name in _POINTERS},
                listed_at=dt.datetime.fromisoformat(listed_at) if listed_at else None,
            )
            found[post_id] = (before, data["revision"])
    return found


def _decide(
    steps: Sequence[_Move],
    digests: Mapping[int, str],
    by: User,
    reason: str,
    comment: str,
    bulk_action: BulkAction | None,
    now: dt.datetime,
) -> None:
    bulk = bulk_action.pk if bulk_action is not None else None
    rows = [
        (step.target, digests[step.target], verdict, by.pk, reason, comment, now, bulk)
        for step in steps
        if (verdict := TRANSITIONS[step.action].verdict)
    ]
    if not rows:
        return
    db.insert_rows(
        Decision,
        (
            "revision_id",
            "digest",
            "verdict",
            "reviewer_id",
            "reason",
            "comment",
            "decided_at",
            "bulk_action_id",
        ),
        rows,
    )


def _carry_out(moves: Sequence[_Move], now: dt.datetime) -> None:
    """Write the new states and everything that mirrors them."""
    moved_gate = [
        move
        for move in moves
        if (move.before.listed_at, move.before.live) != (move.after.listed_at, move.after.live)
    ]
    gates.count([_gate(move.post_id, move.before) for move in moved_gate], -1, now)
    _write_states(moves, now)
    mirror({move.post_id: move.after for move in moves if move.before.live != move.after.live})
    opened = [_gate(move.post_id, move.after) for move in moved_gate]
    gates.copy_to_projections(opened)
    gates.count(opened, +1, now)


def _gate(post_id: int, state: State) -> gates.Gate:
    return gates.Gate(post_id, state.listed_at, state.archive_at)


def mirror(states: Mapping[int, State]) -> None:
    """Make list columns, tags, entities and images mirror the live revisions of these posts.

    One query for the revisions, seven for the projections, one for the columns.
    """
    if not states:
        return
    live = {state.live: post_id for post_id, state in states.items()}
    reflections = {
        live[revision.pk]: reflected(revision.snapshot)
        for revision in Revision.objects.filter(pk__in=list(live))
    }
    names = projection.Names()
    names.resolve(reflections.values())
    projection.replace(
        [
            projection.Mirrored(post_id, reflection, states[post_id].listed_at)
            for post_id, reflection in reflections.items()
        ],
        names,
    )
    db.update_rows(
        Post,
        "id",
        LIST_COLUMNS,
        [(post_id, *reflection.columns) for post_id, reflection in reflections.items()],
    )


#: The columns of Post that a move changes, but for the time of the change.
_STATE_COLUMNS = {
    "visibility": "visibility",
    "published_at": "published_at",
    "archive_at": "archive_at",
    "listed_at": "listed_at",
    "live": "live_revision_id",
    "approved": "approved_revision_id",
    "proposed": "proposed_revision_id",
}


def _write_states(moves: Sequence[_Move], now: dt.datetime) -> None:
    """Update the posts, grouped so that equal changes share a statement.

    Only what changes is written: posts of a set differ in what they keep. A pointer that moves to
    where another one stands is written as such, so that thousands of approvals are one statement
    although each names another revision. Pointers to revisions of the past go in by row.
    """
    groups: dict[tuple[tuple[str, Any], ...], list[int]] = {}
    by_row = []
    for move in moves:
        changed = []
        for name, column in _STATE_COLUMNS.items():
            was, new = getattr(move.before, name), getattr(move.after, name)
            if was != new:
                changed.append((column, _pointer(move.before, new) if name in _POINTERS else new))
        if any(isinstance(value, int) for _, value in changed):
            row = [getattr(move.after, name) for name in _STATE_COLUMNS]
            by_row.append((move.post_id, now, *row))
        else:
            groups.setdefault(tuple(changed), []).append(move.post_id)
    for values, ids in groups.items():
        for chunk in db.chunked(ids):
            Post.objects.filter(pk__in=chunk).update(changed_at=now, **dict(values))
    db.update_rows(Post, "id", ("changed_at", *_STATE_COLUMNS.values()), by_row)
    db.update_rows(
        ImportedPost,
        "post_id",
        ("waiting_revision_id",),
        [
            (move.post_id, move.after.waiting)
            for move in moves
            if move.before.waiting != move.after.waiting
        ],
    )


def _pointer(was: State, new: int | None) -> Any:
    """Return a pointer's new value, as the column that holds it already where there is one."""
    for name in ("proposed", "live", "approved"):
        if new is not None and new == getattr(was, name):
            return F(_STATE_COLUMNS[name])
    return new


def act_on_one(
    *,
    action: str | Sequence[str],
    post: Post,
    by: User,
    digest: str | None = None,
    **more: Any,
) -> None:
    """Carry out an action on one post; see `act`. Raises `ReviewError` when it is refused."""
    wanted: Any = [post.pk] if digest is None else {post.pk: digest}
    outcome = act(action=action, posts=wanted, by=by, **more)
    for error in outcome.refused.values():
        raise error
    post.refresh_from_db()


def act_on_all(
    *,
    actions: Sequence[str],
    queryset: QuerySet[Post],
    by: User,
    reason: str = "",
    filters: Mapping[str, Any] | None = None,
    undo_seconds: int | None = None,
    on_chunk: Callable[[BulkAction, Outcome], None] = lambda bulk_action, outcome: None,
) -> BulkAction:
    """Carry out actions on every post of a queryset, `CHUNK` posts a transaction.

    Each post gets its own decision and event, all tied to the bulk action that is returned with
    its counts. A post that does not fit is counted as skipped; `on_chunk` gets the bulk action and
    the outcome of each transaction, with the reasons. Safe to stop and run again: what
    is done no longer fits. Memory does not grow with the number of posts.
    """
    bulk_action = BulkAction.objects.create(
        actor=by,
        action="+".join(actions),
        filters=dict(filters or {}),
        reason=reason,
        started_at=timezone.now(),
    )
    last = 0
    # A filter over tags finds a post once for each of them.
    while ids := list(
        dict.fromkeys(
            queryset.filter(pk__gt=last).order_by("pk").values_list("pk", flat=True)[:CHUNK]
        )
    ):
        last = ids[-1]
        # All actions or none: approved but not published, a post would no longer be found.
        with transaction.atomic():
            outcome = act(
                action=actions,
                posts=ids,
                by=by,
                reason=reason,
                undo_seconds=undo_seconds,
                bulk_action=bulk_action,
            )
            bulk_action.changed += len(outcome.changed)
            bulk_action.skipped += len(outcome.refused)
            bulk_action.save(update_fields=["changed", "skipped"])
        on_chunk(bulk_action, outcome)
    bulk_action.finished_at = timezone.now()
    bulk_action.save(update_fields=["finished_at"])
    seals.in_passing(timezone.now())
    return bulk_action
