"""Entries -> Atom 1.0 (RFC 4287, pages by RFC 5005) and JSON Feed 1.1. Knows no post, no request.

In: a `Channel` and its `Entry`s, with absolute addresses. Out: bytes, or plain values. Atom is
written by Django's generator; what it has no word for is added here.
"""

from __future__ import annotations

import datetime as dt
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, NamedTuple

import nh3
from django.utils.feedgenerator import Atom1Feed, rfc3339_date

ATOM_TYPE = "application/atom+xml; charset=utf-8"
JSON_FEED_TYPE = "application/feed+json; charset=utf-8"
JSON_FEED_VERSION = "https://jsonfeed.org/version/1.1"
#: Names the vocabulary that the term of a disclosure is of.
DISCLOSURE_SCHEME = "https://github.com/w3c-cg/ai-content-disclosure"

#: What a language is written like (RFC 5646); imported ones may be anything.
_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*")
#: What XML 1.0 has no place for, not even escaped.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
#: The link beside a heading, a thing of the page that means nothing in a reader.
_ANCHOR = re.compile(r' ?<a\b[^>]*class="heading-anchor"[^>]*>#</a>')
#: What a feed reader understands of an article; classes, ids and roles are the page's.
_ATTRIBUTES = {
    "a": {"href", "title"},
    "img": {"src", "alt", "width", "height"},
    "ol": {"start"},
    "td": {"colspan", "rowspan"},
    "th": {"scope"},
}


class Alternate(NamedTuple):
    """Another form of an entry."""

    type: str
    url: str


@dataclass(frozen=True)
class Entry:
    """One post. `html` is what the site's own renderer made; `id` never changes."""

    id: str
    title: str
    url: str
    summary: str
    html: str
    language: str
    published_at: dt.datetime
    modified_at: dt.datetime
    tags: Sequence[str]
    disclosure_text: str
    disclosure_value: str
    alternates: Sequence[Alternate] = ()

    @property
    def content(self) -> str:
        """The article as HTML that stands alone: disclosed, addresses absolute."""
        plain = nh3.clean(
            _ANCHOR.sub("", self.html),
            attributes=_ATTRIBUTES,
            link_rel=None,
            url_relative=("rewrite_with_base", self.url),
        )
        return f"<p><em>{escape(self.disclosure_text)}</em></p>\n{plain}"


@dataclass(frozen=True)
class Channel:
    """A feed, or one page of it; `updated_at` is what it says without any entry."""

    title: str
    description: str
    home_url: str
    feed_url: str
    page_url: str
    author: str
    updated_at: dt.datetime
    next_url: str = ""
    previous_url: str = ""


class _Atom(Atom1Feed):
    """Django's generator, with an exact `updated`, pages, content and disclosure."""

    def latest_post_date(self) -> dt.datetime:
        return max((item["updateddate"] for item in self.items), default=self.feed["updated_at"])

    def add_root_elements(self, handler: Any) -> None:
        super().add_root_elements(handler)
        for relation in ("first", "next", "previous"):
            if self.feed[relation]:
                handler.addQuickElement("link", "", {"rel": relation, "href": self.feed[relation]})

    def item_attributes(self, item: dict[str, Any]) -> dict[str, str]:
        return {"xml:lang": item["language"]} if item["language"] else {}

    def add_item_elements(self, handler: Any, item: dict[str, Any]) -> None:
        super().add_item_elements(handler, item)
        for alternate in item["alternates"]:
            attributes = {"rel": "alternate", "type": alternate.type, "href": alternate.url}
            handler.addQuickElement("link", "", attributes)
        handler.addQuickElement("summary", item["summary"])
        handler.addQuickElement("content", item["content"], {"type": "html"})
        term, label = item["disclosure"]
        disclosure = {"term": term, "scheme": DISCLOSURE_SCHEME, "label": label}
        handler.addQuickElement("category", "", disclosure)


def as_atom(channel: Channel, entries: Sequence[Entry]) -> bytes:
    """Return the page of a feed as an Atom document."""
    is_first = channel.page_url == channel.feed_url
    feed: Any = _Atom(
        title=_xml(channel.title),
        link=channel.home_url,
        description="",
        subtitle=_xml(channel.description),
        author_name=channel.author,
        feed_url=channel.page_url,
        # The pages of a feed are one feed.
        feed_guid=channel.feed_url,
        updated_at=channel.updated_at,
        first="" if is_first else channel.feed_url,
        next=channel.next_url,
        previous=channel.previous_url,
    )
    for entry in entries:
        feed.add_item(
            title=_xml(entry.title),
            link=entry.url,
            description=None,
            unique_id=entry.id,
            pubdate=entry.published_at,
            updateddate=entry.modified_at,
            categories=[term for tag in entry.tags if (term := _xml(tag))],
            language=_language(entry),
            alternates=entry.alternates,
            summary=_xml(entry.summary),
            content=_xml(entry.content),
            disclosure=(entry.disclosure_value, _xml(entry.disclosure_text)),
        )
    out = io.StringIO()
    feed.write(out, "utf-8")
    return out.getvalue().encode()


def as_json_feed(channel: Channel, entries: Sequence[Entry]) -> dict[str, Any]:
    """Return the page of a feed as the values of a JSON Feed."""
    feed: dict[str, Any] = {
        "version": JSON_FEED_VERSION,
        "title": channel.title,
        "description": channel.description,
        "home_page_url": channel.home_url,
        "feed_url": channel.feed_url,
        "authors": [{"name": channel.author}],
        "items": [_json_item(entry) for entry in entries],
    }
    if channel.next_url:
        feed["next_url"] = channel.next_url
    return feed


def _json_item(entry: Entry) -> dict[str, Any]:
    item: dict[str, Any] = {
        "id": entry.id,
        "url": entry.url,
        "title": entry.title,
        "summary": entry.summary,
        "content_html": entry.content,
        "date_published": rfc3339_date(entry.published_at),
        "date_modified": rfc3339_date(entry.modified_at),
        "tags": list(entry.tags),
        # The format leaves members with an underscore to whoever writes the feed.
        "_alphanode": {
            "ai_disclosure": entry.disclosure_value,
            "disclosure": entry.disclosure_text,
            "alternates": [alternate._asdict() for alternate in entry.alternates],
        },
    }
    if language := _language(entry):
        item["language"] = language
    return item


def _language(entry: Entry) -> str:
    return entry.language if _LANGUAGE.fullmatch(entry.language) else ""


def _xml(text: str) -> str:
    return _NOT_XML.sub("", text)
