"""Passages of a note: what of Markdown is text, and which passage answers a query. Pure.

In: Markdown. Out: headings and passages as plain text, and pieces of text that say which of them
match. A scan of lines, not a parser: a search entry costs less than rendering its page would.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from posts.outline import unescaped
from posts.search.words import tokens

#: Characters of a body that search knows.
BODY_MAX = 100_000
#: Characters of a passage under a result.
PASSAGE_MAX = 240
#: Characters kept before the first match.
LEAD = 60

_RULE = re.compile(r"[\s|:*_=-]*")
_OPENING = re.compile(r"(?:\s|>|[-*+] |\d{1,9}[.)] |\[[ xX]\] )*")
# Bounded, so that a line of brackets costs no more than its length.
_LINK = re.compile(r"!?\[((?:\\.|[^\]\\]){0,400})\]\([^)]{0,400}\)")
_MARKUP = re.compile(r"[\\`*_~|\[]")
_MARKS = re.compile(r"`+|\*+|~~|(?<!\w)_+|_+(?!\w)|\|")


class Passages(NamedTuple):
    """Plain text of a body: its headings, and its paragraphs, items, cells and code in order."""

    headings: list[str]
    texts: list[str]


class Piece(NamedTuple):
    """A part of a text; a template marks those that match."""

    text: str
    is_match: bool


def passages(body: str) -> Passages:
    """Return the text of a body without its markup; addresses of links are left out.

    Only the first `BODY_MAX` characters are looked at.
    """
    found = Passages([], [])
    for text, is_heading in _scanned(body):
        (found.headings if is_heading else found.texts).append(text)
    return found


def texts_with(body: str, stems: frozenset[str]) -> Iterator[str]:
    """Yield what `passages` calls texts, from the first on that may hold a word of these stems."""
    return (text for text, is_heading in _scanned(_from_first(body, stems)) if not is_heading)


def _from_first(body: str, stems: frozenset[str]) -> str:
    """Return the paragraphs of a body from the first on in which one of these stems can be."""
    body = body[:BODY_MAX]
    if not body.isascii():  # letters with accents have to be read
        return body
    lower = body.lower()
    places = [place for place in map(lower.find, _beginnings(stems)) if place >= 0]
    if not places:
        return ""
    start = body.rfind("\n\n", 0, min(places)) + 1
    marks = body.count("```", 0, start) + body.count("~~~", 0, start)
    # Behind an odd number of fences it may be code.
    return body if marks % 2 else body[start:]


def _beginnings(stems: frozenset[str]) -> set[str]:
    """Return what the words of these stems begin with: they may differ in their last letters."""
    return {stem[: max(2, len(stem) - 2)] for stem in stems}


def _scanned(body: str) -> Iterator[tuple[str, bool]]:
    open_lines: list[str] = []
    fence = ""
    for line in body[:BODY_MAX].splitlines():
        stripped = line.strip()
        is_fence = stripped[:3] in ("```", "~~~") and fence in ("", stripped[:3])
        is_heading = not fence and stripped[:1] == "#" and _is_heading(stripped)
        opening = None if fence else _OPENING.match(line)
        begins = opening is not None and bool(opening[0].strip())
        if open_lines and (is_fence or is_heading or begins or not (stripped or fence)):
            yield " ".join(open_lines), False
            open_lines.clear()
        if is_fence:
            fence = "" if fence else stripped[:3]
        elif fence:
            open_lines.append(stripped)
        elif is_heading:
            yield _bare(stripped.strip("#")), True
        elif not _RULE.fullmatch(stripped):
            open_lines.append(_bare(line[opening.end() if opening else 0 :]))
    if open_lines:
        yield " ".join(open_lines), False


def _is_heading(line: str) -> bool:
    marks = len(line) - len(line.lstrip("#"))
    return marks <= 6 and line[marks : marks + 1] in ("", " ", "\t")


def _bare(line: str) -> str:
    if not _MARKUP.search(line):  # most lines of an article
        return line.strip()
    if "](" in line:
        line = _LINK.sub(r"\1", line)
    return " ".join(unescaped(_MARKS.sub("", line)).split())


def marked(text: str, stems: frozenset[str]) -> list[Piece]:
    """Return a text in pieces: its words with one of these stems, and what stands between."""
    pieces: list[Piece] = []
    done = 0
    for start, end, stem in tokens(text):
        if stem in stems:
            if start > done:
                pieces.append(Piece(text[done:start], False))
            pieces.append(Piece(text[start:end], True))
            done = end
    if done < len(text):
        pieces.append(Piece(text[done:], False))
    return pieces


def best_passage(texts: Iterable[str], stems: frozenset[str]) -> list[Piece]:
    """Return the passage with most of these stems, cut around the first, with the matches marked.

    The first of equally good ones; without any match the beginning of the first text.
    """
    best, first, most = "", 0, -1
    beginnings = _beginnings(stems)
    for text in texts:
        lower = text.lower()
        # Reading the words costs much more; letters with accents have to be read.
        if most >= 0 and text.isascii() and not any(one in lower for one in beginnings):
            continue
        found: set[str] = set()
        place = 0
        for token in tokens(text) if stems else ():
            if token.stem in stems:
                place = place if found else token.start
                found.add(token.stem)
        if len(found) > most:
            best, first, most = text, place, len(found)
        if most == len(stems):
            break
    return list(_cut(best, first, stems))


def _cut(text: str, first: int, stems: frozenset[str]) -> Iterator[Piece]:
    start = 0
    if first > LEAD and len(text) > PASSAGE_MAX:
        start = text.rfind(" ", 0, first - LEAD) + 1
    end = len(text)
    if end - start > PASSAGE_MAX:
        space = text.rfind(" ", start, start + PASSAGE_MAX)
        end = space if space > start else start + PASSAGE_MAX
    pieces = marked(text[start:end], stems)
    if start:
        yield Piece("… ", False)
    yield from pieces
    if end < len(text):
        yield Piece(" …", False)
