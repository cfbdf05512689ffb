"""The search page: every input gives a page, every address is a GET URL, nothing is indexed."""

import json
import re
from urllib.parse import parse_qs, urlsplit

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from posts import throttle
from posts.views import search as view
from tests.builders import make_post, make_snapshot, make_user
from tests.test_search_language import QUERIES

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def unlimited(settings):
    settings.SEARCHES_A_MINUTE = 0
    cache.clear()


def note(title="Walrus", **more):
    return make_post(snapshot=make_snapshot(title=title, **more))


def search(client, q="", **more):
    response = client.get("/search/", {"q": q, **more})
    assert response.status_code == 200
    return response


def text_of(response):
    """Return what a page shows, in one line."""
    return " ".join(re.sub(r"<[^>]+>", "", response.text).split())


def test_a_page_without_a_query_says_what_can_be_asked(client):
    response = search(client)

    assert "before:" in response.text
    assert "found" not in response.context


@pytest.mark.parametrize("path", ["/search/", "/search/?q=walrus", "/search/suggestions/?q=wal"])
def test_search_is_not_for_indexes_and_sets_no_cookie(client, path):
    note()

    response = client.get(path)

    assert response.headers["X-Robots-Tag"] == "noindex,follow"
    assert "Vary" not in response.headers or "Cookie" not in response.headers["Vary"]
    assert not response.cookies


def test_results_are_marked_and_link_to_their_notes(client):
    post = note("Walrus <b>& co</b>", body="First.\n\nMany walruses rest here.")

    response = search(client, "walrus")

    assert f'href="{post.get_absolute_url()}"' in response.text
    assert "<mark>Walrus</mark> &lt;b&gt;&amp; co" in response.text
    assert "Many <mark>walruses</mark> rest" in response.text
    assert "1 result for walrus" in text_of(response)
    assert '<p class="search-status" role="status">' in response.text


def test_the_query_stays_in_the_box_escaped(client):
    response = search(client, '"><script>alert(1)</script>')

    assert "<script>alert" not in response.text
    assert 'value="&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;"' in response.text


def test_each_chip_removes_only_itself(client):
    note(difficulty="beginner")

    chips = search(client, "walrus difficulty:beginner -herring").context["chips"]

    assert [(str(part), parse_qs(urlsplit(url).query)["q"]) for part, url in chips] == [
        ("walrus", ["difficulty:beginner -herring"]),
        ("difficulty:beginner", ["walrus -herring"]),
        ("-herring", ["walrus difficulty:beginner"]),
    ]


def test_a_facet_leads_to_as_many_results_as_it_says(client):
    note(difficulty="beginner")
    note(difficulty="advanced", stack=("other services", "backend", "go"))
    facets = search(client, "walrus").context["facets"]

    assert [facet["title"] for facet in facets] == ["Stack", "Difficulty", "Tag"]
    for facet in facets:
        for _, number, url in facet["values"]:
            assert client.get(url).context["number"] == number


def test_sorting_is_an_address(client):
    note()
    sorts = search(client, "walrus").context["sorts"]

    assert sorts == [("relevance", ""), ("newest", "/search/?q=walrus&sort=newest")]
    assert client.get(sorts[1][1]).context["sort"] == "newest"
    assert search(client, "tag:sluice").context["sorts"] == []


def test_pages_are_numbered_and_bounded(client, monkeypatch):
    monkeypatch.setattr(view, "PAGE_SIZE", 2)
    for n in range(5):
        note(f"Walrus {n}")

    first, last = search(client, "walrus"), search(client, "walrus", page="3")

    assert first.context["next_url"] == "/search/?q=walrus&page=2"
    assert not first.context["previous_url"]
    assert len(last.context["results"]) == 1
    assert not last.context["next_url"]
    assert [post.pk for post in search(client, "walrus", page="4").context["results"]] == [
        post.pk for post in first.context["results"]
    ]


@pytest.mark.parametrize("page", ["0", "-1", "51", "x", "٣", "9" * 5_000, "1e3"])
def test_a_page_that_there_is_not_is_said(client, page):
    note()

    assert "There is no page" in search(client, "walrus", page=page).context["problems"][0]


def test_a_long_query_is_cut_and_said(client):
    response = search(client, "walrus " + "x" * 5_000)

    assert "first 200 characters" in response.context["problems"][0]
    assert len(response.context["typed"]) == 200


