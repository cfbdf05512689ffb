"""`import_runs`: the list of runs, one run in detail, and how much that may ask of the database."""

import csv
import io
import json
import re
from contextlib import suppress
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from posts import history
from posts.importing import report, undo
from posts.importing.engine import Options, run_import
from posts.importing.formats import Input, jsonl
from posts.importing.intake import Arrival
from posts.models import ImportReject, ImportRun, ImportSource

pytestmark = pytest.mark.django_db


def note(key="n-1", **fields):
    return {"key": key, "title": "A note", "body": "Text.", **fields}


def imported(*records, source="notes", **options):
    data = b"".join(json.dumps(record).encode() + b"\n" for record in records)
    arrivals = (
        Arrival(0, raw, jsonl)
        for raw in jsonl.records(io.BytesIO(data), Input("notes.jsonl", None))
    )
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
    assert "1 reversed, 0 kept" in told(run.pk)
    assert "import_undo" not in told(run.pk)
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

    assert numbers == [(9, 1), (9, 1)]


# --- Chains and what to do next -----------------------------------------------------------------


@pytest.fixture
def chain(tmp_path, monkeypatch):
    """Two interrupted runs of one file and the one that ended it, by the command."""
    monkeypatch.chdir(tmp_path)
    rows = [note(f"n-{n}", difficulty="hard" if n % 3 == 0 else "beginner") for n in range(9)]
    Path("my notes.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    update = report.ProgressView.update

    def interrupted(view, progress, taken):
        update(view, progress, taken)
        if ImportRun.objects.count() < 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(report.ProgressView, "update", interrupted)
    for _ in range(3):
        with suppress(KeyboardInterrupt, SystemExit):
            call_command(
                *("import_posts", "my notes.jsonl", "--source", "notes"),
                *("--batch-size", "3", "--publish", "--rejects", "r.jsonl"),
                stdout=io.StringIO(),
                stderr=io.StringIO(),
            )
    return list(ImportRun.objects.order_by("pk"))


def test_every_run_of_a_chain_tells_the_whole_chain(chain):
    first, second, third = chain

    for run in chain:
        text = told(run.pk)
        assert re.search(rf"chain +run {first.pk} began, failed, 3 read", text)
        assert re.search(rf"run {second.pk} went on with run {first.pk}, failed, 3 read", text)
        assert re.search(rf"run {third.pk} went on with run {second.pk}, complete, 3 read", text)
        assert text.count(", this run") == 1
    ids = [one["run"] for one in json.loads(told(second.pk, "--json"))["chain"]]
    assert ids == [first.pk, second.pk, third.pk]


def test_command_to_resume_is_that_of_the_run_and_only_where_there_is_something_to_do(chain):
    assert all("import_posts" not in told(run.pk) for run in chain)
    last = chain[-1]
    ImportRun.objects.filter(pk=last.pk).update(state="stopped")
    again = "manage.py import_posts 'my notes.jsonl' --source notes --publish --batch-size 3"

    assert f"  {again}\n" in told(last.pk)
    imported(note("other"))
    assert f"  {again} --resume {last.pk}\n" in told(last.pk)
    undo.undo_run(last)
    assert f"  {again}\n" in told(last.pk)


@pytest.mark.parametrize("name", ["out.csv", "out.jsonl"])
def test_rejects_of_a_whole_chain_are_written_to_a_file(chain, name):
    out = told(chain[-1].pk, "--rejects", name)

    data = Path(name).read_bytes().decode()
    assert out == ""
    if name.endswith(".csv"):
        rows = list(csv.DictReader(io.StringIO(data.removeprefix("\ufeff"))))
        assert data.startswith("\ufeffrun,")
    else:
        rows = [json.loads(line) for line in data.splitlines()]
    assert [row["key"] for row in rows] == ["n-0", "n-3", "n-6"]
    assert [int(row["run"]) for row in rows] == [run.pk for run in chain]


def test_rejects_go_to_the_output_too_and_need_a_run(chain):
    assert [
        json.loads(line)["key"] for line in told(chain[0].pk, "--rejects", "-").splitlines()
    ] == ["n-0"]
    with pytest.raises(CommandError, match="import_runs RUN"):
        told("--rejects", "-")
    with pytest.raises(CommandError, match=r"cannot be written: No such file"):
        told(chain[0].pk, "--rejects", "missing/x.csv")


def test_no_cell_of_a_rejects_list_is_a_formula():
    run = imported(note("=1+1", difficulty="=cmd|' /C calc'!A0"), note(" @SUM", title=""))

    lines = list(report.csv_lines(ImportReject.objects.filter(run=run).order_by("sequence")))

    rows = list(csv.reader(io.StringIO("".join(lines).removeprefix("\ufeff"))))
    assert len(rows) == 3
    cells = [cell for row in rows for cell in row]
    assert "'=1+1" in cells
    assert not [cell for cell in cells if cell.strip()[:1] in tuple("=+-@")]


def test_findings_are_told_with_their_number_and_first_place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = [note("a"), note("b", checklist=["only here"]), note("c", checklist=["and here"])]
    Path("n.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(SystemExit):
        call_command(
            *("import_posts", "n.jsonl", "--source", "notes"),
            stdout=io.StringIO(),
            stderr=io.StringIO(),
        )
    run = ImportRun.objects.get()

    assert "  kept as it came: 2 x checklist_mismatch, first n.jsonl:2\n" in told(run.pk)
    assert json.loads(told(run.pk, "--json"))["findings"] == [
        {
            "severity": "warning",
            "code": "checklist_mismatch",
            "number": 2,
            "file": "n.jsonl",
            "line": 2,
        }
    ]
    assert not history.broken_links(run.events.order_by("sequence"))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"state": "complete", "rejected": 0}, "All records were read."),
        ({"state": "complete", "rejected": 3}, "3 of them rejected"),
        ({"state": "stopped"}, "Asked to stop, it ended between two batches"),
        ({"state": "stopped", "rejected": 3, "options": {"max_rejects": 2}}, "limit of rejects"),
        ({"state": "failed"}, "It ended early"),
        ({"state": "running"}, "its process is gone or silent"),
    ],
)
def test_state_is_told_in_words(changes, words):
    run = imported(note("a"))
    ImportRun.objects.filter(pk=run.pk).update(**changes)

    assert words in told(run.pk)


def test_run_that_works_now_says_when_it_gave_a_sign():
    run = imported(note("a"))
    ImportRun.objects.filter(pk=run.pk).update(state="running", host="elsewhere")
    ImportSource.objects.update(owner=run, heartbeat_at=timezone.now())

    assert re.search(r"It works now; last sign of life \d s ago", told(run.pk))
    assert "import_posts" not in told(run.pk)
