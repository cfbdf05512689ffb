"""Failures whose cause passes are waited out, and nothing is lost, doubled or counted twice."""

from __future__ import annotations

import json
import sqlite3

import psycopg
import pytest
from django.db import OperationalError, connection, transaction

from posts import db
from posts.importing import batch, classification, engine, runs
from posts.importing.intake import Intake
from posts.models import ImportCheckpoint, ImportReject, ImportRun, ImportSource, Post

TOTAL = 12
BATCH = 5


@pytest.fixture
def path(tmp_path):
    rows = [
        {"key": f"n-{number}", "title": "" if number == 3 else f"Note {number}"}
        for number in range(TOTAL)
    ]
    file = tmp_path / "notes.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(file)


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    monkeypatch.setattr(runs, "RETRY_SECONDS", (0.0, 0.0, 0.0))


def passing_failure():
    """Return a failure of the kind that this database gives when another was faster."""
    error = OperationalError("another was faster")
    if connection.vendor == "postgresql":
        error.__cause__ = psycopg.errors.DeadlockDetected("deadlock detected")
    else:
        error.__cause__ = sqlite3.OperationalError("database is locked")
        error.__cause__.sqlite_errorcode = sqlite3.SQLITE_BUSY
    return error


def run(path):
    return engine.run_import(
        Intake([path]), options=engine.Options(source="notes", batch_size=BATCH)
    )


def assert_whole(progress):
    stored = ImportRun.objects.get()
    assert progress.counts == {"created": TOTAL - 1, "rejected": 1}
    assert (stored.read, stored.created, stored.rejected) == (TOTAL, TOTAL - 1, 1)
    assert Post.objects.count() == TOTAL - 1
    assert ImportReject.objects.count() == 1
    assert list(ImportCheckpoint.objects.order_by("batch").values_list("batch", flat=True)) == [
        1,
        2,
        3,
    ]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("failures", [1, 3])
def test_batch_that_failed_for_a_passing_cause_is_written_later(path, monkeypatch, failures):
    write, left = batch.write, [failures]

    def failing(items, **more):
        write(items, **more)
        if left[0]:
            left[0] -= 1
            with transaction.atomic():
                raise passing_failure()

    monkeypatch.setattr(batch, "write", failing)

    assert_whole(run(path))


@pytest.mark.django_db(transaction=True)
def test_statistics_that_failed_for_a_passing_cause_are_refreshed_later(path, monkeypatch):
    """A run whose posts are all written does not fail for the sake of the planner."""
    refresh, tries = db.refresh_planner_statistics, []

    def failing(tables):
        tries.append(tables)
        if len(tries) == 1:
            raise passing_failure()
        refresh(tables)

    monkeypatch.setattr(db, "refresh_planner_statistics", failing)
    monkeypatch.setattr(engine, "ANALYZE_FROM", 3)

    assert_whole(run(path))
    assert len(tries) == 2
    assert ImportRun.objects.get().state == "complete"


@pytest.mark.django_db(transaction=True)
def test_failure_that_does_not_pass_ends_the_run_and_says_so(path, monkeypatch):
    def failing(items, **more):
        raise passing_failure()

    monkeypatch.setattr(batch, "write", failing)

    with pytest.raises(OperationalError):
        run(path)

    stored = ImportRun.objects.get()
    assert (stored.state, stored.read) == ("failed", 0)
    assert "another was faster" in stored.message
    assert stored.source.owner is None


@pytest.mark.django_db(transaction=True)
def test_failure_of_another_kind_is_not_tried_again(path, monkeypatch):
    tries = []

    def failing(items, **more):
        tries.append(1)
        raise ValueError("a mistake in the code")

    monkeypatch.setattr(batch, "write", failing)

    with pytest.raises(ValueError, match="a mistake"):
        run(path)

    assert len(tries) == 1


@pytest.mark.django_db(transaction=True)
def test_batch_whose_commit_was_not_answered_is_not_written_twice(path, monkeypatch):
    write, left = engine._Writer._write, [1]

    def unanswered(self, items):
        write(self, items)
        if left[0]:
            left[0] -= 1
            raise passing_failure()

    monkeypatch.setattr(engine._Writer, "_write", unanswered)

    assert_whole(run(path))


@pytest.mark.django_db(transaction=True)
def test_look_up_that_failed_for_a_passing_cause_is_asked_again(path, monkeypatch):
    look_up, left = classification.look_up, [2]

    def failing(source_id, items):
        if left[0]:
            left[0] -= 1
            raise passing_failure()
        look_up(source_id, items)

    monkeypatch.setattr(classification, "look_up", failing)

    assert_whole(run(path))
    assert left == [0]


@pytest.mark.django_db(transaction=True)
def test_connection_that_the_server_ends_in_a_batch_is_replaced(path, monkeypatch):
    if connection.vendor != "postgresql":
        # There is no server that could end it; a busy file is the failure SQLite knows.
        assert db.is_retryable(passing_failure())
        return
    write, left = batch.write, [2]

    def killed(items, **more):
        write(items, **more)
        if left[0]:
            left[0] -= 1
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    monkeypatch.setattr(batch, "write", killed)

    assert_whole(run(path))


@pytest.mark.django_db
def test_run_that_was_taken_over_behind_its_last_batch_writes_nothing_more(path):
    def take_over(progress):
        if progress.read == TOTAL:
            ImportSource.objects.update(owner=None, fence=2)
            ImportRun.objects.update(state=ImportRun.State.FAILED, message="taken over")

    with pytest.raises(runs.SourceBusyError):
        engine.run_import(
            Intake([path]),
            options=engine.Options(source="notes", batch_size=BATCH),
            on_batch=take_over,
        )

    stored = ImportRun.objects.get()
    assert (stored.state, stored.message) == ("failed", "taken over")
    assert list(stored.events.values_list("kind", flat=True)) == ["import started"]
