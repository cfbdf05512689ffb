"""What people have open in the edit form and typed there: kept, offered again, closed, removed.

In: a person, a post (None while a new one is written), the window and its fields. Out: rows of that
person alone; of others only that they are there. Makes no revision and moves no post.
"""

from __future__ import annotations

import datetime as dt
import re
import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from django.db import IntegrityError, transaction
from django.db.models import Max, Min, Q

from posts import content, db
from posts.models import EditWindow

if TYPE_CHECKING:
    from django.contrib.auth.models import User

    from posts.models import Post, Revision

#: A window that gave no sign for so long is taken for left.
PRESENT = dt.timedelta(minutes=3)
#: What was typed and never saved is kept so long, and a window without anything so long.
TYPED_KEPT = dt.timedelta(days=30)
EMPTY_KEPT = dt.timedelta(days=1)
#: Characters of all fields of one window: the longest article and everything beside it.
CHARACTERS_MAX = content.BODY_MAX + 500_000
#: Windows with something typed that are kept for one person.
WINDOWS_MAX = 50
#: Lines of the offers and of the people on a page.
SHOWN_MAX = 10

_TAB = re.compile(r"[A-Za-z0-9_-]{8,32}")


class WindowError(Exception):
    """Something typed that is not kept; `code` is stable, the text says what to do."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Presence(NamedTuple):
    """Another person who has the post in the form, without what they typed."""

    name: str
    since: dt.datetime
    has_typed: bool


def new_tab() -> str:
    return secrets.token_urlsafe(12)


def keep(
    *,
    by: User,
    post: Post | None,
    tab: str,
    step: int,
    fields: Mapping[str, str] | None,
    base: Revision | None,
    now: dt.datetime,
) -> bool:
    """Keep what a window holds, or with `fields` None only that it is open. Up to four queries.

    Returns False where this came too late: the window was saved, or sent something newer. Raises
    `WindowError` `bad_window`, `too_long` or `too_many`; then nothing changed.
    """
    if not _TAB.fullmatch(tab):
        raise WindowError("bad_window", "This window has no name. Open the form again.")
    typed: dict[str, Any] = {}
    if fields is not None:
        length = sum(map(len, fields.values()))
        if length > CHARACTERS_MAX:
            raise WindowError(
                "too_long",
                f"The form holds {length:,} characters; up to {CHARACTERS_MAX:,} are kept. Save a "
                "shorter text, or keep a copy of your own.",
            )
        # PostgreSQL's JSON has no NUL; nor has any text that can be saved.
        typed = {
            "fields": {name: text.replace("\x00", "") for name, text in fields.items()},
            "typed_at": now,
        }
    mine = EditWindow.objects.filter(user=by, tab=tab)
    changes = {"step": step, "seen_at": now, **typed}
    if mine.filter(post=post, step__lt=step, closed_at__isnull=True).update(**changes):
        return True
    if mine.exists():
        return False
    kept = EditWindow.objects.filter(user=by, fields__isnull=False)
    if typed and kept.count() >= WINDOWS_MAX:
        raise WindowError(
            "too_many",
            f"{WINDOWS_MAX} windows of yours hold unsaved text already. Save or discard some.",
        )
    try:
        with transaction.atomic():
            EditWindow.objects.create(
                user=by,
                post=post,
                tab=tab,
                opened_at=now,
                base_number=base.number if base is not None else 0,
                base_digest=base.digest if base is not None else "",
                **changes,
            )
    except IntegrityError:  # two first signs of one window at once
        rows = mine.filter(post=post, step__lt=step, closed_at__isnull=True)
        return bool(rows.update(**changes))
    return True


def offered(*, by: User, post: Post | None) -> list[EditWindow]:
    """Return what this person typed here and did not save, newest first. One query."""
    rows = EditWindow.objects.filter(user=by, post=post, fields__isnull=False)
    return list(rows.defer("fields").order_by("-typed_at", "-pk")[:SHOWN_MAX])


def find(*, by: User, post: Post | None, pk: int) -> EditWindow | None:
    """Return a window of this person with something typed. One query."""
    return EditWindow.objects.filter(user=by, post=post, pk=pk, fields__isnull=False).first()


def others(*, by: User, post: Post, now: dt.datetime) -> list[Presence]:
    """Return who else has the post in the form now, by when they opened it. One query."""
    rows = (
        EditWindow.objects.filter(post=post, seen_at__gt=now - PRESENT, closed_at__isnull=True)
        .exclude(user=by)
        .values_list("user__username", "user__first_name", "user__last_name")
        .annotate(since=Min("opened_at"), typed=Max("typed_at"))
        .order_by("since")[:SHOWN_MAX]
    )
    return [
        Presence(" ".join(filter(None, (first, last))) or username, since, typed is not None)
        for username, first, last, since, typed in rows
    ]


def close(*, by: User, tab: str, now: dt.datetime) -> None:
    """Empty the window whose text was saved; what it still sends is not kept. One query.

    The row stays for a day, so that a request that is on its way finds the window closed.
    """
    EditWindow.objects.filter(user=by, tab=tab).update(fields=None, closed_at=now)


def discard(*, by: User, pk: int, step: int, now: dt.datetime) -> bool:
    """Throw away what a window holds, unless it sent something newer than `step`. One query."""
    rows = EditWindow.objects.filter(user=by, pk=pk, step=step)
    return bool(rows.update(fields=None, closed_at=now))


def leave(*, by: User, tab: str) -> None:
    """Forget a window that is left with nothing typed. One query."""
    EditWindow.objects.filter(
        user=by, tab=tab, fields__isnull=True, closed_at__isnull=True
    ).delete()


def prune(*, now: dt.datetime) -> int:
    """Remove windows nobody has open and nothing is waited for in; return how many."""
    old = Q(fields__isnull=True, seen_at__lt=now - EMPTY_KEPT) | Q(seen_at__lt=now - TYPED_KEPT)
    rows = EditWindow.objects.filter(old).values_list("pk", flat=True)
    removed = 0
    while ids := list(rows[: db.LOOKUP_CHUNK]):
        removed += EditWindow.objects.filter(pk__in=ids).delete()[0]
    return removed
