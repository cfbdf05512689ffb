"""The files that the benchmark of formats measures: each is read as its format, with all posts."""

from __future__ import annotations

import pytest

from benchmarks import format_files
from posts.importing.intake import Intake
from posts.importing.records import validate
from posts.importing.synthesizer import output
from posts.importing.synthesizer.articles import synthesize

POSTS = 3


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    file = tmp_path_factory.mktemp("records") / "records.jsonl"
    output.write_json_lines(articles=synthesize(1, POSTS), out=file)
    return list(format_files.records(file))


@pytest.mark.parametrize("name", format_files.FORMATS)
def test_every_post_is_read_with_what_it_has(records, tmp_path, name):
    intake = Intake([str(format_files.write(name, records, tmp_path))])
    read = {}
    for arrival in intake:
        record, problems = validate(arrival.reader, arrival.raw)
        assert [one.code for one in problems if one.severity == "error"] == []
        read[record.snapshot.title] = record.snapshot

    assert intake.formats_seen == {name.partition(",")[0]}
    for record in records:
        found = read.pop(record["title"])
        assert set(found.meta.tags) == set(record["tags"]) or name == "html"
        assert found.meta.summary == record["summary"]
        assert len(found.meta.image_sources) == len(record["image_sources"])
        assert found.body.count("\n## ") + found.body.startswith("## ") == record["body"].count(
            "## "
        )
    assert read == {}
