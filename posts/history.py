"""The append-only history: events, hash-chained per post, run, person, and for the site itself.

In: what happened. Out: event rows whose hash covers every column and their predecessor, so that a
changed line breaks every later one; and the end of each chain. Written in the transaction of the
change it tells of. Checked by `posts.verification`, sealed by `posts.seals`.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from django.db import transaction
from django.db.models import OuterRef, Subquery

from posts import db, db_history
from posts.models import ChainEnd, ErasedEvent, Event, ImportedPost

if TYPE_CHECKING:
    from django.contrib.auth.models import User

    from posts.models import ImportRun

#: The columns a hash covers, in its order; each as text, a missing one as null.
HASHED = (
    *("id", "post_id", "run_id", "person_id", "source_id", "sequence", "kind", "actor_id", "at"),
    *("revision_digest", "data", "previous_hash"),
)
COLUMNS = (*HASHED, "hash")
Subject = ChainEnd.Subject

#: The kind of event that says how many events went with erased posts, and their digest.
ERASED = "events erased"

_canonical = msgspec.json.Encoder(order="sorted")


class Entry(NamedTuple):
    """One thing that happened to a post; `data` holds numbers, codes and times, no prose."""

    post_id: int
    kind: str
    digest: str = ""
    data: Mapping[str, Any] = {}


def chain_hash(texts: Sequence[str | None]) -> str:
    """Return the SHA-256 that stands in an event, from the texts of the columns `HASHED` names.

    Raises `UnicodeEncodeError` for bytes that are no text.
    """
    return hashlib.sha256(msgspec.json.encode(list(texts))).hexdigest()


def moment_text(moment: dt.datetime) -> str:
    """Return a moment as hashes know it: in UTC, without an offset, to the microsecond."""
    return str(moment.astimezone(dt.UTC).replace(tzinfo=None))


def data_text(data: Mapping[str, Any]) -> str:
    """Return the data of an event as hashes know it."""
    return _canonical.encode(_plain(data)).decode()


def stored_texts(texts: Sequence[str | None]) -> list[str | None]:
    """Return the texts of `COLUMNS` that a database holds, as hashes know them.

    SQLite holds exactly these. PostgreSQL spells times and data in its own way, one for each value;
    a text that is no such spelling stays as it is, and no hash fits it.
    """
    if not db.is_postgresql():
        return list(texts)
    known = list(texts)
    at, data = COLUMNS.index("at"), COLUMNS.index("data")
    known[at] = (known[at] or "").removesuffix(".000000")
    try:
        known[data] = _canonical.encode(
            json.loads(known[data] or "", parse_float=_float_with_one_spelling)
        ).decode()
    except (ValueError, OverflowError, msgspec.MsgspecError):
        known[data] = texts[data]
    return known


def _float_with_one_spelling(text: str) -> float:
    value = float(text)
    # jsonb tells 1.5 from 1.50; what was written had the shortest spelling.
    if Decimal(text).as_tuple() != Decimal(repr(value)).as_tuple():
        raise ValueError(text)
    return value


def numbered_line(number: int, hashed: str) -> bytes:
    """Return what digests of many events take of each: its number and its hash."""
    return f"{number}:{hashed}\n".encode("utf-8", "surrogateescape")


# --- Writing ----------------------------------------------------------------------------------


def append(entries: Sequence[Entry], *, actor: User | None, now: dt.datetime) -> None:
    """Append events of posts, several of a post in their order. Four queries for up to 500 posts.

    They take numbers, look up the chains' ends, insert, and move the ends; one more per 500 posts
    that had no event before, for their source. The caller holds the posts' row locks; that is what
    keeps a chain from forking.
    """
    _append(
        Subject.POST,
        [(entry.post_id, entry.kind, entry.digest, entry.data) for entry in entries],
        actor=actor,
        now=now,
        sources_of=_sources_of_posts,
    )


def append_to_run(
    run: ImportRun,
    kind: str,
    *,
    data: Mapping[str, Any],
    now: dt.datetime,
    actor: User | None = None,
) -> None:
    """Append one event of a run; whoever calls holds its source or is alone with it. 4 queries."""
    _append(
        Subject.RUN,
        [(run.pk, kind, "", data)],
        actor=actor,
        now=now,
        sources_of=lambda ids: {run.pk: run.source_id},
    )


def append_to_person(
    person_id: int,
    kind: str,
    *,
    data: Mapping[str, Any],
    now: dt.datetime,
    actor: User | None = None,
) -> None:
    """Append one event of an account. The chain's end is locked here."""
    with transaction.atomic(savepoint=False):
        _hold(Subject.PERSON, person_id)
        _append(Subject.PERSON, [(person_id, kind, "", data)], actor=actor, now=now)


def append_to_site(
    kind: str, *, data: Mapping[str, Any], now: dt.datetime, actor: User | None = None
) -> int:
    """Append one event of the site itself and return its number. The chain's end is locked here."""
    with transaction.atomic(savepoint=False):
        _hold(Subject.SITE, 0)
        (number,) = _append(Subject.SITE, [(0, kind, "", data)], actor=actor, now=now)
    return number


