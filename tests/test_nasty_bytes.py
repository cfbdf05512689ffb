"""Nasty bytes and texts, through the command: each is stored, mended or refused as the table says.

A nasty record stands between two good ones, which always go in; every input is imported twice.
"""

import unicodedata

import pytest

from posts.models import ImportedPost, Revision, Tag
from tests.importing_samples import export_text
from tests.nasty_inputs import (
    AFTER,
    Refused,
    Stored,
    archive,
    assert_refused,
    check_line,
    import_posts,
    line,
    told,
)

pytestmark = pytest.mark.django_db

ZALGO = "Z\u0351\u0366\u0321a\u0334\u0329l\u0337\u034bg\u0489\u0316o\u0335\u031d"
EMOJI = "\U0001f9ea\U0001f468\u200d\U0001f469\u200d\U0001f467"


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def normal(text):
    return unicodedata.normalize("NFC", text)


def body_is(text):
    return lambda revision: revision.body == text


def title_is(text):
    return lambda revision: revision.title == text


LINES = {
    "byte order mark in the middle": (
        b"\xef\xbb\xbf" + line(), Refused("bad_json", "", "\ufeff", "JSON")
    ),
    "Latin-1 in UTF-8": (
        b'{"key": "n-1", "title": "caf\xe9"}', Refused("bad_encoding", "", "byte 0xe9 at byte ")
    ),
    "overlong UTF-8": (
        b'{"key": "n-1", "title": "\xc0\xaf"}', Refused("bad_encoding", "", "byte 0xc0 at byte ")
    ),
    "surrogate as UTF-8": (
        b'{"key": "n-1", "title": "\xed\xa0\x80"}', Refused("bad_encoding", "", "byte 0xed")
    ),
    "NUL as a byte in a title": (
        line(title="a~b").replace(b"~", b"\0"), Refused("bad_json", "", r"a\x00b")
    ),
    "NUL as a byte between records": (b"\0\0\0\0", Refused("bad_json", "", r"\x00")),
    "NUL as escape in a key": (
        line("n\x001"), Refused("control_character", "key", r"n\x001", "no control")
    ),
    "NUL as escape in a title": (
        line(title="a\0b"), Refused("control_character", "title", r"a\x00b", "without control")
    ),
    "NUL as escape in a tag": (
        line(tags=["a\0b"]), Refused("control_character", "tags[0]", r"a\x00b")
    ),
    "NUL as escape in a URL": (
        line(image_sources=[{"url": "https://example.org/a\0b"}]),
        Refused("control_character", "image_sources[0].url", r"a\x00b"),
    ),
    "NUL as escape in a body": (
        line(body="a\0b"), Stored(("control_removed",), body_is("ab"))
    ),
    "NUL as escape in an unknown field": (
        line(odd="a\0b"),
        Stored(("control_removed", "unknown_member"), lambda r: r.meta["extra"] == {"odd": "ab"}),
    ),
    "NUL as escape in a name": (
        line(**{"o\0d": 1}), Refused("control_character", r" (a name)", r"o\x00d")
    ),
    "lone surrogate in a key": (
        rb'{"key": "n-\ud800", "title": "T"}', Refused("bad_character", "key", r"n-\ud800")
    ),
    "lone surrogate in a title": (
        rb'{"key": "n-1", "title": "\ud800"}', Refused("bad_character", "title", r"\ud800")
    ),
    "lone surrogate in a body": (
        rb'{"key": "n-1", "title": "T", "body": "a\udfffb"}',
        Refused("bad_character", "body", r"a\udfffb"),
    ),
    "lone surrogate in a tag": (
        rb'{"key": "n-1", "title": "T", "tags": ["\udc00"]}',
        Refused("bad_character", "tags[0]", r"\udc00"),
    ),
    "U+FFFE and U+FFFF in a title": (
        line(title="a\ufffeb\uffffc"), Stored((), title_is("a\ufffeb\uffffc"))
    ),
    "line separators in a body": (
        line(body="a\u2028b\u2029c"), Stored((), body_is("a\u2028b\u2029c"))
    ),
    "line separator in a title": (line(title="a\u2028b"), Stored((), title_is("a\u2028b"))),
    "next line in a body": (line(body="a\x85b"), Stored(("control_removed",), body_is("ab"))),
    "next line in a title": (
        line(title="a\x85b"), Refused("control_character", "title", r"a\x85b")
    ),
    "carriage returns in a body": (
        line(body="a\r\nb\rc"), Stored(("line_ends",), body_is("a\nb\nc"))
    ),
    "carriage return behind a record": (line().strip() + b"\r", Stored()),
    "escape sequence in a title": (
        line(title="\x1b]0;owned\x07\x1b[2J"),
        Refused("control_character", "title", r"\x1b]0;owned\x07\x1b[2J"),
    ),
    "decomposed title": (line(title="cafe\u0301"), Stored(("not_nfc",), title_is("café"))),
    "decomposed slug": (line(slug="cafe\u0301"), Refused("bad_slug", "slug", "cafe\u0301")),
    "emoji in a slug": (line(slug="a-\U0001f9ea"), Refused("bad_slug", "slug", "a-\U0001f9ea")),
    "emoji as the title": (
        line(title=EMOJI),
        Stored(("invisible",), lambda r: r.title == EMOJI and r.post.slug.isascii()),
    ),
    "zero-width joiner in a key": (
        line("n\u200d1"), Stored(("invisible",), lambda r: r.post.imported.key == "n\u200d1")
    ),
    "bidi override in a title": (
        line(title="a\u202eb"), Stored(("invisible",), title_is("a\u202eb"))
    ),
    "bidi override in a URL": (
        line(image_sources=[{"url": "https://example.org/\u202egpj.exe"}]),
        Stored(("image_mismatch", "invisible"), lambda r: len(r.meta["image_sources"]) == 1),
    ),
    "Zalgo in a title": (line(title=ZALGO), Stored(("not_nfc",), title_is(normal(ZALGO)))),
    "Zalgo beyond the limit": (line(title="Z" + "\u0351" * 300), Refused("too_long", "title")),
    "COPY's end mark as a line": (
        line(body="a\n\\.\nb"), Stored((), body_is("a\n\\.\nb"))
    ),
    "COPY's end mark as title and key": (
        line(r"\.", title=r"\."), Stored((), title_is(r"\."))
    ),
    "COPY's NULL as title and key": (line(r"\N", title=r"\N"), Stored((), title_is(r"\N"))),
    "backslash at the end": (line("a\\", title="a\\", body="b\\"), Stored((), body_is("b\\"))),
    "tabs in a body": (line(body="a\tb\t\\t"), Stored((), body_is("a\tb\t\\t"))),
    "tab in a title": (line(title="a\tb"), Refused("line_break", "title", r"a\tb", "one line")),
}  # fmt: skip


