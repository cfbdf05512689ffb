"""What can be told of a run: its state in words, its chain and undo, findings, rejects, next steps.

In: a run. Out: plain values that commands and pages print. Every query walks an index and is
bounded; nothing here changes a run but the note of its findings, written once at its end.
"""

from __future__ import annotations

import datetime as dt
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from django.db import connection, transaction
from django.db.models import Count, Min
from django.utils import timezone

from posts import db, history
from posts.content import shown
from posts.importing import engine, runs
from posts.models import Event, ImportReject, ImportRun, ImportSource

#: Runs of a chain that are looked at; more interruptions than this nobody reads.
CHAIN_MAX = 200
#: Rejects fetched at once while a list of them streams.
STREAM_CHUNK = 1_000
#: Paths that a command may repeat; beyond them it says PATH.
PATHS_MAX = 3

#: Kind of the event that keeps what was found in the records of a run.
FINDINGS = "import findings"

#: How an intake names very many inputs.
_TOLD_AS_ONE = re.compile(r"\d+ files")
_PLACE = re.compile(r"(?P<file>.*?):(?P<line>\d+) ", re.DOTALL)


# --- State --------------------------------------------------------------------------------------


def seconds_of(run: ImportRun, now: dt.datetime) -> float:
    """Return how long a run took, or takes until now."""
    return max(((run.finished_at or now) - run.started_at).total_seconds(), 0.0)


def rate_of(run: ImportRun, now: dt.datetime) -> float:
    """Return records a second, from the start to the end or until now."""
    return run.read / max(seconds_of(run, now), 0.001)


def age(moment: dt.datetime, now: dt.datetime) -> str:
    """Return how long ago something was, in its largest unit."""
    seconds = max(0, int((now - moment).total_seconds()))
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def state_in_words(run: ImportRun, now: dt.datetime) -> str:
    """Return what a state means and what follows from it. Needs `source` fetched; no query."""
    is_undo = run.kind == ImportRun.Kind.UNDO
    match run.state:
        case ImportRun.State.RUNNING:
            return _running(run, now)
        case ImportRun.State.COMPLETE if is_undo:
            kept = run.unchanged + run.rejected
            return f"All posts were looked at; {kept:,} kept." if kept else "All was taken back."
        case ImportRun.State.COMPLETE:
            rejected = f" {run.rejected:,} of them rejected." if run.rejected else ""
            return f"All records were read.{rejected}"
        case ImportRun.State.STOPPED:
            why = "At the limit of rejects" if _is_over_limit(run) else "Asked to stop"
            return f"{why}, it ended between two batches. What it wrote stays."
    return "It ended early. What its whole batches wrote stays; of the last one nothing was."


def _running(run: ImportRun, now: dt.datetime) -> str:
    source = run.source
    heartbeat = source.heartbeat_at if source.owner_id == run.pk else None
    sign = f"last sign of life {age(heartbeat, now)} ago" if heartbeat else "no sign of life"
    if heartbeat and runs.is_alive(run, heartbeat, now):
        return f"It works now; {sign}."
    return (
        f"It says it runs, but its process is gone or silent: {sign}. What its whole batches "
        "wrote stays. The next run on this source takes over."
    )


def _is_over_limit(run: ImportRun) -> bool:
    most, percent = run.options.get("max_rejects"), run.options.get("max_reject_percent")
    return (most is not None and run.rejected > most) or (
        percent is not None and run.rejected * 100 > percent * run.read
    )


# --- Chain --------------------------------------------------------------------------------------


class Family(NamedTuple):
    """The runs that belong together: an import, those that went on with it, and their undoing."""

    imports: list[ImportRun]
    undos: list[ImportRun]

    def undone_by(self, run: ImportRun) -> list[ImportRun]:
        """Return the runs that undid this one, or tried to, oldest first."""
        return [undo for undo in self.undos if undo.parent_id == run.pk]

    def followed_by(self, run: ImportRun) -> list[ImportRun]:
        """Return the runs that went on with this one."""
        return [one for one in self.imports if one.parent_id == run.pk]


def chain(run: ImportRun) -> list[int]:
    """Return the numbers of the runs an import goes on with, oldest first, itself last. One query.

    Together they read the input once, each from where the one before ended.
    """
    statement = """
        WITH RECURSIVE line (id, parent_id, depth) AS (
            SELECT id, parent_id, 0 FROM posts_importrun WHERE id = %s
            UNION ALL
            SELECT run.id, run.parent_id, line.depth + 1
            FROM line JOIN posts_importrun run ON run.id = line.parent_id
            WHERE line.depth < %s
        )
        SELECT id FROM line ORDER BY depth DESC
    """
    with connection.cursor() as cursor:
        cursor.execute(statement, [run.pk, CHAIN_MAX])
        return [row[0] for row in cursor.fetchall()]


