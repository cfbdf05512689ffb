"""Feeds: Atom, RSS 0.9x to 2.0, and RDF, also ill-formed ones as far as feedparser reads them.

Input: one feed a file. Output: one record an entry, self-contained: its HTML, base address and the
feed's author and language are with it. The library reads a feed whole, so its size is bounded.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from html import escape
from typing import TYPE_CHECKING, Any, BinaryIO

import feedparser
import msgspec

from posts.content import ITEM_MAX, TEXT_MAX, Problem, shown
from posts.importing.formats import foreign
from posts.importing.formats.lines import SAMPLE_BYTES, whole
from posts.importing.formats.markup import prolog, too_wide, unsafe
from posts.importing.html_markdown import converted, plain_text
from posts.importing.records import Decoded, Position, RawRecord, is_refused, known_key

if TYPE_CHECKING:
    from posts.importing.formats.opening import Input

NAME = "feed"
#: The whole feed is parsed for any of its entries.
REREADS = True

#: Largest feed. Parsing takes about ten times as much memory, and a second a megabyte.
FEED_BYTES_MAX = 16 * 2**20

_ROOTS = frozenset(("feed", "rss", "rdf:rdf", "rdf", "channel"))
#: An RSS file that is a WordPress export has posts of its own kind.
_EXPORT = b"wordpress.org/export/"
_RDF_IS_RSS = re.compile(rb"purl\.org/rss/|netscape\.com/rdf|<(?:\w+:)?channel[\s>]")
_DOCTYPE = re.compile(r"DOCTYPE\s+(?:rss|feed)\b", re.IGNORECASE)
_ENTRY = re.compile(rb"<(?:[A-Za-z_][\w.-]{0,50}:)?(?:item|entry)(?=[\s>])")

#: Members of an entry that become fields, or say the same in another form.
_READ = frozenset(
    """
    id guidislink title title_detail link links published published_parsed updated updated_parsed
    created created_parsed summary summary_detail content author author_detail authors tags
    language
    """.split()  # noqa: SIM905
)


class Text(msgspec.Struct, frozen=True):
    """A text of an entry: its type, and the address its own addresses start from."""

    value: str
    type: str = ""
    base: str = ""
    language: str = ""


class Enclosure(msgspec.Struct, frozen=True):
    """A file that comes with an entry."""

    href: str
    type: str = ""
    title: str = ""


class Entry(msgspec.Struct, frozen=True, omit_defaults=True):
    """One entry with all that its decoding needs."""

    id: str = ""
    link: str = ""
    title: Text = Text("")
    contents: tuple[Text, ...] = ()
    summary: Text = Text("")
    published: str = ""
    updated: str = ""
    author: str = ""
    language: str = ""
    tags: tuple[str, ...] = ()
    enclosures: tuple[Enclosure, ...] = ()
    extra: dict[str, Any] = {}


_encoder = msgspec.json.Encoder(order="sorted")
_decoder = msgspec.json.Decoder(Entry)


def matches(name: str, head: bytes) -> bool:
    """Say whether the content begins like a feed."""
    begins = prolog(head)
    if begins.root not in _ROOTS or _EXPORT in head:
        # What hides its root behind declarations is still refused as the feed it says it is.
        return (
            not begins.root and re.search(r"DOCTYPE\s+(?:rss|feed)\b", begins.doctype) is not None
        )
    return not begins.root.startswith("rdf") or _RDF_IS_RSS.search(head) is not None


# --- Entries of a feed --------------------------------------------------------------------------


def records(stream: BinaryIO, source: Input, after: Position | None = None) -> Iterator[RawRecord]:
    """Yield one record an entry; a feed that cannot be read at all yields a single refusal."""
    raw = whole(stream, source.file, most=FEED_BYTES_MAX)
    if raw.problems or not raw.raw.strip():
        if raw.problems:
            yield raw
        return
    begins = prolog(raw.raw)
    refusal = unsafe(begins) if begins.declares_entities else too_wide(raw.raw)
    if refusal is not None:
        yield _refused(raw, refusal)
        return
    try:
        feed = feedparser.parse(
            io.BytesIO(raw.raw), sanitize_html=False, resolve_relative_uris=False
        )
    except Exception as error:  # the library promises nothing about what it raises
        yield _refused(raw, _unreadable(f"{type(error).__name__}: {error}"))
        return
    if not feed["entries"]:
        why = str(feed.get("bozo_exception") or "no entry")
        yield _refused(raw, _unreadable(why))
        return
    places = _places(raw.raw, len(feed["entries"]))
    about = dict(feed["feed"])
    for number, (entry, (byte, end, line)) in enumerate(
        zip(feed["entries"], places, strict=True), start=1
    ):
        yield RawRecord(
            _encoder.encode(_entry(dict(entry), about)),
            Position(source.file, number, line, byte, end),
        )


def _refused(raw: RawRecord, problem: Problem) -> RawRecord:
    return RawRecord(raw.raw[:SAMPLE_BYTES], raw.position, (problem,))


def _unreadable(why: str) -> Problem:
    return Problem(
        code="unreadable_feed",
        value=shown(why),
        expected="a feed with at least one entry",
        hint="check that the file was fetched whole and is a feed",
    )


def _places(data: bytes, count: int) -> list[tuple[int, int, int]]:
    """Return where each entry stands, and on which line.

    The library does not say. Where as many entries begin in the bytes as it found, those are they;
    else each is somewhere in the whole.
    """
    starts = [found.start() for found in _ENTRY.finditer(data)]
    if len(starts) != count:
        return [(0, 0, 1)] * (count - 1) + [(0, len(data), 1)]
    places = []
    line, before = 1, 0
    for start, end in zip(starts, [*starts[1:], len(data)], strict=True):
        line += data.count(b"\n", before, start)
        before = start
        places.append((start, end, line))
    return places


def _entry(entry: dict[str, Any], about: dict[str, Any]) -> Entry:
    texts = tuple(_text(part) for part in entry.get("content") or ())
    author = _name(entry) or _name(about)
    tags = dict.fromkeys(
        foreign.one_line(tag.get("label") or tag.get("term")) for tag in entry.get("tags") or ()
    )
    return Entry(
        id=_string(entry.get("id")).strip(),
        link=_string(entry.get("link")).strip(),
        title=_text(entry.get("title_detail") or {"value": entry.get("title")}),
        contents=texts,
        summary=_text(entry.get("summary_detail") or {"value": entry.get("summary")}),
        published=_string(entry.get("published") or entry.get("created")).strip(),
        updated=_string(entry.get("updated")).strip(),
        author=author,
        language=_string(about.get("language")),
        tags=tuple(tag for tag in tags if tag),
        enclosures=tuple(
            Enclosure(*(_string(link.get(name)) for name in ("href", "type", "title")))
            for link in entry.get("links") or ()
            if link.get("rel") == "enclosure" and link.get("href")
        ),
        extra={
            _string(name): _plain(value)
            for name, value in entry.items()
            if name not in _READ and not name.endswith(("_parsed", "_detail")) and value
        },
    )


def _string(value: object) -> str:
    """Return a text as JSON can hold it."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else ""


