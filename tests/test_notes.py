"""Notes on drafts: who leaves and resolves them, what they quote, where they show."""

from __future__ import annotations

import pytest
from django.core.exceptions import PermissionDenied
from django.urls import reverse

from posts import notes
from posts.models import DraftNote
from tests.builders import make_post, make_snapshot, make_user

pytestmark = pytest.mark.django_db

BAD = "<script>alert(1)</script>"


@pytest.fixture
def post():
    return make_post(
        state="private", snapshot=make_snapshot(body="First *measure*, then\nchange one thing.")
    )


def leave(post, by=None, **more):
    more.setdefault("text", "Which tide?")
    return notes.add(revision=post.live_revision, by=by or make_user("editor"), **more)


@pytest.mark.parametrize(
    "passage",
    ["First measure, then change", "first  MEASURE,\nthen", "First *measure*", ""],
)
def test_passage_is_quoted_as_read_or_as_written(post, passage):
    assert leave(post, passage=passage).revision == post.live_revision


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"text": "  "}, "text"),
        ({"text": "x" * 2001}, "text"),
        ({"passage": "words that stand nowhere"}, "passage"),
        ({"passage": "x" * 501}, "passage"),
    ],
)
def test_note_that_is_wrong_says_where(post, more, field):
    with pytest.raises(notes.NoteError) as refusal:
        leave(post, **more)

    assert refusal.value.field == field
    assert not DraftNote.objects.exists()


def test_publisher_reads_notes_and_leaves_none(post):
    with pytest.raises(PermissionDenied):
        leave(post, by=make_user("publisher"))
    with pytest.raises(PermissionDenied):
        notes.resolve(note=leave(post), by=make_user("publisher"))


def test_note_is_resolved_once(post):
    note, first, second = leave(post), make_user("editor"), make_user("reviewer")

    notes.resolve(note=note, by=first)
    notes.resolve(note=note, by=second)

    note.refresh_from_db()
    assert note.resolved_by == first


def test_open_notes_come_first(post):
    old, new, newest = leave(post), leave(post), leave(post)
    notes.resolve(note=newest, by=make_user("editor"))

    assert notes.of(post) == [new, old, newest]


@pytest.mark.parametrize("page", ["admin:posts_post_change", "admin:queue_draft"])
def test_notes_stand_beside_the_draft_escaped(client, post, page):
    client.force_login(make_user("reviewer"))
    leave(post, text=BAD, passage="First measure")

    shown = client.get(reverse(page, args=[post.pk])).content.decode()

    assert "&lt;script&gt;alert(1)" in shown
    assert "<script>alert" not in shown
    assert '<blockquote class="feedback-passage">First measure</blockquote>' in shown


def add(client, post, **sent):
    return client.post(reverse("admin:note_add", args=[post.live_revision_id]), sent)


def test_form_leads_back_to_where_it_was(client, post):
    client.force_login(make_user("editor"))
    queue = reverse("admin:queue")

    assert add(client, post, text="One.", back=queue)["Location"] == queue
    for target in ("https://evil.example/admin/", "//evil.example", "/archive/", ""):
        response = add(client, post, text="Two.", back=target)
        assert response["Location"] == reverse("admin:posts_post_change", args=[post.pk])


def test_refused_note_keeps_what_was_typed(client, post):
    client.force_login(make_user("editor"))

    response = add(client, post, text="Kept words.", passage="stands nowhere")

    assert response.status_code == 400
    assert "Kept words." in response.content.decode()
    assert "do not stand in revision 1" in response.content.decode()


def test_reader_sees_no_note(client, post):
    public = make_post()
    leave(public, text="Between us.")

    for page in ("", "provenance/", "revisions/", "revisions/1/"):
        assert "Between us." not in client.get(f"/posts/{public.slug}/{page}").content.decode()
