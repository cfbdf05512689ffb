"""The rules that every format keeps, run over each reader with its sample in `tests/data/<name>/`.

A new format is held to them as soon as it stands in `READERS`: nothing has to be added here.
"""

import gzip
import io
import json
import shutil
from pathlib import Path

import pytest
from django.core.management import call_command

from posts.importing import formats
from posts.importing.export import canonical_lines
from posts.importing.formats import READERS
from posts.importing.records import is_filtered, is_refused, validate
from tests import fuzzing_formats

DATA = Path(__file__).parent / "data"

every_format = pytest.mark.parametrize("name", READERS)


def files_of(name):
    return list(formats.inputs([str(DATA / name)]))


def read(source, format_name, after=None):
    """Return the records of an input as an import gets them."""
    with formats.opened(source, format_name) as ready:
        return list(formats.records(ready, after))


def records_of(name):
    return [(source, raw) for source in files_of(name) for raw in read(source, name)]


@every_format
def test_reader_has_its_members_and_a_sample(name):
    reader = READERS[name]

    assert name == reader.NAME
    assert isinstance(reader.REREADS, bool)
    for member in ("matches", "records", "key_of", "decode"):
        assert callable(getattr(reader, member))
    assert any(validate(reader, raw)[0] for _, raw in records_of(name))


@every_format
def test_sample_is_taken_for_its_format(name):
    for source in files_of(name):
        with formats.opened(source) as ready:
            assert ready.reader is READERS[name], source.file


@every_format
def test_reading_again_gives_the_same(name):
    assert records_of(name) == records_of(name)


@every_format
def test_other_format_is_not_claimed(name):
    """Each sample is recognised by one reader only, or by the first of those that are asked."""
    others = [source for other in READERS if other != name for source in files_of(other)]

    for source in others:
        with formats.opened(source) as ready:
            assert ready.reader is not READERS[name], source.file


@every_format
def test_positions_rise(name):
    for source in files_of(name):
        last, end = 0, 0
        for raw in read(source, name):
            at = raw.position
            assert at.file == source.file
            assert at.record == last + 1
            assert at.line >= 1
            assert end <= at.byte <= at.end
            last, end = at.record, at.end


@every_format
def test_reading_goes_on_behind_any_record(name):
    for source in files_of(name):
        whole = read(source, name)
        for number, raw in enumerate(whole, start=1):
            assert read(source, name, after=raw.position) == whole[number:]


@every_format
def test_key_is_known_without_decoding(name):
    reader = READERS[name]
    known = []
    for _, raw in records_of(name):
        if is_refused(raw.problems) or is_filtered(raw.problems):
            continue
        record, _ = validate(reader, raw)
        if record is not None:
            assert reader.key_of(raw) == record.key
            known.append(record.key)

    assert len(set(known)) == len(known) > 0


@every_format
def test_records_do_not_depend_on_where_the_folder_lies(name, tmp_path):
    shutil.copytree(DATA / name, tmp_path / "elsewhere")

    moved = [
        raw.raw
        for source in formats.inputs([str(tmp_path / "elsewhere")])
        for raw in read(source, name)
    ]

    assert moved == [raw.raw for _, raw in records_of(name)]


@every_format
def test_compressed_input_gives_the_same_records(name, tmp_path):
    shutil.copytree(DATA / name, tmp_path / name)
    for path in (path for path in (tmp_path / name).rglob("*") if path.is_file()):
        path.write_bytes(gzip.compress(path.read_bytes()))

    packed = [
        (raw.raw, raw.position.byte, raw.problems)
        for source in formats.inputs([str(tmp_path / name)])
        for raw in read(source, name)
    ]

    assert packed == [(raw.raw, raw.position.byte, raw.problems) for _, raw in records_of(name)]


@every_format
def test_empty_input_has_no_record(name, tmp_path):
    (tmp_path / "empty").write_bytes(b"")
    (source,) = formats.inputs([str(tmp_path / "empty")])

    records = read(source, name)

    assert not [raw for raw in records if validate(READERS[name], raw)[0]]


@every_format
def test_damage_never_escapes_as_an_exception(name):
    reader = READERS[name]
    for source in files_of(name):
        sample = source.path.read_bytes()
        fuzzing_formats.fuzz(reader, sample, source.member, count=200, seed=1)


@pytest.mark.long
@every_format
def test_much_damage_never_escapes_as_an_exception(name):
    reader, sources = READERS[name], files_of(name)
    for source in sources:
        sample = source.path.read_bytes()
        count = -(-100_000 // len(sources))
        fuzzing_formats.fuzz(reader, sample, source.member, count=count, seed=2)


@pytest.mark.long
@every_format
def test_no_damage_is_slow(name):
    for source in files_of(name):
        sample = source.path.read_bytes()
        reader = READERS[name]
        worst = fuzzing_formats.slowest(reader, sample, source.member, count=2_000, seed=3)
        assert worst < fuzzing_formats.SECONDS_MAX


# --- The whole way --------------------------------------------------------------------------------


def import_sample(name, *options):
    out = io.StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command(
            "import_posts", str(DATA / name), "--source", name, "--json", *options, stdout=out
        )
    assert ended.value.code == 0, out.getvalue()
    return json.loads(out.getvalue())


COUNTS = ("read", "created", "updated", "unchanged", "held", "filtered", "rejected")


@every_format
@pytest.mark.django_db
def test_second_import_of_a_sample_changes_nothing(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rehearsed = import_sample(name, "--dry-run")
    first = import_sample(name)
    before = b"".join(canonical_lines())

    second = import_sample(name)

    assert {count: rehearsed[count] for count in COUNTS} == {n: first[n] for n in COUNTS}
    assert first["created"] > 0
    assert first["created"] + first["filtered"] == first["read"]
    assert second["unchanged"] == first["created"]
    assert second["filtered"] == first["filtered"]
    assert b"".join(canonical_lines()) == before
    assert before
