"""The audit pages: every event in words, every filter by an index, nothing that grows."""

import datetime as dt
import json
import re
from urllib.parse import parse_qs, urlsplit

import pytest
from django.db import connection
from django.db.models import Count
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from posts import db, history, review, seals, writing
from posts.admin import audit_filters, audit_lines
from posts.admin.audit_filters import WINDOW, Wanted, page_of, walked_rows
from posts.bulk import act_on_all
from posts.importing import erasure
from posts.models import BulkAction, Decision, Event, ImportRun, ImportSource, Post
from posts.pagination import Cursor
from posts.transitions import TRANSITIONS
from tests.builders import make_post, make_snapshot, make_user

pytestmark = pytest.mark.django_db

NOW = dt.datetime(2026, 11, 17, 9, tzinfo=dt.UTC)
LIST = "admin:posts_event_changelist"


def run_of(name="generator"):
    source, _ = ImportSource.objects.get_or_create(name=name, defaults={"created_at": NOW})
    return ImportRun.objects.create(source=source, fence=1, engine_version="1", started_at=NOW)


@pytest.fixture
def past():
    """Events of every kind of subject, a bulk action and an erasure."""
    ana, ben = make_user("reviewer", username="ana"), make_user("editor", username="ben")
    posts = [
        make_post(state="private", by=ben, snapshot=make_snapshot(title=f"Note <{n}>"))
        for n in range(3)
    ]
    review.act_on_one(action="request_changes", post=posts[0], by=ana, reason="The figure is old.")
    writing.revise(
        post=posts[0],
        by=ben,
        snapshot=make_snapshot(title="Note <0>"),
        seen=1,
        comment="New figure",
    )
    bulk = act_on_all(
        actions=["approve", "publish"],
        queryset=Post.objects.filter(pk__in=[post.pk for post in posts]),
        by=ana,
        reason="The whole series",
        filters={"source": "local"},
    )
    run = run_of()
    history.append_to_run(run, "import started", data={"fence": 1}, now=timezone.now())
    boss = make_user("superuser", username="boss")
    erasure.erase(post_ids=[posts[2].pk], by=boss, reason="Asked for by letter")
    return {"posts": posts, "bulk": bulk, "run": run, "ana": ana, "ben": ben}


def page(client, **filters):
    response = client.get(reverse(LIST), filters)
    assert response.status_code == 200
    return response


