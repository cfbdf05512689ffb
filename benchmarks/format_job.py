"""One format of the import benchmark in a process of its own; `python -m benchmarks.format_job`.

In: `convert` or `import`, a file, and where conversions are kept; the database comes from
DATABASE_URL. Out: one JSON object on stdout.

`convert` decodes every record, keeps what HTML and Markdown became, and tells the seconds of these
conversions alone. `import` with `--kept` takes them from there, so that what remains is the engine
and the reader; the process that prepares records imports this module again and so does the same.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import pickle
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "alphanode.settings")
django.setup()

from posts.importing import html_markdown  # noqa: E402

#: Names a file of kept conversions for this process and the one it starts.
KEPT = "ALPHANODE_BENCH_CONVERSIONS"

Convert = Callable[..., html_markdown.Conversion]


class Conversions:
    """What texts became: kept at the first pass, looked up at the next."""

    def __init__(self) -> None:
        self.known: dict[bytes, html_markdown.Conversion] = {}
        self.seconds = 0.0
        self.number = 0
        self._is_inside = False

    def keeping(self, convert: Convert) -> Convert:
        def timed(text: str, **named: Any) -> html_markdown.Conversion:
            if self._is_inside:
                return convert(text, **named)
            self._is_inside = True
            began = time.perf_counter()
            try:
                made = self.known[_mark(convert, text)] = convert(text, **named)
            finally:
                self.seconds += time.perf_counter() - began
                self.number += 1
                self._is_inside = False
            return made

        return timed

    def known_by(self, convert: Convert) -> Convert:
        return lambda text, **named: self.known[_mark(convert, text)]


def _mark(convert: Convert, text: str) -> bytes:
    return hashlib.blake2b(f"{convert.__name__}\n{text}".encode(), digest_size=16).digest()


conversions = Conversions()
if kept := os.environ.get(KEPT):
    with open(kept, "rb") as stored:
        conversions.known = pickle.load(stored)  # noqa: S301 (our own file)
    wrap = conversions.known_by
else:
    wrap = conversions.keeping
if kept or "convert" in sys.argv:
    # Before any reader takes them by name.
    html_markdown.converted = wrap(html_markdown.converted)
    html_markdown.from_markdown = wrap(html_markdown.from_markdown)

from benchmarks.jobs import run_import  # noqa: E402
from posts.importing.intake import Intake  # noqa: E402
from posts.importing.records import validate  # noqa: E402


def convert_all(file: str, keep: Path) -> dict[str, Any]:
    """Decode every record in this process and keep the conversions."""
    items = 0
    for arrival in Intake([file]):
        if arrival.reader is not None:
            validate(arrival.reader, arrival.raw)
            items += 1
    keep.write_bytes(pickle.dumps(conversions.known))
    return {"items": items, "number": conversions.number, "seconds": conversions.seconds}


def import_all(file: str) -> dict[str, Any]:
    began = time.perf_counter()
    progress = run_import(file)
    seconds = time.perf_counter() - began
    return {"items": progress.counts["created"], "read": progress.read, "seconds": seconds}


def main() -> int:
    parser = argparse.ArgumentParser(description="One format of the import benchmark.")
    parser.add_argument("job", choices=["convert", "import"])
    parser.add_argument("--file", required=True)
    parser.add_argument("--keep", type=Path)
    options = parser.parse_args()
    told = (
        convert_all(options.file, options.keep)
        if options.job == "convert"
        else import_all(options.file)
    )
    sys.stdout.write(json.dumps(told) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
