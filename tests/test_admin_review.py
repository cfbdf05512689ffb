"""Decisions in the admin: who may take them, on what, and what they leave behind."""

import pytest
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from posts import review, writing
from posts.models import BulkAction, Decision, Event, Post
from tests.builders import make_post, make_snapshot, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def reviewer(client):
    person = make_user("reviewer")
    client.force_login(person)
    return person


@pytest.fixture
def editor(client):
    person = make_user("editor")
    client.force_login(person)
    return person


def page_of(post: Post) -> str:
    return reverse("admin:posts_post_change", args=[post.pk])


def act(client, post: Post, action: str, digest: str | None = None, **data):
    digest = digest if digest is not None else (post.proposed_revision or post.live_revision).digest
    address = reverse("admin:posts_post_act", args=[post.pk, action])
    return client.post(address, {"digest": digest, **data}, follow=False)


def buttons(response) -> set[str]:
    return {button.name for button in response.context["buttons"]}


def test_approving_a_published_post_lists_it(client, reviewer, settings):
    settings.REVIEW_UNDO_SECONDS = 0
    post = make_post(state="published")

    response = act(client, post, "approve")

    assert response.status_code == 302
    assert Post.objects.indexable().filter(pk=post.pk).exists()
    decision = Decision.objects.get(revision=post.live_revision)
    assert (decision.verdict, decision.reviewer) == ("approve", reviewer)
    event = Event.objects.filter(post=post).order_by("-sequence").first()
    assert (event.kind, event.actor) == ("approve", reviewer)


@pytest.mark.parametrize(
    ("state", "action", "verdict"),
    [
        ("published", "approve", "approve"),
        ("private", "request_changes", "request_changes"),
        ("private", "reject", "reject"),
        ("listed", "withdraw", "withdraw"),
        ("private", "publish", ""),
        ("listed", "unpublish", ""),
        ("listed", "archive", ""),
        ("archived", "unarchive", ""),
    ],
)
def test_every_action_leaves_an_event_and_every_verdict_a_decision(
    client, reviewer, state, action, verdict
):
    post = make_post(state=state)
    shown = client.get(page_of(post)).context["buttons"]
    digest = next(button.digest for button in shown if button.name == action)
    decisions = Decision.objects.count()

    response = act(client, post, action, digest, reason="Because it is so.")

    assert response.status_code == 302
    event = Event.objects.filter(post=post).order_by("-sequence").first()
    assert (event.kind, event.actor) == (action, reviewer)
    assert Decision.objects.count() == decisions + bool(verdict)
    assert client.get(page_of(post)).context["lines"][0].event == event


def test_editor_sees_who_may_approve_and_may_not(client, editor):
    post = make_post(state="private")

    page = client.get(page_of(post))

    assert buttons(page) == set()
    assert page.context["reviewers"] == ["reviewer"]
    assert "Members of the group reviewer may approve" in page.content.decode()
    for action in ("approve", "publish", "archive"):
        assert act(client, post, action).status_code == 403
    post.refresh_from_db()
    assert post.proposed_revision_id is not None


def test_buttons_are_those_of_the_state(client, reviewer):
    expected = {
        "private": {"approve", "request_changes", "reject", "publish", "archive"},
        "published": {"approve", "request_changes", "reject", "unpublish", "archive"},
        "listed": {"withdraw", "unpublish", "archive"},
        "archived": {"unarchive"},
    }
    for state, names in expected.items():
        assert buttons(client.get(page_of(make_post(state=state)))) == names, state


def test_stale_digest_is_refused_and_the_newer_state_is_shown(client, reviewer):
    post = make_post(state="private")
    seen = post.proposed_revision.digest
    writing.revise(
        post=post, by=make_user("editor"), snapshot=make_snapshot(title="A newer one"), seen=1
    )

    response = act(client, post, "reject", seen, reason="A long and careful reason.")

    assert response.status_code == 409
    assert not Decision.objects.exists()
    text = response.content.decode()
    assert "Another revision waits now" in text
    assert "A newer one" in text
    assert "A long and careful reason." in text


