"""Walks over the archive: what they add up, how they stop, and what they say then."""

from __future__ import annotations

import io
import json
import os
import signal

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError

from posts import queue
from posts.management import walking
from posts.rebuilding import Step


def steps(*made: Step):
    """Return a step function that gives these in turn and notes behind what it was asked."""
    asked: list[int] = []
    left = list(made)

    def step(after: int) -> Step:
        asked.append(after)
        return left.pop(0)

    return step, asked


def test_a_walk_goes_on_behind_the_last_row_and_adds_up() -> None:
    step, asked = steps(Step(7, 5, 2), Step(12, 5, 0), Step(None, 3, 1))

    done = walking.walk(step, after=2)

    assert asked == [2, 7, 12]
    assert (done.last, done.seen, done.written, done.is_stopped) == (12, 13, 3, False)


def test_progress_is_told_between_steps_not_after_the_last(monkeypatch) -> None:
    monkeypatch.setattr(walking, "PLAIN_SECONDS", 0)
    step, _ = steps(Step(7, 5, 2), Step(12, 5, 0), Step(None, 0, 0))
    told = []

    walking.walk(step, tell=told.append)

    assert [(one.last, one.seen) for one in told] == [(7, 5), (12, 10)]


@pytest.mark.django_db
def test_a_signal_stops_behind_a_step_and_the_command_says_how_to_go_on(monkeypatch) -> None:
    def step(after: int) -> Step:
        os.kill(os.getpid(), signal.SIGTERM)
        return Step(after + 40, 40, 3)

    monkeypatch.setattr(queue, "rebuild", step_with_keyword(step))
    out = io.StringIO()

    with pytest.raises(SystemExit) as ended:
        call_command("refresh_queue", "--after", "2", stdout=out)

    assert ended.value.code == walking.STOPPED
    assert "40 posts looked at, 3 queue rows written" in out.getvalue()
    assert out.getvalue().endswith("Stopped. To go on:\n  manage.py refresh_queue --after 42\n")


@pytest.mark.django_db
def test_a_signal_during_the_last_step_changes_nothing(monkeypatch) -> None:
    def step(after: int) -> Step:
        os.kill(os.getpid(), signal.SIGTERM)
        return Step(None, 9, 9)

    monkeypatch.setattr(queue, "rebuild", step_with_keyword(step))
    out = io.StringIO()

    call_command("refresh_queue", "--json", stdout=out)

    told = json.loads(out.getvalue())
    assert (told["state"], told["posts"], told["written"]) == ("complete", 9, 9)


@pytest.mark.django_db
def test_a_failure_says_that_what_was_written_stays(monkeypatch) -> None:
    def step(after: int) -> Step:
        raise DatabaseError("disk full")

    monkeypatch.setattr(queue, "rebuild", step_with_keyword(step))

    with pytest.raises(CommandError, match="disk full") as failed:
        call_command("refresh_queue")

    assert "What was written stays." in str(failed.value)


def step_with_keyword(step):
    return lambda *, after=0: step(after)
