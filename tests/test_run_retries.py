"""Undo, and the beginning and end of every run, wait out failures whose cause passes.

What a server does to a connection is done to it here: a deadlock, an ended backend, an answer that
never came. The batches of an import stand in tests/test_engine_retries.py.
"""

from __future__ import annotations

import io
import json
import sqlite3
from contextlib import suppress

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection, transaction

from posts import history
from posts.importing import engine, erasure, runs, undo
from posts.importing.formats import Input, jsonl
from posts.importing.intake import Arrival
from posts.models import ImportRun, ImportSource, Post

pytestmark = pytest.mark.django_db(transaction=True)

TOTAL = 6


@pytest.fixture(autouse=True)
def pauses(monkeypatch):
    """Let no test wait, and count the pauses."""
    taken = []
    monkeypatch.setattr(runs, "RETRY_SECONDS", (0.1, 0.2, 0.3))
    monkeypatch.setattr(runs, "sleep", taken.append)
    return taken


def passing_failure():
    """Return a failure of the kind that this database gives when another was faster."""
    error = OperationalError("another was faster")
    if connection.vendor == "postgresql":
        error.__cause__ = psycopg.errors.SerializationFailure("could not serialize access")
    else:
        error.__cause__ = sqlite3.OperationalError("database is locked")
        error.__cause__.sqlite_errorcode = sqlite3.SQLITE_BUSY
    return error


def fail_in_transaction():
    with transaction.atomic():
        raise passing_failure()


def end_connection():
    """Let the server end this connection, as an administrator or a restart does."""
    if connection.vendor != "postgresql":
        # There is no server that could; a busy file is the failure SQLite knows.
        raise passing_failure()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")


def imported():
    data = b"".join(
        json.dumps({"key": f"n-{n}", "title": f"Note {n}"}).encode() + b"\n" for n in range(TOTAL)
    )
    arrivals = (
        Arrival(0, raw, jsonl) for raw in jsonl.records(io.BytesIO(data), Input("n.jsonl", None))
    )
    return engine.run_import(arrivals, options=engine.Options(source="notes")).run


def failing(function, failure, times=1, after=False):
    """Return a function that fails so many times, before or after doing its work."""
    left = [times]

    def called(*arguments, **more):
        is_failing, left[0] = left[0] > 0, left[0] - 1
        if is_failing and not after:
            failure()
        result = function(*arguments, **more)
        if is_failing:
            failure()
        return result

    return called


def assert_undone(progress):
    stored = ImportRun.objects.get(pk=progress.run.pk)
    assert progress.counts == {"reversed": TOTAL}
    assert (stored.state, stored.read, stored.updated, stored.rejected) == (
        "complete",
        TOTAL,
        TOTAL,
        0,
    )
    assert list(stored.checkpoints.order_by("batch").values_list("batch", flat=True)) == [1, 2, 3]
    assert not Post.objects.exists()
    assert ImportSource.objects.get().owner_id is None
    events = stored.events.order_by("sequence")
    assert [event.kind for event in events] == ["undo started", "undo complete"]
    assert not history.broken_links(events)


# --- Undo ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.parametrize("failure", [fail_in_transaction, end_connection])
def test_batch_of_an_undo_is_tried_again_when_the_cause_passes(monkeypatch, pauses, failure, times):
    run = imported()
    monkeypatch.setattr(erasure, "remove_rows", failing(erasure.remove_rows, failure, times))

    assert_undone(undo.undo_run(run, batch_size=2))
    assert pauses == [0.1, 0.2, 0.3][:times]


def test_batch_of_an_undo_whose_commit_was_not_answered_is_counted_once(monkeypatch):
    run = imported()
    unanswered = failing(undo._Writer._write, fail_in_transaction, after=True)
    monkeypatch.setattr(
        undo._Writer, "_write", lambda self, *rest, **more: unanswered(self, *rest, **more)
    )

    assert_undone(undo.undo_run(run, batch_size=2))


