"""The archive: dates, filters, facets, orders; any address is answered, and the work is bounded."""

import datetime as dt
import re
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from posts import db_archive, page_views, review, selection
from posts.bulk import act_on_all
from posts.importing import engine
from posts.importing.intake import Intake
from posts.importing.synthesizer import output
from posts.importing.synthesizer.articles import synthesize
from posts.models import PageViews, Post, Statistics, Topic
from posts.views import home, subjects
from tests.builders import make_post, make_snapshot, make_user
from tests.bulk_archive import NOW, fill_archive
from tests.plans import plan_of

pytestmark = pytest.mark.django_db

MARCH = dt.datetime(2025, 3, 14, 9, tzinfo=dt.UTC)


def write(title, *, now=MARCH, state="listed", **meta):
    return make_post(snapshot=make_snapshot(title=title, **meta), now=now, state=state)


def shown(client, address):
    response = client.get(address)
    assert response.status_code == 200, address
    return [post.title for post in response.context["page"].items]


def facets(client, address):
    found = client.get(address).context["facets"]
    return {facet.title: {o.text: o.count for o in facet.options} for facet in found}


@pytest.fixture
def four():
    """Four notes of three months, which differ in stack, tools and difficulty."""
    write("alder", stack=("weirs", "backend"), tools=("git",), difficulty="beginner")
    write("birch", stack=("weirs", "data"), tools=("git", "make"), difficulty="advanced")
    april = MARCH + dt.timedelta(days=31)
    write("cedar", stack=("locks", "backend"), tools=("git",), difficulty="beginner", now=april)
    year_before = MARCH - dt.timedelta(days=365)
    write("dogwood", stack=("locks", "data"), tools=("make",), now=year_before)
    write("elm, not listed", stack=("weirs", "backend"), state="published")


# --- Dates ------------------------------------------------------------------------------------


def test_years_and_months_have_pages_and_counts(client, four):
    context = client.get("/archive/").context

    months = {
        (year.number, month.number): (month.count, month.level)
        for year in context["years"]
        for month in year.months
        if month.count
    }
    assert months == {(2025, 3): (2, 4), (2025, 4): (1, 2), (2024, 3): (1, 2)}
    assert [(year.number, year.count) for year in context["years"]] == [(2025, 3), (2024, 1)]
    assert shown(client, "/archive/2025/") == ["cedar", "birch", "alder"]
    assert shown(client, "/archive/2025/3/") == ["birch", "alder"]
    march = client.get("/archive/2025/3/").context
    assert march["page_title"] == "Archive, March 2025"
    assert (march["total"], march["is_capped"]) == (2, False)
    assert march["canonical"].endswith("/archive/2025/3/")


def test_month_of_a_post_follows_its_gate(client, four):
    post = Post.objects.get(title="alder")
    review.act_on_one(action="unpublish", post=post, by=make_user("reviewer"), now=MARCH)

    assert client.get("/archive/2025/3/").context["total"] == 1


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/archive/1999/", 200),
        ("/archive/2025/12/", 200),
        ("/archive/2025/13/", 404),
        ("/archive/2025/0/", 404),
        ("/archive/0/", 404),
        ("/archive/9999/", 404),
        ("/archive/99999999999999999999/", 404),
    ],
)
def test_empty_times_say_so_and_impossible_ones_are_not_found(client, path, status):
    assert client.get(path).status_code == status


# --- Filters ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "titles"),
    [
        ("stack=weirs", ["birch", "alder"]),
        ("stack=weirs&area=backend", ["alder"]),
        ("tool=git&tool=make", ["birch"]),
        ("difficulty=beginner", ["cedar", "alder"]),
        ("difficulty=beginner&stack=locks", ["cedar"]),
        ("stack=weirs&stack=locks", []),
        ("sort=oldest", ["dogwood", "alder", "birch", "cedar"]),
        ("sort=oldest&tool=git", ["alder", "birch", "cedar"]),
        ("utm_source=x", ["cedar", "birch", "alder", "dogwood"]),
    ],
)
def test_filters_combine(client, four, query, titles):
    assert shown(client, f"/archive/?{query}") == titles


