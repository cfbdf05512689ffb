"""Keyset pages: the same both ways, ties included; cursors that make no sense do no harm."""

import datetime as dt
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posts.models import Post
from posts.pagination import Cursor, page_of
from tests.builders import make_post

NOW = dt.datetime(2026, 11, 17, 9, tzinfo=dt.UTC)


def parameters_of(url):
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


def page(parameters, size=3):
    return page_of(Post.objects.indexable(NOW), parameters, path="/archive/", size=size)


def walk(first, side, size):
    pages, url = [first], getattr(first, side)
    while url:
        pages.append(page(parameters_of(url), size))
        url = getattr(pages[-1], side)
    return pages


@pytest.fixture
def posts(db):
    """Eight posts, with ties of listed_at among them."""
    minutes = (1, 2, 2, 2, 2, 3, 3, 4)
    return [make_post(now=NOW - dt.timedelta(minutes=minute)) for minute in minutes]


@pytest.mark.parametrize("size", range(1, 10))
def test_walking_forward_and_back_gives_the_same_pages(posts, size):
    expected = sorted(posts, key=lambda post: (post.listed_at, post.pk), reverse=True)

    forward = walk(page({}, size), "next_url", size)
    back = walk(forward[-1], "previous_url", size)

    assert [post.pk for found in forward for post in found.items] == [post.pk for post in expected]
    assert [found.items for found in reversed(back)] == [found.items for found in forward]
    assert forward[0].previous_url == "" == forward[-1].next_url
    assert back[-1].previous_url == ""


def test_one_page_has_no_neighbours(posts):
    found = page({}, 8)

    assert (len(found.items), found.next_url, found.previous_url) == (8, "", "")


def test_a_page_costs_one_query(posts, django_assert_num_queries):
    with django_assert_num_queries(1) as queries:
        page({}, 2)

    assert "COUNT(" not in queries[0]["sql"]
    assert "OFFSET" not in queries[0]["sql"]


@pytest.mark.parametrize(
    "text",
    ["x", "%%%", "MQ", "MS4", "LjE", "MS4tMQ", "é", "A" * 500, "MTAwMDAwMDAwMDAwMDAwMDAwMDAuMQ"],
)
def test_a_bad_cursor_gives_the_first_page_with_a_note(posts, text):
    for side in ("after", "before"):
        found = page({side: text})

        assert found.items == page({}).items
        assert found.note
        assert found.query == ""


def test_a_place_behind_the_last_post_leads_back_to_the_start(posts):
    cursor = Cursor(NOW - dt.timedelta(days=9), 1).encode()

    found = page({"after": cursor})

    assert (found.items, found.previous_url) == ([], "/archive/")


@given(
    st.datetimes(
        min_value=dt.datetime(1971, 1, 1),  # noqa: DTZ001 (hypothesis adds the zone)
        max_value=dt.datetime(2200, 1, 1),  # noqa: DTZ001
        timezones=st.just(dt.UTC),
    ),
    st.integers(0, 2**63 - 1),
)
def test_a_cursor_survives_its_text(moment, pk):
    text = Cursor(moment, pk).encode()

    assert Cursor.decode(text) == (moment, pk)
    assert text.replace("-", "").replace("_", "").isalnum()


@given(st.text(max_size=80))
def test_no_text_breaks_the_cursor(text):
    found = Cursor.decode(text)

    assert found is None or found.encode() == text


@given(st.lists(st.integers(0, 3), max_size=12), st.integers(1, 5))
def test_pages_of_any_moments_hold_every_row_once(moments, size):
    """The walk in memory, over rows of which many share a moment: the arithmetic of the cursor."""
    rows = sorted(
        ((NOW + dt.timedelta(minutes=m), pk) for pk, m in enumerate(moments)), reverse=True
    )
    seen, cursor = [], None
    while True:
        rest = [row for row in rows if cursor is None or row < tuple(cursor)]
        seen += rest[:size]
        if len(rest) <= size:
            break
        cursor = Cursor.decode(Cursor(*rest[size - 1]).encode())

    assert seen == rows
