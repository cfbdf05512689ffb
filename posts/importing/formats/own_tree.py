"""The Markdown tree that `export_posts` writes, read back: the same fields, not a stranger's guess.

In: the text of one file. Out: its facts and its body with numbered images again. What plain
Markdown cannot say stays lost: which tags came from the stack, titles of images within a line.
"""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import urlsplit

import msgspec

from posts.content import normal_tag
from posts.importing.formats import front_matter, templating
from posts.importing.plain_blocks import Figure, to_markdown
from posts.importing.records import SLUG_MAX
from posts.importing.shapes import Incoming

#: Facts of the site, not of the content: the state of a post is decided anew where it arrives.
_OF_THE_SITE = frozenset({"source", "visibility"})
_MARKS = re.compile(r"^(source|key|visibility): ", re.MULTILINE)
_ESCAPED = re.compile(r"\\([\[\]])")
_FIGURE = re.compile(
    r"^!\[(?P<label>(?:[^\[\]\\\n]|\\.)*)\]\(<(?P<url>[^<>\n]*)>\)"
    r"(?:\n\nImage source: (?P<source>[^\n]*))?$",
    re.MULTILINE,
)
_INLINE = re.compile(r"\]\(<(?P<url>[^<>\n]*)>")
#: What would end an address between angle brackets.
_NOT_IN_ADDRESS = re.compile(r"[\x00-\x20<>\\\x7f]")


def address_in_brackets(url: str) -> str:
    """Return an address as the tree writes it, between `<` and `>`."""
    return _NOT_IN_ADDRESS.sub(lambda match: f"%{ord(match[0]):02X}", url)


class Page(msgspec.Struct, frozen=True):
    """One file of the tree: its facts by name, its body as it is written."""

    facts: dict[str, Any]
    body: str

    @property
    def key(self) -> str:
        """The identity of the post where it was exported."""
        key = self.facts["key"]
        return key if isinstance(key, str) else ""


def found(text: str) -> Page | None:
    """Return the page, None for a text that is no file of the tree."""
    end = text.find("\n---\n", 3)
    if not text.startswith("---\n") or end < 0:
        return None
    inside = text[4:end]
    if len(set(_MARKS.findall(inside))) < 3:
        return None
    body = text[end + 5 :]
    try:
        pairs = (line.partition(": ") for line in inside.split("\n"))
        return Page({name: json.loads(value) for name, _, value in pairs}, body)
    except (ValueError, RecursionError):
        pass  # somebody wrote into it, and may well have written YAML
    front = front_matter.read(text)
    is_own = front.kind == "yaml" and {"source", "key", "visibility"} <= front.values.keys()
    return Page(front.values, front.body) if is_own else None


def fields(page: Page) -> dict[str, Any]:
    """Return the fields as they were exported. Tags that stack and tools stand for are those."""
    known = {
        name: value for name, value in page.facts.items() if name in Incoming.__struct_fields__
    }
    unknown = page.facts.keys() - known.keys() - _OF_THE_SITE
    extra = known.get("extra")
    if unknown and isinstance(extra, dict | None):
        known["extra"] = {**(extra or {}), **{name: page.facts[name] for name in sorted(unknown)}}
    implied = {
        normal_tag(name)
        for field in ("stack", "tools")
        for name in _list(known.get(field))
        if isinstance(name, str)
    }
    tags = known.get("tags")
    if isinstance(tags, list):
        known["tags"] = [
            tag for tag in tags if not (isinstance(tag, str) and normal_tag(tag) in implied)
        ]
    slug = known.get("slug")
    if isinstance(slug, str) and len(slug) > SLUG_MAX:
        del known["slug"]
    known["body"] = _numbered(page.body.strip("\n"), _list(known.get("image_sources")))
    return known


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _numbered(body: str, rows: list[Any]) -> str:
    """Return the body with `image:N` for the addresses of its image rows; code stays as it is."""
    by_address: dict[str, list[int]] = {}
    for number, row in enumerate(rows, 1):
        if isinstance(row, dict) and isinstance(url := row.get("url"), str) and url:
            by_address.setdefault(address_in_brackets(url), []).append(number)
    if not by_address:
        return body

    def figure(match: re.Match[str]) -> str:
        numbers = by_address.get(match["url"])
        if numbers is None:
            return match[0]
        label = _ESCAPED.sub(r"\1", match["label"])
        alike = (number for number in numbers if rows[number - 1].get("caption") == label)
        number = next(alike, numbers[0])
        row = rows[number - 1]
        named = row.get("source") or urlsplit(row["url"]).hostname or ""
        shown = to_markdown([Figure(label, number, "")])
        if match["source"] in (None, named):
            return shown
        title = match["source"].replace("\\", "\\\\").replace('"', '\\"')
        return f'{shown[:-1]} "{title}")'

    def inline(match: re.Match[str]) -> str:
        numbers = by_address.get(match["url"])
        return f"](image:{numbers[0]}" if numbers else match[0]

    parts: list[str] = []
    at = 0
    for begin, end in [*templating.code_ranges(body), (len(body), len(body))]:
        parts += [_INLINE.sub(inline, _FIGURE.sub(figure, body[at:begin])), body[begin:end]]
        at = end
    return "".join(parts)