def test_action_without_a_digest_is_refused(client, reviewer):
    post = make_post(state="private")

    assert act(client, post, "approve", "").status_code == 409
    assert not Decision.objects.exists()


def test_action_that_no_longer_fits_is_refused_in_words(client, reviewer):
    post = make_post(state="private")
    review.act_on_one(action="approve", post=post, by=make_user("reviewer"))

    response = act(client, post, "approve", post.live_revision.digest)

    assert response.status_code == 409
    assert "Nothing of this post waits for a verdict" in response.content.decode()


@pytest.mark.parametrize("reason", ["", "   ", "x" * 501, "nul \x00 inside"])
def test_verdict_with_a_bad_reason_is_refused_and_kept(client, reviewer, reason):
    post = make_post(state="private")

    response = act(client, post, "reject", reason=reason)

    assert response.status_code == 400
    assert not Decision.objects.exists()
    failed = next(b for b in response.context["buttons"] if b.name == "reject")
    assert failed.is_open
    assert failed.form.errors


def test_reason_stands_in_the_history(client, reviewer):
    post = make_post(state="private")

    act(client, post, "request_changes", reason="Say which <b>version</b> was measured.")

    text = client.get(page_of(post)).content.decode()
    assert "Say which &lt;b&gt;version&lt;/b&gt; was measured." in text


def test_reading_an_action_changes_nothing(client, reviewer):
    post = make_post(state="private")

    response = client.get(reverse("admin:posts_post_act", args=[post.pk, "approve"]))

    assert response.status_code == 302
    assert not Decision.objects.exists()


def test_actions_need_a_csrf_token(reviewer):
    from django.test import Client

    strict = Client(enforce_csrf_checks=True)
    strict.force_login(reviewer)
    post = make_post(state="private")

    assert act(strict, post, "approve").status_code == 403
    assert not Decision.objects.exists()


def test_preview_shows_what_waits_and_says_what_differs(client, reviewer):
    post = make_post(state="listed")
    writing.revise(
        post=post,
        by=make_user("editor"),
        snapshot=make_snapshot(title="Proposed title", body="## Proposed section\n\nText."),
        seen=1,
    )

    page = client.get(page_of(post))

    assert page.context["preview"]["title"] == "Proposed title"
    assert {"title", "body"} <= set(page.context["differing"])
    approve = next(b for b in page.context["buttons"] if b.name == "approve")
    assert approve.text == "Approve revision 2"
    assert "becomes the page readers see and is indexed after 10 seconds" in approve.consequence


def test_withdrawing_names_the_revision_that_was_decided(client, reviewer):
    post = make_post(state="private")
    act(client, post, "reject", reason="No.")
    post.refresh_from_db()

    page = client.get(page_of(post))
    withdraw = next(b for b in page.context["buttons"] if b.name == "withdraw")
    response = act(client, post, "withdraw", withdraw.digest)

    assert response.status_code == 302
    post.refresh_from_db()
    assert post.is_awaiting_review


# --- Many at once -----------------------------------------------------------------------------


def confirm(client, posts, action, query="", **more):
    """Open the confirmation page of a bulk action and return it with the form it would send."""
    address = reverse("admin:posts_post_changelist") + query
    data = {"action": action, "_selected_action": [post.pk for post in posts], "index": 0, **more}
    page = client.post(address, data)
    form = {"action": action, "confirmed": "1"}
    if page.context["is_across"]:
        form |= {
            "select_across": "1",
            "_selected_action": [page.context["first"]],
            "through": page.context["through"],
            "newest_revision": page.context["plan"].newest_revision,
        }
    else:
        form["_selected_action"] = list(page.context["seen"])
        form |= {f"digest-{pk}": digest for pk, digest in page.context["seen"].items()}
    return page, address, form


