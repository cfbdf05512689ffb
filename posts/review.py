"""Decisions and state changes: the only doors through which a post's state moves.

In: posts, a person, an action. Out: new pointers, visibility and gate, a decision, an event, all
in one transaction, set-based, each guarded by what the caller saw. Renders nothing.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils import timezone

from posts import counters, db, findings, history, moves, notices, queue
from posts.models import BulkAction, Decision, ImportedPost, Post, Revision
from posts.moves import Move
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
    archive_at: dt.datetime | None = None,
    chosen: Revision | None = None,
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
    default `settings.REVIEW_UNDO_SECONDS`. `publish_at` and `archive_at` are the times of
    "schedule". "approve" with a `chosen` revision of one post makes that one live and lets what
    waits wait on; the digest seen is then that of the live revision it replaces. About 20 queries
    for up to 500 posts.

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
        is_planning = not {"publish", "schedule"}.isdisjoint(actions)
        undo_ends = _undo_ends(locked.values(), now, window) if is_planning else {}
        last = _last_verdicts(locked) if "withdraw" in actions else {}
        digests, authors = _digests_and_authors(
            locked.values(),
            also=[decided for _, decided in last.values()] + ([chosen.pk] if chosen else []),
        )
        steps: list[Move] = []
        for post_id in dict.fromkeys(posts):
            try:
                if post_id not in locked:
                    raise ReviewError("gone", "This post no longer exists.")
                found = locked[post_id]
                before, decided = last.get(post_id, (None, None))
                moment = Moment(
                    now,
                    undo_ends.get(found.approved, now),
                    publish_at,
                    before,
                    archive_at,
                    _chosen_of(chosen, post_id),
                )
                _refuse_own_work(actions, found, moment, authors, by)
                taken = _steps(actions, post_id, found, moment, window, decided)
                shown = found.live if chosen is not None else taken[0].target
                _refuse_stale(seen.get(post_id), digests[shown])
                steps += taken
            except ReviewError as error:
                outcome.refused[post_id] = error
        whole = moves.whole(steps)
        moves.carry_out(whole, now)
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
        outcome.changed = [move.post_id for move in whole]
        queue.refresh(outcome.changed)
        # An approval leaves them as they are: what was sent back waits again by a withdrawal only.
        if {"withdraw", *findings.SENT_BACK}.intersection(actions):
            findings.follow(outcome.changed)
    notices.tell_of_returned(
        [step.target for step in steps if step.action in findings.SENT_BACK],
        by=by,
        reason=reason,
        now=now,
    )
    # Folding changes no number that is read, so its failure is no failure of the action.
    transaction.on_commit(lambda: _fold(now), robust=True)
    return outcome


def _require(row: Transition, by: User, reason: str) -> None:
    if not by.has_perm(row.permission):
        raise PermissionDenied(f"{row.label} needs the permission {row.permission}.")
    check_reason(row.label, reason, is_needed=row.needs_reason)


def check_reason(label: str, reason: str, *, is_needed: bool) -> None:
    """Raise `ReviewError` `reason_missing` or `reason_too_long`; `label` is the action's."""
    if is_needed and not reason.strip():
        raise ReviewError("reason_missing", f"{label} needs a reason the author can act on.")
    if len(reason) > REASON_MAX:
        raise ReviewError(
            "reason_too_long",
            f"The reason has {len(reason)} characters, of at most {REASON_MAX}. Shorten it.",
        )


def _chosen_of(chosen: Revision | None, post_id: int) -> int | None:
    if chosen is not None and chosen.post_id != post_id:
        raise ReviewError(
            "not_allowed", "This revision belongs to another post. Choose one of this post."
        )
    return chosen.pk if chosen is not None else None


def _refuse_own_work(
    actions: Sequence[str],
    found: State,
    moment: Moment,
    authors: Mapping[int, int | None],
    by: User,
) -> None:
    """Refuse a post as a whole: published without the approval, it would be half of what was asked.

    Looks at what waits now and at what would wait again after a withdrawal.
    """
    waiting = [found.proposed if moment.chosen is None else moment.chosen]
    if "withdraw" in actions:
        waiting.append(moment.before.proposed if moment.before is not None else found.live)
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
) -> list[Move]:
    """Return the steps of the actions that fit; raises the first refusal when none does.

    What follows a verdict in the same call takes effect when the verdict's undo window ends.
    """
    steps: list[Move] = []
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
        waiting = moment.chosen or state.proposed
        target = waiting if is_verdict and waiting else decided or state.live
        steps.append(Move(post_id, action, state, new, target))
        state = new
    if refusal is not None and not steps:
        raise refusal
    return steps


def _fold(now: dt.datetime) -> None:
    counters.fold(now=now)


def _refuse_stale(seen: str | None, current: str) -> None:
    if seen is not None and seen != current:
        raise ReviewError(
            "stale",
            "Another revision waits now than the one you looked at. Open it again and compare.",
        )


def _event_data(move: Move, bulk_action: BulkAction | None) -> dict[str, Any]:
    data: dict[str, Any] = {
        "visibility": [move.before.visibility, move.after.visibility],
        **moves.moved_pointers(move.before, move.after),
    }
    data["listed_at"] = [
        state.listed_at.isoformat() if state.listed_at else None
        for state in (move.before, move.after)
    ]
    for name in ("published_at", "archive_at"):
        was, new = getattr(move.before, name), getattr(move.after, name)
        if was != new:
            data[name] = [at.isoformat() if at is not None else None for at in (was, new)]
    data["revision"] = move.target
    if bulk_action is not None:
        data["bulk_action"] = bulk_action.pk
    return data


def _lock(ids: Sequence[int]) -> dict[int, State]:
    """Lock the posts in id order and return their states. Two queries."""
    posts = list(Post.objects.select_for_update().filter(pk__among=ids).order_by("pk"))
    # Read under the lock: an import that was waited for may have left a revision waiting.
    waiting = dict(
        ImportedPost.objects.filter(post_id__among=ids, waiting_revision__isnull=False).values_list(
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
            revision_id__among=chunk,
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
        rows = Revision.objects.filter(pk__among=chunk).values_list("id", "digest", "author_id")
        for pk, digest, author in rows:
            digests[pk], authors[pk] = digest, author
    return digests, authors


def _last_verdicts(locked: Mapping[int, State]) -> dict[int, tuple[State, int]]:
    """Return, where nothing came after a post's last verdict, what it found and decided on."""
    verdicts = [row.name for row in TRANSITIONS.values() if row.verdict and row.name != "withdraw"]
    found = {}
    for post_id, (_, data) in history.latest_of_kind(list(locked), kinds=verdicts).items():
        state = locked[post_id]
        if all(data[name][1] == getattr(state, name) for name in moves.POINTERS):
            listed_at = data["listed_at"][0]
            before = replace(
                state,
                **{name: data[name][0] for name in moves.POINTERS},
                listed_at=dt.datetime.fromisoformat(listed_at) if listed_at else None,
            )
            found[post_id] = (before, data["revision"])
    return found


def _decide(
    steps: Sequence[Move],
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
