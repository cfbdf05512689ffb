"""The review queue in the admin: its page, its loop, and what every answer leaves behind."""

import datetime as dt
import re

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from posts import leases, queue_walk, review, writing
from posts.models import Decision, ImportSource, Post, QueueEntry, Tag
from tests.builders import make_post, make_snapshot, make_user
from tests.held_posts import edit, held_beside_approved
from tests.queue_rows import fill_queue

pytestmark = pytest.mark.django_db


@pytest.fixture
def reviewer(client):
    person = make_user("reviewer", first_name="Ana")
    client.force_login(person)
    return person


def at(name: str = "", *args, query: str = "") -> str:
    return reverse(f"admin:queue{name}", args=args) + query


def go(client, **query) -> int:
    """Ask for the next draft and return its post."""
    answer = client.get(at("_next"), query)
    assert answer.status_code == 302, answer
    found = re.search(r"/queue/(\d+)/", answer["Location"])
    assert found, answer["Location"]
    return int(found[1])


def decide(client, post_id: int, action: str, digest: str | None = None, **data):
    if digest is None:
        digest = Post.objects.get(pk=post_id).proposed_revision.digest
    return client.post(at("_decide", post_id, action), {"digest": digest, **data})


def titles(response) -> list[str]:
    return [line.entry.post.title for line in response.context["lines"]]


# --- The page ---------------------------------------------------------------------------------


def test_queue_says_why_each_draft_is_there(client, reviewer):
    held = held_beside_approved()
    edited = make_post(state="private")
    edit(edited, title="Edited by a person")

    page = client.get(at())

    lines = {line.entry.post_id: line for line in page.context["lines"]}
    assert next(iter(lines)) == held.pk
    assert lines[held.pk].reason == "changed by an import"
    assert "changes a page that people edited or approved" in lines[held.pk].factors
    assert lines[edited.pk].reason == "proposed by a person"
    text = page.content.decode()
    assert "nothing stands out" in text
    assert "Highest risk first" in text


def test_tabs_count_and_lead_to_their_drafts(client, reviewer):
    make_post(state="private")
    back = make_post(state="private", snapshot=make_snapshot(title="Sent back"))
    review.act_on_one(action="reject", post=back, by=make_user(), reason="No.")

    page = client.get(at())

    counts = {tab.name: tab.count for tab in page.context["tabs"]}
    assert counts == {"waiting": "1", "new": "0", "held": "0", "proposed": "1", "returned": "1"}
    returned = next(tab for tab in page.context["tabs"] if tab.name == "returned")
    shown = client.get(returned.url)
    assert titles(shown) == ["Sent back"]
    assert shown.context["lines"][0].url == reverse("admin:posts_post_change", args=[back.pk])
    assert "Review the next draft" not in shown.content.decode()


def test_filters_stand_in_the_address_and_survive_paging(client, reviewer):
    fill_queue(400)
    source = ImportSource.objects.get(name="south")
    query = {"source": "south", "difficulty": "advanced", "order": "oldest", "tab": "new"}

    page = client.get(at(), query)

    assert len(page.context["lines"]) == 50
    for line in page.context["lines"]:
        entry = QueueEntry.objects.get(pk=line.entry.pk)
        assert (entry.source, entry.difficulty, entry.reason) == (source, "advanced", 1)
        assert "source=south" in line.url
    for name, value in query.items():
        assert f"{name}={value}" in page.context["after_url"]
    behind = client.get(page.context["after_url"])
    assert not set(titles(behind)) & set(titles(page))
    assert titles(client.get(behind.context["before_url"])) == titles(page)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("tab=nowhere", "There is no tab"),
        ("order=best", "There is no order"),
        ("source=no+such", "There is no source"),
        ("run=x", "is no number of an import run"),
        ("run=99999999999999999999", "is no number of an import run"),
        ("stack=%00no", "There is no tag"),
        ("difficulty=hard", "There is no difficulty"),
        ("after=%00", "The place in this address"),
    ],
)
def test_bad_values_are_said_and_are_no_error(client, reviewer, query, said):
    make_post(state="private")

    page = client.get(at() + f"?{query}")

    assert page.status_code == 200
    assert said in page.content.decode()
    if query.startswith(("source", "run", "stack", "difficulty")):
        assert page.context["lines"] == []
        assert client.get(at("_next") + f"?{query}")["Location"].startswith(at() + "?")
        assert not QueueEntry.objects.filter(lease_by__isnull=False).exists()


