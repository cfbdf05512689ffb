"""The command that tells what runs there were and what became of one; see its help."""

from __future__ import annotations

import argparse
import datetime as dt
import json
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from posts.content import shown
from posts.importing import report, run_facts
from posts.importing.engine import OUTCOMES
from posts.importing.undo import COLUMNS
from posts.management.command_line import positive
from posts.models import ImportCheckpoint, ImportReject, ImportRun, ImportSource

HELP = """
Lists the runs of imports and undos, newest first, or tells everything about one.

  manage.py import_runs
  manage.py import_runs --source notes --limit 5
  manage.py import_runs 12
  manage.py import_runs 12 --json
  manage.py import_runs 12 --rejects rejects.csv

One run is told with the runs it went on with, what undid it, what it refused and mended, and the
commands that make sense now. --rejects writes its rejects, and those of the runs it went on with,
as a list for spreadsheets (.csv) or as JSON Lines (any other name, - for the output).

Reads only.
"""

LIMIT = 20
#: Lines of inputs, related runs and codes of rejects that one run may fill.
SHOWN = 20
#: Newest checkpoints that the batch times are told from.
CHECKPOINTS = 10_000
#: Problems of a run that are counted by code.
REJECTS_COUNTED = 100_000


class Command(BaseCommand):
    help = HELP

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        return super().create_parser(
            prog_name, subcommand, formatter_class=argparse.RawDescriptionHelpFormatter, **kwargs
        )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("run", nargs="?", type=positive, metavar="RUN", help="tell this one")
        parser.add_argument("--source", metavar="NAME", help="runs of this source only")
        parser.add_argument(
            "--limit",
            type=positive,
            default=LIMIT,
            metavar="N",
            help="the N newest runs (default: %(default)s)",
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object a run")
        parser.add_argument(
            "--rejects", metavar="FILE", help="write the rejects of this run to a file, or - "
        )

    def handle(self, *args: Any, **options: Any) -> None:
        now = timezone.now()
        if options["run"] is not None:
            run = (
                ImportRun.objects.select_related("source", "started_by")
                .filter(pk=options["run"])
                .first()
            )
            if run is None:
                raise CommandError(
                    f"There is no run {options['run']}. Run manage.py import_runs for those there "
                    "are."
                )
            if options["rejects"]:
                self._write_rejects(run, options["rejects"])
                return
            told = _detail(run, now)
            if options["json"]:
                self.stdout.write(json.dumps(told))
            else:
                self._write_all(_detail_lines(run, told, now))
            return
        if options["rejects"]:
            raise CommandError("--rejects lists those of one run. Name it: import_runs RUN.")
        runs = self._newest(options["source"], options["limit"])
        if options["json"]:
            self._write_all(json.dumps(_summary(run, now)) for run in runs)
        else:
            self._write_all(_table(runs, now))

    def _newest(self, source: str | None, limit: int) -> list[ImportRun]:
        rows = ImportRun.objects.select_related("source").defer("inputs").order_by("-pk")
        if source is not None:
            if not ImportSource.objects.filter(name=source).exists():
                raise CommandError(f"There is no source {source!r}. Check the name.")
            rows = rows.filter(source__name=source)
        return list(rows[:limit])

    def _write_rejects(self, run: ImportRun, name: str) -> None:
        rejects = run_facts.stored_rejects(run_facts.chain(run))
        is_csv = name.lower().endswith(".csv")
        lines = report.csv_lines(rejects) if is_csv else report.json_lines(rejects)
        if name == "-":
            for line in lines:
                self.stdout.write(line, ending="")
            return
        try:
            with Path(name).open("w", encoding="utf-8", newline="") as file:
                file.writelines(lines)
        except OSError as error:
            raise CommandError(f"{name} cannot be written: {error.strerror}.") from error
        self.stderr.write(f"The rejects of run {run.pk} stand in {name}.", style_func=str)

    def _write_all(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.stdout.write(line)


def _counts(run: ImportRun) -> dict[str, int]:
    """Return the counts of a run under the names of its kind, without `read`."""
    if run.kind == ImportRun.Kind.UNDO:
        return {name: getattr(run, column) for name, column in COLUMNS.items()}
    return {name: getattr(run, name) for name in OUTCOMES}


def _summary(run: ImportRun, now: dt.datetime) -> dict[str, Any]:
    return {
        "run": run.pk,
        "kind": run.kind,
        "source": run.source.name,
        "state": run.state,
        "read": run.read,
        **_counts(run),
        "seconds": round(run_facts.seconds_of(run, now), 3),
        "posts_per_second": round(run_facts.rate_of(run, now), 1),
        "started_at": run.started_at.isoformat(),
        "finished_at": run.finished_at.isoformat() if run.finished_at else None,
        "parent": run.parent_id,
    }


def _table(runs: Sequence[ImportRun], now: dt.datetime) -> Iterable[str]:
    if not runs:
        yield "No runs yet. Begin with manage.py import_posts PATH --source NAME --dry-run."
        return
    rows = [("run", "kind", "source", "state", "started", "read", "rate", "counts")]
    for run in runs:
        counts = ", ".join(f"{number:,} {name}" for name, number in _counts(run).items() if number)
        rows.append(
            (
                str(run.pk),
                run.kind,
                shown(run.source.name),
                run.state,
                f"{run_facts.age(run.started_at, now)} ago",
                f"{run.read:,}",
                f"{run_facts.rate_of(run, now):,.0f}/s",
                counts or "–",
            )
        )
    yield from _aligned(rows, right={0, 5, 6})


def _aligned(rows: Sequence[Sequence[str]], right: Collection[int] = ()) -> Iterable[str]:
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
    for row in rows:
        cells = (
            cell.rjust(width) if number in right else cell.ljust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield "  ".join(cells).rstrip()


def _detail(run: ImportRun, now: dt.datetime) -> dict[str, Any]:
    """Return everything about a run as plain values. About ten queries."""
    milliseconds = sorted(
        ImportCheckpoint.objects.filter(run=run)
        .order_by("-batch")
        .values_list("milliseconds", flat=True)[:CHECKPOINTS]
    )
    times = None
    if milliseconds:
        last = len(milliseconds) - 1
        times = {
            "batches": len(milliseconds),
            "median_ms": milliseconds[len(milliseconds) // 2],
            "p95_ms": milliseconds[min(last, len(milliseconds) * 95 // 100)],
        }
    relatives = run_facts.family(run)
    rejects = run_facts.rejects_of(run, REJECTS_COUNTED)
    return {
        **_summary(run, now),
        "state_in_words": run_facts.state_in_words(run, now),
        "message": run.message,
        "host": run.host,
        "process": run.process,
        "started_by": run.started_by.get_username() if run.started_by else None,
        "engine_version": run.engine_version,
        "options": dict(run_facts.options_of(run)),
        "inputs": run.inputs[:SHOWN],
        "inputs_in_all": len(run.inputs),
        "checkpoints": times,
        "chain": [_relative(one) for one in relatives.imports],
        "undone_by": [_relative(one) for one in relatives.undone_by(run)],
        "rejects": [
            {"code": code.code, "number": code.number, "example": _told(code.first)}
            for code in rejects.codes
        ],
        "rejects_counted": rejects.counted,
        "rejects_in_all": rejects.total,
        "findings": [finding._asdict() for finding in run_facts.findings_of(run)],
        "next": run_facts.next_commands(run, relatives),
    }


def _relative(run: ImportRun) -> dict[str, Any]:
    return {
        "run": run.pk,
        "kind": run.kind,
        "state": run.state,
        "parent": run.parent_id,
        "read": run.read,
        **_counts(run),
        "started_at": run.started_at.isoformat(),
        "started_by": run.started_by.get_username() if run.started_by else None,
    }


def _told(reject: ImportReject) -> str:
    """Return a reject as one line: where, field, got, expected."""
    place = f"{shown(reject.file)}:{reject.line} " if reject.file else ""
    key = f"{shown(reject.key)} " if reject.key else ""
    part = f"{reject.field}: " if reject.field else ""
    got = f'got "{shown(reject.value)}", ' if reject.value else ""
    return f"{place}{key}{part}{got}expected {reject.expected}"


def _detail_lines(run: ImportRun, told: dict[str, Any], now: dt.datetime) -> Iterable[str]:
    yield f"Run {run.pk}: {run.kind} {run.state}, source {shown(run.source.name)}"
    rows = [("state", told["state_in_words"])]
    rows.append(
        (
            "started",
            f"{run.started_at:%Y-%m-%d %H:%M:%S} UTC, {run_facts.age(run.started_at, now)} ago",
        )
    )
    rows.append(("took", f"{told['seconds']:,.1f} s, {told['posts_per_second']:,.0f} a second"))
    if run.host:
        rows.append(("on", f"{run.host}, process {run.process}"))
    if run.message:
        rows.append(("message", shown(run.message)))
    if told["started_by"]:
        rows.append(("started by", shown(told["started_by"])))
    if run.kind == ImportRun.Kind.UNDO:
        rows.append(("undoes", f"run {run.parent_id}"))
    rows += _chain_rows(run, told)
    rows += [("input", _input(one)) for one in told["inputs"]]
    if told["inputs_in_all"] > SHOWN:
        rows.append(("input", f"… and {told['inputs_in_all'] - SHOWN:,} more"))
    rows += [(f"option {name}", shown(value)) for name, value in sorted(told["options"].items())]
    if times := told["checkpoints"]:
        rows.append(("batches", f"{times['batches']:,}"))
        rows.append(("batch ms, median / p95", f"{times['median_ms']:,} / {times['p95_ms']:,}"))
    yield from (f"  {line}" for line in _aligned(rows))
    counts = [("read", f"{run.read:,}")]
    counts += [(name, f"{number:,}") for name, number in _counts(run).items() if number]
    yield from (f"  {line}" for line in _aligned(counts, right={1}))
    if told["rejects_counted"] < told["rejects_in_all"]:
        yield (
            f"  of the first {told['rejects_counted']:,} of {told['rejects_in_all']:,} problems:"
        )
    for reject in told["rejects"]:
        yield f"  {reject['number']:,} x {reject['code']}, such as {reject['example']}"
    for finding in told["findings"]:
        title = run_facts.FOUND[finding["severity"]]
        where = f", first {shown(finding['file'])}:{finding['line']}" if finding["line"] else ""
        yield f"  {title}: {finding['number']:,} x {finding['code']}{where}"
    if told["next"]:
        yield "Next:"
        yield from (f"  {command}" for command in told["next"])


def _chain_rows(run: ImportRun, told: dict[str, Any]) -> list[tuple[str, str]]:
    """Return lines about the runs a run went on with, those that went on with it, its undoing."""
    rows = []
    if len(told["chain"]) > 1 and run.kind == ImportRun.Kind.IMPORT:
        for one in told["chain"]:
            began = f"went on with run {one['parent']}" if one["parent"] else "began"
            here = ", this run" if one["run"] == run.pk else ""
            rows.append(
                ("chain", f"run {one['run']} {began}, {one['state']}, {one['read']:,} read{here}")
            )
    for one in told["undone_by"]:
        by = f" by {shown(one['started_by'])}" if one["started_by"] else ""
        rows.append(
            (
                "undone by",
                f"run {one['run']}, {one['state']}{by}, {one['started_at'][:16]}: "
                f"{one['reversed']:,} reversed, {one['kept']:,} kept",
            )
        )
    return rows


def _input(one: Any) -> str:
    if not isinstance(one, dict):
        return shown(one)
    size = one.get("size")
    return shown(one.get("file", "")) + (f", {size:,} bytes" if isinstance(size, int) else "")
