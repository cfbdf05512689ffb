"""What an import tells people: progress, summary table, rejects file, the object of `--json`.

In: the engine's progress. Out: text and JSON Lines. Messages and progress go to the error stream,
the summary to the output stream, so that either can be redirected alone.
"""

from __future__ import annotations

import csv
import io
import json
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, TextIO

from rich.console import Console
from rich.live import Live
from rich.text import Text

from posts.content import shown
from posts.importing.engine import OUTCOMES, Progress, Reject
from posts.importing.records import Record
from posts.importing.run_facts import FOUND
from posts.importing.runs import ImportFailedError
from posts.models import ImportReject

#: Seconds between two plain lines where no terminal shows one that moves.
PLAIN_SECONDS = 10
#: Rejected problems that are printed at once; all of them stand in the rejects file.
REJECTS_SHOWN = 5

CSV_COLUMNS = (
    *("run", "file", "record", "line", "byte", "key", "field", "code", "value", "expected"),
    *("retryable", "hint", "raw_sha256"),
)
_CONTROL = ("\t", "\r", "\n")
#: What begins a formula, also in the wide forms that some spreadsheets take for it.
_FORMULA = tuple("=+-@\uff1d\uff0b\uff0d\uff20")


def progress_line(progress: Progress, taken: int, size: int | None, begun_at: int = 0) -> str:
    """Return the one line of progress: share of the bytes, rate, counts, time left.

    `begun_at` is the bytes that the runs before this one had taken: they say nothing of its speed.
    """
    seconds = max(progress.seconds, 0.001)
    parts = [f"{progress.read:,} read", f"{progress.read / seconds:,.0f}/s"]
    if size:
        parts.insert(0, f"{taken / size:4.0%}")
    if size and taken > begun_at:
        left = max(0, round(seconds * (size - taken) / (taken - begun_at)))
        parts.append(f"ETA {left // 60}:{left % 60:02d}")
    parts += [
        f"{label} {progress.counts[name]:,}"
        for name, label in (
            ("created", "new"),
            ("updated", "upd"),
            ("unchanged", "same"),
            ("held", "held"),
            ("rejected", "rej"),
        )
    ]
    return " | ".join(parts)


class ProgressView:
    """One moving line on a terminal, a plain line every ten seconds or tenth of the input else."""

    def __init__(
        self, stream: TextIO, size: int | None, *, begun_at: int = 0, is_quiet: bool = False
    ) -> None:
        self.size = size
        self.begun_at = begun_at
        self.stream = stream
        self.is_quiet = is_quiet
        self._last_time = time.monotonic()
        self._last_tenth = 0
        self._live: Live | None = None
        console = Console(file=stream, highlight=False)
        # rich knows of pipes, dumb terminals and NO_COLOR.
        if not is_quiet and console.is_interactive:
            self._live = Live(_one_line("reading…"), console=console, refresh_per_second=10)
            self._live.start()

    def update(self, progress: Progress, taken: int) -> None:
        if self.is_quiet:
            return
        line = progress_line(progress, taken, self.size, self.begun_at)
        if self._live is not None:
            self._live.update(_one_line(line))
            return
        tenth = taken * 10 // self.size if self.size else 0
        if time.monotonic() - self._last_time >= PLAIN_SECONDS or tenth > self._last_tenth:
            self._last_time = time.monotonic()
            self._last_tenth = tenth
            self.stream.write(line + "\n")

    def step(self, text: str) -> None:
        """Tell a step that is no batch, such as the work at the end of a run."""
        if self._live is not None:
            self._live.update(_one_line(text))
        elif not self.is_quiet:
            self.stream.write(text + "\n")

    def close(self) -> None:
        if self._live is not None:
            self._live.stop()


def _one_line(text: str) -> Text:
    """Return a line that a narrow terminal cuts instead of folding it."""
    return Text(text, no_wrap=True, overflow="ellipsis")


