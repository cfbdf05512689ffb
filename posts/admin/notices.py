"""The notices of the person who is signed in: the list, marking it as read, mail or none.

In: requests of staff, each about themselves only. Out: pages by key; changes only what is theirs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import messages
from django.http import HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone

from posts import mailing, notices

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

PAGE = 50


def _number(text: str) -> int | None:
    is_number = text.isascii() and text.isdecimal() and len(text) <= 18
    return int(text) if is_number else None


def list_view(request: HttpRequest) -> HttpResponse:
    """Show a person's notices, newest first. Three queries."""
    from posts.admin.site import site

    below = _number(request.GET.get("below", ""))
    rows = notices.of(request.user, below=below, most=PAGE)
    page = rows[:PAGE]
    context = {
        **site.each_context(request),
        "title": "Notices",
        "lines": [(row, notices.text_of(row)) for row in page],
        "newest": page[0].pk if page and below is None else None,
        "has_unread": any(row.read_at is None for row in page),
        "is_first": below is None,
        "further": page[-1].pk if len(rows) > PAGE else None,
        "wants_mail": mailing.wants_mail(request.user),
        "is_mail_configured": mailing.is_configured(),
    }
    return TemplateResponse(request, "admin/posts/notices.html", context)


def read_view(request: HttpRequest) -> HttpResponse:
    """Mark one notice, or all that were shown, as read."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    one = _number(request.POST.get("notice", ""))
    upto = _number(request.POST.get("upto", ""))
    if one is not None or upto is not None:
        notices.mark_read(request.user, one=one, upto=upto, now=timezone.now())
        request.session.pop(notices.IN_SESSION, None)
    return HttpResponseRedirect(reverse("admin:notices"))


def mail_view(request: HttpRequest) -> HttpResponse:
    """Switch mails of notices on or off for the person."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    if request.POST.get("wants_mail") == "on":
        mailing.subscribe(request.user)
        messages.success(request, "Notices come by mail too.")
    else:
        mailing.unsubscribe(request.user)
        messages.success(request, "Notices do not come by mail any more.")
    return HttpResponseRedirect(reverse("admin:notices"))
