"""Records made ready for writing: everything that can be known without a database.

In: raw records and the name of their source. Out: plain values in the shapes of the rows. It is
most of an import's work for the processor, so it also runs in a process of its own (`beside`);
its results cross to another process as they are.
"""

from __future__ import annotations

import msgspec

from posts import addresses, claims, content, risk, slugs
from posts.importing.records import RawRecord, Reader, validate
from posts.reflection import Reflection, reflected

_encode = msgspec.json.Encoder().encode


class Prepared(msgspec.Struct, frozen=True, array_like=True):
    """One valid record as its rows hold it."""

    #: The slug of the source, None when it gave none, and the one made from title and identity.
    given_slug: str | None
    made_slug: str
    title: str
    lede: str
    body: str
    #: JSON text.
    meta: str
    digest: str
    reflection: Reflection
    reading_time: int | None
    view_count: int | None
    #: JSON text.
    score: str
    statistics_digest: str
    #: The verdicts on its claims.
    checked: claims.Masks
    #: What of it makes it risky, for the review queue.
    said: int
    lowest_score: int | None
    origin: str
    #: Addresses it had at its source, as they are looked up.
    former_urls: tuple[str, ...]


def prepare(
    reader: Reader, raw: RawRecord, source: str
) -> tuple[Prepared | None, list[content.Problem]]:
    """Return a record ready for writing, or None when it is refused, and everything found in it.

    Raises nothing for any bytes.
    """
    record, problems = validate(reader, raw)
    if record is None:
        return None, problems
    snapshot, statistics = record.snapshot, record.statistics
    reflection = reflected(snapshot)
    former = dict.fromkeys(map(addresses.normal, snapshot.meta.former_urls))
    ready = Prepared(
        given_slug=record.slug,
        made_slug=slugs.made_from(snapshot.title, source, record.key),
        title=snapshot.title,
        lede=snapshot.lede,
        body=snapshot.body,
        meta=_encode(snapshot.meta).decode(),
        digest=content.digest(snapshot),
        reflection=reflection,
        reading_time=statistics.reading_time,
        view_count=statistics.view_count,
        score=_encode(statistics.score).decode(),
        statistics_digest=content.statistics_digest(statistics),
        checked=claims.judge(snapshot, statistics, key=record.key, minutes=reflection.columns[-1]),
        said=risk.said_by(snapshot.meta),
        lowest_score=risk.lowest(statistics.score),
        origin=risk.origin_of(snapshot.meta.payload.generator, snapshot.meta.payload.scenario),
        former_urls=tuple(filter(None, former)),
    )
    return ready, problems
