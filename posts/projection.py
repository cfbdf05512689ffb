"""The relational mirror of live revisions: list columns, tags, entities, images.

In: snapshots. Out: rows of Post's list columns, PostTag, PostEntity and PostImage, inserted in
bulk. Used by the importing engine and by `posts.review`; decides nothing about state.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from django.utils.text import slugify

from posts import content, db
from posts.models import Entity, ImageSource, PostEntity, PostImage, PostTag, Tag
from posts.models.tags import KIND_STRENGTH

#: Names are cached across batches; beyond this many the cache starts anew.
CACHE_MAX = 200_000

#: The columns of Post that mirror the live revision, in the order of `list_values`.
LIST_COLUMNS = (
    "title",
    "topic",
    "difficulty",
    "code_language",
    "language",
    "reference",
    "reading_minutes",
)


def list_values(snapshot: content.Snapshot) -> tuple[Any, ...]:
    """Return the values of `LIST_COLUMNS` for a snapshot."""
    meta = snapshot.meta
    return (
        snapshot.title,
        meta.topic,
        meta.difficulty,
        meta.code_language,
        meta.language,
        meta.reference,
        content.reading_minutes(snapshot),
    )


def short_hash(*parts: str, length: int = 10) -> str:
    """Return `length` base-32 characters of a SHA-256 over the parts, for suffixes of slugs."""
    digested = hashlib.sha256("\x00".join(parts).encode()).digest()
    return base64.b32encode(digested).decode().lower()[:length]


def entity_names(meta: content.Meta) -> tuple[tuple[str, str], ...]:
    """Return the (type, name) pairs of a snapshot, normalised as tags are, without repeats."""
    pairs = (
        (content.normal_tag(entity.type), content.normal_tag(entity.name))
        for entity in meta.entities
    )
    return tuple(dict.fromkeys(pair for pair in pairs if all(pair)))


class Mirrored(NamedTuple):
    """A post, the snapshot its rows are to mirror, and its gate."""

    post_id: int
    snapshot: content.Snapshot
    listed_at: dt.datetime | None


class Names:
    """Primary keys of tags, entities and images by name; creates the missing ones.

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

    def resolve(self, snapshots: Iterable[content.Snapshot]) -> None:
        """Know every name of these snapshots. Queries: none when all are cached, else 1-3 each."""
        if len(self.tags) + len(self.entities) + len(self.images) > CACHE_MAX:
            self.forget()
        kinds: dict[str, str] = {}
        entities: set[tuple[str, str]] = set()
        urls: set[str] = set()
        for snapshot in snapshots:
            for tag in content.tag_names(snapshot.meta):
                known = kinds.get(tag.name)
                if known is None or KIND_STRENGTH[tag.kind] > KIND_STRENGTH[known]:
                    kinds[tag.name] = tag.kind
            entities.update(entity_names(snapshot.meta))
            urls.update(image.url for image in snapshot.meta.image_sources if image.url)
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
                        Tag(name=name, slug=_slug(name, with_suffix=with_suffix), kind=kinds[name])
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
                "id", "name", "kind"
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
                            type_slug=_slug(kind, with_suffix=False)[:60],
                            slug=_slug(name, with_suffix=with_suffix, of=kind),
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
                self.entities[entity.type, entity.name] = entity.pk

    def _resolve_images(self, wanted: Sequence[str]) -> None:
        self._read_images(wanted)
        missing = [url for url in wanted if url not in self.images]
        if missing:
            ImageSource.objects.bulk_create(
                [ImageSource(url=url, host=_host(url)) for url in missing],
                ignore_conflicts=True,
            )
            self._read_images(missing)

    def _read_images(self, urls: Sequence[str]) -> None:
        for chunk in db.chunked(urls):
            self.images.update(ImageSource.objects.filter(url__in=chunk).values_list("url", "id"))


def _host(url: str) -> str:
    """Return the host of an image's URL, empty when it has none that can be read."""
    try:
        return (urlsplit(url).hostname or "")[:255]
    except ValueError:
        return ""


def _slug(name: str, *, with_suffix: bool, of: str = "") -> str:
    """Return a slug of a name; where the plain one is taken or empty, with a hash of `of, name`."""
    plain = slugify(name)[:80]
    if plain and not with_suffix:
        return plain
    return f"{plain}-{short_hash(of, name)}".strip("-")


def insert(posts: Sequence[Mirrored], names: Names) -> None:
    """Insert tags, entities and images of posts that have none yet. At most three statements.

    `names.resolve` must have seen the snapshots. Tags that an editor gave a post stay; an
    imported tag of the same name is not put beside them.
    """
    _insert(posts, names, editorial=frozenset())


def replace(posts: Sequence[Mirrored], names: Names) -> None:
    """Make the rows of posts mirror other snapshots; editorial tags stay. Seven statements."""
    if not posts:
        return
    ids = [post.post_id for post in posts]
    PostTag.objects.filter(content_object_id__in=ids, origin=PostTag.Origin.IMPORTED)._raw_delete(
        PostTag.objects.db
    )
    PostEntity.objects.filter(post_id__in=ids)._raw_delete(PostEntity.objects.db)
    PostImage.objects.filter(post_id__in=ids)._raw_delete(PostImage.objects.db)
    editorial = frozenset(
        PostTag.objects.filter(content_object_id__in=ids).values_list("content_object_id", "tag_id")
    )
    _insert(posts, names, editorial)


def _insert(posts: Sequence[Mirrored], names: Names, editorial: frozenset[tuple[int, int]]) -> None:
    tags = []
    entities = []
    images = []
    for post_id, snapshot, listed_at in posts:
        for position, tag in enumerate(content.tag_names(snapshot.meta)):
            tag_id = names.tags[tag.name][0]
            if (post_id, tag_id) not in editorial:
                tags.append((post_id, tag_id, PostTag.Origin.IMPORTED.value, position, listed_at))
        for position, pair in enumerate(entity_names(snapshot.meta)):
            entities.append((post_id, names.entities[pair], position, listed_at))
        for position, image in enumerate(snapshot.meta.image_sources, start=1):
            if image.url:
                images.append((post_id, names.images[image.url], position))
    if tags:
        db.insert_rows(
            PostTag, ("content_object_id", "tag_id", "origin", "position", "listed_at"), tags
        )
    if entities:
        db.insert_rows(PostEntity, ("post_id", "entity_id", "position", "listed_at"), entities)
    if images:
        db.insert_rows(PostImage, ("post_id", "image_id", "position"), images)
