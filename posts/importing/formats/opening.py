"""Opening inputs: files and standard input, compressed or not.

Input: one input of a listing. Output: a byte stream of uncompressed content that hands out every
whole byte before it tells of damage, and one that can be read again. Never extracts archives.
"""

from __future__ import annotations

import io
import sys
import tempfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, BinaryIO, Protocol

import msgspec
import zstandard

from posts.content import Problem, shown

#: Uncompressed bytes a format may look at to recognise its content.
HEAD_BYTES = 64 * 1024

_GZIP_MAGIC = b"\x1f\x8b"
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
#: Compressed bytes fed at a time. Four bytes of zstd can stand for 128 KiB, so the step bounds
#: what a hostile file can make of memory to 32 MiB.
_STEP_BYTES = 1024
_OUTPUT_BYTES = 256 * 1024
#: Most bytes of disk, where temporary files are, for an input that is read more than once and is
#: compressed or a pipe.
SPOOL_BYTES_MAX = 8 * 2**30
#: From so many bytes on, content this many times as large as what it came from is a bomb: texts
#: shrink to a tenth.
_BOMB_BYTES = 64 * 2**20
_BOMB_FACTOR = 100


class InputError(Exception):
    """An input that cannot be read any further; carries the problem to report."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(f"{problem.code}: {problem.value}")
        self.problem = problem


def _truncated(kind: str) -> InputError:
    return InputError(
        Problem(
            code="truncated_input",
            value=f"{kind} data ends early",
            expected=f"a complete {kind} file",
            retryable=True,
            hint="fetch the file again and run the same command",
        )
    )


def _corrupt(kind: str, reason: str) -> InputError:
    return InputError(
        Problem(
            code="corrupt_input",
            value=shown(reason),
            expected=f"sound {kind} data",
            hint="compress the file again at its source",
        )
    )


def unreadable(error: OSError) -> InputError:
    """Return the error for what the operating system refuses."""
    return InputError(
        Problem(
            code="unreadable_input",
            value=shown(error.strerror or str(error)),
            expected="a file this user may read",
            retryable=True,
            hint="check that the file exists and its permissions, then run again",
        )
    )


class _Decoder(Protocol):
    """One compressed member: what `zlib` and `zstandard` have in common."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, /) -> bytes: ...


class _Decompressed(io.RawIOBase):
    """The content of a .gz or .zst stream of one or more members.

    Everything that could be decompressed is handed out before the damage behind it is raised.
    """

    def __init__(self, source: BinaryIO, kind: str) -> None:
        self._source = source
        self._kind = kind
        self._decoder = self._new_decoder()
        self._member_has_data = False
        self._ready = memoryview(b"")
        self._damage: InputError | None = None

    def _new_decoder(self) -> _Decoder:
        if self._kind == "gzip":
            return zlib.decompressobj(wbits=31)
        return zstandard.ZstdDecompressor().decompressobj()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        while not self._ready:
            if self._damage:
                raise self._damage
            if not self._fill():
                return 0
        size = min(len(view), len(self._ready))
        view[:size] = self._ready[:size]
        self._ready = self._ready[size:]
        return size

    def _fill(self) -> bool:
        """Decompress one step; return False at a sound end."""
        data = self._source.read(_STEP_BYTES)
        if not data:
            if self._member_has_data:
                self._damage = _truncated(self._kind)
                return True
            return False
        parts: list[bytes] = []
        try:
            while data:
                if not self._member_has_data and not data.strip(b"\0"):
                    break  # padding of a tape or block device behind the last member
                self._member_has_data = True
                parts.append(self._decoder.decompress(data))
                data = b""
                if self._decoder.eof:
                    data = self._decoder.unused_data
                    self._decoder = self._new_decoder()
                    self._member_has_data = False
        except (zlib.error, zstandard.ZstdError) as error:
            self._damage = _corrupt(self._kind, str(error))
        # A view: what is left of many megabytes must not be copied with every piece of it.
        self._ready = memoryview(parts[0] if len(parts) == 1 else b"".join(parts))
        return True


class _Counted(io.RawIOBase):
    """A source that counts the bytes taken from it and speaks of system errors as problems."""

    def __init__(self, source: BinaryIO) -> None:
        # A pipe hands out what it has instead of waiting for a full buffer.
        self._read: Callable[[int], bytes] = getattr(source, "read1", source.read)
        self.taken = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        try:
            data = self._read(len(view))
        except OSError as error:
            raise unreadable(error) from error
        view[: len(data)] = data
        self.taken += len(data)
        return len(data)


class _Replayed(io.RawIOBase):
    """A stream whose first bytes were looked at already; a failure of the look comes after them."""

    def __init__(self, source: BinaryIO, wanted: int) -> None:
        self._source = source
        self.failure: InputError | None = None
        parts: list[bytes] = []
        while wanted > 0:
            try:
                part = source.read1(wanted)  # type: ignore[attr-defined]
            except InputError as error:
                self.failure = error
                break
            if not part:
                break
            parts.append(part)
            wanted -= len(part)
        self.head = b"".join(parts)
        self._left = memoryview(self.head)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        if self._left:
            size = min(len(view), len(self._left))
            view[:size] = self._left[:size]
            self._left = self._left[size:]
            return size
        if self.failure:
            raise self.failure
        data: bytes = self._source.read1(len(view))  # type: ignore[attr-defined]
        view[: len(data)] = data
        return len(data)


