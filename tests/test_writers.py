"""Texts of people that an import brings: said once of a source, and then told on every page."""

from __future__ import annotations

import datetime as dt
import io
import json

import pytest
from django.core.management import call_command
from django.urls import reverse

from posts import content, review, writing
from posts.models import ImportSource, ImportUpload, Post
from tests.builders import make_user

pytestmark = pytest.mark.django_db

CSV = b"id,title,body\n1,A note,Text of a note.\n"
HINT = "--written-by people"


@pytest.fixture
def bring(tmp_path):
    """Return a function that imports one note with options, and returns what was told."""

    def run(*options: str, name: str = "notes.csv", data: bytes = CSV) -> str:
        path = tmp_path / name
        path.write_bytes(data)
        out = io.StringIO()
        with pytest.raises(SystemExit) as end:
            call_command(
                "import_posts", str(path), "--source", "blog", *options, stdout=out,
                stderr=io.StringIO(),
            )  # fmt: skip
        assert end.value.code == 0
        return out.getvalue()

    return run


def published() -> Post:
    post = Post.objects.get()
    review.act_on_one(action="publish", post=post, by=make_user("publisher"))
    return post


def page_of(client, post: Post) -> str:
    return client.get(post.get_absolute_url()).content.decode()


def told(client, post: Post) -> tuple[str, str]:
    found = client.get(f"/posts/{post.slug}.json").json()["disclosure"]
    return found["text"], found["value"]


def test_texts_of_a_new_source_are_machines_until_somebody_says_otherwise(client, bring) -> None:
    bring()
    post = published()
    assert told(client, post) == ("AI-generated, not reviewed.", "ai-autonomous")

    bring("--written-by", "people")

    assert told(client, post) == ("Written by the authors of blog.", "none")
    page = page_of(client, post)
    assert '<meta name="ai-disclosure" content="none">' in page
    assert "AI-generated" not in page
    # Nobody is called by the name of a source.
    assert '"author":{"@type":"Organization"' in page


def test_what_was_said_stays_with_the_next_imports(client, bring) -> None:
    bring("--written-by", "people")
    bring()

    assert ImportSource.objects.get(name="blog").writers == "people"

    bring("--written-by", "machines")

    assert ImportSource.objects.get(name="blog").writers == "machines"


def test_a_dry_run_says_nothing_of_a_source(bring) -> None:
    bring()
    bring("--written-by", "people", "--dry-run")

    assert ImportSource.objects.get(name="blog").writers == "machines"


def test_who_edits_and_reviews_a_persons_text_is_told(client, bring) -> None:
    bring("--written-by", "people")
    post = published()
    writing.revise(
        post=post,
        by=make_user("editor", first_name="Edda", last_name="Moor"),
        snapshot=content.Snapshot(title="A note", body="Text, edited."),
        seen=1,
    )
    assert told(client, post)[0] == "Written by the authors of blog, edited by Edda Moor."

    now = dt.datetime(2026, 11, 17, 9, 0, tzinfo=dt.UTC)
    reviewer = make_user("reviewer", first_name="Rosa", last_name="Lindqvist")
    review.act(action="approve", posts=[post.pk], by=reviewer, now=now, undo_seconds=0)

    assert told(client, post) == (
        "Written by the authors of blog, edited by Edda Moor, reviewed by Rosa Lindqvist on "
        "17 November 2026.",
        "none",
    )


def test_the_command_asks_where_people_may_have_written(bring) -> None:
    assert HINT in bring()
    assert HINT not in bring("--written-by", "people")
    assert HINT not in bring()


def test_the_command_does_not_ask_of_what_generators_write(bring) -> None:
    line = json.dumps({"key": "1", "title": "A note", "body": "Text."}).encode() + b"\n"

    assert HINT not in bring(name="notes.jsonl", data=line)


def test_a_page_that_was_kept_is_asked_for_again(client, bring) -> None:
    bring()
    post = published()
    before = client.get(post.get_absolute_url())

    bring("--written-by", "people")
    again = client.get(post.get_absolute_url(), headers={"if-none-match": before.headers["ETag"]})

    assert again.status_code == 200
    assert "Written by the authors of blog." in again.content.decode()


def test_the_import_page_asks_too(client) -> None:
    client.force_login(make_user("importer"))
    file = io.BytesIO(CSV)
    file.name = "notes.csv"
    form = {"file": file, "source": "blog", "format": "auto", "writers": "people"}
    client.post(reverse("admin:import"), form)
    upload = ImportUpload.objects.get()
    assert not ImportSource.objects.filter(name="blog").exists()

    client.post(reverse("admin:import_confirm", args=[upload.pk]))

    assert ImportSource.objects.get(name="blog").writers == "people"


def test_another_word_than_the_two_is_refused(client) -> None:
    client.force_login(make_user("importer"))
    file = io.BytesIO(CSV)
    file.name = "notes.csv"
    form = {"file": file, "source": "blog", "format": "auto", "writers": "robots"}

    assert client.post(reverse("admin:import"), form).status_code == 400
