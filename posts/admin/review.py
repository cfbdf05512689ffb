"""The page of one post: what waits, what may be done, what was done; and the doing of it.

In: requests of staff. Out: the page, and calls of `posts.review.act_on_one` with the digest the
person saw. A refused action shows the newer state and keeps what was typed. Writes nothing itself.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, NamedTuple

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied
from django.db.models import Max
from django.http import Http404, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone

from posts import history, review
from posts.admin import states
from posts.admin.choice import choice_of
from posts.admin.forms import ReasonForm
from posts.admin.notes import notes_context
from posts.admin.preview import differing_fields, preview
from posts.admin.previews import preview_context
from posts.admin.timeline import roles_of, timeline, where_from
from posts.models import Decision, Event, Post, PostTag, Revision
from posts.transitions import (
    TRANSITIONS,
    ReviewError,
    available,
    refuse_own_work,
    shown_time,
    state_of,
)

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

#: Lines on the page of a post, and on the pages with all of them.
SHORT_LIST = 10
LONG_LIST = 50

VERDICTS = [row.name for row in TRANSITIONS.values() if row.verdict and row.name != "withdraw"]

#: What the history calls things; an action is called by its own label.
_KINDS = {
    "write": "Written by hand",
    "revise": "New revision",
    "restore": "Revision restored",
    "merge": "Imported version merged",
    "tags": "Editorial tags changed",
    "slug": "Address changed",
}


class Button(NamedTuple):
    """One action a person may take now, and what it will do."""

    name: str
    text: str
    consequence: str
    digest: str
    url: str
    needs_reason: bool
    form: ReasonForm
    is_open: bool


class Line(NamedTuple):
    """One line of the history; `decision` holds verdict and reason where it was one."""

    event: Event
    text: str
    decision: Decision | None
    facts: str


def post_url(post: Post) -> str:
    return reverse("admin:posts_post_change", args=[post.pk])


class ReviewPages:
    """The pages of PostAdmin that show a post and decide on it."""

    def post_or_404(self, request: HttpRequest, post_id: Any) -> Post:
        """Return the post for a person who may see it. One query."""
        if not self.has_view_or_change_permission(request):
            raise PermissionDenied
        found = (
            Post.objects.filter(pk=int(post_id)).select_related("imported__source").first()
            if str(post_id).isdecimal()
            else None
        )
        if found is None:
            raise Http404("There is no such post.")
        if not self.has_view_or_change_permission(request, found):
            raise PermissionDenied
        return found

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show a post; it changes nothing, whatever is sent to it."""
        return self._page(request, self.post_or_404(request, object_id))

    def act_view(self, request: HttpRequest, post_id: int, action: str) -> HttpResponse:
        """On POST carry out one action, bound to the digest the page showed."""
        post = self.post_or_404(request, post_id)
        row = TRANSITIONS.get(action)
        if row is None:
            raise Http404("There is no such action.")
        if not request.user.has_perm(row.permission):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseRedirect(post_url(post))
        form = ReasonForm(request.POST, row=row)
        if not form.is_valid():
            return self._page(request, post, failed=form, status=400)
        try:
            review.act_on_one(
                action=action,
                post=post,
                by=request.user,
                digest=request.POST.get("digest", ""),
                reason=form.cleaned_data["reason"],
            )
        except ReviewError as error:
            self.message_user(request, f"Nothing was changed. {error}", messages.ERROR)
            fresh = self.post_or_404(request, post_id)
            return self._page(request, fresh, failed=form, status=409)
        tags = states.tags_of(with_proposed(post), timezone.now())
        now_is = ", ".join(tag.text for tag in tags)
        self.message_user(
            request, f"{row.label}: done. The post is now {now_is}.", messages.SUCCESS
        )
        return HttpResponseRedirect(post_url(post))

    def events_view(self, request: HttpRequest, post_id: int) -> HttpResponse:
        """Show the whole history, newest first, `LONG_LIST` lines a page."""
        post = self.post_or_404(request, post_id)
        if not request.user.has_perm("posts.view_event"):
            raise PermissionDenied
        lines, older = history_lines(post, LONG_LIST, before=request.GET.get("before", ""))
        context = self._context(request, post, f"History of {post.title}")
        return TemplateResponse(
            request, "admin/posts/events.html", context | {"lines": lines, "older": older}
        )

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Lead to the post's own history: Django's log of the admin knows nothing of it."""
        post = self.post_or_404(request, object_id)
        return HttpResponseRedirect(reverse("admin:posts_post_events", args=[post.pk]))

    def revisions_view(self, request: HttpRequest, post_id: int) -> HttpResponse:
        """Show all revisions, newest first, `LONG_LIST` lines a page."""
        post = self.post_or_404(request, post_id)
        if not request.user.has_perm("posts.view_revision"):
            raise PermissionDenied
        rows, older = timeline(post, LONG_LIST, before=request.GET.get("before", ""))
        context = self._context(request, post, f"Revisions of {post.title}")
        return TemplateResponse(
            request,
            "admin/posts/revisions.html",
            context
            | {
                "revisions": rows,
                "older": older,
                "newest": newest_number(post),
                "can_change": self.has_change_permission(request, post),
            },
        )

    def revision_view(self, request: HttpRequest, post_id: int, number: int) -> HttpResponse:
        """Show one revision: as readers would see it, and its Markdown."""
        post = self.post_or_404(request, post_id)
        if not request.user.has_perm("posts.view_revision"):
            raise PermissionDenied
        revision = (
            Revision.objects.filter(post=post, number=number)
            .select_related("author", "run__source", "parent")
            .defer("parent__lede", "parent__body", "parent__meta")
            .first()
        )
        if revision is None:
            raise Http404("There is no such revision.")
        context = self._context(request, post, f"Revision {number} of {post.title}")
        context |= {
            "revision": revision,
            "roles": roles_of(post, revision),
            "source": where_from(revision),
            "decisions": list(
                Decision.objects.filter(revision=revision)
                .select_related("reviewer")
                .order_by("-pk")[:LONG_LIST]
            ),
            "preview": preview(post, revision),
            "newest": newest_number(post),
            "can_change": self.has_change_permission(request, post),
            **choice_of(request, post, revision),
            **preview_context(request, revision),
        }
        return TemplateResponse(request, "admin/posts/revision.html", context)

    def _context(self, request: HttpRequest, post: Post, title: str) -> dict[str, Any]:
        return {
            **self.admin_site.each_context(request),
            "title": title,
            "opts": self.opts,
            "post": post,
            "post_url": post_url(post),
        }

    def _page(
        self,
        request: HttpRequest,
        post: Post,
        *,
        failed: ReasonForm | None = None,
        status: int = 200,
    ) -> HttpResponse:
        """Answer with the page of a post. About fifteen queries, whatever the post's size."""
        pointers = pointers_of(post)
        live = pointers[post.live_revision_id]
        proposed = pointers.get(post.proposed_revision_id)
        shown = proposed or live
        with_proposed(post, proposed)
        may_review = request.user.has_perm("posts.review_post")
        may_see_events = request.user.has_perm("posts.view_event")
        lines, older_event = history_lines(post, SHORT_LIST) if may_see_events else ([], None)
        revisions, older_revision = timeline(post, SHORT_LIST)
        context = self._context(request, post, post.title)
        context |= {
            "state": states.as_html(states.tags_of(post, timezone.now())),
            "live": live,
            "proposed": proposed,
            "proposed_source": where_from(proposed) if proposed else "",
            "waiting": pointers.get(
                getattr(post, "imported", None) and post.imported.waiting_revision_id
            ),
            "differing": (
                differing_fields(live.snapshot, proposed.snapshot)
                if proposed is not None and proposed.pk != live.pk
                else []
            ),
            "buttons": self._buttons(request, post, live, proposed, failed),
            "may_review": may_review,
            "own_work": own_work(request, post, proposed),
            "reviewers": [] if may_review else _who_may("review_post"),
            "preview": preview(post, shown),
            "tags": list(
                PostTag.objects.filter(content_object=post)
                .select_related("tag")
                .order_by("origin", "position", "tag_id")
            ),
            "lines": lines,
            "older_event": older_event,
            "revisions": revisions,
            "older_revision": older_revision,
            "is_held": is_held(post, proposed),
            "newest": revisions[0].revision.number,
            "can_change": self.has_change_permission(request, post),
            "public_url": post.get_absolute_url() if post.is_public(timezone.now()) else "",
            "may_plan": request.user.has_perm(TRANSITIONS["schedule"].permission)
            and post.visibility in TRANSITIONS["schedule"].visibility,
            **notes_context(request, post, shown),
            "next_waiting": (
                Post.objects.awaiting_review()
                .filter(pk__gt=post.pk)
                .order_by("pk")
                .values_list("pk", flat=True)
                .first()
            ),
        }
        return TemplateResponse(request, "admin/posts/post.html", context, status=status)

    def _buttons(
        self,
        request: HttpRequest,
        post: Post,
        live: Revision,
        proposed: Revision | None,
        failed: ReasonForm | None,
    ) -> list[Button]:
        waiting = post.imported.waiting_revision_id if hasattr(post, "imported") else None
        state = state_of(post, waiting)
        decided = _withdrawable(post, live, waiting)
        buttons = []
        is_own = bool(own_work(request, post, proposed))
        now = timezone.now()
        for row in available(state, request.user):
            if (row.name == "withdraw" and decided is None) or (row.needs_another and is_own):
                continue
            target = decided if row.name == "withdraw" else (row.verdict and proposed) or live
            is_open = failed is not None and failed.row is row
            buttons.append(
                Button(
                    name=row.name,
                    text=states.button_text(row.name, row.label, proposed, post, now),
                    consequence=states.consequence(
                        row.name,
                        post=post,
                        proposed=proposed,
                        decided=decided,
                        undo_seconds=settings.REVIEW_UNDO_SECONDS,
                        now=now,
                    ),
                    digest=target.digest,
                    url=reverse("admin:posts_post_act", args=[post.pk, row.name]),
                    needs_reason=row.needs_reason,
                    form=failed if is_open else ReasonForm(row=row, auto_id=f"id_{row.name}_%s"),
                    is_open=is_open,
                )
            )
        return buttons


