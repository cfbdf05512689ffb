"""The rules a snapshot has to keep, and how it is normalised.

In: a snapshot from a reader, a form or a stored row. Out: the normalised snapshot and every
problem at once. Knows neither Django nor any file format, so that importer, edit form and review
judge content by the same rules on both databases.
"""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from collections.abc import Iterator
from typing import Any

import msgspec

from posts.content import (
    BODY_MAX,
    DIFFICULTIES,
    ENTITY_TYPE_MAX,
    INTEGER_MAX,
    ITEM_MAX,
    LABEL_MAX,
    LEDE_MAX,
    LIST_MAX,
    NAME_MAX,
    READING_TIME_MAX,
    SCORE_MAX,
    TAG_MAX,
    TEXT_MAX,
    TITLE_MAX,
    URL_BYTES_MAX,
    URL_MAX,
    Meta,
    Problem,
    Score,
    Snapshot,
    Statistics,
    normal_tag,
    settled,
    shown,
    upload_digest,
)

#: Controls other than tab and line feed. PostgreSQL refuses NUL, SQLite stores it.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
#: Halves of a surrogate pair cannot be written as UTF-8 by either driver.
_SURROGATE = re.compile("[\ud800-\udfff]")
#: Characters that change the direction of a line or are invisible: kept, but said.
_INVISIBLE = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]")
#: A figure's number; its caption may hold escaped brackets, so only the end of it is read.
_FIGURE_NUMBER = re.compile(r"\]\(image:([0-9]{1,6})(?![0-9])")
#: The path of an old address; two slashes would begin a host.
_FORMER_URL = re.compile(r"/(?!/)")

#: path -> (most characters, may span lines)
_TEXTS: dict[str, tuple[int, bool]] = {
    "title": (TITLE_MAX, False),
    "lede": (LEDE_MAX, True),
    "body": (BODY_MAX, True),
    "topic": (TITLE_MAX * 2, False),
    "summary": (TEXT_MAX, True),
    "ai_brief": (TEXT_MAX, True),
    "code_language": (LABEL_MAX, False),
    "difficulty": (LABEL_MAX, False),
    "language": (LABEL_MAX, False),
    "author": (NAME_MAX, False),
    "former_urls": (URL_MAX, False),
    "published_at": (LABEL_MAX, False),
    "reference": (LABEL_MAX, False),
    "hash": (LABEL_MAX * 2, False),
    "stack": (TAG_MAX, False),
    "tools": (TAG_MAX, False),
    "tags": (TAG_MAX, False),
    "checklist": (ITEM_MAX, False),
    "notes": (ITEM_MAX, False),
    "entities.name": (NAME_MAX, False),
    "entities.type": (ENTITY_TYPE_MAX, False),
    "image_sources.url": (URL_MAX, False),
    "image_sources.source": (NAME_MAX, False),
    "image_sources.caption": (ITEM_MAX, False),
    "image_sources.alt": (ITEM_MAX, False),
}
_ITEM_TEXT = (ITEM_MAX, False)
_TAG_FIELDS = {"stack", "tools", "tags"}
_REQUIRED_ITEMS = _TAG_FIELDS | {"checklist", "notes"}

#: Unknown fields: levels of nesting, and characters in all.
EXTRA_DEPTH_MAX = 8
EXTRA_CHARACTERS_MAX = 100_000


#: No longer than the smallest limit of a text.
_SHORT = 50


def _is_plain(value: str, most: int = _SHORT) -> bool:
    """Say whether a text passes every rule for texts as it is; most of a meta box does."""
    return (
        len(value) <= most
        and value.isascii()
        and value.isprintable()
        and value[:1] != " "
        and value[-1:] != " "
    )


