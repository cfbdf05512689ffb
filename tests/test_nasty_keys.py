"""The key by which a record is looked up is the key it is stored under, whatever the bytes.

Readers find the key without decoding the rest; where that shortcut and the decoder disagree, a
record that was accepted could not be stored, or only under another post's identity.
"""

import json
import random

import pytest

from posts.importing.formats import READERS
from posts.importing.records import Position, RawRecord, validate
from tests.importing_samples import export_text, line_fields
from tests.test_damaged_documents import READ

TEXT = export_text()
BULLET = "  • source id: alphanode-000417"


def keys(data, format_name):
    """Return the key of the shortcut and the key of the accepted record, None when refused."""
    reader = READERS[format_name]
    raw = RawRecord(data, Position("sample", 1, 1, 0, len(data)))
    record, _ = validate(reader, raw)
    return reader.key_of(raw), record.key if record else None


EXPORTS = {
    **{name: variant.document for name, variant in READ.items()},
    "a source id in a list of the article": TEXT.replace(
        "  • run both", "  • source id: another-1\n  • run both", 1
    ),
    "a source id in the tail": TEXT + "\n  • source id: another-1",
    "the marker in the tail": TEXT + "\nalphanode post meta explained",
    "three spaces in front of the source id": TEXT.replace(BULLET, " " + BULLET),
    "a no-break space in front of the source id": TEXT.replace(BULLET, "\u00a0" + BULLET[1:]),
    "spaces around the source id": TEXT.replace(BULLET, BULLET.replace(": ", ":  ") + "  "),
}


@pytest.mark.parametrize("name", EXPORTS)
def test_keys_of_a_text_export_agree(name):
    document = EXPORTS[name]
    data = document.encode() if isinstance(document, str) else document

    found, stored = keys(data, "text-export")

    assert stored in (None, found)
    assert stored is not None or name not in READ


LINES = {
    "blanks around": b" \t%s \t\r\n",
    "byte order mark": b"\xef\xbb\xbf%s",
}
VALUES = [b"1e-400", b"-0", b"-0.0", b"1E+2", b"0.1e1", b"9007199254740991", b'"\\u00e9"', b'"\\/"']
VALUES += [b'{"key": "inner"}', b"[[[[[[[1]]]]]]]", b'"\xf0\x9f\xa7\xaa"', b'"\\ud83e\\uddea"']


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("around", LINES)
def test_keys_of_a_line_agree(around, value):
    line = json.dumps(line_fields()).encode()[:-1] + b', "odd": ' + value + b"}"

    assert keys(LINES[around] % line, "jsonl") == ("alphanode-000417", "alphanode-000417")


PIECES = {
    "text-export": ["\n", "\r", "\u00a0", "  ", "• ", "source id: x-1", "payload", TEXT[900:980]],
    "jsonl": ['"key"', '"', "\\u00e9", "\\ud800", "{", "}", "1e-999", "1e999", " ", "null,", "[]"],
}
WHOLE = {"text-export": TEXT, "jsonl": json.dumps(line_fields())}


@pytest.mark.parametrize("format_name", WHOLE)
def test_keys_agree_whatever_the_damage(format_name):
    chance = random.Random(11)
    accepted = 0
    for _ in range(1_500):
        text = WHOLE[format_name]
        for _ in range(chance.randint(1, 3)):
            at = chance.randrange(len(text))
            to = at + chance.choice((0, 0, 1, 9))
            text = text[:at] + chance.choice(PIECES[format_name]) + text[to:]
        found, stored = keys(text.encode("utf-8", "surrogatepass"), format_name)
        assert stored in (None, found), text
        accepted += stored is not None
    assert accepted > 100
