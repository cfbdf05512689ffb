"""What people write: posts, revisions, restored ones, editorial tags, addresses."""

import datetime as dt

import pytest
from django.core.exceptions import PermissionDenied
from hypothesis import given
from hypothesis import strategies as st

from posts import content, counters, review, slugs, writing
from posts.models import ImportedPost, Post, PostTag, Revision, Slug, Tag
from posts.transitions import ReviewError
from tests.builders import make_post, make_snapshot, make_user

pytestmark = pytest.mark.django_db

NOW = dt.datetime(2026, 11, 17, 9, 0, tzinfo=dt.UTC)


@pytest.fixture
def editor():
    return make_user("editor")


@pytest.fixture
def reviewer():
    return make_user("reviewer")


def refused(code, do, **arguments):
    """Do something and return the refusal, which has this code."""
    with pytest.raises(ReviewError) as refusal:
        do(**arguments)
    assert refusal.value.code == code
    return refusal.value


def tags_of(post, origin=None):
    rows = PostTag.objects.filter(content_object=post)
    if origin:
        rows = rows.filter(origin=origin)
    return set(rows.values_list("tag__name", flat=True))


# --- New posts --------------------------------------------------------------------------------


def test_written_post_is_private_and_waits_for_review(editor):
    snapshot = make_snapshot(title="By hand", topic="a topic", language="en")

    post = writing.write_post(by=editor, snapshot=snapshot, tags=["Own  Tag"], now=NOW)

    post = Post.objects.get(pk=post.pk)
    revision = post.live_revision
    assert (post.visibility, post.listed_at, post.approved_revision) == ("private", None, None)
    assert post.proposed_revision == revision
    assert (revision.number, revision.origin, revision.author) == (1, "editor", editor)
    assert revision.digest == content.digest(snapshot)
    assert (post.title, post.topic, post.language) == ("By hand", "a topic", "en")
    assert tags_of(post, "editorial") == {"own tag"}
    assert post.imported.source.name == "local"
    assert list(post.slugs.values_list("slug", "is_current")) == [(post.slug, True)]
    assert post.slug.startswith("by-hand-")


def test_reader_writes_nothing():
    with pytest.raises(PermissionDenied):
        writing.write_post(by=make_user("reader"), snapshot=make_snapshot())

    assert not Post.objects.exists()


def test_refused_content_names_every_problem_at_once(editor):
    snapshot = make_snapshot(title="  ", difficulty="easy", tags=("x" * 101,))

    refusal = refused("content", writing.write_post, by=editor, snapshot=snapshot)

    assert isinstance(refusal, writing.ContentRefusedError)
    assert {problem.field for problem in refusal.problems} == {"title", "difficulty", "tags[0]"}
    assert all(problem.expected in str(refusal) for problem in refusal.problems)
    assert not Post.objects.exists()


def test_content_is_stored_in_normal_form(editor):
    snapshot = make_snapshot(title="  Cafe\N{COMBINING ACUTE ACCENT} ", body="one\r\ntwo\n\n")

    post = writing.write_post(by=editor, snapshot=snapshot)

    assert (post.title, post.live_revision.body) == (
        "Caf\N{LATIN SMALL LETTER E WITH ACUTE}",
        "one\ntwo",
    )
    assert post.live_revision.digest == content.digest(post.live_revision.snapshot)


@pytest.mark.parametrize("slug", ["admin", "search", "r"])
def test_reserved_slug_is_refused(editor, slug):
    refused("slug_taken", writing.write_post, by=editor, snapshot=make_snapshot(), slug=slug)


@pytest.mark.parametrize("slug", ["Upper", "two--hyphens", "-edge", "umläut", "a_b", "x" * 151])
def test_bad_slug_is_refused(editor, slug):
    refusal = refused(
        "bad_slug", writing.write_post, by=editor, snapshot=make_snapshot(), slug=slug
    )

    assert "lower-case letters, digits and single hyphens" in str(refusal)


def test_bad_tag_leaves_no_half_written_post(editor):
    refused("bad_tag", writing.write_post, by=editor, snapshot=make_snapshot(), tags=["x" * 101])

    assert not Post.objects.exists()
    assert not ImportedPost.objects.exists()


# --- Revisions --------------------------------------------------------------------------------


def test_equal_content_adds_no_revision_and_no_event(editor):
    post = make_post(state="private")
    events = post.events.count()

    revision = writing.revise(post=post, by=editor, snapshot=post.live_revision.snapshot, seen=1)

    assert revision == post.live_revision
    assert (post.revisions.count(), post.events.count()) == (1, events)


