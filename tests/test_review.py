"""Decisions: what each needs, what it leaves behind, how it is taken back, how many at once."""

import datetime as dt
import threading
import time

import pytest
from django.core.exceptions import PermissionDenied
from django.db import connection, transaction
from django.db.models import Q
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from posts import content, counters, db, history, review, writing
from posts.bulk import act_on_all
from posts.models import (
    BulkAction,
    Decision,
    Event,
    ImportedPost,
    ImportRun,
    Post,
    PostTag,
    Revision,
    Tag,
)
from posts.transitions import ReviewError
from tests.builders import make_post, make_snapshot, make_user
from tests.concurrently import look, run_together

pytestmark = pytest.mark.django_db

NOW = dt.datetime(2026, 11, 17, 9, 0, tzinfo=dt.UTC)
SECOND = dt.timedelta(seconds=1)


@pytest.fixture
def reviewer():
    return make_user("reviewer")


@pytest.fixture
def editor():
    return make_user("editor")


def pointers(post):
    """Return everything a verdict may move, read anew."""
    post = Post.objects.select_related("imported").get(pk=post.pk)
    return (
        post.visibility,
        post.live_revision_id,
        post.proposed_revision_id,
        post.approved_revision_id,
        post.imported.waiting_revision_id,
        post.listed_at,
        post.title,
        sorted(post.post_tags.values_list("tag__name", "listed_at")),
    )


def revise(post, by, **over):
    """Add a revision with other content and return it."""
    newest = post.revisions.count()
    return writing.revise(post=post, by=by, snapshot=make_snapshot(**over), seen=newest)


def arrive(post, pointer, **over):
    """Add an imported revision and point to it, as posts.importing.batch does."""
    identity = ImportedPost.objects.select_related("source").get(post=post)
    run = ImportRun.objects.create(
        source=identity.source, fence=1, engine_version="1", started_at=NOW
    )
    snapshot = make_snapshot(**over)
    revision = Revision.objects.create(
        post=post,
        number=post.revisions.count() + 1,
        digest=content.digest(snapshot),
        title=snapshot.title,
        lede=snapshot.lede,
        body=snapshot.body,
        meta=content.meta_to_json(snapshot.meta),
        origin=Revision.Origin.IMPORT,
        run=run,
        created_at=NOW,
    )
    if pointer == "waiting":
        ImportedPost.objects.filter(post=post).update(waiting_revision=revision)
    else:
        Post.objects.filter(pk=post.pk).update(proposed_revision=revision)
    post.refresh_from_db()
    return revision


# --- What a decision needs --------------------------------------------------------------------


def test_verdict_on_another_digest_than_the_one_seen_is_refused(reviewer, editor):
    post = make_post(state="private")
    seen = post.proposed_revision.digest
    revise(post, editor)
    before = pointers(post)

    with pytest.raises(ReviewError, match="Another revision waits now") as refusal:
        review.act_on_one(action="approve", post=post, by=reviewer, digest=seen)

    assert refusal.value.code == "stale"
    assert pointers(post) == before
    assert not Decision.objects.exists()


def test_verdict_on_the_digest_seen_is_bound_to_it(reviewer):
    post = make_post(state="private")
    revision = post.proposed_revision

    review.act_on_one(action="approve", post=post, by=reviewer, digest=revision.digest, now=NOW)

    decision = Decision.objects.get()
    assert (decision.revision_id, decision.digest) == (revision.pk, revision.digest)
    assert (decision.verdict, decision.reviewer, decision.decided_at) == ("approve", reviewer, NOW)


@pytest.mark.parametrize("action", ["approve", "reject", "publish", "archive"])
def test_editor_may_neither_decide_nor_publish(editor, action):
    post = make_post(state="private")
    before = pointers(post)

    with pytest.raises(PermissionDenied, match="needs the permission posts"):
        review.act_on_one(action=action, post=post, by=editor, reason="because")

    assert pointers(post) == before


def test_deactivated_reviewer_decides_nothing():
    gone = make_user("reviewer", is_active=False)

    with pytest.raises(PermissionDenied):
        review.act_on_one(action="approve", post=make_post(state="private"), by=gone)


@pytest.mark.parametrize("action", ["request_changes", "reject"])
@pytest.mark.parametrize("reason", ["", "  \n"])
def test_sending_back_needs_a_reason(reviewer, action, reason):
    post = make_post(state="private")

    with pytest.raises(ReviewError, match="needs a reason") as refusal:
        review.act_on_one(action=action, post=post, by=reviewer, reason=reason)

    assert refusal.value.code == "reason_missing"
    assert not Decision.objects.exists()


