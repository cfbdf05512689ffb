"""The content of one revision: its types, limits, canonical form and digest.

Input: values from a reader, a form or a stored row. Output: a normalised `Snapshot`, a list of
`Problem`, a digest. Knows neither Django nor any file format, so that importer, edit form and
review judge content by the same rules on both databases.
"""

from __future__ import annotations

import hashlib
import re
import reprlib
import unicodedata
from functools import lru_cache
from typing import Any, Literal, TypeVar

import msgspec

#: Raised when the canonical form changes; it stands before every digest, so that digests of two
#: forms never compare equal by accident.
CANONICAL_VERSION = "1"

#: Longest accepted texts, in characters. A unique text longer than about 2,700 bytes cannot be
#: indexed by PostgreSQL, which is why keys, names and URLs stay far below that.
KEY_MAX = 200
TITLE_MAX = 300
LEDE_MAX = 2_000
BODY_MAX = 2_000_000
TEXT_MAX = 4_000
ITEM_MAX = 1_000
TAG_MAX = 100
NAME_MAX = 200
URL_MAX = 1_000
URL_BYTES_MAX = 2_500
LABEL_MAX = 100
ENTITY_TYPE_MAX = 50

#: Most items of one list.
LIST_MAX = 200

#: Whole numbers beyond this lose digits in JSON readers that use doubles.
INTEGER_MAX = 2**53 - 1
SCORE_MAX = 100
READING_TIME_MAX = 100_000

DIFFICULTIES = ("beginner", "intermediate", "advanced")

#: Words a minute of a reader of technical prose; the speed behind `reading_minutes`.
READING_SPEED = 220

Severity = Literal["error", "repair", "warning", "filtered"]


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """One finding about a record or a form: what, got, expected, safe to retry.

    `error` refuses the record, `repair` was mended and is reported, `warning` is kept as it came,
    `filtered` says why the record is no post and is left out; its `value` is what it is instead.
    `line` is 1-based and counts within the record's own text where the format has lines.
    """

    code: str
    field: str = ""
    value: str = ""
    expected: str = ""
    severity: Severity = "error"
    retryable: bool = False
    line: int = 0
    hint: str = ""


#: What could break a line or the reading order of a report.
_UNSHOWABLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
_short_repr = reprlib.Repr()
_short_repr.maxstring = _short_repr.maxother = _short_repr.maxlong = 200


def escaped(text: str) -> str:
    """Return a text without anything that could break a line or steer a terminal."""
    return _UNSHOWABLE.sub(lambda match: ascii(match[0])[1:-1], text)


def shown(value: object) -> str:
    """Return a value as a message may show it: at most 200 characters, controls escaped."""
    if isinstance(value, int) and value.bit_length() > 10_000:
        return f"an integer of {value.bit_length():,} bits"  # Python refuses to spell it out
    # repr() of deeply nested values fails and of huge ones takes long; reprlib stops early.
    text = value if isinstance(value, str) else _short_repr.repr(value)
    return escaped(text[:200])[:200]


class Entity(msgspec.Struct, frozen=True):
    """A thing the post is about: `type` is stack, area, problem or any other word."""

    name: str
    type: str


class Image(msgspec.Struct, frozen=True, omit_defaults=True):
    """An image the body may show as `![caption](image:N)`, N counting from 1.

    `url` is an address, or `upload:` and the digest of an image this site has. `alt` is stored only
    when it differs from the caption.
    """

    source: str = ""
    url: str = ""
    caption: str = ""
    alt: str = ""


#: What the URL of an upload begins with; its digest follows.
UPLOAD = "upload:"
_UPLOAD = re.compile(rf"{UPLOAD}([0-9a-f]{{64}})")


def upload_url(digest: str) -> str:
    """Return what names an upload as an image source, for good and on every machine."""
    return f"{UPLOAD}{digest}"


def upload_digest(url: str) -> str:
    """Return the digest of the upload an image source names, "" for any other address."""
    match = _UPLOAD.fullmatch(url) if url.startswith(UPLOAD) else None
    return match[1] if match else ""


class Outline(msgspec.Struct, frozen=True, omit_defaults=True):
    """The "ai outline" of the documents."""

    context: str = ""
    problem: str = ""
    stack: str = ""
    recommended_action: str = ""


class Label(msgspec.Struct, frozen=True, omit_defaults=True):
    """The "revision" of the documents: what the generator says of its own version."""

    status: str = ""
    version: str = ""
    last_reviewed: str = ""


class Flags(msgspec.Struct, frozen=True, omit_defaults=True):
    """The generator's flags; None where a flag was not given."""

    ai_generated_style: bool | None = None
    has_images: bool | None = None
    image_heavy: bool | None = None
    needs_human_review: bool | None = None


