"""Exports of Ghost: one JSON object with a table of posts and those that posts refer to.

Input: `{"db": [{…}]}` or the object without that. Output: raw records (JSON of a post with
the names of its tags and authors), keys, fields. Posts are read one at a time; what they refer to
waits in a temporary file, for it may stand before or behind them.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any, BinaryIO

import ijson
import msgspec
from ijson.common import ObjectBuilder

from posts.content import ITEM_MAX, Image, Problem, shown
from posts.importing.formats import foreign, ghost_cards
from posts.importing.formats.lines import too_large
from posts.importing.formats.opening import InputError
from posts.importing.html_markdown import converted
from posts.importing.records import RECORD_BYTES_MAX, Decoded, Position, RawRecord, known_key

if TYPE_CHECKING:
    from posts.importing.formats.opening import Input

NAME = "ghost"
REREADS = True

_POSTS = "posts"
_REFERRED = ("tags", "users", "posts_tags", "posts_authors", "posts_meta")
#: Levels of JSON that are followed; documents of the editor take a dozen.
_DEPTH_MAX = 200
#: The parser reads a text anew with each chunk of it, so they are not small.
_CHUNK_BYTES = 1024 * 1024
_OBJECT = re.compile(rb"\{(?=\s*\")")
_START = re.compile(
    rb"""\s*\{\s*(?: "db"\s*:\s*\[\s*\{
    | "meta"\s*:\s*\{[^{}]*"exported_on" | "data"\s*:\s*\{\s*"posts"\s*:\s*\[ )""",
    re.VERBOSE,
)
_BOM = b"\xef\xbb\xbf"
#: How an export names its own site.
_SITE = "__GHOST_URL__"

#: Contents of a post in the order they are taken. `html` is what the others were rendered to.
_CONTENTS = ("html", "lexical", "mobiledoc", "markdown")
#: Fields that are read, and `plaintext`, which is the content once more.
_UNDERSTOOD = frozenset(
    """
    id title slug status published_at custom_excerpt meta_description feature_image image locale
    language feature_image_alt feature_image_caption author_id post_id plaintext
    """.split()  # noqa: SIM905
) | {*_CONTENTS}


class Item(msgspec.Struct, frozen=True):
    """One post with all that it refers to."""

    post: dict[str, Any]
    tags: tuple[str, ...] = ()
    authors: tuple[str, ...] = ()
    meta: dict[str, Any] = {}


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Item).decode


def matches(name: str, head: bytes) -> bool:
    """Say whether the content begins as an export does."""
    return _START.match(head.removeprefix(_BOM)) is not None


# --- The stream ---------------------------------------------------------------------------------


class _Pieces:
    """The stream as the parser asks for it: in pieces that begin where an object does.

    The parser hands out no places; this way a row stands between the beginning of a piece and the
    end of one. Braces within texts are followed by no quote that is not escaped, and cut nothing:
    the parser reads a text anew from its beginning with each piece of it.
    """

    def __init__(self, stream: BinaryIO) -> None:
        stream.seek(0)
        self._stream = stream
        self._chunk = b""
        self._at = 0
        self._piece = b""
        self._lines = 0
        self.taken = 0
        #: Bytes since the last value; the parser holds that much.
        self.waiting = 0

    def read(self, size: int) -> bytes:
        if size == 0:
            return b""  # the parser asks whether there are bytes or characters
        if self._at == len(self._chunk):
            self._chunk, self._at = self._stream.read(_CHUNK_BYTES), 0
        following = _OBJECT.search(self._chunk, self._at + 1)
        end = following.start() if following else len(self._chunk)
        self._lines += self._piece.count(b"\n")
        piece, self._at = self._chunk[self._at : end], end
        is_first = self.taken == 0
        self._piece = piece
        self.taken += len(piece)
        self.waiting += len(piece)
        if self.waiting > RECORD_BYTES_MAX:
            raise InputError(too_large(self.waiting))
        # The parser takes no byte order mark.
        return piece.removeprefix(_BOM) if is_first else piece

    def place(self) -> tuple[int, int]:
        """Return byte and line of the object that began last."""
        at = 0 if self._piece.startswith(b"{") else max(self._piece.rfind(b"{"), 0)
        line = self._lines + self._piece.count(b"\n", 0, at) + 1
        return self.taken - len(self._piece) + at, line


class _Rows:
    """The rows of some tables, one after the other, with the bytes between which they stand."""

    def __init__(self, stream: BinaryIO, tables: tuple[str, ...]) -> None:
        self._stream = stream
        self._tables = {
            f"{beginning}data.{table}.item": table
            for table in tables
            for beginning in ("", "db.item.")
        }
        #: Whether one of the tables was there, with or without rows.
        self.is_found = False

    def __iter__(self) -> Iterator[tuple[str, dict[str, Any] | None, Position]]:
        """Yield table, row and place; None for a row that is too large.

        Raises `InputError` where the JSON ends early or is none.
        """
        try:
            yield from self._read()
        except (ijson.JSONError, ValueError, OverflowError) as error:
            # The parser says where in the last piece, which nobody can find.
            reason = str(error).strip("b'").split("\n")[0].split("\\n")[0]
            code = "truncated_input" if "premature EOF" in reason else "corrupt_input"
            raise _damaged(code, reason, "JSON as Ghost exports it, whole") from error

    def _read(self) -> Iterator[tuple[str, dict[str, Any] | None, Position]]:
        pieces, tables = _Pieces(self._stream), self._tables
        lists = {name.removesuffix(".item") for name in tables}
        builder: ObjectBuilder | None = None
        table = ""
        depth = row_depth = begun = line = 0
        for prefix, event, value in ijson.parse(pieces, use_float=True):
            pieces.waiting = 0
            if event in _OPENING:
                depth += 1
                if depth > _DEPTH_MAX:
                    raise _damaged("corrupt_input", f"{depth} levels of nesting", "fewer levels")
                if not row_depth:
                    self.is_found = self.is_found or prefix in lists
                    if event == "start_map" and prefix in tables:
                        table, row_depth, builder = tables[prefix], depth, ObjectBuilder()
                        place, line = pieces.place()
                        begun = max(begun, place)
            elif event in _CLOSING:
                depth -= 1
            if not row_depth:
                continue
            if builder is not None:
                builder.event(event, value)
                if pieces.taken - begun > RECORD_BYTES_MAX:
                    builder = None
            if depth < row_depth:
                row = builder.value if builder is not None else None
                yield table, row, Position("", 0, line, begun, pieces.taken)
                builder, row_depth, begun = None, 0, pieces.taken


_OPENING = frozenset({"start_map", "start_array"})
_CLOSING = frozenset({"end_map", "end_array"})


def _damaged(code: str, found: str, expected: str) -> InputError:
    is_cut = code == "truncated_input"
    hint = "fetch the export again and run the same command" if is_cut else "export it again"
    return InputError(
        Problem(code=code, value=shown(found), expected=expected, retryable=is_cut, hint=hint)
    )


# --- What posts refer to ------------------------------------------------------------------------


class _Referred:
    """Tags, authors and the second half of the posts, in a temporary file that nobody else sees."""

    def __init__(self, stream: BinaryIO) -> None:
        # An empty name is a file that SQLite makes, fills as memory runs short, and removes.
        # Reading may go on in another thread, but never in two at once (batches.ReadAhead).
        self._file = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._file.executescript(
            """
            PRAGMA journal_mode = OFF;
            PRAGMA synchronous = OFF;
            CREATE TABLE name (kind TEXT, id TEXT, name TEXT, PRIMARY KEY (kind, id)) WITHOUT ROWID;
            CREATE TABLE link (kind TEXT, post TEXT, place INTEGER, number INTEGER, id TEXT,
                PRIMARY KEY (kind, post, place, number)) WITHOUT ROWID;
            CREATE TABLE meta (post TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
            BEGIN;
            """
        )
        self._number = 0
        # What is broken ends this look, and is told when the posts are read up to there.
        with suppress(InputError):
            for table, row, _ in _Rows(stream, _REFERRED):
                if row is not None:
                    self._keep(table, row)

    def close(self) -> None:
        self._file.close()

    def _keep(self, table: str, row: dict[str, Any]) -> None:
        self._number += 1
        run = self._file.execute
        if table in ("tags", "users"):
            named = (table, _id(row.get("id")), foreign.one_line(row.get("name")))
            run("INSERT OR REPLACE INTO name VALUES (?, ?, ?)", _storable(named))
        elif table == "posts_meta":
            values = (_id(row.get("post_id")), _encode(row).decode())
            run("INSERT OR REPLACE INTO meta VALUES (?, ?)", _storable(values))
        else:
            kind, member = ("tags", "tag_id") if table == "posts_tags" else ("users", "author_id")
            place = row.get("sort_order")
            place = place if isinstance(place, int) and abs(place) < 2**31 else 0
            linked = (kind, _id(row.get("post_id")), place, self._number, _id(row.get(member)))
            run("INSERT OR REPLACE INTO link VALUES (?, ?, ?, ?, ?)", _storable(linked))

    def item(self, post: dict[str, Any]) -> Item:
        """Return a post with the names of its tags and authors and the rest of its fields."""
        key = _id(post.get("id"))
        authors = self._names("users", key) or self._named("users", _id(post.get("author_id")))
        (meta,) = self._file.execute(
            "SELECT value FROM meta WHERE post = ?", _storable((key,))
        ).fetchone() or ("{}",)
        first = next((name for name in _CONTENTS if _has_content(post.get(name))), "")
        unneeded = {"plaintext", *(name for name in _CONTENTS if name != first)}
        return Item(
            post={name: post[name] for name in post if name not in unneeded},
            tags=self._names("tags", key),
            authors=authors,
            meta=msgspec.json.decode(meta),
        )

    def _names(self, kind: str, post: str) -> tuple[str, ...]:
        rows = self._file.execute(
            "SELECT name.name FROM link JOIN name ON name.kind = link.kind AND name.id = link.id "
            "WHERE link.kind = ? AND link.post = ? ORDER BY link.place, link.number",
            _storable((kind, post)),
        )
        return tuple(name for (name,) in rows if name)

    def _named(self, kind: str, key: str) -> tuple[str, ...]:
        rows = self._file.execute(
            "SELECT name FROM name WHERE kind = ? AND id = ?", _storable((kind, key))
        )
        return tuple(name for (name,) in rows if name)


def _storable(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return values with halves of surrogate pairs, which SQLite does not take, replaced."""
    return tuple(
        value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
        for value in values
    )


def _id(value: object) -> str:
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""


def _has_content(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


# --- Records ------------------------------------------------------------------------------------


def records(stream: BinaryIO, source: Input, after: Position | None = None) -> Iterator[RawRecord]:
    """Yield one raw record a post or page. Reads the stream twice.

    Whoever goes on behind `after` leaves out what comes before it.
    """
    if not stream.read(1):
        return
    record = 0
    at = Position(source.file, 1, 1, 0, 0)
    rows = _Rows(stream, (_POSTS,))
    with closing(_Referred(stream)) as referred:
        for _, post, place in rows:
            record += 1
            at = Position(source.file, record, place.line, place.byte, place.end)
            if post is None:
                yield RawRecord(b"", at, (too_large(place.end - place.byte),))
                continue
            try:
                raw = _encode(referred.item(post))
            except (UnicodeEncodeError, ValueError, RecursionError) as error:
                problem = Problem(
                    code="bad_character", value=shown(str(error)), expected="text that is UTF-8"
                )
                yield RawRecord(b"", at, (problem,))
            else:
                yield RawRecord(raw, at)
    if not rows.is_found:
        problem = Problem(
            code="missing_section",
            field="data.posts",
            expected="a table of posts under data",
            hint="export the content in Ghost under Settings, and import that file",
        )
        yield RawRecord(b"", at, (problem,))


def key_of(raw: RawRecord) -> str | None:
    """Return the post's id, else its uuid, normalised; None when it has none that can be used."""
    if raw.problems:
        return None
    try:
        return known_key(_key(_decode(raw.raw).post))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _key(post: dict[str, Any]) -> str:
    return _id(post.get("id")) or _id(post.get("uuid"))


def decode(raw: RawRecord) -> Decoded:
    """Return the fields of a post, or why it has none."""
    try:
        item = _decode(raw.raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        problem = Problem(code="bad_json", value=shown(str(error)), expected="a post of Ghost")
        return Decoded(None, (problem,))
    post = {**item.meta, **{name: item.post[name] for name in item.post}}
    problems: list[Problem] = []
    images = _feature_image(post)
    try:
        html = _html(post)
    except ghost_cards.CardError as error:
        return Decoded(None, (error.problem,))
    conversion = converted(html.replace(_SITE, ""), images=images)
    problems += conversion.problems
    slug = foreign.slug(_text(post, "slug"))
    fields: dict[str, Any] = {
        "key": _key(post),
        "title": foreign.one_line(post.get("title")),
        "body": conversion.markdown,
        "slug": slug,
        "language": foreign.language(_text(post, "locale") or _text(post, "language")),
        "published_at": _moment(post, problems),
        "summary": _text(post, "custom_excerpt") or _text(post, "meta_description"),
        "author": ", ".join(dict.fromkeys(item.authors)),
        # A name with a hash sorts posts within Ghost and is shown to nobody.
        "tags": list(dict.fromkeys(tag for tag in item.tags if not tag.startswith("#"))),
        # What Ghost makes of a slug unless its routes are changed.
        "former_urls": [f"/{slug}/"] if slug else [],
        "image_sources": [msgspec.structs.asdict(image) for image in conversion.images],
        "extra": _extra(item, post, slug),
    }
    return Decoded({name: value for name, value in fields.items() if value}, tuple(problems))


def _text(post: dict[str, Any], name: str) -> str:
    value = post.get(name)
    return value if isinstance(value, str) else ""


def _html(post: dict[str, Any]) -> str:
    """Return the content as HTML. Raises `CardError` when it cannot be read as any."""
    for name in _CONTENTS:
        text = _text(post, name)
        if text.strip():
            if name == "html":
                return text
            return ghost_cards.from_markdown(text) if name == "markdown" else _document(name, text)
    return ""


def _document(name: str, text: str) -> str:
    return ghost_cards.from_lexical(text) if name == "lexical" else ghost_cards.from_mobiledoc(text)


def _feature_image(post: dict[str, Any]) -> list[Image]:
    url = foreign.web_address(_text(post, "feature_image") or _text(post, "image"))
    if not url:
        return []
    caption = converted(_text(post, "feature_image_caption")[:10_000]).markdown
    alt = foreign.one_line(post.get("feature_image_alt"))[:ITEM_MAX]
    caption = foreign.one_line(caption)[:ITEM_MAX] or alt
    return [Image(url=url, caption=caption, alt="" if alt == caption else alt)]


def _moment(post: dict[str, Any], problems: list[Problem]) -> str:
    value = post.get("published_at")
    if value is None or value == "" or isinstance(value, bool):
        return ""
    found = foreign.epoch(value) if isinstance(value, int | float) else None
    if isinstance(value, str):
        found = foreign.moment(value)
    if found is None:
        problems.append(
            Problem(
                code="bad_date",
                field="published_at",
                value=shown(value),
                expected="a date such as 2026-11-17T09:00:00Z, or milliseconds since 1970",
                severity="warning",
            )
        )
    return found or ""


def _extra(item: Item, post: dict[str, Any], slug: str) -> dict[str, Any]:
    """Return what is not read, as it came; nothing for what was not filled in."""
    extra = {
        name: value
        for name, value in post.items()
        if name not in _UNDERSTOOD and value not in (None, "", 0, False)
    }
    if status := _text(post, "status"):
        extra["status"] = status
    if not slug and post.get("slug"):
        extra["slug"] = post["slug"]
    for name in ("feature_image", "image"):
        if post.get(name) and not foreign.web_address(_text(post, name)):
            extra[name] = post[name]
    if hidden := [tag for tag in item.tags if tag.startswith("#")]:
        extra["internal_tags"] = hidden
    return extra
