"""`import_posts` as people and cron meet it: help, exit codes, streams, files, signals.

Most tests call the command in this process; those about processes start `manage.py` on an archive
of their own. What becomes of a record is the business of tests/test_engine.py.
"""

import contextlib
import gzip
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from posts.importing import engine, report
from posts.importing.export import canonical_lines
from posts.management.commands.import_posts import Command
from posts.models import ImportedPost, ImportReject, ImportRun, ImportSource, Post

ROOT = Path(__file__).resolve().parent.parent

pytestmark = pytest.mark.django_db

STABLE = [
    "run",
    "source",
    "read",
    "created",
    "updated",
    "unchanged",
    "held",
    "rejected",
    "seconds",
    "posts_per_second",
    "rejects_file",
]


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    """Run in an empty folder, where the default rejects file may appear."""
    monkeypatch.chdir(tmp_path)
    # The command line closes its connections at the end; a test still needs its own.
    monkeypatch.setattr("django.core.management.base.connections.close_all", lambda: None)


def line(key="n-1", **fields):
    return json.dumps({"key": key, "title": "A note", "body": "Text.", **fields}).encode() + b"\n"


@pytest.fixture
def write(tmp_path):
    """Return a function that writes a file beside the command and returns its path as text."""

    def write_file(*lines, name="notes.jsonl"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"".join(lines))
        return str(path)

    return write_file


@pytest.fixture
def run(capsys):
    """Return a function that runs the command as the command line does: code, stdout, stderr."""

    def run_command(*arguments):
        code = 0
        try:
            Command().run_from_argv(["manage.py", "import_posts", *arguments])
        except SystemExit as stop:
            code = stop.code or 0
        out, err = capsys.readouterr()
        return code, out, err

    return run_command


# --- Words and exit codes -----------------------------------------------------------------------


def test_help_begins_with_the_result_and_says_that_it_is_safe_to_run_again(run):
    code, out, _ = run("--help")

    described = out.split("\n\n", 2)[1]
    words = " ".join(out.split())
    assert code == 0
    assert described.startswith("Brings posts into the archive")
    assert "always safe to run again" in words
    assert "Exit codes: 0 complete; 1 failed; 2 wrong usage; 3 another run" in words
    for option in ("--source", "--dry-run", "--publish", "--max-rejects", "--rejects", "--json"):
        assert option in out


def test_complete_run_exits_with_0_and_names_the_next_step(run, write):
    code, out, err = run(write(line("n-1"), line("n-2")), "--source", "notes")

    assert code == 0
    assert out.startswith(f"Run {ImportRun.objects.get().pk} complete: source notes\n")
    assert "review_posts --by USER --approve --publish --source notes" in out
    assert err.startswith("Source notes: 1 file(s), ")
    assert "writes" in err.splitlines()[0]
    assert Post.objects.count() == 2


def test_rejects_exit_with_4_and_the_good_ones_are_in(run, write):
    code, out, err = run(write(line("n-1"), line("n-2", difficulty="hard")), "--source", "notes")

    assert code == 4
    assert "rejects: rejects-notes.jsonl" in out
    assert "notes.jsonl:2 difficulty: bad_choice" in err
    assert "trying again will not help" in err
    assert Post.objects.count() == 1


@pytest.mark.parametrize("limit", ["0", "40%"])
def test_limit_of_rejects_exits_with_5(run, write, limit):
    path = write(line("n-1"), line("n-2", title=""))

    code, out, _ = run(path, "--source", "notes", "--max-rejects", limit)

    assert code == 5
    assert "the limit of --max-rejects was reached" in out


