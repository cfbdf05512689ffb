"""Inputs that are far too large, made on the fly, and what has to become of them.

In: sizes, a harness. Out: a row a giant. None may end in a traceback, take more memory than the
limit, or keep the small records beside the giant out.
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

from benchmarks.torture_harness import COMPLETE, REJECTS, FaultError, Place, Torture
from benchmarks.torture_places import Child, Ended

#: Which giants there are.
CASES = ("line", "record", "gzip", "files", "words", "nested")
#: Seconds a giant may take, and how many more for each GB of a line and each 100,000 files.
SECONDS_MAX = 120
SECONDS_MORE = 60
SMALL = 5
#: One file of so many is a post; the others are what no format wants.
POST_EVERY = 20
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
    megabytes_max: int = 200
    seconds_max: float = SECONDS_MAX

    def run(self, place: Place) -> Ended:
        """Import it, through a pipe when it is made on the fly."""
        arguments = ["manage.py", "import_posts", str(self.path or "-"), "--source", "giants"]
        arguments += ["--rejects", str(self.folder / "rejects-giants.jsonl")]
        where = {"database_url": place.url, "folder": self.folder, "name": "giant"}
        if self.make is None:
            return Child(arguments, **where).wait(self.seconds_max)  # type: ignore[arg-type]
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
        ended = child.wait(self.seconds_max)
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
        if ended.megabytes > self.megabytes_max:
            found.append(f"{ended.megabytes:.0f} MB, expected at most {self.megabytes_max}")
        return found

    def clean(self) -> None:
        for path in self.made:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)


def giants(harness: Torture, place: Place) -> None:
    """Feed what is far too large, beside records that must go in all the same."""
    for case in _cases(harness.options, harness.folder):
        row = harness.row(f"giant: {case.name}", place)
        with harness.fault_told(row, place):
            place.renew()
            ended = case.run(place)
            row["seconds"] = round(ended.seconds, 1)
            row["megabytes"] = round(ended.megabytes)
            harness.say(
                f"giant {place.vendor} {case.name}: {ended.seconds:.1f} s, {ended.megabytes:.0f} MB"
            )
            wrong = case.wrong(ended, harness.seen(place))
            if wrong:
                raise FaultError("; ".join(wrong))
            row["hits"] += 1
        row["rounds"] += 1
        case.clean()


def _cases(options: argparse.Namespace, folder: Path) -> Iterator[Case]:
    """Yield the giants one by one; each is made when its turn comes."""
    makers: dict[str, Callable[[argparse.Namespace, Path], Case]] = {
        "line": _long_line,
        "record": _large_record,
        "gzip": _bomb,
        "files": _many_files,
        "words": _many_words,
        "nested": _deep,
    }
    for name in options.giants:
        case = makers[name](options, folder)
        case.megabytes_max = options.megabytes
        yield case


def _long_line(options: argparse.Namespace, folder: Path) -> Case:
    def parts() -> Iterator[bytes]:
        return _between(b'{"key":"giant","title":"Long","body":"', b"x", options.line_bytes, b'"}')

    name = f"line of {options.line_bytes / 1e9:g} GB"
    case = Case(name, folder, "record_too_large", 2 * SMALL, parts)
    case.seconds_max += SECONDS_MORE * options.line_bytes / 1e9
    return case


def _large_record(options: argparse.Namespace, folder: Path) -> Case:
    def parts() -> Iterator[bytes]:
        head = b'{"key":"giant","title":"Large","body":"'
        return _between(head, b"wide words ", 30 * _MIB, b'"}')

    return Case("record of 30 MiB", folder, "too_long", 2 * SMALL, parts)


def _bomb(options: argparse.Namespace, folder: Path) -> Case:
    path = folder / "bomb.jsonl.gz"
    _write_bomb(path, options.line_bytes)
    name = f"gzip of {options.line_bytes / 1e9:g} GB of zeros"
    case = Case(name, folder, "record_too_large", 2 * SMALL, path=path, made=[path])
    case.seconds_max += SECONDS_MORE * options.line_bytes / 1e9
    return case


def _many_files(options: argparse.Namespace, folder: Path) -> Case:
    path = folder / "many"
    posts = _write_files(path, options.files)
    case = Case(f"{options.files:,} files", folder, None, posts, path=path, made=[path])
    case.filtered = options.files - posts
    case.seconds_max += SECONDS_MORE * options.files / 1e5
    return case


def _many_words(options: argparse.Namespace, folder: Path) -> Case:
    def parts() -> Iterator[bytes]:
        distinct = " ".join(f"w{number:06x}" for number in range(_MIB // 8))
        giant = {"key": "giant", "title": "Words", "body": distinct}
        yield from (_line(number) for number in range(SMALL))
        yield json.dumps(giant).encode() + b"\n"
        yield from (_line(number) for number in range(SMALL, 2 * SMALL))

    return Case("1 MiB of distinct words", folder, None, 2 * SMALL + 1, parts)


def _deep(options: argparse.Namespace, folder: Path) -> Case:
    def parts() -> Iterator[bytes]:
        deep = b"[" * 100_000 + b"]" * 100_000
        yield from (_line(number) for number in range(SMALL))
        yield b'{"key":"giant","title":"Deep","body":"b","more":' + deep + b"}\n"
        yield from (_line(number) for number in range(SMALL, 2 * SMALL))

    return Case("100,000 levels of JSON", folder, "bad_json", 2 * SMALL, parts)


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
