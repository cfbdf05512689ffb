"""WordPress exports: what becomes of items, dates, addresses and pictures, and of dirty files.

The rules that every format keeps are in `test_formats`.
"""

import io
import re
import sys
import tracemalloc
from contextlib import suppress
from pathlib import Path

import pytest
from django.core.management import call_command

from posts import claims
from posts.importing import formats
from posts.importing.formats import Input, InputError, sniff, wxr, xml_items
from posts.importing.records import is_filtered, validate
from tests.importing_samples import codes

SAMPLE = Path(__file__).parent / "data" / "wxr" / "weirs.xml"
TEXT = SAMPLE.read_text("utf-8")
HEAD, _, REST = TEXT.partition("\t<item>")
FOOT = "</channel>\n</rss>\n"


def read(data):
    """Return (raw, record, problems) of what an export holds."""
    data = data.encode() if isinstance(data, str) else data
    raws = list(wxr.records(io.BytesIO(data), Input("w.xml", None, member="w.xml")))
    return [(raw, *validate(wxr, raw)) for raw in raws]


def item(body="Text.", *, head=HEAD, foot=FOOT, more="", **changes):
    """Return an export of one post; a text given as None is left out."""
    texts = {
        "title": "A note",
        "link": "https://weirs.example/a-note/",
        "dc:creator": "ada",
        "wp:post_id": "7",
        "wp:post_date": "2012-03-05 09:15:00",
        "wp:post_date_gmt": "2012-03-05 08:15:00",
        "wp:post_name": "a-note",
        "wp:status": "publish",
        "wp:post_type": "post",
        **{name.replace("__", ":"): text for name, text in changes.items()},
    }
    listed = "".join(f"<{name}>{text}</{name}>" for name, text in texts.items() if text is not None)
    content = f"<content:encoded><![CDATA[{body}]]></content:encoded>"
    return f"{head}<item>{listed}{content}{more}</item>{foot}"


def only(data):
    """Return the record of an export of one post and what was found in it."""
    ((_, record, problems),) = read(data)
    return record, problems


def meta(key, value):
    return (
        f"<wp:postmeta><wp:meta_key>{key}</wp:meta_key>"
        f"<wp:meta_value><![CDATA[{value}]]></wp:meta_value></wp:postmeta>"
    )


# --- The sample -----------------------------------------------------------------------------------


def test_post_of_the_sample():
    _, record, problems = read(TEXT)[0]
    found = record.snapshot.meta

    assert record.key == "weirs.example:post:41"
    assert record.slug == "reading-a-weir"
    assert record.snapshot.title == "Reading a weir by hand & eye"
    assert found.author == "Ada Nuss"
    assert found.published_at == "2012-03-05T09:15:00+01:00"
    assert found.former_urls == (*("/2012/03/reading-a-weir/", "/?p=41", "/2012/03/weir-reading/"),)
    assert found.tags == ("Field work", "weirs")
    assert found.summary == "How to read a weir."
    assert found.language == "en-US"
    assert found.extra == {
        "status": "publish",
        "is_sticky": True,
        "modified": "2014-07-01T10:00:00+02:00",
        "terms": {"post_format": ["Aside"]},
        "post_meta": {"station": 'a:1:{s:6:"number";i:4;}'},
    }
    assert [(image.url, image.caption) for image in found.image_sources] == [
        ("https://weirs.example/files/boat.jpg", "the boat"),
        ("https://weirs.example/files/board.jpg", "a board in brown water"),
        ("https://weirs.example/files/board.jpg", "The board"),
    ]
    assert codes(problems) == ["shortcode", "comments_left_out", "unknown_member"]


