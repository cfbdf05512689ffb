"""The command that brings posts in; see its help. Arguments in, one call of the engine, report."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError, connection
from django.db.models import Sum

from posts import db
from posts.importing import classification, engine, phases, report, resume, run_facts, runs
from posts.importing.formats import READERS, csv_table, jsonl, text_export
from posts.importing.intake import Intake
from posts.importing.records import is_filtered, validate
from posts.management.command_line import StopSignals, mapped_column, positive
from posts.models import ImportCheckpoint, ImportRun, ImportSource

HELP = """
Brings posts into the archive and says what became of every record.

  manage.py import_posts notes/ --source notes
  manage.py import_posts archive.jsonl.gz --source archive --dry-run
  zcat archive.jsonl.gz | manage.py import_posts - --source archive --json

New posts arrive private and waiting for review. Running the same input again changes nothing; it
is always safe to run again, also after a crash. What people edited or approved here is never
overwritten: a newer version of it is held for review.

-v 2 tells the seconds of each phase, -v 0 nothing but errors. A run that goes on with another lists
the rejects of both.

Exit codes: 0 complete; 1 failed; 2 wrong usage; 3 another run holds the source; 4 complete, with
rejects; 5 the limit of rejects was reached; 130 stopped by a signal after the current batch.
"""


COMPLETE, FAILED, BUSY, REJECTS, REJECT_LIMIT, STOPPED = 0, 1, 3, 4, 5, 130

#: Kinds of what is no post that `--show` names.
LEFT_OUT_SHOWN = 10

#: Formats that generators write; in others people's texts come too.
OF_GENERATORS = {text_export.NAME, jsonl.NAME}

#: Readers of a machine with two cores notice an import that asks for both.
NICE = 15


class Command(BaseCommand):
    help = HELP
    requires_migrations_checks = True

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        return super().create_parser(
            prog_name, subcommand, formatter_class=argparse.RawDescriptionHelpFormatter, **kwargs
        )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "paths", nargs="+", metavar="PATH", help="files, folders, .gz, .zst, or - for input"
        )
        parser.add_argument(
            "--source",
            required=True,
            type=_source,
            help="name of the generator or site; with a record's key it is the identity of a post",
        )
        parser.add_argument("--format", default="auto", choices=["auto", *READERS])
        parser.add_argument(
            "--written-by",
            default="",
            choices=ImportSource.Writers.values,
            help="who wrote the texts of this source, which every page of them says; kept for all "
            "of its posts until it is said again (a new source: machines)",
        )
        parser.add_argument(
            "--map",
            action="append",
            type=mapped_column,
            default=[],
            metavar="FIELD=COLUMN",
            help="the column of a CSV table that holds a field, such as title=Headline or "
            "body_html=Text; may be given again. Columns with the names of fields need none",
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="read and check everything, write nothing"
        )
        parser.add_argument(
            "--publish",
            action="store_true",
            help="publish the posts this run creates; they stay noindex until a person approves",
        )
        parser.add_argument(
            "--batch-size",
            type=positive,
            default=db.batch_size(),
            metavar="N",
            help="records a transaction, for which other writers of SQLite wait "
            "(default: %(default)s)",
        )
        parser.add_argument("--limit", type=positive, metavar="N", help="stop after N records")
        parser.add_argument(
            "--on-duplicate",
            choices=[engine.SEQUENCE, engine.REJECT],
            default=engine.SEQUENCE,
            help="a key that comes again in the input is the next version of its post, or is "
            "rejected (default: %(default)s)",
        )
        parser.add_argument(
            "--expect",
            type=positive,
            metavar="N",
            help="fail when the input holds another number of records, such as one that was cut",
        )
        parser.add_argument(
            "--resume",
            type=_resume,
            default=resume.AUTO,
            metavar="auto|never|RUN",
            help="go on where an interrupted run ended, if the input is still the same; never "
            "begins at its first record (default: auto)",
        )
        parser.add_argument(
            "--max-rejects",
            type=_limit,
            metavar="N|P%",
            default=(None, None),
            help="stop when more than N records, or P%% of those read, are rejected",
        )
        parser.add_argument(
            "--nice",
            type=_niceness,
            default=NICE,
            metavar="0..19",
            help="how far the import steps back for other work of this machine, as nice does "
            "(default: %(default)s)",
        )
        parser.add_argument(
            "--show",
            type=positive,
            metavar="N",
            help="print the first N records as they are understood, and write nothing",
        )
        parser.add_argument(
            "--rejects",
            metavar="FILE",
            help="where rejected records are listed (default: rejects-SOURCE.jsonl)",
        )
        parser.add_argument(
            "--json", action="store_true", help="print one JSON object as the only output"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        missing = [path for path in options["paths"] if path != "-" and not os.path.exists(path)]
        if missing:
            raise CommandError(
                f"{missing[0]} does not exist; expected a file, a folder or -. Nothing was read."
            )
        columns = dict(options["map"])
        if len(columns) < len(options["map"]):
            raise CommandError("--map names a field twice; expected each field once.")
        if columns and options["format"] not in ("auto", csv_table.NAME):
            raise CommandError(f"--map is for tables; a {options['format']} input has no columns.")
        intake = Intake(options["paths"], options["format"])
        intake.map_columns(columns)
        if options["show"]:
            self._show(intake, options["show"])
            return
        # Readers and editors first; on a machine with nothing else to do it costs nothing.
        lowered = max(options["nice"], os.getpriority(os.PRIO_PROCESS, 0))
        os.setpriority(os.PRIO_PROCESS, 0, lowered)
        db.read_without_map()
        # Until the last word is said: a signal that comes too late to stop anything ends nothing.
        with StopSignals() as signals:
            sys.exit(self._import(intake, options, signals))

    def _show(self, intake: Intake, number: int) -> None:
        left_out: Counter[str] = Counter()
        for arrival in intake:
            at = arrival.raw.position
            if is_filtered(arrival.raw.problems) or not (arrival.reader or arrival.raw.problems):
                left_out.update(p.value for p in arrival.raw.problems[:1])
                continue
            if arrival.reader is None:
                record, problems = None, list(arrival.raw.problems)
                self.stdout.write(f"{at.file}:{at.line}  cannot be read")
            else:
                record, problems = validate(arrival.reader, arrival.raw)
                self.stdout.write(f"{at.file}:{at.line}  read as {arrival.reader.NAME}")
            if record is not None:
                for line in report.record_lines(record):
                    self.stdout.write(line)
            for problem in problems:
                self.stdout.write(
                    f"{problem.severity:<8} {problem.field or 'record'}: {problem.code}, "
                    f"expected {problem.expected}"
                )
            self.stdout.write("")
            number -= 1
            if not number:
                break
        for kind, times in left_out.most_common(LEFT_OUT_SHOWN):
            self.stdout.write(f"no post, left out: {times:,} x {kind}")

    def _import(self, intake: Intake, options: dict[str, Any], signals: StopSignals) -> int:
        most, percent = options["max_rejects"]
        wanted = engine.Options(
            source=options["source"],
            publish=options["publish"],
            dry_run=options["dry_run"],
            batch_size=options["batch_size"],
            limit=options["limit"],
            on_duplicate=options["on_duplicate"],
            max_rejects=most,
            max_reject_percent=percent,
            writers=options["written_by"],
        )
        inputs = intake.description()
        going_on = None
        # A duplicate is refused by what stood before it, so all of that has to be read.
        if not wanted.dry_run and wanted.limit is None and wanted.on_duplicate == engine.SEQUENCE:
            try:
                going_on = resume.resumed(
                    intake,
                    source=wanted.source,
                    inputs=inputs,
                    publish=wanted.publish,
                    wanted=options["resume"],
                )
            except resume.CannotResumeError as error:
                raise CommandError(str(error)) from error
        earlier = run_facts.stored_rejects(run_facts.chain(going_on.run)) if going_on else ()
        wanted = replace(wanted, columns=dict(intake.columns))
        rejects = report.RejectsFile(
            Path(options["rejects"] or f"rejects-{options['source']}.jsonl"), earlier
        )
        is_quiet = options["verbosity"] == 0
        if not (options["json"] or is_quiet):
            self._announce(intake, wanted, going_on)
        view = report.ProgressView(
            sys.stderr, intake.size, begun_at=intake.taken, is_quiet=is_quiet
        )
        clock = phases.Phases(wanted.limit)
        seen: list[engine.Progress] = []

        def on_batch(progress: engine.Progress) -> None:
            seen[:] = [progress]
            clock.update(progress)
            view.update(progress, intake.taken)
            if clock.is_last_batch(progress) and phases.refreshes(progress):
                view.step(f"{progress.read:,} read | refreshing the planner's statistics")

        try:
            progress = engine.run_import(
                clock.arrivals(intake),
                options=wanted,
                inputs=inputs,
                going_on=going_on,
                on_batch=on_batch,
                on_rejects=rejects.add,
                should_stop=lambda: signals.was_asked,
                reads_ahead=intake.never_waits,
            )
            rejects.add((), progress.run.pk if progress.run is not None else None)
        except runs.SourceBusyError as error:
            self.stderr.write(str(error))
            return BUSY
        except runs.ImportFailedError as error:
            _note_findings(seen)
            raise CommandError(str(error)) from error
        except (DatabaseError, OSError) as error:
            _note_findings(seen)
            raise CommandError(
                f"The import failed: {error}. Nothing of its last batch was written. When the "
                "cause is gone, run the same command again: it goes on where this run ended."
            ) from error
        finally:
            view.close()
            rejects.close()
        _note_findings([progress])
        rejects_file = None if rejects.is_empty else str(rejects.path)
        if rejects.is_empty and not (options["rejects"] or wanted.dry_run):
            # The list of an earlier run would pass for that of this one.
            rejects.path.unlink(missing_ok=True)
        if options["json"]:
            summary = report.summary_object(
                progress,
                source=wanted.source,
                rejects_file=rejects_file,
                rejects_listed=rejects.written + rejects.written_earlier,
                is_dry_run=wanted.dry_run,
                version=classification.ENGINE_VERSION,
            )
            self.stdout.write(json.dumps(summary))
        else:
            self._tell(progress, wanted, rejects, intake, is_quiet=is_quiet)
        if options["verbosity"] >= 2:
            for line in report.phase_lines(clock.seconds(progress, _written_seconds(progress))):
                self._say(line)
        read = progress.read + _read_before(going_on)
        if options["expect"] is not None and read != options["expect"]:
            self.stderr.write(
                f"Expected {options['expect']:,} records and read {read:,}: the input may be cut. "
                "What was read is in the archive; fetch the input again and run the same command."
            )
            return FAILED
        return _exit_code(progress, rejects)

    def _say(self, text: str) -> None:
        """Tell something on the error stream that is no error, and so is not red."""
        self.stderr.write(text, style_func=str)

    def _announce(
        self, intake: Intake, wanted: engine.Options, going_on: resume.ResumePoint | None
    ) -> None:
        size = intake.size
        amount = f"{size / 1e6:,.1f} MB" if size is not None else "size unknown"
        mode = "dry run, nothing is written" if wanted.dry_run else "writes"
        self._say(
            f"Source {wanted.source}: {len(intake.inputs):,} file(s), {amount}. "
            f"Database {_database()}; {mode}."
        )
        if going_on is not None:
            self._say(
                f"Going on with run {going_on.run.pk} after record {going_on.record:,} of its "
                f"file, byte {going_on.byte:,}; --resume never begins again."
            )

    def _tell(
        self,
        progress: engine.Progress,
        wanted: engine.Options,
        rejects: report.RejectsFile,
        intake: Intake,
        *,
        is_quiet: bool,
    ) -> None:
        run = progress.run
        for reject in rejects.first:
            self.stderr.write(report.reject_text(reject))
        if rejects.written > len(rejects.first):
            self.stderr.write(f"… and {rejects.written - len(rejects.first):,} more problems.")
        if is_quiet:
            return
        title = f"Run {run.pk}" if run is not None else "Dry run"
        self.stdout.write(f"{title} {progress.state}: source {wanted.source}")
        if intake.formats_seen:
            self.stdout.write(f"  read as {', '.join(sorted(intake.formats_seen))}")
        for line in report.summary_lines(progress, is_dry_run=wanted.dry_run):
            self.stdout.write(line)
        if not rejects.is_empty:
            earlier = f", {rejects.written_earlier:,} of earlier runs" * bool(
                rejects.written_earlier
            )
            listed = rejects.written + rejects.written_earlier
            problems = f"{listed:,} problem{'s' * (listed != 1)}"
            self.stdout.write(f"  rejects: {rejects.path}, {problems}{earlier}")
        if progress.reject_limit_reached:
            self.stdout.write("Stopped: the limit of --max-rejects was reached.")
        if progress.state == ImportRun.State.STOPPED:
            self.stdout.write("Stopped between two batches. Run the same command again to go on.")
        if run is not None and progress.counts["rejected"]:
            self.stdout.write(f"See the run again by\n  manage.py import_runs {run.pk}")
        foreign = intake.formats_seen - OF_GENERATORS
        if (
            foreign
            and not wanted.writers
            and _writers(wanted.source) != ImportSource.Writers.PEOPLE
        ):
            self.stdout.write(
                "Pages of this source say “AI-generated”. If people wrote its texts, run the "
                "same command with --written-by people."
            )
        if run is not None and progress.counts["created"] + progress.counts["held"]:
            self.stdout.write(
                "Next: review in the admin under Posts, awaiting review, or by\n"
                f"  manage.py review_posts --by USER --approve --publish --source {wanted.source}"
            )


def _writers(source: str) -> str | None:
    return ImportSource.objects.filter(name=source).values_list("writers", flat=True).first()


def _read_before(going_on: resume.ResumePoint | None) -> int:
    """Return how many records the runs before this one have read of the same input."""
    read, run = 0, going_on.run if going_on is not None else None
    while run is not None:
        read, run = read + run.read, run.parent
    return read


def _note_findings(seen: Sequence[engine.Progress]) -> None:
    """Keep what a run found; not doing so must not hide how the run ended."""
    for progress in seen:
        if progress.run is not None:
            with suppress(DatabaseError), runs.patience((0.1, 0.4)):
                run_facts.note_findings(progress.run, progress)


def _written_seconds(progress: engine.Progress) -> float | None:
    """Return the seconds that batches took up to their commits, as their checkpoints say."""
    if progress.run is None:
        return None
    rows = ImportCheckpoint.objects.filter(run=progress.run)
    return (rows.aggregate(total=Sum("milliseconds"))["total"] or 0) / 1000


def _exit_code(progress: engine.Progress, rejects: report.RejectsFile) -> int:
    if progress.reject_limit_reached:
        return REJECT_LIMIT
    if progress.state == ImportRun.State.STOPPED:
        return STOPPED
    return REJECTS if progress.counts["rejected"] or not rejects.is_empty else COMPLETE


def _database() -> str:
    """Return where the posts go, without user or password."""
    settings = connection.settings_dict
    host = f" on {settings['HOST']}" if settings.get("HOST") else ""
    return f"{connection.vendor} {settings['NAME']}{host}"


def _source(text: str) -> str:
    try:
        return runs.checked_source(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"got {error}") from error


def _resume(text: str) -> str:
    if text in (resume.AUTO, resume.NEVER) or text.isdecimal():
        return text
    raise argparse.ArgumentTypeError(f"{text!r} is neither auto, never nor the number of a run")


def _niceness(text: str) -> int:
    if text.isdecimal() and int(text) <= 19:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is not a niceness from 0, none, to 19, most")


def _limit(text: str) -> tuple[int | None, float | None]:
    """Read N or P%: the most rejects as records or as a share of what was read."""
    try:
        if text.endswith("%"):
            percent = float(text[:-1])
            if 0 <= percent <= 100:
                return None, percent
        elif int(text) >= 0:
            return int(text), None
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(f"{text!r} is neither a number of records nor a share as 2%")
