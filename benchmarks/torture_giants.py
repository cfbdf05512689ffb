"""Inputs that are far too large, made on the fly, and what has to become of them.

In: sizes. Out: cases that run the import and say what was wrong. None may end in a traceback, take
more than 300 MB, or keep the small records beside the giant out.
"""

from __future__ import annotations

import argparse
import json
import shutil
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.torture_places import Child, Ended, PostgreSQL, SQLite

MEGABYTES_MAX = 300
SECONDS_MAX = 300
SMALL = 5
#: One file of so many is a post; the others are what no format wants.
POST_EVERY = 20
REJECTS = 4
COMPLETE = 0
_MIB = 2**20


@dataclass
class Case:
    """One giant. `code` is that of its reject, None when it goes in."""

    name: str
    folder: Path
    code: str | None
    posts: int
    make: Callable[[], Iterator[bytes]] | None = None
    path: Path | None = None
    made: list[Path] = field(default_factory=list)
    filtered: int = 0

    def run(self, place: SQLite | PostgreSQL) -> Ended:
        """Import it, through a pipe when it is made on the fly."""
        arguments = ["manage.py", "import_posts", str(self.path or "-"), "--source", "giants"]
        arguments += ["--rejects", str(self.folder / "rejects-giants.jsonl")]
        where = {"database_url": place.url, "folder": self.folder, "name": "giant"}
        if self.make is None:
            return Child(arguments, **where).wait(SECONDS_MAX)  # type: ignore[arg-type]
        child = Child(arguments, stdin=-1, **where)  # type: ignore[arg-type]
        pipe = child.process.stdin
        assert pipe is not None  # noqa: S101  (asked for above)

        def feed(parts: Iterator[bytes]) -> None:
            with suppress(BrokenPipeError):
                for part in parts:
                    pipe.write(part)
            with suppress(BrokenPipeError):
                pipe.close()

        feeder = threading.Thread(target=feed, args=(self.make(),), daemon=True)
        feeder.start()
        ended = child.wait(SECONDS_MAX)
        feeder.join(timeout=5)
        return ended

    def wrong(self, ended: Ended, told: dict[str, Any]) -> list[str]:
        """Return what is not as it should be."""
        found = list(told["problems"])
        expected = REJECTS if self.code else COMPLETE
        if ended.code != expected or "Traceback" in ended.err:
            found.append(f"ended with {ended.code}: {ended.err.strip()[-400:]}")
        if told["posts"] != self.posts:
            found.append(f"{told['posts']} posts, expected {self.posts}")
        codes = [row[4] for row in told["rejects"]]
        if codes != ([self.code] if self.code else []):
            found.append(f"rejects {codes}, expected {self.code}")
        if told["chain_filtered"] != self.filtered:
            found.append(f"{told['chain_filtered']} filtered, expected {self.filtered}")
        if ended.megabytes > MEGABYTES_MAX:
            found.append(f"{ended.megabytes:.0f} MB, expected at most {MEGABYTES_MAX}")
        return found

    def clean(self) -> None:
        for path in self.made:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)


def cases(options: argparse.Namespace, folder: Path) -> Iterator[Case]:
    """Yield the giants one by one; each is made when its turn comes."""

    def long_line() -> Iterator[bytes]:
        return _between(b'{"key":"giant","title":"Long","body":"', b"x", options.line_bytes, b'"}')

    def record() -> Iterator[bytes]:
        return _between(
            b'{"key":"giant","title":"Large","body":"', b"wide words ", 30 * _MIB, b'"}'
        )

    def words() -> Iterator[bytes]:
        distinct = " ".join(f"w{number:06x}" for number in range(_MIB // 8))
        giant = {"key": "giant", "title": "Words", "body": distinct}
        yield from (_line(number) for number in range(SMALL))
        yield json.dumps(giant).encode() + b"\n"
        yield from (_line(number) for number in range(SMALL, 2 * SMALL))

    def nested() -> Iterator[bytes]:
        deep = b"[" * 100_000 + b"]" * 100_000
        yield from (_line(number) for number in range(SMALL))
        yield b'{"key":"giant","title":"Deep","body":"b","more":' + deep + b"}\n"
        yield from (_line(number) for number in range(SMALL, 2 * SMALL))

    size = f"{options.line_bytes / 1e9:g} GB"
    yield Case(f"line of {size}", folder, "record_too_large", 2 * SMALL, long_line)
    yield Case("record of 30 MiB", folder, "too_long", 2 * SMALL, record)
    bomb = folder / "bomb.jsonl.gz"
    _write_bomb(bomb, options.line_bytes)
    yield Case(
        f"gzip of {size} of zeros",
        folder,
        "record_too_large",
        2 * SMALL,
        path=bomb,
        made=[bomb],
    )
    many = folder / "many"
    posts = _write_files(many, options.files)
    yield Case(
        f"{options.files:,} files",
        folder,
        None,
        posts,
        path=many,
        made=[many],
        filtered=options.files - posts,
    )
    yield Case("1 MiB of distinct words", folder, None, 2 * SMALL + 1, words)
    yield Case("100,000 levels of JSON", folder, "bad_json", 2 * SMALL, nested)


def _line(number: int) -> bytes:
    note = {"key": f"n-{number}", "title": f"Note {number}", "body": f"What note {number} says."}
    return json.dumps(note).encode() + b"\n"


def _between(head: bytes, filler: bytes, size: int, tail: bytes) -> Iterator[bytes]:
    """Yield small records, one of that size, small records."""
    yield from (_line(number) for number in range(SMALL))
    yield head
    block = filler * (_MIB // len(filler))
    for _ in range(size // len(block)):
        yield block
    yield block[: size % len(block)] + tail + b"\n"
    yield from (_line(number) for number in range(SMALL, 2 * SMALL))


def _write_bomb(path: Path, size: int) -> None:
    packer = zlib.compressobj(9, wbits=31)
    with path.open("wb") as file:
        for part in _between(b"", b"\0", size, b""):
            file.write(packer.compress(part))
        file.write(packer.flush())


def _write_files(folder: Path, files: int) -> int:
    """Write small files into one folder, few of them posts; return how many."""
    folder.mkdir()
    posts = 0
    for number in range(files):
        if number % POST_EVERY:
            (folder / f"{number:07d}.txt").write_bytes(b"no post\n")
        else:
            (folder / f"{number:07d}.jsonl").write_bytes(_line(number))
            posts += 1
    return posts
