"""Imports beside the work of people, by the commands alone, at twenty posts and at a thousand.

What was edited or approved between two imports stands; a dry run counts as the real run does; an
undo gives back the archive before it, but for what somebody built on.
"""

import contextlib
import io
import json
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from benchmarks.broken_records import broken
from posts import review, writing
from posts.models import (
    ImportedPost,
    ImportReject,
    ImportRun,
    Post,
    PostEntity,
    PostTag,
    Revision,
    Slug,
    Statistics,
    Tag,
)
from tests.builders import make_user

pytestmark = pytest.mark.django_db

SIZES = [pytest.param(24, id="24"), pytest.param(1_000, id="1000", marks=pytest.mark.long)]
CONTENT = (Post, Revision, Slug, Statistics, ImportedPost, PostTag, PostEntity, Tag, ImportReject)


def told(command, *arguments):
    """Run a command that prints one JSON object; return it."""
    out = io.StringIO()
    # import_posts and import_undo end with an exit code, review_posts returns.
    with contextlib.suppress(SystemExit):
        call_command(command, *arguments, "--json", stdout=out, stderr=io.StringIO())
    return json.loads(out.getvalue())


@pytest.fixture
def write(tmp_path):
    """Return a function that writes synthesized notes into a file and returns its path."""

    def write_notes(name, count, *, changed=0, start=1):
        path = tmp_path / name
        arguments = ["--count", str(count), "--seed", "5", "--start", str(start)]
        arguments += ["--changed", str(changed), "--out", str(path)]
        call_command("synthesize_posts", *arguments, stderr=io.StringIO())
        return str(path)

    return write_notes


@pytest.fixture
def people():
    return SimpleNamespace(editor=make_user("editor"), reviewer=make_user(username="ana"))


@pytest.fixture
def imported(tmp_path):
    """Return a function that imports files; it returns the object of `--json`."""

    def run(*arguments):
        rejects = str(tmp_path / "rejects.jsonl")
        return told("import_posts", *arguments, "--source", "notes", "--rejects", rejects)

    return run


def exported(tmp_path):
    path = tmp_path / "export.jsonl"
    path.unlink(missing_ok=True)
    call_command("export_posts", "--no-statistics", out=str(path), stderr=io.StringIO())
    return {json.loads(line)["key"]: line for line in path.read_text("utf-8").splitlines()}


def rows():
    return {model.__name__: model.objects.count() for model in CONTENT}


def edit(identity, by):
    post = identity.post
    title = f"As {by.username} has it, {identity.key}"
    snapshot = msgspec.structs.replace(post.live_revision.snapshot, title=title)
    newest = post.revisions.order_by("-number").values_list("number", flat=True)[0]
    return writing.revise(post=post, by=by, snapshot=snapshot, seen=newest)


def identities():
    return list(ImportedPost.objects.select_related("post__live_revision").order_by("key"))


def approve(identity, by):
    for action in ("approve", "publish"):
        review.act_on_one(action=action, post=identity.post, by=by, undo_seconds=0)


def pages():
    """Return by key what readers have: the live revision, its text, and whether it is listed."""
    listed = set(Post.objects.indexable(timezone.now()).values_list("pk", flat=True))
    return {
        one.key: (
            one.post.live_revision_id,
            one.post.live_revision.title,
            one.post.live_revision.body,
            one.post.title,
            one.post_id in listed,
        )
        for one in identities()
    }


# --- The work of people stands ------------------------------------------------------------------


@pytest.mark.parametrize("count", SIZES)
def test_what_people_edited_or_approved_between_two_imports_stands(count, write, imported, people):
    before, after = write("1.jsonl", count), write("2.jsonl", count, changed=100)
    assert imported(before)["created"] == count
    edits = {}
    for number, identity in enumerate(identities()):
        if number % 3:
            approve(identity, people.reviewer)
        if number % 3 != 1:
            edits[identity.key] = edit(identity, people.editor).pk
    shown = pages()
    revisions = Revision.objects.count()

    second = imported(after)

    assert (second["held"], second["updated"], second["read"]) == (count, 0, count)
    assert pages() == shown
    assert Revision.objects.count() == revisions + count
    assert Post.objects.held_by_import().count() == count
    # Behind a person's proposal the new version waits; else it is the proposal.
    for identity in identities():
        mine = edits.get(identity.key)
        assert (identity.waiting_revision_id is None) is (mine is None)
        if mine is None:
            assert identity.post.proposed_revision_id == identity.base_revision_id
        else:
            assert identity.post.proposed_revision_id == mine

    third = imported(after)

    assert (third["unchanged"], third["held"]) == (count, 0)
    assert Revision.objects.count() == revisions + count
    assert pages() == shown