def test_with_nothing_found_there_is_something_to_try(client):
    note(difficulty="beginner")

    response = search(client, "walrus difficulty:advanced tag:sluise")

    assert "No results" in text_of(response)
    assert "There is no tag called sluise." in text_of(response)
    assert '<a class="tag-index-link" href="/tags/sluice/">' in response.text
    less = search(client, "walrus difficulty:advanced").context["proposals"]
    assert [(str(part), number) for part, number, _, _ in less] == [("difficulty:advanced", 1)]


def test_a_corrected_spelling_is_said_and_the_typed_one_stays(client):
    note()

    response = search(client, "walris")

    assert "No note matched walris; these are for walrus." in text_of(response)
    assert 'value="walris"' in response.text


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(q=QUERIES, sort=st.text(max_size=12), page=st.text(max_size=6))
def test_no_input_is_an_error(client, q, sort, page):
    for path in ("/search/", "/search/suggestions/"):
        given = {"q": q, "sort": sort, "page": page}
        values = {name: text.encode("utf-8", "replace").decode() for name, text in given.items()}
        assert client.get(path, values).status_code == 200


@pytest.mark.parametrize("raw", [b"q=%00%ff%fe", b"q=%ed%a0%80", b"q=a&q=b", b"q", b"x=1&y=2"])
def test_no_bytes_are_an_error(client, raw):
    for path in ("/search/", "/search/suggestions/"):
        assert client.get(path, QUERY_STRING=raw.decode("latin-1")).status_code == 200


def test_queries_do_not_grow_with_the_results(client):
    counts = []
    for size in (2, 25):
        for n in range(size):
            note(f"Walrus {n}")
        with CaptureQueriesContext(connection) as queries:
            search(client, "walrus tag:sluice", sort="newest")
        counts.append(len([one for one in queries if "SAVEPOINT" not in one["sql"]]))

    # One more where PostgreSQL asks a sample of the newest which way is shorter.
    assert max(counts) <= 12
    assert counts[1] <= counts[0] + 1


def test_suggestions_are_titles_and_tags(client):
    post = note("Walrus and sluices")
    note("Walrus and sluices")

    found = json.loads(client.get("/search/suggestions/", {"q": "slui"}).text)

    assert [one["title"] for one in found["titles"]] == ["Walrus and sluices"]
    assert found["titles"][0]["url"] != post.get_absolute_url()
    assert found["tags"] == [{"name": "sluice", "url": "/tags/sluice/", "count": 2}]


def test_suggestions_know_nothing_of_closed_notes(client):
    make_post(snapshot=make_snapshot(title="Walrus", tools=("walrus",)), state="published")

    assert json.loads(client.get("/search/suggestions/", {"q": "walr"}).text) == {
        "titles": [],
        "tags": [],
    }


def test_searching_very_often_has_to_wait(client, settings):
    settings.SEARCHES_A_MINUTE = 2
    answers = [client.get("/search/", {"q": "walrus"}) for _ in range(3)]
    other = client.get("/search/", REMOTE_ADDR="93.184.216.34")

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert 1 <= int(answers[2].headers["Retry-After"]) <= 60
    assert answers[2].headers["X-Robots-Tag"] == "noindex,follow"
    assert other.status_code == 200
    codes = [client.get("/search/suggestions/").status_code for _ in range(9)]
    assert codes == [200] * 8 + [429]


@pytest.mark.parametrize(
    ("peer", "noted", "address"),
    [
        ("93.184.216.34", "198.51.100.1", "93.184.216.34"),
        ("127.0.0.1", "93.184.216.34", "93.184.216.34"),
        ("10.0.0.7", "203.0.113.1, 93.184.216.34", "93.184.216.34"),
        ("", "93.184.216.34", "93.184.216.34"),
        ("127.0.0.1", "", "127.0.0.1"),
    ],
)
def test_an_address_is_that_of_the_reader_not_of_the_proxy(peer, noted, address):
    request = RequestFactory().get("/", REMOTE_ADDR=peer, HTTP_X_FORWARDED_FOR=noted)

    assert throttle.address_of(request) == address


def test_every_page_has_the_box_and_a_missing_one_searches_for_its_address(client):
    post = note()

    for path in ("/", "/archive/", "/tags/", post.get_absolute_url()):
        assert client.get(path).text.count("<search") == 1
    missing = client.get("/posts/rolling-restarts/")
    assert missing.status_code == 404
    assert 'name="q" value="rolling restarts"' in missing.text


def test_staff_see_the_same_results(client):
    make_post(snapshot=make_snapshot(title="Walrus"), state="published")
    client.force_login(make_user("superuser"))

    assert search(client, "walrus").context["number"] == 0
