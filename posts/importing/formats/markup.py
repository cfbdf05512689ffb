"""How a document of tags begins: its first element, and whether it declares entities.

In: the first bytes of a document, in any encoding that keeps ASCII, or in UTF-16 or UTF-32. Out:
names and problems. Parses nothing further.
"""

from __future__ import annotations

import re

import msgspec

from posts.content import Problem, shown

_WIDE_MARKS = b"\xff\xfe\0\xef\xbb\xbf"
_SKIPPED = re.compile(rb"\s+|<\?.*?\?>|<!--.*?-->", re.DOTALL)
_DOCTYPE = re.compile(rb"<!DOCTYPE\s[^>\[]*(?P<subset>\[)?", re.IGNORECASE)
_ELEMENT = re.compile(rb"<([A-Za-z_][\w:.-]{0,100})(?=[\s/>])")


#: Attributes of one element; parsers compare each with those before it.
ATTRIBUTES_MAX = 1_000
#: No shorter tag can have so many.
_TAG_BYTES = 3 * ATTRIBUTES_MAX
_TAG = re.compile(
    rb"""<!\[CDATA\[|<!--|<[A-Za-z_:](?P<rest>(?:[^"'<>]|"[^"]*"|'[^']*')*+)>""",
)
_ENDS = {b"<![CDATA[": b"]]>", b"<!--": b"-->"}
_ATTRIBUTE = re.compile(rb"""=\s*(?:"[^"]*"|'[^']*')""")


class Prolog(msgspec.Struct, frozen=True):
    """What stands first: the name of the root in lower case, the document type as written."""

    root: str = ""
    doctype: str = ""
    declares_entities: bool = False


def prolog(head: bytes) -> Prolog:
    """Return how content begins; nothing for what does not begin with tags."""
    if b"\0" in head[:4] or head.startswith((b"\xff\xfe", b"\xfe\xff")):
        head = head.replace(b"\0", b"")
    head = head.lstrip(_WIDE_MARKS)
    at = 0
    doctype = ""
    is_own = False
    while True:
        if skipped := _SKIPPED.match(head, at):
            at = skipped.end()
        elif declared := _DOCTYPE.match(head, at):
            doctype = doctype or declared[0].decode("utf-8", "replace")
            is_own = is_own or declared["subset"] is not None
            end = head.find(b"]" if declared["subset"] else b">", declared.end())
            closed = head.find(b">", end) if end >= 0 else -1
            if closed < 0:
                return Prolog("", doctype, is_own)
            at = closed + 1
        else:
            break
    root = _ELEMENT.match(head, at)
    return Prolog(root[1].decode().lower() if root else "", doctype, is_own)


def unsafe(begins: Prolog) -> Problem:
    """Return the refusal of a document that declares entities."""
    return Problem(
        code="unsafe_xml",
        value=shown(begins.doctype),
        expected="XML without entities or declarations of its own",
        hint="remove the part of the DOCTYPE between [ and ], and what refers to it",
    )


def too_wide(data: bytes) -> Problem | None:
    """Return the refusal of a document with an element of far too many attributes."""
    at = 0
    while tag := _TAG.search(data, at):
        at = tag.end()
        if tag[0] in _ENDS:
            end = data.find(_ENDS[tag[0]], at)
            if end < 0:
                break  # what goes on to the end of the document holds no element
            at = end
            continue
        rest = tag["rest"] or b""
        count = len(_ATTRIBUTE.findall(rest)) if len(rest) > _TAG_BYTES else 0
        if count > ATTRIBUTES_MAX:
            return Problem(
                code="xml_too_wide",
                value=f"{count:,} attributes of one element",
                expected=f"at most {ATTRIBUTES_MAX:,}",
                hint="mend the document at its source",
            )
    return None
