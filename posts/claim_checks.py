"""The rows of the check of claims: written with a revision, made again when rules or numbers move.

In: revisions, or the masks an import made. Out: rows of `ClaimCheck`. What a claim is and how it
is judged stands in `posts.claims`; pages judge for themselves and never show an outdated row.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from django.db import transaction
from django.db.models import Count

from posts import claims, content, db, queue
from posts.models import ClaimCheck, ImportedPost, Post, Revision, Statistics
from posts.rebuilding import Step

COLUMNS = ("revision_id", "rules_version", "verified", "contradicted", "unverifiable")
#: Revisions looked at in one step of `make_again`, and those of them whose texts are held at once.
STEP = 2_000
AT_ONCE = 100
#: Newest posts that `frequencies` looks at.
FREQUENCY_POSTS = 100_000
#: `rules_version` of a row that is to be made again.
OUTDATED = 0


def insert(masks: Iterable[tuple[int, claims.Masks]]) -> None:
    """Insert the rows of new revisions. One statement."""
    db.insert_rows(ClaimCheck, COLUMNS, [(pk, claims.RULES_VERSION, *found) for pk, found in masks])


def update(masks: Sequence[tuple[int, claims.Masks]]) -> None:
    """Replace the verdicts on revisions that have a row. At most one statement."""
    db.update_rows(
        ClaimCheck,
        "revision_id",
        COLUMNS[1:],
        [(pk, claims.RULES_VERSION, *found) for pk, found in masks],
    )


def insert_for(revision: Revision) -> None:
    """Judge a revision that a person saved and insert its row. Two statements."""
    imported = (
        ImportedPost.objects.select_related("source", "post__statistics")
        .filter(post_id=revision.post_id)
        .first()
    )
    statistics = getattr(imported.post, "statistics", None) if imported else None
    insert([(revision.pk, _judged(revision, imported, statistics))])


def outdate(post_ids: Sequence[int], *, but: Collection[int] = ()) -> None:
    """Ask for new verdicts where imported numbers moved beside a text that stayed.

    These are the live revisions of the posts and what people proposed, `but` those that have new
    ones. Two statements per 500 posts.
    """
    for chunk in db.chunked(post_ids):
        found = set()
        for live, proposed, origin in Post.objects.filter(pk__in=chunk).values_list(
            "live_revision_id", "proposed_revision_id", "proposed_revision__origin"
        ):
            found.add(live)
            if origin not in (None, Revision.Origin.IMPORT):
                found.add(proposed)
        ClaimCheck.objects.filter(revision_id__in=found.difference(but)).update(
            rules_version=OUTDATED
        )


def make_again(*, after: int = 0, every: bool = False) -> Step:
    """Judge those of the next `STEP` revisions behind `after` whose row is missing or outdated.

    With `every` the others too. Rows of newer rules than ours stay. Transactions of `AT_ONCE`
    revisions, five statements each and those of `queue.refresh`, that lock their posts; so it can
    stop, fail and run twice at the same time without harm.
    """
    page = list(
        Revision.objects.filter(pk__gt=after)
        .order_by("pk")
        .values_list("pk", "claim_check__rules_version")[:STEP]
    )
    due = [
        pk
        for pk, version in page
        if version is None
        or version < claims.RULES_VERSION
        or (every and version == claims.RULES_VERSION)
    ]
    written = sum(_make(some) for some in db.chunked(due, AT_ONCE))
    return Step(page[-1][0] if page else None, len(page), written)


def _make(revision_ids: Sequence[int]) -> int:
    with transaction.atomic():
        # An undo and an erasure lock the posts too: what they removed is not found below.
        posts = Revision.objects.filter(pk__in=revision_ids).values("post_id")
        list(
            Post.objects.select_for_update(no_key=True)
            .filter(pk__in=posts)
            .order_by("pk")
            .values_list("pk")
        )
        revisions = Revision.objects.filter(pk__in=revision_ids).select_related(
            "post__statistics", "post__imported__source", "claim_check"
        )
        fresh: list[tuple[int, claims.Masks]] = []
        known: list[tuple[int, claims.Masks]] = []
        for revision in revisions:
            post = revision.post
            masks = _judged(
                revision, getattr(post, "imported", None), getattr(post, "statistics", None)
            )
            (known if hasattr(revision, "claim_check") else fresh).append((revision.pk, masks))
        if fresh:
            insert(fresh)
        update(known)
        # A contradiction is a factor of the risk the queue is ordered by.
        queue.refresh({revision.post_id for revision in revisions})
    return len(fresh) + len(known)


def _judged(
    revision: Revision, imported: ImportedPost | None, statistics: Statistics | None
) -> claims.Masks:
    return claims.judge(
        revision.snapshot,
        statistics.imported if statistics is not None else content.Statistics(),
        key=imported.key if imported is not None else "",
        scope=claims.scope_of(
            is_generated=imported is not None and imported.is_generated,
            is_import=revision.origin == Revision.Origin.IMPORT,
        ),
    )


class Frequency(NamedTuple):
    """How many live revisions have each verdict on one claim."""

    claim: str
    label: str
    verified: int
    contradicted: int
    unverifiable: int


def frequencies(newest: int = FREQUENCY_POSTS) -> tuple[int, list[Frequency]]:
    """Return how many of the `newest` posts have a current check, and the verdicts by claim.

    One query, of as many rows as there are combinations of verdicts.
    """
    live = Post.objects.order_by("-pk").values("live_revision_id")[:newest]
    groups = list(
        ClaimCheck.objects.filter(rules_version=claims.RULES_VERSION, revision_id__in=live)
        .values_list("verified", "contradicted", "unverifiable")
        .annotate(posts=Count("pk"))
        .order_by()
    )
    return sum(posts for *_, posts in groups), [
        Frequency(
            claim.name,
            claim.label,
            *(
                sum(posts for *masks, posts in groups if masks[place] & claim.mask)
                for place in range(3)
            ),
        )
        for claim in claims.CLAIMS
    ]
