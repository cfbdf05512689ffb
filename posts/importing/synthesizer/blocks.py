"""The blocks a synthesized article's body is made of, and their Markdown.

In: blocks and image captions. Out: CommonMark with tables, no raw HTML. Must not know where the
blocks come from; the text export walks the same blocks.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec


class Heading(msgspec.Struct, frozen=True):
    """A section heading."""

    text: str


class Paragraph(msgspec.Struct, frozen=True):
    """A paragraph: its own text, recurring remarks after it, the lead of the block that follows."""

    text: str
    remarks: str = ""
    lead: str = ""


class Figure(msgspec.Struct, frozen=True):
    """An image by its place in the image sources, from 1."""

    number: int


class Items(msgspec.Struct, frozen=True):
    """A bullet list."""

    items: tuple[str, ...]


class Steps(msgspec.Struct, frozen=True):
    """An ordered list; `lead` ends the paragraph before it."""

    lead: str
    items: tuple[str, ...]


class Code(msgspec.Struct, frozen=True):
    """A fenced code block; `lead` ends the paragraph before it."""

    lead: str
    language: str
    text: str


class Table(msgspec.Struct, frozen=True):
    """A table; `lead` ends the paragraph before it."""

    lead: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


class Quote(msgspec.Struct, frozen=True):
    """A block quotation of one paragraph."""

    text: str


Block = Heading | Paragraph | Figure | Items | Steps | Code | Table | Quote


def prose_of(paragraph: Paragraph) -> str:
    """Return the paragraph without the lead of a block that follows."""
    return f"{paragraph.text} {paragraph.remarks}" if paragraph.remarks else paragraph.text


def markdown(blocks: Sequence[Block], captions: Sequence[str]) -> str:
    """Return the blocks as Markdown, one blank line between them."""
    return "\n\n".join([_block(block, captions) for block in blocks])


def _block(block: Block, captions: Sequence[str]) -> str:
    match block:
        case Paragraph(lead=lead):
            return f"{prose_of(block)} {lead}" if lead else prose_of(block)
        case Heading(text):
            return f"## {text}"
        case Items(items):
            return "\n".join([f"- {item}" for item in items])
        case Figure(number):
            return f"![{_escaped(captions[number - 1])}](image:{number})"
        case Code(_, language, text):
            return f"```{language}\n{text}\n```"
        case Steps(_, items):
            return "\n".join([f"{place}. {item}" for place, item in enumerate(items, 1)])
        case Quote(text):
            return f"> {text}"
        case Table(_, header, rows):
            lines = [header, ("---",) * len(header), *rows]
            return "\n".join([f"| {' | '.join(cells)} |" for cells in lines])


def _escaped(caption: str) -> str:
    return caption.replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]")
