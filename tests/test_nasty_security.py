"""Inputs that attack pages, terminals, spreadsheets, addresses and statements; by the command."""

import io
import json
import socket
from contextlib import suppress
from html.parser import HTMLParser
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse

from posts.content import escaped
from posts.models import ImportedPost, ImportReject, Post, Revision, Slug
from tests.nasty_inputs import Refused, assert_refused, check_line, import_posts, line

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


# --- Pages ----------------------------------------------------------------------------------------

ATTACKS = {
    "script element": "<script>attack()</script>",
    "script element in capitals": "<ScRiPt src=//evil.example/x.js></sCrIpT>",
    "handler": "<img src=x onerror=attack()>",
    "handler without a space": "<svg/onload=attack()>",
    "svg with a script": "<svg><script>attack()</script></svg>",
    "link to a script": "[click](javascript:attack())",
    "link to a script with a tab": "[click](java\tscript:attack())",
    "link to a script in entities": "[click](&#106;avascript:attack())",
    "link to data": "[click](data:text/html;base64,PHNjcmlwdD4=)",
    "link to VBScript": "<a href='vbscript:attack()'>click</a>",
    "picture of data": "![x](data:image/svg+xml;base64,PHN2Zz4=)",
    "style overlay": "<div style='position:fixed;inset:0;z-index:99999'>pay here</div>",
    "style element": "<style>body{display:none}</style>",
    "frame": "<iframe src='https://evil.example/'></iframe>",
    "form": "<form action='https://evil.example/'><input name=password></form>",
    "base": "<base href='https://evil.example/'>",
    "refresh": "<meta http-equiv=refresh content='0;url=https://evil.example/'>",
    "comment that closes": "<!-- --><script>attack()</script> -->",
    "template of the server": "{{ settings.SECRET_KEY }}{% load static %}",
    "end of the title": "</title><script>attack()</script>",
    "end of an attribute": "\"'><script>attack()</script>",
    "end of a JSON script": "</script><script>attack()</script>",
}


