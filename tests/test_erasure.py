"""Erasure of posts: nothing of them stays but a tombstone and a log without their words."""

import io
import json

import pytest
from django.apps import apps
from django.core.exceptions import PermissionDenied
from django.core.management import CommandError, call_command
from django.db import connection, models
from django.utils import timezone

from posts import counters, history, review, writing
from posts.importing import engine, erasure
from posts.importing.export import canonical_lines
from posts.importing.formats import Input, jsonl
from posts.importing.intake import Arrival
from posts.models import (
    BulkAction,
    Decision,
    Entity,
    ErasureDoor,
    ImageSource,
    ImportedPost,
    ImportReject,
    ImportSource,
    Post,
    Revision,
    Slug,
    Tag,
)
from tests.builders import make_post, make_snapshot, make_user

pytestmark = pytest.mark.django_db

SECRET = "Xanthippe"


def note(key="n-1", **fields):
    return {"key": key, "title": "A note", "body": "Text.", **fields}


def imported(*records, source="notes", **options):
    data = b"".join(json.dumps(record).encode() + b"\n" for record in records)
    arrivals = (
        Arrival(0, raw, jsonl)
        for raw in jsonl.records(io.BytesIO(data), Input("notes.jsonl", None))
    )
    return engine.run_import(arrivals, options=engine.Options(source=source, **options))


def the(key="n-1"):
    return ImportedPost.objects.get(key=key)


def erase(*keys, **more):
    by = more.pop("by", None) or make_user("superuser")
    more.setdefault("reason", "asked for")
    ids = [the(key).post_id for key in keys]
    logged = erasure.erase(post_ids=ids, by=by, **more)
    connection.check_constraints()
    return logged


def everything_stored():
    """Return every text and JSON value of every table of the application."""
    parts = []
    for model in apps.get_app_config("posts").get_models():
        names = [
            field.attname
            for field in model._meta.concrete_fields
            if isinstance(field, models.CharField | models.TextField | models.JSONField)
        ]
        if names:
            parts += [str(row) for row in model._default_manager.values_list(*names)]
    return "\n".join(parts)


def well_known_post():
    """Import a post full of one word and let people do everything to it."""
    imported(
        note(
            "n-1",
            title=SECRET,
            tags=[SECRET],
            lede=f"About {SECRET}.",
            image_sources=[{"url": f"https://example.org/{SECRET}.png"}],
            entities=[{"name": SECRET, "type": "person"}],
        ),
        note("n-2"),
    )
    person, post = make_user("superuser"), Post.objects.get(imported__key="n-1")
    writing.set_editorial_tags(post=post, by=person, names=[f"{SECRET} again"])
    writing.change_slug(post=post, by=person, slug=SECRET.lower())
    snapshot = make_snapshot(title=f"{SECRET} 2", body=f"{SECRET} here.")
    editor = make_user("editor")
    writing.revise(post=post, by=editor, snapshot=snapshot, seen=1, comment=f"{SECRET} 3")
    review.act_on_one(
        action=["approve", "publish"],
        post=post,
        by=person,
        comment=f"Said {SECRET}.",
        undo_seconds=0,
    )
    imported(note("n-1", title=f"{SECRET} held"), note("n-1", difficulty=SECRET))
    return post


def test_no_word_of_an_erased_post_stays():
    well_known_post()
    assert SECRET in everything_stored()

    erase("n-1")

    assert SECRET.lower() not in everything_stored().lower()
    assert list(Post.objects.values_list("imported__key", flat=True)) == ["n-2"]
    assert Revision.objects.count() == 1
    assert not Decision.objects.exists()
    assert not Slug.objects.filter(slug=SECRET.lower()).exists()
    assert not any(model.objects.exists() for model in (Tag, Entity, ImageSource, ErasureDoor))
    assert ImportReject.objects.get().value == ""


def test_tombstone_keeps_the_post_from_being_imported_again():
    imported(note(), note("n-2"))
    before = the()
    erase("n-1")

    tombstone = the()
    assert (tombstone.post_id, tombstone.base_revision_id, tombstone.is_tombstone) == (
        None,
        None,
        True,
    )
    assert (tombstone.base_digest, tombstone.record_digest) == (
        before.base_digest,
        before.record_digest,
    )
    for version in (note(), note(title="Another")):
        assert imported(version, note("n-2")).counts == {"tombstoned": 1, "unchanged": 1}
    assert Post.objects.count() == 1
    lines = [json.loads(line) for line in canonical_lines()]
    assert lines[0] == {"source": "notes", "key": "n-1", "is_tombstone": True}


def test_use_counts_of_a_listed_post_go_down():
    snapshot = make_snapshot()
    first, second = make_post(snapshot=snapshot), make_post()
    now = timezone.now()
    tag = Tag.objects.get(name="gauge")
    entity = Entity.objects.get(name="tidal services")
    counts = counters.use_counts(tags=[tag.pk], entities=[entity.pk], now=now)
    assert (counts.tags[tag.pk], counts.entities[entity.pk], counts.listed) == (2, 2, 2)

    erasure.erase(post_ids=[first.pk], by=make_user("superuser"), reason="asked for")

    for _ in range(2):
        counts = counters.use_counts(tags=[tag.pk], entities=[entity.pk], now=timezone.now())
        assert (counts.tags[tag.pk], counts.entities[entity.pk], counts.listed) == (1, 1, 1)
        counters.fold(now=timezone.now())
    assert list(Post.objects.indexable(timezone.now())) == [second]


