"""Somebody's whole Jekyll site: every file told of, nothing of its structure lost without a word.

The posts are read where they lie; some of them are broken on purpose.
"""

import io
import json
from collections import Counter
from pathlib import Path

import pytest
from django.core.management import call_command
from lxml import html as lxml_html

from posts.commonmark import parser_for
from posts.importing.formats import front_matter, inputs, markdown, opened, records
from posts.importing.records import validate
from tests.conftest import MISSING_SAMPLES

ARCHIVE = Path(__file__).resolve().parent.parent.parent / "shared" / "corpora" / "jekyll"

pytestmark = pytest.mark.skipif(
    not ARCHIVE.is_dir(), reason=f"{MISSING_SAMPLES} in ../shared/corpora/jekyll"
)

ELEMENTS = {
    "a": "links",
    "img": "images",
    "ul": "lists",
    "ol": "lists",
    "li": "items",
    "table": "tables",
    "pre": "code blocks",
    "blockquote": "quotes",
    **{f"h{level}": "headings" for level in range(1, 7)},
}

#: Where the structure differs, and why that is right.
DIFFERENCES = {
    # Blocks of `{% highlight %}` were paragraphs to CommonMark, and `>` in them quotes.
    "2014-03-27-jekyll-1-5-1-released.markdown": ({"quotes": 2}, {"code blocks": 2}),
    "2015-01-24-jekyll-3-0-0-beta1-released.markdown": ({}, {"code blocks": 1}),
    "2016-04-19-jekyll-3-0-4-released.markdown": ({}, {"code blocks": 1}),
    "2018-01-28-closed-liquid-block-excerpt.markdown": ({}, {"code blocks": 1}),
    "2018-01-28-open-liquid-block-excerpt.markdown": ({}, {"code blocks": 1}),
    # A reference with a mark was a paragraph to CommonMark, and took the next one with it.
    "2016-02-08-jekyll-3-0-3-released.markdown": ({}, {"links": 1}),
    # A heading above everything became the title of a post without one.
    "2014-01-06-permalink-traversal.md": ({"headings": 1}, {}),
}


def structure(text, *, reads_html):
    """Return how many elements of each kind a Markdown text renders to."""
    parser = parser_for(text, reads_html=reads_html)
    html = parser.renderer.render(parser.parse(text), parser.options, {})
    tree = lxml_html.fromstring(f"<div>{html}</div>")
    return Counter(
        ELEMENTS[element.tag]
        for element in tree.iter(*ELEMENTS)
        if element.tag != "a" or element.get("href")
    )


def test_structure_of_every_post_survives():
    differences, posts = {}, 0
    for source in inputs([str(ARCHIVE)]):
        with opened(source) as ready:
            if ready.reader is not markdown:
                continue
            (raw,) = records(ready)
        record, problems = validate(markdown, raw)
        assert record is not None, problems
        posts += 1
        text = raw.raw.partition(b"\0")[2].decode().removeprefix("\ufeff")
        before = structure(front_matter.read(text).body, reads_html=True)
        after = structure(record.snapshot.body, reads_html=False)
        if before != after:
            found = (dict(before - after), dict(after - before))
            differences[source.member.rpartition("/")[2]] = found

    assert posts > 150
    assert differences == DIFFERENCES


def run(*options):
    out = io.StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command(
            "import_posts", str(ARCHIVE), "--source", "site", "--json", *options, stdout=out
        )
    return ended.value.code, json.loads(out.getvalue())


@pytest.mark.django_db
def test_every_file_is_accounted_for_and_a_second_run_changes_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    files = len(inputs([str(ARCHIVE)]))

    code, first = run("--format", "markdown")
    _, second = run("--format", "markdown")

    assert code == 0
    assert first["read"] == files
    assert first["created"] + first["filtered"] == files
    assert sorted(first["left_out"]) == ["unknown_format: html-file", "unknown_format: yml-file"]
    assert first["filtered"] == 3  # one .yml, and two pieces of HTML without front matter
    assert second["unchanged"] == first["created"]
    assert second["filtered"] == 3
