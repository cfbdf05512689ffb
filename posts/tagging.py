"""Editorial tags of many posts at once: one tag is added to a set or taken from it.

In: ids of posts and a tag's name. Out: rows, use counts, an event for each post that changed, in
one transaction. Imported tags stay: they are part of a revision. One post's tags as a whole are
`posts.writing.set_editorial_tags`'s.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from posts import content, db, gate, history, projection
from posts.models import BulkAction, Post, PostTag, Tag
from posts.reflection import reflected
from posts.review import Outcome
from posts.transitions import ReviewError

if TYPE_CHECKING:
    from django.contrib.auth.models import User

PERMISSION = "posts.change_post"

_IS_THERE = "The post has this tag already."
_IS_NOT_THERE = "The post does not have this tag."
_IS_IMPORTED = "The tag is part of the text's own data; edit the post to remove it."


def checked_name(raw: str) -> str:
    """Return a tag's name as it is kept. Raises `ReviewError` `bad_tag`."""
    name = content.normal_tag(raw)
    if not name:
        raise ReviewError("bad_tag", "Name the tag.")
    if len(name) > content.TAG_MAX:
        raise ReviewError("bad_tag", f"{name[:40]}… is longer than {content.TAG_MAX} characters.")
    return name


def tag_posts(
    *,
    post_ids: Sequence[int],
    by: User,
    name: str,
    is_added: bool,
    bulk_action: BulkAction | None = None,
    now: dt.datetime | None = None,
) -> Outcome:
    """Add an editorial tag to posts, or take it from them; the gate of none of them closes.

    Refused are posts that have the tag, or do not have it, or have it from their revision. About 20
    queries for 500 posts. Raises `PermissionDenied` and `ReviewError` `bad_tag`.
    """
    if not by.has_perm(PERMISSION):
        raise PermissionDenied(f"This needs the permission {PERMISSION}.")
    name = checked_name(name)
    now = now or timezone.now()
    outcome = Outcome([], {})
    with transaction.atomic():
        locked = {
            post.pk: post
            for chunk in db.chunked(sorted(set(post_ids)))
            for post in Post.objects.select_for_update().filter(pk__among=chunk).order_by("pk")
        }
        there = dict(_origins(list(locked), name))
        for post_id in dict.fromkeys(post_ids):
            refusal = _refusal(post_id in locked, there.get(post_id), is_added=is_added)
            if refusal is None:
                outcome.changed.append(post_id)
            else:
                outcome.refused[post_id] = refusal
        changed = outcome.changed
        if not changed:
            return outcome
        gates = [gate.Gate(pk, locked[pk].listed_at, locked[pk].archive_at) for pk in changed]
        gate.count(gates, -1, now)
        tag_id = _add(gates, name) if is_added else _remove(changed, name)
        gate.count(gates, +1, now)
        data: dict[str, Any] = {"added": [tag_id] * is_added, "removed": [tag_id] * (not is_added)}
        if bulk_action is not None:
            data["bulk_action"] = bulk_action.pk
        history.append(
            [history.Entry(post_id, "tags", data=data) for post_id in changed], actor=by, now=now
        )
    return outcome


def _origins(post_ids: Sequence[int], name: str) -> Iterator[tuple[int, str]]:
    for chunk in db.chunked(post_ids):
        yield from PostTag.objects.filter(
            content_object_id__among=chunk, tag__name=name
        ).values_list("content_object_id", "origin")


def _refusal(is_there: bool, origin: str | None, *, is_added: bool) -> ReviewError | None:
    if not is_there:
        return ReviewError("gone", "This post no longer exists.")
    if is_added:
        return ReviewError("tagged", _IS_THERE) if origin is not None else None
    if origin is None:
        return ReviewError("not_tagged", _IS_NOT_THERE)
    if origin != PostTag.Origin.EDITORIAL:
        return ReviewError("imported_tag", _IS_IMPORTED)
    return None


def _add(gates: Sequence[gate.Gate], name: str) -> int:
    """Insert the rows behind those the posts have; return the tag's id."""
    resolver = projection.Names()
    meta = content.Meta(tags=(name,))
    resolver.resolve([reflected(content.Snapshot(title="", meta=meta))])
    tag_id = int(resolver.tags[name][0])
    last: dict[int, int] = {}
    for chunk in db.chunked([one.post_id for one in gates]):
        last |= dict(
            PostTag.objects.filter(content_object_id__among=chunk, origin=PostTag.Origin.EDITORIAL)
            .values_list("content_object_id")
            .annotate(last=Max("position"))
            .order_by()
        )
    db.insert_rows(
        PostTag,
        ("content_object_id", "tag_id", "origin", "position", "listed_at"),
        [
            (
                *(one.post_id, tag_id, PostTag.Origin.EDITORIAL.value),
                *(last.get(one.post_id, -1) + 1, one.listed_at),
            )
            for one in gates
        ],
    )
    return tag_id


def _remove(post_ids: Sequence[int], name: str) -> int:
    tag_id: int = Tag.objects.values_list("pk", flat=True).get(name=name)
    for chunk in db.chunked(post_ids):
        rows = PostTag.objects.filter(
            content_object_id__among=chunk, tag_id=tag_id, origin=PostTag.Origin.EDITORIAL
        )
        rows._raw_delete(rows.db)
    return tag_id
