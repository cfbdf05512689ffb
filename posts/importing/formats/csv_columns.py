"""What the columns of a table mean: names of fields, their synonyms, what the user mapped.

In: the names in a header, columns named by the user. Out: a field for each column, or what keeps
the table from being read. Knows no bytes.
"""

from __future__ import annotations

import typing
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from posts.content import Problem, shown
from posts.importing.shapes import Incoming

#: Fields that are no fields of a record: HTML for its body, the address of a featured image.
BODY_HTML = "body_html"
IMAGE = "image"

#: field -> names of columns that stand for it; the first one that is there does. A table without a
#: column for the key has its slugs for keys.
SYNONYMS: dict[str, tuple[str, ...]] = {
    "key": ("key", "id", "post_id", "source_id", "uuid", "guid"),
    "title": ("title", "post_title", "headline"),
    "slug": ("slug", "post_name"),
    "body": ("body", "content", "body_markdown", "markdown", "text"),
    BODY_HTML: (BODY_HTML, "content_html", "html"),
    "published_at": ("published_at", "date", "publish_date", "pub_date", "post_date", "created_at"),
    "summary": ("summary", "description", "excerpt"),
    "language": ("language", "lang", "locale"),
    "author": ("author", "authors", "byline"),
    IMAGE: (IMAGE, "image_url", "feature_image", "featured_image"),
}
#: Of these every column counts that is there.
SEVERAL: dict[str, tuple[str, ...]] = {
    "tags": ("tags", "tag", "categories", "category"),
    "former_urls": ("former_urls", "url", "permalink", "link", "aliases", "redirect_from"),
}

TYPES: dict[str, Any] = {
    name: kind for name, kind in typing.get_type_hints(Incoming).items() if name != "extra"
}
#: Members of sections by their path, such as `score.quality`.
MEMBERS: dict[str, Any] = {
    f"{section}.{name}": kind
    for section, struct in TYPES.items()
    if isinstance(struct, type) and issubclass(struct, msgspec.Struct)
    for name, kind in typing.get_type_hints(struct).items()
}
#: Every field a column can be mapped to.
FIELDS = (*TYPES, *MEMBERS, BODY_HTML, IMAGE)


def mapped(text: str) -> tuple[str, str]:
    """Read FIELD=COLUMN as a field and a column. Raises `ValueError`, which says what is wrong."""
    field, _, column = text.partition("=")
    if field.strip() not in FIELDS:
        raise ValueError(f"{field!r} is no field; expected one of {', '.join(FIELDS)}")
    if not column.strip():
        raise ValueError(f"{text!r} names no column; expected FIELD=COLUMN")
    return field.strip(), column.strip()


def normal(column: str) -> str:
    """Return the spelling in which names of columns are compared."""
    return "_".join(column.strip().lower().replace("-", " ").split())


def fields(
    columns: Sequence[str], mapping: Mapping[str, str]
) -> tuple[tuple[str, ...], list[Problem]]:
    """Return the field of each column, "" for an unknown one, and what is wrong with the header.

    `mapping` is field -> column as the user wrote it; it goes before names and synonyms.
    """
    problems: list[Problem] = []
    places: dict[str, int] = {}
    for number, column in enumerate(columns):
        name = normal(column)
        if name and name in places:
            problems.append(
                _wrong(
                    "duplicate_column", column, "a name of its own for each column", "rename one"
                )
            )
        places[name] = number
    places.pop("", None)
    found = [""] * len(columns)
    for field, column in mapping.items():
        place = places.get(normal(column))
        if place is None:
            problems.append(
                _wrong(
                    "unknown_column",
                    column,
                    "one of the columns " + ", ".join(map(shown, columns))[:400],
                    f"correct --map {field}=COLUMN",
                )
            )
        else:
            found[place] = field
    for field, names in SYNONYMS.items():
        if field not in mapping:
            _take(found, field, [places[name] for name in names if name in places][:1])
    for field, names in SEVERAL.items():
        if field not in mapping:
            _take(found, field, [places[name] for name in names if name in places])
    for name, place in places.items():
        if name not in found and (name in TYPES or name in MEMBERS):
            _take(found, name, [place])
    missing = [field for field in ("key", "title") if field not in found]
    if "slug" in found:
        missing = [field for field in missing if field != "key"]
    problems += [
        _wrong(
            "missing_column",
            ", ".join(map(shown, columns))[:200],
            f"a column for the {field}, such as {', '.join(SYNONYMS[field][:3])}",
            f"name the column with --map {field}=COLUMN",
        )
        for field in missing
    ]
    return tuple(found), problems


def _take(found: list[str], field: str, places: Sequence[int]) -> None:
    for place in places:
        if not found[place]:
            found[place] = field


def _wrong(code: str, value: str, expected: str, hint: str) -> Problem:
    return Problem(
        code=code,
        field="header",
        value=shown(value),
        expected=expected,
        hint=f"{hint}; nothing of the table was read",
    )
