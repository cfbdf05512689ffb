"""The pages around the notes: what they say follows the settings; the icon; the style page."""

import datetime as dt
import gzip
import re
from pathlib import Path

import pytest
from django.contrib.staticfiles import finders
from django.test import override_settings
from django.utils import timezone

from posts.views.pages import STYLE_COLOURS
from tests.builders import make_post, make_snapshot
from tests.bulk_archive import fill_archive

TEXTS = ("/about/", "/about/review/", "/privacy/", "/licence/")
CSS = Path(__file__).parent.parent / "static" / "css"


@pytest.mark.parametrize("path", TEXTS)
def test_texts_are_there_and_may_be_indexed(client, path, django_assert_num_queries, db):
    with django_assert_num_queries(0):
        response = client.get(path)

    assert response.status_code == 200
    assert "X-Robots-Tag" not in response.headers
    assert response.context["canonical"].endswith(path)
    assert response.content.decode().count('aria-current="page"') >= 1


@override_settings(SITE_NAME="Tidal notes")
@pytest.mark.parametrize("path", [*TEXTS, "/posts/no-such/"])
def test_site_has_the_name_it_is_given(client, db, path):
    page = client.get(path).content.decode()

    assert re.search(r"– Tidal notes\s*</title>", page)
    assert 'property="og:site_name" content="Tidal notes"' in page


def test_licence_says_what_is_set_and_nothing_else(client):
    def page():
        return " ".join(client.get("/licence/").content.decode().split())

    assert "has not stated a licence" in page()
    with override_settings(LICENCE_NAME="CC BY 4.0"):
        assert "under CC BY 4.0." in page()
        with override_settings(LICENCE_URL="https://example.org/by"):
            assert '<a href="https://example.org/by" rel="license">CC BY 4.0</a>' in page()


@override_settings(IMAGE_HOSTS=["pictures.example.org"])
def test_privacy_names_the_hosts_of_pictures(client):
    assert "<li>pictures.example.org</li>" in client.get("/privacy/").content.decode()


def test_security_txt_has_what_the_standard_wants(client):
    assert client.get("/.well-known/security.txt").status_code == 404

    with override_settings(CONTACT_EMAIL="a@example.org", PUBLIC_URL="https://n.example.org"):
        response = client.get("/.well-known/security.txt")

    fields = dict(line.split(": ", 1) for line in response.content.decode().splitlines())
    assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert fields["Contact"] == "mailto:a@example.org"
    assert fields["Canonical"] == "https://n.example.org/.well-known/security.txt"
    left = dt.datetime.fromisoformat(fields["Expires"]) - timezone.now()
    assert dt.timedelta(days=150) < left < dt.timedelta(days=365)


def test_icons_are_where_pages_and_old_programs_look(client):
    page = client.get("/about/").content.decode()

    icons = re.findall(r'<link rel="(?:icon|apple-touch-icon)" href="/static/([^"]+)"', page)
    assert len(icons) == 3
    assert all(finders.find(icon) for icon in icons)
    assert client.get("/favicon.ico").headers["Location"] == "/static/images/favicon.ico"


def test_style_page_is_for_developing_only(client):
    assert client.get("/style/").status_code == 404

    with override_settings(DEBUG=True):
        response = client.get("/style/")

    assert response.status_code == 200
    assert response.headers["X-Robots-Tag"] == "noindex"


def test_colours_are_decided_in_one_file():
    """A reader's stylesheet names tokens; a colour of its own would not follow the theme."""
    reader = ("base.css", "article.css", "lists.css", "meta-box.css", "code.css", "style.css")
    literal = re.compile(r"#[0-9a-f]{3,8}\b|\b(?:rgb|hsl|oklch|lab)a?\(", re.IGNORECASE)

    found = {name: literal.findall((CSS / name).read_text("utf-8")) for name in reader}

    assert {name: colours for name, colours in found.items() if colours} == {}


def test_every_colour_of_the_style_page_is_a_token():
    tokens = (CSS / "tokens.css").read_text("utf-8")

    assert [name for name, _ in STYLE_COLOURS if f"--{name}:" not in tokens] == []


# --- What a first view costs ------------------------------------------------------------------

#: Bytes of a first view without pictures: page, styles and scripts, compressed as they are sent.
FIRST_VIEW_MAX = 60_000


def compressed(client, address):
    response = client.get(address, headers={"Accept-Encoding": "gzip"})
    assert response.headers.get("Content-Encoding") == "gzip", address
    return response.content


def test_first_view_of_an_article_is_small(client, db):
    fill_archive(30)
    body = "\n\n".join(f"## Part {n}\n\n" + "Some words of a long note. " * 60 for n in range(30))
    post = make_post(snapshot=make_snapshot(body=body, tools=tuple(f"tool {n}" for n in range(30))))

    page = compressed(client, post.get_absolute_url())
    used = re.findall(
        r'(?:href|src)="/static/([^"]+[.](?:css|js))"', gzip.decompress(page).decode()
    )
    files = [gzip.compress(Path(finders.find(name)).read_bytes()) for name in set(used)]

    assert len(files) >= 5
    assert len(page) + sum(map(len, files)) < FIRST_VIEW_MAX


def test_compressed_pages_set_no_cookie_and_vary_by_encoding_only(client, db):
    response = client.get("/archive/", headers={"Accept-Encoding": "gzip"})

    assert response.headers["Vary"] == "Accept-Encoding"
    assert not response.cookies
