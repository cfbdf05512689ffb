"""What of a snapshot its rows reflect: list columns, tags, entities, images. Pure.

In: a snapshot. Out: plain values in the order of its rows. Knows no database, so that it can be
made wherever a record is decoded; `posts.projection` writes it.
"""

from __future__ import annotations

import msgspec

from posts import content

#: The columns of Post that mirror the live revision, in the order of `Reflection.columns`.
LIST_COLUMNS = (
    "title",
    "topic",
    "difficulty",
    "code_language",
    "language",
    "reference",
    "reading_minutes",
)


class Reflection(msgspec.Struct, frozen=True, array_like=True):
    """The rows that mirror one snapshot, each list in the order of the document."""

    #: Values of `LIST_COLUMNS`.
    columns: tuple[str, str, str, str, str, str, int]
    tags: tuple[content.TagName, ...]
    #: (type, name)
    entities: tuple[tuple[str, str], ...]
    #: (position, url), position being the N of `image:N`
    images: tuple[tuple[int, str], ...]


def reflected(snapshot: content.Snapshot) -> Reflection:
    """Return what the rows of a post with this live revision hold."""
    meta = snapshot.meta
    return Reflection(
        columns=(
            snapshot.title,
            meta.topic,
            meta.difficulty,
            meta.code_language,
            meta.language,
            meta.reference,
            content.reading_minutes(snapshot),
        ),
        tags=content.tag_names(meta),
        entities=entity_names(meta),
        images=tuple(
            (position, image.url)
            for position, image in enumerate(meta.image_sources, start=1)
            if image.url
        ),
    )


def entity_names(meta: content.Meta) -> tuple[tuple[str, str], ...]:
    """Return the (type, name) pairs of a snapshot, normalised as tags are, without repeats."""
    pairs = (
        (content.normal_tag(entity.type), content.normal_tag(entity.name))
        for entity in meta.entities
    )
    return tuple(dict.fromkeys(pair for pair in pairs if all(pair)))
