"""Nobody approves what they made themselves, whichever door they try; a setting allows it."""

from __future__ import annotations

import html
import io
import json
from contextlib import suppress

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from posts import merging, review, writing
from posts.bulk import act_on_all
from posts.held import held
from posts.models import Decision, Post, Revision
from posts.transitions import OWN_WORK, ReviewError
from tests.builders import make_post, make_snapshot, make_user
from tests.held_posts import held_behind_edit, held_beside_approved, import_note

pytestmark = pytest.mark.django_db


# --- Ways to make a revision, and doors to its approval ---------------------------------------


def write(by) -> Post:
    return writing.write_post(by=by, snapshot=make_snapshot())


def edit(by) -> Post:
    post = make_post(state="published")
    writing.revise(post=post, by=by, snapshot=make_snapshot(), seen=1)
    return post


def restore(by) -> Post:
    post = make_post(state="listed")
    first = post.live_revision
    newer = make_snapshot(title="Another")
    writing.revise(post=post, by=make_user("editor"), snapshot=newer, seen=1)
    writing.restore(post=post, by=by, revision=first, seen=2)
    return post


def merge(by) -> Post:
    post = held_behind_edit({"title": "Ours"}, lede="Theirs.")
    versions = held(post)
    merged = merging.three_way(
        versions.base.snapshot, versions.ours.snapshot, versions.incoming.snapshot
    ).merged({})
    writing.merge(post=post, by=by, snapshot=merged, incoming=versions.incoming, seen=3)
    return post


WAYS = {"written": write, "edited": edit, "restored": restore, "merged": merge}


def alone(client, by, post):
    try:
        review.act_on_one(action="approve", post=post, by=by)
    except ReviewError as error:
        return error.code
    return ""


def with_publication(client, by, post):
    outcome = review.act(action=["approve", "publish"], posts=[post.pk], by=by)
    return outcome.refused[post.pk].code if outcome.refused else ""


def after_taking_a_verdict_back(client, by, post):
    other = make_user("reviewer")
    review.act_on_one(action="request_changes", post=post, by=other, reason="Thin.")
    outcome = review.act(action=["withdraw", "approve"], posts=[post.pk], by=by)
    return outcome.refused[post.pk].code if outcome.refused else ""


def by_a_filter(client, by, post):
    codes = []
    act_on_all(
        actions=["approve"],
        queryset=Post.objects.filter(pk=post.pk),
        by=by,
        on_chunk=lambda bulk, outcome: codes.extend(e.code for e in outcome.refused.values()),
    )
    return "".join(codes)


def by_command(client, by, post):
    out = io.StringIO()
    call_command(
        *("review_posts", "--by", by.username, "--approve", "--all", "--yes", "--json"),
        stdout=out,
        stderr=io.StringIO(),
    )
    return "own_work" if json.loads(out.getvalue())["own_work"] else ""


def on_the_page(client, by, post):
    client.force_login(by)
    page = reverse("admin:posts_post_change", args=[post.pk])
    names = {button.name for button in client.get(page).context["buttons"]}
    address = reverse("admin:posts_post_act", args=[post.pk, "approve"])
    answer = client.post(address, {"digest": post.proposed_revision.digest})
    assert ("approve" in names) == (answer.status_code == 302)
    return "own_work" if OWN_WORK in answer.content.decode() else ""


def ticked_in_the_list(client, by, post):
    return _in_the_list(client, by, post, across="0")


def all_of_a_list(client, by, post):
    return _in_the_list(client, by, post, across="1")


def in_the_queue(client, by, post):
    client.force_login(by)
    address = reverse("admin:queue_decide", args=[post.pk, "approve"])
    answer = client.post(address, {"digest": post.proposed_revision.digest})
    return "own_work" if OWN_WORK in answer.content.decode() else ""


def _in_the_list(client, by, post, across):
    client.force_login(by)
    page = client.post(
        reverse("admin:posts_post_changelist"),
        {"action": "approve", "select_across": across, "_selected_action": [post.pk]},
    )
    return _confirmed(client, page)


def all_of_the_queue(client, by, post):
    client.force_login(by)
    page = client.post(reverse("admin:bulk_prepare"), {"action": "approve", "scope": "all"})
    return _confirmed(client, page)


def _confirmed(client, page):
    answer = client.post(f"{page.url}confirm/", follow=True)
    return "own_work" if OWN_WORK in html.unescape(answer.content.decode()) else ""


DOORS = (
    *(alone, with_publication, after_taking_a_verdict_back, by_a_filter, by_command),
    *(on_the_page, ticked_in_the_list, all_of_a_list, in_the_queue, all_of_the_queue),
)


# --- The rule ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["reviewer", "superuser"])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.__name__)
def test_no_door_opens_to_ones_own_work(client, door, way, kind):
    person = make_user(kind)
    post = WAYS[way](person)

    code = door(client, person, post)

    post.refresh_from_db()
    assert code == "own_work"
    assert post.approved_revision_id != post.revisions.latest("number").pk
    assert not Decision.objects.filter(reviewer=person, verdict="approve").exists()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.__name__)