def test_filters_combine_with_a_time(client, four):
    assert shown(client, "/archive/2025/?area=backend&sort=oldest") == ["alder", "cedar"]


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("stack=nothing", "There is no stack “nothing”"),
        ("tag=%00", "There is no tag"),
        ("difficulty=hard", "beginner, intermediate, advanced"),
        ("sort=best", "The order “best” is not known"),
        ("&".join(f"tag=t{n}" for n in range(9)), "Only the first 6 filters are used"),
        ("after=nonsense", "not understood"),
    ],
)
def test_values_that_mean_nothing_are_told_and_left_out(client, four, query, words):
    response = client.get(f"/archive/?{query}")

    assert response.status_code == 200
    assert words in response.content.decode()
    assert len(response.context["page"].items) == 4


def test_each_chip_takes_away_only_itself(client, four):
    chosen = client.get("/archive/2025/?stack=weirs&tool=git&difficulty=beginner").context

    by_label = {chip.label: chip.url for chip in chosen["selection"].chips}
    assert by_label == {
        "Stack": "/archive/2025/?tool=git&difficulty=beginner",
        "Tool": "/archive/2025/?stack=weirs&difficulty=beginner",
        "Difficulty": "/archive/2025/?stack=weirs&tool=git",
    }


def test_filtered_pages_are_for_readers_only(client, four):
    plain, filtered = client.get("/archive/"), client.get("/archive/?stack=weirs")

    assert "X-Robots-Tag" not in plain.headers
    assert filtered.headers["X-Robots-Tag"] == "noindex, follow"
    assert filtered.context["canonical"] == ""


# --- Facets -----------------------------------------------------------------------------------


def test_facets_of_everything_are_exact_and_come_from_counters(client, four):
    assert facets(client, "/archive/") == {
        "Stack": {"locks": 2, "weirs": 2},
        "Area": {"backend": 2, "data": 2},
        "Difficulty": {"beginner": 2, "intermediate": 1, "advanced": 1},
    }


def test_facets_count_what_the_other_filters_leave(client, four):
    assert facets(client, "/archive/?tool=git") == {
        "Stack": {"weirs": 2, "locks": 1},
        "Area": {"backend": 2, "data": 1},
        "Difficulty": {"beginner": 2, "advanced": 1},
    }
    year = client.get("/archive/?tool=git").context["year_facet"]
    assert [(o.text, o.count, o.url) for o in year.options] == [
        ("2025", 3, "/archive/2025/?tool=git")
    ]


def test_following_a_facet_gives_as_many_as_it_said(client, four):
    for facet in client.get("/archive/?tool=git").context["facets"]:
        for option in facet.options:
            assert len(shown(client, option.url)) == option.count, option


def test_counts_of_many_are_capped(client, four, monkeypatch):
    monkeypatch.setattr(selection, "COUNTED", 2)

    response = client.get("/archive/?tool=git")

    assert (response.context["total"], response.context["is_capped"]) == (2, True)
    assert "2+ reviewed notes" in response.content.decode()


# --- Pages of a selection ---------------------------------------------------------------------


def walked(client, address, way="next_url"):
    """Follow the pages from an address; return the titles of each."""
    pages = []
    while address:
        page = client.get(address).context["page"]
        pages.append([post.title for post in page.items])
        last, address = address, getattr(page, way)
    return pages, last


@pytest.mark.parametrize("query", ["", "tag=hot", "tag=hot&stack=warm-1", "tag=hot&sort=oldest"])
def test_pages_lead_through_everything_once_and_back(client, query):
    fill_archive(65)
    posts = Post.objects.order_by("listed_at", "pk")
    if "warm" in query:
        posts = posts.filter(tags__slug="warm-1")
    expected = [post.title for post in posts]
    if "oldest" not in query:
        expected.reverse()

    pages, last = walked(client, f"/archive/?{query}")
    back, first = walked(client, last, "previous_url")

    assert [title for page in pages for title in page] == expected
    assert [title for page in reversed(back) for title in page] == expected
    assert not client.get(first).context["page"].previous_url


