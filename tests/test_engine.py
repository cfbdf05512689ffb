"""The import engine: what becomes of every record, what is in the database after it, and what not.

Inputs are made here, in memory unless the form of the file matters. Every run goes through
`imported`, which also checks the count law and the run's chain of events.
"""

import gzip
import hashlib
import io
import json
import os
import re
import socket
import subprocess
import sys
from collections import Counter
from contextlib import contextmanager

import pytest
import zstandard
from django.apps import apps
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from posts import content, db, history, review, writing
from posts.bulk import act_on_all
from posts.importing import batch, batches, classification, engine, preparation, runs
from posts.importing.export import canonical_lines
from posts.importing.formats import Input, jsonl
from posts.importing.intake import Arrival, Intake
from posts.importing.records import Record
from posts.importing.synthesizer import output
from posts.importing.synthesizer.articles import synthesize
from posts.models import (
    Entity,
    Event,
    ImportCheckpoint,
    ImportedPost,
    ImportReject,
    ImportRun,
    ImportSource,
    Post,
    PostEntity,
    PostImage,
    PostTag,
    Revision,
    Slug,
    Tag,
)
from tests.builders import make_post, make_snapshot, make_user

pytestmark = pytest.mark.django_db

#: Tables of the run itself; a second run of the same input may write these and no others.
LOG_TABLES = {
    "posts_importrun",
    "posts_importsource",
    "posts_importcheckpoint",
    "posts_event",
    "posts_chainend",
}

#: SHA-256 of the canonical export of `archive_of_two_runs`. Made on SQLite by printing
#: `exported_digest()`; PostgreSQL must come to the same bytes, and so must every later version of
#: the code that does not mean to change the canonical form, the synthesizer or the slugs.
GOLDEN_EXPORT = "78b269fa1332008e3e255de871fab9faa6e8e72256678d79a95632a4031ef2f0"


# --- What the tests say in one word -------------------------------------------------------------


def note(key="n-1", title="A note", **fields):
    """Return the fields of a small valid record."""
    return {"key": key, "title": title, "lede": "Short.", "body": "Text.", **fields}


def encoded(records):
    """Return records as JSON Lines; bytes stand for themselves, so that they may be broken."""
    return b"".join(
        record if isinstance(record, bytes) else json.dumps(record).encode() + b"\n"
        for record in records
    )


def arrivals(records, file="notes.jsonl"):
    for raw in jsonl.records(io.BytesIO(encoded(records)), Input(file, None)):
        yield Arrival(0, raw, jsonl)


def run(incoming, *, source="notes", should_stop=lambda: False, on_batch=None, **options):
    """Run the engine on arrivals and check what holds for every run."""
    progress = engine.run_import(
        incoming,
        options=engine.Options(source=source, **options),
        should_stop=should_stop,
        on_batch=on_batch or (lambda progress: None),
    )
    assert set(progress.counts) <= set(engine.OUTCOMES)
    assert progress.read == sum(progress.counts.values())
    if progress.run is not None:
        stored = ImportRun.objects.get(pk=progress.run.pk)
        counts = {name: getattr(stored, name) for name in engine.OUTCOMES}
        assert {name: number for name, number in counts.items() if number} == progress.counts
        assert stored.read == sum(counts.values())
        assert stored.state == progress.state
        logged = Counter()
        for checkpoint in stored.checkpoints.all():
            logged.update(checkpoint.counts)
        assert logged == progress.counts
        assert not history.broken_links(stored.events.order_by("sequence"))
        assert stored.events.order_by("sequence").last().data == {"read": stored.read, **counts}
    return progress


def imported(*records, **more):
    """Import records given as fields or lines; return what became of them, without zeros."""
    return dict(run(arrivals(records), **more).counts)


def the(key, source="notes"):
    """Return the identity of a post, freshly read."""
    return ImportedPost.objects.select_related(
        "post__live_revision", "post__proposed_revision", "base_revision", "waiting_revision"
    ).get(source__name=source, key=key)


def decide(action, key="n-1", **more):
    """Let a reviewer act on an imported post."""
    if action in ("reject", "request_changes"):
        more.setdefault("reason", "no numbers in it")
    review.act_on_one(
        action=action, post=the(key).post, by=make_user("reviewer"), undo_seconds=0, **more
    )


def edit(key="n-1", **over):
    """Let an editor save another version of an imported post; return the revision."""
    post = the(key).post
    newest = post.revisions.newest_first().first()
    over.setdefault("title", "An editor's title")
    return writing.revise(
        post=post, by=make_user("editor"), snapshot=make_snapshot(**over), seen=newest.number
    )


def exported_digest():
    return hashlib.sha256(b"".join(canonical_lines())).hexdigest()


def row_counts():
    return {model._meta.db_table: model._default_manager.count() for model in apps.get_models(True)}


@contextmanager
def written_tables():
    """Collect the tables of this application that statements inside the block write to.

    PostgreSQL's own counters tell what really was written; SQLite has none, so its statements are
    traced.
    """
    written = set()
    if connection.vendor == "postgresql":
        before = _written_rows()
        yield written
        after = _written_rows()
        written.update(table for table, rows in after.items() if rows != before.get(table, 0))
        return
    connection.ensure_connection()
    statements = []
    connection.connection.set_trace_callback(statements.append)
    try:
        yield written
    finally:
        connection.connection.set_trace_callback(None)
    for statement in statements:
        words = statement.replace('"', " ").replace("(", " ").split()
        if words and words[0].upper() in ("INSERT", "UPDATE", "DELETE", "REPLACE"):
            written.update(word for word in words[:6] if word.startswith("posts_"))


def _written_rows():
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname, n_tup_ins + n_tup_upd + n_tup_del FROM pg_stat_xact_user_tables "
            "WHERE relname LIKE 'posts\\_%%'"
        )
        return dict(cursor.fetchall())


def assert_mirrors_live(post):
    """Check that list columns, tags, entities and images say what the live revision says."""
    live = Revision.objects.get(pk=post.live_revision_id)
    snapshot = live.snapshot
    meta = snapshot.meta
    assert (post.title, post.topic, post.difficulty) == (live.title, meta.topic, meta.difficulty)
    assert (post.code_language, post.language) == (meta.code_language, meta.language)
    assert post.reference == meta.reference
    assert post.reading_minutes == content.reading_minutes(snapshot)
    tags = PostTag.objects.filter(content_object=post)
    editorial = set(tags.filter(origin="editorial").values_list("tag__name", flat=True))
    assert list(
        tags.filter(origin="imported").order_by("position").values_list("tag__name", flat=True)
    ) == [tag.name for tag in content.tag_names(meta) if tag.name not in editorial]
    assert list(
        PostEntity.objects.filter(post=post)
        .order_by("position")
        .values_list("entity__type", "entity__name")
    ) == list(
        dict.fromkeys(
            (content.normal_tag(entity.type), content.normal_tag(entity.name))
            for entity in meta.entities
        )
    )
    assert list(
        PostImage.objects.filter(post=post)
        .order_by("position")
        .values_list("position", "image__url")
    ) == [(n, image.url) for n, image in enumerate(meta.image_sources, 1) if image.url]
    assert content.digest(snapshot) == live.digest


