"""The XML of a WordPress export: what stands around the items, and one item as plain values.

In: bytes. Out: site, authors and namespaces; an item's texts, terms and post meta. Namespaces are
known by their addresses, whatever their prefixes. Documents with entities of their own are refused.
"""

from __future__ import annotations

import re
from functools import lru_cache
from html.entities import html5
from typing import Any
from xml.parsers import expat
from xml.sax.saxutils import quoteattr

import msgspec

from posts.content import Problem, shown
from posts.importing.formats.opening import InputError

#: What a dirty export may use without saying so.
_NAMESPACES = {
    "excerpt": "http://wordpress.org/export/1.2/excerpt/",
    "content": "http://purl.org/rss/1.0/modules/content/",
    "wfw": "http://wellformedweb.org/CommentAPI/",
    "dc": "http://purl.org/dc/elements/1.1/",
    "wp": "http://wordpress.org/export/1.2/",
}
_EXPORT = re.compile(r"https?://(?:www\.)?wordpress\.org/export/[^/]*/(excerpt/)?")
#: Characters kept of what stands around the items, in all.
_CHANNEL_MAX = 10 * 2**20
#: Bytes of the longest tag, comment or section outside of the items.
_TOKEN_MAX = 4 * 2**20


@lru_cache(maxsize=1_000)
def _known(name: str) -> str:
    """Return the usual name of an element, such as `wp:post_id`, from its namespace and name."""
    namespace, _, local = name.rpartition(" ")
    if found := _EXPORT.fullmatch(namespace):
        return f"excerpt:{local}" if found[1] else f"wp:{local}"
    for prefix, address in _NAMESPACES.items():
        if namespace == address:
            return f"{prefix}:{local}"
    return local


def _unsafe(value: str) -> InputError:
    return InputError(
        Problem(
            code="unsafe_xml",
            value=value,
            expected="XML without a document type of its own and without entities",
            hint="remove the DOCTYPE; WordPress writes none",
        )
    )


#: Levels of elements; a document has six.
_DEPTH_MAX = 100
_TOO_DEEP = f"more than {_DEPTH_MAX} elements in each other"


class _TooDeepError(Exception):
    """Elements in each other without an end, each of which would be kept."""


