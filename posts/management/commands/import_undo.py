"""The command that takes an import back; see its help. Arguments in, one call, report."""

from __future__ import annotations

import argparse
import json
import sys
import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError

from posts import db
from posts.content import shown
from posts.importing import runs, undo
from posts.management.command_line import StopSignals, positive
from posts.models import ImportRun

HELP = """
Takes an import back: the archive is as it was before the run, but for posts that somebody or a
later run built on. Those are kept, each with its reason.

  manage.py import_undo 12 --dry-run
  manage.py import_undo 12
  manage.py import_runs 13          what the undo, a run of its own, did

Posts the run created are removed; posts it revised get their earlier revision back; revisions it
left waiting leave the queue. Newest run first: what a later run touched is kept. Imported numbers
(reading time, views, scores) are not taken back, nor is it forgotten that a record came which was
equal to what people had written here. Safe to stop and to run again. -v 0 tells errors only.

Exit codes: 0 complete; 1 failed; 2 wrong usage; 3 another run holds the source; 4 complete, with
posts the database refused to change; 130 stopped by a signal after the current batch.
"""

#: Seconds between two lines of progress.
PLAIN_SECONDS = 10
#: Kept posts that are named for people; the rest stands in the run.
KEPT_SHOWN = 20

COMPLETE, BUSY, REFUSED, STOPPED = 0, 3, 4, 130


class Command(BaseCommand):
    help = HELP
    requires_migrations_checks = True

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        return super().create_parser(
            prog_name, subcommand, formatter_class=argparse.RawDescriptionHelpFormatter, **kwargs
        )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("run", type=positive, metavar="RUN", help="number of an import run")
        parser.add_argument("--dry-run", action="store_true", help="judge only, write nothing")
        parser.add_argument(
            "--batch-size",
            type=positive,
            default=db.batch_size(),
            metavar="N",
            help="revisions a transaction (default: %(default)s)",
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        parent = ImportRun.objects.select_related("source").filter(pk=options["run"]).first()
        if parent is None:
            raise CommandError(
                f"There is no run {options['run']}. Nothing was changed. See manage.py import_runs."
            )
        told = time.monotonic()

        def on_batch(progress: undo.Progress) -> None:
            nonlocal told
            if options["verbosity"] > 0 and time.monotonic() - told >= PLAIN_SECONDS:
                told = time.monotonic()
                done = progress.counts
                self.stderr.write(
                    f"{done['reversed']:,} reversed | {done['kept']:,} kept | "
                    f"{done.total() / max(progress.seconds, 0.001):,.0f}/s"
                )

        try:
            with StopSignals() as signals:
                progress = undo.undo_run(
                    parent,
                    dry_run=options["dry_run"],
                    batch_size=options["batch_size"],
                    on_batch=on_batch,
                    should_stop=lambda: signals.was_asked,
                )
        except runs.SourceBusyError as error:
            self.stderr.write(str(error))
            sys.exit(BUSY)
        except runs.ImportFailedError as error:
            raise CommandError(str(error)) from error
        except DatabaseError as error:
            raise CommandError(
                f"The undo failed: {error}. Nothing of its last batch was written. When the cause "
                "is gone, run the same command again: it goes on where this one ended."
            ) from error
        if options["json"]:
            self.stdout.write(json.dumps(_summary(progress, is_dry_run=options["dry_run"])))
        elif options["verbosity"] > 0:
            self._tell(progress, is_dry_run=options["dry_run"])
        if progress.state == ImportRun.State.STOPPED:
            sys.exit(STOPPED)
        sys.exit(REFUSED if progress.counts[undo.FAILED] else COMPLETE)

    def _tell(self, progress: undo.Progress, *, is_dry_run: bool) -> None:
        counts = progress.counts
        title = f"Run {progress.run.pk} {progress.state}" if progress.run else "Dry run"
        self.stdout.write(
            f"{title}: undo of run {progress.parent.pk}, source {progress.parent.source.name}"
        )
        rows = [
            ("would be reversed" if is_dry_run else "reversed", f"{counts[undo.REVERSED]:,}"),
            ("  whole posts removed", f"{progress.removed:,}"),
            ("  of them public", f"{progress.removed_public:,}"),
            ("would be kept" if is_dry_run else "kept", f"{counts[undo.KEPT]:,}"),
            ("failed", f"{counts[undo.FAILED]:,}"),
        ]
        if not is_dry_run:
            rows.append(("unused names removed", f"{progress.names_removed:,}"))
        rows.append(("seconds", f"{progress.seconds:,.1f}"))
        for label, value in rows:
            self.stdout.write(f"  {label:<22}  {value:>12}")
        for reason, number in sorted(progress.reasons.items()):
            wanted, hint = undo.REASONS[reason]
            self.stdout.write(f"  kept: {number:,} x {reason}; expected {wanted}. {hint}")
        for one in progress.kept[:KEPT_SHOWN]:
            said = f": {one.said}" if one.said else ""
            self.stdout.write(f"    {shown(one.key)}  {one.reason}{said}  {shown(one.title)[:60]}")
        more = sum(progress.reasons.values()) - KEPT_SHOWN
        if more > 0:
            where = (
                f"manage.py import_runs {progress.run.pk} --rejects -"
                if progress.run is not None
                else "--json"
            )
            self.stdout.write(f"    … and {more:,} more; {where} names them.")
        if progress.parent.converged:
            self.stdout.write(
                f"  {progress.parent.converged:,} records of that run were equal to what people "
                "had written here; that they came is not forgotten."
            )
        before = progress.parent.parent_id
        if before is not None:
            self.stdout.write(f"  That run went on with run {before}, which is not undone by this.")
        if progress.state == ImportRun.State.STOPPED:
            self.stdout.write("Stopped between two batches. Run the same command again to go on.")
        elif progress.run is not None:
            self.stdout.write(f"Next: see it again by\n  manage.py import_runs {progress.run.pk}")


def _summary(progress: undo.Progress, *, is_dry_run: bool) -> dict[str, Any]:
    return {
        "run": progress.run.pk if progress.run is not None else None,
        "undone": progress.parent.pk,
        "source": progress.parent.source.name,
        "reversed": progress.counts[undo.REVERSED],
        "removed": progress.removed,
        "removed_public": progress.removed_public,
        "kept": progress.counts[undo.KEPT],
        "failed": progress.counts[undo.FAILED],
        "reasons": dict(sorted(progress.reasons.items())),
        "posts_kept": [
            {
                "key": one.key,
                "reason": one.reason,
                "said": one.said,
                "post": one.post,
                "title": one.title,
            }
            for one in progress.kept
        ],
        "names_removed": progress.names_removed,
        "seconds": round(progress.seconds, 3),
        "state": progress.state,
        "dry_run": is_dry_run,
    }