def test_held_source_exits_with_3_and_says_who_holds_it(run, write):
    now = timezone.now()
    source = ImportSource.objects.create(name="notes", heartbeat_at=now, created_at=now)
    source.owner = ImportRun.objects.create(
        source=source, fence=0, host="elsewhere", started_at=now
    )
    source.save()

    code, out, err = run(write(line()), "--source", "notes")

    assert (code, out) == (3, "")
    assert f"Run {source.owner_id} holds the source 'notes'" in err
    assert not Post.objects.exists()


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ([], "--source"),
        (["--source", "notes", "--format", "yaml"], "yaml"),
        (["--source", "notes", "--batch-size", "0"], "'0'"),
        (["--source", "notes", "--limit", "-1"], "'-1'"),
        (["--source", "notes", "--max-rejects", "101%"], "'101%'"),
        (["--source", "notes", "--max-rejects", "few"], "'few'"),
        (["--source", "local"], "posts written here"),
        (["--source", "x" * 81], "81 characters"),
        (["--source", ""], "0 characters"),
        (["--source", "../notes"], "slash"),
        (["--source", " notes"], "spaces"),
        (["--source", "a\x07b"], "controls"),
    ],
)
def test_wrong_usage_exits_with_2_before_anything_is_read(run, write, arguments, word):
    code, out, err = run(write(line()), *arguments)

    assert (code, out) == (2, "")
    assert word in err
    assert not ImportRun.objects.exists()
    assert not ImportSource.objects.exists()


def test_path_that_does_not_exist_fails_before_anything_is_read(run, write):
    code, out, err = run(write(line()), "missing.jsonl", "--source", "notes")

    assert (code, out) == (1, "")
    assert "missing.jsonl does not exist" in err
    assert not ImportRun.objects.exists()


def test_fault_in_the_middle_exits_with_1_and_names_the_fault(run, write, monkeypatch):
    from posts.importing import batch

    def broken(*arguments, **more):
        raise OSError("disk full")

    monkeypatch.setattr(batch, "write", broken)

    code, _, err = run(write(line()), "--source", "notes")

    assert code == 1
    assert "disk full" in err
    assert "run the same command again" in err
    assert "Traceback" not in err
    assert ImportRun.objects.get().state == "failed"
    assert "disk full" in ImportRun.objects.get().message


# --- Streams ------------------------------------------------------------------------------------


def test_json_is_one_object_with_the_stable_members_and_nothing_else(run, write):
    path = write(line("n-1"), line("n-2", title=""), line("n-1"))

    code, out, err = run(path, "--source", "notes", "--json")

    told = json.loads(out)
    assert code == 4
    assert list(told)[:3] == STABLE[:3]
    assert set(STABLE) <= told.keys()
    assert told["run"] == ImportRun.objects.get().pk
    assert (told["source"], told["read"], told["created"]) == ("notes", 3, 1)
    assert (told["unchanged"], told["rejected"], told["updated"], told["held"]) == (1, 1, 0, 0)
    assert told["rejects_file"] == "rejects-notes.jsonl"
    assert told["seconds"] >= 0
    assert "Run" not in err


@pytest.mark.parametrize("is_dry_run", [True, False])
def test_json_of_a_run_without_rejects_names_no_file(run, write, is_dry_run):
    dry = ["--dry-run"] if is_dry_run else []

    code, out, _ = run(write(line()), "--source", "notes", "--json", *dry)

    told = json.loads(out)
    assert code == 0
    assert told["rejects_file"] is None
    assert (told["run"] is None) is told["dry_run"] is is_dry_run
    assert not Path("rejects-notes.jsonl").exists()


def test_dry_run_says_so_and_leaves_the_archive_alone(run, write):
    code, out, err = run(write(line(), line("n-2", title="")), "--source", "notes", "--dry-run")

    assert code == 4
    assert out.startswith("Dry run complete: source notes")
    assert "would be new" in out
    assert "nothing is written" in err
    assert "Next:" not in out
    assert not ImportRun.objects.exists()
    assert not ImportSource.objects.exists()


def test_quiet_run_writes_no_progress(run, write):
    code, out, err = run(write(line()), "--source", "notes", "--verbosity", "0", "--json")

    assert (code, err) == (0, "")
    assert json.loads(out)["created"] == 1


def test_quiet_run_writes_nothing_when_nothing_is_wrong(run, write):
    assert run(write(line()), "--source", "notes", "-v", "0") == (0, "", "")


