"""The gate: nothing but a person's approval opens it, and everything that mirrors it agrees."""

import datetime as dt
import io
import json
from contextlib import contextmanager

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models import F
from hypothesis import given, settings
from hypothesis import strategies as st

from posts import content, gate, review, writing
from posts.importing import engine
from posts.importing.formats import Input, jsonl
from posts.importing.intake import Arrival
from posts.models import Entity, Post, PostEntity, PostTag, Tag
from posts.querysets import indexable
from posts.transitions import ReviewError
from tests.builders import make_post, make_snapshot, make_user

pytestmark = pytest.mark.django_db

NOW = dt.datetime(2026, 11, 17, 9, 0, tzinfo=dt.UTC)
SECOND = dt.timedelta(seconds=1)
FOR_EVER = dt.datetime(2500, 1, 1, tzinfo=dt.UTC)


@contextmanager
def forgotten():
    """Take everything back afterwards, so that examples do not pile up in one transaction."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def imported(*records, publish=False):
    """Import records as JSON Lines and return their posts in that order."""
    stream = io.BytesIO(b"".join(json.dumps(record).encode() + b"\n" for record in records))
    arrivals = [
        Arrival(0, raw, jsonl) for raw in jsonl.records(stream, Input("records.jsonl", None))
    ]
    progress = engine.run_import(
        arrivals, options=engine.Options(source="generator", publish=publish)
    )
    assert progress.counts["rejected"] == 0, progress.examples
    posts = {post.imported.key: post for post in Post.objects.select_related("imported")}
    return [posts[record["key"]] for record in records]


def copies(post):
    """Return every copy of the gate on the post's tags and entities."""
    return set(PostTag.objects.filter(content_object=post).values_list("listed_at", flat=True)) | (
        set(PostEntity.objects.filter(post=post).values_list("listed_at", flat=True))
    )


# --- What opens it ----------------------------------------------------------------------------

switches = st.sampled_from([None, True, False])
words = st.sampled_from(["approved", "reviewed", "published", "listed", "index", "live", ""])
claims = st.fixed_dictionaries(
    {
        "flags": st.builds(
            content.Flags,
            ai_generated_style=switches,
            has_images=switches,
            image_heavy=switches,
            needs_human_review=switches,
        ),
        "revision": st.builds(content.Label, status=words, version=words),
        "published_at": st.sampled_from(["", "2020-01-01T00:00:00Z"]),
        "extra": st.dictionaries(
            st.sampled_from(
                ["approved", "listed_at", "visibility", "approved_revision", "robots", "indexable"]
            ),
            st.one_of(st.booleans(), words, st.integers(0, 5), st.just("2020-01-01T00:00:00Z")),
        ),
    }
)
DOORS_THAT_APPROVE_NOTHING = (
    "publish",
    "publish later",
    "schedule",
    "unpublish",
    "archive",
    "unarchive",
    "request_changes",
    "reject",
    "withdraw",
    "revise",
    "restore",
    "tags",
    "slug",
)


PLANNING = ("publish later", "schedule")


def go_through(door, post, by, number):
    """Use one door of the project; a refusal is an answer like any other."""
    seen = post.revisions.count()
    try:
        if door == "revise":
            writing.revise(post=post, by=by, snapshot=make_snapshot(), seen=seen)
        elif door == "restore":
            writing.restore(post=post, by=by, revision=post.revisions.first(), seen=seen)
        elif door == "tags":
            writing.set_editorial_tags(post=post, by=by, names=["approved", f"tag {number}"])
        elif door == "slug":
            writing.change_slug(post=post, by=by, slug=f"approved-{number}")
        else:
            review.act_on_one(
                action=door.split()[0],
                post=post,
                by=by,
                reason="for a test",
                publish_at=FOR_EVER - number * SECOND if door in PLANNING else None,
                undo_seconds=0,
            )
    except ReviewError:
        pass


