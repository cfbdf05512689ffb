"""The next batch is read during a commit: the same archive, and errors that reach the run."""

import threading

import pytest
from django.db import connection, transaction

from posts.importing import batches, engine
from posts.importing.export import canonical_lines
from posts.importing.intake import Intake
from posts.importing.synthesizer import output
from posts.importing.synthesizer.articles import synthesize
from posts.models import ImportCheckpoint, ImportRun

pytestmark = pytest.mark.django_db

BATCHES, SIZE = 5, 4


class Watched:
    """Arrivals of a file, and the threads that read them; may break off before one."""

    def __init__(self, path, broken_at=None):
        self.intake = Intake([str(path)])
        self.broken_at = broken_at
        self.threads = set()

    def __iter__(self):
        for number, arrival in enumerate(self.intake):
            if number == self.broken_at:
                raise OSError("the disk is gone")
            self.threads.add(threading.current_thread())
            yield arrival


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "a.jsonl"
    output.write_json_lines(articles=synthesize(5, BATCHES * SIZE), out=file)
    return file


def imported(arrivals, **more):
    return engine.run_import(
        arrivals, options=engine.Options(source="notes", batch_size=SIZE), **more
    )


def test_archive_is_the_same_when_one_thread_has_read_everything(path):
    ahead, in_turn = Watched(path), Watched(path)
    with transaction.atomic():
        progress = imported(ahead, reads_ahead=True)
        archive = list(canonical_lines())
        transaction.set_rollback(True)

    plain = imported(in_turn)

    assert len(ahead.threads) == 1
    assert ahead.threads != in_turn.threads == {threading.current_thread()}
    assert progress.counts == plain.counts == {"created": BATCHES * SIZE}
    assert archive == list(canonical_lines())


def test_next_batch_is_begun_with_every_commit(path, monkeypatch):
    begun = []
    begin = batches.ReadAhead.begin

    def noting(self):
        begun.append(connection.in_atomic_block and ImportCheckpoint.objects.count())
        begin(self)

    monkeypatch.setattr(batches.ReadAhead, "begin", noting)
    with transaction.atomic():
        imported(Watched(path), reads_ahead=True)

    # Each time a batch is asked for, and each time all of a batch is written.
    assert [begun.count(written) for written in range(1, BATCHES + 1)] == [2, 2, 2, 2, 1]


def test_reading_begins_before_anybody_asks():
    has_begun = threading.Event()

    def cut():
        has_begun.set()
        yield ["batch"]

    ahead = batches.ReadAhead(cut(), is_allowed=True)
    ahead.begin()

    assert has_begun.wait(timeout=10)
    assert list(ahead) == [["batch"]]
    ahead.close()


def test_error_of_reading_ahead_ends_the_run_behind_what_was_read(path):
    broken = Watched(path, broken_at=3 * SIZE + 1)

    with pytest.raises(OSError, match="the disk is gone"):
        imported(broken, reads_ahead=True)

    run = ImportRun.objects.get()
    assert (run.state, run.created) == (ImportRun.State.FAILED, 2 * SIZE)
    assert ImportCheckpoint.objects.filter(run=run).count() == 2


def test_run_that_is_stopped_leaves_nobody_reading(path):
    before = threading.active_count()
    stopped = []

    progress = imported(
        Watched(path),
        reads_ahead=True,
        on_batch=lambda progress: stopped.append(True),
        should_stop=lambda: bool(stopped),
    )

    assert progress.state == ImportRun.State.STOPPED
    assert progress.read == SIZE
    assert threading.active_count() == before


def test_only_files_are_read_ahead(path):
    assert Intake([str(path)]).never_waits
    assert not Intake(["-"]).never_waits
