"""Records broken in forty ways: each is refused where it stands and for what is wrong with it."""

import json

import pytest
from django.db import connection

from benchmarks import broken_bench
from benchmarks.broken_records import KINDS, broken
from benchmarks.torture_inputs import synthesized
from tests.test_torture import database_url

POSTS, EVERY = 2_000, 50


@pytest.fixture
def run_benchmark(tmp_path):
    """Return a function that runs the benchmark; it returns the exit code and the JSON."""

    def run(*arguments):
        figures = tmp_path / "figures.json"
        given = ["--databases", connection.vendor, "--json", str(figures), *arguments]
        if connection.vendor == "postgresql":
            given += ["--database-url", f"{database_url()}_broken"]
        code = broken_bench.main(given)
        return code, json.loads(figures.read_text()) if figures.exists() else None

    return run


@pytest.mark.long
def test_every_broken_record_is_rejected_for_its_fault_at_its_place_and_no_other(
    run_benchmark, capsys
):
    code, told = run_benchmark(
        *("--posts", str(POSTS), "--every", str(EVERY), "--rounds", "1", "--least", "0")
    )

    (figures,) = told["databases"].values()
    assert figures["problems"] == []
    assert (code, figures["rejected"]) == (0, POSTS // EVERY)
    assert (told["kinds"], told["every"]) == (40, EVERY)
    assert figures["ratio"] > 0
    assert f"| {connection.vendor} | " in capsys.readouterr().out


@pytest.mark.long
def test_broken_records_cost_an_import_little_of_its_speed(run_benchmark):
    code, told = run_benchmark("--posts", "10000", "--every", "100", "--rounds", "3")

    (figures,) = told["databases"].values()
    assert (code, figures["problems"]) == (0, [])
    assert figures["ratio"] >= 0.8


@pytest.fixture(scope="module")
def lines():
    return synthesized(400, 3)


def test_kinds_have_names_of_their_own_and_come_equally_often(lines):
    assert len({kind.name for kind in KINDS}) == len(KINDS) == 40

    expected = [one for _, one in broken(lines, every=5, seed=1) if one is not None]

    assert sorted(one.kind for one in expected) == sorted(2 * [kind.name for kind in KINDS])
    assert [(one.record - 1) // 5 for one in expected] == list(range(80))


def test_places_are_those_of_the_bytes_that_are_written(lines):
    written = list(broken(lines, every=5, seed=1))
    data = b"".join(part for part, _ in written)

    assert data.count(b"\n\n") == len(lines) // 97
    for part, one in written:
        if one is not None:
            assert data[one.byte :].startswith(part.lstrip(b"\n"))
            assert data[: one.byte].count(b"\n") == one.line - 1
            assert part.lstrip(b"\n").removesuffix(b"\n") != lines[one.record - 1]
        else:
            assert part.strip() in lines


def test_reject_that_is_missing_or_too_many_is_told(tmp_path):
    bench = broken_bench.Bench.__new__(broken_bench.Bench)
    bench.expected = [broken_bench.Expected("no key", 3, 4, 50, (("key", "missing_key"),))]

    assert bench._differences("table", [(3, 4, 50, "key", "missing_key")]) == []
    assert bench._differences("table", [(3, 4, 51, "key", "missing_key")]) == [
        "table has no reject (3, 4, 50, 'key', 'missing_key') for 'no key'",
        "table has a reject (3, 4, 51, 'key', 'missing_key') too many",
    ]
