"""What an HTML page says about itself: title, dates, author, tags, its own address.

In: the tree of a page. Out: values as the page gives them, "" for what it does not say. Looks at
metadata only: Open Graph, `meta`, JSON-LD, `time`, `link`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urljoin

from posts.importing.conversion.tree import Element
from posts.importing.formats import foreign

#: Longest JSON-LD that is read.
_LINKED_DATA_MAX = 200_000

_PUBLISHED = (
    *("article:published_time", "datepublished", "dc.date", "dc.date.issued", "dcterms.issued"),
    *("dcterms.created", "dcterms.date", "citation_publication_date", "date", "pubdate"),
)
_MODIFIED = ("article:modified_time", "og:updated_time", "datemodified", "dcterms.modified")
_AUTHORS = ("author", "article:author", "dc.creator", "dcterms.creator", "citation_author")


class PageMeta:
    """The metadata of one page. `base` is what its relative addresses start from."""

    def __init__(self, tree: Element) -> None:
        self._meta: dict[str, list[str]] = {}
        for meta in tree.iter("meta"):
            name = (meta.get("property") or meta.get("name") or meta.get("itemprop") or "").lower()
            content = foreign.one_line(meta.get("content"))
            if name and content:
                self._meta.setdefault(name, []).append(content)
        self._tree = tree
        self._linked = _article(tree)
        self.canonical = canonical(tree)
        base = next((base.get("href") for base in tree.iter("base") if base.get("href")), "")
        self.base = _joined(self.canonical or self._first("og:url"), base)

    def _first(self, *names: str) -> str:
        return next((self._meta[name][0] for name in names if name in self._meta), "")

    def _said(self, name: str) -> str:
        return foreign.one_line(self._linked.get(name))

    @property
    def title(self) -> str:
        return self._first("og:title", "dc.title") or self._said("headline")

    @property
    def published(self) -> str:
        times = (
            time.get("datetime", "")
            for time in self._tree.iter("time")
            if time.get("pubdate") is not None or time.get("itemprop") == "datePublished"
        )
        return self._said("datePublished") or self._first(*_PUBLISHED) or next(times, "")

    @property
    def modified(self) -> str:
        return self._said("dateModified") or self._first(*_MODIFIED)

    @property
    def author(self) -> str:
        # Facebook wants the address of a profile there.
        said = (name for key in _AUTHORS for name in self._meta.get(key, ()) if "://" not in name)
        return ", ".join(foreign.names(self._linked.get("author"))) or next(said, "")

    @property
    def tags(self) -> list[str]:
        words = self._first("keywords").split(",")
        found = [*self._meta.get("article:tag", ()), *map(foreign.one_line, words)]
        return list(dict.fromkeys(filter(None, found)))

    @property
    def summary(self) -> str:
        return self._first("description", "og:description", "dc.description")

    @property
    def language(self) -> str:
        return foreign.language(self._tree.get("lang") or self._first("content-language"))

    @property
    def site(self) -> str:
        return self._first("og:site_name")


def canonical(tree: Element) -> str:
    """Return the address a page calls its own, "" for none with a host."""
    for link in tree.iter("link"):
        if "canonical" in link.get("rel", "").lower().split():
            return foreign.web_address(link.get("href", ""))
    return ""


def _joined(address: str, base: str) -> str:
    try:
        return foreign.web_address(urljoin(address, base) if base else address)
    except ValueError:
        return ""


def _article(tree: Element) -> dict[str, Any]:
    """Return what JSON-LD says of the article, {} when it says nothing."""
    for script in tree.iter("script"):
        if script.get("type", "").lower() != "application/ld+json":
            continue
        text = "".join(script.itertext())
        if len(text) > _LINKED_DATA_MAX:
            continue
        try:
            data = json.loads(text)
        except (ValueError, RecursionError):
            continue
        for thing in _things(data):
            if "headline" in thing or "datePublished" in thing:
                return thing
    return {}


def _things(data: Any) -> Iterator[dict[str, Any]]:
    for thing in data if isinstance(data, list) else [data]:
        if isinstance(thing, dict):
            yield thing
            graph = thing.get("@graph")
            if isinstance(graph, list):
                yield from (inner for inner in graph if isinstance(inner, dict))
