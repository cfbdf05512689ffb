"""The relational mirror of live revisions: tags, entities, images.

In: reflections of snapshots. Out: rows of PostTag, PostEntity and PostImage, inserted in bulk. Used
by the importing engine, by `posts.review` and `posts.writing`; decides nothing about state.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from django.db import IntegrityError, transaction
from django.db.models import Model, QuerySet
from django.db.models.functions import Coalesce
from django.utils.text import slugify

from posts import db
from posts.models import Entity, ImageSource, PostEntity, PostImage, PostTag, Tag
from posts.models.tags import KIND_STRENGTH
from posts.reflection import Reflection
from posts.slugs import short_hash

#: Names are cached across batches; beyond this many the cache starts anew.
CACHE_MAX = 200_000
#: The same for images, most of which are shown by one post only.
IMAGES_MAX = 5_000


class Mirrored(NamedTuple):
    """A post, what its rows are to hold, and its gate."""

    post_id: int
    reflection: Reflection
    listed_at: dt.datetime | None


class Names:
    """Primary keys of tags, entities and images by name; creates the missing ones.

    An alias has the key of the tag or entity that stands for it.

    One instance serves a run. After a rollback call `forget`: ids created in the lost
    transaction must not be used again.
    """

    def __init__(self) -> None:
        self.tags: dict[str, tuple[int, str]] = {}
        self.entities: dict[tuple[str, str], int] = {}
        self.images: dict[str, int] = {}

    def forget(self) -> None:
        self.tags.clear()
        self.entities.clear()
        self.images.clear()

    def resolve(self, reflections: Iterable[Reflection]) -> None:
        """Know every name of these. Queries: none when all are cached, else 1-3 each."""
        if len(self.tags) + len(self.entities) > CACHE_MAX:
            self.forget()
        if len(self.images) > IMAGES_MAX:
            self.images.clear()
        kinds: dict[str, str] = {}
        entities: set[tuple[str, str]] = set()
        urls: set[str] = set()
        for reflection in reflections:
            for tag in reflection.tags:
                known = kinds.get(tag.name)
                if known is None or KIND_STRENGTH[tag.kind] > KIND_STRENGTH[known]:
                    kinds[tag.name] = tag.kind
            entities.update(reflection.entities)
            urls.update(url for _, url in reflection.images)
        self._resolve_tags(kinds)
        self._resolve_entities(sorted(entities - self.entities.keys()))
        self._resolve_images(sorted(urls - self.images.keys()))

    def _resolve_tags(self, kinds: dict[str, str]) -> None:
        self._read_tags([name for name in kinds if name not in self.tags])
        # A second try gives a suffix to the names whose plain slug another name has.
        for with_suffix in (False, True):
            missing = sorted(name for name in kinds if name not in self.tags)
            if missing:
                Tag.objects.bulk_create(
                    [
                        Tag(
                            name=name, slug=slug_of(name, with_suffix=with_suffix), kind=kinds[name]
                        )
                        for name in missing
                    ],
                    ignore_conflicts=True,
                )
                self._read_tags(missing)
        for name, kind in kinds.items():
            tag_id, known = self.tags[name]
            if KIND_STRENGTH[kind] > KIND_STRENGTH[known]:
                # Another process may know a still stronger kind.
                weaker = [
                    name for name in KIND_STRENGTH if KIND_STRENGTH[name] < KIND_STRENGTH[kind]
                ]
                Tag.objects.filter(pk=tag_id, kind__in=weaker).update(kind=kind)
                self.tags[name] = (tag_id, kind)

    def _read_tags(self, names: Sequence[str]) -> None:
        for chunk in db.chunked(names):
            for tag_id, name, kind in Tag.objects.filter(name__in=chunk).values_list(
                Coalesce("merged_into_id", "id"), "name", Coalesce("merged_into__kind", "kind")
            ):
                self.tags[name] = (tag_id, kind)

    def _resolve_entities(self, wanted: Sequence[tuple[str, str]]) -> None:
        self._read_entities(wanted)
        for with_suffix in (False, True):
            missing = [pair for pair in wanted if pair not in self.entities]
            if missing:
                Entity.objects.bulk_create(
                    [
                        Entity(
                            type=kind,
                            name=name,
                            type_slug=slug_of(kind, with_suffix=False)[:60],
                            slug=slug_of(name, with_suffix=with_suffix, of=kind),
                        )
                        for kind, name in missing
                    ],
                    ignore_conflicts=True,
                )
                self._read_entities(missing)

    def _read_entities(self, wanted: Sequence[tuple[str, str]]) -> None:
        for chunk in db.chunked(wanted):
            names = {name for _, name in chunk}
            for entity in Entity.objects.filter(name__in=names):
                self.entities[entity.type, entity.name] = entity.merged_into_id or entity.pk

    def _resolve_images(self, wanted: Sequence[str]) -> None:
        self.images.update(db.primary_keys(ImageSource, "url", wanted))
        missing = [url for url in wanted if url not in self.images]
        if not missing:
            return
        keys = db.allocate_ids(ImageSource, len(missing))
        unknown = ImageSource.Licence.UNKNOWN.value
        try:
            with transaction.atomic():
                db.insert_rows(
                    ImageSource,
                    ("id", "url", "host", "licence", "credit", "fault"),
                    [
                        (key, url, _host(url), unknown, "", "")
                        for key, url in zip(keys, missing, strict=True)
                    ],
                )
            self.images.update(zip(missing, keys, strict=True))
        except IntegrityError:
            # Somebody else met one of them meanwhile.
            db.insert_missing(
                ImageSource,
                ("url", "host"),
                [(url, _host(url)) for url in missing],
                licence=unknown,
                credit="",
                fault="",
            )
            self.images.update(db.primary_keys(ImageSource, "url", missing))


def _host(url: str) -> str:
    """Return the host of an image's URL, empty when it has none that can be read."""
    try:
        return (urlsplit(url).hostname or "")[:255]
    except ValueError:
        return ""


