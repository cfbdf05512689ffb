"""Notes of editors on a revision, and on the passage they mean: made, resolved, listed.

In: a revision, a person, a text. Out: a note beside the revision, never a change of it. A passage
must stand in the revision, so that a generator's report can quote it.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from django.core.exceptions import PermissionDenied
from django.utils import timezone

from posts import markdown
from posts.models import DraftNote, Post, Revision

if TYPE_CHECKING:
    from django.contrib.auth.models import User

VIEW, ADD, RESOLVE = "posts.view_draftnote", "posts.add_draftnote", "posts.change_draftnote"
TEXT_MAX = DraftNote._meta.get_field("text").max_length or 0
PASSAGE_MAX = DraftNote._meta.get_field("passage").max_length or 0
#: Notes on one revision or post that a page shows.
SHOWN = 50


class NoteError(Exception):
    """A note that was not made; `field` is the input that is wrong, the text says what to do."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


def _plain(text: str) -> str:
    return " ".join(text.split())


def stands_in(passage: str, revision: Revision) -> bool:
    """Say whether a passage is quoted from a revision: from its text as read, or its Markdown."""
    wanted = _plain(passage).casefold()
    texts = (revision.title, revision.lede, revision.body)
    return any(
        wanted in _plain(text).casefold()
        for part in texts
        for text in (part, markdown.plain_text(part, limit=len(part) + 1))
    )


def add(
    *, revision: Revision, by: User, text: str, passage: str = "", now: dt.datetime | None = None
) -> DraftNote:
    """Leave a note on a revision. One query.

    Raises `PermissionDenied`, and `NoteError` for a text that is missing or too long, or a passage
    that does not stand in the revision.
    """
    if not by.has_perm(ADD):
        raise PermissionDenied(f"This needs the permission {ADD}.")
    text, passage = text.strip(), _plain(passage)
    if not text or len(text) > TEXT_MAX:
        raise NoteError(
            "text", f"Got a note of {len(text):,} characters; expected 1 to {TEXT_MAX:,}."
        )
    if len(passage) > PASSAGE_MAX:
        raise NoteError(
            "passage",
            f"Got a passage of {len(passage):,} characters; expected at most {PASSAGE_MAX}. Quote "
            "its beginning.",
        )
    if passage and not stands_in(passage, revision):
        raise NoteError(
            "passage",
            f"These words do not stand in revision {revision.number}. Copy them from its text, or "
            "leave the passage empty.",
        )
    return DraftNote.objects.create(
        post_id=revision.post_id,
        revision=revision,
        passage=passage,
        text=text,
        author=by,
        made_at=now or timezone.now(),
    )


def resolve(*, note: DraftNote, by: User, now: dt.datetime | None = None) -> None:
    """Mark a note as dealt with; one that is already stays as it is. One query."""
    if not by.has_perm(RESOLVE):
        raise PermissionDenied(f"This needs the permission {RESOLVE}.")
    DraftNote.objects.filter(pk=note.pk, resolved_at__isnull=True).update(
        resolved_at=now or timezone.now(), resolved_by=by
    )


def of(post: Post) -> list[DraftNote]:
    """Return a post's notes, open ones first, then the newest. One query."""
    rows = DraftNote.objects.filter(post=post).select_related("author", "resolved_by", "revision")
    newest = rows.defer("revision__lede", "revision__body", "revision__meta").order_by("-pk")
    return sorted(newest[:SHOWN], key=lambda note: note.resolved_at is not None)