def own_work(request: HttpRequest, post: Post, proposed: Revision | None) -> str:
    """Return why this person's approval of what waits is refused, empty when it is not."""
    try:
        for row in available(state_of(post), request.user):
            refuse_own_work(row, proposed.author_id if proposed else None, request.user)
    except ReviewError as error:
        return str(error)
    return ""


def with_proposed(post: Post, proposed: Revision | None = None) -> Post:
    """Let `states` read the proposed revision without another query where it is known."""
    if proposed is not None:
        post.proposed_revision = proposed
    return post


def pointers_of(post: Post) -> dict[int, Revision]:
    """Return the revisions a post points to, with content, by id. One query."""
    waiting = post.imported.waiting_revision_id if hasattr(post, "imported") else None
    ids = {post.live_revision_id, post.proposed_revision_id, post.approved_revision_id, waiting}
    rows = Revision.objects.filter(pk__in=ids - {None}).select_related("author", "run__source")
    return {revision.pk: revision for revision in rows}


def is_held(post: Post, proposed: Revision | None) -> bool:
    """Say whether an import's version waits beside the page's own, or behind a proposal."""
    if hasattr(post, "imported") and post.imported.waiting_revision_id is not None:
        return True
    is_beside = proposed is not None and proposed.pk != post.live_revision_id
    return is_beside and not proposed.is_by_person


