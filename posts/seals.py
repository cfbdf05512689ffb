"""Seals: digests over all events of a range of numbers, chained, made when the range is final.

In: the events there are. Out: `Seal` rows. A seal finds what a chain cannot: events that are gone
with their whole chain, and chains written anew. Its hash, kept elsewhere, binds everything before.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import time
from collections.abc import Callable
from typing import Any

import msgspec
from django.db import IntegrityError, transaction
from django.db.models import Min

from posts import db_history, history
from posts.models import Event, Seal

#: Events younger than this wait for the next seal.
OLDER_THAN = dt.timedelta(minutes=5)
#: Events of one seal: what a broken seal narrows the search down to.
SEAL_EVENTS = 100_000
#: Events looked at in one query.
PAGE = 5_000
#: Seconds to wait for transactions that may still commit events below the border.
WAIT_SECONDS = 30.0
#: Events that `in_passing` seals at most: a fraction of a second.
PASSING_EVENTS = 20_000


class StillWritingError(Exception):
    """A transaction that began earlier has not ended; nothing was sealed."""


def seal_hash(texts: list[str]) -> str:
    """Return the hash of a seal from number, range, count, digest, time and previous hash."""
    return hashlib.sha256(msgspec.json.encode(texts)).hexdigest()


def seal_events(
    *,
    now: dt.datetime,
    older_than: dt.timedelta = OLDER_THAN,
    wait_seconds: float = WAIT_SECONDS,
    most: int | None = None,
    on_seal: Callable[[Seal], None] = lambda seal: None,
    sleep: Callable[[float], None] = time.sleep,
) -> list[Seal]:
    """Seal all events older than `older_than`, `SEAL_EVENTS` a seal, and return the seals.

    Nothing can be added below the border afterwards: every transaction that has numbers of events
    shows itself (`db_history.writers`), and those there are once the border is known are waited
    for; later ones get higher numbers. Nobody waits for the sealing. Each seal is a transaction of
    one query per `PAGE` events. Safe to repeat; of two at the same time one seals. Raises
    `StillWritingError` when a transaction lasts longer than `wait_seconds`.
    """
    last = _newest()
    border = _border(last, now - older_than)
    if last is not None and border <= last.last_event:
        return []
    _wait_for_writers(wait_seconds, sleep)
    made: list[Seal] = []
    sealed = 0
    while most is None or sealed < most:
        size = SEAL_EVENTS if most is None else min(SEAL_EVENTS, most - sealed)
        try:
            with transaction.atomic():
                seal = _seal(_newest(), border, size, now)
        except IntegrityError:
            # Somebody else made this seal at the same moment.
            break
        if seal is None:
            break
        made.append(seal)
        sealed += seal.count
        on_seal(seal)
    return made


def in_passing(now: dt.datetime) -> list[Seal]:
    """Seal what is old enough after a large piece of work, if that costs next to nothing.

    At most `PASSING_EVENTS`; nobody is waited for.
    """
    try:
        return seal_events(now=now, wait_seconds=0, most=PASSING_EVENTS)
    except StillWritingError:
        return []


def _newest() -> Seal | None:
    return Seal.objects.order_by("-number").first()


def _border(last: Seal | None, before: dt.datetime) -> int:
    """Return the highest number with no event at or below it that is younger. Two queries."""
    unsealed = Event.objects.filter(pk__gt=last.last_event if last is not None else 0)
    youngest = unsealed.filter(at__gte=before).aggregate(first=Min("pk"))["first"]
    if youngest is not None:
        return youngest - 1
    newest = unsealed.order_by("-pk").values_list("pk", flat=True).first()
    return newest or 0


def _wait_for_writers(seconds: float, sleep: Callable[[float], None]) -> None:
    waited_for = db_history.writers()
    ends = time.monotonic() + seconds
    while waited_for:
        if time.monotonic() >= ends:
            raise StillWritingError(
                f"{len(waited_for)} transactions that write history did not end in {seconds:.0f} "
                "seconds. Nothing was sealed. Safe to run again."
            )
        sleep(0.2)
        # The name of a transaction comes back with its connection, never before it ended.
        waited_for &= db_history.writers()


def _seal(last: Seal | None, border: int, size: int, now: dt.datetime) -> Seal | None:
    begin = last.last_event if last is not None else 0
    digest, count, end = hashlib.sha256(), 0, begin
    while count < size and (
        page := db_history.numbered_hashes(end, border, min(PAGE, size - count))
    ):
        for number, hashed in page:
            digest.update(history.numbered_line(number, hashed))
        count += len(page)
        end = page[-1][0]
    if not count:
        return None
    seal = Seal(
        number=last.number + 1 if last is not None else 1,
        first_event=begin + 1,
        last_event=end,
        count=count,
        digest=digest.hexdigest(),
        previous_hash=last.hash if last is not None else "",
        made_at=now,
    )
    seal.hash = seal_hash(texts_of(seal))
    seal.save(force_insert=True)
    return seal


def texts_of(seal: Any) -> list[str]:
    """Return what the hash of a seal covers."""
    return [
        *(str(seal.number), str(seal.first_event), str(seal.last_event), str(seal.count)),
        *(seal.digest, history.moment_text(seal.made_at), seal.previous_hash),
    ]
