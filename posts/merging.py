"""Three versions of a post's content: where they came from, ours, theirs; and a fourth from them.

In: the snapshot both sides began with (None when there is none), two snapshots that grew from it,
and for each field whose version to take. Out: what each side changed, and the merged snapshot.
Nothing is taken over silently: a field both changed differently needs a choice. No Django.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from posts import compare, content
from posts.alignment import Budget, align
from posts.blockdiff import LINES_MAX, Block, blocks
from posts.worddiff import STEPS, Work

UNCHANGED, OURS, THEIRS, AGREED, CONFLICT = "unchanged", "ours", "theirs", "agreed", "conflict"
#: A choice beside ours and theirs: both sides' changes, where they do not touch each other.
BOTH = "both"

#: What is said of each state.
STATES = {
    OURS: "only ours changed",
    THEIRS: "only theirs changed",
    AGREED: "both changed it alike",
    CONFLICT: "both changed it, differently",
}


class ChoiceError(ValueError):
    """Fields that need a choice and have none, or one that there is not; by name."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__("Choose a version of: " + ", ".join(map(compare.label_of, names)))
        self.names = tuple(names)


class MergeField(msgspec.Struct, frozen=True, kw_only=True):
    """One field that a side changed.

    `by_ours` and `by_theirs` are what each side changed, None where it changed nothing; without a
    common beginning `by_theirs` leads from ours to theirs. `default` is "" where only a person can
    choose. `both` is the body with both sides' changes; `why_not` why there is none.
    """

    name: str
    label: str
    state: str
    by_ours: compare.Field | None
    by_theirs: compare.Field | None
    default: str
    both: str | None = None
    why_not: str = ""

    @property
    def says(self) -> str:
        return STATES[self.state]

    @property
    def is_open(self) -> bool:
        """Whether there is anything to choose."""
        return self.state != AGREED

    @property
    def choices(self) -> tuple[str, ...]:
        return (OURS, THEIRS, BOTH) if self.both is not None else (OURS, THEIRS)


class Merge(msgspec.Struct, frozen=True, kw_only=True):
    """All fields a side changed, in the order of the page."""

    ours: content.Snapshot
    theirs: content.Snapshot
    fields: tuple[MergeField, ...]
    has_base: bool
    notes: tuple[str, ...] = ()

    def merged(self, choices: Mapping[str, str]) -> content.Snapshot:
        """Return the content with each field as chosen; what is not named takes its default.

        Raises `ChoiceError` with every field that has no valid choice.
        """
        taken = {
            field.name: choices.get(field.name) or field.default
            for field in self.fields
            if field.is_open
        }
        wrong = [
            field.name
            for field in self.fields
            if field.is_open and taken[field.name] not in field.choices
        ]
        if wrong:
            raise ChoiceError(wrong)
        values: dict[str, Any] = {}
        for field in self.fields:
            choice = taken.get(field.name, OURS)
            side = self.theirs if choice == THEIRS else self.ours
            values[field.name] = (
                field.both if choice == BOTH else compare.value_of(side, field.name)
            )
        own = {name: values.pop(name) for name in ("title", "lede", "body") if name in values}
        meta = msgspec.structs.replace(self.ours.meta, **values)
        return msgspec.structs.replace(self.ours, meta=meta, **own)


def three_way(
    base: content.Snapshot | None, ours: content.Snapshot, theirs: content.Snapshot
) -> Merge:
    """Return what each side changed, field by field; fields nobody changed are left out."""
    work = Work()
    fields = []
    for name in compare.FIELDS:
        state = _state(name, base, ours, theirs)
        if state == UNCHANGED:
            continue
        both, why_not = None, ""
        if name == "body" and state == CONFLICT and base is not None:
            both, why_not = _both(base, ours, theirs)
        fields.append(
            MergeField(
                name=name,
                label=compare.label_of(name),
                state=state,
                by_ours=(
                    compare.compare_field(name, base, ours, work, prefix="ours-") if base else None
                ),
                by_theirs=compare.compare_field(name, base or ours, theirs, work, prefix="theirs-"),
                default={CONFLICT: "", THEIRS: THEIRS}.get(state, OURS),
                both=both,
                why_not=why_not,
            )
        )
    return Merge(
        ours=ours,
        theirs=theirs,
        fields=tuple(fields),
        has_base=base is not None,
        notes=compare.notes_of(work),
    )


def _state(
    name: str, base: content.Snapshot | None, ours: content.Snapshot, theirs: content.Snapshot
) -> str:
    mine, other = compare.value_of(ours, name), compare.value_of(theirs, name)
    if base is None:
        return UNCHANGED if mine == other else CONFLICT
    began = compare.value_of(base, name)
    if mine == other:
        return UNCHANGED if mine == began else AGREED
    if other == began:
        return OURS
    return THEIRS if mine == began else CONFLICT


# --- Both sides' changes of a body ------------------------------------------------------------


def _both(
    base: content.Snapshot, ours: content.Snapshot, theirs: content.Snapshot
) -> tuple[str | None, str]:
    """Return a body with both sides' changes, or None and the reason."""
    has_figures = "](image:" in ours.body or "](image:" in theirs.body
    if has_figures and ours.meta.image_sources != theirs.meta.image_sources:
        return None, "The figures count in image sources that differ."
    merged = merged_blocks(base.body, ours.body, theirs.body)
    return merged, "" if merged is not None else "Both changed the same place of the text."


def merged_blocks(base: str, ours: str, theirs: str) -> str | None:
    """Return a text with both sides' changes; None when two of them touch, or it costs too much.

    Changes touch unless a block that nobody changed stands between them.
    """
    if max(text.count("\n") for text in (base, ours, theirs)) > LINES_MAX:
        return None
    began, mine, other = blocks(base), blocks(ours), blocks(theirs)
    budget = Budget(STEPS)
    to_mine = dict(align([b.text for b in began], [b.text for b in mine], budget))
    to_other = dict(align([b.text for b in began], [b.text for b in other], budget))
    if budget.is_spent:
        return None
    found: list[Block] = []
    i = j = k = 0
    for stable in [*(n for n in range(len(began)) if n in to_mine and n in to_other), None]:
        x, y, z = (
            (len(began), len(mine), len(other))
            if stable is None
            else (stable, to_mine[stable], to_other[stable])
        )
        part = _part(began[i:x], mine[j:y], other[k:z])
        if part is None:
            return None
        found += part
        if stable is not None:
            spaced = other[z] if mine[y].after == began[x].after else mine[y]
            found.append(spaced)
        i, j, k = x + 1, y + 1, z + 1
    return _text(found)


def _part(
    began: Sequence[Block], mine: Sequence[Block], other: Sequence[Block]
) -> Sequence[Block] | None:
    """Return what stands between two blocks nobody changed; None when both sides changed it."""
    before, ours, theirs = ([block.text for block in side] for side in (began, mine, other))
    if ours in (before, theirs):
        return other if ours == before else mine
    return mine if theirs == before else None


def _text(found: Sequence[Block]) -> str:
    """Join blocks; one that was the last of its text gets the space its new place needs."""
    parts = []
    for number, block in enumerate(found):
        is_last = number == len(found) - 1
        parts.append(block.text)
        if block.after.strip("\n") or "\n" in block.after or is_last:
            parts.append(block.after)
        else:
            parts.append("\n\n")
    return "".join(parts)
