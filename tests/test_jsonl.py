"""JSON Lines: every field, every way a line can be broken, and the inputs lines come from."""

from __future__ import annotations

import gzip
import io
import json
import os
import random
import sys
from pathlib import Path

import msgspec
import pytest
import zstandard

from posts.content import Flags, Image, Label, Outline, Payload, Score, Statistics, digest
from posts.importing.formats import (
    READERS,
    Input,
    InputError,
    inputs,
    jsonl,
    opened,
    records,
    sniff,
)
from posts.importing.records import RECORD_BYTES_MAX, validate
from tests.importing_samples import codes, line_fields, read, read_line

LINE = json.dumps(line_fields()).encode()


def test_every_field_is_read() -> None:
    record, problems = read_line(line_fields())

    assert problems == []
    assert record is not None
    assert (record.key, record.slug) == ("alphanode-000417", "replacing-a-nightly-export")
    assert record.statistics == Statistics(
        reading_time=4, view_count=20519, score=Score(71, 64, 58, 90)
    )
    meta = record.snapshot.meta
    assert meta.ai_outline == Outline("for a team", "Plan", "Go", "switch")
    assert meta.revision == Label("reviewed", "1.4.2", "2024-02-29")
    assert meta.flags == Flags(True, True, False, True)
    assert meta.payload == Payload("alphanode-000417", "sample", 2, "for a team", 417)
    assert meta.image_sources[0] == Image(
        "example.org",
        "https://example.org/plan.png",
        "Plan with Go visual reference 1",
        "two arrows",
    )
    assert meta.tags == ("exports", "streams")
    assert meta.language == "en"
    assert meta.extra == {}


def test_key_and_title_are_enough() -> None:
    record, problems = read_line({"key": "a", "title": "b", "lede": None, "score": None})

    assert record is not None
    assert problems == []
    assert record.slug is None


def test_unknown_fields_and_members_are_kept() -> None:
    record, problems = read_line(
        line_fields(
            mood="calm",
            score={"quality": 1, "luck": 7},
            entities=[{"name": "Go", "type": "stack", "rank": 2}],
        )
    )

    assert record is not None
    assert record.snapshot.meta.extra == {
        "entities": {"1": {"rank": 2}},
        "mood": "calm",
        "score": {"luck": 7},
    }
    assert codes(problems) == ["unknown_member"] * 3
    assert {problem.severity for problem in problems} == {"warning"}
    assert [problem.field for problem in problems] == ["entities", "mood", "score.luck"]


def test_an_extra_map_is_taken_as_the_unknown_fields_of_an_export() -> None:
    record, problems = read_line(line_fields(extra={"mood": "calm"}))

    assert record is not None
    assert record.snapshot.meta.extra == {"mood": "calm"}
    assert problems == []


