"""Records prepared in a process beside the run come out as if they had been prepared here."""

import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from django.db import transaction

from posts.importing import batches, beside, engine
from posts.importing.beside import Beside
from posts.importing.export import canonical_lines
from posts.importing.formats import READERS, Input
from posts.importing.intake import Intake
from posts.importing.preparation import prepare
from posts.importing.synthesizer import output
from posts.importing.synthesizer.articles import synthesize
from posts.models import ImportReject

ROOT = Path(__file__).resolve().parent.parent
#: Long enough for a loaded machine; a process that is up answers at once.
START_SECONDS = 60


class Waiting(Beside):
    """A process that is waited for, so that a test knows who prepared what."""

    started: list["Waiting"] = []

    def __init__(self, source):
        super().__init__(source)
        self.asked = 0
        Waiting.started.append(self)

    def is_ready(self):
        if self._is_alive and not self._has_started:
            assert self._pipe.poll(START_SECONDS), "the process did not start"
        return super().is_ready()

    def submit(self, asked):
        self.asked += len(asked)
        super().submit(asked)


@pytest.fixture
def from_the_first_record(monkeypatch):
    """Let every run have its records prepared beside it, all of them."""
    monkeypatch.setattr(Waiting, "started", [])
    monkeypatch.setattr(batches, "Beside", Waiting)
    monkeypatch.setattr(batches, "BESIDE_FROM", 1)


@pytest.fixture
def archive(tmp_path):
    """Ten lines, three of them broken, and other versions of two of them as documents."""
    output.write_json_lines(articles=synthesize(5, 10), out=tmp_path / "a.jsonl")
    lines = (tmp_path / "a.jsonl").read_bytes().splitlines(keepends=True)
    lines[3] = b'{"key": "broken-1", "title": 7}\n'
    lines[6] = b'{"key": "broken-2"\n'
    lines[8] = b'{"title": "no key"}\n'
    (tmp_path / "a.jsonl").write_bytes(b"".join(lines))
    output.write_text_exports(articles=synthesize(6, 2), out=tmp_path / "texts")
    return tmp_path


def imported(path, **more):
    return engine.run_import(
        Intake([str(path)]), options=engine.Options(source="notes", batch_size=3), **more
    )


def rejects():
    return list(
        ImportReject.objects.order_by("sequence").values_list(
            "sequence", "file", "record", "line", "byte", "key", "field", "code", "value", "hint"
        )
    )


def outcome_of(path, **more):
    """Return what an import left behind, and leave nothing."""
    with transaction.atomic():
        progress = imported(path, **more)
        found = (list(canonical_lines()), rejects(), progress.counts, progress.findings)
        transaction.set_rollback(True)
    return found


@pytest.mark.django_db
@pytest.mark.usefixtures("from_the_first_record")
def test_records_prepared_beside_a_run_are_those_prepared_in_it(archive, monkeypatch):
    beside_it = outcome_of(archive)
    asked = [process.asked for process in Waiting.started]
    monkeypatch.setattr(batches, "BESIDE_FROM", 1_000_000)

    in_it = outcome_of(archive)

    assert asked == [12]
    assert len(Waiting.started) == 1
    assert beside_it == in_it
    assert beside_it[2] == {"created": 7, "updated": 2, "rejected": 3}


@pytest.mark.django_db
@pytest.mark.usefixtures("from_the_first_record")
def test_record_of_unchanged_bytes_is_not_prepared_anywhere(archive):
    imported(archive / "a.jsonl")
    Waiting.started.clear()

    imported(archive / "a.jsonl")

    # Only the three broken ones are looked at again.
    assert [process.asked for process in Waiting.started] == [3]


@pytest.mark.django_db
@pytest.mark.usefixtures("from_the_first_record")
def test_run_goes_on_when_the_process_beside_it_is_killed(archive, caplog):
    wanted = outcome_of(archive)
    Waiting.started.clear()
    caplog.clear()

    def kill(progress):
        for process in Waiting.started:
            if process._process.is_alive():
                os.kill(process._process.pid, signal.SIGKILL)
                process._process.join(START_SECONDS)

    with caplog.at_level(logging.WARNING, logger=beside.__name__):
        found = outcome_of(archive, on_batch=kill)

    assert found == wanted
    assert "goes on without it" in caplog.text


@pytest.mark.django_db
@pytest.mark.usefixtures("from_the_first_record")
@pytest.mark.parametrize("ending", ["complete", "failed", "stopped"])
def test_process_ends_with_its_run(archive, ending):
    def fail(progress):
        if progress.read >= 9:
            raise ZeroDivisionError

    if ending == "complete":
        imported(archive)
    elif ending == "stopped":
        imported(archive, should_stop=lambda: bool(Waiting.started))
    else:
        with pytest.raises(ZeroDivisionError):
            imported(archive, on_batch=fail)

    (process,) = Waiting.started
    with pytest.raises(ValueError, match="closed"):
        process._process.is_alive()


def test_signals_for_the_whole_group_do_not_end_the_process(archive):
    reader = READERS["jsonl"]
    with (archive / "a.jsonl").open("rb") as stream:
        records = list(reader.records(stream, Input("a.jsonl", None)))
    with Waiting("notes") as process:
        assert process.is_ready()
        for number in (signal.SIGINT, signal.SIGTERM):
            os.kill(process._process.pid, number)

        process.submit([("jsonl", raw) for raw in records])

        assert process.collect() == [prepare(reader, raw, "notes") for raw in records]


def test_process_does_not_outlive_a_killed_parent():
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stdin=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        text=True,
    )
    child = int(parent.stdout.readline())
    os.kill(child, 0)

    parent.kill()
    parent.communicate()

    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        try:
            os.kill(child, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    pytest.fail("the process outlived its parent")


PARENT = """
import sys
from posts.importing.beside import Beside

if __name__ == "__main__":
    with Beside("notes") as process:
        while not process.is_ready():
            pass
        print(process._process.pid, flush=True)
        sys.stdin.read()
"""
