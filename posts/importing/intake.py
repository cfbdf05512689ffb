"""Records from inputs, in order, with the file each came from; damage and strangers included.

In: paths. Out: one arrival a record, a filtered file or an unreadable input, so that the run's
counts account for everything it was given.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec

from posts.content import Problem
from posts.importing import formats
from posts.importing.records import Position, RawRecord, Reader


@dataclass(frozen=True, slots=True)
class Arrival:
    """A record and its reader; without a reader a file of a folder that no format wanted."""

    file: int
    raw: RawRecord
    reader: Reader | None


class Intake:
    """An iterable of arrivals that knows how many stored bytes it has taken of how many."""

    def __init__(self, paths: Sequence[str], format_name: str = "auto") -> None:
        self.inputs = [
            msgspec.structs.replace(source, file=_printable(source.file))
            for source in formats.inputs(paths)
        ]
        self.format_name = format_name
        self.formats_seen: set[str] = set()
        self._finished = 0
        self._open: formats.Opened | None = None

    @property
    def size(self) -> int | None:
        """Bytes of all inputs as stored; None when one cannot tell, such as standard input."""
        sizes = [source.size for source in self.inputs]
        return None if None in sizes else sum(size for size in sizes if size is not None)

    @property
    def taken(self) -> int:
        """Bytes taken so far, as stored."""
        return self._finished + (self._open.content.taken if self._open else 0)

    def __iter__(self) -> Iterator[Arrival]:
        for number, source in enumerate(self.inputs):
            at = Position(source.file, 1, 1, 0, 0)
            try:
                with formats.opened(source, self.format_name) as ready:
                    self._open = ready
                    if ready.reader is None:
                        yield Arrival(number, RawRecord(b"", at), None)
                    else:
                        self.formats_seen.add(ready.reader.NAME)
                    for raw in formats.records(ready):
                        at = raw.position
                        yield Arrival(number, raw, ready.reader)
            except formats.InputError as error:
                yield Arrival(number, _damaged(at, error.problem), None)
            finally:
                self._open = None
                self._finished += source.size or 0


def _printable(name: str) -> str:
    """Return a file name as text: bytes that are no UTF-8 as `\\xe9`, which can be stored."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _damaged(last: Position, problem: Problem) -> RawRecord:
    """Return the record that stands for the rest of an input that cannot be read."""
    at = Position(last.file, last.record + 1 if last.end else 1, last.line, last.end, last.end)
    return RawRecord(b"", at, (problem,))
