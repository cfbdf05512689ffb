"""Trees of HTML: how they are read, and which elements are what.

In: HTML of any quality. Out: a tree and sets of names. libxml2 reads it because it builds in one
pass: the rules of HTML 5 for unclosed marks can make gigabytes of a small text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeAlias

from lxml import etree

from posts.content import Problem
from posts.importing.conversion.inline import EMPHASIS, STRONG, STRUCK

#: lxml has no types of its own.
Element: TypeAlias = Any


#: Levels of elements. Pages stay below a hundred; unclosed elements of old pages add up.
DEPTH_MAX = 1_000
#: Attributes of one element. Each is compared with those before it when the tree is built.
ATTRIBUTES_MAX = 1_000
#: A shorter text cannot have so many that it takes long.
_LOOKED_INTO = 20_000
#: What no text of a tree can be set to: https://www.w3.org/TR/xml/#charsets
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


class HostileError(Exception):
    """HTML that costs far more to read than it can hold; carries the problem to report."""

    def __init__(self, code: str, value: str, expected: str) -> None:
        super().__init__(code)
        self.problem = Problem(
            code=code,
            field="body",
            value=value,
            expected=expected,
            hint="mend the HTML of this text at its source",
        )


class _Look:
    """What the parser tells of each element, without a tree."""

    def __init__(self, deepest: int) -> None:
        self._deepest = deepest
        self._depth = 0

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        self._depth += 1
        if self._depth > self._deepest:
            raise too_deep(self._deepest)
        if len(attributes) > ATTRIBUTES_MAX:
            raise HostileError(
                "html_too_wide",
                f"{len(attributes):,} attributes of one element",
                f"at most {ATTRIBUTES_MAX:,}",
            )

    def end(self, tag: str) -> None:
        self._depth -= 1

    def close(self) -> None:
        pass


def too_deep(deepest: int) -> HostileError:
    """Return the refusal of a text with more levels."""
    return HostileError(
        "html_too_deep", f"more than {deepest:,} levels of elements", f"at most {deepest:,} levels"
    )


def parsed(html: str, *, deepest: int = DEPTH_MAX) -> Element | None:
    """Return the tree of a text or a page, None when it holds nothing. Raises `HostileError`."""
    # A zero would end the text early.
    text = html.replace("\0", "").encode("utf-8", "replace")
    if len(text) > _LOOKED_INTO or deepest < DEPTH_MAX:
        _read(text, _Look(deepest))
    return _read(text)


def storable(text: str | None) -> str:
    """Return a text as an element takes it: the parser reads controls that it does not write."""
    return _CONTROL.sub("", text or "")


def _read(text: bytes, target: _Look | None = None) -> Element | None:
    parser = etree.HTMLParser(
        encoding="utf-8", remove_comments=True, remove_pis=True, huge_tree=True, target=target
    )
    try:
        return etree.fromstring(text, parser)
    except etree.XMLSyntaxError:
        return None


MARKS = {
    **dict.fromkeys(("b", "strong"), STRONG),
    **dict.fromkeys(("i", "em", "cite", "dfn", "var"), EMPHASIS),
    **dict.fromkeys(("s", "del", "strike"), STRUCK),
}
BLOCKS = frozenset(
    """
    address article aside body center dd details dialog dir div dl fieldset figcaption footer form
    header hgroup html legend li main menu nav optgroup option p search section tbody td tfoot th
    thead tr
    """.split()  # noqa: SIM905
)
#: Programs, styles and drawings: nothing of them is text to read.
DROPPED = frozenset(("script", "style", "svg", "canvas", "applet", "template"))
#: Elements without anything to show.
SILENT = frozenset(
    """
    area base basefont bgsound col colgroup head link map meta param source title track wbr
    """.split()  # noqa: SIM905
)
EMBEDDED = {
    "iframe": "Embedded page",
    "frame": "Embedded page",
    "embed": "Embedded content",
    "object": "Embedded content",
    "video": "Video",
    "audio": "Audio",
}
SUPERSCRIPTS = str.maketrans("0123456789+-=()n", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ⁿ")
SUBSCRIPTS = str.maketrans("0123456789+-=()", "₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎")
