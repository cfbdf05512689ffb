"""The body of a synthesized article: sections filled with paragraphs, checklist, figures, extras.

In: a `Draw`, a `Subject`, how many paragraphs and images. Out: blocks. Must not know how they are
written to a file.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from posts.importing.synthesizer.blocks import (
    Block,
    Code,
    Figure,
    Heading,
    Items,
    Paragraph,
    Quote,
    Steps,
    Table,
)
from posts.importing.synthesizer.draw import Draw
from posts.importing.synthesizer.vocabulary import frame, prose, subjects
from posts.importing.synthesizer.vocabulary.family_prose import FAMILY_PARAGRAPHS
from posts.importing.synthesizer.vocabulary.shared_snippets import SHARED_SNIPPETS
from posts.importing.synthesizer.vocabulary.snippets import SNIPPETS, Snippet
from posts.importing.synthesizer.vocabulary.stacks import ONLINE_AREAS, STACKS, Stack
from posts.importing.synthesizer.vocabulary.subjects import Problem

_CODE_SHARE = 0.4
_SECOND_CODE_SHARE = 0.2
#: Share of posts with a table, of posts with an ordered list, of posts with a quotation.
_EXTRA_SHARE = 0.08


class Subject(NamedTuple):
    """What an article is about, in display spelling."""

    problem: Problem
    stack: Stack
    scenario: str


def _paragraph_pools() -> dict[tuple[str, bool], tuple[str, ...]]:
    return {
        (section, online): texts + (prose.ONLINE_PARAGRAPHS.get(section, ()) if online else ())
        for section, texts in prose.PARAGRAPHS.items()
        for online in (False, True)
    }


_POOLS = _paragraph_pools()


def _snippet_fits(snippet: Snippet, subject: Subject) -> bool:
    return (
        (not snippet.families or subject.problem.family in snippet.families)
        and (not snippet.areas or subject.stack.area in snippet.areas)
        and (not snippet.stacks or subject.stack.name in snippet.stacks)
    )


def _snippets_of(stack: Stack) -> dict[str, tuple[tuple[Snippet, ...], tuple[Snippet, ...]]]:
    """Return, by problem family, the snippets in the stack's language and in shared ones."""
    found = {}
    for family in subjects.FAMILY_TAGS:
        subject = Subject(Problem("", family), stack, "")
        fitting = [s for s in SNIPPETS + SHARED_SNIPPETS if _snippet_fits(s, subject)]
        own = tuple(s for s in fitting if s.language == stack.language)
        shared = tuple(s for s in fitting if s in SHARED_SNIPPETS and s not in own)
        found[family] = (own or shared, shared)
    return found


_SNIPPETS = {stack.name: _snippets_of(stack) for stack in STACKS}


def slots_of(subject: Subject, tools: tuple[str, ...]) -> dict[str, str]:
    """Return the words for the slots of a sentence; the tool is the first of the stack's own."""
    problem = subject.problem.name
    return {
        "problem": problem,
        "Problem": problem[0].upper() + problem[1:],
        "stack": subject.stack.name,
        "scenario": subject.scenario,
        "tool": next((tool for tool in tools if tool in subject.stack.tools), tools[0]),
    }


def body_blocks(
    draw: Draw,
    subject: Subject,
    slots: dict[str, str],
    paragraphs: int,
    checklist: tuple[str, ...],
    images: int,
) -> tuple[Block, ...]:
    """Return the body: first figure, sections, checklist, other figures, final notes."""
    blocks: list[Block] = [Figure(1)] if images else []
    _add_sections(blocks, draw, subject, slots, paragraphs)
    blocks += (Heading(frame.CHECKLIST), Items(checklist))
    blocks += (Figure(number) for number in range(2, images + 1))
    blocks += (
        Heading(frame.FINAL),
        Paragraph(draw.one(frame.FINAL_NOTES).format_map(slots)),
    )
    return tuple(blocks)


def _add_sections(
    blocks: list[Block], draw: Draw, subject: Subject, slots: dict[str, str], paragraphs: int
) -> None:
    """Append sections with `paragraphs` paragraphs in all, each section filled before the next."""
    online = subject.stack.area in ONLINE_AREAS
    family = FAMILY_PARAGRAPHS[subject.problem.family]
    extras = _extras(draw, subject, paragraphs)
    stack_remark = frame.STACK_REMARK.format_map(slots)
    number = 0
    for section in draw.one(prose.SECTION_ORDERS):
        size = min(prose.SECTION_SIZES[section], paragraphs - number)
        if not size:
            break
        blocks.append(Heading(section))
        texts = draw.several(_POOLS[section, online], size)
        if section in family and draw.share() < 0.8:
            texts[0] = draw.one(family[section])
        for text in texts:
            remarks = []
            if number % 3 == 2:
                remarks.append(stack_remark)
            if number % 4 == 3:
                remarks.append(frame.HOUSE_REMARK)
            extra = extras.get(number)
            blocks.append(
                Paragraph(
                    text.format_map(slots),
                    " ".join(remarks),
                    "" if extra is None or isinstance(extra, Quote) else extra.lead,
                )
            )
            if extra is not None:
                blocks.append(extra)
            number += 1


def _extras(
    draw: Draw, subject: Subject, paragraphs: int
) -> dict[int, Code | Table | Quote | Steps]:
    """Return the blocks that stand after some section paragraphs, by paragraph number from 0."""
    found: list[Code | Table | Quote | Steps] = []
    if draw.share() < _CODE_SHARE:
        own, shared = _SNIPPETS[subject.stack.name][subject.problem.family]
        found.append(_code(draw.one(own if draw.share() < 0.6 else shared), subject))
        if draw.share() < _SECOND_CODE_SHARE:
            other = _code(draw.one(shared), subject)
            if other != found[0]:
                found.append(other)
    if draw.share() < _EXTRA_SHARE:
        lead, header, rows = draw.one(frame.TABLES)
        found.append(Table(lead, header, rows))
    if draw.share() < _EXTRA_SHARE:
        found.append(Steps(*draw.one(frame.STEPS)))
    if draw.share() < _EXTRA_SHARE:
        found.append(Quote(draw.one(frame.QUOTES)))
    if not found:
        return {}
    places = draw.several(range(paragraphs), min(len(found), paragraphs))
    return dict(zip(places, found, strict=False))


def _code(snippet: Snippet, subject: Subject) -> Code:
    text = snippet.code
    if "@s" in text:
        slug = subject.problem.name.lower().replace(" ", "-")
        text = (
            text.replace("@slug@", slug)
            .replace("@snake@", slug.replace("-", "_"))
            .replace("@stack@", subject.stack.name)
        )
    return Code(snippet.lead, snippet.language, text)


def with_other_paragraph(
    draw: Draw, blocks: tuple[Block, ...], subject: Subject, slots: dict[str, str]
) -> tuple[Block, ...]:
    """Return the blocks with the text of one section paragraph replaced; its place stays."""
    online = subject.stack.area in ONLINE_AREAS
    places: list[tuple[int, str]] = []
    section = ""
    for place, block in enumerate(blocks):
        if isinstance(block, Heading):
            section = block.text
        elif isinstance(block, Paragraph) and section in prose.PARAGRAPHS:
            places.append((place, section))
    place, section = draw.one(places)
    used = {block.text for block in blocks if isinstance(block, Paragraph)}
    texts = [text.format_map(slots) for text in _POOLS[section, online]]
    old = blocks[place]
    new = msgspec.structs.replace(old, text=draw.one([text for text in texts if text not in used]))
    return (*blocks[:place], new, *blocks[place + 1 :])
