"""The meta box of a text export: keys glued to their values, sections of bullets.

Input: the lines behind the marker. Output: fields by their snake_case names, unknown ones apart,
the line of each, problems. The rules are those of the format's five sample documents.
"""

from __future__ import annotations

import re
from typing import Any, Literal

import msgspec

from posts.content import (
    DIFFICULTIES,
    NAME_MAX,
    Entity,
    Flags,
    Image,
    Label,
    Outline,
    Payload,
    Problem,
    Score,
    shown,
)
from posts.importing.shapes import PROBLEMS_MAX, integer_limit

TAIL = "Similar Posts"

Kind = Literal["text", "label", "choice", "integer", "reference", "hash", "list", "map", "rows"]


class Key(msgspec.Struct, frozen=True):
    """A key of the meta box: its spelling, the field it fills, the type of its value."""

    name: str
    field: str
    kind: Kind
    members: dict[str, str] = {}

    @property
    def is_section(self) -> bool:
        """Whether the key stands on a line of its own with bullets below it."""
        return self.kind in ("list", "map", "rows")


def _key(name: str, kind: Kind, struct: type[msgspec.Struct] | None = None) -> Key:
    names = struct.__struct_fields__ if struct else ()
    return Key(name, name.replace(" ", "_"), kind, {name.replace("_", " "): name for name in names})


#: Every key in the order of the sample documents.
KEYS = (
    _key("topic", "text"),
    _key("summary", "text"),
    _key("ai outline", "map", Outline),
    _key("ai brief", "text"),
    _key("stack", "list"),
    _key("tools", "list"),
    _key("code language", "label"),
    _key("difficulty", "choice"),
    _key("reading time", "integer"),
    _key("view count", "integer"),
    _key("score", "map", Score),
    _key("revision", "map", Label),
    _key("reference", "reference"),
    _key("hash", "hash"),
    _key("flags", "map", Flags),
    _key("checklist", "list"),
    _key("entities", "rows", Entity),
    _key("image sources", "rows", Image),
    _key("payload", "map", Payload),
    _key("notes", "list"),
)
_PLACE = {key.name: number for number, key in enumerate(KEYS)}
_FIELDS = {key.field for key in KEYS}
_BY_NAME = {key.name: key for key in KEYS}
_KEY = re.compile("|".join(sorted(_BY_NAME, key=len, reverse=True)))

#: Sections and members whose items are prose that an exporter may have wrapped.
_WRAPPED = {"checklist", "notes", "ai_outline", "entities.name", "image_sources.caption"}
_WRAPPED |= {"payload.generator", "payload.scenario"}

_ITEM = re.compile(r"( {2}| {4})([•*·-])(?: +(.*))?$")
_INTEGER = re.compile(r"[0-9]{1,18}")
_FITS = {
    "text": re.compile(r"\S.*"),
    "label": re.compile(r"\S.*"),
    "choice": re.compile("|".join(DIFFICULTIES)),
    "integer": _INTEGER,
    "reference": re.compile(r"anp-ref-[0-9]{6,}-[0-9]{4}"),
    "hash": re.compile(r"[0-9a-f]{24}"),
}
_EXPECTED = {
    "choice": ("bad_choice", "one of " + ", ".join(DIFFICULTIES)),
    "reference": ("bad_value", "anp-ref-, six or more digits, -, four digits"),
    "hash": ("bad_value", "24 lower-case hexadecimal digits"),
}
_INTEGERS = {f"score.{name}" for name in Score.__struct_fields__}
_INTEGERS |= {"payload.paragraphs", "payload.seed"}


def key_at(line: str) -> tuple[Key, str] | None:
    """Return the key a line begins with and the rest of the line; no key begins another one."""
    found = _KEY.match(line)
    if not found:
        return None
    key = _BY_NAME[found[0]]
    rest = line[found.end() :]
    return None if key.is_section and rest else (key, rest)


