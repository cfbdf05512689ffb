"""Values as other programs write them, read into what a record has: dates, tags, names, addresses.

In: a text or a plain value. Out: the value in the one spelling of `shapes.Incoming`, or None for
what cannot be told. Guesses nothing; a date without an offset is UTC, as YAML has it.
"""

from __future__ import annotations

import datetime as dt
import email.utils
import re
from typing import Any
from urllib.parse import unquote, urlsplit

from posts.content import URL_MAX
from posts.importing.records import SLUG_MAX

_MOMENT = re.compile(
    r"""(?P<year>\d{4})[-/](?P<month>\d{1,2})[-/](?P<day>\d{1,2})
    (?: [Tt\ ]\s*(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,]\d{1,9})?)?
        \s*(?P<zone>[Zz]|UTC|GMT|[+-]\d{2}(?::?\d{2})?)? )?""",
    re.VERBOSE | re.ASCII,
)
_SLUG = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")
#: Characters of an address that is no longer one: spaces, controls, what templates are made of.
_NO_ADDRESS = re.compile(r"[\s\x00-\x1f\x7f<>\"{}|\\^`]")


def moment(text: str) -> str | None:
    """Return a date or time as ISO 8601 with an offset, None for what is none.

    A date is its first moment, a time without an offset is UTC.
    """
    text = text.strip()
    found = _MOMENT.fullmatch(text) if len(text) <= 64 else None
    if found is None:
        return _mail_date(text)
    zone = found["zone"] or "Z"
    if zone.upper() in ("Z", "UTC", "GMT"):
        zone = "+00:00"
    elif ":" not in zone:
        zone = f"{zone[:3]}:{zone[3:] or '00'}"
    year, month, day = (int(found[name]) for name in ("year", "month", "day"))
    hour, minute, second = (int(found[name] or 0) for name in ("hour", "minute", "second"))
    written = f"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{zone}"
    return _moment(written)


def _moment(written: str) -> str | None:
    try:
        when = dt.datetime.fromisoformat(written)
        when.astimezone(dt.UTC)  # the first and last hours of the calendar do not exist there
    except (ValueError, OverflowError):
        return None
    return when.isoformat().replace("+00:00", "Z")


def _mail_date(text: str) -> str | None:
    """Read a date as mail and RSS write it."""
    if len(text) > 64 or not text[:1].isalnum():
        return None
    try:
        when = email.utils.parsedate_to_datetime(text)
        # "-0000" says that nobody knows the zone.
        return _moment((when if when.tzinfo else when.replace(tzinfo=dt.UTC)).isoformat())
    except (TypeError, ValueError, IndexError, OverflowError):
        return None


def epoch(number: int | float) -> str | None:
    """Return the moment of a number of milliseconds since 1970."""
    try:
        when = dt.datetime.fromtimestamp(number / 1000, dt.UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return when.replace(microsecond=0).isoformat().replace("+00:00", "Z")


def one_line(value: Any) -> str:
    """Return a text on one line, single spaces; nothing for what is no text."""
    return " ".join(value.split()) if isinstance(value, str) else ""


def slug(text: str) -> str:
    """Return a text that can be a slug as it is, nothing for any other."""
    text = text.strip()
    return text if len(text) <= SLUG_MAX and _SLUG.fullmatch(text) else ""


def language(text: str) -> str:
    """Return a language tag such as en or pt-BR, also written pt_BR; nothing for what is none."""
    tag = text.strip().replace("_", "-")
    return tag if _LANGUAGE.fullmatch(tag) else ""


def names(value: Any) -> list[str]:
    """Return the names in a list, in a map with a name each, or the one a text is."""
    found: list[str] = []
    for item in value if isinstance(value, list | tuple) else [value]:
        if isinstance(item, dict):
            item = item.get("name") or item.get("title")
        name = one_line(item)
        if name and name not in found:
            found.append(name)
    return found


def path(text: str) -> str | None:
    """Return the path and query of an address at the source, with a slash before it.

    None for what no page of the source can have had: a pattern, a way out of the site.
    """
    text = text.strip()
    try:
        parts = urlsplit(text)
        if parts.scheme not in ("", "http", "https") or _NO_ADDRESS.search(text):
            return None
        if parts.scheme and not parts.netloc:
            return None
    except ValueError:
        return None
    found = "/" + parts.path.lstrip("/")
    if ".." in unquote(found).split("/") or ":" in found or len(found) > URL_MAX:
        return None
    return f"{found}?{parts.query}" if parts.query else found


def web_address(text: str) -> str:
    """Return an http or https address as it is, nothing for any other text."""
    text = text.strip()
    is_one = re.match(r"https?://[^\s/?#]+", text) and not re.search(r"\s", text)
    return text if is_one and len(text) <= URL_MAX else ""