def test_quiet_run_still_tells_errors(run, write):
    code, out, err = run(write(line(), line("n-2", difficulty="hard")), "--source", "notes", "-v0")

    assert (code, out) == (4, "")
    assert "notes.jsonl:2 difficulty: bad_choice" in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize("is_dry_run", [True, False])
def test_phases_are_told_on_request_and_add_up(run, write, is_dry_run):
    path = write(*(line(f"n-{number}") for number in range(40)))
    dry = ["--dry-run"] if is_dry_run else []

    _, out, err = run(path, "--source", "notes", "-v", "2", "--batch-size", "10", "--json", *dry)

    _, *rows = err[err.index("Phases, in seconds:") :].splitlines()
    named = {row[:20].strip(): float(row[20:].split()[0]) for row in rows}
    shared = ["reading", "preparing", "writing"]
    assert list(named) == shared + ["committing", "closing the run"] * (not is_dry_run)
    assert sum(named.values()) == pytest.approx(json.loads(out)["seconds"], abs=0.05)
    assert "Phases" not in run(path, "--source", "notes")[2]


def test_archive_is_not_mapped_into_memory(run, write):
    with CaptureQueriesContext(connection) as asked:
        run(write(line()), "--source", "notes")

    statements = [one["sql"] for one in asked if "mmap_size" in one["sql"]]
    assert statements == ["PRAGMA mmap_size = 0"] * (connection.vendor == "sqlite")


def test_refreshing_the_planner_is_a_step_of_its_own(run, write, monkeypatch):
    from posts.importing import engine

    monkeypatch.setattr(engine, "ANALYZE_FROM", 3)
    path = write(*(line(f"n-{number}") for number in range(4)))

    _, _, err = run(path, "--source", "notes", "-v", "2", "--batch-size", "2")

    assert err.count("4 read | refreshing the planner's statistics\n") == 1
    assert "\n  planner statistics " in err
    write(line("n-9"))
    assert "planner" not in run(path, "--source", "notes", "-v", "2")[2]


def test_show_prints_records_as_understood_and_writes_nothing(run, write):
    path = write(line("n-1", tags=["a"]), line("n-2", difficulty="hard"), line("n-3"))

    code, out, _ = run(path, "--source", "notes", "--show", "2")

    assert code == 0
    assert "notes.jsonl:1  read as jsonl" in out
    assert "key      n-1" in out
    assert "error    difficulty: bad_choice" in out
    assert "n-3" not in out
    assert not ImportRun.objects.exists()
    assert not ImportSource.objects.exists()


def test_show_says_why_an_input_cannot_be_read(run, write):
    code, out, _ = run(write(b"\x00\x01binary", name="odd.bin"), "--source", "notes", "--show", "1")

    assert code == 0
    assert "odd.bin:1  cannot be read" in out
    assert "unknown_format" in out


# --- Rejects ------------------------------------------------------------------------------------


def test_rejects_file_says_everything_of_every_problem(run, write):
    path = write(line("n-1"), line("n-2", title="", difficulty="hard"), b"{\n")

    run(path, "--source", "notes", "--rejects", "mine.jsonl")

    rows = [json.loads(row) for row in Path("mine.jsonl").read_text("utf-8").splitlines()]
    stored = ImportReject.objects.order_by("sequence")
    assert [row["code"] for row in rows] == [reject.code for reject in stored]
    assert {row["code"] for row in rows} == {"missing_title", "bad_choice", "bad_json"}
    for row, reject in zip(rows, stored, strict=True):
        assert list(row) == [
            "run",
            "file",
            "record",
            "line",
            "byte",
            "key",
            "field",
            "code",
            "value",
            "expected",
            "retryable",
            "hint",
            "raw_sha256",
        ]
        assert (row["run"], row["file"]) == (reject.run_id, path)
        assert (row["line"], row["byte"], row["key"]) == (reject.line, reject.byte, reject.key)
        assert (row["expected"], row["hint"]) == (reject.expected, reject.hint)
        assert row["retryable"] is False
        assert len(row["raw_sha256"]) == 64
        assert row["hint"]
    assert not Path("rejects-notes.jsonl").exists()