def test_stack_is_found_as_tags_are_spelled(client, reviewer):
    make_post(state="private", snapshot=make_snapshot(title="Tidal", stack=("Tidal  Services",)))
    make_post(state="private", snapshot=make_snapshot(title="Other", stack=("harbour",)))
    assert Tag.objects.filter(name="tidal services").exists()

    assert titles(client.get(at(), {"stack": "TIDAL services"})) == ["Tidal"]


def test_empty_queue_says_what_would_appear(client, reviewer):
    assert "Nothing waits here" in client.get(at()).content.decode()
    assert "No draft fits" in client.get(at(), {"difficulty": "advanced"}).content.decode()
    make_post(state="private")
    QueueEntry.objects.all().delete()
    assert "manage.py refresh_queue" in client.get(at()).content.decode()


def test_queue_shows_who_has_a_draft_open(client, reviewer):
    mine, theirs = make_post(state="private"), make_post(state="private")
    now = timezone.now()
    leases.renew(post_id=theirs.pk, by=make_user(first_name="Ben"), now=now)
    leases.renew(post_id=mine.pk, by=reviewer, now=now)

    page = client.get(at())

    lines = {line.entry.post_id: line for line in page.context["lines"]}
    assert (lines[mine.pk].is_own, lines[theirs.pk].holder) == (True, "Ben")
    assert "Ben has it open until" in page.content.decode()
    assert [entry.pk for entry in page.context["open_now"]] == [mine.pk]


def test_pages_cost_the_same_for_50_and_50_000_drafts(client, reviewer):
    most = {
        reverse("admin:index"): 8,
        at(): 11,
        at(query="?tab=new&order=oldest"): 11,
        at(query="?source=north&difficulty=advanced"): 12,
    }
    costs = []
    for size in (60, 50_000):
        fill_queue(size)
        cost = {}
        for address in most:
            client.get(address)
            with CaptureQueriesContext(connection) as captured:
                assert client.get(address).status_code == 200
            cost[address] = len(captured)
            assert not any('"body"' in one["sql"] for one in captured)
        costs.append(cost)

    assert costs[0] == costs[1]
    assert all(cost <= most[address] for address, cost in costs[0].items()), costs[0]


def test_counts_are_capped(client, reviewer, monkeypatch):
    monkeypatch.setattr(queue_walk, "CAP", 100)
    fill_queue(300)

    page = client.get(reverse("admin:index"))

    assert page.context["queue_tabs"][0].count == "100+"
    assert len(page.context["riskiest"]) == 5


# --- Permissions ------------------------------------------------------------------------------


def test_editors_see_the_queue_and_may_not_decide(client):
    client.force_login(make_user("editor"))
    post = make_post(state="private")

    page = client.get(at())

    assert page.status_code == 200
    assert "Review the next draft" not in page.content.decode()
    assert client.get(at("_next")).status_code == 403
    assert client.get(at("_draft", post.pk)).status_code == 403
    assert decide(client, post.pk, "approve").status_code == 403
    for name in ("_skip", "_leave", "_renew", "_ahead"):
        assert client.post(at(name, post.pk)).status_code == 403
    assert client.post(at("_undo")).status_code == 403
    assert not Decision.objects.exists()


def test_staff_without_permission_see_nothing(client):
    client.force_login(make_user("staff"))
    assert client.get(at()).status_code == 403
    client.logout()
    assert client.get(at()).status_code == 302


def test_history_needs_its_permission(client):
    person = make_user("staff")
    for codename in ("view_post", "review_post"):
        person.user_permissions.add(Permission.objects.get(codename=codename))
    client.force_login(person)
    post = make_post(state="private")

    page = client.get(at("_draft", post.pk))

    assert page.status_code == 200
    assert page.context["lines"] == []
    assert reverse("admin:posts_post_compare", args=[post.pk]) not in page.content.decode()


@pytest.mark.parametrize("name", ["_skip", "_leave", "_renew", "_ahead"])
def test_reading_an_action_changes_nothing(client, reviewer, name):
    post = make_post(state="private")
    assert client.get(at(name, post.pk)).status_code == 405
    assert client.get(at("_decide", post.pk, "approve")).status_code == 405
    assert client.get(at("_undo")).status_code == 405
    assert not Decision.objects.exists()


def test_decisions_need_a_csrf_token(reviewer):
    from django.test import Client

    strict = Client(enforce_csrf_checks=True)
    strict.force_login(reviewer)
    post = make_post(state="private")

    assert decide(strict, post.pk, "approve").status_code == 403
    assert not Decision.objects.exists()


