"""What the front matter of a site generator means: its names read as fields of a record.

In: front matter and the path of its file. Out: fields as `shapes.Incoming` has them, and what was
found. Knows Jekyll, Hugo, Zola and Eleventy; a name it does not know is kept under `extra`.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from posts.content import Problem, shown
from posts.importing.formats import foreign
from posts.importing.formats.front_matter import FrontMatter

#: field -> the names it goes by, the first one that is there wins.
DATES = ("date", "publishdate", "pubdate", "published_at", "date_published", "created_at")
SUMMARIES = ("summary", "description", "excerpt")
LANGUAGES = ("lang", "language", "locale")
IMAGES = ("image", "featured_image", "feature_image", "cover", "thumbnail", "banner")
#: Names that hold one tag each, or a list of them.
TAG_LISTS = ("tags", "categories")
SINGLE_TAGS = ("tag", "category")
#: Addresses that a page had at its source.
ADDRESSES = ("aliases", "redirect_from", "permalink", "url", "path")

_DATED = re.compile(r"(\d{4}-\d{1,2}-\d{1,2})(?:[-_ ]+(.*))?", re.DOTALL)
_SECTION = re.compile(r"_index(?:\.[a-z-]+)?")
#: A permalink with parts that are filled in, such as `:year`, and one that says there is none.
_PATTERN = re.compile(r"(?:^|/):[a-z_]+|^(?:false|no|off)$")


class Place(msgspec.Struct, frozen=True):
    """What the path of a file says about its page."""

    name: str
    date: str
    is_section: bool
    is_draft: bool
    #: Only Jekyll dates its files, and only Jekyll separates tags in a text by spaces.
    is_jekyll: bool


def place(member: str) -> Place:
    """Return what a path says: `_posts/2012-7-8-name.md`, `name/index.md`, `_drafts/name.md`."""
    *folders, file = member.split("/")
    name = file.rpartition(".")[0] or file
    if name == "index" and folders:
        name = folders.pop()
    dated = _DATED.fullmatch(name)
    return Place(
        name=(dated[2] or name) if dated else name,
        date=dated[1] if dated else "",
        is_section=_SECTION.fullmatch(name) is not None,
        is_draft="_drafts" in folders,
        is_jekyll=bool(dated) or "_posts" in folders or "_drafts" in folders,
    )


def words(name: str) -> str:
    """Return the words of a file name, for a page without a title of its own."""
    text = foreign.one_line(name.replace("-", " ").replace("_", " "))
    return text[:1].upper() + text[1:]


def understood(front: FrontMatter, at: Place) -> tuple[dict[str, Any], list[Problem]]:
    """Return the fields of a page, without key and body, and what was found.

    `images` holds the address of a featured image.
    """
    return _Reading(front, at).fields()


class _Reading:
    """One front matter, whose names are taken one after the other; the rest is unknown."""

    def __init__(self, front: FrontMatter, at: Place) -> None:
        self.at = at
        self.texts = front.texts
        self.unknown = dict(front.values)
        self.problems: list[Problem] = []
        #: Names in lower case, unless another one is written so.
        self.spelled = {name.lower(): name for name in reversed(front.values)}
        self.spelled |= {name: name for name in front.values if name == name.lower()}

    def text(self, name: str) -> Any:
        """Return the value of a name as it is written, None when it has none."""
        return self.texts.get(self.spelled.get(name, ""))

    def taken(self, name: str) -> None:
        """Say that a name is understood and not to be kept as an unknown one."""
        self.unknown.pop(self.spelled.get(name, ""), None)

    def warn(self, code: str, name: str, value: object, expected: str) -> None:
        self.problems.append(
            Problem(
                code=code,
                field=name,
                value=shown(value),
                expected=f"{expected}; kept as an unknown field",
                severity="warning",
            )
        )

    def fields(self) -> tuple[dict[str, Any], list[Problem]]:
        fields: dict[str, Any] = {
            "title": self.one("title"),
            "slug": self.slug(),
            "published_at": self.date(),
            "summary": self.first(SUMMARIES),
            "language": self.language(),
            "author": self.author(),
            "tags": self.tags(),
            "former_urls": self.addresses(),
        }
        images = self.images()
        status = self.status()
        fields["extra"] = self.unknown
        if status:
            fields["extra"].setdefault("status", status)
        fields = {name: value for name, value in fields.items() if value}
        return {**fields, "images": images}, self.problems

    def one(self, name: str) -> str:
        found = foreign.one_line(self.text(name))
        if found:
            self.taken(name)
        return found

    def first(self, names: tuple[str, ...]) -> str:
        for name in names:
            text = self.text(name)
            if isinstance(text, str) and text.strip():
                self.taken(name)
                return text
        return ""

    def slug(self) -> str:
        given = self.text("slug")
        if isinstance(given, str) and given:
            found = foreign.slug(given)
            if found:
                self.taken("slug")
            else:
                self.warn("bad_slug", "slug", given, "lower-case letters, digits, hyphens")
            return found
        return foreign.slug(self.at.name)

    def date(self) -> str:
        for name in DATES:
            given = self.text(name)
            if isinstance(given, str) and given.strip():
                found = foreign.moment(given)
                if found:
                    self.taken(name)
                    return found
                self.warn("bad_date", name, given, "a date such as 2026-11-17 09:00:00 +01:00")
        return foreign.moment(self.at.date) or ""

    def language(self) -> str:
        for name in LANGUAGES:
            given = self.text(name)
            if isinstance(given, str) and (found := foreign.language(given)):
                self.taken(name)
                return found
        return ""

    def author(self) -> str:
        for name in ("author", "authors"):
            found = ", ".join(foreign.names(self.text(name)))
            if found:
                self.taken(name)
                return found
        return ""

    def tags(self) -> list[str]:
        found: list[str] = []
        taxonomies = self.text("taxonomies")
        if isinstance(taxonomies, dict):
            self.taken("taxonomies")
            for members in taxonomies.values():
                found += foreign.names(members)
        for name in TAG_LISTS:
            given = self.text(name)
            self.taken(name)
            found += self.separated(given) if isinstance(given, str) else foreign.names(given)
        for name in SINGLE_TAGS:
            found += foreign.names(self.text(name))
            self.taken(name)
        return list(dict.fromkeys(found))

    def separated(self, text: str) -> list[str]:
        """Return the tags in a text: between commas, and without any where Jekyll has spaces."""
        parts = text.split(",")
        if len(parts) == 1 and self.at.is_jekyll:
            parts = text.split()
        return foreign.names(parts)

    def addresses(self) -> list[str]:
        found: list[str] = []
        for name in ADDRESSES:
            given = self.text(name)
            texts = given if isinstance(given, list) else [given]
            texts = [text for text in texts if isinstance(text, str) and text]
            if name == "permalink" and any(_PATTERN.search(text) for text in texts):
                continue
            paths = [foreign.path(text) for text in texts]
            if texts and all(paths):
                self.taken(name)
            for text, path in zip(texts, paths, strict=True):
                if path is None:
                    self.warn("bad_url", name, text, "a path on the site it was on")
                else:
                    found.append(path)
        return list(dict.fromkeys(found))

    def images(self) -> list[str]:
        for name in IMAGES:
            given = self.text(name)
            if isinstance(given, list) and given:
                given = given[0]
            if isinstance(given, dict):
                given = next((given[m] for m in ("url", "src", "path", "image") if m in given), "")
            if isinstance(given, str) and (found := foreign.web_address(given)):
                if isinstance(self.text(name), str):
                    self.taken(name)
                return [found]
        return []

    def status(self) -> str:
        """Return draft for what its source does not show."""
        is_draft = self.at.is_draft
        for name, meaning in (("draft", "true"), ("published", "false")):
            given = self.text(name)
            if isinstance(given, str) and given.lower() in ("true", "false", "yes", "no"):
                is_yes = given.lower() in ("true", "yes")
                is_draft = is_draft or is_yes == (meaning == "true")
                self.taken(name)
        return "draft" if is_draft else ""
