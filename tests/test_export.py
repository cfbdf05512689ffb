"""The export: equal archives give equal bytes, and what is exported can be imported again."""

import io
import json

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from hypothesis import given, settings
from hypothesis import strategies as st

from posts import content, review, writing
from posts.importing import engine, export
from posts.importing.formats import Input, jsonl
from posts.importing.intake import Arrival
from posts.importing.synthesizer import output
from posts.importing.synthesizer.articles import synthesize
from posts.models import ImportedPost, ImportSource, Post, Revision
from tests.builders import make_post, make_snapshot, make_user

pytestmark = pytest.mark.django_db


def imported(data, source="notes"):
    """Import JSON Lines given as bytes; return the counts."""
    arrivals = (
        Arrival(0, raw, jsonl)
        for raw in jsonl.records(io.BytesIO(data), Input("notes.jsonl", None))
    )
    return dict(engine.run_import(arrivals, options=engine.Options(source=source)).counts)


def lines_of(*records):
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


def synthesized(seed=3, count=12):
    return b"".join(output.json_line(article) for article in synthesize(seed, count))


def note(key="n-1", **fields):
    return {"key": key, "title": "A note", "body": "Text.", **fields}


def canonical(**more):
    return [json.loads(line) for line in export.canonical_lines(**more)]


def digests(source):
    """Return the digest of every post's live revision by key."""
    return dict(
        ImportedPost.objects.filter(source__name=source).values_list(
            "key", "post__live_revision__digest"
        )
    )


def test_lines_stand_in_order_of_source_and_key():
    for source in ("b", "B", "a b", "a"):
        imported(lines_of(*(note(key) for key in ("k-2", "K-1", "k-10", "é", "_"))), source)

    found = [(line["source"], line["key"]) for line in canonical()]

    assert found == sorted(found, key=lambda pair: [text.encode() for text in pair])
    assert len(found) == 20


def burn_ids():
    """Make the next surrogate ids of every table differ by a lot."""
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names():
            if not table.startswith("posts_"):
                continue
            if connection.vendor == "sqlite":
                cursor.execute("DELETE FROM sqlite_sequence WHERE name = %s", [table])
                cursor.execute("INSERT INTO sqlite_sequence VALUES (%s, 70000)", [table])
            else:
                cursor.execute(
                    "SELECT setval(pg_get_serial_sequence(%s, 'id'), 70000) "
                    "FROM information_schema.columns "
                    "WHERE table_name = %s AND column_name = 'id'",
                    [table, table],
                )


def archive_with_history():
    """Import, decide, edit, tag and import again; the same every time."""
    imported(synthesized())
    person = make_user("reviewer")
    first, second, third = Post.objects.order_by("imported__key")[:3]
    review.act(action="approve", posts=[first.pk, second.pk], by=person)
    review.act(action="publish", posts=[second.pk], by=person)
    review.act(action="reject", posts=[third.pk], by=person, reason="thin")
    writing.set_editorial_tags(post=first, by=person, names=["zebra", "apple"])
    writing.revise(
        post=second, by=person, seen=1, snapshot=content.Snapshot(title="By hand", body="Text.")
    )


def test_same_steps_with_other_ids_at_another_time_give_the_same_bytes():
    exports = []

    for burn in (False, True):
        with transaction.atomic():
            if burn:
                burn_ids()
            archive_with_history()
            exports.append(b"".join(export.canonical_lines()))
            smallest = Post.objects.order_by("pk").first().pk
            transaction.set_rollback(True)

    assert smallest > 70_000
    assert exports[0] == exports[1]


def test_line_says_what_people_decided_and_nothing_of_the_clock():
    archive_with_history()

    lines = canonical()

    assert lines[0]["decisions"] == [{"verdict": "approve", "digest": lines[0]["digest"]}]
    assert lines[0]["editorial_tags"] == ["apple", "zebra"]
    assert lines[0]["approved"] == lines[0]["digest"] == lines[0]["base"]
    assert (lines[1]["visibility"], lines[1]["is_listed"]) == ("published", True)
    assert lines[1]["proposed"] != lines[1]["digest"]
    assert [decision["verdict"] for decision in lines[2]["decisions"]] == ["reject"]
    assert lines[2]["proposed"] is None
    for line in lines:
        assert not {"id", "post", "run", "created_at", "changed_at"} & line.keys()


@pytest.mark.parametrize(
    "change",
    [
        lambda post, by: review.act(action="approve", posts=[post.pk], by=by),
        lambda post, by: review.act(action="publish", posts=[post.pk], by=by),
        lambda post, by: writing.set_editorial_tags(post=post, by=by, names=["new"]),
        lambda post, by: writing.change_slug(post=post, by=by, slug="another-address"),
        lambda post, by: writing.revise(post=post, by=by, seen=1, snapshot=make_snapshot()),
    ],
    ids=["approval", "publication", "editorial tag", "slug", "edit"],
)
def test_every_kind_of_change_shows_in_the_bytes(change):
    imported(synthesized(count=2))
    before = canonical()

    change(Post.objects.order_by("imported__key").first(), make_user("reviewer"))

    after = canonical()
    assert after[0] != before[0]
    assert after[1] == before[1]


