"""What stands beside a note: the one listed before it, the one after it, more of its first tag.

In: a post and the moment. Out: indexable posts, each found by one step along an index.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from typing import NamedTuple

from django.db.models import BigIntegerField, DateTimeField, F, Q, Subquery, Value

from posts.models import Post
from posts.pagination import RowComparison

MORE = 5


class Beside(NamedTuple):
    """The neighbours of a listed post in the archive; None at either end of it."""

    older: Post | None
    newer: Post | None


def beside(post: Post, now: dt.datetime) -> Beside:
    """Return the neighbours of a post, none when it is not listed itself. One query."""
    if post.listed_at is None or post.listed_at > now:
        return Beside(None, None)
    here = (
        Value(post.listed_at, output_field=DateTimeField()),
        Value(post.pk, output_field=BigIntegerField()),
    )
    listed = Post.objects.indexable(now)
    is_older = RowComparison(F("listed_at"), F("pk"), *here)
    is_newer = RowComparison(F("listed_at"), F("pk"), *here, operator=">")
    older = listed.filter(is_older).order_by("-listed_at", "-pk").values("pk")[:1]
    newer = listed.filter(is_newer).order_by("listed_at", "pk").values("pk")[:1]
    found = Post.objects.filter(Q(pk=Subquery(older)) | Q(pk=Subquery(newer)))
    here_at = (post.listed_at, post.pk)
    both = {
        (one.listed_at, one.pk) > here_at: one for one in found.only("title", "slug", "listed_at")
    }
    return Beside(both.get(False), both.get(True))


def more_of(tag: int, *, without: Collection[int], now: dt.datetime) -> list[Post]:
    """Return the newest posts with a tag but for some of them. One query, by the tag's index."""
    newest = Post.objects.indexable(now).tagged(tag, now).for_card()
    found = [post for post in newest[: MORE + len(without)] if post.pk not in without]
    return found[:MORE]
