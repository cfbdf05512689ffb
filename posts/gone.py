"""Addresses of erased posts, which answer "gone" for good and tell nothing else.

In: posts that are about to be erased, or an address. Out: digests, because an address holds words
of the title. Drafts leave none: nobody is told that there was one.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Sequence

from posts import db
from posts.models import ErasedAddress, Slug


def digest_of(slug: str) -> str:
    return hashlib.sha256(f"slug:{slug}".encode()).hexdigest()


def remember(post_ids: Sequence[int], now: dt.datetime) -> None:
    """Keep the digests of every address these posts had. Three statements per 500 addresses."""
    slugs = [
        slug
        for chunk in db.chunked(post_ids)
        for slug in Slug.objects.filter(post_id__in=chunk).values_list("slug", flat=True)
    ]
    for chunk in db.chunked([digest_of(slug) for slug in slugs]):
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
