"""The search benchmark in its smallest form: it measures, judges, and tells file and page."""

import json
import random

import pytest

from benchmarks import search_bench
from benchmarks.search_archive import mistyped


def results(*, page=10.0, found=195):
    case = {"query": "x", "has_bar": True, "page_p50": 5.0, "find_p50": 1.0, "find_p95": 2.0}
    typos = {"queries": 200, "found": found, "find_p50": 1.0, "find_p95": 2.0}
    return {
        "command": "python -m benchmarks.search_bench",
        "measured_on": "2026-11-21",
        "posts": 100,
        "rounds": 3,
        "load": [0.1],
        "sqlite": {"cases": {"word in 1 %": {**case, "page_p95": page}}, "typos": typos},
    }


def test_what_is_beyond_the_bars_is_named():
    assert search_bench.beyond(results()) == []
    assert search_bench.beyond(results(page=60.1)) == [
        "sqlite: word in 1 %: p95 60.1 ms, bar 60 ms"
    ]
    assert search_bench.beyond(results(found=179)) == ["sqlite: 179 of 200 typos found"]


def test_the_table_has_a_line_a_query():
    text = search_bench.table(results())

    assert "| word in 1 % | 5.0 / 10.0 | 1.0 / 2.0 |" in text
    assert "| 195 of 200 | 1.0 / 2.0 |" in text


def test_a_mistyped_title_differs_by_one_letter():
    draw = random.Random(3)
    for _ in range(200):
        typo = mistyped("Keeping cold starts short", draw)
        assert typo != "Keeping cold starts short"
        assert abs(len(typo) - 25) <= 1


@pytest.mark.long
def test_smallest_benchmark_measures_and_writes_file_and_page(tmp_path):
    page, file = tmp_path / "performance.md", tmp_path / "search.json"
    options = ["--posts", "40", "--rounds", "1", "--only", "sqlite"]

    search_bench.main([*options, "--results", str(file), "--page", str(page)])

    told = json.loads(file.read_text(encoding="utf-8"))["sqlite"]
    assert told["cases"]["word in 100 %"]["page_p95"] > 0
    assert told["typos"]["queries"] == 200
    assert search_bench.BEGIN in page.read_text(encoding="utf-8")
