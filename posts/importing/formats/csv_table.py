"""Comma-separated values: a header, then one post a row, fields by the names of their columns.

Input: UTF-8, separated by commas, semicolons or tabs, quotes doubled inside of quotes. Output: raw
records (JSON with the names of the columns, their fields and the values), keys, fields. Which name
stands for which field is told in `csv_columns`; the body is Markdown.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

import msgspec

from posts.content import Image, Problem, shown
from posts.importing.formats import csv_columns, foreign
from posts.importing.formats.csv_columns import BODY_HTML, IMAGE
from posts.importing.formats.lines import SAMPLE_BYTES
from posts.importing.html_markdown import converted, from_markdown
from posts.importing.records import Decoded, Position, RawRecord, known_key

if TYPE_CHECKING:
    from posts.importing.formats.opening import Input

NAME = "csv"
REREADS = True

#: Bytes of one row. The parser takes four bytes for a character, and an open quote takes all.
ROW_BYTES_MAX = 8 * 1024 * 1024
DELIMITERS = (",", ";", "\t")

_BOM = b"\xef\xbb\xbf"
_WIDE_BOMS = (b"\xff\xfe", b"\xfe\xff")
_HEADER_CHARACTERS_MAX = 20_000
#: What separates the names in a cell, and longer items.
_NAMES = re.compile(r"[,;|\n]")
_ITEMS = re.compile(r"[|\n]")
_WHOLE = re.compile(r"[+-]?[0-9]{1,16}")
_SECONDS, _MILLISECONDS = re.compile(r"[0-9]{9,10}"), re.compile(r"[0-9]{12,13}")

csv.field_size_limit(ROW_BYTES_MAX)


class Row(msgspec.Struct, frozen=True):
    """One row with all that it takes to read it; `fields` is "" where a column is unknown."""

    columns: tuple[str, ...]
    fields: tuple[str, ...]
    values: tuple[str, ...]


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Row).decode


def matches(name: str, head: bytes) -> bool:
    """Say whether the first line names columns, among them a title and something for the key."""
    if head.startswith(_WIDE_BOMS):
        head = head.replace(b"\0", b"")[2:]
    line = head.removeprefix(_BOM).split(b"\n", 1)[0].decode("utf-8", "replace")
    columns, _ = _header(line)
    return len(columns) > 1 and not csv_columns.fields(columns, {})[1]


def _header(line: str) -> tuple[list[str], str]:
    """Return the names in the first line and the delimiter that gives most of them."""
    found: list[tuple[list[str], str]] = []
    for delimiter in DELIMITERS if len(line) <= _HEADER_CHARACTERS_MAX else ():
        try:
            rows = list(csv.reader([line], delimiter=delimiter, strict=True))
        except csv.Error:
            continue
        found.append(([cell.strip() for cell in rows[0]] if rows else [], delimiter))
    return max(found, key=lambda one: len(one[0]), default=([], ","))


def records(stream: BinaryIO, source: Input, after: Position | None = None) -> Iterator[RawRecord]:
    """Yield one raw record a row; one refusal for a table whose header cannot be read.

    Whoever goes on behind `after` leaves out what comes before it.
    """
    lines = _Lines(stream)
    first = lines.header()
    columns, delimiter = _header(first)
    fields, problems = csv_columns.fields(columns, source.columns)
    at = Position(source.file, 1, 1, 0, lines.at)
    if not first.strip():
        if lines.problem is None:
            return
        problems = [lines.problem]
    if problems:
        yield RawRecord(first.encode()[:SAMPLE_BYTES], at, tuple(problems))
        return
    rows = csv.reader(lines, delimiter=delimiter, strict=True)
    record = 0
    while True:
        lines.begin()
        values: list[str] = []
        problem = None
        try:
            values = next(rows)
        except StopIteration:
            return
        except _LineError as error:
            problem = error.problem
        except csv.Error as error:
            problem = _malformed(str(error), lines)
        if not values and problem is None:
            continue  # a blank line
        record += 1
        position = Position(source.file, record, lines.begun_line, lines.begun_at, lines.at)
        if problem is None and len(values) != len(columns):
            problem = Problem(
                code="column_count",
                value=f"{len(values)} values",
                expected=f"{len(columns)} values, one a column of the header",
                hint="quote values that hold the delimiter or a line end",
            )
        elif problem is None and [value.strip() for value in values] == columns:
            problem = Problem(
                code="not_a_post",
                field="row",
                value="repeated-header",
                expected="a row of values",
                severity="filtered",
            )
        if problem is not None:
            yield RawRecord(lines.sample, position, (problem,))
            if lines.is_over:
                return
            continue
        yield RawRecord(_encode(Row(tuple(columns), fields, tuple(values))), position)


def _malformed(reason: str, lines: _Lines) -> Problem:
    if "unexpected end of data" in reason:
        return _unclosed()
    return Problem(
        code="bad_csv",
        value=shown(lines.sample.decode("utf-8", "replace")),
        expected=f"a row of values; {reason}",
        hint='write a quote inside of quotes twice: ""',
    )


def _unclosed() -> Problem:
    return Problem(
        code="unclosed_quote",
        expected=f"a closing quote within {ROW_BYTES_MAX:,} bytes",
        hint="close the quote that opens in this row; nothing behind it was read",
    )


class _LineError(Exception):
    """A line that no row can be made of."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.code)
        self.problem = problem


