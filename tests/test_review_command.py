"""`review_posts`: decides on many posts through the same doors as the admin."""

import io
import json

import pytest
from django.contrib.auth.models import Permission
from django.core.management import CommandError, call_command

from posts import history, writing
from posts.importing.export import canonical_lines
from posts.management.commands.review_posts import Command
from posts.models import BulkAction, Decision, Event, ImportedPost, Post
from tests.builders import make_post, make_snapshot, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def ana():
    return make_user("reviewer", username="ana")


def reviewed(*arguments, by="ana"):
    """Run the command; return what it wrote to the output stream."""
    out = io.StringIO()
    call_command("review_posts", "--by", by, *arguments, stdout=out, stderr=io.StringIO())
    return out.getvalue()


def refused(*arguments, by="ana"):
    """Run the command, which must fail without changing anything; return what it said."""
    before = state()
    with pytest.raises(CommandError) as raised:
        reviewed(*arguments, by=by)
    assert state() == before
    return str(raised.value)


def state():
    return (
        list(canonical_lines()),
        Decision.objects.count(),
        Event.objects.count(),
        BulkAction.objects.count(),
    )


def test_without_yes_it_says_how_many_and_changes_nothing(ana):
    make_post(state="private")
    make_post(state="listed")
    before = state()

    out = reviewed("--approve", "--publish", "--all")

    assert out == "approve and publish: 1 posts fit. Nothing was changed; add --yes.\n"
    assert state() == before


def test_each_post_gets_its_own_decision_and_events(ana):
    posts = [make_post(state="private") for _ in range(3)]
    waiting = {post.pk: post.proposed_revision_id for post in posts}

    out = reviewed("--approve", "--publish", "--all", "--yes")

    assert out.startswith("approve and publish: 3 posts, 0 did not fit")
    assert Post.objects.indexable().count() == 3
    decisions = Decision.objects.select_related("revision")
    assert {d.revision.post_id: d.revision_id for d in decisions} == waiting
    assert all(d.digest == d.revision.digest for d in decisions)
    assert {(d.reviewer.username, d.verdict) for d in decisions} == {("ana", "approve")}
    for post in posts:
        events = post.events.order_by("sequence")
        assert [event.kind for event in events][-2:] == ["approve", "publish"]
        assert {event.actor.username for event in list(events)[-2:]} == {"ana"}
        assert not history.broken_links(events)
    bulk = BulkAction.objects.get()
    assert (bulk.action, bulk.changed, bulk.skipped) == ("approve+publish", 3, 0)
    assert bulk.finished_at is not None
    assert set(Decision.objects.values_list("bulk_action", flat=True)) == {bulk.pk}


def test_second_run_finds_nothing_to_do(ana):
    make_post(state="private")
    reviewed("--approve", "--publish", "--all", "--yes")
    before = list(canonical_lines()), Decision.objects.count(), Event.objects.count()

    out = reviewed("--approve", "--publish", "--all", "--yes")

    assert out.startswith("approve and publish: 0 posts, 0 did not fit")
    assert (list(canonical_lines()), Decision.objects.count(), Event.objects.count()) == before


@pytest.mark.parametrize("action", ["publish", "archive"])
def test_second_run_of_a_change_of_visibility_finds_nothing_to_do(ana, action):
    make_post(state="private")
    reviewed(f"--{action}", "--all", "--yes")

    assert reviewed(f"--{action}", "--all").startswith(f"{action}: 0 posts fit")
    assert reviewed(f"--{action}", "--all", "--yes").startswith(f"{action}: 0 posts, 0 did not")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--tag", "rare-tag"), {"A"}),
        (("--tag", "no-such-tag"), set()),
        (("--difficulty", "advanced"), {"B"}),
        (("--visibility", "published"), {"C"}),
        (("--source", "local"), {"A", "B", "C"}),
        (("--source", "elsewhere"), set()),
        (("--run", "999999"), set()),
        (("--limit", "2"), {"A", "B"}),
        (("--visibility", "private", "--difficulty", "beginner"), {"A"}),
        (("--limit", "1", "--visibility", "published"), {"C"}),
        (("--all",), {"A", "B", "C"}),
    ],
)
def test_only_posts_that_fit_every_filter_are_decided_on(ana, arguments, expected):
    make_post(
        state="private",
        snapshot=make_snapshot(title="A", difficulty="beginner", tags=("rare tag",)),
    )
    make_post(state="private", snapshot=make_snapshot(title="B", difficulty="advanced"))
    make_post(state="published", snapshot=make_snapshot(title="C", difficulty="beginner"))

    told = reviewed("--approve", *arguments)
    reviewed("--approve", *arguments, "--yes")

    approved = Post.objects.filter(approved_revision__isnull=False)
    assert set(approved.values_list("title", flat=True)) == expected
    assert f"{len(expected)} posts fit" in told