def _withdrawable(post: Post, live: Revision, waiting: int | None) -> Revision | None:
    """Return the revision whose last verdict can be taken back, as `posts.review` sees it.

    Up to two queries.
    """
    state = state_of(post, waiting)
    last = history.latest_of_kind([post.pk], kinds=VERDICTS).get(post.pk)
    if last is not None:
        _, data = last
        pointers = ("live", "proposed", "approved", "waiting")
        if all(data[name][1] == getattr(state, name) for name in pointers):
            return Revision.objects.without_content().get(pk=data["revision"])
    return live if post.is_live_approved else None


def newest_number(post: Post) -> int:
    return post.revisions.aggregate(newest=Max("number"))["newest"]


def history_lines(post: Post, most: int, before: str = "") -> tuple[list[Line], int | None]:
    """Return lines of history, newest first, and the sequence to go on below. Two queries."""
    rows = Event.objects.filter(post=post).select_related("actor").order_by("-sequence")
    if before.isdecimal():
        rows = rows.filter(sequence__lt=int(before))
    events = list(rows[: most + 1])
    older = events[most - 1].sequence if len(events) > most else None
    events = events[:most]
    decided = {
        (decision.verdict, decision.decided_at): decision
        for decision in Decision.objects.filter(
            revision__post=post, decided_at__in=[event.at for event in events]
        )
        .select_related("reviewer", "revision")
        .defer("revision__lede", "revision__body", "revision__meta")
    }
    return [_line(event, decided.get((event.kind, event.at))) for event in events], older


def _line(event: Event, decision: Decision | None) -> Line:
    row = TRANSITIONS.get(event.kind)
    text = row.label if row is not None else _KINDS.get(event.kind, event.kind.replace("_", " "))
    data = event.data
    facts = ""
    if event.kind == "tags":
        facts = f"{len(data['added'])} added, {len(data['removed'])} removed"
    elif "number" in data:
        facts = f"revision {data['number']}, from revision {data['parent']}"
    elif decision is not None:
        facts = f"revision {decision.revision.number}"
    facts = "; ".join(filter(None, [facts, *_planned_times(data)]))
    return Line(event, text, decision, facts)


def _planned_times(data: dict[str, Any]) -> list[str]:
    """Return the times an event set or took away, in words."""
    words = {"published_at": "publication", "archive_at": "archiving"}
    return [
        f"{word} {shown_time(dt.datetime.fromisoformat(data[name][1]))}"
        if data[name][1]
        else f"no {word} any more"
        for name, word in words.items()
        if name in data
    ]


def _who_may(codename: str) -> list[str]:
    """Return the groups whose members have a permission. One query."""
    groups = Group.objects.filter(
        permissions__codename=codename, permissions__content_type__app_label="posts"
    )
    return list(groups.order_by("name").values_list("name", flat=True)[:SHORT_LIST])
