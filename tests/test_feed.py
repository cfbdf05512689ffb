"""Feeds: what entries become, what identifies them, and which feeds are refused."""

import io

import pytest

from posts.importing.formats import Input, feed, sniff
from posts.importing.records import validate
from tests.importing_samples import codes

ITEM = "<item><title>T</title><guid>g1</guid><link>https://e.example/a/</link>{}</item>"


def rss(*items, head='<?xml version="1.0"?>'):
    return f'{head}<rss version="2.0"><channel><title>C</title>{"".join(items)}</channel></rss>'


def read(text):
    data = text.encode() if isinstance(text, str) else text
    raws = feed.records(io.BytesIO(data), Input("f.xml", None, member="f.xml"))
    return [validate(feed, raw) for raw in raws]


def one(text):
    ((record, problems),) = read(text)
    return record, problems


def test_content_goes_before_summary():
    content = (
        '<c:encoded xmlns:c="http://purl.org/rss/1.0/modules/content/">&lt;p&gt;long</c:encoded>'
    )

    record, _ = one(rss(ITEM.format(f"<description>short</description>{content}")))

    assert record.snapshot.body == "long"
    assert record.snapshot.meta.summary == "short"


def test_content_alone_is_no_summary():
    atom = (
        '<feed xmlns="http://www.w3.org/2005/Atom"><entry><id>i</id><title>T</title>'
        '<content type="html">&lt;p&gt;a</content></entry></feed>'
    )

    record, _ = one(atom)

    assert (record.snapshot.body, record.snapshot.meta.summary) == ("a", "")


def test_identity_is_the_guid_trimmed_and_in_its_case():
    item = "<item><title>T</title><guid>\n Ab&amp;C </guid><link>https://e.example/</link></item>"

    assert one(rss(item))[0].key == "Ab&C"


def test_identity_of_an_entry_without_one_is_its_link():
    item = "<item><title>T</title><link>https://e.example/a</link></item>"

    assert one(rss(item))[0].key == "https://e.example/a"


def test_relative_addresses_are_those_of_the_entry():
    html = '&lt;a href="b">b&lt;/a>&lt;img src="/i.png">'

    record, _ = one(rss(ITEM.format(f"<description>{html}</description>")))

    assert record.snapshot.body == "[b](https://e.example/a/b)![](image:1)"
    assert record.snapshot.meta.image_sources[0].url == "https://e.example/i.png"


def test_former_address_is_the_path_of_the_link():
    assert one(rss(ITEM.format("")))[0].snapshot.meta.former_urls == ("/a/",)


def test_enclosed_picture_that_the_text_shows_is_not_shown_twice():
    html = '&lt;img src="https://e.example/i.png">'
    file = '<enclosure url="https://e.example/i.png" type="image/png"/>'

    record, _ = one(rss(ITEM.format(f"<description>{html}</description>{file}")))

    assert len(record.snapshot.meta.image_sources) == 1


def test_entry_without_a_title_is_rejected():
    record, problems = one(rss("<item><guid>g</guid><description>x</description></item>"))

    assert record is None
    assert codes(problems, "error") == ["missing_title"]


def test_entry_without_any_identity_is_rejected():
    record, problems = one(rss("<item><title>T</title></item>"))

    assert record is None
    assert codes(problems, "error") == ["missing_key"]


def test_ill_formed_feed_is_read_as_far_as_it_goes():
    broken = rss(ITEM.format("<description>a & b<br></description>")).replace(
        "</channel></rss>", ""
    )

    record, _ = one(broken)

    assert record.snapshot.body == "a & b"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "iso-8859-1", "windows-1252"])
def test_declared_encoding_is_read(encoding):
    text = rss(ITEM.format("<description>f\xfcnf</description>"), head="").encode(encoding)
    head = f'<?xml version="1.0" encoding="{encoding}"?>'.encode(encoding)

    record, _ = one(text if encoding == "utf-16" else head + text)

    assert record.snapshot.body == "fünf"


BOMB = (
    '<?xml version="1.0"?><!DOCTYPE {} [<!ENTITY a "{}">'
    + "".join(
        f'<!ENTITY {name} "{f"&{before};" * 10}">'
        for before, name in zip("abcdefgh", "bcdefghi", strict=True)
    )
    + "]>"
)


@pytest.mark.parametrize(
    "head",
    [
        BOMB.format("rss", "lol" * 10),
        '<!DOCTYPE rss [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
        '<!-- <rss> --><!DOCTYPE rss [<!ENTITY x "y">]>',
        '<?xml version="1.0"?>\n<!DOCTYPE rss SYSTEM "a.dtd" [\n%b;]>',
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_feed_that_declares_entities_is_refused(head, encoding):
    data = rss(ITEM.format("<description>&i;&x;</description>"), head=head).encode(encoding)

    record, problems = one(data)

    assert sniff("f.xml", data) == "feed"
    assert record is None
    assert codes(problems) == ["unsafe_xml"]


def test_document_type_without_declarations_is_read():
    head = (
        '<!DOCTYPE rss PUBLIC "-//Netscape Communications//DTD RSS 0.91//EN" '
        '"http://my.netscape.com/publish/formats/rss-0.91.dtd">'
    )

    assert one(rss(ITEM.format(""), head=head))[0].key == "g1"


def test_feed_larger_than_the_bound_is_refused():
    data = rss(ITEM.format("x" * (feed.FEED_BYTES_MAX + 1)))

    record, problems = one(data)

    assert record is None
    assert codes(problems) == ["record_too_large"]
    assert f"{feed.FEED_BYTES_MAX:,}" in problems[0].expected


@pytest.mark.parametrize(
    "text",
    [
        "<rss>",
        "<feed></feed>",
        "<rss>" + "<" * 50_000,
        "<rss><channel><item>" + "<b>" * 2_000,
        "<rss><channel><item x='>' " + " ".join(f'a{n}="1"' for n in range(40_000)) + ">",
        "<rss><channel><item><description>" + "&amp;" * 20_000,
        "<feed><entry><content type='xhtml'>" + "<div>" * 1_000,
        "<rss><channel>" + "<item>" * 300,
    ],
)
def test_feed_that_is_none_is_refused_and_never_raises(text):
    for record, problems in read(text):
        assert record is None
        assert codes(problems, "error")


@pytest.mark.parametrize(
    ("head", "is_feed"),
    [
        (b'\xef\xbb\xbf<?xml version="1.0"?>\n<!-- x --><feed xmlns="a">', True),
        (b'<rss version="2.0">', True),
        (b'<rss xmlns:wp="http://wordpress.org/export/1.2/">', False),
        (b'<rdf:RDF xmlns="http://purl.org/rss/1.0/">', True),
        (b'<rdf:RDF xmlns="http://xmlns.com/foaf/0.1/">', False),
        (b"<html><rss>", False),
        (b"rss", False),
        (b"", False),
    ],
)
def test_feed_is_known_by_its_root(head, is_feed):
    assert feed.matches("x", head) is is_feed