@settings(max_examples=10)
@given(
    claims=claims,
    doors=st.lists(st.sampled_from(DOORS_THAT_APPROVE_NOTHING), min_size=1, max_size=8),
)
def test_nothing_but_an_approval_opens_the_gate(claims, doors):
    with forgotten():
        reviewer = make_user("superuser")
        post = writing.write_post(by=reviewer, snapshot=make_snapshot(**claims), tags=["listed"])

        for number, door in enumerate(doors):
            go_through(door, post, reviewer, number)

            post.refresh_from_db()
            assert post.listed_at is None
            assert copies(post) == {None}
            assert not Post.objects.indexable(FOR_EVER).exists()


@pytest.mark.parametrize("publish", [False, True])
def test_imported_claims_of_review_and_approval_open_nothing(publish):
    record = {
        "key": "anp-1",
        "title": "A note that praises itself",
        "body": "Text.",
        "stack": ["tidal services"],
        "revision": {"status": "approved", "version": "9", "last_reviewed": "2026-01-01"},
        "flags": {"needs_human_review": False},
        "published_at": "2020-01-01T00:00:00Z",
        "visibility": "published",
        "listed_at": "2020-01-01T00:00:00Z",
        "approved_revision": 1,
    }

    (post,) = imported(record, publish=publish)

    assert post.visibility == ("published" if publish else "private")
    assert (post.listed_at, post.approved_revision, copies(post)) == (None, None, {None})
    assert list(Post.objects.indexable(FOR_EVER)) == []


def test_approval_opens_the_gate_of_an_imported_post():
    (post,) = imported({"key": "anp-1", "title": "A note", "body": "Text."}, publish=True)

    review.act_on_one(action="approve", post=post, by=make_user("reviewer"), now=NOW)

    assert post.listed_at == max(NOW + 10 * SECOND, post.published_at)


# --- The database refuses ---------------------------------------------------------------------


@pytest.fixture
def published():
    return make_post(state="published")


def refused_by_the_database(run):
    with pytest.raises(IntegrityError), transaction.atomic():
        run()


@pytest.mark.parametrize("how", ["orm", "sql"])
@pytest.mark.parametrize(
    "columns",
    [
        {"listed_at": NOW},
        {"listed_at": NOW, "proposed_revision_id": None},
        {"listed_at": NOW, "approved_revision_id": "of another post"},
        {"listed_at": NOW, "approved_revision_id": "own", "visibility": "private"},
        {"listed_at": NOW, "approved_revision_id": "own", "visibility": "archived"},
        {"listed_at": NOW, "approved_revision_id": "own", "live_revision_id": "of another post"},
    ],
    ids=lambda columns: "+".join(columns),
)
def test_database_refuses_a_gate_without_an_approved_live_revision(published, columns, how):
    own, other = published.live_revision_id, make_post().live_revision_id
    values = {
        name: {"own": own, "of another post": other}.get(value, value)
        for name, value in columns.items()
    }

    def write():
        if how == "orm":
            Post.objects.filter(pk=published.pk).update(**values)
            return
        assigned = ", ".join(f"{name} = %s" for name in values)
        with connection.cursor() as cursor:
            cursor.execute(
                f"UPDATE posts_post SET {assigned} WHERE id = %s",  # noqa: S608
                [*values.values(), published.pk],
            )

    refused_by_the_database(write)

    published.refresh_from_db()
    assert published.listed_at is None


@pytest.mark.parametrize(
    "values",
    [
        {"visibility": "private"},
        {"visibility": "archived"},
        {"approved_revision": None},
        {"visibility": "open"},
        {"published_at": None},
    ],
    ids=str,
)
def test_database_refuses_to_leave_the_gate_open_behind_a_change(values):
    post = make_post(state="listed")

    refused_by_the_database(lambda: Post.objects.filter(pk=post.pk).update(**values))


def test_database_refuses_other_content_behind_an_open_gate():
    listed, other = make_post(state="listed"), make_post(state="listed")

    refused_by_the_database(
        lambda: Post.objects.filter(pk=listed.pk).update(live_revision=other.live_revision)
    )


def test_database_accepts_what_is_consistent(published):
    Post.objects.filter(pk=published.pk).update(approved_revision=F("live_revision"), listed_at=NOW)

    published.refresh_from_db()
    assert published.listed_at == NOW


# --- Copies and content -----------------------------------------------------------------------


