"""Inputs that are read more than once, and the names that keys are made of."""

import gzip
import os
import threading
import zlib
from pathlib import Path

import pytest
import zstandard

from posts.content import Problem
from posts.importing import classification, engine, formats
from posts.importing.formats import Input, InputError, jsonl, open_input, opening
from posts.importing.intake import Arrival
from posts.importing.records import Decoded, Position, RawRecord

TEXT = b"".join(b"line %d\n" % number for number in range(50_000))


def written(folder, data, name="a"):
    (folder / name).write_bytes(data)
    return Input(name, folder / name, len(data))


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstandard.compress])
def test_content_can_be_read_again(tmp_path, pack):
    data = pack(TEXT)
    with open_input(written(tmp_path, data)) as content:
        stream = content.rereadable()
        first = stream.read()
        assert content.taken == len(data)
        stream.seek(100)
        assert stream.read(50) == TEXT[100:150]
        stream.seek(0)
        assert content.taken < len(data)
        assert first == stream.read() == TEXT


def test_pipe_can_be_read_again(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=(TEXT,))
    writer.start()
    with open_input(Input("pipe", path)) as content:
        stream = content.rereadable()
        assert stream.read() == TEXT
        stream.seek(0)
        assert stream.read() == TEXT
    writer.join()


def test_damage_is_told_each_time_the_end_is_met(tmp_path):
    with open_input(written(tmp_path, gzip.compress(TEXT)[:-500])) as content:
        stream = content.rereadable()
        for _ in range(2):
            stream.seek(0)
            got = stream.read(100_000)
            assert TEXT.startswith(got)
            with pytest.raises(InputError, match="truncated_input"):
                list(iter(lambda: stream.read1(4096), b""))


def test_bomb_is_refused_before_it_fills_the_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(opening, "_BOMB_BYTES", 2**20)
    packer = zlib.compressobj(wbits=31)
    data = b"".join(packer.compress(bytes(2**20)) for _ in range(256)) + packer.flush()

    with open_input(written(tmp_path, data)) as content:
        with pytest.raises(InputError, match="compression_bomb"):
            content.rereadable()
        assert content.taken < len(data) / 2


def test_content_beyond_the_bound_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(opening, "SPOOL_BYTES_MAX", 100_000)

    with (
        open_input(written(tmp_path, gzip.compress(TEXT))) as content,
        pytest.raises(InputError, match="input_too_large"),
    ):
        content.rereadable()


# --- Names ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("as_named", ["in", "in/", "./in", "in/../in//"])
def test_member_is_the_path_within_the_folder_that_was_named(tmp_path, monkeypatch, as_named):
    monkeypatch.chdir(tmp_path)
    for name in ("in/b.md", "in/a/one.md", "in/1:2/x"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")

    found = [(one.member, one.is_member) for one in formats.inputs([as_named])]

    assert found == [("1:2/x", True), ("a/one.md", True), ("b.md", True)]
    assert all(Path(one.file).exists() for one in formats.inputs([as_named]))


def test_member_of_what_was_named_itself_is_its_own_name(tmp_path):
    path = tmp_path / "1:a.md"
    path.write_bytes(b"x")

    found = [(one.member, one.is_member) for one in formats.inputs([str(path), "-", "missing/x"])]

    assert found == [("1:a.md", False), ("-", False), ("x", False)]


# --- What is no post ------------------------------------------------------------------------------


def left_out(kind):
    return Problem(
        code="not_a_post", field="type", value=kind, expected="a post", severity="filtered"
    )


class Kinds:
    """A reader of lines that are kinds: a post is one, everything else is filtered on the way."""

    NAME = "kinds"
    REREADS = False

    def key_of(self, raw):
        return raw.raw.decode()

    def decode(self, raw):
        kind = raw.raw.decode()
        problems = () if kind == "post" else (left_out(kind),)
        return Decoded({"key": kind, "title": "A post"}, problems)


def arrivals(*kinds, early=False):
    for number, kind in enumerate(kinds, start=1):
        at = Position("f", number, number, number, number + 1)
        problems = (left_out(kind),) if early and kind != "post" else ()
        yield Arrival(0, RawRecord(kind.encode(), at, problems), Kinds())


@pytest.mark.django_db
@pytest.mark.parametrize("early", [True, False], ids=["by the reader", "by the decoder"])
def test_what_is_no_post_is_counted_by_kind_and_not_stored(early):
    kinds = ("post", "attachment", "attachment", "menu", "no\x1bword")

    progress = engine.run_import(
        arrivals(*kinds, early=early), options=engine.Options(source="notes")
    )

    assert progress.counts == {"created": 1, "filtered": 4}
    assert {kind: n for (severity, kind), n in progress.findings.items()} == {
        "not_a_post: attachment": 2,
        "not_a_post: menu": 1,
        "not_a_post": 1,
    }


@pytest.mark.django_db
def test_made_up_kinds_do_not_fill_the_memory():
    progress = engine.run_import(
        arrivals(*(f"kind-{number}" for number in range(1_000)), early=True),
        options=engine.Options(source="notes", dry_run=True),
    )

    assert len(progress.findings) <= engine.KINDS_MAX + 1
    assert sum(progress.findings.values()) == 1_000


def test_error_outweighs_what_is_no_post():
    at = Position("f", 1, 1, 0, 4)
    error = Problem(code="bad_json", value="x", expected="y")
    item = classification.arrived(Arrival(0, RawRecord(b"menu", at, (error, left_out("x"))), jsonl))

    assert item.outcome == classification.REJECTED
