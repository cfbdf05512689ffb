"""Members of a tar archive, one after the other, without extracting anything.

In: a stream of an uncompressed tar, at its start or at the start of a member. Out: members with
their place, each with its content as a bounded stream. No name of a member is ever used as a path.
"""

from __future__ import annotations

import re
import tarfile
from collections.abc import Iterator
from typing import BinaryIO

import msgspec

from posts.content import Problem, escaped, shown
from posts.importing.formats.opening import InputError

#: Bytes that the headers of one member may take; a name of 4 GB is a bomb and no name.
HEADER_BYTES_MAX = 64 * 1024
#: Bytes of one member: a larger one cannot be passed over in a reasonable time.
MEMBER_BYTES_MAX = 512 * 1024 * 1024

_STEP_BYTES = 1024 * 1024
_MAGIC = slice(257, 262)
_DRIVE = re.compile(r"[A-Za-z]:")
#: Digits that no header has in a row. Looking for numbers in many of them takes `tarfile` minutes.
_DIGITS = re.compile(rb"[0-9]{200}")


def is_tar(head: bytes) -> bool:
    """Say whether content begins like a tar archive, whatever the name of its first member is."""
    return head[_MAGIC] == b"ustar"


class Member(msgspec.Struct, frozen=True):
    """One entry of an archive: its name with `/` between folders, and its place in the archive.

    `reason` says why it is no file to read; it is empty for a file and for a folder.
    """

    name: str
    byte: int
    end: int
    is_folder: bool = False
    reason: str = ""


class Archive:
    """The members of a tar in order. `read` gives the content of the one that came last.

    `base` is the place of `head` in the whole archive; the stream stands behind it. Raises
    `InputError` for what is no tar any more, such as one that was cut.
    """

    def __init__(self, stream: BinaryIO, base: int = 0, head: bytes = b"") -> None:
        self._headers = _Headers(stream, base, head)
        self._left = 0

    def __iter__(self) -> Iterator[Member]:
        headers = self._headers
        while True:
            headers.skip_to_next()
            begin = headers.tell()
            try:
                headers.allowed = HEADER_BYTES_MAX
                info = tarfile.TarInfo.fromtarfile(headers)  # type: ignore[arg-type]
            except _END_MARK:
                return
            except _CUT as error:
                raise _damaged("the archive ends without its end mark", is_cut=True) from error
            except _FAILURES as error:
                raise _damaged(str(error) or type(error).__name__) from error
            headers.allowed = None
            yield self._member(info, begin)

    def _member(self, info: tarfile.TarInfo, begin: int) -> Member:
        stored = self._headers.offset - self._headers.tell()
        if not 0 <= stored <= MEMBER_BYTES_MAX or info.size < 0:
            raise _damaged(
                f"{shown(info.name)} of {stored:,} bytes; at most {MEMBER_BYTES_MAX:,} are read"
            )
        reason = "" if info.isdir() else _reason(info)
        self._left = 0 if reason or info.isdir() else min(info.size, stored)
        end = self._headers.offset
        return Member(escaped(_relative(info.name)), begin, end, info.isdir(), reason)

    def read(self, size: int) -> bytes:
        """Return the next bytes of the member; less than `size` of them at its end."""
        data = self._headers.content(min(size, self._left))
        self._left -= len(data)
        return data


def _relative(name: str) -> str:
    text = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    while text.startswith("./"):
        text = text[2:].lstrip("/")
    return text


def _reason(info: tarfile.TarInfo) -> str:
    parts = info.name.replace("\\", "/").split("/")
    if info.issym() or info.islnk():
        return "link"
    if not info.isreg() or info.issparse():
        return "no-plain-file"
    if not parts[0] or _DRIVE.match(info.name):
        return "name-from-the-root"
    if ".." in parts:
        return "name-that-leads-out"
    return ""


def _damaged(reason: str, *, is_cut: bool = False) -> InputError:
    return InputError(
        Problem(
            code="truncated_input" if is_cut else "corrupt_input",
            value=shown(reason),
            expected="a sound tar archive",
            retryable=is_cut,
            hint="fetch the archive again, or make it anew at its source",
        )
    )


# Not part of what is declared of the module, but all that tells an end from a cut.
_END_MARK = tarfile.EOFHeaderError  # type: ignore[attr-defined]
_CUT = (tarfile.EmptyHeaderError, tarfile.TruncatedHeaderError)  # type: ignore[attr-defined]
#: What `tarfile` raises for headers that are damaged, or made to do damage.
_FAILURES = (
    *(tarfile.TarError, ValueError, OverflowError, RecursionError),
    *(AttributeError, KeyError, IndexError, TypeError),
)


class _Headers:
    """The archive as `tarfile` reads headers from it: by reading and telling, within an allowance.

    It is its own `fileobj`: that, `offset` and two words about names are all that
    `TarInfo.fromtarfile` uses of a TarFile, which would keep every member in memory.
    """

    encoding = "utf-8"
    errors = "surrogateescape"

    def __init__(self, stream: BinaryIO, base: int, head: bytes) -> None:
        self._stream = stream
        self._head = head
        self._at = base
        #: Where the next header stands; `tarfile` moves it.
        self.offset = base
        self.allowed: int | None = None
        self.pax_headers: dict[str, str] = {}
        self.fileobj = self

    def tell(self) -> int:
        return self._at

    def read(self, size: int) -> bytes:
        """Return bytes of headers. Raises `ValueError` for more than one member may have."""
        if self.allowed is None or not 0 <= size <= self.allowed:
            raise ValueError(f"a header of {size:,} bytes")
        self.allowed -= size
        data = self.content(size)
        if _DIGITS.search(data):
            raise ValueError("a number without end")
        return data

    def content(self, size: int) -> bytes:
        data, self._head = self._head[:size], self._head[size:]
        if len(data) < size:
            data += self._stream.read(size - len(data))
        self._at += len(data)
        return data

    def skip_to_next(self) -> None:
        while self._at < self.offset:
            if not self.content(min(self.offset - self._at, _STEP_BYTES)):
                raise _damaged("a member ends early", is_cut=True)