def test_body_of_the_sample_keeps_its_structure():
    _, record, _ = read(TEXT)[0]
    body = record.snapshot.body

    for part in (
        *("Go twice.\\\nWrite it down.", "## What to take", "- a **lamp**", "The board after"),
        *("> Nobody trusts", "| low | 0.4 |", "```sh\ngauge read --station 4\n\ngauge log\n```"),
        *("[pencils](https://weirs.example/2012/02/pencils/)", '`[river station="4"]`'),
        *("(https://video.example/watch?v=weir)", "(https://maps.example/embed?q=weir)"),
        *("![The board](image:3)\n\n![the boat](image:1)",),
    ):
        assert part in body


def test_page_of_the_sample():
    _, record, _ = read(TEXT)[2]

    assert record.key == "weirs.example:page:2"
    assert record.snapshot.title == "About us"
    assert record.snapshot.meta.author == "bo"
    assert record.snapshot.meta.extra["post_type"] == "page"
    assert "`a]]>b`" in record.snapshot.body
    assert 'latest-posts {"postsToShow":3}' in record.snapshot.body
    assert record.snapshot.meta.image_sources[0].url == "https://weirs.example/files/boat.jpg"


def test_what_is_no_post_is_left_out_with_its_type():
    left_out = [problems[0].value for _, _, problems in read(TEXT) if is_filtered(problems)]

    assert left_out == ["attachment", "nav_menu_item", "attachment"]


def test_password_and_comments_stay_outside():
    _, record, problems = read(TEXT)[3]

    assert {"password_left_out", "title_made"} <= set(codes(problems))
    assert record.snapshot.meta.extra["status"] == "draft, with password"
    for raw, *_ in read(TEXT):
        assert b"tide" not in raw.raw
        assert b"I was there" not in raw.raw


# --- Dates ----------------------------------------------------------------------------------------

NONE = "0000-00-00 00:00:00"


@pytest.mark.parametrize(
    ("local", "greenwich", "told", "published_at"),
    [
        ("2012-03-05 09:15:00", "2012-03-05 08:15:00", "", "2012-03-05T09:15:00+01:00"),
        ("2012-03-05 08:15:00", "2012-03-05 08:15:00", "", "2012-03-05T08:15:00+00:00"),
        ("2012-03-05 13:45:00", "2012-03-05 08:15:00", "", "2012-03-05T13:45:00+05:30"),
        ("2011-01-05 09:15:00", "2012-03-05 08:15:00", "", "2012-03-05T08:15:00+00:00"),
        (NONE, "2012-03-05 08:15:00", "", "2012-03-05T08:15:00+00:00"),
        (NONE, NONE, "Mon, 05 Mar 2012 08:15:00 +0000", "2012-03-05T08:15:00+00:00"),
        (NONE, NONE, "Wed, 30 Nov -0001 00:00:00 +0000", ""),
        (NONE, NONE, "Mon, 99 Foo 2012 08:15:00 +0000", ""),
        ("2023-02-29 24:00:00", "2023-02-29 24:00:00", "", ""),
        (NONE, NONE, "", ""),
    ],
)
def test_dates(local, greenwich, told, published_at):
    record, problems = only(
        item(wp__post_date=local, wp__post_date_gmt=greenwich, pubDate=told or None)
    )

    assert record.snapshot.meta.published_at == published_at
    assert problems == []


def test_date_without_a_zone_is_kept_and_told():
    record, problems = only(item(wp__post_date_gmt=NONE, wp__status="draft"))

    assert codes(problems, "warning") == ["local_date"]
    assert record.snapshot.meta.published_at == ""
    assert record.snapshot.meta.extra == {"post_date": "2012-03-05 09:15:00", "status": "draft"}


# --- Identity and addresses -----------------------------------------------------------------------


def with_site(address):
    return HEAD.replace("https://weirs.example</wp:base_blog", f"{address}</wp:base_blog")


@pytest.mark.parametrize(
    ("site", "key"),
    [
        ("https://weirs.example", "weirs.example:post:7"),
        ("http://Weirs.example/", "weirs.example:post:7"),
        ("https://example.org/~ada/blog", "example.org/~ada/blog:post:7"),
        ("", "weirs.example:post:7"),
    ],
)
def test_key_is_made_of_site_type_and_number(site, key):
    record, _ = only(item(head=with_site(site)))

    assert record.key == key


