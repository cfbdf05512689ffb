"""What reviewers found wrong with imported revisions, as rows a report can count and page by.

In: ids of posts on which somebody decided or which an import changed, in the transaction that did
it. Out: their findings as they are to be. `follow` from scratch gives the same rows as any sequence
of doors did. Decides nothing and reads no body.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from django.db import transaction

from posts import content, db
from posts.models import Decision, Finding, ImportedPost, Post, Revision
from posts.models.findings import SCENARIO_MAX
from posts.rebuilding import Step

SENT_BACK = (Decision.Verdict.REQUEST_CHANGES.value, Decision.Verdict.REJECT.value)
#: The columns `follow` makes, the decision first.
COLUMNS = (
    *("decision_id", "post_id", "revision_id", "source_id", "run_id", "verdict", "reason"),
    *("scenario", "stack", "decided_at", "is_open", "closed_run_id", "closed_at"),
)
#: Posts looked at in one transaction of `rebuild`.
STEP = 1_000


def follow(post_ids: Iterable[int]) -> int:
    """Make the findings of these posts what decisions and revisions say; return rows written.

    Two queries per 500 posts of which nothing was sent back; up to eight for others. The caller
    holds the posts' row locks.
    """
    written = 0
    for chunk in db.chunked(sorted(set(post_ids))):
        standing = _standing(chunk)
        there = {
            row[0]: row for row in Finding.objects.filter(post_id__in=chunk).values_list(*COLUMNS)
        }
        if not (standing or there):
            continue
        wanted = _wanted(standing)
        db.delete_rows(Finding, sorted(there.keys() - wanted.keys()))
        fresh = [row for pk, row in wanted.items() if pk not in there]
        if fresh:
            db.insert_rows(Finding, COLUMNS, fresh)
        moved = [row for pk, row in wanted.items() if pk in there and there[pk] != row]
        db.update_rows(Finding, "decision_id", COLUMNS[1:], moved)
        written += len(fresh) + len(moved) + len(there.keys() - wanted.keys())
    return written


class _Verdict(NamedTuple):
    pk: int
    revision_id: int
    verdict: str
    reason: str
    decided_at: dt.datetime
    post_id: int
    number: int
    run_id: int


def _standing(post_ids: Sequence[int]) -> list[_Verdict]:
    """Return the verdicts that sent imported revisions back and are the latest on them. One query.

    A verdict that was withdrawn, or followed by another, does not stand.
    """
    latest: dict[int, _Verdict] = {}
    rows = Decision.objects.filter(
        revision__post_id__in=post_ids, revision__origin=Revision.Origin.IMPORT
    ).order_by("pk")
    for row in rows.values_list(
        *("pk", "revision_id", "verdict", "reason", "decided_at"),
        *("revision__post_id", "revision__number", "revision__run_id"),
    ):
        verdict = _Verdict(*row)
        latest[verdict.revision_id] = verdict
    return [verdict for verdict in latest.values() if verdict.verdict in SENT_BACK]


def _wanted(standing: Sequence[_Verdict]) -> dict[int, tuple[Any, ...]]:
    """Return the rows of findings by decision. Three queries."""
    if not standing:
        return {}
    posts = {verdict.post_id for verdict in standing}
    sources = dict(
        ImportedPost.objects.filter(post_id__in=posts).values_list("post_id", "source_id")
    )
    said = {
        pk: (payload, stack)
        for pk, payload, stack in Revision.objects.filter(
            pk__in=[verdict.revision_id for verdict in standing]
        ).values_list("pk", "meta__payload", "meta__stack")
    }
    newer: dict[int, list[tuple[int, int, dt.datetime]]] = {}
    for post_id, *version in (
        Revision.objects.filter(post_id__in=posts, origin=Revision.Origin.IMPORT)
        .order_by("number")
        .values_list("post_id", "number", "run_id", "created_at")
    ):
        newer.setdefault(post_id, []).append(tuple(version))
    rows = {}
    for verdict in standing:
        payload, stack = said[verdict.revision_id]
        closed = next(
            (version for version in newer[verdict.post_id] if version[0] > verdict.number), None
        )
        rows[verdict.pk] = (
            *(verdict.pk, verdict.post_id, verdict.revision_id, sources[verdict.post_id]),
            *(verdict.run_id, verdict.verdict, " ".join(verdict.reason.split())),
            (payload or {}).get("scenario", "")[:SCENARIO_MAX],
            content.normal_tag(stack[0])[: content.TAG_MAX] if stack else "",
            *(verdict.decided_at, closed is None),
            *((closed[1], closed[2]) if closed else (None, None)),
        )
    return rows


def rebuild(*, after: int = 0) -> Step:
    """Follow the next `STEP` posts behind an id, in one transaction, under their locks."""
    with transaction.atomic():
        ids = list(
            Post.objects.select_for_update(no_key=True)
            .filter(pk__gt=after)
            .order_by("pk")
            .values_list("pk", flat=True)[:STEP]
        )
        return Step(ids[-1] if ids else None, len(ids), follow(ids))
