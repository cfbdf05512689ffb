"""Many findings in a few seconds, for tests of plans and costs at size.

Everything else goes through the project's doors, by `tests.builders` and `tests.held_posts`.
"""

import datetime as dt

from posts import db
from posts.models import Decision, Finding, ImportRun
from tests.builders import make_user
from tests.held_posts import import_note

NOW = dt.datetime(2026, 11, 17, 9, tzinfo=dt.UTC)


def fill_findings(size):
    """Insert `size` verdicts on one revision and a finding of each; return their source.

    A quarter is closed; forty reasons, twelve scenarios, eight stacks, ten runs.
    """
    post = import_note()
    revision = post.live_revision
    source = post.imported.source
    runs = [
        ImportRun.objects.create(source=source, fence=n, engine_version="1", started_at=NOW)
        for n in range(10)
    ]
    reviewer = make_user("reviewer")
    ids = db.allocate_ids(Decision, size)
    db.insert_rows(
        Decision,
        (
            *("id", "revision_id", "digest", "verdict", "reviewer_id", "reason", "comment"),
            "decided_at",
        ),
        [
            (pk, revision.pk, revision.digest, "reject", reviewer.pk, f"reason {n % 40}", "", NOW)
            for n, pk in enumerate(ids)
        ],
    )
    db.insert_rows(
        Finding,
        (
            *("decision_id", "post_id", "revision_id", "source_id", "run_id", "verdict", "reason"),
            *("scenario", "stack", "decided_at", "is_open", "closed_run_id", "closed_at"),
        ),
        [
            (
                *(pk, post.pk, revision.pk, source.pk, runs[n % 10].pk, "reject"),
                *(f"reason {n % 40}", f"scenario {n % 12}", f"stack {n % 8}", NOW, n % 4 != 0),
                *((None, None) if n % 4 else (runs[-1].pk, NOW)),
            )
            for n, pk in enumerate(ids)
        ],
    )
    db.refresh_planner_statistics([Finding, Decision])
    return source
