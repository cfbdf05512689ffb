"""The meta box: everything a revision's documents said about it, as ordered groups of rows.

In: snapshot, imported numbers, identity, links of tags and entities. Out: `Group`s of `Row`s whose
values are texts or nested lists of texts, verbatim; templates escape them. No markup.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from django.db.models import QuerySet

from posts import claims, content
from posts.counters import UseCounts
from posts.models import Entity, ImportedPost, Post, Statistics, Tag
from posts.reflection import entity_names


class Pair(NamedTuple):
    """A name and its value: a text, or a tree of texts."""

    label: str
    value: Any


class Link(NamedTuple):
    """A text and where it leads; an empty address when there is no such page.

    `posts` is how many listed ones are there, 0 where nobody counted.
    """

    text: str
    url: str
    posts: int = 0


@dataclass(frozen=True)
class Row:
    """One field. `kind` says what `value` is:

    text, mono: a text; list: texts; links: `Link`s; pairs, score: `Pair`s; records: lists of
    `Pair`s; tree: a text, a list, or `Pair`s, in each other. `name` is the field's own name.
    `contradicted` holds the claims of the field that the site finds otherwise.
    """

    label: str
    kind: str
    value: Any
    is_imported: bool
    name: str
    contradicted: tuple[claims.Finding, ...] = ()

    @property
    def marked_pairs(self) -> list[tuple[str, Any, claims.Finding | None]]:
        """The pairs, each with what contradicts it."""
        by_label = {finding.label: finding for finding in self.contradicted}
        return [(label, value, by_label.get(label)) for label, value in self.value]


@dataclass(frozen=True)
class Group:
    """A titled part of the box; open ones show their rows at once."""

    key: str
    title: str
    is_open: bool
    rows: tuple[Row, ...]

    @property
    def contradicted(self) -> int:
        """How many of its claims the site finds otherwise."""
        return sum(len(row.contradicted) for row in self.rows)


@dataclass(frozen=True)
class Links:
    """Addresses by normalised tag name, and by normalised (type, name) of an entity.

    `counts` are listed posts by address.
    """

    tags: Mapping[str, str] = field(default_factory=dict)
    entities: Mapping[tuple[str, str], str] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, post: Post, uses: UseCounts | None = None) -> Links:
        """Return the links of a post fetched by `for_article()`, with the counts of `uses`.

        No queries; one for tags and one for entities when some of its names are aliases.
        """
        tags = {
            content.normal_tag(row.tag.name): row.tag.get_absolute_url()
            for row in post.post_tags.all()
        }
        entities = {
            (content.normal_tag(row.entity.type), content.normal_tag(row.entity.name)): (
                row.entity.get_absolute_url()
            )
            for row in post.post_entities.all()
        }
        meta = post.live_revision.snapshot.meta
        if names := {tag.name for tag in content.tag_names(meta)} - tags.keys():
            for alias in _aliases(Tag, names):
                tags[alias.name] = alias.merged_into.get_absolute_url()
        if pairs := set(entity_names(meta)) - entities.keys():
            for alias in _aliases(Entity, {name for _, name in pairs}):
                known = (alias.type, alias.name)
                entities.setdefault(known, alias.merged_into.get_absolute_url())
        counts: dict[str, int] = {}
        if uses is not None:
            for row in post.post_tags.all():
                counts[row.tag.get_absolute_url()] = uses.tags.get(row.tag_id, 0)
            for about in post.post_entities.all():
                counts[about.entity.get_absolute_url()] = uses.entities.get(about.entity_id, 0)
        return cls(tags, entities, counts)

    def _to(self, text: str, url: str) -> Link:
        return Link(text, url, self.counts.get(url, 0))

    def to_tags(self, names: Iterable[str]) -> list[Link]:
        return [self._to(name, self.tags.get(content.normal_tag(name), "")) for name in names]

    def to_entity(self, entity: content.Entity) -> Link:
        known = (content.normal_tag(entity.type), content.normal_tag(entity.name))
        return self._to(entity.name, self.entities.get(known, ""))


def _aliases(model: type[Tag] | type[Entity], names: Iterable[str]) -> QuerySet[Any]:
    aliases = model._default_manager.filter(name__in=names, merged_into__isnull=False)
    return aliases.select_related("merged_into")


_GROUPS = (
    ("about", "About"),
    ("quality", "Quality"),
    ("revision", "Revision"),
    ("brief", "Brief"),
    ("checklist", "Checklist"),
    ("entities", "Entities"),
    ("images", "Image sources"),
    ("record", "Record"),
)
_OPEN_GROUPS = 3

#: Where a field of the documents stands; unknown members of a field stand beside it.
_GROUP_OF = {
    "topic": "about",
    "stack": "about",
    "tools": "about",
    "tags": "about",
    "code_language": "about",
    "difficulty": "about",
    "language": "about",
    "score": "quality",
    "revision": "revision",
    "summary": "brief",
    "ai_outline": "brief",
    "ai_brief": "brief",
    "checklist": "checklist",
    "entities": "entities",
    "image_sources": "images",
}

#: Sections shown as one row of pairs, unknown members included.
_ONE_ROW = ("ai_outline", "payload", "flags")

#: Fields that no form can change: still imported when a person has edited the revision.
_GENERATED = claims.GENERATED | {"source", "key"}


def as_text(value: Any) -> str:
    """Return a scalar as the box shows it: yes and no for truth values, else verbatim."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def as_tree(value: Any) -> Any:
    """Return a value of unknown shape as texts, lists and `Pair`s; None disappears."""
    if isinstance(value, dict):
        return [Pair(str(key), as_tree(item)) for key, item in value.items() if item is not None]
    if isinstance(value, list | tuple):
        return [as_tree(item) for item in value if item is not None]
    return as_text(value)


