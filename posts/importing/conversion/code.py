"""Listings in HTML: their text, their language, their fence.

In: an element that holds code. Out: a fenced block. Line numbers are no part of the text.
"""

from __future__ import annotations

import re
from itertools import islice

from posts.importing.conversion.tree import Element

_NUMBERS = frozenset(("gutter", "lineno", "linenos", "line-number", "line-numbers", "ln", "lnt"))
_LANGUAGE_CLASS = re.compile(
    r"(?:^|\s)(?:language|lang|brush:|highlight-source|sourceCode|highlight)[-\s]\s*"
    r"([A-Za-z0-9+#][\w+#.-]{0,39})"
)
_BACKTICKS = re.compile(r"`{3,}")
#: Class names that stand where a language could and are none.
_NO_LANGUAGES = frozenset(("none", "text", "plain", "plaintext", "highlighter-rouge", "wrapper"))
#: What highlighters put around a listing, and how many of them are looked at for its language.
_AROUND = frozenset(("pre", "div", "figure", "table", "tbody", "tr", "td"))
_PLACES_MAX = 10


def is_listing(element: Element) -> bool:
    """Say whether a code element outside of `pre` has lines of its own."""
    return next(element.iter("br", "pre"), None) is not None


def text_of(element: Element) -> str:
    """Return the code of an element with its line breaks, less line numbers."""
    for part in element.iter("br", "span", "a", "td"):
        if part.tag == "br":
            part.text = "\n"
        elif _NUMBERS.intersection(part.get("class", "").split()) and part is not element:
            for child in list(part):
                part.remove(child)
            part.text = None
    text = "".join(element.itertext()).replace("\r\n", "\n").replace("\r", "\n")
    return text.removeprefix("\n")


def block(element: Element, text: str) -> str:
    """Return a fenced block whose fence the text cannot end."""
    fence = "```"
    for run in _BACKTICKS.findall(text):
        if len(run) >= len(fence):
            fence = "`" * (len(run) + 1)
    return f"{fence}{language_of(element)}\n{text.rstrip()}\n{fence}"


def language_of(element: Element) -> str:
    """Return the language as the highlighters of the web write it, "" when none is said."""
    places = [*islice(element.iter("code"), 1), element]
    above = element.getparent()
    while above is not None and len(places) < _PLACES_MAX and above.tag in _AROUND:
        places.append(above)
        above = above.getparent()
    for place in places:
        named = place.get("data-lang") or place.get("data-language") or place.get("lang") or ""
        if re.fullmatch(r"[\w+#.-]{1,40}", named) and place.tag != "div":
            return named
        found = _LANGUAGE_CLASS.search(place.get("class", ""))
        if found and found[1].lower() not in _NO_LANGUAGES:
            return found[1].rstrip(".;")
    return ""
