"""Planning when a post is published and archived; approving another revision than what waits.

In: requests of staff. Out: pages, and calls of `posts.review.act_on_one` with what the person saw.
No job carries a plan out: the times are conditions of `posts.querysets`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone

from posts import review
from posts.admin.review import post_url
from posts.models import Post, Revision
from posts.transitions import (
    ARCHIVED,
    PUBLISHED,
    TRANSITIONS,
    ReviewError,
    shown_time,
)

if TYPE_CHECKING:
    import datetime as dt

    from django.http import HttpRequest, HttpResponse

#: The spelling of <input type="datetime-local">, which also is what people without one type.
_FORMAT = "%Y-%m-%dT%H:%M"
_FIELD_OF = {
    "time_missing": "publish_at",
    "archived_before_published": "archive_at",
}


class ScheduleForm(forms.Form):
    """Two times in UTC; a post that readers see has no time of publication any more."""

    publish_at = forms.DateTimeField(
        label="Publish at",
        required=False,
        widget=forms.DateTimeInput(format=_FORMAT, attrs={"type": "datetime-local"}),
    )
    archive_at = forms.DateTimeField(
        label="Archive at",
        required=False,
        widget=forms.DateTimeInput(format=_FORMAT, attrs={"type": "datetime-local"}),
        help_text="From then on the page answers “gone” and stands in no list. Leave empty for "
        "never.",
    )

    def __init__(self, data: Any = None, *, post: Post, now: dt.datetime) -> None:
        is_out = post.visibility == PUBLISHED and not post.is_planned(now)
        times = {"archive_at": post.archive_at}
        if post.is_planned(now):
            times["publish_at"] = post.published_at
        super().__init__(data, initial=times)
        if is_out:
            del self.fields["publish_at"]
        for field in self.fields.values():
            wanted = "a date and a time such as 2026-11-24T09:00, in UTC"
            field.error_messages["invalid"] = f"Expected {wanted}."

    def refuse(self, error: ReviewError) -> None:
        """Put a refusal of `posts.review` at the field it is about."""
        name = _FIELD_OF.get(error.code)
        if error.code == "past_time":
            name = "archive_at" if "archiving" in str(error) else "publish_at"
        self.add_error(name if name in self.fields else None, str(error))


class SchedulePages:
    """The pages of PostAdmin that plan, and that choose a revision."""

    def schedule_view(self, request: HttpRequest, post_id: int) -> HttpResponse:
        """Show the times of a post; on POST set them, or publish a planned post now."""
        post = self.post_or_404(request, post_id)
        row = TRANSITIONS["schedule"]
        if not request.user.has_perm(row.permission):
            raise PermissionDenied
        now = timezone.now()
        if post.visibility == ARCHIVED:
            self.message_user(
                request, "An archived post has no times. Bring it back first.", messages.ERROR
            )
            return HttpResponseRedirect(post_url(post))
        form = ScheduleForm(request.POST or None, post=post, now=now)
        if request.method != "POST":
            return self._schedule_page(request, post, form, now)
        if request.POST.get("seen") != seen_times(post):
            form.is_valid()
            form.add_error(
                None,
                "Somebody else changed the times meanwhile, so nothing was changed. Now: "
                f"{_times(post, now)}. Your input is still in the form.",
            )
            return self._schedule_page(request, post, form, now, status=409)
        is_now = "now" in request.POST and post.is_planned(now)
        if not (is_now or form.is_valid()):
            return self._schedule_page(request, post, form, now, status=400)
        try:
            if is_now:
                review.act_on_one(
                    action=["unpublish", "publish", "schedule"],
                    post=post,
                    by=request.user,
                    archive_at=post.archive_at,
                )
            else:
                review.act_on_one(
                    action="schedule",
                    post=post,
                    by=request.user,
                    publish_at=form.cleaned_data.get("publish_at"),
                    archive_at=form.cleaned_data["archive_at"],
                )
        except ReviewError as error:
            form.refuse(error)
            return self._schedule_page(request, post, form, now, status=409)
        self.message_user(
            request, f"Done. {_times(post, timezone.now())}.".replace("..", "."), messages.SUCCESS
        )
        return HttpResponseRedirect(post_url(post))

    def _schedule_page(
        self,
        request: HttpRequest,
        post: Post,
        form: ScheduleForm,
        now: dt.datetime,
        status: int = 200,
    ) -> HttpResponse:
        context = self._context(request, post, f"Times of {post.title}")
        context |= {
            "form": form,
            "now": shown_time(now),
            "times": _times(post, now),
            "seen": seen_times(post),
            "is_planned": post.is_planned(now),
            "is_over": post.is_over(now),
            "is_approved": post.is_live_approved,
        }
        return TemplateResponse(request, "admin/posts/schedule.html", context, status=status)

    def choose_view(self, request: HttpRequest, post_id: int, number: int) -> HttpResponse:
        """On POST approve a revision that is not the one waiting, and make it live."""
        post = self.post_or_404(request, post_id)
        if not request.user.has_perm(TRANSITIONS["approve"].permission):
            raise PermissionDenied
        revision = Revision.objects.without_content().filter(post=post, number=number).first()
        if revision is None:
            raise Http404("There is no such revision.")
        here = reverse("admin:posts_post_revision", args=[post.pk, number])
        if request.method != "POST":
            return HttpResponseRedirect(here)
        try:
            review.act_on_one(
                action="approve",
                post=post,
                by=request.user,
                chosen=revision,
                digest=request.POST.get("live", ""),
            )
        except ReviewError as error:
            text = str(error)
            if error.code == "stale":
                text = "Another revision is live now than the one you looked at. Compare first."
            self.message_user(request, f"Nothing was changed. {text}", messages.ERROR)
            return HttpResponseRedirect(here)
        self.message_user(request, f"Revision {number} is approved and live.", messages.SUCCESS)
        return HttpResponseRedirect(post_url(post))


def seen_times(post: Post) -> str:
    """Return the times a form was made for, as one value."""
    return " ".join(at.isoformat() if at else "-" for at in (post.published_at, post.archive_at))


def _times(post: Post, now: dt.datetime) -> str:
    """Return the times of a post in one line."""
    if post.is_planned(now):
        text = f"to be published {shown_time(post.published_at)}"
    elif post.visibility == PUBLISHED:
        text = f"published since {shown_time(post.published_at)}"
    else:
        text = post.visibility
    if post.archive_at is None:
        return text
    verb = "archived since" if post.is_over(now) else "to be archived"
    return f"{text}, {verb} {shown_time(post.archive_at)}"