# --- The loop ---------------------------------------------------------------------------------


def test_a_draft_is_approved_and_the_next_one_opens(client, reviewer):
    for _ in range(2):
        make_post(state="private")
    first = go(client)
    page = client.get(at("_draft", first))
    assert [form.name for form in page.context["forms"]] == ["approve", "request_changes", "reject"]
    assert page.context["left"] == "2"
    assert QueueEntry.objects.get(pk=first).lease_by == reviewer

    answer = decide(client, first, "approve")

    assert answer["Location"] == at("_next")
    second = go(client)
    assert second != first
    assert Decision.objects.get().reviewer == reviewer
    shown = client.get(at("_draft", second))
    assert shown.context["toast"].text == "Approved"
    assert "Undo" in shown.content.decode()


def test_filters_go_through_the_loop(client, reviewer):
    fill_queue(200)
    query = {"source": "north", "order": "oldest"}
    first = go(client, **query)
    page = client.get(at("_draft", first), query)

    answer = client.post(at("_skip", first), {"back": page.context["back"]})

    assert answer["Location"] == at("_next") + "?order=oldest&source=north"
    assert QueueEntry.objects.get(pk=go(client, **query)).source.name == "north"


@pytest.mark.parametrize("action", ["request_changes", "reject"])
def test_sending_back_needs_a_reason_and_keeps_it(client, reviewer, action):
    post = make_post(state="private")

    refused = decide(client, post.pk, action, reason="  ")
    assert refused.status_code == 400
    form = next(form for form in refused.context["forms"] if form.name == action)
    assert form.is_open
    assert form.form.errors

    assert decide(client, post.pk, action, reason="Say which version.").status_code == 302
    assert Decision.objects.get().reason == "Say which version."


def test_undo_takes_the_last_verdict_back_and_shows_its_draft(client, reviewer):
    post = make_post(state="private")
    decide(client, post.pk, "approve")
    assert not QueueEntry.objects.exists()

    answer = client.post(at("_undo"), {"back": "order=oldest"})

    assert answer["Location"] == at("_draft", post.pk) + "?order=oldest"
    assert QueueEntry.objects.get().post_id == post.pk
    verdicts = Decision.objects.order_by("pk").values_list("verdict", flat=True)
    assert list(verdicts) == ["approve", "withdraw"]
    assert client.get(answer["Location"]).context["toast"] is None
    client.post(at("_undo"))
    assert Decision.objects.count() == 2


def test_undo_ends_with_its_window(client, reviewer, settings):
    post = make_post(state="private")
    decide(client, post.pk, "approve")
    session = client.session
    last = session["queue_undo"]
    past = timezone.now() - dt.timedelta(seconds=settings.REVIEW_UNDO_SECONDS + 1)
    session["queue_undo"] = {**last, "at": past.isoformat()}
    session.save()

    answer = client.post(at("_undo"), follow=True)

    assert "The undo window is over" in answer.content.decode()
    assert Decision.objects.count() == 1


def test_undo_of_what_moved_since_is_refused(client, reviewer):
    post = make_post(state="private")
    decide(client, post.pk, "reject", reason="No.")
    edit(post, title="Edited at once")

    answer = client.post(at("_undo"), follow=True)

    assert "Nothing was changed" in answer.content.decode()
    assert Decision.objects.count() == 1


def test_skipped_drafts_stay_away_until_asked_for(client, reviewer):
    posts = {make_post(state="private").pk for _ in range(3)}
    first = go(client)
    client.post(at("_skip", first))
    assert QueueEntry.objects.get(pk=first).lease_by is None

    second = go(client)
    client.post(at("_skip", second))
    third = go(client)
    client.post(at("_skip", third))

    assert {first, second, third} == posts
    end = client.get(at("_next"), follow=True)
    assert "No draft is left for you here" in end.content.decode()
    assert end.context["skipped"] == 3
    client.post(at("_unskip"))
    assert go(client) in posts


def test_leaving_gives_the_draft_back(client, reviewer):
    make_post(state="private")
    make_post(state="private")
    first = go(client)
    ahead = client.post(at("_ahead", first)).json()["post"]

    answer = client.post(at("_leave", first), {"back": "tab=new", "ahead": str(ahead)})

    assert answer["Location"] == at() + "?tab=new"
    assert not QueueEntry.objects.filter(lease_by__isnull=False).exists()


