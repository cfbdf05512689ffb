"""One database's part of the search benchmark in a process of its own.

`python -m benchmarks.search_jobs build --posts N` or `measure --rounds N`; the database comes from
DATABASE_URL. Out: one JSON object on stdout. A measured page is the whole answer of the view:
finding, counting, passages and template, without network and web server.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import time
from collections.abc import Callable
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "benchmarks.readers_settings")
os.environ["SEARCHES_A_MINUTE"] = "0"
django.setup()

from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402
from django.test import Client  # noqa: E402
from django.utils import timezone  # noqa: E402

import alphanode.wsgi  # noqa: E402, F401  (what a server does with what it has loaded)
from benchmarks import search_archive  # noqa: E402
from posts.models import Post, SearchEntry  # noqa: E402
from posts.search import finding  # noqa: E402
from posts.search.language import parse  # noqa: E402

#: What is measured: name -> query.
CASES = {
    **{f"word in {share:g} %": word for word, share in list(search_archive.WORDS.items())[:6]},
    "words in 100 % and 100 %": "ubiqat everant",
    "words in 20 % and 20 %": "dreskin mostril",
    "words in 5 % and 5 %": "frimbel vostrep",
    "words in 100 % and 0.01 %": "ubiqat zorvath",
    "words in 20 % and 0.1 %": "dreskin gralnik",
    "words in 100 % and 5 %": "everant frimbel",
}
#: Shown without a bar: what else the language can ask.
OTHERS = {
    "phrase of words in 100 %, never in this order": '"everant ubiqat"',
    "all but a word in 20 %": "-dreskin",
    "word in 100 %, one difficulty, one year": "ubiqat difficulty:beginner year:2021",
    "nothing, with proposals": "ubiqat nosuchword difficulty:beginner",
}
TYPOS = 200


def build(posts: int) -> dict[str, Any]:
    """Make the archive, or find it complete from an earlier run."""
    call_command("migrate", verbosity=0)
    if SearchEntry.objects.count() == posts:
        return {"posts": posts, "reused": True}
    return search_archive.build(posts)


def measure(rounds: int) -> dict[str, Any]:
    """Return milliseconds of pages and of finding alone, by case; and how typos fared."""
    client = Client()

    def page(query: str) -> None:
        response = client.get("/search/", {"q": query}, SERVER_NAME="localhost")
        if response.status_code != 200:
            raise RuntimeError(f"Expected 200 for {query!r}, got {response.status_code}.")

    def find(query: str) -> None:
        finding.find(parse(query), sort=finding.RELEVANCE, now=timezone.now())

    cases = {**CASES, **OTHERS}
    for query in cases.values():
        page(query)
    taken: dict[str, dict[str, list[float]]] = {name: {"page": [], "find": []} for name in cases}
    for _ in range(rounds):
        for name, query in cases.items():
            taken[name]["find"].append(_milliseconds(find, query))
            taken[name]["page"].append(_milliseconds(page, query))
    return {
        "vendor": connection.vendor,
        "cases": {
            name: {
                "query": cases[name],
                "has_bar": name in CASES,
                **{f"{what}_p50": _percentile(ms, 50) for what, ms in times.items()},
                **{f"{what}_p95": _percentile(ms, 95) for what, ms in times.items()},
            }
            for name, times in taken.items()
        },
        "typos": _typos(),
    }


def _milliseconds(do: Callable[[str], None], query: str) -> float:
    began = time.perf_counter()
    do(query)
    return (time.perf_counter() - began) * 1000


def _percentile(values: list[float], percent: int) -> float:
    ordered = sorted(values)
    return round(ordered[min(len(ordered) - 1, len(ordered) * percent // 100)], 1)


def _typos() -> dict[str, Any]:
    """Search for titles with one letter wrong; count those with that very title in the top five."""
    draw = random.Random(search_archive.SEED)  # noqa: S311  (typos, no secrets)
    titles = sorted(set(Post.objects.values_list("title", flat=True)))
    found, missed, ms = 0, [], []
    for _ in range(TYPOS):
        title = draw.choice(titles)
        query = search_archive.mistyped(title, draw)
        began = time.perf_counter()
        first = finding.find(parse(query), sort=finding.RELEVANCE, now=timezone.now()).posts[:5]
        ms.append((time.perf_counter() - began) * 1000)
        ids = [one.post_id for one in first]
        if Post.objects.filter(pk__in=ids, title=title).exists():
            found += 1
        else:
            missed.append([title, query])
    return {
        "queries": TYPOS,
        "titles": len(titles),
        "found": found,
        "find_p50": _percentile(ms, 50),
        "find_p95": _percentile(ms, 95),
        "missed": missed,
    }


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("job", choices=("build", "measure"))
    parser.add_argument("--posts", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=0)
    options = parser.parse_args()
    result = build(options.posts) if options.job == "build" else measure(options.rounds)
    sys.stdout.write(json.dumps(result) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
