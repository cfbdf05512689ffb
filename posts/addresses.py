"""Addresses that posts had elsewhere: the one spelling they are kept and looked up in. Pure.

In: a path with or without a query, as a source wrote it or as a browser asks for it. Out: the same
text for both. Knows no database and no routes.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from urllib.parse import unquote

#: Parts of a query that are looked up one by one; a shared link gathers some on its way.
QUERY_PARTS_MAX = 10

_SLASHES = re.compile("/{2,}")
#: PostgreSQL refuses to be asked for NUL, and no address has the others.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")


def normal(url: str) -> str:
    """Return an address decoded, in NFC, without a host, a fragment or a slash at its end.

    Empty for the first page itself, which is nobody's former address.
    """
    path, _, query = url.partition("#")[0].partition("?")
    path = _SLASHES.sub("/", "/" + _decoded(path)).rstrip("/")
    query = _decoded(query)
    return f"{path or '/'}?{query}" if query else path


def candidates(path: str, query: str) -> list[str]:
    """Return the spellings under which what is asked for may be kept, the closest first.

    With its query, with one part of it alone, without it.
    """
    found = [normal(f"{path}?{part}") for part in _queries(query)]
    return [address for address in dict.fromkeys([*found, normal(path)]) if address]


def _queries(query: str) -> Iterator[str]:
    if query:
        yield query
        yield from query.split("&", QUERY_PARTS_MAX)[:QUERY_PARTS_MAX]


def _decoded(text: str) -> str:
    text = _CONTROL.sub("\N{REPLACEMENT CHARACTER}", unquote(text, errors="replace"))
    return unicodedata.normalize("NFC", text)
