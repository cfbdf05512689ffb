"""Feeds: what their specifications demand, the gate, pages, disclosure, conditional requests."""

import datetime as dt

import feedparser
import pytest
from django.utils import timezone

from posts import content, feeds, writing
from posts.bulk import act_on_all
from posts.models import Post
from tests.builders import make_post, make_snapshot, make_user
from tests.feed_rules import ATOM, check_atom, check_json_feed
from tests.held_posts import import_note

pytestmark = pytest.mark.django_db

HOSTILE = make_snapshot(
    title="<b>Slack</b> & “water” ]]> \u202e",
    lede="A *lead* with <script>alert(1)</script>.",
    body="## One ]]> two\n\n[away](/tags/) [here](#one) ![a tide](image:1)\n\n<script>x</script>",
    image_sources=(content.Image("picsum.photos", "https://picsum.photos/seed/a/9/9", "tide"),),
    language="en",
)


def fetched(client, path):
    response = client.get(path)
    assert response.status_code == 200, path
    return response


def addresses():
    """Return the paths of all kinds of feed that hold the one note there is."""
    post = Post.objects.get()
    tag = post.post_tags.earliest("pk").tag.get_absolute_url()
    entity = post.post_entities.earliest("pk").entity.get_absolute_url()
    return [f"{place}feed" for place in ("/", tag, entity)]


@pytest.mark.parametrize("which", range(3), ids=["site", "tag", "entity"])
def test_atom_keeps_the_rules_and_parses(client, which):
    post = make_post(snapshot=HOSTILE)

    response = fetched(client, f"{addresses()[which]}.atom")
    parsed = feedparser.parse(response.content)

    check_atom(response.content)
    assert response.headers["Content-Type"] == "application/atom+xml; charset=utf-8"
    assert not parsed.bozo
    assert parsed.version == "atom10"
    assert parsed.entries[0].link.endswith(post.get_absolute_url())
    assert dt.datetime.fromisoformat(parsed.entries[0].updated) == post.modified_at
    assert dt.datetime.fromisoformat(parsed.entries[0].published) == post.published_at


@pytest.mark.parametrize("which", range(3), ids=["site", "tag", "entity"])
def test_json_feed_keeps_the_rules(client, which):
    post = make_post(snapshot=HOSTILE)

    response = fetched(client, f"{addresses()[which]}.json")
    feed = check_json_feed(response.content)

    assert response.headers["Content-Type"] == "application/feed+json; charset=utf-8"
    assert [item["title"] for item in feed["items"]] == [post.title]
    assert feed["items"][0]["language"] == "en"


def test_hostile_text_stays_text_and_addresses_become_absolute(client, settings):
    settings.PUBLIC_URL = "https://notes.example.org"
    post = make_post(snapshot=HOSTILE)

    (item,) = check_json_feed(fetched(client, "/feed.json").content)["items"]
    (entry,) = check_atom(fetched(client, "/feed.atom").content).iter(f"{ATOM}entry")

    assert entry.find(f"{ATOM}content").text == item["content_html"]
    assert entry.find(f"{ATOM}title").text == post.title
    html = item["content_html"]
    assert "<script" not in html
    assert "heading-anchor" not in html
    assert 'href="https://notes.example.org/tags/"' in html
    assert f'href="https://notes.example.org{post.get_absolute_url()}#one"' in html
    assert 'src="https://notes.example.org/static/images/placeholder.svg"' in html


def test_what_xml_has_no_place_for_is_left_out():
    now = timezone.now()
    entry = feeds.Entry(
        **{"id": "urn:uuid:1", "title": "a\x0bb\ufffec", "url": "https://x.example/"},
        **{"summary": "\x00", "html": "<p>\x08</p>", "language": "no language", "tags": ["\x1f"]},
        **{"published_at": now, "modified_at": now},
        **{"disclosure_text": "Text.", "disclosure_value": "none"},
    )
    channel = feeds.Channel(
        "t\x01", "", "https://x.example/", *["https://x.example/f"] * 2, "a", now
    )

    root = check_atom(feeds.as_atom(channel, [entry]))

    assert root.find(f"{ATOM}title").text == "t"
    assert root.find(f"{ATOM}entry/{ATOM}title").text == "abc"


