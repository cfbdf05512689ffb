"""Bulk actions in the admin: frozen before they are confirmed, followed, stopped, and told."""

import csv
import datetime as dt
import io

import pytest
from django.db import connection
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from posts import bulk, writing
from posts.admin import bulk_run
from posts.models import BulkAction, BulkItem, ClaimCheck, Decision, Event, Post, PostTag
from tests.builders import make_post, make_snapshot, make_user
from tests.held_posts import import_note

pytestmark = pytest.mark.django_db

LIST = "admin:posts_post_changelist"


@pytest.fixture
def reviewer(client):
    person = make_user("reviewer")
    client.force_login(person)
    return person


def chosen(client, posts, action, query="", **more):
    """Choose an action in the post list; return the answer."""
    data = {"action": action, "_selected_action": [post.pk for post in posts], **more}
    return client.post(reverse(LIST) + query, data)


def confirmation(client, posts, action, query="", **more):
    """Choose an action in the post list; return the page that asks for a confirmation."""
    return client.get(chosen(client, posts, action, query, **more).url)


def confirmed(client, page, **data):
    address = reverse("admin:bulk_confirm", args=[page.context["action"].pk])
    return client.post(address, data, follow=True)


def drafts(number, **more):
    return [make_post(state="private", **more) for _ in range(number)]


# --- Before -----------------------------------------------------------------------------------


def test_bulk_approval_asks_first_and_then_approves_all(client, reviewer):
    posts = [make_post(state="published") for _ in range(12)]

    page = confirmation(client, posts, "approve")

    plan = page.context["plan"]
    assert (plan.total, plan.fitting, plan.refusals) == (12, 12, [])
    assert plan.states == [("proposed by a person, published", 12)]
    assert plan.stacks == [("tidal services", 12)]
    assert len(plan.sample) == 10
    assert not Decision.objects.exists()

    done = confirmed(client, page)

    assert Decision.objects.filter(verdict="approve", reviewer=reviewer).count() == 12
    assert Event.objects.filter(kind="approve").count() == 12
    later = timezone.now() + dt.timedelta(minutes=1)
    assert Post.objects.indexable(later).count() == 12
    record = BulkAction.objects.get()
    assert (record.state, record.changed, record.skipped) == ("finished", 12, 0)
    assert [item.outcome for item in done.context["items"]] == ["changed"] * 12


def test_breakdown_counts_states_claims_and_who_may_not(client, reviewer):
    imported = import_note()
    ClaimCheck.objects.filter(revision=imported.live_revision_id).update(contradicted=1)
    other, archived = make_post(state="private"), make_post(state="archived")
    own = writing.write_post(by=reviewer, snapshot=make_snapshot())
    approved = make_post(state="listed")

    page = confirmation(client, [imported, other, own, archived, approved], "approve")

    plan = page.context["plan"]
    assert dict(plan.states) == {
        "new, private": 1,
        "proposed by a person, private": 2,
        "archived": 1,
        "approved, published": 1,
    }
    assert (plan.total, plan.fitting, plan.contradicted) == (5, 2, 1)
    assert sorted(number for _, number in plan.refusals) == [1, 1, 1]
    assert any("another reviewer" in text for text, _ in plan.refusals)
    assert page.context["plan"].fitting == len(_decided_by(client, page))


def _decided_by(client, page):
    confirmed(client, page)
    return Decision.objects.filter(bulk_action=page.context["action"])


@pytest.mark.parametrize(
    "action", ["approve", "request_changes", "reject", "publish", "archive", "add_tag"]
)
def test_what_the_plan_says_is_what_happens(client, reviewer, action):
    posts = [make_post(state=s) for s in ("private", "published", "listed", "archived")]
    posts.append(writing.write_post(by=reviewer, snapshot=make_snapshot()))
    writing.revise(
        post=posts[2], by=make_user("editor"), snapshot=make_snapshot(title="Newer"), seen=1
    )

    page = confirmation(client, posts, action)
    plan = page.context["plan"]
    done = confirmed(client, page, reason="As agreed.", tag="tide tables")

    record = BulkAction.objects.get()
    assert record.changed == plan.fitting
    assert record.refusals == dict(plan.refusals)
    assert done.context["facts"]["done"] == plan.total == 5


