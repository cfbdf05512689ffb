"""Use counts: what is folded and what became due always add up to what is listed."""

import datetime as dt
from collections import Counter as Tally
from typing import NamedTuple

import pytest
from django.db import transaction
from django.db.models import Count, Q
from hypothesis import given, settings
from hypothesis import strategies as st

from posts import counters, review, writing
from posts.models import (
    Counter,
    CounterDelta,
    Entity,
    Post,
    PostEntity,
    PostTag,
    Tag,
    Topic,
)
from posts.querysets import indexable
from posts.transitions import ReviewError
from tests.builders import make_post, make_snapshot, make_user
from tests.concurrently import look, run_together

pytestmark = pytest.mark.django_db

# So near the end of a month that some steps of a sequence fall into the next.
NOW = dt.datetime(2026, 10, 31, 23, 59, 20, tzinfo=dt.UTC)
SECOND = dt.timedelta(seconds=1)
DAY = dt.timedelta(days=1)


def read(now):
    """Return every count as pages read it."""
    uses = counters.use_counts(
        tags=Tag.objects.values_list("pk", flat=True),
        entities=Entity.objects.values_list("pk", flat=True),
        now=now,
    )
    topics = counters.topic_counts(Topic.objects.values_list("pk", flat=True), now)
    return AllCounts(
        uses,
        {Topic.objects.get(pk=pk).name: uses for pk, uses in topics.items() if uses},
        counters.named(counters.MONTH, now),
        counters.named(counters.DIFFICULTY, now),
    )


class AllCounts(NamedTuple):
    """Every count there is: of tags, entities and all; by topic, month and difficulty."""

    uses: counters.UseCounts
    topics: dict[str, int]
    months: dict[str, int]
    difficulties: dict[str, int]

    @property
    def listed(self):
        return self.uses.listed

    @property
    def tags(self):
        return self.uses.tags


def counted(now):
    """Return every count as a straight count over listed posts."""

    def uses(model, subject, owner):
        found = dict(
            model.objects.filter(indexable(now, prefix=f"{owner}__"))
            .values_list(subject)
            .annotate(Count("pk"))
        )
        ids = model._meta.get_field(subject).related_model.objects.values_list("pk", flat=True)
        return {pk: found.get(pk, 0) for pk in ids}

    posts = Post.objects.indexable(now)
    months = Tally(f"{post.listed_at:%Y-%m}" for post in posts)
    return AllCounts(
        counters.UseCounts(
            uses(PostTag, "tag", "content_object"),
            uses(PostEntity, "entity", "post"),
            posts.count(),
        ),
        dict(Tally(post.topic for post in posts if post.topic)),
        dict(months),
        dict(Tally(post.difficulty for post in posts if post.difficulty)),
    )


def use_counts_in_rows():
    return set(Tag.objects.values_list("use_count")) | set(Entity.objects.values_list("use_count"))


# --- Any sequence -----------------------------------------------------------------------------

steps = st.lists(
    st.tuples(
        st.sampled_from(
            [
                *("approve", "approve", "publish", "publish", "publish later", "withdraw"),
                *("unpublish", "archive", "unarchive", "reject", "revise", "tags", "fold"),
            ]
        ),
        st.integers(0, 1),  # which post
        st.sampled_from([0, 1, 9, 10, 40]),  # seconds that pass before the next step
    ),
    min_size=3,
    max_size=14,
)
SNAPSHOTS = [
    {
        "topic": "one topic / of two",
        "tools": ("sluice",),
        "stack": ("tidal services",),
        "entities": (),
    },
    {"tools": ("gauge", "sluice"), "stack": ("archives",)},
    {"tools": (), "stack": (), "topic": "", "difficulty": "advanced"},
]


def take(action, post, by, number, now):
    """Take one step; a refusal is an answer like any other."""
    try:
        if action == "fold":
            counters.fold(now=now)
        elif action == "revise":
            snapshot = make_snapshot(**SNAPSHOTS[number % 3])
            seen = post.revisions.count()
            writing.revise(post=post, by=by, snapshot=snapshot, seen=seen, now=now)
        elif action == "tags":
            names = ["by hand", "sluice", "gauge"][: number % 4]
            writing.set_editorial_tags(post=post, by=by, names=names, now=now)
        else:
            publish_at = now + 30 * SECOND if action == "publish later" else None
            review.act_on_one(
                action=action.split()[0],
                post=post,
                by=by,
                reason="for a test",
                publish_at=publish_at,
                now=now,
            )
    except ReviewError:
        pass
    post.refresh_from_db()


@settings(max_examples=10)
@given(steps, st.sampled_from([None, 15, 35, 60]))
def test_counts_equal_a_straight_count_after_any_moves_of_the_gate(sequence, archive_after):
    with transaction.atomic():
        by = make_user("superuser")
        now = NOW
        posts = [
            writing.write_post(by=by, snapshot=make_snapshot(**SNAPSHOTS[number]), now=now)
            for number in range(2)
        ]
        if archive_after is not None:
            archive_at = now + archive_after * SECOND
            Post.objects.filter(pk=posts[0].pk).update(archive_at=archive_at)

        for number, (action, which, seconds) in enumerate(sequence):
            take(action, posts[which], by, number, now)
            assert read(now) == counted(now)
            now += seconds * SECOND

        for later in (now, now + 10 * SECOND, now + 31 * SECOND, now + DAY):
            assert read(later) == counted(later)
            counters.fold(now=later)
            assert read(later) == counted(later)
        assert not CounterDelta.objects.filter(due_at__lte=now + DAY).exists()
        transaction.set_rollback(True)


