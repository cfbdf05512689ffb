"""The review benchmark: what it says of its figures, and all of it in a small form."""

import json
import os
from urllib.parse import quote

import pytest
from django.db import connection

from benchmarks import review_bench

COUNTS = {"posts": 10_000, "changed": 10_000, "decisions": 10_000, "events": 10_000}


def figures(**over):
    """Return figures that meet every bar, but for those given."""
    pages = {
        "deep_page": 1_000,
        "drafts": 50_000,
        "milliseconds": {"first": [90, 100], "home": [80, 80], "deep": [100, 110]},
        "queries": {"first": 8, "home": 8, "deep": 8},
    }
    found = {
        "pages": pages,
        "pages_of_few": {**pages, "drafts": 50},
        "lookups": {"revisions": 3_500_000, "latest": {"median": 1.0}, "live": {"median": 1.0}},
        "bulk": {**COUNTS, "decided_twice": 0, "seconds": 9.0},
        "killed": {**COUNTS, "decided_twice": 0, "kills": 20, "wanted": 10_000},
        "archive": {
            **dict.fromkeys(COUNTS, 1_000_000),
            **{"decided_twice": 0, "seconds": 890.0, "events": 1_070_000},
        },
        "compare": {"50": 20.0, "500": 200.0},
    }
    return {name: {**part, **over.get(name, {})} for name, part in found.items()}


def missed(**over):
    return [line.name for line in review_bench.lines_of(figures(**over)) if not line.is_met]


def test_good_figures_meet_every_bar():
    assert missed() == []


@pytest.mark.parametrize(
    ("over", "name"),
    [
        ({"pages": {"queries": {"first": 9, "home": 8}}}, "queries"),
        ({"lookups": {"live": {"median": 5.1}}}, "live revision"),
        ({"bulk": {"seconds": 10.1}}, "approved in the admin"),
        ({"archive": {"seconds": 901}}, "by review_posts"),
        ({"killed": {"decided_twice": 1}}, "20 times killed"),
        ({"killed": {"changed": 9_999}}, "20 times killed"),
        ({"bulk": {"events": 9_999}}, "bulk: decided twice"),
        ({"compare": {"50": 51.0}}, "comparing 600 words"),
    ],
)
def test_each_bar_can_be_missed(over, name):
    (said,) = missed(**over)

    assert name in said


def test_database_of_another_name_is_not_touched(capsys):
    with pytest.raises(ValueError, match="would be dropped"):
        review_bench.main(["--database-url", "postgres://postgres@127.0.0.1:5432/production"])


@pytest.mark.long
@pytest.mark.django_db
def test_smallest_benchmark_measures_the_real_thing(tmp_path, capsys):
    if connection.vendor != "postgresql":
        return  # it measures PostgreSQL only
    settings = connection.settings_dict
    user, password = quote(settings["USER"] or ""), quote(settings["PASSWORD"] or "")
    place = f"{settings['HOST'] or '127.0.0.1'}:{settings['PORT'] or 5432}"
    name = f"alphanode_bench_test_review_{os.getpid()}"
    url = f"postgres://{user}{f':{password}' if password else ''}@{place}/{name}"
    results = tmp_path / "review.json"

    review_bench.main(
        [
            *("--posts", "2000", "--drafts", "700", "--bulk", "300", "--few", "20"),
            *("--kills", "2", "--rounds", "2", "--database-url", url, "--results", str(results)),
        ]
    )

    told = json.loads(results.read_text())
    figures = told["figures"]
    assert figures["archive"]["changed"] == figures["archive"]["decisions"] == 2_000
    assert figures["killed"]["decided_twice"] == 0
    assert figures["killed"]["changed"] == figures["killed"]["wanted"] == 300
    assert all(line["is_met"] for line in told["lines"] if "decided twice" in line["name"])
    assert "| figure | measured | bar |" in capsys.readouterr().out