RICH = {
    "topic": "caching / go",
    "difficulty": "advanced",
    "code_language": "go",
    "language": "en",
    "reference": "ref 7",
    "stack": ["Go", "backend", "go"],
    "tools": ["pprof", "git"],
    "tags": ["cache", "pprof"],
    "entities": [{"name": "Go", "type": "stack"}, {"name": "Caching", "type": "problem"}],
    "image_sources": [{"url": "https://example.org/a.png", "caption": "A", "source": "example"}],
    "reading_time": 4,
    "view_count": 10,
    "score": {"quality": 71},
}


# --- Identity -----------------------------------------------------------------------------------


def test_same_key_in_two_sources_is_two_posts():
    first = imported(note(), source="notes")
    second = imported(note(), source="archive")

    assert first == second == {"created": 1}
    assert the("n-1", "notes").post_id != the("n-1", "archive").post_id
    assert Slug.objects.count() == 2


def test_keys_that_differ_in_case_are_two_posts():
    counts = imported(note("Key-1"), note("key-1"))

    assert counts == {"created": 2}


def test_keys_that_differ_in_unicode_form_or_outer_space_are_one_post():
    counts = imported(note("caf\u00e9"), note("cafe\u0301"), note("  caf\u00e9 "))

    assert counts == {"created": 1, "unchanged": 2}
    assert [identity.key for identity in ImportedPost.objects.all()] == ["caf\u00e9"]


def test_equal_titles_and_bodies_are_posts_of_their_own():
    counts = imported(*(note(f"n-{number}") for number in range(5)))

    assert counts == {"created": 5}
    assert Post.objects.values("slug").distinct().count() == 5


# --- The table of outcomes (IMPORT.md 2.8) ------------------------------------------------------


def test_new_record_becomes_a_private_post_that_waits_for_review():
    counts = imported(note(**RICH))

    identity = the("n-1")
    post, revision = identity.post, identity.post.live_revision
    assert counts == {"created": 1}
    assert (post.visibility, post.published_at, post.listed_at) == ("private", None, None)
    assert post.proposed_revision_id == post.live_revision_id == identity.base_revision_id
    assert post.approved_revision_id is None
    assert (revision.number, revision.parent_id, revision.origin) == (1, None, "import")
    assert (revision.author_id, revision.run_id, revision.run_file, revision.run_line) == (
        None,
        ImportRun.objects.get().pk,
        0,
        1,
    )
    assert identity.base_digest == revision.digest
    assert identity.waiting_revision_id is None
    assert_mirrors_live(post)
    assert list(post.slugs.values_list("slug", "is_current")) == [(post.slug, True)]
    assert post.statistics.imported_reading_time == 4
    assert post.statistics.imported_view_count == 10
    assert post.statistics.imported_score == {"quality": 71}
    assert post.statistics.views == 0


def test_changed_record_replaces_a_live_revision_nobody_touched():
    imported(note(**RICH))
    first = the("n-1").base_revision
    changed = {**RICH, "stack": ["Rust", "backend"], "entities": [], "image_sources": []}

    counts = imported(note(title="Another title", **changed))

    identity = the("n-1")
    post, revision = identity.post, identity.post.live_revision
    assert counts == {"updated": 1}
    assert (revision.number, revision.parent_id, revision.title) == (2, first.pk, "Another title")
    assert post.proposed_revision_id == revision.pk == identity.base_revision_id
    assert identity.base_digest == revision.digest
    assert (post.approved_revision_id, post.listed_at) == (None, None)
    assert_mirrors_live(post)
    assert post.revisions.count() == 2


def test_change_keeps_slug_publication_and_editorial_tags():
    imported(note(tags=["imported one"]), publish=True)
    before = the("n-1").post
    editor = make_user("editor")
    writing.set_editorial_tags(post=before, by=editor, names=["picked by hand"])

    imported(note(title="Another title", tags=["picked by hand", "imported two"]))

    post = the("n-1").post
    assert (post.slug, post.published_at) == (before.slug, before.published_at)
    assert set(PostTag.objects.filter(content_object=post).values_list("tag__name", "origin")) == {
        ("picked by hand", "editorial"),
        ("imported two", "imported"),
    }
    assert post.listed_at is None


def test_other_numbers_are_updated_in_place_without_a_revision():
    imported(note(**RICH))
    before = the("n-1")

    counts = imported(note(**{**RICH, "view_count": 11, "score": {}, "reading_time": None}))

    after = the("n-1")
    assert counts == {"statistics": 1}
    assert after.post.revisions.count() == 1
    assert after.post.statistics.imported_view_count == 11
    assert after.post.statistics.imported_reading_time is None
    assert after.post.statistics.imported_score == {}
    assert after.base_digest == before.base_digest
    assert after.post.changed_at == before.post.changed_at


def test_other_numbers_do_not_touch_what_was_counted_or_approved_here():
    imported(note(view_count=1), publish=True)
    decide("approve")
    type(the("n-1").post.statistics).objects.update(views=7)

    counts = imported(note(view_count=2))

    post = the("n-1").post
    assert counts == {"statistics": 1}
    assert (post.statistics.views, post.statistics.imported_view_count) == (7, 2)
    assert post.listed_at is not None


def test_same_record_again_writes_no_content_row():
    records = [note(f"n-{number}", **RICH) for number in range(7)]
    imported(*records)

    with written_tables() as written:
        counts = imported(*records, batch_size=3)

    assert counts == {"unchanged": 7}
    assert written
    assert written <= LOG_TABLES


def test_same_content_in_other_bytes_is_unchanged_and_remembered():
    imported(note(tags=["b", "a"], title="A note"))
    reordered = {"tags": ["a", "b"], **note(title=" A note ")}

    first = imported(reordered)
    with written_tables() as written:
        second = imported(reordered)

    assert first == second == {"unchanged": 1}
    assert written <= LOG_TABLES
    assert Revision.objects.count() == 1


def test_change_of_an_approved_page_is_held_and_the_page_stays():
    imported(note(**RICH), publish=True)
    decide("approve")
    before = the("n-1")

    counts = imported(note(title="Newer", **RICH))

    identity = the("n-1")
    post, proposed = identity.post, identity.post.proposed_revision
    assert counts == {"held": 1}
    assert post.live_revision_id == post.approved_revision_id == before.post.live_revision_id
    assert post.listed_at == before.post.listed_at
    assert (proposed.title, proposed.number, proposed.parent_id) == (
        "Newer",
        2,
        before.base_revision_id,
    )
    assert identity.base_revision_id == proposed.pk
    assert identity.base_digest == proposed.digest
    assert identity.waiting_revision_id is None
    assert list(Post.objects.held_by_import()) == [post]
    assert_mirrors_live(post)


def test_approving_a_held_revision_makes_it_live_and_keeps_it_listed():
    imported(note(), publish=True)
    decide("approve")
    imported(note(title="Newer", **RICH))

    decide("approve")

    post = the("n-1").post
    assert post.live_revision.title == "Newer"
    assert post.proposed_revision_id is None
    assert post.listed_at is not None
    assert_mirrors_live(post)


