"""A dry run: what an import would do, told without writing anything.

In: batches as the engine hands them to its writer. Out: their outcomes, as the writer would decide.
"""

from __future__ import annotations

from collections.abc import Sequence

from posts.importing import classification, former_urls
from posts.importing.batches import short
from posts.importing.classification import Item, Standing
from posts.models import ImportSource

_WRITTEN = (classification.CREATED, classification.UPDATED, classification.HELD)
#: What is known of a key that this run would have written first.
_NEW = classification.Identity(0, None, None, "", "", "", False)


class Rehearsal:
    """Decides as the real run would and writes nothing.

    It remembers, by a short hash, what this run would have written for a key, so that a key that
    comes twice in the input is counted as the real run counts it.
    """

    def __init__(self, source: str) -> None:
        self.source_id = (
            ImportSource.objects.filter(name=source).values_list("id", flat=True).first()
        )
        #: key -> digests as the identity table would hold them, and how the post would stand
        self.seen: dict[bytes, tuple[str, str, str, Standing | None]] = {}
        #: old address -> key, both short, as this run would have written them
        self.addresses: dict[bytes, bytes] = {}

    def look_up(self, items: Sequence[Item]) -> None:
        """Attach what the source knows of the keys, and what this run would have written."""
        if self.source_id is not None:
            classification.look_up(self.source_id, items)
        for item in items:
            earlier = self.seen.get(short(item.key)) if item.key else None
            if earlier is not None:
                base, record, statistics, _ = earlier
                item.identity = (item.identity or _NEW)._replace(
                    base_digest=base, record_digest=record, statistics_digest=statistics
                )

    def take(self, items: Sequence[Item]) -> None:
        """Judge the changed ones as the real run does under its locks. Two or three queries."""
        changed = [item for item in items if item.outcome == classification.UPDATED]
        stored = classification.standings(
            [i.identity.post_id for i in changed if i.identity and i.identity.post_id], lock=False
        )
        for item in items:
            if not item.key or item.prepared is None:
                continue
            earlier = self.seen.get(short(item.key))
            standing = earlier[3] if earlier else None
            if item.outcome == classification.UPDATED:
                if standing is None and item.identity and item.identity.post_id:
                    standing = stored[item.identity.post_id]
                if standing is not None:
                    item.outcome, _ = standing.judge(item.prepared.digest)
            if item.outcome in (classification.CREATED, classification.UPDATED):
                standing = Standing(item.prepared.digest, False, False)
            self.seen[short(item.key)] = (
                item.prepared.digest,
                item.record_digest,
                item.prepared.statistics_digest,
                standing,
            )
        self._tell_taken([item for item in items if item.outcome in _WRITTEN])

    def _tell_taken(self, items: Sequence[Item]) -> None:
        """Warn of old addresses that another post has, or would have by now."""
        coming = [(item, path) for item in items for path in item.ready.former_urls]
        holders = former_urls.holders([path for _, path in coming]) if coming else {}
        for item, path in coming:
            own = item.identity.post_id if item.identity else None
            key = short(item.key or "")
            is_first = self.addresses.setdefault(short(path), key) == key
            if not is_first or holders.get(path, own) != own:
                former_urls.warn(item, path)
