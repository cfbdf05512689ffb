"""The blocks of a plain-text article and their Markdown.

Input: headings, paragraphs, lists and figures as plain text. Output: CommonMark that renders to
the same blocks and the same text, whatever characters the text holds. Knows no file format.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

import msgspec

from posts.outline import Figure as Figure  # one of the blocks, for their readers


class Heading(msgspec.Struct, frozen=True):
    """A section heading; the title of the article stands one level above it."""

    text: str


class Paragraph(msgspec.Struct, frozen=True):
    """One paragraph of prose."""

    text: str


class ListBlock(msgspec.Struct, frozen=True):
    """A flat bullet list."""

    items: tuple[str, ...]


Block = Heading | Paragraph | ListBlock | Figure

_INVALID = re.compile("[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\ud800-\udfff]")


def normal_text(text: str) -> str:
    """Return text as a block holds it: NFC, one line, single spaces, trimmed, no controls.

    NFC comes before escaping: `<` and a combining stroke are one character afterwards, and a
    backslash before that character would be shown.
    """
    if text.isascii() and text.isprintable() and "  " not in text:
        return text.strip(" ")
    return " ".join(unicodedata.normalize("NFC", _INVALID.sub("", text)).split())


# --- Escaping (CommonMark 0.31, tables and strikethrough on, raw HTML off) ---------------------

_INLINE_SPECIAL = re.compile(r"[\\`*_~\[\]<&]")
_DELIMITER_RUN = re.compile(r"\*+|_+|~~+")
_ENTITY = re.compile(r"&(?=(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{0,31});)")
_BACKSLASH = re.compile(r"\\(?=[!-/:-@\[-`{-~]|$)")
_ANGLE = re.compile(r"<(?=[A-Za-z/!?])")
_BLOCK_START = re.compile(
    r"""(?: (?P<mark> \#{1,6}(?=\ |$) | > | [-+*](?=\ |$) | \[(?=.*\]:) )
        | \d{1,9}(?P<dot>[.)])(?=\ |$) )""",
    re.VERBOSE,
)
#: A list item's bullet counts as one of the three characters of a thematic break.
_RULE = re.compile(r"([-*_])(?: *\1)+$")
_CLOSING_HASHES = re.compile(r"(?:(?<= )|^)#+$")


def _needing_escape(text: str, *, in_label: bool) -> set[int]:
    """Return the positions in the text that need a backslash to stand for themselves."""
    at = {match.start() for match in _BACKSLASH.finditer(text)}
    at.update(match.start() for match in _ENTITY.finditer(text))
    at.update(match.start() for match in _ANGLE.finditer(text))
    at.update(number for number, character in enumerate(text) if character == "`")
    if in_label:
        at.update(number for number, character in enumerate(text) if character in "[]")
    else:
        # Without link definitions in the document only an inline link can give "[" a meaning.
        last = text.rfind("](")
        at.update(number for number in range(max(last, 0)) if text[number] == "[")
    runs: dict[str, list[tuple[re.Match[str], bool]]] = {}
    for run in _DELIMITER_RUN.finditer(text):
        before = text[run.start() - 1 : run.start()] or " "
        after = text[run.end() : run.end() + 1] or " "
        inside_word = run[0][0] == "_" and before.isalnum() and after.isalnum()
        opens = after != " " and not inside_word
        closes = before != " " and not inside_word
        found = runs.setdefault(run[0][0], [])
        if opens or (closes and found):
            found.append((run, closes))
    for found in runs.values():
        # The first run can open, for one that only closes is not kept in front; emphasis needs
        # a later one that closes.
        if any(closes for _, closes in found[1:]):
            for run, _ in found:
                at.update(range(run.start(), run.end()))
    return at


def _escaped(text: str, at: set[int]) -> str:
    if not at:
        return text
    return "".join("\\" + mark if number in at else mark for number, mark in enumerate(text))


def _inline_positions(text: str, *, in_label: bool = False) -> set[int]:
    if not _INLINE_SPECIAL.search(text):
        return set()
    return _needing_escape(text, in_label=in_label)


def _line(text: str) -> str:
    """Return Markdown for text that begins a block."""
    at = _inline_positions(text)
    start = _BLOCK_START.match(text)
    if start:
        at.add(start.start("mark") if start["mark"] else start.start("dot"))
    elif text.startswith("~~~") or _RULE.match(text):
        at.add(0)
    return _escaped(text, at)


def _heading(text: str) -> str:
    at = _inline_positions(text)
    closing = _CLOSING_HASHES.search(text)
    if closing:
        at.add(closing.start())
    return "## " + _escaped(text, at)


def _figure(figure: Figure) -> str:
    caption = normal_text(figure.caption)
    label = _escaped(caption, _inline_positions(caption, in_label=True))
    source = normal_text(figure.source)
    if figure.number or not source:
        return f"![{label}](image:{figure.number})"
    at = {match.start() for match in _BACKSLASH.finditer(source)}
    at.update(match.start() for match in _ENTITY.finditer(source))
    at.update(number for number, character in enumerate(source) if character == '"')
    return f'![{label}](image:{figure.number} "{_escaped(source, at)}")'


def to_markdown(blocks: Iterable[Block]) -> str:
    """Return Markdown whose rendering has these blocks and, in each, this text.

    Texts are normalised by `normal_text`; blocks and items without text are left out. Two lists
    in a row get different bullets, which keeps them two.
    """
    parts: list[str] = []
    bullet = ""
    for block in blocks:
        if isinstance(block, ListBlock):
            items = [text for text in map(normal_text, block.items) if text]
            if items:
                bullet = "*" if bullet == "-" else "-"
                parts.append("\n".join(f"{bullet} {_line(text)}" for text in items))
            continue
        if isinstance(block, Figure):
            parts.append(_figure(block))
        elif text := normal_text(block.text):
            parts.append(_heading(text) if isinstance(block, Heading) else _line(text))
        else:
            continue
        bullet = ""
    return "\n\n".join(parts)