def test_verdict_keeps_out_what_changed_since_it_was_frozen(client, reviewer):
    posts = drafts(2)
    page = confirmation(client, posts, "approve")
    writing.revise(post=posts[0], by=make_user("editor"), snapshot=make_snapshot(), seen=1)

    again = client.get(reverse("admin:bulk", args=[page.context["action"].pk]))
    confirmed(client, page)

    assert again.context["plan"].fitting == 1
    assert Decision.objects.count() == 1
    stale = BulkItem.objects.get(outcome="stale")
    assert (stale.post_id, "Another revision" in stale.note) == (posts[0].pk, True)


def test_all_matching_means_what_matched_when_it_was_frozen(client, reviewer):
    posts = drafts(5)
    make_post(state="listed")
    page = confirmation(client, posts[:1], "approve", "?queue=awaiting", select_across="1")
    assert page.context["plan"].total == 5
    later = make_post(state="private")

    confirmed(client, page)

    assert set(Post.objects.filter(approved_revision__isnull=False, visibility="private")) == set(
        posts
    )
    later.refresh_from_db()
    assert later.approved_revision_id is None
    assert BulkAction.objects.get().filters == {"query": {"queue": "awaiting"}}


def test_all_that_match_is_a_button_that_needs_no_script(client, reviewer):
    posts = drafts(3)
    page = client.get(reverse(LIST)).content.decode()
    assert 'type="submit" class="button" name="select_across" value="1"' in page

    answer = client.post(
        reverse(LIST),
        {"action": "approve", "select_across": ["0", "1"], "_selected_action": ["0"]},
    )

    assert BulkAction.objects.get().total == len(posts)
    assert answer.url == reverse("admin:bulk", args=[BulkAction.objects.get().pk])


def test_queue_freezes_what_its_filters_find(client, reviewer):
    make_post(state="private", snapshot=make_snapshot(difficulty="beginner"))
    make_post(state="private", snapshot=make_snapshot(difficulty="advanced"))

    answer = client.post(
        reverse("admin:bulk_prepare"),
        {"action": "reject", "scope": "all", "back": "difficulty=advanced"},
    )

    action = BulkAction.objects.get()
    assert (action.total, action.filters) == (1, {"queue": {"difficulty": "advanced"}})
    assert answer.url == reverse("admin:bulk", args=[action.pk])
    assert action.options["back"].endswith("?difficulty=advanced")


def test_queue_freezes_what_is_ticked(client, reviewer):
    posts = drafts(3)
    queue = client.get(reverse("admin:queue")).content.decode()
    assert all(f'name="_selected_action" value="{post.pk}"' in queue for post in posts)

    client.post(
        reverse("admin:bulk_prepare"),
        {
            "action": "approve",
            "scope": "ticked",
            "_selected_action": [posts[0].pk, posts[2].pk, "x", "9" * 30],
        },
    )

    items = BulkItem.objects.values_list("post_id", flat=True)
    assert set(items) == {posts[0].pk, posts[2].pk}


def test_nothing_chosen_leads_back_and_leaves_nothing(client, reviewer):
    answer = client.post(
        reverse("admin:bulk_prepare"), {"action": "approve", "scope": "ticked"}, follow=True
    )

    assert "No post was chosen" in answer.content.decode()
    assert not BulkAction.objects.exists()


def test_too_many_are_refused_and_nothing_is_frozen(client, reviewer, monkeypatch):
    monkeypatch.setattr("posts.admin.bulk.MOST", 2)
    posts = drafts(3)

    answer = chosen(client, posts[:1], "publish", select_across="1")

    assert "More than 2 posts" in client.get(answer.url).content.decode()
    assert not BulkAction.objects.exists()
    assert not BulkItem.objects.exists()


@pytest.mark.parametrize("action", ["request_changes", "reject"])
def test_verdict_asks_for_a_reason(client, reviewer, action):
    page = confirmation(client, drafts(3), action)

    without = confirmed(client, page)
    too_long = confirmed(client, page, reason="x" * 501)
    assert (without.status_code, too_long.status_code) == (400, 400)
    assert without.context["form"].errors
    assert not Decision.objects.exists()

    confirmed(client, page, reason="All three repeat one paragraph.")
    assert Decision.objects.filter(verdict=action, reason__startswith="All three").count() == 3