def test_second_held_version_takes_the_place_of_the_first_in_the_queue():
    imported(note())
    decide("approve")
    imported(note(title="Second"))
    second = the("n-1").post.proposed_revision

    counts = imported(note(title="Third"))

    identity = the("n-1")
    assert counts == {"held": 1}
    assert identity.post.proposed_revision.title == "Third"
    assert (identity.post.proposed_revision.number, identity.post.live_revision.number) == (3, 1)
    assert identity.post.proposed_revision.parent_id == second.pk


def test_change_of_an_edited_page_is_held_and_the_edit_stays_live():
    imported(note(**RICH))
    first = the("n-1").base_revision
    edited = edit()

    counts = imported(note(title="Newer", **RICH))

    identity = the("n-1")
    post, waiting = identity.post, identity.waiting_revision
    assert counts == {"held": 1}
    assert (post.live_revision_id, post.title) == (edited.pk, edited.title)
    assert post.proposed_revision_id == edited.pk
    assert (waiting.title, waiting.number, waiting.parent_id) == ("Newer", 3, first.pk)
    assert identity.base_revision_id == waiting.pk
    assert list(Post.objects.held_by_import()) == [post]
    assert (post.approved_revision_id, post.listed_at) == (None, None)
    assert_mirrors_live(post)


def test_edit_that_nobody_decided_on_does_not_leave_the_queue_for_an_import():
    imported(note())
    edited = edit()
    imported(note(title="Newer"))

    decide("reject", reason="not yet")

    post = the("n-1").post
    assert post.live_revision_id == edited.pk
    assert post.proposed_revision.title == "Newer"


def test_persons_proposal_beside_an_approved_page_stays_first_in_the_queue():
    imported(note(), publish=True)
    decide("approve")
    edited = edit()

    counts = imported(note(title="Newer"))

    identity = the("n-1")
    assert counts == {"held": 1}
    assert identity.post.proposed_revision_id == edited.pk
    assert identity.post.live_revision.number == 1
    assert identity.waiting_revision.title == "Newer"
    assert identity.base_revision_id == identity.waiting_revision_id
    assert identity.waiting_revision.number == 3


@pytest.mark.parametrize("verdict", ["approve", "reject", "request_changes"])
def test_waiting_import_comes_up_after_the_verdict_on_the_persons_proposal(verdict):
    imported(note())
    decide("approve")
    edit()
    imported(note(title="Newer"))

    decide(verdict)

    identity = the("n-1")
    assert identity.post.proposed_revision.title == "Newer"
    assert identity.waiting_revision_id is None


def test_newer_waiting_import_replaces_the_waiting_one():
    imported(note())
    decide("approve")
    edited = edit()
    imported(note(title="Newer"))

    counts = imported(note(title="Newest"))

    identity = the("n-1")
    assert counts == {"held": 1}
    assert identity.post.proposed_revision_id == edited.pk
    assert identity.waiting_revision.title == "Newest"


@pytest.mark.parametrize("state", ["approved", "edited", "proposal beside"])
def test_third_run_of_a_held_file_adds_no_revision(state):
    imported(note())
    if state != "edited":
        decide("approve")
    if state != "approved":
        edit()
    imported(note(title="Newer"))
    revisions, export = Revision.objects.count(), exported_digest()

    with written_tables() as written:
        counts = imported(note(title="Newer"))

    assert counts == {"unchanged": 1}
    assert Revision.objects.count() == revisions
    assert exported_digest() == export
    assert written <= LOG_TABLES


@pytest.mark.parametrize("verdict", ["reject", "request_changes"])
def test_next_version_after_a_refusal_replaces_live_and_waits_again(verdict):
    imported(note(), publish=True)
    decide(verdict)
    assert the("n-1").post.proposed_revision_id is None

    counts = imported(note(title="Improved"))

    post = the("n-1").post
    assert counts == {"updated": 1}
    assert post.live_revision.title == post.title == "Improved"
    assert post.proposed_revision_id == post.live_revision_id
    assert (post.approved_revision_id, post.listed_at) == (None, None)
    assert list(Post.objects.awaiting_review()) == [post]


@pytest.mark.parametrize("verdict", ["reject", "request_changes"])
def test_same_version_after_a_refusal_stays_out_of_the_queue(verdict):
    imported(note())
    decide(verdict)

    counts = imported(note())

    assert counts == {"unchanged": 1}
    assert not Post.objects.awaiting_review().exists()


#: Sections of the meta box that a form leaves as they are.
FULL = {
    "ai_outline": content.Outline(context="for a team"),
    "revision": content.Label(status="drafted"),
    "flags": content.Flags(has_images=False),
    "payload": content.Payload(generator="sample"),
}


def test_version_that_equals_the_edited_page_converges():
    imported(note())
    edited = edit(**FULL)
    agreed = {
        **note(title=edited.title, lede=edited.lede, body=edited.body),
        **content.meta_to_json(edited.snapshot.meta),
    }

    first = imported(agreed)
    with written_tables() as written:
        second = imported(agreed)

    identity = the("n-1")
    assert (first, second) == ({"converged": 1}, {"unchanged": 1})
    assert identity.base_digest == identity.post.live_revision.digest == edited.digest
    assert identity.post.revisions.count() == 2
    assert written <= LOG_TABLES


def test_empty_sections_do_not_keep_equal_versions_apart():
    imported(note())
    edited = edit()
    agreed = {
        **note(title=edited.title, lede=edited.lede, body=edited.body),
        **content.meta_to_json(edited.snapshot.meta),
    }

    counts = imported(agreed)

    assert counts == {"converged": 1}


def test_converged_version_brings_its_numbers():
    imported(note(view_count=1))
    decide("approve")
    imported(note(title="Newer", view_count=1))

    counts = imported(note(view_count=9))

    assert counts == {"converged": 1}
    assert the("n-1").post.statistics.imported_view_count == 9


def test_erased_post_is_left_alone_whatever_comes():
    source = ImportSource.objects.create(name="notes", created_at=timezone.now())
    ImportedPost.objects.create(source=source, key="n-1", is_tombstone=True)

    first = imported(note())
    with written_tables() as written:
        second = imported(note(title="Another title"), note("n-2"))

    assert (first, second) == ({"tombstoned": 1}, {"tombstoned": 1, "created": 1})
    assert the("n-1").post is None
    assert Post.objects.count() == 1
    assert "posts_post" in written


def test_post_missing_from_the_input_stays_as_it_is():
    imported(note("n-1"), note("n-2"))

    counts = imported(note("n-2"))

    assert counts == {"unchanged": 1}
    assert Post.objects.count() == 2


def test_archived_post_takes_a_change_and_stays_archived():
    imported(note(), publish=True)
    decide("archive")

    counts = imported(note(title="Newer"))

    post = the("n-1").post
    assert counts == {"updated": 1}
    assert (post.visibility, post.listed_at) == ("archived", None)
    assert_mirrors_live(post)