@pytest.mark.parametrize(
    ("line", "code", "shown"),
    [
        (b"{", "bad_json", "{"),
        (b'{"key": "a", }', "bad_json", '{"key": "a", }'),
        (b'{"key": "a"} {"key": "b"}', "bad_json", "{"),
        (b'{"key": "a", "title": "b', "bad_json", ""),
        (b'{"key": "a", "view_count": NaN}', "bad_json", "NaN"),
        (b'{"key": "a", "view_count": -Infinity}', "bad_json", "-Infinity"),
        (b'{"key": "a", "title": "x\ty"}', "bad_json", "x\\ty"),
        (b'{"key": "a", "key": "b", "title": "t"}', "duplicate_key_name", "key"),
        (b'{"key": "a", "score": {"depth": 1, "depth": 2}}', "duplicate_key_name", "depth"),
        (b'{"key": "a", "title": "caf\xe9"}', "bad_encoding", "byte 0xe9 at byte 26"),
        (b'{"key": "a", "title": "\xc0\xaf"}', "bad_encoding", "byte 0xc0 at byte 23"),
        (b'{"key": "a", "title": "\xed\xa0\x80"}', "bad_encoding", "byte 0xed at byte 23"),
        (b'{"key": "a", "title": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "bad_json", '{"key"'),
        (b'{"key": "a", "title": "t", "view_count": ' + b"9" * 5_000 + b"}", "bad_json", "digits"),
        (b"[]", "json_array", "[]"),
        (b"7", "bad_type", "7"),
        (b'"text"', "bad_type", "text"),
        (b"null", "bad_type", "None"),
        (b"\x00" * 40, "bad_json", "\\x00"),
        (b"\xef\xbb\xbf\xef\xbb\xbf{}", "bad_json", "\ufeff"),
    ],
)  # fmt: skip
def test_a_line_that_is_no_object_is_refused(line: bytes, code: str, shown: str) -> None:
    first, second = read(line + b"\n" + LINE, "jsonl")

    assert first[0] is None
    assert codes(first[1]) == [code]
    assert shown in first[1][0].value
    assert first[1][0].expected
    assert first[1][0].hint
    assert first[1][0].retryable is False
    assert jsonl.key_of(first[2]) in (None, "a", "b")
    assert second[0] is not None
    assert second[2].position.line == 2


def test_bad_json_tells_the_character() -> None:
    _, (problem,) = read_line('{"key": "a", "title": oops}')

    assert "character 23 of the line" in problem.expected


def test_bad_encoding_tells_the_byte_of_the_file() -> None:
    (_, (_, problems, _)) = read(LINE + b"\n" + b'{"key": "\xff"}', "jsonl")

    assert f"at byte {len(LINE) + 1 + 9} of the file" in problems[0].value


@pytest.mark.parametrize("field", ["title", "body", "mood"])
def test_lone_surrogates_are_refused(field: str) -> None:
    line = json.dumps(line_fields(**{field: "x"})).replace(
        f'"{field}": "x"', f'"{field}": "\\ud800"'
    )
    record, problems = read_line(line)

    assert record is None
    assert codes(problems, "error") == ["bad_character"]
    assert problems[-1].field == field or problems[0].field == field


def test_an_awkward_name_cannot_break_a_report() -> None:
    record, problems = read_line(
        '{"key": "a", "title": "t", "\\ud800": 1, "\\u001b[2J": 2, "' + "x" * 900 + '": 3}'
    )

    assert record is None
    assert {"bad_character", "control_character", "too_long"} <= set(codes(problems, "error"))
    assert msgspec.json.encode(problems).isascii()
    assert all(len(problem.field) <= 200 for problem in problems)


def test_deep_unknown_values_are_refused() -> None:
    record, problems = read_line(line_fields(mood=json.loads("[" * 300 + "]" * 300)))

    assert record is None
    assert codes(problems, "error") == ["too_deep"]


def test_line_separators_inside_a_value_split_nothing() -> None:
    body = "a\u2028b\u2029c\u0085d"
    ((record, problems, _),) = read(
        json.dumps(line_fields(summary=body), ensure_ascii=False).encode(), "jsonl"
    )

    assert record is not None
    assert record.snapshot.meta.summary == "a\u2028b\u2029cd"
    assert codes(problems) == ["control_removed"]


def test_blank_lines_line_ends_and_a_missing_last_newline() -> None:
    found = read(b"\n\r\n" + LINE + b"\r\n   \n\t\n" + LINE, "jsonl")

    positions = [raw.position for _, _, raw in found]
    assert [(p.record, p.line) for p in positions] == [(1, 3), (2, 6)]
    assert positions[0].byte == 3
    assert positions[1].end == 3 + len(LINE) + 2 + 4 + 2 + len(LINE)
    assert all(record is not None for record, _, _ in found)


def test_byte_order_mark_at_the_start_is_mended() -> None:
    ((record, problems, raw),) = read(b"\xef\xbb\xbf" + LINE, "jsonl")

    assert record is not None
    assert codes(problems) == ["byte_order_mark"]
    assert problems[0].severity == "repair"
    assert jsonl.key_of(raw) == record.key


def test_byte_order_mark_in_the_middle_is_refused() -> None:
    (_, (record, (problem,), _)) = read(LINE + b"\n\xef\xbb\xbf" + LINE, "jsonl")

    assert record is None
    assert problem.code == "bad_json"
    assert "byte order mark" in problem.hint


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"[\n" + LINE + b",\n" + LINE + b"\n]\n", "json_array"),
        (b"[" + LINE + b",\n" + LINE + b"]", "json_array"),
        (b"[" + LINE + b"," + LINE + b"]", "json_array"),
        ((LINE + b"\n" + LINE).decode().encode("utf-16"), "bad_encoding"),
    ],
)
def test_a_file_that_is_not_json_lines_yields_one_reject(data: bytes, code: str) -> None:
    ((record, (problem,), raw),) = read(data, "jsonl")

    assert record is None
    assert problem.code == code
    assert problem.hint
    assert jsonl.key_of(raw) is None


