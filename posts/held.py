"""The versions that meet where an import brought a newer one to a page people worked on.

In: a post. Out: what both sides began with, ours, theirs. Two queries. Decides and writes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from posts.models import Revision

if TYPE_CHECKING:
    from posts.models import Post

#: Newest revisions among which a common beginning is looked for.
ANCESTORS_MAX = 5_000


class Held(NamedTuple):
    """`base` is None when the two have no common beginning that is still known."""

    base: Revision | None
    ours: Revision
    incoming: Revision


def held(post: Post) -> Held | None:
    """Return the versions that meet in a post, None when no import holds one there.

    Theirs is the imported revision that waits, behind a person's proposal or as the proposal. Ours
    is that person's proposal, else the live revision. The beginning is the newest revision both
    grew from: an imported version that nobody took over is none of ours.
    """
    identity = getattr(post, "imported", None)
    waiting = identity.waiting_revision_id if identity is not None else None
    proposed, live = post.proposed_revision_id, post.live_revision_id
    if waiting is None and proposed in (None, live):
        return None
    rows = post.revisions.order_by("-number").values_list("pk", "parent_id", "number", "origin")
    known = {pk: (parent, number, origin) for pk, parent, number, origin in rows[:ANCESTORS_MAX]}

    def is_imported(pk: int | None) -> bool:
        return pk in known and known[pk][2] == Revision.Origin.IMPORT

    incoming = waiting or (proposed if is_imported(proposed) else None)
    if incoming is None:
        return None
    is_ours_proposed = waiting is not None and proposed is not None and not is_imported(proposed)
    ours = proposed if is_ours_proposed and proposed is not None else live
    base = common_beginning(
        ours, incoming, {pk: (parent, number) for pk, (parent, number, _) in known.items()}
    )
    found = Revision.objects.select_related("author", "run__source").in_bulk(
        {pk for pk in (base, ours, incoming) if pk is not None}
    )
    return Held(found[base] if base is not None else None, found[ours], found[incoming])


def common_beginning(
    one: int, other: int, known: Mapping[int, tuple[int | None, int]]
) -> int | None:
    """Return the newest revision two others grew from; either may be the other's beginning.

    `known` maps a revision to its parent and its number; a parent's number is the smaller one.
    """
    first: int | None = one
    second: int | None = other
    while first != second:
        if first is None or second is None or first not in known or second not in known:
            return None
        if known[first][1] > known[second][1]:
            first = known[first][0]
        else:
            second = known[second][0]
    return first
