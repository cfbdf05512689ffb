"""Bulk actions: freeze a set of posts, then carry an action out on it in checkpointed chunks.

In: a queryset, actions, a person. Out: one row a post with what came of it; each post's decision
and event are written by `posts.review` and `posts.tagging`. The checkpoint moves in the transaction
of a chunk's decisions, so whoever goes on after a stop or a killed process repeats and skips none.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from django.core.exceptions import PermissionDenied
from django.db import DatabaseError, transaction
from django.db.models import CharField, F, Value
from django.db.models.functions import Coalesce
from django.utils import timezone

from posts import db, processes, review, seals, tagging
from posts.models import BulkAction, BulkItem, Post
from posts.review import Outcome
from posts.transitions import TRANSITIONS, ReviewError

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.db.models import QuerySet

State = BulkAction.State

#: Posts decided on in one transaction, at most; on SQLite fewer, for the editors who wait for it.
CHUNK = 1_000
#: Whoever carries an action out gives a sign of life with each chunk; after this silence nobody is
#: believed to be at work.
SILENCE = dt.timedelta(seconds=20)
#: A set that nobody confirmed is forgotten after this time.
UNCONFIRMED = dt.timedelta(hours=2)
#: Attempts at a chunk whose transaction the database gave up, as in a deadlock with an import, and
#: the seconds before the second of them; each further pause is twice as long.
ATTEMPTS, PAUSE_SECONDS = 5, 0.2


class TooManyError(Exception):
    """More posts match than were allowed to be frozen; nothing was."""


@dataclass(frozen=True, slots=True)
class Kind:
    """An action that can be taken on many posts; `needs` names what else it has to be told."""

    name: str
    label: str
    permission: str
    needs_reason: bool = False
    needs_tag: bool = False
    verdict: str = ""


KINDS: dict[str, Kind] = {
    **{
        row.name: Kind(row.name, row.label, row.permission, row.needs_reason, verdict=row.verdict)
        for row in TRANSITIONS.values()
    },
    "add_tag": Kind("add_tag", "Add a tag", tagging.PERMISSION, needs_tag=True),
    "remove_tag": Kind("remove_tag", "Remove a tag", tagging.PERMISSION, needs_tag=True),
}


def label(actions: Sequence[str]) -> str:
    """Return the actions in words; one that is not known here, such as an erasure, as it is."""
    return ", then ".join(KINDS[name].label if name in KINDS else name for name in actions)


def names(bulk: BulkAction) -> list[str]:
    return bulk.action.split("+")


# --- Before it is confirmed -------------------------------------------------------------------


def prepare(
    *,
    actions: Sequence[str],
    queryset: QuerySet[Post],
    by: User,
    filters: Mapping[str, Any] | None = None,
    options: Mapping[str, Any] | None = None,
    most: int | None = None,
    now: dt.datetime | None = None,
) -> BulkAction:
    """Freeze the posts of a queryset, each with the revision the action is about.

    Nothing is decided yet. A post that a filter finds twice is frozen once. A million posts are one
    statement. Raises `PermissionDenied`, and `TooManyError` when more than `most` match.
    """
    now = now or timezone.now()
    for name in actions:
        require(name, by)
    _forget_unconfirmed(now)
    is_verdict = any(KINDS[name].verdict for name in actions)
    found = queryset if queryset.query.is_sliced else queryset.order_by()
    frozen = Post.objects.filter(pk__in=found.values("pk")).order_by("pk")
    with transaction.atomic():
        bulk = BulkAction.objects.create(
            actor=by,
            action="+".join(actions),
            filters=dict(filters or {}),
            options=dict(options or {}),
            state=State.PREPARED,
            started_at=now,
        )
        nothing = Value("", output_field=CharField())
        rows = frozen.order_by("pk").values_list(
            Value(bulk.pk),
            "pk",
            Coalesce("proposed_revision_id", "live_revision_id")
            if is_verdict
            else F("live_revision_id"),
            nothing,
            nothing,
        )
        if most is not None:
            rows = rows[: most + 1]
        columns = ("bulk_action_id", "post_id", "revision_id", "outcome", "note")
        bulk.total = db.insert_selected(BulkItem, columns, rows)
        if most is not None and bulk.total > most:
            raise TooManyError(most)
        bulk.save(update_fields=["total"])
    return bulk


def require(name: str, by: User) -> None:
    kind = KINDS[name]
    if not by.is_active or not by.has_perm(kind.permission):
        raise PermissionDenied(f"{kind.label} needs the permission {kind.permission}.")


def _forget_unconfirmed(now: dt.datetime) -> None:
    """Remove sets that were prepared and left, a few at a time."""
    left = list(
        BulkAction.objects.filter(state=State.PREPARED, started_at__lt=now - UNCONFIRMED)
        .order_by("pk")
        .values_list("pk", flat=True)[:20]
    )
    for bulk_id in left:
        forget(bulk_id)


def forget(bulk_id: int) -> None:
    """Remove a set that was never confirmed; one that was stays."""
    with transaction.atomic():
        held = BulkAction.objects.select_for_update().filter(pk=bulk_id, state=State.PREPARED)
        if held.exists():
            items = BulkItem.objects.filter(bulk_action=bulk_id)
            items._raw_delete(items.db)
            BulkAction.objects.filter(pk=bulk_id)._raw_delete(items.db)


def confirm(
    bulk: BulkAction, *, reason: str = "", tag: str = "", now: dt.datetime | None = None
) -> bool:
    """Set a prepared action going; False when somebody did already. At most two queries.

    Raises `ReviewError`: `reason_missing`, `reason_too_long` or `bad_tag`.
    """
    kinds = [KINDS[name] for name in names(bulk)]
    for kind in kinds:
        review.check_reason(kind.label, reason, is_needed=kind.needs_reason)
    options = dict(bulk.options)
    if any(kind.needs_tag for kind in kinds):
        options["tag"] = tagging.checked_name(tag)
    now = now or timezone.now()
    changed = BulkAction.objects.filter(pk=bulk.pk, state=State.PREPARED).update(
        state=State.RUNNING, reason=reason, options=options, started_at=now, beat_at=now
    )
    if changed:
        bulk.refresh_from_db()
    return bool(changed)


# --- While it runs ----------------------------------------------------------------------------


def is_alive(bulk: BulkAction, now: dt.datetime) -> bool:
    """Say whether somebody seems to be carrying this out right now."""
    return bulk.state == State.RUNNING and bulk.beat_at is not None and now - bulk.beat_at < SILENCE


def stop(bulk_id: int, *, now: dt.datetime | None = None) -> bool:
    """Stop a running action behind the chunk that is being written; False when it runs no more.

    One query, which waits for that chunk.
    """
    rows = BulkAction.objects.filter(pk=bulk_id, state=State.RUNNING)
    return bool(rows.update(state=State.STOPPED, finished_at=now or timezone.now()))


def may_stop(bulk: BulkAction, person: User) -> bool:
    """Say whether a person may stop this action: who began it, and who could take it themselves."""
    return person.pk == bulk.actor_id or person.has_perms(
        [KINDS[name].permission for name in names(bulk) if name in KINDS]
    )


def go_on(bulk_id: int, *, is_stopped_too: bool = True, now: dt.datetime | None = None) -> bool:
    """Let an action run again with what is left; False when it has ended. One query.

    One that somebody stopped only with `is_stopped_too`.
    """
    states = [State.RUNNING, *([State.STOPPED] * is_stopped_too)]
    return bool(
        BulkAction.objects.filter(pk=bulk_id, state__in=states).update(
            state=State.RUNNING, beat_at=now or timezone.now(), finished_at=None, problem=""
        )
    )


def begin_beside(bulk_id: int) -> bool:
    """Start a process that carries a running action out and ends by itself; see `processes.begin`.

    Whatever ends it, the action goes on from its checkpoint.
    """
    return processes.begin("review_posts", "--resume", str(bulk_id), "--if-running")


class Step(NamedTuple):
    """One chunk: the action behind it, what became of the posts (None: nothing was left)."""

    bulk: BulkAction
    outcome: Outcome | None


def carry_out(
    bulk_id: int,
    *,
    seconds: float | None = None,
    size: int | None = None,
    is_asked_to_stop: Callable[[], bool] = lambda: False,
    on_chunk: Callable[[BulkAction, Outcome], None] = lambda bulk, outcome: None,
) -> BulkAction:
    """Carry a running action out, chunk by chunk, until it ends or `seconds` are over.

    Several processes may do this at once and share the chunks: each chunk holds the action's row.
    Somebody else's stop is seen before the next chunk. Memory does not grow with the posts. A
    person who lost the permission meanwhile stops the action, which then says so.
    """
    ends_at = None if seconds is None else time.monotonic() + seconds
    while True:
        try:
            step = _step_again(bulk_id, size or min(CHUNK, db.batch_size()))
        except PermissionDenied as error:
            BulkAction.objects.filter(pk=bulk_id, state=State.RUNNING).update(
                state=State.STOPPED, finished_at=timezone.now(), problem=str(error)[:200]
            )
            return BulkAction.objects.get(pk=bulk_id)
        if step.outcome is not None:
            on_chunk(step.bulk, step.outcome)
        if step.bulk.state != State.RUNNING:
            if step.outcome is not None:
                seals.in_passing(timezone.now())
            return step.bulk
        if is_asked_to_stop() or (ends_at is not None and time.monotonic() >= ends_at):
            return step.bulk


def _step_again(bulk_id: int, size: int) -> Step:
    """Do one chunk, again after failures whose cause passes."""
    for attempt in range(ATTEMPTS):
        try:
            return _step(bulk_id, size)
        except DatabaseError as error:
            if attempt == ATTEMPTS - 1 or not db.is_retryable(error):
                raise
            db.reconnect_if_broken()
            time.sleep(PAUSE_SECONDS * 2**attempt)
    raise AssertionError("unreachable")


def _step(bulk_id: int, size: int) -> Step:
    """Decide on the next chunk and move the checkpoint, in one transaction. About 30 queries."""
    with transaction.atomic():
        bulk = (
            BulkAction.objects.select_for_update(of=("self",), no_key=True)
            .select_related("actor")
            .get(pk=bulk_id)
        )
        if bulk.state != State.RUNNING:
            return Step(bulk, None)
        items = dict(
            BulkItem.objects.filter(bulk_action=bulk_id, post_id__gt=bulk.position)
            .order_by("post_id")
            .values_list("post_id", "revision__digest")[:size]
        )
        outcome = Outcome([], {})
        if items:
            outcome = _act(bulk, items)
            _write_outcome(bulk, min(items), max(items), outcome)
            bulk.position = max(items)
            bulk.changed += len(outcome.changed)
            bulk.skipped += len(outcome.refused)
            for error in outcome.refused.values():
                bulk.refusals[str(error)] = bulk.refusals.get(str(error), 0) + 1
        bulk.beat_at = timezone.now()
        if len(items) < size:
            bulk.state, bulk.finished_at = State.FINISHED, bulk.beat_at
        bulk.save(
            update_fields=[
                *("position", "changed", "skipped", "refusals"),
                *("beat_at", "state", "finished_at"),
            ]
        )
    return Step(bulk, outcome)


def _act(bulk: BulkAction, items: Mapping[int, str | None]) -> Outcome:
    """Carry out the actions on one chunk; a revision that is gone is one that was not seen."""
    actions = names(bulk)
    for name in actions:
        require(name, bulk.actor)
    if KINDS[actions[0]].needs_tag:
        return tagging.tag_posts(
            post_ids=list(items),
            by=bulk.actor,
            name=bulk.options["tag"],
            is_added=actions == ["add_tag"],
            bulk_action=bulk,
        )
    return review.act(
        action=actions,
        posts={post_id: digest or "" for post_id, digest in items.items()},
        by=bulk.actor,
        reason=bulk.reason,
        undo_seconds=bulk.options.get("undo_seconds"),
        bulk_action=bulk,
    )


def _write_outcome(bulk: BulkAction, first: int, last: int, outcome: Outcome) -> None:
    """Note what came of each post of a chunk: one statement, and one more for each refusal."""
    rows = BulkItem.objects.filter(bulk_action=bulk.pk, post_id__gte=first, post_id__lte=last)
    rows.update(outcome=BulkItem.CHANGED)
    refused: dict[tuple[str, str], list[int]] = {}
    for post_id, error in outcome.refused.items():
        refused.setdefault((error.code, str(error)), []).append(post_id)
    for (code, text), ids in refused.items():
        for chunk in db.chunked(ids):
            BulkItem.objects.filter(bulk_action=bulk.pk, post_id__among=chunk).update(
                outcome=code, note=text[:200]
            )


def act_on_all(
    *,
    actions: Sequence[str],
    queryset: QuerySet[Post],
    by: User,
    reason: str = "",
    filters: Mapping[str, Any] | None = None,
    undo_seconds: int | None = None,
    on_chunk: Callable[[BulkAction, Outcome], None] = lambda bulk, outcome: None,
) -> BulkAction:
    """Freeze, confirm and carry out in one call; see `prepare`, `confirm` and `carry_out`."""
    options = {} if undo_seconds is None else {"undo_seconds": undo_seconds}
    bulk = prepare(actions=actions, queryset=queryset, by=by, filters=filters, options=options)
    try:
        confirm(bulk, reason=reason)
    except ReviewError:
        forget(bulk.pk)
        raise
    return carry_out(bulk.pk, on_chunk=on_chunk)