def test_numbers_of_the_generator_can_be_left_out():
    imported(lines_of(note(view_count=1, score={"depth": 3}, reading_time=4)))
    with_numbers, without = canonical(), canonical(with_statistics=False)
    imported(lines_of(note(view_count=2, reading_time=4)))

    assert with_numbers[0]["statistics"] == {
        "view_count": 1,
        "score": {"depth": 3},
        "reading_time": 4,
    }
    assert "statistics" not in without[0]
    assert canonical(with_statistics=False) == without
    assert canonical() != with_numbers


def test_erased_post_is_a_line_of_its_own_and_is_not_imported_again():
    imported(lines_of(note("n-1"), note("n-3")))
    ImportedPost.objects.create(source=ImportSource.objects.get(), key="n-2", is_tombstone=True)

    lines = canonical()

    assert lines[1] == {"source": "notes", "key": "n-2", "is_tombstone": True}
    assert [json.loads(line)["key"] for line in export.import_lines()] == ["n-1", "n-3"]


def test_synthesized_posts_come_back_with_the_same_digests():
    imported(synthesized(seed=8, count=40))

    counts = imported(b"".join(export.import_lines()), "copy")

    assert counts == {"created": 40}
    assert digests("copy") == digests("notes")
    columns = ("title", "topic", "difficulty", "reading_minutes", "statistics__imported_view_count")
    assert list(
        Post.objects.filter(imported__source__name="copy")
        .order_by("imported__key")
        .values_list(*columns)
    ) == list(
        Post.objects.filter(imported__source__name="notes")
        .order_by("imported__key")
        .values_list(*columns)
    )


NASTY = {
    "unknown field": {"mood": "calm"},
    "unknown map": {"mood": {"a": [1, None, True, 1.5, {"b": ""}], "": "no name"}},
    "unknown member of a map": {"payload": {"seed": 1, "color": "red", "deep": {"a": 1}}},
    "unknown members of several maps": {
        "score": {"depth": 1, "taste": 9},
        "flags": {"has_images": False, "is_nice": True},
        "revision": {"status": "drafted", "branch": "main"},
        "ai_outline": {"context": "c", "more": "m"},
    },
    "only unknown members": {"payload": {"color": "red"}},
    "unknown members of rows": {
        "entities": [
            {"name": "Go", "type": "stack"},
            {"name": "Rust", "type": "stack", "since": 2015},
        ],
        "image_sources": [{"url": "https://example.org/a.png", "license": "CC"}],
    },
    "extra given as extra": {"extra": {"topic": "not the topic", "title": "no", "x": 1}},
    "extra with names of sections": {
        "extra": {"payload": 3, "entities": "none", "stack": {"a": 1}}
    },
    "extra inside extra": {"extra": {"extra": {"extra": 1}}},
    "extra that is no map": {"extra": 7},
    "names of other fields": {"extra": {"key": "other", "slug": "other", "statistics": {}}},
    "empty everything": {"topic": "", "stack": [], "payload": {}, "flags": {}, "score": {}},
    "images": {
        "image_sources": [{"caption": "C", "alt": "A"}, {"url": "https://example.org/b.png"}],
        "body": "![C](image:1)\n\n![](image:2)",
    },
    "copy characters": {"body": "\\.\n\\N\ta\\b", "summary": "\\N", "notes": ["\\."]},
    "separators": {"summary": "a\u2028b", "mood": "\u0085\u2029"},
    "large numbers": {"mood": [2**53 - 1, 0.1, 1e-7, -0.0, 1e15]},
}


@pytest.mark.parametrize("fields", NASTY.values(), ids=NASTY.keys())
def test_nasty_content_comes_back_with_the_same_digest(fields):
    first = imported(lines_of(note(**fields)))

    second = imported(b"".join(export.import_lines()), "copy")

    assert first == second == {"created": 1}
    assert digests("copy") == digests("notes")
    assert (
        Revision.objects.order_by("pk").first().meta == Revision.objects.order_by("pk").last().meta
    )


SECTIONS = ("payload", "flags", "entities", "image_sources", "stack", "topic", "mood", "extra")
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from(["", "a", "\\N", "é", " b "]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["a", "b", "name", "seed", "1"]), inner, max_size=2)
    ),
    max_leaves=5,
)


@given(st.lists(st.dictionaries(st.sampled_from(SECTIONS), VALUES, max_size=4), max_size=8))
@settings(max_examples=20)
def test_whatever_is_accepted_comes_back_with_the_same_digest(records):
    with transaction.atomic():
        numbered = [note(f"n-{number}", **fields) for number, fields in enumerate(records)]
        created = imported(lines_of(*numbered)).get("created", 0)

        again = imported(b"".join(export.import_lines()), "copy")

        assert again == ({"created": created} if created else {})
        assert digests("copy") == digests("notes")
        transaction.set_rollback(True)


