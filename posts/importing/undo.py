"""Undo of an import run: posts as they were before it, but for those somebody built on.

In: a run. Out: a run of kind undo with its own checkpoints, and for every post that was kept the
reason, as a reject of that run. Imported numbers are not taken back. Renders nothing.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from django.db import IntegrityError, transaction
from django.utils import timezone

from posts import db, findings, moves, queue
from posts.importing import erasure, former_urls, runs
from posts.importing.retrace import Keep, Past, Pointers, Version, judge
from posts.models import (
    Event,
    ImportCheckpoint,
    ImportedPost,
    ImportReject,
    ImportRun,
    Post,
    Revision,
)
from posts.transitions import PUBLISHED, state_of

if TYPE_CHECKING:
    from django.contrib.auth.models import User

REVERSED, KEPT, FAILED = "reversed", "kept", "failed"

#: What a post became, and the column of `ImportRun` that counts it: the run's columns are those
#: of an import, and `read` stays the sum of the others.
COLUMNS = {REVERSED: "updated", KEPT: "unchanged", FAILED: "rejected"}

#: Kept posts named in the progress; all of them are rejects of the undo run.
KEPT_NAMED = 10_000

#: Why a post was kept -> what would have to be so, what can be done.
REASONS = {
    "later_run": (
        "a post that no later run touched",
        "Undo the later run first, then run this undo again.",
    ),
    "edited": ("a post nobody edited since", "Restore an older revision by hand."),
    "decided": ("a revision nobody decided on", "Reject it, or restore an older revision by hand."),
    "moved": (
        "a post nobody published, took back or archived since",
        "Archive it, or erase it with erase_posts.",
    ),
    "tagged": ("a post nobody tagged", "Archive it, or erase it with erase_posts."),
    "slug": ("a post at its first address", "Archive it, or erase it with erase_posts."),
    "unclear": ("a history that explains the post's state", "Restore an older revision by hand."),
    "database_refused": ("a post nothing else refers to", "See the value; then run this again."),
}


class UndoError(runs.ImportFailedError):
    """A run that cannot be undone: why, and what to do."""


@dataclass(frozen=True, slots=True)
class KeptPost:
    """A post that stays as it is: key, code of the reason, what the database said, its name."""

    key: str
    reason: str
    said: str = ""
    post: int = field(default=0, compare=False)
    title: str = field(default="", compare=False)


@dataclass(slots=True)
class Progress:
    """How far an undo is; handed to the command after every batch."""

    parent: ImportRun
    run: ImportRun | None = None
    counts: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    kept: list[KeptPost] = field(default_factory=list)
    #: Of the posts reversed: those that go as a whole, and those of them that readers see now.
    removed: int = 0
    removed_public: int = 0
    names_removed: int = 0
    seconds: float = 0.0
    state: str = ImportRun.State.RUNNING

    def add(self, verdicts: Sequence[Verdict], kept: Sequence[KeptPost]) -> None:
        self.counts.update(verdict.outcome for verdict in verdicts)
        going = [v.post for v in verdicts if v.past and v.past.is_nothing and not v.reason]
        self.removed += len(going)
        self.removed_public += sum(post.visibility == PUBLISHED for post in going)
        self.reasons.update(one.reason for one in kept)
        self.kept += kept[: max(0, KEPT_NAMED - len(self.kept))]


class Verdict(NamedTuple):
    """What becomes of a post: erased (no `past`), put back to `past`, or kept for a reason."""

    post: Post
    identity: ImportedPost | None
    past: Past | None
    own: Sequence[int]
    reason: str = ""
    said: str = ""

    @property
    def outcome(self) -> str:
        if not self.reason:
            return REVERSED
        return FAILED if self.reason == "database_refused" else KEPT


def undo_run(
    parent: ImportRun,
    *,
    dry_run: bool = False,
    batch_size: int | None = None,
    by: User | None = None,
    on_batch: Callable[[Progress], None] = lambda progress: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Progress:
    """Take a run back and return what became of its posts.

    A dry run judges in the same way and writes nothing. Failures whose cause may pass are waited
    out. Raises `UndoError` for a run that is no import, and `SourceBusyError` while another run
    holds the source, also when one takes it over.
    """
    if parent.kind != ImportRun.Kind.IMPORT:
        raise UndoError(
            f"Run {parent.pk} is an {parent.kind}; expected an import. "
            "To take an undo back, import the input of its run again."
        )
    started = time.monotonic()
    batch_size = batch_size or db.batch_size()
    progress = Progress(parent)
    writer = None if dry_run else _Writer(parent, batch_size, by)
    progress.run = writer.run if writer else None
    try:
        for post_ids in _batches(parent, batch_size):
            if writer is None:
                verdicts = runs.persistently(partial(_judged, parent, post_ids, lock=False))
                progress.add(verdicts, _kept(verdicts))
            else:
                writer.take(post_ids, progress)
            progress.seconds = time.monotonic() - started
            on_batch(progress)
            if should_stop():
                progress.state = ImportRun.State.STOPPED
                break
        else:
            progress.state = ImportRun.State.COMPLETE
        if writer is not None:
            writer.close(progress.state)
    except BaseException as error:
        progress.state = ImportRun.State.FAILED
        if writer is not None and not isinstance(error, runs.SourceBusyError):
            writer.close(progress.state, f"{type(error).__name__}: {error}"[:2000])
        raise
    finally:
        progress.seconds = time.monotonic() - started
    return progress


def _batches(parent: ImportRun, batch_size: int) -> Iterator[list[int]]:
    """Yield the posts of a run, each once, by walking its revisions in order. Two queries a batch.

    A run may bring several revisions of a post; it is met at the first of them.
    """
    last: int | None = 0
    while last is not None:
        fresh, last = runs.persistently(partial(_next_posts, parent, last, batch_size))
        if fresh:
            yield fresh


def _next_posts(parent: ImportRun, last: int, batch_size: int) -> tuple[list[int], int | None]:
    """Return posts first met behind a revision, and the revision to go on behind."""
    page = list(
        Revision.objects.filter(run=parent, pk__gt=last)
        .order_by("pk")
        .values_list("pk", "post_id")[:batch_size]
    )
    ids = list(dict.fromkeys(post_id for _, post_id in page))
    met = {
        post_id
        for chunk in db.chunked(ids)
        for post_id in Revision.objects.filter(
            run=parent, pk__lte=last, post_id__in=chunk
        ).values_list("post_id", flat=True)
    }
    return [post_id for post_id in ids if post_id not in met], page[-1][0] if page else None


def _judged(parent: ImportRun, post_ids: Sequence[int], *, lock: bool) -> list[Verdict]:
    """Return what is to become of posts, which are locked if they are to be written. 4 queries."""
    rows = Post.objects.filter(pk__in=post_ids).order_by("pk")
    posts = list(rows.select_for_update() if lock else rows)
    identities = {one.post_id: one for one in ImportedPost.objects.filter(post_id__in=post_ids)}
    versions: dict[int, list[Version]] = defaultdict(list)
    for post_id, *values in (
        Revision.objects.filter(post_id__in=post_ids)
        .order_by("number")
        .values_list("post_id", *Version._fields)
    ):
        versions[post_id].append(Version._make(values))
    events: dict[int, list[tuple[str, dict[str, Any]]]] = defaultdict(list)
    for event in Event.objects.filter(post_id__in=post_ids).order_by("post_id", "sequence"):
        events[event.post_id or 0].append((event.kind, event.data))
    return [
        _verdict(parent, post, identities.get(post.pk), versions[post.pk], events[post.pk])
        for post in posts
    ]


def _verdict(
    parent: ImportRun,
    post: Post,
    identity: ImportedPost | None,
    versions: Sequence[Version],
    events: Sequence[tuple[str, dict[str, Any]]],
) -> Verdict:
    own = [version for version in versions if version.run_id == parent.pk]
    ids = [version.pk for version in own]
    now = Pointers(
        post.live_revision_id,
        post.proposed_revision_id,
        post.approved_revision_id,
        identity.waiting_revision_id if identity else None,
    )
    judged = judge(versions, events, run_id=parent.pk, now=now)
    if isinstance(judged, Keep):
        return Verdict(post, identity, None, ids, judged.reason)
    base = (identity.base_revision_id, identity.base_digest) if identity else None
    if base != (own[-1].pk, own[-1].digest):
        # The next import would compare with something else than what this run brought.
        return Verdict(post, identity, None, ids, "later_run")
    return Verdict(post, identity, judged, ids)


def _kept(verdicts: Sequence[Verdict]) -> list[KeptPost]:
    return [
        KeptPost(
            verdict.identity.key if verdict.identity else f"post {verdict.post.pk}",
            verdict.reason,
            verdict.said,
            verdict.post.pk,
            verdict.post.title,
        )
        for verdict in verdicts
        if verdict.reason
    ]


@dataclass(slots=True)
class _Done:
    """What one transaction did; known also when the answer to its commit was lost."""

    verdicts: list[Verdict] = field(default_factory=list)
    kept: list[KeptPost] = field(default_factory=list)
    names_removed: int = 0
    chain: str = ""


class _Writer:
    """A real undo: owns its source by a fence number that every batch checks."""

    def __init__(self, parent: ImportRun, batch_size: int, by: User | None) -> None:
        self.parent = parent
        self.batch = 0
        self.kept = 0
        self.chain = ""
        self.run = runs.begin(
            source_name=parent.source.name,
            kind=ImportRun.Kind.UNDO,
            options={"run": parent.pk, "batch_size": batch_size},
            by=by,
            parent=parent,
            at_once=lambda run: _let_nobody_go_on_with(parent),
        )

    def take(self, post_ids: Sequence[int], progress: Progress) -> None:
        """Take posts back in one transaction of about 40 queries.

        When the database refuses that, halves are tried, so that one post fails alone.
        """
        self._take(post_ids, progress, refusal="")

    def _take(self, post_ids: Sequence[int], progress: Progress, *, refusal: str) -> None:
        done = _Done()
        try:
            runs.persistently(
                partial(self._write, post_ids, refusal, done),
                was_done=partial(self._was_written, done),
            )
        except IntegrityError as error:
            self._forget()
            if refusal:
                raise
            if len(post_ids) == 1:
                self._take(post_ids, progress, refusal=str(error).splitlines()[0][:200])
                return
            middle = len(post_ids) // 2
            self._take(post_ids[:middle], progress, refusal="")
            self._take(post_ids[middle:], progress, refusal="")
            return
        self.batch += 1
        self.kept += len(done.kept)
        self.chain = done.chain
        progress.names_removed += done.names_removed
        progress.add(done.verdicts, done.kept)

    def _write(self, post_ids: Sequence[int], refusal: str, done: _Done) -> bool:
        began, now = time.monotonic(), timezone.now()
        with transaction.atomic():
            runs.hold(self.run, now)
            done.verdicts = _judged(self.parent, post_ids, lock=True)
            if refusal:
                done.verdicts = [
                    verdict._replace(reason="database_refused", said=refusal)
                    for verdict in done.verdicts
                ]
            done.names_removed = self._carry_out([v for v in done.verdicts if not v.reason], now)
            done.kept = _kept(done.verdicts)
            self._log(done, now, round((time.monotonic() - began) * 1000))
        return True

    def _was_written(self, done: _Done) -> bool | None:
        """Say whether the batch was committed although its answer was lost."""
        if ImportCheckpoint.objects.filter(run=self.run, batch=self.batch + 1).exists():
            return True
        self._forget()
        return None

    def _forget(self) -> None:
        """Leave out what was counted in a transaction that was lost."""
        self.run.refresh_from_db(fields=["read", *COLUMNS.values()])

    def _carry_out(self, verdicts: Sequence[Verdict], now: dt.datetime) -> int:
        """Erase and put back; return how many names nobody uses any more went with it."""
        erased = [verdict for verdict in verdicts if verdict.past and verdict.past.is_nothing]
        put_back = [verdict for verdict in verdicts if verdict.past and not verdict.past.is_nothing]
        metas = [
            meta
            for chunk in db.chunked([pk for verdict in verdicts for pk in verdict.own])
            for meta in Revision.objects.filter(pk__in=chunk).values_list("meta", flat=True)
        ]
        with db.erasing(f"undo of run {self.parent.pk}"):
            _put_back(put_back, now)
            ids = [verdict.post.pk for verdict in erased]
            for chunk in db.chunked(ids):
                identities = ImportedPost.objects.filter(post_id__in=chunk)
                identities._raw_delete(identities.db)
            erasure.remove_rows(ids)
            former_urls.take_back([verdict.post.pk for verdict in verdicts], metas)
        return erasure.remove_unused_names(metas, now=now, run=self.run)

    def _log(self, done: _Done, now: dt.datetime, elapsed: int) -> None:
        counts = Counter(verdict.outcome for verdict in done.verdicts)
        keys = "\n".join(str(verdict.post.pk) for verdict in done.verdicts)
        done.chain = hashlib.sha256((self.chain + keys).encode()).hexdigest()
        db.insert_rows(
            ImportReject,
            (
                *("run_id", "sequence", "file", "record", "line", "byte", "key", "field", "code"),
                *("value", "expected", "is_retryable", "hint", "raw_digest"),
            ),
            [
                (
                    *(self.run.pk, self.kept + number, "", self.kept + number, 0, 0),
                    *(one.key, "", one.reason, one.said, REASONS[one.reason][0]),
                    *(one.reason == "later_run", REASONS[one.reason][1], ""),
                )
                for number, one in enumerate(done.kept, start=1)
            ],
        )
        self.run.read += len(done.verdicts)
        for outcome, number in counts.items():
            column = COLUMNS[outcome]
            setattr(self.run, column, getattr(self.run, column) + number)
        self.run.save(update_fields=["read", *COLUMNS.values()])
        ImportCheckpoint.objects.create(
            run=self.run,
            batch=self.batch + 1,
            file=0,
            byte_offset=0,
            record=self.run.read,
            line=0,
            chain_digest=done.chain,
            counts=dict(counts),
            milliseconds=elapsed,
            created_at=now,
        )

    def close(self, state: str, message: str = "") -> None:
        runs.persistently(self._forget)
        counts = {name: getattr(self.run, column) for name, column in COLUMNS.items()}
        runs.close(self.run, state, message=message, counts={"undone": self.parent.pk, **counts})


def _let_nobody_go_on_with(parent: ImportRun) -> None:
    """Break the chains of a run and of those that went on with it.

    An import that went on behind their last checkpoints would leave out what the undo removes.
    """
    runs = {parent.pk}
    while runs:
        ImportCheckpoint.objects.filter(run__in=runs).update(chain_digest="")
        children = ImportRun.objects.filter(parent__in=runs, kind=ImportRun.Kind.IMPORT)
        runs = set(children.values_list("pk", flat=True))


def _put_back(verdicts: Sequence[Verdict], now: dt.datetime) -> None:
    """Move pointers, mirrors and identities back, then remove what the run brought."""
    if not verdicts:
        return
    pages = {}
    places = []
    identities = []
    for post, identity, past, _, _, _ in verdicts:
        assert past is not None and past.pointers is not None  # noqa: S101, PT018
        assert past.base is not None and identity is not None  # noqa: S101, PT018
        before = past.pointers
        if before.live != post.live_revision_id:
            pages[post.pk] = replace(state_of(post), live=before.live)
        places.append((post.pk, before.live, before.proposed))
        # Without the digest of the raw record the next import decodes it and compares contents.
        identities.append((identity.pk, past.base.pk, before.waiting, past.base.digest, ""))
    db.update_rows(Post, "id", ("live_revision_id", "proposed_revision_id"), places)
    for chunk in db.chunked(list(pages)):
        Post.objects.filter(pk__in=chunk).update(changed_at=now)
    moves.mirror(pages)
    db.update_rows(
        ImportedPost,
        "id",
        ("base_revision_id", "waiting_revision_id", "base_digest", "record_digest"),
        identities,
    )
    erasure.remove_revisions([pk for verdict in verdicts for pk in verdict.own])
    queue.refresh(verdict.post.pk for verdict in verdicts)
    findings.follow(verdict.post.pk for verdict in verdicts)
