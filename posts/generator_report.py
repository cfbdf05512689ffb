"""What goes back to the generator of a source: findings counted, listed, and as JSON Lines.

In: a source and what to narrow its findings down to. Out: counts by reason, scenario, stack and
run, pages by key, lines for a program. Reads `Finding` by its indexes; writes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from django.db.models import Count, Max

from posts.models import DraftNote, Finding, ImportedPost, ImportSource, Revision

if TYPE_CHECKING:
    from django.db.models import QuerySet

#: Findings of one page, of one query of an export; values told of each count; runs of the trend.
PAGE = 50
EXPORT_PAGE = 1_000
VALUES = 20
RUNS = 20

STATES = ("open", "closed", "all")
#: What findings are counted and narrowed down by.
DIMENSIONS = ("reason", "scenario", "stack")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which findings of a source; None means any."""

    source: int
    state: str = "open"
    reason: str | None = None
    scenario: str | None = None
    stack: str | None = None
    run: int | None = None

    @property
    def is_narrow(self) -> bool:
        """Whether more than the state is asked for."""
        return any(getattr(self, name) is not None for name in (*DIMENSIONS, "run"))


def findings(wanted: Wanted) -> QuerySet[Finding]:
    """Return the findings that fit."""
    rows = Finding.objects.filter(source=wanted.source)
    if wanted.state != "all":
        # As a list of one: a bare boolean is no equality to SQLite, which then skips the index.
        rows = rows.filter(is_open__in=[wanted.state == "open"])
    given = {name: value for name, value in asdict(wanted).items() if value is not None}
    return rows.filter(**{name: given[name] for name in (*DIMENSIONS, "run") if name in given})


def walk(wanted: Wanted, *, below: int | None, most: int) -> list[int]:
    """Return findings by their decision, newest first: a walk of one index. One query."""
    rows = findings(wanted)
    if below is not None:
        rows = rows.filter(decision__lt=below)
    return list(rows.order_by("-decision").values_list("decision_id", flat=True)[:most])


def page(wanted: Wanted, *, below: int | None = None) -> tuple[list[Finding], int | None]:
    """Return findings newest first, and the decision to go on below. Two queries, no body."""
    ids = walk(wanted, below=below, most=PAGE + 1)
    # Not joined to the walk: the planner would begin at the few revisions or posts there are.
    rows = Finding.objects.select_related("revision", "post__imported").only(
        *(field.attname for field in Finding._meta.concrete_fields),
        *("post__title", "revision__number", "revision__post_id", "post__imported__key"),
        "post__imported__post_id",
    )
    known = rows.in_bulk(ids[:PAGE])
    return [known[pk] for pk in ids[:PAGE]], ids[PAGE - 1] if len(ids) > PAGE else None


class Share(NamedTuple):
    """A value and how many findings have it; "" is none given."""

    value: str
    number: int


class Counts(NamedTuple):
    """The most usual values of one dimension, and how many findings have others."""

    name: str
    shares: list[Share]
    others: int


def totals(source: int) -> dict[str, int]:
    """Return how many findings of a source are open and closed. One query."""
    rows = Finding.objects.filter(source=source).values_list("is_open").annotate(n=Count("pk"))
    found = dict(rows.order_by())
    return {"open": found.get(True, 0), "closed": found.get(False, 0)}


def counts(wanted: Wanted) -> list[Counts]:
    """Return the findings that fit by each dimension, the most usual first.

    One query each, and one for what is left. No more than `VALUES` values leave the database.
    """
    rows = findings(wanted).order_by()
    total = rows.count()
    told = []
    for name in DIMENSIONS:
        grouped = rows.values_list(name).annotate(n=Count("pk")).order_by("-n", name)
        shares = [Share(*row) for row in grouped[:VALUES]]
        told.append(Counts(name, shares, total - sum(share.number for share in shares)))
    return told


class RunTrend(NamedTuple):
    """What one run brought that was sent back, how much of it is open, what it closed of others."""

    run: int
    sent_back: int
    open: int
    closed_others: int


