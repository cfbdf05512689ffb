"""One contestant of the import benchmark in a process of its own; `python -m benchmarks.jobs`.

In: the name of a job, the folder of the recording, an input file; the database comes from
DATABASE_URL and is empty, or holds what the import before this one left. Out: one JSON object on
stdout with the posts and the seconds they took. Only the work itself is inside the clock.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "alphanode.settings")
django.setup()

from django.apps import apps  # noqa: E402
from django.db import connection, transaction  # noqa: E402
from django.utils import timezone  # noqa: E402

from benchmarks import recording  # noqa: E402
from posts import db  # noqa: E402
from posts.importing import engine  # noqa: E402
from posts.importing.intake import Intake  # noqa: E402
from posts.models import (  # noqa: E402
    Entity,
    ImageSource,
    ImportedPost,
    ImportRun,
    ImportSource,
    Post,
    PostEntity,
    PostImage,
    Revision,
    Slug,
    Statistics,
)

SOURCE = "bench"


def record(folder: Path, file: str, small: int) -> dict[str, Any]:
    """Import a file and keep the rows that every batch wrote, in the shapes the others replay."""
    batches: list[dict[str, int]] = []
    run_import(file, on_batch=lambda progress: batches.append(recording.newest_keys()))
    recording.write(folder, batches, small=small, file=file)
    return counted()


def import_file(folder: Path, file: str, small: int) -> dict[str, Any]:
    """Import a file by the engine call of `import_posts`; the WAL is that of the whole server."""
    before = wal_position()
    began = time.perf_counter()
    progress = run_import(file)
    seconds = time.perf_counter() - began
    after = wal_position()
    return {
        **counted(),
        "posts": progress.read,
        "seconds": seconds,
        "wal_bytes": after - before if after is not None and before is not None else None,
        "outcomes": dict(progress.counts),
    }


def run_import(
    file: str, on_batch: Callable[[engine.Progress], None] = lambda progress: None
) -> engine.Progress:
    intake = Intake([file])
    return engine.run_import(
        intake,
        options=engine.Options(source=SOURCE),
        inputs=[{"file": one.file, "size": one.size} for one in intake.inputs],
        on_batch=on_batch,
        reads_ahead=intake.never_waits,
    )


def wal_position() -> int | None:
    """Return the server's position in its write-ahead log in bytes; None on SQLite."""
    if not db.is_postgresql():
        return None
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_current_wal_lsn() - '0/0'::pg_lsn")
        return int(cursor.fetchone()[0])


def copy(folder: Path, file: str, small: int) -> dict[str, Any]:
    """Replay the recorded rows by COPY from prepared buffers, one transaction a batch."""
    tables = recording.prepare(folder)
    statements = [f"COPY {table.name} ({table.listed}) FROM STDIN" for table in tables]

    def replay(batch: list[tuple[int, Any]]) -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            for number, buffer in batch:
                with connection.wrap_database_errors, cursor.copy(statements[number]) as into:
                    into.write(buffer)

    return timed(recording.batches(folder, "copy"), replay)


def executemany(folder: Path, file: str, small: int) -> dict[str, Any]:
    """Replay the recorded rows by the driver's `executemany`, one transaction a batch."""
    tables = recording.prepare(folder)
    statements = [
        f"INSERT INTO {table.name} ({table.listed}) "  # noqa: S608 (names of models)
        f"VALUES ({', '.join('?' * len(table.columns))})"
        for table in tables
    ]

    def replay(batch: list[tuple[int, Any]]) -> None:
        with transaction.atomic():
            for number, rows in batch:
                connection.connection.executemany(statements[number], rows)

    return timed(recording.batches(folder, "executemany"), replay)


def bulk_create(folder: Path, file: str, small: int) -> dict[str, Any]:
    """Write the recorded rows by `bulk_create`, one transaction a batch."""
    tables = recording.prepare(folder)
    models = [apps.get_model(table.model) for table in tables]

    def write(batch: list[tuple[int, Any]]) -> None:
        with transaction.atomic():
            for number, rows in batch:
                model, names = models[number], tables[number].attributes
                model._default_manager.bulk_create(
                    [model(**dict(zip(names, row, strict=True))) for row in rows]
                )

    return timed(recording.batches(folder, "django"), write)


def save(folder: Path, file: str, small: int) -> dict[str, Any]:
    """Write posts one by one with `save()` and `tags.set()`, one transaction a post."""
    source = ImportSource.objects.create(name=SOURCE, created_at=timezone.now())
    run = ImportRun.objects.create(
        source=source, fence=1, engine_version="1", started_at=timezone.now()
    )
    return timed(
        enumerate(recording.posts(folder), start=1), lambda one: save_one(one[0], one[1], run)
    )


@transaction.atomic
def save_one(pk: int, given: dict[str, Any], run: ImportRun) -> None:
    now = timezone.now()
    post = Post(
        pk=pk,
        slug=given["slug"],
        live_revision_id=pk,
        proposed_revision_id=pk,
        created_at=now,
        changed_at=now,
        **given["columns"],
    )
    post.save(force_insert=True)
    revision = Revision(
        pk=pk,
        post=post,
        number=1,
        digest=given["digest"],
        title=given["columns"]["title"],
        lede=given["lede"],
        body=given["body"],
        meta=given["meta"],
        origin=Revision.Origin.IMPORT,
        run=run,
        run_file=0,
        run_line=pk,
        created_at=now,
    )
    revision.save(force_insert=True)
    Slug(slug=given["slug"], post=post, is_current=True, created_at=now).save()
    Statistics(post=post, **given["statistics"]).save(force_insert=True)
    ImportedPost(
        source=run.source,
        key=given["key"],
        post=post,
        base_revision=revision,
        base_digest=given["digest"],
    ).save()
    post.tags.set(given["tags"])
    for position, (kind, name, type_slug, slug) in enumerate(given["entities"]):
        entity, _ = Entity.objects.get_or_create(
            type=kind, name=name, defaults={"type_slug": type_slug, "slug": slug}
        )
        PostEntity(post=post, entity=entity, position=position).save()
    for position, (url, host) in enumerate(given["images"], start=1):
        image, _ = ImageSource.objects.get_or_create(url=url, defaults={"host": host})
        PostImage(post=post, image=image, position=position).save()


def timed(parts: Iterator[Any], work: Callable[[Any], None]) -> dict[str, Any]:
    """Do the work on every part; reading the next part is outside the clock."""
    seconds = 0.0
    connection.ensure_connection()
    for part in parts:
        began = time.perf_counter()
        work(part)
        seconds += time.perf_counter() - began
    return {**counted(), "seconds": seconds}


def counted() -> dict[str, Any]:
    """Return the posts and the rows of every content table, so that equal work can be shown."""
    return {
        "posts": Post.objects.count(),
        "rows": {
            model._meta.db_table: model._default_manager.count()
            for model in recording.content_models()
        },
    }


JOBS = {
    "record": record,
    "import": import_file,
    "copy": copy,
    "executemany": executemany,
    "bulk_create": bulk_create,
    "save": save,
}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="One job of the import benchmark.")
    parser.add_argument("job", choices=sorted(JOBS))
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--file", default="")
    parser.add_argument("--small", type=int, default=0)
    options = parser.parse_args(arguments)
    told = JOBS[options.job](options.folder, options.file, options.small)
    sys.stdout.write(json.dumps(told) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