class Payload(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where the text came from."""

    source_id: str = ""
    generator: str = ""
    paragraphs: int | None = None
    scenario: str = ""
    seed: int | None = None


class Score(msgspec.Struct, frozen=True, omit_defaults=True):
    """The generator's scores, 0 to 100; None where one was not given."""

    quality: int | None = None
    freshness: int | None = None
    depth: int | None = None
    clarity: int | None = None


class Meta(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Every value of the meta box that belongs to the content, as it came.

    `tags` are the explicit ones, a sorted set; `author` is a name as the source shows it.
    `former_urls` are paths at the source, such as `/2012/03/hello/` or `/?p=12`. `extra` keeps
    unknown fields and, under the name of a known section, unknown members of that section.
    """

    topic: str = ""
    summary: str = ""
    ai_outline: Outline = Outline()
    ai_brief: str = ""
    stack: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    code_language: str = ""
    difficulty: str = ""
    language: str = ""
    author: str = ""
    published_at: str = ""
    former_urls: tuple[str, ...] = ()
    revision: Label = Label()
    reference: str = ""
    hash: str = ""
    flags: Flags = Flags()
    checklist: tuple[str, ...] = ()
    entities: tuple[Entity, ...] = ()
    image_sources: tuple[Image, ...] = ()
    payload: Payload = Payload()
    notes: tuple[str, ...] = ()
    extra: dict[str, Any] = {}


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """One revision's whole content. `lede` and `body` are Markdown, `lede` one paragraph of it."""

    title: str
    lede: str = ""
    body: str = ""
    meta: Meta = Meta()


class Statistics(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Imported numbers outside the digest: they change without changing the content."""

    reading_time: int | None = None
    view_count: int | None = None
    score: Score = Score()


_Settled = TypeVar("_Settled", Meta, Statistics)


def settled(struct: _Settled) -> _Settled:
    """Return a struct whose members that equal their defaults are the defaults themselves.

    msgspec leaves out only what *is* the default, and an empty section that was given must not
    make another digest than one that was not.
    """
    blank = type(struct)()
    equal = {
        name: default
        for name in struct.__struct_fields__
        if (default := getattr(blank, name)) == (value := getattr(struct, name))
        and default is not value
    }
    return msgspec.structs.replace(struct, **equal) if equal else struct


_canonical = msgspec.json.Encoder(order="sorted")


def canonical(snapshot: Snapshot) -> bytes:
    """Return the bytes a digest is taken over: UTF-8 JSON, keys sorted, defaults left out.

    The snapshot must be normalised (see `checked`). Leaving defaults out lets a field be added
    later without changing the digest of content that does not use it.
    """
    return _canonical.encode(snapshot)


def digest(snapshot: Snapshot) -> str:
    """Return `"<canonical version>:<64 hex>"`, the SHA-256 an approval is bound to."""
    return f"{CANONICAL_VERSION}:{hashlib.sha256(canonical(snapshot)).hexdigest()}"


def statistics_digest(statistics: Statistics) -> str:
    """Return the digest of the imported numbers, in the form of `digest`."""
    return f"{CANONICAL_VERSION}:{hashlib.sha256(_canonical.encode(statistics)).hexdigest()}"


def meta_to_json(meta: Meta) -> dict[str, Any]:
    """Return the meta as plain JSON values, defaults left out; the form a row stores."""
    built: dict[str, Any] = msgspec.to_builtins(meta)
    return built


def snapshot_from_row(title: str, lede: str, body: str, meta: dict[str, Any]) -> Snapshot:
    """Return the snapshot a revision row holds.

    Raises `msgspec.ValidationError` when the stored meta does not have the shape of `Meta`.
    """
    return Snapshot(title=title, lede=lede, body=body, meta=msgspec.convert(meta, Meta))


def statistics_from_row(
    reading_time: int | None, view_count: int | None, score: dict[str, Any]
) -> Statistics:
    """Return the statistics a row holds."""
    return Statistics(
        reading_time=reading_time, view_count=view_count, score=msgspec.convert(score, Score)
    )


#: What stands at the beginning of a line and is no word: marks of headings, lists, quotes, fences.
_LINE_MARK = re.compile(r"(?:#{1,6}|[-*+>|]|[0-9]{1,9}[.)]|`{3,}\S*|~{3,}\S*)(?=\s|$)")
_MARK_BEGINNINGS = frozenset("#-*+>|`~0123456789")


def count_words(markdown: str) -> int:
    """Return the number of words a reader reads: what white space separates, less the marks.

    A link's target sticks to its text and does not count.
    """
    words = len(markdown.split())
    for line in markdown.split("\n"):
        text = line.lstrip()
        if text[:1] in _MARK_BEGINNINGS and _LINE_MARK.match(text):
            words -= 1
    return words


def reading_minutes(snapshot: Snapshot) -> int:
    """Return the reading time in whole minutes, at least 1, at `READING_SPEED` words a minute."""
    words = count_words(snapshot.lede) + count_words(snapshot.body)
    return max(1, -(-words // READING_SPEED))


class TagName(msgspec.Struct, frozen=True, array_like=True):
    """A tag of the site as a snapshot asks for it: normalised name and kind."""

    name: str
    kind: str


@lru_cache(maxsize=50_000)
def normal_tag(name: str) -> str:
    """Return the site's spelling of a tag: NFC, lower case, single spaces, trimmed."""
    return " ".join(unicodedata.normalize("NFC", name).lower().split())


def tag_names(meta: Meta) -> tuple[TagName, ...]:
    """Return the tags a revision stands for: stack, tools, explicit tags, without repeats.

    The stack list of the documents is [stack, area, code language] (IMPORT.md 3.2).
    """
    kinds = ("stack", "area", "language")
    wanted: dict[str, str] = {}
    for number, name in enumerate(meta.stack):
        wanted.setdefault(normal_tag(name), kinds[number] if number < len(kinds) else "free")
    for name in meta.tools:
        wanted.setdefault(normal_tag(name), "tool")
    for name in meta.tags:
        wanted.setdefault(normal_tag(name), "free")
    wanted.pop("", None)
    return tuple(TagName(name, kind) for name, kind in wanted.items())