def texts_of(response):
    """Return the lines of a page as people read them."""
    html = response.content.decode()
    found = re.findall(r'<div class="timeline-what">(.*?)</div>', html, re.S)
    return [re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", one)).strip() for one in found]


def signed_in(client, kind="reviewer"):
    client.force_login(make_user(kind))


# --- Who may see it ---------------------------------------------------------------------------

SEES = {
    "editor": True,
    "reviewer": True,
    "publisher": True,
    "importer": True,
    "administrator": False,
    "superuser": True,
}


@pytest.mark.parametrize(("kind", "may"), SEES.items())
def test_who_may_see_events_sees_all_audit_pages(client, past, kind, may):
    signed_in(client, kind)
    event = Event.objects.first().pk
    addresses = (
        reverse(LIST),
        reverse("admin:posts_event_export"),
        reverse("admin:posts_event_change", args=[event]),
        reverse("admin:posts_bulkaction_changelist"),
        reverse("admin:posts_bulkaction_change", args=[past["bulk"].pk]),
    )

    codes = {address: client.get(address).status_code for address in addresses}

    assert set(codes.values()) == {200 if may else 403}, codes
    home = client.get(reverse("admin:index")).content.decode()
    assert (f'href="{reverse(LIST)}"' in home) is may


@pytest.mark.parametrize("kind", [None, "reader"])
def test_others_are_sent_to_the_login(client, past, kind):
    if kind:
        signed_in(client, kind)

    for name in (LIST, "admin:posts_event_export", "admin:posts_bulkaction_changelist"):
        response = client.get(reverse(name))
        assert (response.status_code, "/admin/login/" in response["Location"]) == (302, True)


def test_nothing_can_be_added_or_changed(client, past):
    signed_in(client, "superuser")
    event = Event.objects.first()
    before = Event.objects.count()

    assert client.get(reverse("admin:posts_event_add")).status_code == 403
    assert client.get(reverse("admin:posts_bulkaction_add")).status_code == 403
    assert client.post(reverse("admin:posts_event_delete", args=[event.pk])).status_code == 403
    client.post(reverse("admin:posts_event_change", args=[event.pk]), {"kind": "approve"})
    assert Event.objects.get(pk=event.pk).kind == event.kind
    assert Event.objects.count() == before


def test_addresses_that_name_nothing_are_not_found(client, past):
    signed_in(client)

    for model in ("event", "bulkaction"):
        for wrong in ("0", "999999999", "x", "9" * 30):
            address = reverse(f"admin:posts_{model}_change", args=[wrong])
            assert client.get(address).status_code == 404, address


def test_links_lead_only_where_the_person_may_go(client, past):
    signed_in(client, "importer")
    own = page(client, person="ana").content.decode()
    assert "/admin/auth/user/" not in own.split('<ol class="timeline">')[1]

    client.force_login(make_user("superuser"))
    assert "/admin/auth/user/" in page(client, person="ana").content.decode()


# --- In words ---------------------------------------------------------------------------------


def test_line_says_who_did_what_to_which_revision_and_why(client, past):
    signed_in(client)

    lines = texts_of(page(client))

    said = "\n".join(lines)
    assert "ana requested changes of revision 1 of Note &lt;0&gt;" in said
    assert "The figure is old." in said
    assert "ben saved revision 2 of Note &lt;0&gt;" in said
    assert "New figure" in said
    assert "ana approved revision 2 of Note &lt;0&gt;" in said
    assert said.count("The whole series") == 4  # two posts, approved and published
    assert "A command started run" in said
    assert "boss removed the events of erased posts from this site" in said
    assert "A command changed the groups of the account ana added: reviewer" in said


def test_every_decision_has_its_reason_beside_its_event(past):
    """A verdict's event and its decision name the same revision, person and moment."""
    verdicts = [row.name for row in TRANSITIONS.values() if row.verdict]
    events = Event.objects.filter(kind__in=verdicts)
    lines = audit_lines.lines_of([event.pk for event in events], past["ana"])

    assert len(lines) == Decision.objects.count() == 3
    for line in lines:
        (decision,) = Decision.objects.filter(
            revision_id=line.event.data["revision"],
            digest=line.event.revision_digest,
            verdict=line.event.kind,
            reviewer=line.event.actor,
            decided_at=line.event.at,
        )
        assert line.reasons[0] == decision.reason != ""


def test_every_kind_there_is_has_words(past):
    kinds = set(Event.objects.values_list("kind", flat=True))

    assert kinds <= set(audit_lines.DID)
    assert {row.name for row in TRANSITIONS.values()} <= set(audit_lines.DID)


def test_titles_are_text(client, past):
    signed_in(client)

    assert "Note <0>" not in page(client).content.decode()


def test_page_of_an_event_shows_what_protects_it(client, past):
    signed_in(client)
    seals.seal_events(now=timezone.now(), older_than=dt.timedelta(0))
    event = Event.objects.filter(kind="approve").first()

    said = client.get(reverse("admin:posts_event_change", args=[event.pk])).content.decode()

    assert event.hash in said
    assert event.previous_hash in said
    assert "over " in said
    assert f"manage.py verify_history --post {event.post_id}" in said


def test_page_of_a_bulk_action_tells_all_about_it(client, past):
    signed_in(client)
    bulk = past["bulk"]

    response = client.get(reverse("admin:posts_bulkaction_change", args=[bulk.pk]))

    said = response.content.decode()
    for text in ("Approve, then Publish", "The whole series", "local", ">ana<"):
        assert text in said
    assert len(texts_of(response)) == 4
    listed = client.get(reverse("admin:posts_bulkaction_changelist")).content.decode()
    assert "Asked for by letter" in listed
    assert reverse("admin:posts_bulkaction_change", args=[bulk.pk]) in listed


def test_bulk_action_of_one_person_is_told_from_another_at_the_same_time(client, past):
    signed_in(client)
    started = past["bulk"].started_at
    other = BulkAction.objects.create(
        actor=past["ana"], action="archive", started_at=started, finished_at=timezone.now()
    )

    assert texts_of(page(client, bulk=other.pk)) == []
    assert len(texts_of(page(client, bulk=past["bulk"].pk))) == 4


def test_post_history_leads_to_the_bulk_action(client, past):
    signed_in(client)

    said = client.get(reverse("admin:posts_post_change", args=[past["posts"][0].pk]))

    address = reverse("admin:posts_bulkaction_change", args=[past["bulk"].pk])
    assert address in said.content.decode()


def test_bulk_actions_go_on_below_a_number(client, past, monkeypatch):
    monkeypatch.setattr(audit_filters, "PAGE", 1)
    signed_in(client)
    address = reverse("admin:posts_bulkaction_changelist")

    first = client.get(address)
    second = client.get(address, {"below": first.context["further"]})

    numbers = [one.pk for response in (first, second) for one, _ in response.context["actions"]]
    assert numbers == sorted(BulkAction.objects.values_list("pk", flat=True), reverse=True)
    assert second.context["further"] is None


# --- Filters and pages ------------------------------------------------------------------------


def test_each_filter_finds_what_a_plain_query_finds(client, past):
    signed_in(client)
    today = timezone.now().date()
    post, run = past["posts"][0], past["run"]
    local = ImportSource.objects.get(name="local")
    cases = {
        ("kind", "approve"): {"kind": "approve"},
        ("actor", "ana"): {"actor": past["ana"]},
        ("person", "ana"): {"person": past["ana"]},
        ("post", post.pk): {"post": post},
        ("run", run.pk): {"run": run},
        ("source", "local"): {"source": local},
        ("since", today.isoformat()): {"at__date__gte": today},
        ("until", (today - dt.timedelta(days=1)).isoformat()): {"at__date__lt": today},
    }

    for (name, value), conditions in cases.items():
        shown = [line.event.pk for line in page(client, **{name: value}).context["lines"]]
        expected = Event.objects.filter(**conditions).order_by("-at", "-pk")
        assert shown == list(expected.values_list("pk", flat=True)), name
        assert name == "until" or shown


def test_filters_combine(client, past):
    signed_in(client)

    lines = page(client, kind="approve", actor="ana", post=past["posts"][1].pk).context["lines"]

    assert [line.event.kind for line in lines] == ["approve"]
    assert page(client, kind="approve", actor="ben").context["lines"] == []


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("actor", "nobody", "There is no user “nobody”"),
        ("person", "nobody", "There is no user “nobody”"),
        ("source", "nowhere", "There is no source “nowhere”"),
        ("post", "seven", "Enter a whole number"),
        ("post", "9" * 30, "less than or equal to"),
        ("since", "yesterday", "Enter a valid date"),
        ("bulk", "999999999", "There is no bulk action 999999999"),
        ("kind", "x" * 60, "at most 40 characters"),
        ("actor", "a\x00b", "Null characters"),
    ],
)
def test_value_that_means_nothing_is_told_and_shows_nothing(client, past, field, value, said):
    signed_in(client)

    response = page(client, **{field: value})

    assert said in response.content.decode()
    assert response.context["lines"] == []
    assert client.get(reverse("admin:posts_event_export"), {field: value}).status_code == 400


