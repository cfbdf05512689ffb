"""What may happen to a post, as pure rules: states, the table of transitions, the gate.

In: a state and an action. Out: the next state or a refusal. Touches no database, so that every
sequence of actions can be tested; `posts.review` carries the results out.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from django.conf import settings

from posts.models import Decision, Post

PRIVATE = Post.Visibility.PRIVATE.value
PUBLISHED = Post.Visibility.PUBLISHED.value
ARCHIVED = Post.Visibility.ARCHIVED.value


class ReviewError(Exception):
    """An action that was not carried out. `code` is stable, the text says what to do next."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class State:
    """What the doors change of a post; a value, so that the rules are pure functions."""

    visibility: str
    live: int
    proposed: int | None
    approved: int | None
    waiting: int | None = None
    published_at: dt.datetime | None = None
    archive_at: dt.datetime | None = None
    listed_at: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class Moment:
    """When an action happens, when its effect on the gate begins, and what it was told."""

    now: dt.datetime
    opens_at: dt.datetime
    publish_at: dt.datetime | None = None
    before: State | None = None
    archive_at: dt.datetime | None = None
    chosen: int | None = None


@dataclass(frozen=True, slots=True)
class Transition:
    """One row of the table: from which visibility, by which permission, to what."""

    name: str
    label: str
    permission: str
    visibility: frozenset[str]
    change: Callable[[State, Moment], State]
    verdict: str = ""
    needs_reason: bool = False
    needs_another: bool = False
    needs_times: bool = False
    refusal: str = ""
    applies: Callable[[State], bool] = lambda state: True


def gate(state: State, opens_at: dt.datetime) -> dt.datetime | None:
    """Return `listed_at` for a state: the one place that opens the gate (DATA-MODEL.md).

    Open only while published and exactly the live revision is approved, and never before the
    publication. A gate that is already open for this state keeps its moment.
    """
    if state.visibility != PUBLISHED or state.approved is None or state.approved != state.live:
        return None
    opens_at = state.listed_at or opens_at
    return max(opens_at, state.published_at or opens_at)


def _approve(state: State, moment: Moment) -> State:
    if moment.chosen is not None and moment.chosen != state.proposed:
        return _choose(state, moment.chosen)
    assert state.proposed is not None  # noqa: S101  (the table admits nothing else)
    return replace(
        state,
        live=state.proposed,
        approved=state.proposed,
        proposed=state.waiting,
        waiting=None,
        listed_at=state.listed_at if state.proposed == state.live else None,
    )


def _choose(state: State, chosen: int) -> State:
    """Approve a revision that is not the one waiting, which goes on waiting."""
    if chosen == state.live == state.approved:
        raise ReviewError("not_allowed", "This revision is live and approved already.")
    listed_at = state.listed_at if chosen == state.live else None
    return replace(state, live=chosen, approved=chosen, listed_at=listed_at)


def _send_back(state: State, moment: Moment) -> State:
    return replace(state, proposed=state.waiting, waiting=None)


def _withdraw(state: State, moment: Moment) -> State:
    """Take the latest decision back, exactly when nothing came after it.

    Otherwise only an approval of the live revision can be taken back: the page stays as it is,
    closed, and what waits goes on waiting.
    """
    if moment.before is not None:
        before = replace(
            moment.before, visibility=state.visibility, published_at=state.published_at
        )
        # Publication may have been planned anew since, and earlier.
        latest = max(state.published_at or moment.opens_at, moment.opens_at)
        is_outdated = before.listed_at is not None and before.listed_at > latest
        return replace(before, listed_at=None) if is_outdated else before
    if state.approved is None or state.approved != state.live:
        raise ReviewError("not_allowed", "There is no decision to withdraw.")
    return replace(state, approved=None, proposed=state.proposed or state.live, listed_at=None)


def _publish(state: State, moment: Moment) -> State:
    _refuse_past("publication", moment.publish_at, moment.now)
    earlier = state.published_at
    kept = earlier if earlier is not None and earlier <= moment.now else moment.now
    return replace(state, visibility=PUBLISHED, published_at=moment.publish_at or kept)


def _refuse_past(what: str, at: dt.datetime | None, now: dt.datetime) -> None:
    if at is not None and at <= now:
        raise ReviewError(
            "past_time",
            f"The time of {what}, {shown_time(at)}, has passed; it is {shown_time(now)}. Choose a "
            "later one.",
        )


def _schedule(state: State, moment: Moment) -> State:
    """Set both times: of publication, where readers cannot see the post yet, and of archiving.

    Without `archive_at` the post is never archived by itself, also one that was.
    """
    publish_at, archive_at = moment.publish_at, moment.archive_at
    _refuse_past("publication", publish_at, moment.now)
    _refuse_past("archiving", archive_at, moment.now)
    is_out = (
        state.visibility == PUBLISHED
        and state.published_at is not None
        and state.published_at <= moment.now
    )
    if is_out and publish_at is not None:
        raise ReviewError(
            "not_allowed",
            f"The post is published since {shown_time(state.published_at)}. Take it back to "
            "private first to publish it later.",
        )
    if not is_out and publish_at is None:
        raise ReviewError("time_missing", "Say when the post is to be published.")
    if publish_at is not None and archive_at is not None and archive_at <= publish_at:
        raise ReviewError(
            "archived_before_published",
            f"The post would be archived at {shown_time(archive_at)}, before readers see it at "
            f"{shown_time(publish_at)}. Choose a later time of archiving, or none.",
        )
    if is_out:
        planned = replace(state, archive_at=archive_at)
    else:
        planned = replace(
            state,
            visibility=PUBLISHED,
            published_at=publish_at,
            archive_at=archive_at,
            listed_at=None,
        )
    if planned == replace(state, listed_at=planned.listed_at):
        raise ReviewError("not_allowed", "These are the times there are already.")
    return planned


