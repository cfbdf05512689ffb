"""Notes broken in forty named ways, and what an import has to say of each.

In: lines of synthesized notes. Out: the same lines, a share of them broken, and for each broken one
its place, the fields and the codes of its rejects. Knows the format and its rules, not the engine.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

Fields = dict[str, Any]
#: (field, code) of every reject of one record, in any order.
Findings = tuple[tuple[str, str], ...]

#: A blank line stands before every so manieth record, so that lines and records count apart.
BLANK_EVERY = 97


class Kind(NamedTuple):
    """One way to break a note: either its fields are changed, or its bytes."""

    name: str
    findings: Findings
    change: Callable[[Fields], None] | None = None
    spoil: Callable[[bytes], bytes] | None = None


class Expected(NamedTuple):
    """What is to be said of one broken record. Record and line count from 1, bytes from 0."""

    kind: str
    record: int
    line: int
    byte: int
    findings: Findings


def _set(path: str, value: Any) -> Callable[[Fields], None]:
    """Return a change of one field; a dot leads into a map, a number into a list."""

    def change(fields: Fields) -> None:
        *way, last = path.split(".")
        at: Any = fields
        for name in way:
            at = at[int(name) if name.isdigit() else name]
        at[int(last) if last.isdigit() else last] = value

    return change


def _without(name: str) -> Callable[[Fields], None]:
    def change(fields: Fields) -> None:
        del fields[name]

    return change


def _both(*changes: Callable[[Fields], None]) -> Callable[[Fields], None]:
    def change(fields: Fields) -> None:
        for one in changes:
            one(fields)

    return change


def _replaced(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    def spoil(line: bytes) -> bytes:
        assert old in line, old  # noqa: S101  (else the record would not be broken)
        return line.replace(old, new, 1)

    return spoil


def _deep(levels: int) -> Any:
    value: Any = "deep"
    for _ in range(levels):
        value = [value]
    return value


_IMAGE = {"source": "example.org", "url": "https://example.org/a.png", "caption": "a", "alt": "b"}

KINDS = (
    # --- Lines that are no JSON object ---
    Kind("cut in the middle", (("", "bad_json"),), spoil=lambda line: line[: len(line) // 2]),
    Kind("without its last brace", (("", "bad_json"),), spoil=lambda line: line[:-1]),
    Kind("comma before the last brace", (("", "bad_json"),), spoil=lambda line: line[:-1] + b",}"),
    Kind("two objects on a line", (("", "bad_json"),), spoil=lambda line: line + line),
    Kind("array around the object", (("", "json_array"),), spoil=lambda line: b"[" + line + b"]"),
    Kind("plain text", (("", "bad_json"),), spoil=lambda line: b"title: none of this is JSON"),
    Kind("number alone", (("", "bad_type"),), spoil=lambda line: b"42"),
    Kind("single quotes", (("", "bad_json"),), spoil=lambda line: b"{'key': 'single'}"),
    Kind("byte that is no UTF-8", (("", "bad_encoding"),), spoil=_replaced(b"e", b"\xff")),
    Kind(
        "letter of Latin-1",
        (("", "bad_encoding"),),
        spoil=_replaced(b'"title":"', b'"title":"Caf\xe9 '),
    ),
    Kind(
        "NaN for a number",
        (("", "bad_json"),),
        spoil=_replaced(b'"reading_time":', b'"reading_time":NaN,"was":'),
    ),
    Kind(
        "control character as a byte",
        (("", "bad_json"),),
        spoil=_replaced(b'"title":"', b'"title":"\x01'),
    ),
    Kind(
        "name twice",
        (("title", "duplicate_key_name"),),
        spoil=_replaced(b'"title":', b'"title":"twice","title":'),
    ),
    Kind(
        "name twice in a map",
        (("seed", "duplicate_key_name"),),
        spoil=_replaced(b'"seed":', b'"seed":0,"seed":'),
    ),
    Kind(
        "brackets without end of nesting",
        (("", "bad_json"),),
        spoil=_replaced(b'"notes":', b'"more":' + b"[" * 50_000 + b"]" * 50_000 + b',"notes":'),
    ),
    Kind(
        "integer of ten thousand digits",
        (("", "bad_json"),),
        spoil=_replaced(b'"view_count":', b'"view_count":' + b"9" * 10_000 + b',"was":'),
    ),
    # --- Identity ---
    Kind("no key", (("key", "missing_key"),), _without("key")),
    Kind("key that is a number", (("key", "bad_type"),), _set("key", 7)),
    Kind("key of 201 characters", (("key", "too_long"),), _set("key", "k" * 201)),
    Kind("key with a control character", (("key", "control_character"),), _set("key", "a\x01b")),
    Kind(
        "other number in the reference",
        (("reference", "id_mismatch"),),
        _set("reference", "anp-ref-999999-0000"),
    ),
    Kind(
        "other source id",
        (("payload.source_id", "id_mismatch"),),
        _set("payload.source_id", "elsewhere"),
    ),
    # --- Texts ---
    Kind("no title", (("title", "missing_title"),), _without("title")),
    Kind("title that is a list", (("title", "bad_type"),), _set("title", ["a"])),
    Kind("title of 301 characters", (("title", "too_long"),), _set("title", "t" * 301)),
    Kind("title of two lines", (("title", "line_break"),), _set("title", "one\ntwo")),
    Kind("NUL in the title", (("title", "control_character"),), _set("title", "a\x00b")),
    Kind("half a surrogate pair", (("lede", "bad_character"),), _set("lede", "half \ud800")),
    Kind("lede of 2,001 characters", (("lede", "too_long"),), _set("lede", "l" * 2_001)),
    Kind("slug in capitals", (("slug", "bad_slug"),), _set("slug", "Upper Case")),
    # --- Choices, dates, numbers ---
    Kind("unknown difficulty", (("difficulty", "bad_choice"),), _set("difficulty", "heroic")),
    Kind(
        "time without an offset",
        (("published_at", "bad_date"),),
        _set("published_at", "2024-05-06T07:08:09"),
    ),
    Kind(
        "29 February 2023",
        (("revision.last_reviewed", "bad_date"),),
        _set("revision.last_reviewed", "2023-02-29"),
    ),
    Kind("number in words", (("reading_time", "bad_int"),), _set("reading_time", "twelve")),
    Kind("score of 101", (("score.quality", "out_of_range"),), _set("score.quality", 101)),
    # --- Lists and maps ---
    Kind("text in place of a list", (("tags", "bad_type"),), _set("tags", "a, b")),
    Kind("201 tags", (("tags", "too_many"),), _set("tags", [f"tag {n:03}" for n in range(201)])),
    Kind(
        "image address without http",
        (("image_sources[0].url", "bad_url"),),
        _set("image_sources", [{**_IMAGE, "url": "javascript:alert(1)"}]),
    ),
    Kind(
        "unknown field nested too deep",
        (("more" + "[0]" * 8, "too_deep"),),
        _set("more", _deep(12)),
    ),
    Kind(
        "three problems at once",
        (("title", "missing_title"), ("difficulty", "bad_choice"), ("view_count", "out_of_range")),
        _both(_set("title", " "), _set("difficulty", "x"), _set("view_count", -1)),
    ),
)


def broken(
    lines: Iterable[bytes], every: int, seed: int
) -> Iterator[tuple[bytes, Expected | None]]:
    """Yield each line with its end; of each `every` lines one is broken, all kinds equally often.

    A blank line that belongs to no record comes before some records, as part of what is yielded.
    """
    chance = random.Random(seed)  # noqa: S311  (chooses records, protects nothing)
    kinds: list[Kind] = []
    line_number = byte = chosen = 0
    for record, line in enumerate(lines, 1):
        if (record - 1) % every == 0:
            chosen = record + chance.randrange(every)
        before = b"\n" if record % BLANK_EVERY == 0 else b""
        line_number += 1 + len(before)
        byte += len(before)
        expected = None
        if record == chosen:
            kinds = kinds or chance.sample(KINDS, len(KINDS))
            kind = kinds.pop()
            line = _spoilt(kind, line)
            expected = Expected(kind.name, record, line_number, byte, kind.findings)
        yield before + line + b"\n", expected
        byte += len(line) + 1


def _spoilt(kind: Kind, line: bytes) -> bytes:
    if kind.spoil is not None:
        return kind.spoil(line)
    assert kind.change is not None  # noqa: S101  (one of the two is given)
    fields = json.loads(line)
    kind.change(fields)
    return json.dumps(fields, separators=(",", ":")).encode()
