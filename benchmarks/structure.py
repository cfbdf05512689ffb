"""What the site reads in a Markdown text: how many of each kind, and the words.

In: Markdown. Out: counts and characters, to compare with those of what it was made from.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterator

from markdown_it.token import Token

from posts.commonmark import parser_for

_KINDS = {
    **dict.fromkeys(("bullet_list_open", "ordered_list_open"), "list"),
    **dict.fromkeys(("fence", "code_block"), "code"),
    **{"link_open": "link", "image": "image", "heading_open": "heading"},
    **{"blockquote_open": "quote", "table_open": "table"},
}
_WORDS = ("text", "code_inline", "fence", "code_block")


def shown_structure(markdown: str) -> Counter[str]:
    """Return how many links, images, headings, lists, tables, codes and quotes there are."""
    return Counter(_KINDS[token.type] for token in _tokens(markdown) if token.type in _KINDS)


def shown_words(markdown: str) -> str:
    """Return every character a reader gets that is no white space, without captions."""
    return bare("".join(t.content for t in _tokens(markdown) if t.type in _WORDS))


def bare(text: str) -> str:
    """Return a text without white space, accents apart from their letters."""
    # Joined first: accents that come together without a space change places.
    return unicodedata.normalize("NFD", "".join(text.split()))


def _tokens(markdown: str) -> Iterator[Token]:
    for token in parser_for(markdown).parse(markdown):
        yield token
        yield from token.children or ()