def test_long_site_still_gives_a_key():
    record, _ = only(item(head=with_site("https://example.org/" + "a" * 300)))

    assert re.fullmatch(r"[a-z2-7]{10}:post:7", record.key)


def test_item_without_a_number_is_refused():
    record, problems = only(item(wp__post_id=None))

    assert record is None
    assert codes(problems, "error") == ["missing_key"]


def test_number_used_twice_gives_two_posts():
    one, other = item(), item(wp__post_name="another", title="Another")
    both = one.removesuffix(FOOT) + other.removeprefix(HEAD)
    again = one.removesuffix(FOOT) + one.removeprefix(HEAD)

    keys = [record.key for _, record, _ in read(both)]

    assert keys[0] == "weirs.example:post:7"
    assert keys[1].startswith("weirs.example:post:7:")
    assert len({record.key for _, record, _ in read(again)}) == 1


@pytest.mark.parametrize(
    ("link", "guid", "old_slug", "former_urls"),
    [
        ("https://weirs.example/a/b/", "", "c", ("/a/b/", "/a/c/")),
        ("https://www.weirs.example/a.html", "", "c", ("/a.html", "/c")),
        ("http://weirs.example//a/%ce%b5/", "", "", ("/a/%ce%b5/",)),
        ("https://weirs.example/?p=7", "https://weirs.example/?p=7", "c", ("/?p=7",)),
        ("https://weirs.example/a/", "https://weirs.example/?p=9", "", ("/a/",)),
        ("https://weirs.example/a/", "https://weirs.example/b/", "", ("/a/", "/b/")),
        ("https://elsewhere.example/a/", "https://elsewhere.example/?p=7", "c", ()),
        ("https://weirs.example/", "urn:uuid:7", "", ()),
        ("javascript:alert(1)", "http://[weirs", "", ()),
    ],
)
def test_addresses_of_the_site_itself_are_kept(link, guid, old_slug, former_urls):
    more = meta("_wp_old_slug", old_slug) if old_slug else ""
    record, problems = only(item(link=link, guid=guid, more=more))

    assert record.snapshot.meta.former_urls == former_urls
    assert problems == []


@pytest.mark.parametrize("name", ["%ce%b5%cf%80", "", "a__b", "A-Note", "é"])
def test_name_that_is_no_slug_is_left_to_the_title(name):
    record, _ = only(item(wp__post_name=name))

    assert record.slug is None


# --- Texts ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("title", "shown"),
    [
        ("<![CDATA[A <em>b</em>]]>", "A b"),
        ("R&amp;amp;D", "R&D"),
        ("a &lt; b &gt; c", "a < b > c"),
        ("two\n lines", "two lines"),
        ("<![CDATA[a]]><![CDATA[b]]>", "ab"),
        ("a<!-- x -->b", "ab"),
    ],
)
def test_titles(title, shown):
    record, problems = only(item(title=title))

    assert record.snapshot.title == shown
    assert problems == []


@pytest.mark.parametrize(
    ("body", "name", "title"),
    [
        ("One [two](x) <b>three</b>.", "a-note", "One [two](x) three."),
        ("", "a-note", "a note"),
        ("", "", "post 7"),
        ('[caption id="a_1"]<img src="a.png">The gauge[/caption]', "", "The gauge"),
    ],
)
def test_missing_title_is_made_and_told(body, name, title):
    record, problems = only(item(body, title="", wp__post_name=name))

    assert codes(problems, "repair") == ["title_made"]
    assert record.snapshot.title == title


def test_gallery_without_numbers_shows_the_pictures_of_the_post():
    text = TEXT.replace('[gallery ids="43,44"]', "[gallery]")

    assert "![The board](image:3)" in read(text)[0][1].snapshot.body


def test_gallery_of_unknown_pictures_stays_visible():
    record, _ = only(item('[gallery ids="901,902"]'))

    assert record.snapshot.body == '`[gallery ids="901,902"]`'


