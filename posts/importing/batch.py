"""One batch of classified records, written in bulk.

In: items with an outcome. Out: their rows, and outcomes decided again on what was locked. Only rows
of new and changed posts are written. The caller owns the transaction and the run's log.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence

from django.db import DatabaseError, DataError, IntegrityError, transaction
from django.db.models import Max

from posts import claim_checks, content, db, findings, projection, queue, slugs
from posts.images import uses
from posts.importing import former_urls
from posts.importing.classification import (
    CONVERGED,
    CREATED,
    HELD,
    STATISTICS,
    UNCHANGED,
    UPDATED,
    Item,
    standings,
)
from posts.models import ImportedPost, ImportRun, Post, Revision, Slug, Statistics
from posts.reflection import LIST_COLUMNS
from posts.transitions import INITIAL_VISIBILITY


def write(
    items: Sequence[Item],
    *,
    run: ImportRun,
    names: projection.Names,
    publish: bool,
    now: dt.datetime,
) -> None:
    """Write what the outcomes ask for, inside the caller's transaction.

    A record the database refuses is rejected alone: the rest of the batch is tried again without
    it. Queries do not depend on the number of records, except for rejected ones.
    """
    queued = _queued_before(items)
    # All of them now, in one order: taken later and one by one, locks could wait for each other.
    queue.hold(queued)
    are_known = _resolve_all(items, names)

    def resolve(some: list[Item]) -> None:
        if not are_known:
            # What an attempt before this one created went with its savepoint.
            names.forget()
            names.resolve(item.ready.reflection for item in some)

    def create(some: list[Item]) -> None:
        resolve(some)
        _create(some, run=run, names=names, publish=publish, now=now)

    def change(some: list[Item]) -> None:
        resolve(some)
        _change(some, run=run, names=names, now=now)

    _write_guarded([item for item in items if item.outcome == CREATED], create)
    _write_guarded([item for item in items if item.outcome == UPDATED], change)
    if not are_known:
        names.forget()
    _update_statistics(
        [item for item in items if item.outcome in (STATISTICS, UPDATED, HELD, CONVERGED)]
    )
    _update_identities(
        [
            item
            for item in items
            if item.prepared and item.outcome in (STATISTICS, UNCHANGED, CONVERGED)
        ]
    )
    queue.refresh(queued)
    findings.follow(queued)


def _queued_before(items: Sequence[Item]) -> list[int]:
    """Return the posts whose place in the review queue may change with this batch."""
    return [
        item.identity.post_id
        for item in items
        if item.outcome in (UPDATED, STATISTICS) and item.identity and item.identity.post_id
    ]


def _has_content(item: Item) -> bool:
    return item.outcome in (CREATED, UPDATED)


def _resolve_all(items: Sequence[Item], names: projection.Names) -> bool:
    """Know the names of all records at once; say False when the database refuses one of them."""
    try:
        with transaction.atomic():
            names.resolve(item.ready.reflection for item in items if _has_content(item))
    except DatabaseError as error:
        if not _is_refusal(error):
            raise
        return False
    return True


def _is_refusal(error: DatabaseError) -> bool:
    """Say whether a value is the reason, such as one too long to be indexed (SQLSTATE 54)."""
    state = getattr(error.__cause__, "sqlstate", None) or ""
    return isinstance(error, IntegrityError | DataError) or state.startswith("54")


def _write_guarded(items: list[Item], write_some: Callable[[list[Item]], None]) -> None:
    """Write items; when the database refuses them, halve until the guilty one stands alone."""
    if not items:
        return
    try:
        with transaction.atomic():
            write_some(items)
    except DatabaseError as error:
        if not _is_refusal(error):
            raise
        if len(items) > 1:
            middle = len(items) // 2
            _write_guarded(items[:middle], write_some)
            _write_guarded(items[middle:], write_some)
            return
        cause = error.__cause__ or error
        items[0].reject(
            content.Problem(
                code="database_refused",
                value=content.shown(str(cause).splitlines()[0]),
                expected="a record that satisfies the constraints of the archive",
                hint="Correct the record and import the file again.",
            )
        )


def _create(
    items: Sequence[Item],
    *,
    run: ImportRun,
    names: projection.Names,
    publish: bool,
    now: dt.datetime,
) -> None:
    posts = db.allocate_ids(Post, len(items))
    revisions = db.allocate_ids(Revision, len(items))
    addresses = _addresses(items, run.source.name)
    visibility = INITIAL_VISIBILITY["publish" if publish else "default"]
    published_at = now if publish else None
    rows = list(zip(items, posts, revisions, addresses, strict=True))
    db.insert_rows(
        Post,
        (
            "id",
            "slug",
            "visibility",
            "published_at",
            "live_revision_id",
            "proposed_revision_id",
            "created_at",
            "changed_at",
            *LIST_COLUMNS,
        ),
        [
            (
                post_id,
                slug,
                visibility,
                published_at,
                revision_id,
                revision_id,
                now,
                now,
                *item.ready.reflection.columns,
            )
            for item, post_id, revision_id, slug in rows
        ],
    )
    _insert_revisions(
        [(item, revision_id, post_id, 1, None, "") for item, post_id, revision_id, _ in rows],
        run=run,
        now=now,
    )
    db.insert_rows(
        Slug,
        ("slug", "post_id", "is_current", "created_at"),
        [(slug, post_id, True, now) for _, post_id, _, slug in rows],
    )
    db.insert_rows(
        Statistics,
        (
            "post_id",
            "imported_reading_time",
            "imported_view_count",
            "imported_score",
            "views",
        ),
        [(post_id, *_statistics_values(item), 0) for item, post_id, _, _ in rows],
    )
    db.insert_rows(
        ImportedPost,
        (
            "source_id",
            "key",
            "post_id",
            "base_revision_id",
            "base_digest",
            "record_digest",
            "statistics_digest",
            "is_tombstone",
        ),
        [
            (
                run.source_id,
                item.key,
                post_id,
                revision_id,
                item.ready.digest,
                item.record_digest,
                item.ready.statistics_digest,
                False,
            )
            for item, post_id, revision_id, _ in rows
        ],
    )
    former_urls.keep((item, post_id) for item, post_id, _, _ in rows)
    projection.insert(
        [projection.Mirrored(post_id, item.ready.reflection, None) for item, post_id, _, _ in rows],
        names,
    )
    queue.insert_new(
        [
            queue.Draft(
                post_id=post_id,
                revision_id=revision_id,
                stack_id=_stack_id(item, names),
                difficulty=_difficulty(item),
                said=item.ready.said,
                lowest_score=item.ready.lowest_score,
                verified=item.ready.checked.verified,
                contradicted=item.ready.checked.contradicted,
                origin=item.ready.origin,
            )
            for item, post_id, revision_id, _ in rows
        ],
        source_id=run.source_id,
        run_id=run.pk,
        is_public=publish,
        now=now,
    )


def _stack_id(item: Item, names: projection.Names) -> int | None:
    stacks = (tag.name for tag in item.ready.reflection.tags if tag.kind == "stack")
    return next((names.tags[name][0] for name in stacks), None)


def _difficulty(item: Item) -> str:
    return str(item.ready.reflection.columns[LIST_COLUMNS.index("difficulty")])


def _addresses(items: Sequence[Item], source: str) -> list[str]:
    """Return a slug for each new post: the source's own unless taken, else made from the title."""
    given = [item.ready.given_slug for item in items if item.ready.given_slug]
    used = Slug.objects.taken(given) if given else set()
    addresses = []
    for item in items:
        slug = item.ready.given_slug
        if slug is None:
            slug = item.ready.made_slug
        elif slug in used:
            slug = slugs.with_suffix(slug, source, item.key or "")
        used.add(slug)
        addresses.append(slug)
    return addresses


