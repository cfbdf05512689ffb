"""What happens to the archive while or before an import writes, through the command.

Each test makes a real condition, not a raised exception: a full or read-only database, people who
delete what a batch is about to use, a clock that goes back, an import of what was exported.
"""

import datetime as dt
import io
from contextlib import contextmanager

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from posts import writing
from posts.importing import export, report, runs
from posts.models import ImportRun, ImportSource, Post, PostTag
from tests.builders import make_post, make_snapshot, make_user
from tests.nasty_inputs import archive, import_posts, line

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def after_a_batch(monkeypatch):
    """Return a function that registers what people do when the first batch is written.

    The second batch was looked up before that, and is written after it.
    """

    def register(act):
        honest = report.ProgressView.update
        calls = iter([act])

        def update(view, progress, taken):
            next(calls, lambda: None)()
            honest(view, progress, taken)

        monkeypatch.setattr(report.ProgressView, "update", update)

    return register


def refused(path, **options):
    """Call the command, which has to end with a message; return it."""
    with pytest.raises(CommandError) as failed:
        call_command(
            "import_posts",
            str(path),
            "--source",
            "notes",
            stdout=io.StringIO(),
            stderr=io.StringIO(),
            **options,
        )
    return str(failed.value)


# --- The database ---------------------------------------------------------------------------------


READ_ONLY = {
    "sqlite": ("PRAGMA query_only = on", "PRAGMA query_only = off"),
    "postgresql": (
        "SET default_transaction_read_only = on",
        "SET default_transaction_read_only = off",
    ),
}


@pytest.mark.django_db(transaction=True)
def test_read_only_database_ends_with_a_message_and_the_next_run_works(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(line("n-1"))
    begin, end = READ_ONLY[connection.vendor]

    execute(begin)
    try:
        message = refused(path)
    finally:
        execute(end)

    assert "read" in message.lower()
    assert "run the same command again" in message
    assert not Post.objects.exists()
    assert import_posts(path).counts == {"created": 1}


@pytest.mark.django_db(transaction=True)
def test_database_that_is_full_keeps_whole_batches_and_the_next_run_goes_on(tmp_path, monkeypatch):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"".join(line(f"n-{n:02d}", body="x" * 60_000) for n in range(40)))

    with a_full_database(monkeypatch):
        message = refused(path, batch_size=4)

    written = Post.objects.count()
    run = ImportRun.objects.get()
    assert "full" in message.lower()
    assert "run the same command again" in message
    assert (run.state, run.read, run.created) == (ImportRun.State.FAILED, written, written)
    assert 0 < written < 40
    assert written % 4 == 0
    assert import_posts(path).counts == {"created": 40 - written}
    assert Post.objects.count() == 40


@contextmanager
def a_full_database(monkeypatch):
    """Let the database refuse what makes it larger: SQLite by its own limit.

    PostgreSQL has none that a connection can set, so a trigger says what a full disk says.
    """
    if connection.vendor == "sqlite":
        (pages,) = execute("PRAGMA page_count")
        execute(f"PRAGMA max_page_count = {pages + 250}")
        try:
            yield
        finally:
            execute("PRAGMA max_page_count = 1073741823")
        return
    monkeypatch.setattr(runs, "RETRY_SECONDS", (0.0,))
    execute(
        "CREATE FUNCTION refuse_more() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "IF (SELECT count(*) FROM posts_post) >= 16 THEN "
        "RAISE EXCEPTION 'the disk is full' USING ERRCODE = 'disk_full'; END IF; "
        "RETURN NULL; END $$"
    )
    execute(
        "CREATE TRIGGER refuse_more BEFORE INSERT ON posts_post "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_more()"
    )
    try:
        yield
    finally:
        execute("DROP FUNCTION refuse_more CASCADE")


def execute(statement):
    """Run a statement; return its first row, if it has any."""
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchone() if cursor.description else None


# --- People ---------------------------------------------------------------------------------------

FIRST = [line(f"n-{number}", tags=["shared"]) for number in range(4)]
SECOND = [line(f"n-{number}", title="Changed", tags=["shared"]) for number in range(4)]


