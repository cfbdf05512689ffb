"""Views are of people, added up in memory, written once, and never lost to a passing failure."""

import datetime as dt
import threading

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from posts import page_views, review
from posts.models import PageViews, Post, Statistics
from tests.builders import make_post, make_user

pytestmark = pytest.mark.django_db

BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
NOW = dt.datetime(2026, 11, 18, 12, tzinfo=dt.UTC)
MONDAY = dt.date(2026, 11, 16)


@pytest.fixture(autouse=True)
def empty_tally(monkeypatch):
    monkeypatch.setattr(page_views, "tally", page_views.Tally())


def look_at(post, **headers):
    address = reverse("seen", args=[post.pk])
    agent = {"user-agent": BROWSER, "sec-fetch-site": "same-origin"}
    return Client(enforce_csrf_checks=True).post(address, headers={**agent, **headers})


def stored():
    return dict(PageViews.objects.values_list("post_id", "count"))


def view_all(**counts):
    for number, post in counts.values():
        for _ in range(number):
            page_views.tally.add(post.pk)


def test_a_view_costs_no_query_and_tells_nothing():
    post = make_post(state="listed")

    with CaptureQueriesContext(connection) as captured:
        response = look_at(post)

    assert not captured.captured_queries
    assert (response.status_code, response.content, response.cookies) == (204, b"", {})
    assert page_views.tally.take() == {post.pk: 1}


@pytest.mark.parametrize(
    "headers",
    [
        {"user-agent": ""},
        {"user-agent": "curl/8.5"},
        {"user-agent": "Mozilla/5.0 (compatible; Googlebot/2.1)"},
        {"user-agent": "Mozilla/5.0 (X11; Linux x86_64) HeadlessChrome/130 Safari/537.36"},
        {"user-agent": f"{BROWSER} Chrome-Lighthouse"},
        {"sec-purpose": "prefetch;prerender"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "none"},
    ],
)
def test_programs_prerendering_and_other_sites_do_not_count(headers):
    response = look_at(make_post(state="listed"), **headers)

    assert response.status_code == 204
    assert not page_views.tally.take()


def test_views_are_written_together_when_they_are_old_enough(monkeypatch):
    post, other = make_post(state="listed"), make_post(state="listed")
    clock = [100.0]
    monkeypatch.setattr(page_views.time, "monotonic", lambda: clock[0])
    for _ in range(3):
        look_at(post)
    clock[0] += page_views.WRITE_SECONDS - 0.1
    look_at(other)
    assert stored() == {}

    clock[0] += 0.2
    look_at(post)

    assert stored() == {post.pk: 4, other.pk: 1}
    assert not page_views.tally.is_due()


def test_views_of_many_posts_are_written_at_once(monkeypatch):
    monkeypatch.setattr(page_views, "WRITE_POSTS", 2)
    post, other = make_post(state="listed"), make_post(state="listed")
    look_at(post)
    assert stored() == {}

    look_at(other)

    assert stored() == {post.pk: 1, other.pk: 1}


def test_weeks_add_up_apart_and_post_and_imported_count_stay_as_they_are():
    post = make_post(state="listed")
    before = Post.objects.filter(pk=post.pk).values().get()
    statistics = list(Statistics.objects.values())
    now = dt.datetime.now(dt.UTC)
    for moment, views in ((now, 2), (now + dt.timedelta(weeks=1), 1), (now, 3)):
        view_all(a=(views, post))
        page_views.write(now=moment)

    weeks = PageViews.objects.order_by("week").values_list("week", "count")
    assert [count for _, count in weeks] == [5, 1]
    assert [week.weekday() for week, _ in weeks] == [0, 0]
    assert Post.objects.filter(pk=post.pk).values().get() == before
    assert list(Statistics.objects.values()) == statistics


def test_week_begins_on_monday_in_utc():
    east = dt.timezone(dt.timedelta(hours=9))
    assert page_views.week_of(NOW) == MONDAY
    assert page_views.week_of(dt.datetime(2026, 11, 23, 8, tzinfo=east)) == MONDAY
    assert page_views.week_of(dt.datetime(2026, 11, 23, tzinfo=dt.UTC)) == dt.date(2026, 11, 23)


