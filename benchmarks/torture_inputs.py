"""What the harness imports: synthesized notes, some of them changed, some of them broken.

In: a folder, a number of posts, a seed. Out: one set of notes in three packings, and room for what
an undisturbed run makes of it.
"""

from __future__ import annotations

import gzip
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import zstandard

from benchmarks.torture_places import ROOT, environment

CHANGED_PERCENT = 2
ENDINGS = (".jsonl", ".jsonl.gz", ".jsonl.zst")
#: How many times slower than with batches of 200; only says when to disturb.
SLOWNESS = {1: 4.0, 7: 2.0}


class InputsError(Exception):
    """Notes could not be synthesized; the text is what the command said."""


class Input:
    """One set of notes in three packings, and what an undisturbed run makes of it."""

    def __init__(self, folder: Path, name: str, posts: int, seed: int) -> None:
        self.path = folder / f"{name}.jsonl"
        lines = synthesized(posts, seed)
        changed = synthesized(posts, seed, CHANGED_PERCENT)
        chance = random.Random(seed)  # noqa: S311  (chooses faults, protects nothing)
        # A changed note comes again under its key, behind its first version.
        lines += [new for old, new in zip(lines, changed, strict=True) if old != new]
        for number in chance.sample(range(len(lines)), max(2, len(lines) // 100)):
            lines[number] = _broken(lines[number], chance)
        self.records = len(lines)
        data = b"".join(line + b"\n" for line in lines)
        self.path.write_bytes(data)
        Path(f"{self.path}.gz").write_bytes(gzip.compress(data, mtime=0))
        Path(f"{self.path}.zst").write_bytes(zstandard.compress(data))
        self.export = b""
        self.told: dict[str, Any] = {}
        #: (vendor, batch size) -> seconds from the first line to the end of an undisturbed run
        self.seconds: dict[tuple[str, int], float] = {}

    def packed(self, ending: str) -> str:
        return str(self.path) + ending.removeprefix(".jsonl")

    def expected_seconds(self, vendor: str, batch_size: int) -> float:
        known = self.seconds.get((vendor, batch_size))
        return known or self.seconds[vendor, 200] * SLOWNESS.get(batch_size, 1.0)


def synthesized(posts: int, seed: int, changed: float = 0, start: int = 1) -> list[bytes]:
    """Return synthesized notes as lines without their ends; `changed` is percent.

    Raises `InputsError`.
    """
    made = subprocess.run(
        [
            *(sys.executable, "manage.py", "synthesize_posts", "--count", str(posts)),
            *("--seed", str(seed), "--changed", str(changed), "--start", str(start)),
        ],
        cwd=ROOT,
        env=environment("sqlite://:memory:"),
        check=False,
        capture_output=True,
    )
    if made.returncode:
        raise InputsError(f"synthesize_posts failed: {made.stderr.decode()[-600:].strip()}")
    return made.stdout.splitlines()


def _broken(line: bytes, chance: random.Random) -> bytes:
    """Return a record that no rule accepts."""
    return chance.choice(
        (
            line[: len(line) // 2],
            line.replace(b'"title":', b'"title":"","was":', 1),
            line.replace(b'"title":', b'"title":"twice","title":', 1),
            line.replace(b"e", b"\xff", 3),
            b"[" + line + b"]",
            b'{"title":"Without a key"}',
        )
    )
