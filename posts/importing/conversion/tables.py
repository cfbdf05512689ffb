"""Tables of HTML as tables of Markdown.

In: rows and cells in order, the words of each. Out: one Markdown table with every word, as wide as
its widest row. Merged cells leave empty ones behind them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from posts.importing.conversion.inline import line
from posts.importing.conversion.tree import Element

#: What has no form within a line. A table that holds one is written cell by cell.
_BLOCKS = ("ul", "ol", "pre", "blockquote", "table", "h1", "h2", "h3", "h4", "h5", "h6", "dl", "hr")
_GROUPS = ("thead", "tbody", "tfoot")
#: Empty cells of a table; one of more is a drawing, or made to fill the memory.
_EMPTY_MAX = 2_000
_SPAN_MAX = 100
_ALIGNMENT = re.compile(r"text-align:\s*(left|center|right)")
_LINES = {"left": ":--", "center": ":-:", "right": "--:", "": "---"}


def holds_blocks(table: Element) -> bool:
    """Say whether something in a table cannot stand in a cell, or stands outside of one."""
    inner = table.iter(*_BLOCKS)
    if next((found for found in inner if found is not table), None) is not None:
        return True
    rows = []
    for child in table:
        if child.tag in _GROUPS:
            if _has_words(child):
                return True
            rows += child
        elif child.tag not in ("caption", "colgroup", "col"):
            rows.append(child)
    return _has_words(table) or any(
        row.tag != "tr" or _has_words(row) or any(cell.tag not in ("td", "th") for cell in row)
        for row in rows
    )


def _has_words(element: Element) -> bool:
    """Say whether words stand in the element itself, between its children."""
    return bool((element.text or "").strip()) or any(
        (child.tail or "").strip() for child in element
    )


def is_code_with_numbers(table: Element) -> bool:
    """Say whether a table is a listing beside its line numbers, as highlighters write it."""
    rows = list(table.iter("tr"))
    cells = list(table.iter("td"))
    return (
        len(rows) == 1
        and len(cells) == 2
        and next(cells[1].iter("pre"), None) is not None
        and re.fullmatch(r"[\d\s]*", "".join(cells[0].itertext())) is not None
    )


class Table:
    """The cells of one table as they are written."""

    def __init__(self) -> None:
        self._rows: list[list[str]] = []
        self._below: dict[int, int] = {}  # column -> rows that a cell above still covers
        self._has_head = False
        self._alignments: dict[int, str] = {}
        self._empty = 0

    def parts(self, table: Element) -> Iterator[Element]:
        """Yield captions and cells; `add` has to follow each cell."""
        for child in table:
            if child.tag == "caption":
                yield child
            elif child.tag == "tr":
                yield from self._cells(child)
            elif child.tag in _GROUPS:
                for row in child:
                    yield from self._cells(row)

    def _cells(self, row: Element) -> Iterator[Element]:
        cells = list(row)
        if not cells:
            return
        if not self._rows:
            above = row.getparent()
            is_head = above is not None and above.tag == "thead"
            self._has_head = is_head or all(cell.tag == "th" for cell in cells)
        self._rows.append([])
        yield from cells
        self._skip_covered()

    def _skip_covered(self) -> None:
        row = self._rows[-1]
        while self._below.get(len(row), 0) > 0 and self._empty <= _EMPTY_MAX:
            self._below[len(row)] -= 1
            self._empty += 1
            row.append("")

    def add(self, cell: Element, text: str) -> None:
        """Add the next cell of the row with its words."""
        self._skip_covered()
        row = self._rows[-1]
        aligned = cell.get("align", "").lower() or _aligned(cell)
        if aligned in _LINES:
            self._alignments.setdefault(len(row), aligned)
        below = _span(cell, "rowspan") - 1
        width = _span(cell, "colspan") if self._empty <= _EMPTY_MAX else 1
        self._empty += width - 1
        for number in range(width):
            if below:
                self._below[len(row)] = below
            row.append(text if number == 0 else "")

    def _filled(self) -> list[list[str]]:
        return [row for row in self._rows if any(row)]

    def markdown(self) -> str | None:
        """Return the table, "" when it has no words, None when it is mostly empty."""
        rows = self._filled()
        if not rows:
            return ""
        width = max(map(len, rows))
        empty = self._empty + sum(width - len(row) for row in rows)
        if empty > _EMPTY_MAX:
            return None
        rows = [row + [""] * (width - len(row)) for row in rows]
        head = rows.pop(0) if self._has_head and any(self._rows[0]) else [""] * width
        rule = [_LINES[self._alignments.get(column, "")] for column in range(width)]
        return "\n".join(f"| {' | '.join(row)} |" for row in (head, rule, *rows))

    def lines(self) -> str:
        """Return the words, a row a paragraph."""
        return "\n\n".join(line(" ".join(filter(None, row))) for row in self._filled())


def _aligned(cell: Element) -> str:
    found = _ALIGNMENT.search(cell.get("style", ""))
    return found[1] if found else "-"


def _span(cell: Element, name: str) -> int:
    span = cell.get(name, "").strip()
    return min(max(int(span), 1), _SPAN_MAX) if re.fullmatch(r"[0-9]{1,8}", span) else 1
