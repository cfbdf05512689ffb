"""The shape of an incoming record: which fields there are and of which type.

Input: a map of fields from any format. Output: a typed `Incoming`, unknown fields moved to
`extra`, and every value of a wrong type. Judges types only; limits are in `posts.content`.
"""

from __future__ import annotations

import types
import typing
from typing import Any

import msgspec

from posts.content import (
    INTEGER_MAX,
    READING_TIME_MAX,
    SCORE_MAX,
    Entity,
    Flags,
    Image,
    Label,
    Meta,
    Outline,
    Payload,
    Problem,
    Score,
    Snapshot,
    Statistics,
    settled,
    shown,
)

#: Most problems told of one record; a hostile one could have millions.
PROBLEMS_MAX = 200


class Incoming(msgspec.Struct, kw_only=True):
    """Every field a record may have. An empty text and a null both mean "not given"."""

    key: str
    title: str
    lede: str = ""
    body: str = ""
    slug: str = ""
    language: str = ""
    author: str = ""
    published_at: str = ""
    former_urls: tuple[str, ...] = ()
    topic: str = ""
    summary: str = ""
    ai_outline: Outline = Outline()
    ai_brief: str = ""
    stack: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    code_language: str = ""
    difficulty: str = ""
    reading_time: int | None = None
    view_count: int | None = None
    score: Score = Score()
    revision: Label = Label()
    reference: str = ""
    hash: str = ""
    flags: Flags = Flags()
    checklist: tuple[str, ...] = ()
    entities: tuple[Entity, ...] = ()
    image_sources: tuple[Image, ...] = ()
    payload: Payload = Payload()
    notes: tuple[str, ...] = ()
    extra: dict[str, Any] = {}


_TYPES: dict[str, Any] = typing.get_type_hints(Incoming)
_META_FIELDS = tuple(name for name in Meta.__struct_fields__ if name in _TYPES and name != "extra")


def _row_type(kind: Any) -> Any:
    """Return the struct of a list of maps, None for any other type."""
    if typing.get_origin(kind) is tuple:
        (item, _) = typing.get_args(kind)
        return item if item is not str else None
    return None


