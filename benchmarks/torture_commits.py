"""Connections that break at a COMMIT: before it, behind it, instead of its answer.

In: a harness and a PostgreSQL server, reached through a proxy that breaks. Out: a row.
"""

from __future__ import annotations

from pathlib import Path

from benchmarks.torture_harness import (
    COMMAND_SECONDS,
    COMPLETE,
    FAILED,
    REJECTS,
    FaultError,
    Place,
    Torture,
    last_lines,
    number_in,
    wrong_code,
)
from benchmarks.torture_inputs import Input
from benchmarks.torture_places import BreakingProxy, PostgreSQL

WAYS = ("answered", "sent", "lost")
BROKEN_MAX = 3
STARTS_MAX = 6


def unanswered(harness: Torture, place: Place) -> None:
    """Break the connection at random COMMITs; the command goes on or says what happened."""
    assert isinstance(place, PostgreSQL)  # noqa: S101  (only PostgreSQL has connections)
    row = harness.row("unanswered", place)
    for number in range(harness.options.rounds):
        with harness.fault_told(row, place):
            data, path, batch_size = harness.input_for(place, number)
            place.renew()
            commits = data.records // batch_size + 4
            way = WAYS[number % len(WAYS)]
            broken = harness.chance.sample(range(1, commits), min(commits - 1, BROKEN_MAX))
            proxy = BreakingProxy(place.server, break_at=broken, way=way)
            starts = 0
            try:
                while starts < STARTS_MAX:
                    starts += 1
                    url = place.url_by(proxy.port)
                    child = harness.import_of(place, path, batch_size, url=url)
                    ended = child.wait(COMMAND_SECONDS)
                    wrong = wrong_code(ended, FAILED)
                    if wrong:
                        raise FaultError(f"{wrong}: {last_lines(ended.err)}")
                    if ended.code in (COMPLETE, REJECTS):
                        break
            finally:
                proxy.close()
            _verify_begun_anew(harness, place, data)
            row["hits"] += proxy.broken
            row["survived"] += max(0, proxy.broken - starts + 1)
            harness.say(
                f"unanswered {place.vendor} {number + 1}/{harness.options.rounds}: "
                f"{Path(path).name}, batches of {batch_size}, {proxy.broken} of "
                f"{proxy.commits} COMMITs {way}, {starts} starts: same archive"
            )
        row["rounds"] += 1


def _verify_begun_anew(harness: Torture, place: Place, data: Input) -> None:
    """As `verify`; only a run whose last word was lost is complete and runs once more.

    It reads a key that comes twice from its first version on, which are two revisions more.
    """
    complete = number_in(place, "SELECT count(*) FROM posts_importrun WHERE state = 'complete'")
    if complete < 2:
        harness.verify(place, data)
        return
    versions = data.told["revisions"]
    data.told["revisions"] = number_in(place, "SELECT count(*) FROM posts_revision")
    try:
        harness.verify(place, data)
    finally:
        data.told["revisions"] = versions