def test_every_door_opens_to_the_work_of_others(client, door, way):
    post = WAYS[way](make_user("reviewer"))

    assert door(client, make_user("reviewer"), post) == ""

    post.refresh_from_db()
    assert post.approved_revision_id == post.revisions.latest("number").pk


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.__name__)
def test_setting_allows_ones_own_work(client, settings, door):
    settings.REVIEW_OWN_WORK = True
    person = make_user("reviewer")
    post = edit(person)

    assert door(client, person, post) == ""

    post.refresh_from_db()
    assert post.is_live_approved


def test_imports_have_no_author_so_anybody_may_approve():
    post = held_beside_approved()

    review.act_on_one(action="approve", post=post, by=make_user("reviewer"))

    assert post.is_live_approved


@pytest.mark.parametrize("action", ["request_changes", "reject"])
def test_ones_own_work_can_be_taken_out_of_the_queue(action):
    person = make_user("reviewer")
    post = edit(person)

    review.act_on_one(action=action, post=post, by=person, reason="I see it now.")

    assert post.proposed_revision_id is None


def test_publishing_ones_own_work_is_no_approval():
    person = make_user("reviewer")
    post = write(person)

    review.act_on_one(action="publish", post=post, by=person)

    assert (post.visibility, post.listed_at) == ("published", None)


def test_in_bulk_only_ones_own_posts_are_refused():
    person = make_user("reviewer")
    own, other = write(person), write(make_user("editor"))

    outcome = review.act(action=["approve", "publish"], posts=[own.pk, other.pk], by=person)

    assert outcome.changed == [other.pk]
    assert {pk: error.code for pk, error in outcome.refused.items()} == {own.pk: "own_work"}
    own.refresh_from_db()
    assert own.visibility == "private"


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(
                ["revise", "restore", "import", "approve", "request_changes", "withdraw"]
            ),
            st.integers(0, 1),
        ),
        max_size=9,
    )
)
def test_whatever_happens_an_approval_is_by_somebody_else(db, steps):
    people = [make_user("reviewer"), make_user("reviewer")]
    post = import_note("n-1", title=f"Began {Post.objects.count()}")
    for number, (step, who) in enumerate(steps):
        by, seen = people[who], post.revisions.count()
        with suppress(ReviewError):
            if step == "revise":
                writing.revise(post=post, by=by, snapshot=make_snapshot(), seen=seen)
            elif step == "restore":
                first = post.revisions.earliest("number")
                writing.restore(post=post, by=by, revision=first, seen=seen)
            elif step == "import":
                post = import_note("n-1", title=f"Newer {number}")
            else:
                review.act_on_one(action=step, post=post, by=by, reason="So it is.")
    approvals = Decision.objects.filter(verdict="approve", revision__post=post)
    authors = [(row.reviewer_id, row.revision.author_id) for row in approvals]
    assert all(reviewer != author for reviewer, author in authors)


# --- What people are told ---------------------------------------------------------------------


@pytest.mark.parametrize("page", ["posts_post_change", "posts_post_compare"])
def test_pages_say_why_the_button_is_missing(client, page):
    person = make_user("reviewer")
    post = make_post(state="listed")
    writing.revise(post=post, by=person, snapshot=make_snapshot(), seen=1)
    client.force_login(person)

    shown = client.get(reverse(f"admin:{page}", args=[post.pk]))

    assert {button.name for button in shown.context["buttons"]}.isdisjoint({"approve"})
    assert OWN_WORK in shown.content.decode()


def test_page_says_nothing_of_the_rule_to_who_may_not_approve_anyway(client):
    editor = make_user("editor")
    client.force_login(editor)

    shown = client.get(reverse("admin:posts_post_change", args=[write(editor).pk]))

    assert OWN_WORK not in shown.content.decode()


def test_confirmation_counts_ones_own_posts_as_refused(client):
    person = make_user("reviewer")
    posts = [write(person), write(make_user("editor"))]
    client.force_login(person)

    asked = client.post(
        reverse("admin:posts_post_changelist"),
        {"action": "approve", "_selected_action": [post.pk for post in posts]},
    )

    plan = client.get(asked.url).context["plan"]
    assert plan.fitting == 1
    assert plan.refusals == [(OWN_WORK, 1)]


def test_command_tells_beforehand_and_afterwards():
    person = make_user("reviewer", username="ana")
    write(person)
    write(make_user("editor"))

    def told(*more):
        out = io.StringIO()
        arguments = ("review_posts", "--by", "ana", "--approve", "--all", *more)
        call_command(*arguments, stdout=out, stderr=io.StringIO())
        return out.getvalue()

    assert "1 posts fit. 1 more are ana's own work. Nothing was changed" in told()
    assert "1 posts, 1 did not fit (1 of them ana's own work)" in told("--yes")


def test_command_without_permission_says_so_and_not_whose_work_it_is():
    person = make_user("editor", username="eve")
    write(person)

    with pytest.raises(CommandError, match="needs the permission"):
        call_command("review_posts", "--by", "eve", "--approve", "--all", "--yes")


def test_revision_of_somebody_else_on_top_of_ones_own_can_be_approved():
    person = make_user("reviewer")
    post = edit(person)
    theirs = make_snapshot()
    writing.revise(post=post, by=make_user("editor"), snapshot=theirs, seen=2)

    review.act_on_one(action="approve", post=post, by=person)

    assert Revision.objects.get(pk=post.approved_revision_id).number == 3