def test_no_rejects_file_of_an_earlier_run_is_left_to_mislead(run, write):
    path = write(line("n-1", title=""))
    run(path, "--source", "notes")
    assert Path("rejects-notes.jsonl").exists()

    write(line("n-1"))
    code, _, _ = run(path, "--source", "notes")

    assert code == 0
    assert not Path("rejects-notes.jsonl").exists()


def test_body_of_a_refused_record_never_stands_in_the_rejects(run, write):
    run(write(line("n-1", topic="x" * 700, body="secret " * 1000)), "--source", "notes")

    (row,) = Path("rejects-notes.jsonl").read_text("utf-8").splitlines()
    assert len(json.loads(row)["value"]) <= 200
    assert "secret" not in row


# --- Inputs -------------------------------------------------------------------------------------


def test_strangers_in_a_folder_are_counted_and_left_out(run, write):
    write(line("n-1"), name="in/a.jsonl")
    write(b"You may.\n", name="in/LICENSE")
    write(b"\x89PNG\r\n", name="in/deep/picture.png")
    write(line("n-2"), name="in/deep/b.jsonl")
    write(line("n-3"), name="in/.hidden/c.jsonl")

    code, out, _ = run("in", "--source", "notes", "--json")

    told = json.loads(out)
    assert code == 0
    assert (told["created"], told["filtered"], told["read"]) == (2, 2, 4)
    assert set(told["left_out"]) == {
        "unknown_format: file-without-ending",
        "unknown_format: png-file",
    }
    assert sorted(ImportedPost.objects.values_list("key", flat=True)) == ["n-1", "n-2"]


def test_file_named_by_itself_that_is_of_no_format_is_a_reject(run, write):
    code, out, _ = run(write(b"You may.\n", name="LICENSE"), "--source", "notes", "--json")

    told = json.loads(out)
    assert code == 4
    assert (told["read"], told["rejected"]) == (1, 1)
    assert ImportReject.objects.get().code == "unknown_format"


def test_empty_file_is_told_and_stops_nothing(run, write):
    code, out, _ = run(write(name="empty.jsonl"), write(line()), "--source", "notes", "--json")

    told = json.loads(out)
    assert code == 4
    assert (told["created"], told["rejected"]) == (1, 1)
    assert ImportReject.objects.get().file.endswith("empty.jsonl")


