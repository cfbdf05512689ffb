"""`demo`: fills an empty archive once, hands out a login every time, touches no other archive."""

import io
import re

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client

from posts import history
from posts.importing.export import canonical_lines
from posts.models import Decision, ImportRun, Post
from posts.transitions import TRANSITIONS
from tests.builders import make_post

pytestmark = pytest.mark.django_db


def shown(number):
    out = io.StringIO()
    call_command("demo", "--posts", str(number), stdout=out, stderr=io.StringIO())
    return out.getvalue()


def password_in(text):
    return re.search(r"user editor, password (\S+)", text)[1]


def logs_in(password):
    return Client().login(username="editor", password=password)


@pytest.mark.parametrize(("number", "waiting"), [(130, 60), (21, 10), (2, 1)])
def test_demo_lists_most_posts_and_leaves_some_waiting(number, waiting):
    out = shown(number)

    assert Post.objects.count() == number
    assert Post.objects.indexable().count() == number - waiting
    assert Post.objects.awaiting_review().count() == waiting
    assert Decision.objects.count() == number - waiting
    assert f"Posts waiting for review: {waiting}\n" in out
    assert not Post.objects.awaiting_review().exclude(visibility="private").exists()


def test_login_works_and_may_review_and_publish():
    password = password_in(shown(4))

    editor = User.objects.get(username="editor")
    assert logs_in(password)
    assert editor.is_staff
    assert not editor.is_superuser
    assert all(editor.has_perm(row.permission) for row in TRANSITIONS.values())


def test_second_call_adds_nothing_and_changes_the_password():
    first = password_in(shown(6))
    before = list(canonical_lines()), ImportRun.objects.count(), User.objects.count()

    second = password_in(shown(50))

    assert (list(canonical_lines()), ImportRun.objects.count(), User.objects.count()) == before
    assert first != second
    assert logs_in(second)
    assert not logs_in(first)


def test_posts_written_during_the_demo_do_not_stop_it():
    shown(4)
    make_post()

    assert "/admin/: user editor" in shown(4)


def test_reviewer_of_the_sample_archive_cannot_log_in():
    shown(4)

    reviewer = User.objects.get(username="demo-reviewer")
    assert not reviewer.has_usable_password()
    assert set(Decision.objects.values_list("reviewer", flat=True)) == {reviewer.pk}
    post = Post.objects.indexable().first()
    assert not history.broken_links(post.events.order_by("sequence"))


def test_archive_of_another_source_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "notes.jsonl"
    path.write_text('{"key": "n-1", "title": "Mine"}\n', "utf-8")
    with pytest.raises(SystemExit):
        call_command("import_posts", str(path), "--source", "notes", stdout=io.StringIO())
    before = list(canonical_lines())

    with pytest.raises(CommandError, match="not the demo's"):
        shown(4)

    assert list(canonical_lines()) == before
    assert not User.objects.exists()


@pytest.mark.parametrize("number", [1, 0, -5])
def test_too_few_posts_are_refused(number):
    with pytest.raises(CommandError, match="2 or more"):
        shown(number)

    assert not Post.objects.exists()