def test_a_walk_that_finds_little_stops_and_can_be_gone_on_with(client, monkeypatch):
    fill_archive(200)
    monkeypatch.setattr(selection, "LOOK_AT", 30)

    pages, _ = walked(client, "/archive/?stack=warm-1&tag=rare-7")

    found = [title for page in pages for title in page]
    expected = Post.objects.filter(tags__slug="warm-1").filter(tags__slug="rare-7")
    assert found == [post.title for post in expected.order_by("-listed_at", "-pk")]
    difficulties, _ = walked(client, "/archive/?difficulty=advanced")
    assert difficulties == [[]] * 7
    assert client.get("/archive/?difficulty=advanced").context["page"].stopped


def test_page_of_a_selection_takes_few_queries(client, django_assert_max_num_queries):
    fill_archive(800)

    # tags, walk, its end, posts, their tags, months; walk, its end, uses of tags, those tags
    with django_assert_max_num_queries(10):
        client.get("/archive/2026/?tag=hot&stack=warm-1&difficulty=advanced")


@pytest.mark.parametrize("tags", [(), ("rare-7", "hot")])
def test_walk_reads_an_index_and_looks_posts_up_by_their_keys(tags):
    fill_archive(1_000)
    asked = selection.read(parameters(tag=list(tags)), path="/archive/")
    statement, values, _, _ = db_archive.walk_statement(
        tags=[tag.pk for _, tag in asked.tags],
        difficulty="advanced",
        start=NOW - dt.timedelta(days=1),
        end=None,
        behind=(NOW - dt.timedelta(minutes=500), 2**40),
        is_rising=False,
        now=NOW,
        find=21,
        look_at=50,
    )

    plan = plan_of(statement, values)

    assert ("post_tag_listed" if tags else "post_listed") in plan, plan
    assert "Seq Scan" not in plan, plan
    assert "SCAN p" not in plan.replace("SCAN posts_post USING", ""), plan


def parameters(**lists):
    class Lists(dict):
        def getlist(self, name):
            return lists.get(name, [])

    return Lists()


# --- Any address ------------------------------------------------------------------------------

NAMES = ["stack", "area", "language", "tool", "tag", "difficulty", "sort", "after", "before", "q"]
PATHS = ["/", "/archive/", "/archive/2025/", "/archive/2025/3/", "/tags/", "/about/"]
VALUES = st.one_of(
    st.text(max_size=30),
    st.sampled_from(["git", "weirs", "beginner", "oldest", "newest", "", "MTcuMQ", "\x00", "%"]),
)


@hypothesis_settings(max_examples=15)
@given(st.sampled_from(PATHS), st.lists(st.tuples(st.sampled_from(NAMES), VALUES), max_size=8))
def test_no_parameters_make_a_page_fail(path, pairs):
    query: dict[str, list[str]] = {}
    for name, value in pairs:
        query.setdefault(name, []).append(value.encode("utf-8", "replace").decode())

    assert Client().get(path, query).status_code == 200


@hypothesis_settings(max_examples=15)
@given(
    st.sampled_from(["/tags/{}/", "/topics/{}/", "/entities/{}/x/", "/r/{}/", "/archive/{}/"]),
    st.text(min_size=1, max_size=30).filter(lambda text: text not in (".", "..")),
)
def test_no_name_in_an_address_makes_a_page_fail(pattern, name):
    path = pattern.format(quote(name.encode("utf-8", "replace").decode(), safe=""))

    assert Client().get(path).status_code in (200, 301, 404)


# --- Topics, and the way to every note --------------------------------------------------------


def test_topic_lists_its_notes_and_leads_to_the_stack(client):
    for _ in range(2):
        write("weirs in winter", topic="Icing / Weirs", stack=("weirs",))
    write("weirs in summer", topic="algae / weirs", stack=("weirs",))

    topics = client.get("/tags/weirs/").context["topics"]
    context = client.get(topics[0].get_absolute_url()).context

    assert [(topic.subject, topic.count) for topic in topics] == [("Icing", 2), ("algae", 1)]
    assert (context["heading"], context["total"]) == ("Icing", 2)
    assert {post.title for post in context["page"].items} == {"weirs in winter"}
    assert context["stack"].slug == "weirs"


def test_topic_that_no_listed_post_has_any_more_is_empty(client):
    post = write("weirs in winter", topic="icing / weirs", stack=("weirs",))
    address = Topic.objects.get().get_absolute_url()
    review.act_on_one(action="archive", post=post, by=make_user("reviewer"))

    assert shown(client, address) == []
    assert client.get("/tags/weirs/").context["topics"] == []