def forget(post_ids: Sequence[int], *, actor: User | None, now: dt.datetime) -> None:
    """Leave numbers and hashes of events that are about to go with their posts, and log how many.

    Also removes the ends of their chains. One query when the posts have no event. The caller holds
    the posts' row locks, opened `db.erasing` and deletes the events.
    """
    going = sorted(
        row
        for chunk in db.chunked(post_ids)
        for row in Event.objects.filter(post_id__among=chunk).values_list("pk", "hash")
    )
    if not going:
        return
    digest = hashlib.sha256(b"".join(numbered_line(*row) for row in going)).hexdigest()
    logged = append_to_site(
        ERASED, data={"events": len(going), "digest": digest}, now=now, actor=actor
    )
    db.insert_rows(
        ErasedEvent,
        ("event_id", "hash", "logged_id"),
        [(number, hashed, logged) for number, hashed in going],
    )
    for chunk in db.chunked(post_ids):
        ends = ChainEnd.objects.filter(subject=Subject.POST, subject_id__among=chunk)
        ends._raw_delete(ends.db)


def _hold(subject: str, subject_id: int) -> None:
    """Lock the end of a chain that no other row's lock guards, making it first if need be."""
    ChainEnd.objects.get_or_create(
        subject=subject, subject_id=subject_id, defaults={"sequence": 0, "event_id": 0}
    )
    ChainEnd.objects.select_for_update().get(subject=subject, subject_id=subject_id)


def _append(
    subject: str,
    entries: Sequence[tuple[int, str, str, Mapping[str, Any]]],
    *,
    actor: User | None,
    now: dt.datetime,
    sources_of: Callable[[list[int]], Mapping[int, int]] = lambda ids: {},
) -> list[int]:
    if not entries:
        return []
    with transaction.atomic(savepoint=False):
        numbers = db_history.event_numbers(Event, len(entries))
        ends = _ends(subject, list(dict.fromkeys(entry[0] for entry in entries)), sources_of)
        rows = []
        for number, (subject_id, kind, digest, data) in zip(numbers, entries, strict=True):
            source, sequence, _, previous = ends[subject_id]
            row = _row(
                number=number,
                subject=subject,
                subject_id=subject_id,
                source_id=source,
                sequence=sequence + 1,
                kind=kind,
                actor_id=actor.pk if actor is not None else None,
                now=now,
                digest=digest,
                data=data,
                previous=previous,
            )
            rows.append(row)
            ends[subject_id] = (source, sequence + 1, number, row[-1])
        db.insert_rows(Event, COLUMNS, rows)
        db_history.write_ends(
            ChainEnd, [(subject, subject_id, *end) for subject_id, end in ends.items()]
        )
    return numbers


def _ends(
    subject: str, ids: list[int], sources_of: Callable[[list[int]], Mapping[int, int]]
) -> dict[int, tuple[int | None, int, int, str]]:
    """Return source, sequence, event and hash of the chains' ends, empty for new chains."""
    ends: dict[int, tuple[int | None, int, int, str]] = {
        subject_id: (source, sequence, event_id, hashed)
        for chunk in db.chunked(ids)
        for subject_id, source, sequence, event_id, hashed in ChainEnd.objects.filter(
            subject=subject, subject_id__among=chunk
        ).values_list("subject_id", "source_id", "sequence", "event_id", "hash")
    }
    new = [subject_id for subject_id in ids if subject_id not in ends]
    if new:
        sources = sources_of(new)
        ends |= {subject_id: (sources.get(subject_id), 0, 0, "") for subject_id in new}
    return ends


def _sources_of_posts(post_ids: list[int]) -> dict[int, int]:
    return {
        post_id: source_id
        for chunk in db.chunked(post_ids)
        for post_id, source_id in ImportedPost.objects.filter(post_id__among=chunk).values_list(
            "post_id", "source_id"
        )
        if post_id is not None
    }


def _row(
    number: int,
    subject: str,
    subject_id: int,
    source_id: int | None,
    sequence: int,
    kind: str,
    actor_id: int | None,
    now: dt.datetime,
    digest: str,
    data: Mapping[str, Any],
    previous: str,
) -> tuple[Any, ...]:
    """Return the values of `COLUMNS`."""
    subjects = [
        subject_id if subject == name else None
        for name in (Subject.POST, Subject.RUN, Subject.PERSON)
    ]
    before = [number, *subjects, source_id, sequence, kind, actor_id]
    encoded = data_text(data)
    texts = [None if value is None else str(value) for value in before]
    hashed = chain_hash([*texts, moment_text(now), digest, encoded, previous])
    return (*before, now, digest, encoded, previous, hashed)


def _plain(value: Any) -> Any:
    """Return a value with whole floats as integers: a database gives 1e16 back as it likes."""
    if value is None or isinstance(value, int | str):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


# --- Reading ----------------------------------------------------------------------------------


def latest_of_kind(
    post_ids: Sequence[int], *, kinds: Sequence[str]
) -> dict[int, tuple[str, dict[str, Any]]]:
    """Return, per post, kind and data of its newest event of these kinds. One query per 500."""
    newest = Event.objects.filter(post=OuterRef("post"), kind__in=kinds).order_by("-sequence")
    return {
        post_id: (kind, data)
        for chunk in db.chunked(post_ids)
        for post_id, kind, data in Event.objects.filter(
            post_id__among=chunk, sequence=Subquery(newest.values("sequence")[:1])
        ).values_list("post_id", "kind", "data")
    }


def broken_links(events: Iterable[Event]) -> list[Event]:
    """Return the events of one subject, in order of sequence, whose hash does not fit.

    A chain that lost its newest events is found by `posts.verification` only.
    """
    broken = []
    previous = ""
    for number, event in enumerate(events, start=1):
        values = [getattr(event, name) for name in HASHED]
        values[HASHED.index("at")] = moment_text(event.at)
        values[HASHED.index("data")] = data_text(event.data)
        expected = chain_hash([None if value is None else str(value) for value in values])
        if (event.sequence, event.previous_hash, event.hash) != (number, previous, expected):
            broken.append(event)
        previous = event.hash
    return broken
