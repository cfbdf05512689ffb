"""Raw records of every format, and the one validator that turns them into content.

A reader yields `RawRecord`s: exact bytes, position, and a way to get the key and the fields.
`validate` turns fields into a `Record` or tells every problem at once. No Django: the rules are
the same before either database is touched.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

import msgspec

from posts.content import KEY_MAX, Problem, Snapshot, Statistics, shown
from posts.importing import consistency, shapes
from posts.validation import checked, checked_statistics

if TYPE_CHECKING:
    from posts.importing.formats.opening import Input

#: Most bytes of one record. A longer line or file is one reject; reading goes on behind it.
RECORD_BYTES_MAX = 32 * 1024 * 1024

SLUG_MAX = 150


class Position(msgspec.Struct, frozen=True):
    """Where a record stands: file as the user named it, 1-based record and line, byte range.

    Bytes and lines count in the uncompressed input.
    """

    file: str
    record: int
    line: int
    byte: int
    end: int


class RawRecord(msgspec.Struct, frozen=True):
    """The exact bytes of one record and where they stood; decoded only when it may be new.

    Where a record needs more than its own bytes, such as the names of authors or of columns, `raw`
    is JSON with all of that in it: equal content gives equal bytes. With an `error` in `problems`
    the bytes are no record: too large, cut off, not readable. `raw` then holds at most the first
    1,024 of them. With a `filtered` one they are no post.
    """

    raw: bytes
    position: Position
    problems: tuple[Problem, ...] = ()


class Decoded(msgspec.Struct, frozen=True):
    """The fields of a record in the one shape of `shapes.Incoming`, and what decoding found.

    `fields` is None when the bytes have no fields to speak of. `extra` holds what the format
    knows to be unknown. `lines` says on which line of the record a field stands.
    """

    fields: dict[str, Any] | None
    problems: tuple[Problem, ...] = ()
    extra: dict[str, Any] = {}
    lines: dict[str, int] = {}


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One valid incoming post. `slug` is the source's own, None when it has none."""

    key: str
    snapshot: Snapshot
    statistics: Statistics = Statistics()
    slug: str | None = None


class Reader(Protocol):
    """A format: one module of `posts.importing.formats`, listed in its `READERS`."""

    NAME: str
    #: Whether it reads its input more than once, such as for records that refer to each other: it
    #: gets a seekable stream that always stands at the start.
    REREADS: bool

    def matches(self, name: str, head: bytes) -> bool:
        """Say whether content that begins with `head` is of this format."""

    def records(
        self, stream: BinaryIO, source: Input, after: Position | None = None
    ) -> Iterator[RawRecord]:
        """Yield the records of an uncompressed stream without holding more than one.

        With `after` the stream stands at `after.end` and counting goes on from there. A reader
        that rereads may yield all of them again: those up to `after` are left out for it. The key
        of a record that is a file of its own comes from `source.member`.
        """

    def key_of(self, raw: RawRecord) -> str | None:
        """Return the key as `validate` would, without decoding the rest; None when unsure."""

    def decode(self, raw: RawRecord) -> Decoded:
        """Return the fields; bad bytes become problems, never an exception."""


def is_refused(problems: tuple[Problem, ...] | list[Problem]) -> bool:
    """Say whether a record with these problems must not be stored."""
    return any(problem.severity == "error" for problem in problems)


def is_filtered(problems: tuple[Problem, ...] | list[Problem]) -> bool:
    """Say whether a record with these problems is no post, and so left out without being wrong."""
    return any(problem.severity == "filtered" for problem in problems)


_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_INVISIBLE = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]")
_SLUG = re.compile(r"(?=-*[a-z0-9])[a-z0-9-]{1,150}")


def normal_key(text: str) -> str:
    """Return the spelling a key is stored and looked up in: NFC, trimmed."""
    return unicodedata.normalize("NFC", text.strip()).strip()


def known_key(text: str) -> str | None:
    """Return the normal key when `checked_key` would accept it, else None."""
    key, problems = checked_key(text)
    return None if is_refused(problems) else key


