"""Many queue entries in a few seconds, for tests of plans, costs and races at size.

Everything else goes through the project's doors, by `tests.builders`.
"""

import datetime as dt

from posts import db, queue
from posts.models import ImportRun, ImportSource, Post, QueueEntry, Revision, Tag
from tests.builders import make_post

NOW = dt.datetime(2026, 11, 17, 9, tzinfo=dt.UTC)
LEVELS = ("beginner", "intermediate", "advanced")


def _reason(n):
    if n % 50 == 0:
        return 5 if n % 100 == 0 else 4
    return 2 if n % 97 == 0 else 3 if n % 89 == 0 else 1


def fill_queue(size):
    """Bring the queue to `size` entries; return the sources, runs and stacks they are spread over.

    The posts are copies that share one revision. Every 97th is held, every 89th proposed, every
    50th sent back, half of those rejected; two sources, five runs, eight stacks; eleven risks, each
    of them often. Every seventh contradicts its reading time, every 13th has no score.
    """
    template = make_post(state="private")
    QueueEntry.objects.all().delete()
    sources = [
        ImportSource.objects.get_or_create(name=name, defaults={"created_at": NOW})[0]
        for name in ("north", "south")
    ]
    runs = [
        ImportRun.objects.create(
            source=sources[number % 2], fence=number, engine_version="1", started_at=NOW
        )
        for number in range(5)
    ]
    stacks = [
        Tag.objects.get_or_create(name=f"stack {n}", defaults={"slug": f"stack-{n}"})[0]
        for n in range(8)
    ]
    ids = db.allocate_ids(Post, size)
    db.insert_rows(
        Post,
        (
            *("id", "title", "topic", "difficulty", "code_language", "language", "reference"),
            *("reading_minutes", "slug", "visibility", "live_revision_id"),
            *("proposed_revision_id", "created_at", "changed_at"),
        ),
        [
            (
                *(pk, f"Draft number {n}", "", LEVELS[n % 3], "", "", "", 1, f"draft-{pk}"),
                *("private", template.live_revision_id, template.live_revision_id, NOW, NOW),
            )
            for n, pk in enumerate(ids)
        ],
    )
    db.insert_rows(
        QueueEntry,
        (
            *("post_id", "revision_id", "stage", "reason", "source_id", "run_id", "stack_id"),
            *("difficulty", "verified", "contradicted", "lowest_score"),
            *("entered_at", "risk", "factors", "rank"),
        ),
        [
            (
                *(pk, template.live_revision_id, 2 if n % 50 == 0 else 1),
                _reason(n),
                sources[n % 5 % 2].pk,
                runs[n % 5].pk,
                stacks[n % 8].pk,
                LEVELS[n % 3],
                *(2 if n % 7 else 0, 1 if n % 7 == 0 else 0, n % 101 if n % 13 else None),
                NOW + dt.timedelta(seconds=(n * 7919) % size),
                (n % 11) * 90,
                0,
                queue.rank((n % 11) * 90, pk),
            )
            for n, pk in enumerate(ids)
        ],
    )
    db.refresh_planner_statistics([QueueEntry, Post, Revision])
    return sources, runs, stacks
