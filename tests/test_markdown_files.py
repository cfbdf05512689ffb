"""Markdown files as site generators write them: what each name and value becomes."""

import io
import json

import pytest
from django.core.management import call_command

from posts.content import Image
from posts.importing import formats
from posts.importing.export import canonical_lines
from posts.importing.formats import Input, markdown
from posts.importing.records import RECORD_BYTES_MAX, validate
from tests.importing_samples import codes, line_fields


def raw_of(text, member="note.md"):
    data = text if isinstance(text, bytes) else text.encode()
    (raw,) = markdown.records(io.BytesIO(data), Input(member, None, member=member))
    return raw


def read(text, member="note.md"):
    return validate(markdown, raw_of(text, member))


def meta_of(front, member="note.md"):
    record, problems = read(f"---\ntitle: T\n{front}\n---\nText.", member)
    assert record is not None, problems
    return record.snapshot.meta


# --- Title, slug, key -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "member", "title", "body"),
    [
        ("---\ntitle: yes\n---\nx", "a.md", "yes", "x"),
        ("---\ntitle: 1.10\n---\nx", "a.md", "1.10", "x"),
        ("---\ntitle: 2023-01-01\n---\nx", "a.md", "2023-01-01", "x"),
        ("---\nTitle: Upper case\n---\nx", "a.md", "Upper case", "x"),
        ("---\ntitle: lower\nTitle: Upper\n---\nx", "a.md", "lower", "x"),
        ("---\ntitle: >\n  folded\n  text\n---\nx", "a.md", "folded text", "x"),
        ("+++\ntitle = 7\n+++\nx", "a.md", "7", "x"),
        ("# The *first* heading #\n\nx", "a.md", "The first heading", "x"),
        ("The first\n=========\n\nx", "a.md", "The first", "x"),
        ("---\na: 1\n---\n\n# Heading\nx", "a.md", "Heading", "x"),
        ("---\ntitle: Same\n---\n# Same\n\nx", "a.md", "Same", "x"),
        ("---\ntitle: Other\n---\n# Same\n\nx", "a.md", "Other", "# Same\n\nx"),
        ("Text.\n\n## Later `code`\n\nx", "a.md", "Later code", "Text.\n\n## Later `code`\n\nx"),
        ("```\n# no heading\n```\n\nx", "the-name.md", "The name", "```\n# no heading\n```\n\nx"),
        ("# ![](image:0)\n\nx", "the-name.md", "The name", "# ![](image:0)\n\nx"),
        ("Text.", "2012-7-8-a_long-name.md", "A long name", "Text."),
        ("Text.", "2012-07-08.md", "2012 07 08", "Text."),
        ("Text.", "folder/my-bundle/index.md", "My bundle", "Text."),
        ("Text.", "index.md", "Index", "Text."),
        ("---\ntitle:\n---\nText.", "the-name.md", "The name", "Text."),
        ("---\ntitle: [a]\n---\nText.", "the-name.md", "The name", "Text."),
    ],
)
def test_title_is_found(text, member, title, body):
    record, _ = read(text, member)

    assert (record.snapshot.title, record.snapshot.body) == (title, body)
    assert record.key == member


@pytest.mark.parametrize(
    ("front", "member", "slug"),
    [
        ("slug: my-slug", "a.md", "my-slug"),
        ("slug: 2020", "a.md", "2020"),
        ("slug: My Slug", "a-b.md", None),
        ("a: 1", "2012-7-8-hello-world.md", "hello-world"),
        ("a: 1", "x/hello/index.md", "hello"),
        ("a: 1", "Hello World.md", None),
    ],
)
def test_slug_is_given_or_that_of_the_name(front, member, slug):
    record, problems = read(f"---\ntitle: T\n{front}\n---\nx", member)

    assert record.slug == slug
    assert codes(problems) == (["bad_slug"] if "My" in front else [])
    assert record.snapshot.meta.extra.get("slug") == ("My Slug" if "My" in front else None)


