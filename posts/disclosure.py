"""Who made a page's text, in one sentence and in the value of the W3C draft vocabulary.

In: what is recorded of a revision: how it came, who worked on it, who approved it. Never a flag
that an import brought. Knows no page. The table of sentences and values: docs/decisions.md.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any, NamedTuple

from posts.models import Decision, ImportSource, Post, Revision

#: What people without a public name are called.
ANONYMOUS_REVIEWER = "a reviewer"
ANONYMOUS_EDITOR = "an editor"

#: Values of `<meta name="ai-disclosure">`, and what schema.org calls the same.
AUTONOMOUS, GENERATED, NONE = "ai-autonomous", "ai-generated", "none"
_SOURCE_TYPES = {
    AUTONOMOUS: "TrainedAlgorithmicMediaDigitalSource",
    GENERATED: "CompositeWithTrainedAlgorithmicMediaDigitalSource",
    NONE: "DigitalCreationDigitalSource",
}


class Making(NamedTuple):
    """Who had a hand in a text, by public names; empty where nobody had.

    `is_generated`: it grew from an import. Without `reviewer` nobody approved it.
    """

    is_generated: bool
    writer: str = ""
    editor: str = ""
    reviewer: str = ""
    reviewed_at: dt.datetime | None = None


class Disclosure(NamedTuple):
    """`text` is a sentence; `value` is that of `<meta name="ai-disclosure">`."""

    text: str
    value: str

    @property
    def digital_source_type(self) -> str:
        """The value for schema.org's `digitalSourceType`."""
        return f"https://schema.org/{_SOURCE_TYPES[self.value]}"


def byline(person: object, otherwise: str) -> str:
    """Return a person's public name; never the name of an account or an address."""
    name: str = person.get_full_name().strip() if person is not None else ""  # type: ignore[attr-defined]
    return name or otherwise


def said_of(making: Making) -> Disclosure:
    """Return the disclosure of a text; pure, so that every history can be tested."""
    review = f"reviewed by {making.reviewer}" if making.reviewer else ""
    if review and making.reviewed_at is not None:
        review += f" on {making.reviewed_at.day} {making.reviewed_at:%B %Y}"
    edited = f"edited by {making.editor}" if making.editor else ""
    if making.is_generated:
        parts = ["AI-generated", edited, review or ("" if edited else "not reviewed")]
        value = GENERATED if edited or review else AUTONOMOUS
    else:
        parts = [f"Written by {making.writer}", edited, review]
        value = NONE
    return Disclosure(", ".join(part for part in parts if part) + ".", value)


def approvals_of(revisions: Sequence[Revision]) -> dict[int, Decision]:
    """Return, by revision, the approval that stands: no later verdict, the same digest. One query.

    The reviewer comes with it.
    """
    latest: dict[int, Decision] = {}
    rows = Decision.objects.filter(revision__in=[row.pk for row in revisions])
    for decision in rows.select_related("reviewer").defer("reason", "comment").order_by("pk"):
        latest[decision.revision_id] = decision
    digests = {row.pk: row.digest for row in revisions}
    return {
        pk: decision
        for pk, decision in latest.items()
        if decision.verdict == Decision.Verdict.APPROVE and decision.digest == digests[pk]
    }


def making_of(
    post: Post,
    revision: Revision,
    *,
    reviewer: str = "",
    reviewed_at: dt.datetime | None = None,
) -> Making:
    """Return who made a revision's text, with the approval the caller knows of.

    What a person saved is their edit, unless an import had brought the very same text: then it was
    only put back. Who restores another's text did not edit it either. No queries for a text that
    was imported or is the post's first, when post, source and author were fetched; else one.
    """
    is_generated = post.imported.source.name != ImportSource.LOCAL
    approval: dict[str, Any] = {"reviewer": reviewer, "reviewed_at": reviewed_at}
    if revision.is_by_person and revision.number > 1:
        writer, editor = _hands(post, revision)
    else:
        writer, editor = (revision.author if revision.is_by_person else None), None
    return Making(
        is_generated,
        writer="" if is_generated else byline(writer, ANONYMOUS_EDITOR),
        editor="" if editor is None else byline(editor, ANONYMOUS_EDITOR),
        **approval,
    )


def _hands(post: Post, revision: Revision) -> tuple[Any, Any]:
    """Return who wrote a post's first text and who made this one of it; see `hands`. One query."""
    first = post.revisions.filter(number=1)
    same = post.revisions.filter(digest=revision.digest, number__lte=revision.number)
    rows = list((first | same).without_content().select_related("author").order_by("number"))
    # A text that is only previewed is nobody's row yet.
    return hands(rows if revision.pk else [*rows, revision], revision.digest)


def hands(rows: Sequence[Revision], digest: str) -> tuple[Any, Any]:
    """Return who wrote the first of these revisions and who made the text with a digest; pure.

    `rows` are a post's first revision and all with that digest up to the one that is shown, in
    order. None stands for machines, and the second is None where the text is the first one again
    or an import's.
    """
    writer = rows[0].author
    alike = [row for row in rows if row.digest == digest]
    if any(not row.is_by_person for row in alike):
        return writer, None
    maker = alike[0].author
    return writer, None if maker == writer else maker


def disclosure(
    post: Post,
    *,
    revision: Revision | None = None,
    reviewer: str = "",
    reviewed_at: dt.datetime | None = None,
) -> Disclosure:
    """Return the disclosure of a post's revision, by default the live one; see `making_of`.

    `reviewer` is empty without an approval.
    """
    return said_of(
        making_of(post, revision or post.live_revision, reviewer=reviewer, reviewed_at=reviewed_at)
    )
