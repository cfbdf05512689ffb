"""Two versions of a post's content, side by side: title, lede, body by blocks, each meta field.

In: two snapshots. Out: a frozen `Comparison` that a template renders without logic: only what
differs, unchanged stretches of the body folded, and a word on what was too much to tell in detail.
Deterministic; half a second at most for texts of any size that is accepted. No Django.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from posts import content
from posts.blockdiff import Block, compare_blocks, compare_markdown
from posts.worddiff import (
    ADDED,
    CHANGED,
    LEFT,
    MOVED,
    REMOVED,
    SAME,
    Row,
    Work,
    pieces,
    text_row,
)

#: Unchanged blocks shown on each side of a change.
CONTEXT = 1
#: Differing blocks shown of one text; a page with more helps nobody.
ROWS_MAX = 1_000
#: Unchanged text that a fold carries along, in blocks and characters; more is only counted.
FOLD_ROWS_MAX = 300
FOLD_CHARACTERS_MAX = 50_000

_TEXTS = (
    *("topic", "summary", "ai_brief", "code_language", "difficulty", "language"),
    *("author", "published_at", "reference", "hash"),
)
_CHIPS = ("stack", "tools", "tags", "entities")
_ITEMS = ("checklist", "notes", "image_sources", "former_urls")

#: Every field of a snapshot, in the order of the page.
FIELDS = ("title", "lede", "body", *content.Meta.__struct_fields__)


class Fold(msgspec.Struct, frozen=True):
    """A stretch of unchanged blocks; `rows` is empty when it is too long to carry along."""

    count: int
    rows: tuple[Row, ...] = ()
    kind: str = "fold"


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """One field that differs. `layout` is text, blocks, chips or items.

    `rows` holds `Row`s and, in blocks, `Fold`s. `hidden` counts differing blocks that are left out.
    """

    name: str
    label: str
    layout: str
    rows: tuple[Row | Fold, ...]
    note: str = ""
    hidden: int = 0


class Summary(msgspec.Struct, frozen=True):
    """What a comparison found, in numbers; `sentences` in words."""

    blocks: dict[str, int]
    words_added: int
    words_removed: int
    tags_added: int
    tags_removed: int
    fields: tuple[str, ...]

    def sentences(self) -> list[str]:
        """Return "+120 −34 words", "3 blocks changed, 1 moved", "tags +1 −0" and so on."""
        found = []
        if self.words_added or self.words_removed:
            found.append(f"+{self.words_added:,} −{self.words_removed:,} words")
        told = [f"{number:,} {kind}" for kind, number in self.blocks.items() if number]
        if told:
            found.append("text: " + ", ".join(told))
        if self.tags_added or self.tags_removed:
            found.append(f"tags +{self.tags_added} −{self.tags_removed}")
        if self.fields:
            found.append("fields: " + ", ".join(self.fields))
        return found


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """All that differs, field by field. `notes` say where it is told more coarsely."""

    fields: tuple[Field, ...]
    summary: Summary
    notes: tuple[str, ...] = ()

    @property
    def is_same(self) -> bool:
        return not self.fields


def compare(before: content.Snapshot, after: content.Snapshot) -> Comparison:
    """Return what leads from one content to the other."""
    work = Work()
    fields = tuple(
        field for name in FIELDS if (field := compare_field(name, before, after, work)) is not None
    )
    kinds = Counter(row.kind for field in fields if field.name == "body" for row in field.rows)
    old, new = ({tag.name for tag in content.tag_names(side.meta)} for side in (before, after))
    summary = Summary(
        blocks={kind: kinds[kind] for kind in (CHANGED, MOVED, ADDED, REMOVED)},
        words_added=work.words_added,
        words_removed=work.words_removed,
        tags_added=len(new - old),
        tags_removed=len(old - new),
        fields=tuple(field.label for field in fields),
    )
    return Comparison(fields=fields, summary=summary, notes=notes_of(work))


def notes_of(work: Work) -> tuple[str, ...]:
    """Return what the reader of a comparison must know about its limits."""
    notes = []
    if work.is_bounded:
        notes.append(
            "The two texts differ so much that parts are shown as removed and added, "
            "not word by word."
        )
    if work.is_shortened:
        notes.append("Very long stretches are shortened; the revisions hold them whole.")
    return tuple(notes)


def value_of(snapshot: content.Snapshot, name: str) -> Any:
    """Return a field of a snapshot or of its meta."""
    return getattr(snapshot if name in ("title", "lede", "body") else snapshot.meta, name)


def label_of(name: str) -> str:
    """Return a field's name as people write it."""
    return name.replace("_", " ")


