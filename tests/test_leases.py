"""Leases: who is handed which draft, how long it is theirs, and that races end well."""

import datetime as dt
from functools import partial

import pytest
from django.utils import timezone

from posts import leases, queue_counts, review
from posts.models import Decision, Post, QueueEntry
from posts.queue_walk import OLDEST, Filters
from tests.builders import make_post, make_user
from tests.concurrently import look, run_together
from tests.held_posts import edit
from tests.queue_rows import NOW, fill_queue

pytestmark = pytest.mark.django_db


def hand(by, filters=None, now=NOW, **more):
    return leases.hand_out(by=by, filters=filters or Filters(), now=now, **more).post_id


def test_the_riskiest_comes_first_and_each_person_gets_another():
    fill_queue(60)
    ana, ben = make_user(), make_user()
    order = list(
        QueueEntry.objects.filter(stage=1).order_by("-risk", "pk").values_list("pk", flat=True)
    )

    assert [hand(ana), hand(ben), hand(ana)] == order[:3]


def test_filters_and_order_are_kept():
    sources, _, _ = fill_queue(200)
    filters = Filters(values={"source_id": sources[1].pk, "reason": 1}, order=OLDEST)

    handed = hand(make_user(), filters)

    rows = QueueEntry.objects.filter(stage=1, source=sources[1], reason=1)
    assert handed == rows.order_by("entered_at", "pk").first().pk


def test_a_lease_ends_and_the_draft_is_handed_out_again():
    fill_queue(60)
    ana, ben = make_user(), make_user()
    draft = hand(ana)

    assert hand(ben, now=NOW + leases.LEASE - dt.timedelta(seconds=1)) != draft
    assert hand(ben, now=NOW + leases.LEASE) == draft


def test_renewing_keeps_a_lease_and_never_takes_one_from_another():
    fill_queue(60)
    ana, ben = make_user(), make_user()
    draft = hand(ana)
    later = NOW + dt.timedelta(minutes=9)

    assert not leases.renew(post_id=draft, by=ben, now=later)
    assert leases.renew(post_id=draft, by=ana, now=later)
    assert QueueEntry.objects.get(pk=draft).lease_until == later + leases.LEASE
    assert leases.renew(post_id=draft, by=ben, now=later + leases.LEASE)
    assert not leases.renew(post_id=draft, by=ana, now=later + leases.LEASE)


def test_released_and_skipped_drafts():
    fill_queue(60)
    ana, ben = make_user(), make_user()
    draft = hand(ana)

    leases.release(post_ids=[draft], by=ben)
    assert hand(ben) != draft
    leases.release(post_ids=[draft], by=ana)
    assert hand(ana, skipped=[draft]) != draft
    assert hand(make_user()) == draft


def test_own_work_is_not_handed_out(settings):
    post = make_post(state="private")
    revision = edit(post, title="Another title")
    author = revision.author

    assert hand(author) is None
    settings.REVIEW_OWN_WORK = True
    assert hand(author) == post.pk


def test_returned_drafts_are_not_handed_out():
    post = make_post(state="private")
    review.act_on_one(action="reject", post=post, by=make_user(), reason="No.")

    assert hand(make_user(), Filters(stage=2)) is None
    assert not leases.renew(post_id=post.pk, by=make_user(), now=NOW)


def test_where_nothing_else_is_left_a_person_gets_their_own_again():
    first, second = make_post(state="private"), make_post(state="private")
    ana, ben = make_user(), make_user()

    assert {hand(ana), hand(ana)} == {first.pk, second.pk}
    assert hand(ben) is None
    assert hand(ana) in (first.pk, second.pk)
    _, opened = queue_counts.counts(ana.pk, {}, NOW)
    assert (opened.number, opened.post_id) in ((2, first.pk), (2, second.pk))
    assert queue_counts.counts(ben.pk, {}, NOW)[1].number == 0


