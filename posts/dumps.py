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
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
from django.conf import settings
from django.db.models import BigIntegerField, Count, DateTimeField, F, Q, Value

from posts import changes
from posts.models import Departure, Post
from posts.pagination import RowComparison
from posts.querysets import left_since

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
    """One file of the index. `made_of` says which archive and which version it was made of.

    `made_at` is the moment whose gate it shows, `left` how many departures shortly before it were
    known then; an index of an older version does not say.
    """

    month: str
    name: str
    posts: int
    bytes: int
    sha256: str
    made_of: str
    made_at: dt.datetime | None = None
    left: int = 0


class Index(msgspec.Struct, frozen=True):
    """The files there are, newest month first."""

    dumps: tuple[Dump, ...] = ()


def read_index(folder: Path) -> Index:
    """Return the index of a folder; an empty one when it has none that can be read."""
    try:
        return msgspec.json.decode((folder / INDEX).read_bytes(), type=Index)
    except (OSError, msgspec.DecodeError):
        return Index()


def offered(dumps: Iterable[Dump], now: dt.datetime) -> list[Dump]:
    """Return the dumps that hold nothing the gate has closed since they were made. One query.

    Work: the posts that left the lists since the oldest of them was made.
    """
    dated = [dump for dump in dumps if dump.made_at is not None]
    if not dated:
        return []
    left = _departures({dump.month: dump.made_at for dump in dated if dump.made_at}, now)
    return [dump for dump in dated if left[dump.month] == dump.left]


def _departures(made_at: Mapping[str, dt.datetime], now: dt.datetime) -> dict[str, int]:
    """Return for months how many of their posts have left since a moment each. One query.

    Or a little before it: a departure is dated when its transaction begins, and seen when that has
    ended. So the number of those already seen belongs to a dump.
    """
    counts = {}
    for month, moment in made_at.items():
        since = left_since(moment - changes.SETTLED, *_bounds(month))
        counts[month] = Count("pk", filter=since)
    oldest = min(made_at.values()) - changes.SETTLED
    left = Departure.objects.filter(left_at__gt=oldest, left_at__lte=now)
    # Names of columns hold no hyphen.
    found = left.aggregate(**{month.replace("-", "_"): count for month, count in counts.items()})
    return {month: found[month.replace("-", "_")] for month in counts}


def _bounds(month: str) -> tuple[dt.datetime, dt.datetime]:
    start = dt.datetime.strptime(f"{month}-01", "%Y-%m-%d").replace(tzinfo=dt.UTC)
    return start, (start + dt.timedelta(days=32)).replace(day=1)


def write(
    folder: Path, *, encode: Encode, now: dt.datetime, report: Report, is_fresh: bool = False
) -> Index:
    """Write the dumps of all months; return their index.

    A file is replaced whole, by a rename, and the index after it; so whoever reads meanwhile gets
    one or the other, and an interrupted run leaves nothing broken. Run again, it goes on where it
    ended as long as nothing has changed since (`changes.last_change`); `is_fresh` begins anew
    anyway. Equal content gives equal bytes. Memory: `PAGE` posts. Queries: 5 a page, 2 a month, 1.

    Raises `DumpError` when the folder cannot be written or another run holds it.
    """
    with _alone(folder):
        made_of = _made_of(now)
        there = read_index(folder).dumps
        known = {dump.month: dump for dump in there}
        fresh = {dump.month for dump in offered(there, now)}
        seen: list[str] = []
        for month, start, end in _months(now):
            seen.append(month)
            is_good = month in fresh and _is_current(folder, known.get(month), made_of)
            if is_good and not is_fresh:
                report(month, None)
                continue
            left = _departures({month: now}, now)[month]
            dump = _write_month(folder, month, _pages(now, start, end), encode, made_of)
            known[month] = msgspec.structs.replace(dump, made_at=now, left=left)
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
        month = f"{first.astimezone(dt.UTC):%Y-%m}"
        start, end = _bounds(month)
        yield month, start, end
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
    _replace(folder / INDEX, lambda file: file.write(msgspec.json.encode(index)))
    _replace(folder / SUMS, lambda file: file.write(sums_of(index.dumps).encode()))
    return index


def sums_of(dumps: Iterable[Dump]) -> str:
    """Return checksums as `sha256sum --check` reads them."""
    return "".join(f"{dump.sha256}  {dump.name}\n" for dump in dumps)


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