def checked_key(text: str) -> tuple[str, list[Problem]]:
    """Return the normal key and what was found; 1 to 200 characters, no controls."""
    if text.isascii() and text.isprintable() and text == text.strip() and 0 < len(text) <= KEY_MAX:
        return text, []
    problems: list[Problem] = []

    def add(code: str, expected: str, **more: Any) -> None:
        problems.append(
            Problem(code=code, field="key", value=shown(text), expected=expected, **more)
        )

    key = normal_key(text)
    if not key:
        add("missing_key", f"a text of 1 to {KEY_MAX} characters")
        return key, problems
    if _SURROGATE.search(key):
        add("bad_character", "text without lone surrogates")
    if _CONTROL.search(key):
        add("control_character", "no control characters")
    if len(key) > KEY_MAX:
        add("too_long", f"at most {KEY_MAX} characters")
    if _INVISIBLE.search(key):
        add("invisible", "visible characters", severity="warning")
    if text != text.strip():
        add("trimmed", "no space at either end", severity="repair")
    if key != text.strip():
        add("not_nfc", "Unicode NFC", severity="repair")
    return key, problems


def _checked_slug(text: str) -> tuple[str | None, list[Problem]]:
    if not text:
        return None, []
    if _SLUG.fullmatch(text):
        return text, []
    problem = Problem(
        code="bad_slug",
        field="slug",
        value=shown(text),
        expected=f"lower-case letters a-z, digits and hyphens, at most {SLUG_MAX} characters",
        hint="leave the slug out to have one made from the title",
    )
    return None, [problem]


#: What to do about a refusal, by code; a problem's own hint goes first.
HINTS = {
    "missing_key": "give each post the identity it has at its source",
    "bad_encoding": "convert the file to UTF-8",
    "truncated_record": "fetch the file again and run the same command",
    "id_mismatch": "correct the one that is wrong at the source",
}
HINT = "fix the value and import the file again"


def validate(reader: Reader, raw: RawRecord) -> tuple[Record | None, list[Problem]]:
    """Return the record, or None when it is refused or no post, and everything found in it.

    Refused means at least one problem of severity `error`, no post one of severity `filtered`.
    Raises nothing for any bytes.
    """
    if is_refused(raw.problems) or is_filtered(raw.problems):
        return None, _complete(list(raw.problems), {})
    decoded = reader.decode(raw)
    problems = [*raw.problems, *decoded.problems]
    if decoded.fields is None or is_filtered(decoded.problems):
        return None, _complete(problems, {})
    incoming, found = shapes.shaped(decoded.fields, decoded.extra)
    problems += found
    already = {problem.field for problem in problems if problem.severity == "error"}
    key, key_problems = checked_key(incoming.key)
    problems += [
        problem
        for problem in key_problems
        if problem.field not in already and problem.code not in {p.code for p in decoded.problems}
    ]
    slug, found = _checked_slug(incoming.slug)
    problems += found
    snapshot, found = checked(shapes.snapshot(incoming))
    problems += [
        problem for problem in found if not (problem.code == "missing_title" and "title" in already)
    ]
    statistics = shapes.statistics(incoming)
    problems += checked_statistics(statistics)
    problems += consistency.problems("" if is_refused(key_problems) else key, snapshot)
    if not problems:
        return Record(key=key, snapshot=snapshot, statistics=statistics, slug=slug), problems
    problems = _complete(problems, decoded.lines)
    if is_refused(problems):
        return None, problems
    return Record(key=key, snapshot=snapshot, statistics=statistics, slug=slug), problems


def _complete(problems: list[Problem], lines: dict[str, int]) -> list[Problem]:
    """Return the problems with line and hint where the finder could not know them."""
    if len(problems) > shapes.PROBLEMS_MAX:
        problems.sort(key=lambda problem: problem.severity != "error")
        more = Problem(
            code="more_problems",
            value=f"{len(problems) - shapes.PROBLEMS_MAX:,} more",
            expected=f"at most {shapes.PROBLEMS_MAX} told of one record",
            severity="warning",
        )
        problems = [*problems[: shapes.PROBLEMS_MAX], more]
    completed = []
    for problem in problems:
        changes: dict[str, Any] = {}
        if not problem.line and lines:
            path = problem.field
            while path and path not in lines:
                path = path[: max(path.rfind("."), path.rfind("["), 0)]
            changes["line"] = lines.get(path, 0)
        if shown(problem.field) != problem.field:
            changes["field"] = shown(problem.field)  # an unknown name can hold anything
        if not problem.hint and problem.severity == "error":
            changes["hint"] = HINTS.get(problem.code, HINT)
        completed.append(msgspec.structs.replace(problem, **changes) if changes else problem)
    return completed
