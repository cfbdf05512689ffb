"""Inputs of a nasty structure: lines, files and compression.

Everything goes through the command; what is sound beside the damage goes in, and nothing is left
out without being counted.
"""

import csv
import gzip
import io
import json
import os
import zipfile

import pytest
import zstandard

from posts.models import ImportedPost
from tests.nasty_inputs import (
    AFTER,
    Refused,
    Stored,
    archive,
    assert_refused,
    check_line,
    import_posts,
    line,
    told,
)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "in"
    made.mkdir()
    return made


def raw(members):
    """Return a line whose last members are given as JSON."""
    return line().strip()[:-1] + b", " + members + b"}"


def stored_keys():
    return sorted(ImportedPost.objects.values_list("key", flat=True))


# --- Lines --------------------------------------------------------------------------------------

LINES = {
    "trailing comma in an object": (raw(b'"odd": 1,'), Refused("bad_json", "", '"odd": 1,}')),
    "trailing comma behind a record": (line().strip() + b",", Refused("bad_json", "", "},")),
    "two records on a line": (
        line().strip() + line("n-2"), Refused("bad_json", "", "n-2", "Extra")
    ),
    "array of records on a line": (b"[" + line().strip() + b"]", Refused("json_array", "", "[")),
    "number instead of a record": (b"7", Refused("bad_type", "", "7", "one JSON object")),
    "single quotes": (b"{'key': 'n-1'}", Refused("bad_json", "", "{'key'")),
    "comment": (b"// " + line().strip(), Refused("bad_json", "", "// ")),
    "NaN": (raw(b'"view_count": NaN'), Refused("bad_json", "", "NaN", "NaN is not JSON")),
    "Infinity": (raw(b'"odd": Infinity'), Refused("bad_json", "", "Infinity", "is not JSON")),
    "1e400 as a number of the site": (
        raw(b'"view_count": 1e400'), Refused("bad_int", "view_count", "inf", "integer 0..")
    ),
    "1e400 as an unknown number": (raw(b'"odd": 1e400'), Refused("out_of_range", "odd", "inf")),
    "1e-400 as an unknown number": (
        raw(b'"odd": 1e-400'), Stored(("unknown_member",), lambda r: r.meta["extra"] == {"odd": 0})
    ),
    "name twice": (
        raw(b'"title": "Other"'), Refused("duplicate_key_name", "title", "title", "each name once")
    ),
    "name twice, spelled with an escape": (
        raw(rb'"t\u0069tle": "Other"'), Refused("duplicate_key_name", "title")
    ),
    "name twice, far down": (
        raw(b'"odd": {"a": [{"b": 1, "b": 2}]}'), Refused("duplicate_key_name", "b")
    ),
    "key that is a number": (line(7), Refused("bad_type", "key", "7", "a text")),
    "key that is null": (line(None), Refused("missing_key", "key")),
    "key that is a list": (line(["n-1"]), Refused("bad_type", "key", "['n-1']", "a text")),
    "title that is null": (line(title=None), Refused("missing_title", "title")),
    "body that is a map": (line(body={"a": 1}), Refused("bad_type", "body", "{'a': 1}", "a text")),
    "tags that are a text": (line(tags="a, b"), Refused("bad_type", "tags", "a, b", "a list")),
    "tags that are null": (raw(b'"tags": null'), Stored()),
}  # fmt: skip


@pytest.mark.parametrize("name", LINES)
def test_line_of_nasty_structure_between_good_ones(name, tmp_path):
    check_line(tmp_path, *LINES[name])


def test_empty_object_tells_everything_it_lacks(tmp_path):
    (tmp_path / "nasty.jsonl").write_bytes(line("n-0") + b"{}\n" + line(AFTER))

    outcome = import_posts(tmp_path / "nasty.jsonl")

    assert_refused(outcome, [Refused("missing_key", "key"), Refused("missing_title", "title")])
    assert outcome.counts == {"created": 2, "rejected": 1}


# --- Files ----------------------------------------------------------------------------------------

TEN = [line(f"n-{number}", body=os.urandom(300).hex()) for number in range(10)]
TEN_KEYS = [f"n-{number}" for number in range(10)]
ALL = b"".join(TEN)
UNKNOWN = Refused("unknown_format", "", "nasty", "jsonl, text-export")


def zipped():
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as file:
        file.writestr("a.jsonl", ALL)
    return data.getvalue()


def comma_separated(delimiter=","):
    text = io.StringIO()
    rows = csv.writer(text, delimiter=delimiter)
    rows.writerows([["key", "title"], ["n-1", 'An "unclosed'], ["n-2", "B"]])
    return text.getvalue().encode()


