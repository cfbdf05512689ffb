"""Two texts word by word, as pieces that stayed, came or went, and rows of such pieces.

In: texts. Out: frozen `Row`s of `Piece`s that a template shows without logic. Hostile text stays
text; characters nobody sees are named. The work is bounded (`Work`): what would cost too much is
told more coarsely, and `Work` says so. Knows neither snapshots nor Django.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from itertools import chain

import msgspec

from posts.alignment import Budget, align

#: Steps of pairing one comparison may take in all, about a quarter of a second.
STEPS = 500_000
#: Characters of a text that is compared word by word; of a longer one, only its ends are.
WORDWISE_MAX = 300_000
#: Pieces of words one comparison shows; beyond them blocks are shown as replaced.
PIECES_MAX = 20_000
#: Characters shown of one piece of text that differs.
SHOWN_MAX = 20_000
#: Unseen characters of one piece that are named each for itself.
MARKS_MAX = 200

SAME, CHANGED, ADDED, REMOVED = "same", "changed", "added", "removed"
#: A block at its new place, and the trace it left at its old one.
MOVED, LEFT = "moved", "left"


class Piece(msgspec.Struct, frozen=True):
    """A stretch of text that stayed, came or went; `mark` names a character nobody would see."""

    kind: str
    text: str
    mark: bool = False


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One block of the comparison.

    `before` and `after` hold its two versions for two columns, `inline` both in one text. `name`
    is its place, such as "was-7" or "now-9"; `target` the name of where it moved from or to.
    """

    kind: str
    before: tuple[Piece, ...] = ()
    after: tuple[Piece, ...] = ()
    inline: tuple[Piece, ...] = ()
    label: str = ""
    name: str = ""
    target: str = ""
    is_code: bool = False

    @property
    def is_same(self) -> bool:
        return self.kind == SAME

    @property
    def alone(self) -> tuple[Row]:
        """The row as a list of rows, for a template that shows lists."""
        return (self,)

    @property
    def has_both(self) -> bool:
        """Whether the block shows two versions: changed, or moved with changes."""
        return bool(self.before and self.after)


class Work:
    """What one comparison may still do, and what it counted: words and blocks by kind."""

    def __init__(self, steps: int = STEPS) -> None:
        self.budget = Budget(steps)
        self.pieces_left = PIECES_MAX
        self.is_coarse = False
        self.is_shortened = False
        self.words_added = 0
        self.words_removed = 0
        self._words: dict[str, list[str]] = {}

    def words(self, text: str) -> list[str]:
        """Return a text's words and the white space after each, in turns; split once."""
        found = self._words.get(text)
        if found is None:
            found = self._words[text] = _split(text)
        return found

    @property
    def is_bounded(self) -> bool:
        """Whether something was left out for the cost of it."""
        return self.is_coarse or self.budget.is_spent


_POINT = r"!-/:-@\[-^`{-~\u00a1-\u00bf\u2010-\u2027\u2030-\u205e\u3001-\u303f\uff01-\uff0f"
#: Writing without spaces: each sign counts as a word.
_SIGN = r"\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
_LETTERS = rf"[^\s{_POINT}{_SIGN}]+"
_WORD = re.compile(rf"({_LETTERS}(?:['’.\-]{_LETTERS})*|[{_SIGN}]|[{_POINT}])(\s*)")

_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\xa0\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    "\u200b-\u200f\u2028-\u202f\u205f-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb"
    "\U000e0000-\U000e0fff]"
)


def _split(text: str) -> list[str]:
    """Return words and white space in turns, beginning with a word; together they are the text."""
    begin = len(text) - len(text.lstrip())
    found = _WORD.findall(text, begin)
    if begin:
        found.insert(0, ("", text[:begin]))
    return list(chain.from_iterable(found))


def pieces(kind: str, text: str, work: Work) -> list[Piece]:
    """Return a text as pieces of one kind: unseen characters named, overlong text cut and said."""
    if kind != SAME and not text.strip():  # a line break alone would not be seen
        text = text.replace("\n", "↵\n")
    if len(text) > SHOWN_MAX:
        work.is_shortened = True
        half = SHOWN_MAX // 2
        left_out = f"… {len(text) - 2 * half:,} characters more …"
        return [
            *pieces(kind, text[:half], work),
            Piece(kind, left_out, True),
            *pieces(kind, text[-half:], work),
        ]
    found: list[Piece] = []
    place = 0
    for count, match in enumerate(_UNSEEN.finditer(text)):
        if match.start() < place:
            continue
        if count == MARKS_MAX:
            rest = _UNSEEN.sub(lambda unseen: f"[{_name(unseen[0])}]", text[place:])
            return [*found, Piece(kind, rest)]
        end = match.end()
        while end < len(text) and text[end] == match[0]:
            end += 1
        if match.start() > place:
            found.append(Piece(kind, text[place : match.start()]))
        times = f" ×{end - match.start():,}" if end - match.start() > 1 else ""
        found.append(Piece(kind, _name(match[0]) + times, True))
        place = end
    if place < len(text):
        found.append(Piece(kind, text[place:]))
    return found


def _name(character: str) -> str:
    """Return what a character nobody sees is called: its number, and its name where it has one."""
    return f"U+{ord(character):04X} {unicodedata.name(character, '').lower()}".rstrip()


