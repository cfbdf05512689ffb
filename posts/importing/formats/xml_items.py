"""An XML document split into its items before anything is parsed, so that each stands alone.

In: a byte stream in UTF-8 or another encoding that keeps ASCII. Out: the items, and what stands
around them, with their places; a broken item cannot stop the next one. No more than one is held.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO, Literal

import msgspec

from posts.importing.records import RECORD_BYTES_MAX

Kind = Literal["around", "item", "cut", "too large"]


class Piece(msgspec.Struct, frozen=True):
    """A stretch of the document; all pieces together are the document.

    `around` may come in several parts. `cut` is an item without an end, `too large` holds only the
    beginning of its item; `size` counts all of its bytes.
    """

    kind: Kind
    data: bytes
    byte: int
    line: int
    size: int


_STEP_BYTES = 64 * 1024
#: Longest start tag; what goes on without an end is none.
_TAG_MAX = 1024 * 1024
#: Longest beginning of a token that the end of what was read may hide.
_TOKEN_MAX = 64
_SAMPLE_BYTES = 1024

_NAME = rb"(?:[A-Za-z_][\w.-]*:)?item"
#: In sections and comments nothing else counts.
_BEFORE = re.compile(rb"<!\[CDATA\[|<!--|<" + _NAME + rb"(?=[\s/>])")
_WITHIN = re.compile(rb"<!\[CDATA\[|<!--|</" + _NAME + rb"\s{0,20}>")
_ENDS = {b"<![CDATA[": b"]]>", b"<!--": b"-->"}


class _Splitter:
    """The state of splitting: what was read and not handed out, and where that stands."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._data = b""
        self._byte = 0
        self._line = 1
        #: Everything before it was looked at.
        self._scanned = 0
        #: What ends the section or comment that is being passed over.
        self._until = b""
        self._is_within = False
        #: Bytes of the item at hand that were let go, and its beginning.
        self._dropped = 0
        self._sample = b""

    def pieces(self) -> Iterator[Piece]:
        is_more = True
        while is_more:
            if (piece := self._next()) is not None:
                yield piece
                continue
            if self._is_within:
                self._let_go()
            elif self._scanned >= _STEP_BYTES:
                yield self._taken("around", self._scanned)
            # As much again as there is: an item of many megabytes is copied a few times only.
            part = self._stream.read(max(_STEP_BYTES, len(self._data)))
            self._data += part
            is_more = bool(part)
        if self._data or self._dropped:
            yield self._taken("cut" if self._is_within else "around", len(self._data))

    def _next(self) -> Piece | None:
        """Return the next piece that ends in what was read; None when more has to be read."""
        while True:
            if self._until:
                found = self._data.find(self._until, self._scanned)
                if found < 0:
                    self._scanned = max(self._scanned, len(self._data) - len(self._until) + 1)
                    return None
                self._scanned = found + len(self._until)
                self._until = b""
            token = (_WITHIN if self._is_within else _BEFORE).search(self._data, self._scanned)
            if token is None:
                last = self._data.rfind(b"<", max(self._scanned, len(self._data) - _TOKEN_MAX))
                self._scanned = len(self._data) if last < 0 else last
                return None
            if (until := _ENDS.get(token[0])) is not None:
                self._scanned, self._until = token.end(), until
            elif self._is_within:
                self._is_within = False
                return self._taken("item", token.end())
            else:
                return self._begun(token.start(), token.end())

    def _begun(self, start: int, named: int) -> Piece | None:
        """Hand out what stands before an item, then the item if it has no content."""
        end = self._data.find(b">", named)
        if end < 0:
            self._scanned = start if len(self._data) - start < _TAG_MAX else named
            return None
        if start:
            return self._taken("around", start)
        if self._data[end - 1 : end] == b"/":
            return self._taken("item", end + 1)
        self._is_within = True
        self._scanned = end + 1
        return self._next()

    def _taken(self, kind: Kind, size: int) -> Piece:
        data, self._data = self._data[:size], self._data[size:]
        if self._dropped:
            kind = "too large"
        piece = Piece(
            kind,
            self._sample or data,
            self._byte - self._dropped,
            self._line,
            self._dropped + size,
        )
        self._byte += size
        self._line += data.count(b"\n")
        self._scanned = max(self._scanned - size, 0)
        self._dropped, self._sample = 0, b""
        return piece

    def _let_go(self) -> None:
        """Forget what was passed over of an item that is too large to be one."""
        if self._dropped + len(self._data) <= RECORD_BYTES_MAX:
            return
        self._sample = self._sample or self._data[:_SAMPLE_BYTES]
        self._dropped += self._scanned
        self._byte += self._scanned
        self._line += self._data.count(b"\n", 0, self._scanned)
        self._data, self._scanned = self._data[self._scanned :], 0


def pieces(stream: BinaryIO) -> Iterator[Piece]:
    """Yield the items of a document and what stands around them, in order.

    Raises `InputError` as the stream does, behind the last whole item.
    """
    return _Splitter(stream).pieces()
