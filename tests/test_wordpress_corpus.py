"""A real WordPress export: every item is accounted for, and what its texts hold survives.

The export lies outside of the project; its sentences stay there.
"""

import io
import json
import os
from collections import Counter
from pathlib import Path

import msgspec
import pytest
from django.core.management import call_command
from lxml import html

from posts.importing import formats
from posts.importing.export import canonical_lines
from posts.importing.records import is_filtered, validate
from tests.conftest import MISSING_SAMPLES
from tests.html_documents import shown_structure

ROOT = Path(__file__).resolve().parent.parent
CORPORA = Path(os.environ.get("ALPHANODE_CORPORA") or ROOT / "../shared/corpora")
EXPORT = CORPORA / "wordpress" / "themeunittestdata.wordpress.xml"

pytestmark = pytest.mark.skipif(not EXPORT.is_file(), reason=f"{MISSING_SAMPLES} in {CORPORA}")

KINDS = {
    **dict.fromkeys(("h1", "h2", "h3", "h4", "h5", "h6"), "heading"),
    **dict.fromkeys(("ul", "ol"), "list"),
    **{"a": "link", "img": "image", "pre": "code", "blockquote": "quote", "table": "table"},
}

#: What an article has more than the HTML of its export, and why. Nothing has less.
GAINED = {
    "post:555": ({"image": 200, "link": 40}, "galleries of its pictures; beyond 200 as links"),
    "post:1031": ({"image": 6}, "a gallery"),
    "post:1736": ({"image": 2, "code": 12}, "a gallery; twelve blocks the editor fills in"),
    **dict.fromkeys(("post:1178", "page:1134", "page:1809"), ({"code": 1}, "code of many lines")),
    "post:1011": ({"image": 1}, "its featured image"),
    "post:1016": ({"image": 1}, "its featured image"),
    "post:1163": ({"image": 1}, "its featured image"),
    "post:1177": ({"image": 1}, "its featured image"),
    "post:582": ({"link": 1}, "an embedded address"),
    "post:1161": ({"link": 1}, "an embedded address"),
    "post:1179": ({"link": 1}, "an embedded address"),
    "post:1738": ({"link": 5}, "embedded addresses"),
    "post:1730": ({"image": 1, "link": 3}, "the picture of a cover; audio and video"),
    "post:1745": ({"image": 4, "link": 3}, "pictures of covers; videos of covers"),
}


@pytest.fixture(scope="module")
def texts():
    """Return (key, HTML of the export, record) of every post."""
    (source,) = formats.inputs([str(EXPORT)])
    found = []
    with formats.opened(source) as ready:
        assert ready.reader.NAME == "wxr"
        for raw in formats.records(ready):
            record, problems = validate(ready.reader, raw)
            if record is None:
                assert is_filtered(problems)
                continue
            content = msgspec.json.decode(raw.raw)["texts"].get("content:encoded", "")
            found.append((record.key.partition(":")[2], content, record))
    return found


def tree_of(text):
    return html.fromstring(f"<div>{text}</div>")


def test_structure_of_every_text_survives(texts):
    for key, content, record in texts:
        before = Counter(
            KINDS[element.tag]
            for element in tree_of(content).iter()
            if element.tag in KINDS and (element.tag != "a" or element.get("href"))
        )
        gained, _ = GAINED.get(key, ({}, ""))

        assert shown_structure(record.snapshot.body) == before + Counter(gained), key


def test_no_difference_is_listed_for_nothing(texts):
    assert set(GAINED) <= {key for key, *_ in texts}


def test_address_of_every_link_and_image_survives(texts):
    for key, content, record in texts:
        body, images = record.snapshot.body, record.snapshot.meta.image_sources
        shown = {image.url for image in images}
        for element in tree_of(content).iter("a", "img", "iframe"):
            address = element.get("href") or element.get("src") or ""
            if address.startswith(("http://", "https://")):
                written = address.replace("_", "\\_") in body or address in body
                assert written or address in shown, (key, address)


def import_export():
    out = io.StringIO()
    with pytest.raises(SystemExit):
        call_command("import_posts", str(EXPORT), "--source", "blog", "--json", stdout=out)
    return json.loads(out.getvalue())


@pytest.mark.django_db
def test_every_item_is_accounted_for_and_a_second_run_changes_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first = import_export()
    before = b"".join(canonical_lines())

    second = import_export()

    assert (first["read"], first["created"], first["filtered"], first["rejected"]) == (
        *(180, 72, 108, 0),
    )
    assert first["left_out"] == {"not_a_post: attachment": 38, "not_a_post: nav_menu_item": 70}
    assert (second["unchanged"], second["filtered"]) == (72, 108)
    assert b"".join(canonical_lines()) == before