class _Lines:
    """The lines of a table as text, with the place of the row that is being put together."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.at = 0
        self.line = 0
        #: Why the header is no text.
        self.problem: Problem | None = None
        #: Whether an open quote has taken everything there was.
        self.is_over = False
        self.begin()

    def begin(self) -> None:
        """Say that the next line begins a row."""
        self.begun_at = self.at
        self.begun_line = self.line + 1
        self.sample = b""

    def header(self) -> str:
        """Return the first line that is not blank, without its end."""
        while True:
            self.begin()
            try:
                text = next(self, "")
            except _LineError as error:
                self.problem = error.problem
                return ""
            if not text or text.strip():
                return text.rstrip("\r\n")

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        data = self._stream.readline(ROW_BYTES_MAX + 1)
        if not data:
            self.is_over = True
            raise StopIteration
        begins_file = self.at == 0
        self.at += len(data)
        self.line += 1
        if len(self.sample) < SAMPLE_BYTES:
            self.sample = (self.sample + data)[:SAMPLE_BYTES]
        if len(data) > ROW_BYTES_MAX or self.at - self.begun_at > ROW_BYTES_MAX:
            self.is_over = True
            raise _LineError(_unclosed())
        if begins_file:
            if data.startswith(_WIDE_BOMS) or b"\0" in data[:4]:
                raise _LineError(_bad_encoding("as in UTF-16 or UTF-32", 0))
            data = data.removeprefix(_BOM)
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError as error:
            place = self.at - len(data) + error.start
            raise _LineError(_bad_encoding(f"byte 0x{data[error.start]:02x}", place)) from error


def _bad_encoding(found: str, place: int) -> Problem:
    return Problem(
        code="bad_encoding",
        value=f"{found} at byte {place} of the file",
        expected="UTF-8",
        hint="save the table as UTF-8, or convert it: iconv -f WINDOWS-1252 -t UTF-8",
    )


# --- One row ------------------------------------------------------------------------------------


def key_of(raw: RawRecord) -> str | None:
    """Return the normalised key of a row, None when it has none that can be used."""
    if raw.problems:
        return None
    try:
        return known_key(_key(_decode(raw.raw)))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _key(row: Row) -> str:
    """Return the value of the key's column, else that of the slug's."""
    for field in ("key", "slug"):
        for name, value in zip(row.fields, row.values, strict=False):
            if name == field:
                return value
    return ""


def decode(raw: RawRecord) -> Decoded:
    """Return the fields of a row; values of a wrong kind become problems."""
    try:
        row = _decode(raw.raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        problem = Problem(code="bad_csv", value=shown(str(error)), expected="a row of a table")
        return Decoded(None, (problem,))
    return _Cells(row).decoded()


class _Cells:
    """One row, read cell by cell into fields."""

    def __init__(self, row: Row) -> None:
        self.row = row
        self.extra: dict[str, Any] = {}
        self.fields: dict[str, Any] = {"key": _key(row)}
        self.problems: list[Problem] = []

    def decoded(self) -> Decoded:
        html, images = "", []
        for number, (column, field, value) in enumerate(
            zip(self.row.columns, self.row.fields, self.row.values, strict=False), 1
        ):
            if not value.strip():
                continue
            if field == BODY_HTML:
                html = value
            elif field == IMAGE and foreign.web_address(value):
                images = [Image(url=foreign.web_address(value))]
            elif field and field != IMAGE:
                self.take(field, column, value)
            else:
                self.extra[column or f"column {number}"] = value
        body = self.fields.get("body", "")
        conversion = converted(html, images=images) if html and not body else None
        conversion = conversion or from_markdown(body, images=images)
        self.problems += conversion.problems
        self.fields["body"] = conversion.markdown
        if conversion.images and "image_sources" not in self.fields:
            rows = [msgspec.structs.asdict(image) for image in conversion.images]
            self.fields["image_sources"] = rows
        if self.extra:
            self.fields["extra"] = self.extra
        return Decoded(self.fields, tuple(self.problems))

    def take(self, field: str, column: str, value: str) -> None:
        """Read one cell into its field."""
        if field == "title":
            self.fields["title"] = foreign.one_line(value)
        elif field == "tags":
            self.fields["tags"] = [*self.fields.get("tags", []), *self.names(value)]
        elif field in ("stack", "tools"):
            self.fields[field] = self.names(value)
        elif field == "former_urls":
            for text in value.split():
                self.known(field, column, text, foreign.path(text), "a path such as /2012/hello/")
        elif field == "published_at":
            self.known(field, column, value, _moment(value.strip()), "a date such as 2026-11-17")
        elif field in ("slug", "language"):
            read = foreign.slug if field == "slug" else foreign.language
            expected = "letters, digits, hyphens" if field == "slug" else "a language such as en"
            self.known(field, column, value, read(value), expected)
        elif field in csv_columns.MEMBERS:
            section, _, member = field.partition(".")
            members = self.fields.setdefault(section, {})
            if isinstance(members, dict):
                members[member] = _typed(value, csv_columns.MEMBERS[field])
        elif field != "key":
            self.fields[field] = _typed(value, csv_columns.TYPES[field])

    def names(self, value: str) -> list[str]:
        listed = _json(value)
        return foreign.names(listed if isinstance(listed, list) else _NAMES.split(value))

    def known(self, field: str, column: str, value: str, read: str | None, expected: str) -> None:
        """Keep what could be read; what could not stays under the name of its column."""
        if not read:
            self.extra[column] = value
            self.problems.append(
                Problem(
                    code={"published_at": "bad_date", "slug": "bad_slug"}.get(field, "bad_value"),
                    field=field,
                    value=shown(value),
                    expected=f"{expected}; kept as an unknown field",
                    severity="warning",
                )
            )
        elif field == "former_urls":
            self.fields.setdefault(field, []).append(read)
        else:
            self.fields[field] = read


def _moment(value: str) -> str | None:
    """Return a date, or a number of seconds or milliseconds since 1970, as a moment."""
    if _SECONDS.fullmatch(value):
        return foreign.epoch(int(value) * 1000)
    if _MILLISECONDS.fullmatch(value):
        return foreign.epoch(int(value))
    return foreign.moment(value)


def _json(value: str) -> Any:
    """Return the list or map that a cell holds as JSON, None for other text."""
    if value.lstrip()[:1] not in ("[", "{"):
        return None
    try:
        return msgspec.json.decode(value)
    except (msgspec.DecodeError, RecursionError):
        return None


def _typed(value: str, kind: Any) -> Any:
    """Return a cell as its field's type has it, else as text, which is told as wrong."""
    if kind is str:
        return value
    found = _json(value)
    if found is not None:
        return found
    if kind == tuple[str, ...]:
        return [item.strip() for item in _ITEMS.split(value) if item.strip()]
    text = value.strip()
    if kind == int | None:
        return int(text) if _WHOLE.fullmatch(text) else value
    if kind == bool | None:
        return {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}.get(
            text.lower(), value
        )
    return value
