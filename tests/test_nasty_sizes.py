"""Sizes nobody expects, through the command: each is refused or kept, and the next one goes in."""

import gzip

import pytest
import zstandard

from posts.content import BODY_MAX
from posts.importing.records import RECORD_BYTES_MAX
from tests.nasty_inputs import (
    AFTER,
    BEFORE,
    Refused,
    Stored,
    assert_refused,
    between,
    check_line,
    import_posts,
    line,
)

pytestmark = pytest.mark.django_db

MIB = 2**20


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def raw(members):
    """Return a line whose last members are given as JSON."""
    return line().strip()[:-1] + b", " + members + b"}"


def distinct_words(size):
    return " ".join(f"w{number:06x}" for number in range(size // 8))


LINES = {
    "title of 1 MB": (line(title="t" * MIB), Refused("too_long", "title", "ttt", "300")),
    "body of no byte": (line(body=""), Stored((), lambda r: r.body == "")),
    "no body at all": (line(body=None), Stored((), lambda r: r.body == "")),
    "longest body": (
        line(body="é" * BODY_MAX), Stored((), lambda r: r.body == "é" * BODY_MAX)
    ),
    "body of 30 MiB": (line(body="wide " * (6 * MIB)), Refused("too_long", "body", "wide")),
    "1 MiB of distinct words": (
        line(body=distinct_words(MIB)), Stored((), lambda r: len(r.body) > MIB - 10)
    ),
    "lede of 1 MB": (line(lede="l" * MIB), Refused("too_long", "lede", "lll", "2,000")),
    "100,000 tags": (
        line(tags=[f"t{n}" for n in range(100_000)]), Refused("too_many", "tags", "100000", "200")
    ),
    "tag of 100 characters": (
        line(tags=["ß" * 100]), Stored((), lambda r: r.post.post_tags.count() == 1)
    ),
    "tag of 101 characters": (
        line(tags=["t" * 101]), Refused("too_long", "tags[0]", "ttt", "100")
    ),
    "tag longer in lower case": (
        line(tags=["\u0130" * 100]), Refused("too_long", "tags[0]", "\u0130", "in lower case")
    ),
    "10,000 images": (
        line(image_sources=[{"url": "https://example.org/a"}] * 10_000),
        Refused("too_many", "image_sources", "10000", "200"),
    ),
    "key of 5,000 bytes": (line("k" * 5_000), Refused("too_long", "key", "kkk", "200")),
    "key of 200 wide characters": (
        line("\U0001f9ea" * 200), Stored((), lambda r: len(r.post.imported.key) == 200)
    ),
    "nesting of 5,000": (
        raw(b'"more": ' + b"[" * 5_000 + b"]" * 5_000), Refused("bad_json", "", "", "levels")
    ),
    "nesting of 900": (
        raw(b'"more": ' + b"[" * 900 + b"]" * 900),
        Refused("too_deep", "more" + "[0]" * 8, "", "8 levels"),
    ),
    "number of ten million digits": (
        raw(b'"view_count": ' + b"9" * 10_000_000), Refused("bad_json", "", "digits", "a number")
    ),
    "unknown number of 4,000 digits": (
        raw(b'"odd": ' + b"9" * 4_000), Refused("out_of_range", "odd", "an integer of", "a number")
    ),
    "name of 99,000 characters": (
        line(**{"n" * 99_000: 1}), Refused("too_long", " (a name)", "nnn", "200")
    ),
    "unknown fields of 1 MB": (line(odd="o" * MIB), Refused("too_long", "extra", "", "100,000")),
    "100,000 unknown fields": (
        line(**{f"field{n}": n for n in range(100_000)}), Refused("too_long", "extra")
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LINES)
def test_line_of_nasty_size_between_good_ones(name, tmp_path):
    check_line(tmp_path, *LINES[name])


PACKED = {
    "plain": lambda data: data,
    "gzip bomb": gzip.compress,
    "zstd bomb": zstandard.compress,
}


@pytest.mark.parametrize("pack", PACKED)
def test_line_beyond_the_cap_is_one_reject_and_the_next_records_go_in(pack, tmp_path):
    size = RECORD_BYTES_MAX + 10 * MIB
    path = tmp_path / "nasty"
    path.write_bytes(PACKED[pack](between(b"\0" * size)))

    outcome = import_posts(path)

    wanted = Refused("record_too_large", "", f"{size + 1:,} bytes", f"{RECORD_BYTES_MAX:,}")
    assert_refused(outcome, [wanted], line=2, byte=len(line(BEFORE)))
    assert outcome.counts == {"created": 2, "rejected": 1}
    assert import_posts(path).counts == {"unchanged": 2, "rejected": 1}


def test_longest_line_that_is_a_record_is_read_as_one(tmp_path):
    path = tmp_path / "nasty.jsonl"
    blanks = RECORD_BYTES_MAX - len(line())
    path.write_bytes(between(line().strip()[:-1] + b" " * blanks + b"}"))

    assert import_posts(path).counts == {"created": 3}


def test_file_of_one_line_without_an_end_beyond_the_cap_is_one_reject(tmp_path):
    path = tmp_path / "nasty.jsonl"
    path.write_bytes(b'{"key": "n-1", "title": "' + b"x" * (RECORD_BYTES_MAX + MIB))
    (tmp_path / "good.jsonl").write_bytes(line(AFTER))

    outcome = import_posts(path, tmp_path / "good.jsonl")

    assert_refused(outcome, [Refused("record_too_large")], line=1, byte=0)
    assert outcome.counts == {"created": 1, "rejected": 1}


def test_text_export_beyond_the_cap_is_one_reject_beside_a_good_file(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "1").write_bytes(b"| |\n\n" + b"word " * (RECORD_BYTES_MAX // 5 + MIB))
    (tmp_path / "in" / "2").write_bytes(line(AFTER))

    outcome = import_posts(tmp_path / "in")

    assert_refused(outcome, [Refused("record_too_large")], line=1, byte=0)
    assert outcome.counts == {"created": 1, "rejected": 1}


def test_record_of_a_hundred_thousand_faults_tells_so_many_and_how_many_more(tmp_path):
    path = tmp_path / "nasty.jsonl"
    path.write_bytes(between(line(tags=list(range(100_000)))))

    outcome = import_posts(path)

    assert outcome.counts == {"created": 2, "rejected": 1}
    assert len(outcome.rejects) == 200
    assert {reject.code for reject in outcome.rejects} == {"bad_type"}
    assert (tmp_path / "rejects-notes.jsonl").stat().st_size < 200_000