def family(run: ImportRun) -> Family:
    """Return all runs that belong to a run's chain, oldest first. Three queries."""
    statement = """
        WITH RECURSIVE line (id, depth) AS (
            SELECT id, 0 FROM posts_importrun WHERE id = %s
            UNION ALL
            SELECT run.id, line.depth + 1
            FROM line JOIN posts_importrun run ON run.parent_id = line.id
            WHERE line.depth < %s
        )
        SELECT id FROM line ORDER BY id LIMIT %s
    """
    first = chain(run)[0]
    with connection.cursor() as cursor:
        cursor.execute(statement, [first, CHAIN_MAX, CHAIN_MAX])
        ids = [row[0] for row in cursor.fetchall()]
    rows = (
        ImportRun.objects.filter(pk__in=ids)
        .select_related("source", "started_by")
        .defer("inputs", "message")
        .order_by("pk")
    )
    found = Family([], [])
    for row in rows:
        (found.undos if row.kind == ImportRun.Kind.UNDO else found.imports).append(row)
    return found


# --- Next steps ---------------------------------------------------------------------------------


def resume_command(run: ImportRun, relatives: Family) -> str:
    """Return the command that goes on where an import ended; empty when there is nothing to do.

    At most one query. After an undo, and for calls that cannot be gone on with, it is the command
    that reads the input from the beginning.
    """
    if run.kind != ImportRun.Kind.IMPORT or run.state == ImportRun.State.COMPLETE:
        return ""
    if relatives.followed_by(run) or (
        run.state == ImportRun.State.RUNNING
        and runs.is_alive(run, run.source.heartbeat_at, timezone.now())
    ):
        return ""
    options = run.options
    words = [f"manage.py import_posts {_paths(run)} --source {shlex.quote(run.source.name)}"]
    if options.get("publish"):
        words.append("--publish")
    if options.get("batch_size") not in (None, db.batch_size()):
        words.append(f"--batch-size {options['batch_size']}")
    if options.get("on_duplicate") == engine.REJECT:
        words.append("--on-duplicate reject")
    if options.get("max_rejects") is not None:
        words.append(f"--max-rejects {options['max_rejects']}")
    elif options.get("max_reject_percent") is not None:
        words.append(f"--max-rejects {options['max_reject_percent']:g}%")
    newest = (
        ImportRun.objects.filter(source=run.source_id, kind=ImportRun.Kind.IMPORT)
        .order_by("-pk")
        .values_list("pk", flat=True)
        .first()
    )
    if newest != run.pk and not any(undo.updated for undo in relatives.undone_by(run)):
        words.append(f"--resume {run.pk}")
    return " ".join(words)


def _paths(run: ImportRun) -> str:
    names = [one.get("file", "") for one in run.inputs if isinstance(one, dict)]
    if not 0 < len(names) <= PATHS_MAX:
        return "PATH"
    return " ".join(shlex.quote(shown(name)) for name in names)


def next_commands(run: ImportRun, relatives: Family) -> list[str]:
    """Return the commands a person may want now. At most one query."""
    if run.kind == ImportRun.Kind.UNDO:
        if run.state == ImportRun.State.COMPLETE:
            return [f"manage.py import_runs {run.parent_id}"]
        return [f"manage.py import_undo {run.parent_id}"]
    commands = []
    if resume := resume_command(run, relatives):
        commands.append(resume)
    is_undone = any(
        undo.state == ImportRun.State.COMPLETE and not undo.unchanged + undo.rejected
        for undo in relatives.undone_by(run)
    )
    if run.created + run.updated + run.held and not is_undone:
        commands.append(f"manage.py import_undo {run.pk} --dry-run")
        commands.append(f"manage.py review_posts --by USER --approve --run {run.pk}")
    return commands


def newest_before(run: ImportRun) -> int:
    """Return the newest revision there was when a run began, 0 where nobody noted it. One query.

    All of the run's own have higher numbers: a walk along the numbers need not begin at the first
    of the archive.
    """
    data = Event.objects.filter(run=run, sequence=1).values_list("data", flat=True).first()
    return int((data or {}).get("newest_revision", 0))