class Channel:
    """What stands around the items: fed piece by piece, asked when an item comes."""

    def __init__(self, encoding: str) -> None:
        self.encoding = encoding
        #: login -> name that is shown
        self.authors: dict[str, str] = {}
        self.texts: dict[str, str] = {}
        #: Why the rest cannot be read.
        self.problem: Problem | None = None
        self.is_closed = False
        self._around: tuple[bytes, bytes] | None = None
        self._prefixes: dict[str, list[str]] = {}
        self._fed = 0
        self._open: list[str] = []
        self._text: list[str] = []
        self._kept = 0
        self._author: dict[str, str] = {}
        self._parser = parser = expat.ParserCreate(encoding or None, " ")
        parser.buffer_text = True
        # Newer parsers put off short pieces; an item may need what they declare.
        if hasattr(parser, "SetReparseDeferralEnabled"):
            parser.SetReparseDeferralEnabled(False)
        parser.StartDoctypeDeclHandler = self._doctype
        parser.EntityDeclHandler = self._entity
        parser.StartNamespaceDeclHandler = self._namespace
        parser.EndNamespaceDeclHandler = self._end_namespace
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters

    def feed(self, data: bytes) -> None:
        """Read on. Raises `InputError` for a document type; other faults end the reading here."""
        if self.problem is not None:
            return
        self._fed += len(data)
        try:
            self._parser.Parse(data)
        except expat.ExpatError as error:
            self._stop(expat.ErrorString(error.code))
        except (LookupError, ValueError):
            self.problem = bad_encoding(self.encoding)
        except _TooDeepError:
            self._stop(_TOO_DEEP)
        # The parser begins a token without an end anew with every piece of it.
        if self._fed - self._parser.CurrentByteIndex > _TOKEN_MAX:
            self._stop(f"more than {_TOKEN_MAX:,} bytes without an end")

    def _stop(self, reason: str) -> None:
        self.problem = Problem(
            code="bad_xml",
            value=shown(f"{reason}, outside of the items"),
            expected="well-formed XML",
            hint="export again; the items were read all the same",
        )

    def around(self) -> tuple[bytes, bytes]:
        """Return what has to stand before and behind an item for its prefixes to be known."""
        if self._around is None:
            self._around = self._declared()
        return self._around

    def _declared(self) -> tuple[bytes, bytes]:
        known = {**_NAMESPACES, **{p: uris[-1] for p, uris in self._prefixes.items() if uris}}
        declared = "".join(
            f" xmlns{':' * bool(prefix)}{prefix}={quoteattr(uri)}" for prefix, uri in known.items()
        )
        begins = f"<channel{declared}>".encode(self.encoding or "utf-8", "xmlcharrefreplace")
        return begins, b"</channel>"

    def _doctype(self, name: str, system: str | None, public: str | None, has_subset: int) -> None:
        if has_subset or system or public:
            raise _unsafe(shown(f"DOCTYPE {name}"))

    def _entity(self, name: str, *rest: Any) -> None:
        raise _unsafe(shown(f"ENTITY {name}"))

    def _namespace(self, prefix: str | None, uri: str | None) -> None:
        self._prefixes.setdefault(prefix or "", []).append(uri or "")
        self._around = None

    def _end_namespace(self, prefix: str | None) -> None:
        self._prefixes[prefix or ""].pop()
        self._around = None

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if len(self._open) == _DEPTH_MAX:
            raise _TooDeepError
        self._open.append(_known(name))
        self._text = []

    def _characters(self, text: str) -> None:
        self._kept += len(text)
        if self._kept <= _CHANNEL_MAX:
            self._text.append(text)

    def _end(self, name: str) -> None:
        element = self._open.pop()
        parent = self._open[-1] if self._open else ""
        text, self._text = "".join(self._text).strip(), []
        if not parent:
            self.is_closed = True
        elif parent == "wp:author":
            self._author[element] = text
        elif element == "wp:author":
            login = self._author.get("wp:author_login", "")
            self.authors.setdefault(login, self._author.get("wp:author_display_name", "") or login)
            self._author = {}
        elif parent == "channel":
            self.texts.setdefault(element, text)


def bad_encoding(encoding: str) -> Problem:
    """Return the problem of an encoding that cannot be read."""
    return Problem(
        code="bad_encoding",
        value=shown(encoding),
        expected="UTF-8",
        hint="convert the file to UTF-8; nothing of it was read",
    )


class Term(msgspec.Struct, frozen=True, array_like=True):
    """A category, a tag or what else an item is filed under."""

    domain: str
    name: str


class Item(msgspec.Struct):
    """An item as the export has it."""

    texts: dict[str, str] = {}
    terms: list[Term] = []
    meta: list[tuple[str, str]] = []
    comments: int = 0


#: Elements whose content is no text of the item.
_NESTED = {"wp:postmeta", "wp:comment"}


class _ItemParser:
    """One item, from its start tag to its end; texts directly below it and in its post meta."""

    def __init__(self) -> None:
        self.item = Item()
        self._open: list[str] = []
        self._text: list[str] = []
        self._domain = ""
        self._key = self._value = ""

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if len(self._open) == _DEPTH_MAX:
            raise _TooDeepError
        self._open.append(_known(name))
        if len(self._open) == 3:
            self._text = []
            self._domain = attributes.get("domain", "")
            self._key = self._value = ""
        elif len(self._open) == 4 and self._open[2] in _NESTED:
            self._text = []

    def characters(self, text: str) -> None:
        self._text.append(text)

    def end(self, name: str) -> None:
        element = self._open.pop()
        depth = len(self._open)
        if depth == 3 and self._open[2] == "wp:postmeta":
            if element == "wp:meta_key":
                self._key = "".join(self._text).strip()
            elif element == "wp:meta_value":
                self._value = "".join(self._text)
        elif depth != 2:
            return
        elif element == "wp:postmeta":
            self.item.meta.append((self._key, self._value))
        elif element == "wp:comment":
            self.item.comments += 1
        elif element == "category":
            self.item.terms.append(Term(self._domain, "".join(self._text).strip()))
        else:
            self.item.texts.setdefault(element, "".join(self._text))


