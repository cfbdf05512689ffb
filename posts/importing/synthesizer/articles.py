"""Machine-made engineering notes from a seed, for demos, tests and load.

In: a seed and post numbers. Out: `Article`s, one at a time; post number i depends on (seed, i)
only, so any slice can be made alone, with the same bytes on every Python. Must not know Django,
keep articles in memory or copy a sentence of the documents.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import quote_plus

import msgspec

from posts.content import (
    DIFFICULTIES,
    Entity,
    Flags,
    Image,
    Label,
    Meta,
    Outline,
    Payload,
    Score,
    Snapshot,
    Statistics,
)
from posts.importing.synthesizer.blocks import Block, markdown
from posts.importing.synthesizer.body import (
    Subject,
    body_blocks,
    slots_of,
    with_other_paragraph,
)
from posts.importing.synthesizer.draw import Draw, tail_weights
from posts.importing.synthesizer.vocabulary import frame, subjects
from posts.importing.synthesizer.vocabulary.stacks import COMMON_TOOLS, STACKS
from posts.importing.synthesizer.vocabulary.subjects import PROBLEMS, SCENARIOS

#: Every date lies before this moment, so that the clock never changes the output.
REFERENCE_MOMENT = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
_SPREAD_SECONDS = 8 * 365 * 86_400

_STATUSES = ("drafted",) * 5 + ("reviewed",) * 3 + ("expanded",) * 2
#: Images of a post, by share: a fifth has none, one in ten is image heavy.
_IMAGE_COUNTS = (0, 0, 1, 1, 1, 1, 2, 2, 2, 3)
_IMAGE_HEAVY = 3
_REVIEW_SHARE = 0.05
_SHORTEST, _LONGEST = 4, 13

_PHOTOS = (
    "photo-1515879218367-8466d910aaa4",
    "photo-1461749280684-dccba630e2f6",
    "photo-1498050108023-c5249f4df085",
    "photo-1555066931-4365d14bab8c",
    "photo-1542831371-29b0f74f9713",
    "photo-1517694712202-14dd9538aa97",
)


class Article(msgspec.Struct, frozen=True, kw_only=True):
    """One synthesized post: identity, content in blocks, claims, and what it is about."""

    key: str
    title: str
    lede: str
    blocks: tuple[Block, ...]
    meta: Meta
    statistics: Statistics
    subject: Subject

    @property
    def body(self) -> str:
        """The blocks as Markdown."""
        return markdown(self.blocks, [image.caption for image in self.meta.image_sources])

    @property
    def snapshot(self) -> Snapshot:
        """The content as the importer holds it."""
        return Snapshot(title=self.title, lede=self.lede, body=self.body, meta=self.meta)


_GENERAL_SUMS = tail_weights(len(subjects.GENERAL_TAGS))
_FAMILY_SUMS = {family: tail_weights(len(tags)) for family, tags in subjects.FAMILY_TAGS.items()}
_RARE_DRAW = subjects.RARE_TAG_SHARE * len(subjects.RARE_TAGS)
_PROBLEMS_OF_AREA = {
    area: tuple(problem for problem in PROBLEMS if not problem.areas or area in problem.areas)
    for area in dict.fromkeys(stack.area for stack in STACKS)
}
_TOOLS = {stack.name: stack.tools + COMMON_TOOLS for stack in STACKS}


def synthesize(
    seed: int, count: int, start: int = 1, *, changed_percent: float = 0.0
) -> Iterator[Article]:
    """Yield posts number `start` to `start + count - 1` of the archive `seed`, in order.

    `changed_percent` of the posts come out in their second version, the same ones every time;
    a larger share contains the smaller one.
    """
    for number in range(start, start + count):
        article = article_of(seed, number)
        yield revise(article) if is_changed(seed, number, changed_percent) else article


def is_changed(seed: int, number: int, changed_percent: float) -> bool:
    """Say whether this post belongs to the given share of changed ones."""
    return changed_percent > 0 and 100 * Draw(f"changed:{seed}:{number}").share() < changed_percent


def article_of(seed: int, number: int) -> Article:
    """Return post `number` (from 1) of the archive `seed`; the number is its own seed number."""
    draw = Draw(f"article:{seed}:{number}")
    stack = draw.one(STACKS)
    problem = draw.one(_PROBLEMS_OF_AREA[stack.area])
    subject = Subject(problem, stack, draw.one(SCENARIOS))
    names = _Names.of(subject)
    tools = tuple(draw.several(_TOOLS[stack.name], 4 + draw.below(4)))
    slots = slots_of(subject, tools)
    checklist = subjects.CHECKLISTS[problem.family][problem.checklist]
    images = _images(draw, names.caption, number)
    published = REFERENCE_MOMENT - dt.timedelta(seconds=1 + draw.below(_SPREAD_SECONDS))
    paragraphs = _SHORTEST + draw.below(_LONGEST - _SHORTEST + 1)
    padded = f"{number:06d}"
    return Article(
        key=f"alphanode-{padded}",
        title=draw.one(frame.TITLES).format_map(slots),
        lede=draw.one(frame.INTRODUCTIONS).format_map(slots),
        blocks=body_blocks(draw, subject, slots, paragraphs, checklist, len(images)),
        meta=Meta(
            language="en",
            published_at=f"{published:%Y-%m-%dT%H:%M:%SZ}",
            topic=names.topic,
            summary=frame.SUMMARY.format_map(slots),
            ai_outline=Outline(
                context=names.scenario,
                problem=names.problem,
                stack=names.stack,
                recommended_action=frame.RECOMMENDED_ACTION,
            ),
            ai_brief=frame.AI_BRIEF,
            stack=(names.stack, stack.area, stack.language),
            tools=tools,
            tags=_tags(draw, problem.family),
            code_language=stack.language,
            difficulty=draw.one(DIFFICULTIES),
            revision=Label(
                status=draw.one(_STATUSES),
                version=f"1.{draw.below(10)}.{draw.below(10)}",
                last_reviewed=_day_after(published.date(), draw.share()),
            ),
            reference=f"anp-ref-{padded}-{draw.below(10_000):04d}",
            hash=_hash(f"hash:{seed}:{number}"),
            flags=Flags(
                ai_generated_style=True,
                has_images=bool(images),
                image_heavy=len(images) >= _IMAGE_HEAVY,
                needs_human_review=draw.share() < _REVIEW_SHARE,
            ),
            checklist=checklist,
            entities=(
                Entity(names.stack, "stack"),
                Entity(stack.area, "area"),
                Entity(names.problem, "problem"),
            ),
            image_sources=images,
            payload=Payload(
                source_id=f"alphanode-{padded}",
                generator=frame.GENERATOR,
                paragraphs=paragraphs + 1,
                scenario=names.scenario,
                seed=number,
            ),
            notes=frame.NOTES,
        ),
        statistics=Statistics(
            reading_time=paragraphs + 2 + draw.below(7),
            view_count=int(900_000 * draw.share() ** 2),
            score=Score(
                quality=45 + draw.below(55),
                freshness=45 + draw.below(55),
                depth=45 + draw.below(55),
                clarity=45 + draw.below(55),
            ),
        ),
        subject=subject,
    )


def revise(article: Article) -> Article:
    """Return the second version of a post: same key, one paragraph replaced, next version.

    The result depends on the article alone. Claims that a new version changes follow: version,
    status, last review and hash.
    """
    draw = Draw(f"revise:{article.key}:{article.meta.hash}")
    label = article.meta.revision
    major, minor, patch = label.version.split(".")
    reviewed = dt.date.fromisoformat(label.last_reviewed)
    return msgspec.structs.replace(
        article,
        blocks=with_other_paragraph(
            draw,
            article.blocks,
            article.subject,
            slots_of(article.subject, article.meta.tools),
        ),
        meta=msgspec.structs.replace(
            article.meta,
            hash=_hash(f"revised:{article.key}:{article.meta.hash}"),
            revision=Label(
                status="expanded",
                version=f"{major}.{minor}.{int(patch) + 1}",
                last_reviewed=_day_after(reviewed, draw.share()),
            ),
        ),
    )


class _Names(NamedTuple):
    """The lower-cased spelling of a subject, as tags, entities and captions carry it."""

    problem: str
    stack: str
    scenario: str

    @classmethod
    def of(cls, subject: Subject) -> _Names:
        return cls(
            subject.problem.name.lower(), subject.stack.name.lower(), subject.scenario.lower()
        )

    @property
    def topic(self) -> str:
        return f"{self.problem} / {self.stack}"

    @property
    def caption(self) -> str:
        return f"{self.problem} with {self.stack} visual reference"


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("ascii")).hexdigest()[:24]


def _day_after(day: dt.date, share: float) -> str:
    """Return a day between `day` and the reference day as YYYY-MM-DD."""
    room = (REFERENCE_MOMENT.date() - day).days
    return (day + dt.timedelta(days=round(room * share))).isoformat()


def _tags(draw: Draw, family: str) -> tuple[str, ...]:
    """Return the explicit tags of a post, sorted: broad ones often, the tail rarely."""
    own, sums = subjects.FAMILY_TAGS[family], _FAMILY_SUMS[family]
    tags = {draw.weighted(own, sums) for _ in range(1 + draw.below(3))}
    tags.update(
        draw.weighted(subjects.GENERAL_TAGS, _GENERAL_SUMS) for _ in range(1 + draw.below(2))
    )
    if draw.share() < _RARE_DRAW:
        tags.add(draw.one(subjects.RARE_TAGS))
    return tuple(sorted(tags))


def _images(draw: Draw, caption: str, number: int) -> tuple[Image, ...]:
    """Return 0 to 3 images; image n of post `number` is seeded with number + n - 1."""
    images = []
    for place in range(draw.one(_IMAGE_COUNTS)):
        numbered = f"{caption} {place + 1}"
        seeded = number + place
        kind = draw.below(4)
        if kind == 0:
            source = "picsum.photos"
            url = f"https://picsum.photos/seed/anp-{seeded:06d}/1200/630"
        elif kind == 1:
            source = "loremflickr.com"
            url = f"https://loremflickr.com/1200/630/code,developer?lock={seeded}"
        elif kind == 2:
            source = "placehold.co"
            url = f"https://placehold.co/1200x630/png?text={quote_plus(numbered[:42])}"
        else:
            source = "unsplash"
            photo = draw.one(_PHOTOS)
            url = f"https://images.unsplash.com/{photo}?auto=format&fit=crop&w=1200&q=80"
        images.append(Image(source=source, url=url, caption=numbered))
    return tuple(images)