def test_who_made_the_text_is_told_in_words_and_as_a_value(client):
    import_note()
    act_on_all(
        actions=["approve", "publish"],
        queryset=Post.objects.all(),
        by=make_user("superuser", first_name="Ana", last_name="Reyes"),
        undo_seconds=0,
    )

    (item,) = check_json_feed(fetched(client, "/feed.json").content)["items"]
    (entry,) = feedparser.parse(fetched(client, "/feed.atom").content).entries

    words = item["_alphanode"]["disclosure"]
    assert words.startswith("AI-generated, reviewed by Ana Reyes on ")
    assert item["_alphanode"]["ai_disclosure"] == "ai-generated"
    assert words in item["content_html"]
    assert words in entry.content[0].value
    (told,) = [tag for tag in entry.tags if tag.scheme == feeds.DISCLOSURE_SCHEME]
    assert (told.term, told.label) == ("ai-generated", words)


def test_an_empty_feed_is_a_feed(client):
    check_json_feed(fetched(client, "/feed.json").content)
    root = check_atom(fetched(client, "/feed.atom").content)

    assert root.find(f"{ATOM}updated").text == "1970-01-01T00:00:00+00:00"


def test_pages_hold_every_listed_post_once_newest_first(client, monkeypatch):
    monkeypatch.setattr("posts.views.feeds.FEED_POSTS", 2)
    expected = [make_post().title for _ in range(5)][::-1]
    for ending, pages in (("json", json_pages), ("atom", atom_pages)):
        assert [title for page in pages(client, f"/feed.{ending}") for title in page] == expected


def json_pages(client, path):
    while path:
        feed = check_json_feed(fetched(client, path).content)
        yield [item["title"] for item in feed["items"]]
        path = feed.get("next_url")


def atom_pages(client, path):
    first, seen = None, set()
    while path:
        root = check_atom(fetched(client, path).content)
        links = {link.get("rel"): link.get("href") for link in root.findall(f"{ATOM}link")}
        feed_id = root.find(f"{ATOM}id").text
        first = first or links["self"]
        assert feed_id == first, "the pages of a feed are one feed"
        assert links["self"] not in seen
        assert ("first" in links) == bool(seen)
        assert ("previous" in links) == bool(seen)
        seen.add(links["self"])
        yield [title.text for title in root.findall(f"{ATOM}entry/{ATOM}title")]
        path = links.get("next")


def test_an_entry_keeps_its_id_when_its_address_and_the_sites_change(client, settings):
    post = make_post()
    before = check_json_feed(fetched(client, "/feed.json").content)["items"][0]

    writing.change_slug(post=post, by=make_user("editor"), slug="another-address")
    settings.PUBLIC_URL = "https://moved.example.org"
    after = check_json_feed(fetched(client, "/feed.json").content)["items"][0]

    assert after["id"] == before["id"]
    assert after["url"] == "https://moved.example.org/posts/another-address/"
    assert after["date_modified"] > before["date_modified"]


@pytest.mark.parametrize("path", ["/tags/none/feed.atom", "/entities/no/ne/feed.json"])
def test_a_feed_of_nothing_known_is_not_found(client, path):
    assert client.get(path).status_code == 404


def test_pages_name_their_feeds(client):
    post = make_post()
    tag = post.post_tags.earliest("pk").tag.get_absolute_url()
    entity = post.post_entities.earliest("pk").entity.get_absolute_url()

    home, lists = client.get("/").content.decode(), []
    for place in (tag, entity):
        text = client.get(place).content.decode()
        lists.append(f'type="application/feed+json" title="tidal services" href="{place}feed.json"')
        assert lists[-1] in text
    assert 'type="application/atom+xml" title="alphanode" href="/feed.atom"' in home
    assert 'rel="search" type="application/opensearchdescription+xml"' in home


def test_a_feed_costs_the_same_however_many_posts_it_holds(client, django_assert_num_queries):
    for size in (2, 6):
        for _ in range(size):
            make_post()
        for ending in ("atom", "json"):
            # posts, tags, entities, images, stamps, last change
            with django_assert_num_queries(6):
                client.get(f"/feed.{ending}")
