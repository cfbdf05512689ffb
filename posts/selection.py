"""What a reader chose in the archive: filters from an address, the posts they leave, the counts.

In: query parameters and a span of time. Out: a page of posts and facets. Unknown parameters are
ignored; a value that means nothing gives a message, never an error. Work is bounded by `LOOK_AT`
rows of an index, whatever is combined.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter as Tally
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlencode

from django.db.models import Count

from posts import content, counters, db_archive
from posts.models import Post, PostTag, Tag
from posts.pagination import PAGE_SIZE, Cursor

#: Rows of an index read for one page, and matches that facets count.
LOOK_AT = 5_000
COUNTED = 1_000
FACET_MAX = 10
FILTERS_MAX = 6
VALUE_MAX = 100

#: Parameters whose values are tags, each with the kind it is for and its heading.
TAG_PARAMETERS = {
    "stack": ("stack", "Stack"),
    "area": ("area", "Area"),
    "language": ("language", "Language"),
    "tool": ("tool", "Tool"),
    "tag": ("free", "Tag"),
}
FACETS = ("stack", "area", "tag")
PARAMETER_OF = {kind: name for name, (kind, _) in TAG_PARAMETERS.items()} | {"topic": "tag"}
SORTS = {"newest": "newest first", "oldest": "oldest first"}


@dataclass(frozen=True)
class Chip:
    """A filter that is on, and the address without it."""

    label: str
    value: str
    url: str


@dataclass(frozen=True)
class Option:
    """A filter that could be added: its address, how many it leaves; `is_capped`: at least."""

    text: str
    count: int
    url: str
    is_capped: bool = False


@dataclass(frozen=True)
class Facet:
    """A kind of filter with the values that there are, most frequent first."""

    title: str
    options: list[Option]


@dataclass(frozen=True)
class Span:
    """A stretch of time, in UTC; nothing of it means the whole archive."""

    start: dt.datetime | None = None
    end: dt.datetime | None = None


@dataclass(frozen=True)
class Selection:
    """Filters as a reader gave them. `tags` are (parameter, tag); `problems` is what to say."""

    path: str
    span: Span = Span()
    tags: tuple[tuple[str, Any], ...] = ()
    difficulty: str = ""
    sort: str = "newest"
    problems: tuple[str, ...] = ()

    @property
    def is_filtered(self) -> bool:
        return bool(self.tags or self.difficulty)

    def query(self, *, sort: str = "") -> list[tuple[str, str]]:
        """Return the parameters of this selection in their one order."""
        pairs = [(name, tag.slug) for name, tag in self.tags]
        if self.difficulty:
            pairs.append(("difficulty", self.difficulty))
        if (sort or self.sort) != "newest":
            pairs.append(("sort", sort or self.sort))
        return pairs

    def url(self, *more: tuple[str, str], path: str = "", sort: str = "") -> str:
        """Return the address of this selection, with parameters added at the end."""
        query = urlencode([*self.query(sort=sort), *more])
        return f"{path or self.path}?{query}" if query else path or self.path

    def without(self, gone: Any) -> Selection:
        return replace(self, tags=tuple(pair for pair in self.tags if pair[1] != gone))

    def with_tag(self, parameter: str, tag: Any) -> Selection:
        return replace(self, tags=(*self.tags, (parameter, tag)))

    @property
    def chips(self) -> list[Chip]:
        chips = [
            Chip(TAG_PARAMETERS[name][1], tag.name, self.without(tag).url())
            for name, tag in self.tags
        ]
        if self.difficulty:
            chips.append(Chip("Difficulty", self.difficulty, replace(self, difficulty="").url()))
        return chips

    @property
    def sorts(self) -> list[tuple[str, str]]:
        """(text, address) of each order; the present one has no address."""
        return [
            (text, "" if name == self.sort else self.url(sort=name)) for name, text in SORTS.items()
        ]


def read(parameters: Mapping[str, Any], *, path: str, span: Span | None = None) -> Selection:
    """Return what an address asks for. One query when it names tags.

    `parameters` is a QueryDict or anything with `getlist`.
    """
    problems: list[str] = []
    wanted: list[tuple[str, str]] = []
    for name in TAG_PARAMETERS:
        for value in parameters.getlist(name):  # type: ignore[attr-defined]
            if value and (name, value) not in wanted:
                wanted.append((name, value))
    if len(wanted) > FILTERS_MAX:
        problems.append(f"Only the first {FILTERS_MAX} filters are used.")
        wanted = wanted[:FILTERS_MAX]
    usable = {value for _, value in wanted if len(value) <= VALUE_MAX and value.isprintable()}
    known = {tag.slug: tag for tag in Tag.objects.filter(slug__in=usable)} if usable else {}
    tags: list[tuple[str, Any]] = []
    for name, value in wanted:
        tag = known.get(value)
        if tag is None:
            shown = content_label(value)
            problems.append(f"There is no {name} “{shown}”, so that filter is left out.")
        elif tag not in (chosen for _, chosen in tags):
            tags.append((name, tag))
    difficulty = parameters.get("difficulty", "")
    if difficulty and difficulty not in content.DIFFICULTIES:
        problems.append(
            f"There is no difficulty “{content_label(difficulty)}”; there are "
            f"{', '.join(content.DIFFICULTIES)}."
        )
        difficulty = ""
    sort = parameters.get("sort", "") or "newest"
    if sort not in SORTS:
        problems.append(f"The order “{content_label(sort)}” is not known; it is newest first.")
        sort = "newest"
    return Selection(path, span or Span(), tuple(tags), difficulty, sort, tuple(problems))


def content_label(value: str) -> str:
    """Return a value somebody sent as a message may repeat it: short, without controls."""
    text = "".join(letter if letter.isprintable() else "�" for letter in value)
    return text if len(text) <= 40 else f"{text[:39]}…"


@dataclass(frozen=True)
class Found:
    """A page of a selection. `stopped` says that the walk ended before it had looked at all."""

    items: list[Any]
    next_url: str = ""
    previous_url: str = ""
    note: str = ""
    query: str = ""
    stopped: bool = False


def page_of(selection: Selection, parameters: Mapping[str, str], now: dt.datetime) -> Found:
    """Return a page of posts of `for_card()`. Queries: walk, its end, posts, their tags."""
    after, before = parameters.get("after", ""), parameters.get("before", "")
    text = after or before
    cursor = Cursor.decode(text) if text else None
    is_backwards = cursor is not None and not after
    is_rising = (selection.sort == "oldest") != is_backwards
    walked = _walk(selection, now, behind=cursor, is_rising=is_rising, find=PAGE_SIZE + 1)
    steps = walked.steps[:PAGE_SIZE]
    has_more = len(walked.steps) > PAGE_SIZE
    stopped_at = None if has_more else walked.stopped_at
    if is_backwards:
        steps.reverse()
    by_pk = Post.objects.indexable(now).for_card().in_bulk([step.pk for step in steps])
    items = [by_pk[step.pk] for step in steps if step.pk in by_pk]

    def place(at: tuple[Any, int]) -> str:
        return Cursor(at[0], at[1]).encode()

    first = (steps[0].listed_at, steps[0].pk) if steps else None
    last = (steps[-1].listed_at, steps[-1].pk) if steps else None
    onward, backward = last if has_more else stopped_at, first if cursor is not None else None
    if is_backwards:
        onward, backward = last or cursor, first if has_more else stopped_at
    is_start = is_backwards and not has_more and stopped_at is None
    return Found(
        items,
        next_url=selection.url(("after", place(onward))) if onward else "",
        previous_url=selection.url(("before", place(backward))) if backward else "",
        note="The place in this address was not understood, so this is the first page."
        if text and cursor is None
        else "",
        query=""
        if is_start or cursor is None
        else urlencode({"after" if after else "before": text}),
        stopped=stopped_at is not None,
    )


def _walk(
    selection: Selection,
    now: dt.datetime,
    *,
    find: int,
    is_rising: bool = False,
    behind: Any = None,
) -> db_archive.Walked:
    rarest_first = sorted(
        (tag for _, tag in selection.tags), key=lambda tag: (tag.use_count, tag.pk)
    )
    return db_archive.walk(
        tags=[tag.pk for tag in rarest_first],
        difficulty=selection.difficulty,
        start=selection.span.start,
        end=selection.span.end,
        behind=behind,
        is_rising=is_rising,
        now=now,
        find=find,
        look_at=LOOK_AT,
    )


@dataclass(frozen=True)
class Counted:
    """How many posts a selection leaves, and what may be added to it."""

    total: int
    is_capped: bool
    facets: list[Facet] = field(default_factory=list)
    years: list[tuple[int, int]] = field(default_factory=list)


def counted(selection: Selection, now: dt.datetime) -> Counted:
    """Return counts of the newest posts of a selection, at most `COUNTED` of them.

    Queries: walk, its end, uses of tags, the tags. Where there are more posts, every number is
    "at least".
    """
    walked = _walk(selection, now, find=COUNTED + 1)
    steps = walked.steps[:COUNTED]
    is_capped = len(walked.steps) > COUNTED or walked.stopped_at is not None
    uses = dict(
        PostTag.objects.filter(content_object__in=[step.pk for step in steps])
        .values_list("tag")
        .annotate(uses=Count("pk"))
        .order_by()
    )
    chosen = {tag.pk for _, tag in selection.tags}
    tags = Tag.objects.filter(pk__in=_most_used(uses, chosen)).in_bulk()
    facets = [_tag_facet(selection, name, tags.values(), uses, is_capped) for name in FACETS]
    if not selection.difficulty:
        facets.append(_difficulty_facet(selection, Tally(s.difficulty for s in steps), is_capped))
    years = Tally(step.listed_at.astimezone(dt.UTC).year for step in steps)
    return Counted(
        len(steps),
        is_capped,
        [facet for facet in facets if facet.options],
        sorted(years.items(), reverse=True),
    )


def whole_facets(selection: Selection, now: dt.datetime) -> list[Facet]:
    """Return the facets of the unfiltered archive, from counters: exact."""
    kinds = [TAG_PARAMETERS[name][0] for name in FACETS]
    most_used = counters.most_used(kinds, FACET_MAX, now)
    facets = [
        _tag_facet(selection, name, tags, {tag.pk: tag.count for tag in tags}, False)
        for name, tags in zip(FACETS, most_used.values(), strict=True)
    ]
    by_difficulty = counters.named(counters.DIFFICULTY, now)
    facets.append(_difficulty_facet(selection, by_difficulty, False))
    return [facet for facet in facets if facet.options]


def _most_used(uses: Mapping[int, int], without: set[int]) -> list[int]:
    """Return the tags worth fetching: enough that every kind can fill its facet from them."""
    ordered = sorted((pk for pk in uses if pk not in without), key=lambda pk: (-uses[pk], pk))
    return ordered[: FACET_MAX * 20]


def _tag_facet(
    selection: Selection,
    name: str,
    tags: Iterable[Any],
    uses: Mapping[int, int],
    is_capped: bool,
) -> Facet:
    kind, title = TAG_PARAMETERS[name]
    chosen = {tag.pk for _, tag in selection.tags}
    of_kind = [tag for tag in tags if tag.kind == kind and tag.pk not in chosen]
    of_kind.sort(key=lambda tag: (-uses[tag.pk], tag.name))
    return Facet(
        title,
        [
            Option(tag.name, uses[tag.pk], selection.with_tag(name, tag).url(), is_capped)
            for tag in of_kind[:FACET_MAX]
        ],
    )


def _difficulty_facet(selection: Selection, uses: Mapping[str, int], is_capped: bool) -> Facet:
    names: Sequence[str] = [name for name in content.DIFFICULTIES if uses.get(name)]
    return Facet(
        "Difficulty",
        [
            Option(name, uses[name], replace(selection, difficulty=name).url(), is_capped)
            for name in names
        ],
    )