def test_keys_may_be_named_one_by_one(ana):
    posts = [make_post(state="private") for _ in range(3)]
    keys = [ImportedPost.objects.get(post=post).key for post in posts]

    reviewed("--approve", "--key", keys[0], "--key", keys[2], "--yes")

    approved = Post.objects.filter(approved_revision__isnull=False)
    assert {post.pk for post in approved} == {posts[0].pk, posts[2].pk}


def test_approval_by_command_opens_the_gate_at_once_and_withdraw_closes_it(ana):
    make_post(state="published")

    reviewed("--approve", "--all", "--yes")
    assert Post.objects.indexable().count() == 1
    reviewed("--withdraw", "--all", "--yes")

    assert not Post.objects.indexable().exists()
    assert Post.objects.awaiting_review().count() == 1


@pytest.mark.parametrize("action", ["reject", "request-changes"])
def test_refusal_needs_a_reason_and_keeps_it(ana, action):
    make_post(state="private")

    said = refused(f"--{action}", "--all", "--yes")
    reviewed(f"--{action}", "--all", "--reason", "no sources", "--yes")

    assert "reason" in said
    decision = Decision.objects.get()
    assert (decision.verdict, decision.reason) == (action.replace("-", "_"), "no sources")
    assert not Post.objects.awaiting_review().exists()


def test_reason_that_is_too_long_is_refused_before_anything_happens(ana):
    make_post(state="private")

    said = refused("--reject", "--reason", "x" * 501, "--all", "--yes")

    assert "501 characters" in said


def test_person_without_the_permission_changes_nothing(ana):
    make_post(state="private")
    make_user("editor", username="eve")

    said = refused("--approve", "--all", "--yes", by="eve")

    assert "eve may not do this" in said
    assert "posts.review_post" in said


def test_permission_for_the_last_action_is_asked_before_the_first(ana):
    make_post(state="private")
    eve = make_user("editor", username="eve")
    eve.user_permissions.add(Permission.objects.get(codename="review_post"))

    said = refused("--approve", "--publish", "--all", "--yes", by="eve")

    assert "posts.publish_post" in said
    assert reviewed("--approve", "--all", "--yes", by="eve").startswith("approve: 1 posts")


@pytest.mark.parametrize("name", ["nobody", "former"])
def test_unknown_or_inactive_person_is_refused_by_name(ana, name):
    make_user("reviewer", username="former", is_active=False)

    assert f"'{name}'" in refused("--approve", "--all", "--yes", by=name)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("--all", "--yes"), "--approve"),
        (("--approve", "--yes"), "--all"),
        (("--approve", "--reject", "--reason", "both", "--all", "--yes"), "one verdict"),
        (("--publish", "--archive", "--all", "--yes"), "one change of visibility"),
        (("--approve", "--limit", "0", "--yes"), "'0'"),
        (("--approve", "--limit", "-3", "--yes"), "'-3'"),
        (("--approve", "--difficulty", "hard", "--yes"), "hard"),
    ],
)
def test_impossible_orders_are_refused_before_anything_happens(ana, arguments, word):
    make_post(state="private")

    assert word in refused(*arguments)


def test_one_object_on_the_output_stream_with_json(ana):
    make_post(state="private")

    told = json.loads(reviewed("--approve", "--all", "--yes", "--json"))

    assert told["bulk_action"] == BulkAction.objects.get().pk
    assert (told["actions"], told["changed"], told["skipped"]) == (["approve"], 1, 0)
    assert {"seconds", "posts_per_second"} <= told.keys()


def test_more_posts_than_one_transaction_takes_are_all_decided(ana, monkeypatch):
    monkeypatch.setattr("posts.bulk.CHUNK", 2)
    for _ in range(5):
        make_post(state="private")

    out = reviewed("--approve", "--publish", "--all", "--yes")

    assert out.startswith("approve and publish: 5 posts")
    assert Post.objects.indexable().count() == 5


def test_version_held_by_an_import_is_approved_and_becomes_live(ana):
    post = make_post(state="listed")
    editor = make_user("editor")
    writing.revise(post=post, by=editor, seen=1, snapshot=make_snapshot(title="Better"))

    reviewed("--approve", "--all", "--yes")

    post.refresh_from_db()
    assert post.title == "Better"
    assert post.listed_at is not None


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--by", "ana", "--approve", "--all", "--yes"], 0),
        (["--by", "ana", "--approve", "--all"], 0),
        (["--by", "eve", "--approve", "--all", "--yes"], 1),
        (["--by", "nobody", "--approve", "--all", "--yes"], 1),
        (["--by", "ana", "--approve", "--limit", "0"], 2),
        (["--approve", "--all"], 2),
        (["--by", "ana", "--publish-everything"], 2),
    ],
)
def test_exit_code_tells_what_happened(ana, arguments, code, monkeypatch, capsys):
    monkeypatch.setattr("django.core.management.base.connections.close_all", lambda: None)
    make_user("editor", username="eve")

    ended_with = 0
    try:
        Command().run_from_argv(["manage.py", "review_posts", *arguments])
    except SystemExit as stop:
        ended_with = stop.code

    assert ended_with == code
