"""Code with classes for colours, by pygments; plain where that is unknown, long or costly.

In: code and the language a fence names. Out: escaped HTML without a wrapper. Never raises.
"""

from __future__ import annotations

import re
from html import escape

from pygments import highlight  # type: ignore[import-untyped]
from pygments.formatters import HtmlFormatter  # type: ignore[import-untyped]
from pygments.lexers import get_lexer_by_name  # type: ignore[import-untyped]
from pygments.token import STANDARD_TYPES  # type: ignore[import-untyped]

#: Every class a highlighted text may carry.
CLASSES = frozenset(name for name in STANDARD_TYPES.values() if name)

#: Highlighted languages; the rest stays plain. A lexer is a set of regular expressions that meets
#: imported text, so the list names what an engineering archive needs, and code has a budget.
HIGHLIGHTED = frozenset(
    """
    bash c console cpp css diff docker dockerfile go graphql hcl html http ini java
    javascript js json kotlin lua make makefile markdown md nginx php postgresql powershell
    py pycon python python3 rb ruby rust rs scss sh shell sql swift terraform toml ts
    typescript xml yaml yml
    """.split()  # noqa: SIM905
)
#: Characters: of one block, of all blocks of a body, of one line. Several lexers need quadratic
#: time for a long line or a run of empty lines.
HIGHLIGHT_BLOCK_MAX = 4_000
HIGHLIGHT_BODY_MAX = 8_000
_TOO_LONG_FOR_A_LEXER = re.compile(r"[^\n]{301}|\s{120}|(?:[ \t]*\n){5}")


class Highlighter:
    """Highlights the blocks of one body within its budget."""

    def __init__(self) -> None:
        self.spent = 0

    def html(self, code: str, language: str) -> str:
        """Return the code as escaped HTML, with classes when the language is a known one."""
        name, size = language.lower(), self.spent + len(code)
        if (
            name not in HIGHLIGHTED
            or len(code) > HIGHLIGHT_BLOCK_MAX
            or size > HIGHLIGHT_BODY_MAX
            or _TOO_LONG_FOR_A_LEXER.search(code)
        ):
            return escape(code, quote=False)
        self.spent = size
        lexer = get_lexer_by_name(name, stripnl=False)
        return str(highlight(code, lexer, HtmlFormatter(nowrap=True)))