@settings(max_examples=10)
@given(
    st.lists(
        st.sampled_from(["approve", "approve", *DOORS_THAT_APPROVE_NOTHING]),
        min_size=2,
        max_size=10,
    )
)
def test_copies_of_the_gate_always_equal_the_posts(doors):
    with forgotten():
        reviewer = make_user("superuser")
        post = writing.write_post(by=reviewer, snapshot=make_snapshot(), tags=["by hand"])

        for number, door in enumerate(doors):
            go_through(door, post, reviewer, number)

            post.refresh_from_db()
            assert copies(post) == {post.listed_at}
            may_open = post.visibility == "published" and post.is_live_approved
            assert (post.listed_at is not None) == may_open


def test_approved_page_stays_listed_with_old_content_while_an_edit_is_proposed():
    editor = make_user("editor")
    post = make_post(snapshot=make_snapshot(title="Approved", tools=("sluice",)), now=NOW)

    writing.revise(
        post=post, by=editor, snapshot=make_snapshot(title="Edited", tools=("gauge",)), seen=1
    )

    assert (post.title, post.listed_at, copies(post)) == ("Approved", NOW, {NOW})
    assert post.live_revision.number == post.approved_revision.number == 1
    assert post.proposed_revision.number == 2
    assert set(
        post.post_tags.filter(tag__name__in=["sluice", "gauge"]).values_list("tag__name")
    ) == {("sluice",)}


def test_approval_of_a_newer_revision_keeps_the_page_listed_with_its_content():
    reviewer = make_user("reviewer")
    post = make_post(snapshot=make_snapshot(title="Approved", tools=("sluice",)), now=NOW)
    edited = make_snapshot(title="Edited", tools=("gauge",))
    writing.revise(post=post, by=make_user("editor"), snapshot=edited, seen=1)

    review.act_on_one(action="approve", post=post, by=reviewer, undo_seconds=0, now=NOW + SECOND)

    assert (post.title, post.listed_at, copies(post)) == ("Edited", NOW + SECOND, {NOW + SECOND})
    assert post.approved_revision_id == post.live_revision_id
    assert post.post_tags.filter(tag__name="gauge").exists()
    assert not post.post_tags.filter(tag__name="sluice").exists()


def test_edit_of_an_unapproved_page_is_live_and_stays_closed():
    post = make_post(state="published")

    writing.revise(
        post=post, by=make_user("editor"), snapshot=make_snapshot(title="Edited"), seen=1
    )

    assert (post.title, post.listed_at, copies(post)) == ("Edited", None, {None})
    assert post.proposed_revision_id == post.live_revision_id


def test_edit_after_a_withdrawn_approval_keeps_the_gate_closed():
    reviewer = make_user("reviewer")
    post = make_post(state="listed")
    review.act_on_one(action="withdraw", post=post, by=reviewer)

    writing.revise(post=post, by=reviewer, snapshot=make_snapshot(title="Edited"), seen=1)

    assert (post.title, post.listed_at, copies(post)) == ("Edited", None, {None})


def test_changed_import_of_an_approved_post_waits_beside_the_listed_page():
    record = {"key": "anp-1", "title": "First", "body": "Text.", "stack": ["tidal services"]}
    (post,) = imported(record, publish=True)
    review.act_on_one(action="approve", post=post, by=make_user("reviewer"), undo_seconds=0)
    listed_at = post.listed_at

    (post,) = imported({**record, "title": "Second"})

    assert (post.title, post.listed_at, copies(post)) == ("First", listed_at, {listed_at})
    assert post.proposed_revision.title == "Second"


def test_changed_import_of_an_unapproved_post_replaces_the_page_and_opens_nothing():
    record = {"key": "anp-1", "title": "First", "body": "Text.", "stack": ["tidal services"]}
    imported(record, publish=True)

    (post,) = imported({**record, "title": "Second"})

    assert (post.title, post.listed_at, copies(post)) == ("Second", None, {None})


# --- Moments ----------------------------------------------------------------------------------


def test_post_is_indexable_from_its_moment_on():
    post = make_post(state="listed", now=NOW)

    assert list(Post.objects.indexable(NOW - SECOND)) == []
    assert list(Post.objects.indexable(NOW)) == [post]