def begins_box(line: str) -> bool:
    """Say whether the line behind a marker shows that the meta box begins there."""
    found = key_at(line)
    if found is None:
        return False
    key, rest = found
    return key.is_section or _FITS[key.kind].fullmatch(rest) is not None


def is_item(line: str) -> bool:
    """Say whether a line is a bullet, indented by two or four spaces."""
    return _ITEM.match(line) is not None


class Box:
    """The meta box while and after it is read."""

    def __init__(self, lines: list[str], first_line: int, *, ends_with_newline: bool) -> None:
        self.fields: dict[str, Any] = {}
        self.extra: dict[str, Any] = {}
        self.lines: dict[str, int] = {}
        self.problems: list[Problem] = []
        #: Lines behind the tail's heading, None when the document ends without one.
        self.tail: list[str] | None = None
        self._source = lines
        self._first_line = first_line
        self._number = 0
        self._ends_with_newline = ends_with_newline
        self._seen: dict[str, None] = {}
        self._latest = ""
        self._section: Key | None = None
        self._is_ignoring = False
        #: The items of the section being read, when it is not of the format.
        self._unknown: list[str] | None = None
        #: Where a wrapped line would go on: a list or map and the place in it.
        self._open: tuple[Any, Any] | None = None
        self._after_blank = False
        self._other_bullets = 0
        self._read()
        self._convert()

    # --- Lines ------------------------------------------------------------------------------

    def _add(self, code: str, field: str, value: object, expected: str, **more: Any) -> None:
        if len(self.problems) >= PROBLEMS_MAX and code != "truncated_record":
            return
        problem = Problem(code=code, field=field, value=shown(value), expected=expected, **more)
        if not problem.line:
            problem = msgspec.structs.replace(problem, line=self._first_line + self._number)
        self.problems.append(problem)

    def _read(self) -> None:
        last = max((n for n, line in enumerate(self._source) if line.strip()), default=-1)
        for number, line in enumerate(self._source):
            self._number = number
            if not line.strip():
                self._after_blank = True
                continue
            if len(line) == len(TAIL) and line.casefold() == TAIL.casefold():
                self.tail = [rest for rest in self._source[number + 1 :] if rest.strip()]
                break
            if number == last and self._is_cut_off(line):
                break
            if item := _ITEM.match(line):
                self._item(item)
            elif found := key_at(line):
                self._key(*found, line)
            elif not self._no_key(line):
                break
            self._after_blank = False
        if self._other_bullets:
            self._add(
                "bullet",
                "",
                f"{self._other_bullets} items",
                "the bullet U+2022",
                severity="repair",
            )
        self._judge_end()

    def _is_cut_off(self, line: str) -> bool:
        """Say whether the last line is the beginning of what would follow a whole payload."""
        if "notes" in self._seen:
            return self._after_blank and TAIL.startswith(line)
        return self._has_whole_payload() and "notes".startswith(line) and line != "notes"

    def _has_whole_payload(self) -> bool:
        return set(Payload.__struct_fields__) <= set(self.fields.get("payload", ()))

    def _judge_end(self) -> None:
        """Tell a cut document from one that says no more; a cut value must never be stored."""
        if self.tail is not None or any(p.code == "trailing_content" for p in self.problems):
            return
        last = next((line for line in reversed(self._source) if line.strip()), "")
        is_whole = "notes" in self._seen or (
            self._has_whole_payload()
            and (self._ends_with_newline or not (_ITEM.match(last) and self._section_is_payload()))
        )
        if is_whole:
            self._add("short_tail", "", last, f"the notes and {TAIL!r}", severity="warning")
            return
        cut_line = self._first_line + self._number
        self.problems = [problem for problem in self.problems if problem.line != cut_line]
        self._add(
            "truncated_record",
            self._latest.replace(" ", "_") or "topic",
            last,
            "a meta box that goes on to payload, notes and " + repr(TAIL),
            retryable=True,
        )

    def _section_is_payload(self) -> bool:
        return self._section is not None and self._section.name == "payload"

    # --- Keys -------------------------------------------------------------------------------

    def _key(self, key: Key, rest: str, line: str) -> None:
        can_go_on = self._open is not None and not self._after_blank
        if key.is_section:
            is_late = key.name in self._seen or self._is_out_of_order(key)
            if is_late and can_go_on and not self._item_follows():
                self._continue(line)
                return
        elif rest and not _FITS[key.kind].fullmatch(rest):
            if can_go_on:
                self._continue(line)
            elif key.kind in ("text", "label"):
                self._unknown_key(line)
            else:
                self._wrong_scalar(key, rest)
            return
        self._start(key)
        if key.is_section:
            return
        if not rest:
            if key.kind == "integer":
                self._wrong_scalar(key, rest)
            else:
                self._add("empty", key.field, "", "a value", severity="warning")
            return
        target = self._target(key.field)
        target[key.field] = int(rest) if key.kind == "integer" else rest
        if key.kind == "text":
            self._open = (target, key.field)

    def _start(self, key: Key) -> None:
        """Begin a key: report it when it comes again or too early, close what was open."""
        self._open = None
        self._unknown = None
        self._section = key if key.is_section else None
        self._is_ignoring = key.name in self._seen
        if self._is_ignoring:
            self._add("duplicate_key_name", key.field, key.name, "each key once")
        else:
            if self._is_out_of_order(key):
                before = self._latest
                self._add(
                    "key_order",
                    key.field,
                    key.name,
                    f"{key.name} before {before}",
                    severity="warning",
                )
            self.lines[key.field] = self._first_line + self._number
            if key.kind == "map":
                self.fields[key.field] = {}
            elif key.is_section:
                self.fields[key.field] = []
        self._seen[key.name] = None
        self._latest = key.name

    def _target(self, field: str) -> dict[str, Any]:
        """Return where a value goes: repeated keys are read over, not stored."""
        return {} if self._is_ignoring else self.fields

    def _is_out_of_order(self, key: Key) -> bool:
        return bool(self._latest) and _PLACE[self._latest] > _PLACE[key.name]

    def _wrong_scalar(self, key: Key, rest: str) -> None:
        expected = ("bad_int", f"integer 0..{integer_limit(key.field)}")
        code, wanted = _EXPECTED.get(key.kind, expected)
        self._start(key)
        self._add(code, key.field, rest, wanted)

    def _no_key(self, line: str) -> bool:
        """Take a line that begins with no key; return False when reading must end here."""
        if self._item_follows() and len(line) <= NAME_MAX:
            self._start_unknown(line)
        elif self._open is not None and not self._after_blank:
            self._continue(line)
        elif self._after_blank and "notes" in self._seen:
            self._add(
                "trailing_content",
                "",
                line,
                f"nothing behind the notes but {TAIL!r}; one export a file",
                hint="split the file into one export each",
            )
            return False
        else:
            self._unknown_key(line)
        return True

    def _start_unknown(self, name: str) -> None:
        """Begin a section that is not of the format; its items are kept as they are."""
        if name in _FIELDS:
            name = f"{name} (section)"  # its name would hide the known field's unknown members
        self._section = Key(name, name, "list")
        self._open = None
        self._is_ignoring = False
        self._unknown = []
        self.lines[name] = self._first_line + self._number
        if name in self.extra:
            self._add("duplicate_key_name", name, name, "each key once")
        else:
            self.extra[name] = self._unknown

    def _unknown_key(self, line: str) -> None:
        furthest = max((_PLACE[name] for name in self._seen), default=-1)
        allowed = ", ".join(key.name for key in KEYS[furthest + 1 :]) or repr(TAIL)
        self._add("unknown_key", "", line, f"one of the keys: {allowed}")
        self._section = None
        self._open = None
        self._unknown = None
        self._is_ignoring = True

    def _item_follows(self) -> bool:
        following = self._source[self._number + 1 : self._number + 2]
        return bool(following) and is_item(following[0])

    def _continue(self, line: str) -> None:
        assert self._open is not None  # noqa: S101  (both callers asked)
        holder, place = self._open
        holder[place] = f"{holder[place]} {line.strip()}"
        self._add(
            "continued_value",
            self._section.field if self._section else str(place),
            line,
            "a value on one line; it was joined to the one before",
            severity="warning",
        )

    # --- Items ------------------------------------------------------------------------------

    def _item(self, item: re.Match[str]) -> None:
        text = (item[3] or "").strip()
        if item[2] != "•":
            self._other_bullets += 1
        self._open = None
        section = self._section
        if section is None:
            if not self._is_ignoring:
                self._unknown_key(item[0])
        elif self._unknown is not None:
            self._unknown.append(text)
        elif self._is_ignoring:
            return
        elif section.kind == "list":
            values = self.fields[section.field]
            values.append(text)
            self.lines[f"{section.field}[{len(values) - 1}]"] = self._first_line + self._number
            if section.field in _WRAPPED:
                self._open = (values, len(values) - 1)
        else:
            self._member(section, text)

    def _member(self, section: Key, text: str) -> None:
        name, colon, value = text.partition(": ")
        if not colon:
            name, colon, value = text.removesuffix(":"), ":" if text.endswith(":") else "", ""
        if not colon:
            self._add("bad_type", section.field, text, "a bullet of the form name: value")
            return
        field = section.members.get(name)
        if section.kind == "map":
            members, others, path = self.fields[section.field], None, section.field
        else:
            members, others, path = self._row(section, field or name)
        if field is None:
            if others is None:
                others = self.extra.setdefault(section.field, {})
            self.lines[f"{section.field}.{name}"] = self._first_line + self._number
            if name in others:
                self._add("duplicate_key_name", f"{path}.{name}", text, "each name once")
            others[name] = value
            return
        self.lines[f"{path}.{field}"] = self._first_line + self._number
        if field in members:
            self._add("duplicate_key_name", f"{path}.{field}", text, "each name once")
            return
        members[field] = value
        if section.field in _WRAPPED or f"{section.field}.{field}" in _WRAPPED:
            self._open = (members, field)

    def _row(self, section: Key, name: str) -> tuple[dict[str, Any], dict[str, Any], str]:
        """Return the row a member belongs to; a new one starts when a member name repeats."""
        rows: list[dict[str, Any]] = self.fields[section.field]
        unknown: dict[str, Any] = self.extra.get(section.field, {})
        if not rows or name in rows[-1] or name in unknown.get(str(len(rows)), ()):
            rows.append({})
            self.lines[f"{section.field}[{len(rows) - 1}]"] = self._first_line + self._number
        others: dict[str, Any] = {}
        if name not in section.members.values():
            others = self.extra.setdefault(section.field, {}).setdefault(str(len(rows)), {})
        return rows[-1], others, f"{section.field}[{len(rows) - 1}]"

    # --- Types ------------------------------------------------------------------------------

    def _convert(self) -> None:
        """Give numbers and flags their type; what does not fit is reported and left out."""
        for path in sorted(_INTEGERS):
            section, _, member = path.partition(".")
            members = self.fields.get(section, {})
            if member in members:
                value = members.pop(member)
                if _INTEGER.fullmatch(value):
                    members[member] = int(value)
                else:
                    expected = f"integer 0..{integer_limit(path)}"
                    self._add("bad_int", path, value, expected, line=self.lines[path])
        flags = self.fields.get("flags", {})
        for member, value in list(flags.items()):
            if value in ("0", "1"):
                flags[member] = value == "1"
            else:
                path = f"flags.{member}"
                del flags[member]
                self._add("bad_choice", path, value, "0 or 1", line=self.lines[path])
