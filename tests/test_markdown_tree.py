"""The Markdown tree: one file a post, front matter that any YAML reader takes, safe file names."""

import io
import json
import os
import re

import pytest
from django.core.management import CommandError, call_command
from hypothesis import given
from hypothesis import strategies as st

from posts import writing
from posts.importing import engine
from posts.importing.formats import Input, jsonl
from posts.importing.intake import Arrival
from posts.importing.markdown_tree import front_matter, safe_name
from posts.models import ImportedPost
from tests.builders import make_user
from tests.importing_samples import line_fields

pytestmark = pytest.mark.django_db


def note(key="n-1", **fields):
    return {"key": key, "title": "A note", "body": "Text.", **fields}


def imported(*records, source="notes"):
    data = b"".join(json.dumps(record).encode() + b"\n" for record in records)
    arrivals = (
        Arrival(0, raw, jsonl)
        for raw in jsonl.records(io.BytesIO(data), Input("notes.jsonl", None))
    )
    return engine.run_import(arrivals, options=engine.Options(source=source)).counts


def export(folder, *arguments):
    call_command(
        "export_posts",
        "--format",
        "markdown",
        "--out",
        str(folder),
        *arguments,
        stderr=io.StringIO(),
    )
    return files_in(folder)


def files_in(folder):
    return {
        str(path.relative_to(folder)): path.read_text("utf-8")
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def parts_of(text):
    """Return front matter, read line by line as JSON, and the body."""
    _, head, body = text.split("---\n", 2)
    pairs = (line.partition(": ") for line in head.splitlines())
    return {name: json.loads(value) for name, _, value in pairs}, body


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "out"


def test_every_post_is_a_file_with_all_it_says(folder):
    fields = line_fields()
    imported(fields)
    post = ImportedPost.objects.get().post
    writing.set_editorial_tags(post=post, by=make_user("editor"), names=["by hand"])

    files = export(folder)

    assert list(files) == ["notes/alphanode-000417.md"]
    facts, body = parts_of(files["notes/alphanode-000417.md"])
    assert list(facts)[:4] == ["title", "source", "key", "slug"]
    assert (facts["title"], facts["key"], facts["slug"]) == (
        fields["title"],
        fields["key"],
        fields["slug"],
    )
    for name in ("topic", "summary", "ai_outline", "stack", "tools", "flags", "checklist"):
        assert facts[name] == fields[name]
    assert facts["image_sources"] == fields["image_sources"]
    assert facts["tags"] == sorted(
        {"go", "pipelines", "pprof", "git", "streams", "exports", "by hand"}
    )
    assert facts["view_count"] == 20519
    assert facts["visibility"] == "private"
    assert "![Plan with Go visual reference 1](<https://example.org/plan.png>)" in body
    assert "image:1" not in body
    assert body.startswith("\n## Moving over\n")


def test_numbers_can_be_left_out(folder):
    imported(line_fields())

    (text,) = export(folder, "--no-statistics").values()

    assert not {"view_count", "score", "reading_time"} & set(parts_of(text)[0])


def test_same_archive_gives_the_same_bytes(tmp_path):
    imported(line_fields(), note("B"), note("b"), note("ü"))

    first, second = export(tmp_path / "1"), export(tmp_path / "2")

    assert first == second
    assert len(first) == 4


def test_code_that_looks_like_an_image_stays(folder):
    imported(
        note(
            body="```\n![a](image:1)\n```\n\nSee ![a](image:1) here.",
            image_sources=[{"url": "https://example.org/a.png"}],
        )
    )

    (text,) = export(folder).values()

    assert "```\n![a](image:1)\n```" in text
    assert "See ![a](<https://example.org/a.png>) here." in text


def test_address_cannot_end_its_brackets(folder):
    imported(
        note(
            body="See ![a](image:1) here.",
            image_sources=[{"url": "https://example.org/a>b (c).png"}],
        )
    )

    (text,) = export(folder).values()

    assert "![a](<https://example.org/a%3Eb%20(c).png>)" in text


@pytest.mark.parametrize(
    "key",
    [
        *("../../etc/passwd", "..", ".", "/etc/x", "a/b", "a\\b", "con", "CON", "NUL", "-", "~"),
        *("a.b", ".hidden", "ключ", "\u202egnp", "C:x", "a:b", "name.md", "a b", "x\u0301"),
        "x" * 150,
    ],
)
def test_no_key_leads_out_of_the_folder_or_makes_an_odd_name(folder, key):
    imported(note(key), source="So urce..")

    (name,) = export(folder)

    assert re.fullmatch(r"so-urce\.[a-z2-7]{20}/[a-z0-9_-]+(\.[a-z2-7]{20})?\.md", name)
    assert len(name) < 150
    assert [path.name for path in folder.parent.iterdir()] == ["out"]


def test_keys_that_a_file_system_may_confuse_get_names_of_their_own(folder):
    keys = ["Key", "key", "KEY", "k.ey", "k-ey", "é", "É", "e"]
    imported(*(note(key) for key in keys))

    names = list(export(folder))

    assert len({name.lower() for name in names}) == len(keys)


@given(st.text(min_size=1, max_size=60), st.text(min_size=1, max_size=60))
def test_safe_names_are_safe_and_differ(first, second):
    names = [safe_name(text) for text in (first, second)]

    assert all(re.fullmatch(r"[a-z0-9][a-z0-9_-]*(\.[a-z2-7]{20})?", name) for name in names)
    assert (names[0] == names[1]) == (first == second)


@given(st.text(max_size=200))
def test_front_matter_is_one_line_a_value_without_anything_yaml_refuses(text):
    written = front_matter({"title": text, "meta": {"a": [text]}})

    lines = written.splitlines()
    assert (lines[0], lines[-1], len(lines)) == ("---", "---", 4)
    # The printable characters of YAML 1.2 that 1.1 reads in the same way.
    assert re.fullmatch(
        "[\n\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]*",
        written,
    )
    assert json.loads(lines[1].removeprefix("title: ")) == text


def test_text_cannot_end_the_front_matter(folder):
    imported(note(title="--- a: b # c", lede="---", notes=["---"], summary="yes"))

    (text,) = export(folder).values()

    facts, body = parts_of(text)
    assert (facts["lede"], facts["notes"], facts["summary"]) == ("---", ["---"], "yes")
    assert body == "\nText.\n"


def test_folder_that_is_not_empty_is_refused_unless_forced(folder):
    imported(note())
    folder.mkdir()
    (folder / "mine.txt").write_text("mine")

    with pytest.raises(CommandError, match="is not empty"):
        export(folder)

    assert list(files_in(folder)) == ["mine.txt"]
    assert set(export(folder, "--force")) == {"mine.txt", "notes/n-1.md"}
    assert set(export(folder, "--force")) == {"mine.txt", "notes/n-1.md"}


def test_links_in_a_folder_are_not_followed(folder, tmp_path):
    imported(note())
    outside = tmp_path / "outside"
    outside.mkdir()
    folder.mkdir()
    os.symlink(outside, folder / "notes")

    with pytest.raises(CommandError, match="is a link"):
        export(folder, "--force")

    os.unlink(folder / "notes")
    (folder / "notes").mkdir()
    target = tmp_path / "target"
    target.write_text("before")
    os.symlink(target, folder / "notes" / "n-1.md")
    os.symlink(target, folder / "notes" / "n-1.md.part")
    export(folder, "--force")

    assert target.read_text() == "before"
    assert not list(outside.iterdir())


@pytest.mark.parametrize("arguments", [(), ("--out", "no/such/folder")])
def test_missing_folder_is_told(arguments, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    with pytest.raises(CommandError, match="folder"):
        call_command("export_posts", "--format", "markdown", *arguments)
