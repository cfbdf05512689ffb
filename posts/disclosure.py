"""Who made a page's text, in one sentence and in the value of the W3C draft vocabulary.

In: what is recorded of a revision: how it came, who worked on it, who approved it, and what people
here said of its source. Never a flag that an import brought. Knows no page. The table of sentences
and values: docs/decisions.md.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from django.db.models import Q

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

    `is_generated`: it grew from what machines sent. `source` is where people wrote it who are not
    known here. Without `reviewer` nobody approved it.
    """

    is_generated: bool
    writer: str = ""
    source: str = ""
    editor: str = ""
    reviewer: str = ""
    reviewed_at: dt.datetime | None = None


class Hands(NamedTuple):
    """Who wrote a post's first text, and who made the one in question of it; None for machines."""

    writer: Any
    maker: Any


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
        writer = f"the authors of {making.source}" if making.source else making.writer
        parts = [f"Written by {writer}", edited, review]
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
    known: Mapping[int, Hands] | None = None,
) -> Making:
    """Return who made a revision's text, with the approval the caller knows of.

    What a person saved is their edit, unless an import had brought the very same text: then it was
    only put back. Who restores another's text did not edit it either. No queries for a text that
    was imported or is the post's first, when post, source and author were fetched, and none with
    what `hands_of` knows of the revision; else one.
    """
    source = post.imported.source
    is_local = source.name == ImportSource.LOCAL
    approval: dict[str, Any] = {"reviewer": reviewer, "reviewed_at": reviewed_at}
    if revision.is_by_person and revision.number > 1:
        writer, editor = (hands_of([revision]) if known is None else known)[revision.pk]
    else:
        writer, editor = (revision.author if revision.is_by_person else None), None
    return Making(
        is_generated=not is_local and source.writers == ImportSource.Writers.MACHINES,
        writer=byline(writer, ANONYMOUS_EDITOR) if is_local else "",
        source="" if is_local or source.writers == ImportSource.Writers.MACHINES else source.name,
        editor="" if editor is None else byline(editor, ANONYMOUS_EDITOR),
        **approval,
    )


def hands_of(revisions: Sequence[Revision]) -> dict[int, Hands]:
    """Return who made the texts of those revisions that people saved on top of others, by id.

    One query however many they are, none when there is no such revision.
    """
    asked = [row for row in revisions if row.is_by_person and row.number > 1]
    if not asked:
        return {}
    alike = Q(number=1) | Q(digest__in={row.digest for row in asked})
    rows = Revision.objects.filter(alike, post__in={row.post_id for row in asked})
    of_post: dict[int, list[Revision]] = {}
    for row in rows.without_content().select_related("author").order_by("number"):
        of_post.setdefault(row.post_id, []).append(row)
    found = {}
    for one in asked:
        same = [
            row
            for row in of_post.get(one.post_id, ())
            if row.number == 1 or (row.digest == one.digest and row.number <= one.number)
        ]
        # A text that is only previewed is nobody's row yet.
        found[one.pk] = hands(same if one.pk else [*same, one], one.digest)
    return found


def hands(rows: Sequence[Revision], digest: str) -> Hands:
    """Return who wrote the first of these revisions and who made the text with a digest; pure.

    `rows` are a post's first revision and all with that digest up to the one that is shown, in
    order. None stands for machines, and the second is None where the text is the first one again
    or an import's.
    """
    writer = rows[0].author
    alike = [row for row in rows if row.digest == digest]
    if any(not row.is_by_person for row in alike):
        return Hands(writer, None)
    maker = alike[0].author
    return Hands(writer, None if maker == writer else maker)


def disclosure(
    post: Post,
    *,
    revision: Revision | None = None,
    reviewer: str = "",
    reviewed_at: dt.datetime | None = None,
    known: Mapping[int, Hands] | None = None,
) -> Disclosure:
    """Return the disclosure of a post's revision, by default the live one; see `making_of`.

    `reviewer` is empty without an approval.
    """
    revision = revision or post.live_revision
    return said_of(
        making_of(post, revision, reviewer=reviewer, reviewed_at=reviewed_at, known=known)
    )