@pytest.mark.parametrize(("tag", "said"), [("", "required"), ("x" * 101, "longer than 100")])
def test_tag_that_cannot_be_is_refused(client, reviewer, tag, said):
    page = confirmation(client, drafts(1), "add_tag")

    answer = confirmed(client, page, tag=tag)

    assert answer.status_code == 400
    assert said in str(answer.context["form"].errors)
    assert BulkAction.objects.get().state == "prepared"


def test_set_that_is_left_is_forgotten(client, reviewer):
    page = confirmation(client, drafts(1), "approve")
    action = page.context["action"]

    answer = client.post(reverse("admin:bulk_stop", args=[action.pk]))

    assert answer.url == reverse(LIST)
    assert not BulkAction.objects.exists()
    assert not BulkItem.objects.exists()


def test_confirming_twice_decides_once(client, reviewer):
    page = confirmation(client, drafts(2), "approve")

    confirmed(client, page)
    confirmed(client, page)

    assert Decision.objects.count() == 2
    assert BulkAction.objects.get().changed == 2


def test_set_of_somebody_else_can_be_looked_at_only(client, reviewer):
    page = confirmation(client, drafts(1), "approve")
    action = page.context["action"]
    client.force_login(make_user("reviewer"))

    shown = client.get(reverse("admin:bulk", args=[action.pk])).content.decode()

    assert reverse("admin:bulk_confirm", args=[action.pk]) not in shown
    assert client.post(reverse("admin:bulk_confirm", args=[action.pk])).status_code == 403
    assert client.post(reverse("admin:bulk_go_on", args=[action.pk])).status_code == 403
    assert not Decision.objects.exists()


# --- Who --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("editor", ["add_tag", "remove_tag"]),
        ("publisher", ["publish", "archive"]),
        ("importer", []),
    ],
)
def test_lists_offer_what_a_person_may_do(client, kind, expected):
    person = make_user(kind)
    client.force_login(person)
    post = make_post(state="private")
    request = RequestFactory().get("/")
    request.user = person

    admin = client.get(reverse(LIST)).context["cl"].model_admin
    answer = chosen(client, [post], "approve")

    assert list(admin.get_actions(request)) == expected
    assert answer.status_code in (200, 302)
    assert not BulkAction.objects.exists()
    assert ("bulk-bar" in client.get(reverse("admin:queue")).content.decode()) == bool(expected)


def test_person_without_the_permission_prepares_nothing(client):
    client.force_login(make_user("editor"))
    post = make_post(state="private")

    answer = client.post(
        reverse("admin:bulk_prepare"), {"action": "approve", "_selected_action": [post.pk]}
    )

    assert answer.status_code == 403
    assert not BulkAction.objects.exists()


def test_permission_that_went_meanwhile_ends_it_with_a_word(client, reviewer):
    page = confirmation(client, drafts(1), "approve")
    bulk.confirm(page.context["action"])
    reviewer.groups.clear()

    bulk.carry_out(page.context["action"].pk)

    action = BulkAction.objects.get()
    assert (action.state, "posts.review_post" in action.problem) == ("stopped", True)
    assert not Decision.objects.exists()


# --- Meanwhile --------------------------------------------------------------------------------


@pytest.fixture
def interrupted(client, reviewer, monkeypatch):
    """A confirmed action of five posts of which two are done; nobody carries it out."""
    monkeypatch.setattr(bulk, "CHUNK", 2)
    monkeypatch.setattr(bulk_run, "REQUEST_SECONDS", 0)
    page = confirmation(client, drafts(5), "approve")
    confirmed(client, page)
    monkeypatch.setattr(bulk_run, "REQUEST_SECONDS", 60)
    return BulkAction.objects.get()


def test_long_action_is_left_to_a_process(client, reviewer, monkeypatch):
    begun = []
    monkeypatch.setattr(bulk, "CHUNK", 2)
    monkeypatch.setattr(bulk_run, "REQUEST_SECONDS", 0)
    monkeypatch.setattr(bulk, "begin_beside", begun.append)

    confirmed(client, confirmation(client, drafts(5), "approve"))

    action = BulkAction.objects.get()
    assert begun == [action.pk]
    assert (action.state, action.done) == ("running", 2)


