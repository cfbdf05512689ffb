"""The review queue in the admin: its page, its loop, and what every answer leaves behind."""

import datetime as dt
import re

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from posts import leases, queue_counts, queue_listed, queue_walk, review, writing
from posts.admin import queue_saved
from posts.models import Decision, ImportSource, Post, QueueEntry, SavedFilter, Tag
from tests.builders import make_post, make_snapshot, make_user
from tests.held_posts import edit, held_beside_approved, import_note
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
    assert counts == {
        **{"waiting": "1", "held": "0", "proposed": "1", "requested": "0", "rejected": "1"},
        **{"scheduled": "0", "stale": "0", "all": "2"},
    }
    returned = next(tab for tab in page.context["tabs"] if tab.name == "rejected")
    shown = client.get(returned.url)
    assert titles(shown) == ["Sent back"]
    assert shown.context["lines"][0].url == reverse("admin:posts_post_change", args=[back.pk])
    assert "Review the next draft" not in shown.content.decode()


def test_filters_stand_in_the_address_and_survive_paging(client, reviewer):
    fill_queue(400)
    source = ImportSource.objects.get(name="south")
    query = {"source": "south", "difficulty": "advanced", "order": "oldest"}

    page = client.get(at(), query)

    assert len(page.context["lines"]) == 50
    for line in page.context["lines"]:
        entry = QueueEntry.objects.get(pk=line.entry.pk)
        assert (entry.source, entry.difficulty, entry.stage) == (source, "advanced", 1)
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
        ("claim=contradicted:mood", "There is no claim"),
        ("claim=verified", "There is no claim"),
        ("score=high", "There is no score"),
        ("score=1-2-3", "There is no score"),
        ("check=none", "There is no check"),
        ("after=nowhere", "The place in this address"),
    ],
)
def test_bad_values_are_said_and_are_no_error(client, reviewer, query, said):
    make_post(state="private")

    page = client.get(at() + f"?{query}")

    assert page.status_code == 200
    assert said in page.content.decode()
    if not query.startswith(("tab", "order", "after")):
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
    assert (page.context["open"].number, page.context["open"].post_id) == (1, mine.pk)


