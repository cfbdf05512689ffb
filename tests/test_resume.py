"""An interrupted run goes on where it ended, only with the same input, and nothing comes twice."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path

import pytest
import zstandard
from django.core.management import CommandError, call_command
from django.utils import timezone

from posts.importing import engine, export, report, resume
from posts.importing.intake import Intake
from posts.models import ImportCheckpoint, ImportReject, ImportRun, ImportSource, Post

pytestmark = pytest.mark.django_db

TOTAL = 23
BATCH = 4


def lines(total=TOTAL, changed=()):
    """Return JSON Lines of notes; one in seven is refused, and some may have another title."""
    return [
        json.dumps(
            {
                "key": f"n-{number:03d}",
                "title": "" if number % 7 == 3 else f"Note {number}{' new' * (number in changed)}",
                "body": f"What note {number} says.",
            }
        )
        for number in range(total)
    ]


def written(path: Path, rows) -> str:
    data = ("\n".join(rows) + "\n").encode()
    if path.suffix == ".gz":
        data = gzip.compress(data, mtime=0)
    elif path.suffix == ".zst":
        data = zstandard.compress(data)
    path.write_bytes(data)
    return str(path)


class Interrupted(Exception):
    """What a test throws into a run."""


def run(path, *, die_after=None, wanted=resume.AUTO, publish=False):
    """Import a file as the command does; with `die_after`, die once so many batches are written."""
    intake = Intake([path])
    inputs = intake.description()
    point = resume.resumed(intake, source="notes", inputs=inputs, publish=publish, wanted=wanted)
    batches = 0

    def on_batch(progress):
        nonlocal batches
        batches += 1
        if batches == die_after:
            raise Interrupted

    options = engine.Options(source="notes", batch_size=BATCH, publish=publish)
    return engine.run_import(
        intake, options=options, inputs=inputs, on_batch=on_batch, going_on=point
    )


def interrupted(path, batches, **more):
    with pytest.raises(Interrupted):
        run(path, die_after=batches, **more)


def archive():
    return b"".join(export.canonical_lines())


@pytest.fixture
def undisturbed(tmp_path):
    """The archive that an undisturbed run of the same notes makes, under another source."""
    path = written(tmp_path / "undisturbed.jsonl", lines())
    engine.run_import(
        Intake([path]), options=engine.Options(source="undisturbed", batch_size=BATCH)
    )
    made = archive()
    return made.replace(b'"undisturbed"', b'"notes"')


@pytest.mark.parametrize("ending", [".jsonl", ".jsonl.gz", ".jsonl.zst"])
@pytest.mark.parametrize("batches", [1, 2, 5])
def test_run_goes_on_behind_the_last_checkpoint(tmp_path, ending, batches):
    path = written(tmp_path / f"notes{ending}", lines())
    interrupted(path, batches)

    second = run(path)

    first_run, second_run = ImportRun.objects.order_by("pk")
    assert second_run.parent == first_run
    assert (first_run.read, second_run.read) == (batches * BATCH, TOTAL - batches * BATCH)
    assert second.counts["unchanged"] == 0
    assert first_run.created + second_run.created == Post.objects.count() == 20
    assert sorted(ImportReject.objects.values_list("line", flat=True)) == [4, 11, 18]


def test_run_interrupted_again_and_again_leaves_what_an_undisturbed_one_does(tmp_path, undisturbed):
    path = written(tmp_path / "notes.jsonl", lines())
    for batches in (2, 1, 1, 1):
        interrupted(path, batches)

    run(path)

    mine = b"".join(
        line for line in archive().splitlines(keepends=True) if b'"source":"notes"' in line
    )
    keys = [json.loads(line)["key"] for line in mine.splitlines()]
    told = [json.loads(line) for line in mine.splitlines()]
    wanted = [json.loads(line) for line in undisturbed.splitlines()]
    for one in told + wanted:
        one.pop("slug")  # holds a hash of the source's name
    assert told == wanted
    assert len(keys) == len(set(keys)) == 20
    assert sum(ImportRun.objects.filter(source__name="notes").values_list("read", flat=True)) == 23


def test_complete_run_is_not_gone_on_with(tmp_path):
    path = written(tmp_path / "notes.jsonl", lines())
    run(path)

    again = run(path)

    assert again.counts["unchanged"] == 20
    assert again.run.parent is None


def test_input_changed_before_the_checkpoint_is_read_from_the_beginning(tmp_path):
    path = written(tmp_path / "notes.jsonl", lines())
    interrupted(path, 2)
    ImportRun.objects.update(inputs=Intake([path]).description())
    written(tmp_path / "notes.jsonl", lines(changed={6}))
    same_head = Intake([path]).description()
    ImportRun.objects.update(inputs=same_head)  # as if the change stood behind the first MiB

    again = run(path)

    assert again.run.parent is None
    assert (again.read, again.counts["updated"], again.counts["unchanged"]) == (TOTAL, 1, 6)


def test_input_changed_behind_the_checkpoint_goes_on(tmp_path):
    path = written(tmp_path / "notes.jsonl", lines())
    interrupted(path, 2)
    written(tmp_path / "notes.jsonl", lines(changed={20}))
    ImportRun.objects.update(inputs=Intake([path]).description())

    again = run(path)

    assert again.read == TOTAL - 2 * BATCH
    assert Post.objects.get(imported__key="n-020").title == "Note 20 new"


def test_named_run_with_another_input_is_refused(tmp_path):
    path = written(tmp_path / "notes.jsonl", lines())
    interrupted(path, 2)
    first = ImportRun.objects.get()
    written(tmp_path / "notes.jsonl", lines(total=9))

    with pytest.raises(resume.CannotResumeError) as refused:
        run(path, wanted=str(first.pk))

    assert "its inputs had other names, sizes or beginnings" in str(refused.value)
    assert "--resume never" in str(refused.value)
    assert ImportRun.objects.count() == 1


@pytest.mark.parametrize(
    ("wanted", "says"), [("7000", "has no import run 7000"), ("complete", "is complete")]
)
def test_run_that_cannot_be_gone_on_with_is_refused(tmp_path, wanted, says):
    path = written(tmp_path / "notes.jsonl", lines())
    done = run(path).run.pk

    with pytest.raises(resume.CannotResumeError, match=says):
        run(path, wanted=str(done) if wanted == "complete" else wanted)


def test_never_begins_at_the_first_record(tmp_path):
    path = written(tmp_path / "notes.jsonl", lines())
    interrupted(path, 2)

    again = run(path, wanted=resume.NEVER)

    assert again.read == TOTAL
    assert again.counts["unchanged"] == 7
    assert again.run.parent is None


def test_other_publish_is_another_call(tmp_path):
    path = written(tmp_path / "notes.jsonl", lines())
    interrupted(path, 2)

    again = run(path, publish=True)

    assert again.read == TOTAL


def test_run_that_died_before_its_first_batch_is_begun_again(tmp_path):
    path = written(tmp_path / "notes.jsonl", lines())
    interrupted(path, 1)
    ImportCheckpoint.objects.all().delete()

    again = run(path)

    assert (again.read, again.run.parent) == (TOTAL, None)


def test_files_of_a_folder_go_on_in_the_middle_of_one(tmp_path):
    folder = tmp_path / "notes"
    folder.mkdir()
    rows = lines()
    for number in range(4):
        written(folder / f"{number}.jsonl", rows[number * 6 : number * 6 + 6])
    interrupted(str(folder), 2)

    again = run(str(folder))

    assert again.read == TOTAL - 2 * BATCH
    assert Post.objects.count() == 20


def test_command_says_that_it_goes_on(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = written(tmp_path / "notes.jsonl", lines())
    interrupted(path, 2)
    first = ImportRun.objects.get()
    out, err = io.StringIO(), io.StringIO()

    with pytest.raises(SystemExit) as ended:
        call_command("import_posts", path, "--source", "notes", stdout=out, stderr=err)

    assert ended.value.code == 4
    assert f"Going on with run {first.pk} after record 8 of its file" in err.getvalue()
    assert ImportSource.objects.get().owner is None


def test_full_disk_under_the_rejects_file_ends_with_a_message_and_can_be_gone_on_with(tmp_path):
    path = written(tmp_path / "notes.jsonl", lines())
    wanted = {"source": "notes", "batch_size": BATCH, "stdout": io.StringIO()}

    with pytest.raises(CommandError, match=r"/dev/full.*No space left.*in the database"):
        call_command("import_posts", path, rejects="/dev/full", stderr=io.StringIO(), **wanted)

    assert ImportRun.objects.get().state == ImportRun.State.FAILED
    assert list(ImportReject.objects.values_list("line", flat=True)) == [4]
    rejects = str(tmp_path / "rejects.jsonl")
    with pytest.raises(SystemExit) as ended:
        call_command("import_posts", path, rejects=rejects, stderr=io.StringIO(), **wanted)
    assert ended.value.code == 4
    assert Post.objects.count() == 20
    assert sorted(ImportReject.objects.values_list("line", flat=True)) == [4, 11, 18]


# --- The rejects file of a chain ----------------------------------------------------------------


def by_command(path, *more, stop_after=None, monkeypatch=None):
    """Run the command; interrupt it after so many batches. Return its exit code and output."""
    out, written = io.StringIO(), []
    update = report.ProgressView.update

    def counted(view, progress, taken):
        update(view, progress, taken)
        written.append(1)
        if len(written) == stop_after:
            raise Interrupted

    with monkeypatch.context() as patch:
        patch.setattr(report.ProgressView, "update", counted)
        try:
            call_command(
                *("import_posts", path, "--source", "notes", "--batch-size", str(BATCH)),
                *("--rejects", str(Path(path).parent / "rejects.jsonl"), *more),
                stdout=out,
                stderr=io.StringIO(),
            )
        except Interrupted:
            return None, out.getvalue()
        except SystemExit as ended:
            return ended.code, out.getvalue()
    return 0, out.getvalue()


def listed(tmp_path):
    lines = (tmp_path / "rejects.jsonl").read_text("utf-8").splitlines()
    return [(json.loads(line)["run"], json.loads(line)["line"]) for line in lines]


@pytest.mark.parametrize("lost", [False, True])
def test_rejects_file_of_a_resumed_run_holds_those_of_the_whole_chain_once(
    tmp_path, monkeypatch, lost
):
    path = written(tmp_path / "notes.jsonl", lines())
    by_command(path, stop_after=2, monkeypatch=monkeypatch)
    by_command(path, stop_after=2, monkeypatch=monkeypatch)
    if lost:
        (tmp_path / "rejects.jsonl").write_text('{"cut in the mid', encoding="utf-8")

    code, out = by_command(path, "--json", monkeypatch=monkeypatch)

    first, second, third = ImportRun.objects.order_by("pk")
    assert code == 4
    assert listed(tmp_path) == [(first.pk, 4), (second.pk, 11), (third.pk, 18)]
    assert (json.loads(out)["rejected"], json.loads(out)["rejects_listed"]) == (1, 3)


def test_resumed_run_without_rejects_of_its_own_lists_the_earlier_ones(tmp_path, monkeypatch):
    path = written(tmp_path / "notes.jsonl", lines(total=10))
    by_command(path, stop_after=1, monkeypatch=monkeypatch)
    (tmp_path / "rejects.jsonl").unlink()

    code, out = by_command(path, monkeypatch=monkeypatch)

    assert code == 4
    assert "rejects.jsonl, 1 problem, 1 of earlier runs" in out
    assert listed(tmp_path) == [(ImportRun.objects.earliest("pk").pk, 4)]


def test_resumed_run_with_nothing_left_to_read_lists_the_earlier_ones(tmp_path, monkeypatch):
    path = written(tmp_path / "notes.jsonl", lines(total=BATCH))
    by_command(path, stop_after=1, monkeypatch=monkeypatch)
    (tmp_path / "rejects.jsonl").unlink()

    code, _ = by_command(path, monkeypatch=monkeypatch)

    assert code == 4
    assert len(listed(tmp_path)) == 1


def test_run_that_begins_again_lists_its_own_rejects_only(tmp_path, monkeypatch):
    path = written(tmp_path / "notes.jsonl", lines())
    by_command(path, stop_after=2, monkeypatch=monkeypatch)

    by_command(path, "--resume", "never", monkeypatch=monkeypatch)

    assert listed(tmp_path) == [(ImportRun.objects.latest("pk").pk, n) for n in (4, 11, 18)]


def test_rejects_file_of_the_run_that_holds_the_source_is_left_alone(tmp_path, monkeypatch):
    path = written(tmp_path / "notes.jsonl", lines())
    by_command(path, stop_after=2, monkeypatch=monkeypatch)
    run = ImportRun.objects.get()
    ImportRun.objects.update(state="running", host="elsewhere")
    ImportSource.objects.update(owner=run, heartbeat_at=timezone.now())
    (tmp_path / "rejects.jsonl").write_text("of the other process", encoding="utf-8")

    code, _ = by_command(path, monkeypatch=monkeypatch)

    assert code == 3
    assert (tmp_path / "rejects.jsonl").read_text("utf-8") == "of the other process"