# --- Dates, state, addresses ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("front", "member", "moment"),
    [
        ("date: 2012-07-08", "a.md", "2012-07-08T00:00:00Z"),
        ("date: '2012-07-08'", "a.md", "2012-07-08T00:00:00Z"),
        ("date: 2012-07-08 10:11:12", "a.md", "2012-07-08T10:11:12Z"),
        ("date: 2012-07-08 10:11:12 +0200", "a.md", "2012-07-08T10:11:12+02:00"),
        ("date: 2012-07-08T10:11:12.345-05:00", "a.md", "2012-07-08T10:11:12-05:00"),
        ("date: 2012/7/8 9:30", "a.md", "2012-07-08T09:30:00Z"),
        ("date: Sun, 08 Jul 2012 10:11:12 +0200", "a.md", "2012-07-08T10:11:12+02:00"),
        ("publishDate: 2012-07-08", "a.md", "2012-07-08T00:00:00Z"),
        ("date: 2013-01-01", "2012-7-8-a.md", "2013-01-01T00:00:00Z"),
        ("a: 1", "2012-7-8-a.md", "2012-07-08T00:00:00Z"),
        ("a: 1", "2012-07-08-a/index.md", "2012-07-08T00:00:00Z"),
        ("a: 1", "2012-13-08-a.md", ""),
        ("a: 1", "a.md", ""),
    ],
)
def test_date_is_found(front, member, moment):
    assert meta_of(front, member).published_at == moment


@pytest.mark.parametrize(
    "written",
    [
        *(
            "2023-02-29",
            "0000-00-00",
            "2020-01-01 24:00",
            "yesterday",
            "1",
            "9999-12-31T23:59 -02:00",
        ),
        *("2020-01-01 10:00 CEST", "Q" * 100),
    ],
)
def test_date_that_is_none_is_kept_and_told(written):
    record, problems = read(f"---\ntitle: T\ndate: {written}\n---\nx")

    assert codes(problems) == ["bad_date"]
    assert record.snapshot.meta.published_at == ""
    assert str(record.snapshot.meta.extra["date"]) == written


@pytest.mark.parametrize(
    ("front", "member", "extra"),
    [
        ("draft: true", "a.md", {"status": "draft"}),
        ("draft: 'yes'", "a.md", {"status": "draft"}),
        ("published: false", "a.md", {"status": "draft"}),
        ("a: 1", "_drafts/a.md", {"status": "draft", "a": 1}),
        ("draft: false\npublished: true", "a.md", {}),
        ("draft: true\nstatus: idea", "a.md", {"status": "idea"}),
        ("draft: maybe", "a.md", {"draft": "maybe"}),
    ],
)
def test_state_is_kept_as_an_unknown_field(front, member, extra):
    assert meta_of(front, member).extra == extra


@pytest.mark.parametrize(
    ("front", "urls"),
    [
        ("aliases: [/a/, b/c]", ("/a/", "/b/c")),
        ("redirect_from: /a?p=1", ("/a?p=1",)),
        ("redirect_from:\n  - https://example.org/x/", ("/x/",)),
        ("permalink: /fixed.html", ("/fixed.html",)),
        ("url: fixed/", ("/fixed/",)),
        ("permalink: /:year/:title/", ()),
        ("permalink: false", ()),
    ],
)
def test_addresses_at_the_source_are_former_ones(front, urls):
    assert meta_of(front).former_urls == urls


@pytest.mark.parametrize(
    "address", ["/%2e%2e/%2e%2e/x", "../x", "javascript:alert(1)", "/{{ page.slug }}/", "ftp://x/y"]
)
def test_address_no_page_can_have_had_is_told(address):
    record, problems = read(f"---\ntitle: T\naliases: ['{address}']\n---\nx")

    assert codes(problems) == ["bad_url"]
    assert record.snapshot.meta.former_urls == ()
    assert record.snapshot.meta.extra == {"aliases": [address]}


