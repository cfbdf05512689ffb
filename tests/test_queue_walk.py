"""Walking the queue: every filter and order by an index, pages both ways, honest windows."""

import itertools
import json
import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from posts import queue_counts, queue_walk
from posts.admin.queue_asked import CLAIMS, ORDERS, asked, filters_of
from posts.models import ImportRun, QueueEntry
from posts.queue_walk import NEWEST, OLDEST, RISK, Filters, Place, page_of
from tests.builders import make_user
from tests.queue_rows import fill_queue

pytestmark = pytest.mark.django_db

SIZE = 20_000
#: Rows of all tables a page may examine, counted from the plans.
EXAMINED_MAX = 2_000


def offered() -> dict[str, dict[str, str]]:
    """Return one address of each kind of filter the page offers, and a few together."""
    run = str(ImportRun.objects.order_by("-pk").first().pk)
    return {
        "all that waits": {},
        "everything": {"tab": "all"},
        "held": {"tab": "held"},
        "proposed": {"tab": "proposed"},
        "requested": {"tab": "requested"},
        "rejected": {"tab": "rejected"},
        "source": {"source": "north"},
        "run": {"run": run},
        "stack": {"stack": "stack 5"},
        "difficulty": {"difficulty": "advanced"},
        "any claim": {"claim": "contradicted"},
        "no claim": {"claim": "none-contradicted"},
        "claim": {"claim": "contradicted:reading_time"},
        "agreeing claim": {"claim": "verified:payload.paragraphs"},
        "rare claim": {"claim": "contradicted:tools"},
        "scores": {"score": "0-39"},
        "no score": {"score": "none"},
        "check": {"check": "images"},
        "run and difficulty": {"run": run, "difficulty": "advanced"},
        "stack and claim": {"stack": "stack 5", "claim": "contradicted", "score": "40-59"},
        "everything and claim": {"tab": "all", "claim": "contradicted"},
        "held of a source": {"tab": "held", "source": "north"},
    }


def expected(filters: Filters) -> list[int]:
    """Return the posts of a filter in order, from all rows and without an index."""
    rows = QueueEntry.objects.filter(**filters.values)
    if filters.stage is not None:
        rows = rows.filter(stage=filters.stage)
    keys = {
        RISK: lambda row: (-row.risk, row.pk),
        OLDEST: lambda row: (row.entered_at, row.pk),
        NEWEST: lambda row: (row.entered_at, row.pk),
    }
    fitting = (row for row in rows if all(test(row) for test in filters.tests))
    found = sorted(fitting, key=keys[filters.order], reverse=filters.order == NEWEST)
    return [row.pk for row in found]


@pytest.mark.parametrize("order", ORDERS)
def test_pages_show_every_entry_once_in_order_and_back(order, monkeypatch):
    # Small, so that each way of walking has to go on from where it stopped.
    monkeypatch.setattr(queue_walk, "WINDOW", 60)
    fill_queue(260)
    for name, address in offered().items():
        filters = asked({**address, "order": order}).filters
        pages, after = [], ""
        for _ in range(60):
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
        assert list(itertools.chain(*back)) == list(itertools.chain(*seen)), (name, order)


def test_tabs_are_parts_of_everything():
    fill_queue(200)

    parts = {
        name: {entry.pk for entry in page_of(filters_of(name), size=500).entries}
        for name in ("waiting", "requested", "rejected", "all")
    }

    assert len(parts["all"]) == 200
    assert parts["waiting"] | parts["requested"] | parts["rejected"] == parts["all"]
    assert len(parts["requested"]) == len(parts["rejected"]) == 2


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
        assert len(captured) <= 2
        found += [entry.pk for entry in page.entries]
        cuts += page.is_cut
        if not page.after:
            break
        after = page.after

    assert found == expected(filters)