def slug_of(name: str, *, with_suffix: bool, of: str = "") -> str:
    """Return a slug of a name; where the plain one is taken or empty, with a hash of `of, name`."""
    plain = slugify(name)[:80]
    if plain and not with_suffix:
        return plain
    return f"{plain}-{short_hash(of, name)}".strip("-")


def insert(posts: Sequence[Mirrored], names: Names) -> None:
    """Insert tags, entities and images of posts that have none yet. At most three statements.

    `names.resolve` must have seen the reflections.
    """
    for model, fields, rows in (
        (PostTag, _TAG_FIELDS, _tag_rows(posts, names)),
        (PostEntity, _ENTITY_FIELDS, _entity_rows(posts, names)),
        (PostImage, _IMAGE_FIELDS, _image_rows(posts, names)),
    ):
        if rows:
            db.insert_rows(model, fields, rows)


def replace(posts: Sequence[Mirrored], names: Names) -> None:
    """Make the rows of posts hold other reflections. At most nine statements.

    Rows that stay as they are, which is most of them after a small edit, are not written. Tags
    that an editor gave a post stay; an imported tag of the same name is not put beside them.
    """
    if not posts:
        return
    ids = [post.post_id for post in posts]
    tags = PostTag.objects.filter(content_object_id__in=ids)
    editorial = set(
        tags.filter(origin=PostTag.Origin.EDITORIAL).values_list("content_object_id", "tag_id")
    )
    imported = [row for row in _tag_rows(posts, names) if row[:2] not in editorial]
    _replace(PostTag, tags.filter(origin=PostTag.Origin.IMPORTED), _TAG_FIELDS, imported)
    _replace(
        PostEntity,
        PostEntity.objects.filter(post_id__in=ids),
        _ENTITY_FIELDS,
        _entity_rows(posts, names),
    )
    _replace(
        PostImage,
        PostImage.objects.filter(post_id__in=ids),
        _IMAGE_FIELDS,
        _image_rows(posts, names),
    )


_TAG_FIELDS = ("content_object_id", "tag_id", "origin", "position", "listed_at")
_ENTITY_FIELDS = ("post_id", "entity_id", "position", "listed_at")
_IMAGE_FIELDS = ("post_id", "image_id", "position")


def _replace(
    model: type[Model],
    there: QuerySet[Any],
    fields: Sequence[str],
    wanted: Sequence[tuple[Any, ...]],
) -> None:
    """Delete rows that are not wanted and insert those that are not there."""
    missing = dict.fromkeys(wanted)
    gone = []
    for key, *values in there.values_list("pk", *fields):
        row = tuple(values)
        if row in missing:
            del missing[row]
        else:
            gone.append(key)
    db.delete_rows(model, gone)
    if missing:
        db.insert_rows(model, fields, missing)


def _tag_rows(posts: Sequence[Mirrored], names: Names) -> list[tuple[Any, ...]]:
    origin = PostTag.Origin.IMPORTED.value
    return [
        (post_id, tag_id, origin, position, listed_at)
        for post_id, reflection, listed_at in posts
        for tag_id, position in _first(names.tags[tag.name][0] for tag in reflection.tags)
    ]


def _entity_rows(posts: Sequence[Mirrored], names: Names) -> list[tuple[Any, ...]]:
    return [
        (post_id, entity_id, position, listed_at)
        for post_id, reflection, listed_at in posts
        for entity_id, position in _first(names.entities[pair] for pair in reflection.entities)
    ]


def _first(keys: Iterable[int]) -> Iterable[tuple[int, int]]:
    """Return each key with its first position: two names of a post may be one tag's."""
    found: dict[int, int] = {}
    for position, key in enumerate(keys):
        found.setdefault(key, position)
    return found.items()


def _image_rows(posts: Sequence[Mirrored], names: Names) -> list[tuple[Any, ...]]:
    return [
        (post_id, names.images[url], position)
        for post_id, reflection, _ in posts
        for position, url in reflection.images
    ]
