"""What RFC 4287 and JSON Feed 1.1 demand of a feed, as checks; each returns the first broken rule.

Source: RFC 4287 sections 3 and 4 with the RELAX NG of its appendix B; jsonfeed.org/version/1.1.
"""

import datetime as dt
import json
import re
from urllib.parse import urlsplit
from xml.etree import ElementTree

ATOM = "{http://www.w3.org/2005/Atom}"
XML = "{http://www.w3.org/XML/1998/namespace}"
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
LANGUAGE = re.compile(r"[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8})*")
FEED_PARTS = (
    "author category contributor generator icon id link logo rights subtitle title updated entry"
)
ENTRY_PARTS = (
    "author category content contributor id link published rights source summary title updated"
)
ONCE = {"id", "title", "updated"}
AT_MOST_ONCE = (
    *("generator", "icon", "logo", "rights", "subtitle"),
    *("published", "summary", "content", "source"),
)


def is_moment(text):
    return MOMENT.fullmatch(text or "") is not None and dt.datetime.fromisoformat(text).tzinfo


def is_absolute(text):
    parts = urlsplit(text or "")
    return bool(parts.scheme and (parts.netloc or parts.scheme == "urn"))


def check_atom(body):
    """Raise AssertionError for the first rule of RFC 4287 a document breaks; return its root."""
    root = ElementTree.fromstring(body)  # noqa: S314 (what this project wrote)
    assert root.tag == f"{ATOM}feed"
    entries = root.findall(f"{ATOM}entry")
    _check_container(root, FEED_PARTS.split())
    for entry in entries:
        _check_container(entry, ENTRY_PARTS.split())
        assert entry.find(f"{ATOM}author") is not None or root.find(f"{ATOM}author") is not None
        content, alternates = entry.find(f"{ATOM}content"), _links(entry, "alternate")
        assert content is not None or alternates, "an entry without content needs an alternate"
        assert content is None or content.get("type") in ("text", "html", "xhtml")
    seen = [(_text(entry, "id"), _text(entry, "updated")) for entry in entries]
    assert len(set(seen)) == len(seen), "one entry twice"
    assert len(_links(root, "self")) == 1
    return root


def _check_container(element, known):
    for child in element:
        assert child.tag.startswith(ATOM), child.tag
        name = child.tag.removeprefix(ATOM)
        assert name in known, f"{name} in {element.tag}"
        _check_child(name, child)
    for name in ONCE:
        assert len(element.findall(f"{ATOM}{name}")) == 1, f"{name} in {element.tag}"
    for name in AT_MOST_ONCE:
        assert len(element.findall(f"{ATOM}{name}")) <= 1, f"{name} in {element.tag}"
    alternates = [(link.get("type"), link.get("hreflang")) for link in _links(element, "alternate")]
    assert len(set(alternates)) == len(alternates), "two alternates of one type"
    language = element.get(f"{XML}lang")
    assert language is None or LANGUAGE.fullmatch(language), language


def _check_child(name, child):
    if name in ("updated", "published"):
        assert is_moment(child.text), child.text
    elif name == "id":
        assert is_absolute(child.text), child.text
    elif name == "link":
        assert is_absolute(child.get("href")), child.attrib
        assert not len(child)
    elif name == "category":
        assert child.get("term"), child.attrib
    elif name == "author":
        assert len(child.findall(f"{ATOM}name")) == 1
    elif name in ("title", "subtitle", "summary", "rights"):
        assert child.get("type", "text") in ("text", "html", "xhtml")
        assert not len(child), "text constructs of text and html hold no elements"


def _links(element, relation):
    found = element.findall(f"{ATOM}link")
    return [link for link in found if link.get("rel", "alternate") == relation]


def _text(element, name):
    return element.find(f"{ATOM}{name}").text


def check_json_feed(body):
    """Raise AssertionError for the first rule of JSON Feed 1.1 a document breaks; return it."""
    feed = json.loads(body)
    assert feed["version"] == "https://jsonfeed.org/version/1.1"
    assert isinstance(feed["title"], str)
    assert feed["title"]
    for name in ("home_page_url", "feed_url", "next_url", "icon", "favicon"):
        assert is_absolute(feed.get(name, "https://x.example")), name
    assert feed.get("next_url") != feed["feed_url"]
    assert all(author["name"] for author in feed["authors"])
    assert isinstance(feed["items"], list)
    ids = [item["id"] for item in feed["items"]]
    assert len(set(ids)) == len(ids)
    known = {"id", "url", "title", "summary", "tags", "language", "content_html", "content_text"}
    known |= {"date_published", "date_modified", "image", "banner_image", "external_url"}
    known |= {"authors", "attachments"}
    for item in feed["items"]:
        assert isinstance(item["id"], str)
        assert item["id"]
        assert {"content_html", "content_text"} & set(item)
        assert is_absolute(item["url"])
        assert is_moment(item["date_published"])
        assert is_moment(item["date_modified"])
        assert all(isinstance(tag, str) for tag in item["tags"])
        assert LANGUAGE.fullmatch(item.get("language", "en"))
        assert all(name in known or name.startswith("_") for name in item), sorted(item)
    return feed