def test_reason_longer_than_the_column_is_refused_on_both_databases(reviewer):
    post = make_post(state="private")

    with pytest.raises(ReviewError, match="501 characters") as refusal:
        review.act_on_one(action="reject", post=post, by=reviewer, reason="x" * 501)

    assert refusal.value.code == "reason_too_long"


def test_refused_post_of_a_set_does_not_hold_up_the_others(reviewer):
    waiting, decided = make_post(state="private"), make_post(state="listed")
    missing = decided.pk + 10_000

    outcome = review.act(
        action="approve", posts=[waiting.pk, decided.pk, missing], by=reviewer, now=NOW
    )

    assert outcome.changed == [waiting.pk]
    assert {pk: error.code for pk, error in outcome.refused.items()} == {
        decided.pk: "not_allowed",
        missing: "gone",
    }


# --- What it leaves behind --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("action", "state", "decisions"),
    [
        ("approve", "private", 1),
        ("request_changes", "private", 1),
        ("reject", "published", 1),
        ("withdraw", "listed", 1),
        ("publish", "private", 0),
        ("unpublish", "listed", 0),
        ("archive", "listed", 0),
        ("unarchive", "archived", 0),
    ],
)
def test_act_writes_one_decision_and_one_event_a_post(reviewer, action, state, decisions):
    posts = [make_post(state=state) for _ in range(3)]
    had_decisions, had_events = Decision.objects.count(), Event.objects.count()

    outcome = review.act(
        action=action, posts=[post.pk for post in posts], by=reviewer, reason="as agreed"
    )

    assert not outcome.refused
    assert Decision.objects.count() == had_decisions + 3 * decisions
    assert Event.objects.count() == had_events + 3
    for post in posts:
        event = post.events.order_by("-sequence").first()
        assert (event.kind, event.actor) == (action, reviewer)
        assert event.revision_digest == post.live_revision.digest


def test_post_named_twice_is_changed_once(reviewer):
    post = make_post(state="private")

    outcome = review.act(action="approve", posts=[post.pk, post.pk], by=reviewer)

    assert (outcome.changed, outcome.refused) == ([post.pk], {})
    assert Decision.objects.count() == 1


def test_event_of_a_decision_holds_no_words_of_the_reviewer(reviewer):
    post = make_post(state="private")

    review.act_on_one(
        action="reject", post=post, by=reviewer, reason="a private remark", comment="and another"
    )

    event = post.events.order_by("-sequence").first()
    assert "remark" not in str(event.data)
    assert "another" not in str(event.data)
    assert reviewer.username not in str(event.data)


# --- The undo window --------------------------------------------------------------------------


def test_approval_opens_the_gate_when_the_configured_window_ends(reviewer, settings):
    settings.REVIEW_UNDO_SECONDS = 25
    post = make_post(state="published", now=NOW)

    review.act_on_one(action="approve", post=post, by=reviewer, now=NOW)

    assert post.listed_at == NOW + 25 * SECOND
    assert Decision.objects.get().decided_at == NOW


def test_caller_may_ask_for_no_window(reviewer):
    post = make_post(state="published", now=NOW)

    review.act_on_one(action="approve", post=post, by=reviewer, undo_seconds=0, now=NOW)

    assert post.listed_at == NOW


def test_approval_withdrawn_in_its_window_was_never_listed(reviewer):
    post = make_post(state="published", now=NOW)
    review.act_on_one(action="approve", post=post, by=reviewer, now=NOW)

    review.act_on_one(action="withdraw", post=post, by=reviewer, now=NOW + 9 * SECOND)

    far = NOW + 1_000 * SECOND
    assert not Post.objects.indexable(far).exists()
    assert counters.total_listed(NOW + 9 * SECOND) == counters.total_listed(far) == 0


# --- Taking back ------------------------------------------------------------------------------


@pytest.mark.parametrize("action", ["approve", "request_changes", "reject"])
@pytest.mark.parametrize("state", ["private", "published"])
def test_withdrawing_restores_what_the_verdict_found(reviewer, action, state):
    post = make_post(state=state)
    before = pointers(post)
    review.act_on_one(action=action, post=post, by=reviewer, reason="as agreed")

    review.act_on_one(action="withdraw", post=post, by=reviewer)

    assert pointers(post) == before
    verdicts = Decision.objects.order_by("pk").values_list("verdict", "revision")
    assert list(verdicts) == [(action, before[1]), ("withdraw", before[1])]


