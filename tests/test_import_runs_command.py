"""`import_runs`: the list of runs, one run in detail, and how much that may ask of the database."""

import io
import json

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from posts.importing import undo
from posts.importing.engine import Options, run_import
from posts.importing.formats import jsonl
from posts.importing.intake import Arrival
from posts.models import ImportReject, ImportRun

pytestmark = pytest.mark.django_db


def note(key="n-1", **fields):
    return {"key": key, "title": "A note", "body": "Text.", **fields}


def imported(*records, source="notes", **options):
    data = b"".join(json.dumps(record).encode() + b"\n" for record in records)
    arrivals = (Arrival(0, raw, jsonl) for raw in jsonl.records(io.BytesIO(data), "notes.jsonl"))
    return run_import(
        arrivals,
        options=Options(source=source, **options),
        inputs=[{"file": "notes.jsonl", "size": len(data)}],
    ).run


def told(*arguments):
    out = io.StringIO()
    call_command("import_runs", *map(str, arguments), stdout=out)
    return out.getvalue()


def test_list_shows_the_newest_run_first_in_aligned_columns():
    imported(note("a"), note("b"))
    newest = imported(note("a", title="Another"), note("c"), source="a longer name")

    head, first, second = told().splitlines()

    assert head.split() == ["run", "kind", "source", "state", "started", "read", "rate", "counts"]
    assert first.split()[0] == str(newest.pk)
    assert first.endswith("2 created")
    assert {line.index(word) for line, word in ((head, "state"), (first, "complete"))} == {
        second.index("complete")
    }
    assert not any(line.endswith(" ") for line in (head, first, second))


def test_list_can_be_cut_to_a_source_and_a_number():
    imported(note("a"))
    imported(note("b"), source="other")
    newest = imported(note("c"))

    lines = told("--source", "notes", "--limit", "1", "--json").splitlines()

    assert [json.loads(line)["run"] for line in lines] == [newest.pk]


def test_empty_archive_names_the_command_to_begin_with():
    assert "import_posts PATH" in told()


def test_unknown_run_and_source_are_refused():
    with pytest.raises(CommandError, match="no run 99"):
        told(99)
    with pytest.raises(CommandError, match="no source 'nothing'"):
        told("--source", "nothing")


def test_one_run_tells_inputs_counts_rejects_and_what_to_do_next():
    run = imported(note("a"), note("b", difficulty="hard"), note("c", difficulty="odd"))

    text = told(run.pk)

    assert text.startswith(f"Run {run.pk}: import complete, source notes\n")
    assert "notes.jsonl, " in text
    assert "batch ms, median / p95" in text
    assert "2 x " in text
    assert "such as notes.jsonl:2 b difficulty: got" in text
    assert f"  manage.py import_undo {run.pk} --dry-run\n" in text


def test_run_and_its_undo_name_each_other():
    run = imported(note("a"))
    done = undo.undo_run(run).run

    assert f"run {done.pk}, complete" in told(run.pk)
    text = told(done.pk)
    assert f"Run {done.pk}: undo complete" in text
    assert f"run {run.pk}" in text
    assert "reversed" in text
    assert json.loads(told(done.pk, "--json"))["reversed"] == 1


def test_terminal_escapes_in_names_are_shown_and_not_sent():
    run = imported(note("a", difficulty="\x1b[31m"))
    ImportRun.objects.filter(pk=run.pk).update(inputs=[{"file": "\x1b[2J", "size": 3}])

    assert "\x1b" not in told(run.pk)


def test_queries_do_not_grow_with_runs_rejects_and_checkpoints():
    numbers = []
    for size in (1, 12):
        for n in range(size):
            run = imported(
                *(note(f"{n}-{m}", difficulty=f"x{m}") for m in range(size)), batch_size=1
            )
        assert ImportReject.objects.filter(run=run).count() == size
        with CaptureQueriesContext(connection) as one:
            told(run.pk)
        with CaptureQueriesContext(connection) as all_of:
            told()
        numbers.append((len(one), len(all_of)))

    assert numbers == [(5, 1), (5, 1)]
