"""What `image:N` of any revision stands for, with what the archive knows of the images.

In: a snapshot. Out: pictures for the renderer. One query. The article page has this of its live
revision from its own rows.
"""

from __future__ import annotations

from posts import content, pictures
from posts.models import ImageSource


def pictures_of(snapshot: content.Snapshot) -> list[pictures.Picture]:
    """Return what `image:N` stands for. One query when there are images."""
    images = snapshot.meta.image_sources
    urls = {image.url for image in images if image.url}
    known = {row.url: row for row in ImageSource.objects.filter(url__in=urls)} if urls else {}
    found = []
    for image in images:
        row = known.get(image.url)
        more = (
            {
                "width": row.width,
                "height": row.height,
                "is_refused": row.licence == ImageSource.Licence.REFUSED,
            }
            if row is not None
            else {}
        )
        found.append(pictures.Picture.of(image, **more))
    return found