class _Checker:
    """Normalises texts one by one and collects what it found, so that all problems are told."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def add(self, code: str, field: str, value: object, expected: str, **more: Any) -> None:
        self.problems.append(
            Problem(code=code, field=field, value=shown(value), expected=expected, **more)
        )

    def text(self, value: str, field: str, rule: tuple[int, bool]) -> str:
        """Return the normalised text; its length is judged after normalising."""
        most, spans_lines = rule
        if value.isascii() and (value.replace("\n", "") if spans_lines else value).isprintable():
            text = value  # nothing to mend in printable ASCII: the common case
        else:
            text = self._mended(value, field, spans_lines)
        trimmed = text.strip("\n") if spans_lines else text.strip()
        if spans_lines:
            trimmed = trimmed.rstrip()
        if len(trimmed) > most:
            self.add("too_long", field, trimmed, f"at most {most:,} characters")
        return trimmed

    def _mended(self, value: str, field: str, spans_lines: bool) -> str:
        text = value
        if _SURROGATE.search(text):
            self.add("bad_character", field, text, "text without lone surrogates")
            return _SURROGATE.sub("\N{REPLACEMENT CHARACTER}", text)
        if "\r" in text:
            text = text.replace("\r\n", "\n").replace("\r", "\n")
            self.add("line_ends", field, "", "line feeds", severity="repair")
        if _CONTROL.search(text):
            if spans_lines:
                text = _CONTROL.sub("", text)
                self.add("control_removed", field, text, "no controls", severity="repair")
            else:
                self.add("control_character", field, text, "one line without control characters")
                return _CONTROL.sub("", text).replace("\n", " ")
        # After the controls: one of them may have stood between a letter and its accent.
        if not unicodedata.is_normalized("NFC", text):
            text = unicodedata.normalize("NFC", text)
            self.add("not_nfc", field, text, "Unicode NFC", severity="repair")
        if not spans_lines and ("\n" in text or "\t" in text):
            self.add("line_break", field, text, "one line")
            return " ".join(text.split())
        if _INVISIBLE.search(text):
            self.add("invisible", field, text, "visible characters", severity="warning")
        return text

    def items(self, values: tuple[str, ...], field: str) -> tuple[str, ...]:
        if len(values) > LIST_MAX:
            self.add("too_many", field, len(values), f"at most {LIST_MAX} items")
            values = values[:LIST_MAX]
        rule = _TEXTS.get(field, _ITEM_TEXT)
        # An empty text is plain, and yet no tag.
        if all(values) and all([_is_plain(value, rule[0]) for value in values]):
            return values
        texts = tuple(
            self.text(value, f"{field}[{number}]", rule) for number, value in enumerate(values)
        )
        for number, text in enumerate(texts):
            if not text and field in _REQUIRED_ITEMS:
                self.add("empty", f"{field}[{number}]", values[number], "a text")
            if field in _TAG_FIELDS:
                self.name(text, f"{field}[{number}]", TAG_MAX)
        return texts

    def name(self, text: str, field: str, most: int) -> None:
        """Judge the length of a name in the spelling the site stores: lower case can be longer."""
        if not text.isascii() and len(text) <= most < len(normal_tag(text)):
            self.add("too_long", field, text, f"at most {most:,} characters in lower case")

    def record(self, struct: Any, field: str) -> Any:
        """Return a struct of texts with its texts normalised; other members stay."""
        changed = {}
        for name in struct.__struct_fields__:
            value = getattr(struct, name)
            if isinstance(value, str) and not _is_plain(value):
                path = f"{field}.{name}"
                rule = _TEXTS.get(f"{field.partition('[')[0]}.{name}", _ITEM_TEXT)
                text = self.text(value, path, rule)
                if text is not value:
                    changed[name] = text
        return msgspec.structs.replace(struct, **changed) if changed else struct

    def whole(self, value: int | None, field: str, most: int) -> None:
        if value is not None and not 0 <= value <= most:
            self.add("out_of_range", field, value, f"integer 0..{most}")

    def date(self, value: str, field: str) -> None:
        if value and not is_date(value):
            self.add("bad_date", field, value, "a date such as 2026-11-17")

    def former_url(self, url: str, field: str) -> None:
        if len(url.encode(errors="replace")) > URL_BYTES_MAX:
            self.add("too_long", field, url, f"at most {URL_BYTES_MAX:,} bytes")
        if not _FORMER_URL.match(url):
            self.add("bad_url", field, url, "a path without a host, such as /2012/03/hello/")

    def unknown(self, value: Any, field: str, depth: int = 0) -> Any:
        """Return an unknown value with texts normalised, keys sorted, whole floats as integers.

        A database that stores JSON as numbers gives 1.0 and 1 back as it likes; one spelling
        keeps the digest of a stored revision equal to the digest it was stored with.
        """
        if depth > EXTRA_DEPTH_MAX:
            self.add("too_deep", field, "", f"at most {EXTRA_DEPTH_MAX} levels of nesting")
            return ""
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, str):
            return self.text(value, field, (BODY_MAX, True))
        if isinstance(value, int | float):
            if not abs(value) <= INTEGER_MAX:  # also refuses NaN, for which no comparison holds
                self.add("out_of_range", field, value, f"a number up to {INTEGER_MAX:,}")
                return 0
            return int(value) if value == int(value) else value
        if isinstance(value, list | tuple):
            return [
                self.unknown(item, f"{field}[{number}]", depth + 1)
                for number, item in enumerate(value)
            ]
        if isinstance(value, dict):
            clean = {
                self.text(str(key), f"{field} (a name)", (NAME_MAX, False)): self.unknown(
                    item, f"{field}.{key}" if field else str(key), depth + 1
                )
                for key, item in value.items()
            }
            if len(clean) < len(value):
                self.add(
                    "duplicate_key_name", field or "extra", "", "names that differ when trimmed"
                )
            return dict(sorted(clean.items()))
        self.add("bad_type", field, value, "text, number, yes/no, list or map")
        return ""


def is_date(value: str) -> bool:
    """Say whether a text is a calendar date written as YYYY-MM-DD."""
    try:
        return dt.date.fromisoformat(value).isoformat() == value
    except ValueError:
        return False


def is_moment(value: str) -> bool:
    """Say whether a text is an ISO 8601 date-time with an offset."""
    try:
        moment = dt.datetime.fromisoformat(value)
        # The last and the first hours of the calendar do not exist in UTC.
        return moment.tzinfo is not None and bool(moment.astimezone(dt.UTC))
    except (ValueError, OverflowError):
        return False


def _texts_in(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from _texts_in(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts_in(item)


def checked(snapshot: Snapshot) -> tuple[Snapshot, list[Problem]]:
    """Return the normalised snapshot and everything found in it, all at once.

    A snapshot with a problem of severity `error` must not be stored. Normalising is idempotent:
    `checked(checked(s)[0])` changes nothing and finds no repair.
    """
    check = _Checker()
    meta = snapshot.meta
    title = check.text(snapshot.title, "title", _TEXTS["title"])
    if not title:
        check.add("missing_title", "title", snapshot.title, "a title of 1 to 300 characters")
    lede = check.text(snapshot.lede, "lede", _TEXTS["lede"])
    body = check.text(snapshot.body, "body", _TEXTS["body"])
    plain: dict[str, Any] = {
        name: text
        if _is_plain(text := getattr(meta, name))
        else check.text(text, name, _TEXTS[name])
        for name in (
            "topic",
            "summary",
            "ai_brief",
            "code_language",
            "difficulty",
            "language",
            "author",
            "published_at",
            "reference",
            "hash",
        )
    }
    lists: dict[str, Any] = {
        name: check.items(getattr(meta, name), name)
        for name in ("stack", "tools", "tags", "checklist", "notes", "former_urls")
    }
    lists["tags"] = tuple(sorted(set(lists["tags"])))
    for number, url in enumerate(lists["former_urls"]):
        check.former_url(url, f"former_urls[{number}]")
    for name in ("entities", "image_sources"):
        if len(getattr(meta, name)) > LIST_MAX:
            check.add("too_many", name, len(getattr(meta, name)), f"at most {LIST_MAX} items")
    entities = tuple(
        check.record(entity, f"entities[{number}]")
        for number, entity in enumerate(meta.entities[:LIST_MAX])
    )
    for number, entity in enumerate(entities):
        for member, most in (("name", NAME_MAX), ("type", ENTITY_TYPE_MAX)):
            if not getattr(entity, member):
                check.add("empty", f"entities[{number}].{member}", "", "a text")
            check.name(getattr(entity, member), f"entities[{number}].{member}", most)
    images = tuple(
        check.record(image, f"image_sources[{number}]")
        for number, image in enumerate(meta.image_sources[:LIST_MAX])
    )
    for number, image in enumerate(images):
        if len(image.url.encode(errors="replace")) > URL_BYTES_MAX:
            check.add(
                "too_long",
                f"image_sources[{number}].url",
                image.url,
                f"at most {URL_BYTES_MAX:,} bytes",
            )
        is_address = re.match(r"https?://[^\s/?#]+", image.url) or upload_digest(image.url)
        if image.url and not is_address:
            check.add("bad_url", f"image_sources[{number}].url", image.url, "an http or https URL")
    if plain["difficulty"] and plain["difficulty"] not in DIFFICULTIES:
        check.add(
            "bad_choice", "difficulty", plain["difficulty"], "one of " + ", ".join(DIFFICULTIES)
        )
    if plain["published_at"] and not is_moment(plain["published_at"]):
        check.add(
            "bad_date", "published_at", plain["published_at"], "a time such as 2026-11-17T09:00:00Z"
        )
    if plain["language"] and not re.fullmatch(
        r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*", plain["language"]
    ):
        check.add("bad_choice", "language", plain["language"], "a language tag such as en or pt-BR")
    check.date(meta.revision.last_reviewed, "revision.last_reviewed")
    check.whole(meta.payload.paragraphs, "payload.paragraphs", READING_TIME_MAX)
    check.whole(meta.payload.seed, "payload.seed", INTEGER_MAX)
    extra = check.unknown(meta.extra, "")
    if sum(map(len, _texts_in(extra))) > EXTRA_CHARACTERS_MAX:
        check.add(
            "too_long",
            "extra",
            "",
            f"at most {EXTRA_CHARACTERS_MAX:,} characters of unknown fields",
        )
    # image:0 is a figure that came without an image source and shows its caption only.
    figures = [int(number) for number in _FIGURE_NUMBER.findall(body)]
    if any(number > len(images) for number in figures):
        check.add(
            "image_mismatch",
            "body",
            f"image:{max(figures)} of {len(images)}",
            "figures that refer to one of the image sources",
            severity="warning",
        )
    normal = Snapshot(
        title=title,
        lede=lede,
        body=body,
        meta=settled(
            Meta(
                **plain,
                **lists,
                ai_outline=check.record(meta.ai_outline, "ai_outline"),
                revision=check.record(meta.revision, "revision"),
                flags=meta.flags,
                entities=entities,
                image_sources=images,
                payload=check.record(meta.payload, "payload"),
                extra=extra,
            )
        ),
    )
    return normal, check.problems


def checked_statistics(statistics: Statistics) -> list[Problem]:
    """Return the problems of the imported numbers; they need no normalising."""
    check = _Checker()
    check.whole(statistics.reading_time, "reading_time", READING_TIME_MAX)
    check.whole(statistics.view_count, "view_count", INTEGER_MAX)
    for name in Score.__struct_fields__:
        check.whole(getattr(statistics.score, name), f"score.{name}", SCORE_MAX)
    return check.problems