def test_the_next_draft_is_made_ready_under_a_short_lease(client, reviewer):
    for _ in range(3):
        make_post(state="private")
    first = go(client)

    ahead = client.post(at("_ahead", first)).json()["post"]

    entry = QueueEntry.objects.get(pk=ahead)
    assert ahead != first
    assert entry.lease_by == reviewer
    assert entry.lease_until <= timezone.now() + leases.AHEAD
    answer = decide(client, first, "approve", ahead=str(ahead))
    assert answer["Location"] == at("_draft", ahead)
    client.get(answer["Location"])
    assert QueueEntry.objects.get(pk=ahead).lease_until > timezone.now() + leases.AHEAD


@pytest.mark.parametrize("ahead", ["x", "0", "٣", "9" * 30, "-1"])
def test_nobody_is_led_to_a_draft_that_is_not_theirs(client, reviewer, ahead):
    first = make_post(state="private").pk
    assert decide(client, first, "approve", ahead=ahead)["Location"] == at("_next")
    other = make_post(state="private").pk
    leases.renew(post_id=other, by=make_user(), now=timezone.now())
    answer = client.post(at("_skip", first), {"ahead": str(other)})
    assert answer["Location"] == at("_next")


def test_renewing_tells_whether_the_draft_is_still_ours(client, reviewer):
    post = make_post(state="private")
    go(client)

    assert client.post(at("_renew", post.pk)).json() == {"is_ours": True}
    review.act_on_one(action="approve", post=post, by=make_user())
    assert client.post(at("_renew", post.pk)).json() == {"is_ours": False}


def test_a_draft_somebody_has_open_says_so_and_can_be_decided(client, reviewer):
    post = make_post(state="private")
    leases.renew(post_id=post.pk, by=make_user(first_name="Ben"), now=timezone.now())

    page = client.get(at("_draft", post.pk))

    assert "Ben</strong> has this draft open until" in page.content.decode()
    assert decide(client, post.pk, "approve").status_code == 302


def test_newer_revision_is_never_decided_by_accident(client, reviewer):
    post = make_post(state="private", snapshot=make_snapshot(title="What was read"))
    seen = post.proposed_revision.digest
    writing.revise(
        post=post, by=make_user("editor"), snapshot=make_snapshot(title="A newer one"), seen=1
    )

    answer = decide(client, post.pk, "reject", seen, reason="A long and careful reason.")

    assert answer.status_code == 409
    assert not Decision.objects.exists()
    assert answer.context["seen"].revision.number == 1
    text = answer.content.decode()
    assert "You looked at revision 1; now revision 2 is here" in text
    assert "What was read" in text
    assert "A newer one" in text
    assert "A long and careful reason." in text


def test_decided_meanwhile_says_who_and_what(client, reviewer):
    post = make_post(state="private")
    digest = post.proposed_revision.digest
    review.act_on_one(action="approve", post=post, by=make_user(first_name="Ben"))

    answer = decide(client, post.pk, "approve", digest)

    assert answer.status_code == 409
    assert answer.context["forms"] == []
    text = answer.content.decode()
    assert "by Ben, “Approve”" in text
    assert "Next draft" in text


def test_own_work_offers_no_approval(client, reviewer):
    post = make_post(state="private")
    person = make_user("superuser")
    writing.revise(post=post, by=person, snapshot=make_snapshot(), seen=1)
    client.force_login(person)

    page = client.get(at("_draft", post.pk))

    assert [form.name for form in page.context["forms"]] == ["request_changes", "reject"]
    assert "another reviewer has to approve it" in page.content.decode()


def test_a_draft_that_is_gone_is_not_found(client, reviewer):
    assert client.get(at("_draft", 10**9)).status_code == 404
    assert decide(client, make_post(state="private").pk, "publish").status_code == 404


def test_draft_page_costs_the_same_at_any_size(client, reviewer):
    post = make_post(state="private")
    costs = []
    for size in (1, 2_000):
        if size > 1:
            template = QueueEntry.objects.get(pk=post.pk)
            fill_queue(size)
            template.save(force_insert=True)
        client.get(at("_draft", post.pk))
        with CaptureQueriesContext(connection) as captured:
            assert client.get(at("_draft", post.pk)).status_code == 200
        costs.append(len(captured))

    assert costs[0] == costs[1] <= 22


def test_pages_are_stored_nowhere(client, reviewer):
    post = make_post(state="private")
    for address in (at(), at("_draft", post.pk), at("_next")):
        assert "no-store" in client.get(address)["Cache-Control"]
