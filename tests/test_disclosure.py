"""The sentence that says who made a page's text follows what is recorded, not what is claimed."""

from __future__ import annotations

import json

import pytest
from django.utils import timezone

from posts import content, review, writing
from posts.importing import engine
from posts.importing.intake import Intake
from posts.models import Post
from tests.builders import make_post, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def reviewer():
    return make_user("reviewer", first_name="Rosa", last_name="Lindqvist")


@pytest.fixture
def editor():
    return make_user("reviewer", first_name="Edda", last_name="Moor")


@pytest.fixture
def generated(tmp_path):
    """A published post that came by an import, whose flags say that nobody needs to look."""
    record = {
        "key": "n-1",
        "title": "Measuring cold starts",
        "body": "Numbers come before opinions.",
        "revision": {"status": "reviewed", "last_reviewed": "2026-01-01"},
        "flags": {"ai_generated_style": False, "needs_human_review": False},
    }
    path = tmp_path / "notes.jsonl"
    path.write_text(json.dumps(record) + "\n", encoding="utf-8")
    engine.run_import(Intake([str(path)]), options=engine.Options(source="notes", publish=True))
    return Post.objects.get()


def said(client, post):
    """Return the sentence and the value of the page's head."""
    response = client.get(post.get_absolute_url())
    assert response.status_code == 200
    assert f'content="{response.context["disclosure"].value}"' in response.content.decode()
    return tuple(response.context["disclosure"])


def rewrite(post, editor):
    newest = post.revisions.newest_first().first()
    changed = content.Snapshot(title=newest.title, body="Numbers first.", meta=newest.snapshot.meta)
    return writing.revise(post=post, by=editor, snapshot=changed, seen=newest.number)


def approve(post, reviewer):
    review.act_on_one(action="approve", post=post, by=reviewer, undo_seconds=0)


def test_imported_text_is_generated_and_not_reviewed(client, generated):
    assert said(client, generated) == ("AI-generated, not reviewed.", "ai-autonomous")


def test_approval_names_who_and_when(client, generated, reviewer):
    approve(generated, reviewer)

    today = timezone.now()
    assert said(client, generated) == (
        f"AI-generated, reviewed by Rosa Lindqvist on {today.day} {today:%B %Y}.",
        "ai-generated",
    )


def test_withdrawn_approval_takes_the_review_back(client, generated, reviewer):
    approve(generated, reviewer)

    review.act_on_one(action="withdraw", post=generated, by=reviewer)

    assert said(client, generated) == ("AI-generated, not reviewed.", "ai-autonomous")


def test_edit_by_a_person_is_said(client, generated, editor):
    rewrite(generated, editor)

    assert said(client, generated) == ("AI-generated, edited by Edda Moor.", "ai-generated")


def test_edit_and_review_name_both(client, generated, editor, reviewer):
    rewrite(generated, editor)
    approve(generated, reviewer)

    text, value = said(client, generated)

    assert text.startswith("AI-generated, edited by Edda Moor, reviewed by Rosa Lindqvist on ")
    assert value == "ai-generated"


def test_post_written_by_hand_is_not_called_generated(client, editor):
    post = make_post(state="published", by=editor)

    assert said(client, post) == ("Written by Edda Moor.", "none")


def test_account_without_a_public_name_is_not_told(client, generated):
    approve(generated, make_user("reviewer", username="secret-account"))

    assert said(client, generated)[0].startswith("AI-generated, reviewed by a reviewer on ")
