"""Moves of posts from one state to another: the rows, and everything that mirrors them.

In: moves that `posts.review` has judged, in its transaction and under its locks. Out: pointers,
visibility, gate, list columns, projections and use counts as the new states say. Decides nothing.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.db.models import F

from posts import db, projection
from posts import gate as gates
from posts.models import ImportedPost, Post, Revision
from posts.reflection import LIST_COLUMNS, reflected
from posts.search import entries as search
from posts.transitions import State


@dataclass(frozen=True, slots=True)
class Move:
    post_id: int
    action: str
    before: State
    after: State
    target: int


#: What of a state an event keeps, before and after; enough to take a verdict back exactly.
POINTERS = ("live", "proposed", "approved", "waiting")


def moved_pointers(before: State, after: State) -> dict[str, list[int | None]]:
    """Return a post's pointers before and after, as its events keep them."""
    return {name: [getattr(before, name), getattr(after, name)] for name in POINTERS}


def whole(steps: Sequence[Move]) -> list[Move]:
    """Return one move a post, from before its first step to after its last."""
    moves: dict[int, Move] = {}
    for step in steps:
        first = moves.get(step.post_id)
        moves[step.post_id] = step if first is None else replace(first, after=step.after)
    return list(moves.values())


def carry_out(moves: Sequence[Move], now: dt.datetime) -> None:
    """Write the new states and everything that mirrors them."""
    moved_gate = [move for move in moves if _gate_of(move.before) != _gate_of(move.after)]
    gates.count([_gate(move.post_id, move.before) for move in moved_gate], -1, now)
    _write_states(moves, now)
    mirror({move.post_id: move.after for move in moves if move.before.live != move.after.live})
    opened = [_gate(move.post_id, move.after) for move in moved_gate]
    gates.copy_to_projections(opened)
    gates.count(opened, +1, now)
    gates.note_departures([_gate(m.post_id, m.before) for m in moved_gate], opened, now=now)
    search.refresh(
        move.post_id
        for move in moves
        if (move.before.listed_at, move.before.live, move.before.published_at)
        != (move.after.listed_at, move.after.live, move.after.published_at)
    )


def _gate_of(state: State) -> tuple[Any, ...]:
    """Return what the gate and its copies follow from."""
    return state.listed_at, state.archive_at, state.live


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
        for revision in Revision.objects.filter(pk__among=list(live))
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


def _write_states(moves: Sequence[Move], now: dt.datetime) -> None:
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
                changed.append((column, _pointer(move.before, new) if name in POINTERS else new))
        if any(isinstance(value, int) for _, value in changed):
            row = [getattr(move.after, name) for name in _STATE_COLUMNS]
            by_row.append((move.post_id, now, *row))
        else:
            groups.setdefault(tuple(changed), []).append(move.post_id)
    for values, ids in groups.items():
        for chunk in db.chunked(ids):
            Post.objects.filter(pk__among=chunk).update(changed_at=now, **dict(values))
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
