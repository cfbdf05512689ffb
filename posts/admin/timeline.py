"""The revisions of a post as a timeline: what each is, who made it, its size, what was decided.

In: a post. Out: entries, newest first, without the texts. Two queries, whatever the post's size.
"""

from __future__ import annotations

from typing import NamedTuple

from django.db.models.functions import Length

from posts.models import Decision, Post, Revision

#: Decisions shown of the revisions of one page.
DECISIONS_MAX = 200


class Entry(NamedTuple):
    """One revision. `characters` are those of lede and body; `grown` is None for the first."""

    revision: Revision
    roles: list[str]
    source: str
    characters: int
    grown: int | None
    decisions: list[Decision]

    @property
    def growth(self) -> str:
        """The change of size against the revision before, with its sign."""
        if self.grown is None:
            return ""
        sign = "+" if self.grown > 0 else "−" if self.grown < 0 else "±"
        return f"{sign}{abs(self.grown):,}"


def roles_of(post: Post, revision: Revision) -> list[str]:
    """Return what a revision is to its post: live, waiting, approved."""
    roles = {
        "waiting for a verdict": post.proposed_revision_id,
        "live": post.live_revision_id,
        "approved": post.approved_revision_id,
    }
    return [name for name, pointer in roles.items() if pointer == revision.pk]


def where_from(revision: Revision) -> str:
    """Return who or what made a revision: a run with its line, or a person."""
    if revision.run_id is None:
        return f"{revision.origin} by {revision.author}"
    line = f", line {revision.run_line:,}" if revision.run_line else ""
    return f"import from {revision.run.source}, run {revision.run_id}{line}"


def timeline(post: Post, most: int, before: str = "") -> tuple[list[Entry], int | None]:
    """Return entries, newest first, and the number to go on below. Two queries."""
    rows = (
        post.revisions.without_content()
        .select_related("author", "run__source")
        .annotate(characters=Length("lede") + Length("body"))
        .newest_first()
    )
    if before.isdecimal() and len(before) < 10:
        rows = rows.filter(number__lt=int(before))
    found = list(rows[: most + 1])
    shown = found[:most]
    decided: dict[int, list[Decision]] = {}
    decisions = Decision.objects.filter(revision__in=[row.pk for row in shown])
    for decision in decisions.select_related("reviewer").order_by("-pk")[:DECISIONS_MAX]:
        decided.setdefault(decision.revision_id, []).append(decision)
    sizes = [row.characters for row in found]
    entries = [
        Entry(
            row,
            roles_of(post, row),
            where_from(row),
            row.characters,
            row.characters - sizes[place + 1] if place + 1 < len(sizes) else None,
            decided.get(row.pk, []),
        )
        for place, row in enumerate(shown)
    ]
    return entries, found[most - 1].number if len(found) > most else None
