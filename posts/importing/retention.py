"""How long the logs of imports are kept: checkpoints and rejects, never the runs themselves.

In: ages. Out: numbers of rows deleted, a batch a transaction. Touches nothing that a run may still
be resumed or judged by: the newest run of each source, its newest import, its last complete import
and the runs these went on with.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

from django.db import transaction
from django.db.models import Exists, Max, OuterRef, Q
from django.db.models.functions import Coalesce

from posts import db
from posts.models import ImportCheckpoint, ImportReject, ImportRun

CHECKPOINT_DAYS = 30
REJECT_DAYS = 180

#: Rows deleted in one transaction.
CHUNK = 5_000

Log = type[ImportCheckpoint] | type[ImportReject]


def prunable(log: Log, *, before: dt.datetime) -> list[int]:
    """Return the runs that ended before a moment and whose rows may go. Two or more queries."""
    runs = (
        ImportRun.objects.exclude(state=ImportRun.State.RUNNING)
        .alias(ended_at=Coalesce("finished_at", "started_at"))
        .filter(ended_at__lt=before)
        .exclude(pk__in=_protected())
        .filter(Exists(log._default_manager.filter(run=OuterRef("pk"))))
    )
    return list(runs.order_by("pk").values_list("pk", flat=True))


def _protected() -> set[int]:
    imports = Q(kind=ImportRun.Kind.IMPORT)
    newest = (
        ImportRun.objects.order_by()
        .values("source")
        .annotate(
            of_all=Max("pk"),
            of_imports=Max("pk", filter=imports),
            of_complete=Max("pk", filter=imports & Q(state=ImportRun.State.COMPLETE)),
        )
        .values_list("of_all", "of_imports", "of_complete")
    )
    found = {pk for row in newest for pk in row if pk is not None}
    parents = found
    while parents:
        parents = {
            pk
            for pk in ImportRun.objects.filter(pk__in=parents).values_list("parent_id", flat=True)
            if pk is not None and pk not in found
        }
        found |= parents
    return found


def count(log: Log, runs: list[int]) -> int:
    """Return how many rows these runs have. One query per 500 runs."""
    return sum(log._default_manager.filter(run__in=chunk).count() for chunk in db.chunked(runs))


def prune(
    log: Log, runs: list[int], *, on_chunk: Callable[[int], None] = lambda deleted: None
) -> int:
    """Delete the rows of these runs, `CHUNK` a transaction; safe to stop and to run again."""
    deleted = 0
    for run in runs:
        rows = log._default_manager.filter(run=run)
        while ids := list(rows.order_by("pk").values_list("pk", flat=True)[:CHUNK]):
            with transaction.atomic():
                for chunk in db.chunked(ids):
                    going = log._default_manager.filter(pk__in=chunk)
                    going._raw_delete(going.db)
            deleted += len(ids)
            on_chunk(deleted)
    return deleted
