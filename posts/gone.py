"""Addresses of erased posts, which answer "gone" for good and tell nothing else.

In: posts that are about to be erased, or an address. Out: digests, because an address holds words
of the title. Drafts leave none: nobody is told that there was one.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Sequence

from posts import db
from posts.models import ErasedAddress, FormerUrl, Slug


def digest_of(slug: str) -> str:
    return hashlib.sha256(f"slug:{slug}".encode()).hexdigest()


def _digest_of_path(path: str) -> str:
    return hashlib.sha256(f"path:{path}".encode()).hexdigest()


def remember(post_ids: Sequence[int], now: dt.datetime) -> None:
    """Keep the digests of every address these posts had, here and before.

    Four statements per 500 addresses.
    """
    digests = []
    for chunk in db.chunked(post_ids):
        slugs = Slug.objects.filter(post_id__in=chunk).values_list("slug", flat=True)
        paths = FormerUrl.objects.filter(post_id__in=chunk).values_list("path", flat=True)
        digests += [*map(digest_of, slugs), *map(_digest_of_path, paths)]
    for chunk in db.chunked(digests):
        # A post may have been given the address of one that was erased before.
        known = set(ErasedAddress.objects.filter(digest__in=chunk).values_list("digest", flat=True))
        db.insert_rows(
            ErasedAddress,
            ("digest", "erased_at"),
            [(digest, now) for digest in chunk if digest not in known],
        )


def is_erased(slug: str) -> bool:
    """Say whether a post that readers saw had this address until it was erased. One query."""
    return ErasedAddress.objects.filter(digest=digest_of(slug)).exists()


def is_erased_path(paths: Sequence[str]) -> bool:
    """Say whether a post that readers saw had one of these addresses elsewhere. One query."""
    return ErasedAddress.objects.filter(digest__in=map(_digest_of_path, paths)).exists()
