"""Two Markdown texts block by block: what stayed, changed, came, went, moved.

In: texts. Out: blocks, and a `Row` for every block of both sides in reading order. Linear but for
the pairing, which has a budget. Knows neither snapshots nor Django.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from posts.alignment import align, increasing
from posts.worddiff import (
    ADDED,
    LEFT,
    MOVED,
    REMOVED,
    SAME,
    Row,
    Work,
    changed_row,
    equal_ends,
    pieces,
    tally,
)

#: Share of common words from which two blocks are versions of each other: where one took the
#: other's place, and anywhere else.
ALIKE_HERE = 0.4
ALIKE_ELSEWHERE = 0.7
#: Words of a block that may be recognised elsewhere.
MOVABLE_WORDS = 2
#: Lines of a text that is compared by blocks; of a longer one, only its ends are.
LINES_MAX = 20_000
#: Characters of a block whose words are told exactly when it is looked for elsewhere.
SPLIT_MAX = 50_000
_RARE = 8
_CANDIDATES = 2


class Block(NamedTuple):
    """A paragraph, heading, list item, code block or table, and the white space after it."""

    text: str
    after: str = ""
    is_code: bool = False


_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_ITEM = re.compile(r"\s*(?:[-*+]|[0-9]{1,9}[.)])(?:\s|$)")


def blocks(markdown: str) -> list[Block]:
    """Return a text's blocks; joined again with what stands after each, they are the text.

    Blank lines, list items and fences begin one. A fenced block is one, blank lines included.
    """
    found: list[Block] = []
    lines: list[str] = []
    blank: list[str] = []
    fence = ""

    def close(is_code: bool) -> None:
        if lines:
            text = "".join(lines)
            whole = text.rstrip("\n")
            found.append(Block(whole, text[len(whole) :] + "".join(blank), is_code))
            lines.clear()
            blank.clear()

    for line in _lines(markdown):
        if fence:
            lines.append(line)
            stripped = line.strip()
            if stripped.startswith(fence) and not stripped.strip(fence[0]):
                fence = ""
            continue
        if not line.strip():
            if lines:
                blank.append(line)
            elif found:
                last = found[-1]
                found[-1] = last._replace(after=last.after + line)
            else:
                found.append(Block("", line))
            continue
        opening = _FENCE.match(line)
        if blank or opening or _ITEM.match(line) or (lines and _is_closed_code(lines)):
            close(bool(lines) and _is_closed_code(lines))
        lines.append(line)
        if opening:
            fence = opening[1]
    close(bool(lines) and _FENCE.match(lines[0]) is not None)
    return found


def _lines(text: str) -> Iterator[str]:
    """Yield the lines with their line feeds; only those end a line, as in the documents."""
    start = 0
    while (end := text.find("\n", start)) >= 0:
        yield text[start : end + 1]
        start = end + 1
    if start < len(text):
        yield text[start:]


def _is_closed_code(lines: Sequence[str]) -> bool:
    return _FENCE.match(lines[0]) is not None


def compare_markdown(before: str, after: str, work: Work, *, prefix: str = "") -> list[Row]:
    """Return the rows of two texts; of texts with more than `LINES_MAX` lines only the ends."""
    if max(before.count("\n"), after.count("\n")) <= LINES_MAX:
        return compare_blocks(blocks(before), blocks(after), work, prefix=prefix)
    work.is_coarse = True
    head, tail = equal_ends(before, after)
    head = before.rfind("\n", 0, head) + 1
    end = before.find("\n", len(before) - tail) if tail else -1
    tail = len(before) - end if end >= 0 else 0
    parts = (
        (SAME, before[:head]),
        (REMOVED, before[head : len(before) - tail]),
        (ADDED, after[head : len(after) - tail]),
        (SAME, before[len(before) - tail :] if tail else ""),
    )
    return [_whole(kind, Block(text.strip("\n")), work) for kind, text in parts if text.strip("\n")]


def compare_blocks(
    before: Sequence[Block], after: Sequence[Block], work: Work, *, prefix: str = ""
) -> list[Row]:
    """Return a row for every block of both sides, in reading order.

    Equal blocks are paired first; of the rest, equal ones elsewhere moved, and alike ones changed
    in their place or moved and changed. `prefix` keeps the names of two lists apart.
    """
    same = align([block.text for block in before], [block.text for block in after], work.budget)
    changed, moved = _partners(before, after, same, work)
    anchors = sorted([*same, *changed])
    to, come = dict(moved), {j: i for i, j in moved}
    rows: list[Row] = []
    kept = [i for i, _ in same], [j for _, j in same]

    def names(i: int, j: int) -> tuple[str, str]:
        return f"{prefix}was-{i + 1}", f"{prefix}now-{j + 1}"

    i = j = 0
    for x, y in [*anchors, (len(before), len(after))]:
        for number in range(i, x):
            if number in to:
                was, now = names(number, to[number])
                rows.append(_left(before[number], was, now, to[number] + 1, work))
            else:
                rows.append(_whole(REMOVED, before[number], work))
        for number in range(j, y):
            if number in come:
                was, now = names(come[number], number)
                label = _journey(come[number], number, kept)
                rows.append(_moved(before[come[number]], after[number], label, now, was, work))
            else:
                rows.append(_whole(ADDED, after[number], work))
        if x < len(before):
            if before[x].text == after[y].text:
                rows.append(_whole(SAME, after[y], work))
            else:
                rows.append(
                    changed_row(before[x].text, after[y].text, work, is_code=after[y].is_code)
                )
        i, j = x + 1, y + 1
    return [row for row in rows if row.inline]


def _whole(kind: str, block: Block, work: Work) -> Row:
    tally(kind, block.text, work)
    return Row(kind=kind, inline=tuple(pieces(kind, block.text, work)), is_code=block.is_code)


def _left(block: Block, name: str, target: str, place: int, work: Work) -> Row:
    short = block.text if len(block.text) <= 80 else block.text[:80] + " …"
    return Row(
        kind=LEFT,
        inline=tuple(pieces(SAME, short, work)),
        label=f"moved from here to block {place}",
        name=name,
        target=target,
        is_code=block.is_code,
    )


def _moved(was: Block, now: Block, label: str, name: str, target: str, work: Work) -> Row:
    if was.text == now.text:
        inline = tuple(pieces(SAME, now.text, work))
        return Row(
            kind=MOVED, inline=inline, label=label, name=name, target=target, is_code=now.is_code
        )
    return changed_row(
        was.text,
        now.text,
        work,
        kind=MOVED,
        label=f"{label}, and changed",
        name=name,
        target=target,
        is_code=now.is_code,
    )


def _journey(i: int, j: int, kept: tuple[list[int], list[int]]) -> str:
    """Say where a block went, counted in blocks that stayed."""
    places = bisect_left(kept[1], j) - bisect_left(kept[0], i)
    if not places:
        return "moved"
    way = "down" if places > 0 else "up"
    return f"moved {way} {abs(places):,} place{'s' if abs(places) != 1 else ''}"


Pairs = list[tuple[int, int]]


class _Gap(NamedTuple):
    """What is left over between two blocks that stayed: positions on both sides."""

    ours: range
    theirs: range

    def near(self, x: int) -> Iterable[int]:
        """Return what may stand where a block stood; of many, the neighbours of its place."""
        if len(self.theirs) <= _RARE:
            return self.theirs
        middle = (x - self.ours.start) * len(self.theirs) // len(self.ours)
        return self.theirs[max(0, middle - 1) : middle + 2]


def _partners(
    before: Sequence[Block], after: Sequence[Block], same: Pairs, work: Work
) -> tuple[Pairs, Pairs]:
    """Return the pairs that changed in their place, and those that moved.

    Linear in the words of what is left over: each block looks at a few candidates.
    """
    place: dict[int, _Gap] = {}
    here: dict[int, _Gap] = {}
    i = j = 0
    for x, y in [*same, (len(before), len(after))]:
        gap = _Gap(range(i, x), range(j, y))
        place.update(dict.fromkeys(gap.ours, gap))
        here.update(dict.fromkeys(gap.theirs, gap))
        i, j = x + 1, y + 1
    moved = _same_elsewhere(before, after, place, here)
    for x, y in moved:
        del place[x], here[y]
    taken: dict[int, int] = {}
    given: set[int] = set()
    for _, _, minus_x, minus_y in sorted(_alike(before, after, place, here, work), reverse=True):
        if -minus_x not in taken and -minus_y not in given:
            taken[-minus_x] = -minus_y
            given.add(-minus_y)
    changed = increasing((x, y) for x, y in taken.items() if place[x] is here[y])
    stayed = dict(changed)
    return changed, moved + [pair for pair in taken.items() if pair[0] not in stayed]


def _alike(
    before: Sequence[Block],
    after: Sequence[Block],
    place: Mapping[int, _Gap],
    here: Mapping[int, _Gap],
    work: Work,
) -> Iterator[tuple[bool, float, int, int]]:
    """Yield (is in its place, likeness, -position, -position) of blocks that are versions."""
    spoken = {y: _words(after[y], work) for y in here}
    bags = {y: Counter(said) for y, said in spoken.items()}
    holders: dict[tuple[str, str], list[int]] | None = None
    for x, gap in place.items():
        said = _words(before[x], work)
        bag = Counter(said)
        best = 0.0
        near = [y for y in gap.near(x) if y in here]
        for y in near:
            likeness = _likeness(bag, bags[y])
            best = max(best, likeness)
            if likeness >= ALIKE_HERE:
                yield True, likeness, -x, -y
        if best >= ALIKE_ELSEWHERE or len(bag) < MOVABLE_WORDS:
            continue
        holders = _holders(spoken) if holders is None else holders
        votes = Counter(y for shingle in pairwise(said) for y in holders.get(shingle, ()))
        for y, _ in votes.most_common(_CANDIDATES):
            if y not in near:
                likeness = _likeness(bag, bags[y])
                is_here = here[y] is gap
                if likeness >= (ALIKE_HERE if is_here else ALIKE_ELSEWHERE):
                    yield is_here, likeness, -x, -y


def _same_elsewhere(
    before: Sequence[Block], after: Sequence[Block], place: Iterable[int], here: Iterable[int]
) -> Pairs:
    waiting: dict[str, deque[int]] = defaultdict(deque)
    for y in here:
        waiting[after[y].text].append(y)
    return [
        (x, waiting[text].popleft())
        for x in place
        if waiting.get(text := before[x].text) and len(text.split(None, 1)) >= MOVABLE_WORDS
    ]


def _words(block: Block, work: Work) -> list[str]:
    """Return the words by which blocks recognise each other."""
    return block.text.split() if len(block.text) > SPLIT_MAX else work.words(block.text)[::2]


def _holders(spoken: Mapping[int, Sequence[str]]) -> dict[tuple[str, str], list[int]]:
    """Return which blocks hold two words in a row, of those that no more than `_RARE` hold."""
    holders: dict[tuple[str, str], list[int]] = defaultdict(list)
    for y, said in spoken.items():
        for shingle in set(pairwise(said)):
            if len(holders[shingle]) <= _RARE:
                holders[shingle].append(y)
    return {shingle: found for shingle, found in holders.items() if len(found) <= _RARE}


def _likeness(one: Counter[str], other: Counter[str]) -> float:
    """Return the share of common words of two bags, 0 to 1."""
    total = one.total() + other.total()
    if len(other) < len(one):
        one, other = other, one
    common = sum(min(number, other[word]) for word, number in one.items() if word in other)
    return 2 * common / total if total else 0.0
