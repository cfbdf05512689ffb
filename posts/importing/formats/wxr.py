"""WordPress exports (WXR 1.0 to 1.2): posts and pages; what else an export holds is left out.

In: the XML, read twice, because items refer to authors and attachments that may stand behind them.
Out: a record a post with all of that in it. What its fields become is told by `wxr_posts`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO

import msgspec

from posts.content import KEY_MAX, Problem, shown
from posts.importing.formats import wxr_posts
from posts.importing.formats.lines import SAMPLE_BYTES, too_large
from posts.importing.formats.opening import HEAD_BYTES, InputError
from posts.importing.formats.wxr_items import Channel, Item, bad_encoding, parsed
from posts.importing.formats.wxr_library import Library, Picture
from posts.importing.formats.wxr_posts import Post
from posts.importing.formats.xml_items import Piece, pieces
from posts.importing.records import Decoded, Position, RawRecord, known_key
from posts.slugs import short_hash

if TYPE_CHECKING:
    from posts.importing.formats.opening import Input

NAME = "wxr"
REREADS = True

#: Item types that are articles.
TYPES = ("post", "page")
#: Posts that an editor never finished or threw away.
_UNFINISHED = ("auto-draft", "trash", "inherit")
_VERSIONS = ("1.0", "1.1", "1.2")

_WIDE = (b"\xff\xfe", b"\xfe\xff", b"<\0", b"\0<", b"\0\0")
_ROOT = re.compile(rb"<rss\b[^<>]{0,5000}?wordpress\.org/export/|<wp:wxr_version\b")
_BEGINNING = re.compile(rb"<\?xml\b|<rss\b|<!")
_DECLARED = re.compile(rb"<\?xml\b[^>]{0,200}?\bencoding\s*=\s*[\"']([A-Za-z][\w.-]{0,40})[\"']")
_KIND = re.compile(
    rb"<(?:\w{1,20}:)?post_type>\s{0,20}(?:<!\[CDATA\[)?([a-z][a-z0-9_-]{0,39})"
    rb"(?:\]\]>)?\s{0,20}</(?:\w{1,20}:)?post_type>"
)
_UTF8 = ("utf-8", "utf8", "us-ascii", "ascii")


def matches(name: str, head: bytes) -> bool:
    """Say whether the content is XML in the words of WordPress's export, in any encoding."""
    if head.startswith(_WIDE):
        head = head.lstrip(b"\xff\xfe\0").replace(b"\0", b"")
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    return start.startswith(b"<") and _ROOT.search(start) is not None


def records(stream: BinaryIO, source: Input, after: Position | None = None) -> Iterator[RawRecord]:
    """Yield one raw record an item, in the order of the export.

    Of a file that is cut off all whole items come first. Raises `InputError` as the stream does,
    and for a document type with entities or of an address.
    """
    head = stream.read(HEAD_BYTES)
    if head.startswith(_WIDE):
        at = Position(source.file, 1, 1, 0, len(head))
        found = "zero bytes or a byte order mark as in UTF-16 or UTF-32 at byte 0"
        yield RawRecord(head[:SAMPLE_BYTES], at, (bad_encoding(found),))
        return
    declared = _DECLARED.search(head)
    encoding = declared[1].decode().lower() if declared else ""
    encoding = "" if encoding in _UTF8 else encoding
    if encoding and not _keeps_ascii(encoding):
        at = Position(source.file, 1, 1, 0, len(head))
        yield RawRecord(head[:SAMPLE_BYTES], at, (bad_encoding(encoding),))
        return
    begins = _BEGINNING.search(head)
    reading = _Reading(source.file, encoding, begins.start() if begins else 0)
    with Library() as library:
        stream.seek(0)
        authors = reading.referred(stream, library)
        stream.seek(0)
        yield from reading.records(stream, library, authors)


def key_of(raw: RawRecord) -> str | None:
    """Return the key, which stands in the record."""
    try:
        return known_key(_key.decode(raw.raw).key)
    except msgspec.DecodeError:
        return None


