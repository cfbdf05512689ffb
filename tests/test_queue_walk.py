"""Walking the queue: every filter and order by an index, pages both ways, honest windows."""

import itertools
import json
import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from posts import queue_walk
from posts.models import QueueEntry
from posts.queue_walk import NEWEST, OLDEST, ORDERS, RISK, Filters, Place, page_of, walk
from tests.builders import make_user
from tests.queue_rows import fill_queue

pytestmark = pytest.mark.django_db

SIZE = 20_000


def single_filters(sources, runs, stacks):
    return {
        "none": {},
        "reason": {"reason": 1},
        "source": {"source_id": sources[0].pk},
        "run": {"run_id": runs[3].pk},
        "stack": {"stack_id": stacks[5].pk},
        "difficulty": {"difficulty": "advanced"},
    }


def expected(filters: Filters) -> list[int]:
    rows = QueueEntry.objects.filter(stage=filters.stage, **filters.values)
    keys = {
        RISK: lambda row: (-row.risk, row.pk),
        OLDEST: lambda row: (row.entered_at, row.pk),
        NEWEST: lambda row: (row.entered_at, row.pk),
    }
    found = sorted(rows, key=keys[filters.order], reverse=filters.order == NEWEST)
    return [row.pk for row in found]


@pytest.mark.parametrize("order", ORDERS)
def test_pages_show_every_entry_once_in_order_and_back(order):
    names = single_filters(*fill_queue(330))
    both = {"reason": 1, "difficulty": "advanced"}
    for name, values in {**names, "both": both}.items():
        filters = Filters(values=values, order=order)
        pages, after = [], ""
        for _ in range(40):
            page = page_of(filters, after=after, size=20)
            pages.append(page)
            if not page.after:
                break
            after = page.after
        seen = [[entry.pk for entry in page.entries] for page in pages]
        assert list(itertools.chain(*seen)) == expected(filters), (name, order)
        assert not pages[0].before

        back = [seen[-1]]
        before = pages[-1].before
        while before:
            page = page_of(filters, before=before, size=20)
            back.insert(0, [entry.pk for entry in page.entries])
            before = page.before
            assert page.after
        assert back == seen or list(itertools.chain(*back)) == list(itertools.chain(*seen))


def test_returned_drafts_are_a_part_of_their_own():
    fill_queue(200)

    waiting = page_of(Filters(), size=500).entries
    returned = page_of(queue_walk.tab(Filters(), QueueEntry.Reason.RETURNED), size=500).entries

    assert len(waiting) + len(returned) == 200
    assert {entry.reason for entry in returned} == {4}
    assert all(entry.reason != 4 for entry in waiting)


@pytest.mark.parametrize("text", ["x", "1", "-", "1-", "٣-٤", "9" * 18 + "-1", "1-" + "9" * 19])
def test_a_place_that_makes_no_sense_gives_the_first_page(text):
    fill_queue(60)

    page = page_of(Filters(), after=text)

    assert not page.is_understood
    assert [entry.pk for entry in page.entries] == expected(Filters())[:50]


@pytest.mark.parametrize("order", [OLDEST, NEWEST])
def test_a_place_beyond_all_time_is_no_error(order):
    fill_queue(60)

    page = page_of(Filters(order=order), after="270000000000000000-1")

    assert len(page.entries) in (0, 50)


def test_several_filters_look_through_a_window_and_say_so(monkeypatch):
    monkeypatch.setattr(queue_walk, "WINDOW", 100)
    fill_queue(1_000)
    # Many rows of the run that is walked; among them one in 89 fits.
    filters = Filters(values={"difficulty": "advanced", "reason": 3})
    found, after, cuts = [], "", 0
    for _ in range(100):
        with CaptureQueriesContext(connection) as captured:
            page = page_of(filters, after=after, size=5)
        assert len(captured) <= 3
        found += [entry.pk for entry in page.entries]
        cuts += page.is_cut
        if not page.after:
            break
        after = page.after

    assert found == expected(filters)


def test_window_that_finds_nothing_goes_on(monkeypatch):
    monkeypatch.setattr(queue_walk, "WINDOW", 50)
    fill_queue(400)
    # The walk goes along the run; no entry of the first windows has this level by chance.
    QueueEntry.objects.update(difficulty="beginner", run=None)
    last = expected(Filters())[-1]
    QueueEntry.objects.filter(pk=last).update(difficulty="advanced")
    filters = Filters(values={"reason": 1, "difficulty": "advanced"})

    page = page_of(filters)
    assert (page.entries, page.is_cut) == ([], True)
    while page.after:
        page = page_of(filters, after=page.after)

    assert [entry.pk for entry in page.entries] == [last]
    assert not page.is_cut


def rows_examined(captured) -> int:
    """Return how many rows of the queue a statement read, by PostgreSQL's own account."""
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {captured['sql']}")
        (plan,) = cursor.fetchone()
    plan = json.loads(plan) if isinstance(plan, str) else plan

    def nodes(node):
        yield node
        for part in node.get("Plans", ()):
            yield from nodes(part)

    total = 0
    for node in nodes(plan[0]["Plan"]):
        assert node["Node Type"] not in ("Seq Scan", "Sort", "Incremental Sort"), node
        if "Scan" in node["Node Type"] and node.get("Relation Name") == "posts_queueentry":
            total += node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
    return round(total)


def sqlite_plan(captured) -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {captured['sql']}")
        return " / ".join(row[3] for row in cursor.fetchall())


def test_every_filter_and_order_walks_its_index():
    """Each pair, at the top and deep within, forwards and backwards."""
    names = single_filters(*fill_queue(SIZE))
    for (name, values), order in itertools.product(names.items(), ORDERS):
        filters = Filters(values=values, order=order)
        middle = walk(filters, None, limit=1_500)[-1]
        place = queue_walk.place_of(filters, middle)
        for behind, is_backwards in ((None, False), (place, False), (place, True)):
            with CaptureQueriesContext(connection) as captured:
                found = walk(filters, behind, limit=51, is_backwards=is_backwards)
            assert len(found) == 51
            kind = "risk" if order == RISK else "age"
            index = f"queue_{name}_{kind}".replace("none_", "")
            examined = 0
            for query in captured:
                if connection.vendor == "postgresql":
                    examined += rows_examined(query)
                else:
                    plan = sqlite_plan(query)
                    assert re.search(rf"USING INDEX {index}\b", plan), plan
                    assert "TEMP B-TREE" not in plan, plan
            # Not 51 to the row: where nearly all rows fit, the planner may as well walk the index
            # without the filter and drop the few that do not.
            assert examined <= 2 * 51, (name, order, is_backwards)


def test_counts_stop_at_the_cap_and_are_one_query(monkeypatch):
    monkeypatch.setattr(queue_walk, "CAP", 100)
    fill_queue(400)
    user = make_user()
    wanted = {
        "all": Filters(),
        "held": queue_walk.tab(Filters(), 2),
        "returned": queue_walk.tab(Filters(), 4),
    }

    with CaptureQueriesContext(connection) as captured:
        counts = queue_walk.counts(user.pk, wanted)

    assert len(captured) == 1
    assert counts == {
        "all": 101,
        "held": QueueEntry.objects.filter(reason=2).count(),
        "returned": 8,
    }
    assert queue_walk.count_text(counts["all"]) == "100+"
    assert queue_walk.count_text(8) == "8"


def test_place_has_one_spelling():
    assert Place.decode(Place(450, 12).encode()) == Place(450, 12)