def test_posts_written_here_can_be_imported_too():
    make_post()
    make_post(slug="a" * 150)

    counts = imported(b"".join(export.import_lines()), "copy")

    assert counts == {"created": 2}
    # No empty section stands in these: see the note at the digest in tests/test_engine.py.
    titles = Post.objects.values_list("title", flat=True)
    assert len(titles) == 4
    assert len(set(titles)) == 2


def test_slug_with_a_suffix_is_exported_only_while_it_can_be_read_again():
    imported(lines_of(note("n-1", slug="a" * 150), note("n-2", slug="a" * 150)))

    counts = imported(b"".join(export.import_lines()), "copy")

    assert counts == {"created": 2}


def test_live_content_is_exported_and_not_what_waits():
    imported(lines_of(note()))
    post = Post.objects.get()
    review.act(action="approve", posts=[post.pk], by=make_user("reviewer"))
    imported(lines_of(note(body="Newer.")))

    (line,) = export.import_lines()

    assert json.loads(line)["body"] == "Text."


@pytest.mark.parametrize("lines", [export.canonical_lines, export.import_lines])
def test_archive_is_read_in_pages_of_bounded_size(lines, monkeypatch):
    imported(synthesized(count=11))
    monkeypatch.setattr(export, "PAGE", 4)

    with CaptureQueriesContext(connection) as captured:
        stream = lines()
        next(stream)
        first = len(captured.captured_queries)
        number = 1 + len(list(stream))

    pages = [q["sql"] for q in captured.captured_queries if "posts_revision" in q["sql"]]
    assert number == 11
    assert first <= 4
    assert len(captured.captured_queries) <= 1 + 3 * 4
    assert sum("LIMIT 4" in sql for sql in pages) >= 3
    assert not any("OFFSET" in sql for sql in pages)


def test_page_size_does_not_change_the_bytes(monkeypatch):
    imported(synthesized(count=9))
    imported(synthesized(seed=4, count=5), "other")
    whole = list(export.canonical_lines())

    for size in (1, 2, 9, 14):
        monkeypatch.setattr(export, "PAGE", size)
        assert list(export.canonical_lines()) == whole


# --- The command --------------------------------------------------------------------------------


def exported(*arguments):
    out, err = io.StringIO(), io.StringIO()
    call_command("export_posts", *arguments, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def test_file_and_output_stream_hold_the_same_bytes(tmp_path, monkeypatch):
    imported(lines_of(note(body="Emoji \U0001f9ea\u2028\r\nend")))
    path = tmp_path / "archive.jsonl"
    # Under a captured stream the command writes text, as call_command asks for.
    monkeypatch.setattr("sys.stdout", io.StringIO())

    out, err = exported()
    exported("--out", str(path))

    assert path.read_bytes() == out.encode() == b"".join(export.canonical_lines())
    assert err == "1 posts exported.\n"
    assert [entry.name for entry in tmp_path.iterdir()] == ["archive.jsonl"]


def test_formats_and_numbers_are_chosen_by_options(tmp_path):
    imported(lines_of(note(view_count=3)))
    path = tmp_path / "out"

    exported("--format", "jsonl", "--no-statistics", "--out", str(path))

    line = json.loads(path.read_text("utf-8"))
    assert line["key"] == "n-1"
    assert "view_count" not in line
    assert "digest" not in line


def test_missing_folder_is_said_before_anything_is_read(tmp_path):
    with pytest.raises(CommandError, match="is no folder"):
        exported("--out", str(tmp_path / "missing" / "out.jsonl"))


def test_failed_export_leaves_the_former_file_alone(tmp_path, monkeypatch):
    path = tmp_path / "archive.jsonl"
    path.write_bytes(b"former\n")

    def broken(**more):
        yield b"half\n"
        raise OSError("disk full")

    monkeypatch.setitem(
        __import__("posts.management.commands.export_posts", fromlist=["FORMATS"]).FORMATS,
        "canonical",
        broken,
    )

    with pytest.raises(OSError, match="disk full"):
        exported("--out", str(path))

    assert path.read_bytes() == b"former\n"


@pytest.mark.django_db(transaction=True)
def test_export_shows_one_moment_of_the_archive(monkeypatch):
    imported(lines_of(note("n-1"), note("n-2")))
    monkeypatch.setattr(export, "PAGE", 1)
    other = connection.copy()
    if connection.vendor == "sqlite" and other.settings_dict["NAME"].startswith("file:"):
        # An in-memory database has one writer and no snapshots; the transaction is all it can do.
        other = None

    with export.one_moment():
        stream = export.canonical_lines()
        first = json.loads(next(stream))
        if other is not None:
            with other.cursor() as cursor:
                cursor.execute("UPDATE posts_post SET visibility = 'archived'")
            other.close()
        second = json.loads(next(stream))

    assert first["visibility"] == second["visibility"] == "private"
    expected = "private" if other is None else "archived"
    assert {line["visibility"] for line in canonical()} == {expected}
