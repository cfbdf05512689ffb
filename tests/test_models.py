"""The tables as both databases have them: constraints, indexes, migrations there and back."""

import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import IntegrityError, connection, models, transaction
from django.db.migrations.loader import MigrationLoader
from django.utils import timezone

from posts.models import (
    CounterDelta,
    Decision,
    Entity,
    Event,
    ImportedPost,
    Post,
    PostTag,
    Revision,
    Slug,
    Tag,
)
from tests.builders import make_post, make_user

pytestmark = pytest.mark.django_db

ROOT = Path(__file__).resolve().parent.parent
MODELS = list(apps.get_app_config("posts").get_models())


def in_database(model):
    with connection.cursor() as cursor:
        return connection.introspection.get_constraints(cursor, model._meta.db_table)


# --- What the database holds ------------------------------------------------------------------


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_database_has_every_constraint_and_index_of_a_model(model):
    wanted = {item.name for item in (*model._meta.constraints, *model._meta.indexes)}

    assert wanted <= set(in_database(model))


def definition(name):
    """Return the statement that made an index or, on SQLite, the table that holds a check."""
    query = (
        "SELECT pg_get_indexdef(%s::regclass)"
        if connection.vendor == "postgresql"
        else "SELECT sql FROM sqlite_master WHERE name = %s"
    )
    with connection.cursor() as cursor:
        cursor.execute(query, [name])
        return cursor.fetchone()[0]


@pytest.mark.parametrize(
    ("name", "condition"),
    [
        ("post_listed", "listed_at"),
        ("post_awaiting", "proposed_revision_id"),
        ("post_reference", "reference"),
        ("post_tag_listed", "listed_at"),
        ("post_entity_listed", "listed_at"),
        ("slug_one_current_a_post", "is_current"),
        ("event_of_post", "post_id"),
        ("event_of_run", "run_id"),
        ("counter_delta_tag", "tag_id"),
        ("counter_delta_entity", "entity_id"),
    ],
)
def test_partial_index_is_partial_in_the_database(name, condition):
    made_by = definition(name)

    assert condition in made_by.partition(" WHERE ")[2]


def test_no_foreign_key_takes_content_along():
    pointing = [
        field
        for model in MODELS
        for field in model._meta.concrete_fields
        if field.is_relation and field.remote_field.on_delete is models.CASCADE
    ]

    # What may vanish with its owner: lines of a run with a retention, and changes of a count.
    assert {field.model.__name__ for field in pointing} == {
        *("CounterDelta", "ImportCheckpoint", "ImportReject")
    }


@pytest.fixture
def rows():
    """A listed post and what belongs to it, for a row that does not fit."""
    return make_post(state="listed", tags=["own"])


REFUSED = {
    "a post of an unknown visibility": lambda post: Post.objects.update(visibility="open"),
    "a published post without a date": lambda post: Post.objects.update(published_at=None),
    "two posts with one slug": lambda post: Post.objects.filter(pk=post.pk).update(
        slug=make_post().slug
    ),
    "two revisions with one number": lambda post: Revision.objects.create(
        post=post,
        number=1,
        digest="1:0",
        title="Twice",
        origin="editor",
        author=make_user("editor"),
        created_at=timezone.now(),
    ),
    "a revision of nobody": lambda post: Revision.objects.create(
        post=post, number=2, digest="1:0", title="By nobody", origin="editor",
        created_at=timezone.now(),
    ),
    "an imported revision without a run": lambda post: Revision.objects.create(
        post=post, number=2, digest="1:0", title="Of no run", origin="import",
        created_at=timezone.now(),
    ),
    "an unknown verdict": lambda post: Decision.objects.create(
        revision=post.live_revision, digest="1:0", verdict="perhaps",
        reviewer=make_user("reviewer"), decided_at=timezone.now(),
    ),
    "two current slugs of a post": lambda post: Slug.objects.create(
        post=post, slug="second", is_current=True, created_at=timezone.now()
    ),
    "one slug of two posts": lambda post: Slug.objects.create(
        post=make_post(), slug=post.slug, is_current=False, created_at=timezone.now()
    ),
    "one event number twice": lambda post: Event.objects.create(
        post=post, sequence=1, kind="again", at=timezone.now(), hash="0"
    ),
    "an event of two subjects": lambda post: Event.objects.create(
        post=post, person=make_user("editor"), sequence=9, kind="both", at=timezone.now(), hash="0"
    ),
    "a tag twice on a post": lambda post: PostTag.objects.create(
        content_object=post, tag=Tag.objects.get(name="own")
    ),
    "two tags with one slug": lambda post: Tag.objects.bulk_create(
        [Tag(name="other", slug="own")]
    ),
    "two entities with one address": lambda post: Entity.objects.bulk_create(
        [Entity(type=kind, name="c", type_slug="stack", slug="c") for kind in ("a", "b")]
    ),
    "an identity twice": lambda post: ImportedPost.objects.create(
        source=post.imported.source, key=post.imported.key, is_tombstone=True
    ),
    "a tombstone with a post": lambda post: ImportedPost.objects.update(is_tombstone=True),
}  # fmt: skip