def test_days_in_the_wrong_order_are_told(client, past):
    signed_in(client)

    assert (
        "before the first" in page(client, since="2026-11-18", until="2026-11-17").content.decode()
    )


def test_the_last_days_of_the_calendar_are_days(client, past):
    signed_in(client)

    assert page(client, until="9999-12-31").context["lines"]
    assert page(client, since="0001-01-01").context["lines"]


def test_unknown_kind_shows_nothing_and_keeps_the_filter(client, past):
    signed_in(client)

    response = page(client, kind="never heard of")

    assert response.context["lines"] == []
    assert '<option value="never heard of" selected>' in response.content.decode()


def walk(client, **filters):
    """Return the events of all pages in order, by following the links."""
    ids = []
    response = page(client, **filters)
    for _ in range(100):
        ids += [line.event.pk for line in response.context["lines"]]
        if not response.context["further_url"]:
            return ids
        more = parse_qs(urlsplit(response.context["further_url"]).query)
        response = page(client, **{name: values[0] for name, values in more.items()})
    raise AssertionError("the pages have no end")


@pytest.mark.parametrize(
    "filters", [{}, {"actor": "ana"}, {"kind": "approve", "actor": "ana"}, {"source": "local"}]
)
def test_pages_follow_each_other_without_loss(client, past, monkeypatch, filters):
    signed_in(client)
    whole = walk(client, **filters)
    monkeypatch.setattr(audit_filters, "PAGE", 1)

    assert walk(client, **filters) == whole
    assert len(whole) > 1