class RejectsFile:
    """The rejects as JSON Lines, one problem a line; the file appears with the first one.

    A run that goes on with others first writes theirs anew from the table (`earlier` gives them),
    so that the file tells of the whole input, each problem once, whatever became of the old file.
    """

    def __init__(self, path: Path, earlier: Iterable[ImportReject] = ()) -> None:
        self.path = path
        #: Problems of this run, and of those it went on with.
        self.written = 0
        self.written_earlier = 0
        self.first: list[Reject] = []
        self._earlier: Iterable[ImportReject] | None = earlier
        self._file: IO[str] | None = None

    @property
    def is_empty(self) -> bool:
        return not (self.written or self.written_earlier)

    def add(self, rejects: Sequence[Reject], run: int | None) -> None:
        """Append problems of a batch that was written. Nothing is touched before the first batch:

        until then another run may hold the source, and the file may be its own.
        """
        try:
            # The table gives whole batches only, so an earlier run's rejects are complete there.
            for stored in self._earlier or ():
                self._write(reject_line(stored, stored.run_id))
                self.written_earlier += 1
            self._earlier = None
            for reject in rejects:
                self._write(reject_line(reject, run))
            if self._file is not None:
                self._file.flush()
        except OSError as error:
            kept = "" if run is None else "The rejects up to here are in the database. "
            raise ImportFailedError(
                f"The rejects file {self.path} cannot be written: {error.strerror}. {kept}When "
                "the cause is gone, run the same command again; what is in the archive stays."
            ) from error
        self.written += len(rejects)
        self.first += rejects[: REJECTS_SHOWN - len(self.first)]

    def _write(self, line: dict[str, Any]) -> None:
        if self._file is None:
            self._file = self.path.open("w", encoding="utf-8")
        self._file.write(json.dumps(line, ensure_ascii=False) + "\n")

    def close(self) -> None:
        if self._file is not None:
            # What cannot be written now could not be when it was added, and that was told.
            with suppress(OSError):
                self._file.close()


def reject_line(reject: Reject | ImportReject, run: int | None) -> dict[str, Any]:
    """Return a reject in the field order of the rejects file (IMPORT.md 2.10)."""
    return {
        "run": run,
        "file": reject.file,
        "record": reject.record,
        "line": reject.line,
        "byte": reject.byte,
        "key": reject.key,
        "field": reject.field,
        "code": reject.code,
        "value": reject.value,
        "expected": reject.expected,
        "retryable": reject.is_retryable,
        "hint": reject.hint,
        "raw_sha256": reject.raw_digest.partition(":")[2],
    }


def json_lines(rejects: Iterable[ImportReject]) -> Iterator[str]:
    """Yield stored rejects as the lines of a rejects file."""
    for reject in rejects:
        yield json.dumps(reject_line(reject, reject.run_id), ensure_ascii=False) + "\n"


def csv_lines(rejects: Iterable[ImportReject]) -> Iterator[str]:
    """Yield stored rejects as CSV with a head line; no cell begins as a formula does.

    A byte order mark stands first, without which spreadsheets do not know the encoding.
    """
    text = io.StringIO()
    writer = csv.writer(text)
    text.write("\ufeff")
    writer.writerow(CSV_COLUMNS)
    for reject in rejects:
        writer.writerow([cell(value) for value in reject_line(reject, reject.run_id).values()])
        yield text.getvalue()
        text.seek(0)
        text.truncate()
    yield text.getvalue()


