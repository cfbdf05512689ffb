"""Who uses a stored image, and who may therefore see it.

In: revisions as they are written; an image and a moment. Out: rows of `RevisionImage`; whether
readers may have the bytes. An image that only drafts show is for staff, and for whoever has a
preview link to such a draft.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import NamedTuple

from django.db.models import Exists, OuterRef

from posts import content, db
from posts.models import ImageSource, Post, PostImage, Revision, RevisionImage, StoredImage


def record(images: Iterable[tuple[int, str]]) -> None:
    """Note which uploads new revisions name: (revision, URL of an image), other URLs left out.

    No query when they name none, else two; in the transaction that writes the revisions.
    """
    named: dict[int, set[str]] = {}
    for revision_id, url in images:
        if digest := content.upload_digest(url):
            named.setdefault(revision_id, set()).add(digest)
    if not named:
        return
    known: dict[str, int] = {}
    for chunk in db.chunked(sorted(set().union(*named.values()))):
        # Locked, so that nobody deletes one between this look and the commit.
        rows = StoredImage.objects.select_for_update(no_key=True).filter(digest__in=chunk)
        known |= dict(rows.order_by("pk").values_list("digest", "pk"))
    rows_of = [
        (revision_id, known[digest])
        for revision_id, digests in named.items()
        for digest in sorted(digests & known.keys())
    ]
    if rows_of:
        db.insert_rows(RevisionImage, ("revision_id", "stored_id"), rows_of)


def forget(urls: Iterable[str]) -> None:
    """Delete what was noted of revisions that are gone, by the URLs they named.

    No query when none is an upload, else two; in the transaction that deleted the revisions.
    """
    digests = sorted({digest for url in urls if (digest := content.upload_digest(url))})
    for chunk in db.chunked(digests):
        is_there = Exists(Revision.objects.filter(pk=OuterRef("revision_id")))
        gone = RevisionImage.objects.filter(~is_there, stored__digest__in=chunk)
        db.delete_rows(RevisionImage, list(gone.values_list("pk", flat=True)))


def is_used(stored: StoredImage) -> bool:
    """Say whether a revision names it, or a page shows it as the copy of a remote one."""
    return (
        RevisionImage.objects.filter(stored=stored).exists()
        or PostImage.objects.filter(image__stored=stored).exists()
    )


class Shown(NamedTuple):
    """Readers may have an image; `is_indexable` when a listed post shows it."""

    is_indexable: bool


def shown_to_readers(stored: StoredImage, now: dt.datetime) -> Shown | None:
    """Return how readers may have an image, None when they may not. Up to four queries.

    They may while a published post shows it, in its live text or in an approved older one, under a
    licence that is not refused. A copy of a remote image was public before, and needs a licence
    that a person cleared.
    """
    licence = ImageSource.Licence
    sources = [
        (pk, content.upload_digest(url) != "", held)
        for pk, url, held in stored.sources.values_list("pk", "url", "licence")
    ]
    allowed = [pk for pk, _, held in sources if held != licence.REFUSED]
    if not allowed:
        return None
    shown_by = Post.objects.filter(post_images__image__in=allowed)
    if shown_by.indexable(now).exists():
        return Shown(is_indexable=True)
    is_cleared_copy = any(
        not is_upload and held == licence.CLEARED for _, is_upload, held in sources
    )
    if is_cleared_copy or shown_by.published(now).exists() or _is_in_history(stored, sources, now):
        return Shown(is_indexable=False)
    return None


def _is_in_history(
    stored: StoredImage, sources: list[tuple[int, bool, str]], now: dt.datetime
) -> bool:
    if not any(is_upload and held != ImageSource.Licence.REFUSED for _, is_upload, held in sources):
        return False
    named = Revision.objects.filter(
        revision_images__stored=stored, post__in=Post.objects.published(now)
    )
    return bool(named.approved().exists())