# --- Folding ----------------------------------------------------------------------------------


def test_fold_changes_no_value_that_is_read():
    make_post(now=NOW, tags=["by hand"])
    make_post(now=NOW)
    before = read(NOW)

    folded = counters.fold(now=NOW)

    assert folded > 0
    assert read(NOW) == before == counted(NOW)
    assert before.listed == Counter.objects.get(pk=counters.LISTED).value == 2
    assert use_counts_in_rows() == {(1,), (2,)}


def test_folding_twice_counts_once():
    make_post(now=NOW)
    counters.fold(now=NOW)
    before = use_counts_in_rows()

    assert counters.fold(now=NOW) == 0
    assert use_counts_in_rows() == before


def test_fold_leaves_what_is_not_due_yet():
    reviewer = make_user("reviewer")
    post = make_post(state="published", now=NOW)
    review.act_on_one(action="approve", post=post, by=reviewer, undo_seconds=10, now=NOW)

    folded = counters.fold(now=NOW + 9 * SECOND)

    assert folded == 0
    assert read(NOW + 9 * SECOND).listed == 0
    assert read(NOW + 10 * SECOND).listed == 1


def test_short_folds_add_up_and_no_use_count_passes_below_zero(monkeypatch):
    reviewer = make_user("reviewer")
    post = make_post(state="published", now=NOW)
    for action in ("approve", "unpublish", "publish", "schedule"):
        review.act_on_one(
            action=action,
            post=post,
            by=reviewer,
            archive_at=NOW + DAY,
            undo_seconds=0,
            now=NOW,
        )
    expected = counted(NOW + DAY)
    monkeypatch.setattr(counters, "FOLD_MAX", 1)

    while counters.fold(now=NOW + DAY):
        assert read(NOW + DAY) == expected

    assert use_counts_in_rows() == {(0,)}


def test_post_to_be_archived_before_it_is_listed_is_never_counted():
    reviewer = make_user("reviewer")
    post = make_post(state="private", now=NOW)
    Post.objects.filter(pk=post.pk).update(archive_at=NOW + SECOND)
    review.act_on_one(action="approve", post=post, by=reviewer, now=NOW)

    review.act_on_one(
        action="publish", post=post, by=reviewer, publish_at=NOW + 9 * SECOND, now=NOW
    )
    make_post(now=NOW)

    for seconds in range(12):
        now = NOW + seconds * SECOND
        assert read(now) == counted(now)


def test_tag_put_on_a_listed_post_counts_from_then_on():
    editor = make_user("editor")
    post = make_post(now=NOW)

    writing.set_editorial_tags(post=post, by=editor, names=["by hand"], now=NOW + DAY)

    tag = Tag.objects.get(name="by hand")
    assert read(NOW + DAY).tags[tag.pk] == 1
    assert read(NOW + DAY - SECOND).tags[tag.pk] == 0
    assert read(NOW + DAY).listed == 1


@pytest.mark.django_db(transaction=True)
def test_action_folds_what_is_due_after_its_commit():
    post = make_post(now=NOW)

    counter = Counter.objects.get(pk=counters.LISTED)

    assert (post.listed_at, counter.value) == (NOW, 1)
    assert not CounterDelta.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_failing_fold_does_not_fail_the_action_it_follows(monkeypatch):
    def fail(*, now):
        raise RuntimeError("no fold today")

    monkeypatch.setattr(counters, "fold", fail)

    post = make_post(now=NOW)

    assert post.listed_at == NOW
    assert read(NOW).listed == 1


def test_reading_costs_one_query_whatever_is_asked(django_assert_num_queries):
    for _ in range(3):
        make_post(now=NOW)
    tags, entities = list(Tag.objects.all()), list(Entity.objects.all())

    with django_assert_num_queries(1):
        counters.use_counts(
            tags=[tag.pk for tag in tags], entities=[entity.pk for entity in entities], now=NOW
        )


@pytest.mark.django_db(transaction=True)
def test_folds_at_the_same_time_count_every_delta_once(tmp_path):
    posts = [make_post(state="published", now=NOW) for _ in range(8)]
    reviewer = make_user("reviewer")
    review.act(
        action="approve",
        posts=[post.pk for post in posts],
        by=reviewer,
        undo_seconds=5,
        now=NOW,
    )
    later = NOW + 5 * SECOND

    results = run_together([lambda: counters.fold(now=later)] * 4, tmp_path)

    assert not [result for result in results if isinstance(result, Exception)]
    look(lambda: counters.fold(now=later), tmp_path)
    tag = look(lambda: Tag.objects.get(name="sluice"), tmp_path)
    assert tag.use_count == 8
    assert look(lambda: read(later), tmp_path) == look(lambda: counted(later), tmp_path)
    assert not look(lambda: CounterDelta.objects.filter(Q(due_at__lte=later)).exists(), tmp_path)
