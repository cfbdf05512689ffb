"""Who made a page's text, in one sentence and in the value of the W3C draft vocabulary.

In: what is recorded of the live revision: its source, its author, its approval. Never a flag that
an import brought. Knows no page.
"""

from __future__ import annotations

import datetime as dt
from typing import NamedTuple

from posts.models import ImportSource, Post, Revision

#: What people without a public name are called.
ANONYMOUS_REVIEWER = "a reviewer"
ANONYMOUS_EDITOR = "an editor"


class Disclosure(NamedTuple):
    """`text` is a sentence; `value` is that of `<meta name="ai-disclosure">`."""

    text: str
    value: str


def byline(person: object, otherwise: str) -> str:
    """Return a person's public name; never the name of an account or an address."""
    name: str = person.get_full_name().strip() if person is not None else ""  # type: ignore[attr-defined]
    return name or otherwise


def disclosure(
    post: Post,
    *,
    revision: Revision | None = None,
    reviewer: str = "",
    reviewed_at: dt.datetime | None = None,
) -> Disclosure:
    """Return the disclosure of a post's revision, by default the live one.

    `reviewer` is empty without an approval.

    No queries when the post comes from `for_article()`.
    """
    revision = revision or post.live_revision
    editor = byline(revision.author, ANONYMOUS_EDITOR) if revision.is_by_person else ""
    review = f"reviewed by {reviewer}" if reviewer else ""
    if review and reviewed_at is not None:
        review += f" on {reviewed_at.day} {reviewed_at:%B %Y}"
    if post.imported.source.name == ImportSource.LOCAL:
        parts = [f"Written by {editor}", review]
        value = "none"
    else:
        edited = f"edited by {editor}" if editor else ""
        parts = ["AI-generated", edited, review or ("" if edited else "not reviewed")]
        value = "ai-generated" if editor or review else "ai-autonomous"
    return Disclosure(", ".join(part for part in parts if part) + ".", value)
