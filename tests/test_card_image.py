"""The picture for other sites: its size, its sameness, what it does with any title, its gate."""

import io

import pytest
from django.core.cache import cache
from django.urls import reverse
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops

from posts import card_image
from posts.card_image import Card
from tests.builders import make_post, make_snapshot

PLAIN = Card("alphanode", "measuring cold starts", ("weirs", "3 min read"), "reviewed by Ada")


def opened(data):
    return Image.open(io.BytesIO(data)).convert("RGB")


def test_card_is_a_small_png_of_the_size_other_sites_want():
    data = card_image.draw(PLAIN)

    assert data.startswith(b"\x89PNG")
    assert opened(data).size == (1200, 630)
    assert len(data) < 60_000


def test_same_card_is_the_same_picture_and_another_is_not():
    assert card_image.draw(PLAIN) == card_image.draw(PLAIN)
    assert card_image.draw(PLAIN) != card_image.draw(PLAIN._replace(review=""))
    assert card_image.draw(PLAIN) != card_image.draw(PLAIN._replace(title="another"))


def test_card_that_was_drawn_is_kept(monkeypatch):
    cache.clear()
    first = card_image.png(PLAIN)
    monkeypatch.setattr(card_image, "draw", lambda card: b"drawn again")

    assert card_image.png(PLAIN) == first
    assert card_image.png(PLAIN._replace(title="another")) == b"drawn again"


@settings(max_examples=8)
@given(st.one_of(st.text(max_size=300), st.text("Wide ", min_size=200, max_size=300)))
def test_any_title_stays_on_the_sheet(title):
    picture = opened(card_image.draw(PLAIN._replace(title=title)))
    empty = opened(card_image.draw(PLAIN._replace(title="")))

    box = ImageChops.difference(picture, empty).getbbox()

    # Reduced to few colours, an equal background may be off by a shade; a letter is not.
    if box is not None and title.strip():
        margin = picture.crop((1201 - card_image.MARGIN, 130, 1200, 620))
        assert len(margin.getcolors(1000)) == 1


def test_letters_without_a_shape_are_not_drawn_as_boxes():
    assert card_image.can_write("Grüße, Ёлка, Ωμέγα")
    assert not card_image.can_write("日本語")
    assert card_image.draw(PLAIN._replace(title="日本語")) == card_image.draw(
        PLAIN._replace(title="")
    )


@pytest.mark.parametrize(("state", "status"), [("private", 404), ("archived", 410)])
def test_card_is_behind_the_gate(client, db, state, status):
    post = make_post(state=state)

    assert client.get(reverse("article-card", args=[post.slug])).status_code == status


@pytest.mark.parametrize(("state", "robots"), [("published", "noindex"), ("listed", None)])
def test_card_tells_robots_what_its_page_tells_them(client, db, state, robots):
    post = make_post(state=state, snapshot=make_snapshot(title="Weirs"))

    response = client.get(reverse("article-card", args=[post.slug]))

    assert (response.status_code, response.headers["Content-Type"]) == (200, "image/png")
    assert response.headers.get("X-Robots-Tag") == robots
    assert response.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert not response.cookies
