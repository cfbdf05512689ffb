"""The command that takes findings back to a generator; see its help. Arguments in, report out."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError

from posts import findings, generator_report
from posts.content import shown
from posts.generator_report import Wanted
from posts.management.command_line import positive
from posts.management.walking import STOPPED, walk
from posts.models import ImportSource

HELP = """
Tells what reviewers sent back of a source: counts by reason, scenario, stack and import run, or
every finding as a line of JSON with its key, passages and reason.

  manage.py report_findings notes
  manage.py report_findings notes --format jsonl --out findings.jsonl
  manage.py report_findings notes --run 7 --reason "no sources" --format jsonl | jq .key
  manage.py report_findings --rebuild

A finding is a verdict that sent an imported revision back and stands. It is closed when a later
import brings another text of that post; open ones are told unless --closed or --all is given.
--rebuild makes the findings anew from decisions and revisions: once after the migration that brings
them, otherwise every door keeps them. Reads only, but for --rebuild; safe to run beside everything.

Exit codes: 0 complete; 1 failed; 2 wrong usage; 130 stopped by a signal.
"""

_TITLES = {"reason": "By reason", "scenario": "By scenario", "stack": "By stack"}


class Command(BaseCommand):
    help = HELP
    requires_migrations_checks = True

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        return super().create_parser(
            prog_name, subcommand, formatter_class=argparse.RawDescriptionHelpFormatter, **kwargs
        )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("source", nargs="?", metavar="SOURCE", help="name of an import source")
        state = parser.add_mutually_exclusive_group()
        for name in generator_report.STATES:
            state.add_argument(
                f"--{name}", dest="state", action="store_const", const=name, help=f"{name} findings"
            )
        parser.add_argument("--format", choices=("text", "jsonl"), default="text")
        parser.add_argument("--reason", help="exactly this reason")
        parser.add_argument("--scenario", help="exactly this scenario")
        parser.add_argument("--stack", help="exactly this stack")
        parser.add_argument("--run", type=positive, metavar="RUN", help="brought by this run")
        parser.add_argument(
            "--out", type=Path, metavar="FILE", help="write there instead of stdout"
        )
        parser.add_argument("--rebuild", action="store_true", help="make the findings anew, first")

    def handle(self, *args: Any, **options: Any) -> None:
        if not options["source"] and not options["rebuild"]:
            raise CommandError("Name a source; see --help.", returncode=2)
        try:
            source = self._source(options["source"]) if options["source"] else None
            if options["rebuild"]:
                self._rebuild(options["verbosity"])
            if source is not None:
                self._report(source, options)
        except BrokenPipeError:
            # Whoever reads has seen enough. What Python would still flush has no reader.
            sys.stderr.close()
            sys.exit(1)
        except (DatabaseError, OSError) as error:
            raise CommandError(
                f"The report was not finished: {error}. Nothing was changed by it; run the same "
                "command again when the cause is gone."
            ) from error

    def _source(self, name: str) -> ImportSource:
        found = ImportSource.objects.filter(name=name).first()
        if found is None:
            known = list(
                ImportSource.objects.exclude(name=ImportSource.LOCAL)
                .order_by("name")
                .values_list("name", flat=True)[:20]
            )
            there = f"There is {', '.join(map(shown, known))}." if known else "There is none yet."
            raise CommandError(f"Got the source {shown(name)!r}, which is unknown. {there}")
        return found

    def _rebuild(self, verbosity: int) -> None:
        done = walk(lambda last: findings.rebuild(after=last))
        if done.is_stopped:
            self.stderr.write(
                f"Stopped behind post {done.last}. Run it again; what is right is not written."
            )
            sys.exit(STOPPED)
        if verbosity > 0:
            self.stderr.write(
                f"{done.seen:,} posts looked at, {done.written:,} findings written.", style_func=str
            )

    def _report(self, source: ImportSource, options: dict[str, Any]) -> None:
        wanted = Wanted(
            source.pk,
            state=options["state"] or "open",
            reason=options["reason"],
            scenario=options["scenario"],
            stack=options["stack"],
            run=options["run"],
        )
        lines = (
            generator_report.json_lines(wanted)
            if options["format"] == "jsonl"
            else (f"{line}\n" for line in text_lines(source, wanted))
        )
        target = options["out"]
        if target is None:
            for line in lines:
                self.stdout.write(line, ending="")
            return
        with target.open("w", encoding="utf-8") as out:
            out.writelines(lines)
        if options["verbosity"] > 0:
            self.stderr.write(f"Written to {shown(str(target))}.", style_func=str)


def text_lines(source: ImportSource, wanted: Wanted) -> Iterator[str]:
    """Yield the report for people: totals, counts, runs, and what to run next."""
    totals = generator_report.totals(source.pk)
    yield f"Findings of {shown(source.name)}: {totals['open']:,} open, {totals['closed']:,} closed."
    if wanted.is_narrow or wanted.state != "open":
        number = generator_report.findings(wanted).count()
        yield f"{number:,} fit what is asked for."
    for counts in generator_report.counts(wanted):
        yield ""
        yield f"{_TITLES[counts.name]} ({wanted.state})"
        for share in counts.shares:
            yield f"  {share.number:>9,}  {shown(share.value) or '(none given)'}"
        if counts.others:
            yield f"  {counts.others:>9,}  (all others)"
        if not counts.shares:
            yield "  none"
    yield ""
    yield "By import run, newest first"
    runs = generator_report.trend(source.pk)
    for run in runs:
        yield (
            f"  run {run.run:<8} {run.sent_back:>9,} sent back, {run.open:>9,} still open, closed "
            f"{run.closed_others:,} of earlier runs"
        )
    if not runs:
        yield "  none"
    yield ""
    yield "Next:"
    name = shlex.quote(shown(source.name))
    yield f"  manage.py report_findings {name} --format jsonl --out findings.jsonl"
