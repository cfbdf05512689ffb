"""How fast and how faithful HTML becomes Markdown: articles, traps, hostile inputs.

Run as `python -m benchmarks.conversion_bench`. In: rounds, `--peers` for converters of others. Out:
a table on stdout; exit 1 when ours fails a trap or takes more than a second for a hostile input.
Needs no database.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from benchmarks import peers
from benchmarks.conversion_job import CONVERTERS
from benchmarks.conversion_texts import TRAPS, articles, counts, hostile
from benchmarks.structure import bare, shown_structure, shown_words

OURS = "alphanode"
#: Seconds until a converter is stopped.
PATIENCE = 30
HOSTILE_SECONDS_MAX = 1.0


def job(
    converter: str, texts: Sequence[str], rounds: int = 1, patience: int = PATIENCE
) -> dict[str, Any] | str:
    """Return what a converter made of the texts, or how it ended."""
    python = sys.executable if converter == OURS else str(peers.PYTHON)
    task = json.dumps({"converter": converter, "texts": texts, "rounds": rounds})
    try:
        ended = subprocess.run(
            [python, "-m", "benchmarks.conversion_job"],
            input=task,
            cwd=peers.ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=patience,
        )
    except subprocess.TimeoutExpired:
        return f"over {patience} s"
    if ended.returncode < 0:
        return f"killed by signal {-ended.returncode}"
    if ended.returncode:
        return (ended.stderr.strip().splitlines() or ["no message"])[-1][:60]
    made: dict[str, Any] = json.loads(ended.stdout)
    return made


def is_kept(trap: str, markdown: str) -> bool:
    return shown_structure(markdown) == counts(trap) and shown_words(markdown) == bare(
        TRAPS[trap][1]
    )


def measure(converter: str, rounds: int) -> bool:
    """Write the lines of one converter; return whether it passes."""
    texts = articles()
    made = job(converter, texts, rounds, PATIENCE * rounds)
    if isinstance(made, str):
        sys.stdout.write(f"{converter}: {made}\n")
        return False
    size = sum(map(len, texts)) / len(texts)
    rate = len(texts) / made["seconds"]
    sys.stdout.write(f"{converter}\n  {rate:8,.0f} articles/s of {size:,.0f} characters\n")
    lost = []
    for trap in TRAPS:
        found = job(converter, [trap])
        if isinstance(found, str) or not is_kept(trap, found["markdown"][0]):
            lost.append(trap)
    sys.stdout.write(f"  {len(TRAPS) - len(lost):3} of {len(TRAPS)} traps kept\n")
    for trap in lost:
        sys.stdout.write(f"      lost: {trap}\n")
    worst = 0.0
    for name, text in hostile().items():
        found = job(converter, [text])
        if isinstance(found, str):
            worst = float("inf")
            said = found
        else:
            worst = max(worst, found["seconds"])
            said = f"{found['seconds'] * 1_000:8,.0f} ms"
        sys.stdout.write(f"      {name:30}{said}\n")
    return not lost and worst <= HOSTILE_SECONDS_MAX


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peers", action="store_true", help="others too, in .venv-bench")
    options = parser.parse_args(arguments)
    passes = measure(OURS, options.rounds)
    if options.peers:
        try:
            peers.ensure()
        except peers.PeerError as error:
            sys.stderr.write(f"No peers: {error}\n")
            return 1
        for converter in CONVERTERS:
            if converter != OURS:
                measure(converter, options.rounds)
    return 0 if passes else 1


if __name__ == "__main__":
    sys.exit(main())
