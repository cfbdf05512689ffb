"""Checks of the history: every chain, its end, every seal, and what erasures left.

In: the rows as the database holds them, byte by byte, in pages by key. Out: a `Break` for the first
broken link of each subject, and one for each seal that does not hold. Memory does not grow with the
history. Changes nothing; works beside writers.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import groupby
from typing import Any, NamedTuple

from posts import db, db_history, history, seals
from posts.models import ChainEnd, ErasedEvent, Event, Seal

#: Rows of one query.
PAGE = 2_000
#: How often a subject is looked at before it counts as broken: it may be written to meanwhile.
LOOKS = 3

_SUBJECT = {
    ChainEnd.Subject.POST.value: "post_id",
    ChainEnd.Subject.RUN.value: "run_id",
    ChainEnd.Subject.PERSON.value: "person_id",
}
_SITE = ChainEnd.Subject.SITE.value
_NO_SUBJECT = "post_id IS NULL AND run_id IS NULL AND person_id IS NULL"
_SEAL_COLUMNS = (
    *("number", "first_event", "last_event", "count", "digest", "made_at", "previous_hash"),
    "hash",
)


@dataclass(frozen=True, slots=True)
class Break:
    """The first link of a subject that does not hold: what was expected, what was found.

    `sequence` and `event` are None where no row is left to name. `seals` are the numbers of the
    seals the event falls under; none means it is not sealed yet.
    """

    subject: str
    code: str
    expected: str
    found: str
    sequence: int | None = None
    event: int | None = None
    seals: list[int] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(slots=True)
class Tally:
    """How much was checked."""

    events: int = 0
    chains: int = 0
    seals: int = 0
    sealed_events: int = 0
    unsealed_events: int = 0


class _Row(NamedTuple):
    subject_id: int | None
    texts: Sequence[str | None]


class _End(NamedTuple):
    subject_id: int
    sequence: int
    event_id: int
    hash: str


def breaks(
    tally: Tally,
    *,
    posts: Sequence[int] | None = None,
    runs: Sequence[int] | None = None,
    since_seal: int | None = None,
    expected_seal: tuple[int, str] | None = None,
) -> Iterator[Break]:
    """Yield what does not hold: of these posts and runs, or of everything.

    With `since_seal`, only later seals and the chains that went on since that one, as a whole.
    `expected_seal` is number and hash of a seal as somebody kept it elsewhere.
    """
    if posts is not None or runs is not None:
        for subject, ids in (("post", posts), ("run", runs)):
            if ids:
                yield from _chains(subject, tally, ids)
        return
    after = 0
    if since_seal:
        seal = Seal.objects.filter(number=since_seal).first()
        if seal is None:
            yield Break(f"seal:{since_seal}", "seal_missing", f"seal {since_seal}", "no such seal")
            return
        after = seal.last_event
    if expected_seal is not None:
        yield from _expected(*expected_seal)
    yield from _seals(tally, since_seal or 0)
    for subject in (*_SUBJECT, _SITE):
        if since_seal:
            for ids in _gone_on(subject, after):
                yield from _chains(subject, tally, ids)
        else:
            yield from _chains(subject, tally)
    yield from _erasures()


# --- Chains -----------------------------------------------------------------------------------


def _chains(subject: str, tally: Tally, ids: Sequence[int] | None = None) -> Iterator[Break]:
    """Yield the first break of each chain; two queries per `PAGE` rows."""
    ends = _ends(subject, ids)
    end = next(ends, None)
    for subject_id, rows in groupby(_rows(subject, ids), key=lambda row: row.subject_id):
        while end is not None and subject_id is not None and end.subject_id < subject_id:
            yield from _looked_at_again(subject, end.subject_id, None)
            end = next(ends, None)
        own = end if end is not None and end.subject_id == subject_id else None
        tally.chains += 1
        found = _first_break(subject, subject_id, rows, own, tally)
        if found is not None:
            yield from _looked_at_again(subject, subject_id, found)
        if own is not None:
            end = next(ends, None)
    while end is not None:
        yield from _looked_at_again(subject, end.subject_id, None)
        end = next(ends, None)


def _looked_at_again(subject: str, subject_id: int | None, found: Break | None) -> Iterator[Break]:
    """Yield a break that is still there: end and events are read one after the other."""
    if subject_id is not None:
        for _ in range(LOOKS):
            own = next(_ends(subject, [subject_id]), None)
            found = _first_break(subject, subject_id, _rows(subject, [subject_id]), own, Tally())
            if found is None:
                return
    if found is not None:
        yield found


def _first_break(
    subject: str, subject_id: int | None, rows: Iterable[_Row], end: _End | None, tally: Tally
) -> Break | None:
    name = subject if subject == _SITE else f"{subject}:{subject_id}"
    number, previous, last = 0, "", 0
    for row in rows:
        number += 1
        tally.events += 1
        stored = dict(zip(history.COLUMNS, row.texts, strict=True))
        event = int(stored["id"] or 0)
        for code, expected, found in (
            ("sequence", str(number), stored["sequence"]),
            ("previous_hash", previous, stored["previous_hash"]),
            ("hash", _hash_of(row.texts), stored["hash"]),
        ):
            if found != expected:
                return Break(
                    *(name, code, expected, _shown(found), number, event, _seals_over(event))
                )
        previous, last = stored["hash"] or "", event
    if end is None:
        if not number:
            return None
        return Break(
            *(name, "end_missing", f"an end of the chain at {number}", "none", number, last),
            _seals_over(last),
        )
    if (end.sequence, end.event_id, end.hash) == (number, last, previous):
        return None
    if end.sequence > number:
        code, at, event = "newest_missing", number + 1, end.event_id
    else:
        code, at, event = "end", number, last
    return Break(
        *(name, code, f"{end.sequence} events, the last {end.event_id} with hash {end.hash}"),
        f"{number} events, the last {last} with hash {previous}",
        *(at, event, _seals_over(event)),
    )


def _hash_of(texts: Sequence[str | None]) -> str:
    try:
        return history.chain_hash(history.stored_texts(texts)[: len(history.HASHED)])
    except UnicodeEncodeError:
        return "none: the row holds bytes that are no text"


def _shown(text: str | None) -> str:
    return "NULL" if text is None else ascii(text)[1:-1][:200]


def _rows(subject: str, ids: Sequence[int] | None) -> Iterator[_Row]:
    column = _SUBJECT.get(subject)
    order = [column, "sequence"] if column else ["sequence"]
    for chunk in _chunks(ids if column else None):
        after: tuple[int, ...] = ()
        while True:
            page = db_history.stored(
                Event,
                history.COLUMNS,
                order=order,
                after=after,
                where=f"{column} IS NOT NULL" if column else _NO_SUBJECT,
                among=(column, chunk) if column and chunk is not None else None,
                limit=PAGE,
            )
            for place, texts in page:
                yield _Row(place[0] if column else 0, texts)
            # What is no whole number stands behind the whole ones, and breaks what it is in.
            known = [place for place, _ in page if place[0] is not None]
            if len(page) < PAGE or not known:
                break
            after = tuple(2**31 if part is None else part for part in known[-1])


def _ends(subject: str, ids: Sequence[int] | None) -> Iterator[_End]:
    for chunk in _chunks(ids):
        after = -1
        while True:
            rows = ChainEnd.objects.filter(subject=subject, subject_id__gt=after)
            if chunk is not None:
                rows = rows.filter(subject_id__in=chunk)
            page = list(rows.order_by("subject_id").values_list(*_End._fields)[:PAGE])
            yield from (_End(*row) for row in page)
            if len(page) < PAGE:
                break
            after = page[-1][0]


def _chunks(ids: Sequence[int] | None) -> Iterator[Sequence[int] | None]:
    if ids is None:
        yield None
    else:
        yield from db.chunked(sorted(set(ids)))


def _gone_on(subject: str, after: int) -> Iterator[list[int]]:
    """Yield the subjects whose chains have events behind a number, in pages."""
    last = -1
    while page := list(
        ChainEnd.objects.filter(subject=subject, subject_id__gt=last, event_id__gt=after)
        .order_by("subject_id")
        .values_list("subject_id", flat=True)[: db.LOOKUP_CHUNK]
    ):
        yield page
        last = page[-1]


# --- Seals ------------------------------------------------------------------------------------


def _seals_over(event: int) -> list[int]:
    found = Seal.objects.filter(first_event__lte=event, last_event__gte=event)
    return list(found.order_by("number").values_list("number", flat=True)[:2])


def _seals(tally: Tally, since: int) -> Iterator[Break]:
    """Yield a break for each seal that does not hold, and count what is sealed."""
    previous: dict[str, str | None] = {}
    if since:
        previous = next(_stored_seals(since - 1), {})
    for stored in _stored_seals(since):
        tally.seals += 1
        fault = _fault_of(stored, previous, tally)
        if fault is not None:
            code, expected, found = fault
            number = stored["number"] or ""
            covered = [int(number)] if number.isdecimal() else []
            yield Break(f"seal:{number}", code, expected, _shown(found), seals=covered)
        previous = stored
    last = int(previous.get("last_event") or 0) if previous else 0
    tally.unsealed_events = Event.objects.filter(pk__gt=last).count()


def _stored_seals(after: int) -> Iterator[dict[str, str | None]]:
    while True:
        page = db_history.stored(Seal, _SEAL_COLUMNS, order=["number"], after=(after,), limit=PAGE)
        for _, texts in page:
            yield dict(zip(_SEAL_COLUMNS, texts, strict=True))
        if len(page) < PAGE or page[-1][0][0] is None:
            break
        after = page[-1][0][0]


def _fault_of(
    stored: dict[str, str | None], previous: dict[str, str | None], tally: Tally
) -> tuple[str, str, str | None] | None:
    """Return code, expected and found of the first thing about a seal that does not hold."""
    texts = [
        (stored[name] or "").removesuffix(".000000") if name == "made_at" else stored[name] or ""
        for name in _SEAL_COLUMNS
    ]
    try:
        expected = seals.seal_hash(texts[:-1])
        first, last = int(stored["first_event"] or ""), int(stored["last_event"] or "")
        number, begin = int(previous.get("number") or 0), int(previous.get("last_event") or 0)
    except ValueError:
        return "seal", "whole numbers and texts", repr(texts)
    checks = (
        ("seal_number", str(number + 1), stored["number"]),
        ("seal_hash", expected, stored["hash"]),
        ("seal_previous_hash", previous.get("hash") or "", stored["previous_hash"]),
        ("seal_range", str(begin + 1), stored["first_event"]),
    )
    for code, wanted, found in checks:
        if found != wanted:
            return code, wanted, found
    digest, count, at = hashlib.sha256(), 0, first - 1
    while page := db_history.numbered_hashes(at, last, seals.PAGE):
        for event, hashed in page:
            digest.update(history.numbered_line(event, hashed))
        count += len(page)
        at = page[-1][0]
    tally.sealed_events += count
    if str(count) != stored["count"]:
        return "seal_count", f"{stored['count']} events from {first} to {last}", f"{count} events"
    if digest.hexdigest() != stored["digest"]:
        return "seal_digest", stored["digest"] or "", digest.hexdigest()
    return None


def _expected(number: int, hashed: str) -> Iterator[Break]:
    found = Seal.objects.filter(number=number).values_list("hash", flat=True).first()
    if found != hashed:
        yield Break(
            *(f"seal:{number}", "seal_not_the_kept_one", hashed, found or "no such seal"),
            seals=[number],
        )


# --- Erasures ---------------------------------------------------------------------------------


def _erasures() -> Iterator[Break]:
    """Yield the logged erasures whose remains are not as many, or not the same, as was logged."""
    logged, last = 0, 0
    while page := db_history.stored(
        Event,
        ("id", "sequence", "data"),
        order=["id"],
        after=(last,),
        where=f"kind = '{history.ERASED}'",
        limit=PAGE,
    ):
        for (number,), (_, sequence, data) in page:
            digest, count = _remains(number)
            logged += count
            try:
                told = json.loads(data or "")
                wanted = (told.get("events"), told.get("digest"))
            except (ValueError, AttributeError):
                continue  # the chain of the site is broken here, which is told already
            if wanted != (count, digest):
                event = number or 0
                yield Break(
                    *("site", "erased_events", f"{wanted[0]} events with digest {wanted[1]}"),
                    f"{count} events with digest {digest}",
                    *(int(sequence or 0), event, _seals_over(event)),
                )
        last = page[-1][0][0] or 0
    there_are = ErasedEvent.objects.count()
    if there_are != logged:
        yield Break(
            "site", "erased_events_unlogged", f"{logged} remains of erased events", str(there_are)
        )


def _remains(log: int | None) -> tuple[str, int]:
    """Return digest and number of what an erasure left."""
    digest, count, at = hashlib.sha256(), 0, 0
    remains = ErasedEvent.objects.filter(logged=log).order_by("event_id")
    while rows := list(remains.filter(event_id__gt=at).values_list("event_id", "hash")[:PAGE]):
        for row in rows:
            digest.update(history.numbered_line(*row))
        count += len(rows)
        at = rows[-1][0]
    return digest.hexdigest(), count
