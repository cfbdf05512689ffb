"""The measurement of readers beside an import in its smallest form: its figures reach the file."""

import argparse
import json

import pytest
from django.db import connection

from benchmarks import readers_bench
from benchmarks.readers_load import percentile
from tests.test_torture import database_url


@pytest.mark.long
def test_smallest_measurement_reads_saves_and_imports_at_the_same_time(tmp_path, capsys):
    vendor, figures = connection.vendor, tmp_path / "readers.json"
    arguments = ["--posts", "800", "--articles", "20", "--rounds", "1", "--idle-seconds", "1"]
    arguments += ["--databases", vendor, "--json", str(figures), "--pause", "0.1"]
    arguments += ["--settle-seconds", "0.5"]
    # What is measured here is a machine that runs the tests.
    arguments += ["--most-ratio", "1000", "--most-wait", "60000", "--rate", "10"]
    if vendor == "postgresql":
        arguments += ["--database-url", f"{database_url()}_readers"]

    code = readers_bench.main(arguments)

    assert code == 0, capsys.readouterr()
    told = json.loads(figures.read_text())
    idle, busy = told["databases"][vendor]["windows"]
    assert (idle["is_busy"], busy["is_busy"]) == (False, True)
    assert busy["posts_per_second"] > 0
    for window in (idle, busy):
        assert window["failed"] == 0
        assert window["pages"] >= 3
        assert window["saves"] >= 1
        assert 0 < window["page_p50_ms"] <= window["page_p95_ms"] <= window["page_max_ms"]
    if vendor == "postgresql":
        assert told["databases"][vendor]["lock_samples"] > 20
    assert "| article page, p95 idle, ms | " in capsys.readouterr().out


def test_figure_above_its_limit_is_told():
    options = argparse.Namespace(most_ratio=2.0, most_wait=200)
    good = {"ratio_p95": 2.0, "page_wait_max_ms": 0, "save_wait_max_ms": 200, "failed": 0}

    assert readers_bench.above_limits({"sqlite": good}, options) == []
    assert readers_bench.above_limits({"sqlite": {**good, "ratio_p95": 2.1}}, options) == [
        "sqlite: ratio_p95 is 2.1, expected at most 2"
    ]
    assert readers_bench.above_limits({"sqlite": {**good, "failed": 1}}, options) == [
        "sqlite: failed is 1, expected at most 0"
    ]


@pytest.mark.parametrize(
    ("values", "expected"), [([], 0.0), ([1], 1), (list(range(100)), 95), ([3, 1, 2], 3)]
)
def test_percentile_is_a_value_that_was_measured(values, expected):
    assert percentile(values, 0.95) == expected
