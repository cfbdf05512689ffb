"""Checking the history: whatever somebody does to the rows of events is found and named."""

import datetime as dt
import io
import json
import random
import tracemalloc
from contextlib import suppress

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from posts import db, history, review, seals, verification, writing
from posts.importing import erasure
from posts.models import (
    ChainEnd,
    ErasedEvent,
    Event,
    ImportRun,
    ImportSource,
    Seal,
)
from tests.builders import make_post, make_snapshot, make_user

pytestmark = pytest.mark.django_db

NOW = dt.datetime(2026, 11, 17, 9, 0, 0, 123456, tzinfo=dt.UTC)


def run_of(name="generator"):
    source, _ = ImportSource.objects.get_or_create(name=name, defaults={"created_at": NOW})
    return ImportRun.objects.create(source=source, fence=1, engine_version="1", started_at=NOW)


@pytest.fixture
def past(settings):
    """Chains of every kind of subject; two thirds of the events sealed by two seals, one erased."""
    reviewer, editor = make_user("reviewer"), make_user("editor")
    posts = [make_post(state="listed", now=NOW, tags=["one"] * (n % 2)) for n in range(3)]
    run = run_of()
    history.append_to_run(run, "import started", data={"fence": 1, "ratio": 0.25}, now=NOW)
    erasure.erase(
        post_ids=[make_post(state="published", now=NOW).pk],
        by=make_user("superuser"),
        reason="asked for",
        now=NOW,
    )
    seals.seal_events(now=timezone.now(), older_than=dt.timedelta(0))
    for post in posts[:2]:
        review.act_on_one(action="withdraw", post=post, by=reviewer)
    seals.seal_events(now=timezone.now(), older_than=dt.timedelta(0))
    writing.revise(post=posts[0], by=editor, snapshot=make_snapshot(), seen=1)
    writing.change_slug(post=posts[1], by=editor, slug="another-address")
    history.append_to_run(run, "import complete", data={"read": 480}, now=timezone.now())
    reviewer.is_active = False
    reviewer.save()
    reviewer.groups.clear()
    return posts


def found():
    return list(verification.breaks(verification.Tally()))


def without_triggers():
    """Drop the triggers until the test's transaction is taken back."""
    with connection.cursor() as cursor:
        for table in db.IMMUTABLE_TABLES:
            for verb in ("update", "delete"):
                on = f" ON {table}" if connection.vendor == "postgresql" else ""
                cursor.execute(f"DROP TRIGGER {table}_refuse_{verb}{on}")


def execute(sql, *parameters):
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return cursor.fetchall() if cursor.description else cursor.rowcount


def test_history_that_nobody_touched_holds(past):
    tally = verification.Tally()

    assert list(verification.breaks(tally)) == []
    assert tally.events == Event.objects.count()
    assert tally.chains == ChainEnd.objects.count()
    assert tally.seals == Seal.objects.count() == 2
    erased = ErasedEvent.objects.count()
    assert tally.sealed_events + tally.unsealed_events == tally.events + erased
    assert erased


# --- Whatever is done to the rows -------------------------------------------------------------

COLUMNS = [field.column for field in Event._meta.concrete_fields]
OF_SITE = "post_id IS NULL AND run_id IS NULL AND person_id IS NULL"


def stored(pk, column):
    """Return a value of an event as the database holds it, in bytes."""
    if connection.vendor == "sqlite":
        sql = f"SELECT CAST({column} AS BLOB), typeof({column}) FROM posts_event WHERE id = %s"  # noqa: S608
    else:
        sql = f"SELECT {column}::text, '' FROM posts_event WHERE id = %s"  # noqa: S608
    rows = execute(sql, pk)
    value = rows[0][0] if rows else None
    return value.encode() if isinstance(value, str) else value


