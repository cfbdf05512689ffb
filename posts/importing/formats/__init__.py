"""The input formats: one module each, registered by name.

Input: paths. Output: readers and the streams they read from. A new format is a module with the
members of `Reader`, one line in `READERS` and a sample in `tests/data/`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from posts.content import Problem
from posts.importing.formats import (
    csv_table,
    feed,
    ghost,
    html_pages,
    jsonl,
    markdown,
    text_export,
    wxr,
)
from posts.importing.formats.listing import Inputs, inputs, kind_of_file
from posts.importing.formats.opening import Content, Input, InputError, open_input
from posts.importing.records import Position, RawRecord, Reader

__all__ = [
    "READERS",
    "Content",
    "Input",
    "InputError",
    "Inputs",
    "Opened",
    "Reader",
    "csv_table",
    "feed",
    "html_pages",
    "inputs",
    "jsonl",
    "kind_of_file",
    "open_input",
    "opened",
    "records",
    "sniff",
    "text_export",
    "wxr",
]

#: In the order they are asked, the most certain first. Markdown is what nothing else is.
READERS: dict[str, Reader] = {
    "wxr": wxr,
    "feed": feed,
    "html": html_pages,
    "ghost": ghost,
    "jsonl": jsonl,
    "text-export": text_export,
    "csv": csv_table,
    "markdown": markdown,
}


def sniff(path_name: str, head: bytes) -> str | None:
    """Return the name of the first format that recognises the content, None when none does."""
    if markdown.is_certain(path_name, head):
        return markdown.NAME  # front matter may be JSON, and the text below it like anything
    for name, reader in READERS.items():
        if reader.matches(path_name, head):
            return name
    return None


class Opened(msgspec.Struct, frozen=True):
    """An input ready to be read. `reader` is None for a file of a folder in no wanted format."""

    source: Input
    content: Content
    reader: Reader | None


@contextmanager
def opened(source: Input, format_name: str = "auto") -> Iterator[Opened]:
    """Open an input for the format named, or for the one its content shows.

    A file named by itself is read in the named format whatever it holds. A file of a folder that
    does not match has no reader: it is *filtered*, to be reported, not rejected. Raises
    `InputError` when it cannot be opened, when it cannot be read far enough to recognise it, or
    when it was named by itself and is not recognised.
    """
    with open_input(source) as content:
        name: str | None = format_name
        if format_name == "auto":
            name = sniff(source.file, content.head)
        elif source.is_member and not READERS[format_name].matches(source.file, content.head):
            name = None
        if name is None and content.failure is not None:
            raise content.failure  # damaged is another thing than a stranger
        if name is None and not source.is_member:
            raise InputError(
                Problem(
                    code="unknown_format",
                    field="",
                    value=source.file[:200],
                    expected="content in one of the formats " + ", ".join(READERS),
                    hint="name the format with --format",
                )
            )
        yield Opened(source, content, READERS[name] if name else None)


def records(ready: Opened, after: Position | None = None) -> Iterator[RawRecord]:
    """Yield the records of an opened input, those behind `after` when it is given."""
    if ready.reader is None:
        return
    if not ready.reader.REREADS:
        if after is not None:
            ready.content.skip(after.end)
        yield from ready.reader.records(ready.content.stream, ready.source, after)
        return
    stream = ready.content.rereadable()
    behind = after.record if after is not None else 0
    for raw in ready.reader.records(stream, ready.source, after):
        if raw.position.record > behind:
            yield raw