def test_cut_gzip_keeps_every_whole_record_and_may_be_tried_again(run, write):
    whole = gzip.compress(
        b"".join(line(f"n-{number}", body=os.urandom(60).hex()) for number in range(400))
    )
    path = write(whole[: len(whole) // 2], name="notes.jsonl.gz")

    code, _, _ = run(path, "--source", "notes", "--batch-size", "50")
    created = Post.objects.count()
    reject = ImportReject.objects.get()
    write(whole, name="notes.jsonl.gz")
    again, out, _ = run(path, "--source", "notes", "--json")

    told = json.loads(out)
    assert code == 4
    assert 100 < created < 300
    assert (reject.code, reject.is_retryable) == ("truncated_input", True)
    assert again == 0
    assert (told["created"], told["unchanged"]) == (400 - created, created)


def test_several_paths_are_one_run_and_positions_name_their_file(run, write):
    first, second = write(line("n-1"), name="1.jsonl"), write(line("", title=""), name="2.jsonl")

    run(first, second, "--source", "notes")

    stored = ImportRun.objects.get()
    assert [one["file"] for one in stored.inputs] == [first, second]
    assert {(row.file, row.record) for row in stored.rejects.all()} == {(second, 1)}


def test_same_file_again_changes_nothing(run, write):
    path = write(*(line(f"n-{number}") for number in range(5)))
    run(path, "--source", "notes", "--publish")
    before = list(canonical_lines())

    code, out, _ = run(path, "--source", "notes", "--publish", "--json")

    assert code == 0
    assert json.loads(out)["unchanged"] == 5
    assert list(canonical_lines()) == before


def test_limit_and_publish_reach_the_engine(run, write):
    path = write(*(line(f"n-{number}") for number in range(5)))

    run(path, "--source", "notes", "--publish", "--limit", "3", "--batch-size", "2")

    assert Post.objects.published().count() == 3
    assert ImportRun.objects.get().checkpoints.count() == 2


def test_command_called_from_code_writes_to_the_streams_it_is_given(write):
    out, err = io.StringIO(), io.StringIO()

    with pytest.raises(SystemExit) as stop:
        call_command("import_posts", write(line()), "--source", "notes", stdout=out, stderr=err)

    assert stop.value.code == 0
    assert "complete" in out.getvalue()
    assert "Source notes" in err.getvalue()


# --- Processes ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """Return the environment of processes with an archive of their own, on the same database."""
    name = f"alphanode_command_{os.getpid()}"
    server = settings.DATABASES["default"]
    url = f"sqlite:///{tmp_path_factory.mktemp('archive') / 'archive.sqlite3'}"
    maintenance = None
    if connection.vendor == "postgresql":
        where = {"host": server["HOST"], "port": server["PORT"] or 5432, "user": server["USER"]}
        maintenance = psycopg.connect(
            **where, password=server["PASSWORD"] or None, dbname="postgres", autocommit=True
        )
        maintenance.execute(f"CREATE DATABASE {name}")
        secret = f":{server['PASSWORD']}" if server["PASSWORD"] else ""
        url = f"postgres://{where['user']}{secret}@{where['host']}:{where['port']}/{name}"
    environment = {**os.environ, "DATABASE_URL": url, "SECRET_KEY": "s" * 60, "DEBUG": "off"}
    manage(environment, "migrate", "--verbosity", "0")
    yield environment
    if maintenance is not None:
        maintenance.execute(f"DROP DATABASE {name} WITH (FORCE)")
        maintenance.close()


def manage(environment, *arguments, **more):
    return subprocess.run(
        [sys.executable, ROOT / "manage.py", *arguments],
        env=environment,
        capture_output=True,
        check="input" not in more,
        timeout=60,
        **more,
    )


def test_standard_input_is_read_and_streams_are_kept_apart(archive):
    result = manage(
        archive, "import_posts", "-", "--source", "piped", "--json", input=line("n-1") + b"[]\n"
    )

    told = json.loads(result.stdout)
    rejects = Path("rejects-piped.jsonl").read_text("utf-8").splitlines()
    assert result.returncode == 4
    assert (told["created"], told["rejected"]) == (1, 1)
    assert json.loads(rejects[0])["file"] == "-"


def test_packed_standard_input_is_read_too(archive):
    result = manage(
        archive, "import_posts", "-", "--source", "packed", "--json", input=gzip.compress(line())
    )

    assert (result.returncode, json.loads(result.stdout)["created"]) == (0, 1)


def slow_import(archive, *arguments):
    """Start an import of standard input; return the process."""
    return subprocess.Popen(
        [sys.executable, ROOT / "manage.py", "import_posts", "-", *arguments],
        env=archive,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
    )


def runs_of(archive, source):
    """Return the counts and states of a source's runs, asked for in another process."""
    script = (
        "from posts.models import ImportRun; import json;"
        f"print(json.dumps(list(ImportRun.objects.filter(source__name={source!r}).order_by('pk')"
        ".values_list('state', 'read', 'created'))))"
    )
    return json.loads(manage(archive, "shell", "-v", "0", "-c", script).stdout)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_ends_the_run_after_its_batch_and_the_next_one_goes_on(archive, number):
    source = f"slow-{number.name.lower()}"
    lines = [line(f"n-{count}", body="x" * 70_000) for count in range(8)]
    process = slow_import(archive, "--source", source)
    assert process.stderr.readline().startswith(b"Source")

    # The head of the input is looked at before the first record; this is more than that.
    process.stdin.write(b"".join(lines[:5]))
    process.stdin.flush()
    time.sleep(0.5)
    process.send_signal(number)
    said = process.stderr.readline() + process.stderr.readline()
    with contextlib.suppress(BrokenPipeError):
        process.stdin.write(b"".join(lines[5:]))
    # The input stays open: the run must end without seeing its end.
    process.wait(timeout=30)
    out = process.stdout.read().decode()
    process.stdin.close()
    process.stdout.close()
    process.stderr.close()

    (state, read, created), *_ = runs_of(archive, source)
    assert process.returncode == 130
    assert b"Stopping after this batch" in said
    assert "Run the same command again to go on" in out
    assert state == "stopped"
    assert 0 < read == created < 8
    again = manage(
        archive, "import_posts", "-", "--source", source, "--json", input=b"".join(lines)
    )
    assert again.returncode == 0
    assert json.loads(again.stdout)["created"] == 8 - created


def test_second_process_on_a_held_source_exits_with_3(archive):
    process = slow_import(archive, "--source", "held")
    assert process.stderr.readline().startswith(b"Source")
    for _ in range(100):
        if runs_of(archive, "held"):
            break
        time.sleep(0.1)

    second = manage(archive, "import_posts", "-", "--source", "held", input=line())
    process.kill()
    process.communicate()
    third = manage(archive, "import_posts", "-", "--source", "held", input=line())

    assert second.returncode == 3
    assert b"holds the source 'held'" in second.stderr
    assert third.returncode == 0
    assert [state for state, _, _ in runs_of(archive, "held")] == ["failed", "complete"]


def test_killed_run_leaves_whole_batches_and_the_next_run_completes_them(archive):
    lines = [line(f"n-{count}", body="x" * 70_000) for count in range(12)]
    process = slow_import(archive, "--source", "killed", "--batch-size", "2")
    process.stdin.write(b"".join(lines[:9]))
    process.stdin.flush()
    for _ in range(100):
        if sum(read for _, read, _ in runs_of(archive, "killed")):
            break
        time.sleep(0.1)

    process.kill()
    process.communicate()
    again = manage(
        archive, "import_posts", "-", "--source", "killed", "--json", input=b"".join(lines)
    )

    (_, read, created), (_, second_read, second_created) = runs_of(archive, "killed")
    told = json.loads(again.stdout)
    assert read == created
    assert read % 2 == 0
    assert (second_read, created + second_created) == (12, 12)
    assert told["unchanged"] == created


def test_input_with_fewer_records_than_expected_fails_and_keeps_what_it_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "notes.jsonl"
    path.write_text('{"key": "n-1", "title": "One"}\n', encoding="utf-8")
    err = io.StringIO()

    with pytest.raises(SystemExit) as ended:
        call_command("import_posts", str(path), "--source", "notes", "--expect", "2", stderr=err)

    assert ended.value.code == 1
    assert "Expected 2 records and read 1" in err.getvalue()
    assert Post.objects.count() == 1


@pytest.mark.parametrize(
    ("begun_at", "left"), [(0, "ETA 0:01"), (80, "ETA 0:10")], ids=["from the start", "resumed"]
)
def test_time_left_is_told_by_the_speed_of_this_run(begun_at, left):
    progress = engine.Progress(run=None, seconds=10.0)

    line = report.progress_line(progress, 90, 100, begun_at)

    assert " 90% " in f" {line} "
    assert left in line


def test_path_that_is_too_long_for_the_system_is_told_as_missing():
    with pytest.raises(CommandError, match="does not exist"):
        call_command("import_posts", "x" * 5_000, source="notes")


def test_key_that_would_turn_the_line_around_is_shown_escaped(tmp_path, capsys):
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({"key": "a\u202eb", "title": "A note"}), encoding="utf-8")

    call_command("import_posts", str(path), source="notes", show=1)

    assert "a\\u202eb" in capsys.readouterr().out
