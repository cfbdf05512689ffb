"""Stored images in the widths and formats of pages: made once, when first asked for, and kept.

In: a stored image, a width, a format. Out: bytes. AVIF takes several times as long as WebP, so
`manage.py make_renditions` makes it, and nobody waits for it.
"""

from __future__ import annotations

import io

import structlog
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import IntegrityError, transaction
from PIL import Image, features

from posts import pictures
from posts.models import Rendition, StoredImage

Format = Rendition.Format
#: Formats a request may wait for.
ON_REQUEST = (Format.WEBP, Format.JPEG)

_SAVED = {
    Format.JPEG: ("JPEG", {"quality": 82, "progressive": True, "optimize": True}),
    Format.WEBP: ("WEBP", {"quality": 80, "method": 4}),
    Format.AVIF: ("AVIF", {"quality": 62, "speed": 6}),
}

log = structlog.get_logger(__name__)


class MissingFileError(Exception):
    """The row of a stored image is there and its file is not: the folder was not kept with it."""


def facts_of(stored: StoredImage) -> pictures.Stored:
    return pictures.Stored(stored.digest, stored.width, stored.height, stored.has_avif)


def has(stored: StoredImage, width: int, form: str) -> bool:
    """Say whether there is, or may be made, such a rendition: the set is closed and small."""
    facts = facts_of(stored)
    return width in facts.widths and form in facts.formats


def read(stored: StoredImage, width: int, form: str) -> bytes:
    """Return a rendition, made now when nobody asked for it before and `form` may be waited for.

    Queries: one, and three more to keep a new one. Raises `MissingFileError`.
    """
    found = Rendition.objects.filter(stored=stored, format=form, width=width).first()
    if found is not None:
        try:
            with found.file.open("rb") as file:
                return bytes(file.read())
        except FileNotFoundError:
            found.delete()
    if form not in ON_REQUEST:
        # Pages stop offering it; the next sweep makes it again.
        StoredImage.objects.filter(pk=stored.pk).update(has_avif=False)
        raise MissingFileError(f"{stored.digest} has no {width}.{form}")
    data = encoded(_original(stored), width, Format(form))
    keep(stored, width, Format(form), data)
    return data


def make_avif(stored: StoredImage) -> int:
    """Make every AVIF rendition that is missing, and let pages offer them. Return how many."""
    widths = facts_of(stored).widths
    there = set(
        stored.renditions.filter(format=Format.AVIF, width__in=widths).values_list(
            "width", flat=True
        )
    )
    missing = [width for width in widths if width not in there]
    original = _original(stored) if missing else b""
    for width in missing:
        keep(stored, width, Format.AVIF, encoded(original, width, Format.AVIF))
    StoredImage.objects.filter(pk=stored.pk).update(has_avif=True)
    return len(missing)


def can_make_avif() -> bool:
    return bool(features.check("avif"))


def encoded(original: bytes, width: int, form: Format) -> bytes:
    """Return an image in another width and format; its shape stays, and it never grows."""
    name, how = _SAVED[form]
    with Image.open(io.BytesIO(original)) as whole:
        size = width, max(1, round(whole.height * width / whole.width))
        whole.draft(whole.mode, size)
        image: Image.Image = whole
        if whole.size != size:
            image = whole.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
        if form == Format.JPEG and image.mode == "RGBA":
            paper = Image.new("RGB", size, "white")
            paper.paste(image, mask=image.getchannel("A"))
            image = paper
        out = io.BytesIO()
        image.save(out, name, **how)
    return out.getvalue()


def keep(stored: StoredImage, width: int, form: Format, data: bytes) -> None:
    """Keep a rendition. Two processes that made the same one keep the first."""
    name = default_storage.save(f"{folder_of(stored.digest)}/{width}.{form}", ContentFile(data))
    try:
        with transaction.atomic():
            Rendition.objects.create(
                stored=stored, width=width, format=form, bytes=len(data), file=name
            )
    except IntegrityError:  # another made it meanwhile, or the image was deleted
        default_storage.delete(name)


def folder_of(digest: str) -> str:
    """Return the folder of an image in the storage; two letters first, so that none grows large."""
    return f"images/{digest[:2]}/{digest}"


def _original(stored: StoredImage) -> bytes:
    try:
        with stored.file.open("rb") as file:
            return bytes(file.read())
    except FileNotFoundError as error:
        log.error("image.missing", digest=stored.digest)
        raise MissingFileError(stored.digest) from error
