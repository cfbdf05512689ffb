"""What is in a database after a scenario: its export, its counts, and whatever does not fit.

In: DATABASE_URL and a file for the canonical export. Out: one JSON object on stdout. A process of
its own, because a process has one database. Reads only.
"""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from typing import Any


def main(out: str) -> int:
    """Export, look at every rule, print what was found."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "alphanode.settings")
    import django

    django.setup()
    from django.core.management import CommandError, call_command

    call_command("export_posts", format="canonical", out=out, stderr=_Nowhere())
    problems = []
    try:
        call_command("check", databases=["default"], fail_level="WARNING", stdout=_Nowhere())
    except CommandError as error:
        problems.append(f"manage.py check: {error}")
    told = _runs(problems)
    _content(problems, told)
    _orphans(problems)
    sys.stdout.write(json.dumps({**told, "problems": problems}) + "\n")
    return 0


class _Nowhere:
    """A stream that keeps nothing."""

    def write(self, text: str) -> int:
        return len(text)

    def flush(self) -> None:
        """Keep nothing."""


def _runs(problems: list[str]) -> dict[str, Any]:
    """Check that runs, checkpoints, rejects and events agree; return the newest chain's sums."""
    from posts import history
    from posts.importing.engine import OUTCOMES
    from posts.models import Event, ImportCheckpoint, ImportReject, ImportRun, ImportSource

    runs = {run.pk: run for run in ImportRun.objects.order_by("pk")}
    for run in runs.values():
        counts = Counter({name: getattr(run, name) for name in OUTCOMES})
        if run.read != counts.total():
            problems.append(f"run {run.pk} read {run.read}, its outcomes are {counts.total()}")
        checkpoints = list(ImportCheckpoint.objects.filter(run=run).order_by("batch"))
        written = sum((Counter(one.counts) for one in checkpoints), Counter())
        if +written != +counts:
            problems.append(f"run {run.pk} counts {dict(+counts)}, its batches {dict(+written)}")
        if [one.batch for one in checkpoints] != list(range(1, len(checkpoints) + 1)):
            problems.append(f"the batches of run {run.pk} have gaps")
        sequences = ImportReject.objects.filter(run=run).order_by("sequence")
        numbers = list(sequences.values_list("sequence", flat=True))
        if numbers != list(range(1, len(numbers) + 1)):
            problems.append(f"the rejects of run {run.pk} have gaps")
        events = list(Event.objects.filter(run=run).order_by("sequence"))
        if not events or history.broken_links(events):
            problems.append(f"the events of run {run.pk} are no chain")
    went_on = Counter(run.parent_id for run in runs.values() if run.parent_id)
    if any(number > 1 for number in went_on.values()):
        problems.append("two runs went on with the same one")
    rejects: list[list[Any]] = []
    newest_chain: list[int] = []
    for leaf in (pk for pk in runs if pk not in went_on):
        newest_chain = []
        at: int | None = leaf
        while at is not None:
            newest_chain.append(at)
            at = runs[at].parent_id
        rejects = [
            list(row)
            for row in ImportReject.objects.filter(run__in=newest_chain).values_list(
                "record", "line", "key", "field", "code", "value", "raw_digest"
            )
        ]
        if len({json.dumps(row) for row in rejects}) != len(rejects):
            problems.append(f"a reject stands twice in the chain of run {leaf}")
    chain = [runs[pk] for pk in newest_chain]
    return {
        "runs": len(runs),
        "chain_runs": len(chain),
        "chain_read": sum(run.read for run in chain),
        "chain_rejected": sum(run.rejected for run in chain),
        "chain_filtered": sum(run.filtered for run in chain),
        "created": sum(run.created for run in runs.values()),
        "state": chain[0].state if chain else "",
        "owners": ImportSource.objects.filter(owner__isnull=False).count(),
        "events": Event.objects.count(),
        "checkpoints": ImportCheckpoint.objects.count(),
        "rejects": sorted(rejects),
    }


def _content(problems: list[str], told: dict[str, Any]) -> None:
    """Check that each post has exactly what belongs to it, and was counted once."""
    from posts.models import ImportedPost, Post, Revision, Slug, Statistics

    posts = Post.objects.count()
    told["posts"] = posts
    told["revisions"] = Revision.objects.count()
    for name, number in (
        ("posts that runs created", told["created"]),
        ("identities", ImportedPost.objects.count()),
        ("statistics", Statistics.objects.count()),
        ("current slugs", Slug.objects.filter(is_current=True).count()),
        ("first revisions", Revision.objects.filter(number=1).count()),
    ):
        if number != posts:
            problems.append(f"{posts} posts, {number} {name}")


def _orphans(problems: list[str]) -> None:
    """Check every reference of every table, whatever the database promises."""
    from django.apps import apps
    from django.db import connection, models

    for model in apps.get_app_config("posts").get_models():
        for field in model._meta.concrete_fields:
            if not isinstance(field, models.ForeignKey):
                continue
            target = field.remote_field.model
            there = target._base_manager.filter(pk=models.OuterRef(field.attname))
            lost = (
                model._base_manager.filter(**{f"{field.name}__isnull": False})
                .filter(~models.Exists(there))
                .count()
            )
            if lost:
                problems.append(f"{lost} rows of {model._meta.db_table} lost their {field.name}")
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA integrity_check")
            found = cursor.fetchone()[0]
        if found != "ok":
            problems.append(f"integrity_check: {found}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