def test_imported_claim_never_opens_the_gate():
    claims = {"revision": {"status": "reviewed", "last_reviewed": "2026-01-02"}}
    counts = imported(
        note(**claims, flags={"needs_human_review": False}, extra={"listed_at": "2026-01-01"}),
        publish=True,
    )

    assert counts == {"created": 1}
    assert not Post.objects.indexable().exists()
    assert Post.objects.published().count() == 1


def test_publish_touches_only_posts_that_the_run_creates():
    imported(note("n-1"), note("n-2"))

    counts = imported(note("n-1"), note("n-2", "Changed"), note("n-3"), publish=True)

    assert counts == {"unchanged": 1, "updated": 1, "created": 1}
    assert [the(f"n-{number}").post.visibility for number in (1, 2, 3)] == [
        "private",
        "private",
        "published",
    ]


# --- One key several times, batch sizes, forms of the input -------------------------------------

A, B, C = note(title="A", tags=["a"]), note(title="B", tags=["b"]), note(title="C", tags=["c"])


@pytest.mark.parametrize(
    ("versions", "expected"),
    [
        ([A, A], {"created": 1, "unchanged": 1}),
        ([A, B], {"created": 1, "updated": 1}),
        ([A, B, A], {"created": 1, "updated": 2}),
        ([A, B, A, A, C], {"created": 1, "updated": 3, "unchanged": 1}),
        ([A, {**A, "view_count": 3}, A], {"created": 1, "statistics": 2}),
        ([A, note(title=""), A], {"created": 1, "rejected": 1, "unchanged": 1}),
    ],
)
def test_one_key_several_times_gives_the_same_archive_at_every_batch_size(versions, expected):
    records = [note("n-0"), *versions, note("n-2"), note("n-3")]
    expected = {**expected, "created": expected["created"] + 3}
    exports = set()
    numbers = set()

    for size in (1, 2, 7, 1000):
        with transaction.atomic():
            assert imported(*records, batch_size=size) == expected
            exports.add(exported_digest())
            numbers.add(tuple(the("n-1").post.revisions.order_by("number").values_list("number")))
            transaction.set_rollback(True)

    assert len(exports) == 1
    assert len(numbers) == 1


@pytest.fixture
def archive(tmp_path):
    """Return synthesized posts as a plain, a gzip-packed and a zstd-packed file."""
    plain = tmp_path / "notes.jsonl"
    output.write_json_lines(articles=synthesize(5, 16), out=plain)
    packed = tmp_path / "notes.jsonl.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    zstd = tmp_path / "notes.jsonl.zst"
    zstd.write_bytes(zstandard.compress(plain.read_bytes()))
    return plain, packed, zstd


def test_batch_size_and_packing_do_not_change_the_archive(archive):
    exports = set()

    for number, path in enumerate(archive * 2):
        with transaction.atomic():
            run(Intake([str(path)]), batch_size=(3, 1000, 5, 16, 15, 1)[number])
            exports.add(exported_digest())
            transaction.set_rollback(True)

    assert len(exports) == 1


def test_batches_are_cut_by_bytes_too(monkeypatch):
    monkeypatch.setattr(batches, "BATCH_BYTES", 2_000)
    seen = []

    run(
        arrivals(note(f"n-{number}", body="x" * 900) for number in range(6)),
        on_batch=lambda progress: seen.append(progress.read),
    )

    assert seen == [2, 4, 6]


def test_both_databases_come_to_the_same_bytes(tmp_path):
    first, second = tmp_path / "1.jsonl", tmp_path / "2.jsonl"
    output.write_json_lines(articles=synthesize(11, 60), out=first)
    output.write_json_lines(articles=synthesize(11, 80, changed_percent=30), out=second)
    run(Intake([str(first)]), publish=True, batch_size=17)
    reviewer = make_user("reviewer")
    act_on_all(
        actions=["approve"],
        queryset=Post.objects.filter(imported__key__endswith="7"),
        by=reviewer,
        undo_seconds=0,
    )

    counts = run(Intake([str(second)]), batch_size=23).counts

    assert counts == {"created": 20, "updated": 18, "held": 1, "unchanged": 41}
    assert exported_digest() == GOLDEN_EXPORT


# --- Queries ------------------------------------------------------------------------------------


def queries_of(records, size):
    with CaptureQueriesContext(connection) as captured:
        imported(*records, batch_size=size)
    return [query["sql"] for query in captured.captured_queries]


def records_of(count, **more):
    return [note(f"n-{number}", **{**RICH, **more}) for number in range(count)]


@pytest.mark.parametrize("case", ["new", "unchanged", "changed", "held", "numbers"])
def test_queries_of_a_batch_do_not_grow_with_its_size(case):
    numbers = {}
    imported(note("warm-up", **RICH))

    for size in (10, 200):
        with transaction.atomic():
            if case != "new":
                imported(*records_of(size))
            if case == "held":
                act_on_all(
                    actions=["approve"],
                    queryset=Post.objects.awaiting_review(),
                    by=make_user("reviewer"),
                )
            change = {
                "changed": {"topic": "b"},
                "held": {"topic": "b"},
                "numbers": {"view_count": 99},
            }
            numbers[size] = queries_of(records_of(size, **change.get(case, {})), size)
            transaction.set_rollback(True)

    assert len(numbers[10]) == len(numbers[200]), "\n".join(numbers[200])
    assert len(numbers[200]) <= 60


def test_no_new_post_or_revision_makes_sqlite_search_a_whole_table():
    # While a deferred reference is open, SQLite looks for rows that wait for each row it inserts.
    searched = []
    parents = ("posts_post", "posts_revision")

    for table in connection.introspection.table_names():
        if connection.vendor != "sqlite" or not table.startswith("posts_"):
            continue
        with connection.cursor() as cursor:
            cursor.execute(f"PRAGMA foreign_key_list({table})")
            references = cursor.fetchall()
            for column in (row[3] for row in references if row[2] in parents):
                query = f"EXPLAIN QUERY PLAN SELECT 1 FROM {table} WHERE {column} = 1"  # noqa: S608
                cursor.execute(query)
                if any("SCAN" in row[-1] for row in cursor.fetchall()):
                    searched.append(f"{table}.{column}")

    assert searched == []


# --- Bad records --------------------------------------------------------------------------------


def test_bad_record_stops_nothing_and_its_reject_says_everything():
    bad = json.dumps(note("n-2", difficulty="hard")).encode() + b"\n"
    good = json.dumps(note("n-1")).encode() + b"\n"

    counts = imported(good, bad, note("n-3"))

    (reject,) = ImportReject.objects.all()
    assert counts == {"created": 2, "rejected": 1}
    assert (reject.file, reject.record, reject.line, reject.byte) == (
        "notes.jsonl",
        2,
        2,
        len(good),
    )
    assert (reject.key, reject.field, reject.code) == ("n-2", "difficulty", "bad_choice")
    assert (reject.value, reject.is_retryable) == ("hard", False)
    assert reject.expected == "one of beginner, intermediate, advanced"
    assert reject.hint
    assert reject.raw_digest == f"{classification.ENGINE_VERSION}:{hashlib.sha256(bad).hexdigest()}"
    assert not ImportedPost.objects.filter(key="n-2").exists()


