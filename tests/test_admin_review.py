"""Decisions in the admin: who may take them, on what, and what they leave behind."""

import pytest
from django.urls import reverse

from posts import review, writing
from posts.models import Decision, Event, Post
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