def word_changes(before: str, after: str, work: Work) -> list[tuple[str, str]]:
    """Return (kind, text) stretches that lead from one text to the other, in reading order."""
    if max(len(before), len(after)) > WORDWISE_MAX:
        return _end_changes(before, after, work)
    old, new = work.words(before), work.words(after)
    pairs = align(old[::2], new[::2], work.budget)
    found: list[tuple[str, str]] = []
    kept: list[str] = []

    def say(kind: str, text: str) -> None:
        if kept:
            found.append((SAME, "".join(kept)))
            kept.clear()
        if text:
            found.append((kind, text))

    i = j = 0
    for x, y in [*pairs, (len(old) // 2, len(new) // 2)]:
        if x > i:
            say(REMOVED, "".join(old[2 * i : 2 * x]))
        if y > j:
            say(ADDED, "".join(new[2 * j : 2 * y]))
        if 2 * x < len(old):
            space, new_space = old[2 * x + 1], new[2 * y + 1]
            kept.append(old[2 * x])
            if space == new_space:
                kept.append(space)
            else:
                say(REMOVED, space)
                say(ADDED, new_space)
        i, j = x + 1, y + 1
    say(SAME, "")
    return _joined(found)


def _end_changes(before: str, after: str, work: Work) -> list[tuple[str, str]]:
    """Return the equal ends of two long texts, and what is between them as replaced."""
    head, tail = equal_ends(before, after)
    work.is_coarse = True
    found = [
        (SAME, before[:head]),
        (REMOVED, before[head : len(before) - tail]),
        (ADDED, after[head : len(after) - tail]),
        (SAME, before[len(before) - tail :] if tail else ""),
    ]
    return [(kind, text) for kind, text in found if text]


def equal_ends(one: str, other: str) -> tuple[int, int]:
    """Return how many characters two texts share at their beginnings and, of the rest, at the end.

    Halves what is compared each time, so that the comparing itself is done by the interpreter.
    """
    most = min(len(one), len(other))
    head = _longest(most, lambda low, high: one[low:high] == other[low:high])
    tail = _longest(
        most - head,
        lambda low, high: (
            one[len(one) - high : len(one) - low] == other[len(other) - high : len(other) - low]
        ),
    )
    return head, tail


def _longest(most: int, is_equal: Callable[[int, int], bool]) -> int:
    """Return the largest length up to which all stretches from 0 are equal."""
    low, high = 0, most
    while low < high:
        middle = (low + high + 1) // 2
        if is_equal(low, middle):
            low = middle
        else:
            high = middle - 1
    return low


def _joined(found: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Join stretches of a kind; a lone sign between two replaced stretches belongs to both."""
    whole: list[tuple[str, list[str]]] = []
    for number, (kind, text) in enumerate(found):
        is_lone = (
            kind == SAME
            and len(text.strip()) < 2
            and 2 <= number < len(found) - 2
            and SAME not in (found[number - 1][0], found[number - 2][0])
            and SAME not in (found[number + 1][0], found[number + 2][0])
        )
        for part in (REMOVED, ADDED) if is_lone else (kind,):
            _append(whole, part, text)
    return _trimmed([(kind, "".join(texts)) for kind, texts in whole])


def _trimmed(found: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Leave the white space that follows both sides of a replacement out of it."""
    trimmed: list[tuple[str, str]] = []
    for kind, text in found:
        before = trimmed[-1] if trimmed else (SAME, "")
        space = before[1][len(before[1].rstrip()) :]
        if {kind, before[0]} == {ADDED, REMOVED} and space and text.endswith(space):
            kept = text[: -len(space)]
            if kept and before[1] != space and len(text.rstrip()) == len(kept):
                trimmed[-1] = before[0], before[1][: -len(space)]
                trimmed += [(kind, kept), (SAME, space)]
                continue
        trimmed.append((kind, text))
    return trimmed


def _append(whole: list[tuple[str, list[str]]], kind: str, text: str) -> None:
    """Add a stretch, to its own kind when only the other kind of change came between."""
    if whole and whole[-1][0] == kind:
        whole[-1][1].append(text)
    elif kind != SAME and len(whole) > 1 and whole[-1][0] != SAME and whole[-2][0] == kind:
        whole[-2][1].append(text)
    else:
        whole.append((kind, [text]))


def changed_row(before: str, after: str, work: Work, *, kind: str = CHANGED, **more: object) -> Row:
    """Return a row with both versions of a block, word by word where that can be shown."""
    found = word_changes(before, after, work)
    kept = sum(len(text) for told, text in found if told == SAME)
    is_other = before and after and kept < min(len(before), len(after)) / 5
    if is_other or len(found) > work.pieces_left:
        work.is_coarse |= len(found) > work.pieces_left
        found = [(told, text) for told, text in ((REMOVED, before), (ADDED, after)) if text]
    work.pieces_left -= len(found)
    inline: list[Piece] = []
    for told, text in found:
        inline += pieces(told, text, work)
        tally(told, text, work)
    return Row(
        kind=kind,
        before=tuple(piece for piece in inline if piece.kind != ADDED),
        after=tuple(piece for piece in inline if piece.kind != REMOVED),
        inline=tuple(inline),
        **more,  # type: ignore[arg-type]
    )


def tally(kind: str, text: str, work: Work) -> None:
    """Count the words of a stretch that came or went."""
    if kind == ADDED:
        work.words_added += len(text.split())
    elif kind == REMOVED:
        work.words_removed += len(text.split())


def text_row(before: str, after: str, work: Work, *, label: str = "") -> Row:
    """Return one row for a short text: same, added, removed or changed."""
    if before == after:
        return Row(kind=SAME, inline=tuple(pieces(SAME, after, work)), label=label)
    if before and after:
        return changed_row(before, after, work, label=label)
    kind = ADDED if after else REMOVED
    text = after or before
    tally(kind, text, work)
    return Row(kind=kind, inline=tuple(pieces(kind, text, work)), label=label)
