"""What the schemas of sitemaps.org (sitemap.xsd, siteindex.xsd, version 0.9) demand, as a check.

In: the bytes of a document. Out: its (address, moment) pairs, or an AssertionError. Stricter in one
thing: each line has exactly an address and a moment, in the order of the schema.
"""

import datetime as dt
import re
from urllib.parse import urlsplit
from xml.etree import ElementTree

NAMESPACE = "{http://www.sitemaps.org/schemas/sitemap/0.9}"
#: tLastmod is the union of xsd:date and xsd:dateTime; ours are always the latter, with an offset.
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
LOCATION_LENGTHS = range(12, 2049)  # tLoc
MOST = 50_000
BYTES_MAX = 50 * 1024 * 1024


def check_sitemap(body, *, root, line):
    """Return [(address, moment)] of a `urlset` of `url`s or a `sitemapindex` of `sitemap`s."""
    assert len(body) <= BYTES_MAX
    assert body.startswith(b'<?xml version="1.0" encoding="UTF-8"?>')
    document = ElementTree.fromstring(body)  # noqa: S314 (what this project wrote)
    assert document.tag == f"{NAMESPACE}{root}"
    assert not document.attrib
    assert 1 <= len(document) <= MOST
    found = []
    for element in document:
        assert element.tag == f"{NAMESPACE}{line}"
        assert [child.tag for child in element] == [f"{NAMESPACE}loc", f"{NAMESPACE}lastmod"]
        address, moment = (child.text for child in element)
        assert len(address) in LOCATION_LENGTHS
        parts = urlsplit(address)
        assert parts.scheme in ("http", "https")
        assert parts.netloc
        assert address.isascii()
        assert MOMENT.fullmatch(moment), moment
        found.append((address, dt.datetime.fromisoformat(moment)))
    assert len({address for address, _ in found}) == len(found)
    return found
