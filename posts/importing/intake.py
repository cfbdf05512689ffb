"""Records from inputs, in order, with the file each came from; damage and strangers included.

In: paths, or one file. Out: one arrival a record, a filtered file or an unreadable input, so that
the run's counts account for everything it was given.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from posts.content import Problem
from posts.importing import formats
from posts.importing.formats.listing import OneFile
from posts.importing.records import Position, RawRecord, Reader


@dataclass(frozen=True, slots=True)
class Arrival:
    """A record and its reader; without a reader a file of a folder that no format wanted."""

    file: int
    raw: RawRecord
    reader: Reader | None


#: Inputs described one by one; of more only names and sizes are kept, as one digest.
DESCRIBED_MAX = 1_000
HEAD_BYTES = 2**20


class Intake:
    """An iterable of arrivals that knows how many stored bytes it has taken of how many."""

    def __init__(self, paths: Sequence[str] | OneFile, format_name: str = "auto") -> None:
        self.inputs = paths if isinstance(paths, OneFile) else formats.inputs(paths)
        self.named_format = format_name
        self.formats_seen: set[str] = set()
        self.restart()

    @property
    def columns(self) -> Mapping[str, str]:
        """Which column of a table stands for which field, as far as the user said it."""
        return self.inputs.columns

    def map_columns(self, columns: Mapping[str, str]) -> None:
        """Read the inputs as tables with these columns: field -> name in the header."""
        self.inputs.columns = columns

    @property
    def format_name(self) -> str:
        """The format to read: who maps columns has a table, whatever its first line looks like."""
        is_table = self.columns and self.named_format == "auto"
        return formats.csv_table.NAME if is_table else self.named_format

    def restart(self) -> None:
        """Go back to the beginning of the first input."""
        self._finished = 0
        self._open: formats.Opened | None = None
        self._start: tuple[int, Position] | None = None
        self._arrivals: Iterator[Arrival] | None = None

    def start_after(self, file: int, position: Position) -> None:
        """Leave out everything up to a record of the file with this index."""
        self.restart()
        self._start = (file, position)

    def description(self) -> list[dict[str, Any]]:
        """Return name, size and a digest of the first MiB of each input, to know them again.

        The digest is None for what cannot be read twice. Very many inputs are told as one.
        """
        if len(self.inputs) > DESCRIBED_MAX:
            names = hashlib.sha256()
            for source in self.inputs:
                names.update(f"{source.file}\0{source.size}\0".encode())
            name = f"{len(self.inputs)} files"
            return [{"file": name, "size": self.size, "sha256_head": names.hexdigest()}]
        return [
            {"file": source.file, "size": source.size, "sha256_head": _head_digest(source)}
            for source in self.inputs
        ]

    @property
    def size(self) -> int | None:
        """Bytes of all inputs as stored; None when one cannot tell, such as standard input."""
        return self.inputs.size

    @property
    def never_waits(self) -> bool:
        """Whether all inputs are files; from a pipe the next record may come tomorrow."""
        return self.size is not None

    @property
    def taken(self) -> int:
        """Bytes taken so far, as stored."""
        return self._finished + (self._open.content.taken if self._open else 0)

    def __iter__(self) -> Iterator[Arrival]:
        """Return the arrivals; a second loop goes on where the first one stopped."""
        if self._arrivals is None:
            self._arrivals = self._read()
        return self._arrivals

    def _read(self) -> Iterator[Arrival]:
        first, after = self._start or (0, None)
        self._finished = self.inputs.bytes_before(first)
        for number, source in self.inputs.starting_at(first):
            yield from self._read_one(number, source, after if number == first else None)
            self._finished += source.size or 0

    def _read_one(
        self, number: int, source: formats.Input, after: Position | None
    ) -> Iterator[Arrival]:
        at = after or Position(source.file, 1, 1, 0, 0)
        try:
            with formats.opened(source, self.format_name) as ready:
                self._open = ready
                if ready.reader is not None:
                    self.formats_seen.add(ready.reader.NAME)
                elif after is None:
                    yield Arrival(number, RawRecord(b"", at, (_stranger(source),)), None)
                for raw in formats.records(ready, after):
                    at = raw.position
                    yield Arrival(number, raw, ready.reader)
        except formats.InputError as error:
            yield Arrival(number, _damaged(at, error.problem), None)
        finally:
            self._open = None


def _head_digest(source: formats.Input) -> str | None:
    if source.path is None or source.size is None:
        return None
    try:
        with source.path.open("rb") as file:
            return hashlib.sha256(file.read(HEAD_BYTES)).hexdigest()
    except OSError:
        return None


def _stranger(source: formats.Input) -> Problem:
    """Return why a file of a folder is left out."""
    return Problem(
        code="unknown_format",
        field="file",
        value=formats.kind_of_file(source.file),
        expected="content in one of the formats " + ", ".join(formats.READERS),
        severity="filtered",
    )


def _damaged(last: Position, problem: Problem) -> RawRecord:
    """Return the record that stands for the rest of an input that cannot be read."""
    at = Position(last.file, last.record + 1 if last.end else 1, last.line, last.end, last.end)
    return RawRecord(b"", at, (problem,))
