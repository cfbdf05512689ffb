"""The rows one import wrote, batch by batch, in the shapes that other ways of writing replay.

In: the database a recorded import filled, and the newest keys after each of its batches. Out: a
folder with the rows as buffers of COPY or parameters of SQLite, as values of Django's fields, and
a few posts as plain JSON. It reads what is there, so how the engine wrote it does not matter.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
from django.apps import apps
from django.db import connection, models, transaction
from django.db.models import Max
from django.utils.text import slugify

from posts import content, db, slugs
from posts.importing.intake import Intake
from posts.importing.records import validate
from posts.models import (
    ClaimCheck,
    Entity,
    Event,
    ImageSource,
    ImportCheckpoint,
    ImportedPost,
    ImportReject,
    ImportRun,
    ImportSource,
    Post,
    PostEntity,
    PostImage,
    PostTag,
    Revision,
    Slug,
    Statistics,
    Tag,
)
from posts.reflection import LIST_COLUMNS, entity_names, reflected

#: Written before the first batch; the replays put these rows in place outside the clock.
OPENING = (ImportSource, ImportRun)
#: What is written of the run and not of posts.
LOG = (ImportCheckpoint, ImportReject, Event)
#: The order of the engine; a table that is not named comes after these.
ORDER = (
    *(Tag, Entity, ImageSource),
    *(Post, Revision, ClaimCheck, Slug, Statistics, ImportedPost),
    *(PostTag, PostEntity, PostImage),
)

#: A few posts as plain JSON, for contestants that write one at a time, and not all in this project.
POSTS = "posts.json"


class Table(msgspec.Struct, frozen=True):
    """One table of the replay and the columns that the engine fills itself."""

    model: str
    name: str
    columns: tuple[str, ...]
    attributes: tuple[str, ...]

    @property
    def listed(self) -> str:
        return ", ".join(self.columns)


class Recording(msgspec.Struct, frozen=True):
    """The tables, and the rows that have to stand before the first batch."""

    tables: tuple[Table, ...]
    opening: dict[str, list[dict[str, Any]]]


def content_models() -> list[type[models.Model]]:
    """Return the models that hold content, in the order their rows are written."""
    others = (*OPENING, *LOG, *ORDER)
    rest = [model for model in apps.get_app_config("posts").get_models() if model not in others]
    return [*ORDER, *rest]


def newest_keys() -> dict[str, int]:
    """Return the largest primary key of every table that batches write; 0 for an empty one."""
    return {
        model._meta.label: model._default_manager.aggregate(newest=Max("pk"))["newest"] or 0
        for model in _batch_models()
    }


def _batch_models() -> list[type[models.Model]]:
    return [
        model
        for model in (*content_models(), *LOG)
        if isinstance(model._meta.pk, models.AutoField | models.OneToOneField)
    ]


def write(folder: Path, batches: list[dict[str, int]], *, small: int, file: str) -> None:
    """Write the recording; `small` posts of the input file also as plain JSON."""
    tables = [_table(model) for model in _batch_models() if model._default_manager.exists()]
    opening = {
        model._meta.label: list(model._default_manager.values())  # type: ignore[attr-defined]
        for model in OPENING
    }
    (folder / "recording").write_bytes(msgspec.msgpack.encode(Recording(tuple(tables), opening)))
    way = "copy" if db.is_postgresql() else "executemany"
    before = dict.fromkeys(batches[0], 0) if batches else {}
    for number, newest in enumerate(batches):
        raw, values = [], []
        for index, table in enumerate(tables):
            first, last = before[table.model], newest[table.model]
            if last > first:
                raw.append((index, _rows(table, first, last)))
                model = apps.get_model(table.model)
                found = model._default_manager.filter(pk__gt=first, pk__lte=last).order_by("pk")
                values.append((index, list(found.values_list(*table.attributes))))
        _put(folder / way / f"{number:06}", raw)
        _put(folder / "django" / f"{number:06}", values)
        before = newest
    (folder / POSTS).write_bytes(msgspec.json.encode(_plain_posts(file, small)))


def _put(path: Path, value: Any) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(msgspec.msgpack.encode(value))


def _table(model: type[models.Model]) -> Table:
    """Return a table with the columns that came from the engine.

    Left out, because the engine leaves them out: a key that nothing refers to, which the database
    gives, and columns that are empty in every row.
    """
    fields = [
        field
        for field in model._meta.concrete_fields
        if not (
            (isinstance(field, models.AutoField) and not model._meta.related_objects)
            or (
                field.null
                and not model._default_manager.filter(**{f"{field.attname}__isnull": False})
                .order_by()
                .exists()
            )
        )
    ]
    quote = connection.ops.quote_name
    return Table(
        model._meta.label,
        quote(model._meta.db_table),
        tuple(quote(field.column) for field in fields),
        tuple(field.attname for field in fields),
    )


def _rows(table: Table, first: int, last: int) -> Any:
    """Return rows as the driver takes them: one buffer for COPY, or parameters of SQLite."""
    key = connection.ops.quote_name(apps.get_model(table.model)._meta.pk.column)
    # On SQLite an expression in place of a column, for which the driver converts nothing.
    sign = "" if db.is_postgresql() else "+"
    selected = ", ".join(f"{sign}{column}" for column in table.columns)
    query = (
        f"SELECT {selected} FROM {table.name} "  # noqa: S608 (names of models)
        f"WHERE {key} > {first} AND {key} <= {last} ORDER BY {key}"
    )
    if not db.is_postgresql():
        connection.ensure_connection()
        return connection.connection.execute(query).fetchall()
    with connection.cursor() as cursor, cursor.copy(f"COPY ({query}) TO STDOUT") as out:
        return b"".join(bytes(part) for part in out)


def _plain_posts(file: str, small: int) -> list[dict[str, Any]]:
    """Return posts as plain values, for the contestants that write one at a time."""
    found = []
    for arrival in islice(Intake([file]), small):
        record, _ = validate(arrival.reader, arrival.raw) if arrival.reader else (None, [])
        if record is None:
            continue
        snapshot, numbers = record.snapshot, record.statistics
        found.append(
            {
                "key": record.key,
                "slug": record.slug or slugs.made_from(snapshot.title, "bench", record.key),
                "digest": content.digest(snapshot),
                "columns": dict(zip(LIST_COLUMNS, reflected(snapshot).columns, strict=True)),
                "lede": snapshot.lede,
                "body": snapshot.body,
                "meta": content.meta_to_json(snapshot.meta),
                "statistics": {
                    "imported_reading_time": numbers.reading_time,
                    "imported_view_count": numbers.view_count,
                    "imported_score": msgspec.to_builtins(numbers.score),
                },
                "tags": [tag.name for tag in content.tag_names(snapshot.meta)],
                "entities": [
                    (kind, name, slugify(kind), slugify(name))
                    for kind, name in entity_names(snapshot.meta)
                ],
                "images": [
                    (image.url, image.url.split("/")[2] if "//" in image.url else "")
                    for image in snapshot.meta.image_sources
                    if image.url
                ],
            }
        )
    return found


def prepare(folder: Path) -> list[Table]:
    """Put the rows in place that stand before the first batch; return the tables."""
    kept = msgspec.msgpack.decode((folder / "recording").read_bytes(), type=Recording)
    with transaction.atomic():
        for label, rows in kept.opening.items():
            model = apps.get_model(label)
            model._default_manager.bulk_create([model(**row) for row in rows])
    return list(kept.tables)


def batches(folder: Path, way: str) -> Iterator[list[tuple[int, Any]]]:
    """Yield the batches of one way of writing: (number of the table, rows)."""
    for path in sorted((folder / way).iterdir()):
        yield msgspec.msgpack.decode(path.read_bytes())


def posts(folder: Path) -> list[dict[str, Any]]:
    """Return the posts that are kept as plain values."""
    found: list[dict[str, Any]] = msgspec.json.decode((folder / POSTS).read_bytes())
    return found