def test_every_problem_of_a_record_is_told_once_in_order():
    imported(b"not json\n", note("n-1", title="", difficulty="hard", view_count=-1), batch_size=1)

    rejects = ImportReject.objects.order_by("sequence")
    assert [reject.sequence for reject in rejects] == [1, 2, 3, 4]
    assert {reject.code for reject in rejects} == {
        "bad_json",
        "missing_title",
        "bad_choice",
        "out_of_range",
    }


def test_rejected_version_leaves_the_post_as_it_was():
    imported(note(**RICH))
    before = exported_digest()

    counts = imported(note(title="x" * 301), note(title="A\u0000B"))

    assert counts == {"rejected": 2}
    assert exported_digest() == before


def test_unshowable_characters_in_names_of_unknown_fields_end_in_a_reject():
    line = rb'{"key": "n-1", "title": "T", "odd": {"a\u0000b": {"c": "\ud800"}}}' + b"\n"

    counts = imported(line, note("n-2"))

    assert counts == {"rejected": 1, "created": 1}
    assert not any(
        "\x00" in text
        for row in ImportReject.objects.values_list("field", "value", "expected", "hint")
        for text in row
    )


def test_odd_file_names_end_in_the_reject_and_not_in_a_crash(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    with open(os.path.join(os.fsencode(folder), b"caf\xe9.jsonl"), "wb") as file:
        file.write(encoded([note("n-1"), note("n-2", difficulty="hard")]))

    intake = Intake([str(folder)])
    progress = engine.run_import(
        intake,
        options=engine.Options(source="notes"),
        inputs=[{"file": one.file, "size": one.size} for one in intake.inputs],
    )

    assert progress.counts == {"created": 1, "rejected": 1}
    assert ImportReject.objects.get().file.endswith("caf\\xe9.jsonl")


def let_pass(monkeypatch, key, **changes):
    """Make the validator wave one record through with values that no record may have."""
    honest = preparation.validate

    def lenient(reader, raw):
        record, problems = honest(reader, raw)
        if record is not None and record.key == key:
            snapshot = content.Snapshot(
                title=changes.get("title", record.snapshot.title),
                lede=record.snapshot.lede,
                body=changes.get("body", record.snapshot.body),
                meta=record.snapshot.meta,
            )
            record = Record(
                key=record.key, snapshot=snapshot, statistics=record.statistics, slug=record.slug
            )
        return record, problems

    monkeypatch.setattr(preparation, "validate", lenient)


@pytest.fixture
def refusing(monkeypatch):
    """Return a function that makes the database refuse one record of a batch."""

    def refuse(key):
        if connection.vendor == "postgresql":
            let_pass(monkeypatch, key, title="x" * 301)
            return
        # SQLite keeps any text of any length, but it keeps its constraints.
        honest = batch.db.insert_rows

        def insert_rows(model, fields, rows):
            rows = list(rows)
            if model is Revision:
                at = list(fields).index("title")
                rows = [
                    (*row[:at], None, *row[at + 1 :]) if row[at] == f"refused {key}" else row
                    for row in rows
                ]
            honest(model, fields, rows)

        monkeypatch.setattr(batch.db, "insert_rows", insert_rows)

    return refuse


@pytest.mark.parametrize("place", [0, 6, 12])
def test_record_the_database_refuses_is_rejected_alone(refusing, place):
    refusing(f"n-{place}")
    records = [note(f"n-{number}", f"refused n-{number}") for number in range(13)]

    counts = imported(*records)

    (reject,) = ImportReject.objects.all()
    assert counts == {"created": 12, "rejected": 1}
    assert (reject.code, reject.key, reject.line) == ("database_refused", f"n-{place}", place + 1)
    assert reject.value
    assert reject.is_retryable is False
    assert Post.objects.count() == Revision.objects.count() == ImportedPost.objects.count() == 12


def test_change_the_database_refuses_is_rejected_alone(refusing):
    imported(*(note(f"n-{number}") for number in range(5)))
    refusing("n-3")
    records = [note(f"n-{number}", f"refused n-{number}") for number in range(5)]

    counts = imported(*records)

    assert counts == {"updated": 4, "rejected": 1}
    assert the("n-3").post.revisions.count() == 1
    assert the("n-3").post.title == "A note"
    assert the("n-4").post.title == "refused n-4"


def test_character_that_only_one_database_refuses_stops_nothing(monkeypatch):
    let_pass(monkeypatch, "n-1", body="a\x00b")

    counts = imported(note("n-0"), note("n-1"), note("n-2"))

    if connection.vendor == "postgresql":
        assert counts == {"created": 2, "rejected": 1}
        assert ImportReject.objects.get().code == "database_refused"
    else:
        assert counts == {"created": 3}


# --- Failing, stopping, taking over -------------------------------------------------------------


class Broken(Exception):
    pass


def test_failed_batch_leaves_nothing_behind_and_the_earlier_ones_stand(monkeypatch):
    honest = batch.write

    def write(items, **more):
        honest(items, **more)
        if any(item.key == "n-5" for item in items):
            raise Broken("the cable was pulled")

    monkeypatch.setattr(batch, "write", write)
    records = [note(f"n-{number}", tags=[f"tag {number}"]) for number in range(8)]

    with pytest.raises(Broken):
        imported(*records, batch_size=3)

    failed = ImportRun.objects.get()
    assert (failed.state, failed.read, failed.created) == ("failed", 3, 3)
    assert "the cable was pulled" in failed.message
    assert failed.finished_at is not None
    assert list(failed.checkpoints.values_list("batch", "record")) == [(1, 3)]
    assert Post.objects.count() == 3
    assert not Tag.objects.filter(name="tag 4").exists()
    assert ImportSource.objects.get().owner is None
    assert not history.broken_links(failed.events.order_by("sequence"))
    assert failed.events.order_by("sequence").last().data["created"] == 3

    monkeypatch.undo()
    assert imported(*records, batch_size=3) == {"created": 5, "unchanged": 3}


def test_counts_of_a_batch_that_fails_at_its_end_are_not_told(monkeypatch):
    honest = ImportRun.save

    def save(run, **more):
        honest(run, **more)
        if "created" in more.get("update_fields", ()):
            raise Broken("no answer to the commit")

    monkeypatch.setattr(ImportRun, "save", save)

    with pytest.raises(Broken):
        imported(note())

    failed = ImportRun.objects.get()
    assert (failed.state, failed.read, failed.created) == ("failed", 0, 0)
    assert failed.events.order_by("sequence").last().data["created"] == 0
    assert not Post.objects.exists()


def test_names_of_a_lost_batch_are_forgotten(monkeypatch):
    writer = engine._Writer(engine.Options(source="notes"), (), None)
    lost = [classification.arrived(one) for one in arrivals([note("n-1", **RICH)])]
    again = [classification.arrived(one) for one in arrivals([note("n-2", **RICH)])]
    for items in (lost, again):
        writer.look_up(items)
        classification.classify(items, "notes")
    with monkeypatch.context() as patch:
        patch.setattr(engine.ImportCheckpoint.objects, "create", lambda **values: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            writer.take(lost)

    writer.take(again)

    assert_mirrors_live(the("n-2").post)
    assert ImportedPost.objects.count() == 1


def test_run_whose_source_was_taken_over_writes_nothing_more():
    def take_over(progress):
        if progress.read == 2:
            source = ImportSource.objects.get()
            other = ImportRun.objects.create(
                source=source, fence=source.fence + 1, started_at=timezone.now()
            )
            source.fence, source.owner = other.fence, other
            source.save()

    with pytest.raises(runs.SourceBusyError):
        run(
            arrivals(note(f"n-{number}") for number in range(6)),
            batch_size=2,
            on_batch=take_over,
        )

    assert Post.objects.count() == 2
    first, other = ImportRun.objects.order_by("pk")
    assert (first.read, first.checkpoints.count()) == (2, 1)
    assert ImportSource.objects.get().owner == other


def abandoned_run(**more):
    """Leave a source as a run that never finished leaves it."""
    now = timezone.now()
    source = ImportSource.objects.create(name="notes", fence=4, heartbeat_at=now, created_at=now)
    values = {"host": socket.gethostname(), "process": os.getppid(), **more}
    source.owner = ImportRun.objects.create(source=source, fence=4, started_at=now, **values)
    source.save()
    return source


def test_source_of_a_live_process_is_refused_with_its_name():
    held = abandoned_run()

    with pytest.raises(runs.SourceBusyError, match=f"Run {held.owner_id} holds .*'notes'"):
        imported(note())

    assert ImportRun.objects.count() == 1
    assert ImportSource.objects.get().fence == 4
    assert not Post.objects.exists()


def test_source_of_a_dead_process_is_taken_over():
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    held = abandoned_run(process=dead.pid)

    counts = imported(note())

    before = ImportRun.objects.get(pk=held.owner_id)
    assert counts == {"created": 1}
    assert (before.state, ImportSource.objects.get().fence) == ("failed", 5)
    assert before.finished_at is not None


@pytest.mark.parametrize(("age_seconds", "is_refused"), [(5, True), (300, False)])
def test_source_held_on_another_host_is_judged_by_its_heartbeat(age_seconds, is_refused):
    held = abandoned_run(host="elsewhere.example")
    ImportSource.objects.update(
        heartbeat_at=held.heartbeat_at - timezone.timedelta(seconds=age_seconds)
    )

    if is_refused:
        with pytest.raises(runs.SourceBusyError):
            imported(note())
    else:
        assert imported(note()) == {"created": 1}


@pytest.mark.parametrize(("age_seconds", "is_refused"), [(5, True), (300, False)])
def test_earlier_process_of_our_own_number_does_not_hold_a_source_for_good(age_seconds, is_refused):
    held = abandoned_run(process=os.getpid())
    ImportSource.objects.update(
        heartbeat_at=held.heartbeat_at - timezone.timedelta(seconds=age_seconds)
    )

    if is_refused:
        with pytest.raises(runs.SourceBusyError):
            imported(note())
    else:
        assert imported(note()) == {"created": 1}


def test_other_sources_are_not_held():
    abandoned_run()

    assert imported(note(), source="archive") == {"created": 1}


def test_source_name_of_this_site_is_refused():
    with pytest.raises(runs.ImportFailedError, match="'local'"):
        imported(note(), source="local")

    assert not ImportSource.objects.exists()


def test_limit_stops_reading_after_that_many_records():
    taken = []

    def counted():
        for arrival in arrivals(note(f"n-{number}") for number in range(10)):
            taken.append(arrival)
            yield arrival

    progress = run(counted(), limit=4, batch_size=3)

    assert progress.counts == {"created": 4}
    assert len(taken) == 4
    assert progress.state == "complete"


@pytest.mark.parametrize(
    ("limits", "is_stopped"),
    [
        ({"max_rejects": 0}, True),
        ({"max_rejects": 1}, True),
        ({"max_rejects": 2}, False),
        ({"max_reject_percent": 49.0}, True),
        ({"max_reject_percent": 50.0}, False),
        ({}, False),
    ],
)
def test_limit_of_rejects_is_the_most_that_is_accepted(limits, is_stopped):
    records = [note("n-1"), note("n-2", ""), note("n-3"), note("n-4", "")]

    progress = run(arrivals(records), **limits)

    assert progress.reject_limit_reached is is_stopped
    assert progress.state == ("stopped" if is_stopped else "complete")
    assert progress.counts == {"created": 2, "rejected": 2}


def test_limit_of_rejects_stops_before_the_next_batch():
    records = [note("n-1", ""), note("n-2"), note("n-3")]

    progress = run(arrivals(records), max_rejects=0, batch_size=2)

    assert progress.counts == {"created": 1, "rejected": 1}


def test_asked_to_stop_a_run_finishes_its_batch_and_can_go_on():
    records = [note(f"n-{number}") for number in range(6)]
    asked = []

    progress = run(
        arrivals(records),
        batch_size=2,
        on_batch=asked.append,
        should_stop=lambda: bool(asked),
    )

    assert progress.state == "stopped"
    assert progress.counts == {"created": 2}
    assert ImportSource.objects.get().owner is None
    assert imported(*records) == {"created": 4, "unchanged": 2}


def test_asked_to_stop_a_slow_input_does_not_have_to_fill_its_batch():
    asked = []

    def slow():
        for number, arrival in enumerate(arrivals(note(f"n-{n}") for n in range(6))):
            if number == 3:
                asked.append(True)
            yield arrival

    progress = run(slow(), batch_size=1000, should_stop=lambda: bool(asked))

    assert progress.state == "stopped"
    assert progress.counts == {"created": 3}


# --- Dry run ------------------------------------------------------------------------------------


def nasty_mix():
    """Return records for an archive in every state, some keys several times, some broken."""
    imported(*(note(f"n-{number}", view_count=1) for number in range(8)))
    decide("approve", "n-1")
    edit("n-2")
    decide("approve", "n-3")
    edit("n-3")
    decide("reject", "n-4")
    source = ImportSource.objects.get(name="notes")
    ImportedPost.objects.create(source=source, key="n-9", is_tombstone=True)
    return [
        note("n-0", "Changed"),
        note("n-1", "Changed"),
        note("n-1", "Changed again"),
        note("n-1", view_count=1),
        note("n-2", "Changed"),
        note("n-2", "Changed"),
        note("n-3", "Changed"),
        note("n-3", "Changed", view_count=5),
        note("n-4", "Changed"),
        note("n-5", view_count=2),
        note("n-5", view_count=3),
        note("n-6", view_count=1),
        note("n-6", "Changed", view_count=1),
        note("n-6", view_count=1),
        note("n-7", ""),
        note("n-7", view_count=1),
        note("n-9"),
        note("n-9", "Changed"),
        note("new-1"),
        note("new-1"),
        note("new-1", "Changed"),
        note("new-1"),
        note("new-2", ""),
        note("new-2"),
        note("new-2", view_count=8),
        b"{\n",
        b'{"title": "no key"}\n',
    ]


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_dry_run_counts_as_the_real_run_and_changes_nothing(size):
    records = nasty_mix()
    rows, export = row_counts(), exported_digest()
    rejects = {True: [], False: []}
    counts = {}

    for is_dry in (True, False):
        with written_tables() as written:
            progress = engine.run_import(
                arrivals(records),
                options=engine.Options(source="notes", dry_run=is_dry, batch_size=size),
                on_rejects=lambda found, run, is_dry=is_dry: rejects[is_dry].extend(found),
            )
        counts[is_dry] = dict(progress.counts)
        if is_dry:
            assert progress.run is None
            assert written == set()
            assert row_counts() == rows
            assert exported_digest() == export

    assert counts[True] == counts[False]
    assert counts[True]["rejected"] == 4
    assert {"held", "converged", "tombstoned", "statistics"} <= counts[True].keys()
    assert rejects[True] == rejects[False]


def test_dry_run_of_a_source_that_does_not_exist_leaves_no_source():
    counts = imported(note(), note("n-2", ""), dry_run=True)

    assert counts == {"created": 1, "rejected": 1}
    assert not ImportSource.objects.exists()


# --- Hostile content ----------------------------------------------------------------------------

HOSTILE_LINES = [
    r"\N",
    r"\.",
    r"\\N",
    "\\",
    'it\'s "quoted"; DROP TABLE posts_post; --',
    "%s %(name)s %%",
    "emoji \U0001f9ea\U0001f468\u200d\U0001f469",
    "line\u2028separator\u2029here",
    "nbsp\u00a0here",
    "<script>alert(1)</script>",
    "{{ 7 * 7 }}",
    "\ufffd\ufffe",
    "\u202eright to left",
]


@pytest.mark.parametrize("text", [*HOSTILE_LINES, "a\tb\tc", "first\n\\.\nlast", "\\N\n\\N"])
def test_hostile_text_is_stored_and_exported_as_it_came(text):
    is_one_line = "\n" not in text and "\t" not in text
    title = text if is_one_line else "T"
    fields = {"body": text, "summary": text, "lede": text, "odd": {"name": [text]}}
    if is_one_line:
        fields |= {"notes": [text], "checklist": [text], "topic": text}

    counts = imported(note("n-1", title, **fields), note("n-2"))

    revision = the("n-1").post.live_revision
    line = json.loads(next(iter(canonical_lines())))
    assert counts == {"created": 2}
    for stored in (revision.title, line["title"], the("n-1").post.title):
        assert stored == title
    for stored in (revision.body, revision.lede, line["body"], line["lede"]):
        assert stored == text
    assert revision.meta["summary"] == line["meta"]["summary"] == text
    assert line["meta"]["extra"] == {"odd": {"name": [text]}}
    assert_mirrors_live(the("n-1").post)
    assert imported(note("n-1", title, **fields)) == {"unchanged": 1}


def test_nul_is_taken_out_of_a_body_and_refused_in_a_title_on_both_databases():
    escaped = rb'{"key": "n-1", "title": "T", "body": "a\u0000b", "odd": ["c\u0000d"]}' + b"\n"

    counts = imported(escaped, note("n-2", "A\x00B"), note("n\x003"))

    revision = the("n-1").post.live_revision
    assert counts == {"created": 1, "rejected": 2}
    assert (revision.body, revision.meta["extra"]) == ("ab", {"odd": ["cd"]})
    assert {reject.code for reject in ImportReject.objects.all()} == {"control_character"}


def test_hostile_keys_are_told_apart_and_found_again():
    keys = [r"\N", r"\.", "a'b", 'a"b', "a\\", "%s", "\U0001f9ea", "\u202e", "../../etc", "a;b"]
    records = [note(key) for key in keys]

    first, second = imported(*records), imported(*records)

    assert (first, second) == ({"created": len(keys)}, {"unchanged": len(keys)})
    assert sorted(ImportedPost.objects.values_list("key", flat=True)) == sorted(keys)


def test_longest_values_are_stored():
    fields = {
        "summary": "s" * 4_000,
        "tags": [f"tag {number:03d}" for number in range(200)],
        "image_sources": [{"url": "https://example.org/" + "u" * 980, "caption": "c" * 1_000}],
        "body": "word " * 100_000,
        "slug": "a" * 150,
    }

    counts = imported(note("k" * 200, "t" * 300, **fields))

    post = the("k" * 200).post
    assert counts == {"created": 1}
    assert post.post_tags.count() == 200
    assert post.slug == "a" * 150
    assert_mirrors_live(post)


def test_name_the_database_refuses_is_rejected_with_its_record_alone(monkeypatch):
    honest = batch.projection.Names.resolve

    def resolve(names, reflections):
        reflections = list(reflections)
        honest(names, reflections)
        if any(tag.name == "refused" for one in reflections for tag in one.tags):
            raise IntegrityError("a tag of that name cannot be")

    monkeypatch.setattr(batch.projection.Names, "resolve", resolve)
    records = [note(f"n-{number}", tags=[f"tag {number}"]) for number in range(6)]
    records[4]["tags"] = ["refused"]

    counts = imported(*records, note("n-7", tags=["tag 4", "tag 5"]), batch_size=6)

    assert counts == {"created": 6, "rejected": 1}
    assert ImportReject.objects.get().key == "n-4"
    assert not Tag.objects.filter(name="refused").exists()
    for key in ("n-0", "n-3", "n-5", "n-7"):
        assert_mirrors_live(the(key).post)


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org/" + "".join(chr(0x4E00 + n * 37 % 20_000) for n in range(980)),
        "https://" + "h" * 990,
        "http://[not-an-address/",
        "http://a:b:c/",
    ],
)
def test_odd_image_address_never_stops_a_batch(url):
    counts = imported(note("n-1"), note("n-2", image_sources=[{"url": url}]), note("n-3"))

    assert counts in ({"created": 3}, {"created": 2, "rejected": 1})
    for key in ("n-1", "n-3"):
        assert_mirrors_live(the(key).post)
    if "rejected" not in counts:
        assert_mirrors_live(the("n-2").post)


