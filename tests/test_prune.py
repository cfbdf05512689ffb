"""Retention of the logs of imports: old ones go, what a run may still need stays."""

import datetime as dt
import io

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from posts.importing import retention
from posts.models import ImportCheckpoint, ImportReject, ImportRun, ImportSource

pytestmark = pytest.mark.django_db


def make_run(*, days_ago, source="notes", state="complete", kind="import", parent=None, rows=2):
    """Return a run that ended some days ago, with checkpoints and rejects."""
    at = timezone.now() - dt.timedelta(days=days_ago)
    owner, _ = ImportSource.objects.get_or_create(name=source, defaults={"created_at": at})
    run = ImportRun.objects.create(
        source=owner,
        kind=kind,
        state=state,
        parent=parent,
        fence=1,
        engine_version="1",
        started_at=at,
        finished_at=None if state == "running" else at,
    )
    for number in range(rows):
        ImportCheckpoint.objects.create(
            run=run,
            batch=number,
            file=0,
            byte_offset=0,
            record=0,
            line=0,
            chain_digest="",
            milliseconds=1,
            created_at=at,
        )
        ImportReject.objects.create(
            run=run,
            sequence=number,
            file="f",
            record=1,
            line=1,
            byte=0,
            code="c",
            is_retryable=False,
            raw_digest="",
        )
    return run


def prune(*arguments):
    out = io.StringIO()
    call_command("prune_imports", *arguments, stdout=out)
    return out.getvalue()


def runs_with(log):
    return set(log.objects.values_list("run_id", flat=True))


def test_old_logs_go_by_their_own_ages_and_the_runs_stay():
    very_old, old = make_run(days_ago=200), make_run(days_ago=100)
    newest = make_run(days_ago=1)

    out = prune()

    assert (
        out
        == "4 checkpoints of 2 runs deleted.\n2 rejects of 1 runs deleted.\n0 uploads deleted.\n"
    )
    assert runs_with(ImportCheckpoint) == {newest.pk}
    assert runs_with(ImportReject) == {old.pk, newest.pk}
    assert set(ImportRun.objects.values_list("pk", flat=True)) == {very_old.pk, old.pk, newest.pk}


def test_dry_run_counts_the_same_and_deletes_nothing():
    make_run(days_ago=200)
    make_run(days_ago=1)

    out = prune("--dry-run")

    assert out.startswith("2 checkpoints of 1 runs would be deleted.")
    assert ImportCheckpoint.objects.count() == ImportReject.objects.count() == 4


def test_newest_and_last_complete_run_of_every_source_are_kept_whatever_their_age():
    make_run(days_ago=900)
    complete = make_run(days_ago=800)
    make_run(days_ago=700, state="failed")
    newest_import = make_run(days_ago=600, state="stopped")
    newest = make_run(days_ago=500, kind="undo")
    other = make_run(days_ago=900, source="other")

    prune("--checkpoints-days", "1", "--rejects-days", "1")

    kept = {complete.pk, newest_import.pk, newest.pk, other.pk}
    assert runs_with(ImportCheckpoint) == runs_with(ImportReject) == kept


def test_runs_that_the_newest_one_went_on_with_are_kept():
    gone = make_run(days_ago=905)
    complete = make_run(days_ago=904)
    first = make_run(days_ago=903, state="stopped")
    second = make_run(days_ago=902, state="failed", parent=first)
    third = make_run(days_ago=901, state="stopped", parent=second)

    prune()

    assert gone.pk not in runs_with(ImportCheckpoint)
    assert runs_with(ImportCheckpoint) == {complete.pk, first.pk, second.pk, third.pk}


def test_run_that_still_works_is_kept():
    running = make_run(days_ago=400, state="running")
    make_run(days_ago=1)

    prune()

    assert running.pk in runs_with(ImportCheckpoint)


def test_rows_go_in_batches_and_a_stopped_command_goes_on(monkeypatch):
    monkeypatch.setattr(retention, "CHUNK", 2)
    old = make_run(days_ago=400, rows=5)
    make_run(days_ago=1, rows=0)

    def stop(deleted):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        retention.prune(ImportCheckpoint, [old.pk], on_chunk=stop)

    assert ImportCheckpoint.objects.count() == 3
    assert prune().startswith("3 checkpoints of 1 runs deleted.")
    assert not ImportCheckpoint.objects.exists()


@pytest.mark.parametrize("days", ["0", "-1", "x", "99999999999"])
def test_ages_that_mean_nothing_are_refused(days):
    with pytest.raises(CommandError):
        prune("--checkpoints-days", days)
