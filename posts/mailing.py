"""Notices by mail: one digest a person, as plain text, and the way out of it.

In: unread notices no mail has told of. Out: at most one mail a person, a failure kept and tried
again at the next call. Called by `manage.py send_notices`, never by a request. Whoever does not
want mail says so by the signed link in each, without signing in.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import NamedTuple

from django.conf import settings
from django.contrib.auth.models import User
from django.core import signing
from django.core.mail import EmailMessage
from django.db.models import Exists, F, OuterRef
from django.urls import reverse

from posts import notices
from posts.models import MailWish, Notice

#: Notices one mail lists; it says how many more there are. People of one query.
LINES_MAX = 50
PEOPLE = 100
ERROR_MAX = 300
_SALT = "posts.mailing.unsubscribe"


class Sent(NamedTuple):
    """What became of one person's digest; `error` is empty when it left."""

    person_id: int
    notices: int
    error: str


def is_configured() -> bool:
    """Say whether mail leaves this machine (`EMAIL_URL`)."""
    return "console" not in settings.EMAIL_BACKEND


def token_of(person: User) -> str:
    return signing.dumps(person.pk, salt=_SALT)


def person_of(token: str) -> User | None:
    """Return whose link it is; None for a token that is not ours. It never expires."""
    try:
        pk = signing.loads(token, salt=_SALT)
    except signing.BadSignature:
        return None
    return User.objects.filter(pk=pk).first()


def unsubscribe(person: User) -> None:
    MailWish.objects.update_or_create(person=person, defaults={"wants_mail": False})


def subscribe(person: User) -> None:
    MailWish.objects.update_or_create(person=person, defaults={"wants_mail": True})


def wants_mail(person: User) -> bool:
    return not MailWish.objects.filter(person=person, wants_mail=False).exists()


def waiting() -> Iterator[User]:
    """Yield people with news, an address and no wish against it, `PEOPLE` a query."""
    news = Notice.objects.filter(person=OuterRef("pk"), read_at__isnull=True, count__gt=F("mailed"))
    refuses = MailWish.objects.filter(person=OuterRef("pk"), wants_mail=False)
    people = User.objects.filter(Exists(news), ~Exists(refuses), is_active=True, is_staff=True)
    last = 0
    while page := list(people.exclude(email="").filter(pk__gt=last).order_by("pk")[:PEOPLE]):
        yield from page
        last = page[-1].pk


def send_digest(person: User, now: dt.datetime) -> Sent:
    """Mail one person what is new, and remember what was told or why it failed.

    The mail leaves before that is written: a crash between the two repeats a mail, and loses none.
    """
    rows = list(
        Notice.objects.filter(person=person, read_at__isnull=True, count__gt=F("mailed"))
        .select_related("post", "source")
        .order_by("-last_at")
    )
    if not rows:
        return Sent(person.pk, 0, "")
    try:
        _message(person, rows).send()
    except OSError as error:  # smtplib's errors are among them
        told = f"{type(error).__name__}: {error}"[:ERROR_MAX]
        MailWish.objects.get_or_create(person=person)
        MailWish.objects.filter(person=person).update(failures=F("failures") + 1, error=told)
        return Sent(person.pk, len(rows), told)
    for row in rows:
        # What was counted since stays news.
        Notice.objects.filter(pk=row.pk).update(mailed=row.count)
    MailWish.objects.update_or_create(
        person=person, defaults={"sent_at": now, "failures": 0, "error": ""}
    )
    return Sent(person.pk, len(rows), "")


def _message(person: User, rows: list[Notice]) -> EmailMessage:
    out = f"{settings.PUBLIC_URL}{reverse('unsubscribe', args=[token_of(person)])}"
    lines = []
    for row in rows[:LINES_MAX]:
        lines.append(f"- {notices.text_of(row)}")
        if row.reason:
            lines.append(f"  Reason: {' '.join(row.reason.split())}")
    if len(rows) > LINES_MAX:
        lines.append(f"- and {len(rows) - LINES_MAX:,} more.")
    body = "\n".join(
        [
            *lines,
            "",
            f"All of them: {settings.PUBLIC_URL}{reverse('admin:notices')}",
            "",
            "To get no more of these mails:",
            out,
            "",
        ]
    )
    number = f"{len(rows)} notice{'s' if len(rows) != 1 else ''}"
    return EmailMessage(
        subject=f"alphanode: {number} about your work",
        body=body,
        to=[person.email],
        headers={
            "List-Unsubscribe": f"<{out}>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
            "Auto-Submitted": "auto-generated",
        },
    )