def test_edit_of_what_somebody_changed_meanwhile_is_refused(editor):
    post = make_post(state="private")
    writing.revise(post=post, by=editor, snapshot=make_snapshot(title="Theirs"), seen=1)

    refusal = refused(
        "stale",
        writing.revise,
        post=post,
        by=editor,
        snapshot=make_snapshot(title="Mine"),
        seen=1,
    )

    assert "Revision 2 was saved after revision 1" in str(refusal)
    assert post.revisions.count() == 2
    assert Post.objects.get(pk=post.pk).title == "Theirs"


def test_edit_of_an_approved_post_is_proposed_and_changes_no_page(editor):
    post = make_post(state="listed", snapshot=make_snapshot(title="Approved"))

    revision = writing.revise(
        post=post, by=editor, snapshot=make_snapshot(title="Edited"), seen=1, comment="typo"
    )

    assert (revision.number, revision.parent.number, revision.comment) == (2, 1, "typo")
    assert (post.title, post.live_revision.number) == ("Approved", 1)
    assert post.proposed_revision == revision
    assert post.listed_at is not None


def test_edit_of_an_unapproved_post_is_live_at_once(editor):
    post = make_post(state="published", snapshot=make_snapshot(tools=("sluice",)))

    revision = writing.revise(
        post=post, by=editor, snapshot=make_snapshot(title="Edited", tools=("gauge",)), seen=1
    )

    assert (post.title, post.live_revision, post.proposed_revision) == (
        "Edited",
        revision,
        revision,
    )
    assert "gauge" in tags_of(post)
    assert "sluice" not in tags_of(post)


def test_edit_after_a_rejection_waits_again(editor, reviewer):
    post = make_post(state="private")
    review.act_on_one(action="reject", post=post, by=reviewer, reason="thin")

    revision = writing.revise(post=post, by=editor, snapshot=make_snapshot(), seen=1)

    assert post.proposed_revision == revision


def test_restored_revision_is_a_new_one_with_the_old_content(editor):
    post = make_post(state="private", snapshot=make_snapshot(title="First"))
    first = post.live_revision
    writing.revise(post=post, by=editor, snapshot=make_snapshot(title="Second"), seen=1)

    restored = writing.restore(post=post, by=editor, revision=first, seen=2)

    assert (restored.number, restored.origin, restored.title) == (3, "restore", "First")
    assert (restored.digest, restored.parent.number) == (first.digest, 2)
    assert restored.comment == "Restores revision 1."
    assert post.title == "First"


def test_restored_bytes_need_a_new_approval(editor):
    post = make_post(state="listed")

    restored = writing.restore(post=post, by=editor, revision=post.live_revision, seen=1)

    assert restored.digest == post.live_revision.digest
    assert post.proposed_revision == restored
    assert post.live_revision.number == post.approved_revision.number == 1


def test_revision_of_another_post_cannot_be_restored(editor):
    post, other = make_post(state="private"), make_post(state="private")

    refused(
        "not_allowed", writing.restore, post=post, by=editor, revision=other.live_revision, seen=1
    )

    assert post.revisions.count() == 1


def test_comment_longer_than_the_column_is_refused_on_both_databases(editor):
    post = make_post(state="private")

    refused(
        "comment_too_long",
        writing.revise,
        post=post,
        by=editor,
        snapshot=make_snapshot(),
        seen=1,
        comment="x" * 501,
    )

    assert post.revisions.count() == 1


# --- Editorial tags ---------------------------------------------------------------------------


def test_editorial_tags_are_normalised_and_stand_beside_imported_ones(editor):
    post = make_post(state="private", snapshot=make_snapshot(tools=("sluice",), stack=()))

    writing.set_editorial_tags(
        post=post, by=editor, names=["  Big   ARCHIVES ", "big archives", "", "Sluice"]
    )

    assert tags_of(post, "editorial") == {"big archives"}
    assert tags_of(post, "imported") == {"sluice"}


def test_editorial_tags_are_replaced_and_imported_ones_stay(editor):
    post = make_post(state="private", tags=["one", "two"])
    imported = tags_of(post, "imported")

    writing.set_editorial_tags(post=post, by=editor, names=["two", "three"])

    assert tags_of(post, "editorial") == {"two", "three"}
    assert tags_of(post, "imported") == imported
    event = post.events.order_by("-sequence").first()
    ids = dict(Tag.objects.values_list("name", "pk"))
    assert event.kind == "tags"
    assert event.data == {"added": [ids["three"]], "removed": [ids["one"]]}


def test_editorial_tags_survive_a_new_live_revision(editor):
    post = make_post(state="private", tags=["own", "gauge"], snapshot=make_snapshot(tools=()))

    writing.revise(post=post, by=editor, snapshot=make_snapshot(tools=("gauge",)), seen=1)

    assert tags_of(post, "editorial") == {"own", "gauge"}
    assert "gauge" not in tags_of(post, "imported")


def test_same_editorial_tags_again_write_nothing(editor):
    post = make_post(state="listed", tags=["one"])
    events = post.events.count()

    writing.set_editorial_tags(post=post, by=editor, names=["ONE"])

    assert post.events.count() == events