def label_of(name: str) -> str:
    """Return a field's name in the spelling of the documents: `code_language`, "code language"."""
    return name.replace("_", " ")


class _Box:
    def __init__(
        self, *, is_import: bool, is_generated: bool, contradicted: Iterable[claims.Finding]
    ) -> None:
        self.is_import = is_import
        self.is_generated = is_generated
        self.contradicted = tuple(contradicted)
        self.rows: dict[str, list[Row]] = {key: [] for key, _ in _GROUPS}

    def add(self, name: str, kind: str, value: Any, *, label: str = "", group: str = "") -> None:
        """Add a row unless its value is absent."""
        if value is None or value == "" or value == [] or value == ():
            return
        section = name.split(".")[0]
        is_imported = self.is_generated and (self.is_import or section in _GENERATED)
        contradicted = tuple(
            finding
            for finding in self.contradicted
            if finding.name == name or (name in _ONE_ROW and finding.name.startswith(f"{name}."))
        )
        if kind in ("text", "mono"):
            value = as_text(value)
        self.rows[group or _GROUP_OF.get(section, "record")].append(
            Row(
                label or label_of(name.split(".")[-1]), kind, value, is_imported, name, contradicted
            )
        )

    def members(self, name: str, struct: Any) -> None:
        """Add a row for each member of a section that is given."""
        for member in struct.__struct_fields__:
            self.add(f"{name}.{member}", "text", getattr(struct, member))


def _pairs(struct: Any) -> list[Pair]:
    return [
        Pair(label_of(name), as_text(value))
        for name in struct.__struct_fields__
        if (value := getattr(struct, name)) not in (None, "")
    ]


def _unknown_pairs(extra: Mapping[str, Any], section: str) -> list[Pair]:
    """Return the unknown members of a section that is shown as one row of pairs."""
    members = extra.get(section)
    return as_tree(members) if isinstance(members, dict) else []


def _add_extra(box: _Box, extra: Mapping[str, Any]) -> None:
    """Add unknown fields to the record, and unknown members to the rows of their section."""
    for name, value in extra.items():
        key = name.replace(" ", "_")
        if key in _ONE_ROW and isinstance(value, dict):
            continue
        is_section = key in _GROUP_OF
        members = value.items() if is_section and isinstance(value, dict) else ((None, value),)
        for member, item in members:
            tree = as_tree(item) if item is not None else None
            box.add(
                f"{key}.{member}" if member is not None else key,
                "tree" if isinstance(tree, list) else "text",
                tree,
                label=str(member) if member is not None else name,
            )


def claims_of(
    snapshot: content.Snapshot,
    *,
    statistics: Statistics | None = None,
    imported: ImportedPost | None = None,
    origin: str = "import",
) -> claims.Check:
    """Return what the site finds about the imported values of a revision; see `meta_box`.

    It is judged now: numbers may have moved and rules may have changed since its row was written.
    """
    return claims.check(
        snapshot,
        statistics.imported if statistics is not None else content.Statistics(),
        key=imported.key if imported is not None else "",
        scope=claims.scope_of(
            is_generated=imported is not None and imported.is_generated,
            is_import=origin == "import",
        ),
    )


