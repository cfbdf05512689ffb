"""Builders of people and posts for tests. They go through the project's own doors.

A post is written by hand, and brought to the wanted state by `posts.review`; so the invariants
that hold in production hold for every test.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any

import msgspec
from django.contrib.auth.models import Group, User
from django.utils import timezone

from posts import content, review, writing
from posts.models import Post

_numbers = iter(range(1, 10**9))

STATES = ("private", "published", "listed", "archived")


def make_user(kind: str = "reviewer", **more: Any) -> User:
    """Return a person: a superuser, a reader, staff (in no group), or staff in the group `kind`."""
    name = more.pop("username", f"{kind}-{next(_numbers)}")
    if kind == "superuser":
        return User.objects.create_superuser(name, password="long enough for a test", **more)
    user = User.objects.create_user(
        name, password="long enough for a test", is_staff=kind != "reader", **more
    )
    if kind not in ("reader", "staff"):
        user.groups.add(Group.objects.get(name=kind))
    return user


def make_snapshot(**over: Any) -> content.Snapshot:
    """Return a valid snapshot; members of the snapshot or of its meta may be given."""
    number = next(_numbers)
    meta: dict[str, Any] = {
        "topic": f"measuring cold starts {number} / tidal services",
        "stack": ("tidal services", "backend", "python"),
        "tools": ("sluice", "gauge"),
        "difficulty": "intermediate",
        "code_language": "python",
        "entities": (
            content.Entity("tidal services", "stack"),
            content.Entity(f"measuring cold starts {number}", "problem"),
        ),
    }
    parts: dict[str, Any] = {
        "title": f"Measuring cold starts {number}",
        "lede": "A short note on what to measure first.",
        "body": "## Why this matters\n\nNumbers come before opinions.\n\n- note the baseline",
    }
    for name, value in over.items():
        (parts if name in parts else meta)[name] = value
    return content.Snapshot(**parts, meta=msgspec.convert(meta, content.Meta, from_attributes=True))


def make_post(
    *,
    snapshot: content.Snapshot | None = None,
    state: str = "listed",
    tags: Iterable[str] = (),
    slug: str = "",
    by: User | None = None,
    now: dt.datetime | None = None,
) -> Post:
    """Return a post: private, published (not approved), listed or archived, as of `now`.

    `by` approves it, or writes it where nobody approves: never both, as in production.
    """
    now = now or timezone.now() - dt.timedelta(minutes=1)
    actions = {
        "private": (),
        "published": ("publish",),
        "listed": ("approve", "publish"),
        "archived": ("approve", "publish", "archive"),
    }[state]
    author = by if by is not None and "approve" not in actions else _someone("editor")
    post = writing.write_post(
        by=author, snapshot=snapshot or make_snapshot(), tags=tags, slug=slug, now=now
    )
    by = by or _someone("reviewer")
    for action in actions:
        review.act_on_one(action=action, post=post, by=by, undo_seconds=0, now=now)
    return post


def _someone(kind: str) -> User:
    name = f"the-{kind}"
    return User.objects.filter(username=name).first() or make_user(kind, username=name)
