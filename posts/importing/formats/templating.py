"""Marks of template languages in a Markdown text: Liquid, and the shortcodes of Hugo and Zola.

In: Markdown as a generator reads it. Out: Markdown that shows them. Highlighted blocks become
fenced code, what is marked as raw stands for itself, a link to a mark becomes its words with the
address behind them, everything else stays readable as code; nothing is carried out. Every step
takes time in proportion to the text.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator

from markdown_it.token import Token

from posts.commonmark import parser_for

_RAW = re.compile(r"\{%-?\s{0,100}(end)?raw\s{0,100}-?%\}")
_HIGHLIGHT = re.compile(
    r"""(?P<fence>^[ \t>]*(?:[-*+][ \t]+|\d{1,9}[.)][ \t]+)?(?P<marks>`{3,}|~{3,})[^`\n]*$)
    | \{%-?\s{0,100}highlight\s{1,100}(?P<liquid>[\w+\#.-]+)[^%{}]{0,300}%\}
    | \{\{[<%]\s{0,100}highlight\s{1,100}"?(?P<hugo>[\w+\#.-]+)"?[^{}]{0,300}[>%]\}\}
    | (?P<end>\{%-?\s{0,100}endhighlight\s{0,100}-?%\}
            | \{\{[<%]\s{0,100}/\s{0,100}highlight\s{0,100}[>%]\}\})""",
    re.VERBOSE | re.MULTILINE,
)
_SAME_LINE = re.compile(r"[ \t]*\S")
_BACKTICKS = re.compile(r"`+")
_MARK = re.compile(r"\{[%{]")
#: Longest mark that is shown as code; what is longer is text with braces in it.
_MARK_MAX = 2_000
_IN_MARK = r"(?:[^{}\n]|\n(?![ \t]*\n)){0,500}"
_ONE_MARK = rf"(?:\{{\{{{_IN_MARK}\}}\}}|\{{%{_IN_MARK}%\}})"
#: An address with a mark in it, up to the end of its place.
_MARKED = (
    rf"<?(?P<address>[^\s{{}}()<>]{{0,1000}}{_ONE_MARK}"
    rf"(?:[^\s{{}}()<>]|{_ONE_MARK}){{0,1000}}+)>?"
    r"(?:[ \t]{1,9}(?:\"[^\"\n]{0,300}\"|'[^'\n]{0,300}'))?[ \t]{0,9}"
)
_DEFINITION = re.compile(
    r"^[ ]{0,3}\[(?P<label>[^\[\]\n]{1,300})\]:[ \t]{0,9}" + _MARKED + r"$\n?", re.MULTILINE
)
#: What opens and closes the words of a link, and the blank lines that none goes over.
_BRACKET = re.compile(
    r"\\.|\n[ \t]{0,100}\n|!?\[|\]\([ \t]{0,9}"
    + _MARKED
    + r"\)|\](?:\[(?P<label>[^\[\]\n]{0,300})\])?"
)
_MARKED_PLACE = re.compile(r"(?:\]\(|\]:)[^\n]{0,1000}?\{[%{]")
#: Addresses and tags, in which a mark is a part of something else.
_ADDRESS = re.compile(
    r"""\]\([^\s()]{1,2000}\) | <[A-Za-z/][^<>]{0,2000}>
    | ^[ ]{0,3}\[[^\]\n]{1,300}\]:[ \t]{0,9}\S{1,2000}""",
    re.VERBOSE | re.MULTILINE,
)


def shown(text: str) -> str:
    """Return a text whose template marks a reader can see."""
    if "{%" not in text and "{{" not in text:
        return text
    return _visible(_without_links(_fenced(_without_raw(text))))


def _without_raw(text: str) -> str:
    """Return the text without pairs of raw marks: they only keep Liquid from what is inside."""
    parts: list[str] = []
    at = 0
    opened: re.Match[str] | None = None
    for mark in _RAW.finditer(text):
        if not mark[1]:
            opened = opened or mark
        elif opened:
            parts += [text[at : opened.start()], text[opened.end() : mark.start()]]
            at, opened = mark.end(), None
    return "".join([*parts, text[at:]])


def _fenced(text: str) -> str:
    """Return the text with highlighted blocks as fenced code; those in code stay as they are."""
    parts: list[str] = []
    at = 0
    marks = list(_HIGHLIGHT.finditer(text))
    ends = [number for number, mark in enumerate(marks) if mark["end"]]
    number = 0
    while number < len(marks):
        mark = marks[number]
        number += 1
        if mark["fence"]:
            number = _behind_fence(marks, number, mark["marks"])
            continue
        place = bisect_left(ends, number)
        if mark["end"] or place == len(ends):
            continue
        end = marks[ends[place]]
        before = text[at : mark.start()]
        indent = before[before.rfind("\n") + 1 :]
        if indent.strip():
            before, indent = before + "\n\n", ""
        code = text[mark.end() : end.start()].strip("\n").rstrip()
        fence = "`" * max(3, 1 + max(map(len, _BACKTICKS.findall(code)), default=0))
        language = mark["liquid"] or mark["hugo"]
        parts.append(f"{before}{fence}{language}\n{code}\n{indent}{fence}")
        at = end.end()
        if _SAME_LINE.match(text, at):
            parts.append("\n\n")
        number = ends[place] + 1
    return "".join([*parts, text[at:]])


def _behind_fence(marks: list[re.Match[str]], number: int, opening: str) -> int:
    """Return the number of the first mark behind the fence that closes an open one."""
    for following in range(number, len(marks)):
        closing = marks[following]["marks"]
        if closing and closing[0] == opening[0] and len(closing) >= len(opening):
            return following + 1
    return len(marks)


def code_ranges(text: str) -> list[tuple[int, int]]:
    """Return where blocks of code and of HTML begin and end, in order."""
    starts = [0, *(match.end() for match in re.finditer("\n", text)), len(text)]
    parser = parser_for(text, reads_html=True)
    tokens: list[Token] = []
    parser.block.parse(text, parser, {}, tokens)
    return [
        (starts[token.map[0]], starts[min(token.map[1], len(starts) - 1)])
        for token in tokens
        if token.map and token.type in ("fence", "code_block", "html_block")
    ]


def _without_links(text: str) -> str:
    """Return the text with links to marks as their words and the address as code."""
    if _MARKED_PLACE.search(text) is None:
        return text
    text, addresses = _without_definitions(text)
    covered = _Covered(_code_and_spans(text))
    edits: list[tuple[int, int, str]] = []
    opened: list[re.Match[str]] = []
    for sign in _BRACKET.finditer(text):
        if covered(sign.start()) or sign[0][0] == "\\":
            continue
        if sign[0][-1] == "[":
            opened.append(sign)
        elif sign[0][0] == "\n":
            opened.clear()
        elif opened:
            start = opened.pop()
            address = _one_line(sign["address"] or "")
            if not address and addresses:
                words = text[start.end() : sign.start()]
                address = addresses.get(_label(sign["label"] or words), "")
            if address:
                edits += [(*start.span(), ""), (*sign.span(), f" ({_span(address)})")]
    parts: list[str] = []
    at = 0
    for begin, end, instead in sorted(edits):
        parts += [text[at:begin], instead]
        at = end
    return "".join([*parts, text[at:]])


def _without_definitions(text: str) -> tuple[str, dict[str, str]]:
    """Return the text less the references to marks, and these by label."""
    addresses: dict[str, str] = {}
    covered = _Covered(code_ranges(text))
    parts: list[str] = []
    at = 0
    for found in _DEFINITION.finditer(text):
        if not covered(found.start()):
            addresses.setdefault(_label(found["label"]), _one_line(found["address"]))
            parts.append(text[at : found.start()])
            at = found.end()
    return "".join([*parts, text[at:]]), addresses


def _label(words: str) -> str:
    return _one_line(words).casefold()


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _span(code: str) -> str:
    """Return a code span."""
    fence = "`" * (1 + max(map(len, _BACKTICKS.findall(code)), default=0))
    return f"{fence}{code}{fence}"


def _visible(text: str) -> str:
    """Return the text with every mark outside of code, tags and addresses as a code span."""
    if _MARK.search(text) is None:
        return text
    parts: list[str] = []
    at = 0
    for begin, end in _marks(text):
        parts += [text[at:begin], _span(text[begin:end])]
        at = end
    return "".join([*parts, text[at:]])


def _marks(text: str) -> Iterator[tuple[int, int]]:
    """Yield where the marks begin and end that are to be shown as code."""
    covered = _Covered(_ranges(text))
    ends = {"{%": -1, "{{": -1}
    behind = 0
    for found in _MARK.finditer(text):
        begin, opening = found.start(), found[0]
        closing = "%}" if opening == "{%" else "}}"
        if ends[opening] < begin + 2:
            place = text.find(closing, begin + 2)
            ends[opening] = place if place >= 0 else len(text)
        end = ends[opening] + 2
        if begin < behind or end > len(text) or end - begin > _MARK_MAX:
            continue
        if "\n\n" in text[begin:end] or covered(begin):
            continue
        behind = end
        yield begin, end


class _Covered:
    """Says of places in rising order whether they are inside of one of the ranges."""

    def __init__(self, ranges: Iterable[tuple[int, int]]) -> None:
        self._ranges = sorted(ranges)
        self._number = 0
        self._end = 0

    def __call__(self, place: int) -> bool:
        while self._number < len(self._ranges) and self._ranges[self._number][0] <= place:
            self._end = max(self._end, self._ranges[self._number][1])
            self._number += 1
        return place < self._end


def _ranges(text: str) -> Iterator[tuple[int, int]]:
    yield from _code_and_spans(text)
    for match in _ADDRESS.finditer(text):
        yield match.span()


def _code_and_spans(text: str) -> Iterator[tuple[int, int]]:
    yield from code_ranges(text)
    runs = list(_BACKTICKS.finditer(text))
    of_length: dict[int, list[int]] = defaultdict(list)
    for number, run in enumerate(runs):
        of_length[len(run[0])].append(number)
    number = 0
    while number < len(runs):
        same = of_length[len(runs[number][0])]
        place = bisect_left(same, number + 1)
        if place < len(same):
            yield runs[number].start(), runs[same[place]].end()
            number = same[place]
        number += 1
