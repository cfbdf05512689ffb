"""Held versions: what meets what, how a merge settles it, and what later imports make of that."""

import pytest
from django.core.exceptions import PermissionDenied

from posts import history, merging, review, writing
from posts.held import common_beginning, held
from posts.importing import undo
from posts.models import Event, ImportRun, Post, Revision
from posts.transitions import ReviewError
from tests.builders import make_post, make_user
from tests.held_posts import (
    BODY,
    approve,
    edit,
    held_behind_edit,
    held_beside_approved,
    import_note,
    post_of,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def editor():
    return make_user("editor")


def numbers(post: Post) -> tuple[int | None, int, int] | None:
    found = held(post)
    if found is None:
        return None
    base = found.base.number if found.base is not None else None
    return base, found.ours.number, found.incoming.number


def merged(post: Post, by, choices: dict[str, str], **more) -> Revision:
    """Merge a held post as the page does."""
    versions = held(post)
    merge = merging.three_way(
        versions.base.snapshot if versions.base else None,
        versions.ours.snapshot,
        versions.incoming.snapshot,
    )
    return writing.merge(
        post=post,
        by=by,
        snapshot=merge.merged(choices),
        incoming=versions.incoming,
        seen=more.pop("seen", post.revisions.count()),
        **more,
    )


# --- What meets what --------------------------------------------------------------------------


def test_import_beside_an_approved_page_meets_it():
    assert numbers(held_beside_approved()) == (1, 1, 2)


def test_import_behind_an_edit_meets_the_edit():
    assert numbers(held_behind_edit({"title": "Ours"}, title="Theirs")) == (1, 2, 3)


def test_second_import_meets_the_page_from_where_the_page_began():
    held_beside_approved()

    assert numbers(import_note(title="Newest")) == (1, 1, 3)


def test_import_beside_an_approved_edit_meets_it_from_the_first_import():
    post = import_note()
    edit(post, title="Ours")
    approve(post_of())

    assert numbers(import_note(title="Theirs")) == (1, 2, 3)


def test_what_an_editor_proposes_over_a_held_import_grew_from_it():
    post = held_beside_approved()
    edit(post, lede="By hand.")

    assert numbers(post_of()) is None
    assert numbers(import_note(title="Newest")) == (2, 3, 4)


@pytest.mark.parametrize("state", ["private", "listed"])
def test_nothing_is_held_in_a_post_without_an_import(state, editor):
    post = Post.objects.select_related("imported").get(pk=make_post(state=state).pk)

    assert held(post) is None


def test_a_first_import_is_not_held():
    assert held(import_note()) is None


def test_looking_for_what_meets_costs_two_queries(django_assert_num_queries):
    post = post_of(held_beside_approved().imported.key)

    with django_assert_num_queries(2):
        held(post)


@pytest.mark.parametrize(
    ("one", "other", "found"),
    [(1, 1, 1), (1, 3, 1), (3, 1, 1), (4, 5, 2), (5, 9, None), (9, 5, None)],
)
def test_common_beginning_is_the_newest(one, other, found):
    known = {1: (None, 1), 2: (1, 2), 3: (1, 3), 4: (2, 4), 5: (2, 5), 9: (None, 9)}

    assert common_beginning(one, other, known) == found


# --- Merging ----------------------------------------------------------------------------------


def test_merge_beside_an_approved_page_is_proposed_and_the_page_stays(editor):
    post = held_beside_approved(title="Theirs", body=BODY + "\n\nMore.", difficulty="advanced")
    live = post.live_revision_id

    revision = merged(post, editor, {"title": "ours"}, comment="Keeps the title.")

    post = post_of()
    assert (post.live_revision_id, post.proposed_revision_id) == (live, revision.pk)
    assert (revision.title, revision.body) == ("Slack water", BODY + "\n\nMore.")
    assert revision.meta["difficulty"] == "advanced"
    assert (revision.number, revision.author, revision.origin) == (3, editor, "editor")
    assert (revision.parent.number, revision.comment) == (2, "Keeps the title.")
    assert held(post) is None
    assert not history.broken_links(Event.objects.filter(post=post).order_by("sequence"))


def test_merge_behind_an_edit_settles_what_waits(editor):
    post = held_behind_edit({"title": "Ours"}, title="Theirs", lede="Their lede.")

    revision = merged(post, editor, {"title": "ours"})

    post = post_of()
    assert post.imported.waiting_revision_id is None
    assert post.imported.base_revision_id == revision.parent_id
    assert post.proposed_revision_id == post.live_revision_id == revision.pk
    assert (post.title, revision.lede) == ("Ours", "Their lede.")
    assert not Post.objects.held_by_import().exists()


def test_what_was_settled_is_not_asked_again(editor):
    post = held_behind_edit({"title": "Ours"}, title="Theirs")
    merged(post, editor, {"title": "ours"})

    post = import_note(title="Theirs", lede="A newer lede.")

    versions = held(post)
    merge = merging.three_way(*(side.snapshot for side in versions))
    assert {field.name: field.state for field in merge.fields} == {
        "title": "ours",
        "lede": "theirs",
    }


def test_the_same_import_again_changes_nothing_after_a_merge(editor):
    post = held_behind_edit({"title": "Ours"}, title="Theirs")
    merged(post, editor, {"title": "ours"})
    before = Revision.objects.count()

    post = import_note(title="Theirs")

    assert Revision.objects.count() == before
    assert held(post) is None


def test_taking_all_of_a_proposed_import_adds_no_revision(editor):
    post = held_beside_approved(title="Theirs")
    events = Event.objects.count()

    revision = merged(post, editor, {"title": "theirs"})

    assert revision.pk == post_of().proposed_revision_id
    assert Revision.objects.count() == 2
    assert Event.objects.count() == events


def test_taking_all_of_an_import_behind_an_edit_proposes_it(editor):
    post = held_behind_edit({"title": "Ours"}, title="Theirs")

    revision = merged(post, editor, {"title": "theirs"})

    post = post_of()
    assert revision.number == 4
    assert post.proposed_revision_id == revision.pk
    assert post.title == "Theirs"
    assert held(post) is None


def test_keeping_all_of_an_approved_page_proposes_it_again(editor):
    post = held_beside_approved(title="Theirs")
    live = Revision.objects.get(pk=post.live_revision_id)

    revision = merged(post, editor, {"title": "ours"})

    assert revision.digest == live.digest
    assert held(post_of()) is None
    assert post_of().live_revision_id == live.pk


@pytest.mark.parametrize("seen", [1, 3, 0])
def test_merge_of_a_stale_look_is_refused(editor, seen):
    post = held_beside_approved()

    with pytest.raises(ReviewError) as refusal:
        merged(post, editor, {}, seen=seen)

    assert refusal.value.code == "stale"
    assert Revision.objects.count() == 2


def test_merge_of_a_version_that_was_decided_meanwhile_is_refused(editor):
    post = held_beside_approved()
    versions = held(post)
    approve(post)

    with pytest.raises(ReviewError) as refusal:
        writing.merge(
            post=post,
            by=editor,
            snapshot=versions.ours.snapshot,
            incoming=versions.incoming,
            seen=2,
        )

    assert refusal.value.code == "stale"
    assert "not held any more" in str(refusal.value)


def test_merge_needs_the_permission_to_change():
    post = held_beside_approved()

    with pytest.raises(PermissionDenied):
        merged(post, make_user("reader"), {})


def test_comment_that_is_too_long_is_refused(editor):
    post = held_beside_approved()

    with pytest.raises(ReviewError) as refusal:
        merged(post, editor, {}, comment="x" * 501)

    assert refusal.value.code == "comment_too_long"


def test_approving_the_merge_makes_it_live_and_keeps_the_page_listed(editor):
    post = held_beside_approved(title="Theirs", lede="Their lede.")
    review.act_on_one(action="publish", post=post, by=make_user("reviewer"))
    merged(post, editor, {"title": "ours"})

    post = approve(post_of())

    assert (post.title, post.live_revision.lede) == ("Slack water", "Their lede.")
    assert post.is_live_approved
    assert post.listed_at is not None


def test_undo_keeps_the_import_somebody_merged_and_takes_back_a_later_one(editor):
    post = held_behind_edit({"title": "Ours"}, title="Theirs")
    merged(post, editor, {"title": "ours"})
    merge_run = ImportRun.objects.filter(kind="import").order_by("-pk").first()
    stood = post_of()
    import_note(title="Newest")
    later = ImportRun.objects.filter(kind="import").order_by("-pk").first()

    undo.undo_run(later)
    after = post_of()
    assert (after.proposed_revision_id, after.live_revision_id) == (
        stood.proposed_revision_id,
        stood.live_revision_id,
    )
    assert after.imported.waiting_revision_id is None

    kept = undo.undo_run(merge_run)
    assert post_of().revisions.count() == 4
    assert kept.counts == {"kept": 1}
