"""What `image:N` of any revision stands for, with what the archive knows of the images.

In: a snapshot, or rows of its images. Out: pictures for the renderer. One query, none with rows.
"""

from __future__ import annotations

from collections.abc import Iterable

from posts import content, pictures
from posts.models import ImageSource


def pictures_of(snapshot: content.Snapshot) -> list[pictures.Picture]:
    """Return what `image:N` stands for. One query when there are images."""
    images = snapshot.meta.image_sources
    urls = {image.url for image in images if image.url}
    rows = ImageSource.objects.filter(url__in=urls).select_related("stored") if urls else ()
    return pictures_with(snapshot, rows)


def pictures_with(
    snapshot: content.Snapshot, rows: Iterable[ImageSource]
) -> list[pictures.Picture]:
    """Return what `image:N` stands for, with rows that came with what is stored. No query."""
    known = {row.url: _facts(row) for row in rows}
    return [
        pictures.Picture.of(image, **known.get(image.url, {}))
        for image in snapshot.meta.image_sources
    ]


def _facts(row: ImageSource) -> dict[str, object]:
    stored = row.stored
    return {
        "width": row.width,
        "height": row.height,
        "is_refused": row.licence == ImageSource.Licence.REFUSED,
        "credit": row.credit,
        "stored": stored
        and pictures.Stored(stored.digest, stored.width, stored.height, stored.has_avif),
    }
