"""Whatever is asked, no address for programs, and no page of a name, is a server error."""

import string
from urllib.parse import quote, urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.builders import make_post

pytestmark = pytest.mark.django_db

#: What an address can be asked; each `{}` takes any text.
ADDRESSES = (
    *("/feed.atom", "/feed.json", "/tags/{}/feed.atom", "/tags/{}/feed.json"),
    *("/entities/{}/{}/feed.atom", "/entities/{}/{}/feed.json", "/sitemap.xml"),
    *("/sitemap-{}.xml", "/llms.txt", "/robots.txt", "/opensearch.xml", "/dumps/", "/dumps/{}"),
    *("/posts/{}.md", "/posts/{}.json", "/api/v1/", "/api/v1/openapi.json", "/api/v1/posts"),
    *("/api/v1/posts/{}", "/api/v1/posts/{}/similar", "/api/v1/posts/{}/revisions"),
    *("/api/v1/posts/{}/revisions/{}", "/api/v1/tags", "/api/v1/tags/{}", "/api/v1/{}"),
    *("/api/v1/tags/{}/posts", "/api/v1/entities", "/api/v1/entities/{}/{}"),
    *("/api/v1/entities/{}/{}/posts", "/tags/{}/", "/entities/{}/{}/", "/r/{}/"),
)
#: Texts with a known way to hurt, beside any.
NASTY = (
    *("\x00", "a\x00b", "%00", "..", "../../etc/passwd", "'", '"', "-1", "0", "1", "NaN", "1e9"),
    *("9" * 19, "9" * 40, "١", "W10", "WzEsMl0", "bnVsbA", "MTc2MzM4NDQwMDAwMDAwMC4x", "tidal"),
    *("tidal-services", "stack", "\u202e", "\ufffe", "a" * 3000, "<script>", "${7*7}", "[]", "{}"),
)
TEXTS = st.one_of(
    st.sampled_from(NASTY),
    st.text(max_size=30),
    st.text(alphabet=string.ascii_letters + string.digits + "-_", max_size=40),
)
NAMES = st.one_of(st.sampled_from(("after", "before", "limit", "kind", "type", "q")), TEXTS)
QUERIES = st.lists(st.tuples(NAMES, TEXTS), max_size=3)
HEADERS = st.dictionaries(
    st.sampled_from(("If-None-Match", "If-Modified-Since", "If-Match", "Accept", "Range")),
    st.one_of(st.sampled_from(NASTY), st.text(alphabet=string.printable[:95], max_size=40)).filter(
        lambda text: "\x00" not in text and text.isascii()
    ),
    max_size=2,
)


def path_of(address, texts):
    """Return an address with its places filled, as a client would send it."""
    parts = address.split("{}")
    filled = parts[0]
    for text, after in zip(texts, parts[1:], strict=False):
        filled += quote(text, safe="") + after
    return filled


@given(
    address=st.sampled_from(ADDRESSES),
    texts=st.tuples(TEXTS, TEXTS),
    query=QUERIES,
    headers=HEADERS,
)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def check_no_server_error(client, address, texts, query, headers):
    """A view that raises fails here too: the client passes its error on."""
    path = path_of(address, texts)
    if query:
        path += "?" + urlencode([(name, value.encode(errors="replace")) for name, value in query])

    response = client.get(path, headers=headers)

    assert response.status_code < 500
    if path.startswith("/api/v1/") and response.status_code >= 400 and response.content:
        assert response.headers["Content-Type"] in ("application/problem+json",), path


def test_no_input_makes_a_server_error(client):
    make_post()
    check_no_server_error(client)


def test_no_nasty_text_in_an_address_makes_a_server_error(client):
    make_post()
    for address in (address for address in ADDRESSES if "{}" in address):
        for text in NASTY:
            response = client.get(path_of(address, (text, text)))
            assert response.status_code < 500, (address, text)
