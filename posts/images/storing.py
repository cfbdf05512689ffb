"""The doors of stored images: taking an upload or a copy, and letting go of one nobody uses.

In: bytes and a person. Out: rows and files; a file is whole before its row is written, and goes
after the commit that deleted the row. What is lost in between is a file without a row: it costs its
place on the disk and nothing else.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from django.core.exceptions import PermissionDenied
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import IntegrityError, transaction
from django.utils import timezone

from posts import content
from posts.images.checking import Checked, checked
from posts.images.renditions import folder_of
from posts.images.uses import is_used
from posts.models import ImageSource, Rendition, StoredImage

if TYPE_CHECKING:
    from django.contrib.auth.models import User

ADD = "posts.add_storedimage"
DELETE = "posts.delete_storedimage"

_ENDINGS = {"jpeg": "jpg", "png": "png", "webp": "webp"}


class ImageUsedError(Exception):
    """An image that a revision names; the text says what to do."""


def upload(
    *,
    data: bytes,
    by: User,
    credit: str = "",
    licence: str = ImageSource.Licence.UNKNOWN,
    now: dt.datetime | None = None,
) -> StoredImage:
    """Take an image, and make it one that revisions can name by `content.upload_url`.

    The same image again is the same row; a credit or licence it has already stays. Raises
    `PermissionDenied` and `ImageRefusedError`. Up to seven queries.
    """
    if not by.has_perm(ADD):
        raise PermissionDenied(f"This needs the permission {ADD}.")
    stored = store(checked(data), by=by, now=now or timezone.now())
    source, is_new = ImageSource.objects.get_or_create(
        url=content.upload_url(stored.digest),
        defaults={"host": "", "licence": licence, "credit": credit, "stored": stored},
    )
    if not is_new:
        same = ImageSource.objects.filter(pk=source.pk)
        same.filter(licence=ImageSource.Licence.UNKNOWN).update(licence=licence)
        same.filter(credit="").update(credit=credit)
        # An import may have named it before its bytes were here.
        same.filter(stored=None).update(stored=stored)
    return stored


def store(image: Checked, *, by: User | None, now: dt.datetime) -> StoredImage:
    """Keep an image under its digest, `by` nobody for a copy. The file first, then the row."""
    found = StoredImage.objects.filter(digest=image.digest).first()
    if found is not None and found.file.storage.exists(str(found.file.name)):
        return found
    path = f"{folder_of(image.digest)}/original.{_ENDINGS[image.format]}"
    name = default_storage.save(path, ContentFile(image.data))
    if found is not None:  # the row outlived its file
        StoredImage.objects.filter(pk=found.pk).update(file=name)
        found.refresh_from_db()
        return found
    try:
        with transaction.atomic():
            return StoredImage.objects.create(
                digest=image.digest,
                format=image.format,
                width=image.width,
                height=image.height,
                bytes=len(image.data),
                file=name,
                uploaded_by=by,
                created_at=now,
            )
    except IntegrityError:  # somebody else sent the same image at the same time
        default_storage.delete(name)
        return StoredImage.objects.get(digest=image.digest)


def remove(*, stored: StoredImage, by: User) -> None:
    """Delete an image that no revision names and no page shows, with its renditions.

    Raises `PermissionDenied` and `ImageUsedError`.
    """
    if not by.has_perm(DELETE):
        raise PermissionDenied(f"This needs the permission {DELETE}.")
    with transaction.atomic():
        # Whoever saves a revision that names it waits here, or is waited for.
        locked = StoredImage.objects.select_for_update().get(pk=stored.pk)
        if is_used(locked):
            raise ImageUsedError(
                "A revision names this image, so it stays. It can be taken off pages by refusing "
                "its licence."
            )
        files = [locked.file.name, *locked.renditions.values_list("file", flat=True)]
        Rendition.objects.filter(stored=locked).delete()
        named = content.upload_url(locked.digest)
        ImageSource.objects.filter(stored=locked, url=named).delete()
        ImageSource.objects.filter(stored=locked).update(stored=None)
        locked.delete()
        transaction.on_commit(partial(_delete_files, files))


def _delete_files(names: Sequence[str]) -> None:
    for name in names:
        default_storage.delete(name)