def shown_time(at: dt.datetime | None) -> str:
    """Return a time as editors read it, with its zone."""
    return f"{at.astimezone(dt.UTC):%-d %b %Y %H:%M} UTC" if at is not None else ""


def _into(visibility: str) -> Callable[[State, Moment], State]:
    """Return a change into a visibility without times: what was planned is off."""

    def change(state: State, moment: Moment) -> State:
        # A publication that never came is none: nobody is to be told of a page nobody saw.
        is_planned = state.published_at is not None and state.published_at > moment.now
        return replace(
            state,
            visibility=visibility,
            published_at=None if is_planned else state.published_at,
            archive_at=None,
        )

    return change


def _is_waiting(state: State) -> bool:
    return state.proposed is not None


_NOTHING_WAITS = "Nothing of this post waits for a verdict. Withdraw the last decision first."

OWN_WORK = "You made this revision, so another reviewer has to approve it."

#: The closed state every post begins in, and what `import_posts --publish` begins in.
INITIAL_VISIBILITY = {"default": PRIVATE, "publish": PUBLISHED}

TRANSITIONS: dict[str, Transition] = {
    row.name: row
    for row in (
        Transition(
            name="approve",
            label="Approve",
            permission="posts.review_post",
            visibility=frozenset({PRIVATE, PUBLISHED}),
            change=_approve,
            verdict=Decision.Verdict.APPROVE,
            needs_another=True,
            applies=_is_waiting,
            refusal=_NOTHING_WAITS,
        ),
        Transition(
            name="request_changes",
            label="Request changes",
            permission="posts.review_post",
            visibility=frozenset({PRIVATE, PUBLISHED}),
            change=_send_back,
            verdict=Decision.Verdict.REQUEST_CHANGES,
            needs_reason=True,
            applies=_is_waiting,
            refusal=_NOTHING_WAITS,
        ),
        Transition(
            name="reject",
            label="Reject",
            permission="posts.review_post",
            visibility=frozenset({PRIVATE, PUBLISHED}),
            change=_send_back,
            verdict=Decision.Verdict.REJECT,
            needs_reason=True,
            applies=_is_waiting,
            refusal=_NOTHING_WAITS,
        ),
        Transition(
            name="withdraw",
            label="Withdraw the last decision",
            permission="posts.review_post",
            visibility=frozenset({PRIVATE, PUBLISHED}),
            change=_withdraw,
            verdict=Decision.Verdict.WITHDRAW,
        ),
        Transition(
            name="publish",
            label="Publish",
            permission="posts.publish_post",
            visibility=frozenset({PRIVATE}),
            change=_publish,
        ),
        Transition(
            name="schedule",
            label="Schedule",
            permission="posts.publish_post",
            visibility=frozenset({PRIVATE, PUBLISHED}),
            change=_schedule,
            needs_times=True,
        ),
        Transition(
            name="unpublish",
            label="Take back to private",
            permission="posts.publish_post",
            visibility=frozenset({PUBLISHED}),
            change=_into(PRIVATE),
        ),
        Transition(
            name="archive",
            label="Archive",
            permission="posts.publish_post",
            visibility=frozenset({PRIVATE, PUBLISHED}),
            change=_into(ARCHIVED),
        ),
        Transition(
            name="unarchive",
            label="Bring back from the archive",
            permission="posts.publish_post",
            visibility=frozenset({ARCHIVED}),
            change=_into(PRIVATE),
        ),
    )
}


def after(action: str, state: State, moment: Moment) -> State:
    """Return the state an action leads to; pure, so that every sequence can be tested.

    Raises `ReviewError` with code `not_allowed` when the state does not admit the action.
    """
    row = TRANSITIONS[action]
    if state.visibility not in row.visibility:
        allowed = " or ".join(sorted(row.visibility))
        raise ReviewError(
            "not_allowed", f"{row.label} needs a {allowed} post; this one is {state.visibility}."
        )
    if not row.applies(state) and moment.chosen is None:
        raise ReviewError("not_allowed", row.refusal)
    changed = row.change(state, moment)
    listed_at = gate(changed, moment.opens_at)
    return changed if listed_at == changed.listed_at else replace(changed, listed_at=listed_at)


def refuse_own_work(row: Transition, author: int | None, by: Any) -> None:
    """Refuse that a person approves the revision they made; `author` is its author's id.

    Whoever restored or merged a revision is its author; an imported one has none. Raises
    `ReviewError` with code `own_work`, unless `settings.REVIEW_OWN_WORK` allows it. No query.
    """
    if row.needs_another and author is not None and author == by.pk:
        if settings.REVIEW_OWN_WORK:
            return
        raise ReviewError("own_work", OWN_WORK)


def available(state: State, user: Any) -> list[Transition]:
    """Return the actions this person may take by a button alone. No query of its own."""
    return [
        row
        for row in TRANSITIONS.values()
        if not row.needs_times
        and state.visibility in row.visibility
        and row.applies(state)
        and user.has_perm(row.permission)
    ]


def state_of(post: Post, waiting: int | None = None) -> State:
    """Return a post's state as a value."""
    return State(
        visibility=post.visibility,
        live=post.live_revision_id,
        proposed=post.proposed_revision_id,
        approved=post.approved_revision_id,
        waiting=waiting,
        published_at=post.published_at,
        archive_at=post.archive_at,
        listed_at=post.listed_at,
    )