@pytest.mark.parametrize("name", LINES)
def test_nasty_line_between_good_ones(name, tmp_path):
    check_line(tmp_path, *LINES[name])


def wide(text, encoding, mark=b""):
    """Return a text in an encoding of two or four bytes a character."""
    return mark + text.encode(encoding)


GOOD = (line("n-1") + line("n-2")).decode()
WIDE = {
    "UTF-16 with mark, little endian": ("utf-16-le", b"\xff\xfe"),
    "UTF-16 with mark, big endian": ("utf-16-be", b"\xfe\xff"),
    "UTF-16, little endian": ("utf-16-le", b""),
    "UTF-16, big endian": ("utf-16-be", b""),
    "UTF-32 with mark, little endian": ("utf-32-le", b"\xff\xfe\0\0"),
    "UTF-32 with mark, big endian": ("utf-32-be", b"\0\0\xfe\xff"),
    "UTF-32, little endian": ("utf-32-le", b""),
    "UTF-32, big endian": ("utf-32-be", b""),
}


@pytest.mark.parametrize("is_named", [True, False], ids=["file", "folder"])
@pytest.mark.parametrize("text", [GOOD, export_text()], ids=["lines", "text export"])
@pytest.mark.parametrize("name", WIDE)
def test_other_encoding_is_one_reject_of_the_file(name, text, is_named, tmp_path):
    encoding, mark = WIDE[name]
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a").write_bytes(wide(text, encoding, mark))
    (folder / "b").write_bytes(line())

    outcome = import_posts(*([folder / "a", folder / "b"] if is_named else [folder]))

    assert_refused(outcome, [Refused("bad_encoding", "", "at byte", "UTF-8")], line=1, byte=0)
    assert outcome.counts == {"created": 1, "rejected": 1}


