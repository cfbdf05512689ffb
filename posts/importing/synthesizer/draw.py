"""Choices from a seed, the same on every Python.

In: a text that names what is drawn for. Out: numbers and words. Must not use any part of
`random` whose sequence may change between Python versions.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from itertools import accumulate
from random import Random
from typing import TypeVar

T = TypeVar("T")


class Draw:
    """Choices from one seed.

    Only `Random.random` is used: its sequence is promised for all Python versions, those of
    `choice`, `sample` and `shuffle` are not.
    """

    __slots__ = ("share",)

    def __init__(self, text: str) -> None:
        digest = hashlib.sha256(text.encode("ascii")).digest()
        self.share = Random(int.from_bytes(digest[:16], "big")).random  # noqa: S311 (no secret)

    def below(self, limit: int) -> int:
        return int(self.share() * limit)

    def one(self, words: Sequence[T]) -> T:
        return words[int(self.share() * len(words))]

    def several(self, words: Sequence[T], count: int) -> list[T]:
        """Return `count` different words in drawn order."""
        pool = list(words)
        for place in range(count):
            other = place + int(self.share() * (len(pool) - place))
            pool[place], pool[other] = pool[other], pool[place]
        return pool[:count]

    def weighted(self, words: Sequence[T], sums: Sequence[float]) -> T:
        """Return a word by running sums of weights, the last of which is 1."""
        share = self.share()
        return next(word for word, limit in zip(words, sums, strict=True) if share < limit)


def tail_weights(size: int) -> tuple[float, ...]:
    """Return running sums of Zipf weights over `size` words, ending in 1."""
    sums = list(accumulate(1 / (rank + 3) ** 1.1 for rank in range(size)))
    return (*(value / sums[-1] for value in sums[:-1]), 1.0)