def test_tags_that_share_a_slug_or_have_none_get_addresses_of_their_own():
    names = ["c", "c++", "c#", "C", "!!!", "???", "\U0001f9ea", "some tag", "some-tag"]

    counts = imported(note("n-1", tags=names), note("n-2", stack=["C#"], tools=["???"]))

    tags = dict(Tag.objects.values_list("name", "slug"))
    assert counts == {"created": 2}
    assert set(tags) == {"c", "c++", "c#", "!!!", "???", "\U0001f9ea", "some tag", "some-tag"}
    assert len(set(tags.values())) == len(tags)
    assert all(tags.values())
    assert_mirrors_live(the("n-1").post)
    assert_mirrors_live(the("n-2").post)


def test_tags_are_one_whatever_their_case_or_unicode_form():
    turkish = [
        "\u0130stanbul",
        "i\u0307stanbul",
        "stra\u00dfe",
        "STRASSE",
        "caf\u00e9",
        "CAFE\u0301",
    ]

    counts = imported(*(note(f"n-{place}", tags=[tag]) for place, tag in enumerate(turkish)))

    assert counts == {"created": 6}
    assert set(Tag.objects.values_list("name", flat=True)) == {
        "i\u0307stanbul",
        "stra\u00dfe",
        "strasse",
        "caf\u00e9",
    }
    for place in range(len(turkish)):
        assert_mirrors_live(the(f"n-{place}").post)