def alter_a_byte(chance):
    """Change one byte of one column of one event; return words about it, None when refused."""
    pk = chance.choice(list(Event.objects.values_list("pk", flat=True)))
    column = chance.choice(COLUMNS)
    before = stored(pk, column)
    value = bytearray(before if before is not None else b"7")
    if before is not None and value:
        place = chance.randrange(len(value))
        if connection.vendor == "sqlite" and chance.random() < 0.3:
            value[place] = chance.randrange(256)
        else:
            value[place] = chance.choice(b"0123456789abcdefgh :-.T{}[]\"',")
    elif not value:
        value = bytearray(b"1")
    after = bytes(value)
    if connection.vendor == "sqlite":
        execute(f"UPDATE posts_event SET {column} = CAST(%s AS TEXT) WHERE id = %s", after, pk)  # noqa: S608
    else:
        field = Event._meta.get_field(column)
        kind = field.db_type(connection)
        execute(
            f"UPDATE posts_event SET {column} = %s::text::{kind} WHERE id = %s",  # noqa: S608
            after.decode(),
            pk,
        )
    if column != "id" and stored(pk, column) == before:
        return None
    if column == "id" and Event.objects.filter(pk=pk).exists():
        return None
    return f"event {pk}: {column} from {before!r} to {after!r}"


def delete_one(chance):
    pk = chance.choice(list(Event.objects.values_list("pk", flat=True)))
    execute("DELETE FROM posts_event WHERE id = %s", pk)
    return f"event {pk} deleted"


def delete_the_newest(chance):
    """Remove the newest events of one chain, up to all of them."""
    end = chance.choice(list(ChainEnd.objects.all()))
    column = {"post": "post_id", "run": "run_id", "person": "person_id"}.get(end.subject)
    kept = chance.randrange(end.sequence)
    where = f"{column} = {end.subject_id}" if column else OF_SITE
    execute(f"DELETE FROM posts_event WHERE {where} AND sequence > %s", kept)  # noqa: S608
    return f"{end}: all but {kept} deleted"


def delete_the_newest_of_all(chance):
    number = chance.randrange(1, 9)
    execute(
        "DELETE FROM posts_event WHERE id IN "
        "(SELECT id FROM posts_event ORDER BY id DESC LIMIT %s)",
        number,
    )
    return f"the newest {number} deleted"


def swap_two(chance):
    first, second = chance.sample(list(Event.objects.values_list("pk", "kind", "hash")), 2)
    for pk, kind, hashed in ((first[0], *second[1:]), (second[0], *first[1:])):
        execute("UPDATE posts_event SET kind = %s, hash = %s WHERE id = %s", kind, hashed, pk)
    return f"events {first[0]} and {second[0]} swapped"


def add_one(chance):
    """Add a row to a chain as if it belonged there, without moving the chain's end."""
    end = chance.choice(list(ChainEnd.objects.filter(subject="post")))
    row = history._row(
        *(10**6, "post", end.subject_id, end.source_id, end.sequence + 1),
        *("approve", None, NOW, "", {}, end.hash),
    )
    db.insert_rows(Event, history.COLUMNS, [row])
    return f"an event added to {end}"


WAYS = [alter_a_byte] * 6 + [delete_one, delete_the_newest, delete_the_newest_of_all, swap_two]
WAYS.append(add_one)


def check_trials(number, seed):
    chance = random.Random(seed)
    without_triggers()
    assert found() == []
    done = 0
    while done < number:
        with transaction.atomic():
            words = None
            with suppress(DatabaseError), transaction.atomic():
                words = chance.choice(WAYS)(chance)
            if words is not None:
                assert found(), words
                done += 1
            transaction.set_rollback(True)
    assert found() == []


@pytest.mark.parametrize("seed", range(3))
def test_sixty_ways_to_touch_events_are_found(past, seed):
    check_trials(20, seed)


@pytest.mark.long
def test_a_thousand_ways_to_touch_events_are_found(past):
    check_trials(1_000, 2026)


# --- What is said about it --------------------------------------------------------------------


def test_first_broken_link_of_each_subject_is_named_with_its_seal(past):
    altered = Event.objects.filter(post=past[0]).order_by("sequence")[1]
    later = Event.objects.filter(post=past[0], kind="revise").get()
    without_triggers()
    execute("UPDATE posts_event SET kind = 'reject' WHERE id = %s", altered.pk)
    execute("UPDATE posts_event SET kind = 'reject' WHERE id = %s", later.pk)

    (broken,) = found()

    assert (broken.subject, broken.code, broken.sequence, broken.event) == (
        *(f"post:{past[0].pk}", "hash", 2, altered.pk),
    )
    assert broken.found == altered.hash != broken.expected
    assert broken.seals == [1]


