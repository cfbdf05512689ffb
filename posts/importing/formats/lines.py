"""Splitting a byte stream into lines or one whole, with a cap on what is held in memory.

Input: an uncompressed stream. Output: bytes with their offsets; what is too large or cut off
comes as a problem beside its first bytes, and reading goes on behind it where that is possible.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from posts.content import Problem
from posts.importing.formats.opening import InputError
from posts.importing.records import RECORD_BYTES_MAX, Position, RawRecord

#: Bytes kept of what is no record, enough to recognise it.
SAMPLE_BYTES = 1024
#: A byte order mark as it is decoded.
BOM = "\ufeff"

_STEP_BYTES = 1024 * 1024


def with_line_feeds(text: str) -> str:
    """Return a text whose lines end as here, whatever ended them before."""
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def mended(text: str) -> tuple[str, list[Problem]]:
    """Return a text without a byte order mark, its lines ended as here, and what was undone."""
    problems: list[Problem] = []

    def repaired(code: str, value: str, expected: str) -> None:
        problems.append(Problem(code=code, value=value, expected=expected, severity="repair"))

    if text.startswith(BOM):
        text = text.removeprefix(BOM)
        repaired("byte_order_mark", "", "UTF-8 without a byte order mark")
    if "\r" in text:
        repaired("line_ends", f"{text.count(chr(13))} carriage returns", "line feeds")
        text = with_line_feeds(text)
    return text, problems


def too_large(size: int, most: int = RECORD_BYTES_MAX) -> Problem:
    """Return the problem of a record of `size` bytes, as far as it was counted."""
    return Problem(
        code="record_too_large",
        field="",
        value=f"{size:,} bytes",
        expected=f"at most {most:,} bytes a record",
        hint="split the record or shorten its body",
    )


def lines(stream: BinaryIO, file: str, after: Position | None = None) -> Iterator[RawRecord]:
    """Yield each line that is not blank, line end included, split at line feeds only.

    U+2028 and U+0085 are characters of a text, not line ends. A line longer than the cap is
    read over in steps. Damage of the input ends the iteration with a problem of its own.
    """
    record = after.record if after else 0
    number = after.line if after else 0
    offset = after.end if after else 0
    while True:
        number += 1
        size = 0
        problems: tuple[Problem, ...] = ()
        line = b""
        try:
            line = stream.readline(RECORD_BYTES_MAX + 1)
            size = len(line)
            if size > RECORD_BYTES_MAX:
                line = line[:SAMPLE_BYTES]
                rest = b" "
                last = b""
                while rest and last != b"\n":
                    rest = stream.readline(_STEP_BYTES)
                    size += len(rest)
                    last = rest[-1:]
                problems = (too_large(size),)
        except InputError as error:
            problems = (*([too_large(size)] if size > RECORD_BYTES_MAX else []), error.problem)
            record += 1
            yield RawRecord(line, Position(file, record, number, offset, offset + size), problems)
            return
        if not line:
            return
        if problems or line.strip():
            record += 1
            yield RawRecord(line, Position(file, record, number, offset, offset + size), problems)
        offset += size


def whole(stream: BinaryIO, file: str, most: int = RECORD_BYTES_MAX) -> RawRecord:
    """Return the whole stream as one record of at most so many bytes."""
    problems: tuple[Problem, ...] = ()
    parts: list[bytes] = []
    size = 0
    try:
        while part := stream.read(_STEP_BYTES):
            size += len(part)
            if size <= most:
                parts.append(part)
            elif len(parts) > 1 or len(parts[0]) > SAMPLE_BYTES:
                parts = [parts[0][:SAMPLE_BYTES]]
    except InputError as error:
        parts = [b"".join(parts)[:SAMPLE_BYTES]]
        problems = (error.problem,)
    if size > most:
        problems = (too_large(size, most), *problems)
    return RawRecord(b"".join(parts), Position(file, 1, 1, 0, size), problems)
