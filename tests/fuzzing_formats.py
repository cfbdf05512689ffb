"""Random damage for the readers of every format, and what has to hold of whatever they make of it.

In: a reader and its sample. Out: how many records were accepted; a broken rule raises. Reproducible
by its seed. Must not know any format.
"""

from __future__ import annotations

import io
import random
import time
from collections.abc import Iterator
from contextlib import suppress

import msgspec

from posts.content import digest
from posts.importing.formats import Input, InputError, Reader
from posts.importing.records import RawRecord, Record, is_filtered, is_refused, validate

#: What breaks parsers of one syntax or another.
PIECES = (
    *(b'"', b"'", b"\\", b"{", b"}", b"[", b"]", b",", b":", b"null", b"1e999", b"\\ud800"),
    *(b"<", b">", b"&", b"&#0;", b"&x;", b"<![CDATA[", b"]]>", b"<!--", b"-->", b"<b>", b"</p>"),
    *(b"---\n", b"+++\n", b"\n\n", b"\r", b"\t", b"```\n", b"![a](b)", b"* ", b"&a *a", b"!!x"),
    *(b"\0", b"\x1b", b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xe2\x80\xa8", b"-", b"|", b";"),
)
#: Seconds a record may take; a slow one is tried again alone, because the machine may be busy.
SECONDS_MAX = 0.05
TRIES = 5


def damaged(data: bytes, chance: random.Random) -> bytes:
    """Return data cut, with parts left out, doubled or replaced, one to four times."""
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(data) + 1)
        to = min(len(data), at + chance.randint(1, 60))
        piece = chance.choice(PIECES)
        kind = chance.randrange(10)
        if kind == 0:
            data = data[:at]
        elif kind <= 3:
            data = data[:at] + data[to:]
        elif kind <= 6:
            data = data[:at] + piece + data[at:]
        elif kind <= 8:
            data = data[:at] + piece + data[to:]
        else:
            data = data[:at] + data[at:to] + data[at:]
    return data


def raws(reader: Reader, data: bytes, member: str) -> Iterator[RawRecord]:
    """Yield the records of some bytes; an input that ends in damage just ends."""
    with suppress(InputError):
        yield from reader.records(io.BytesIO(data), Input(member, None, member=member))


def check(reader: Reader, raw: RawRecord) -> Record | None:
    """Return what becomes of a record; whatever that is has to be told, and storable."""
    key = None if is_refused(raw.problems) or is_filtered(raw.problems) else reader.key_of(raw)
    record, problems = validate(reader, raw)
    msgspec.json.encode(problems)
    if record is None:
        assert is_refused(problems) or is_filtered(problems)
        return None
    assert record.key
    assert record.snapshot.title
    assert key in (None, record.key)
    digest(record.snapshot)
    return record


def fuzz(reader: Reader, sample: bytes, member: str, *, count: int, seed: int) -> int:
    """Read a damaged sample `count` times; return the number of records that were accepted."""
    chance = random.Random(seed)
    accepted = 0
    for _ in range(count):
        for raw in raws(reader, damaged(sample, chance), member):
            accepted += check(reader, raw) is not None
    return accepted


def slowest(reader: Reader, sample: bytes, member: str, *, count: int, seed: int) -> float:
    """Return the seconds of the slowest record of damaged samples, decoding and keys included."""
    chance = random.Random(seed)
    worst = 0.0
    for _ in range(count):
        for raw in raws(reader, damaged(sample, chance), member):
            taken = _seconds(reader, raw)
            if taken > SECONDS_MAX:
                taken = min(_seconds(reader, raw) for _ in range(TRIES))
            worst = max(worst, taken)
    return worst


def _seconds(reader: Reader, raw: RawRecord) -> float:
    began = time.perf_counter()
    check(reader, raw)
    return time.perf_counter() - began