FILES = {
    "empty file": (b"", [Refused("unknown_format", "", "nasty", "jsonl, text-export")], []),
    "only a byte order mark": (b"\xef\xbb\xbf", [Refused("unknown_format", "", "nasty")], []),
    "only blank lines": (b"\n \n\r\n", [Refused("unknown_format", "", "nasty")], []),
    "only NUL": (b"\0" * 100, [Refused("unknown_format", "", "nasty")], []),
    "byte order mark at the start": (b"\xef\xbb\xbf" + GOOD.encode(), [], ["n-1", "n-2"]),
    "CRLF": (GOOD.encode().replace(b"\n", b"\r\n"), [], ["n-1", "n-2"]),
    "CRLF and LF mixed": (GOOD.encode().replace(b"\n", b"\r\n", 1), [], ["n-1", "n-2"]),
    "CR only": (GOOD.encode().replace(b"\n", b"\r"), [Refused("bad_json", "", "n-2", "Extra")], []),
    "no newline at the end": (GOOD.encode().rstrip(), [], ["n-1", "n-2"]),
    "last line cut": (
        GOOD.encode()[:-12], [Refused("bad_json", "", "n-2", "JSON; ")], ["n-1"]
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_nasty_file_beside_a_good_one(name, tmp_path):
    data, refused, keys = FILES[name]
    (tmp_path / "nasty").write_bytes(data)
    (tmp_path / "good").write_bytes(line(AFTER))

    first = import_posts(tmp_path / "nasty", tmp_path / "good")

    if refused:
        assert_refused(first, refused)
    assert first.told["rejected"] == len(refused)
    assert stored_keys() == {*keys, AFTER}
    before = archive()
    assert import_posts(tmp_path / "nasty", tmp_path / "good").told["created"] == 0
    assert archive() == before


def stored_keys():
    return set(ImportedPost.objects.values_list("key", flat=True))


# --- Text exports ---------------------------------------------------------------------------------

PARAGRAPH = "keep the old command"
TITLE = "replacing a nightly export with a stream in go services"


def export(old=PARAGRAPH, new=PARAGRAPH):
    assert old in export_text()
    return export_text().replace(old, new, 1).encode("utf-8", "surrogateescape")


EXPORTS = {
    "COPY's end mark as a paragraph": (export(PARAGRAPH, "\\.\n\n" + PARAGRAPH), r"\."),
    "COPY's NULL as a paragraph": (export(PARAGRAPH, "\\N\n\n" + PARAGRAPH), r"\N"),
    "backslashes and tabs": (export(PARAGRAPH, "a\\b\tc " + PARAGRAPH), r"a\b"),
    "NUL in a paragraph": (export(PARAGRAPH, "a\0b " + PARAGRAPH), "ab"),
    "U+2028 in a paragraph": (export(PARAGRAPH, "a\u2028b " + PARAGRAPH), "a b"),
    "U+0085 in a paragraph": (export(PARAGRAPH, "a\x85b " + PARAGRAPH), "a b"),
    "carriage returns": (export().replace(b"\n", b"\r"), PARAGRAPH),
    "byte order mark": (b"\xef\xbb\xbf" + export(), PARAGRAPH),
    "bidi override": (export(PARAGRAPH, "a\u202eb " + PARAGRAPH), "a\u202eb"),
    "U+FFFF": (export(PARAGRAPH, "a\uffffb " + PARAGRAPH), "a\uffffb"),
    "decomposed": (export(PARAGRAPH, "cafe\u0301 " + PARAGRAPH), "café"),
    "Zalgo": (export(PARAGRAPH, ZALGO + " " + PARAGRAPH), normal(ZALGO)),
    "empty": (b"", Refused("unknown_format")),
    "Latin-1": (
        export(PARAGRAPH, "caf\udce9 " + PARAGRAPH), Refused("bad_encoding", "", "byte 0xe9")
    ),
    "surrogate as UTF-8": (
        export(PARAGRAPH, "\udced\udca0\udc80" + PARAGRAPH),
        Refused("bad_encoding", "", "byte 0xed"),
    ),
    "escape sequence in the title": (
        export(TITLE, "\x1b[2J" + TITLE), Refused("control_character", "title", r"\x1b[2J")
    ),
    "COPY's NULL as the title": (export(TITLE, r"\N"), PARAGRAPH),
    "title of 1 MB": (export(TITLE, "t" * 2**20), Refused("too_long", "title", "ttt", "300")),
}  # fmt: skip


@pytest.mark.parametrize("name", EXPORTS)
def test_nasty_text_export(name, tmp_path):
    data, wanted = EXPORTS[name]
    (tmp_path / "1-nasty").write_bytes(data)
    (tmp_path / "2-good").write_bytes(line(AFTER))

    first = import_posts(tmp_path / "1-nasty", tmp_path / "2-good")

    if isinstance(wanted, Refused):
        assert_refused(first, [wanted])
        assert stored_keys() == {AFTER}
    else:
        assert first.counts == {"created": 2}, told(first.rejects)
        assert wanted in Revision.objects.get(post__imported__key="alphanode-000417").body
    before = archive()
    assert import_posts(tmp_path / "1-nasty", tmp_path / "2-good").told["created"] == 0
    assert archive() == before


# --- Names that look alike ------------------------------------------------------------------------


def test_two_spellings_of_one_key_are_one_post(tmp_path):
    path = tmp_path / "nasty.jsonl"
    path.write_bytes(line("caf\u00e9") + line("cafe\u0301") + line(" caf\u00e9 "))

    outcome = import_posts(path)

    assert outcome.counts == {"created": 1, "unchanged": 2}
    assert outcome.findings == {"not_nfc", "trimmed"}
    assert stored_keys() == {"café"}


def test_a_zero_width_joiner_makes_another_key_and_is_told(tmp_path):
    path = tmp_path / "nasty.jsonl"
    path.write_bytes(line("n1") + line("n\u200d1"))

    outcome = import_posts(path)

    assert outcome.counts == {"created": 2}
    assert outcome.told["warnings"] == {"invisible": 1}


def test_tags_in_other_case_form_or_script_are_told_apart_by_the_rule_of_the_site(tmp_path):
    names = ["İstanbul", "i\u0307stanbul", "ısı", "ISI", "straße", "STRASSE", "cafe\u0301", "CAFÉ"]
    path = tmp_path / "nasty.jsonl"
    path.write_bytes(b"".join(line(f"n-{n}", tags=[name]) for n, name in enumerate(names)))

    outcome = import_posts(path)

    assert outcome.counts == {"created": len(names)}
    assert set(Tag.objects.values_list("name", flat=True)) == {
        *("i\u0307stanbul", "ısı", "isi", "straße", "strasse", "café")
    }
    assert len(set(Tag.objects.values_list("slug", flat=True))) == 6
    assert import_posts(path).counts == {"unchanged": len(names)}
