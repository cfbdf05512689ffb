"""Bulk actions behind the pages: frozen sets, checkpoints, several at work, killed processes."""

import datetime as dt
import random
import signal
import time
from collections import Counter
from urllib.parse import quote

import pytest
from django.core.exceptions import PermissionDenied
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from benchmarks.torture_places import Child
from posts import bulk, db, history, review, writing
from posts.models import BulkAction, BulkItem, Decision, Event, Post, Revision
from posts.transitions import ReviewError
from tests.builders import make_post, make_snapshot, make_user
from tests.concurrently import look, run_together

pytestmark = pytest.mark.django_db

NOW = dt.datetime(2026, 11, 17, 9, tzinfo=dt.UTC)


@pytest.fixture
def reviewer():
    return make_user("reviewer")


def drafts(number):
    return [make_post(state="private") for _ in range(number)]


def begun(by, actions=("approve",), **more):
    """Return a confirmed action over everything that waits; nothing of it is done yet."""
    action = bulk.prepare(
        actions=list(actions), queryset=Post.objects.awaiting_review(), by=by, **more
    )
    assert bulk.confirm(action)
    return action


# --- Frozen sets ------------------------------------------------------------------------------


def test_each_post_is_frozen_once_with_what_the_action_is_about(reviewer):
    post = make_post(state="listed", tags=["one", "two"])
    writing.revise(post=post, by=make_user("editor"), snapshot=make_snapshot(), seen=1)
    post.refresh_from_db()
    twice = Post.objects.filter(post_tags__tag__name__in=["one", "two"])

    verdict = bulk.prepare(actions=["approve"], queryset=twice, by=reviewer)
    change = bulk.prepare(actions=["archive"], queryset=twice, by=reviewer)

    assert (verdict.total, change.total) == (1, 1)
    frozen = {item.bulk_action_id: item.revision_id for item in BulkItem.objects.all()}
    assert frozen == {verdict.pk: post.proposed_revision_id, change.pk: post.live_revision_id}


def test_freezing_costs_the_same_for_few_and_many(reviewer):
    def queries():
        with CaptureQueriesContext(connection) as captured:
            bulk.prepare(actions=["approve"], queryset=Post.objects.all(), by=reviewer)
        return len(captured)

    drafts(2)
    queries()  # the permissions of this person are looked up once
    few = queries()
    drafts(20)

    assert queries() == few <= 6


def test_sets_nobody_confirmed_are_forgotten_and_others_stay(reviewer):
    drafts(1)
    left = bulk.prepare(actions=["approve"], queryset=Post.objects.all(), by=reviewer)
    running = begun(reviewer, ["publish"])
    long_ago = timezone.now() - bulk.UNCONFIRMED - dt.timedelta(seconds=1)
    BulkAction.objects.update(started_at=long_ago)

    bulk.prepare(actions=["archive"], queryset=Post.objects.none(), by=reviewer)

    assert not BulkAction.objects.filter(pk=left.pk).exists()
    assert set(BulkItem.objects.values_list("bulk_action", flat=True)) == {running.pk}
    bulk.forget(running.pk)
    assert BulkItem.objects.filter(bulk_action=running).exists()


def test_set_that_was_forgotten_cannot_be_confirmed(reviewer):
    drafts(1)
    action = bulk.prepare(actions=["approve"], queryset=Post.objects.all(), by=reviewer)
    bulk.forget(action.pk)

    assert not bulk.confirm(action)
    assert not Decision.objects.exists()


def test_nobody_freezes_without_the_permission():
    with pytest.raises(PermissionDenied):
        bulk.prepare(actions=["approve"], queryset=Post.objects.all(), by=make_user("editor"))

    assert not BulkAction.objects.exists()


def test_reason_that_is_missing_leaves_nothing_behind(reviewer):
    drafts(1)

    with pytest.raises(ReviewError, match="needs a reason"):
        bulk.act_on_all(actions=["reject"], queryset=Post.objects.all(), by=reviewer)

    assert not BulkAction.objects.exists()
    assert not BulkItem.objects.exists()