class Page(HTMLParser):
    """Collects what of a page could act: elements, handlers, styles, addresses, scripts' texts."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.attributes, self.scripts, self.inside = set(), [], [], False
        self.data, self.is_data = [], False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.add(tag)
        self.attributes += attrs
        # Linked data is read and never run, so it may hold any text; but nothing but JSON.
        self.is_data = tag == "script" and ("type", "application/ld+json") in attrs
        self.inside = tag == "script" and not self.is_data

    def handle_endtag(self, tag):
        self.inside = self.is_data = False

    def handle_data(self, data):
        if self.inside:
            self.scripts.append(data)
        if self.is_data:
            self.data.append(data)


def assert_harmless(text):
    page = Page(text)
    names = {name for name, _ in page.attributes}
    addresses = [
        "".join((value or "").split()).lower()
        for name, value in page.attributes
        if name in ("href", "src", "action", "formaction", "data")
    ]
    assert not page.elements & {"iframe", "base", "style", "object", "embed"}
    assert not {name for name in names if name.startswith("on")}
    assert not names & {"style", "http-equiv"}
    assert not any(a.startswith(("javascript:", "vbscript:", "data:text")) for a in addresses)
    assert not any("evil.example" in address for address in addresses)
    assert not any("attack" in script for script in page.scripts)
    assert all(isinstance(json.loads(data), dict) for data in page.data)


@pytest.mark.parametrize("name", ATTACKS)
def test_hostile_text_is_stored_as_it_came_and_harmless_on_every_page(name, tmp_path, client):
    text = ATTACKS[name]
    one_line = text.replace("\t", " ")
    (tmp_path / "a.jsonl").write_bytes(
        line(
            title=f"T {one_line}",
            body=text,
            lede=text,
            summary=text,
            topic=one_line,
            ai_brief=text,
            tags=[one_line],
            notes=[one_line],
            checklist=[one_line],
            entities=[{"name": one_line, "type": "stack"}],
            image_sources=[{"caption": one_line, "source": one_line, "alt": one_line}],
            odd={one_line: text},
            slug="attack",
        )
    )

    import_posts(tmp_path / "a.jsonl", publish=True)

    assert Revision.objects.get().body == text
    pages = [reverse(name) for name in ("home", "archive", "tag-list")]
    for address in [reverse("article", args=["attack"]), *pages]:
        response = client.get(address)
        assert response.status_code == 200
        assert_harmless(response.content.decode())


URLS = {
    "javascript": ("javascript:attack()", False),
    "data": ("data:image/svg+xml;base64,PHN2Zz4=", False),
    "file": ("file:///etc/passwd", False),
    "ftp": ("ftp://example.org/a.png", False),
    "without a scheme": ("//evil.example/a.png", False),
    "path above": ("../../../etc/passwd", False),
    "blank in front of the host": ("http:// 127.0.0.1/", False),
    "loopback": ("http://127.0.0.1:8000/admin/logout/", True),
    "loopback as a number": ("http://2130706433/", True),
    "loopback of version 6": ("http://[::1]/", True),
    "metadata address": ("http://169.254.169.254/latest/meta-data/", True),
    "password in the address": ("https://user:secret@example.org/a.png", True),
    "host that looks allowed": ("https://picsum.photos.evil.example/a.png", True),
    "host behind an at sign": ("https://picsum.photos@evil.example/a.png", True),
    "line separator": ("https://example.org/\u2028a", True),
}


@pytest.mark.parametrize("name", URLS)
def test_picture_address_is_refused_or_stored_and_never_asked_for(
    name, tmp_path, client, monkeypatch
):
    url, is_stored = URLS[name]
    asked = []
    monkeypatch.setattr(socket.socket, "connect", lambda *arguments: asked.append(arguments))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *arguments, **more: asked.append(arguments))
    (tmp_path / "a.jsonl").write_bytes(
        line(slug="attack", body="![x](image:1)", image_sources=[{"url": url, "caption": "x"}])
        + line("n-2")
    )

    outcome = import_posts(tmp_path / "a.jsonl", publish=True)

    assert asked == []
    if not is_stored:
        assert_refused(
            outcome, [Refused("bad_url", "image_sources[0].url", url, "http or https")], line=1
        )
        assert outcome.counts == {"created": 1, "rejected": 1}
        return
    assert outcome.counts == {"created": 2}
    text = client.get(reverse("article", args=["attack"])).content.decode()
    shown = [value for name, value in Page(text).attributes if name in ("src", "srcset")]
    assert not any(url in (value or "") for value in shown)
    assert asked == []


# --- Terminals ------------------------------------------------------------------------------------

ESCAPES = {
    "clear the screen": "\x1b[2J",
    "set the title": "\x1b]0;owned\x07",
    "set the title, eight bits": "\x9d0;owned\x9c",
    "control sequence, eight bits": "\x9b2J",
    "device status": "\x1b[6n",
    "backspaces": "rejected\x08\x08\x08\x08\x08\x08\x08\x08created",
    "carriage return": "\rRun 1 complete",
    "line feed": "\nRun 1 complete: source notes",
    "form feed": "\x0c",
    "delete": "\x7f",
    "shift out": "\x0e",
    "bidi override": "\u202eetelpmoc",
    "right-to-left mark": "\u200f",
    "line separator": "\u2028Run 1 complete",
}


def told_by(path, *arguments):
    """Run the command without --json; return everything that it and its progress would show."""
    out, err = io.StringIO(), io.StringIO()
    with suppress(SystemExit):
        call_command(
            "import_posts", str(path), "--source", "notes", *arguments, stdout=out, stderr=err
        )
    return out.getvalue() + err.getvalue()


@pytest.mark.parametrize("arguments", [[], ["--dry-run"], ["--show", "20"]], ids=str)
@pytest.mark.parametrize("name", ESCAPES)
def test_nothing_in_a_record_steers_the_terminal(name, arguments, tmp_path, capfd):
    text = ESCAPES[name]
    records = [
        line("n-0", title=f"a{text}b", topic=f"a{text}b", summary=f"a{text}b", body=f"# a{text}b"),
        line("n-1", tags=[f"a{text}b"], notes=[f"a{text}b"], difficulty=f"a{text}b"),
        line("n-2", **{f"a{text}b": f"a{text}b", "score": {f"a{text}b": f"a{text}b"}}),
        line("n-3", published_at=f"a{text}b", language=f"a{text}b", slug=f"a{text}b"),
        line("n-4", image_sources=[{"url": f"a{text}b", "caption": f"a{text}b"}]),
        line("n-5", view_count=f"a{text}b", revision={"last_reviewed": f"a{text}b"}),
        line("n-6", entities=[{f"a{text}b": 1}], odd={"deep": {f"a{text}b": [f"a{text}b"]}}),
        b'{"key": "n-7", a' + text.encode() + b"b\n",
        line("n-8", extra={f"a{text}b": {f"a{text}b": 1e300}}),
    ]
    if "\n" not in text:
        records.append(b"a" + text.encode() + b"b\n")
    if not set(text) & {"\u202e", "\u200f", "\u2028"}:
        records.append(line(f"n{text}9"))  # as a key these three are allowed, with a warning
    (tmp_path / "a.jsonl").write_bytes(b"".join(records))

    shown = told_by(tmp_path / "a.jsonl", *arguments) + "".join(capfd.readouterr())

    assert "a.jsonl:" in shown
    assert f"a{text}b" not in shown
    assert not [mark for mark in text if mark != "\n" and not mark.isprintable() and mark in shown]
    rejects = Path("rejects-notes.jsonl")
    rows = rejects.read_text("utf-8").split("\n")[:-1] if rejects.exists() else []
    assert bool(rows) == ("--show" not in arguments)
    for row in rows:
        for told in json.loads(row).values():
            assert escaped(str(told)) == str(told)


# --- Spreadsheets ---------------------------------------------------------------------------------

FORMULAS = ["=1+1", "+1+1", "-1+1", "@SUM(A1)", "=cmd|' /C calc'!A0", '=HYPERLINK("http://e","x")']


@pytest.mark.parametrize("formula", FORMULAS)
def test_no_line_of_the_rejects_file_begins_as_a_formula(formula, tmp_path):
    (tmp_path / "a.jsonl").write_bytes(
        line("n-1")
        + formula.encode()
        + b"\n"
        + line(formula, title="")
        + line("n-2", difficulty=formula, **{formula: float(10**300)})
    )

    outcome = import_posts(tmp_path / "a.jsonl")

    rows = Path("rejects-notes.jsonl").read_text("utf-8").split("\n")[:-1]
    assert outcome.counts == {"created": 1, "rejected": 3}
    assert all(row.startswith('{"run": ') for row in rows)
    assert {json.loads(row)["code"] for row in rows} == {
        *("bad_json", "missing_title", "bad_choice", "out_of_range")
    }
    assert formula in {json.loads(row)["key"] for row in rows}
    assert formula in {json.loads(row)["value"] for row in rows}
    assert ImportReject.objects.filter(key=formula).exists()


# --- Paths and addresses --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "slug",
    ["../../x", "/etc/passwd", "a/b", "..", ".", "a%2fb", "a?b", "a#b", "a\\b", "a b", "A", "-"],
)
def test_slug_that_is_a_path_is_refused(slug, tmp_path):
    wanted = Refused("bad_slug", "slug", slug, "lower-case letters")

    check_line(tmp_path, line(slug=slug), wanted)

    assert not Slug.objects.filter(slug=slug).exists()


@pytest.mark.parametrize("key", ["../../x", "/etc/passwd", "a/../b", "C:\\x", "a\\..\\b", "~", "."])
def test_key_that_is_a_path_writes_no_file_and_gets_an_ordinary_address(key, tmp_path, monkeypatch):
    folder = tmp_path / "deep" / "er" / "in"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder.parent)
    (folder / "a.jsonl").write_bytes(line(key) + line("n-2", title=""))
    before = set(tmp_path.rglob("*"))

    outcome = import_posts(folder)

    assert outcome.counts == {"created": 1, "rejected": 1}
    assert set(tmp_path.rglob("*")) - before == {folder.parent / "rejects-notes.jsonl"}
    assert ImportedPost.objects.get().key == key
    assert Post.objects.get().slug.startswith("a-note-")


@pytest.mark.parametrize("source", ["../x", "a/b", "a\x1b[2J", "a\nb", " a", "", "x" * 500])
def test_source_that_is_a_path_or_steers_is_wrong_usage(source, tmp_path):
    (tmp_path / "a.jsonl").write_bytes(line())

    with pytest.raises(CommandError):
        call_command("import_posts", str(tmp_path / "a.jsonl"), "--source", source)

    assert not Post.objects.exists()
    assert [path.name for path in tmp_path.iterdir()] == ["a.jsonl"]


# --- Statements -----------------------------------------------------------------------------------

META = [
    r"\N", r"\.", "\\", "\\\\N", "a\\", r"\x41", r"\'", "'", '"', "''", "'; DROP TABLE a; --", "%s",
    "%(key)s", "%%", "{0}", "$1", "$$", "{a,b}", "NULL", "(1,2)", "--", "/*", ";", "\u00a0",
]  # fmt: skip
PLACES = {
    "title": lambda text: {"title": text},
    "lede": lambda text: {"lede": text},
    "body": lambda text: {"body": text},
    "topic": lambda text: {"topic": text},
    "summary": lambda text: {"summary": text},
    "ai_brief": lambda text: {"ai_brief": text},
    "code_language": lambda text: {"code_language": text},
    "reference": lambda text: {"reference": text},
    "hash": lambda text: {"hash": text},
    "stack": lambda text: {"stack": [text]},
    "tools": lambda text: {"tools": [text]},
    "tags": lambda text: {"tags": [text]},
    "checklist": lambda text: {"checklist": [text]},
    "notes": lambda text: {"notes": [text]},
    "entities": lambda text: {"entities": [{"name": text, "type": text[:50]}]},
    "image_sources": lambda text: {"image_sources": [{"caption": text, "source": text}]},
    "ai_outline": lambda text: {"ai_outline": {"context": text}},
    "revision": lambda text: {"revision": {"status": text, "version": text}},
    "payload": lambda text: {"payload": {"generator": text}},
    "extra": lambda text: {"odd": {"name": [text]}},
}


@pytest.mark.parametrize("place", PLACES)
def test_characters_of_statements_and_of_copy_are_stored_as_they_came(place, tmp_path):
    texts = [text for text in META if text.strip()]
    records = [
        line(f"{number:02d}{text}", **PLACES[place](f"{text}")) for number, text in enumerate(texts)
    ]
    (tmp_path / "a.jsonl").write_bytes(b"".join(records))

    outcome = import_posts(tmp_path / "a.jsonl", batch_size=7)

    assert outcome.counts == {"created": len(texts)}
    assert len({key for (key,) in ImportedPost.objects.values_list("key")}) == len(texts)
    for number, text in enumerate(texts):
        revision = Revision.objects.get(post__imported__key=f"{number:02d}{text}")
        told = json.dumps(
            [revision.title, revision.lede, revision.body, revision.meta], ensure_ascii=False
        )
        assert json.dumps(text, ensure_ascii=False)[1:-1] in told
    assert import_posts(tmp_path / "a.jsonl").counts == {"unchanged": len(texts)}