def _is_map(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


_KNOWN = frozenset(_TYPES)
#: section -> its members
_MAPS = {name: frozenset(kind.__struct_fields__) for name, kind in _TYPES.items() if _is_map(kind)}
_ROWS = {
    name: frozenset(_row_type(kind).__struct_fields__)
    for name, kind in _TYPES.items()
    if _row_type(kind)
}


def integer_limit(path: str) -> int:
    """Return the largest value of a whole number by its path, for messages."""
    if path.startswith("score."):
        return SCORE_MAX
    return READING_TIME_MAX if path in ("reading_time", "payload.paragraphs") else INTEGER_MAX


def snapshot(incoming: Incoming) -> Snapshot:
    """Return the content of a record, not normalised yet."""
    meta = Meta(extra=incoming.extra, **{name: getattr(incoming, name) for name in _META_FIELDS})
    return Snapshot(title=incoming.title, lede=incoming.lede, body=incoming.body, meta=meta)


def statistics(incoming: Incoming) -> Statistics:
    """Return the numbers of a record that stay outside its digest."""
    return settled(
        Statistics(
            reading_time=incoming.reading_time,
            view_count=incoming.view_count,
            score=incoming.score,
        )
    )


def shaped(fields: dict[str, Any], extra: dict[str, Any]) -> tuple[Incoming, list[Problem]]:
    """Return the typed record and every wrong type; a field of a wrong type is left out.

    `extra` is what the format already set apart as unknown, without a warning of its own yet.
    """
    problems: list[Problem] = []
    unknown = _unknown(fields, extra, problems)
    try:
        incoming = msgspec.convert(fields, Incoming)
    except (msgspec.ValidationError, UnicodeEncodeError, RecursionError):
        incoming = _collected(fields, problems)
    if unknown:
        merged = dict(incoming.extra)
        for name, value in unknown.items():
            inner = merged.get(name)
            if isinstance(inner, dict) and isinstance(value, dict):
                merged[name] = {**inner, **value}
            else:
                merged[name] = value
        incoming.extra = merged
    return incoming, problems


def _unknown(
    fields: dict[str, Any], extra: dict[str, Any], problems: list[Problem]
) -> dict[str, Any]:
    """Return fields and members that are not in the schema, and warn about each."""
    found: dict[str, Any] = {}
    for name in fields.keys() - _KNOWN:
        found[name] = fields[name]
    if not isinstance(fields.get("extra", {}), dict | None):
        found["extra"] = fields["extra"]
    for section, members in _MAPS.items():
        given = fields.get(section)
        if isinstance(given, dict) and not given.keys() <= members:
            found[section] = {name: given[name] for name in given.keys() - members}
    for section, members in _ROWS.items():
        rows = fields.get(section)
        if not isinstance(rows, list):
            continue
        for number, row in enumerate(rows, 1):
            if isinstance(row, dict) and not row.keys() <= members:
                names = row.keys() - members
                found.setdefault(section, {})[str(number)] = {name: row[name] for name in names}
    for name, value in extra.items():
        found.setdefault(name, value)
    for name in sorted(found):
        inner = found[name]
        members_of = sorted(inner) if name in _MAPS and isinstance(inner, dict) else [""]
        problems.extend(
            Problem(
                code="unknown_member",
                field=f"{name}.{member}" if member else name,
                value=shown(inner[member] if member else inner),
                expected="a field of the format; kept as an unknown one",
                severity="warning",
            )
            for member in members_of
        )
    return found


# --- The slow path: a record that is not of the right shape -------------------------------------


def _collected(fields: dict[str, Any], problems: list[Problem]) -> Incoming:
    """Return what is of the right type and add a problem for each value that is not."""
    good: dict[str, Any] = {"key": "", "title": ""}
    for name, kind in _TYPES.items():
        value = fields.get(name)
        if value is None or (name == "extra" and not isinstance(value, dict)):
            continue
        clean = _value(value, kind, name, problems)
        if clean is not None:
            good[name] = clean
    return Incoming(**good)


def _wrong(problems: list[Problem], field: str, value: object, expected: str) -> None:
    if len(problems) >= PROBLEMS_MAX:
        return
    code = "bad_int" if expected.startswith("integer") else "bad_type"
    problems.append(Problem(code=code, field=field, value=shown(value), expected=expected))


def _value(value: Any, kind: Any, field: str, problems: list[Problem]) -> Any:
    """Return the value as its field's type has it, None when it is not of that type."""
    row_type = _row_type(kind)
    if _is_map(kind):
        if isinstance(value, dict):
            return _struct(value, kind, field, problems)
        _wrong(problems, field, value, "a map of " + ", ".join(kind.__struct_fields__))
        return None
    if typing.get_origin(kind) is tuple:
        if not isinstance(value, list | tuple):
            _wrong(problems, field, value, "a list")
            return None
        items = []
        for number, item in enumerate(value):
            place = f"{field}[{number}]"
            clean = _value(item, row_type or str, place, problems)
            if clean is not None:
                items.append(clean)
        return tuple(items)
    if kind is str:
        return value if isinstance(value, str) else _wrong(problems, field, value, "a text")
    if isinstance(kind, types.UnionType):
        (wanted, _) = typing.get_args(kind)
        if type(value) is wanted:
            return value
        limit = integer_limit(field)
        expected = "true or false" if wanted is bool else f"integer 0..{limit}"
        return _wrong(problems, field, value, expected)
    return value


def _struct(value: dict[str, Any], kind: Any, field: str, problems: list[Problem]) -> Any:
    members: dict[str, Any] = {}
    hints = typing.get_type_hints(kind)
    for name, member_kind in hints.items():
        if value.get(name) is not None:
            clean = _value(value[name], member_kind, f"{field}.{name}", problems)
            if clean is not None:
                members[name] = clean
    # An entity needs both members; every other member of every map may be left out.
    for name in ("name", "type") if kind is Entity else ():
        if name not in members:
            if value.get(name) is None:
                _wrong(problems, f"{field}.{name}", None, "a text")
            members[name] = ""
    return kind(**members)
