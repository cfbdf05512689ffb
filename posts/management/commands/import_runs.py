"""The command that tells what runs there were and what became of one; see its help."""

from __future__ import annotations

import argparse
import datetime as dt
import json
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import Count, Min
from django.utils import timezone

from posts.content import shown
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

Reads only.
"""

LIMIT = 20
#: Lines of inputs, related runs and codes of rejects that one run may fill.
SHOWN = 20
#: Newest checkpoints that the batch times are told from.
CHECKPOINTS = 10_000


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

    def handle(self, *args: Any, **options: Any) -> None:
        now = timezone.now()
        if options["run"] is not None:
            run = ImportRun.objects.select_related("source").filter(pk=options["run"]).first()
            if run is None:
                raise CommandError(
                    f"There is no run {options['run']}. Run manage.py import_runs for those there "
                    "are."
                )
            told = _detail(run, now)
            if options["json"]:
                self.stdout.write(json.dumps(told))
            else:
                self._write_all(_detail_lines(run, told, now))
            return
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

    def _write_all(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.stdout.write(line)


def _seconds(run: ImportRun, now: dt.datetime) -> float:
    return max(((run.finished_at or now) - run.started_at).total_seconds(), 0.0)


def _rate(run: ImportRun, now: dt.datetime) -> float:
    return run.read / max(_seconds(run, now), 0.001)


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
        "seconds": round(_seconds(run, now), 3),
        "posts_per_second": round(_rate(run, now), 1),
        "started_at": run.started_at.isoformat(),
        "finished_at": run.finished_at.isoformat() if run.finished_at else None,
        "parent": run.parent_id,
    }


def _age(moment: dt.datetime, now: dt.datetime) -> str:
    """Return how long ago something was, in its largest unit."""
    seconds = max(0, int((now - moment).total_seconds()))
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


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
                f"{_age(run.started_at, now)} ago",
                f"{run.read:,}",
                f"{_rate(run, now):,.0f}/s",
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
    """Return everything about a run as plain values. Four queries."""
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
    return {
        **_summary(run, now),
        "message": run.message,
        "host": run.host,
        "process": run.process,
        "options": {name: value for name, value in run.options.items() if value is not None},
        "inputs": run.inputs[:SHOWN],
        "inputs_in_all": len(run.inputs),
        "checkpoints": times,
        "rejects": _rejects(run),
        "children": [
            {"run": pk, "kind": kind, "state": state}
            for pk, kind, state in ImportRun.objects.filter(parent=run)
            .order_by("pk")
            .values_list("pk", "kind", "state")[:SHOWN]
        ],
        "next": _next(run),
    }


def _rejects(run: ImportRun) -> list[dict[str, Any]]:
    """Return the codes of a run's rejects with their numbers and the first of each. Two queries."""
    codes = list(
        ImportReject.objects.filter(run=run)
        .values_list("code")
        .annotate(number=Count("pk"), first=Min("sequence"))
        .order_by("-number", "code")[:SHOWN]
    )
    examples = {
        reject.sequence: reject
        for reject in ImportReject.objects.filter(run=run, sequence__in=[row[2] for row in codes])
    }
    return [{"code": code, "number": n, "example": _told(examples[at])} for code, n, at in codes]


def _told(reject: ImportReject) -> str:
    """Return a reject as one line: where, field, got, expected."""
    place = f"{shown(reject.file)}:{reject.line} " if reject.file else ""
    key = f"{shown(reject.key)} " if reject.key else ""
    part = f"{reject.field}: " if reject.field else ""
    got = f'got "{shown(reject.value)}", ' if reject.value else ""
    return f"{place}{key}{part}{got}expected {reject.expected}"


def _next(run: ImportRun) -> list[str]:
    """Return the commands a person may want now."""
    source = f"--source {_quoted(run.source.name)}"
    if run.kind == ImportRun.Kind.UNDO:
        if run.state in (ImportRun.State.STOPPED, ImportRun.State.FAILED):
            return [f"manage.py import_undo {run.parent_id}"]
        return [f"manage.py import_runs {run.parent_id}"]
    commands = []
    if run.created + run.updated + run.held:
        commands.append(f"manage.py import_undo {run.pk} --dry-run")
        commands.append(f"manage.py review_posts --by USER --approve --run {run.pk}")
    if run.state in (ImportRun.State.STOPPED, ImportRun.State.FAILED):
        commands.append(f"manage.py import_posts PATH {source}")
    return commands


def _quoted(text: str) -> str:
    return text if text.isascii() and text.replace("-", "").isalnum() else f"'{shown(text)}'"


def _detail_lines(run: ImportRun, told: dict[str, Any], now: dt.datetime) -> Iterable[str]:
    yield f"Run {run.pk}: {run.kind} {run.state}, source {shown(run.source.name)}"
    rows = [("started", f"{run.started_at:%Y-%m-%d %H:%M:%S} UTC, {_age(run.started_at, now)} ago")]
    rows.append(("took", f"{told['seconds']:,.1f} s, {told['posts_per_second']:,.0f} a second"))
    if run.host:
        rows.append(("on", f"{run.host}, process {run.process}"))
    if run.message:
        rows.append(("message", shown(run.message)))
    if run.parent_id is not None:
        word = "undoes" if run.kind == ImportRun.Kind.UNDO else "goes on with"
        rows.append((word, f"run {run.parent_id}"))
    rows += [
        ("went on in" if child["kind"] == run.kind else f"{child['kind']} by", _child(child))
        for child in told["children"]
    ]
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
    for reject in told["rejects"]:
        yield f"  {reject['number']:,} x {reject['code']}, such as {reject['example']}"
    if told["next"]:
        yield "Next:"
        yield from (f"  {command}" for command in told["next"])


def _child(child: dict[str, Any]) -> str:
    return f"run {child['run']}, {child['state']}"


def _input(one: Any) -> str:
    if not isinstance(one, dict):
        return shown(one)
    size = one.get("size")
    return shown(one.get("file", "")) + (f", {size:,} bytes" if isinstance(size, int) else "")
