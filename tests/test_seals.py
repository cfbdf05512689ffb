"""Seals: ranges of events that are final, also when numbers are committed out of order."""

import datetime as dt
import io
import json
import threading
import time

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction
from django.utils import timezone

from posts import db_history, history, seals, verification
from posts.models import ErasedEvent, Event, ImportRun, ImportSource, Seal
from tests.builders import make_user
from tests.concurrently import look, run_together

NOW = dt.datetime(2026, 11, 17, 9, tzinfo=dt.UTC)
NOTHING_YOUNG = dt.timedelta(0)


def run_of(name="generator"):
    source, _ = ImportSource.objects.get_or_create(name=name, defaults={"created_at": NOW})
    return ImportRun.objects.create(source=source, fence=1, engine_version="1", started_at=NOW)


def write(run, number=1, at=NOW):
    for _ in range(number):
        history.append_to_run(run, "measured", data={}, now=at)


def seal_all(**more):
    return seals.seal_events(now=timezone.now(), older_than=NOTHING_YOUNG, **more)


def breaks():
    return list(verification.breaks(verification.Tally()))


@pytest.fixture
def run(db):
    """A run without events; whatever was there before is sealed already."""
    run = run_of()
    write(run)
    seal_all()
    return run


def test_seals_follow_each_other_without_a_gap(run):
    first = Seal.objects.latest("number")
    write(run, 3)

    (second,) = seal_all()
    write(run, 2)
    (third,) = seal_all()

    assert (second.number, second.first_event) == (first.number + 1, first.last_event + 1)
    assert (third.first_event, third.previous_hash) == (second.last_event + 1, second.hash)
    assert (second.count, third.count) == (3, 2)
    assert breaks() == []


def test_nothing_new_makes_no_seal(run):
    assert seal_all() == []


def test_large_ranges_become_several_seals(run, monkeypatch):
    monkeypatch.setattr(seals, "SEAL_EVENTS", 3)
    monkeypatch.setattr(seals, "PAGE", 2)
    write(run, 8)

    made = seal_all()

    assert [seal.count for seal in made] == [3, 3, 2]
    assert breaks() == []


def test_young_events_wait(run):
    write(run, 2)
    write(run, 1, at=NOW + dt.timedelta(minutes=4))
    write(run, 1)

    now = NOW + dt.timedelta(minutes=8)
    (seal,) = seals.seal_events(now=now, older_than=dt.timedelta(minutes=5))

    # The last one is old enough, but stands behind one that is not.
    assert seal.count == 2
    (rest,) = seals.seal_events(now=NOW + dt.timedelta(minutes=30))
    assert rest.count == 2


def test_what_is_sealed_in_passing_is_bounded_and_waits_for_nobody(run, monkeypatch):
    monkeypatch.setattr(seals, "PASSING_EVENTS", 5)
    write(run, 8)

    (seal,) = seals.in_passing(NOW + dt.timedelta(hours=1))
    assert seal.count == 5

    monkeypatch.setattr(db_history, "writers", lambda: {"3/4"})
    assert seals.in_passing(NOW + dt.timedelta(hours=1)) == []


def test_seal_waits_for_transactions_that_began_before_and_for_no_later_one(run, monkeypatch):
    write(run, 2)
    asked = iter([{"3/1", "3/2"}, {"3/2", "9/9"}, {"9/9"}])
    slept = []
    monkeypatch.setattr(db_history, "writers", lambda: next(asked))

    (seal,) = seal_all(sleep=slept.append)

    assert seal.count == 2
    assert len(slept) == 2


def test_transaction_that_does_not_end_keeps_everything_unsealed(run, monkeypatch):
    write(run, 2)
    before = Seal.objects.count()
    monkeypatch.setattr(db_history, "writers", lambda: {"3/4"})

    with pytest.raises(seals.StillWritingError, match="Safe to run again"):
        seal_all(wait_seconds=0)

    assert Seal.objects.count() == before
    with pytest.raises(CommandError, match="Nothing was sealed"):
        call_command("seal_history", "--older-than", "0", "--wait", "0", stdout=io.StringIO())


def test_own_transaction_is_no_reason_to_wait(run):
    with transaction.atomic():
        write(run)

        assert db_history.writers() == set()


@pytest.mark.parametrize("model", [Seal, ErasedEvent])
def test_seals_and_remains_never_change(run, model):
    event = Event.objects.latest("pk")
    ErasedEvent.objects.create(event_id=10**6, hash="0" * 64, logged=event)

    with pytest.raises(IntegrityError, match="rows never change"), transaction.atomic():
        model.objects.update(hash="1" * 64)
    with pytest.raises(IntegrityError, match="rows never change"), transaction.atomic():
        model.objects.all()._raw_delete("default")


def sealed(*arguments):
    out = io.StringIO()
    call_command("seal_history", *arguments, stdout=out)
    return out.getvalue()


def test_command_prints_the_line_to_keep(run):
    write(run, 2)

    said = sealed("--older-than", "0")

    newest = Seal.objects.latest("number")
    assert "2 events sealed by 1 seals." in said
    assert f"newest seal {newest.number}:{newest.hash}" in said
    assert "Nothing to seal" in sealed("--older-than", "0")
    told = json.loads(sealed("--json"))
    assert told == {"seals": 0, "events": 0, "newest": f"{newest.number}:{newest.hash}"}


@pytest.mark.parametrize("text", ["-1", "soon", "nan", "1e9"])
def test_command_refuses_an_age_that_is_none(db, text):
    with pytest.raises(CommandError, match="expected a number from 0"):
        sealed(f"--older-than={text}")


@pytest.mark.django_db(transaction=True)
def test_event_with_a_lower_number_that_is_committed_later_is_sealed(tmp_path):
    """The slow one takes its number first; the seal that follows the fast one has both."""
    slow, fast = run_of("slow"), run_of("fast")
    make_user("editor")
    seal_all()
    has_number = threading.Event()

    def write_slowly():
        with transaction.atomic():
            write(slow)
            has_number.set()
            # On PostgreSQL the other writer and the sealer have all this time.
            time.sleep(1)

    def write_fast_and_seal():
        has_number.wait(10)
        write(fast)
        return [seal.count for seal in seal_all(wait_seconds=20)]

    results = run_together([write_slowly, write_fast_and_seal], tmp_path)

    assert results[1] == [2], results
    assert look(breaks, tmp_path) == []


@pytest.mark.django_db(transaction=True)
def test_two_that_seal_at_once_make_each_seal_once(tmp_path):
    write(run_of(), 20)

    results = run_together([seal_all, seal_all, seal_all], tmp_path)

    assert not any(isinstance(result, Exception) for result in results), results
    made = [seal.number for result in results for seal in result]
    assert made == [1]
    assert look(breaks, tmp_path) == []


@pytest.mark.django_db(transaction=True)
def test_chain_of_the_site_does_not_fork(tmp_path):
    def tell():
        for number in range(5):
            history.append_to_site("measured", data={"n": number}, now=NOW)

    results = run_together([tell, tell, tell], tmp_path)

    assert results == [None] * 3
    assert look(breaks, tmp_path) == []
    assert look(lambda: Event.objects.filter(kind="measured").count(), tmp_path) == 15
