"""The gate on every public surface, from the table of addresses: a new address must be named here.

Over an archive with posts in every state: no page, feed, list, search, dump, file for robots or
copy in a cache shows, or marks for indexing, what the gate closes; and the sitemap is exactly what
it lists.
"""

import datetime as dt
import gzip
import json
import re
from collections.abc import Callable, Iterable, Iterator
from html import unescape
from typing import NamedTuple
from urllib.parse import quote, urlsplit

import pytest
from django.core.cache import cache
from django.http import HttpResponse
from django.urls import URLPattern, get_resolver, include, path

from posts import changes
from posts.models import Post
from posts.querysets import SHARD_IDS
from tests.every_state import MARK, STATE_MARK, WAITING_MARK, Archive, indexable_marks, state_mark

pytestmark = pytest.mark.django_db

#: Sizes of the archive: in a fast run, and in a long one.
FEW, MANY = 60, 10_000
#: Posts of each state whose own addresses are asked, in either.
OF_EACH, OF_EACH_LONG = 2, 25

NO_STORE = "private, no-store"
REVALIDATED = "public, no-cache"

Paths = Callable[[Archive], Iterable[str]]


class Lists(NamedTuple):
    """A surface that shows several posts: where its pages begin; the rest is found by their links.

    `is_whole`: together they show every listed post. `is_kept`: copies may be kept and asked about.
    """

    paths: Paths
    is_whole: bool = False
    is_kept: bool = True


class Own(NamedTuple):
    """An address of one post, with {slug}, {mark} and {id}.

    `is_gated`: it answers only while the post is listed, else while the post is published.
    `is_indexed`: robots may index it while the post is listed, else never.
    """

    address: str
    is_gated: bool = False
    is_indexed: bool = False
    is_kept: bool = True


class Fixed(NamedTuple):
    """A surface that shows no post: its address, and its status where that is not 200."""

    address: str
    status: int = 200
    is_kept: bool = True


def _tags_of_states(template: str) -> Paths:
    """Return the addresses of the tag or entity that each state has, and of one that all have."""

    def paths(archive: Archive) -> Iterator[str]:
        yield template.format(slug="tidal-services", type="stack")
        for name in archive.states:
            yield template.format(slug=state_mark(name), type="problem")

    return paths


def _months(archive: Archive) -> Iterator[str]:
    for month in {f"{at:%Y/%-m}" for at in _listed_at()}:
        yield f"/archive/{month}/"


def _years(archive: Archive) -> Iterator[str]:
    for year in {f"{at:%Y}" for at in _listed_at()}:
        yield f"/archive/{year}/"


def _listed_at() -> Iterable[dt.datetime]:
    return Post.objects.indexable().values_list("listed_at", flat=True)


