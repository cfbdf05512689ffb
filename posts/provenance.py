"""The public record of a post: source, runs, revisions with digests, verdicts.

In: a post readers may open. Out: plain values for the provenance page and its JSON, a handful of
queries. Holds no text, title, reason, comment, file name or account: only what says where a text
came from, who stands behind it and by which digest it can be recognised.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any, NamedTuple

from posts import disclosure
from posts.models import ChainEnd, Decision, ImportRun, ImportSource, Post, Revision

#: Revisions of one page.
PAGE = 50

_DONE = {
    Decision.Verdict.APPROVE: "approved",
    Decision.Verdict.REQUEST_CHANGES: "changes requested",
    Decision.Verdict.REJECT: "rejected",
    Decision.Verdict.WITHDRAW: "verdict withdrawn",
}
_MADE = {
    Revision.Origin.IMPORT: "imported",
    Revision.Origin.EDITOR: "written",
    Revision.Origin.RESTORE: "restored",
}


class Verdict(NamedTuple):
    """What a person decided on a revision."""

    text: str
    byline: str
    at: dt.datetime


class Version(NamedTuple):
    """One revision: how it came, its digest, what was decided on it."""

    number: int
    digest: str
    made: str
    byline: str
    run: int | None
    at: dt.datetime
    verdicts: list[Verdict]
    is_live: bool
    is_approved: bool


class Origin(NamedTuple):
    """Where a post came from; `first_run` is None for one written here."""

    source: str
    key: str
    is_generated: bool
    first_run: int | None
    first_at: dt.datetime
    newest_run: int | None
    newest_at: dt.datetime | None
    engine: str


class Record(NamedTuple):
    """What the page shows; `older` is the number to go on below, None at the end."""

    origin: Origin
    versions: list[Version]
    older: int | None
    events: int
    chain_end: str


def record(post: Post, *, before: int | None = None) -> Record:
    """Return the record of a post of `for_article()`, newest revisions first.

    Queries: revisions, their verdicts, the first revision, the newest run, the end of its chain.
    """
    rows = post.revisions.without_content().select_related("author", "run").newest_first()
    if before is not None:
        rows = rows.filter(number__lt=before)
    found = list(rows[: PAGE + 1])
    page = found[:PAGE]
    verdicts = _verdicts(page)
    end = ChainEnd.objects.filter(subject=ChainEnd.Subject.POST, subject_id=post.pk).first()
    return Record(
        origin=_origin(post),
        versions=[_version(post, row, verdicts.get(row.pk, [])) for row in page],
        older=page[-1].number if len(found) > PAGE else None,
        events=end.sequence if end else 0,
        chain_end=end.hash if end else "",
    )


def _origin(post: Post) -> Origin:
    identity = post.imported
    first = post.revisions.filter(number=1).values_list("run_id", "created_at").get()
    newest = (
        ImportRun.objects.filter(revisions__post=post).order_by("-pk").first()
        if identity.is_generated
        else None
    )
    return Origin(
        source=identity.source.name,
        key=identity.key,
        is_generated=identity.source.name != ImportSource.LOCAL,
        first_run=first[0],
        first_at=first[1],
        newest_run=newest.pk if newest else None,
        newest_at=newest.started_at if newest else None,
        engine=newest.engine_version if newest else "",
    )


def _verdicts(revisions: Sequence[Revision]) -> dict[int, list[Decision]]:
    found: dict[int, list[Decision]] = {}
    rows = Decision.objects.filter(revision__in=[row.pk for row in revisions])
    for decision in rows.select_related("reviewer").defer("reason", "comment").order_by("pk"):
        found.setdefault(decision.revision_id, []).append(decision)
    return found


def _version(post: Post, revision: Revision, decisions: Sequence[Decision]) -> Version:
    byline = ""
    if revision.is_by_person:
        byline = disclosure.byline(revision.author, disclosure.ANONYMOUS_EDITOR)
    made = _MADE[Revision.Origin(revision.origin)]
    if revision.origin == Revision.Origin.EDITOR and revision.number > 1:
        made = "edited"
    last = decisions[-1] if decisions else None
    return Version(
        number=revision.number,
        digest=revision.digest,
        made=made,
        byline=byline,
        run=revision.run_id,
        at=revision.created_at,
        verdicts=[
            Verdict(
                _DONE[Decision.Verdict(one.verdict)],
                disclosure.byline(one.reviewer, disclosure.ANONYMOUS_REVIEWER),
                one.decided_at,
            )
            for one in decisions
        ],
        is_live=revision.pk == post.live_revision_id,
        is_approved=(
            last is not None
            and last.verdict == Decision.Verdict.APPROVE
            and last.digest == revision.digest
        ),
    )


def as_json(found: Record) -> dict[str, Any]:
    """Return the record as plain values."""
    return {
        "origin": found.origin._asdict(),
        "revisions": [
            {**version._asdict(), "verdicts": [one._asdict() for one in version.verdicts]}
            for version in found.versions
        ],
        "older_than": found.older,
        "history": {"events": found.events, "last_hash": found.chain_end},
    }
