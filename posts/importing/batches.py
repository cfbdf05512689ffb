"""Arrivals cut into batches, looked up, prepared and classified, each while another is written.

In: arrivals. Out: batches of items with an outcome, in the order of the input. Writes nothing.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from itertools import islice

from posts import content
from posts.importing import classification
from posts.importing.beside import Beside
from posts.importing.classification import Item
from posts.importing.intake import Arrival

#: Most stored bytes of a batch, however few its records.
BATCH_BYTES = 16 * 2**20
#: Records to be prepared from which on a process beside this one is worth its start.
BESIDE_FROM = 1_000


def cut(
    incoming: Iterable[Arrival],
    *,
    size: int,
    limit: int | None,
    refuse_duplicates: bool,
    should_stop: Callable[[], bool],
) -> Iterator[list[Item]]:
    """Yield batches by count or bytes; a key that comes again begins a new batch.

    So that the second version of a key finds the first one written, whatever the batch size. Asked
    to stop, it hands out what it has: a slow input may never fill the batch.
    """
    items: list[Item] = []
    keys: set[str] = set()
    taken = 0
    first_places: dict[bytes, str] = {}
    for arrival in islice(incoming, limit):
        item = classification.arrived(arrival)
        if refuse_duplicates and item.key:
            _refuse_duplicate(item, first_places)
        if items and (
            item.key in keys
            or should_stop()
            or len(items) >= size
            or taken + len(item.raw.raw) > BATCH_BYTES
        ):
            yield items
            items, keys, taken = [], set(), 0
        items.append(item)
        taken += len(item.raw.raw)
        if item.key:
            keys.add(item.key)
    if items:
        yield items


class ReadAhead:
    """Batches as they are cut; if allowed the next is read while there is nothing else to do.

    Reading needs the processor, and a commit leaves it to the server. Beside other work it gains
    nothing, for two threads then take turns; so the one who commits says when. One thread does all
    the reading: not every parser may go from one to another. It reaches no database.
    """

    def __init__(self, cut: Iterator[list[Item]], *, is_allowed: bool) -> None:
        self._cut = cut
        self._reader = ThreadPoolExecutor(1, "read ahead") if is_allowed else None
        self._coming: Future[list[Item] | None] | None = None
        #: Seconds for which somebody had to wait for a batch.
        self.waited = 0.0

    def begin(self) -> None:
        """Read the next batch in the thread, unless it is being read already."""
        if self._reader is not None and self._coming is None:
            self._coming = self._reader.submit(next, self._cut, None)

    def __iter__(self) -> Iterator[list[Item]]:
        """Yield the batches; raises what reading one of them raised."""
        while True:
            began = time.perf_counter()
            self.begin()
            coming, self._coming = self._coming, None
            items = coming.result() if coming is not None else next(self._cut, None)
            self.waited += time.perf_counter() - began
            if items is None:
                return
            yield items

    def close(self) -> None:
        """Wait for the batch that is being read, so that nobody reads the input any more."""
        if self._reader is not None:
            self._reader.shutdown()


def short(key: str) -> bytes:
    """Return a digest of a key that is short to keep for every record of an input."""
    return hashlib.blake2b(key.encode(), digest_size=12).digest()


def _refuse_duplicate(item: Item, first_places: dict[bytes, str]) -> None:
    """Reject an item whose key stood in the input before; memory grows with the keys."""
    at = item.raw.position
    here = f"{at.file}:{at.line}"
    first = first_places.setdefault(short(item.key or ""), here)
    if first != here:
        item.reader = None  # decided for good, also when the batch is tried again
        item.reject(
            content.Problem(
                code="duplicate_key",
                field="key",
                value=content.shown(item.key),
                expected=f"a key that stands in the input once; this one stands in {first} too",
                hint="Leave one of the two out, or import with --on-duplicate sequence.",
            )
        )


def classified(
    batches: Iterable[list[Item]],
    *,
    source: str,
    look_up: Callable[[Sequence[Item]], None],
) -> Generator[list[Item], None, None]:
    """Yield batches with outcomes, preparing one while the one before is written.

    A batch with a key of the one before waits until that one is written, because its identities
    are read from what is written.
    """
    with ExitStack() as stack:
        preparing = _Preparing(source, stack)
        ahead: list[Item] | None = None
        for items in batches:
            if ahead is not None and not _keys(items).isdisjoint(_keys(ahead)):
                yield preparing.finished(ahead)
                ahead = None
            look_up(items)
            classification.recognise(items)
            ready = preparing.finished(ahead) if ahead is not None else None
            preparing.begin(items)
            if ready is not None:
                yield ready
            ahead = items
        if ahead is not None:
            yield preparing.finished(ahead)


def _keys(items: Iterable[Item]) -> set[str]:
    return {item.key for item in items if item.key}


class _Preparing:
    """Batches prepared beside this process when there are enough of them, else here."""

    def __init__(self, source: str, stack: ExitStack) -> None:
        self._source = source
        self._stack = stack
        self._beside: Beside | None = None
        self._prepared_here = 0
        self._asked: list[Item] = []

    def begin(self, items: Sequence[Item]) -> None:
        """Have the records of a batch prepared that need it."""
        wanted = [item for item in items if classification.is_undecided(item)]
        if self._beside is None and self._prepared_here + len(wanted) >= BESIDE_FROM:
            self._beside = self._stack.enter_context(Beside(self._source))
        if self._beside is not None and wanted and self._beside.is_ready():
            self._beside.submit(
                [(item.reader.NAME, item.raw) for item in wanted if item.reader is not None]
            )
            self._asked = wanted

    def finished(self, items: list[Item]) -> list[Item]:
        """Return the batch that was begun last, with its outcomes."""
        if self._asked and self._beside is not None:
            answers = self._beside.collect()
            for item, answer in zip(self._asked, answers or (), strict=False):
                item.prepared, item.problems = answer
                classification.decide(item)
            self._asked = []
        left = [item for item in items if classification.is_undecided(item)]
        classification.classify(left, self._source)
        self._prepared_here += len(left)
        return items