#: Controls that XML has no place for, in any encoding that keeps ASCII.
_CONTROLS = bytes(number for number in range(32) if number not in b"\t\n\r")


def parsed(
    data: bytes, around: tuple[bytes, bytes], encoding: str
) -> tuple[Item | None, list[Problem]]:
    """Return the values of an item and what had to be mended; None when it cannot be read."""
    problems: list[Problem] = []
    clean = data.translate(None, _CONTROLS)
    if len(clean) < len(data):
        count = f"{len(data) - len(clean):,} control characters"
        problems.append(_repair("control_removed", count, "no controls"))
    if not encoding:
        clean = _as_utf8(clean, problems)
    item, fault = _parse(clean, around, encoding)
    if item is None:
        item, _ = _parse(_mended(clean), around, encoding)
        if item is not None:
            problems.append(_repair("bad_xml", fault, "well-formed XML"))
            fault = ""
    if item is None:
        problems.append(
            Problem(
                code="bad_xml",
                value=shown(fault),
                expected="an item of well-formed XML",
                hint="correct the item, or export it again",
            )
        )
    return item, problems


def _repair(code: str, value: str, expected: str) -> Problem:
    return Problem(code=code, value=shown(value), expected=expected, severity="repair")


def _as_utf8(data: bytes, problems: list[Problem]) -> bytes:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        problems.append(
            Problem(
                code="bad_encoding",
                value=f"byte 0x{data[error.start]:02x}",
                expected="UTF-8; what is none stands as U+FFFD",
                severity="warning",
            )
        )
        return data.decode("utf-8", "replace").encode()
    return data


def _parse(data: bytes, around: tuple[bytes, bytes], encoding: str) -> tuple[Item | None, str]:
    """Return an item, or why it is not well-formed."""
    handlers = _ItemParser()
    parser = expat.ParserCreate(encoding or "UTF-8", " ")
    parser.buffer_text = True
    parser.StartElementHandler = handlers.start
    parser.EndElementHandler = handlers.end
    parser.CharacterDataHandler = handlers.characters
    try:
        parser.Parse(around[0])
        parser.Parse(data)
        parser.Parse(around[1], True)
    except expat.ExpatError as error:
        return None, f"{expat.ErrorString(error.code)} in line {error.lineno} of the item"
    except (LookupError, ValueError) as error:
        return None, str(error)
    except _TooDeepError:
        return None, _TOO_DEEP
    return handlers.item, ""


_SECTION = re.compile(rb"(<!\[CDATA\[.*?\]\]>|<!--.*?-->)", re.DOTALL)
_REFERENCE = re.compile(
    rb"&(?:#([0-9]{1,7});|#[xX]([0-9A-Fa-f]{1,6});|([A-Za-z][A-Za-z0-9]{0,31};)?)"
)
_XML_NAMES = {b"amp;", b"lt;", b"gt;", b"quot;", b"apos;"}


def _mended(data: bytes) -> bytes:
    """Return an item with what is often wrong outside of its sections put right.

    Bare ampersands, entities of HTML, references to what is no character, an end of a section
    without its beginning.
    """
    parts = _SECTION.split(data)
    parts[::2] = [
        _REFERENCE.sub(_reference, part).replace(b"]]>", b"]]&gt;") for part in parts[::2]
    ]
    return b"".join(parts)


def _reference(match: re.Match[bytes]) -> bytes:
    decimal, hexadecimal, name = match.groups()
    if name in _XML_NAMES:
        return match[0]
    if name is not None:
        text = html5.get(name.decode())
        return b"&amp;" + name if text is None else b"".join(b"&#%d;" % ord(c) for c in text)
    if decimal is None and hexadecimal is None:
        return b"&amp;"
    number = int(decimal) if decimal is not None else int(hexadecimal, 16)
    is_character = number in (9, 10, 13) or 0x20 <= number <= 0xD7FF or 0xE000 <= number <= 0x10FFFF
    return match[0] if is_character and number not in (0xFFFE, 0xFFFF) else b""
