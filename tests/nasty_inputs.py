"""Runs the import command on inputs that may do harm, and says what became of every record.

In: files, as bytes. Out: an `Outcome`; `told` and `between` check what holds for every input: no
exception reaches the user, what stands beside the nasty record goes in, a second run works.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from django.core.management import call_command

from posts.content import escaped
from posts.importing.export import canonical_lines
from posts.models import ImportReject, ImportRun, Post, Revision

COMPLETE, REJECTS = 0, 4
BEFORE, AFTER = "n-before", "n-after"


class Refused(NamedTuple):
    """What the reject of a nasty record has to say; `value` and `expected` are parts of texts."""

    code: str
    field: str = ""
    value: str = ""
    expected: str = ""


class Stored(NamedTuple):
    """What a nasty record is stored with: codes of repairs and warnings, and a look at it."""

    findings: tuple[str, ...] = ()
    check: Callable[[Revision], bool] = lambda revision: True


@dataclass
class Outcome:
    """What one call of the command told: exit code, the object of `--json`, texts, rejects."""

    code: int
    told: dict[str, Any]
    out: str
    err: str
    rejects: list[ImportReject]

    @property
    def counts(self) -> dict[str, int]:
        """Return what became of the records, without zeros."""
        names = ("created", "updated", "unchanged", "held", "filtered", "rejected")
        return {name: self.told[name] for name in names if self.told[name]}

    @property
    def findings(self) -> set[str]:
        return {*self.told["repairs"], *self.told["warnings"]}


def line(key: str = "n-1", **fields: Any) -> bytes:
    """Return a small valid record; a field given as None is left out."""
    record = {"key": key, "title": "A note", "body": "Text.", **fields}
    kept = {name: value for name, value in record.items() if value is not None}
    return json.dumps(kept, ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n"


def import_posts(*paths: str | Path, source: str = "notes", **options: Any) -> Outcome:
    """Call the command; check that the counts add up and the rejects file says what the table says.

    Anything but an exit is an exception that a user would see, and fails the test.
    """
    out, err = io.StringIO(), io.StringIO()
    arguments = [*map(str, paths), "--source", source, "--json"]
    rejects_file = Path(options.setdefault("rejects", f"rejects-{source}.jsonl"))
    try:
        call_command("import_posts", *arguments, stdout=out, stderr=err, **options)
    except SystemExit as ended:
        code = int(ended.code or 0)
    told = json.loads(out.getvalue())
    run = ImportRun.objects.get(pk=told["run"])
    rejects = list(run.rejects.order_by("sequence"))
    outcomes = [name for name in told if name in COUNTED]
    assert told["read"] == sum(told[name] for name in outcomes)
    assert len({(reject.file, reject.record) for reject in rejects}) == told["rejected"]
    written = rejects_file.read_text("utf-8").split("\n")[:-1] if rejects else []
    assert [json.loads(row)["code"] for row in written] == [reject.code for reject in rejects]
    for reject in rejects:
        assert reject.expected
        assert reject.hint
        assert len(reject.value) <= 200
        for text in (reject.file, reject.field, reject.value, reject.expected):
            assert escaped(text) == text, ascii(text)
    return Outcome(code, told, out.getvalue(), err.getvalue(), rejects)


COUNTED = {
    *("created", "updated", "statistics", "unchanged", "held", "converged", "tombstoned"),
    *("filtered", "rejected"),
}


def archive() -> bytes:
    """Return the canonical export of everything there is."""
    return b"".join(canonical_lines())


def between(nasty: bytes) -> bytes:
    """Return a nasty line with a good one before it and behind it."""
    return line(BEFORE) + nasty.removesuffix(b"\n") + b"\n" + line(AFTER)


def check_line(folder: Path, nasty: bytes, wanted: Refused | Stored) -> None:
    """Import a nasty line between two good ones, twice, and compare with what is wanted."""
    path = folder / "nasty.jsonl"
    path.write_bytes(between(nasty))
    first = import_posts(path)
    good = {post.title for post in Post.objects.filter(imported__key__in=[BEFORE, AFTER])}
    assert good == {"A note"}
    if isinstance(wanted, Refused):
        assert_refused(first, [wanted], line=2, byte=len(line(BEFORE)))
        assert first.counts == {"created": 2, "rejected": 1}
        again = {"unchanged": 2, "rejected": 1}
    else:
        assert first.rejects == [], told(first.rejects)
        assert first.counts == {"created": 3}
        assert first.findings == set(wanted.findings), first.told
        (revision,) = Revision.objects.exclude(post__imported__key__in=[BEFORE, AFTER])
        assert wanted.check(revision)
        assert revision.post.title == revision.title
        again = {"unchanged": 3}
    before = archive()

    second = import_posts(path)

    assert second.counts == again
    assert told(second.rejects) == told(first.rejects)
    assert archive() == before


def told(rejects: Sequence[ImportReject]) -> list[tuple[Any, ...]]:
    """Return what rejects say, without the run they belong to."""
    names = ("file", "record", "line", "byte", "key", "field", "code", "value", "expected", "hint")
    return [tuple(getattr(reject, name) for name in names) for reject in rejects]


def assert_refused(
    outcome: Outcome, wanted: Sequence[Refused], *, line: int = 0, byte: int | None = None
) -> None:
    """Check the rejects one by one; a line of 0 is any line."""
    found = [(reject.code, reject.field) for reject in outcome.rejects]
    assert found == [(one.code, one.field) for one in wanted], told(outcome.rejects)
    assert outcome.code == REJECTS
    for reject, one in zip(outcome.rejects, wanted, strict=True):
        assert one.value in reject.value, reject.value
        assert one.expected in reject.expected, reject.expected
        assert reject.line == line or not line
        assert byte is None or reject.byte == byte