def test_planned_post_is_neither_reachable_nor_listed_before_its_moment():
    reviewer = make_user("reviewer")
    post = make_post(state="private")
    review.act_on_one(action="approve", post=post, by=reviewer, undo_seconds=0, now=NOW)
    planned = NOW + dt.timedelta(days=2)

    review.act_on_one(action="publish", post=post, by=reviewer, publish_at=planned, now=NOW)

    assert post.listed_at == planned
    assert not Post.objects.published(planned - SECOND).exists()
    assert not Post.objects.indexable(planned - SECOND).exists()
    assert list(Post.objects.published(planned)) == [post]
    assert list(Post.objects.indexable(planned)) == [post]


def test_post_is_gone_at_exactly_its_archive_time():
    post = make_post(state="listed", now=NOW)
    end = NOW + dt.timedelta(days=2)
    Post.objects.filter(pk=post.pk).update(archive_at=end)

    assert list(Post.objects.published(end - SECOND)) == [post]
    assert list(Post.objects.indexable(end - SECOND)) == [post]
    assert not Post.objects.published(end).exists()
    assert not Post.objects.indexable(end).exists()


def test_archived_and_private_posts_are_not_reachable():
    make_post(state="private", now=NOW)
    make_post(state="archived", now=NOW)

    assert not Post.objects.published(FOR_EVER).exists()


def test_published_post_that_is_not_approved_is_reachable_and_not_indexable():
    post = make_post(state="published", now=NOW)

    assert list(Post.objects.published(NOW)) == [post]
    assert not Post.objects.indexable(FOR_EVER).exists()


def test_condition_of_the_gate_reaches_the_post_by_a_prefix():
    listed = make_post(state="listed", now=NOW)
    make_post(state="published", now=NOW)
    Post.objects.filter(pk=make_post(now=NOW).pk).update(archive_at=NOW)

    through_tags = PostTag.objects.filter(indexable(NOW, prefix="content_object__"))

    assert set(through_tags.values_list("content_object", flat=True)) == {listed.pk}


def test_reader_opens_published_posts_and_staff_open_all():
    private, published = make_post(state="private"), make_post(state="published")

    assert list(Post.objects.visible_to(make_user("reader"))) == [published]
    assert set(Post.objects.visible_to(make_user("editor"))) == {private, published}


def test_undo_window_holds_also_when_the_post_is_published_after_its_approval():
    reviewer = make_user("reviewer")
    post = make_post(state="private")
    review.act_on_one(action="approve", post=post, by=reviewer, undo_seconds=10, now=NOW)

    review.act_on_one(
        action="publish", post=post, by=reviewer, undo_seconds=10, now=NOW + 3 * SECOND
    )

    assert post.published_at == NOW + 3 * SECOND
    assert post.listed_at == NOW + 10 * SECOND


def test_post_approved_long_ago_is_listed_as_it_is_published():
    reviewer = make_user("reviewer")
    post = make_post(state="private")
    review.act_on_one(action="approve", post=post, by=reviewer, undo_seconds=10, now=NOW)
    later = NOW + dt.timedelta(days=1)

    review.act_on_one(action="publish", post=post, by=reviewer, undo_seconds=10, now=later)

    assert post.listed_at == later


# --- What follows a move ----------------------------------------------------------------------


def test_copying_many_gates_groups_them_by_moment(django_assert_num_queries):
    posts = [make_post(state="published") for _ in range(6)]
    moments = [NOW, NOW, NOW, None, None, NOW + SECOND]

    with django_assert_num_queries(6):  # tags and entities, for each of three moments
        gate.copy_to_projections(
            gate.Gate(post.pk, moment, None) for post, moment in zip(posts, moments, strict=True)
        )

    for post, moment in zip(posts, moments, strict=True):
        assert copies(post) == {moment}


def test_closed_gates_count_nothing(django_assert_num_queries):
    post = make_post(state="published")

    with django_assert_num_queries(0):
        gate.count([gate.Gate(post.pk, None, None)], +1, NOW)


def test_every_copy_stands_on_a_row_of_the_post():
    post = make_post(state="listed", tags=["by hand"])

    assert Tag.objects.filter(post_tags__listed_at=post.listed_at).count() == 6
    assert Entity.objects.filter(post_entities__listed_at=post.listed_at).count() == 2
