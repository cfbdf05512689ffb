"""Markdown files with or without front matter: one post a file, also those in a tar archive.

Input: UTF-8 text as Jekyll, Hugo, Zola, Eleventy and `export_posts` write it. Output: raw records
(path, a zero byte, the file's bytes), keys, fields. The key is the path below the folder or the
archive that was named. Nothing of an archive is extracted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

import msgspec

from posts.commonmark import parser_for
from posts.content import Image, Problem
from posts.importing.formats import (
    archive,
    foreign,
    front_fields,
    front_matter,
    own_tree,
    templating,
)
from posts.importing.formats.lines import (
    BOM,
    SAMPLE_BYTES,
    mended,
    too_large,
    whole,
    with_line_feeds,
)
from posts.importing.formats.listing import kind_of_file
from posts.importing.formats.opening import HEAD_BYTES
from posts.importing.html_markdown import Conversion, converted, from_markdown
from posts.importing.records import (
    RECORD_BYTES_MAX,
    Decoded,
    Position,
    RawRecord,
    is_refused,
    known_key,
)

if TYPE_CHECKING:
    from posts.importing.formats.opening import Input

NAME = "markdown"
REREADS = False

#: Endings of names that say Markdown; without front matter nothing else does.
MARKDOWN = frozenset(
    {
        "md",
        "markdown",
        "mkd",
        "mkdn",
        "mkdown",
        "mdown",
        "mdwn",
        "mdtext",
        "mdx",
        "rmd",
        "qmd",
        "text",
    }
)
HTML = frozenset({"html", "htm", "xhtml"})
#: Files that have front matter only to be put through the templates of a site.
ASSETS = frozenset(
    """
    css scss sass less styl js mjs ts jsx tsx json jsonl xml rss atom yml yaml toml csv tsv svg
    txt ics map py rb go rs sh webmanifest liquid njk tera
    """.split()  # noqa: SIM905
)

_TAR_HEAD = 512
_ATX_TITLE = re.compile(r"\n* {0,3}#[ \t]+(\S[^\n]*?)(?:[ \t]+#+)?[ \t]*(?:\n|\Z)")
_SETEXT_TITLE = re.compile(r"\n* {0,3}(\S[^\n]*)\n {0,3}=+[ \t]*(?:\n|\Z)")
_HEADING = re.compile(r"^ {0,3}#{1,6}[ \t]+(\S[^\n]*?)(?:[ \t]+#+)?[ \t]*$", re.MULTILINE)


def matches(name: str, head: bytes) -> bool:
    """Say whether the content is an archive or has front matter, or is Markdown by its name."""
    if is_certain(name, head):
        return True
    return _ending(name) in MARKDOWN


def is_certain(name: str, head: bytes) -> bool:
    """Say whether the content alone shows it, whatever else its text may look like."""
    if archive.is_tar(head):
        return True
    text = head.decode("utf-8", "replace").removeprefix(BOM)
    ending = _ending(name)
    return ending not in ASSETS and front_matter.is_certain(
        with_line_feeds(text), is_named=ending in MARKDOWN
    )


def _ending(name: str) -> str:
    """Return the ending of a name in lower case, that of what is compressed."""
    file = name.rpartition("/")[2].lower().removesuffix(".gz").removesuffix(".zst")
    return file.rpartition(".")[2]


def records(stream: BinaryIO, source: Input, after: Position | None = None) -> Iterator[RawRecord]:
    """Yield the record of a file, or one for each file in an archive.

    Folders of an archive are nothing of their own; what is no post is filtered with a reason.
    """
    head = stream.read(_TAR_HEAD)
    # What stands behind the one record of a plain file is nothing.
    if archive.is_tar(head) or (after is not None and head):
        yield from _members(stream, head, source, after)
    elif after is None:
        raw = whole(stream, source.file)
        position = Position(source.file, 1, 1, 0, raw.position.end + len(head))
        yield _record(source.member, head + raw.raw, position, raw.problems)


def _members(
    stream: BinaryIO, head: bytes, source: Input, after: Position | None
) -> Iterator[RawRecord]:
    record = after.record if after else 0
    members = archive.Archive(stream, after.end if after else 0, head)
    for member in members:
        if member.is_folder:
            continue
        record += 1
        file = f"{source.file}/{member.name}"[-1_000:]
        position = Position(file, record, 1, member.byte, member.end)
        reason = member.reason
        parts = member.name.split("/")
        if not reason and any(part.startswith(".") for part in parts):
            reason = "hidden-file"
        if reason:
            yield _left_out(position, reason, "a plain file with a name inside the archive")
            continue
        content = members.read(HEAD_BYTES)
        if not matches(member.name, content):
            expected = "Markdown: front matter, or a name such as post.md"
            yield _left_out(position, kind_of_file(member.name), expected)
            continue
        content += members.read(RECORD_BYTES_MAX + 1 - len(content))
        problems: tuple[Problem, ...] = ()
        if len(content) > RECORD_BYTES_MAX:
            problems, content = (too_large(member.end - member.byte),), content[:SAMPLE_BYTES]
        yield _record(member.name, content, position, problems)


def _record(
    member: str, content: bytes, position: Position, problems: tuple[Problem, ...]
) -> RawRecord:
    if is_refused(problems):
        return RawRecord(content, position, problems)
    if front_fields.place(member).is_section:
        return _left_out(position, "section-page", "a page of its own")
    if not content.strip():
        return _left_out(position, "empty-file", "a text")
    return RawRecord(f"{member}\0".encode() + content, position, problems)


def _left_out(position: Position, what: str, expected: str) -> RawRecord:
    problem = Problem(
        code="not_a_post", field="file", value=what, expected=expected, severity="filtered"
    )
    return RawRecord(b"", position, (problem,))


def key_of(raw: RawRecord) -> str | None:
    """Return the path, or the key that `export_posts` wrote."""
    if raw.problems:
        return None
    member, _, content = raw.raw.partition(b"\0")
    try:
        path = member.decode("utf-8")
        page = own_tree.found(mended(content.decode("utf-8"))[0]) if _may_be_own(content) else None
    except UnicodeDecodeError:
        return None
    return known_key(page.key if page else path)


def _may_be_own(content: bytes) -> bool:
    return b"\nvisibility: " in content


def decode(raw: RawRecord) -> Decoded:
    """Return the fields of a file, or why it has none."""
    member, _, content = raw.raw.partition(b"\0")
    try:
        path = member.decode("utf-8")
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        return Decoded(None, (_bad_encoding(content, error),))
    if text.count("\0") * 3 > len(text):
        return Decoded(None, (_wide(f"zero byte at byte {content.find(0)}"),))
    text, problems = mended(text)
    page = own_tree.found(text) if _may_be_own(content) else None
    if page:
        return Decoded(_converted(own_tree.fields(page), (), problems), tuple(problems))
    front = front_matter.read(text)
    problems += front.problems
    if is_refused(problems):
        return Decoded(None, tuple(problems))
    at = front_fields.place(path)
    fields, found = front_fields.understood(front, at)
    problems += found
    images = [Image(url=url) for url in fields.pop("images")]
    title, body = _title(front.body)
    if "title" in fields:
        body = body if title == fields["title"] else front.body
    else:
        fields["title"] = title or _first_heading(front.body) or front_fields.words(at.name)
    fields |= {"key": path, "body": body}
    if front.kind and _ending(path) in HTML:
        conversion = converted(body, images=images)
        return Decoded(_taken(fields, conversion, problems), tuple(problems))
    fields["body"] = templating.shown(body)
    return Decoded(_converted(fields, images, problems), tuple(problems))


def _converted(fields: dict[str, Any], images: Any, problems: list[Problem]) -> dict[str, Any]:
    """Return the fields with images numbered and HTML turned into Markdown."""
    rows = fields.get("image_sources")
    if rows and not images:
        try:
            images = msgspec.convert(rows, list[Image])
        except (msgspec.ValidationError, UnicodeEncodeError, RecursionError):
            return fields  # the rows are wrong themselves, which `shapes` tells
    body = fields.get("body")
    if not isinstance(body, str):
        return fields
    return _taken(fields, from_markdown(body, images=images), problems)


def _taken(
    fields: dict[str, Any], conversion: Conversion, problems: list[Problem]
) -> dict[str, Any]:
    problems += conversion.problems
    fields["body"] = conversion.markdown
    if conversion.images:
        fields["image_sources"] = [msgspec.structs.asdict(image) for image in conversion.images]
    return fields


def _title(body: str) -> tuple[str, str]:
    """Return the heading a text begins with, and the text behind it; "" when it has none.

    The page shows the title above the text, so it must not stand there again.
    """
    found = _ATX_TITLE.match(body) or _SETEXT_TITLE.match(body)
    words = _plain_words(found[1]) if found else ""
    # A heading of an image alone is no title.
    return (words, body[found.end() :]) if found and words else ("", body)


def _first_heading(body: str) -> str:
    at = 0
    for begin, end in [*templating.code_ranges(body), (len(body), len(body))]:
        found = _HEADING.search(body, at, begin)
        if found:
            return _plain_words(found[1])
        at = end
    return ""


def _plain_words(heading: str) -> str:
    """Return the words of a heading without its marks."""
    parts = [
        child.content
        for token in parser_for(heading).parseInline(heading)
        for child in token.children or ()
        if child.type in ("text", "code_inline")
    ]
    return foreign.one_line("".join(parts))


# --- Bytes --------------------------------------------------------------------------------------


def _bad_encoding(content: bytes, error: UnicodeDecodeError) -> Problem:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return _wide("byte order mark")
    return Problem(
        code="bad_encoding",
        value=f"byte 0x{content[error.start]:02x} at byte {error.start}",
        expected="UTF-8",
        line=content.count(b"\n", 0, error.start) + 1,
    )


def _wide(found: str) -> Problem:
    return Problem(
        code="bad_encoding",
        value=f"{found}, as in UTF-16 or UTF-32",
        expected="UTF-8",
        hint="convert the file to UTF-8; nothing of it was read",
        line=1,
    )