def test_connection_that_ends_between_two_batches_is_replaced(monkeypatch):
    run = imported()
    ended = []

    def end_once(progress):
        if not ended and connection.vendor == "postgresql":
            ended.append(progress.run.pk)
            with suppress(OperationalError):
                end_connection()

    progress = undo.undo_run(run, batch_size=2, on_batch=end_once)

    assert_undone(progress)


def test_dry_run_of_an_undo_is_tried_again_too(monkeypatch):
    run = imported()
    monkeypatch.setattr(undo, "_judged", failing(undo._judged, fail_in_transaction))

    assert undo.undo_run(run, dry_run=True).counts == {"reversed": TOTAL}
    assert Post.objects.count() == TOTAL


def test_failure_of_an_undo_that_does_not_pass_ends_it_and_the_source_is_free(monkeypatch):
    run = imported()
    monkeypatch.setattr(
        erasure, "remove_rows", failing(erasure.remove_rows, fail_in_transaction, times=99)
    )

    with pytest.raises(OperationalError):
        undo.undo_run(run, batch_size=2)

    stored = ImportRun.objects.latest("pk")
    assert (stored.kind, stored.state, stored.read) == ("undo", "failed", 0)
    assert "another was faster" in stored.message
    assert ImportSource.objects.get().owner_id is None


def test_command_tells_a_lasting_failure_in_words_and_what_to_do(monkeypatch):
    run = imported()
    monkeypatch.setattr(
        erasure, "remove_rows", failing(erasure.remove_rows, fail_in_transaction, times=99)
    )

    with pytest.raises(CommandError, match=r"another was faster.*run the same command again"):
        call_command("import_undo", str(run.pk), stdout=io.StringIO())


# --- Beginning and end --------------------------------------------------------------------------


@pytest.mark.parametrize("failure", [fail_in_transaction, end_connection])
def test_run_begins_when_the_cause_passed(monkeypatch, failure):
    monkeypatch.setattr(history, "append_to_run", failing(history.append_to_run, failure, times=2))

    run = runs.begin(source_name="notes", options={})

    assert ImportRun.objects.get() == run
    assert ImportSource.objects.get().owner == run
    assert run.events.count() == 1


def test_run_whose_beginning_was_not_answered_does_not_wait_for_itself(monkeypatch):
    monkeypatch.setattr(runs, "_begin", failing(runs._begin, fail_in_transaction, after=True))

    run = runs.begin(source_name="notes", options={})

    assert ImportRun.objects.get() == run
    assert run.events.count() == 1
    runs.close(run, "complete", message="", counts={})
    assert ImportSource.objects.get().owner is None


@pytest.mark.parametrize("failure", [fail_in_transaction, end_connection])
def test_run_ends_when_the_cause_passed(monkeypatch, failure):
    run = runs.begin(source_name="notes", options={})
    monkeypatch.setattr(history, "append_to_run", failing(history.append_to_run, failure))

    runs.close(run, "complete", message="", counts={"read": 0})

    run.refresh_from_db()
    assert (run.state, run.events.count()) == ("complete", 2)
    assert ImportSource.objects.get().owner is None


def test_end_that_was_not_answered_is_not_taken_for_a_run_of_another(monkeypatch):
    run = runs.begin(source_name="notes", options={})
    monkeypatch.setattr(runs, "_close", failing(runs._close, fail_in_transaction, after=True))

    runs.close(run, "complete", message="", counts={"read": 0})

    assert run.events.count() == 2


def test_failure_that_does_not_pass_is_raised_at_once(monkeypatch, pauses):
    def mistaken():
        raise ValueError("a mistake in the code")

    monkeypatch.setattr(history, "append_to_run", failing(history.append_to_run, mistaken))

    with pytest.raises(ValueError, match="a mistake"):
        runs.begin(source_name="notes", options={})

    assert pauses == []
    assert not ImportRun.objects.exists()


def test_nothing_is_tried_again_inside_a_transaction_of_the_caller(pauses):
    with pytest.raises(OperationalError), transaction.atomic():
        runs.persistently(fail_in_transaction)

    assert pauses == []
