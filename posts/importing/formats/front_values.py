"""The values of front matter in its three notations: YAML, TOML and JSON, and nothing but values.

In: the text between the marks and the line of the file before it. Out: values twice, typed and as
they are written, or a refusal with its line. Builds no objects, and stops at a budget of values.
"""

from __future__ import annotations

import datetime as dt
import json
import re
import tomllib
from collections.abc import Callable
from typing import Any, NamedTuple

import yaml

from posts.content import Problem, shown

#: Characters of front matter. Values of unknown names are limited to fewer than that.
FRONT_MATTER_MAX = 64 * 1024
#: Values in one front matter after its aliases are followed, and levels of them.
VALUES_MAX = 4_000
DEPTH_MAX = 30

#: A name in many parts, for which the parser of TOML takes their square.
_LONG_NAME = re.compile(r"""(?<![\w"'-])(?:[\w"'-]+[ \t]*\.[ \t]*){50}""")
_TAG = "tag:yaml.org,2002:"
_DECIMAL = re.compile(r"-?(?:0|[1-9][0-9]{0,15})")
_TRUE = frozenset({"true", "yes", "on", "y"})


class RefusedError(ValueError):
    """Front matter that is not read; carries the problem to report."""

    def __init__(self, code: str, value: str, expected: str, line: int = 1) -> None:
        super().__init__(value)
        self.problem = Problem(
            code=code,
            field="front matter",
            value=shown(value),
            expected=expected,
            line=line,
            hint="correct the front matter of the file; nothing of it was read",
        )


_Read = tuple[dict[str, Any], dict[str, Any], tuple[Problem, ...]]


def _read_json(inside: str, first: int) -> _Read:
    members, problems, end = json_object(inside, len(inside) - len(inside.lstrip()), first)
    if inside[end:].strip():
        raise RefusedError("bad_front_matter", inside[end:], "one JSON object", first + 1)
    return *both(members, first), problems


def json_object(
    text: str, begin: int, first: int
) -> tuple[dict[str, Any], tuple[Problem, ...], int]:
    """Return the object that begins at a place of a text, what was found, and where it ends."""
    repeated: list[str] = []

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        members = dict(pairs)
        if len(members) != len(pairs):
            names = [name for name, _ in pairs]
            repeated.extend(name for name in members if names.count(name) > 1)
        return members

    # An object without an end must not be looked for in the whole text.
    end = min(len(text), begin + FRONT_MATTER_MAX)
    try:
        members, end = json.JSONDecoder(object_pairs_hook=unique).raw_decode(text[:end], begin)
    except json.JSONDecodeError as error:
        raise RefusedError(
            "bad_front_matter",
            text[max(error.pos - 40, begin) : error.pos + 80],
            f"JSON; {error.msg}",
            first + text.count("\n", 0, error.pos) + 1,
        ) from error
    except (ValueError, RecursionError) as error:
        raise RefusedError("bad_front_matter", str(error), "JSON", first + 1) from error
    if not isinstance(members, dict):
        raise RefusedError("bad_front_matter", text[begin:end], "one JSON object", first + 1)
    return members, _repeats(repeated), end


def _read_toml(inside: str, first: int) -> _Read:
    long_name = _LONG_NAME.search(inside)
    try:
        if long_name:
            raise ValueError("a name of fifty parts and more")
        found = tomllib.loads(inside)
    except (ValueError, RecursionError) as error:
        place = re.search(r"at line (\d+)", str(error))
        line = first + (int(place[1]) if place else 1)
        raise RefusedError("bad_front_matter", str(error), "TOML", line) from error
    return *both(found, first), ()


