"""How a post stood before an import run, told from its revisions and events; pure rules.

In: all versions of a post, its events in order, its pointers. Out: the pointers before the run's
first version, or the reason why nobody can go back there. Imports leave no events of their own,
but what they do is a rule (`classification.OVERWRITE`), so they can be followed again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from posts.importing.classification import OVERWRITE
from posts.models import Revision
from posts.transitions import TRANSITIONS


class Version(NamedTuple):
    """What of a revision matters here."""

    pk: int
    number: int
    origin: str
    run_id: int | None
    parent_id: int | None
    digest: str


class Pointers(NamedTuple):
    """Where a post points; primary keys of revisions. Events keep the same names."""

    live: int
    proposed: int | None
    approved: int | None
    waiting: int | None


@dataclass(frozen=True, slots=True)
class Past:
    """How a post stood: pointers and the version last imported; both None where there was none."""

    pointers: Pointers | None
    base: Version | None

    @property
    def is_nothing(self) -> bool:
        return self.pointers is None


@dataclass(frozen=True, slots=True)
class Keep:
    """A post that stays as it is, and the code of the reason."""

    reason: str


Happened = tuple[str, Mapping[str, Any]]


def judge(
    versions: Sequence[Version], events: Sequence[Happened], *, run_id: int, now: Pointers
) -> Past | Keep:
    """Return how a post stood before a run, or why it is to be kept.

    `versions` are in order of number, `events` in order of sequence. Going back is refused when
    anything came after the run's versions, and when following the history again does not lead to
    `now`: then something happened that is not understood here.
    """
    own = [version for version in versions if version.run_id == run_id]
    first = own[0]
    for version in versions:
        if version.number > first.number and version.run_id != run_id:
            return Keep("later_run" if version.run_id is not None else "edited")
    numbers = {version.pk: version.number for version in versions}
    if first.number == 1:
        # Nobody's work may go with the post: whatever a person did left an event.
        return Keep(_reason(events[0][0])) if events else Past(None, None)
    ids = {version.pk for version in own}
    for kind, data in events:
        if ids.intersection(_mentioned(data)):
            return Keep(_reason(kind))
    base = next((version for version in versions if version.pk == first.parent_id), None)
    before = _stood([v for v in versions if v.number < first.number], events, numbers)
    if base is None or before is None or _followed(before, own, versions) != now:
        return Keep("unclear")
    return Past(before, base)


def _reason(kind: str) -> str:
    if kind in TRANSITIONS:
        return "decided" if TRANSITIONS[kind].verdict else "moved"
    return {"revise": "edited", "restore": "edited", "tags": "tagged", "slug": "slug"}.get(
        kind, "unclear"
    )


def _mentioned(data: Mapping[str, Any]) -> Iterator[int]:
    """Yield the revisions an event of `posts.review` names: before, after, decided on."""
    if "live" in data:
        for name in Pointers._fields:
            yield from (pk for pk in data[name] if pk is not None)
    if data.get("revision") is not None:
        yield data["revision"]


def _stood(
    versions: Sequence[Version], events: Sequence[Happened], numbers: Mapping[int, int]
) -> Pointers | None:
    """Return the pointers after these versions and events.

    The last event with pointers says how the post stood then, and the newest version at that
    moment is the highest number that events named so far: a version leaves the pointers only by an
    event that names it, or for a newer version.
    """
    known: Pointers | None = None
    known_number = newest = 0
    for kind, data in events:
        named = [numbers.get(pk, 0) for pk in _mentioned(data)]
        if kind in ("revise", "restore"):
            named.append(data["number"])
        newest = max([newest, *named])
        if "live" in data:
            known = Pointers(*(data[name][1] for name in Pointers._fields))
            known_number = newest
    if known is None and versions:
        known = Pointers(versions[0].pk, versions[0].pk, None, None)
        known_number = versions[0].number
    if known is None:
        return None
    return _followed(known, [v for v in versions if v.number > known_number], versions)


def _followed(stood: Pointers, came: Sequence[Version], all_of: Sequence[Version]) -> Pointers:
    """Return the pointers after versions came to a post that stood so."""
    by_person = {v.pk for v in all_of if v.origin != Revision.Origin.IMPORT}
    for version in came:
        is_approved = stood.live == stood.approved
        if version.pk in by_person:
            # As posts.writing.revise: an approved page stays until the verdict.
            live = stood.live if is_approved else version.pk
            stood = stood._replace(live=live, proposed=version.pk)
            continue
        is_protected = is_approved or stood.live in by_person
        _, moving = OVERWRITE[is_protected, stood.proposed in by_person]
        stood = Pointers(
            version.pk if "live" in moving else stood.live,
            version.pk if "proposed" in moving else stood.proposed,
            stood.approved,
            version.pk if "waiting" in moving else None,
        )
    return stood