def test_unsealed_newest_event_that_is_gone_is_named(past):
    newest = Event.objects.get(kind="slug")
    without_triggers()
    execute("DELETE FROM posts_event WHERE id = %s", newest.pk)

    (broken,) = found()

    assert (broken.subject, broken.code, broken.event) == (
        *(f"post:{past[1].pk}", "newest_missing", newest.pk),
    )
    assert broken.seals == []
    assert newest.hash in broken.expected


def test_chain_written_anew_is_found_by_its_seal(past):
    """Somebody who knows the code can make a chain and its end fit again, but not the seal."""
    without_triggers()
    previous = ""
    for event in Event.objects.filter(post=past[2]).order_by("sequence"):
        row = history._row(
            *(event.pk, "post", event.post_id, event.source_id, event.sequence, event.kind),
            *(None, event.at, event.revision_digest, event.data, previous),
        )
        previous = row[-1]
        Event.objects.filter(pk=event.pk).update(actor=None, previous_hash=row[-2], hash=previous)
    ChainEnd.objects.filter(subject="post", subject_id=past[2].pk).update(hash=previous)

    (broken,) = found()

    assert (broken.subject, broken.code, broken.seals) == ("seal:1", "seal_digest", [1])


def test_chain_removed_with_its_end_is_found_by_its_seal(past):
    without_triggers()
    execute("DELETE FROM posts_event WHERE post_id = %s", past[2].pk)
    ChainEnd.objects.filter(subject="post", subject_id=past[2].pk).delete()

    assert [(broken.subject, broken.code) for broken in found()] == [("seal:1", "seal_count")]


def test_removal_dressed_up_as_an_erasure_is_found(past):
    without_triggers()
    log = Event.objects.get(kind=history.ERASED)
    for event in Event.objects.filter(post=past[2]):
        ErasedEvent.objects.create(event_id=event.pk, hash=event.hash, logged=log)
    execute("DELETE FROM posts_event WHERE post_id = %s", past[2].pk)
    ChainEnd.objects.filter(subject="post", subject_id=past[2].pk).delete()

    (broken,) = found()

    assert (broken.subject, broken.code, broken.event) == ("site", "erased_events", log.pk)


def test_remains_of_events_that_no_erasure_logged_are_found(past):
    other = Event.objects.exclude(kind=history.ERASED).first()
    ErasedEvent.objects.create(event_id=10**6, hash="0" * 64, logged=other)

    assert [broken.code for broken in found()] == ["erased_events_unlogged"]


@pytest.mark.parametrize("column", ["number", "first_event", "last_event", "count"])
def test_altered_number_of_a_seal_is_found(past, column):
    without_triggers()
    execute(f"UPDATE posts_seal SET {column} = {column} + 1 WHERE number = 2")  # noqa: S608

    assert any(broken.subject.startswith("seal:") for broken in found())


@pytest.mark.parametrize("column", ["digest", "previous_hash", "hash", "made_at"])
def test_altered_text_of_a_seal_is_found(past, column):
    value = NOW if column == "made_at" else "0" * 64
    without_triggers()
    Seal.objects.filter(number=2).update(**{column: value})

    assert [broken.subject for broken in found()] == ["seal:2"]


def test_removed_seal_is_found(past):
    without_triggers()
    execute("DELETE FROM posts_seal WHERE number = 1")

    assert [(broken.subject, broken.code) for broken in found()] == [("seal:2", "seal_number")]


def test_seals_made_anew_are_found_by_the_hash_that_was_kept(past):
    kept = Seal.objects.get(number=2).hash
    without_triggers()
    execute("DELETE FROM posts_seal")
    seals.seal_events(now=timezone.now(), older_than=dt.timedelta(0))

    (broken,) = verification.breaks(verification.Tally(), expected_seal=(2, kept))

    assert (broken.code, broken.expected) == ("seal_not_the_kept_one", kept)


def test_post_and_run_are_checked_alone(past):
    tally = verification.Tally()
    run = ImportRun.objects.get()

    assert not list(verification.breaks(tally, posts=[past[0].pk], runs=[run.pk]))

    assert tally.chains == 2
    assert tally.events == Event.objects.filter(post=past[0]).count() + 2