@pytest.mark.parametrize("action", ["approve", "request_changes", "reject"])
def test_withdrawing_a_verdict_on_a_newer_revision_restores_the_listed_page(
    reviewer, editor, action
):
    post = make_post(snapshot=make_snapshot(title="Approved", tools=("sluice",)))
    revise(post, editor, title="Edited", tools=("gauge",))
    before = pointers(post)
    review.act_on_one(action=action, post=post, by=reviewer, reason="as agreed")

    review.act_on_one(action="withdraw", post=post, by=reviewer)

    assert pointers(post) == before
    assert post.title == "Approved"


@pytest.mark.parametrize("action", ["approve", "request_changes", "reject"])
def test_withdrawing_gives_a_waiting_import_its_place_back(reviewer, editor, action):
    post = make_post(state="listed")
    revise(post, editor)
    arrive(post, "waiting")
    before = pointers(post)
    review.act_on_one(action=action, post=post, by=reviewer, reason="as agreed")

    review.act_on_one(action="withdraw", post=post, by=reviewer)

    assert pointers(post) == before


@pytest.mark.parametrize("who", ["person", "import"])
def test_withdrawing_after_a_newer_proposal_closes_the_page_and_keeps_the_proposal(reviewer, who):
    post = make_post(state="listed", snapshot=make_snapshot(title="Approved"))
    newer = revise(post, reviewer) if who == "person" else arrive(post, "proposed")

    review.act_on_one(action="withdraw", post=post, by=reviewer)

    assert (post.listed_at, post.approved_revision_id) == (None, None)
    assert (post.title, post.proposed_revision_id) == ("Approved", newer.pk)
    assert set(post.post_tags.values_list("listed_at", flat=True)) == {None}


def test_rejection_cannot_be_withdrawn_after_a_newer_proposal(reviewer):
    post = make_post(state="private")
    review.act_on_one(action="reject", post=post, by=reviewer, reason="thin")
    revise(post, reviewer)

    with pytest.raises(ReviewError, match="no decision to withdraw"):
        review.act_on_one(action="withdraw", post=post, by=reviewer)


def test_decision_is_withdrawn_once(reviewer):
    post = make_post(state="private")
    review.act_on_one(action="reject", post=post, by=reviewer, reason="thin")
    review.act_on_one(action="withdraw", post=post, by=reviewer)

    with pytest.raises(ReviewError, match="no decision to withdraw"):
        review.act_on_one(action="withdraw", post=post, by=reviewer)


def test_withdrawing_leaves_a_post_private_that_was_taken_back_meanwhile(reviewer):
    post = make_post(state="listed")
    review.act_on_one(action="unpublish", post=post, by=reviewer)

    review.act_on_one(action="withdraw", post=post, by=reviewer)

    assert (post.visibility, post.listed_at, post.approved_revision_id) == ("private", None, None)
    assert post.proposed_revision_id == post.live_revision_id


def test_withdrawal_is_bound_to_the_digest_that_was_decided(reviewer):
    post = make_post(state="listed")
    decided = post.live_revision.digest

    with pytest.raises(ReviewError) as refusal:
        review.act_on_one(action="withdraw", post=post, by=reviewer, digest="1:" + "0" * 64)
    review.act_on_one(action="withdraw", post=post, by=reviewer, digest=decided)

    assert refusal.value.code == "stale"
    assert post.listed_at is None


# --- A waiting import -------------------------------------------------------------------------


@pytest.mark.parametrize("action", ["approve", "request_changes", "reject"])
def test_waiting_import_is_proposed_when_the_persons_proposal_is_decided(reviewer, editor, action):
    post = make_post(state="listed")
    own = revise(post, editor, title="By a person")
    waiting = arrive(post, "waiting", title="By the generator")

    review.act_on_one(action=action, post=post, by=reviewer, reason="as agreed")

    assert post.proposed_revision_id == waiting.pk
    assert ImportedPost.objects.get(post=post).waiting_revision_id is None
    assert (post.live_revision_id == own.pk) == (action == "approve")
    assert list(Post.objects.held_by_import()) == [post]


# --- Many at once -----------------------------------------------------------------------------


def make_many(number, state="private"):
    """Return the ids of many posts in a state before any verdict."""
    return [make_post(state=state).pk for _ in range(number)]


@pytest.fixture
def measured(reviewer):
    """Return a function that acts on small and large sets and returns the queries of each."""

    def measure(steps, sizes, prepare=lambda ids: None):
        assert reviewer.has_perm("posts.review_post")  # asked once a person, and remembered
        counts = {}
        for size in sizes:
            ids = make_many(size)
            review.act(action="publish", posts=ids, by=reviewer, now=NOW)
            # Published one after the other, as posts are, and never at the same moment.
            db.update_rows(
                Post, "id", ("published_at",), [(pk, NOW - n * SECOND) for n, pk in enumerate(ids)]
            )
            prepare(ids)
            counts[size] = []
            for action in steps:
                with CaptureQueriesContext(connection) as captured:
                    outcome = review.act(action=action, posts=ids, by=reviewer, reason="as agreed")
                assert len(outcome.changed) == size
                counts[size].append(len(captured))
        return counts

    return measure