def _change(
    items: Sequence[Item], *, run: ImportRun, names: projection.Names, now: dt.datetime
) -> None:
    """Add revisions to posts that exist; decide on what is locked whether the page follows."""
    ids = [item.identity.post_id for item in items if item.identity and item.identity.post_id]
    found = standings(ids, lock=True)
    newest = dict(
        Revision.objects.filter(post_id__in=ids)
        .values_list("post_id")
        .annotate(newest=Max("number"))
        .order_by()
    )
    moving: list[tuple[Item, int, int, tuple[str, ...]]] = []
    pending = []
    for item in items:
        identity = item.identity
        assert identity is not None and identity.post_id is not None  # noqa: S101, PT018
        item.outcome, pointers = found[identity.post_id].judge(item.ready.digest)
        if item.outcome != CONVERGED:
            pending.append((item, identity.post_id, pointers))
    for revision_id, (item, post_id, pointers) in zip(
        db.allocate_ids(Revision, len(pending)), pending, strict=True
    ):
        moving.append((item, post_id, revision_id, pointers))
    if not moving:
        return
    _insert_revisions(
        [
            (
                item,
                revision_id,
                post_id,
                newest[post_id] + 1,
                item.identity.base_revision_id if item.identity else None,
                "",
            )
            for item, post_id, revision_id, _ in moving
        ],
        run=run,
        now=now,
    )
    former_urls.keep((item, post_id) for item, post_id, _, _ in moving)
    replaced = [row for row in moving if "live" in row[3]]
    db.update_rows(
        Post,
        "id",
        ("live_revision_id", "proposed_revision_id", "changed_at", *LIST_COLUMNS),
        [
            (post_id, revision_id, revision_id, now, *item.ready.reflection.columns)
            for item, post_id, revision_id, _ in replaced
        ],
    )
    projection.replace(
        [
            projection.Mirrored(post_id, item.ready.reflection, None)
            for item, post_id, _, _ in replaced
        ],
        names,
    )
    db.update_rows(
        Post,
        "id",
        ("proposed_revision_id",),
        [
            (post_id, revision_id)
            for _, post_id, revision_id, pointers in moving
            if pointers == ("proposed",)
        ],
    )
    db.update_rows(
        ImportedPost,
        "id",
        (
            "base_revision_id",
            "waiting_revision_id",
            "base_digest",
            "record_digest",
            "statistics_digest",
        ),
        [
            (
                item.identity.pk if item.identity else 0,
                revision_id,
                revision_id if "waiting" in pointers else None,
                item.ready.digest,
                item.record_digest,
                item.ready.statistics_digest,
            )
            for item, _, revision_id, pointers in moving
        ],
    )


