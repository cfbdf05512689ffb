"""Runs of text with their marks as one paragraph of CommonMark.

In: runs as HTML gives them, with marks and links that may overlap in any way. Out: Markdown that
reads to the same words. Emphasis that CommonMark cannot express where it stands is left out and
said; words never are. Knows neither HTML nor Django.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Literal

import msgspec

from posts.commonmark import parser

STRONG, EMPHASIS, STRUCK = 1, 2, 4
_MARKS = (STRONG, EMPHASIS, STRUCK)


class Link(msgspec.Struct, eq=False):
    """One link. Two with the same target are still two."""

    target: str
    title: str = ""
    is_used: bool = False


class Run(msgspec.Struct):
    """A piece of a paragraph. `made` is Markdown already, such as an image."""

    kind: Literal["text", "code", "made", "break"]
    text: str = ""
    marks: int = 0
    link: Link | None = None


# --- Escaping (CommonMark 0.31, tables and strikethrough on) ------------------------------------

_SPACE = re.compile(r"[ \t\n\r\f]+")
_UNWANTED = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_SPECIAL = re.compile(r"[\\`*_\[\]<&~!|]")
_ENTITY = re.compile(r"&(?:#[0-9]{1,7};|#[xX][0-9a-fA-F]{1,6};|[A-Za-z][A-Za-z0-9]{0,31};|#?\w*$)")
_LINE_START = re.compile(
    r"#{1,6}(?=\s|$)|>|[-+](?=\s|$)|[-=:](?=[-=:| ]*$)|(?P<number>\d{1,9})(?=[.)](?:\s|$))"
)
_CLOSING_HASHES = re.compile(r"#+$")
_BACKTICKS = re.compile(r"`+")


def escaped(text: str, *, in_table: bool = False, before_link: bool = False) -> str:
    """Return Markdown for words that stand for themselves, wherever in a line."""

    def replace(match: re.Match[str]) -> str:
        mark, at = match[0], match.start()
        before, after = text[at - 1 : at] if at else "", text[at + 1 : at + 2]
        if mark == "_":
            is_plain = before.isalnum() and after.isalnum()
        elif mark == "<":
            is_plain = bool(after) and not (after in "/!?" or (after.isascii() and after.isalpha()))
        elif mark == "&":
            is_plain = _ENTITY.match(text, at) is None
        elif mark == "~":
            is_plain = bool(before and after) and "~" not in (before, after)
        elif mark == "!":
            is_plain = bool(after) or not before_link
        else:
            is_plain = mark == "|" and not in_table
        return mark if is_plain else "\\" + mark

    return _SPECIAL.sub(replace, text)


def line(text: str) -> str:
    """Return a line of a paragraph such that it begins no other block."""
    start = _LINE_START.match(text)
    if start is None:
        return text
    at = start.end("number") if start["number"] else start.start()
    return f"{text[:at]}\\{text[at:]}"


def code(text: str, *, in_table: bool = False) -> str:
    """Return a code span."""
    fence = "`"
    runs = {len(run) for run in _BACKTICKS.findall(text)}
    while len(fence) in runs:
        fence += "`"
    if text[0] == "`" or text[-1] == "`" or (text[0] == text[-1] == " " and text.strip(" ")):
        text = f" {text} "
    if in_table:
        text = text.replace("|", "\\|")
    return f"{fence}{text}{fence}"


_IN_TARGET = re.compile('[\\s<>\\\\`|"\x00-\x20\x7f-\x9f]')
_PARENTHESES = str.maketrans({"(": "\\(", ")": "\\)"})


def _target(url: str) -> str:
    url = _IN_TARGET.sub(lambda match: "".join(f"%{b:02X}" for b in match[0].encode()), url)
    url = _ENTITY.sub(lambda match: "\\" + match[0], url)
    return url.translate(_PARENTHESES) if "(" in url or ")" in url else url


def _title(text: str) -> str:
    text = text.replace("\\", "\\\\").replace('"', '\\"').replace("|", "&#124;")
    return _ENTITY.sub(lambda match: match[0] if match[0] == "&#124;" else "\\" + match[0], text)


def normal(text: str) -> str:
    """Return words as a paragraph holds them: NFC, no controls, single spaces, trimmed."""
    if text.isascii() and text.isprintable() and "  " not in text:
        return text.strip(" ")
    text = _UNWANTED.sub("", text)
    return unicodedata.normalize("NFC", _SPACE.sub(" ", text)).strip(" ")


def image(label: str, number: int, *, in_table: bool = False) -> str:
    """Return the image of a row, counted from 1; 0 is one that has only its label."""
    return f"![{escaped(normal(label), in_table=in_table)}](image:{number})"


# --- Pieces: runs with their spaces settled ------------------------------------------------------


def _pieces(runs: Sequence[Run], *, one_line: bool) -> list[Run]:
    """Return the runs with single spaces, none at either end, marks around words only."""
    found: list[Run] = []

    def space(kind: Literal["text", "break"]) -> None:
        if not found:
            return
        last = found[-1]
        if last.kind == "break":
            return
        if last.kind == "text" and last.text == " ":
            if kind == "text":
                return
            found.pop()
        found.append(Run(kind, " "))

    for run in runs:
        if run.kind == "break":
            space("text" if one_line else "break")
        elif run.kind == "text":
            text = _SPACE.sub(" ", _UNWANTED.sub("", run.text))
            words = text.strip(" ")
            if text[:1] == " ":
                space("text")
            if words:
                found.append(Run("text", words, run.marks, run.link))
                if text[-1] == " ":
                    space("text")
        elif run.kind == "code":
            text = _SPACE.sub(" ", _UNWANTED.sub("", run.text))
            if text.strip(" "):
                found.append(Run("code", text, run.marks, run.link))
        else:
            found.append(run)
    while found and found[-1].text == " " and found[-1].kind in ("text", "break"):
        found.pop()
    return _merged(found)


def _merged(pieces: list[Run]) -> list[Run]:
    for number, piece in enumerate(pieces):
        # The space between two marked words is marked as both are.
        if piece.text == " " and piece.kind in ("text", "break"):
            before, after = pieces[number - 1], pieces[number + 1]
            piece.marks = before.marks & after.marks
            piece.link = before.link if before.link is after.link else None
    merged: list[Run] = []
    texts: list[str] = []
    for piece in pieces:
        last = merged[-1] if merged else None
        if (
            last is not None
            and last.kind == piece.kind in ("text", "code")
            and (last.marks, last.link) == (piece.marks, piece.link)
        ):
            texts.append(piece.text)
            continue
        if last is not None:
            last.text = _composed(texts)
        texts = [piece.text]
        merged.append(Run(piece.kind, piece.text, piece.marks, piece.link))
    if merged:
        merged[-1].text = _composed(texts)
    return merged


def _composed(texts: Sequence[str]) -> str:
    # Before escaping: a sign and the accent behind it can be one character afterwards.
    return unicodedata.normalize("NFC", "".join(texts))


# --- Marks -------------------------------------------------------------------------------------

_Mark = int | Link


class _Piece(msgspec.Struct):
    """Written Markdown and, for the sign of a mark, which one it opens or closes."""

    text: str
    mark: _Mark | None = None
    opens: bool = False
    first: int = 0


def _ends(pieces: Sequence[Run]) -> list[dict[_Mark, int]]:
    """Return for each piece how far each of its marks goes on, as the number of the last piece."""
    ends: list[dict[_Mark, int]] = [{} for _ in pieces]
    for number in range(len(pieces) - 1, -1, -1):
        piece = pieces[number]
        following = ends[number + 1] if number + 1 < len(pieces) else {}
        marks: list[_Mark] = [mark for mark in _MARKS if piece.marks & mark]
        if piece.link is not None:
            marks.append(piece.link)
        ends[number] = {mark: following.get(mark, number) for mark in marks}
    return ends


def _written(pieces: Sequence[Run], *, in_table: bool) -> list[_Piece]:
    out: list[_Piece] = []
    ends = _ends(pieces)
    open_marks: list[tuple[_Mark, str, int]] = []  # mark, its sign, the piece it begins with

    def close(depth: int) -> None:
        while len(open_marks) > depth:
            mark, sign, first = open_marks.pop()
            out.append(_Piece(sign, mark, False, first))

    for number, piece in enumerate(pieces):
        wanted = ends[number]
        depth = 0
        while depth < len(open_marks) and open_marks[depth][0] in wanted:
            depth += 1
        has_link = any(mark is piece.link for mark, _, _ in open_marks[:depth])
        if piece.link is not None and not has_link:
            # A link is never taken apart: what ends inside it has to begin inside it as well.
            for place in range(depth):
                if wanted[open_marks[place][0]] < wanted[piece.link]:
                    depth = place
                    break
        close(depth)
        held = {mark for mark, _, _ in open_marks}
        for mark in sorted(
            (mark for mark in wanted if mark not in held),
            key=lambda mark: (-wanted[mark], 0 if isinstance(mark, Link) else mark),
        ):
            if isinstance(mark, Link):
                title = f' "{_title(mark.title)}"' if mark.title else ""
                open_marks.append((mark, f"]({_target(mark.target)}{title})", number))
                out.append(_Piece("[", mark, True, number))
                continue
            before = out[-1].text[-1] if out else " "
            end = wanted[mark] + 1
            after = pieces[end].text[:1] if end < len(pieces) else " "
            sign = {STRONG: "**", STRUCK: "~~"}.get(mark, "")
            if not sign:
                sign = "*" if before.isalnum() or after.isalnum() or before == "_" else "_"
            open_marks.append((mark, sign, number))
            out.append(_Piece(sign, mark, True, number))
        following = pieces[number + 1] if number + 1 < len(pieces) else None
        before_link = following is not None and following.link is not None
        out.append(_Piece(_content(piece, in_table=in_table, before_link=before_link)))
    close(0)
    return out


def _content(piece: Run, *, in_table: bool, before_link: bool) -> str:
    if piece.kind == "text":
        return escaped(piece.text, in_table=in_table, before_link=before_link)
    if piece.kind == "code":
        return code(piece.text, in_table=in_table)
    return "\\\n" if piece.kind == "break" else piece.text


#: From so many on no paragraph is worth the looks.
_DOUBTFUL_MAX = 500
_EDGES = frozenset(" \n.,;:!?()[]{}\"'/-–—…“”‘’")


def _doubtful(written: Sequence[_Piece]) -> Iterator[_Piece]:
    """Yield the signs of emphasis that CommonMark could read in another way than they are meant."""
    for number, piece in enumerate(written):
        if not isinstance(piece.mark, int):
            continue
        before = written[number - 1].text[-1] if number else " "
        after = written[number + 1].text[0] if number + 1 < len(written) else " "
        outside, inside = (before, after) if piece.opens else (after, before)
        if outside not in _EDGES or not inside.isalnum():
            yield piece


def _words(markdown: str) -> str:
    """Return the words a reader of the Markdown gets, without those of images."""
    parts: list[str] = []
    for token in parser().parseInline(markdown)[0].children or ():
        if token.type in ("text", "code_inline"):
            parts.append(token.content)
        elif token.type in ("softbreak", "hardbreak"):
            parts.append(" ")
    return "".join(parts)


def paragraph(
    runs: Sequence[Run], *, one_line: bool = False, in_table: bool = False
) -> tuple[str, int]:
    """Return the Markdown of the runs, "" when they show nothing, and how many marks were lost.

    `one_line` is for headings and cells, which have no line breaks.
    """
    if all(run.kind == "text" and not run.marks and run.link is None for run in runs):
        # Most of a text, and all of it that can hold no line break.
        words = escaped(normal("".join(run.text for run in runs)), in_table=in_table)
        return _settled(words, one_line=one_line, in_table=in_table), 0
    pieces = _pieces(runs, one_line=one_line or in_table)
    for piece in pieces:
        if piece.link is not None:
            piece.link.is_used = True
    written, lost = _read_back(pieces, in_table=in_table)
    return _settled(_joined(written), one_line=one_line, in_table=in_table), lost


def _read_back(pieces: list[Run], *, in_table: bool) -> tuple[list[_Piece], int]:
    """Return the written pieces such that their words are read as meant, and the marks it cost."""
    written = _written(pieces, in_table=in_table)
    doubtful = list(_doubtful(written))
    if not doubtful:
        return written, 0
    meant = " ".join("".join(piece.text for piece in pieces if piece.kind != "made").split())
    lost = 0
    # At most two looks: with all marks, and without the doubtful ones; then there are none.
    while doubtful:
        if len(doubtful) <= _DOUBTFUL_MAX:
            text = _joined(written)
            read = _words(text.replace("\\|", "|") if in_table else text)
            if " ".join(read.split()) == meant:
                break
        unwanted = [piece for piece in written if isinstance(piece.mark, int)]
        if not lost and len(doubtful) <= _DOUBTFUL_MAX:
            unwanted = doubtful
        lost += len({(piece.mark, piece.first) for piece in unwanted})
        _unmark(pieces, unwanted)
        pieces = _merged(pieces)
        written = _written(pieces, in_table=in_table)
        doubtful = [piece for piece in written if isinstance(piece.mark, int)]
    return written, lost


def _settled(text: str, *, one_line: bool, in_table: bool) -> str:
    """Return Markdown such that no line of it begins or ends another block."""
    if not one_line and not in_table:
        return "\n".join(map(line, text.split("\n")))
    if one_line and text.endswith("#"):
        return _CLOSING_HASHES.sub(lambda match: "\\" + match[0], text)
    return text


def _unmark(pieces: list[Run], unwanted: Sequence[_Piece]) -> None:
    for sign in unwanted:
        assert isinstance(sign.mark, int)  # noqa: S101  (links are never doubtful)
        for number in range(sign.first, len(pieces)):
            if not pieces[number].marks & sign.mark:
                break
            pieces[number].marks &= ~sign.mark


def _joined(written: Sequence[_Piece]) -> str:
    return "".join(piece.text for piece in written)