def test_very_long_action_has_its_process_from_the_beginning(client, reviewer, monkeypatch):
    done_at_the_beginning = []

    def begin(bulk_id):
        done_at_the_beginning.append(BulkAction.objects.get(pk=bulk_id).done)
        return True

    monkeypatch.setattr(bulk, "CHUNK", 2)
    monkeypatch.setattr(bulk_run, "LONG", 4)
    monkeypatch.setattr(bulk_run, "REQUEST_SECONDS", 0)
    monkeypatch.setattr(bulk, "begin_beside", begin)

    confirmed(client, confirmation(client, drafts(5), "approve"))

    assert done_at_the_beginning == [0]


def test_progress_is_told_with_and_without_a_script(client, interrupted, settings):
    settings.BULK_PROCESS = True

    facts = client.get(reverse("admin:bulk_progress", args=[interrupted.pk])).json()
    page = client.get(reverse("admin:bulk", args=[interrupted.pk])).content.decode()

    assert facts == {
        "state": "running",
        "is_alive": True,
        **{"total": 5, "done": 2, "changed": 2, "skipped": 0},
        "text": "2 of 5 posts, going on.",
    }
    assert 'http-equiv="refresh"' in page
    assert reverse("admin:bulk_stop", args=[interrupted.pk]) in page
    assert reverse("admin:bulk_go_on", args=[interrupted.pk]) not in page


def test_page_goes_on_with_what_a_dead_process_left(client, interrupted, settings):
    settings.BULK_PROCESS = True
    BulkAction.objects.update(beat_at=timezone.now() - bulk.SILENCE)
    address = reverse("admin:bulk_go_on", args=[interrupted.pk])

    page = client.get(reverse("admin:bulk", args=[interrupted.pk])).content.decode()
    done = client.post(address, follow=True)

    assert address in page
    assert 'http-equiv="refresh"' not in page
    assert done.context["facts"]["text"] == "5 of 5 posts: done."
    assert Decision.objects.count() == 5


def test_action_is_stopped_and_gone_on_with(client, interrupted):
    stopped = client.post(reverse("admin:bulk_stop", args=[interrupted.pk]), follow=True)

    assert stopped.context["facts"]["text"] == "2 of 5 posts: stopped."
    assert bulk.carry_out(interrupted.pk).changed == 2
    assert [kind for kind, _ in _rows(client, interrupted, "left")] == ["not reached"] * 3

    done = client.post(reverse("admin:bulk_go_on", args=[interrupted.pk]), follow=True)

    assert done.context["facts"]["done"] == 5
    assert Decision.objects.count() == 5
    assert set(BulkItem.objects.values_list("outcome", flat=True)) == {"changed"}


def _rows(client, action, only):
    page = client.get(reverse("admin:bulk", args=[action.pk]), {"only": only})
    return [(item.outcome or "not reached", item.post_id) for item in page.context["items"]]


def test_who_could_do_it_too_may_stop_it_but_not_go_on(client, interrupted):
    client.force_login(make_user("editor"))
    assert client.post(reverse("admin:bulk_stop", args=[interrupted.pk])).status_code == 403
    client.force_login(make_user("reviewer"))
    assert client.post(reverse("admin:bulk_stop", args=[interrupted.pk])).status_code == 302

    interrupted.refresh_from_db()
    assert interrupted.state == "stopped"
    assert client.post(reverse("admin:bulk_go_on", args=[interrupted.pk])).status_code == 403


@pytest.mark.parametrize("name", ["bulk_stop", "bulk_go_on", "bulk_confirm"])
def test_ended_action_is_left_as_it_is(client, reviewer, name):
    page = confirmation(client, drafts(1), "approve")
    confirmed(client, page)
    before = BulkAction.objects.values().get()

    client.post(reverse(f"admin:{name}", args=[page.context["action"].pk]))

    assert BulkAction.objects.values().get() == before


# --- Afterwards -------------------------------------------------------------------------------