def test_galleries_beyond_all_measure_stay_visible():
    text = TEXT.replace('[gallery ids="43,44"]', "[gallery] " * 5_000)

    body = read(text)[0][1].snapshot.body

    assert body.count("`[gallery]`") == 4_000
    assert len(body) < 200_000


def test_featured_image_leads_the_text():
    text = TEXT.replace(',44"]', '"]')

    record = read(text)[0][1]

    assert record.snapshot.body.startswith("![the boat](image:1)\n\nGo twice.")


@pytest.mark.parametrize(
    "address", ["/files/boat.jpg", "javascript:alert(1)", "https://a b", "https://x/" + "y" * 3_000]
)
def test_featured_image_without_an_address_is_none(address):
    text = TEXT.replace("<wp:attachment_url>https://weirs.example/files/boat.jpg<",
                        f"<wp:attachment_url>{address}<").replace(",44\"]", "\"]")  # fmt: skip

    record, problems = read(text)[0][1:]

    assert codes(problems, "error") == []
    assert record.snapshot.body.startswith("Go twice.")


def test_excerpt_that_is_too_long_is_an_unknown_field():
    record, _ = only(item(excerpt__encoded="word " * 1_000))

    assert record.snapshot.meta.summary == ""
    assert record.snapshot.meta.extra["elements"]["excerpt"].startswith("word word")


def test_attachment_may_stand_before_its_post():
    head, *items = re.split(r"(?=\t<item>)", TEXT.removesuffix(FOOT))
    turned = "".join([head, *reversed(items), FOOT])

    found = {record.key: record.snapshot for _, record, _ in read(turned) if record}

    assert found == {record.key: record.snapshot for _, record, _ in read(TEXT) if record}


def test_post_meta_is_kept_as_far_as_it_may():
    record, problems = only(
        item(
            more=meta("river", "Inn") + meta("river", "Sill") + meta("layout", "x" * 200_000)
            + meta("_edit_lock", "1:1") + meta("_oembed_123", "<b>") + meta("", "nameless")
            + meta("title", "not the title") + "<media:credit xmlns:media='m'>Bo</media:credit>"
        )
    )  # fmt: skip

    assert record.snapshot.title == "A note"
    assert record.snapshot.meta.extra["post_meta"] == {
        "river": ["Inn", "Sill"],
        "title": "not the title",
    }
    assert record.snapshot.meta.extra["elements"] == {"credit": "Bo"}
    assert "meta_left_out" in codes(problems, "warning")


def test_tags_that_are_too_many_or_too_long_do_not_refuse_the_post():
    terms = "".join(
        f'<category domain="post_tag"><![CDATA[{name}]]></category>'
        for name in (*(f"tag {number}" for number in range(250)), "x" * 300)
    )
    record, problems = only(item(more=terms))

    assert len(record.snapshot.meta.tags) == 200
    assert len(record.snapshot.meta.extra["terms"]["tags"]) == 51
    assert "tag_left_out" in codes(problems, "warning")
    assert codes(problems, "error") == []


def test_millions_of_terms_and_meta_are_bounded():
    terms = "<category>x" + "</category><category>x".join(map(str, range(30_000))) + "</category>"
    record, problems = only(item(more=terms + meta("river", "Inn") * 10_000))

    assert len(record.snapshot.meta.tags) == 200
    assert len(record.snapshot.meta.extra["post_meta"]["river"]) == 10_000
    assert len(problems) < 10


def test_unfinished_post_is_left_out():
    ((_, record, problems),) = read(item(wp__status="auto-draft"))

    assert record is None
    assert is_filtered(problems)


# --- Dirty files ----------------------------------------------------------------------------------

