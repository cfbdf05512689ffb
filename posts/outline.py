"""What a Markdown body holds, read roughly and fast: paragraphs, figures, lists.

In: Markdown. Out: an `Outline`, for comparing a text with what is said about it. Knows neither
Django nor any file format; the reading that shows a page is `posts.markdown`.
"""

from __future__ import annotations

import re
from functools import lru_cache

import msgspec


class Figure(msgspec.Struct, frozen=True):
    """An image with its caption.

    `number` counts the post's image sources from 1; 0 is a figure without one, shown as caption
    and `source`.
    """

    caption: str
    number: int
    source: str = ""


_ESCAPE = re.compile(r"\\([!-/:-@\[-`{-~])")
_FIGURE_LINE = re.compile(r'!\[((?:\\.|[^\]\\])*)\]\(image:(\d{1,6})(?: "((?:\\.|[^"\\])*)")?\)')
_HEADING = re.compile(r"#{1,6}(?: |$)")
_ITEM = re.compile(r"(?:[-*+]|\d{1,9}[.)]) +(.*)")


class Outline(msgspec.Struct, frozen=True):
    """What a Markdown body holds, for comparing it with what its meta box claims."""

    paragraphs: int
    figures: tuple[Figure, ...]
    lists: tuple[tuple[str, ...], ...]


def unescaped(markdown: str) -> str:
    """Return one line of Markdown without its backslash escapes."""
    return _ESCAPE.sub(r"\1", markdown) if "\\" in markdown else markdown


@lru_cache(maxsize=1)  # an import asks twice: for its warnings and for the check of claims
def outline(markdown: str) -> Outline:
    """Return the paragraphs, figures and lists of a body; a scan of lines, not a full parser.

    It is exact for what `to_markdown` writes. For other Markdown it is an estimate, good enough
    for warnings: a full parser would cost more than the whole rest of an import.
    """
    paragraphs = 0
    figures: list[Figure] = []
    lists: list[tuple[str, ...]] = []
    fence = ""
    for chunk in markdown.split("\n\n"):
        first = chunk.lstrip("\n")
        if not fence and first[:1].isalpha():  # most of an article; nothing else begins so
            paragraphs += 1
            continue
        if not fence and first.startswith("#") and _HEADING.match(first):
            continue
        if fence or first.startswith(("```", "~~~")):
            for line in chunk.split("\n"):
                mark = line.lstrip()[:3]
                if mark in ("```", "~~~") and fence in ("", mark):
                    fence = "" if fence else mark
            continue
        is_table = first.startswith("|") and "\n" in first
        if not first or is_table or first.startswith(("    ", "\t", ">")):
            continue
        if first.startswith("!["):
            for line in first.split("\n"):
                figure = _FIGURE_LINE.match(line)
                if figure:
                    caption, number, source = figure.groups("")
                    figures.append(Figure(unescaped(caption), int(number), unescaped(source)))
        elif _ITEM.match(first):
            items = [_ITEM.match(line.strip()) for line in first.split("\n")]
            lists.append(tuple(unescaped(item[1].strip()) for item in items if item))
        else:
            paragraphs += 1
    return Outline(paragraphs=paragraphs, figures=tuple(figures), lists=tuple(lists))
