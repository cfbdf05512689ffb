"""Blocks of Markdown put together: quotes, items, lists.

In: blocks in order. Out: their text, indented and parted such that each stays what it is.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec


class Block(msgspec.Struct):
    """One block of Markdown; `sign` tells a list from its neighbour."""

    text: str
    kind: str = ""
    sign: str = ""


def joined(blocks: Iterable[Block]) -> str:
    """Return blocks with a blank line between each two."""
    return "\n\n".join(block.text for block in blocks)


def prefixed(text: str, first: str, others: str) -> str:
    """Return the lines of a text behind a sign and its continuation; blank lines get no spaces."""
    lines = text.split("\n")
    bare = others.rstrip(" ")
    rest = [f"{others}{line}" if line else bare for line in lines[1:]]
    return "\n".join([f"{first}{lines[0]}".rstrip(" "), *rest])


def listed(
    items: list[list[Block]], *, is_ordered: bool, start: int, before: Block | None
) -> Block:
    """Return a list of items as one block; `before` is what it stands behind."""
    kind = "ordered" if is_ordered else "bullets"
    signs = (".", ")") if is_ordered else ("-", "*")
    # Two lists in a row with one sign would be one list.
    is_taken = before is not None and (before.kind, before.sign) == (kind, signs[0])
    sign = signs[is_taken]
    is_loose = any(_is_loose(item) for item in items)
    lines = []
    for number, item in enumerate(items, start):
        mark = f"{number}{sign} " if is_ordered else f"{sign} "
        text = joined(item) if is_loose else "\n".join(block.text for block in item)
        lines.append(prefixed(text, mark, " " * len(mark)))
    return Block(("\n\n" if is_loose else "\n").join(lines), kind, sign)


def _is_loose(item: list[Block]) -> bool:
    """Say whether the blocks of an item need blank lines: all but words with one list below."""
    if len(item) == 1:
        return False
    if len(item) > 2 or item[0].kind != "words":
        return True
    # A list right below words has to begin with 1, else it would be more words.
    below = item[1]
    return below.kind != "bullets" and not (
        below.kind == "ordered" and below.text.startswith(("1. ", "1) "))
    )
