"""HTML pages: one a file, such as a folder that a site was saved to.

Input: a page in a declared encoding. Output: one record, its key the canonical link or else the
path in the folder. readability finds the article among menus and side bars.
"""

from __future__ import annotations

import codecs
import logging
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

import msgspec
from lxml import etree
from lxml import html as lxml_html
from readability import Document
from readability.readability import REGEXES, Unparseable

from posts.content import TEXT_MAX, Problem, shown
from posts.importing.conversion.tree import Element, HostileError, parsed, storable
from posts.importing.formats import foreign
from posts.importing.formats.html_meta import PageMeta, canonical
from posts.importing.formats.lines import SAMPLE_BYTES, whole
from posts.importing.formats.markup import prolog
from posts.importing.html_markdown import converted
from posts.importing.records import Decoded, Position, RawRecord, is_refused, known_key

if TYPE_CHECKING:
    from posts.importing.formats.opening import Input

NAME = "html"
REREADS = False

#: Largest page, and how deep it may be; the search for the article walks each level anew.
PAGE_BYTES_MAX = 8 * 2**20
_DEPTH_MAX = 200

_ROOTS = frozenset(("html", "head", "body", "title", "meta", "article", "main", "h1"))
_NAME = re.compile(r"\.x?html?$", re.IGNORECASE)
_OTHERS = frozenset(("feed", "rss", "rdf:rdf", "opml", "svg", "urlset"))
_CHARSET = re.compile(
    rb"<(?:meta|\?xml)[^>]{0,200}?(?:charset|encoding)\s*=\s*[\"']?([\w.:-]{1,40})"
)
_CHARSET_BYTES = 4096
#: Characters of an address that holds its own file; the search would read them again and again.
_DATA_MAX = 1_000

#: Elements that the search may leave out for their names.
_PARTS = frozenset(
    """
    article aside dialog div dl footer form header main menu nav ol section table ul
    """.split()  # noqa: SIM905
)

#: Elements that are no article, the others right below the body only.
_AROUND = ("nav", "header", "footer", "aside")

# It writes of each page it has tried.
logging.getLogger("readability").setLevel(logging.CRITICAL)


class Page(msgspec.Struct, frozen=True):
    """A page as text, with the path its key falls back on."""

    member: str
    html: str


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Page)


def matches(name: str, head: bytes) -> bool:
    """Say whether the content begins like a page; a name counts only where it begins with tags."""
    begins = prolog(head)
    if begins.root in _ROOTS or re.match(r"<!DOCTYPE\s+html\b", begins.doctype, re.IGNORECASE):
        return True
    return bool(begins.root and begins.root not in _OTHERS and _NAME.search(name))


def records(stream: BinaryIO, source: Input, after: Position | None = None) -> Iterator[RawRecord]:
    """Yield the one record of a file; none when it was read already."""
    if after is not None:
        return
    raw = whole(stream, source.file, most=PAGE_BYTES_MAX)
    if raw.problems:
        yield raw
        return
    try:
        text = raw.raw.decode(_encoding(raw.raw))
    except UnicodeDecodeError as error:
        problem = Problem(
            code="bad_encoding",
            value=f"byte 0x{raw.raw[error.start]:02x} at byte {error.start}: no {error.encoding}",
            expected="UTF-8, or the encoding the page declares",
        )
        yield RawRecord(raw.raw[:SAMPLE_BYTES], raw.position, (problem,))
        return
    text = text.encode("utf-8", "replace").decode()
    yield RawRecord(_encoder.encode(Page(source.member, text)), raw.position)