def test_since_a_seal_only_what_went_on_is_checked(past):
    tally = verification.Tally()

    assert not list(verification.breaks(tally, since_seal=2))

    went_on = ChainEnd.objects.filter(event_id__gt=Seal.objects.get(number=2).last_event)
    assert tally.chains == went_on.count() < ChainEnd.objects.count()
    assert tally.seals == 0
    (broken,) = verification.breaks(verification.Tally(), since_seal=9)
    assert broken.code == "seal_missing"


@pytest.mark.parametrize("page", [1, 2, 3, 7])
def test_pages_of_any_size_find_the_same(past, monkeypatch, page):
    monkeypatch.setattr(verification, "PAGE", page)
    monkeypatch.setattr(seals, "PAGE", page)
    tally = verification.Tally()

    assert list(verification.breaks(tally)) == []
    assert tally.events == Event.objects.count()

    without_triggers()
    execute("UPDATE posts_event SET kind = 'reject' WHERE kind = 'slug'")
    assert [broken.code for broken in found()] == ["hash"]


def test_event_written_between_two_looks_is_no_break(past, monkeypatch):
    """The ends are read before the events; what somebody adds meanwhile is looked at again."""
    rows = verification._rows
    editor = make_user("editor")

    def writing_first(subject, ids):
        if subject == "post" and ids is None:
            writing.change_slug(post=past[2], by=editor, slug="meanwhile")
        yield from rows(subject, ids)

    ends = verification._ends

    def read_at_once(subject, ids):
        return iter(list(ends(subject, ids)))

    monkeypatch.setattr(verification, "_rows", writing_first)
    monkeypatch.setattr(verification, "_ends", read_at_once)

    assert found() == []
    assert Event.objects.filter(post=past[2], kind="slug").exists()


# --- The command ------------------------------------------------------------------------------


def verified(*arguments):
    """Return what the command printed and its exit code."""
    out, code = io.StringIO(), 0
    try:
        call_command("verify_history", *arguments, stdout=out)
    except SystemExit as stopped:
        code = stopped.code
    return out.getvalue(), code


def test_command_says_that_everything_holds(past):
    said, code = verified()

    assert code == 0
    assert "Everything holds." in said
    assert f"{Event.objects.count()} events" in said
    assert "2 seals" in said


def test_command_names_what_is_broken_and_fails(past):
    without_triggers()
    execute("UPDATE posts_event SET kind = 'reject' WHERE kind = 'slug'")

    said, code = verified()

    assert code == 1
    assert f"post:{past[1].pk} at " in said
    assert "not sealed yet" in said
    assert "1 broken" in said


def test_command_tells_machines(past):
    without_triggers()
    execute("UPDATE posts_event SET kind = 'reject' WHERE kind = 'slug'")

    said, code = verified("--json")

    told = json.loads(said)
    assert code == 1
    assert told["holds"] is False
    assert told["events"] == Event.objects.count()
    (one,) = told["breaks"]
    assert (one["subject"], one["code"], one["seals"]) == (f"post:{past[1].pk}", "hash", [])


def test_command_checks_one_chain(past):
    without_triggers()
    execute("UPDATE posts_event SET kind = 'reject' WHERE kind = 'slug'")

    assert verified("--post", str(past[0].pk))[1] == 0
    assert verified("--post", str(past[1].pk))[1] == 1
    assert verified("--run", str(ImportRun.objects.get().pk))[1] == 0


def test_command_compares_a_kept_seal(past):
    newest = Seal.objects.order_by("-number").first()

    assert verified("--expect-seal", f"{newest.number}:{newest.hash}")[1] == 0
    assert verified("--expect-seal", f"{newest.number}:{'0' * 64}")[1] == 1
    with pytest.raises(CommandError, match="expected a number, a colon"):
        verified("--expect-seal", "hello")


def test_memory_does_not_grow_with_the_history(past):
    """One page of rows is held at a time: the peak at ten times the pages is the same.

    The lower of several peaks counts: what a driver or an importer keeps from a first pass stays
    out of it. Both sizes have several pages, so the pages are what is compared.
    """
    run = run_of("other")

    def peak():
        tracemalloc.start()
        assert found() == []
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peaks = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(verification, "PAGE", 50)
        for more in (300, 3_000):
            history._append(
                "run",
                [(run.pk, "measured", "", {"n": n}) for n in range(more)],
                actor=None,
                now=NOW,
            )
            peaks.append(min(peak() for _ in range(3)))

    assert peaks[1] < peaks[0] * 1.3
