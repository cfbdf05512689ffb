"""Reports of readers in the admin: the list, one report, and what becomes of it.

In: requests of staff who may see reports. Out: pages by key, and calls of `posts.reader_reports`.
What is refused keeps what was typed. Writes nothing itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from posts import mailing, reader_reports
from posts.models import Post, ReaderReport
from posts.reader_reports import ANSWER_MAX, ReportError
from posts.review import REASON_MAX
from posts.transitions import ReviewError

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

PAGE = 50
State = ReaderReport.State
REVIEW = "posts.review_post"


def _context(request: HttpRequest, title: str) -> dict[str, Any]:
    from posts.admin.site import site

    return {**site.each_context(request), "title": title}


def _require(request: HttpRequest, *permissions: str) -> None:
    if not request.user.has_perms([reader_reports.VIEW, "posts.view_post", *permissions]):
        raise PermissionDenied


def list_view(request: HttpRequest) -> HttpResponse:
    """Show reports of one state: new ones oldest first, others newest first. Two queries."""
    _require(request)
    state = request.GET.get("state", State.NEW)
    if state not in State.values:
        state = State.NEW.value
    rows = ReaderReport.objects.filter(state=state).select_related("post", "handled_by")
    place = request.GET.get("after", "")
    is_place = place.isascii() and place.isdecimal() and len(place) <= 18
    is_new = state == State.NEW
    if is_place:
        rows = rows.filter(pk__gt=int(place)) if is_new else rows.filter(pk__lt=int(place))
    found = list(rows.order_by("pk" if is_new else "-pk")[: PAGE + 1])
    context = _context(request, "Reports of readers")
    context |= {
        "reports": found[:PAGE],
        "further": found[PAGE - 1].pk if len(found) > PAGE else None,
        "is_first": not is_place,
        "state": state,
        "states": State.choices,
    }
    return TemplateResponse(request, "admin/posts/reports.html", context)


class AnswerForm(forms.Form):
    """What becomes of a report, and the words for it."""

    text = forms.CharField(
        label="Your words",
        required=False,
        max_length=ANSWER_MAX,
        widget=forms.Textarea(attrs={"rows": 4}),
        error_messages={"max_length": f"Shorten it to {ANSWER_MAX:,} characters."},
    )


def report_view(request: HttpRequest, report_id: int) -> HttpResponse:
    """Show a report, and on POST answer, dismiss or send the post back. About eight queries."""
    _require(request)
    report = (
        ReaderReport.objects.filter(pk=report_id)
        .select_related("post", "revision", "handled_by")
        .defer("revision__body", "revision__meta", "revision__lede")
        .first()
        if report_id < 2**63
        else None
    )
    if report is None:
        raise Http404("There is no such report.")
    form = AnswerForm(request.POST or None)
    status = 200
    if request.method == "POST":
        _require(request, reader_reports.HANDLE)
        if form.is_valid():
            try:
                told = _carry_out(request, report, form.cleaned_data["text"])
            except (ReportError, ReviewError) as error:
                form.add_error("text", str(error))
            else:
                messages.success(request, told)
                return HttpResponseRedirect(reverse("admin:reports"))
        status = 409 if form.errors else 200
    context = _context(request, f"Report on {report.post.title}")
    context |= {
        "report": report,
        "form": form,
        "is_new": report.state == State.NEW,
        "is_mail_configured": mailing.is_configured(),
        "is_listed": report.post.visibility == Post.Visibility.PUBLISHED,
        "may_handle": request.user.has_perm(reader_reports.HANDLE),
        "may_send_back": request.user.has_perm(REVIEW),
        "undo_seconds": settings.REVIEW_UNDO_SECONDS,
    }
    return TemplateResponse(request, "admin/posts/report.html", context, status=status)


def _carry_out(request: HttpRequest, report: ReaderReport, text: str) -> str:
    """Do what the pressed button asks for; return what was done, in words."""
    match request.POST.get("do"):
        case "answer":
            is_mailed = reader_reports.answer(report=report, by=request.user, text=text)
            return (
                "Answered; the mail has left." if is_mailed else "Answered; nobody to mail it to."
            )
        case "dismiss":
            reader_reports.dismiss(report=report, by=request.user, text=text)
            return "Dismissed."
        case "send_back":
            _require(request, reader_reports.HANDLE, REVIEW)
            if not text.strip() or len(text.strip()) > REASON_MAX:
                raise ReportError(
                    "reason",
                    f"Write the reason for the request, 1 to {REASON_MAX} characters.",
                )
            reader_reports.send_back(report=report, by=request.user, reason=text)
            return "The post was sent back with your words as the reason."
    raise ReportError("unknown", "Choose what to do with this report.")