def test_pages_cost_the_same_for_50_and_50_000_drafts(client, reviewer):
    most = {
        reverse("admin:index"): 8,
        at(): 8,
        at(query="?order=oldest"): 8,
        at(query="?tab=held"): 8,
        at(query="?tab=stale"): 8,
        at(query="?source=north&difficulty=advanced&claim=contradicted"): 10,
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
    monkeypatch.setattr(queue_counts, "CAP", 100)
    fill_queue(300)

    page = client.get(reverse("admin:index"))

    assert page.context["queue_tabs"]["waiting"].count == "100+"
    assert len(page.context["riskiest"]) == 5


def test_looking_for_several_filters_in_order_of_age_has_a_bound(client, reviewer):
    fill_queue(5_000)
    address = at(query="?tab=all&source=north&order=newest&claim=contradicted")
    client.get(address)

    with CaptureQueriesContext(connection) as captured:
        page = client.get(address)

    assert len(captured) <= 12
    assert page.context["lines"]
    assert page.context["is_cut"]
    assert f"up to {queue_walk.WINDOW:,} drafts were looked through" in page.content.decode()


def test_claims_scores_and_checks_are_filters(client, reviewer):
    bold = import_note("n-1", reading_time=40, score={"quality": 12, "depth": 90})
    calm = import_note("n-2", title="Calm", score={"quality": 80})

    def found(**query) -> list[int]:
        return [line.entry.post_id for line in client.get(at(), query).context["lines"]]

    assert found(claim="contradicted") == [bold.pk]
    assert found(claim="contradicted:reading_time") == [bold.pk]
    assert found(claim="none-contradicted") == [calm.pk]
    assert found(claim="verified:reading_time") == []
    assert found(score="0-39") == found(score="12-12") == found(check="scores") == [bold.pk]
    assert found(score="80-100") == [calm.pk]
    assert found(score="none") == []
    page = client.get(at(), {"score": "0-39", "order": "oldest", "claim": "contradicted"})
    assert "Oldest first; only any contradicted, lowest score below 40." in page.content.decode()


def test_scheduled_and_stale_posts_have_tabs(client, reviewer):
    later = make_post(state="listed", snapshot=make_snapshot(title="Later"))
    old = make_post(state="listed", snapshot=make_snapshot(title="Old"))
    gone = make_post(state="listed", snapshot=make_snapshot(title="Gone"))
    make_post(state="listed", snapshot=make_snapshot(title="Of today"))
    now = timezone.now()
    long_ago = now - queue_listed.STALE_AFTER - dt.timedelta(days=1)
    Post.objects.filter(pk=later.pk).update(listed_at=now + dt.timedelta(days=3))
    Post.objects.filter(pk=old.pk).update(listed_at=long_ago)
    Post.objects.filter(pk=gone.pk).update(listed_at=long_ago, archive_at=now)

    def shown(tab: str) -> list[str]:
        return [line.post.title for line in client.get(at(), {"tab": tab}).context["listed"]]

    assert (shown("scheduled"), shown("stale")) == (["Later"], ["Old"])
    page = client.get(at(), {"tab": "stale"})
    assert "approved by" in page.content.decode()
    assert page.context["sources"] == []
    Post.objects.update(listed_at=None)
    assert "Nothing is stale" in client.get(at(), {"tab": "stale"}).content.decode()


def test_listed_parts_page_both_ways():
    now = timezone.now()
    posts = [make_post(state="listed") for _ in range(7)]
    for number, post in enumerate(posts):
        moment = now - queue_listed.STALE_AFTER - dt.timedelta(days=9 - number // 2)
        Post.objects.filter(pk=post.pk).update(listed_at=moment)

    pages, after = [], ""
    while True:
        page = queue_listed.page_of("stale", now=now, after=after, size=3)
        pages.append([line.post.pk for line in page.lines])
        if not page.after:
            break
        after = page.after
    back = queue_listed.page_of("stale", now=now, before=page.before, size=3)

    assert pages == [[post.pk for post in posts[start : start + 3]] for start in (0, 3, 6)]
    assert [line.post.pk for line in back.lines] == pages[1]
    assert back.after
    assert not queue_listed.page_of("stale", now=now, after="x").is_understood


def test_the_place_in_the_list_is_kept_on_the_way_through_the_loop(client, reviewer):
    fill_queue(200)
    second = client.get(client.get(at(), {"source": "north"}).context["after_url"])
    place = second.context["asked"].place["after"]
    line = second.context["lines"][0]
    assert f"after={place}" in line.url

    page = client.get(line.url)
    assert page.context["queue_url"] == at() + f"?source=north&after={place}"
    answer = client.post(at("_skip", line.entry.pk), {"back": page.context["back"]})
    draft = client.get(answer["Location"], follow=True)
    assert draft.context["queue_url"] == page.context["queue_url"]
    left = client.post(at("_leave", line.entry.pk), {"back": draft.context["back"]})
    assert titles(client.get(left["Location"])) == titles(second)


# --- Saved filters ----------------------------------------------------------------------------


def save(client, name: str, back: str, **more):
    return client.post(at("_filter_save"), {"name": name, "back": back, **more}, follow=True)


def saved(client, query: str = "") -> list[tuple[str, str, bool]]:
    page = client.get(at() + query)
    return [(one.name, one.by, one.is_current) for one in page.context["saved"]]


def test_filters_are_saved_from_the_address_and_lead_back_to_it(client, reviewer):
    answer = save(
        client, " Riskiest  of south ", "tab=held&order=oldest&after=1-2&claim=contradicted"
    )

    assert "“Riskiest of south” stands beside the tabs now." in answer.content.decode()
    (one,) = answer.context["saved"]
    assert one.url == at() + "?tab=held&order=oldest&claim=contradicted"
    assert saved(client, "?claim=contradicted&tab=held&order=oldest") == [
        ("Riskiest of south", "", True)
    ]
    assert saved(client) == [("Riskiest of south", "", False)]
    save(client, "Riskiest of south", "tab=held")
    assert SavedFilter.objects.get().query == "tab=held"


def test_shared_filters_are_seen_by_all_editors_and_deleted_by_their_owner(client, reviewer):
    save(client, "Shared", "tab=held", shared="1")
    save(client, "Own", "tab=all")
    client.force_login(make_user("editor"))
    assert saved(client) == [("Shared", "Ana", False)]
    shared = SavedFilter.objects.get(name="Shared")

    refused = client.post(at("_filter_delete", shared.pk), {"back": "tab=held"}, follow=True)
    assert "is not yours" in refused.content.decode()
    assert SavedFilter.objects.count() == 2
    client.force_login(reviewer)
    answer = client.post(at("_filter_delete", shared.pk), {"back": "tab=held"})
    assert answer["Location"] == at() + "?tab=held"
    assert saved(client) == [("Own", "", False)]


@pytest.mark.parametrize(
    ("name", "back", "said"),
    [
        ("", "tab=held", "A name has 1 to 60 characters"),
        ("x" * 61, "tab=held", "A name has 1 to 60 characters"),
        ("\x00 ", "tab=held", "A name has 1 to 60 characters"),
        ("Name", "source=nowhere", "There is no source"),
        ("Name", "stack=" + "x" * 5_000, "There is no tag"),
    ],
)
def test_what_cannot_be_saved_is_said(client, reviewer, name, back, said):
    answer = save(client, name, back)

    assert "Nothing was saved" in answer.content.decode()
    assert said in answer.content.decode()
    assert not SavedFilter.objects.exists()


def test_names_of_saved_filters_are_escaped_and_their_number_is_bounded(
    client, reviewer, monkeypatch
):
    monkeypatch.setattr(queue_saved, "OWN_MAX", 2)
    save(client, "<b>Bold</b>", "tab=held")
    answer = save(client, "Second", "")
    assert "<b>Bold" not in answer.content.decode()

    refused = save(client, "Third", "tab=all")
    assert "Delete one first" in refused.content.decode()
    save(client, "Second", "tab=all")
    assert SavedFilter.objects.get(name="Second").query == "tab=all"


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

    answer = client.post(at("_leave", first), {"back": "tab=held", "ahead": str(ahead)})

    assert answer["Location"] == at() + "?tab=held"
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