def test_what_was_made_ready_comes_next():
    fill_queue(60)
    ana, ben = make_user(), make_user()
    first = hand(ana)
    ready = hand(ana, skipped=[first], lease=leases.AHEAD)

    assert hand(ana, skipped=[first], lease=leases.AHEAD) == ready
    assert hand(ben) not in (first, ready)
    assert hand(ana) == ready
    assert hand(ana) != ready


def test_looking_ends_and_says_where(monkeypatch):
    monkeypatch.setattr("posts.queue_walk.WINDOW", 20)
    monkeypatch.setattr(leases, "STEPS", 2)
    fill_queue(300)
    QueueEntry.objects.update(difficulty="beginner")
    last = QueueEntry.objects.filter(stage=1, reason=1).order_by("-risk", "pk").last()
    QueueEntry.objects.filter(pk=last.pk).update(difficulty="advanced")
    filters = Filters(values={"reason": 1, "difficulty": "advanced"})
    ana = make_user()

    handed = leases.hand_out(by=ana, filters=filters, now=NOW)
    assert handed.post_id is None
    for _ in range(20):
        if not handed.go_on:
            break
        handed = leases.hand_out(by=ana, filters=filters, now=NOW, after=handed.go_on)

    assert handed.post_id == last.pk


@pytest.mark.django_db(transaction=True)
def test_fifty_at_once_get_fifty_drafts(tmp_path):
    fill_queue(300)
    people = [make_user() for _ in range(50)]

    handed = run_together([partial(hand, person) for person in people], tmp_path)

    assert all(isinstance(one, int) for one in handed), handed
    assert len(set(handed)) == 50
    found = look(
        lambda: dict(
            QueueEntry.objects.filter(lease_by__isnull=False).values_list("pk", "lease_by_id")
        ),
        tmp_path,
    )
    assert found == {draft: person.pk for draft, person in zip(handed, people, strict=True)}


@pytest.mark.django_db(transaction=True)
def test_one_person_in_many_windows_gets_different_drafts(tmp_path):
    fill_queue(300)
    ana = make_user()

    handed = run_together([partial(hand, ana) for _ in range(10)], tmp_path)

    assert len(set(handed)) == 10


@pytest.mark.django_db(transaction=True)
def test_nothing_is_decided_twice(tmp_path):
    post = make_post(state="private")
    digest = post.proposed_revision.digest
    people = [make_user() for _ in range(6)]
    verdicts = ["approve", "reject", "request_changes"] * 2

    def decide(person, verdict):
        found = Post.objects.get(pk=post.pk)
        review.act_on_one(action=verdict, post=found, by=person, digest=digest, reason="Because.")
        return verdict

    results = run_together(
        [partial(decide, *pair) for pair in zip(people, verdicts, strict=True)], tmp_path
    )

    done = [one for one in results if isinstance(one, str)]
    refused = [one for one in results if isinstance(one, review.ReviewError)]
    assert (len(done), len(refused)) == (1, 5), results
    assert look(lambda: Decision.objects.filter(digest=digest).count(), tmp_path) == 1


@pytest.mark.django_db(transaction=True)
def test_handing_out_while_drafts_are_decided(tmp_path):
    """A row that a verdict holds is stepped over, not waited for, and never handed out after."""
    posts = [make_post(state="private") for _ in range(12)]
    people = [make_user() for _ in range(6)]
    judge = make_user()
    now = timezone.now()

    def decide(post):
        review.act_on_one(action="approve", post=Post.objects.get(pk=post.pk), by=judge)

    results = run_together(
        [partial(hand, person, now=now) for person in people]
        + [partial(decide, post) for post in posts[:6]],
        tmp_path,
    )

    handed = [one for one in results[:6] if one is not None]
    assert all(isinstance(one, int) for one in handed), results
    assert len(set(handed)) == len(handed)
    assert [one for one in results[6:] if one is not None] == []
    left = look(lambda: set(QueueEntry.objects.values_list("pk", flat=True)), tmp_path)
    assert left == {post.pk for post in posts[6:]}
