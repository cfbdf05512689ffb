"""Reports at a hundred thousand findings: what a page walks."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from posts import generator_report
from posts.generator_report import Wanted
from posts.models import Finding
from tests.finding_rows import fill_findings

pytestmark = pytest.mark.django_db

ASKED = (
    {},
    {"state": "all"},
    {"state": "closed"},
    {"reason": "reason 7"},
    {"scenario": "scenario 7"},
    {"stack": "stack 7"},
)


def plan_of(captured):
    explain = "EXPLAIN" if connection.vendor == "postgresql" else "EXPLAIN QUERY PLAN"
    with connection.cursor() as cursor:
        cursor.execute(f"{explain} {captured['sql']}")
        return " / ".join(str(row[-1]) for row in cursor.fetchall())


def check_plans(size):
    """Pages walk an index of findings in their order, whatever is asked and wherever they are."""
    source = fill_findings(size)
    middle = Finding.objects.order_by("pk")[size // 2].pk
    for asked in ASKED:
        for below in (None, middle):
            with CaptureQueriesContext(connection) as captured:
                rows, further = generator_report.page(Wanted(source.pk, **asked), below=below)
            assert (len(rows), further is not None) == (generator_report.PAGE, True)
            plan = plan_of(captured[0])
            assert "Seq Scan on posts_finding" not in plan, plan
            assert "Sort" not in plan, plan
            assert "TEMP B-TREE" not in plan, plan
            assert "SCAN posts_finding" not in plan or "USING INDEX" in plan, plan


def test_pages_walk_an_index():
    check_plans(5_000)


@pytest.mark.long
def test_pages_walk_an_index_at_size():
    check_plans(100_000)