def test_queries_do_not_grow_with_the_number_of_posts(measured, reviewer):
    steps = ["approve", "withdraw", "reject", "withdraw", "approve", "unpublish", "publish"]

    counts = measured([*steps, "archive"], sizes=(10, 120))

    assert counts[10] == counts[120]
    assert max(counts[10]) <= 31


def test_queries_of_approving_newer_revisions_do_not_grow_either(measured, reviewer, editor):
    def approve_and_revise(ids):
        review.act(action="approve", posts=ids, by=reviewer, undo_seconds=0)
        for post in Post.objects.filter(pk__in=ids):
            revise(post, editor, tools=("gauge",))

    counts = measured(["approve", "withdraw"], (5, 25), approve_and_revise)

    assert counts[5] == counts[25]


def test_bulk_action_decides_on_every_post_and_counts(reviewer, monkeypatch):
    monkeypatch.setattr("posts.bulk.CHUNK", 3)
    ids = make_many(7)
    archived = make_post(state="archived")
    chunks = []

    bulk_action = act_on_all(
        actions=["approve", "publish"],
        queryset=Post.objects.filter(pk__in=[*ids, archived.pk]),
        by=reviewer,
        undo_seconds=0,
        filters={"tag": "sluice"},
        on_chunk=lambda bulk_action, outcome: chunks.append(
            (bulk_action.changed, [error.code for error in outcome.refused.values()])
        ),
    )

    assert (bulk_action.changed, bulk_action.skipped) == (7, 1)
    assert chunks == [(3, []), (6, []), (7, ["not_allowed"])]
    assert bulk_action.finished_at is not None
    assert (bulk_action.action, bulk_action.filters) == ("approve+publish", {"tag": "sluice"})
    assert Decision.objects.filter(bulk_action=bulk_action).count() == 7
    assert set(Post.objects.indexable(timezone.now())) == set(Post.objects.filter(pk__in=ids))


def test_bulk_action_run_again_changes_nothing(reviewer):
    ids = make_many(3)
    posts = Post.objects.filter(pk__in=ids)
    act_on_all(actions=["approve", "publish"], queryset=posts, by=reviewer)
    had = (Decision.objects.count(), Event.objects.count())

    again = act_on_all(actions=["approve", "publish"], queryset=posts, by=reviewer)

    assert (again.changed, again.skipped) == (0, 3)
    assert (Decision.objects.count(), Event.objects.count()) == had


def test_bulk_action_killed_in_a_chunk_is_completed_by_running_it_again(reviewer, monkeypatch):
    ids = make_many(3)
    waiting = Post.objects.awaiting_review()
    append = history.append

    def die(*entries, **more):
        raise KeyboardInterrupt

    monkeypatch.setattr(history, "append", die)
    with pytest.raises(KeyboardInterrupt):
        act_on_all(actions=["approve", "publish"], queryset=waiting, by=reviewer)
    monkeypatch.setattr(history, "append", append)

    act_on_all(actions=["approve", "publish"], queryset=waiting, by=reviewer)

    assert set(Post.objects.filter(visibility="published").values_list("pk", flat=True)) == set(ids)
    assert Decision.objects.count() == 3


def test_actions_in_one_call_leave_a_line_each_and_one_change(reviewer):
    (post_id,) = make_many(1)

    review.act(
        action=["approve", "publish"], posts=[post_id], by=reviewer, undo_seconds=10, now=NOW
    )

    post = Post.objects.get(pk=post_id)
    kinds = list(
        Event.objects.filter(post=post).order_by("sequence").values_list("kind", flat=True)
    )
    assert kinds[-2:] == ["approve", "publish"]
    assert post.listed_at == NOW + dt.timedelta(seconds=10)
    assert history.broken_links(Event.objects.filter(post=post).order_by("sequence")) == []


def test_action_that_does_not_fit_leaves_the_others_of_the_call(reviewer):
    (post_id,) = make_many(1)
    review.act(action="approve", posts=[post_id], by=reviewer, undo_seconds=0, now=NOW)

    outcome = review.act(
        action=["approve", "publish"], posts=[post_id], by=reviewer, undo_seconds=0, now=NOW
    )

    assert outcome.changed == [post_id]
    assert Decision.objects.filter(revision__post_id=post_id).count() == 1
    assert Post.objects.get(pk=post_id).listed_at == NOW