def test_window_that_finds_nothing_goes_on(monkeypatch):
    monkeypatch.setattr(queue_walk, "WINDOW", 50)
    fill_queue(400)
    QueueEntry.objects.update(difficulty="beginner")
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
    """Return how many rows of all tables a statement read, by PostgreSQL's own account."""
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {captured['sql']}")
        (plan,) = cursor.fetchone()
    plan = json.loads(plan) if isinstance(plan, str) else plan

    def nodes(node):
        yield node
        for part in node.get("Plans", ()):
            yield from nodes(part)

    dropped = ("Rows Removed by Filter", "Rows Removed by Index Recheck")
    return round(
        sum(
            (node["Actual Rows"] + sum(node.get(name, 0) for name in dropped))
            * node["Actual Loops"]
            for node in nodes(plan[0]["Plan"])
            if "Relation Name" in node
        )
    )


def sqlite_examines(captured) -> int:
    """Return how many rows a walk reads: as its limit says, where the index gives them in order."""
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {captured['sql']}")
        plan = " / ".join(row[3] for row in cursor.fetchall())
    assert "SCAN" not in plan, plan
    limit = re.search(r"LIMIT (\d+)$", captured["sql"])
    if limit is None:
        assert re.search(r"posts_queueentry USING INDEX \S+ \(post_id=\?\)", plan), plan
        return captured["sql"].count(",")
    assert "TEMP B-TREE" not in plan, plan
    # Equalities of the index and a place in its order; anything else would drop rows.
    assert re.search(r"posts_queueentry USING INDEX queue_\w+ \(stage=\?", plan), plan
    conditions = captured["sql"].rpartition(" WHERE ")[2]
    for column in ("source_id", "run_id", "stack_id", "reason"):
        is_walked = f"{column}=?" in plan
        assert is_walked == (f'"posts_queueentry"."{column}" = ' in conditions), plan
    return int(limit[1])


def test_no_filter_and_no_order_examines_more_than_2000_rows():
    """What the page offers, at the top and deep within, forwards and backwards."""
    fill_queue(SIZE)
    ways = ((RISK, ""), (RISK, "after"), (RISK, "before"), (OLDEST, "after"), (NEWEST, "before"))
    for (name, address), (order, way) in itertools.product(offered().items(), ways):
        filters = asked({**address, "order": order}).filters
        deep = Filters(stage=filters.stage, order=order)
        place = queue_walk.look(deep, None, most=700).rows[-1]
        text = queue_walk.place_of(order, place).encode()
        with CaptureQueriesContext(connection) as captured:
            page = page_of(filters, **({way: text} if way else {}))
        assert len(captured) <= 4
        examine = rows_examined if connection.vendor == "postgresql" else sqlite_examines
        examined = sum(examine(query) for query in captured)
        assert examined <= EXAMINED_MAX, (name, order, way)
        # A page is short only at the end of the queue, or when it says so.
        assert len(page.entries) == 50 or page.is_cut or way or not page.after, (name, order)


def test_a_claim_that_is_looked_for_and_not_there_says_that_it_goes_on():
    assert "contradicted:tools" in CLAIMS
    fill_queue(5_000)
    filters = asked({"claim": "contradicted:tools"}).filters

    pages, page = 1, page_of(filters)
    while page.after:
        assert page.is_cut
        pages, page = pages + 1, page_of(filters, after=page.after)

    assert (page.entries, page.is_cut) == ([], False)
    assert pages == -(-QueueEntry.objects.filter(stage=1).count() // queue_walk.WINDOW)


def test_counts_stop_at_the_cap_and_are_one_query(monkeypatch):
    monkeypatch.setattr(queue_counts, "CAP", 100)
    fill_queue(400)
    user = make_user()
    wanted = {
        "all": QueueEntry.objects.filter(stage=1),
        "held": QueueEntry.objects.filter(stage=1, reason=2),
        "returned": QueueEntry.objects.filter(stage=2),
    }

    with CaptureQueriesContext(connection) as captured:
        counts, opened = queue_counts.counts(user.pk, wanted, timezone.now())

    assert len(captured) == 1
    assert counts == {
        "all": 101,
        "held": QueueEntry.objects.filter(reason=2).count(),
        "returned": 8,
    }
    assert opened.number == 0
    assert queue_counts.count_text(counts["all"]) == "100+"
    assert queue_counts.count_text(8) == "8"


def test_place_has_one_spelling():
    assert Place.decode(Place(450, 12).encode()) == Place(450, 12)