def test_an_oversized_line_is_one_reject_and_reading_goes_on() -> None:
    class Endless(io.RawIOBase):
        """64 MiB of one line between two good ones, never held as a whole."""

        def __init__(self) -> None:
            self.parts = iter([LINE + b"\n", *[b"x" * 2**20] * 64, b"\n" + LINE])

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
            if not getattr(self, "left", b""):
                self.left = next(self.parts, b"")
            part, self.left = self.left[: len(buffer)], self.left[len(buffer) :]
            buffer[: len(part)] = part
            return len(part)

    raws = list(jsonl.records(io.BufferedReader(Endless()), Input("big", None)))

    assert [raw.position.record for raw in raws] == [1, 2, 3]
    assert [raw.position.line for raw in raws] == [1, 2, 3]
    assert len(raws[1].raw) <= 1024
    assert raws[1].position.end - raws[1].position.byte == 64 * 2**20 + 1
    record, (problem,) = validate(READERS["jsonl"], raws[1])
    assert record is None
    assert problem.code == "record_too_large"
    assert f"{RECORD_BYTES_MAX:,}" in problem.expected
    assert problem.hint
    assert validate(READERS["jsonl"], raws[2])[0] is not None


def test_reading_goes_on_behind_a_position() -> None:
    data = b"\n".join(
        json.dumps(line_fields(key=f"k{n}", payload=None, reference=None)).encode()
        for n in range(5)
    )
    all_ = list(jsonl.records(io.BytesIO(data), Input("f", None)))
    stream = io.BytesIO(data)
    stream.seek(all_[1].position.end)

    assert list(jsonl.records(stream, Input("f", None), all_[1].position)) == all_[2:]


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("plain", "plain"),
        (" padded ", "padded"),
        ("cafe\u0301", "caf\u00e9"),
        ("", None),
        ("x" * 201, None),
        ("a\u0000b", None),
        (7, None),
        (None, None),
    ],
)
def test_key_of_agrees_with_validate(key: object, expected: str | None) -> None:
    ((record, _, raw),) = read(json.dumps({"title": "t", "key": key}).encode(), "jsonl")

    assert jsonl.key_of(raw) == expected
    assert (record.key if record else None) == expected


# --- Inputs ---------------------------------------------------------------------------------------


def read_path(path: Path | str, format_name: str = "auto") -> list[object]:
    """Return keys of records and codes of rejects for all inputs a path stands for."""
    found: list[object] = []
    for source in inputs([str(path)]):
        with opened(source, format_name) as ready:
            if ready.reader is None:
                found.append("filtered")
            for raw in records(ready):
                assert ready.reader is not None
                record, problems = validate(ready.reader, raw)
                found.append(record.key if record else codes(problems))
    return found


KEYS = [f"k{number:05d}" for number in range(3_000)]
NOISE = random.Random(5)
MANY = b"".join(
    json.dumps({"key": key, "title": "t", "body": NOISE.randbytes(30).hex()}).encode() + b"\n"
    for key in KEYS
)


@pytest.mark.parametrize(
    "packed",
    [
        MANY,
        gzip.compress(MANY),
        gzip.compress(MANY[:5_000]) + gzip.compress(MANY[5_000:]),
        gzip.compress(MANY) + b"\0" * 512,
        zstandard.compress(MANY),
        zstandard.compress(MANY[:5_000]) + zstandard.compress(MANY[5_000:]),
    ],
    ids=["plain", "gzip", "gzip members", "gzip padding", "zstd", "zstd frames"],
)
def test_compressed_input_reads_the_same_whatever_its_name(tmp_path: Path, packed: bytes) -> None:
    (tmp_path / "posts.data").write_bytes(packed)

    assert read_path(tmp_path / "posts.data") == KEYS


@pytest.mark.parametrize("compress", [gzip.compress, zstandard.compress], ids=["gzip", "zstd"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.999])
def test_cut_compressed_input_yields_all_whole_records_then_says_so(
    tmp_path: Path, compress: object, share: float
) -> None:
    packed = compress(MANY)  # type: ignore[operator]
    path = tmp_path / "posts.jsonl.packed"
    path.write_bytes(packed[: int(len(packed) * share)])

    found = read_path(path, "jsonl")

    assert found[:-1] == KEYS[: len(found) - 1]
    assert found[-1] == ["truncated_input"]
    (source,) = inputs([str(path)])
    with opened(source, "jsonl") as ready:
        last = list(records(ready))[-1]
    assert last.problems[0].retryable is True