def compare_field(
    name: str, before: content.Snapshot, after: content.Snapshot, work: Work, *, prefix: str = ""
) -> Field | None:
    """Return what changed in one field; None when nothing did. `prefix` is for names of rows."""
    old, new = value_of(before, name), value_of(after, name)
    if old == new:
        return None
    if name == "body":
        return _body(old, new, work, prefix)
    if name in ("title", "lede", *_TEXTS):
        return _field(name, "text", [text_row(old, new, work)])
    if name in (*_CHIPS, *_ITEMS):
        return _list(name, old, new, work)
    if name == "extra":
        names = sorted({*old, *new})
        sides = [(key, _plain(old.get(key)), _plain(new.get(key))) for key in names]
    else:
        sides = [
            (label_of(key), _plain(getattr(old, key)), _plain(getattr(new, key)))
            for key in new.__struct_fields__
        ]
    rows = [text_row(was, now, work, label=key) for key, was, now in sides if was != now]
    return _field(name, "items", rows)


def _field(name: str, layout: str, rows: Sequence[Row | Fold], **more: Any) -> Field:
    return Field(name=name, label=label_of(name), layout=layout, rows=tuple(rows), **more)


def _body(old: str, new: str, work: Work, prefix: str) -> Field:
    rows = compare_markdown(old, new, work, prefix=prefix)
    if all(row.kind == SAME for row in rows):
        note = "Only blank lines or the white space between blocks differ."
        return _field("body", "blocks", folded(rows), note=note)
    differing = 0
    for place, row in enumerate(rows):
        differing += row.kind != SAME
        if differing > ROWS_MAX:
            hidden = sum(row.kind != SAME for row in rows[place:])
            return _field("body", "blocks", folded(rows[:place]), hidden=hidden)
    return _field("body", "blocks", folded(rows))


def folded(rows: Sequence[Row]) -> list[Row | Fold]:
    """Return the rows with unchanged stretches folded, but for `CONTEXT` rows beside a change."""
    found: list[Row | Fold] = []
    start = 0
    while start < len(rows):
        if rows[start].kind != SAME:
            found.append(rows[start])
            start += 1
            continue
        end = start
        while end < len(rows) and rows[end].kind == SAME:
            end += 1
        low = start + (CONTEXT if start else 0)
        high = end - (CONTEXT if end < len(rows) else 0)
        if high - low < 2:
            found += rows[start:end]
        else:
            found += [*rows[start:low], _fold(rows[low:high]), *rows[high:end]]
        start = end
    return found


def _fold(rows: Sequence[Row]) -> Fold:
    is_short = len(rows) <= FOLD_ROWS_MAX and (
        sum(len(piece.text) for row in rows for piece in row.inline) <= FOLD_CHARACTERS_MAX
    )
    return Fold(len(rows), tuple(rows) if is_short else ())


def _list(name: str, old: Sequence[Any], new: Sequence[Any], work: Work) -> Field:
    """Return the items of a list: chips whole, other items word by word."""
    before = [Block(_plain(item)) for item in old]
    after = [Block(_plain(item)) for item in new]
    if name in _CHIPS:
        return _field(name, "chips", list(_chips(before, after, work)))
    rows = compare_blocks(before, after, work)
    shown = [
        msgspec.structs.replace(row, name="", target="")  # where it was is not shown
        for row in rows
        if row.kind not in (SAME, LEFT)
    ]
    return _field(name, "items", shown)


def _chips(old: Sequence[Block], new: Sequence[Block], work: Work) -> Iterable[Row]:
    """Yield the chips as they are now, then those that went; an order that changed is said."""
    left = Counter(chip.text for chip in old)
    kept = [chip.text for chip in old if chip in new]
    order = {text: place for place, text in reversed(list(enumerate(kept)))}
    at = -1
    for chip in new:
        if left[chip.text]:
            left[chip.text] -= 1
            has_moved = order.get(chip.text, 0) < at
            at = max(at, order.get(chip.text, 0))
            kind, label = (MOVED, "moved") if has_moved else (SAME, "")
        else:
            kind, label = ADDED, ""
        yield Row(kind=kind, inline=tuple(pieces(kind, chip.text, work)), label=label)
    for text, number in left.items():
        for _ in range(number):
            yield Row(kind=REMOVED, inline=tuple(pieces(REMOVED, text, work)))


def _plain(value: Any) -> str:
    """Return any value of a snapshot as lines of text."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, content.Entity):
        return f"{value.type}: {value.name}"
    if isinstance(value, content.Image):
        return "\n".join(
            f"{name}: {text}" for name in value.__struct_fields__ if (text := getattr(value, name))
        )
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