def test_bulk_approval_asks_first_and_then_approves_all(client, reviewer):
    posts = [make_post(state="published") for _ in range(30)]

    page, address, form = confirm(client, posts, "approve")

    assert page.context["plan"].breakdown == [("awaiting review", 30)]
    assert len(page.context["sample"]) == 10
    assert not Decision.objects.exists()

    response = client.post(address, form, follow=True)

    assert Decision.objects.filter(verdict="approve", reviewer=reviewer).count() == 30
    assert Event.objects.filter(kind="approve").count() == 30
    later = timezone.now() + timezone.timedelta(minutes=1)
    assert Post.objects.indexable(later).count() == 30
    record = BulkAction.objects.get()
    assert (record.changed, record.skipped) == (30, 0)
    assert "30 changed, 0 skipped" in response.content.decode()


def test_bulk_action_says_what_it_will_skip_and_why(client, reviewer):
    posts = [make_post(state="private"), make_post(state="archived")]

    page, address, form = confirm(client, posts, "publish")
    assert len(page.context["plan"].fitting) == 1
    assert "this one is archived" in page.context["plan"].refusals[0][0]

    response = client.post(address, form, follow=True)

    assert "1 changed, 1 skipped" in response.content.decode()
    assert "this one is archived" in response.content.decode()


def test_bulk_verdict_keeps_out_what_changed_since(client, reviewer):
    posts = [make_post(state="private") for _ in range(2)]
    _, address, form = confirm(client, posts, "approve")
    writing.revise(post=posts[0], by=make_user("editor"), snapshot=make_snapshot(), seen=1)

    response = client.post(address, form, follow=True)

    assert Decision.objects.count() == 1
    assert "Another revision waits now" in response.content.decode()


@pytest.mark.parametrize("action", ["request_changes", "reject"])
def test_bulk_verdict_asks_for_a_reason(client, reviewer, action):
    posts = [make_post(state="private") for _ in range(3)]
    _, address, form = confirm(client, posts, action)

    without = client.post(address, form)
    assert without.status_code == 200
    assert without.context["form"].errors
    assert without.context["seen"].keys() == {post.pk for post in posts}
    assert not Decision.objects.exists()

    client.post(address, {**form, "reason": "All three repeat one paragraph."})
    assert Decision.objects.filter(verdict=action, reason__startswith="All three").count() == 3


def test_all_matching_means_what_matched_at_the_confirmation(client, reviewer):
    posts = [make_post(state="private") for _ in range(5)]
    make_post(state="listed")
    page, address, form = confirm(
        client, posts[:1], "approve", "?queue=awaiting", select_across="1"
    )
    assert len(page.context["plan"].posts) == 5
    later = make_post(state="private")
    writing.revise(post=posts[0], by=reviewer, snapshot=make_snapshot(), seen=1)

    client.post(address, form)

    approved = Q(approved_revision__isnull=False)
    assert set(Post.objects.filter(approved, visibility="private")) == set(posts[1:])
    later.refresh_from_db()
    assert later.approved_revision_id is None
    assert BulkAction.objects.get().changed == 4


def test_all_matching_is_bounded(client, reviewer, monkeypatch):
    monkeypatch.setattr("posts.admin.bulk.MOST", 3)
    posts = [make_post(state="private") for _ in range(5)]

    page, address, form = confirm(client, posts[:1], "publish", select_across="1")
    assert page.context["plan"].has_more
    client.post(address, form)

    assert set(Post.objects.filter(visibility="published")) == set(posts[:3])


def test_bulk_actions_are_absent_without_the_permission(client, editor):
    post = make_post(state="private")
    address = reverse("admin:posts_post_changelist")

    assert client.get(address).context["action_form"] is None
    response = client.post(
        address,
        {"action": "approve", "_selected_action": [post.pk], "confirmed": "1"},
    )

    assert response.status_code in (200, 302, 403)
    assert not Decision.objects.exists()


def test_bulk_actions_end_at_archiving(client, reviewer):
    names = set(client.get(reverse("admin:posts_post_changelist")).context["action_form"].fields)
    choices = client.get(reverse("admin:posts_post_changelist")).context["cl"].model_admin

    assert "action" in names
    assert set(choices.get_actions(_request(reviewer))) == {
        "approve",
        "request_changes",
        "reject",
        "publish",
        "archive",
    }


def _request(person):
    from django.test import RequestFactory

    request = RequestFactory().get("/")
    request.user = person
    return request