#: name -> bytes, rejects, keys that go in
FILES = {
    "JSON array over lines": (
        b"[\n" + b",\n".join(row.strip() for row in TEN) + b"\n]\n", [Refused("json_array")], []
    ),
    "JSON array on one line": (
        b"[" + b",".join(row.strip() for row in TEN) + b"]\n", [Refused("json_array")], []
    ),
    "JSON object over lines": (
        json.dumps(json.loads(line()), indent=1).encode(), [Refused("bad_json")] * 5, []
    ),
    "comma separated": (comma_separated(), [], ["n-1", "n-2"]),
    "semicolon separated": (comma_separated(";"), [], ["n-1", "n-2"]),
    "feed of nothing": (
        b"<?xml version='1.0'?><rss><channel/></rss>", [Refused("unreadable_feed")], []
    ),
    "XML": (b"<?xml version='1.0'?><tides><ebb/></tides>", [UNKNOWN], []),
    "picture": (b"\x89PNG\r\n\x1a\n" + bytes(range(256)), [UNKNOWN], []),
    "zip archive": (zipped(), [UNKNOWN], []),
    "gzip in gzip": (gzip.compress(gzip.compress(ALL)), [UNKNOWN], []),
    "gzip of nothing": (gzip.compress(b""), [UNKNOWN], []),
    "gzip of several members": (b"".join(map(gzip.compress, TEN)), [], TEN_KEYS),
    "gzip with padding": (gzip.compress(ALL) + bytes(512), [], TEN_KEYS),
    "gzip with garbage behind it": (
        gzip.compress(ALL) + b"garbage", [Refused("corrupt_input", "", "", "sound gzip")], TEN_KEYS
    ),
    "gzip cut in the second member": (
        gzip.compress(ALL) + gzip.compress(line(AFTER))[:20],
        [Refused("truncated_input", "", "gzip data ends early")],
        TEN_KEYS,
    ),
    "gzip cut in its header": (
        gzip.compress(ALL)[:5], [Refused("truncated_input", "", "gzip data ends early")], []
    ),
    "gzip with a damaged header": (
        gzip.compress(ALL)[:2] + b"\xff" * 40, [Refused("corrupt_input", "", "")], []
    ),
    "zstd of several frames": (b"".join(map(zstandard.compress, TEN)), [], TEN_KEYS),
    "zstd cut in its header": (
        zstandard.compress(ALL)[:6], [Refused("truncated_input", "", "zstd data ends early")], []
    ),
    "zstd cut inside a frame": (
        zstandard.compress(ALL) + zstandard.compress(line(AFTER))[:20],
        [Refused("truncated_input", "", "zstd data ends early")],
        TEN_KEYS,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_nasty_file_named_by_itself(name, tmp_path):
    data, refused, keys = FILES[name]
    (tmp_path / "nasty").write_bytes(data)
    (tmp_path / "good").write_bytes(line(AFTER))

    first = import_posts(tmp_path / "nasty", tmp_path / "good")

    assert told_codes(first) == [(one.code, one.field) for one in refused], told(first.rejects)
    assert stored_keys() == sorted([*keys, AFTER])
    if refused:
        assert_refused(first, refused)
        assert {reject.is_retryable for reject in first.rejects} == {
            refused[0].code == "truncated_input"
        }
    before = archive()
    second = import_posts(tmp_path / "nasty", tmp_path / "good")
    assert second.told["created"] == 0
    assert told(second.rejects) == told(first.rejects)
    assert archive() == before


@pytest.mark.parametrize("name", FILES)
def test_nasty_file_in_a_folder_is_read_refused_or_counted_as_a_stranger(name, folder):
    data, refused, keys = FILES[name]
    (folder / "1").write_bytes(data)
    (folder / "2").write_bytes(line(AFTER))

    outcome = import_posts(folder)

    is_stranger = refused == [UNKNOWN]
    assert outcome.told["filtered"] == int(is_stranger)
    assert told_codes(outcome) == [(r.code, r.field) for r in refused if not is_stranger]
    assert stored_keys() == sorted([*keys, AFTER])


def told_codes(outcome):
    return [(reject.code, reject.field) for reject in outcome.rejects]


def test_zstd_cut_between_two_frames_cannot_be_seen_and_is_caught_by_a_number(tmp_path, capsys):
    (tmp_path / "cut.zst").write_bytes(b"".join(map(zstandard.compress, TEN[:6])))

    outcome = import_posts(tmp_path / "cut.zst", expect=10)

    assert outcome.code == 1
    assert "Expected 10 records and read 6" in outcome.err
    assert stored_keys() == TEN_KEYS[:6]
    (tmp_path / "cut.zst").write_bytes(b"".join(map(zstandard.compress, TEN)))
    assert import_posts(tmp_path / "cut.zst", expect=10).counts == {"created": 4, "unchanged": 6}
