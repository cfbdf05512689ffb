"""How long a comparison takes: of articles, of long texts and of hostile ones.

Run as `python -m benchmarks.compare_bench`. In: rounds. Out: a table on stdout with the median and
the worst processor time of each case, exit 1 when an article takes more than 50 ms or a text of
50,000 words more than 500 ms. Needs no database.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Callable, Sequence
from statistics import median

from posts import content
from posts.compare import Comparison, compare
from posts.merging import three_way

SEED = 1
WORDS = 60
#: Milliseconds that the median may take.
ARTICLE_MAX = 50
LONG_MAX = 500


class Texts:
    """Made-up prose: paragraphs of words that repeat as rarely as real ones do."""

    def __init__(self) -> None:
        self.random = random.Random(SEED)  # noqa: S311  (texts, no secrets)
        letters = "abcdefghijklmnoprstuvw"
        self.words = [
            "".join(self.random.choices(letters, k=self.random.randint(2, 9))) for _ in range(5_000)
        ]
        self.weights = [1 / rank for rank in range(1, len(self.words) + 1)]

    def paragraphs(self, words: int) -> list[list[str]]:
        return [
            self.random.choices(self.words, self.weights, k=WORDS) for _ in range(words // WORDS)
        ]

    def edited(self, paragraphs: list[list[str]], share: float) -> list[list[str]]:
        """Return the paragraphs with a share of the words replaced."""
        return [
            [
                self.random.choice(self.words) if self.random.random() < share else word
                for word in paragraph
            ]
            for paragraph in paragraphs
        ]

    def shuffled(self, paragraphs: list[list[str]]) -> list[list[str]]:
        return self.random.sample(paragraphs, len(paragraphs))


def body(paragraphs: list[list[str]], between: str = "\n\n") -> str:
    return between.join(" ".join(paragraph) for paragraph in paragraphs)


Case = tuple[str, str, str, int | None]


def cases() -> list[Case]:
    """Return (name, before, after, most milliseconds or None)."""
    texts = Texts()
    found: list[Case] = []
    for words, most in ((600, ARTICLE_MAX), (50_000, LONG_MAX)):
        start = texts.paragraphs(words)
        found += [
            (f"{words:,} words, 1 % edited", body(start), body(texts.edited(start, 0.01)), most),
            (f"{words:,} words, 10 % edited", body(start), body(texts.edited(start, 0.1)), most),
            (f"{words:,} words, shuffled", body(start), body(texts.shuffled(start)), most),
            (f"{words:,} words, rewritten", body(start), body(texts.paragraphs(words)), most),
            (
                f"{words:,} words in one paragraph, 1 % edited",
                body(start, " "),
                body(texts.edited(start, 0.01), " "),
                most,
            ),
        ]
    hostile = {
        "100,000 equal lines, one more": ("x y z\n" * 100_000, "x y z\n" * 100_001),
        "20,000 lines of two kinds": ("- x y\n- y x\n" * 9_900, "- y x\n- x y\n- x y\n" * 6_600),
        "one word of 1 MiB": ("a" * 2**20, "b" * 2**20),
        "300,000 marks": ("!?" * 150_000, "?!" * 149_999),
        "900,000 lines of one sign": ("-\n" * 900_000, "+\n" * 900_000),
    }
    return found + [(name, *pair, None) for name, pair in hostile.items()]


def measured(do: Callable[[], Comparison | object], rounds: int) -> tuple[float, float]:
    """Return median and worst of so many rounds, in milliseconds of processor time."""
    taken = []
    for _ in range(rounds):
        started = time.process_time()
        do()
        taken.append((time.process_time() - started) * 1_000)
    return median(taken), max(taken)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args(arguments).rounds
    slow = []
    for name, before, after, most in cases():
        sides = content.Snapshot(title="A", body=before), content.Snapshot(title="A", body=after)
        middle, worst = measured(lambda sides=sides: compare(*sides), rounds)
        coarse = "coarser, said so" if compare(*sides).notes else ""
        sys.stdout.write(f"{name:46}{middle:9.1f} ms  worst {worst:7.1f} ms  {coarse}\n")
        if most is not None and middle > most:
            slow.append(name)
    texts = Texts()
    start = texts.paragraphs(600)
    versions = [
        content.Snapshot(title="A", body=body(side))
        for side in (start, texts.edited(start, 0.05), texts.edited(start, 0.05))
    ]
    middle, worst = measured(lambda: three_way(*versions), rounds)
    sys.stdout.write(f"{'three versions of 600 words':46}{middle:9.1f} ms  worst {worst:7.1f} ms\n")
    for name in slow:
        sys.stderr.write(f"Too slow: {name}\n")
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
