"""Addresses that posts had at their source: written with new content, taken back with it.

In: records that were written, with their posts. Out: rows of `FormerUrl`, and a warning for each
address that another post has. Costs nothing where records have none. The caller owns the
transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from posts import addresses, content, db
from posts.importing.classification import Item
from posts.models import FormerUrl, Revision


def keep(written: Iterable[tuple[Item, int]]) -> None:
    """Let old addresses of records lead to their posts. Two queries, none without addresses.

    The first post that came with an address keeps it, whatever its source; of two in one batch the
    one that stands first in the input.
    """
    wanted: dict[str, int] = {}
    coming = [(item, post_id) for item, post_id in written if item.ready.former_urls]
    for item, post_id in coming:
        for path in item.ready.former_urls:
            wanted.setdefault(path, post_id)
    if not wanted:
        return
    # In one order: runs of two sources that bring the same ones could wait for each other.
    db.insert_missing(FormerUrl, ("path", "post_id"), sorted(wanted.items()))
    kept = holders(list(wanted))
    for item, post_id in coming:
        for path in item.ready.former_urls:
            if kept.get(path) != post_id:
                warn(item, path)


def holders(paths: Sequence[str]) -> dict[str, int]:
    """Return the posts that old addresses lead to. One query per 500 addresses."""
    return dict(
        row
        for chunk in db.chunked(paths)
        for row in FormerUrl.objects.filter(path__in=chunk).values_list("path", "post_id")
    )


def warn(item: Item, path: str) -> None:
    """Tell once that an old address leads to another post."""
    problem = content.Problem(
        code="former_url_taken",
        field="former_urls",
        value=content.shown(path),
        expected="an address no other post had; the first one keeps it",
        severity="warning",
    )
    if problem not in item.problems:
        item.problems.append(problem)


def take_back(post_ids: Sequence[int], metas: Iterable[Mapping[str, Any]]) -> None:
    """Remove the addresses of posts that none of their versions has any more.

    `metas` are those of the versions that were removed. Three queries per 500 posts, none when no
    version had addresses.
    """
    if not any("former_urls" in meta for meta in metas):
        return
    for chunk in db.chunked(post_ids):
        rows = FormerUrl.objects.filter(post_id__in=chunk).values_list("pk", "post_id", "path")
        versions = Revision.objects.filter(post_id__in=chunk, meta__has_key="former_urls")
        stay = {
            (post_id, addresses.normal(url))
            for post_id, urls in versions.values_list("post_id", "meta__former_urls")
            for url in urls
        }
        db.delete_rows(FormerUrl, [pk for pk, *held in rows if tuple(held) not in stay])