def test_a_gzip_cut_in_its_checksum_keeps_every_record(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(gzip.compress(MANY)[:-4])

    assert read_path(tmp_path / "a") == [*KEYS, ["truncated_input"]]


@pytest.mark.parametrize(
    "compress",
    [gzip.compress, zstandard.ZstdCompressor(write_checksum=True).compress],
    ids=["gzip", "zstd"],
)
def test_corrupt_compression_is_said(tmp_path: Path, compress: object) -> None:
    packed = bytearray(compress(MANY))  # type: ignore[operator]
    packed[len(packed) // 2 : len(packed) // 2 + 50] = b"\xaa" * 50
    (tmp_path / "a").write_bytes(bytes(packed))

    found = read_path(tmp_path / "a", "jsonl")

    assert found[-1] == ["corrupt_input"]


def test_garbage_behind_a_gzip_is_said(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(gzip.compress(MANY) + b"garbage behind it")

    assert read_path(tmp_path / "a") == [*KEYS, ["corrupt_input"]]


def test_a_folder_is_all_its_files_in_order_without_hidden_ones(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / ".git").mkdir()
    for name, key in {
        "b/2": "two",
        "a": "one",
        "c": "three",
        ".hidden": "x",
        ".git/x": "y",
    }.items():
        (tmp_path / name).write_text(json.dumps({"key": key, "title": "t"}))
    (tmp_path / "readme").write_text("not a post\n")
    os.symlink(tmp_path, tmp_path / "loop")

    assert read_path(tmp_path) == ["one", "two", "three", "filtered"]
    assert read_path(tmp_path, "text-export") == ["filtered"] * 4


def test_a_file_named_by_itself_is_read_in_the_named_format(tmp_path: Path) -> None:
    (tmp_path / "readme").write_text("not a post\n")

    assert read_path(tmp_path / "readme", "jsonl") == [["bad_json"]]
    with pytest.raises(InputError) as refused:
        read_path(tmp_path / "readme")
    assert refused.value.problem.code == "unknown_format"
    assert "text-export" in refused.value.problem.expected


def test_a_missing_file_is_an_input_error_that_can_be_retried(tmp_path: Path) -> None:
    with pytest.raises(InputError) as refused:
        read_path(tmp_path / "nothing")

    assert refused.value.problem.code == "unreadable_input"
    assert refused.value.problem.retryable is True


@pytest.mark.parametrize("packed", [MANY, gzip.compress(MANY)], ids=["plain", "gzip"])
def test_standard_input_is_read(monkeypatch: pytest.MonkeyPatch, packed: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(packed)))

    assert read_path("-") == KEYS


def test_progress_counts_stored_bytes(tmp_path: Path) -> None:
    packed = gzip.compress(MANY)
    (tmp_path / "a").write_bytes(packed)
    source = Input("a", tmp_path / "a")

    with opened(source) as ready:
        assert ready.content.taken < len(packed)
        assert len(list(records(ready))) == len(KEYS)
        assert ready.content.taken == len(packed)


def test_records_behind_a_position_are_read_from_compressed_input(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(gzip.compress(MANY))
    source = Input("a", tmp_path / "a")
    with opened(source) as ready:
        all_ = list(records(ready))
    with opened(source) as ready:
        assert list(records(ready, all_[1_999].position)) == all_[2_000:]


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b' \n{"key": 1}', "jsonl"),
        (b'\xef\xbb\xbf{"key": 1}', "jsonl"),
        (b"[\n  {", "jsonl"),
        ('{"key": 1}'.encode("utf-16"), "jsonl"),
        (b"| |\n\ntitle\n", "text-export"),
        (b"[link](x) and text", None),
        (b"", None),
    ],
)
def test_formats_are_told_by_content(head: bytes, name: str | None) -> None:
    assert sniff("misleading.txt", head) == name


# --- Random damage ------------------------------------------------------------------------------


def fuzz(count: int, seed: int) -> int:
    chance = random.Random(seed)
    accepted = 0
    pieces = [
        b'"',
        b"\\",
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b":",
        b"null",
        b"1e999",
        b"\\ud800",
        b"\0",
        b"\xff",
        b"-",
    ]
    for _ in range(count):
        data = LINE
        for _ in range(chance.randint(1, 4)):
            at = chance.randrange(len(data) + 1)
            to = min(len(data), at + chance.randint(1, 60))
            data = chance.choice(
                [data[:at], data[:at] + data[to:], data[:at] + chance.choice(pieces) + data[to:],
                 data[:at] + chance.choice(pieces) + data[at:], data[:at] + data[at:to] + data[at:]]
            )  # fmt: skip
        for record, problems, raw in read(data, "jsonl"):
            msgspec.json.encode(problems)
            if record is None:
                assert codes(problems, "error"), data
                continue
            accepted += 1
            assert record.key
            assert record.snapshot.title
            assert jsonl.key_of(raw) in (None, record.key)
            digest(record.snapshot)
    return accepted


def test_random_damage_never_escapes_as_an_exception() -> None:
    assert 0 < fuzz(3_000, 1) < 3_000


@pytest.mark.long
def test_much_random_damage_never_escapes_as_an_exception() -> None:
    assert 0 < fuzz(100_000, 2) < 100_000