def cell(value: Any) -> str:
    """Return a value as a cell that a spreadsheet shows and does not compute."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = str(value)
    return f"'{text}" if text.lstrip()[:1] in _FORMULA or text[:1] in _CONTROL else text


def reject_text(reject: Reject) -> str:
    """Return a reject as one line for people: where, field, got, expected, retry or not."""
    got = f' got "{shown(reject.value)}",' if reject.value else ""
    again = "may be tried again" if reject.is_retryable else "trying again will not help"
    hint = f" {reject.hint}" if reject.hint else ""
    return (
        f"{reject.file}:{reject.line} {reject.field or 'record'}: {reject.code},{got} "
        f"expected {reject.expected}; {again}.{hint}"
    )


def summary_object(
    progress: Progress,
    *,
    source: str,
    rejects_file: str | None,
    rejects_listed: int,
    is_dry_run: bool,
    version: str,
) -> dict[str, Any]:
    """Return the object of `--json`; its first members are a stable interface (PRODUCT.md).

    `rejects_listed` counts the problems in the rejects file, also of runs this one went on with.
    """
    return {
        "run": progress.run.pk if progress.run is not None else None,
        "source": source,
        "read": progress.read,
        **{name: progress.counts[name] for name in OUTCOMES},
        "seconds": round(progress.seconds, 3),
        "posts_per_second": round(progress.read / max(progress.seconds, 0.001), 1),
        "rejects_file": rejects_file,
        "rejects_listed": rejects_listed,
        "state": progress.state,
        "goes_on_with": progress.run.parent_id if progress.run is not None else None,
        "dry_run": is_dry_run,
        "reject_limit_reached": progress.reject_limit_reached,
        "repairs": _findings(progress, "repair"),
        "warnings": _findings(progress, "warning"),
        "left_out": _findings(progress, "filtered"),
        "engine_version": version,
    }


def _findings(progress: Progress, severity: str) -> dict[str, int]:
    return {
        code: number
        for (kind, code), number in sorted(progress.findings.items())
        if kind == severity
    }


_TOLD = {
    "created": ("new", "would be new"),
    "updated": ("revised", "would be revised"),
    "statistics": ("numbers updated", "would get new numbers"),
    "unchanged": ("unchanged", "unchanged"),
    "held": ("held for review", "would be held for review"),
    "converged": ("already edited to the same", "already edited to the same"),
    "tombstoned": ("erased here, left alone", "erased here, left alone"),
    "filtered": ("no post, left out", "no post, left out"),
    "rejected": ("rejected", "would be rejected"),
}
_ALWAYS_SHOWN = ("created", "updated", "unchanged", "held", "rejected")


def summary_lines(progress: Progress, *, is_dry_run: bool) -> Iterable[str]:
    """Yield the summary as aligned lines: counts, findings with one example each, rate."""
    rows = [
        (_TOLD[name][is_dry_run], f"{progress.counts[name]:,}")
        for name in OUTCOMES
        if progress.counts[name] or name in _ALWAYS_SHOWN
    ]
    rows.append(("read in all", f"{progress.read:,}"))
    rows.append(("seconds", f"{progress.seconds:,.1f}"))
    rows.append(("posts a second", f"{progress.read / max(progress.seconds, 0.001):,.0f}"))
    if progress.batch_milliseconds:
        ordered = sorted(progress.batch_milliseconds)
        p95 = ordered[min(len(ordered) - 1, len(ordered) * 95 // 100)]
        rows.append(("batch ms, median / p95", f"{ordered[len(ordered) // 2]:,} / {p95:,}"))
    rows.append(("peak memory, MB", f"{peak_memory_mb():,}"))
    label_width = max(len(label) for label, _ in rows)
    value_width = max(len(value) for _, value in rows)
    for label, value in rows:
        yield f"  {label:<{label_width}}  {value:>{value_width}}"
    for severity, title in FOUND.items():
        for (kind, code), number in sorted(progress.findings.items()):
            if kind == severity:
                yield f"  {title}: {number:,} x {code}, such as {progress.examples[kind, code]}"


def phase_lines(phases: Iterable[tuple[str, float]]) -> Iterable[str]:
    """Yield seconds by phase with their shares, aligned."""
    rows = list(phases)
    total = max(sum(seconds for _, seconds in rows), 0.001)
    yield "Phases, in seconds:"
    for name, seconds in rows:
        yield f"  {name:<18}  {seconds:>9,.2f}  {seconds / total:>4.0%}"


def record_lines(record: Record) -> Iterable[str]:
    """Yield a record as the importer understood it, for `--show`."""
    meta = record.snapshot.meta
    yield f"key      {shown(record.key)}"
    yield f"title    {shown(record.snapshot.title)}"
    yield f"lede     {shown(record.snapshot.lede)}"
    for line in record.snapshot.body.splitlines():
        if line.startswith("#") or line.startswith("!["):
            yield f"body     {shown(line)}"
    for name in meta.__struct_fields__:
        value = getattr(meta, name)
        if value not in ("", (), {}, None):
            yield f"meta     {name}: {shown(_plain(value))}"
    for name in record.statistics.__struct_fields__:
        yield f"numbers  {name}: {shown(_plain(getattr(record.statistics, name)))}"


def _plain(value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(_plain(item) for item in value)
    if hasattr(value, "__struct_fields__"):
        members = ((name, getattr(value, name)) for name in value.__struct_fields__)
        return "; ".join(f"{name} {item}" for name, item in members if item not in ("", None))
    return str(value)


def peak_memory_mb() -> int:
    """Return the largest resident size of this process so far, in MB."""
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (2**20 if sys.platform == "darwin" else 1024))
