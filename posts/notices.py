"""What people are told of their work: returned by a reviewer, held behind a page people worked on.

In: what was decided or imported, after its commit. Out: one unread notice a person and topic,
counted up, so that a bulk action is one line; and what a digest by mail says. Moves no post. A
notice is a courtesy: when it cannot be written, what it tells of has happened all the same.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import structlog
from django.contrib.auth.models import User
from django.db import DatabaseError, transaction
from django.db.models import F, Q

from posts import db
from posts.models import ImportRun, Notice, Revision

if TYPE_CHECKING:
    from django.db.models import QuerySet

log = structlog.get_logger(__name__)

#: More posts of one author returned at once than this are one notice.
SINGLY = 3
#: Whoever may take imports back is told of them where a run names nobody.
IMPORTER = "posts.change_importrun"
#: The number beside the bell is exact to here, and may be this old.
COUNT_MAX = 99
COUNT_SECONDS = 60
IN_SESSION = "unread_notices"

Kind = Notice.Kind


class Told(NamedTuple):
    """What one person is to be told: of a post of theirs, of many, or of posts of a source."""

    person_id: int
    kind: str
    post_id: int | None = None
    source_id: int | None = None
    run_id: int | None = None

    @property
    def topic(self) -> str:
        if self.post_id is not None:
            return f"{self.kind} post {self.post_id}"
        if self.source_id is None:
            return f"{self.kind} own work"
        return f"{self.kind} source {self.source_id}"


# --- What happened ------------------------------------------------------------------------------


def tell_of_returned(
    revision_ids: Sequence[int], *, by: User, reason: str, now: dt.datetime
) -> None:
    """Tell authors and importers, after the commit, that these revisions were sent back."""

    def tell() -> None:
        _tell_of_returned(revision_ids, by.pk, reason, now)

    if revision_ids:
        transaction.on_commit(tell, robust=True)


def _tell_of_returned(
    revision_ids: Sequence[int], by_id: int, reason: str, now: dt.datetime
) -> None:
    told: Counter[Told] = Counter()
    nobody: Counter[tuple[int, int]] = Counter()
    for chunk in db.chunked(revision_ids):
        rows = Revision.objects.filter(pk__in=chunk).values_list(
            "post_id", "author_id", "run_id", "run__source_id", "run__started_by_id"
        )
        for post, author, run, source, importer in rows:
            if author is not None:
                told[Told(author, Kind.RETURNED.value, post_id=post)] += 1
            elif importer is not None:
                told[Told(importer, Kind.RETURNED.value, source_id=source, run_id=run)] += 1
            else:
                nobody[source, run] += 1
    _add_importers(told, nobody, Kind.RETURNED.value)
    _gather(told)
    # Who decided knows.
    _write({one: n for one, n in told.items() if one.person_id != by_id}, reason, now)


def _gather(told: Counter[Told]) -> None:
    """Put what one author is told of many posts into one."""
    posts = Counter(one.person_id for one in told if one.post_id is not None)
    for one, number in list(told.items()):
        if one.post_id is not None and posts[one.person_id] > SINGLY:
            del told[one]
            told[one._replace(post_id=None)] += number


def tell_of_held(run: ImportRun, now: dt.datetime) -> None:
    """Tell importers that a run which has ended holds versions back. Never raises for a database.

    One notice, however many are held.
    """
    if not run.held:
        return
    told: Counter[Told] = Counter()
    if run.started_by_id is not None:
        one = Told(run.started_by_id, Kind.HELD.value, source_id=run.source_id, run_id=run.pk)
        told[one] = run.held
    try:
        if not told:
            _add_importers(told, {(run.source_id, run.pk): run.held}, Kind.HELD.value)
        _write(told, "", now)
    except DatabaseError as error:
        log.warning("notices.not_written", run=run.pk, error=type(error).__name__)


def _add_importers(told: Counter[Told], nobody: Mapping[tuple[int, int], int], kind: str) -> None:
    if not nobody:
        return
    people = list(importers().values_list("pk", flat=True))
    for (source, run), number in nobody.items():
        for person in people:
            told[Told(person, kind, source_id=source, run_id=run)] += number


def importers() -> QuerySet[User]:
    """Return the active people whose group or account may take imports back."""
    code = Q(
        user_permissions__codename="change_importrun",
        user_permissions__content_type__app_label="posts",
    ) | Q(
        groups__permissions__codename="change_importrun",
        groups__permissions__content_type__app_label="posts",
    )
    return User.objects.filter(code, is_active=True, is_staff=True).distinct().order_by("pk")


def _write(told: Mapping[Told, int], reason: str, now: dt.datetime) -> None:
    """Count up the unread notices, or begin them. Two queries a person and topic."""
    for one, number in sorted(told.items(), key=lambda item: (item[0].person_id, item[0].topic)):
        with transaction.atomic():
            unread = {"person_id": one.person_id, "topic": one.topic, "read_at": None}
            notice, is_new = Notice.objects.get_or_create(
                **unread,
                defaults={
                    "kind": one.kind,
                    "post_id": one.post_id,
                    "source_id": one.source_id,
                    "run_id": one.run_id,
                    "count": number,
                    "reason": reason,
                    "first_at": now,
                    "last_at": now,
                },
            )
            if not is_new:
                Notice.objects.filter(pk=notice.pk).update(
                    count=F("count") + number, reason=reason, run=one.run_id, last_at=now
                )


# --- Reading ------------------------------------------------------------------------------------


def unread_count(person: Any, session: Any, *, may_begin: bool, now: dt.datetime) -> str:
    """Return the number beside the bell, "" for none, remembered in the person's session.

    At most one query in `COUNT_SECONDS`. A session that has no number yet gets one where
    `may_begin`, so that other pages cost the same whoever opens them first.
    """
    known, at = session.get(IN_SESSION, (0, 0))
    is_old = now.timestamp() - at > COUNT_SECONDS
    if (at or may_begin) and is_old:
        rows = Notice.objects.filter(person=person, read_at__isnull=True).values_list("pk")
        known = len(rows[: COUNT_MAX + 1])
        session[IN_SESSION] = (known, int(now.timestamp()))
    if not known:
        return ""
    return f"{COUNT_MAX}+" if known > COUNT_MAX else str(known)


def of(person: Any, *, below: int | None = None, most: int = 50) -> list[Notice]:
    """Return a person's notices, newest first, one more than `most` if there are more."""
    rows = Notice.objects.filter(person=person).select_related("post", "source")
    if below is not None:
        rows = rows.filter(pk__lt=below)
    return list(rows.order_by("-pk")[: most + 1])


def mark_read(
    person: Any, *, one: int | None = None, upto: int | None = None, now: dt.datetime
) -> int:
    """Mark one notice of a person as read, or all up to a number; return how many were unread.

    What came after the page was shown stays unread.
    """
    rows = Notice.objects.filter(person=person, read_at__isnull=True)
    rows = rows.filter(pk=one) if one is not None else rows.filter(pk__lte=upto or 0)
    return rows.update(read_at=now)


def text_of(notice: Notice) -> str:
    """Return a notice in words, without its reason. Needs post and source fetched."""
    if notice.post is not None:
        times = f", {notice.count} times" if notice.count > 1 else ""
        return f"Your revision of “{notice.post.title}” was returned{times}."
    if notice.source is None:
        return f"{notice.count:,} of your revisions were returned."
    number = f"{notice.count:,} draft{'s' if notice.count != 1 else ''}"
    source = notice.source.name
    if notice.kind == Kind.HELD:
        return (
            f"{number} of {source} are held: people had edited or approved the pages."
            if (notice.count != 1)
            else f"{number} of {source} is held: people had edited or approved the page."
        )
    verb = "were" if notice.count != 1 else "was"
    return f"{number} of {source} {verb} returned by reviewers."
