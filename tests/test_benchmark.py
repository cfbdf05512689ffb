"""The import benchmark in its smallest form: it measures, and its figures reach file and page."""

import json
import os
from urllib.parse import quote

import pytest
from django.db import connection

from benchmarks import import_bench, report
from benchmarks.databases import PostgreSQL

POSTS, SMALL, OF_A_FORMAT = 200, 5, 20


def server_url():
    """Return an address on the server of this test run, for a database that is not there yet."""
    settings = connection.settings_dict
    user, password = quote(settings["USER"]), quote(settings["PASSWORD"] or "")
    host, port = settings["HOST"] or "127.0.0.1", settings["PORT"] or 5432
    name = f"alphanode_bench_test_{os.getpid()}"
    return f"postgres://{user}{f':{password}' if password else ''}@{host}:{port}/{name}"


@pytest.fixture
def run_benchmark(tmp_path):
    """Return a function that runs the benchmark; it returns the exit code, the JSON, the page."""

    def run(*arguments):
        results, page = tmp_path / "results" / "import.json", tmp_path / "performance.md"
        page.write_text(
            f"# Performance\n\nBefore.\n\n{report.BEGIN}\nold\n{report.END}\n\nAfter.\n"
        )
        sizes = ["--posts", str(POSTS), "--rounds", "1", "--small", str(SMALL)]
        sizes += ["--formats", str(OF_A_FORMAT)]
        if connection.vendor == "postgresql":
            sizes += ["--database-url", server_url()]
        code = import_bench.main(
            [*sizes, *arguments, "--results", str(results), "--page", str(page)]
        )
        told = json.loads(results.read_text()) if results.exists() else None
        return code, told, page.read_text()

    return run


@pytest.mark.long
def test_smallest_benchmark_measures_and_writes_file_and_page(run_benchmark, capsys):
    vendor = connection.vendor

    code, told, page = run_benchmark("--only", vendor)

    assert code == 0
    raw = import_bench.RAW[vendor]
    taken = told[vendor]["rounds"][0]
    for name in (raw, "new", "unchanged", "changed"):
        assert taken[name]["posts"] == POSTS
        assert taken[name]["seconds"] > 0
    assert taken["new"]["outcomes"] == {"created": POSTS}
    assert taken["unchanged"]["outcomes"] == {"unchanged": POSTS}
    assert taken["changed"]["outcomes"]["updated"] > 0
    if vendor == "postgresql":
        assert taken["save"]["posts"] == SMALL
        assert taken["bulk_create"]["posts"] == POSTS
        assert not any(taken["unchanged"]["content_rows"].values())
    assert told["summary"][vendor]["new_to_raw"] > 0
    assert [one["posts"] for one in told["memory"][vendor]] == [POSTS // 4, POSTS]
    for name, one in told["formats"].items():
        assert one["whole"]["items"] == one["without"]["items"] == OF_A_FORMAT, name
        assert (one["conversion"]["number"] == 0) == (name == "jsonl"), name
        assert f"| {name} | " in page
    assert told["left_out"] == {}
    printed = capsys.readouterr().out
    assert printed in page
    assert "old" not in page.split(report.BEGIN)[1].split(report.END)[0].split()
    assert page.startswith("# Performance\n\nBefore.\n")
    assert page.endswith("After.\n")


def test_contestant_that_writes_other_rows_is_refused():
    taken = {"new": {"rows": {"posts_post": 2}}, "copy": {"rows": {"posts_post": 1}}}

    with pytest.raises(import_bench.BenchmarkError, match="postgresql copy wrote"):
        import_bench.expect_equal_rows("postgresql", taken)


def test_database_not_named_for_benchmarks_is_refused():
    with pytest.raises(ValueError, match="without 'bench'"):
        PostgreSQL("postgres://postgres@127.0.0.1:5432/alphanode")


def test_ratio_is_the_median_of_the_rounds_own_ratios():
    def one_round(raw, new):
        again = {"posts": 10, "seconds": 1.0, "content_rows": {"inserted": 0}, "wal_bytes": 50}
        return {
            "copy": {"posts": 10, "seconds": raw},
            "new": {"posts": 10, "seconds": new},
            "unchanged": again,
            "changed": {"posts": 10, "seconds": new / 4},
        }

    rounds = [one_round(1.0, 2.0), one_round(4.0, 8.0), one_round(1.0, 4.0)]

    told = report.summary({"postgresql": {"rounds": rounds}})["postgresql"]

    assert told["new_to_raw"] == 0.5
    assert told["changed_to_new_time"] == 0.25
    assert told["unchanged_wal_bytes_per_100_posts"] == 500