def _text(part: Any) -> Text:
    return Text(
        _string(part.get("value")),
        _string(part.get("type")),
        _string(part.get("base")),
        _string(part.get("language")),
    )


def _name(holder: dict[str, Any]) -> str:
    named = foreign.names(holder.get("authors"))
    return _string(", ".join(named) or foreign.one_line(holder.get("author")))


def _plain(value: Any, depth: int = 0) -> Any:
    """Return a value of an unknown member as JSON; what is nested deep or no value is its text."""
    if isinstance(value, dict) and depth < 4:
        return {_string(str(name)): _plain(item, depth + 1) for name, item in value.items()}
    if isinstance(value, list | tuple) and depth < 4:
        return [_plain(item, depth + 1) for item in value]
    return value if isinstance(value, bool | int | None) else _string(str(value))


# --- Records --------------------------------------------------------------------------------------


def key_of(raw: RawRecord) -> str | None:
    """Return the identity of an entry: its id, its guid, else its link."""
    if is_refused(raw.problems):
        return None
    entry = _decoder.decode(raw.raw)
    return known_key(entry.id or entry.link)


def decode(raw: RawRecord) -> Decoded:
    """Return the fields of an entry. Content goes before summary, which then is one."""
    entry = _decoder.decode(raw.raw)
    problems: list[Problem] = []
    extra = dict(entry.extra)
    body, *others = entry.contents or (entry.summary,)
    html = "".join(map(_html, (body, *others))) + _enclosed(entry.enclosures, _html(body))
    made = converted(html, base_url=body.base or entry.link)
    problems += made.problems
    fields: dict[str, Any] = {
        "key": entry.id or entry.link,
        "title": foreign.one_line(_words(entry.title)),
        "body": made.markdown,
        "author": entry.author,
        "tags": entry.tags,
        "image_sources": [msgspec.to_builtins(image) for image in made.images],
        "language": foreign.language(body.language or entry.language),
    }
    # The library gives an entry without a summary its content as one.
    if entry.contents and entry.summary.value != body.value:
        summary = " ".join(_words(entry.summary).split())
        if summary and len(summary) <= TEXT_MAX:
            fields["summary"] = summary
        elif summary:
            extra["summary"] = summary
    when = entry.published or entry.updated
    moment = foreign.moment(when)
    if moment is not None:
        fields["published_at"] = moment
    elif when:
        extra["published"] = when
        problems.append(
            Problem(
                code="bad_date",
                field="published_at",
                value=shown(when),
                expected="a date as in Atom or RSS; it is kept as an unknown field",
                severity="warning",
            )
        )
    if entry.updated and entry.updated != when:
        extra["updated"] = entry.updated
    if not fields["language"] and (body.language or entry.language):
        extra["language"] = body.language or entry.language
    path = foreign.path(entry.link) if entry.link else None
    if path is not None and path != "/":
        fields["former_urls"] = [path]
    return Decoded(fields, tuple(problems), extra)


def _html(text: Text) -> str:
    """Return a text as HTML; plain text has paragraphs between blank lines."""
    if text.type != "text/plain":
        return text.value
    paragraphs = re.split(r"\n[ \t]*\n", text.value.replace("\r\n", "\n"))
    return "".join(
        f"<p>{escape(part, quote=False).replace(chr(10), '<br>')}</p>" for part in paragraphs
    )


def _words(text: Text) -> str:
    return text.value if text.type == "text/plain" else plain_text(text.value)


def _enclosed(enclosures: tuple[Enclosure, ...], html: str) -> str:
    """Return what comes with an entry as images and links, less what its text shows already."""
    parts = []
    for enclosure in enclosures:
        if enclosure.href in html or escape(enclosure.href) in html:
            continue
        href, title = escape(enclosure.href), escape(enclosure.title[:ITEM_MAX])
        if enclosure.type.startswith("image/"):
            parts.append(f'<p><img src="{href}" alt="{title}"></p>')
        else:
            kind = escape(enclosure.type.partition("/")[0].title() or "File")
            parts.append(f'<p><a href="{href}">{kind}: {title or href}</a></p>')
    return "".join(parts)
