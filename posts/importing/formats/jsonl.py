"""JSON Lines: one post a line, fields as in `posts.importing.shapes.Incoming`.

Input: UTF-8, one JSON object a line, split at line feeds only. Output: raw records, keys, fields.
Every fault of a line is a problem with its place; no line can stop the next one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any, BinaryIO, NoReturn

import msgspec

from posts.content import Problem, shown
from posts.importing.formats.lines import SAMPLE_BYTES, lines
from posts.importing.records import Decoded, Position, RawRecord, known_key

if TYPE_CHECKING:
    from posts.importing.formats.opening import Input

NAME = "jsonl"
REREADS = False

_BOM = b"\xef\xbb\xbf"
#: How content in UTF-16 or UTF-32 begins, with and without a byte order mark.
_WIDE = re.compile(rb"\xff\xfe|(?:\0\0)?\xfe\xff|[{\[]\0|\0{1,3}[{\[]")
_WIDE_BOMS = b"\xff\xfe\0"
_ARRAY = re.compile(rb"\[\s*(?:[\[{\"\]]|\Z)")


def matches(name: str, head: bytes) -> bool:
    """Say whether the content begins like a JSON object or array, in whatever encoding."""
    if _WIDE.match(head):
        head = head.lstrip(_WIDE_BOMS).replace(b"\0", b"")
    start = head.removeprefix(_BOM).lstrip()
    return start.startswith(b"{") or _ARRAY.match(start) is not None


def records(stream: BinaryIO, source: Input, after: Position | None = None) -> Iterator[RawRecord]:
    """Yield one raw record a line that is not blank.

    A file that is one JSON array, and one in UTF-16 or UTF-32, yields a single refusal.
    """
    for raw in lines(stream, source.file, after):
        if raw.position.record == 1 and not raw.problems:
            problem = _not_lines(raw.raw)
            if problem:
                yield RawRecord(raw.raw[:SAMPLE_BYTES], raw.position, (problem,))
                return
        yield raw


def _not_lines(line: bytes) -> Problem | None:
    """Return why the file that begins with this line is not JSON Lines at all."""
    wide = _WIDE.match(line)
    if wide:
        found = "byte order mark" if wide[0].strip(b"\0{[") else "zero bytes"
        return Problem(
            code="bad_encoding",
            value=f"{found} as in UTF-16 or UTF-32 at byte 0",
            expected="UTF-8",
            hint="convert the file to UTF-8; nothing of it was read",
        )
    start = line.removeprefix(_BOM).strip()
    # An array that ends on its line is one bad record; an open one goes on over the whole file.
    if start.startswith(b"[") and not start.endswith(b"]"):
        return _array(line)
    return None


def _array(line: bytes) -> Problem:
    return Problem(
        code="json_array",
        value=shown(line[:200].decode("utf-8", "replace")),
        expected="JSON Lines: one object a line, no array around them, no commas between",
        hint="convert it, for example with: jq -c '.[]'; nothing of the array was read",
    )


class _Key(msgspec.Struct):
    key: str


_key_decoder = msgspec.json.Decoder(_Key)


def key_of(raw: RawRecord) -> str | None:
    """Return the normalised key of a line, None when it has none that can be used."""
    if raw.problems:
        return None
    try:
        return known_key(_key_decoder.decode(raw.raw.removeprefix(_BOM)).key)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


class _DuplicateNameError(ValueError):
    """A JSON object has a name twice. Decoders keep the last one in silence."""


class _ConstantError(ValueError):
    """NaN or Infinity, which are not JSON."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _DuplicateNameError
    return members


def _refuse_constant(name: str) -> NoReturn:
    raise _ConstantError(name)


_decoder = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_refuse_constant)


def decode(raw: RawRecord) -> Decoded:
    """Return the fields of a line; what is no JSON object has none."""
    data = raw.raw
    problems: list[Problem] = []
    if data.startswith(_BOM) and raw.position.byte == 0:
        data = data.removeprefix(_BOM)
        problems.append(
            Problem(
                code="byte_order_mark",
                expected="UTF-8 without a byte order mark",
                severity="repair",
            )
        )
    try:
        text = data.decode("utf-8").strip(" \t\r\n")
    except UnicodeDecodeError as error:
        place = raw.position.end - len(data) + error.start
        return _refused(
            Problem(
                code="bad_encoding",
                value=f"byte 0x{data[error.start]:02x} at byte {place} of the file",
                expected="UTF-8",
            )
        )
    try:
        fields = _decoder.decode(text)
    except json.JSONDecodeError as error:
        return _refused(_bad_json(text, error.pos, error.msg))
    except _ConstantError as error:
        return _refused(_bad_json(text, max(text.find(str(error)), 0), f"{error} is not JSON"))
    except _DuplicateNameError:
        return _refused(*_duplicates(text))
    except RecursionError:
        return _refused(
            Problem(code="bad_json", value=shown(text), expected="fewer levels of nesting")
        )
    except ValueError as error:  # a whole number of more digits than Python converts
        return _refused(Problem(code="bad_json", value=shown(str(error)), expected="a number"))
    if isinstance(fields, list):
        return _refused(_array(data))
    if not isinstance(fields, dict):
        return _refused(
            Problem(code="bad_type", value=shown(fields), expected="one JSON object a line")
        )
    return Decoded(fields, tuple(problems))


def _refused(*problems: Problem) -> Decoded:
    return Decoded(None, problems)


def _bad_json(text: str, position: int, reason: str) -> Problem:
    hint = "write each record on a line of its own"
    if text[position : position + 1] == "\ufeff":
        hint = "remove the byte order mark in the middle of the file"
    elif not text.endswith("}"):
        hint = "the line ends early: check that the file was copied whole"
    start = max(position - 40, 0)
    return Problem(
        code="bad_json",
        value=shown(text[start : position + 80]),
        expected=f"JSON; {reason} at character {position + 1} of the line",
        hint=hint,
    )


def _duplicates(text: str) -> list[Problem]:
    """Return a problem for each name an object has twice, in order of closing braces."""
    found: list[str] = []

    def collect(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen and name not in found:
                found.append(name)
            seen.add(name)
        return dict(pairs)

    # The line may be broken behind the object with the name; what was found so far is enough.
    with suppress(ValueError, RecursionError):
        json.JSONDecoder(object_pairs_hook=collect).decode(text)
    return [
        Problem(
            code="duplicate_key_name",
            field=shown(name),
            value=shown(name),
            expected="each name once in an object",
            hint="remove the one that is wrong at the source",
        )
        for name in found
    ]