@pytest.mark.parametrize("row", REFUSED)
def test_database_refuses(rows, row):
    with pytest.raises(IntegrityError), transaction.atomic():
        REFUSED[row](rows)


def test_change_of_a_count_vanishes_with_its_tag():
    tag = Tag.objects.create(name="alone", slug="alone")
    CounterDelta.objects.create(tag=tag, amount=1, due_at=timezone.now())

    tag.delete()

    assert not CounterDelta.objects.exists()


# --- Migrations -------------------------------------------------------------------------------


def test_models_need_no_migration_that_is_not_written(capsys):
    call_command("makemigrations", "--check", "--dry-run", verbosity=1)

    assert "No changes detected" in capsys.readouterr().out


def test_every_migration_can_be_taken_back():
    loader = MigrationLoader(connection)

    stuck = [
        f"{name}: {operation.describe()}"
        for (app, name), migration in loader.disk_migrations.items()
        if app == "posts"
        for operation in migration.operations
        if not operation.reversible
    ]

    assert not stuck, f"Give these operations a way back: {stuck}"


@contextmanager
def own_database(folder):
    """Yield the URL of an empty database of the kind this run uses; it is removed afterwards."""
    if connection.vendor == "sqlite":
        yield f"sqlite:///{folder / 'migrated.sqlite3'}"
        return
    name = f"{connection.settings_dict['NAME']}_migrated_{os.getpid()}"
    with connection.cursor() as cursor:
        cursor.execute(f'CREATE DATABASE "{name}"')
    try:
        yield urlunsplit(urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{name}"))
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


THERE_AND_BACK = """
import django
django.setup()
from django.core.management import call_command
from django.db import connection

def tables():
    return sorted(t for t in connection.introspection.table_names() if t.startswith("posts_"))

call_command("migrate", verbosity=0)
first = tables()
call_command("check", databases=["default"], fail_level="ERROR")
call_command("migrate", "posts", "zero", verbosity=0)
assert tables() == [], tables()
from django.contrib.auth.models import Group
assert not Group.objects.exists()
call_command("migrate", verbosity=0)
assert tables() == first != []
call_command("check", databases=["default"], fail_level="ERROR")
groups = {"editor", "reviewer", "publisher", "importer", "administrator"}
assert set(Group.objects.values_list("name", flat=True)) == groups
"""


@pytest.mark.django_db(transaction=True)
def test_migrations_go_back_to_nothing_and_forward_again(tmp_path):
    with own_database(tmp_path) as url:
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", THERE_AND_BACK],
            cwd=ROOT,
            env={
                **os.environ,
                "DATABASE_URL": url,
                "SECRET_KEY": "for-tests-only-and-therefore-not-secret-at-all-0123456789",
                "DJANGO_SETTINGS_MODULE": "alphanode.settings",
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    assert done.returncode == 0, done.stderr
