"""What a prepared bulk action would do: how many posts fit, why others do not, and a sample.

In: a frozen set. Out: numbers by state, stack and claims, refusals with their reasons, the posts to
look at first. Posts in the same situation are judged as one, by the rules of `posts.transitions`,
so the cost is that of grouping the set. Changes nothing.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from django.db.models import Case, Count, F, IntegerField, Q, Value, When
from django.db.models.functions import Coalesce
from django.utils import timezone

from posts import bulk
from posts.models import BulkAction, BulkItem, Post, QueueEntry
from posts.transitions import (
    ARCHIVED,
    TRANSITIONS,
    Moment,
    ReviewError,
    State,
    after,
    refuse_own_work,
)

if TYPE_CHECKING:
    from django.contrib.auth.models import User

SAMPLE = 10
STACKS = 8

#: Where a pointer of a post stands: nowhere, where live stands, elsewhere.
_NONE, _LIVE, _OTHER = 0, 1, 2


class Plan(NamedTuple):
    """What a confirmation shows; the lists hold (text, number of posts), the most first."""

    total: int
    fitting: int
    states: list[tuple[str, int]]
    stacks: list[tuple[str, int]]
    contradicted: int
    refusals: list[tuple[str, int]]
    sample: list[Post]


def plan_of(action: BulkAction) -> Plan:
    """Look a prepared set over as it is now. Four queries."""
    states: Counter[str] = Counter()
    refusals: Counter[str] = Counter()
    contradicted = known = 0
    for group in _groups(action):
        number = group["posts"]
        known += number
        states[_words(group)] += number
        contradicted += number if group["is_contradicted"] else 0
        if refusal := _refusal(action, group):
            refusals[refusal] += number
    if action.total > known:
        refusals["This post no longer exists."] += action.total - known
    return Plan(
        total=action.total,
        fitting=action.total - refusals.total(),
        states=states.most_common(),
        stacks=_stacks(action),
        contradicted=contradicted,
        refusals=refusals.most_common(),
        sample=list(
            Post.objects.filter(
                pk__in=BulkItem.objects.filter(bulk_action=action)
                .order_by(F("post__queue_entry__rank").asc(nulls_last=True), "post_id")
                .values("post_id")[:SAMPLE]
            ).order_by(F("queue_entry__rank").asc(nulls_last=True), "pk")
        ),
    )


def _groups(action: BulkAction) -> list[dict[str, Any]]:
    """Return how many posts are in each situation that an action or the page tells apart."""
    is_verdict = any(bulk.KINDS[name].verdict for name in bulk.names(action))
    meant = (
        Coalesce("post__proposed_revision_id", "post__live_revision_id")
        if is_verdict
        else F("post__live_revision_id")
    )
    groups: Any = (
        BulkItem.objects.filter(bulk_action=action)
        .values(
            "post__visibility",
            "post__queue_entry__reason",
            proposed=_place("post__proposed_revision"),
            approved=_place("post__approved_revision"),
            is_own=_flag(Q(revision__author=action.actor_id)),
            is_same=_flag(Q(revision_id=meant)),
            is_contradicted=_flag(Q(revision__claim_check__contradicted__gt=0)),
        )
        .annotate(posts=Count("post_id"))
        .order_by()
    )
    return list(groups)


def _place(pointer: str) -> Case:
    return Case(
        When(Q(**{f"{pointer}__isnull": True}), then=Value(_NONE)),
        When(Q(**{pointer: F("post__live_revision")}), then=Value(_LIVE)),
        default=Value(_OTHER),
        output_field=IntegerField(),
    )


def _flag(condition: Q) -> Case:
    return Case(When(condition, then=Value(1)), default=Value(0), output_field=IntegerField())


def _words(group: dict[str, Any]) -> str:
    """Return a situation in the words of the queue and the post list."""
    visibility = group["post__visibility"]
    if visibility == ARCHIVED:
        return "archived"
    reason = group["post__queue_entry__reason"]
    if reason is not None:
        return f"{QueueEntry.Reason(reason).label}, {visibility}"
    if group["proposed"] != _NONE:
        return f"awaiting review, {visibility}"
    return f"approved, {visibility}" if group["approved"] == _LIVE else f"returned, {visibility}"


def _refusal(action: BulkAction, group: dict[str, Any]) -> str:
    """Return why no step of the action fits a post in this situation, or an empty text.

    The revisions are stand-ins, 1 for the live one: only who points where matters.
    """
    stands_in = {_NONE: None, _LIVE: 1, _OTHER: 2}
    state = State(
        visibility=group["post__visibility"],
        live=1,
        proposed=stands_in[group["proposed"]],
        approved=stands_in[group["approved"]],
    )
    if not group["is_same"]:
        return "Another revision waits now than the one that was frozen."
    return _step_refusal(bulk.names(action), state, action.actor, is_own=bool(group["is_own"]))


def _step_refusal(actions: list[str], state: State, by: User, *, is_own: bool) -> str:
    now = timezone.now()
    refusal = ""
    fits = False
    for name in actions:
        row = TRANSITIONS.get(name)
        if row is None:
            return ""
        try:
            if state.proposed is not None:
                refuse_own_work(row, by.pk if is_own else None, by)
        except ReviewError as error:
            return str(error)
        try:
            state = after(name, state, Moment(now, now))
            fits = True
        except ReviewError as error:
            refusal = refusal or str(error)
    return "" if fits else refusal


def _stacks(action: BulkAction) -> list[tuple[str, int]]:
    """Return the stacks of posts in the queue, the rest of them together. One query."""
    found = list(
        BulkItem.objects.filter(bulk_action=action, post__queue_entry__stack__isnull=False)
        .values_list("post__queue_entry__stack__name")
        .annotate(posts=Count("post_id"))
        .order_by("-posts", "post__queue_entry__stack__name")
    )
    others = sum(number for _, number in found[STACKS:])
    return found[:STACKS] + ([("other stacks", others)] if others else [])
