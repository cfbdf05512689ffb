"""One converter at work, in a process of its own: it may hang, or end with its stack.

Run by `benchmarks.conversion_bench`, the converters of others in `.venv-bench`. In: a JSON object
on stdin with the converter's name, texts and rounds. Out: the Markdown of each, and seconds.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from statistics import median


def _ours() -> Callable[[str], str]:
    from posts.importing.html_markdown import converted

    return lambda text: converted(text).markdown


def _html_to_markdown() -> Callable[[str], str]:
    from html_to_markdown import ConversionOptions, convert

    options = ConversionOptions(
        escape_asterisks=True, escape_underscores=True, escape_misc=True, extract_metadata=False
    )
    return lambda text: convert(text, options).content or ""


def _markdownify() -> Callable[[str], str]:
    from markdownify import ATX, markdownify

    return lambda text: markdownify(text, heading_style=ATX, escape_misc=True)


def _html2text() -> Callable[[str], str]:
    from html2text import HTML2Text

    def convert(text: str) -> str:
        reader = HTML2Text(bodywidth=0)
        reader.escape_snob = True
        return reader.handle(text)

    return convert


CONVERTERS = {
    "alphanode": _ours,
    "html-to-markdown": _html_to_markdown,
    "markdownify": _markdownify,
    "html2text": _html2text,
}


def main() -> int:
    task = json.load(sys.stdin)
    convert = CONVERTERS[task["converter"]]()
    convert("<p>x</p>")
    seconds = []
    made = []
    for _ in range(task["rounds"]):
        began = time.process_time()
        made = [convert(text) for text in task["texts"]]
        seconds.append(time.process_time() - began)
    json.dump({"markdown": made, "seconds": median(seconds)}, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
