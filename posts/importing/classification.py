"""What is to become of a record: told from its identity, its digests and how its post stands.

In: arrivals. Out: items with an outcome. Only what may be new is prepared. Deciding writes nothing;
`batch` carries it out and decides again on what it has locked.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from posts import content, db
from posts.importing.intake import Arrival
from posts.importing.preparation import Prepared, prepare
from posts.importing.records import RawRecord, Reader, is_filtered, is_refused
from posts.models import ImportedPost, Post, Revision

#: Raised when the same bytes are to be read differently; unchanged records are then decoded again.
ENGINE_VERSION = "1"

CREATED = "created"
UPDATED = "updated"
STATISTICS = "statistics"
UNCHANGED = "unchanged"
HELD = "held"
CONVERGED = "converged"
TOMBSTONED = "tombstoned"
FILTERED = "filtered"
REJECTED = "rejected"

#: What an import may do with a post that exists, by what is there (IMPORT.md 2.8, DATA-MODEL.md):
#: (live content is a person's work, a person's proposal waits) -> outcome, pointers that move.
OVERWRITE = {
    (False, False): (UPDATED, ("live", "proposed")),
    (True, False): (HELD, ("proposed",)),
    (False, True): (HELD, ("waiting",)),
    (True, True): (HELD, ("waiting",)),
}


class Identity(NamedTuple):
    """What the identity table knows of a key."""

    pk: int
    post_id: int | None
    base_revision_id: int | None
    base_digest: str
    record_digest: str
    statistics_digest: str
    is_tombstone: bool


@dataclass(slots=True)
class Item:
    """A record on its way: where it stood, what it is, what became of it."""

    reader: Reader | None
    raw: RawRecord
    file: int
    key: str | None
    record_digest: str
    prepared: Prepared | None = None
    identity: Identity | None = None
    outcome: str = ""
    problems: list[content.Problem] = field(default_factory=list)

    def begin_again(self) -> None:
        """Forget what an attempt to write found; the bytes and the key stay."""
        self.prepared, self.outcome, self.problems = None, "", []

    @property
    def ready(self) -> Prepared:
        """The record as it is written; only a valid one has it."""
        assert self.prepared is not None  # noqa: S101  (only valid records are written)
        return self.prepared

    def reject(self, problem: content.Problem) -> None:
        self.problems.append(problem)
        self.outcome = REJECTED


def arrived(arrival: Arrival) -> Item:
    """Return an item whose key and digest are known without decoding more than the key."""
    raw, reader = arrival.raw, arrival.reader
    item = Item(reader, raw, arrival.file, None, f"{ENGINE_VERSION}:{_sha256(raw.raw)}")
    if is_refused(raw.problems) or is_filtered(raw.problems) or reader is None:
        item.problems = list(raw.problems)
        item.outcome = REJECTED if is_refused(raw.problems) else FILTERED
    else:
        item.key = reader.key_of(raw)
    return item


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def look_up(source_id: int, items: Sequence[Item]) -> None:
    """Attach the identities. At most one query, answered by the identity index alone."""
    rows = db.rows_by_text(
        ImportedPost,
        ("key", *Identity._fields),
        within=("source_id", source_id),
        field="key",
        values=sorted({item.key for item in items if item.key}),
    )
    found = {key: Identity._make(values) for key, *values in rows}
    for item in items:
        item.identity = found.get(item.key) if item.key else None


def recognise(items: Sequence[Item]) -> None:
    """Decide on records whose very bytes were seen before; nothing of them has to be decoded."""
    for item in items:
        identity = item.identity
        if is_undecided(item) and identity and identity.record_digest == item.record_digest:
            item.outcome = TOMBSTONED if identity.is_tombstone else UNCHANGED


def is_undecided(item: Item) -> bool:
    """Say whether an item has to be prepared to know its outcome."""
    return item.reader is not None and not item.outcome


def classify(items: Sequence[Item], source: str) -> None:
    """Prepare and decide what is undecided."""
    for item in items:
        if item.reader is not None and not item.outcome:
            item.prepared, item.problems = prepare(item.reader, item.raw, source)
            decide(item)


def decide(item: Item) -> None:
    """Give a prepared item its outcome, as far as the identity decides it.

    An item left with outcome UPDATED differs from the last import; whether it may replace the
    page is decided in `batch.write` on locked posts.
    """
    identity, prepared = item.identity, item.prepared
    if prepared is None:
        is_post = is_refused(item.problems) or not is_filtered(item.problems)
        item.outcome = REJECTED if is_post else FILTERED
    elif identity is None:
        item.outcome = CREATED
    elif identity.is_tombstone:
        item.outcome = TOMBSTONED
    elif identity.base_digest != prepared.digest:
        item.outcome = UPDATED
    elif identity.statistics_digest != prepared.statistics_digest:
        item.outcome = STATISTICS
    else:
        item.outcome = UNCHANGED


class Standing(NamedTuple):
    """What of a post decides whether an import may replace its page."""

    live_digest: str
    is_protected: bool
    has_personal_proposal: bool

    def judge(self, digest: str) -> tuple[str, tuple[str, ...]]:
        """Return the outcome of a changed record and the pointers that move to it."""
        if digest == self.live_digest:
            return CONVERGED, ()
        return OVERWRITE[self.is_protected, self.has_personal_proposal]


def standings(post_ids: Sequence[int], *, lock: bool) -> dict[int, Standing]:
    """Return how posts stand, locked in id order when they are to be written. Two queries."""
    posts = Post.objects.filter(pk__in=post_ids).order_by("pk")
    if lock:
        posts = posts.select_for_update()
    pointers = {
        pk: (live, proposed, approved)
        for pk, live, proposed, approved in posts.values_list(
            "pk", "live_revision_id", "proposed_revision_id", "approved_revision_id"
        )
    }
    wanted = {pk for live, proposed, _ in pointers.values() for pk in (live, proposed) if pk}
    revisions = {
        pk: (digest, origin)
        for chunk in db.chunked(sorted(wanted))
        for pk, digest, origin in Revision.objects.filter(pk__in=chunk).values_list(
            "pk", "digest", "origin"
        )
    }
    imported = Revision.Origin.IMPORT
    return {
        pk: Standing(
            revisions[live][0],
            live == approved or revisions[live][1] != imported,
            proposed is not None and revisions[proposed][1] != imported,
        )
        for pk, (live, proposed, approved) in pointers.items()
    }
