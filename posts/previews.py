"""Links that let people without an account read one revision for a while: made, opened, revoked.

In: a revision and a person who may share it, or the token of an address. Out: a token, told once
and stored as a digest only; or the link that a token opens, with why it does not. Moves no post.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import secrets
from typing import TYPE_CHECKING

from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.utils import timezone

from posts.models import Post, PreviewLink, Revision

if TYPE_CHECKING:
    from django.contrib.auth.models import User

MAKE = "posts.add_previewlink"
REVOKE = "posts.change_previewlink"

#: Days a link may live, and what it lives unless somebody says otherwise.
DAYS = (1, 7, 30)
DAYS_DEFAULT = 7

#: Bytes of chance in a token: nobody guesses one, so a plain digest of it is safe to store.
_TOKEN_BYTES = 32
#: A link's last use is written down at most this often.
_USE_KEPT = dt.timedelta(minutes=1)


class LinkError(Exception):
    """A link that was not made or does not open; `code` is stable, the text says what to do."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def digest_of(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def make(
    *, revision: Revision, by: User, days: int = DAYS_DEFAULT, now: dt.datetime | None = None
) -> tuple[PreviewLink, str]:
    """Make a link to a revision; return it with its token, which cannot be had again. One query.

    Raises `PermissionDenied`, and `LinkError` `bad_days` for a life that is not one of `DAYS`.
    """
    _require(by, MAKE)
    if days not in DAYS:
        allowed = ", ".join(map(str, DAYS))
        raise LinkError("bad_days", f"A link lives one of {allowed} days; got {days}.")
    now = now or timezone.now()
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    link = PreviewLink.objects.create(
        revision=revision,
        token_digest=digest_of(token),
        made_by=by,
        made_at=now,
        expires_at=now + dt.timedelta(days=days),
    )
    return link, token


def revoke(*, link: PreviewLink, by: User, now: dt.datetime | None = None) -> None:
    """End a link for good; one that ended already stays as it is. Two queries."""
    _require(by, REVOKE)
    PreviewLink.objects.filter(pk=link.pk, revoked_at__isnull=True).update(
        revoked_at=now or timezone.now(), revoked_by=by
    )
    link.refresh_from_db(fields=["revoked_at", "revoked_by"])


def why_closed(link: PreviewLink, now: dt.datetime) -> str:
    """Return why a link does not open, empty when it does. Needs post and person fetched."""
    if link.revoked_at is not None:
        return "revoked"
    if link.expires_at <= now:
        return "expired"
    if not link.made_by.is_active:
        return "account closed"
    post = link.revision.post
    if post.visibility == Post.Visibility.ARCHIVED or (post.archive_at and post.archive_at <= now):
        return "post archived"
    return ""


def opened(token: str, now: dt.datetime) -> PreviewLink | None:
    """Return the link a token opens, with what a page of its revision shows; None without one.

    Raises `LinkError` `closed` for a link that has ended. One query, and one to note the use.
    """
    link = (
        PreviewLink.objects.filter(token_digest=digest_of(token))
        .select_related("made_by", "revision__author", "revision__post__imported__source")
        .first()
    )
    if link is None:
        return None
    if why := why_closed(link, now):
        raise LinkError("closed", why)
    is_new = Q(last_used_at__isnull=True) | Q(last_used_at__lte=now - _USE_KEPT)
    PreviewLink.objects.filter(is_new, pk=link.pk).update(last_used_at=now)
    return link


def _require(by: User, permission: str) -> None:
    if not by.has_perm(permission):
        raise PermissionDenied(f"This needs the permission {permission}.")
