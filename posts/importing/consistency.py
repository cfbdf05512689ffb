"""Whether the fields of one record agree with each other.

Input: a key and a normalised snapshot. Output: problems; only an identity that contradicts itself
is an error, everything else is a warning about values that are kept as they came. The rules are
the invariants found in the sample documents; each applies only where its fields are given.
"""

from __future__ import annotations

import re

from posts import claim_rules
from posts.content import Meta, Problem, Snapshot, shown
from posts.outline import Outline, outline

_IMAGE_NUMBER = re.compile(r"\]\(image:([0-9]{1,6})(?![0-9])")
_NUMBERED_CAPTION = re.compile(r".* visual reference ([0-9]{1,6})")


def _warning(code: str, field: str, value: str, expected: str) -> Problem:
    return Problem(
        code=code, field=field, value=shown(value), expected=shown(expected), severity="warning"
    )


def problems(key: str, snapshot: Snapshot) -> list[Problem]:
    """Return the contradictions inside one record."""
    meta = snapshot.meta
    body = outline(snapshot.body)
    found = _identity(key, meta)
    found += _counts(snapshot, body)
    found += _repeated(meta)
    return found


def _identity(key: str, meta: Meta) -> list[Problem]:
    """Source id, reference and seed are three spellings of one number (invariants 2 and 3)."""
    payload = meta.payload
    found = []
    if key and payload.source_id and payload.source_id != key:
        found.append(
            Problem(
                code="id_mismatch",
                field="payload.source_id",
                value=shown(payload.source_id),
                expected=f"the key, {shown(key)}",
            )
        )
    source_id = payload.source_id or key
    by_id = claim_rules.number_of_id(source_id)
    by_reference = claim_rules.number_of_reference(meta.reference)
    if by_id is not None and by_reference is not None:
        numbers = {by_id, by_reference}
        if payload.seed is not None:
            numbers.add(payload.seed)
        if len(numbers) > 1:
            seed = "not given" if payload.seed is None else payload.seed
            found.append(
                Problem(
                    code="id_mismatch",
                    field="reference",
                    value=shown(f"source id {source_id}, reference {meta.reference}, seed {seed}"),
                    expected="one number in source id, reference and seed",
                )
            )
    return found


def _shows_each_image(body: str, rows: int) -> bool:
    """Say whether every image source is shown, and nothing else, images within a text included."""
    return set(map(int, _IMAGE_NUMBER.findall(body))) == set(range(1, rows + 1))


def _counts(snapshot: Snapshot, body: Outline) -> list[Problem]:
    """Compare what the meta box counts with what the body holds (invariants 1, 5, 6, 14)."""
    found, meta = [], snapshot.meta
    figures, rows = len(body.figures), len(meta.image_sources)
    is_alike = figures == rows and all(figure.number for figure in body.figures)
    if not is_alike and not _shows_each_image(snapshot.body, rows):
        found.append(
            _warning(
                "image_mismatch",
                "image_sources",
                f"{figures} figures, {rows} image sources",
                "one image source for each figure",
            )
        )
    if meta.flags.has_images is not None and meta.flags.has_images != bool(figures):
        found.append(
            _warning(
                "image_mismatch",
                "flags.has_images",
                f"{meta.flags.has_images} with {figures} figures",
                f"{bool(figures)}",
            )
        )
    prose = body.paragraphs + bool(snapshot.lede)
    if meta.payload.paragraphs is not None and meta.payload.paragraphs != prose - 1:
        found.append(
            _warning(
                "paragraph_count",
                "payload.paragraphs",
                str(meta.payload.paragraphs),
                f"{max(prose - 1, 0)}, one less than the {prose} paragraphs of the text",
            )
        )
    if meta.checklist and meta.checklist not in body.lists:
        nearest = body.lists[0] if body.lists else ()
        found.append(
            _warning(
                "checklist_mismatch",
                "checklist",
                f"{len(meta.checklist)} items: {'; '.join(meta.checklist)}",
                f"the list in the body, {len(nearest)} items: {'; '.join(nearest)}",
            )
        )
    return found


def _repeated(meta: Meta) -> list[Problem]:
    """Compare values the meta box says more than once (invariants 8, 11, 12, 13)."""
    outline_ = meta.ai_outline
    first, second, third = (*meta.stack, "", "", "")[:3]
    pairs = [
        ("outline_mismatch", "ai_outline.context", outline_.context, meta.payload.scenario),
        ("stack_mismatch", "stack[0]", first, outline_.stack),
        ("stack_mismatch", "stack[2]", third, meta.code_language),
    ]
    if outline_.problem and outline_.stack:
        topic = f"{outline_.problem} / {outline_.stack}"
        pairs.append(("topic_mismatch", "topic", meta.topic, topic))
        for number, image in enumerate(meta.image_sources, 1):
            if _NUMBERED_CAPTION.fullmatch(image.caption):
                wanted = f"{outline_.problem} with {outline_.stack} visual reference {number}"
                field = f"image_sources[{number - 1}].caption"
                pairs.append(("caption_mismatch", field, image.caption, wanted))
    said = {"stack": outline_.stack, "area": second, "problem": outline_.problem}
    for number, entity in enumerate(meta.entities):
        wanted = said.pop(entity.type, "")
        pairs.append(("entity_mismatch", f"entities[{number}].name", entity.name, wanted))
    return [
        _warning(code, field, value, wanted)
        for code, field, value, wanted in pairs
        if value and wanted and value != wanted
    ]
