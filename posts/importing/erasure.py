"""Removal of posts with all their rows: for the undo of an import and for a logged erasure.

In: ids of posts whose rows the caller's transaction locked. Out: nothing of them but, after an
erasure, a tombstone that keeps the post from being imported again. Whoever adds a table that refers
to a post or a revision need not come here: relations are found, not listed.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
from django.core.exceptions import PermissionDenied
from django.db import models, transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from posts import content, counters, db, gate, gone, history, queue, topics
from posts.images import uses
from posts.importing import former_urls, runs
from posts.models import (
    BulkAction,
    CounterDelta,
    Entity,
    FormerUrl,
    ImageSource,
    ImportedPost,
    ImportReject,
    ImportRun,
    ImportSource,
    Post,
    PostEntity,
    PostImage,
    PostTag,
    QueueEntry,
    Revision,
    RevisionImage,
    Tag,
)
from posts.reflection import entity_names
from posts.search import vocabulary

if TYPE_CHECKING:
    from django.contrib.auth.models import User

PERMISSION = "posts.delete_post"
#: Posts erased by one call: it is one transaction, and a list of names somebody typed.
ERASED_MAX = 10_000
REASON_MAX = BulkAction._meta.get_field("reason").max_length or 0


class ErasureError(Exception):
    """An erasure that was not carried out: what is in the way and what to do."""


def erase(
    *, post_ids: Sequence[int], by: User, reason: str, now: dt.datetime | None = None
) -> BulkAction:
    """Erase posts for good, leave tombstones, and log it. One transaction: all of them or none.

    The log is a `BulkAction` with person, reason and numbers, and an event of every run that had
    created some of the posts; neither holds a title, an address or a text. About 30 queries.

    Raises `PermissionDenied` without the permission posts.delete_post, and `ErasureError` for a
    reason that is missing or too long, for too many posts, and while a run holds their source.
    """
    if not by.has_perm(PERMISSION):
        raise PermissionDenied(f"Erasing needs the permission {PERMISSION}.")
    if not reason.strip() or len(reason) > REASON_MAX:
        raise ErasureError(
            f"Got a reason of {len(reason.strip())} characters; expected 1 to {REASON_MAX}."
        )
    if len(post_ids) > ERASED_MAX:
        raise ErasureError(
            f"Got {len(post_ids):,} posts; at most {ERASED_MAX:,} are erased at once. Name fewer."
        )
    now = now or timezone.now()
    with transaction.atomic():
        _hold_sources(post_ids, now)
        posts = list(Post.objects.select_for_update().filter(pk__in=post_ids).order_by("pk"))
        ids = [post.pk for post in posts]
        gates = [gate.Gate(p.pk, p.listed_at, p.archive_at) for p in posts]
        gate.count(gates, -1, now)
        gate.note_departures(gates, now=now)
        runs = Counter(
            Revision.objects.filter(post_id__in=ids, number=1, run__isnull=False).values_list(
                "run_id", flat=True
            )
        )
        metas = list(Revision.objects.filter(post_id__in=ids).values_list("meta", flat=True))
        editorial = set(
            PostTag.objects.filter(
                content_object_id__in=ids, origin=PostTag.Origin.EDITORIAL
            ).values_list("tag__name", flat=True)
        )
        words = vocabulary.words_of(ids)
        with db.erasing("logged erasure"):
            _clear_rejects(ids)
            _leave_tombstones(ids)
            gone.remember([p.pk for p in posts if p.published_at and p.published_at <= now], now)
            remove_rows(ids, by=by, now=now)
            former_urls.take_back(ids, metas)
        vocabulary.forget(words)
        remove_unused_names(metas, now=now, tags=editorial)
        topics.remove_unused(meta.get("topic", "") for meta in metas)
        logged = BulkAction.objects.create(
            actor=by,
            action="erase",
            filters={"posts": len(ids)},
            reason=reason,
            started_at=now,
            finished_at=now,
            changed=len(ids),
            skipped=len(set(post_ids)) - len(ids),
        )
        for run in ImportRun.objects.filter(pk__in=runs).order_by("pk"):
            history.append_to_run(
                run,
                "erase",
                data={"posts": runs[run.pk], "bulk_action": logged.pk},
                now=now,
                actor=by,
            )
    # Folding changes no number that is read, so its failure is no failure of the erasure.
    transaction.on_commit(lambda: _fold(now), robust=True)
    return logged


def _fold(now: dt.datetime) -> None:
    counters.fold(now=now)


def _hold_sources(post_ids: Sequence[int], now: dt.datetime) -> None:
    """Keep imports of these posts' sources out until the commit; refuse while one is going on.

    An import knows a post by its identity before it locks it, and must find it still there.
    """
    sources = (
        ImportSource.objects.select_for_update(of=("self",))
        .filter(pk__in=ImportedPost.objects.filter(post_id__in=post_ids).values("source_id"))
        .select_related("owner")
        .order_by("pk")
    )
    for source in sources:
        if source.owner is not None and runs.is_alive(source.owner, source.heartbeat_at, now):
            raise ErasureError(
                f"Run {source.owner.pk} is importing from {source.name!r}. Nothing was erased. "
                "Wait for it, or stop it, and try again."
            )


def _clear_rejects(post_ids: Sequence[int]) -> None:
    """Take the texts out of rejects of these posts: a refused version may quote what must go."""
    for source_id, key in ImportedPost.objects.filter(post_id__in=post_ids).values_list(
        "source_id", "key"
    ):
        ImportReject.objects.filter(run__source_id=source_id, key=key).update(value="")


def _leave_tombstones(post_ids: Sequence[int]) -> None:
    for chunk in db.chunked(post_ids):
        ImportedPost.objects.filter(post_id__in=chunk).update(
            post=None, base_revision=None, waiting_revision=None, is_tombstone=True
        )


def remove_rows(
    post_ids: Sequence[int], *, by: User | None = None, now: dt.datetime | None = None
) -> None:
    """Delete posts, their revisions and every row that refers to either.

    The caller opened `db.erasing` and deals with identities and former addresses. One statement a
    table and 500 posts; the constraints, checked at the commit, refuse a post that something else
    still needs. Of events their numbers and hashes stay, so that the seals over them still hold.
    """
    history.forget(post_ids, actor=by, now=now or timezone.now())
    queue.forget(post_ids)
    for chunk in db.chunked(post_ids):
        revisions = list(Revision.objects.filter(post_id__in=chunk).values_list("pk", flat=True))
        for some in db.chunked(revisions):
            for model, field in _referring_to(Revision):
                _delete(model, field, some)
        for model, field in _referring_to(Post):
            _delete(model, field, chunk)
        _delete(Post, "pk", chunk)


def remove_revisions(revision_ids: Sequence[int]) -> None:
    """Delete revisions nobody decided on, and every row that refers to them; see `remove_rows`."""
    for chunk in db.chunked(revision_ids):
        for model, field in _referring_to(Revision):
            _delete(model, field, chunk)
        _delete(Revision, "pk", chunk)


#: Models whose references to posts and revisions are pointers, or taken care of by name: by the
#: caller, who knows whether there are such rows.
_POINTERS = (FormerUrl, ImportedPost, Post, QueueEntry, RevisionImage)


def _referring_to(target: type[models.Model]) -> list[tuple[type[models.Model], str]]:
    """Return models that belong to a post or a revision, and their column that says to which."""
    return [
        (relation.related_model, relation.field.attname)
        for relation in target._meta.get_fields(include_hidden=True)
        if isinstance(relation, models.ManyToOneRel)
        and relation.related_model not in _POINTERS
        and (target, relation.related_model) != (Revision, Revision)
    ]


def _delete(model: type[models.Model], field: str, ids: Sequence[int]) -> None:
    rows: Any = model._default_manager.filter(**{f"{field}__in": ids})
    # No collector: it would load the rows, and send signals that nothing here listens to.
    rows._raw_delete(rows.db)


def remove_unused_names(
    metas: Iterable[dict[str, Any]],
    *,
    now: dt.datetime,
    tags: Iterable[str] = (),
    run: ImportRun | None = None,
) -> int:
    """Delete the tags, entities and images that only removed posts used; return how many.

    Asked for are those of these metas and `tags`. What a person worked on stays: an image with a
    licence, credit or copy of its own. While another run is going on all of them stay, because it
    may know them by their ids. Three queries per 500 names, two more per 500 uploads.
    """
    tags = set(tags)
    entities: set[tuple[str, str]] = set()
    urls: set[str] = set()
    for stored in metas:
        meta = msgspec.convert(stored, content.Meta)
        tags.update(tag.name for tag in content.tag_names(meta))
        entities.update(entity_names(meta))
        urls.update(image.url for image in meta.image_sources if image.url)
    uses.forget(urls)
    if not (tags or entities or urls) or _others_run(now, run):
        return 0
    removed = 0
    for chunk in db.chunked(sorted(tags)):
        removed += _remove(
            Tag.objects.filter(name__in=chunk, merged_into=None, aliases=None),
            PostTag.objects.filter(tag=OuterRef("pk")),
            "tag_id",
        )
    for chunk in db.chunked(sorted(entities)):
        found = Entity.objects.filter(name__in={name for _, name in chunk})
        removed += _remove(
            Entity.objects.filter(
                pk__in=[one.pk for one in found if (one.type, one.name) in entities],
                merged_into=None,
                aliases=None,
            ),
            PostEntity.objects.filter(entity=OuterRef("pk")),
            "entity_id",
        )
    for chunk in db.chunked(sorted(urls)):
        removed += _remove(
            ImageSource.objects.filter(
                url__in=chunk,
                licence=ImageSource.Licence.UNKNOWN,
                credit="",
                stored__isnull=True,
                checked_at__isnull=True,
            ),
            PostImage.objects.filter(image=OuterRef("pk")),
        )
    return removed


def _others_run(now: dt.datetime, run: ImportRun | None) -> bool:
    """Say whether another run is alive; until the commit none can begin a batch. Two queries."""
    sources = (
        ImportSource.objects.select_for_update(of=("self",)).select_related("owner").order_by("pk")
    )
    return any(
        source.owner is not None
        and source.owner != run
        and runs.is_alive(source.owner, source.heartbeat_at, now)
        for source in sources
    )


def _remove(rows: Any, uses: Any, counted_by: str = "") -> int:
    """Delete rows without a use, and return how many there were."""
    ids = list(rows.filter(~Exists(uses)).values_list("pk", flat=True))
    if ids:
        if counted_by:
            # Nothing uses it, so what is still to be counted comes to nothing.
            _delete(CounterDelta, counted_by, ids)
        _delete(rows.model, "pk", ids)
    return len(ids)
