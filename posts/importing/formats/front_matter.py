"""Front matter: the values above a text, told apart from its body and read as plain values.

In: the text of one file. Out: values twice, typed and as they are written, the body, what is wrong.
Also JSON inside an HTML comment. Knows no field by its meaning.
"""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec

from posts.content import Problem
from posts.importing.formats.front_values import (
    FRONT_MATTER_MAX,
    NOTATIONS,
    RefusedError,
    both,
    json_object,
)

#: What closes each kind, and the kind that a word behind the opening marks names instead.
_OPENING = re.compile(r"(---|\+\+\+|;;;)[ \t]*(\w*)[ \t]*(?:\n|\Z)")
_CLOSING = {
    "---": re.compile(r"^(?:---|\.\.\.)[ \t]*$", re.MULTILINE),
    "+++": re.compile(r"^\+\+\+[ \t]*$", re.MULTILINE),
    ";;;": re.compile(r"^;;;[ \t]*$", re.MULTILINE),
}
_KINDS = {"---": "yaml", "+++": "toml", ";;;": "json"}
_JSON_START = re.compile(r"\{\s*[\"}]")
_COMMENT_START = re.compile(r"<!--\s*(?=\{\s*\")")
_COMMENT_END = re.compile(r"\s*-->[ \t]*(?:\n|\Z)")
_LINE_END = re.compile(r"[ \t]*(?:\n|\Z)")
#: The first line of a map: a name and a colon. Prose before a rule seldom has it so early.
_NAMED = re.compile(r"""\s*(?:\#[^\n]*\n\s*)*(?:["'{]|[\w.-][\w .-]{0,60}["']?\s*:(?:\s|\Z))""")


class FrontMatter(msgspec.Struct, frozen=True):
    """What stood above a text. `kind` is empty when nothing did.

    `texts` has the same shape as `values`, each value as it is written. `line` is the line of the
    file on which the body begins, counted from 1. With an error in `problems` there are no values.
    """

    body: str
    kind: str = ""
    values: dict[str, Any] = {}
    texts: dict[str, Any] = {}
    line: int = 1
    problems: tuple[Problem, ...] = ()


def read(text: str) -> FrontMatter:
    """Return the front matter of a text and its body. A text without any is all body.

    Two rules with prose between them are no front matter, and neither is a comment without JSON.
    """
    start = len(text) - len(text.lstrip("\n"))
    try:
        found = _between_marks(text, start) or _object(text, start)
    except RefusedError as error:
        return FrontMatter(text, problems=(error.problem,))
    return found or FrontMatter(text)


def is_certain(head: str, *, is_named: bool = False) -> bool:
    """Say whether the beginning of a file can be nothing but front matter with its end in sight.

    An object of JSON on one line is one of JSON Lines, whatever stands behind it, unless the file
    is named as Markdown is (`is_named`).
    """
    text = head.lstrip("\n")
    opening = _OPENING.match(text)
    if opening:
        closing = _CLOSING[opening[1]].search(text, opening.end())
        if closing is None or opening[2]:
            return closing is not None
        inside = text[opening.end() : closing.start()]
        return not inside.strip() or opening[1] != "---" or _NAMED.match(inside) is not None
    if _COMMENT_START.match(text):
        return True
    if not _JSON_START.match(text):
        return False
    try:
        _, end = json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError):
        return False
    if not is_named and "\n" not in text[:end]:
        return False
    rest = text[end:]
    # What follows an object of JSON Lines is another one.
    return _LINE_END.match(rest) is not None and rest.lstrip()[:1] not in ("", "{", "[")


def _between_marks(text: str, start: int) -> FrontMatter | None:
    opening = _OPENING.match(text, start)
    if opening is None:
        return None
    marks = opening[1]
    kind = opening[2].lower() or _KINDS[marks]
    closing = _CLOSING[marks].search(text, opening.end())
    first = text.count("\n", 0, opening.end())
    if closing is None:
        if marks == "---" and not _NAMED.match(text, opening.end()):
            return None  # a rule above a text
        raise RefusedError(
            "unterminated_front_matter",
            text[start : start + 200],
            f"a line {marks} behind the front matter",
            first,
        )
    inside = text[opening.end() : closing.start()]
    if len(inside) > FRONT_MATTER_MAX:
        if not _NAMED.match(inside):
            return None
        raise RefusedError(
            "too_long",
            f"{len(inside):,} characters",
            f"at most {FRONT_MATTER_MAX:,} characters of front matter",
            first,
        )
    if kind not in NOTATIONS:
        raise RefusedError("bad_front_matter", kind, "front matter in YAML, TOML or JSON", first)
    found = NOTATIONS[kind](inside, first)
    if found is None:
        return None
    values, texts, problems = found
    line = text.count("\n", 0, closing.end()) + 2
    return FrontMatter(text[closing.end() + 1 :], kind, values, texts, line, problems)


def _object(text: str, start: int) -> FrontMatter | None:
    """Return JSON that stands bare, or in an HTML comment, above a text."""
    comment = _COMMENT_START.match(text, start)
    if comment is None and not _JSON_START.match(text, start):
        return None
    first = text.count("\n", 0, start)
    begin = comment.end() if comment else start
    members, problems, end = json_object(text, begin, first)
    closing = (_COMMENT_END if comment else _LINE_END).match(text, end)
    if closing is None:
        raise RefusedError(
            "bad_front_matter",
            text[end : end + 200],
            "--> behind the object" if comment else "a line end behind the object",
            text.count("\n", 0, end) + 1,
        )
    line = text.count("\n", 0, closing.end()) + 1
    return FrontMatter(text[closing.end() :], "json", *both(members, first), line, problems)
