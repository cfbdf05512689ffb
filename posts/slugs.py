"""Addresses of posts: what a slug is, which are reserved, how a free one is made. Pure."""

from __future__ import annotations

import base64
import hashlib
import re

from django.utils.text import slugify

#: Words that must stay free for pages of the site.
RESERVED = frozenset({"admin", "api", "archive", "feed", "new", "r", "search", "tags"})
PATTERN = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
#: Characters of a slug given by a source or a person; a suffix may follow.
GIVEN_MAX = 150
WORDS_MAX = 80


def is_slug(text: str) -> bool:
    """Say whether a text may be given as a slug: lower-case letters, digits, single hyphens."""
    return len(text) <= GIVEN_MAX and PATTERN.fullmatch(text) is not None


def with_suffix(words: str, source: str, key: str) -> str:
    """Return a slug that ends in a short hash of the identity.

    Titles repeat massively in this archive: the hash needs no look-up and makes the result
    independent of the order of import (DATA-MODEL.md).
    """
    return f"{words}-{short_hash(source, key)}".strip("-")


def made_from(title: str, source: str, key: str) -> str:
    """Return the slug of a post that came without one: words of the title and the suffix."""
    words = slugify(title.replace("_", " "))[:WORDS_MAX]
    return with_suffix(words.strip("-"), source, key)


def short_hash(*parts: str, length: int = 10) -> str:
    """Return `length` base-32 characters of a SHA-256 over the parts, for suffixes of slugs."""
    digested = hashlib.sha256("\x00".join(parts).encode()).digest()
    # Five bytes are eight characters.
    begin = digested[: -(-length // 8) * 5]
    return base64.b32encode(begin).decode().lower()[:length]