DIRTY = {
    "version 1.0": (item().replace("export/1.2/", "export/1.0/").replace(">1.2<", ">1.0<"), []),
    "https in the namespace": (item().replace("http://wordpress.org", "https://wordpress.org"), []),
    "no version": (item().replace("<wp:wxr_version>1.2</wp:wxr_version>", ""), ["wxr_version"]),
    "odd version": (item().replace(">1.2</wp:wxr", ">abc</wp:wxr"), ["wxr_version"]),
    "another prefix": (item().replace("wp:", "x:").replace("xmlns:wp", "xmlns:x"), []),
    "control characters": (item("Te\x08x\x1ft."), ["control_removed"]),
    "a bare ampersand": (item(title="A note"[:-4] + "note", wp__x="R&D"), ["bad_xml"]),
    "an entity of HTML": (item(excerpt__encoded="a&nbsp;b &hellip;"), ["bad_xml"]),
    "a reference to no character": (item(excerpt__encoded="a&#8;b&#xFFFF;"), ["bad_xml"]),
    "an end of a section too many": (item(more="<wp:x>]]></wp:x>"), ["bad_xml"]),
    "bytes that are no UTF-8": (item("caf\udce9").encode("utf-8", "surrogateescape"),
                                ["bad_encoding"]),
    "blank lines before the declaration": ("\n\n " + item(), []),
    "a byte order mark": (item().encode("utf-8-sig"), []),
    "a warning of PHP before it": ("<br />\n<b>Warning</b>: x<br />\n" + item(), []),
    "carriage returns": (item().replace("\n", "\r\n"), []),
    "a harmless document type": (item().replace("<rss", "<!DOCTYPE rss>\n<rss", 1), []),
    "tags with space": (item().replace("<item>", "<item >").replace("</item>", "</item\n>"), []),
    "Latin-1 declared": (item("caf\u00e9").replace("UTF-8", "ISO-8859-1", 1).encode("latin-1"), []),
    "Windows-1252 declared": (
        item("caf\u00e9 \u2013").replace("UTF-8", "windows-1252", 1).encode("cp1252"), []
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DIRTY)
def test_dirty_export_is_read_all_the_same(name):
    data, found = DIRTY[name]
    data = data.encode() if isinstance(data, str) else data
    record, problems = only(data)

    assert sniff("x", data) == "wxr"
    assert record is not None, problems
    assert record.key == "weirs.example:post:7"
    assert [code for code in codes(problems) if code != "unknown_member"] == found
    if "declared" in name:
        assert record.snapshot.body.startswith("café")


def test_default_namespace_instead_of_a_prefix():
    data = item(
        wp__post_id=None, more='<post_id xmlns="http://wordpress.org/export/1.2/">7</post_id>'
    )

    assert only(data)[0].key == "weirs.example:post:7"


def test_prefix_that_is_bound_again_means_what_it_is_bound_to():
    data = item(more='<wp:post_id xmlns:wp="http://example.org/other/">9</wp:post_id>')

    assert only(data)[0].key == "weirs.example:post:7"


def test_namespaces_that_nobody_declared_are_told_beside_the_post():
    (_, record, _), (_, none, problems) = read(re.sub(r'\s+xmlns:\w+="[^"]*"', "", item()))

    assert record.key == "weirs.example:post:7"
    assert none is None
    assert codes(problems) == ["bad_xml"]


def test_broken_item_is_refused_alone():
    broken = item(title="a < b")
    data = item().removesuffix(FOOT) + broken.removeprefix(HEAD).removesuffix(FOOT)
    data += item(wp__post_id="8").removeprefix(HEAD)

    (_, one, _), (raw, none, problems), (_, other, _) = read(data)

    assert (one.key, none, other.key) == ("weirs.example:post:7", None, "weirs.example:post:8")
    assert codes(problems, "error") == ["bad_xml"]
    assert raw.position.record == 2
    assert (
        data.encode()[raw.position.byte : raw.position.end]
        == b"<item>" + broken.partition("<item>")[2].removesuffix(FOOT).encode()
    )


@pytest.mark.parametrize("share", [0.2, 0.5, 0.7, 0.9, 0.99])
def test_truncated_export_gives_its_whole_items_first(share):
    data = TEXT.encode()[: int(len(TEXT.encode()) * share)]
    whole = data.count(b"</item>")

    found = read(data)

    assert len(found) == whole + 1
    assert [raw for raw, *_ in found[:whole]][1:] == [raw for raw, *_ in read(TEXT)[1:whole]]
    _, record, (problem,) = found[-1]
    assert record is None
    assert problem.retryable
    assert problem.code in ("truncated_record", "truncated_input")


UNSAFE = {
    "entities": '<!DOCTYPE rss [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>',
    "an entity with an item in it": '<!DOCTYPE rss [<!ENTITY a "<item>x</item>">]>',
    "an external subset": '<!DOCTYPE rss SYSTEM "file:///etc/passwd">',
    "an external entity": '<!DOCTYPE rss [<!ENTITY a SYSTEM "file:///etc/passwd">]>',
    "a parameter entity": '<!DOCTYPE rss [<!ENTITY % a "x">%a;]>',
}


@pytest.mark.parametrize("name", UNSAFE)
def test_document_type_of_its_own_is_refused(name):
    data = item().replace("<rss", f"{UNSAFE[name]}\n<rss", 1)

    with pytest.raises(InputError, match="unsafe_xml"):
        read(data)


def test_document_type_inside_an_item_is_not_well_formed():
    record, problems = only(item(more='<!DOCTYPE x [<!ENTITY a "b">]>'))

    assert record is None
    assert codes(problems, "error") == ["bad_xml"]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_wide_encoding_is_one_refusal(encoding):
    data = TEXT.encode(encoding)

    assert sniff("x", data[: formats.opening.HEAD_BYTES]) == "wxr"
    ((_, record, problems),) = read(data)
    assert record is None
    assert codes(problems) == ["bad_encoding"]


@pytest.mark.parametrize(
    "data",
    [b"", b"<rss", b"<html><body>x</body></html>", b"\0" * 5_000, HEAD.encode(), b"<item>" * 100],
)
def test_what_is_no_export_has_no_post(data):
    assert not [record for _, record, _ in read(data) if record]


@pytest.mark.parametrize("encoding", ["utf-80", "rot13", "utf-16", "cp037", "idna"])
def test_encoding_that_cannot_be_read_is_one_refusal(encoding):
    ((_, record, problems),) = read(item().replace("UTF-8", encoding, 1))

    assert record is None
    assert codes(problems) == ["bad_encoding"]


def test_feed_of_a_wordpress_site_is_no_export():
    feed = item().replace("http://wordpress.org/export/1.2/", "http://example.org/")

    assert sniff("x", feed.replace("wp:", "w:").encode()) != "wxr"


@pytest.mark.parametrize("is_within", [True, False])
def test_elements_in_each_other_without_end_are_given_up(is_within):
    deep = "<a>" * 500_000
    data = item(more=deep + "</a>" * 500_000) if is_within else HEAD + deep + item(head="")

    found = read(data)

    assert "bad_xml" in codes(found[-1][2], "error")


def test_second_export_behind_the_first_is_told():
    found = read(item() + item(wp__post_id="8"))

    assert [record.key for _, record, _ in found[:2]] == [
        *("weirs.example:post:7", "weirs.example:post:8"),
    ]
    assert codes(found[2][2]) == ["bad_xml"]


@pytest.mark.parametrize(
    ("beginning", "code"),
    [(b"<!--", "bad_xml"), (b"<wp:category a='", "bad_xml"), (b"<![CDATA[", "truncated_input")],
)
def test_endless_token_outside_of_the_items_is_given_up(beginning, code):
    data = HEAD.encode() + beginning + b"x" * 6_000_000

    ((_, record, problems),) = read(data)

    assert record is None
    assert codes(problems) == [code]


# --- Sizes ----------------------------------------------------------------------------------------


def test_item_that_is_too_large_is_refused_alone(monkeypatch):
    monkeypatch.setattr(xml_items, "RECORD_BYTES_MAX", 300_000)
    data = item("x" * 1_000_000).removesuffix(FOOT) + item(wp__post_id="8").removeprefix(HEAD)

    (raw, _, problems), (_, record, _) = read(data)

    assert codes(problems, "error") == ["record_too_large"]
    assert len(raw.raw) <= 1024
    assert raw.position.end - raw.position.byte > 1_000_000
    assert record.key == "weirs.example:post:8"


@pytest.mark.parametrize("step", [1, 7, 64, 1000])
def test_pieces_do_not_depend_on_how_the_stream_is_cut(monkeypatch, step):
    whole = list(xml_items.pieces(io.BytesIO(TEXT.encode())))
    monkeypatch.setattr(xml_items, "_STEP_BYTES", step)

    class Slow(io.BytesIO):
        def read(self, size=-1):
            return super().read(min(size, step))

    parts = list(xml_items.pieces(Slow(TEXT.encode())))

    assert [p for p in parts if p.kind != "around"] == [p for p in whole if p.kind != "around"]
    assert b"".join(p.data for p in parts) == TEXT.encode()


def many(number):
    """Yield the bytes of an export of many posts, each with an attachment."""
    yield HEAD.encode()
    for at in range(number):
        text = item("word " * 200, wp__post_id=str(2 * at + 1), more=meta("_thumbnail_id", 2 * at))
        yield text.removeprefix(HEAD).removesuffix(FOOT).encode()
        picture = item(
            "", wp__post_id=str(2 * at), wp__post_type="attachment",
            wp__attachment_url=f"https://weirs.example/{at}.jpg",
        )  # fmt: skip
        yield picture.removeprefix(HEAD).removesuffix(FOOT).encode()
    yield FOOT.encode()


def memory_for(number, folder):
    path = folder / f"{number}.xml"
    with path.open("wb") as file:
        file.writelines(many(number))
    (source,) = formats.inputs([str(path)])
    tracemalloc.start()
    with formats.opened(source) as ready:
        read_ = sum(1 for raw in formats.records(ready) if not is_filtered(raw.problems))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert read_ == number
    return peak


@pytest.mark.skipif(sys.implementation.name != "cpython", reason="counts CPython's allocations")
def test_memory_does_not_grow_with_the_export(tmp_path):
    assert memory_for(600, tmp_path) < memory_for(100, tmp_path) + 300_000


# --- The command ----------------------------------------------------------------------------------


def command(*options):
    out = io.StringIO()
    with suppress(SystemExit):
        call_command("import_posts", str(SAMPLE), "--source", "weirs", *options, stdout=out)
    return out.getvalue()


@pytest.mark.django_db
def test_show_begins_with_the_first_post():
    told = command("--show", "2")

    assert told.count("read as wxr") == 2
    assert "key      weirs.example:post:41" in told
    assert "key      weirs.example:page:2" in told
    assert "no post, left out: 1 x attachment" in told


@pytest.mark.django_db
def test_summary_says_what_was_read_and_what_was_left_out(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    told = command()

    assert "  read as wxr\n" in told
    assert re.search(r"no post, left out +3\n", told)
    assert "left out: 2 x not_a_post: attachment, such as" in told
    assert "left out: 1 x not_a_post: nav_menu_item, such as" in told


# --- Claims ---------------------------------------------------------------------------------------


def test_foreign_post_contradicts_nothing():
    """Pictures within a text and a featured one are no claim that fails."""
    image = '<img src="https://weirs.example/{}.png" alt="">'
    body = f"Look {image.format(1)} here.\n<ul><li>{image.format(2)}</li></ul>\n{image.format(3)}"
    record, problems = only(item(body, more=meta("_thumbnail_id", "44")))

    check = claims.check(record.snapshot, record.statistics, key=record.key)

    assert problems == []
    assert check.contradicted == ()
    assert len(record.snapshot.meta.image_sources) == 3