# --- Tags, people, everything else ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("front", "member", "tags"),
    [
        ("tags: [b, a, b]", "a.md", ("a", "b")),
        ("tags: b, a", "a.md", ("a", "b")),
        ("tags: two words", "a.md", ("two words",)),
        ("tags: two words", "2012-7-8-a.md", ("two", "words")),
        ("tags: two words", "_posts/a.md", ("two", "words")),
        ("tag: two words", "_posts/a.md", ("two words",)),
        ("tags:", "a.md", ()),
        ("tags: [a, null, '', 2013, 1.10, yes]", "a.md", ("1.10", "2013", "a", "yes")),
        ("categories: [a]\ncategory: b\ntags: c\nTag: d", "a.md", ("a", "b", "c", "d")),
        ("taxonomies:\n  tags: [a]\n  categories: [b]\n  people: [c]", "a.md", ("a", "b", "c")),
        ("tags:\n  - name: a\n  - x: b", "a.md", ("a",)),
    ],
)
def test_tags_are_found(front, member, tags):
    meta = meta_of(front, member)

    assert meta.tags == tags
    assert meta.extra == {}


def test_other_names_are_fields_or_kept_as_they_came():
    meta = meta_of(
        "author: {name: A. Miller}\nlang: pt_BR\ndescription: Short.\nlayout: post\nweight: 10\n"
        "version: 1.10\nextra: {a: [1, {b: c}]}\nimage: /relative.png\ncover: https://e.org/c.png"
    )

    assert (meta.author, meta.language, meta.summary) == ("A. Miller", "pt-BR", "Short.")
    assert meta.image_sources == (Image(url="https://e.org/c.png"),)
    assert meta.extra == {
        "layout": "post",
        "weight": 10,
        "version": "1.10",
        "extra": {"a": [1, {"b": "c"}]},
        "image": "/relative.png",
    }


# --- The text -------------------------------------------------------------------------------------


def test_html_and_images_become_markdown():
    record, _ = read(
        "---\ntitle: T\nimage: https://e.org/1.png\n---\n"
        "<p>One <b>two</b></p>\n\n![Cap][i]\n\n```html\n<p>code</p>\n```\n\n---\n\n"
        "[i]: https://e.org/2.png\n"
    )

    body = record.snapshot.body
    assert "One **two**" in body
    assert "![Cap](image:2)" in body
    assert "```html\n<p>code</p>\n```" in body
    assert [image.url for image in record.snapshot.meta.image_sources] == [
        "https://e.org/1.png",
        "https://e.org/2.png",
    ]


def test_page_of_html_with_front_matter_is_read_as_html():
    record, _ = read("---\ntitle: T\n---\n<div>\n    <p>Not <i>code</i>.</p>\n</div>", "a.html")

    assert record.snapshot.body == "Not _code_."


# --- Bytes ----------------------------------------------------------------------------------------


def test_transport_damage_is_mended_and_told():
    record, problems = read(b"\xef\xbb\xbf---\r\ntitle: T\r\n---\r\n\r\n# A\r\n\r\nx\r\n")

    assert (record.snapshot.title, record.snapshot.body) == ("T", "# A\n\nx")
    assert codes(problems, "repair") == ["byte_order_mark", "line_ends"]


@pytest.mark.parametrize(
    "data",
    [
        *("---\ntitle: T\n---\nx".encode(name) for name in ("utf-16", "utf-16-le", "utf-32-be")),
        "---\ntitle: T\n---\né".encode("latin-1"),
    ],
)
def test_other_encoding_is_refused(data):
    record, problems = read(data)

    assert record is None
    assert codes(problems) == ["bad_encoding"]


def test_broken_front_matter_is_refused_with_its_line():
    record, problems = read("---\ntitle: T\na: b: c\n---\nx")

    assert record is None
    assert [(p.code, p.line) for p in problems] == [("bad_front_matter", 3)]


def test_file_that_is_too_large_is_refused():
    raw = raw_of(b"# A\n" + b"x" * (RECORD_BYTES_MAX + 1024))

    assert [p.code for p in raw.problems] == ["record_too_large"]
    assert len(raw.raw) <= 2 * 1024


