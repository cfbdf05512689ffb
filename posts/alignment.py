"""Which elements of two sequences stand for each other: the longest common run, at a bounded cost.

In: two sequences of hashable values, a budget. Out: pairs of positions, increasing on both sides.
Never slower than the budget allows: what it does not reach stays unpaired, and the budget says so.
Knows neither texts nor Django.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Hashable, Iterable, Sequence

#: Differences followed between two anchors; beyond them a stretch counts as replaced.
DIFFERENCES_MAX = 600

_DEAD = -2


class Budget:
    """Steps one comparison may still take. `is_spent` once it had to leave something out."""

    __slots__ = ("is_spent", "left")

    def __init__(self, steps: int) -> None:
        self.left = steps
        self.is_spent = False

    def take(self, steps: int) -> bool:
        """Take steps and say whether there were enough."""
        if steps > self.left:
            self.is_spent = True
            return False
        self.left -= steps
        return True


def align(
    one: Sequence[Hashable], other: Sequence[Hashable], budget: Budget
) -> list[tuple[int, int]]:
    """Return pairs of positions of equal elements, increasing on both sides.

    Equal ends are paired first, then what occurs once on both sides (patience), and between those
    anchors the shortest way from one to the other (Myers). Ends cost nothing of the budget.
    """
    ids: dict[Hashable, int] = {}
    a = [ids.setdefault(value, len(ids)) for value in one]
    b = [ids.setdefault(value, len(ids)) for value in other]
    pairs: list[tuple[int, int]] = []
    spans = [(0, len(a), 0, len(b))]
    while spans:
        low, high, other_low, other_high = spans.pop()
        while low < high and other_low < other_high and a[low] == b[other_low]:
            pairs.append((low, other_low))
            low, other_low = low + 1, other_low + 1
        while low < high and other_low < other_high and a[high - 1] == b[other_high - 1]:
            high, other_high = high - 1, other_high - 1
            pairs.append((high, other_high))
        if low == high or other_low == other_high:
            continue
        span = (low, high, other_low, other_high)
        if not budget.take(high - low + other_high - other_low):
            continue
        anchors = _anchors(a, b, span)
        if not anchors:
            pairs += _shortest(a, b, span, budget)
            continue
        pairs += anchors
        for i, j in anchors:
            spans.append((low, i, other_low, j))
            low, other_low = i + 1, j + 1
        spans.append((low, high, other_low, other_high))
    pairs.sort()
    return pairs


def increasing(pairs: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the most pairs, sorted by their first member, whose second members increase too."""
    ordered = sorted(pairs)
    tails: list[int] = []
    ends: list[int] = []
    before: list[int] = []
    for number, (_, j) in enumerate(ordered):
        place = bisect_left(tails, j)
        before.append(ends[place - 1] if place else -1)
        if place == len(tails):
            tails.append(j)
            ends.append(number)
        else:
            tails[place] = j
            ends[place] = number
    found = []
    number = ends[-1] if ends else -1
    while number >= 0:
        found.append(ordered[number])
        number = before[number]
    found.reverse()
    return found


def _anchors(
    a: Sequence[int], b: Sequence[int], span: tuple[int, int, int, int]
) -> list[tuple[int, int]]:
    low, high, other_low, other_high = span
    once = _once(a, low, high)
    once_there = _once(b, other_low, other_high)
    return increasing((i, once_there[value]) for value, i in once.items() if value in once_there)


def _once(values: Sequence[int], low: int, high: int) -> dict[int, int]:
    """Return the positions of the values that occur once in a stretch."""
    seen: dict[int, int] = {}
    for position in range(low, high):
        value = values[position]
        seen[value] = -1 if value in seen else position
    return {value: position for value, position in seen.items() if position >= 0}


def _shortest(
    a: Sequence[int], b: Sequence[int], span: tuple[int, int, int, int], budget: Budget
) -> list[tuple[int, int]]:
    """Return the pairs on a shortest way through a stretch; none when it costs too much.

    What only one side holds is on no way and left out beforehand.
    """
    low, high, other_low, other_high = span
    there = set(b[other_low:other_high])
    ours = [i for i in range(low, high) if a[i] in there]
    here = {a[i] for i in ours}
    theirs = [j for j in range(other_low, other_high) if b[j] in here]
    n, m = len(ours), len(theirs)
    most = min(n + m, DIFFERENCES_MAX)
    middle = most + 1
    reach = [_DEAD] * (2 * most + 3)
    reach[middle + 1] = 0
    trace: list[list[int]] = []
    for d in range(most + 1):
        if not budget.take(2 * d + 1):
            return []
        trace.append(reach[middle - d - 1 : middle + d + 2])
        slid = 0
        for k in range(-d, d + 1, 2):
            x = start = _step(reach[middle + k - 1], reach[middle + k + 1], k, n, m)
            if x >= 0:
                y = x - k
                while x < n and y < m and a[ours[x]] == b[theirs[y]]:
                    x, y = x + 1, y + 1
                slid += x - start
                if x == n and y == m:
                    return [(ours[i], theirs[j]) for i, j in _way_back(trace, n, m)]
            reach[middle + k] = x
        if not budget.take(slid):
            return []
    budget.is_spent = True
    return []


def _step(left: int, right: int, k: int, n: int, m: int) -> int:
    """Return how far diagonal `k` gets from its neighbours by one difference; `_DEAD` if nowhere.

    Going on from `left` leaves out an element of one side, from `right` one of the other.
    """
    x = left + 1 if 0 <= left < n else _DEAD
    return max(x, right if right >= 0 and right - k <= m else _DEAD)


def _way_back(trace: Sequence[Sequence[int]], n: int, m: int) -> list[tuple[int, int]]:
    pairs = []
    x, y = n, m
    for d in range(len(trace) - 1, -1, -1):
        reach = trace[d]  # its middle is diagonal 0, at position d + 1
        k = x - y
        left, right = reach[d + k], reach[d + k + 2]
        start = _step(left, right, k, n, m)
        while x > start:
            x, y = x - 1, y - 1
            pairs.append((x, y))
        if right >= 0 and start == right and right - k <= m:
            y -= 1
        else:
            x -= 1
    return pairs