def test_future_gate_of_an_erased_post_never_opens():
    later = timezone.now() + timezone.timedelta(days=2)
    post = make_post(state="private")
    review.act_on_one(
        action=["approve", "publish"], post=post, by=make_user("superuser"), publish_at=later
    )

    erasure.erase(post_ids=[post.pk], by=make_user("superuser"), reason="asked for")

    assert counters.total_listed(later + timezone.timedelta(days=1)) == 0


def test_erasure_is_logged_by_numbers_and_reason():
    first = imported(note("a"), note("b")).run
    second = imported(note("c")).run
    person = make_user("superuser")

    logged = erase("a", "b", "c", by=person, reason="licence")

    assert BulkAction.objects.get() == logged
    assert (logged.actor, logged.action, logged.reason) == (person, "erase", "licence")
    assert (logged.changed, logged.skipped, logged.filters) == (3, 0, {"posts": 3})
    for run, number in ((first, 2), (second, 1)):
        event = run.events.order_by("sequence").last()
        assert (event.kind, event.actor) == ("erase", person)
        assert event.data == {"posts": number, "bulk_action": logged.pk}
        assert not history.broken_links(run.events.order_by("sequence"))


def test_names_another_post_uses_stay():
    imported(note("a", tags=["one", "two"]), note("b", tags=["two"]))

    erase("a")

    assert list(Tag.objects.values_list("name", flat=True)) == ["two"]


@pytest.mark.parametrize("kind", ["editor", "reviewer", "reader"])
def test_erasing_needs_its_own_permission(kind):
    imported(note())

    with pytest.raises(PermissionDenied, match=r"posts\.delete_post"):
        erase("n-1", by=make_user(kind))

    assert Post.objects.count() == 1


@pytest.mark.parametrize("reason", ["", "  ", "x" * 501])
def test_reason_is_needed_and_fits(reason):
    imported(note())

    with pytest.raises(erasure.ErasureError, match="expected 1 to 500"):
        erase("n-1", reason=reason)


def test_post_of_a_source_that_is_being_imported_is_left_alone():
    run = imported(note()).run
    run.state, run.host, run.process = "running", "elsewhere", 7
    run.save()
    ImportSource.objects.update(owner=run, heartbeat_at=timezone.now())

    with pytest.raises(erasure.ErasureError, match=f"Run {run.pk} is importing"):
        erase("n-1")

    assert Post.objects.count() == 1


def test_failure_in_the_middle_leaves_all_posts(monkeypatch):
    imported(note("a"), note("b"))
    before = list(canonical_lines())

    def fail(*arguments, **more):
        raise RuntimeError("power cut")

    monkeypatch.setattr(history, "append_to_run", fail)
    with pytest.raises(RuntimeError):
        erase("a", "b")

    assert list(canonical_lines()) == before
    assert not ErasureDoor.objects.exists()


# --- The command --------------------------------------------------------------------------------


def command(*arguments):
    out = io.StringIO()
    call_command("erase_posts", *arguments, stdout=out)
    return out.getvalue()


@pytest.fixture
def person():
    return make_user("superuser", username="ana")


BY = ("--by", "ana", "--reason", "asked for")


def test_command_without_yes_only_says_what_it_would_do(person):
    imported(note("a"), note("b"))

    out = command(*BY, "--source", "notes", "--key", "b")

    assert out.startswith("  notes b\n1 posts would be erased for good")
    assert Post.objects.count() == 2


def test_command_erases_by_key_and_by_any_address_and_can_run_again(person):
    imported(note("a"), note("b", slug="first-address"), note("c"))
    writing.change_slug(post=the("b").post, by=person, slug="second-address")
    names = ("--source", "notes", "--key", "a", "--slug", "first-address", "--yes")

    out = command(*BY, *names)

    assert out.startswith("2 posts erased, 0 were erased already.")
    assert list(Post.objects.values_list("imported__key", flat=True)) == ["c"]
    assert "1 are erased already" in command(*BY, "--source", "notes", "--key", "a", "--yes")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (BY, "Name posts by"),
        ((*BY, "--key", "a"), "belong together"),
        ((*BY, "--source", "notes"), "Name posts by"),
        ((*BY, "--slug", "nothing-here", "--yes"), "Nothing is known of nothing-here"),
        ((*BY, "--source", "other", "--key", "a", "--yes"), "Nothing is known of a"),
        (("--by", "nobody", "--reason", "x", "--slug", "s"), "no active user 'nobody'"),
    ],
)
def test_command_refuses_what_it_cannot_understand(person, arguments, says):
    imported(note("a"))

    with pytest.raises(CommandError, match=says):
        command(*arguments)

    assert Post.objects.count() == 1


def test_command_refuses_a_person_without_the_permission():
    make_user("editor", username="ana")
    imported(note("a"))

    with pytest.raises(CommandError, match="ana may not do this"):
        command(*BY, "--source", "notes", "--key", "a")
