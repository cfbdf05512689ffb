"""The article of a text export: title, headings, paragraphs, lists, figures.

Input: the lines before the marker. Output: blocks and problems. Blocks are told apart by their
shape alone, so the rules follow the five sample documents closely.
"""

from __future__ import annotations

import re

import msgspec

from posts.content import Problem, shown
from posts.importing.formats.text_meta import is_item
from posts.importing.plain_blocks import Heading, ListBlock, Paragraph

#: A lone line up to this long and without final punctuation is a heading.
HEADING_CHARACTERS = 60
#: A first line longer than this that ends in a full stop is the introduction: the title is lost.
TITLE_SENTENCE_CHARACTERS = 120

KNOWN_HEADINGS = frozenset(
    {
        "why this matters",
        "the practical approach",
        "production checks",
        "security and maintenance notes",
        "implementation checklist",
        "final notes",
    }
)

_HEADER = re.compile(r"\|(?: *\|)*")
_SOURCE = ". image source: "
_BULLET = re.compile(r" {2,4}([•*·-])(?: +|$)")


class FigureLines(msgspec.Struct, frozen=True):
    """A figure as the export has it: alternative text, caption, source, line in the file."""

    alt: str
    caption: str
    source: str
    line: int


Part = Heading | Paragraph | ListBlock | FigureLines


def is_header(line: str) -> bool:
    """Say whether a line is the export's header of bars, which carries no data."""
    return _HEADER.fullmatch(line.strip(" ")) is not None


class Article:
    """The article while and after it is read. Lines count from 1 in the file."""

    def __init__(self, lines: list[str]) -> None:
        self.title = ""
        self.title_line = 0
        self.parts: list[Part] = []
        self.problems: list[Problem] = []
        self._lines = lines
        self._other_bullets = 0
        self._read(self._skip_title())
        self._judge_headings()

    def _warn(self, code: str, value: object, expected: str, line: int, **more: str) -> None:
        severity = "repair" if more.get("severity") == "repair" else "warning"
        self.problems.append(
            Problem(
                code=code,
                field="body",
                value=shown(value),
                expected=expected,
                line=line,
                severity=severity,  # type: ignore[arg-type]
            )
        )

    def _skip_title(self) -> int:
        """Read the title and return the number of lines read."""
        for number, line in enumerate(self._lines):
            text = line.strip(" \t")
            if not text or (is_header(text) and not self.title):
                continue
            if len(text) > TITLE_SENTENCE_CHARACTERS and text.endswith("."):
                self.problems.append(
                    Problem(
                        code="missing_title",
                        field="title",
                        value=shown(text),
                        expected="a title before the first paragraph",
                        line=number + 1,
                    )
                )
                return number
            self.title = text
            self.title_line = number + 1
            return number + 1
        self.problems.append(
            Problem(code="missing_title", field="title", expected="a title line", line=1)
        )
        return len(self._lines)

    def _read(self, start: int) -> None:
        number = start
        while number < len(self._lines):
            line = self._lines[number]
            if not line.strip(" \t"):
                number += 1
            elif is_item(line):
                number = self._list(number)
            elif self._is_figure(number):
                self._figure(number)
                number += 2
            else:
                self._text(number)
                number += 1
        if self._other_bullets:
            value = f"{self._other_bullets} items"
            self._warn("bullet", value, "the bullet U+2022", 0, severity="repair")

    def _list(self, number: int) -> int:
        items: list[str] = []
        while number < len(self._lines) and is_item(self._lines[number]):
            line = self._lines[number]
            bullet = _BULLET.match(line)
            assert bullet is not None  # noqa: S101  (is_item said so)
            self._other_bullets += bullet[1] != "•"
            items.append(line[bullet.end() :])
            number += 1
        self.parts.append(ListBlock(tuple(items)))
        return number

    def _is_figure(self, number: int) -> bool:
        first, second = self._line(number), self._line(number + 1)
        caption, separator, _ = second.rpartition(_SOURCE)
        if not separator or not first:
            return False
        if caption.startswith(first):
            return True
        self._warn(
            "broken_figure",
            second,
            "a caption that begins with the line before it; both became paragraphs",
            number + 2,
        )
        return False

    def _figure(self, number: int) -> None:
        caption, _, source = self._line(number + 1).rpartition(_SOURCE)
        self.parts.append(FigureLines(self._line(number), caption, source, number + 1))

    def _line(self, number: int) -> str:
        return self._lines[number].strip(" \t") if 0 <= number < len(self._lines) else ""

    def _text(self, number: int) -> None:
        text = self._line(number)
        follows_text = number > 0 and self._is_text(number - 1)
        is_lone = not follows_text and not self._is_text(number + 1)
        has_shape = len(text) <= HEADING_CHARACTERS and text[-1] not in ".!?:;"
        if text in KNOWN_HEADINGS or (is_lone and has_shape):
            self.parts.append(Heading(text))
            return
        previous = self.parts[-1] if self.parts else None
        if follows_text and isinstance(previous, Paragraph):
            self._warn(
                "adjacent_lines",
                text,
                "a blank line between paragraphs; each line became one",
                number + 1,
            )
        self.parts.append(Paragraph(text))

    def _is_text(self, number: int) -> bool:
        line = self._line(number)
        if not line or is_item(self._lines[number]) or number + 1 == self.title_line:
            return False
        # The second line of a figure closes it; what follows is on its own.
        return _SOURCE not in line

    def _judge_headings(self) -> None:
        for number, part in enumerate(self.parts, 1):
            following = self.parts[number] if number < len(self.parts) else None
            if isinstance(part, Heading) and (following is None or isinstance(following, Heading)):
                self._warn("empty_heading", part.text, "text below each heading; kept", 0)
