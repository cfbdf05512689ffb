"""Problems readers tell of: taken in, answered, dismissed, or made a request for changes.

In: a text of a reader, then a decision of an editor. Out: a report that says what became of it; an
address is kept for the answer only. Moves a post by `posts.review` alone.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.core.mail import EmailMessage
from django.db import transaction
from django.utils import timezone

from posts import mailing
from posts.models import Post, ReaderReport

if TYPE_CHECKING:
    from django.contrib.auth.models import User

VIEW, HANDLE = "posts.view_readerreport", "posts.change_readerreport"
TEXT_MAX = ReaderReport._meta.get_field("text").max_length or 0
ANSWER_MAX = ReaderReport._meta.get_field("answer").max_length or 0
#: Reports taken in an hour from everybody together; beyond it something is wrong.
HOUR_MAX = 200

State = ReaderReport.State


class ReportError(Exception):
    """A report that was not taken or not handled; `code` is stable, the text says what to do."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def take(*, post: Post, text: str, email: str = "", now: dt.datetime | None = None) -> ReaderReport:
    """Keep a report on the revision readers see. Two queries. Raises `ReportError` `too_many`."""
    now = now or timezone.now()
    lately = ReaderReport.objects.filter(made_at__gt=now - dt.timedelta(hours=1))
    if lately[:HOUR_MAX].count() >= HOUR_MAX:
        raise ReportError("too_many", "Too many reports came at once. Please try again later.")
    return ReaderReport.objects.create(
        post=post, revision_id=post.live_revision_id, text=text, email=email, made_at=now
    )


def _close(
    report: ReaderReport, by: User, state: str, answer: str, now: dt.datetime | None
) -> None:
    """Write what became of a report, once, and forget the address."""
    changed = ReaderReport.objects.filter(pk=report.pk, state=State.NEW).update(
        state=state, answer=answer, email="", handled_by=by, handled_at=now or timezone.now()
    )
    if not changed:
        raise ReportError("handled", "Somebody has dealt with this report meanwhile. Look again.")


def _require(by: User, text: str) -> None:
    if not by.has_perm(HANDLE):
        raise PermissionDenied(f"This needs the permission {HANDLE}.")
    if len(text) > ANSWER_MAX:
        raise ReportError(
            "too_long", f"The text has {len(text):,} characters, of at most {ANSWER_MAX:,}."
        )


def answer(*, report: ReaderReport, by: User, text: str, now: dt.datetime | None = None) -> bool:
    """Close a report with an answer, mailed where there is an address; say whether it was mailed.

    Raises `ReportError` `answer_missing`, `too_long`, `handled`, and `not_mailed` when the mail did
    not leave: the report then stays open with its address.
    """
    text = text.strip()
    _require(by, text)
    if not text:
        raise ReportError("answer_missing", "Write what the reader is to be told.")
    to = report.email if mailing.is_configured() else ""
    with transaction.atomic():
        _close(report, by, State.ANSWERED, text, now)
        if to:
            try:
                _mail(report, to, text).send()
            except OSError as error:
                raise ReportError(
                    "not_mailed",
                    f"The mail did not leave ({type(error).__name__}), so nothing was changed. "
                    "Try again later, or dismiss the report.",
                ) from error
    return bool(to)


def _mail(report: ReaderReport, to: str, text: str) -> EmailMessage:
    address = f"{settings.PUBLIC_URL}{report.post.get_absolute_url()}"
    return EmailMessage(
        subject="Your report on a note",
        body=f"{text}\n\nYou had told us of a problem with\n{address}\n\n"
        "Your address was kept for this one answer and is now removed.\n",
        to=[to],
    )


def dismiss(
    *, report: ReaderReport, by: User, text: str = "", now: dt.datetime | None = None
) -> None:
    """Close a report without an answer; `text` is for other editors."""
    text = text.strip()
    _require(by, text)
    _close(report, by, State.DISMISSED, text, now)


def send_back(
    *,
    report: ReaderReport,
    by: User,
    reason: str,
    now: dt.datetime | None = None,
    **more: Any,
) -> None:
    """Make a report a request for changes of the revision it is about.

    Of an approved page the approval is taken back first, all in one transaction: the page leaves
    the lists. Raises `PermissionDenied`, `ReviewError`, and `ReportError` `moved_on` when another
    revision is live or waits by now.
    """
    from posts import review

    reason = reason.strip()
    _require(by, reason)
    with transaction.atomic():
        post = Post.objects.select_for_update().get(pk=report.post_id)
        waits = post.proposed_revision_id
        if report.revision_id not in (post.live_revision_id, waits) or waits not in (
            None,
            report.revision_id,
        ):
            raise ReportError(
                "moved_on",
                "Another version is live or waits since this report came. Look whether the "
                "problem is still there, decide on the new version, and dismiss this report.",
            )
        actions = ["request_changes"] if waits is not None else ["withdraw", "request_changes"]
        review.act_on_one(action=actions, post=post, by=by, reason=reason, now=now, **more)
        _close(report, by, State.RETURNED, reason, now)
