"""The wait for SQLite's write lock is one of even short steps, and ends."""

import sqlite3
from types import SimpleNamespace

import pytest
from django.db import OperationalError, connections, transaction

from alphanode.sqlite3 import base

pytestmark = pytest.mark.django_db


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "lock.sqlite3")


@pytest.fixture
def writer(path):
    """Return a connection of the site to a file of its own, whatever the tests run on."""
    settings = {
        **connections.configure_settings({"default": {}})["default"],
        "ENGINE": "alphanode.sqlite3",
        "NAME": path,
        "OPTIONS": {"transaction_mode": "IMMEDIATE", "timeout": 3},
    }
    wrapper = base.DatabaseWrapper(settings, "lock")
    connections["lock"] = wrapper
    yield wrapper
    wrapper.close()
    del connections["lock"]


@pytest.fixture
def other(path):
    """Return a connection that holds the write lock."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    yield connection
    connection.close()


def test_lock_is_taken_in_the_step_after_it_was_given_back(writer, other, monkeypatch):
    steps = []

    def sleep(seconds):
        steps.append(seconds)
        if len(steps) == 40:
            other.execute("COMMIT")

    monkeypatch.setattr(base, "time", SimpleNamespace(monotonic=lambda: 0.0, sleep=sleep))

    with transaction.atomic(using="lock"), writer.cursor() as cursor:
        cursor.execute("CREATE TABLE saved (id integer)")

    assert steps == [base.STEP] * 40


def test_wait_ends_with_the_error_of_sqlite_after_the_timeout(writer, other, monkeypatch):
    moments = iter([0.0, 1.0, 2.9, 3.0])
    clock = SimpleNamespace(monotonic=lambda: next(moments), sleep=lambda seconds: None)
    monkeypatch.setattr(base, "time", clock)

    with pytest.raises(OperationalError, match="locked"), transaction.atomic(using="lock"):
        pytest.fail("there is no lock to be had")

    assert next(moments, None) is None


def test_statements_behind_the_beginning_wait_as_sqlite_does(writer):
    with transaction.atomic(using="lock"), writer.cursor() as cursor:
        cursor.execute("PRAGMA busy_timeout")

        assert cursor.fetchone() == (3000,)