def test_results_are_shown_by_kind_in_pages_and_downloaded(client, reviewer, monkeypatch):
    monkeypatch.setattr(bulk_run, "PAGE", 2)
    posts = [
        *drafts(2),
        make_post(state="archived"),
        make_post(state="private", snapshot=make_snapshot(title="=1+1")),
    ]
    confirmed(client, confirmation(client, posts, "publish"))
    action = BulkAction.objects.get()
    address = reverse("admin:bulk", args=[action.pk])

    first = client.get(address)
    second = client.get(address + first.context["further_url"])
    skipped = client.get(address, {"only": "skipped"})
    download = client.get(reverse("admin:bulk_results", args=[action.pk]))
    text = b"".join(download.streaming_content).decode("utf-8-sig")
    rows = list(csv.reader(io.StringIO(text)))

    shown = [item.post_id for page in (first, second) for item in page.context["items"]]
    assert shown == [post.pk for post in posts]
    assert [item.post_id for item in skipped.context["items"]] == [posts[2].pk]
    assert "this one is archived" in skipped.content.decode()
    assert rows[0] == ["post", "title", "result", "reason"]
    assert [row[2] for row in rows[1:]] == ["changed", "changed", "not_allowed", "changed"]
    assert rows[4][1] == "'=1+1"


def test_erased_posts_keep_their_place_in_the_results(client, reviewer):
    posts = drafts(2)
    confirmed(client, confirmation(client, posts, "approve"))
    action = BulkAction.objects.get()
    BulkItem.objects.filter(post_id=posts[0].pk).update(post_id=posts[1].pk + 1_000)

    page = client.get(reverse("admin:bulk", args=[action.pk]))

    assert [item.title for item in page.context["items"]] == [posts[1].title, ""]
    assert "erased" in page.content.decode()


@pytest.mark.parametrize("query", ["?only=nonsense", "?after=x", "?after=" + "9" * 30])
def test_address_that_cannot_be_is_not_found(client, reviewer, query):
    confirmed(client, confirmation(client, drafts(1), "approve"))

    address = reverse("admin:bulk", args=[BulkAction.objects.get().pk])

    assert client.get(address + query).status_code == 404


def test_tags_are_added_and_removed_with_an_event_each(client, reviewer):
    posts = drafts(2)
    listed = make_post(state="listed")

    confirmed(client, confirmation(client, [*posts, listed], "add_tag"), tag="Tide  Tables")
    rows = PostTag.objects.filter(tag__name="tide tables", origin="editorial")
    assert set(rows.values_list("content_object", flat=True)) == {p.pk for p in [*posts, listed]}
    assert Event.objects.filter(kind="tags").count() == 3
    confirmed(client, confirmation(client, [*posts, listed], "remove_tag"), tag="tide tables")

    assert not rows.exists()
    assert Event.objects.filter(kind="tags").count() == 6
    listed.refresh_from_db()
    assert listed.listed_at is not None


# --- Cost -------------------------------------------------------------------------------------


def test_pages_cost_the_same_for_few_and_many(client, reviewer):
    def queries(number):
        posts = drafts(number)
        found = []
        with CaptureQueriesContext(connection) as captured:
            answer = chosen(client, posts[:1], "approve", "?queue=awaiting", select_across="1")
        found.append(len(captured))
        with CaptureQueriesContext(connection) as captured:
            page = client.get(answer.url)
        found.append(len(captured))
        confirmed(client, page)
        for name in ("bulk", "bulk_progress", "bulk_results"):
            with CaptureQueriesContext(connection) as captured:
                shown = client.get(reverse(f"admin:{name}", args=[page.context["action"].pk]))
                if shown.streaming:
                    b"".join(shown.streaming_content)
            found.append(len(captured))
        return found

    few, many = queries(2), queries(30)

    assert few == many
    # Session, person, permissions, savepoints, the set and its rows, what was left; then the page.
    assert max(many[:2]) <= 16
    assert max(many[2:]) <= 9


# --- In the audit -----------------------------------------------------------------------------


def test_audit_tells_of_what_was_confirmed_only(client, reviewer):
    posts = drafts(2)
    prepared = confirmation(client, posts, "reject").context["action"]
    page = confirmation(client, posts, "approve")
    confirmed(client, page)
    done = page.context["action"]

    listed = client.get(reverse("admin:posts_bulkaction_changelist"))
    of_it = client.get(reverse("admin:posts_bulkaction_change", args=[done.pk]))
    of_none = client.get(reverse("admin:posts_bulkaction_change", args=[prepared.pk]))

    assert [action.pk for action, _ in listed.context["actions"]] == [done.pk]
    assert reverse("admin:bulk", args=[done.pk]) in of_it.content.decode()
    assert of_none.status_code == 404
