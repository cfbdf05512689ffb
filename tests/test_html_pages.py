"""HTML pages: what is their article, what they say about themselves, which are refused."""

import io

import pytest

from posts.importing.formats import Input, html_pages
from posts.importing.records import validate
from tests.importing_samples import codes

PROSE = (
    "<p>The gauge stands in the river, and nobody reads it but in the weeks of high water, when "
    "everybody does, twice a day, and writes it down with a pencil, on paper, in a shed.</p>"
)
MENU = (
    "<nav><ul>" + "".join(f"<li><a href=/{n}>Menu {n}</a></li>" for n in range(9)) + "</ul></nav>"
)


def page(body, head="<title>T</title>"):
    return f"<!DOCTYPE html><html><head>{head}</head><body>{body}</body></html>"


def one(text, member="notes/a.html"):
    data = text.encode() if isinstance(text, str) else text
    (raw,) = html_pages.records(io.BytesIO(data), Input("x", None, member=member))
    record, problems = validate(html_pages, raw)
    if record is not None:
        assert html_pages.key_of(raw) == record.key
    return record, problems


def test_article_is_found_among_menus_with_its_structure():
    article = (
        f"{PROSE * 2}<h2 class=header>Part</h2><ul><li>a</li><li>b</li></ul>"
        "<table><tr><th>x</th></tr><tr><td>y</td></tr></table>"
        "<pre><code class=language-py><span class=comment># kept</span>\n1</code></pre>"
        f"<figure><img src=/i.png alt=A><figcaption>C</figcaption></figure>{PROSE}"
    )

    record, _ = one(page(f"{MENU}<main>{article}</main><div id=sidebar>{MENU}</div>"))

    body = record.snapshot.body
    assert "Menu" not in body
    assert "## Part\n\n- a\n- b\n\n| x |\n| --- |\n| y |\n\n```py\n# kept\n1\n```\n\n" in body


def test_key_is_the_canonical_link_else_the_path():
    canonical = '<title>T</title><link rel="canonical" href="https://e.example/a?b=1">'

    record, _ = one(page(PROSE * 3, canonical))

    assert record.key == "https://e.example/a?b=1"
    assert record.snapshot.meta.former_urls == ("/a?b=1",)
    assert one(page(PROSE * 3))[0].key == "notes/a.html"


@pytest.mark.parametrize(
    ("head", "title"),
    [
        ('<title>A | Site</title><meta property="og:title" content="B">', "B"),
        ('<script type="application/ld+json">[{"@graph": [{"headline": "C"}]}]</script>', "C"),
        ("<title>Just this</title>", "Heading"),
        ('<script type="application/ld+json">{"headline": </script>', "Heading"),
    ],
)  # fmt: skip
def test_title_is_what_the_page_says_and_stands_once(head, title):
    record, _ = one(page(f"<h1>Heading</h1>{PROSE * 3}", head))

    assert record.snapshot.title == title
    assert ("# Heading" in record.snapshot.body) is (title != "Heading")


def test_page_without_a_title_is_rejected():
    record, problems = one(page(PROSE * 3, ""))

    assert record is None
    assert codes(problems, "error") == ["missing_title"]


@pytest.mark.parametrize(
    ("head", "moment"),
    [
        ('<meta property="article:published_time" content="2020-01-02T03:04:05+01:00">',
         "2020-01-02T03:04:05+01:00"),
        ('<meta name="date" content="2020-01-02">', "2020-01-02T00:00:00Z"),
        ('<script type="application/ld+json">{"datePublished": "2020-01-02T03:04:05Z"}</script>',
         "2020-01-02T03:04:05Z"),
    ],
)  # fmt: skip
def test_date_is_read_from_metadata(head, moment):
    record, _ = one(page(PROSE * 3, f"<title>T</title>{head}"))

    assert record.snapshot.meta.published_at == moment


def test_unreadable_date_is_kept_and_said():
    record, problems = one(page(PROSE * 3, "<title>T</title><meta name=date content=gestern>"))

    assert record.snapshot.meta.extra["published"] == "gestern"
    assert "bad_date" in codes(problems, "warning")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "windows-1252"])
def test_declared_encoding_is_read(encoding):
    head = f"<title>Fünf</title><meta charset={encoding}>"

    assert one(page(PROSE * 3, head).encode(encoding))[0].snapshot.title == "Fünf"


def test_bytes_in_no_declared_encoding_are_refused():
    record, problems = one(page(PROSE).encode() + b"\xfc")

    assert record is None
    assert codes(problems) == ["bad_encoding"]


def test_huge_inline_picture_is_refused_and_its_words_stay():
    picture = f'<img src="data:image/png;base64,{"A" * 5_000_000}" alt=A>'

    record, problems = one(page("<div>" * 20 + PROSE * 3 + picture))

    assert "![A](image:0)" in record.snapshot.body
    assert "refused_url" in codes(problems, "warning")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (page("<div>" * 500 + PROSE), "html_too_deep"),
        (page("<p " + " ".join(f"a{n}=1" for n in range(5_000)) + ">x"), "html_too_wide"),
    ],
)
def test_hostile_page_is_refused(text, code):
    record, problems = one(text)

    assert record is None
    assert codes(problems, "error") == [code]


@pytest.mark.parametrize(
    ("name", "head", "is_page"),
    [
        ("x", b"<!doctype html><p>", True),
        ("x", b'<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml">', True),
        ("x.html", b"<div>x</div>", True),
        ("x.md", b"<div>x</div>\n\n# A", False),
        ("x.html", b"# A", False),
        ("x.html", b"<feed xmlns='a'>", False),
        ("x", b"", False),
    ],
)
def test_page_is_known_by_how_it_begins(name, head, is_page):
    assert html_pages.matches(name, head) is is_page


@pytest.mark.parametrize("control", ["\x0b", "\x1b", "\x1f", "\ufffe"])
def test_controls_behind_what_is_left_out_end_nothing(control):
    record, problems = one(page(f"<p>One.</p><nav>Menu</nav>{control} two.{PROSE * 2}"))

    assert record is not None, problems
    assert "Menu" not in record.snapshot.body
