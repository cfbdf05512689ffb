"""Posts that wait for no verdict and still are a reviewer's work: those scheduled, those grown old.

In: a moment and a place. Out: pages of listed posts along the index of the gate, the earliest
first. Both follow from `listed_at` alone, so no draft pays for them. Locks and writes nothing.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.db.models import DateTimeField, F, QuerySet, Value
from django.db.models.fields import BigIntegerField

from posts.models import Decision, Post
from posts.pagination import RowComparison
from posts.queue_walk import PAGE_SIZE, Place, moment_of, place_at

SCHEDULED, STALE = "scheduled", "stale"
#: A page that nobody has reviewed for longer is old (UX.md, article page).
STALE_AFTER = dt.timedelta(days=731)


def part(name: str, now: dt.datetime) -> QuerySet[Any]:
    """Return the posts of a part: listed later, or listed so long that their review is old.

    A gate opens anew with every approval, so a post listed for longer was approved before that. A
    post that was published long after its approval counts from its publication.
    """
    if name == SCHEDULED:
        return Post.objects.scheduled(now)
    return Post.objects.listed_before(now - STALE_AFTER)


class Line(NamedTuple):
    """A listed post and the decision that approved what its page shows."""

    post: Post
    decision: Decision | None


@dataclass(frozen=True, slots=True)
class ListedPage:
    """Lines of one page, the earliest first, and the places to go on behind and before."""

    lines: list[Line]
    after: str = ""
    before: str = ""
    is_understood: bool = True


def page_of(
    name: str, *, now: dt.datetime, after: str = "", before: str = "", size: int = PAGE_SIZE
) -> ListedPage:
    """Return a page of a part. Two queries, of `size` + 1 posts and their decisions.

    Posts whose archive time has come are left out of the page they would be on.
    """
    text = after or before
    behind = Place.decode(text) if text else None
    is_backwards = behind is not None and not after
    rows = part(name, now).order_by(
        *(("-listed_at", "-pk") if is_backwards else ("listed_at", "pk"))
    )
    if behind is not None:
        rows = rows.filter(
            RowComparison(
                F("listed_at"),
                F("pk"),
                Value(moment_of(behind), output_field=DateTimeField()),
                Value(behind.post_id, output_field=BigIntegerField()),
                operator="<" if is_backwards else ">",
            )
        )
    found = list(
        rows.select_related("live_revision").only(
            *("title", "slug", "listed_at", "archive_at", "approved_revision_id"),
            *("proposed_revision_id", "live_revision__number"),
        )[: size + 1]
    )
    chosen, has_more = found[:size], len(found) > size
    far = place_at(chosen[-1].listed_at, chosen[-1].pk).encode() if has_more else ""
    near = place_at(chosen[0].listed_at, chosen[0].pk).encode() if behind and chosen else ""
    if is_backwards:
        chosen.reverse()
    shown = [post for post in chosen if post.archive_at is None or post.archive_at > now]
    decisions = {
        decision.revision_id: decision
        for decision in Decision.objects.filter(
            revision_id__in=[post.approved_revision_id for post in shown],
            verdict=Decision.Verdict.APPROVE,
        )
        .select_related("reviewer")
        .order_by("pk")
    }
    return ListedPage(
        lines=[Line(post, decisions.get(post.approved_revision_id)) for post in shown],
        after=near if is_backwards else far,
        before=far if is_backwards else near,
        is_understood=not text or behind is not None,
    )
