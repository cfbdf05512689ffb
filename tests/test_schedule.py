"""Planned publication and archiving: exact to the moment, on every page, no process running."""

import datetime as dt

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from posts import content, counters, review, writing
from posts.admin.schedule import seen_times
from posts.models import Decision, Event, Post
from posts.transitions import ReviewError
from tests.builders import make_post, make_snapshot, make_user

pytestmark = pytest.mark.django_db

NOW = dt.datetime(2026, 11, 20, 9, 0, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
TICK = dt.timedelta(microseconds=1)
OPENS, ENDS = NOW + DAY, NOW + 3 * DAY


class Clock:
    """What time it is for the whole project."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> dt.datetime:
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(timezone, "now", clock)
    return clock


@pytest.fixture
def planned(clock):
    """Return an approved post that is public from OPENS until ENDS."""
    snapshot = make_snapshot(title="Planned and passing", reference="REF-7", tags=("slack water",))
    post = make_post(state="private", snapshot=snapshot, now=NOW - DAY)
    reviewer = make_user("reviewer")
    review.act_on_one(action="approve", post=post, by=reviewer, undo_seconds=0)
    review.act_on_one(action="schedule", post=post, by=reviewer, publish_at=OPENS, archive_at=ENDS)
    return post


def places(client, post, neighbour):
    """Return where readers see a post now; asking changes nothing, and no copy is shown unasked."""
    paths = (
        *("/", "/archive/", "/tags/", "/tags/slack-water/"),
        *("/entities/stack/tidal-services/", "/r/REF-7/"),
        *(f"/posts/{post.slug}{ending}" for ending in ("/", ".md", ".json")),
        f"/posts/{neighbour.slug}/",
    )
    with CaptureQueriesContext(connection) as queries:
        answers = {path: client.get(path) for path in paths}
    assert not [q for q in queries if q["sql"].startswith(("INSERT", "UPDATE", "DELETE"))]
    found = {}
    for path, answer in answers.items():
        kept = "public, no-cache" if answer.status_code == 200 else "private, no-store"
        assert answer.headers["Cache-Control"] == kept, path
        if path.startswith(f"/posts/{post.slug}"):
            found[path] = answer.status_code
        elif path.startswith("/r/"):
            found[path] = answer.status_code == 302
        else:
            found[path] = ("slack water" if path == "/tags/" else post.title) in answer.text
    return set(found.values()), counters.total_listed(timezone.now())


def test_post_appears_and_goes_everywhere_at_its_moments(client, clock, planned):
    neighbour = make_post(snapshot=make_snapshot(), now=NOW - DAY)
    seen = []
    for moment in (OPENS - TICK, OPENS, ENDS - TICK, ENDS):
        clock.now = moment
        seen.append(places(client, planned, neighbour))

    assert seen == [({404, False}, 1), ({200, True}, 2), ({200, True}, 2), ({410, False}, 1)]


def test_plan_is_an_event_with_both_times(planned):
    event = Event.objects.get(post=planned, kind="schedule")

    assert event.data["published_at"] == [None, OPENS.isoformat()]
    assert event.data["archive_at"] == [None, ENDS.isoformat()]
    assert event.data["visibility"] == ["private", "published"]


def test_moved_plan_moves_the_counters_with_it(clock, planned):
    reviewer = make_user("reviewer")
    review.act_on_one(
        action="schedule", post=planned, by=reviewer, publish_at=OPENS + DAY, archive_at=ENDS + DAY
    )

    listed = [
        counters.total_listed(moment)
        for moment in (OPENS, OPENS + DAY, ENDS, ENDS + DAY - TICK, ENDS + DAY)
    ]

    assert listed == [0, 1, 1, 1, 0]
    for moment in (OPENS + DAY, ENDS + DAY):
        while counters.fold(now=moment):
            pass
        assert counters.total_listed(moment) == (moment < ENDS + DAY)


def test_archive_time_of_a_listed_post_is_counted(clock):
    post = make_post(now=NOW - DAY)
    reviewer = make_user("reviewer")

    review.act_on_one(action="schedule", post=post, by=reviewer, archive_at=ENDS)
    assert [counters.total_listed(at) for at in (NOW, ENDS - TICK, ENDS)] == [1, 1, 0]

    clock.now = ENDS + DAY
    review.act_on_one(action="schedule", post=post, by=reviewer)
    assert counters.total_listed(clock.now) == 1
    assert Post.objects.indexable(clock.now).get() == post


def test_cancelled_plan_leaves_nothing_behind(client, clock, planned):
    review.act_on_one(action="unpublish", post=planned, by=make_user("reviewer"))

    assert (planned.visibility, planned.published_at, planned.archive_at) == ("private", None, None)
    clock.now = OPENS + TICK
    review.act_on_one(action="archive", post=planned, by=make_user("reviewer"))
    clock.now = ENDS + TICK
    # Readers never saw it, so not even its title is told.
    assert client.get(f"/posts/{planned.slug}/").status_code == 404
    assert counters.total_listed(clock.now) == 0


def test_unapproved_post_is_reachable_and_not_listed_from_its_moment(client, clock):
    post = make_post(state="private", now=NOW - DAY)
    review.act_on_one(action="schedule", post=post, by=make_user("reviewer"), publish_at=OPENS)

    clock.now = OPENS
    answer = client.get(f"/posts/{post.slug}/")

    assert answer.headers["X-Robots-Tag"] == "noindex"
    assert not Post.objects.indexable(OPENS).exists()


def test_lists_of_what_is_planned_hold_it_until_its_moment(planned):
    assert list(Post.objects.planned(OPENS - TICK)) == [planned]
    assert not Post.objects.planned(OPENS).exists()
    assert list(Post.objects.ending(ENDS - TICK)) == [planned]
    assert not Post.objects.ending(ENDS).exists()


# --- In the admin -----------------------------------------------------------------------------


@pytest.fixture
def publisher(client):
    person = make_user("publisher")
    client.force_login(person)
    return person


def page_of(post):
    return reverse("admin:posts_post_schedule", args=[post.pk])


def test_times_are_set_in_the_admin_and_shown(client, publisher):
    post = make_post(state="private")
    shown = client.get(page_of(post))
    assert "UTC" in shown.text

    answer = client.post(
        page_of(post),
        {"seen": seen_times(post), "publish_at": "2400-11-24T09:00", "archive_at": ""},
        follow=True,
    )

    post.refresh_from_db()
    assert post.published_at == dt.datetime(2400, 11, 24, 9, tzinfo=dt.UTC)
    assert "to be published 24 Nov 2400 09:00 UTC" in answer.text
    assert "Cancel the publication" in answer.text
    events = client.get(reverse("admin:posts_post_events", args=[post.pk]))
    assert "Schedule</strong>, publication 24 Nov 2400 09:00 UTC" in events.text
    assert "Read the page" not in answer.text
    listed = client.get(reverse("admin:posts_post_changelist"), {"queue": "planned"})
    assert "to be published 24 Nov 2400 09:00 UTC" in listed.text


@pytest.mark.parametrize(
    ("sent", "field", "expected"),
    [
        ({"publish_at": "2020-01-01T00:00"}, "publish_at", "has passed"),
        ({"publish_at": "tomorrow"}, "publish_at", "a date and a time such as"),
        ({"publish_at": ""}, "publish_at", "Say when"),
        (
            {"publish_at": "2400-01-02T00:00", "archive_at": "2400-01-01T00:00"},
            "archive_at",
            "before readers see it",
        ),
        (
            {"publish_at": "2400-01-02T00:00", "archive_at": "2020-01-01T00:00"},
            "archive_at",
            "has passed",
        ),
    ],
)
def test_refused_times_are_explained_at_their_field_and_kept(
    client, publisher, sent, field, expected
):
    post = make_post(state="private")

    answer = client.post(page_of(post), {"seen": seen_times(post), **sent})

    assert answer.status_code in (400, 409)
    assert expected in " ".join(answer.context["form"].errors[field])
    assert answer.context["form"]["publish_at"].value() == sent["publish_at"]
    post.refresh_from_db()
    assert (post.visibility, post.archive_at) == ("private", None)


def test_times_that_somebody_else_changed_are_not_overwritten(client, publisher):
    post = make_post(state="private")
    seen = seen_times(post)
    theirs = timezone.now() + DAY
    review.act_on_one(action="schedule", post=post, by=make_user("reviewer"), publish_at=theirs)

    answer = client.post(page_of(post), {"seen": seen, "publish_at": "2400-01-01T00:00"})

    assert answer.status_code == 409
    assert "Somebody else changed the times" in answer.text
    assert answer.context["form"]["publish_at"].value() == "2400-01-01T00:00"
    post.refresh_from_db()
    assert post.published_at == theirs


def test_planned_post_is_published_now_and_keeps_its_end(client, publisher):
    post = make_post(state="private")
    ends = timezone.now() + 3 * DAY
    review.act_on_one(
        action="schedule", post=post, by=publisher, publish_at=ends - DAY, archive_at=ends
    )

    client.post(page_of(post), {"seen": seen_times(post), "now": "1"})

    post.refresh_from_db()
    assert post.is_public(timezone.now())
    assert post.archive_at == ends


def test_approval_of_a_planned_post_names_its_time(client):
    client.force_login(make_user("reviewer"))
    post = make_post(state="private")
    review.act_on_one(
        action="schedule",
        post=post,
        by=make_user("publisher"),
        publish_at=dt.datetime(2400, 11, 24, 9, tzinfo=dt.UTC),
    )

    answer = client.get(reverse("admin:posts_post_change", args=[post.pk]))

    assert "Approve revision 1 for 24 Nov 09:00" in answer.text


# --- A chosen revision ------------------------------------------------------------------------


def with_three_revisions():
    """Return a listed post with revision 1 live and approved, and 2 and 3 by editors."""
    post = make_post(snapshot=make_snapshot(title="First"))
    for number, title in ((1, "Second"), (2, "Third")):
        writing.revise(
            post=post,
            by=make_user("editor"),
            snapshot=make_snapshot(title=title),
            seen=number,
        )
    return post


def test_chosen_revision_is_published_while_a_newer_draft_stays(client):
    post = with_three_revisions()
    client.force_login(make_user("reviewer"))
    second = post.revisions.get(number=2)
    address = reverse("admin:posts_post_revision", args=[post.pk, 2])
    assert "Approve revision 2 and make it live" in client.get(address).text

    client.post(
        reverse("admin:posts_post_choose", args=[post.pk, 2]), {"live": post.live_revision.digest}
    )

    post.refresh_from_db()
    assert (post.live_revision, post.approved_revision, post.title) == (second, second, "Second")
    assert post.proposed_revision.number == 3
    assert post.listed_at is not None
    decision = Decision.objects.latest("pk")
    assert (decision.revision, decision.digest) == (second, content.digest(second.snapshot))

    review.act_on_one(action="withdraw", post=post, by=make_user("reviewer"))
    assert post.title == "First"
    assert post.proposed_revision.number == 3


def test_choosing_over_a_revision_nobody_looked_at_is_refused(client):
    post = with_three_revisions()
    client.force_login(make_user("reviewer"))
    seen = post.live_revision.digest
    review.act_on_one(action="approve", post=post, by=make_user("reviewer"), undo_seconds=0)

    answer = client.post(
        reverse("admin:posts_post_choose", args=[post.pk, 2]), {"live": seen}, follow=True
    )

    assert "Another revision is live now" in answer.text
    post.refresh_from_db()
    assert post.title == "Third"


def test_own_revision_is_not_chosen():
    post = with_three_revisions()
    second = post.revisions.get(number=2)
    second.author.groups.add(make_user("reviewer").groups.get())

    with pytest.raises(ReviewError) as refusal:
        review.act_on_one(
            action="approve",
            post=post,
            by=type(second.author).objects.get(pk=second.author_id),
            chosen=second,
        )

    assert refusal.value.code == "own_work"


def test_revision_of_another_post_is_not_chosen():
    post, other = with_three_revisions(), make_post()

    with pytest.raises(ReviewError) as refusal:
        review.act_on_one(
            action="approve", post=post, by=make_user("reviewer"), chosen=other.live_revision
        )

    assert refusal.value.code == "not_allowed"