def test_posts_of_a_source_cannot_be_erased_while_it_is_imported(tmp_path, after_a_batch):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"".join(FIRST))
    import_posts(path)
    person = make_user("superuser")
    messages = []

    def erase():
        with pytest.raises(CommandError) as failed:
            erase_the_second(person)
        messages.append(str(failed.value))

    after_a_batch(erase)
    path.write_bytes(b"".join(SECOND))

    assert import_posts(path, batch_size=1).counts == {"updated": 4}
    assert "Nothing was erased" in messages[0]
    erase_the_second(person)
    outcome = import_posts(path, batch_size=1, resume="never")
    assert outcome.counts == {"unchanged": 3}
    assert outcome.told["tombstoned"] == 1


def erase_the_second(person):
    call_command(
        "erase_posts",
        by=person.username,
        reason="asked for",
        source="notes",
        key=["n-1"],
        yes=True,
        stdout=io.StringIO(),
        stderr=io.StringIO(),
    )


def test_edit_between_look_up_and_write_is_kept(tmp_path, after_a_batch):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"".join(FIRST))
    import_posts(path)
    path.write_bytes(b"".join(SECOND))

    def edit():
        writing.revise(
            post=Post.objects.get(imported__key="n-1"),
            by=make_user("editor"),
            snapshot=make_snapshot(title="Edited"),
            seen=1,
        )

    after_a_batch(edit)

    assert import_posts(path, batch_size=1).counts == {"updated": 3, "held": 1}
    assert Post.objects.get(imported__key="n-1").title == "Edited"


def test_slug_taken_between_look_up_and_write_is_not_taken_twice(tmp_path, after_a_batch):
    path = tmp_path / "a.jsonl"
    path.write_bytes(line("n-0") + line("n-1", slug="wanted"))
    after_a_batch(lambda: make_post(slug="wanted", state="private"))

    assert import_posts(path, batch_size=1).counts == {"created": 2}
    assert Post.objects.get(imported__key="n-1").slug.startswith("wanted-")


def test_tags_added_by_a_person_between_two_batches_stay(tmp_path, after_a_batch):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"".join(FIRST))
    import_posts(path)
    path.write_bytes(b"".join(SECOND))

    def add():
        post = Post.objects.get(imported__key="n-1")
        writing.set_editorial_tags(post=post, by=make_user("editor"), names=["mine"])

    after_a_batch(add)

    assert import_posts(path, batch_size=1).counts == {"updated": 4}
    tags = PostTag.objects.filter(content_object__imported__key="n-1")
    assert set(tags.values_list("tag__name", flat=True)) == {"shared", "mine"}


# --- Time and runs --------------------------------------------------------------------------------


def test_clock_that_goes_back_between_two_runs_changes_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"".join(FIRST))
    import_posts(path)
    path.write_bytes(b"".join([*SECOND[:2], *FIRST[2:], line("n-9")]))
    earlier = timezone.now() - dt.timedelta(days=400)
    monkeypatch.setattr(timezone, "now", lambda: earlier)

    outcome = import_posts(path)

    assert outcome.counts == {"created": 1, "updated": 2, "unchanged": 2}
    assert ImportSource.objects.get().owner is None
    assert import_posts(path).counts == {"unchanged": 5}


def test_own_export_comes_back_unchanged_under_its_name_and_new_under_another(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"".join(FIRST))
    import_posts(path)
    (tmp_path / "export.jsonl").write_bytes(b"".join(export.import_lines()))
    before = archive()

    assert import_posts(tmp_path / "export.jsonl").counts == {"unchanged": 4}
    assert archive() == before
    assert import_posts(tmp_path / "export.jsonl", source="copy").counts == {"created": 4}


def test_canonical_export_is_read_with_what_it_adds_kept_as_unknown(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"".join(FIRST))
    import_posts(path)
    (tmp_path / "canonical.jsonl").write_bytes(archive())

    outcome = import_posts(tmp_path / "canonical.jsonl", source="copy")

    assert outcome.counts == {"created": 4}
    assert outcome.findings == {"unknown_member"}
    assert import_posts(tmp_path / "canonical.jsonl", source="copy").counts == {"unchanged": 4}


def test_own_rejects_file_as_input_is_refused_record_by_record(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(line("n-1", title="") + line("n-2", difficulty="hard"))
    import_posts(path)

    outcome = import_posts(tmp_path / "rejects-notes.jsonl", source="copy")

    assert outcome.counts == {"rejected": 2}
    assert {reject.code for reject in outcome.rejects} >= {"missing_title"}
