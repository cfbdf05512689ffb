"""Text exports of article pages: one document a file, everything in lower case.

Input: UTF-8 text as in the sample documents: header, title, article, marker, meta box, tail.
Output: one raw record a file, its key, its fields. One pass over the lines, no special cases.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

from posts.content import LEDE_MAX, Problem, shown
from posts.importing.formats.lines import BOM, mended, whole
from posts.importing.formats.text_body import Article, FigureLines, is_header
from posts.importing.formats.text_meta import TAIL, Box, begins_box
from posts.importing.plain_blocks import Block, Figure, Paragraph, normal_text, to_markdown
from posts.importing.records import Decoded, Position, RawRecord, is_refused, known_key

if TYPE_CHECKING:
    from posts.importing.formats.opening import Input

NAME = "text-export"
REREADS = False

MARKER = "alphanode post meta"

_NO_BREAK_SPACE = "\u00a0"
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f]")
_SOURCE_ID = re.compile(r"^ {2,4}. source id: (.+)$", re.MULTILINE)
_TRAITS = re.compile(
    rf"^(?:{MARKER}|{TAIL}|\|(?: \|)* *|\S.*\. image source: .*|topic\S.*\nsummary\S.*)$",
    re.MULTILINE,
)


def matches(name: str, head: bytes) -> bool:
    """Say whether the content shows a line that only a text export has, in any encoding."""
    # Such lines are ASCII: without the zero bytes of UTF-16 or UTF-32 they are what they are.
    head = head.removeprefix(b"\0\0").lstrip(b"\xff\xfe").replace(b"\0", b"")
    text = head.decode("utf-8", "replace").removeprefix(BOM)
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return not text.lstrip().startswith(("{", "[", "<")) and _TRAITS.search(text) is not None


def records(stream: BinaryIO, source: Input, after: Position | None = None) -> Iterator[RawRecord]:
    """Yield the one record of a file; none when it was read already."""
    if after is None:
        yield whole(stream, source.file)


def key_of(raw: RawRecord) -> str | None:
    """Return the source id: from the one line of the meta box that can be it, else by decoding."""
    if raw.problems:
        return None
    try:
        text, _ = _mended(raw.raw.decode("utf-8"))
    except UnicodeDecodeError:
        return None
    found = _SOURCE_ID.findall(text, max(text.rfind(f"\n{MARKER}"), 0))
    if len(found) == 1:
        return known_key(found[0])
    fields = decode(raw).fields or {}
    return known_key(fields.get("key", ""))


def decode(raw: RawRecord) -> Decoded:
    """Return the fields of a document, or why it is none."""
    try:
        text = raw.raw.decode("utf-8")
    except UnicodeDecodeError as error:
        value = f"byte 0x{raw.raw[error.start]:02x} at byte {error.start}"
        line = raw.raw.count(b"\n", 0, error.start) + 1
        return _refused(Problem(code="bad_encoding", value=value, expected="UTF-8", line=line))
    if text.count("\0") * 3 > len(text):
        place = f"byte 0x00 at byte {raw.raw.find(0)}, as in UTF-16"
        return _refused(Problem(code="bad_encoding", value=place, expected="UTF-8", line=1))
    text, problems = _mended(text)
    lines = [line.rstrip(" \t") for line in text.split("\n")]
    markers = [
        number
        for number, line in enumerate(lines)
        if line == MARKER and _begins_box_after(lines, number)
    ]
    second = _second_export(lines, markers)
    if second:
        return Decoded(None, (*problems, second))
    if not markers:
        return Decoded(None, (*problems, *_without_box(lines)))
    at = markers[-1]
    article = Article(lines[:at])
    box = Box(lines[at + 1 :], at + 2, ends_with_newline=text.endswith("\n"))
    problems += article.problems + box.problems
    fields = box.fields
    if any(problem.code == "truncated_record" for problem in problems):
        return Decoded(None, tuple(problems))
    trailing = next((line for line in box.tail or () if _starts_another(line)), "")
    if trailing:
        number = len(lines) - lines[::-1].index(trailing)
        problems.append(_trailing(trailing, number))
    fields.update(_article_fields(article, fields, problems))
    fields["key"] = fields.get("payload", {}).get("source_id", "")
    if not fields["key"]:
        problems.append(
            Problem(
                code="missing_key",
                field="payload.source_id",
                expected="a source id in the payload",
                line=box.lines.get("payload", len(lines)),
            )
        )
        del fields["key"]
    places = dict.fromkeys(("title", "lede", "body"), article.title_line)
    places["key"] = box.lines.get("payload.source_id", 0)
    return Decoded(fields, tuple(problems), box.extra, {**places, **box.lines})


def _refused(*problems: Problem) -> Decoded:
    return Decoded(None, problems)


def _mended(text: str) -> tuple[str, list[Problem]]:
    """Return the text with the damage that transport does undone, and what was undone."""
    text, problems = mended(text)
    if _NO_BREAK_SPACE in text:
        problems.append(
            Problem(
                code="no_break_space",
                value=f"{text.count(_NO_BREAK_SPACE)} no-break spaces",
                expected="plain spaces",
                severity="repair",
            )
        )
        text = text.replace(_NO_BREAK_SPACE, " ")
    return text, problems


def _begins_box_after(lines: list[str], marker: int) -> bool:
    following = next((line for line in lines[marker + 1 :] if line), "")
    return begins_box(following)


def _without_box(lines: list[str]) -> list[Problem]:
    """Return why a document without a readable marker is refused."""
    found = [number for number, line in enumerate(lines) if line == MARKER]
    rest = [line for line in lines[found[-1] + 1 :] if line] if found else []
    if found and not rest:
        return [
            Problem(
                code="truncated_record",
                field="topic",
                value=MARKER,
                expected="a meta box behind the marker",
                retryable=True,
                line=found[-1] + 1,
            )
        ]
    if found:
        box = Box(lines[found[-1] + 1 :], found[-1] + 2, ends_with_newline=True)
        if is_refused(box.problems):
            return box.problems
    problems = Article(lines).problems if not any(map(_is_text, lines)) else []
    return [
        *problems,
        Problem(
            code="missing_section",
            field=MARKER,
            value=shown(next((line for line in reversed(lines) if line), "")),
            expected=f"a line {MARKER!r} with the meta box behind it",
            line=len(lines),
        ),
    ]


def _is_text(line: str) -> bool:
    return bool(line) and not is_header(line)


def _starts_another(line: str) -> bool:
    return line == MARKER or is_header(line)


def _trailing(value: str, line: int) -> Problem:
    return Problem(
        code="trailing_content",
        value=shown(value),
        expected="one export a file",
        line=line,
        hint="split the file into one export each",
    )


def _second_export(lines: list[str], markers: list[int]) -> Problem | None:
    """Return a problem when a whole export ends before the last marker."""
    for first, following in itertools.pairwise(markers):
        between = lines[first:following]
        tails = [number for number, line in enumerate(between) if line.startswith(TAIL)]
        if tails:
            return _trailing(between[tails[0]], first + tails[0] + 1)
        if any(map(_SOURCE_ID.match, between)):
            return _trailing(MARKER, following + 1)
    return None


# --- The article ----------------------------------------------------------------------------------


def _article_fields(
    article: Article, fields: dict[str, Any], problems: list[Problem]
) -> dict[str, Any]:
    """Return title, lede and body; gives the image rows their alternative texts."""
    rows: list[dict[str, Any]] = fields.get("image_sources", [])
    numbers = _joined([part for part in article.parts if isinstance(part, FigureLines)], rows)
    blocks: list[Block] = []
    for part in article.parts:
        if not isinstance(part, FigureLines):
            blocks.append(part)
            continue
        number = numbers[part.line]
        blocks.append(Figure(part.caption, number, part.source))
        if number:
            _compare(part, rows[number - 1], number, problems)
    lede = ""
    if blocks and isinstance(blocks[0], Paragraph):
        introduction = to_markdown(blocks[:1])
        if len(introduction) <= LEDE_MAX:
            lede = introduction
            blocks = blocks[1:]
    controls = sum(len(_CONTROL.findall(line)) for line in _texts(article))
    if controls:
        problems.append(
            Problem(
                code="control_removed",
                field="body",
                value=f"{controls} control characters",
                expected="no control characters",
                severity="repair",
            )
        )
    found = {"lede": lede, "body": to_markdown(blocks)}
    if article.title:
        found["title"] = article.title
    return found


def _texts(article: Article) -> Iterator[str]:
    for part in article.parts:
        if isinstance(part, FigureLines):
            yield part.caption
        elif hasattr(part, "items"):
            yield from part.items
        else:
            yield part.text


def _joined(figures: list[FigureLines], rows: list[dict[str, Any]]) -> dict[int, int]:
    """Return figure line -> number of its image row: by equal caption, then by order; 0 is none."""
    free = dict(enumerate(rows, 1))
    numbers: dict[int, int] = {}
    for figure in figures:
        for number, row in free.items():
            if row.get("caption") == figure.caption:
                numbers[figure.line] = number
                del free[number]
                break
    for figure in figures:
        if figure.line not in numbers:
            number = next(iter(free), 0)
            free.pop(number, None)
            numbers[figure.line] = number
    return numbers


def _compare(
    figure: FigureLines, row: dict[str, Any], number: int, problems: list[Problem]
) -> None:
    """Add what the row leaves out and warn where figure and row disagree."""
    if normal_text(figure.alt) != normal_text(figure.caption):
        row.setdefault("alt", figure.alt)
    row.setdefault("source", figure.source)
    for member, value in (("caption", figure.caption), ("source", figure.source)):
        if row.setdefault(member, value) != value:
            problems.append(
                Problem(
                    code="image_mismatch",
                    field=f"image_sources[{number - 1}].{member}",
                    value=shown(row[member]),
                    expected=f"the figure's {member}: {shown(value)}",
                    severity="warning",
                )
            )