def decode(raw: RawRecord) -> Decoded:
    """Return the fields of a post or a page."""
    try:
        post = _post.decode(raw.raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        problem = Problem(code="bad_record", value=shown(raw.raw[:200]), expected="a post of wxr")
        return Decoded(None, (problem,))
    return wxr_posts.decoded(post)


class _Key(msgspec.Struct):
    key: str


_encode = msgspec.json.Encoder(order="sorted").encode
_key = msgspec.json.Decoder(_Key)
_post = msgspec.json.Decoder(Post)


def _keeps_ascii(encoding: str) -> bool:
    """Say whether there is such an encoding, of a byte a character, ASCII among them."""
    try:
        text = bytes(range(256)).decode(encoding, "replace")
        return len(text) == 256 and text[:128].encode("ascii") == bytes(range(128))
    except (LookupError, ValueError):
        return False


class _Reading:
    """One file on its way: twice over its pieces."""

    def __init__(self, file: str, encoding: str, begins_at: int) -> None:
        self._file = file
        self._encoding = encoding
        #: Warnings of the server that wrote it, or blank lines, stand before the document.
        self._begins_at = begins_at
        self._channel = Channel(encoding)
        self._is_cut = False
        self._is_version_told = False

    def referred(self, stream: BinaryIO, library: Library) -> dict[str, str]:
        """Put all attachments into the library and return the authors."""
        try:
            for piece in self._pieces(stream):
                if _kind_of(piece.data) in ("attachment", ""):
                    item, _ = self._parsed(piece)
                    if item is not None and item.texts.get("wp:post_type") == "attachment":
                        _add(library, item)
        except InputError as error:
            if error.problem.code == "unsafe_xml":
                raise
            # Told when the end is met again, behind the items.
        authors = self._channel.authors
        self._channel = Channel(self._encoding)
        return authors

    def records(
        self, stream: BinaryIO, library: Library, authors: dict[str, str]
    ) -> Iterator[RawRecord]:
        at = Position(self._file, 0, 1, 0, 0)
        for number, piece in enumerate(self._pieces(stream), start=1):
            end = piece.byte + piece.size
            at = Position(self._file, number, piece.line, piece.byte, end)
            yield self._record(piece, at, library, authors)
        problem = self._channel.problem
        if problem is None and not (self._channel.is_closed or self._is_cut):
            problem = _cut_off(at)
        if problem is not None:
            behind = Position(self._file, at.record + 1, at.line, at.end, at.end)
            yield RawRecord(b"", behind, (problem,))

    def _pieces(self, stream: BinaryIO) -> Iterator[Piece]:
        """Yield items; what stands around them goes to the channel."""
        skipped = self._begins_at
        self._is_cut = False
        for piece in pieces(stream):
            if piece.kind != "around":
                self._is_cut = piece.kind == "cut"
                yield piece
                continue
            self._channel.feed(piece.data[skipped:])
            skipped = max(skipped - len(piece.data), 0)

    def _parsed(self, piece: Piece) -> tuple[Item | None, list[Problem]]:
        return parsed(piece.data, self._channel.around(), self._encoding)

    def _record(
        self, piece: Piece, at: Position, library: Library, authors: dict[str, str]
    ) -> RawRecord:
        if piece.kind != "item":
            problem = too_large(piece.size) if piece.kind == "too large" else _cut_item()
            return RawRecord(piece.data[:SAMPLE_BYTES], at, (problem,))
        kind = _kind_of(piece.data)
        if kind and kind not in TYPES and (left_out := _left_out({"wp:post_type": kind})):
            return RawRecord(piece.data[:SAMPLE_BYTES], at, (left_out,))
        item, problems = self._parsed(piece)
        if item is None:
            return RawRecord(piece.data[:SAMPLE_BYTES], at, tuple(problems))
        texts = {name: text.strip() for name, text in item.texts.items()}
        if (left_out := _left_out(texts)) is not None:
            return RawRecord(piece.data[:SAMPLE_BYTES], at, (left_out,))
        problems += self._odd_version()
        texts["content:encoded"] = item.texts.get("content:encoded", "")
        return RawRecord(_encode(self._post(item, texts, library, authors)), at, tuple(problems))

    def _post(
        self, item: Item, texts: dict[str, str], library: Library, authors: dict[str, str]
    ) -> Post:
        site = self._channel.texts.get("wp:base_blog_url") or self._channel.texts.get("link", "")
        number, kind = texts.get("wp:post_id", ""), texts["wp:post_type"]
        body = texts["content:encoded"]
        meta = dict(reversed(item.meta))
        wanted = _numbers(meta.get("_thumbnail_id", ""))[:1]
        featured = library.pictures(wanted)
        own = _numbers(number)[:1]
        galleries = wxr_posts.galleries(body)
        asked = [number for numbers in galleries for number in numbers]
        return Post(
            key=_key_for(site, kind, number, texts, library),
            site=site,
            language=self._channel.texts.get("language", ""),
            author=authors.get(texts.get("dc:creator", ""), texts.get("dc:creator", "")),
            texts=texts,
            terms=list(dict.fromkeys(item.terms)),
            meta=item.meta,
            comments=item.comments,
            has_password=bool(texts.pop("wp:post_password", "")),
            featured=featured.get(wanted[0]) if wanted else None,
            pictures={str(at): found for at, found in library.pictures(asked).items()},
            attached=library.attached_to(own[0]) if [] in galleries and own else [],
        )

    def _odd_version(self) -> list[Problem]:
        """Return what is odd about the version of the export, once a file."""
        version = self._channel.texts.get("wp:wxr_version", "")
        if self._is_version_told or version in _VERSIONS:
            return []
        self._is_version_told = True
        return [
            Problem(
                code="wxr_version",
                field="wp:wxr_version",
                value=shown(version),
                expected=" or ".join(_VERSIONS),
                severity="warning",
            )
        ]


def _kind_of(data: bytes) -> str:
    """Return the type of an item from its one element that says it; "" asks for a closer look.

    Most items of an export are no posts, and need not be parsed to be left out.
    """
    found = _KIND.findall(data)
    return found[0].decode() if len(found) == 1 and data.count(b"post_type") == 2 else ""


def _add(library: Library, item: Item) -> None:
    texts = item.texts
    numbers = _numbers(texts.get("wp:post_id", ""))
    url = texts.get("wp:attachment_url", "").strip() or texts.get("guid", "").strip()
    if numbers and url:
        caption, alt = (
            texts.get("excerpt:encoded", ""),
            dict(item.meta).get("_wp_attachment_image_alt", ""),
        )
        parent = (_numbers(texts.get("wp:post_parent", "")) or [0])[0]
        library.add(numbers[0], parent, Picture(url, caption.strip(), alt.strip()))


def _numbers(text: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d{1,18}", text)]


def _left_out(texts: dict[str, str]) -> Problem | None:
    """Return why an item is no post: by its type, or because nobody finished it."""
    kind, status = texts.get("wp:post_type", ""), texts.get("wp:status", "")
    if kind not in TYPES:
        return Problem(
            code="not_a_post" if kind else "missing_type",
            field="wp:post_type",
            value=shown(kind),
            expected=" or ".join(TYPES),
            severity="filtered" if kind else "error",
        )
    if status in _UNFINISHED:
        return Problem(
            code="not_a_post",
            field="wp:status",
            value=status,
            expected="a post that somebody finished",
            severity="filtered",
        )
    return None


def _key_for(site: str, kind: str, number: str, texts: dict[str, str], library: Library) -> str:
    """Return the identity of a post: site, type and number.

    Exports put together from several sites use numbers twice: what comes later under another name
    gets a hash of that name. The site stands without its scheme, which changes with a certificate.
    """
    if not number:
        return ""
    address = re.sub(r"^[a-z]+://", "", site.lower()).rstrip("/")
    key = f"{address}:{kind}:{number}" if address else f"{kind}:{number}"
    if len(key) > KEY_MAX:
        key = f"{short_hash(address)}:{kind}:{number}"[:KEY_MAX]
    mark = texts.get("wp:post_name") or f"{texts.get('title')} {texts.get('wp:post_date')}"
    return key if library.is_free(key, mark) else f"{key}:{short_hash(mark)}"


def _cut_item() -> Problem:
    return Problem(
        code="truncated_record",
        value="the file ends in an item",
        expected="the end of the item and of the export",
        retryable=True,
    )


def _cut_off(at: Position) -> Problem:
    return Problem(
        code="truncated_input",
        value=f"the export ends behind item {at.record:,}",
        expected="</channel> and </rss>",
        retryable=True,
        hint="fetch the file again and run the same command",
    )