def _encoding(data: bytes) -> str:
    """Return the encoding a page says it has, UTF-8 for none or one that nobody knows."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if data.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    declared = _CHARSET.search(data[:_CHARSET_BYTES])
    try:
        name = codecs.lookup(declared[1].decode()).name if declared else "utf-8"
        # Some codecs are none of text; and Latin-1 means what Windows had in its place.
        b"".decode(name)
    except LookupError:
        return "utf-8"
    return "cp1252" if name in ("iso8859-1", "ascii") else name


def key_of(raw: RawRecord) -> str | None:
    """Return the canonical link of a page, else its path."""
    if is_refused(raw.problems):
        return None
    page = _decoder.decode(raw.raw)
    try:
        return known_key(_key(page, parsed(page.html)))
    except HostileError:
        return None


def _key(page: Page, tree: Element | None) -> str:
    return (canonical(tree) if tree is not None else "") or page.member


def decode(raw: RawRecord) -> Decoded:
    """Return the fields of a page."""
    page = _decoder.decode(raw.raw)
    try:
        tree = parsed(page.html, deepest=_DEPTH_MAX)
    except HostileError as error:
        return Decoded(None, (error.problem,))
    if tree is None:
        return Decoded({"key": page.member, "title": ""})
    meta = PageMeta(tree)
    article, found = _article(tree)
    if article is None:
        problem = Problem(
            code="no_article",
            field="body",
            value=shown(found),
            expected="a page with an article",
        )
        return Decoded(None, (problem,))
    title = meta.title or _heading(article) or found
    made = converted(_without_title(article, title), base_url=meta.base)
    problems = [*made.problems]
    fields: dict[str, Any] = {
        "key": _key(page, tree),
        "title": title,
        "body": made.markdown,
        "author": meta.author,
        "tags": meta.tags,
        "language": meta.language,
        "summary": meta.summary if len(meta.summary) <= TEXT_MAX else "",
        "image_sources": [msgspec.to_builtins(image) for image in made.images],
    }
    extra: dict[str, Any] = {}
    moment = foreign.moment(meta.published)
    if moment is not None:
        fields["published_at"] = moment
    elif meta.published:
        extra["published"] = meta.published
        problems.append(
            Problem(
                code="bad_date",
                field="published_at",
                value=shown(meta.published),
                expected="a date such as 2026-11-17T09:00:00Z; it is kept as an unknown field",
                severity="warning",
            )
        )
    extra |= {
        name: value
        for name, value in (("updated", meta.modified), ("site", meta.site))
        if value and value != meta.published
    }
    path = foreign.path(meta.canonical) if meta.canonical else None
    if path is not None and path != "/":
        fields["former_urls"] = [path]
    return Decoded(fields, tuple(problems), extra)


class _Found(Document):  # type: ignore[misc]  # the library has no types
    """The library's search for the article, without its cleaning, which drops tables and lists."""

    def sanitize(self, node: Element, candidates: object, keep_all_images: bool = False) -> str:
        return str(etree.tostring(node, encoding="unicode", method="html"))


def _article(tree: Element) -> tuple[Element | None, str]:
    """Return the article of a page and the title the page has in its head."""
    for element in tree.iter("img", "source", "a", "iframe", "embed", "object"):
        for name in ("src", "href", "data", "srcset"):
            if len(address := element.get(name, "")) > _DATA_MAX and address.startswith("data:"):
                element.set(name, f"data:image/png;base64,({len(address):,} characters)")
    for element in tree.iter():
        # Only what holds a part of a page can be a side bar: a note in code has the class
        # "comment" too.
        words = f"{element.get('class', '')} {element.get('id', '')}"
        if element.tag not in _PARTS and REGEXES["unlikelyCandidatesRe"].search(words):
            element.attrib.pop("class", None)
            element.attrib.pop("id", None)
    for part in list(tree.iter(*_AROUND)):
        if part.tag == "nav" or (part.getparent() is not None and part.getparent().tag == "body"):
            _drop(part)
    try:
        page = lxml_html.document_fromstring(etree.tostring(tree, encoding="unicode"))
        search = _Found(page)
        title = foreign.one_line(search.short_title())
        html = search.summary(html_partial=True)
    except (Unparseable, etree.LxmlError, ValueError, TypeError, AttributeError) as error:
        return None, str(error)
    return parsed(html), "" if title == "[no-title]" else title


def _heading(article: Element) -> str:
    """Return the words of the only first-level heading of an article."""
    headings = [heading for heading, _ in zip(article.iter("h1"), range(2), strict=False)]
    return foreign.one_line("".join(headings[0].itertext())) if len(headings) == 1 else ""


def _without_title(article: Element, title: str) -> str:
    """Return the article as HTML without the heading that repeats its title."""
    first = next(article.iter("h1", "h2"), None)
    if first is not None and foreign.one_line("".join(first.itertext())) == title:
        _drop(first)
    return str(etree.tostring(article, encoding="unicode", method="html"))


def _drop(element: Element) -> None:
    """Take an element out of its tree; the words behind it stay."""
    before, parent = element.getprevious(), element.getparent()
    if parent is None:
        return
    if before is not None:
        before.tail = storable(before.tail) + storable(element.tail)
    else:
        parent.text = storable(parent.text) + storable(element.tail)
    parent.remove(element)