def test_topic_pages_walk_their_index(client):
    fill_archive(1_000)
    Post.objects.filter(pk__in=Post.objects.values("pk")[:300]).update(topic="one / of many")
    Topic.objects.create(name="one / of many", slug="one", subject="one", stack="of many")

    with CaptureQueriesContext(connection) as queries:
        response = client.get("/topics/one/")

    assert [text for text, _ in response.context["parts"]] == ["1–100", "101–200", "201–300"]
    statements = [query["sql"] for query in queries if "LIMIT 101" in query["sql"]]
    plan = plan_of(statements[0])
    assert "post_topic_listed" in plan, plan
    second = client.get(response.context["parts"][1][1]).context["page"]
    assert second.items[0].pk == response.context["page"].items[-1].pk - 1


def test_every_note_is_at_most_four_clicks_from_home(client, tmp_path, monkeypatch):
    monkeypatch.setattr(subjects, "TOPIC_PAGE", 5)
    path = tmp_path / "notes.jsonl"
    output.write_json_lines(articles=synthesize(7, 150), out=path)
    engine.run_import(Intake([str(path)]), options=engine.Options(source="notes"))
    # Few subjects of few stacks, as in a large archive: so that topics have several pages.
    for number, pk in enumerate(Post.objects.order_by("pk").values_list("pk", flat=True)):
        if number % 5:
            first = Post.objects.order_by("pk").first()
            Post.objects.filter(pk=pk).update(topic=first.topic)
    act_on_all(
        actions=["approve", "publish"],
        queryset=Post.objects.all(),
        by=make_user("reviewer"),
        undo_seconds=0,
    )

    def linked(url, *beginnings):
        path = urlsplit(url).path
        return {
            (path if link.startswith("?") else "") + link
            for link in hrefs(client.get(url).content.decode())
            if link.startswith(beginnings)
        }

    stacks = {tag.get_absolute_url() for tag in client.get("/").context["stacks"]}
    assert stacks <= linked("/", "/tags/")
    topics = set().union(*(linked(url, "/topics/") for url in stacks))
    parts = topics.union(*(linked(url, "/topics/") for url in topics))
    found = set().union(*(linked(url, "/posts/") for url in parts))

    assert any(parse_qs(urlsplit(url).query) for url in parts)
    assert found == {post.get_absolute_url() for post in Post.objects.indexable()}
    assert len(found) == 150


def hrefs(page):
    return set(re.findall(r'href="([^"]+)"', page))


# --- Home -------------------------------------------------------------------------------------


def test_most_read_counts_reads_here_and_nothing_claimed(client):
    quiet, read, unlisted = write("quiet"), write("read"), write("unlisted", state="published")
    Statistics.objects.filter(post=quiet).update(imported_view_count=10**6)

    assert client.get("/").context["most_read"] == []

    week = page_views.week_of(timezone.now())
    PageViews.objects.create(post=read, week=week, count=3)
    PageViews.objects.create(post=unlisted, week=week, count=9)

    assert [(post.title, post.views) for post in client.get("/").context["most_read"]] == [
        ("read", 3)
    ]


def test_home_and_tags_walk_the_index_of_most_used_tags(client):
    fill_archive(800)

    with CaptureQueriesContext(connection) as queries:
        client.get("/")

    def plans(*words):
        found = [q["sql"] for q in queries if all(word in q["sql"] for word in words)]
        assert found, words
        return "\n".join(plan_of(statement) for statement in found)

    used = plans('"use_count" DESC', f"LIMIT {home.FIELDS}")
    if connection.vendor == "sqlite":  # PostgreSQL reads so few rows as there are here at once
        assert used.count("tag_of_kind") == 2
        assert "TEMP B-TREE" not in used


def test_tags_counted_since_the_last_fold_are_among_the_most_used(client):
    fill_archive(20)
    write("new", stack=("brand new",), now=timezone.now())

    stacks = {tag.name: tag.count for tag in client.get("/").context["stacks"]}

    assert stacks == {"warm-0": 7, "warm-1": 7, "warm-2": 6, "brand new": 1}