def test_pages_of_a_chain_follow_each_other(client, past, monkeypatch):
    signed_in(client)
    post = past["posts"][0]
    monkeypatch.setattr(audit_filters, "PAGE", 2)

    whole = walk(client, post=post.pk)

    expected = Event.objects.filter(post=post).order_by("-sequence")
    assert whole == list(expected.values_list("pk", flat=True))


def test_rare_event_behind_many_others_is_reached_by_short_pages(client, past, monkeypatch):
    monkeypatch.setattr(audit_filters, "WINDOW", 3)
    signed_in(client)

    response = page(client, actor="ana", kind="request_changes")
    assert "3 events were looked at" in response.content.decode()

    whole = walk(client, actor="ana", kind="request_changes")
    assert len(whole) == 1


def test_place_that_makes_no_sense_gives_the_first_page_with_a_note(client, past):
    signed_in(client)

    response = page(client, after="x")

    assert "was not understood" in response.content.decode()
    assert response.context["lines"]


# --- The export -------------------------------------------------------------------------------


def exported(client, **filters):
    response = client.get(reverse("admin:posts_event_export"), filters)
    assert response["Content-Type"] == "application/jsonl; charset=utf-8"
    assert "attachment" in response["Content-Disposition"]
    return [json.loads(line) for line in response.getvalue().splitlines()]


def test_export_holds_every_event_that_fits_so_that_its_hash_can_be_checked(
    client, past, monkeypatch
):
    monkeypatch.setattr(audit_filters, "EXPORT_PAGE", 4)
    signed_in(client)

    rows = exported(client)

    assert len(rows) == Event.objects.count() > 8
    for row in rows:
        assert set(row) == set(history.COLUMNS)
        values = {
            **row,
            "at": history.moment_text(dt.datetime.fromisoformat(row["at"])),
            "data": history.data_text(row["data"]),
        }
        texts = [None if values[name] is None else str(values[name]) for name in history.HASHED]
        assert history.chain_hash(texts) == row["hash"]


def test_export_is_narrowed_down_like_the_list(client, past):
    signed_in(client)

    rows = exported(client, kind="approve", actor="ana")

    assert {row["kind"] for row in rows} == {"approve"}
    assert len(rows) == 2


# --- At size ----------------------------------------------------------------------------------