def test_bulk_action_over_a_filter_that_finds_a_post_twice_decides_once(reviewer):
    post = make_post(state="private", tags=["one", "two"])
    twice = Post.objects.filter(post_tags__tag__name__in=["one", "two"])
    assert twice.count() == 2

    bulk_action = act_on_all(actions=["approve"], queryset=twice, by=reviewer)

    assert (bulk_action.changed, bulk_action.skipped) == (1, 0)
    assert Decision.objects.filter(revision__post=post).count() == 1


def test_bulk_action_without_permission_decides_nothing(editor):
    ids = make_many(2)

    with pytest.raises(PermissionDenied):
        act_on_all(actions=["approve"], queryset=Post.objects.filter(pk__in=ids), by=editor)

    assert not Decision.objects.exists()
    assert not BulkAction.objects.filter(changed__gt=0).exists()


# --- At the same time -------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_two_approvals_at_once_make_one_decision(reviewer, tmp_path):
    post = make_post(state="published")
    other = make_user("reviewer")

    def approve(by):
        return lambda: review.act(action="approve", posts=[post.pk], by=by).changed

    results = run_together([approve(reviewer), approve(other)], tmp_path)

    assert sorted(results) == [[], [post.pk]]
    assert look(lambda: Decision.objects.count(), tmp_path) == 1
    of_post = Event.objects.filter(post=post)
    kinds = look(lambda: list(of_post.values_list("kind", flat=True)), tmp_path)
    assert sorted(kinds) == ["approve", "publish", "write"]


@pytest.mark.django_db(transaction=True)
def test_approval_and_edit_at_once_never_approve_what_nobody_saw(reviewer, editor, tmp_path):
    post = make_post(state="published")
    seen = post.live_revision.digest
    snapshot = make_snapshot()

    def approve():
        return review.act(action="approve", posts={post.pk: seen}, by=reviewer).changed

    def edit():
        writing.revise(post=post, by=editor, snapshot=snapshot, seen=1)

    results = run_together([approve, edit], tmp_path)

    assert not [result for result in results if isinstance(result, Exception)]
    found = look(lambda: Post.objects.select_related("approved_revision").get(), tmp_path)
    approved = found.approved_revision and found.approved_revision.digest
    assert approved == (seen if results[0] else None)
    assert found.proposed_revision_id is not None


@pytest.mark.django_db(transaction=True)
def test_bulk_actions_over_the_same_posts_share_them_without_loss(reviewer, tmp_path):
    ids = make_many(6, "published")

    def approve(order):
        return lambda: review.act(action="approve", posts=order, by=reviewer, undo_seconds=0)

    results = run_together([approve(ids), approve(ids[::-1])], tmp_path)

    assert sorted(pk for outcome in results for pk in outcome.changed) == ids
    assert look(lambda: Decision.objects.count(), tmp_path) == 6
    later = timezone.now() + SECOND
    assert look(lambda: counters.total_listed(later), tmp_path) == 6
    tag = look(lambda: Tag.objects.get(name="sluice"), tmp_path)
    listed = Q(tag=tag, listed_at__isnull=False)
    assert look(lambda: PostTag.objects.filter(listed).count(), tmp_path) == 6
    counted = look(lambda: counters.use_counts(tags=[tag.pk], now=later), tmp_path)
    assert (counted.tags, counted.listed) == ({tag.pk: 6}, 6)


@pytest.mark.django_db(transaction=True)
def test_import_that_a_verdict_waited_for_is_not_lost(reviewer, tmp_path):
    post = make_post(state="listed")
    revise(post, reviewer)
    own = post.proposed_revision_id
    imported = arrive(post, "waiting")
    ImportedPost.objects.filter(post=post).update(waiting_revision=None)
    has_lock = threading.Event()

    def bring_it():
        with transaction.atomic():
            Post.objects.select_for_update().get(pk=post.pk)
            has_lock.set()
            time.sleep(0.3)  # seconds in which the verdict begins and waits
            ImportedPost.objects.filter(post=post).update(waiting_revision=imported)

    def reject():
        has_lock.wait(10)
        return review.act(action="reject", posts=[post.pk], by=reviewer, reason="thin").changed

    results = run_together([bring_it, reject], tmp_path)

    assert results == [None, [post.pk]]
    found = look(lambda: Post.objects.select_related("imported").get(), tmp_path)
    assert own != found.proposed_revision_id == imported.pk
    assert found.imported.waiting_revision_id is None