def trend(source: int) -> list[RunTrend]:
    """Return the newest runs of a source with findings, newest first. Two queries."""
    rows = Finding.objects.filter(source=source).order_by()
    brought: dict[int, list[int]] = {}
    for run, is_open, number in rows.values_list("run", "is_open").annotate(n=Count("pk")):
        brought.setdefault(run, [0, 0])[0 if is_open else 1] += number
    closing = dict(
        rows.filter(closed_run__isnull=False).values_list("closed_run").annotate(n=Count("pk"))
    )
    newest = sorted(brought.keys() | closing.keys(), reverse=True)[:RUNS]
    return [
        RunTrend(run, sum(own := brought.get(run, [0, 0])), own[0], closing.get(run, 0))
        for run in newest
    ]


class SourceLine(NamedTuple):
    """A source with its findings, for the list of sources."""

    source: ImportSource
    open: int
    closed: int
    newest: Any


def sources() -> list[SourceLine]:
    """Return the sources with findings, most open first. Two queries."""
    rows = (
        Finding.objects.order_by()
        .values_list("source", "is_open")
        .annotate(n=Count("pk"), newest=Max("decided_at"))
    )
    found: dict[int, dict[bool, tuple[int, Any]]] = {}
    for source, is_open, number, newest in rows:
        found.setdefault(source, {})[is_open] = (number, newest)
    named = ImportSource.objects.in_bulk(found)
    lines = [
        SourceLine(
            named[pk],
            parts.get(True, (0, None))[0],
            parts.get(False, (0, None))[0],
            max(newest for _, newest in parts.values()),
        )
        for pk, parts in found.items()
    ]
    return sorted(lines, key=lambda line: (-line.open, line.source.name))


# --- Lines for a program ------------------------------------------------------------------------


def json_lines(wanted: Wanted) -> Iterator[str]:
    """Yield the findings that fit as lines of JSON, oldest first, in constant memory.

    Four queries per `EXPORT_PAGE` findings; none holds a transaction open.
    """
    source = ImportSource.objects.get(pk=wanted.source).name
    last = 0
    while rows := list(
        findings(wanted).filter(decision__gt=last).order_by("decision")[:EXPORT_PAGE]
    ):
        last = rows[-1].decision_id
        known = _Known(rows)
        for row in rows:
            yield json.dumps(known.line(source, row), ensure_ascii=False) + "\n"


class _Known:
    """What lines need beside the findings of one page, looked up at once."""

    def __init__(self, rows: Sequence[Finding]) -> None:
        self.keys = dict(
            ImportedPost.objects.filter(post__in={row.post_id for row in rows}).values_list(
                "post_id", "key"
            )
        )
        ids = {row.revision_id for row in rows}
        self.revisions: dict[int, Mapping[str, Any]] = {
            row["pk"]: row
            for row in Revision.objects.filter(pk__in=ids).values(
                *("pk", "number", "digest", "title", "run_line", "meta__payload"),
                *("meta__reference", "meta__hash"),
            )
        }
        self.notes: dict[int, list[dict[str, str]]] = {}
        for note in DraftNote.objects.filter(revision__in=ids, resolved_at__isnull=True).order_by(
            "pk"
        ):
            self.notes.setdefault(note.revision_id, []).append(
                {"passage": note.passage, "note": note.text}
            )

    def line(self, source: str, row: Finding) -> dict[str, Any]:
        revision = self.revisions[row.revision_id]
        payload = revision["meta__payload"] or {}
        return {
            "finding": row.decision_id,
            "source": source,
            "key": self.keys[row.post_id],
            "reference": revision["meta__reference"] or "",
            "title": revision["title"],
            "revision": revision["number"],
            "digest": revision["digest"],
            "hash": revision["meta__hash"] or "",
            "run": row.run_id,
            "line": revision["run_line"],
            "generator": payload.get("generator", ""),
            "scenario": payload.get("scenario", ""),
            "seed": payload.get("seed"),
            "stack": row.stack,
            "verdict": row.verdict,
            "reason": row.reason,
            "passages": self.notes.get(row.revision_id, []),
            "decided_at": row.decided_at.isoformat(),
            "state": "open" if row.is_open else "closed",
            "closed_by_run": row.closed_run_id,
            "closed_at": row.closed_at.isoformat() if row.closed_at else None,
        }