@pytest.mark.parametrize("size", [1, 1000])
def test_kind_of_a_tag_is_the_strongest_whatever_came_first(size):
    imported(
        note("n-1", tags=["go"]),
        note("n-2", tools=["Go"]),
        note("n-3", stack=["go"]),
        note("n-4", tags=["go"]),
        batch_size=size,
    )

    assert Tag.objects.get(name="go").kind == "stack"


def test_repeated_entities_are_one_row_in_the_place_of_the_first():
    entities = [
        {"name": "Go", "type": "stack"},
        {"name": "go", "type": "Stack"},
        {"name": "go", "type": "area"},
        {"name": "!!!", "type": "area"},
        {"name": "???", "type": "area"},
    ]

    counts = imported(note(entities=entities))

    assert counts == {"created": 1}
    assert list(
        PostEntity.objects.order_by("position").values_list("entity__type", "entity__name")
    ) == [("stack", "go"), ("area", "go"), ("area", "!!!"), ("area", "???")]
    assert Entity.objects.values("type_slug", "slug").distinct().count() == 4


# --- Addresses ----------------------------------------------------------------------------------


def test_slug_of_the_source_is_taken_as_it_is():
    imported(note(slug="my-own-address"))

    assert the("n-1").post.slug == "my-own-address"


@pytest.mark.parametrize("size", [1, 1000])
def test_taken_reserved_and_repeated_slugs_get_a_suffix_of_the_identity(size):
    make_post(slug="taken", state="private")
    records = [
        note("n-1", slug="taken"),
        note("n-2", slug="admin"),
        note("n-3", slug="twice"),
        note("n-4", slug="twice"),
        note("n-5", slug=""),
    ]

    counts = imported(*records, batch_size=size)

    slugs = [the(f"n-{number}").post.slug for number in range(1, 6)]
    assert counts == {"created": 5}
    assert slugs[2] == "twice"
    for slug, words in zip(slugs, ("taken", "admin", "", "twice", "a-note"), strict=True):
        assert slug.startswith(f"{words}-") or not words
    assert len({*slugs, "taken", "admin"}) == 7