# --- A dry run ----------------------------------------------------------------------------------


@pytest.mark.parametrize("count", SIZES)
def test_dry_run_counts_and_rejects_what_the_real_run_does(
    count, write, imported, people, tmp_path
):
    imported(write("1.jsonl", count))
    for number, identity in enumerate(identities()):
        if number % 4 == 1:
            approve(identity, people.reviewer)
        if number % 4 == 2:
            edit(identity, people.editor)
    changed = Path(write("2.jsonl", count, changed=50)).read_bytes().splitlines()
    new = Path(write("3.jsonl", count, start=count + 1)).read_bytes().splitlines()
    again = Path(write("4.jsonl", count // 2, changed=100, start=count + 1)).read_bytes()
    mixed = tmp_path / "mixed.jsonl"
    lines = broken([*changed, *new, *again.splitlines()], every=8, seed=1)
    mixed.write_bytes(b"".join(line for line, _ in lines))
    before, archive = rows(), exported(tmp_path)
    rejects = tmp_path / "rejects.jsonl"

    rehearsed = imported(str(mixed), "--dry-run")
    listed = rejects.read_text("utf-8")

    assert (rehearsed["run"], rehearsed["dry_run"]) == (None, True)
    assert rows() == before
    assert exported(tmp_path) == archive
    assert ImportRun.objects.count() == 1

    real = imported(str(mixed))

    differ = {"run", "dry_run", "seconds", "posts_per_second"}
    counts = {name: value for name, value in real.items() if name not in differ}
    assert {name: value for name, value in rehearsed.items() if name not in differ} == counts
    assert min(real[name] for name in ("created", "updated", "held", "unchanged", "rejected")) > 0
    without_run = [
        [{k: v for k, v in json.loads(line).items() if k != "run"} for line in text.splitlines()]
        for text in (listed, rejects.read_text("utf-8"))
    ]
    assert without_run[0] == without_run[1] != []


# --- The way back -------------------------------------------------------------------------------


@pytest.mark.parametrize("count", SIZES)
def test_undo_right_after_an_import_gives_the_archive_before_it(
    count, write, imported, people, tmp_path
):
    imported(write("1.jsonl", count))
    for number, identity in enumerate(identities()):
        if number % 3 == 1:
            approve(identity, people.reviewer)
        if number % 3 == 2:
            edit(identity, people.editor)
    before = exported(tmp_path)
    assert imported(write("2.jsonl", 2 * count, changed=100))["created"] == count
    run = ImportRun.objects.order_by("-pk")[0]
    assert exported(tmp_path) != before

    undone = told("import_undo", str(run.pk))

    assert (undone["reversed"], undone["kept"], undone["failed"]) == (2 * count, 0, 0)
    assert exported(tmp_path) == before
    connection.check_constraints()


@pytest.mark.parametrize("count", SIZES)
def test_undo_keeps_exactly_what_was_edited_since_and_names_it(
    count, write, imported, people, tmp_path
):
    imported(write("1.jsonl", count))
    before = exported(tmp_path)
    imported(write("2.jsonl", 2 * count, changed=100))
    run = ImportRun.objects.order_by("-pk")[0]
    # Of posts that were there before and of new ones.
    edited = identities()[:: max(1, count // 6)]
    for identity in edited:
        edit(identity, people.editor)
    kept = {identity.key for identity in edited}
    as_edited = {key: line for key, line in exported(tmp_path).items() if key in kept}

    rehearsed = told("import_undo", str(run.pk), "--dry-run")
    undone = told("import_undo", str(run.pk))

    for one in (rehearsed, undone):
        assert (one["kept"], one["reversed"], one["failed"]) == (
            len(kept),
            2 * count - len(kept),
            0,
        )
        assert {(post["key"], post["reason"]) for post in one["posts_kept"]} == {
            (key, "edited") for key in kept
        }
    after = exported(tmp_path)
    assert {key: line for key, line in after.items() if key in kept} == as_edited
    assert {key: line for key, line in after.items() if key not in kept} == {
        key: line for key, line in before.items() if key not in kept
    }
    connection.check_constraints()