# --- Chunks -----------------------------------------------------------------------------------


def test_failure_in_a_chunk_takes_back_all_of_it_and_no_more(reviewer, monkeypatch):
    posts = drafts(5)
    action = begun(reviewer)
    write, calls = bulk._write_outcome, []

    def die_at_the_second(*arguments):
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt
        write(*arguments)

    monkeypatch.setattr(bulk, "_write_outcome", die_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        bulk.carry_out(action.pk, size=2)

    action.refresh_from_db()
    assert (action.state, action.done, action.position) == ("running", 2, posts[1].pk)
    assert Decision.objects.count() == BulkItem.objects.exclude(outcome="").count() == 2

    bulk.carry_out(action.pk, size=2)

    assert_each_was_decided_once(action.pk, 5)


def test_what_the_database_gave_up_is_tried_again(reviewer, monkeypatch):
    drafts(3)
    action = begun(reviewer)
    act, failures = review.act, [True, True]

    def deadlocked(**given):
        if failures:
            failures.pop()
            raise OperationalError("deadlock detected")
        return act(**given)

    monkeypatch.setattr(review, "act", deadlocked)
    monkeypatch.setattr("posts.db.is_retryable", lambda error: True)
    monkeypatch.setattr(bulk, "PAUSE_SECONDS", 0)

    bulk.carry_out(action.pk)

    assert_each_was_decided_once(action.pk, 3)


def test_stop_is_seen_before_the_next_chunk(reviewer):
    drafts(5)
    action = begun(reviewer)

    stopped = bulk.carry_out(action.pk, size=2, on_chunk=lambda now, outcome: bulk.stop(action.pk))

    assert (stopped.state, stopped.done) == ("stopped", 2)
    assert not bulk.stop(action.pk)
    assert bulk.go_on(action.pk)
    bulk.carry_out(action.pk, size=2)
    assert_each_was_decided_once(action.pk, 5)
    assert not bulk.go_on(action.pk)


def test_posts_and_revisions_that_are_gone_are_skipped(reviewer):
    posts = drafts(3)
    action = begun(reviewer)
    BulkItem.objects.filter(post_id=posts[0].pk).update(revision_id=10**9)
    BulkItem.objects.filter(post_id=posts[2].pk).update(post_id=10**9)

    done = bulk.carry_out(action.pk)

    assert (done.changed, done.skipped) == (1, 2)
    codes = dict(BulkItem.objects.values_list("post_id", "outcome"))
    assert codes == {posts[0].pk: "stale", posts[1].pk: "changed", 10**9: "gone"}


@pytest.mark.django_db(transaction=True)
def test_two_at_work_share_the_chunks(reviewer, tmp_path):
    drafts(12)
    action = begun(reviewer)

    results = run_together([lambda: bulk.carry_out(action.pk, size=2)] * 2, tmp_path)

    assert not [result for result in results if isinstance(result, Exception)]
    look(lambda: assert_each_was_decided_once(action.pk, 12), tmp_path)


# --- Plans ------------------------------------------------------------------------------------


def plan(queryset):
    """Return how the database would answer, as text."""
    return queryset.explain().lower()


def test_chunks_and_results_walk_the_key_of_a_large_set(reviewer):
    action = bulk.prepare(actions=["approve"], queryset=Post.objects.none(), by=reviewer)
    other = bulk.prepare(actions=["approve"], queryset=Post.objects.none(), by=reviewer)
    db.insert_rows(
        BulkItem,
        ("bulk_action_id", "post_id", "revision_id", "outcome", "note"),
        [(pk, n, n, "", "") for pk in (action.pk, other.pk) for n in range(1, 20_001)],
    )
    db.refresh_planner_statistics([BulkItem])
    items = BulkItem.objects.filter(bulk_action=action)

    for rows in (
        items.filter(post_id__gt=9_000).order_by("post_id").values("post_id")[:1_000],
        items.filter(post_id__gte=9_001, post_id__lte=10_000),
        items.filter(post_id__among=[9_001, 9_500]),
    ):
        said = plan(rows)
        assert "index" in said
        assert "seq scan" not in said
        assert "sort" not in said.replace("sorted", "")
        assert "temp b-tree" not in said


def test_latest_and_live_revision_are_found_by_an_index(reviewer):
    post = make_post(state="listed")
    first = post.live_revision
    columns = ("post_id", "number", "digest", "title", "lede", "body", "meta", "origin")
    db.insert_rows(
        Revision,
        (*columns, "author_id", "comment", "created_at"),
        [
            (post.pk, n, first.digest, "t", "", "", "{}", "editor", reviewer.pk, "", NOW)
            for n in range(2, 5_000)
        ],
    )
    db.refresh_planner_statistics([Revision, Post])
    latest = Revision.objects.filter(post=post).order_by("-number")[:1]
    live = Post.objects.select_related("live_revision").filter(pk=post.pk)

    for rows in (latest, live):
        said = plan(rows)
        assert "seq scan on posts_revision" not in said
        assert "scan posts_revision" not in said
        assert "sort" not in said
        assert "temp b-tree" not in said
    assert latest.get().number == 4_999


# --- The command ------------------------------------------------------------------------------


def test_command_goes_on_with_what_is_left(reviewer, capsys):
    drafts(3)
    action = begun(reviewer, options={"undo_seconds": 0})
    bulk.carry_out(action.pk, size=2, seconds=0)

    call_command("review_posts", "--resume", str(action.pk))

    told = capsys.readouterr()
    assert told.out.startswith("approve: 3 posts, 0 did not fit")
    assert "3 of 3: 3 done" in told.err
    assert_each_was_decided_once(action.pk, 3)


@pytest.mark.parametrize(
    ("prepare", "arguments", "said"),
    [
        (False, ["--resume", "999999"], "There is no bulk action 999999"),
        (False, ["--resume", "1", "--approve"], "Leave --by and the actions out"),
        (True, ["--resume", "{pk}"], "was not confirmed"),
    ],
)
def test_command_refuses_to_go_on_with_what_was_not_begun(reviewer, prepare, arguments, said):
    drafts(1)
    pk = prepare and bulk.prepare(actions=["approve"], queryset=Post.objects.all(), by=reviewer).pk

    with pytest.raises(CommandError, match=said):
        call_command("review_posts", *(text.format(pk=pk) for text in arguments))

    assert not Decision.objects.exists()


def test_command_says_that_nothing_is_left(reviewer):
    drafts(1)
    action = begun(reviewer)
    bulk.carry_out(action.pk)

    with pytest.raises(CommandError, match="has ended"):
        call_command("review_posts", "--resume", str(action.pk))


@pytest.mark.parametrize("state", ["stopped", "finished"])
def test_process_of_a_page_does_not_undo_a_stop(reviewer, capsys, state):
    drafts(2)
    action = begun(reviewer)
    BulkAction.objects.update(state=state)

    call_command("review_posts", "--resume", str(action.pk), "--if-running")

    action.refresh_from_db()
    assert (action.state, action.done) == (state, 0)
    assert capsys.readouterr() == ("", "")


def test_process_of_a_page_carries_out_what_runs(reviewer):
    drafts(2)
    action = begun(reviewer)

    call_command("review_posts", "--resume", str(action.pk), "--if-running")

    assert_each_was_decided_once(action.pk, 2)


def test_command_adds_and_removes_a_tag(reviewer, capsys):
    post = make_post(state="private")
    by = ["review_posts", "--by", reviewer.username, "--all", "--yes"]

    call_command(*by, "--add-tag", "Tide Tables")
    assert "tide tables" in post.tags.names()
    call_command(*by, "--remove-tag", "tide tables")

    assert "tide tables" not in post.tags.names()
    assert capsys.readouterr().out.startswith("add_tag: 1 posts, 0 did not fit")


# --- Processes that die -----------------------------------------------------------------------


def database_url(folder):
    """Return the address at which another process finds what `look` finds."""
    if connection.vendor == "sqlite":
        return f"sqlite:///{folder / 'copy.sqlite3'}"
    settings = connection.settings_dict
    user, password = quote(settings["USER"] or ""), quote(settings["PASSWORD"] or "")
    place = f"{settings['HOST'] or '127.0.0.1'}:{settings['PORT'] or 5432}"
    return f"postgres://{user}{f':{password}' if password else ''}@{place}/{settings['NAME']}"


def disturbed(action, folder, number, *, seconds):
    """Send a signal to a command at work, so many seconds behind its first chunk; return its end.

    A command that was done before is a failure: the set was too small.
    """
    command = ["manage.py", "review_posts", "--resume", str(action.pk), "--batch-size", "1"]
    child = Child(command, database_url=database_url(folder), folder=folder)
    assert child.wait_for(child.has_spoken)
    time.sleep(seconds)
    child.send(number)
    ended = child.wait(30)
    assert ended.code in (-number, 130), ended.err
    return ended


def done_so_far(action, folder):
    return look(lambda: BulkAction.objects.get(pk=action.pk).done, folder)


def assert_each_was_decided_once(action_id, total):
    """Nothing twice, nothing skipped: items, decisions, events and counts tell the same."""
    action = BulkAction.objects.get(pk=action_id)
    assert (action.state, action.changed, action.skipped) == ("finished", total, 0)
    items = BulkItem.objects.filter(bulk_action=action_id)
    assert set(items.values_list("outcome", flat=True)) == {"changed"}
    decided = Counter(
        Decision.objects.filter(bulk_action=action_id).values_list("revision_id", flat=True)
    )
    assert decided == dict.fromkeys(items.values_list("revision_id", flat=True), 1)
    for post in Post.objects.filter(pk__in=items.values("post_id")):
        events = list(Event.objects.filter(post=post).order_by("sequence"))
        assert [event.kind for event in events].count("approve") == 1
        assert not history.broken_links(events)
        assert (post.approved_revision_id, post.proposed_revision_id) == (
            post.live_revision_id,
            None,
        )


@pytest.mark.django_db(transaction=True)
def test_killed_and_stopped_processes_leave_nothing_half_done(reviewer, tmp_path):
    drafts(60)
    action = begun(reviewer)
    look(lambda: None, tmp_path)  # on SQLite makes the file that processes can share

    disturbed(action, tmp_path, signal.SIGKILL, seconds=0.02)
    at_the_kill = done_so_far(action, tmp_path)
    stopped = disturbed(action, tmp_path, signal.SIGTERM, seconds=0)

    assert f"--resume {action.pk}" in stopped.err
    assert 0 < at_the_kill < done_so_far(action, tmp_path) < 60
    assert look(lambda: BulkAction.objects.get(pk=action.pk).state, tmp_path) == "stopped"
    look(lambda: (bulk.go_on(action.pk), bulk.carry_out(action.pk)), tmp_path)
    look(lambda: assert_each_was_decided_once(action.pk, 60), tmp_path)


@pytest.mark.long
@pytest.mark.django_db(transaction=True)
def test_killed_at_twenty_moments_of_chance(reviewer, tmp_path):
    drafts(900)
    action = begun(reviewer)
    look(lambda: None, tmp_path)
    choose, done = random.Random(2), []

    for _ in range(20):
        disturbed(action, tmp_path, signal.SIGKILL, seconds=choose.uniform(0, 0.15))
        done.append(done_so_far(action, tmp_path))

    assert done == sorted(set(done))
    look(lambda: bulk.carry_out(action.pk), tmp_path)
    look(lambda: assert_each_was_decided_once(action.pk, 900), tmp_path)