def fill(size):
    """Insert `size` events: most of one run, the rest of others; a long chain of a post."""
    ana, ben = make_user("reviewer", username="ana"), make_user("editor", username="ben")
    hot, rare = run_of("hot"), run_of("rare")
    post = make_post(state="private")
    kinds = ("measured", "import complete", "erase")

    def more(subject, pk, number, actor, kind="measured", start=0):
        for at in range(start, start + number, 5_000):
            history._append(
                subject,
                [(pk, kind, "", {})] * min(5_000, start + number - at),
                actor=actor,
                now=NOW + dt.timedelta(seconds=at),
                sources_of=lambda ids: (
                    {pk: {hot.pk: hot, rare.pk: rare}[pk].source_id} if subject == "run" else {}
                ),
            )

    more("run", rare.pk, 40, ben, kinds[2])
    more("run", hot.pk, size, ana)
    more("post", post.pk, size // 4, ana, "approve", size)
    more("person", ben.pk, size // 8, None, "account flags", size)
    more("site", 0, size // 8, ana, "group permissions", size)
    db.refresh_planner_statistics([Event])
    return {"ana": ana, "ben": ben, "hot": hot, "rare": rare, "post": post}


def rows_examined(queryset):
    """Return how many rows a query looks at: measured on PostgreSQL, by its plan on SQLite."""
    if connection.vendor == "sqlite":
        plan = queryset.explain()
        assert "TEMP B-TREE" not in plan, plan
        assert re.search(r"(SEARCH|SCAN) posts_event USING (COVERING )?INDEX", plan), plan
        # In the order of an index nothing is looked at beyond what is taken.
        return len(queryset)
    plan = json.loads(queryset.explain(format="json", analyze=True))
    total = 0

    def visit(node):
        nonlocal total
        if "Relation Name" in node:
            seen = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
            seen += node.get("Rows Removed by Index Recheck", 0)
            total += seen * node["Actual Loops"]
        for child in node.get("Plans", ()):
            visit(child)

    visit(plan[0]["Plan"])
    assert "Sort" not in json.dumps(plan) or total <= WINDOW
    return total


def check_plans(size):
    made = fill(size)
    middle = Event.objects.order_by("pk")[size // 2]
    deep = Cursor(middle.at, middle.pk)
    behind = Event.objects.filter(post=made["post"]).order_by("sequence")[size // 8]
    days = {"start": NOW, "end": NOW + dt.timedelta(days=1)}
    conditions = (
        {},
        {"kind": "measured"},
        {"kind": "erase"},
        {"kind": "nothing of this kind"},
        {"actor": made["ana"].pk},
        {"actor": made["ben"].pk},
        {"source": made["hot"].source_id},
        {"source": made["rare"].source_id},
        {"post": made["post"].pk},
        {"run": made["hot"].pk},
        {"run": made["rare"].pk},
        {"person": made["ben"].pk},
    )
    for condition in conditions:
        for more in ({}, days, {"actor": made["ana"].pk, "kind": "erase"}):
            wanted = Wanted(**{**more, **condition})
            for after in (None, Cursor(behind.at, behind.pk) if wanted.is_chain else deep):
                rows = walked_rows(wanted, after).values("pk", "kind", "actor_id", "at")
                limit = WINDOW if audit_filters._has_more_conditions(wanted) else 51
                examined = rows_examined(rows[:limit])
                assert examined <= WINDOW, (wanted, after, examined)


def test_no_filter_looks_at_more_than_two_thousand_events():
    check_plans(12_000)


@pytest.mark.long
def test_no_filter_looks_at_more_than_two_thousand_events_of_a_million():
    check_plans(600_000)


def test_page_takes_as_many_queries_at_any_size_and_counts_nothing(client):
    signed_in(client)
    client.get(reverse("admin:index"))  # counts what is unread for the session
    counted = {}
    for size in (100, 3_000):
        if size == 100:
            run = run_of("small")
        history._append(
            "run", [(run.pk, "erase", "", {})] * size, actor=None, now=NOW, sources_of=lambda _: {}
        )
        with CaptureQueriesContext(connection) as queries:
            page(client, kind="erase")
        counted[size] = len(queries)
        assert not any("COUNT(" in query["sql"] for query in queries)

    assert counted[100] == counted[3_000] <= 10


def test_page_of_mixed_events_takes_few_queries(client, past):
    signed_in(client)

    with CaptureQueriesContext(connection) as queries:
        page(client)

    # Session, person, two of permissions, the page, its events, revisions twice, decisions, bulk
    # actions, groups.
    assert len(queries) <= 12, [query["sql"][:80] for query in queries]


def test_walk_takes_two_queries_at_most(past, django_assert_num_queries):
    newest = Event.objects.filter(post=past["posts"][0]).latest("sequence")

    with django_assert_num_queries(1):
        page_of(Wanted(kind="approve"), None)
    with django_assert_num_queries(2):
        page_of(Wanted(post=past["posts"][0].pk), Cursor(newest.at, newest.pk))


def test_each_kind_of_subject_is_in_the_list_once(client, past):
    signed_in(client)

    shown = [line.event.pk for line in page(client).context["lines"]]

    assert len(shown) == len(set(shown)) == Event.objects.aggregate(n=Count("pk"))["n"]