@pytest.mark.parametrize(
    ("member", "text", "what"),
    [
        ("content/_index.md", "+++\ntitle = 'S'\n+++\n", "section-page"),
        ("_index.fr.md", "---\ntitle: S\n---\n", "section-page"),
        ("a.md", " \n\n", "empty-file"),
    ],
)
def test_what_is_no_post_is_filtered(member, text, what):
    raw = raw_of(text, member)

    assert [(p.severity, p.code, p.value) for p in raw.problems] == [
        ("filtered", "not_a_post", what)
    ]


@pytest.mark.parametrize(
    ("name", "head", "expected"),
    [
        ("a.md", b"Text.", "markdown"),
        ("a.MKDN", b"Text.", "markdown"),
        ("a.Rmd", b"Text.", "markdown"),
        ("a.txt", b"Text.", None),
        ("a", b"---\ntitle: T\n---\n", "markdown"),
        ("a.txt.md", b"---\na: 1\n---\n| | |\n", "markdown"),
        ("a.md", b'{\n"title": "T"\n}\n\nText.', "markdown"),
        ("a.md", b'{"key": "a"}\n{"key": "b"}\n', "jsonl"),
        ("a.json", b'{"key": "a"}\n', "jsonl"),
        ("style.scss", b"---\n---\n", None),
        ("_config.yml", b"---\na: 1\n---\nb: 2\n", None),
        ("a.md.gz", b"Text.", "markdown"),
    ],
)
def test_content_goes_before_the_name(name, head, expected):
    assert formats.sniff(name, head) == expected


# --- What this site exported ----------------------------------------------------------------------


def imported(path, source, *options):
    with pytest.raises(SystemExit) as ended:
        call_command(
            "import_posts", str(path), "--source", source, "--json", *options, stdout=io.StringIO()
        )
    return ended.value.code


@pytest.mark.django_db
def test_own_tree_comes_back_as_it_was(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fields = line_fields(
        body=line_fields()["body"] + "\n\n```\n![a](image:1)\n```\n\nSee ![a](image:1) here.",
        extra={"river": "Ilse", "depth": 2.5, "list": [1, None, True]},
        former_urls=["/old/1/"],
        author="A. Miller",
    )
    odd = {"key": "../Odd key", "title": "--- a: 'b' # c", "body": "---\n\nText.", "stack": ["Go"]}
    lines = "\n".join(map(json.dumps, (fields, odd)))
    (tmp_path / "in.jsonl").write_text(lines + "\n", "utf-8")
    assert imported("in.jsonl", "notes") == 0
    before = b"".join(canonical_lines())
    call_command("export_posts", "--format", "markdown", "--out", "tree", stderr=io.StringIO())

    assert imported("tree", "notes") == 0
    same = b"".join(canonical_lines())
    assert imported("tree", "again") == 0

    assert same == before
    copies = [json.loads(line) for line in canonical_lines()]
    assert {c["key"]: c["digest"] for c in copies if c["source"] == "again"} == {
        c["key"]: c["digest"] for c in copies if c["source"] == "notes"
    }
    assert all(c["visibility"] == "private" for c in copies)


def test_own_file_somebody_wrote_into_keeps_its_key():
    text = (
        "---\ntitle: By hand\nsource: notes\nkey: n-7\nslug: by-hand\nvisibility: published\n"
        "mood: good\n---\n\nText.\n"
    )
    record, problems = read(text, "tree/notes/n-7.md")

    assert (record.key, record.snapshot.title, record.slug) == ("n-7", "By hand", "by-hand")
    assert markdown.key_of(raw_of(text, "tree/notes/n-7.md")) == "n-7"
    assert record.snapshot.meta.extra == {"mood": "good"}
    assert codes(problems) == []


def test_half_a_character_in_an_image_of_an_own_file_is_told():
    text = (
        '---\ntitle: "T"\nsource: "weirs"\nkey: "n-7"\nslug: "t"\nvisibility: "private"\n'
        'image_sources: [{"caption": "\\ud800", "url": "https://e.org/1.png"}]\n---\n\nText.\n'
    )

    record, problems = read(text, "exported/weirs/n-7.md")

    assert record is None
    assert [one.code for one in problems if one.severity == "error"] == ["bad_character"]
