"""The archive as JSON Lines: canonical, to compare two archives, or to be imported again.

In: the database, read in order of (source, key) in bounded pages. Out: lines. Nothing in a line
depends on surrogate ids, the clock, the batch size or the run.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec
from django.db import connection, transaction

from posts import db
from posts.importing.records import SLUG_MAX
from posts.models import Decision, ImportedPost, ImportSource, PostTag

#: Posts read at a time; memory does not grow with the archive.
PAGE = 500

_encode = msgspec.json.Encoder(order="sorted").encode


def canonical_lines(*, with_statistics: bool = True) -> Iterator[bytes]:
    """Yield one line a post: content and review state only (DATA-MODEL.md).

    Two databases hold the same archive exactly when these bytes are equal. Three queries a page.
    """
    for page in pages():
        posts = [identity.post for identity in page if identity.post is not None]
        decisions = _decisions([post.pk for post in posts])
        tags = editorial_tags([post.pk for post in posts])
        for identity in page:
            yield _encode(_canonical(identity, decisions, tags, with_statistics)) + b"\n"


def import_lines(*, with_statistics: bool = True) -> Iterator[bytes]:
    """Yield one line a post in the schema that `import_posts --format jsonl` reads.

    The content is that of the live revision; importing it gives the same digest.
    """
    for page in pages():
        for identity in page:
            if identity.post is None:
                continue
            revision = identity.post.live_revision
            # Unknown fields stay under `extra`: beside the known ones they could not be told apart.
            line = {
                "key": identity.key,
                "title": revision.title,
                "lede": revision.lede,
                "body": revision.body,
                **revision.meta,
            }
            if len(identity.post.slug) <= SLUG_MAX:
                line["slug"] = identity.post.slug
            if with_statistics:
                line.update(statistics_of(identity.post))
            yield _encode(line) + b"\n"


@contextmanager
def one_moment() -> Iterator[None]:
    """Let everything read inside show one moment of the archive, without holding up writers."""
    if connection.in_atomic_block:
        yield
        return
    if db.is_postgresql():
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            yield
        return
    with connection.cursor() as cursor:
        # `atomic` would take the write lock.
        cursor.execute("BEGIN DEFERRED")
        try:
            yield
        finally:
            cursor.execute("ROLLBACK")


def statistics_of(post: Any) -> dict[str, Any]:
    """Return the imported numbers of a post that `pages` brought. No query."""
    found = post.statistics
    values = {
        "reading_time": found.imported_reading_time,
        "view_count": found.imported_view_count,
        "score": found.imported_score or None,
    }
    return {name: value for name, value in values.items() if value is not None}


def pages() -> Iterator[Sequence[ImportedPost]]:
    """Yield identities by (source name, key) with posts, revisions and numbers. A query a page.

    Each page walks the index of the identity.
    """
    for source in sorted(ImportSource.objects.all(), key=lambda source: source.name):
        rows = (
            ImportedPost.objects.filter(source=source)
            .select_related(
                "source",
                "post__live_revision",
                "post__proposed_revision",
                "post__approved_revision",
                "post__statistics",
            )
            .order_by("key")
        )
        page = list(rows[:PAGE])
        while page:
            yield page
            page = list(rows.filter(key__gt=page[-1].key)[:PAGE])


def _decisions(post_ids: Sequence[int]) -> dict[int, list[dict[str, str]]]:
    found: dict[int, list[dict[str, str]]] = defaultdict(list)
    rows = (
        Decision.objects.filter(revision__post_id__in=post_ids)
        .order_by("id")
        .values_list("revision__post_id", "verdict", "digest")
    )
    for post_id, verdict, digest in rows:
        found[post_id].append({"verdict": verdict, "digest": digest})
    return found


def editorial_tags(post_ids: Sequence[int]) -> dict[int, list[str]]:
    """Return the names of editorial tags by post. One query."""
    found: dict[int, list[str]] = defaultdict(list)
    rows = PostTag.objects.filter(
        content_object_id__in=post_ids, origin=PostTag.Origin.EDITORIAL
    ).values_list("content_object_id", "tag__name")
    for post_id, name in rows:
        found[post_id].append(name)
    return found


def _canonical(
    identity: ImportedPost,
    decisions: dict[int, list[dict[str, str]]],
    tags: dict[int, list[str]],
    with_statistics: bool,
) -> dict[str, Any]:
    line: dict[str, Any] = {"source": identity.source.name, "key": identity.key}
    post = identity.post
    if post is None:
        return {**line, "is_tombstone": True}
    live = post.live_revision
    line |= {
        "slug": post.slug,
        "digest": live.digest,
        "title": live.title,
        "lede": live.lede,
        "body": live.body,
        "meta": live.meta,
        "visibility": post.visibility,
        "is_listed": post.listed_at is not None,
        "proposed": post.proposed_revision.digest if post.proposed_revision else None,
        "approved": post.approved_revision.digest if post.approved_revision else None,
        "base": identity.base_digest,
        "decisions": decisions[post.pk],
        "editorial_tags": sorted(tags[post.pk]),
    }
    if with_statistics:
        line["statistics"] = statistics_of(post)
    return line