def test_suffix_of_a_slug_depends_on_the_identity_and_not_on_the_order():
    found = set()

    for records in ([note("n-1"), note("n-2")], [note("n-2"), note("n-1")]):
        with transaction.atomic():
            imported(*records)
            found.add((the("n-1").post.slug, the("n-2").post.slug))
            transaction.set_rollback(True)

    assert len(found) == 1


def test_retired_slug_of_another_post_is_not_handed_out():
    post = make_post(slug="old-address", state="private")
    writing.change_slug(post=post, by=make_user("editor"), slug="new-address")

    imported(note(slug="old-address"))

    assert the("n-1").post.slug.startswith("old-address-")


def test_later_slug_of_the_source_changes_nothing():
    imported(note(slug="first-address"))

    counts = imported(note(slug="second-address"))

    assert counts == {"unchanged": 1}
    assert the("n-1").post.slug == "first-address"


# --- The run itself -----------------------------------------------------------------------------


def test_run_keeps_what_it_was_asked_and_who_asked():
    person = make_user("editor")
    progress = engine.run_import(
        arrivals([note("n-1"), note("n-2", "")]),
        options=engine.Options(source="notes", batch_size=1, publish=True),
        inputs=[{"file": "notes.jsonl", "size": 9}],
        by=person,
    )

    stored = ImportRun.objects.get(pk=progress.run.pk)
    assert stored.started_by == person
    assert stored.options["batch_size"] == 1
    assert stored.options["publish"] is True
    assert stored.inputs == [{"file": "notes.jsonl", "size": 9}]
    assert stored.engine_version == classification.ENGINE_VERSION
    assert [event.kind for event in stored.events.order_by("sequence")] == [
        "import started",
        "import complete",
    ]
    assert not Event.objects.filter(post__isnull=False).exists()


def test_checkpoints_tell_how_far_the_input_was_read():
    records = [json.dumps(note(f"n-{number}")).encode() + b"\n" for number in range(5)]

    imported(*records, batch_size=2)

    ends = [sum(map(len, records[:count])) for count in (2, 4, 5)]
    checkpoints = ImportCheckpoint.objects.order_by("batch")
    assert [(row.batch, row.record, row.byte_offset) for row in checkpoints] == [
        (1, 2, ends[0]),
        (2, 4, ends[1]),
        (3, 5, ends[2]),
    ]
    assert len({row.chain_digest for row in checkpoints}) == 3


def test_database_itself_refuses_one_key_twice():
    imported(note())
    identity = the("n-1")

    with pytest.raises(IntegrityError), transaction.atomic():
        ImportedPost.objects.create(
            source=identity.source,
            key="n-1",
            post=make_post(state="private"),
            base_revision=identity.base_revision,
        )


def test_key_that_comes_again_is_refused_with_the_place_of_the_first_when_asked():
    records = [note("n-1"), note("n-2"), note("n-1", title="Other"), note("n-1")]

    progress = run(arrivals(records), batch_size=2, on_duplicate=engine.REJECT)

    assert progress.counts == {"created": 2, "rejected": 2}
    first = ImportReject.objects.order_by("sequence").first()
    assert (first.code, first.key, first.line) == ("duplicate_key", "n-1", 3)
    assert "notes.jsonl:1" in first.expected
    assert the("n-1").post.title == "A note"


def test_look_up_walks_the_identity_index_whatever_the_planner_believes():
    """In an import that fills the table, its statistics are those of an almost empty one."""
    source = ImportSource.objects.create(name="notes", created_at=timezone.now())
    erased = ("source_id", "key", "base_digest", "record_digest", "statistics_digest")
    for number, count in enumerate((100, 20_000)):
        db.insert_rows(
            ImportedPost,
            (*erased, "is_tombstone"),
            [(source.pk, f"{number}-{n}", "", "", "", True) for n in range(count)],
        )
        if count == 100:
            db.refresh_planner_statistics([ImportedPost])
    items = [classification.arrived(one) for one in arrivals([note(f"x-{n}") for n in range(500)])]

    with CaptureQueriesContext(connection) as captured:
        classification.look_up(source.pk, items)

    assert len(captured) == 1
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(f"EXPLAIN (ANALYZE, TIMING OFF) {captured[0]['sql']}")
            plan = "\n".join(row[0] for row in cursor.fetchall())
            assert re.search(r"Index Scan (?:using|on) imported_identity .*loops=500", plan), plan
            assert "Rows Removed" not in plan, plan
        else:
            cursor.execute(f"EXPLAIN QUERY PLAN {captured[0]['sql']}")
            plan = "\n".join(row[3] for row in cursor.fetchall())
            assert "(source_id=? AND key=?)" in plan, plan
