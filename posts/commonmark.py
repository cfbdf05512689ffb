"""The Markdown of this site: CommonMark with tables and strikethrough, read by one parser.

In: a text. Out: the parser for it, without the rules a text like this one only abuses. The page
and the importer read by the same rules. Knows no Django, renders nothing.
"""

from __future__ import annotations

import re
from functools import lru_cache

from markdown_it import MarkdownIt

#: Levels of lists, items and quotes the parser follows; what stands deeper is not on the page.
NESTING_MAX = 20

_SCHEME = re.compile(r"\s*([a-z][a-z0-9+.-]*):", re.IGNORECASE)

#: From so many brackets on that open nothing, each costs the parser a walk to the end: the text is
#: not one with links, and its brackets stay text.
_STRAY_BRACKETS_MAX = 2_000
_WHOLE_LINK = re.compile(r"\]\([^()\[\]\n]{1,1000}\)")

#: The parser fills short rows up to the width of the first; a small text could ask for millions.
_EMPTY_CELLS_MAX = 20_000
_BLANK_LINES = re.compile(r"\n[ \t]*\n")

#: Each mark of a paragraph that could begin emphasis is compared with those before it. A paragraph
#: of more is not emphasised.
_MARKS_MAX = 5_000


def is_allowed_target(url: str) -> bool:
    """Say whether a link or an image may have this target."""
    scheme = _SCHEME.match(url)
    return scheme is None or scheme[1].lower() in ("http", "https", "mailto", "image")


@lru_cache(maxsize=16)
def parser(
    *,
    has_links: bool = True,
    has_tables: bool = True,
    has_emphasis: bool = True,
    reads_html: bool = False,
) -> MarkdownIt:
    """Return the parser. `reads_html` is for foreign Markdown only, which is never shown so.

    It takes raw HTML for what it is, every target, and follows five times as many levels.
    """
    options = {"html": reads_html, "maxNesting": NESTING_MAX * (5 if reads_html else 1)}
    made = MarkdownIt("commonmark", options).enable(["table", "strikethrough"])
    accepts = _any_target if reads_html else is_allowed_target
    made.validateLink = accepts  # type: ignore[method-assign]
    if not has_links:
        made.disable(["link", "image"])
    if not has_emphasis:
        made.disable(["emphasis", "strikethrough"])
    return made if has_tables else made.disable("table")


def _any_target(url: str) -> bool:
    return True


def parser_for(body: str, *, reads_html: bool = False) -> MarkdownIt:
    """Return the parser for a text, without the rules that a text like this one only abuses."""
    brackets = body.count("[")
    is_stray = brackets > _STRAY_BRACKETS_MAX and brackets > 2 * len(_WHOLE_LINK.findall(body))
    return parser(
        has_links=not is_stray,
        has_tables=_empty_cells(body) <= _EMPTY_CELLS_MAX,
        has_emphasis=_marks(body) <= _MARKS_MAX or _most_marks(body) <= _MARKS_MAX,
        reads_html=reads_html,
    )


def _marks(text: str) -> int:
    return text.count("*") + text.count("_") + text.count("~")


def _most_marks(body: str) -> int:
    return max(map(_marks, _BLANK_LINES.split(body)))


def _empty_cells(body: str) -> int:
    cells = 0
    for block in _BLANK_LINES.split(body) if "|" in body else ():
        lines = block.split("\n")
        columns = max(
            (line.count("|") for line in lines if "-" in line and not line.strip(" \t>|:-")),
            default=0,
        )
        cells += max(0, columns * len(lines) - block.count("|"))
    return cells