def _shards(archive: Archive) -> Iterator[str]:
    for number in {pk // SHARD_IDS for _, pk in archive.posts.values()}:
        yield f"/sitemap-{number}.xml"


def _searches(address: str) -> Paths:
    """Return searches for what all posts have, and for what only those of a state have."""

    def paths(archive: Archive) -> Iterator[str]:
        yield f"{address}?q=tidal"
        yield f"{address}?q=numbers&sort=newest"
        for name in archive.states:
            yield f"{address}?q={quote(f'tag:{state_mark(name)}')}"
        for mark in archive.sample(1):
            yield f"{address}?q={mark}"

    return paths


def _topics(archive: Archive) -> Iterator[str]:
    from posts.models import Topic

    for slug in Topic.objects.values_list("slug", flat=True):
        yield f"/topics/{slug}/"


def _dumps(archive: Archive) -> Iterator[str]:
    from posts import dumps
    from posts.views.dumps import settings

    for dump in dumps.read_index(settings.DUMPS_FOLDER).dumps:
        yield f"/dumps/{dump.name}"
    yield f"/dumps/{dumps.SUMS}"


def _at(*addresses: str) -> Paths:
    return lambda archive: addresses


API = "/api/v1"

SURFACES: dict[str, Lists | Own | Fixed] = {
    "home": Lists(_at("/")),
    "archive": Lists(_at("/archive/", "/archive/?sort=oldest"), is_whole=True),
    "archive-year": Lists(_years, is_whole=True),
    "archive-month": Lists(_months, is_whole=True),
    "tag-list": Lists(_at("/tags/")),
    "tag": Lists(_tags_of_states("/tags/{slug}/"), is_whole=True),
    "entity": Lists(_tags_of_states("/entities/{type}/{slug}/"), is_whole=True),
    "topic": Lists(_topics, is_whole=True),
    "search": Lists(_searches("/search/"), is_kept=False),
    "search-suggestions": Lists(_searches("/search/suggestions/"), is_kept=False),
    "feed-atom": Lists(_at("/feed.atom"), is_whole=True),
    "feed-json": Lists(_at("/feed.json"), is_whole=True),
    "tag-feed-atom": Lists(_tags_of_states("/tags/{slug}/feed.atom"), is_whole=True),
    "tag-feed-json": Lists(_tags_of_states("/tags/{slug}/feed.json"), is_whole=True),
    "entity-feed-atom": Lists(_tags_of_states("/entities/{type}/{slug}/feed.atom"), is_whole=True),
    "entity-feed-json": Lists(_tags_of_states("/entities/{type}/{slug}/feed.json"), is_whole=True),
    "sitemap": Lists(_at("/sitemap.xml")),
    "sitemap-shard": Lists(_shards, is_whole=True),
    "llms": Lists(_at("/llms.txt")),
    "dumps": Lists(_at("/dumps/")),
    "dump": Lists(_dumps),
    "api-v1:posts": Lists(_at(f"{API}/posts?limit=100"), is_whole=True),
    "api-v1:search": Lists(_searches(f"{API}/search")),
    "api-v1:tags": Lists(_at(f"{API}/tags")),
    "api-v1:tag": Lists(_tags_of_states(f"{API}/tags/{{slug}}")),
    "api-v1:tag-posts": Lists(_tags_of_states(f"{API}/tags/{{slug}}/posts"), is_whole=True),
    "api-v1:entities": Lists(_at(f"{API}/entities")),
    "api-v1:entity": Lists(_tags_of_states(f"{API}/entities/{{type}}/{{slug}}")),
    "api-v1:entity-posts": Lists(
        _tags_of_states(f"{API}/entities/{{type}}/{{slug}}/posts"), is_whole=True
    ),
    "article": Own("/posts/{slug}/", is_indexed=True),
    "article-markdown": Own("/posts/{slug}.md", is_indexed=True),
    "article-json": Own("/posts/{slug}.json", is_indexed=True),
    "article-card": Own("/posts/{slug}.png", is_indexed=True),
    "provenance": Own("/posts/{slug}/provenance/"),
    "provenance-json": Own("/posts/{slug}/provenance.json"),
    "revisions": Own("/posts/{slug}/revisions/"),
    "revision": Own("/posts/{slug}/revisions/1/"),
    "reference": Own("/r/ref-{mark}/"),
    "report": Own("/posts/{slug}/report/", is_gated=True, is_kept=False),
    "api-v1:post": Own(f"{API}/posts/{{slug}}", is_gated=True),
    "api-v1:similar": Own(f"{API}/posts/{{slug}}/similar", is_gated=True),
    "api-v1:revisions": Own(f"{API}/posts/{{slug}}/revisions", is_gated=True),
    "api-v1:revision": Own(f"{API}/posts/{{slug}}/revisions/1", is_gated=True),
    "about": Fixed("/about/"),
    "about-review": Fixed("/about/review/"),
    "privacy": Fixed("/privacy/"),
    "licence": Fixed("/licence/"),
    "security-txt": Fixed("/.well-known/security.txt"),
    "robots": Fixed("/robots.txt"),
    "opensearch": Fixed("/opensearch.xml"),
    "favicon": Fixed("/favicon.ico", status=301, is_kept=False),
    "style": Fixed("/style/", status=404, is_kept=False),
    "api-v1:service": Fixed(f"{API}/"),
    "api-v1:api-root": Fixed(f"{API}/"),
    "api-v1:openapi-json": Fixed(f"{API}/openapi.json"),
    "api-v1:nothing": Fixed(f"{API}/no/such/thing", status=404, is_kept=False),
}

#: Addresses that are not public, and why; the first part of a path stands for all below it.
NOT_PUBLIC = {
    "admin/": "staff only; tests/test_access.py has every address of it",
    "preview": "a secret address of one revision, kept by nobody; tests/test_previews.py",
    "seen": "takes a beacon and answers nothing; tests/test_page_views.py",
    "image": "bytes without a word; tests/test_stored_images.py has the gate of them",
    "preview-image": "bytes behind the secret address of a preview; tests/test_stored_images.py",
    "unsubscribe": "a signed address of one person; tests/test_notices.py",
}


# --- The table of addresses ---------------------------------------------------------------------


def names_of(resolver, prefix: str = "", namespace: str = "") -> Iterator[str]:
    """Yield the name of every address, or the first part of its path where that is not public."""
    for found in resolver.url_patterns:
        here = prefix + str(found.pattern)
        first = here.split("/")[0] + "/"
        if first in NOT_PUBLIC:
            yield first
        elif isinstance(found, URLPattern):
            yield f"{namespace}{found.name}" if found.name else f"{here} (without a name)"
        else:
            inner = f"{found.namespace}:" if found.namespace else namespace
            yield from names_of(found, here, inner)


def test_every_address_is_a_surface_or_not_public():
    there = set(names_of(get_resolver()))

    assert there - set(SURFACES) - set(NOT_PUBLIC) == set(), (
        "Say in SURFACES how all pages of this address are asked for, or in NOT_PUBLIC why not."
    )
    assert (set(SURFACES) | set(NOT_PUBLIC)) - there == set(), "These addresses are gone."


def one_more(request):
    return HttpResponse("a surface that nobody has named")


urlpatterns = [
    path("more/", one_more, name="more"),
    path("nameless/", one_more),
    path("", include("alphanode.urls")),
]


def test_an_address_that_is_not_named_is_noticed():
    strange = set(names_of(get_resolver(__name__))) - set(SURFACES) - set(NOT_PUBLIC)

    assert strange == {"more", "nameless/ (without a name)"}


# --- Asking ---------------------------------------------------------------------------------------


class Answer(NamedTuple):
    """A page as text, and its headers."""

    path: str
    status: int
    text: str
    headers: dict[str, str]

    @property
    def is_noindex(self) -> bool:
        in_page = re.search(r'<meta name="robots" content="[^"]*noindex', self.text)
        return "noindex" in self.headers.get("X-Robots-Tag", "") or in_page is not None


def asked(client, address: str, **headers: str) -> Answer:
    response = client.get(address, headers=headers)
    assert response.status_code < 500, address
    body = response.getvalue()
    body = gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body
    text = body.decode(errors="replace")
    return Answer(address, response.status_code, text, dict(response.headers))


def walked(client, starts: Iterable[str]) -> Iterator[Answer]:
    """Yield every page of a surface: those named, and what they say comes next."""
    for start in starts:
        address, seen = start, set()
        while address and address not in seen:
            seen.add(address)
            answer = asked(client, address)
            yield answer
            address = following(answer)


def following(answer: Answer) -> str:
    """Return the address of the next page: of a list as HTML, Atom, JSON Feed or of the API."""
    kind = answer.headers.get("Content-Type", "")
    if answer.status != 200 or "gzip" in kind:
        return ""
    found = ""
    if "json" in kind:
        values = json.loads(answer.text)
        found = values.get("next_url") or values.get("next") or ""
    elif "html" in kind or "atom" in kind:
        links = re.findall(r"<link\b[^>]*>", answer.text)
        address = [
            re.search(r'href="([^"]*)"', link) for link in links if re.search(r'rel="next"', link)
        ]
        found = unescape(address[0][1]) if address and address[0] else ""
    parts = urlsplit(found)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


def shown_on(answer: Answer) -> set[str]:
    """Return the marks of the posts an answer shows. A search repeats what was asked for."""
    text = answer.text
    if "search" in answer.path:
        text = " ".join(re.findall(r'/posts/[^"\s]+', text))
    return set(MARK.findall(text))


def check_kept(surface: Lists | Own | Fixed, answer: Answer) -> None:
    """An answer is kept by nobody, or asked about before each use: none is ever out of date."""
    is_kept = surface.is_kept and answer.status == 200
    expected = REVALIDATED if is_kept else NO_STORE
    assert answer.headers["Cache-Control"] == expected, answer.path
    assert ("ETag" in answer.headers) == is_kept, answer.path
    assert "Cookie" not in answer.headers.get("Vary", ""), answer.path


# --- What must hold -------------------------------------------------------------------------------


@pytest.fixture
def surroundings(settings, tmp_path):
    settings.DUMPS_FOLDER = tmp_path / "dumps"
    settings.SEARCHES_A_MINUTE = 0
    settings.CONTACT_EMAIL = "editors@example.org"
    cache.clear()


def check_lists(client, archive: Archive) -> None:
    """Every list shows listed posts only, and those that are whole show them all."""
    new_texts = {
        mark.replace("zq", "zx") for mark, of in archive.state_of.items() if of == "renewed"
    }
    for name, surface in SURFACES.items():
        if not isinstance(surface, Lists):
            continue
        shown: set[str] = set()
        pages = 0
        for answer in walked(client, surface.paths(archive)):
            assert answer.status in (200, 404), answer.path
            found = shown_on(answer)
            assert found <= archive.open, (answer.path, sorted(found - archive.open)[:3])
            waiting = set(WAITING_MARK.findall(answer.text))
            assert waiting <= new_texts, (answer.path, sorted(waiting - new_texts)[:3])
            if "?q=" not in answer.path and "kz-" not in answer.path:
                states = set(STATE_MARK.findall(answer.text))
                assert states <= archive.open_states, (answer.path, states - archive.open_states)
            check_kept(surface, answer)
            shown |= found
            pages += 1
        assert pages, name
        if surface.is_whole:
            assert shown == archive.open, name


def check_own(client, archive: Archive, of_each: int) -> None:
    """The addresses of a post: who may open them, what robots are told, whom they show beside."""
    for mark, name in archive.sample(of_each).items():
        state = archive.states[name]
        slug, pk = archive.posts[mark]
        for surface in SURFACES.values():
            if not isinstance(surface, Own):
                continue
            answer = asked(client, surface.address.format(slug=slug, mark=mark, id=pk))
            is_there = state.is_open or (state.is_reachable and not surface.is_gated)
            wanted = {200, 302} if is_there else {404, 410}
            if "/revisions/1" in surface.address and is_there:
                # What nobody approved is no revision readers may see, whatever the page shows.
                wanted.add(404)
            assert answer.status in wanted, (name, answer.path, answer.status)
            may_index = state.is_open and surface.is_indexed
            assert answer.is_noindex == (not may_index) or answer.status == 302, (name, answer.path)
            others = shown_on(answer) - {mark}
            assert others <= archive.open, (name, answer.path, others - archive.open)
            if not (state.is_open and name == "renewed"):
                own_waiting = mark.replace("zq", "zx")
                is_live = name in ("changed", "renewed-later")
                assert is_live or own_waiting not in answer.text, (name, answer.path)
            check_kept(surface, answer)


def check_fixed(client) -> None:
    for surface in SURFACES.values():
        if isinstance(surface, Fixed):
            answer = asked(client, surface.address)
            assert answer.status == surface.status, answer.path
            assert not MARK.findall(answer.text), answer.path
            check_kept(surface, answer)


def check_surfaces(client, *, size: int, of_each: int) -> None:
    archive = Archive(size)
    archive.write_dumps()
    archive.close()

    assert indexable_marks() == archive.open
    check_lists(client, archive)
    assert not list(walked_dumps(client)), "files that hold what was closed since are not offered"
    archive.write_dumps()
    assert set().union(*walked_dumps(client)) == archive.open
    check_own(client, archive, of_each)
    check_fixed(client)


def walked_dumps(client) -> Iterator[set[str]]:
    """Yield the marks in each dump that readers are offered."""
    for address in re.findall(r'href="(/dumps/notes[^"]*)"', asked(client, "/dumps/").text):
        answer = asked(client, address)
        assert answer.status == 200, address
        yield shown_on(answer)


def test_no_surface_shows_what_the_gate_closes(client, surroundings):
    check_surfaces(client, size=FEW, of_each=OF_EACH)


@pytest.mark.long
def test_no_surface_shows_what_the_gate_closes_of_ten_thousand_posts(client, surroundings):
    check_surfaces(client, size=MANY, of_each=OF_EACH_LONG)


@pytest.mark.parametrize(
    "settled",
    [
        pytest.param(True, id="nothing under way"),
        pytest.param(False, id="just now", marks=pytest.mark.long),
    ],
)
def test_a_copy_is_refused_once_the_gate_has_closed(client, surroundings, monkeypatch, settled):
    """Asked with what was kept from before, no surface says that it still holds."""
    monkeypatch.setattr(changes, "SETTLED", dt.timedelta(0) if settled else dt.timedelta(days=1))
    archive = Archive(40, only=("listed", "archived", "withdrawn", "renewed", "ended", "erased"))
    archive.write_dumps()
    going = {
        mark
        for mark, name in archive.state_of.items()
        if mark in indexable_marks() and not archive.states[name].is_open
    }
    before = list(kept_answers(client, archive))
    for answer in before:
        again = asked(client, answer.path, **{"If-None-Match": answer.headers["ETag"]})
        assert (again.status, again.text) == (304, ""), answer.path

    archive.close()

    touched = 0
    for answer in before:
        again = asked(client, answer.path, **{"If-None-Match": answer.headers["ETag"]})
        if shown_on(answer) & going:
            touched += 1
            assert again.status != 304, answer.path
            is_own = any(archive.posts[mark][0] in again.path for mark in going)
            assert is_own or not shown_on(again) & going, answer.path
    assert touched > 30


def kept_answers(client, archive: Archive) -> Iterator[Answer]:
    """Yield the answers that somebody may keep: all lists, and what single posts have."""
    starts: list[str] = []
    for surface in SURFACES.values():
        if isinstance(surface, Lists):
            starts += surface.paths(archive)
        elif isinstance(surface, Own):
            for mark in archive.sample(1):
                slug, pk = archive.posts[mark]
                starts.append(surface.address.format(slug=slug, mark=mark, id=pk))
    for answer in walked(client, starts):
        if answer.status == 200 and answer.headers["Cache-Control"] != NO_STORE:
            yield answer
