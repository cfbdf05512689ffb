"""One walk over the tree of an HTML text, writing blocks of Markdown.

In: a parsed body. Out: Markdown. Elements are visited by generators on a stack of their own, so
that depth costs no recursion. What has no form in Markdown is written in the nearest one, and said.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator
from urllib.parse import urlsplit

from posts.commonmark import NESTING_MAX
from posts.content import ITEM_MAX
from posts.importing.conversion.addresses import Addresses, Notes
from posts.importing.conversion.blocks import Block, joined, listed, prefixed
from posts.importing.conversion.code import block as code_block
from posts.importing.conversion.code import is_listing, text_of
from posts.importing.conversion.inline import (
    STRONG,
    Link,
    Run,
    image,
    normal,
)
from posts.importing.conversion.pictures import caption_of, source
from posts.importing.conversion.tables import Table, holds_blocks, is_code_with_numbers
from posts.importing.conversion.tree import (
    BLOCKS,
    DEPTH_MAX,
    DROPPED,
    EMBEDDED,
    MARKS,
    SILENT,
    SUBSCRIPTS,
    SUPERSCRIPTS,
    Element,
    too_deep,
)
from posts.importing.conversion.wordpress import CAPTION_CLASS, FILE_BUTTON, Markup
from posts.importing.conversion.writer import Writer

#: Figures or tables in one another that are looked into beforehand.
_LOOKS_MAX = 3

Visit = Generator[Element, None, None]


class Walk(Writer):
    """One conversion: where in the tree it is, and what its elements become."""

    def __init__(self, addresses: Addresses, notes: Notes, markup: Markup | None) -> None:
        super().__init__(addresses, notes, markup)
        self.level = 0
        self.looks = 0
        self.caption = ""
        self.done: set[Element] = set()

    def markdown(self, root: Element | None) -> str:
        """Return the Markdown of a tree. Raises `HostileError`."""
        if root is None:
            return ""
        stack = [self.visit(root)]
        while stack:
            child = next(stack[-1], None)
            if child is None:
                stack.pop()
            elif len(stack) == DEPTH_MAX:
                raise too_deep(DEPTH_MAX)
            else:
                stack.append(self.visit(child))
        self.flush()
        return joined(self.blocks)

    # --- Elements --------------------------------------------------------------------------------

    def visit(self, element: Element) -> Visit:
        tag = element.tag
        if not isinstance(tag, str) or tag in SILENT or element in self.done:
            return
        if tag in DROPPED:
            self.notes.add("dropped_element", tag, "no scripts, styles and drawings")
            return
        handler = _HANDLERS.get(tag)
        if handler is not None:
            yield from handler(self, element)
        elif tag in MARKS:
            marks = self.marks
            self.marks |= MARKS[tag]
            yield from self.inside(element)
            self.marks = marks
        elif tag in BLOCKS:
            if tag == "div" and CAPTION_CLASS in element.get("class", "").split():
                yield from self.figure(element)
            else:
                self.flush()
                yield from self.inside(element)
                self.flush()
        else:
            yield from self.inside(element)

    def inside(self, element: Element) -> Visit:
        self.text(element.text)
        for child in element:
            yield child
            self.text(child.tail)

    def heading(self, element: Element) -> Visit:
        self.flush()
        self.one_line += 1
        yield from self.inside(element)
        self.one_line -= 1
        if self.one_line:
            self.flush()
            return
        text = self.taken(one_line=True)
        self.add(f"{'#' * int(element.tag[1])} {text}" if text else "")

    def strong_line(self, element: Element) -> Visit:
        """Write a term or a summary, which stands for a heading of what follows."""
        self.flush()
        marks, self.marks = self.marks, self.marks | STRONG
        yield from self.inside(element)
        self.marks = marks
        self.flush()

    def line_break(self, element: Element) -> Visit:
        last = next(
            (run for run in reversed(self.runs) if run.kind != "text" or run.text.strip()), None
        )
        if last is not None and last.kind == "break" and not self.one_line:
            self.flush()
        else:
            self.runs.append(Run("break"))
        yield from ()

    def rule(self, element: Element) -> Visit:
        self.flush()
        if not self.one_line:
            self.add("___")
        yield from ()

    def anchor(self, element: Element) -> Visit:
        href = element.get("href")
        target, instead = self.addresses.link(href) if href else ("", "")
        if not target and not instead:
            yield from self.inside(element)
            return
        if FILE_BUTTON in element.get("class", "").split():
            self.text(" ")  # only its style parts the button from the link before it
        outer, before = self.link, len(self.runs)
        link = Link(target, normal(element.get("title", ""))) if target else None
        self.link = link or outer
        yield from self.inside(element)
        self.link = outer
        words = "".join(run.text for run in self.runs[before:]).strip()
        if link is not None and not link.is_used and not words:
            name = normal(element.get("aria-label") or link.title)
            self.runs.append(Run("text", name, self.marks, link))
        elif link is not None and link.title == normal(words):
            link.title = ""
        if instead and instead not in words:
            self.runs.append(Run("text", f" ({instead})", self.marks, self.open_link))

    def code(self, element: Element) -> Visit:
        text = text_of(element)
        # A classic text breaks its lines in code too.
        has_lines = self.markup is not None and self.markup.breaks_lines and "\n" in text.strip()
        if (has_lines or is_listing(element)) and not self.one_line:
            self.flush()
            self.add(code_block(element, text))
        else:
            self.runs.append(Run("code", text, self.marks, self.open_link))
        yield from self.images_of(element)

    def preformatted(self, element: Element) -> Visit:
        text = text_of(element)
        if self.one_line:
            self.runs.append(Run("code", text, self.marks, self.open_link))
        elif text.strip():
            self.flush()
            self.add(code_block(element, text))
        else:
            self.flush()
        yield from self.images_of(element)

    def images_of(self, element: Element) -> Visit:
        """Visit the images in code, which holds words only; they stand behind it."""
        yield from element.iter("img")

    def quote(self, element: Element) -> Visit:
        self.flush()
        if self.one_line or self.level + 1 >= NESTING_MAX:
            yield from self.flat(element)
            return
        outer, self.blocks = self.blocks, []
        self.level += 1
        yield from self.inside(element)
        self.flush()
        self.level -= 1
        inner, self.blocks = self.blocks, outer
        if inner:
            self.add(prefixed(joined(inner), "> ", "> "), kind="quote")

    def flat(self, element: Element) -> Visit:
        if not self.one_line:
            self.notes.add(
                "nesting_flattened",
                element.tag,
                f"at most {NESTING_MAX - 1} levels of lists, items and quotes",
            )
        self.flush()
        yield from self.inside(element)
        self.flush()

    def inline_quote(self, element: Element) -> Visit:
        self.runs.append(Run("text", "“", self.marks, self.open_link))
        yield from self.inside(element)
        self.runs.append(Run("text", "”", self.marks, self.open_link))

    def raised(self, element: Element) -> Visit:
        """Write digits above or below the line as such; other words stay on it."""
        table = SUPERSCRIPTS if element.tag == "sup" else SUBSCRIPTS
        text = element.text or ""
        if len(element) == 0 and text and all(ord(mark) in table for mark in text):
            self.text(text.translate(table))
        else:
            yield from self.inside(element)

    def checkbox(self, element: Element) -> Visit:
        if element.get("type", "").lower() == "checkbox":
            self.text("[x] " if element.get("checked") is not None else "[ ] ")
        yield from ()

    def formula(self, element: Element) -> Visit:
        source = next(
            (
                note.text
                for note in element.iter("annotation")
                if note.get("encoding", "").lower().endswith("tex") and note.text
            ),
            "",
        )
        words = source or " ".join(element.itertext())
        self.runs.append(Run("code", words, self.marks, self.open_link))
        yield from ()

    # --- Lists -----------------------------------------------------------------------------------

    def items(self, element: Element) -> Visit:
        self.flush()
        if self.one_line or self.level + 2 >= NESTING_MAX:
            yield from self.flat(element)
            return
        outer, items = self.blocks, list[list[Block]]()
        self.level += 2
        self.blocks = []
        self.text(element.text)
        self.flush()
        if self.blocks:
            items.append(self.blocks)
        for child in element:
            is_item = child.tag == "li"
            # A list right inside a list is meant to belong to the item before it.
            self.blocks = items.pop() if child.tag in ("ul", "ol") and items else []
            if is_item:
                yield from self.inside(child)
            else:
                yield child
            self.flush()
            if self.blocks:
                items.append(self.blocks)
            self.blocks = []
            self.text(child.tail)
            self.flush()
            if self.blocks:
                items.append(self.blocks)
        self.level -= 2
        self.blocks = outer
        if items:
            self.blocks.append(
                listed(
                    items,
                    is_ordered=element.tag == "ol",
                    start=_start(element),
                    before=outer[-1] if outer else None,
                )
            )

    # --- Tables ----------------------------------------------------------------------------------

    def table(self, element: Element) -> Visit:
        self.flush()
        if self.one_line:
            yield from self.inside(element)
            return
        if is_code_with_numbers(element):
            yield list(element.iter("td"))[-1]
            return
        if self.looks >= _LOOKS_MAX or holds_blocks(element):
            self.notes.add(
                "table_flattened", "table", "cells of words; its cells stand under one another"
            )
            self.looks += 1
            yield from self.inside(element)
            self.looks -= 1
            self.flush()
            return
        table = Table()
        captions = []
        self.one_line += 1
        for part in table.parts(element):
            if part.tag == "caption":
                captions.append(part)
                continue
            yield from self.inside(part)
            table.add(part, self.taken(in_table=True))
        self.one_line -= 1
        for caption in captions:
            yield caption
            self.flush()
        text = table.markdown()
        if text is None:
            self.notes.add("table_flattened", "table", "a table that is not mostly empty")
            text = table.lines()
        self.add(text)

    # --- Pictures and what is embedded -----------------------------------------------------------

    def figure(self, element: Element) -> Visit:
        self.flush()
        self.looks += 1
        outer, self.caption = self.caption, ""
        if self.looks <= _LOOKS_MAX:
            self.caption, words = caption_of(element)
            if words is not None:
                self.done.add(words)
        yield from self.inside(element)
        self.flush()
        self.caption = outer
        self.looks -= 1

    def picture(self, element: Element) -> Visit:
        yield from ()
        words = element.get("alt", "")
        classes = element.get("class", "").split()
        if words and ("emoji" in classes or "wp-smiley" in classes):
            self.text(words)
            return
        if element.get("width") == element.get("height") == "1":
            self.notes.add("dropped_element", "img of 1 by 1 pixel", "no pictures that only count")
            return
        caption, self.caption = self.caption, ""
        label, place = self.addresses.image(
            source(element), caption or element.get("title", ""), words
        )
        if isinstance(place, str):
            self.link_to(place, label or place)
            return
        if place == 0 and not label:
            return
        shown = label if len(label) <= ITEM_MAX else ""
        made = image(shown, place, in_table=bool(self.one_line))
        self.runs.append(Run("made", made, 0, self.open_link))
        if label != shown:
            self.runs.append(Run("text", f" {label} "))

    def embedded(self, element: Element) -> Visit:
        address = element.get("src") or element.get("data") or ""
        if not address:
            source = next(element.iter("source", "embed"), None)
            address = source.get("src", "") if source is not None else ""
        target = self.addresses.resolved(address)
        if not target:
            yield from self.inside(element) if element.tag not in ("iframe", "frame") else ()
            return
        try:
            host = urlsplit(target).hostname or target
        except ValueError:
            host = target
        name = normal(element.get("title", "")) or host
        self.link_to(target, f"{EMBEDDED[element.tag]}: {name}")

    def without_script(self, element: Element) -> Visit:
        """Skip the plain twin of a picture that a script would load; it was written already."""
        self.looks += 1
        if self.looks > _LOOKS_MAX or not self.is_known(element):
            yield from self.inside(element)
        self.looks -= 1

    def is_known(self, element: Element) -> bool:
        """Say whether an element holds pictures and each of them was written."""
        pictures = list(element.iter("img"))
        return bool(pictures) and all(
            self.addresses.resolved(source(picture)) in self.addresses.seen for picture in pictures
        )


def _start(element: Element) -> int:
    start = element.get("start", "").strip()
    return int(start) if re.fullmatch(r"[0-9]{1,8}", start) else 1


_HANDLERS: dict[str, Callable[[Walk, Element], Visit]] = {
    **dict.fromkeys(("h1", "h2", "h3", "h4", "h5", "h6"), Walk.heading),
    **dict.fromkeys(("dt", "summary"), Walk.strong_line),
    **dict.fromkeys(("ul", "ol"), Walk.items),
    **dict.fromkeys(("pre", "listing", "xmp", "plaintext"), Walk.preformatted),
    **dict.fromkeys(("code", "kbd", "samp", "tt"), Walk.code),
    **dict.fromkeys(("sup", "sub"), Walk.raised),
    **dict.fromkeys(EMBEDDED, Walk.embedded),
    "a": Walk.anchor,
    "blockquote": Walk.quote,
    "br": Walk.line_break,
    "figure": Walk.figure,
    "hr": Walk.rule,
    "img": Walk.picture,
    "input": Walk.checkbox,
    "math": Walk.formula,
    "noscript": Walk.without_script,
    "q": Walk.inline_quote,
    "table": Walk.table,
}