def test_posts_that_nobody_can_open_are_not_counted():
    draft, gone = make_post(state="private"), make_post(state="archived")
    view_all(a=(1, draft), b=(1, gone))
    page_views.tally.add(10**9)

    assert page_views.write() == 0
    assert stored() == {}


def test_writing_asks_as_often_for_many_posts_as_for_few():
    posts = [make_post(state="listed") for _ in range(6)]
    costs = []
    for some in (posts[:2], posts):
        view_all(**{str(post.pk): (1, post) for post in some})
        with CaptureQueriesContext(connection) as captured:
            page_views.write()
        costs.append(len([q for q in captured if "SAVEPOINT" not in q["sql"]]))

    assert costs[0] == costs[1] <= 5


def test_failure_keeps_the_views_for_the_next_turn(monkeypatch):
    post = make_post(state="listed")
    view_all(a=(2, post))
    written = page_views._written

    def failing(taken, now):
        raise DatabaseError("the server is away")

    monkeypatch.setattr(page_views, "_written", failing)
    assert page_views.write() == 0
    look_at(post)
    monkeypatch.setattr(page_views, "_written", written)

    assert page_views.write() == 3
    assert stored() == {post.pk: 3}


def test_what_cannot_be_written_does_not_grow_without_end(monkeypatch):
    monkeypatch.setattr(page_views, "KEPT_POSTS", 3)
    for post_id in (1, 2, 3, 4, 5, 1):
        page_views.tally.add(post_id)

    assert page_views.tally.take() == {1: 2, 2: 1, 3: 1}


def test_threads_lose_no_view():
    def add_many():
        for number in range(2_000):
            page_views.tally.add(number % 7)

    threads = [threading.Thread(target=add_many) for _ in range(4)]
    for thread in threads:
        thread.start()
    taken = 0
    while any(thread.is_alive() for thread in threads):
        taken += sum(page_views.tally.take().values())
    assert taken + sum(page_views.tally.take().values()) == 8_000


def test_most_read_adds_up_the_last_weeks_and_asks_the_gate():
    now = dt.datetime.now(dt.UTC)
    first, second, closed, old = (make_post(state="listed") for _ in range(4))
    week = page_views.week_of(now)
    for post, weeks_ago, views in (
        (first, 0, 5),
        (first, 3, 5),
        (second, 1, 9),
        (closed, 0, 50),
        (old, page_views.WEEKS, 99),
    ):
        PageViews.objects.create(post=post, week=week - dt.timedelta(weeks=weeks_ago), count=views)
    review.act_on_one(action="archive", post=closed, by=make_user(), reason="Wrong.")

    with CaptureQueriesContext(connection) as captured:
        found = page_views.most_read(now, most=5)

    assert list(found.items()) == [(first.pk, 10), (second.pk, 9)]
    assert len(captured) == 2  # the weeks, the gate
    assert page_views.most_read(now, most=1) == {first.pk: 10}
    assert page_views.most_read(now - dt.timedelta(weeks=60), most=5) == {}


def test_the_index_gives_the_order_of_the_most_read():
    rows = PageViews.objects.filter(week=MONDAY).order_by("-count", "-post_id")
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            # Of a few rows the planner makes what it likes; that it can, is what the index is for.
            for other in ("seqscan", "bitmapscan", "sort"):
                cursor.execute(f"SET LOCAL enable_{other} = off")
    plan = rows[:10].explain()

    assert "page_views_most" in plan
    assert "TEMP B-TREE" not in plan
    assert "Sort" not in plan


def test_old_weeks_are_deleted_and_the_needed_ones_cannot_be(capsys):
    post = make_post(state="listed")
    week = page_views.week_of(dt.datetime.now(dt.UTC))
    for ago in (0, 10, 11):
        PageViews.objects.create(post=post, week=week - dt.timedelta(weeks=ago), count=1)

    call_command("prune_page_views", weeks=10)

    assert capsys.readouterr().out == "1 rows of page views deleted.\n"
    assert PageViews.objects.count() == 2
    with pytest.raises(CommandError, match="expected 4"):
        call_command("prune_page_views", "--weeks", "3")


def test_article_tells_the_browser_where_to_say_it(client):
    post = make_post(state="listed")

    page = client.get(post.get_absolute_url()).content.decode()

    assert f'data-seen="/seen/{post.pk}/"' in page
