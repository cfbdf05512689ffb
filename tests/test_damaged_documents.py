"""Damaged text exports: each is read right or refused with what, where, expected, retryable.

Every variant is a change of the sample written for these tests; the table says what must come
out. A fuzz over random damage follows: no exception, and no record without key and title.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import NamedTuple

import msgspec
import pytest

from posts.importing.formats import READERS
from posts.importing.records import Position, RawRecord, validate
from posts.validation import is_date
from tests.importing_samples import codes, export_text, read_export

TEXT = export_text()
LINES = TEXT.split("\n")


def line_of(start: str, text: str = TEXT) -> int:
    """Return the 1-based number of the last line that begins so."""
    found = [number for number, line in enumerate(text.split("\n"), 1) if line.startswith(start)]
    assert found, start
    return found[-1]


def swapped(*replacements: tuple[str, str]) -> str:
    text = TEXT
    for old, new in replacements:
        assert old in text, old
        text = text.replace(old, new, 1)
    return text


def cut(before: str) -> str:
    """Return the sample up to the last occurrence of a text."""
    return TEXT[: TEXT.rindex(before)]


def without(start: str, end: str) -> str:
    """Return the sample without the part from the last `start` up to `end` behind it."""
    at = TEXT.rindex(start)
    return TEXT[:at] + TEXT[TEXT.index(end, at) :]


def moved(section: str, end: str, before: str) -> str:
    """Return the sample with one part of the meta box moved in front of another."""
    at = TEXT.rindex(section)
    part = TEXT[at : TEXT.index(end, at)]
    return TEXT.replace(part, "", 1).replace(before, part + before, 1)


class Refused(NamedTuple):
    """A variant that must be refused; `line` None where the bytes have no lines."""

    document: str | bytes
    code: str
    field: str
    value: str
    expected: str
    line: int | None = None
    retryable: bool = False


class Read(NamedTuple):
    """A variant that must be read; `codes` are all findings, `check` gets the record."""

    document: str | bytes
    codes: list[str]
    check: Callable[..., bool] = lambda record: True


BOX = line_of("alphanode post meta")
BOTH = TEXT + "\n" + TEXT.replace("000417", "000418").replace("seed: 417", "seed: 418")
NO_TAIL = cut("\n\nSimilar Posts")
TITLE = "replacing a nightly export with a stream in go services"

REFUSED = {
    "empty file": Refused("", "missing_title", "title", "", "a title line", 1),
    "only a byte order mark": Refused(b"\xef\xbb\xbf", "missing_title", "title", "", "title", 1),
    "only bars": Refused("| | |\n", "missing_title", "title", "", "a title line", 1),
    "no title": Refused(
        swapped((TITLE + "\n\n", "")), "missing_title", "title", "a nightly", "a title", 3
    ),
    "nothing before the marker": Refused(
        TEXT[TEXT.index("alphanode post meta") :], "missing_title", "title", "", "title", 1
    ),
    "no marker": Refused(
        swapped(("alphanode post meta\n", "")),
        "missing_section", "alphanode post meta", "Similar Posts", "a line", len(LINES) - 1,
    ),
    "cut in the article": Refused(
        TEXT[:900], "missing_section", "alphanode post meta", "", "a line 'alphanode post meta'",
        TEXT[:900].count("\n") + 1,
    ),
    "cut at the marker": Refused(
        TEXT[: TEXT.index("\n\ntopic")], "truncated_record", "topic", "alphanode post meta",
        "a meta box", BOX, True,
    ),
    "cut in a glued key": Refused(
        cut("ing time4"), "truncated_record", "difficulty", "read", "payload", None, True
    ),
    "cut in a number": Refused(
        cut("19\nscore"), "truncated_record", "view_count", "view count205", "payload", None, True
    ),
    "cut in a section": Refused(
        cut("  • depth"), "truncated_record", "score", "freshness: 64", "payload", None, True
    ),
    "cut in the source id": Refused(
        cut("0417\n  • generator"), "truncated_record", "payload", "alphanode-00", "payload",
        line_of("  • source id"), True,
    ),
    "cut in the seed": Refused(
        cut("7\nnotes"), "truncated_record", "payload", "seed: 41", "payload",
        line_of("  • seed"), True,
    ),
    "no source id": Refused(
        without("  • source id", "  • generator"), "missing_key", "payload.source_id", "",
        "a source id", line_of("payload"),
    ),
    "no payload": Refused(
        without("payload\n", "notes\n"), "missing_key", "payload.source_id", "", "a source id"
    ),
    "empty source id": Refused(
        swapped((": alphanode-000417", ":")), "missing_key", "payload.source_id", "", "a source id"
    ),
    "words behind a number": Refused(
        swapped(("reading time4", "reading timetwelve")), "bad_int", "reading_time", "twelve",
        "integer 0..100000", line_of("reading time"),
    ),
    "a space behind a key": Refused(
        swapped(("reading time4", "reading time 4")), "bad_int", "reading_time", " 4",
        "integer 0..100000", line_of("reading time"),
    ),
    "a negative number": Refused(
        swapped(("view count20519", "view count-1")), "bad_int", "view_count", "-1", "integer 0..",
        line_of("view count"),
    ),
    "a number too large": Refused(
        swapped(("reading time4", "reading time100001")), "out_of_range", "reading_time", "100001",
        "integer 0..100000", line_of("reading time"),
    ),
    "a score above the scale": Refused(
        swapped(("quality: 71", "quality: 174")), "out_of_range", "score.quality", "174",
        "integer 0..100", line_of("  • quality"),
    ),
    "a score in words": Refused(
        swapped(("quality: 71", "quality: high")), "bad_int", "score.quality", "high",
        "integer 0..100", line_of("  • quality"),
    ),
    "a member without colon": Refused(
        swapped(("quality: 71", "quality 71")), "bad_type", "score", "quality 71", "name: value",
        line_of("  • quality"),
    ),
    "a flag in words": Refused(
        swapped(("has images: 1", "has images: yes")), "bad_choice", "flags.has_images", "yes",
        "0 or 1", line_of("  • has images"),
    ),
    "an unknown difficulty": Refused(
        swapped(("difficultyintermediate", "difficultyhard")), "bad_choice", "difficulty", "hard",
        "one of beginner", line_of("difficulty"),
    ),
    "a day that does not exist": Refused(
        swapped(("2024-02-29", "2023-02-29")), "bad_date", "revision.last_reviewed", "2023-02-29",
        "a date", line_of("  • last reviewed"),
    ),
    "a short hash": Refused(
        swapped(("5a69788796a5b4", "5a6978")), "bad_value", "hash", "0f1e2d3c4b5a6978",
        "24 lower-case", line_of("hash"),
    ),
    "a reference without its end": Refused(
        swapped(("anp-ref-000417-2290", "anp-ref-000417")), "bad_value", "reference",
        "anp-ref-000417", "anp-ref-", line_of("reference"),
    ),
    "a glued line of no key": Refused(
        swapped(("hash0f", "checksum0f")), "unknown_key", "", "checksum0f1e",
        "one of the keys: hash, flags", line_of("hash"),
    ),
    "a repeated key": Refused(
        swapped(("view count20519", "view count20519\nview count3")), "duplicate_key_name",
        "view_count", "view count", "each key once", line_of("view count") + 1,
    ),
    "a repeated section": Refused(
        swapped(("notes\n", "score\n  • quality: 1\nnotes\n")), "duplicate_key_name", "score",
        "score", "each key once", line_of("notes"),
    ),
    "a repeated member": Refused(
        swapped(("  • seed: 417", "  • seed: 417\n  • seed: 418")), "duplicate_key_name",
        "payload.seed", "seed: 418", "each name once", line_of("  • seed") + 1,
    ),
    "id and reference disagree": Refused(
        swapped(("anp-ref-000417", "anp-ref-000471")), "id_mismatch", "reference",
        "source id alphanode-000417, reference anp-ref-000471-2290, seed 417", "one number",
        line_of("reference"),
    ),
    "seed disagrees": Refused(
        swapped(("seed: 417", "seed: 418")), "id_mismatch", "reference",
        "source id alphanode-000417, reference anp-ref-000417-2290, seed 418", "one number",
    ),
    "two exports one below the other": Refused(
        BOTH, "trailing_content", "", "", "one export a file", len(LINES)
    ),
    "two exports glued without a line end": Refused(
        TEXT + TEXT, "trailing_content", "", "", "one export a file", len(LINES)
    ),
    "two exports without tails": Refused(
        NO_TAIL + "\n" + NO_TAIL, "trailing_content", "", "alphanode post meta", "one export"
    ),
    "a header behind the tail": Refused(
        TEXT + "\n\n| |\n\nanother title", "trailing_content", "", "| |", "one export a file",
        len(LINES) + 2,
    ),
    "text behind the notes": Refused(
        swapped(("Similar Posts", "comments are closed")), "trailing_content", "",
        "comments are closed", "one export a file", len(LINES),
    ),
    "UTF-16 with mark": Refused(
        TEXT.encode("utf-16"), "bad_encoding", "", "byte 0xff at byte 0", "UTF-8", 1
    ),
    "UTF-16 without mark": Refused(
        TEXT.encode("utf-16-le"), "bad_encoding", "", "byte 0x00 at byte 1", "UTF-8", 1
    ),
    "Latin-1": Refused(
        swapped(("is easy", "naïve and easy")).replace("•", "-").encode("latin-1"), "bad_encoding",
        "", "byte 0xef at byte", "UTF-8", line_of("a nightly export is"),
    ),
    "bullets of Windows-1252": Refused(
        TEXT.encode("cp1252"), "bad_encoding", "", "byte 0x95 at byte", "UTF-8",
        LINES.index("  • run both paths for a week") + 1,
    ),
    "NUL in the title": Refused(
        swapped((TITLE, TITLE[:9] + "\0" + TITLE[9:])), "control_character", "title",
        "replacing\\x00", "without control", 3,
    ),
    "NUL in the source id": Refused(
        swapped(("alphanode-000417", "alphanode-\x00417")), "control_character", "key",
        "alphanode-\\x00417", "no control", line_of("  • source id"),
    ),
    "a title of a thousand characters": Refused(
        swapped((TITLE, "title " * 170)), "too_long", "title", "title title", "at most 300", 3
    ),
    "an image address that is none": Refused(
        swapped(("https://example.org/plans", "javascript:alert(1)//plans")), "bad_url",
        "image_sources[0].url", "javascript:", "an http or https URL",
        line_of("    • source: e") + 1,
    ),
    "an empty checklist item": Refused(
        TEXT[:-1700] + TEXT[-1700:].replace("  • compare the row counts", "  •", 1), "empty",
        "checklist[1]", "", "a text",
    ),
}  # fmt: skip

BODY = TEXT[: TEXT.index("alphanode post meta")]

READ = {
    "CRLF": Read(
        TEXT.replace("\n", "\r\n"), ["line_ends"], lambda r: "\r" not in r.snapshot.body
    ),
    "CR only": Read(TEXT.replace("\n", "\r"), ["line_ends"]),
    "byte order mark": Read("\ufeff" + TEXT, ["byte_order_mark"]),
    "no-break spaces": Read(
        TEXT.replace(" • ", "\u00a0•\u00a0"),
        ["no_break_space"],
        lambda r: r.snapshot.meta.stack == ("go services", "data pipelines", "go"),
    ),
    "hyphen bullets": Read(
        TEXT.replace("•", "-"), ["bullet", "bullet"], lambda r: len(r.snapshot.meta.checklist) == 3
    ),
    "star bullets": Read(TEXT.replace("•", "*"), ["bullet", "bullet"]),
    "middle dot bullets": Read(TEXT.replace("•", "·"), ["bullet", "bullet"]),
    "hyphens without the indent are prose": Read(
        swapped(("keep the old command", "- keep the old command")), [],
        lambda r: r"\- keep the old command" in r.snapshot.body,
    ),
    "spaces at line ends": Read(TEXT.replace("\n", "  \n"), []),
    "a final newline": Read(TEXT + "\n", []),
    "many blank lines": Read(TEXT.replace("\n\n", "\n\n\n\n"), []),
    "cut behind the payload": Read(
        cut("notes\n"), ["short_tail"], lambda r: r.snapshot.meta.notes == ()
    ),
    "cut in the word notes": Read(
        cut("tes\n  • the numbers"), ["short_tail"], lambda r: r.snapshot.meta.notes == ()
    ),
    "cut behind the notes": Read(
        NO_TAIL, ["short_tail"], lambda r: len(r.snapshot.meta.notes) == 2
    ),
    "cut in the tail's heading": Read(
        cut("ilar Posts"), ["short_tail"], lambda r: len(r.snapshot.meta.notes) == 2
    ),
    "keys in another order": Read(
        moved("score\n", "revision\n", "topicreplacing"), ["key_order"],
        lambda r: r.statistics.score.quality == 71 and r.snapshot.meta.topic != "",
    ),
    "no summary": Read(
        without("summarya", "ai outline"), [], lambda r: r.snapshot.meta.summary == ""
    ),
    "no topic and no summary": Read(
        without("topicreplacing", "ai outline"), [], lambda r: r.snapshot.meta.topic == ""
    ),
    "a list that is not the checklist": Read(
        swapped(("  • compare the row counts\n", "")), ["checklist_mismatch"]
    ),
    "a wrong paragraph count": Read(
        swapped(("paragraphs: 3", "paragraphs: 4")), ["paragraph_count"]
    ),
    "a flag that contradicts the figures": Read(
        swapped(("has images: 1", "has images: 0")), ["image_mismatch"],
        lambda r: r.snapshot.meta.flags.has_images is False,
    ),
    "another topic": Read(swapped(("topicreplacing a", "topicremoving a")), ["topic_mismatch"]),
    "a decomposed accent": Read(
        swapped(("easy to love", "easy to love, cafe\u0301")), [],
        lambda r: "café" in r.snapshot.lede,
    ),
    "a NUL in a paragraph": Read(
        swapped(("keep the old", "keep\0 the old")), ["control_removed"],
        lambda r: "keep the old" in r.snapshot.body,
    ),
    "a line separator in a paragraph": Read(
        swapped(("keep the old", "keep\u2028the old")), [],
        lambda r: "keep the old" in r.snapshot.body,
    ),
    "paragraphs without a blank line between": Read(
        swapped(("what is new.\n\n", "what is new.\n")), ["adjacent_lines"],
        lambda r: "what is new.\n\nthe receiving" in r.snapshot.body,
    ),
}  # fmt: skip


def test_there_are_more_than_forty_variants() -> None:
    assert len(REFUSED) + len(READ) >= 70


@pytest.mark.parametrize("name", REFUSED)
def test_damage_is_refused_with_place_value_and_expectation(name: str) -> None:
    wanted = REFUSED[name]

    record, problems = read_export(wanted.document)

    assert record is None
    found = [p for p in problems if (p.code, p.field) == (wanted.code, wanted.field)]
    assert len(found) == 1, problems
    problem = found[0]
    assert problem.severity == "error"
    assert wanted.value in problem.value
    assert wanted.expected in problem.expected
    assert problem.retryable is wanted.retryable
    assert problem.hint
    assert len(problem.value) <= 200
    if wanted.line is not None:
        assert problem.line == wanted.line
    else:
        assert problem.line > 0
    related = {"missing_section"} if wanted.code == "missing_title" else set()
    assert set(codes(problems, "error")) <= {wanted.code} | related, problems


@pytest.mark.parametrize("name", READ)
def test_damage_is_mended_and_said(name: str) -> None:
    wanted = READ[name]

    record, problems = read_export(wanted.document)

    assert record is not None, problems
    assert codes(problems) == wanted.codes
    assert record.key == "alphanode-000417"
    assert record.snapshot.title == TITLE
    assert wanted.check(record)


def test_all_problems_of_a_document_are_told_at_once() -> None:
    record, problems = read_export(
        swapped(
            ("reading time4", "reading timex"),
            ("quality: 71", "quality: 171"),
            ("2024-02-29", "2024-02-30"),
            ("has images: 1", "has images: 2"),
            ("https://example.org", "ftp://example.org"),
        )
    )

    assert record is None
    assert sorted(codes(problems, "error")) == [
        "bad_choice", "bad_date", "bad_int", "bad_url", "out_of_range"
    ]  # fmt: skip
    assert all(problem.line for problem in problems)


# --- Random damage ------------------------------------------------------------------------------

BYTES = [b"\0", b"\n", b"\r\n", b"  ", b"\xff", b"\xe2", b"\xe2\x80\xa2", b": ", b"notes", b"| |"]


def damaged(data: bytes, chance: random.Random) -> bytes:
    """Return the data after one to four random cuts, swaps, insertions and repeated lines."""
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(data) + 1)
        to = min(len(data), at + chance.randint(1, 200))
        kind = chance.randrange(7)
        if kind == 0:
            data = data[:at]
        elif kind == 1:
            data = data[:at] + data[to:]
        elif kind == 2:
            data = data[:at] + chance.choice(BYTES) + data[at:]
        elif kind == 3:
            data = data[:at] + data[at:to] + data[at:]
        elif kind == 4:
            lines = data.split(b"\n")
            one, other = chance.randrange(len(lines)), chance.randrange(len(lines))
            lines[one], lines[other] = lines[other], lines[one]
            data = b"\n".join(lines)
        elif kind == 5:
            lines = data.split(b"\n")
            lines.insert(chance.randrange(len(lines)), chance.choice(lines))
            data = b"\n".join(lines)
        elif at < len(data):
            data = data[:at] + bytes([chance.randrange(256)]) + data[at + 1 :]
    return data


def fuzz(count: int, seed: int) -> int:
    """Read damaged samples and return how many were accepted."""
    chance = random.Random(seed)
    reader = READERS["text-export"]
    accepted = 0
    for _ in range(count):
        data = damaged(TEXT.encode(), chance)
        raw = RawRecord(data, Position("fuzz", 1, 1, 0, len(data)))
        key = reader.key_of(raw)
        record, problems = validate(reader, raw)
        msgspec.json.encode(problems)
        if record is None:
            assert codes(problems, "error"), data
            assert all(p.code and p.expected and p.hint for p in problems if p.severity == "error")
            continue
        accepted += 1
        assert record.key
        assert record.snapshot.title
        assert key in (None, record.key), data
        last_reviewed = record.snapshot.meta.revision.last_reviewed
        assert last_reviewed == "" or is_date(last_reviewed)
    return accepted


def test_random_damage_never_escapes_as_an_exception() -> None:
    assert 0 < fuzz(3_000, 1) < 3_000


@pytest.mark.long
def test_much_random_damage_never_escapes_as_an_exception() -> None:
    assert 0 < fuzz(100_000, 2) < 100_000