def both(members: dict[str, Any], first: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the values of JSON or TOML, dates as text, and the same as they are written."""
    left = VALUES_MAX

    def pair(value: Any, depth: int) -> tuple[Any, Any]:
        nonlocal left
        left -= 1
        if left < 0 or depth > DEPTH_MAX:
            raise _too_many(first + 1)
        if isinstance(value, list):
            pairs = [pair(item, depth + 1) for item in value]
            return [value for value, _ in pairs], [text for _, text in pairs]
        if isinstance(value, dict):
            named = {name: pair(item, depth + 1) for name, item in value.items()}
            return (
                {name: value for name, (value, _) in named.items()},
                {name: text for name, (_, text) in named.items()},
            )
        if isinstance(value, bool):
            return value, "true" if value else "false"
        if isinstance(value, int | float):
            return value, shown(value)
        if isinstance(value, dt.date | dt.time):
            return value.isoformat(), value.isoformat()
        return value, value

    values, texts = pair(members, 0)
    return values, texts


def _too_many(line: int) -> RefusedError:
    return RefusedError(
        "unsafe_front_matter",
        "aliases, nesting or values without end",
        f"at most {VALUES_MAX:,} values in {DEPTH_MAX} levels, aliases followed",
        line,
    )


def _read_yaml(inside: str, first: int) -> _Read | None:
    """Return the map of a YAML text, None for a text that is no map but prose or a list."""
    try:
        return _Yaml(inside, first).read()
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        reason = getattr(error, "problem", None) or getattr(error, "reason", None) or "unreadable"
        at = mark.index if mark else 0
        line = inside.count("\n", 0, at)
        raise RefusedError(
            "bad_front_matter",
            inside[inside.rfind("\n", 0, at) + 1 :].split("\n", 1)[0],
            f"YAML; {reason}",
            first + line + 1,
        ) from error


#: name -> what reads it; None for a text that is no map.
NOTATIONS: dict[str, Callable[[str, int], _Read | None]] = {
    "yaml": _read_yaml,
    "yml": _read_yaml,
    "toml": _read_toml,
    "json": _read_json,
}


def _repeats(names: list[str]) -> tuple[Problem, ...]:
    return tuple(
        Problem(
            code="duplicate_key_name",
            field=shown(name),
            value=shown(name),
            expected="each name once; the last one was taken",
            severity="warning",
        )
        for name in dict.fromkeys(names)
    )


class _Built(NamedTuple):
    """A value, the same as it is written, and how many values it is with its aliases followed."""

    value: Any
    text: Any
    size: int = 1


_NULL = _Built(None, None)


class _Yaml:
    """One YAML text, read event by event: composing it would recurse as deep as the text says.

    The budget ends it early, also where an alias stands for more than there is memory.
    """

    def __init__(self, text: str, first: int) -> None:
        self.text = text
        self.loader = yaml.CSafeLoader(text)
        self.resolve: Any = self.loader.resolve
        self.first = first
        self.left = VALUES_MAX
        self.anchors: dict[str, _Built] = {}
        self.repeated: list[str] = []

    def read(self) -> _Read | None:
        try:
            self.loader.get_event()  # the start of the stream
            if not self.loader.check_event(yaml.DocumentStartEvent):
                return {}, {}, ()
            self.loader.get_event()
            start = self.loader.peek_event()
            built = self.value(0)
            if isinstance(start, yaml.MappingStartEvent):
                return built.value, built.text, _repeats(self.repeated)
            return ({}, {}, ()) if built.value is None else None
        finally:
            self.loader.dispose()

    def next(self) -> Any:
        return self.loader.get_event()

    def line(self, event: Any) -> int:
        # The parser has more kinds of line ends than there are lines.
        at = event.start_mark.index if event.start_mark else 0
        return self.first + self.text.count("\n", 0, at) + 1

    def refused(self, event: Any, code: str, value: str, expected: str) -> RefusedError:
        return RefusedError(code, value, expected, self.line(event))

    def value(self, depth: int) -> _Built:
        event = self.next()
        known = self.known(event) if isinstance(event, yaml.AliasEvent) else None
        self.left -= known.size if known else 1
        if self.left < 0 or depth > DEPTH_MAX:
            raise _too_many(self.line(event))
        if known:
            return known
        if isinstance(event, yaml.ScalarEvent):
            built = self.scalar(event)
        elif isinstance(event, yaml.SequenceStartEvent):
            self.check(event, event.tag, "seq", "set", "omap", "pairs")
            built = self.sequence(depth)
        else:
            self.check(event, event.tag, "map", "set", "omap")
            built = self.map(depth)
        if event.anchor:
            self.anchors[event.anchor] = built
        return built

    def known(self, event: Any) -> _Built:
        """Return what an alias stands for; a value cannot stand for itself."""
        built = self.anchors.get(event.anchor)
        if built is None:
            raise self.refused(
                event, "unsafe_front_matter", f"*{event.anchor}", "an anchor before it"
            )
        return built

    def sequence(self, depth: int) -> _Built:
        items: list[_Built] = []
        while not self.loader.check_event(yaml.SequenceEndEvent):
            items.append(self.value(depth + 1))
        self.loader.get_event()
        size = 1 + sum(item.size for item in items)
        return _Built([item.value for item in items], [item.text for item in items], size)

    def map(self, depth: int) -> _Built:
        values: dict[str, Any] = {}
        texts: dict[str, Any] = {}
        merged: list[_Built] = []
        size = 1
        while not self.loader.check_event(yaml.MappingEndEvent):
            event: Any = self.loader.peek_event()
            if not isinstance(event, yaml.ScalarEvent):
                raise self.refused(
                    event, "bad_front_matter", "a list, map or alias as a name", "texts as names"
                )
            name = self.next().value
            item = self.value(depth + 1)
            size += item.size
            if name == "<<" and event.implicit[0]:
                merged.append(item)
                continue
            if name in values:
                self.repeated.append(name)
            values[name], texts[name] = item.value, item.text
        self.loader.get_event()
        for item in merged:
            several = isinstance(item.value, list)
            for more, more_texts in zip(
                item.value if several else [item.value],
                item.text if several else [item.text],
                strict=True,
            ):
                if isinstance(more, dict):
                    values, texts = {**more, **values}, {**more_texts, **texts}
        return _Built(values, texts, size)

    def check(self, event: Any, tag: str | None, *kinds: str) -> None:
        """Refuse what asks for an object of some language."""
        if tag and tag != "!" and tag.removeprefix(_TAG) not in kinds:
            raise self.refused(
                event, "unsafe_front_matter", tag, "values without a type of a programming language"
            )

    def scalar(self, event: Any) -> _Built:
        written: str = event.value
        tag: str = event.tag
        if not tag or tag == "!":
            tag = self.resolve(yaml.ScalarNode, written, event.implicit)
        kind = tag.removeprefix(_TAG)
        if kind == "null":
            return _NULL
        if kind == "bool":
            return _Built(written.lower() in _TRUE, written)
        # Only what is written as the number is written back stays a number: 1.10, 007 and 0x1f are
        # versions and codes to whoever wrote them.
        if kind == "int" and _DECIMAL.fullmatch(written):
            return _Built(int(written), written)
        if kind == "float":
            try:
                number = float(written)
            except ValueError:
                return _Built(written, written)
            return _Built(number if repr(number) == written else written, written)
        self.check(event, tag, "str", "int", "timestamp", "binary", "value", "merge")
        return _Built(written, written)