def meta_box(
    snapshot: content.Snapshot,
    *,
    statistics: Statistics | None = None,
    imported: ImportedPost | None = None,
    origin: str = "import",
    links: Links | None = None,
    check: claims.Check | None = None,
) -> list[Group]:
    """Return the groups that have rows, in the order of the page, the first three open.

    `origin` is the revision's: values of one saved by a person are imported only where no form
    can change them. `imported` must come with its source. `check`, from `claims_of`, marks the
    claims that are contradicted. No queries.
    """
    meta, links = snapshot.meta, links or Links()
    is_generated = imported is not None and imported.is_generated
    box = _Box(
        is_import=origin == "import",
        is_generated=is_generated,
        contradicted=check.contradicted if check is not None else (),
    )

    box.add("topic", "text", meta.topic)
    box.add("stack", "links", links.to_tags(meta.stack))
    box.add("tools", "links", links.to_tags(meta.tools))
    box.add("tags", "links", links.to_tags(meta.tags))
    if meta.code_language:
        box.add("code_language", "links", links.to_tags([meta.code_language]))
    box.add("difficulty", "text", meta.difficulty)
    box.add("language", "text", meta.language)

    if statistics is not None:
        numbers = statistics.imported
        box.add("score", "score", _pairs(numbers.score))
    else:
        numbers = content.Statistics()
    box.members("revision", meta.revision)

    box.add("summary", "text", meta.summary)
    for_outline, for_payload, for_flags = (_unknown_pairs(meta.extra, name) for name in _ONE_ROW)
    box.add("ai_outline", "pairs", _pairs(meta.ai_outline) + for_outline)
    box.add("ai_brief", "text", meta.ai_brief)
    box.add("checklist", "list", list(meta.checklist))

    by_type: dict[str, list[Link]] = {}
    for entity in meta.entities:
        by_type.setdefault(entity.type, []).append(links.to_entity(entity))
    for entity_type, found in by_type.items():
        box.add(f"entities.{entity_type}", "links", found, label=entity_type)
    box.add("image_sources", "records", [_pairs(image) for image in meta.image_sources])

    box.add("reference", "mono", meta.reference)
    box.add("hash", "mono", meta.hash)
    if imported is not None and is_generated:
        box.add("source", "text", imported.source.name)
        if imported.key != meta.payload.source_id:
            box.add("key", "mono", imported.key)
    box.add("payload", "pairs", _pairs(meta.payload) + for_payload)
    box.add("flags", "pairs", _pairs(meta.flags) + for_flags)
    box.add("notes", "list", list(meta.notes))
    box.add("reading_time", "text", numbers.reading_time)
    box.add("view_count", "text", numbers.view_count)
    box.add("author", "text", meta.author)
    box.add("published_at", "text", meta.published_at)
    box.add("former_urls", "list", list(meta.former_urls))
    _add_extra(box, meta.extra)

    return [
        Group(key, title, number < _OPEN_GROUPS, tuple(box.rows[key]))
        for number, (key, title) in enumerate(_GROUPS)
        if box.rows[key]
    ]


def as_json(groups: Iterable[Group]) -> dict[str, dict[str, Any]]:
    """Return the box as plain values: group, then field, with `value` and `is_imported`.

    A field with claims that the site finds otherwise also has `contradicted`, a list of them.
    """
    return {group.key: {row.name: _as_json(row) for row in group.rows} for group in groups}


def _as_json(row: Row) -> dict[str, Any]:
    shown: dict[str, Any] = {"value": _plain(row), "is_imported": row.is_imported}
    if row.contradicted:
        shown["contradicted"] = [
            {"claim": finding.label, "claimed": finding.claimed, "found": finding.found}
            for finding in row.contradicted
        ]
    return shown


def _plain(row: Row) -> Any:
    if row.kind == "links":
        return [link.text for link in row.value]
    if row.kind == "records":
        return [_plain_tree(record) for record in row.value]
    return _plain_tree(row.value)


def _plain_tree(value: Any) -> Any:
    if not isinstance(value, list):
        return value
    if value and all(isinstance(item, Pair) for item in value):
        return {item.label: _plain_tree(item.value) for item in value}
    return [_plain_tree(item) for item in value]


def as_markdown(groups: Iterable[Group]) -> str:
    """Return the box as Markdown: a heading for each group, a nested list for each row."""
    lines: list[str] = []
    for group in groups:
        lines += ["", f"### {group.title}", ""]
        for row in group.rows:
            label = row.label + (" (imported)" if row.is_imported else "")
            lines += _markdown(label, _plain(row), 0)
            lines += [
                f"  - {finding.label}: {finding.claimed} is claimed; found here: {finding.found}"
                for finding in row.contradicted
            ]
    return "\n".join(lines).strip("\n")


def _markdown(label: str, value: Any, depth: int) -> list[str]:
    indent = "  " * depth + "- "
    lead = f"{indent}{label}:" if label else indent.rstrip()
    if not isinstance(value, list | dict):
        return [f"{lead} {' '.join(str(value).split())}"]
    pairs = value.items() if isinstance(value, dict) else (("", item) for item in value)
    return [lead, *(line for name, item in pairs for line in _markdown(name, item, depth + 1))]
