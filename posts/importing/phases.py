"""Where the time of an import goes: reading, preparing, writing, committing, what comes at its end.

In: arrivals as they are handed on, the engine's progress after each batch. Out: seconds by phase,
which add up to the run's own. Measured from outside, but for the wait for the input.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from posts.importing import engine
from posts.importing.intake import Arrival


class Phases:
    """A clock beside a run. `arrivals` and `update` are called by it, `seconds` after it."""

    def __init__(self, limit: int | None = None) -> None:
        self.limit = limit
        self._handed = 0
        self._is_at_end = False
        self._until_last_batch = 0.0

    def arrivals(self, intake: Iterable[Arrival]) -> Iterator[Arrival]:
        """Hand arrivals on, and count them."""
        for arrival in intake:
            self._handed += 1
            yield arrival
        self._is_at_end = True

    def update(self, progress: engine.Progress) -> None:
        """Note how far the run is; called after every batch."""
        self._until_last_batch = progress.seconds

    def is_last_batch(self, progress: engine.Progress) -> bool:
        """Say whether all that was read is written, so that only the end of the run is left."""
        ended = self._is_at_end or self._handed == self.limit
        return ended and progress.read == self._handed

    def seconds(self, progress: engine.Progress, written: float | None) -> list[tuple[str, float]]:
        """Return seconds by phase, in order. `written` is what the checkpoints say of writing.

        Preparing goes on beside writing, and reading during a commit: counted is what the run had
        to wait for. Without
        checkpoints, in a dry run, writing is only the judging of changed posts.
        """
        batches = sum(progress.batch_milliseconds) / 1000
        writing = batches if written is None else min(written, batches)
        end = max(progress.seconds - self._until_last_batch, 0.0)
        reading = progress.reading_seconds
        preparing = max(progress.seconds - reading - batches - end, 0.0)
        rows = [("reading", reading), ("preparing", preparing), ("writing", writing)]
        if written is not None:
            rows.append(("committing", batches - writing))
            rows.append(("planner statistics" if refreshes(progress) else "closing the run", end))
        return rows


def refreshes(progress: engine.Progress) -> bool:
    """Say whether the end of this run refreshes the planner's statistics."""
    return progress.run is not None and progress.counts["created"] >= engine.ANALYZE_FROM