def _insert_revisions(
    rows: Sequence[tuple[Item, int, int, int, int | None, str]],
    *,
    run: ImportRun,
    now: dt.datetime,
) -> None:
    db.insert_rows(
        Revision,
        (
            "id",
            "post_id",
            "number",
            "parent_id",
            "comment",
            "digest",
            "title",
            "lede",
            "body",
            "meta",
            "origin",
            "run_id",
            "run_file",
            "run_line",
            "created_at",
        ),
        [
            (
                revision_id,
                post_id,
                number,
                parent_id,
                comment,
                item.ready.digest,
                item.ready.title,
                item.ready.lede,
                item.ready.body,
                item.ready.meta,
                Revision.Origin.IMPORT.value,
                run.pk,
                item.file,
                item.raw.position.line,
                now,
            )
            for item, revision_id, post_id, number, parent_id, comment in rows
        ],
    )
    claim_checks.insert((revision_id, item.ready.checked) for item, revision_id, *_ in rows)
    uses.record(
        (revision_id, url)
        for item, revision_id, *_ in rows
        for _, url in item.ready.reflection.images
        if url.startswith(content.UPLOAD)
    )


def _statistics_values(item: Item) -> tuple[int | None, int | None, str]:
    return item.ready.reading_time, item.ready.view_count, item.ready.score


def _update_statistics(items: Sequence[Item]) -> None:
    """Imported numbers are updated in place, last write wins (DATA-MODEL.md)."""
    moved = [
        (item, item.identity)
        for item in items
        if item.identity and item.identity.statistics_digest != item.ready.statistics_digest
    ]
    db.update_rows(
        Statistics,
        "post_id",
        ("imported_reading_time", "imported_view_count", "imported_score"),
        [(identity.post_id, *_statistics_values(item)) for item, identity in moved],
    )
    # A new revision was judged with these numbers; texts that stay are to be judged again.
    staying = [(item, identity) for item, identity in moved if item.outcome != UPDATED]
    fresh = [
        (identity.base_revision_id, item.ready.checked)
        for item, identity in staying
        if item.outcome == STATISTICS and identity.base_revision_id
    ]
    claim_checks.update(fresh)
    claim_checks.outdate(
        [identity.post_id for _, identity in staying if identity.post_id],
        but={revision_id for revision_id, _ in fresh},
    )


def _update_identities(items: Sequence[Item]) -> None:
    """Remember other bytes for equal content, so that the next run need not decode them."""
    db.update_rows(
        ImportedPost,
        "id",
        ("base_digest", "record_digest", "statistics_digest"),
        [
            (
                item.identity.pk,
                item.ready.digest,
                item.record_digest,
                item.ready.statistics_digest,
            )
            for item in items
            if item.identity
        ],
    )