class _Seekable(io.RawIOBase):
    """A file that can be read again; what keeps it short is raised each time its end is met."""

    def __init__(self, source: IO[bytes], failure: InputError | None = None) -> None:
        self._source = source
        self._failure = failure

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._source.seek(offset, whence)

    def tell(self) -> int:
        return self._source.tell()

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        try:
            data = self._source.read(len(view))
        except OSError as error:
            raise unreadable(error) from error
        if not data and self._failure is not None:
            raise self._failure
        view[: len(data)] = data
        return len(data)


class Content:
    """An open input: `head` to recognise it by, `stream` to read it from the start.

    `failure` is what kept the head short, None when nothing did. `is_plain` says whether offsets
    of the stream are offsets of the file.
    """

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self._spool: IO[bytes] | None = None
        self._spooled = 0
        self._is_reread = False
        self._counted = _Counted(source)
        compressed = io.BufferedReader(self._counted, 64 * 1024)
        raw = _Replayed(compressed, 4)
        kind = ""
        if raw.head.startswith(_GZIP_MAGIC):
            kind = "gzip"
        elif raw.head.startswith(_ZSTD_MAGIC):
            kind = "zstd"
        self.is_plain = not kind
        replay = io.BufferedReader(raw, 64 * 1024)
        uncompressed = (
            io.BufferedReader(_Decompressed(replay, kind), _OUTPUT_BYTES) if kind else replay
        )
        looked_at = _Replayed(uncompressed, HEAD_BYTES)
        self.head = looked_at.head
        self.failure = looked_at.failure
        self.stream: BinaryIO = io.BufferedReader(looked_at, 256 * 1024)

    @property
    def taken(self) -> int:
        """Bytes taken from the input as it is stored, compressed or not: what progress counts.

        Of an input that is read again: up to the place that is being read.
        """
        if self._spool is not None:
            return self._counted.taken * self._spool.tell() // max(self._spooled, 1)
        return self._source.tell() if self._is_reread else self._counted.taken

    def rereadable(self) -> BinaryIO:
        """Return the whole uncompressed content as a seekable stream at its start.

        A plain file is read where it is. Anything else is copied to a temporary file without a
        name first; what cuts it off is raised at the end of the copy. Raises `InputError` for more
        than `SPOOL_BYTES_MAX`, and for a bomb.
        """
        if self.is_plain and self._source.seekable():
            self._source.seek(0)
            self._is_reread = True
            return io.BufferedReader(_Seekable(self._source), 256 * 1024)
        self._spool = tempfile.TemporaryFile(prefix="alphanode-import-")  # noqa: SIM115  (see close)
        failure: InputError | None = None
        while True:
            try:
                part: bytes = self.stream.read1(_OUTPUT_BYTES)  # type: ignore[attr-defined]
            except InputError as error:
                failure = error
                break
            if not part:
                break
            self._spooled += len(part)
            self._refuse_too_much()
            try:
                self._spool.write(part)
            except OSError as error:
                raise unreadable(error) from error
        self._spool.seek(0)
        return io.BufferedReader(_Seekable(self._spool, failure), 256 * 1024)

    def _refuse_too_much(self) -> None:
        """Raise when the content is larger than the disk is for, or than anybody's texts are."""
        size, stored = self._spooled, self._counted.taken
        is_bomb = size > _BOMB_BYTES and not self.is_plain and size > stored * _BOMB_FACTOR
        if is_bomb or size > SPOOL_BYTES_MAX:
            raise InputError(
                Problem(
                    code="compression_bomb" if is_bomb else "input_too_large",
                    value=f"{size:,} bytes from {stored:,}",
                    expected=f"at most {_BOMB_FACTOR} times the size of the file"
                    if is_bomb
                    else f"at most {SPOOL_BYTES_MAX:,} bytes of a pipe or a compressed file",
                    hint="if it is sound, decompress it and import the plain file",
                )
            )

    def skip(self, size: int) -> None:
        """Move from the start to `size` bytes of content; only plain files can do it by seeking."""
        if self.is_plain and self._source.seekable():
            self._source.seek(size)
            # A counter of its own: the old stream closes the one below it when it goes.
            self._counted = _Counted(self._source)
            self._counted.taken = size
            self.stream = io.BufferedReader(self._counted, 256 * 1024)
            return
        while size > 0:
            part = self.stream.read(min(size, 1024 * 1024))
            if not part:
                return
            size -= len(part)

    def close(self) -> None:
        if self._spool is not None:
            self._spool.close()
        if self._source is not sys.stdin.buffer:
            self._source.close()

    def __enter__(self) -> Content:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


class Input(msgspec.Struct, frozen=True):
    """One input as the user named it. `path` is None for standard input.

    `size` is the stored size in bytes, None where it is not known. `is_member` says that a folder
    was named and this is one of its files; `member` is then its path in that folder, with slashes,
    else the name without its folder: the same wherever the folder lies, as keys have to be.
    `columns` says which column of a table stands for which field, where the user had to say it.
    """

    file: str
    path: Path | None
    size: int | None = None
    is_member: bool = False
    member: str = ""
    columns: Mapping[str, str] = {}


def open_input(source: Input) -> Content:
    """Open an input. Raises `InputError` when that is not possible."""
    try:
        if source.path is None:
            return Content(sys.stdin.buffer)
        return Content(source.path.open("rb", buffering=0))
    except OSError as error:
        raise unreadable(error) from error