def test_editorial_tags_do_not_close_the_gate_and_are_counted(editor):
    post = make_post(state="listed", tags=["one"], now=NOW)

    writing.set_editorial_tags(post=post, by=editor, names=["two"], now=NOW)

    post.refresh_from_db()
    ids = dict(Tag.objects.values_list("name", "pk"))
    counted = counters.use_counts(tags=ids.values(), now=NOW).tags
    assert post.listed_at == NOW
    assert (counted[ids["one"]], counted[ids["two"]], counted[ids["sluice"]]) == (0, 1, 1)
    assert set(post.post_tags.values_list("listed_at", flat=True)) == {NOW}


def test_reader_changes_no_tags():
    with pytest.raises(PermissionDenied):
        writing.set_editorial_tags(post=make_post(), by=make_user("reader"), names=["x"])


# --- Addresses --------------------------------------------------------------------------------


def slugs_of(post):
    return dict(post.slugs.values_list("slug", "is_current"))


def test_changed_slug_is_current_and_the_old_one_is_kept(editor):
    post = make_post(slug="first")

    writing.change_slug(post=post, by=editor, slug="second")

    assert post.slug == "second"
    assert slugs_of(post) == {"first": False, "second": True}


def test_retired_slug_may_come_back(editor):
    post = make_post(slug="first")
    writing.change_slug(post=post, by=editor, slug="second")

    writing.change_slug(post=post, by=editor, slug="first")

    assert slugs_of(post) == {"first": True, "second": False}


def test_slug_that_nobody_may_choose_may_come_back_to_its_post(editor):
    post = make_post(slug="first")
    made = "words_of-an-import-" + "x" * 141
    Slug.objects.create(slug=made, post=post, is_current=False, created_at=NOW)

    writing.change_slug(post=post, by=editor, slug=made)

    assert slugs_of(post) == {"first": False, made: True}


@pytest.mark.parametrize("retired", [False, True])
def test_slug_of_another_post_is_taken_also_when_retired(editor, retired):
    post, other = make_post(), make_post(slug="first")
    if retired:
        writing.change_slug(post=other, by=editor, slug="second")

    refusal = refused("slug_taken", writing.change_slug, post=post, by=editor, slug="first")

    assert "first is the address of another page" in str(refusal)


@pytest.mark.parametrize(("slug", "code"), [("archive", "slug_taken"), ("No Slug", "bad_slug")])
def test_change_to_a_reserved_or_bad_slug_is_refused(editor, slug, code):
    post = make_post(slug="first")

    refused(code, writing.change_slug, post=post, by=editor, slug=slug)

    assert slugs_of(post) == {"first": True}


def test_same_slug_again_writes_nothing(editor):
    post = make_post(slug="first")
    events = post.events.count()

    writing.change_slug(post=post, by=editor, slug="first")

    assert post.events.count() == events


def test_changed_slug_leaves_the_gate_as_it_is(editor):
    post = make_post(slug="first", now=NOW)

    writing.change_slug(post=post, by=editor, slug="second")

    assert post.listed_at == NOW


# --- Slug rules -------------------------------------------------------------------------------


def test_posts_with_one_title_get_different_slugs():
    first, second = (make_post(snapshot=make_snapshot(title="The same")) for _ in range(2))

    assert first.slug != second.slug
    assert first.slug.startswith("the-same-")
    assert second.slug.startswith("the-same-")


@given(st.text(max_size=300), st.text(max_size=20), st.text(max_size=20))
def test_made_slug_is_a_slug_and_depends_on_nothing_but_title_and_identity(title, source, key):
    made = slugs.made_from(title, source, key)

    assert slugs.is_slug(made)
    assert made == slugs.made_from(title, source, key)
    assert made != slugs.made_from(title, source, key + "x")
    assert made not in slugs.RESERVED


def test_identity_is_not_confused_by_where_source_ends_and_key_begins():
    assert slugs.made_from("One", "ab", "c") != slugs.made_from("One", "a", "bc")


def test_title_without_latin_letters_still_gets_a_slug():
    assert slugs.is_slug(slugs.made_from("日本", "local", "1"))


def test_taken_slugs_are_reserved_current_or_retired(editor, django_assert_num_queries):
    post = make_post(slug="first")
    writing.change_slug(post=post, by=editor, slug="second")

    with django_assert_num_queries(1):
        taken = Slug.objects.taken(["first", "second", "third", "admin"])

    assert taken == {"first", "second", "admin"}


def test_every_revision_of_a_person_names_its_author(editor):
    post = make_post(state="private")

    writing.revise(post=post, by=editor, snapshot=make_snapshot(), seen=1)

    assert Revision.objects.get(post=post, number=2).author == editor
    assert all(revision.is_by_person for revision in post.revisions.all())
