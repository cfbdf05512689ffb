"""Preview links in the admin: made on a revision's page, listed for a post, ended by a click.

In: requests of staff. Out: pages, and calls of `posts.previews`. The address of a link is shown in
the answer that makes it and never again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone

from posts import previews
from posts.models import PreviewLink, Revision

if TYPE_CHECKING:
    import datetime as dt

    from django.http import HttpRequest, HttpResponse

#: Links on the page of a revision, and on the page with all of a post.
SHORT_LIST = 10
LONG_LIST = 50


class LinkLine(NamedTuple):
    """One link; `closed` says why it does not open any more, empty while it does."""

    link: PreviewLink
    closed: str


class PreviewPages:
    """The pages of PostAdmin that share a revision with people who have no account."""

    def previews_view(self, request: HttpRequest, post_id: int) -> HttpResponse:
        """Show the links of a post, newest first, `LONG_LIST` lines a page."""
        post = self.post_or_404(request, post_id)
        if not may_see(request):
            raise PermissionDenied
        rows = PreviewLink.objects.filter(revision__post=post)
        before = request.GET.get("before", "")
        if before.isdecimal():
            rows = rows.filter(pk__lt=int(before))
        found = lines(rows, timezone.now(), LONG_LIST + 1)
        older = found[LONG_LIST - 1].link.pk if len(found) > LONG_LIST else None
        context = self._context(request, post, f"Preview links of {post.title}")
        context |= {
            "links": found[:LONG_LIST],
            "older": older,
            "may_revoke": request.user.has_perm(previews.REVOKE),
        }
        return TemplateResponse(request, "admin/posts/previews.html", context)

    def make_preview_view(self, request: HttpRequest, post_id: int, number: int) -> HttpResponse:
        """On POST make a link to a revision, and show its address in the answer, this once."""
        post = self.post_or_404(request, post_id)
        if not (may_see(request) and request.user.has_perm(previews.MAKE)):
            raise PermissionDenied
        revision = Revision.objects.without_content().filter(post=post, number=number).first()
        if revision is None:
            raise Http404("There is no such revision.")
        back = reverse("admin:posts_post_revision", args=[post.pk, number])
        if request.method != "POST":
            return HttpResponseRedirect(back)
        days = request.POST.get("days", "")
        try:
            link, token = previews.make(
                revision=revision, by=request.user, days=int(days) if days.isdecimal() else 0
            )
        except previews.LinkError as error:
            self.message_user(request, str(error), messages.ERROR)
            return HttpResponseRedirect(back)
        context = self._context(request, post, f"A preview link to revision {number}")
        context |= {
            "revision": revision,
            "link": link,
            "address": settings.PUBLIC_URL + reverse("preview", args=[token]),
        }
        return TemplateResponse(request, "admin/posts/preview_made.html", context)

    def revoke_preview_view(self, request: HttpRequest, post_id: int, link_id: int) -> HttpResponse:
        """On POST end a link."""
        post = self.post_or_404(request, post_id)
        if not (may_see(request) and request.user.has_perm(previews.REVOKE)):
            raise PermissionDenied
        link = PreviewLink.objects.filter(pk=link_id, revision__post=post).first()
        if link is None:
            raise Http404("There is no such link.")
        if request.method == "POST":
            previews.revoke(link=link, by=request.user)
            self.message_user(
                request, "The link is ended: it shows nothing any more.", messages.SUCCESS
            )
        return HttpResponseRedirect(reverse("admin:posts_post_previews", args=[post.pk]))


def may_see(request: HttpRequest) -> bool:
    return request.user.has_perms(["posts.view_revision", "posts.view_previewlink"])


def lines(rows: Any, now: dt.datetime, most: int) -> list[LinkLine]:
    """Return lines about links, newest first. One query."""
    found = (
        rows.select_related("made_by", "revoked_by", "revision__post")
        .defer("revision__lede", "revision__body", "revision__meta")
        .order_by("-pk")[:most]
    )
    return [LinkLine(link, previews.why_closed(link, now)) for link in found]


def preview_context(request: HttpRequest, revision: Revision) -> dict[str, Any]:
    """Return what the page of a revision says about its links. One query for who may see them."""
    if not may_see(request):
        return {"may_see_links": False}
    rows = PreviewLink.objects.filter(revision=revision)
    return {
        "may_see_links": True,
        "links": lines(rows, timezone.now(), SHORT_LIST),
        "may_share": request.user.has_perm(previews.MAKE),
        "may_revoke": request.user.has_perm(previews.REVOKE),
        "days": [(days, days == previews.DAYS_DEFAULT) for days in previews.DAYS],
    }
