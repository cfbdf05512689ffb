"""A revision as its readers would see it, from the renderer and the meta box of the public page.

In: a revision and its post. Out: the values of `admin/posts/_preview.html`. Two queries, for what
is known of the images and for the imported numbers. Must not import the public views.
"""

from __future__ import annotations

from typing import Any

from posts import content, markdown, metabox, pictures
from posts.models import ImageSource, Post, Revision, Statistics


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


def preview(post: Post, revision: Revision) -> dict[str, Any]:
    """Return title, lede, rendered body and meta box of a revision."""
    snapshot = revision.snapshot
    article = markdown.rendered(
        revision.digest,
        snapshot.body,
        images=pictures_of(snapshot),
        policy=pictures.ImagePolicy.from_settings(),
    )
    return {
        "revision": revision,
        "title": snapshot.title,
        "lede": markdown.render_inline(snapshot.lede),
        "html": article.html,
        "has_code": "<pre" in article.html,
        "reading_minutes": content.reading_minutes(snapshot),
        "difficulty": snapshot.meta.difficulty,
        "metabox": metabox.meta_box(
            snapshot,
            statistics=Statistics.objects.filter(post=post).first(),
            imported=getattr(post, "imported", None),
            origin=revision.origin,
        ),
    }


def differing_fields(one: content.Snapshot, other: content.Snapshot) -> list[str]:
    """Return the names of the fields in which two snapshots differ, in the order of the page."""
    names = [
        name for name in ("title", "lede", "body") if getattr(one, name) != getattr(other, name)
    ]
    names += [
        metabox.label_of(name)
        for name in content.Meta.__struct_fields__
        if getattr(one.meta, name) != getattr(other.meta, name)
    ]
    return names