# --- Findings and rejects -----------------------------------------------------------------------


#: What is said of the findings of a severity.
FOUND = {"repair": "mended", "warning": "kept as it came", "filtered": "left out"}


class Finding(NamedTuple):
    """What was mended, kept as it came or left out: how often, and where it was met first."""

    severity: str
    code: str
    number: int
    file: str
    line: int | None

    @property
    def told(self) -> str:
        return FOUND[self.severity]


def note_findings(run: ImportRun, progress: engine.Progress) -> None:
    """Keep the findings of a run's accepted and filtered records, as an event of the run.

    Only codes, numbers and places: values of records are left out, because an event outlives the
    erasure of a post. About five queries; nothing is written when nothing was found.
    """
    numbers = {one.get("file"): at for at, one in enumerate(run.inputs) if isinstance(one, dict)}
    rows = []
    for (severity, code), number in sorted(progress.findings.items()):
        if severity == "error":
            continue
        place = _PLACE.match(progress.examples.get((severity, code), ""))
        file = numbers.get(place["file"]) if place else None
        rows.append([severity, code, number, file, int(place["line"]) if place else None])
    if not rows:
        return

    def attempt() -> None:
        with transaction.atomic():
            # An erasure adds to a run's events too, and holds the source meanwhile.
            ImportSource.objects.select_for_update().get(pk=run.source_id)
            if not Event.objects.filter(run=run, kind=FINDINGS).exists():
                history.append_to_run(run, FINDINGS, data={"findings": rows}, now=timezone.now())

    runs.persistently(attempt)


def findings_of(run: ImportRun) -> list[Finding]:
    """Return what was found in the accepted and filtered records of a run, most frequent first.

    One query.
    """
    data = (
        Event.objects.filter(run=run, kind=FINDINGS)
        .order_by("sequence")
        .values_list("data", flat=True)
        .first()
    )
    found = [
        Finding(severity, code, number, input_name(run, file) if file is not None else "", line)
        for severity, code, number, file, line in (data or {}).get("findings", ())
    ]
    return sorted(found, key=lambda one: (one.severity, -one.number, one.code))


def input_name(run: ImportRun, number: int | None) -> str:
    """Return the name of a run's input by its index, as far as the run still knows it."""
    if number is None:
        return ""
    names = [str(one.get("file", "")) for one in run.inputs if isinstance(one, dict)]
    if len(names) == 1 and _TOLD_AS_ONE.fullmatch(names[0]):
        return f"file {number + 1:,} of {names[0]}"
    return names[number] if number < len(names) else f"file {number + 1:,}"


class Code(NamedTuple):
    """A code of rejects: how many problems have it, and the first of them."""

    code: str
    number: int
    first: ImportReject


class Rejects(NamedTuple):
    """The codes of a run's rejects; `counted` of its `total` problems were counted."""

    codes: list[Code]
    counted: int
    total: int


def rejects_of(run: ImportRun, most: int) -> Rejects:
    """Return the codes of the first `most` problems of a run, most frequent first. Three queries.

    Problems are numbered from 1 without gaps, so the last number is how many there are.
    """
    rows = ImportReject.objects.filter(run=run)
    total = rows.order_by("-sequence").values_list("sequence", flat=True).first() or 0
    counted = list(
        rows.filter(sequence__lte=most)
        .values_list("code")
        .annotate(number=Count("pk"), first=Min("sequence"))
        .order_by("-number", "code")
    )
    firsts = {one.sequence: one for one in rows.filter(sequence__in=[row[2] for row in counted])}
    codes = [Code(code, number, firsts[at]) for code, number, at in counted]
    return Rejects(codes, min(most, total), total)


def stored_rejects(run_ids: Sequence[int]) -> Iterator[ImportReject]:
    """Yield the rejects of runs in the order given, a chunk a query, none held for long."""
    for run_id in run_ids:
        last = 0
        while chunk := list(
            ImportReject.objects.filter(run_id=run_id, sequence__gt=last).order_by("sequence")[
                :STREAM_CHUNK
            ]
        ):
            last = chunk[-1].sequence
            yield from chunk


def options_of(run: ImportRun) -> Mapping[str, Any]:
    """Return what a run was asked for, without what was not given or is told elsewhere."""
    elsewhere = ("source", "run", "dry_run")
    return {
        name: value
        for name, value in sorted(run.options.items())
        if value is not None and name not in elsewhere
    }
