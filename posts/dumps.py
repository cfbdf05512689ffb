"""Monthly dumps: for each month the posts whose listing began in it, as JSON Lines in gzip.

In: a folder and a function that turns posts into values. Out: the files, their SHA-256 and an
index. Every run writes every month anew from what the gate lists then, so a post that was erased,
withdrawn or edited leaves all of them; a month without any is removed.
"""

from __future__ import annotations

import datetime as dt
import fcntl
import gzip
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
from django.conf import settings
from django.db.models import BigIntegerField, DateTimeField, F, Q, Value

from posts import changes
from posts.models import Post
from posts.pagination import RowComparison

#: Part of what a file depends on; raise it whenever the same posts would give other lines.
VERSION = 1
#: Posts read and encoded at once: what a run holds in memory.
PAGE = 200
INDEX = "index.json"
SUMS = "SHA256SUMS"
UNFINISHED = ".part"

Encode = Callable[[Sequence[Any]], Iterable[dict[str, Any]]]
Report = Callable[[str, "Dump | None"], None]


class DumpError(Exception):
    """Dumps were not written, or not to the end: what failed and what to do."""


class Dump(msgspec.Struct, frozen=True):
    """One file of the index. `made_of` says which archive and which version it was made of."""

    month: str
    name: str
    posts: int
    bytes: int
    sha256: str
    made_of: str


class Index(msgspec.Struct, frozen=True):
    """The files there are, newest month first."""

    dumps: tuple[Dump, ...] = ()


def read_index(folder: Path) -> Index:
    """Return the index of a folder; an empty one when it has none that can be read."""
    try:
        return msgspec.json.decode((folder / INDEX).read_bytes(), type=Index)
    except (OSError, msgspec.DecodeError):
        return Index()


def write(
    folder: Path, *, encode: Encode, now: dt.datetime, report: Report, is_fresh: bool = False
) -> Index:
    """Write the dumps of all months; return their index.

    A file is replaced whole, by a rename, and the index after it; so whoever reads meanwhile gets
    one or the other, and an interrupted run leaves nothing broken. Run again, it goes on where it
    ended as long as nothing has changed since (`changes.last_change`); `is_fresh` begins anew
    anyway. Equal content gives equal bytes. Memory: `PAGE` posts. Queries: 5 a page, 1 a month.

    Raises `DumpError` when the folder cannot be written or another run holds it.
    """
    with _alone(folder):
        made_of = _made_of(now)
        known = {dump.month: dump for dump in read_index(folder).dumps}
        seen: list[str] = []
        for month, start, end in _months(now):
            seen.append(month)
            if not is_fresh and _is_current(folder, known.get(month), made_of):
                report(month, None)
                continue
            known[month] = _write_month(folder, month, _pages(now, start, end), encode, made_of)
            _write_index(folder, known.values())
            report(month, known[month])
        index = _write_index(folder, [known[month] for month in seen])
        _remove_strangers(folder, index)
        return index


def _made_of(now: dt.datetime) -> str:
    parts = (VERSION, settings.PUBLIC_URL, changes.last_change(now))
    return hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / ".lock").open("w")
    except OSError as error:
        raise DumpError(
            f"{folder} cannot be written ({error.strerror}). Set DUMPS_FOLDER to a folder that "
            "this process may write to, then run again."
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DumpError(
                f"Another run is writing to {folder}. Wait for its end; what it writes is current."
            ) from error
        yield


def _months(now: dt.datetime) -> Iterator[tuple[str, dt.datetime, dt.datetime]]:
    """Yield the months with listed posts and their bounds, oldest first. One query a month."""
    start: dt.datetime | None = None
    while True:
        listed = Post.objects.indexable(now).listed_within(start, None).order_by("listed_at")
        first = listed.values_list("listed_at", flat=True).first()
        if first is None:
            return
        first = first.astimezone(dt.UTC)
        start = dt.datetime(first.year, first.month, 1, tzinfo=dt.UTC)
        end = (start + dt.timedelta(days=32)).replace(day=1)
        yield f"{first:%Y-%m}", start, end
        start = end


def _pages(now: dt.datetime, start: dt.datetime, end: dt.datetime) -> Iterator[Sequence[Any]]:
    """Yield the posts of a month in order of (listed_at, id), by the index. Five queries a page."""
    posts = Post.objects.indexable(now).listed_within(start, end).for_article()
    posts = posts.order_by("listed_at", "pk")
    page = list(posts[:PAGE])
    while page:
        yield page
        last = page[-1]
        behind = RowComparison(
            F("listed_at"),
            F("pk"),
            Value(last.listed_at, output_field=DateTimeField()),
            Value(last.pk, output_field=BigIntegerField()),
            operator=">",
        )
        page = list(posts.filter(Q(behind))[:PAGE])


def _is_current(folder: Path, dump: Dump | None, made_of: str) -> bool:
    if dump is None or dump.made_of != made_of:
        return False
    path = folder / dump.name
    return path.is_file() and path.stat().st_size == dump.bytes


def _write_month(
    folder: Path, month: str, pages: Iterable[Sequence[Any]], encode: Encode, made_of: str
) -> Dump:
    name = f"notes-{month}.jsonl.gz"
    encoder = msgspec.json.Encoder(order="sorted")
    posts = 0

    def fill(file: Any) -> None:
        nonlocal posts
        # Neither a name nor a time in the header, so that equal content gives equal bytes.
        with gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as packed:
            for page in pages:
                for line in encode(page):
                    packed.write(encoder.encode(line) + b"\n")
                    posts += 1

    path = _replace(folder / name, fill)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Dump(month, name, posts, path.stat().st_size, digest, made_of)


def _write_index(folder: Path, dumps: Iterable[Dump]) -> Index:
    index = Index(tuple(sorted(dumps, key=lambda dump: dump.month, reverse=True)))
    sums = "".join(f"{dump.sha256}  {dump.name}\n" for dump in index.dumps)
    _replace(folder / INDEX, lambda file: file.write(msgspec.json.encode(index)))
    _replace(folder / SUMS, lambda file: file.write(sums.encode()))
    return index


def _replace(path: Path, fill: Callable[[Any], Any]) -> Path:
    """Write a file beside its place, then put it there in one step."""
    unfinished = path.with_name(path.name + UNFINISHED)
    try:
        with unfinished.open("wb") as file:
            fill(file)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        raise DumpError(
            f"{path} could not be written ({error.strerror}). What was there before is untouched; "
            "make room, then run again."
        ) from error
    return path


def _remove_strangers(folder: Path, index: Index) -> None:
    """Remove dumps of months that have no posts any more, and what a killed run left."""
    kept = {dump.name for dump in index.dumps}
    for path in [*folder.glob("notes-*.jsonl.gz"), *folder.glob(f"*{UNFINISHED}")]:
        if path.name not in kept:
            path.unlink(missing_ok=True)
