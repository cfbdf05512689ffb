"""The blocks of one container and the runs of the paragraph being written.

In: words, marks, links, one after the other. Out: blocks of Markdown. Knows no elements.
"""

from __future__ import annotations

import re

from posts.importing.conversion.addresses import Addresses, Notes
from posts.importing.conversion.blocks import Block
from posts.importing.conversion.inline import Link, Run, paragraph
from posts.importing.conversion.wordpress import Markup, bare_address, pieces

_BLANK_LINES = re.compile(r"\n[ \t]*\n\s*")


class Writer:
    """Where the conversion writes: `blocks` of the container, `runs` of its open paragraph.

    `markup` is given for the text of a WordPress post. Above zero, `one_line` says that no block
    can end here: in a cell or a heading.
    """

    def __init__(self, addresses: Addresses, notes: Notes, markup: Markup | None) -> None:
        self.addresses = addresses
        self.notes = notes
        self.markup = markup
        self.blocks: list[Block] = []
        self.runs: list[Run] = []
        self.marks = 0
        self.link: Link | None = None
        self.one_line = 0

    # --- Text ------------------------------------------------------------------------------------

    def text(self, text: str | None) -> None:
        if not text:
            return
        if self.markup is None:
            self.runs.append(Run("text", text, self.marks, self.open_link))
            return
        for kind, part in pieces(text):
            if kind == "text":
                self.lines(part)
            elif kind == "address":
                self.link_to(part, part)
            else:
                self.notes.add("shortcode", part, "HTML; a shortcode is shown as code")
                self.runs.append(Run("code", part, self.marks, self.open_link))

    def lines(self, text: str) -> None:
        """Add text in which WordPress takes line ends for what they look like."""
        if self.markup is None or not self.markup.breaks_lines or "\n" not in text or self.one_line:
            self.runs.append(Run("text", text, self.marks, self.open_link))
            return
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        for number, part in enumerate(_BLANK_LINES.split(text)):
            if number:
                self.flush()
            for place, line in enumerate(part.split("\n")):
                if place:
                    self.runs.append(Run("break"))
                if line:
                    self.runs.append(Run("text", line, self.marks, self.open_link))

    @property
    def open_link(self) -> Link | None:
        """The link words belong to; one over several blocks is written in the first of them."""
        return self.link if self.link and not self.link.is_used else None

    def link_to(self, target: str, words: str) -> None:
        """Add a link of its own, or its words when it cannot be one."""
        target, instead = self.addresses.link(target)
        link = Link(target) if target else None
        self.runs.append(Run("text", " "))
        self.runs.append(Run("text", words, self.marks, link))
        if instead and instead not in words:
            self.runs.append(Run("text", f" ({instead})", self.marks))
        self.runs.append(Run("text", " "))

    # --- Blocks ----------------------------------------------------------------------------------

    def flush(self) -> None:
        """End the paragraph. In a cell or a heading it only parts words."""
        if self.one_line:
            self.runs.append(Run("text", " "))
            return
        if not self.runs:
            return
        if self.markup is not None and not any(
            run.link or run.kind in ("code", "made") for run in self.runs
        ):
            # WordPress shows in its place what a paragraph of one address leads to.
            address = bare_address("".join(run.text or "\n" for run in self.runs))
            if address:
                self.runs = []
                self.link_to(address, address)
        text = self.taken()
        if text:
            self.blocks.append(Block(text, "words"))

    def taken(self, *, one_line: bool = False, in_table: bool = False) -> str:
        """Return the runs as Markdown and begin anew."""
        runs, self.runs = self.runs, []
        text, lost = paragraph(runs, one_line=one_line, in_table=in_table)
        if lost:
            words = " ".join(text.split())
            self.notes.add(
                "emphasis_dropped", words[:80], "emphasis around whole words", count=lost
            )
        return text

    def add(self, text: str, **more: object) -> None:
        if text:
            self.blocks.append(Block(text, **more))  # type: ignore[arg-type]
