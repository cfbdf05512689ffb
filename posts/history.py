"""The append-only history: events, hash-chained per post or run.

In: what happened. Out: event rows whose hash covers their predecessor, so that a changed line
breaks every later one. Written in the transaction of the change it tells of.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from django.db.models import OuterRef, Subquery

from posts import db
from posts.models import Event

if TYPE_CHECKING:
    from django.contrib.auth.models import User

    from posts.models import ImportRun

_canonical = msgspec.json.Encoder(order="sorted")


class Entry(NamedTuple):
    """One thing that happened to a post; `data` holds numbers, codes and times, no prose."""

    post_id: int
    kind: str
    digest: str = ""
    data: Mapping[str, Any] = {}


def chain_hash(
    *,
    previous: str,
    subject: str,
    sequence: int,
    kind: str,
    actor_id: int | None,
    at: dt.datetime,
    digest: str,
    data: Mapping[str, Any],
) -> str:
    """Return the SHA-256 that stands in an event; `subject` is "post:7" or "run:3"."""
    moment = at.astimezone(dt.UTC).isoformat()
    line = [previous, subject, sequence, kind, actor_id, moment, digest, data]
    return hashlib.sha256(_canonical.encode(line)).hexdigest()


def append(entries: Sequence[Entry], *, actor: User | None, now: dt.datetime) -> None:
    """Append events, several of a post in their order. Two queries: the chains' ends, the insert.

    The caller holds the posts' row locks; that is what keeps a chain from forking.
    """
    ends: dict[int | None, tuple[int, str]] = {}
    for chunk in db.chunked([entry.post_id for entry in entries]):
        newest = Event.objects.filter(post=OuterRef("post")).order_by("-sequence")
        for post_id, sequence, last in Event.objects.filter(
            post_id__in=chunk, sequence=Subquery(newest.values("sequence")[:1])
        ).values_list("post_id", "sequence", "hash"):
            ends[post_id] = (sequence, last)
    rows = []
    for entry in entries:
        last_sequence, previous = ends.get(entry.post_id, (0, ""))
        row = _row(
            post_id=entry.post_id,
            run_id=None,
            sequence=last_sequence + 1,
            previous=previous,
            kind=entry.kind,
            actor=actor,
            now=now,
            digest=entry.digest,
            data=entry.data,
        )
        rows.append(row)
        ends[entry.post_id] = (last_sequence + 1, row[-1])
    _insert(rows)


def append_to_run(
    run: ImportRun,
    kind: str,
    *,
    data: Mapping[str, Any],
    now: dt.datetime,
    actor: User | None = None,
) -> None:
    """Append one event of a run. Two queries."""
    end = (
        Event.objects.filter(run=run).order_by("-sequence").values_list("sequence", "hash").first()
    )
    last_sequence, previous = end or (0, "")
    _insert(
        [
            _row(
                post_id=None,
                run_id=run.pk,
                sequence=last_sequence + 1,
                previous=previous,
                kind=kind,
                actor=actor,
                now=now,
                digest="",
                data=data,
            )
        ]
    )


def _row(
    *,
    post_id: int | None,
    run_id: int | None,
    sequence: int,
    previous: str,
    kind: str,
    actor: User | None,
    now: dt.datetime,
    digest: str,
    data: Mapping[str, Any],
) -> tuple[Any, ...]:
    actor_id = actor.pk if actor is not None else None
    data = _plain(data)
    hashed = chain_hash(
        previous=previous,
        subject=f"post:{post_id}" if post_id is not None else f"run:{run_id}",
        sequence=sequence,
        kind=kind,
        actor_id=actor_id,
        at=now,
        digest=digest,
        data=data,
    )
    encoded = _canonical.encode(data).decode()
    return (post_id, run_id, sequence, kind, actor_id, now, digest, encoded, previous, hashed)


def _plain(value: Any) -> Any:
    """Return a value with whole floats as integers: a database gives 1e16 back as it likes."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _insert(rows: Iterable[tuple[Any, ...]]) -> None:
    db.insert_rows(
        Event,
        (
            "post_id",
            "run_id",
            "sequence",
            "kind",
            "actor_id",
            "at",
            "revision_digest",
            "data",
            "previous_hash",
            "hash",
        ),
        rows,
    )


def latest_of_kind(
    post_ids: Sequence[int], *, kinds: Sequence[str]
) -> dict[int, tuple[str, dict[str, Any]]]:
    """Return, per post, kind and data of its newest event of these kinds. One query per 500."""
    newest = Event.objects.filter(post=OuterRef("post"), kind__in=kinds).order_by("-sequence")
    return {
        post_id: (kind, data)
        for chunk in db.chunked(post_ids)
        for post_id, kind, data in Event.objects.filter(
            post_id__in=chunk, sequence=Subquery(newest.values("sequence")[:1])
        ).values_list("post_id", "kind", "data")
    }


def broken_links(events: Iterable[Event]) -> list[Event]:
    """Return the events of one subject, in order of sequence, whose hash does not fit."""
    broken = []
    previous = ""
    for number, event in enumerate(events, start=1):
        subject = f"post:{event.post_id}" if event.post_id else f"run:{event.run_id}"
        expected = chain_hash(
            previous=previous,
            subject=subject,
            sequence=number,
            kind=event.kind,
            actor_id=event.actor_id,
            at=event.at,
            digest=event.revision_digest,
            data=event.data,
        )
        if (event.sequence, event.previous_hash, event.hash) != (number, previous, expected):
            broken.append(event)
        previous = event.hash
    return broken
