"""The review loop: one draft at a time under a lease, a verdict, the next one.

In: requests of reviewers. Out: the draft as readers would see it with its forms, and calls of
`posts.review.act_on_one` with the digest the person saw. Plain forms; the script adds keys. What
is refused changes nothing and shows what is there now. Writes nothing but leases itself.
"""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any, NamedTuple

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponseNotAllowed, HttpResponseRedirect, JsonResponse
from django.http.request import QueryDict
from django.template.response import TemplateResponse
from django.utils import timezone

from posts import leases, queue, queue_counts, queue_walk, review, risk
from posts.admin import review as review_pages
from posts.admin import states
from posts.admin.forms import ReasonForm
from posts.admin.notes import notes_context
from posts.admin.preview import differing_fields, preview
from posts.admin.queue import DONE, size_text, toast_of
from posts.admin.queue_asked import Asked, asked
from posts.models import Event, Post, QueueEntry, Revision
from posts.transitions import PUBLISHED, TRANSITIONS, ReviewError

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest, HttpResponse

PERMISSION = "posts.review_post"
#: Verdicts of the loop, with their keys.
KEYS = {"approve": "a", "request_changes": "r", "reject": "x"}
#: Skipped drafts a session remembers, the newest.
SKIPPED_MAX = 500


class Form(NamedTuple):
    """One verdict: its button, its key, what it will do, and its reason."""

    name: str
    key: str
    text: str
    consequence: str
    needs_reason: bool
    form: ReasonForm
    is_open: bool


def for_reviewers(
    *methods: str,
) -> Callable[[Callable[..., HttpResponse]], Callable[..., HttpResponse]]:
    """Let only reviewers in, by these methods."""

    def wrap(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
        @wraps(view)
        def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if not request.user.has_perms(("posts.view_post", PERMISSION)):
                raise PermissionDenied
            if request.method not in methods:
                return HttpResponseNotAllowed(methods)
            return view(request, *args, **kwargs)

        return answer

    return wrap


def choices(request: HttpRequest) -> Asked:
    """Return the filters of the loop: from the address, or carried by one of its forms."""
    carried = request.POST.get("back") if request.method == "POST" else None
    return asked(request.GET if carried is None else QueryDict(carried))


# --- Going on ---------------------------------------------------------------------------------


@for_reviewers("GET", "HEAD")
def next_view(request: HttpRequest) -> HttpResponse:
    """Hand out one draft under a lease and lead to it; where none is left, back to the queue."""
    wanted = choices(request)
    handed = leases.hand_out(
        by=request.user,
        filters=wanted.filters,
        now=timezone.now(),
        skipped=request.session.get("queue_skipped", ()),
        after=request.GET.get("from", ""),
    )
    if handed.post_id is not None:
        return HttpResponseRedirect(wanted.draft(handed.post_id))
    if handed.go_on:
        messages.info(
            request,
            f"None of the {queue_walk.WINDOW * leases.STEPS:,} drafts looked through fits, or "
            "others have them open. The list goes on from there.",
        )
        return HttpResponseRedirect(wanted.link(after=handed.go_on))
    messages.info(request, _nothing_left(request, wanted))
    return HttpResponseRedirect(wanted.here)


def _nothing_left(request: HttpRequest, wanted: Asked) -> str:
    if wanted.filters.stage == QueueEntry.Stage.RETURNED:
        return "Returned drafts wait for an edit or a new version, not for a verdict."
    text = "No draft is left for you here: others have the rest open, or nothing waits."
    if request.session.get("queue_skipped"):
        text += " What you skipped can be shown again."
    return text


def _go_on(request: HttpRequest, wanted: Asked) -> HttpResponse:
    """Lead to the draft that was made ready where it is still ours, else to the next one."""
    ahead = request.POST.get("ahead", "")
    if (
        ahead.isascii()
        and ahead.isdecimal()
        and len(ahead) <= 18
        and QueueEntry.objects.filter(
            pk=int(ahead), lease_by=request.user, lease_until__gt=timezone.now()
        ).exists()
    ):
        return HttpResponseRedirect(wanted.draft(int(ahead)))
    return HttpResponseRedirect(wanted.next_draft)


# --- One draft --------------------------------------------------------------------------------


@for_reviewers("GET", "HEAD")
def draft_view(request: HttpRequest, post_id: int) -> HttpResponse:
    """Show a draft and take or keep its lease."""
    return _page(request, _post(post_id), choices(request))


def _post(post_id: int) -> Post:
    found = Post.objects.filter(pk=post_id).select_related("imported__source").first()
    if found is None:
        raise Http404("There is no such post.")
    return found


def _page(
    request: HttpRequest,
    post: Post,
    wanted: Asked,
    *,
    failed: ReasonForm | None = None,
    seen: str = "",
    status: int = 200,
) -> HttpResponse:
    """Answer with a draft. About fifteen queries, whatever the size of queue and post."""
    from posts.admin.site import site

    now = timezone.now()
    is_ours = leases.renew(post_id=post.pk, by=request.user, now=now)
    entry = (
        QueueEntry.objects.filter(pk=post.pk, stage=QueueEntry.Stage.WAITING)
        .select_related("lease_by", "post")
        .first()
    )
    pointers = review_pages.pointers_of(post)
    live = pointers[post.live_revision_id]
    proposed = pointers.get(post.proposed_revision_id)
    shown = proposed or live
    states_of = states.as_html(states.tags_of(review_pages.with_proposed(post, proposed), now))
    own_work = review_pages.own_work(request, post, proposed)
    may_see_events = request.user.has_perm("posts.view_event")
    is_waiting = entry is not None and proposed is not None
    last = None if is_waiting else _last_decision(post)
    context = {
        **site.each_context(request),
        "title": post.title,
        "post": post,
        "asked": wanted,
        "back": wanted.back,
        "queue_url": wanted.here,
        "next_url": wanted.next_draft,
        "entry": entry,
        "checks": risk.checked(entry.factors, entry.contradicted, queue.weights()) if entry else [],
        "size": size_text(entry) if entry else "",
        "state": states_of,
        "shown": shown,
        "live": live,
        "from": review_pages.where_from(shown),
        "is_beside": proposed is not None and proposed.pk != live.pk,
        "differing": (
            differing_fields(live.snapshot, proposed.snapshot)
            if proposed is not None and proposed.pk != live.pk
            else []
        ),
        "forms": _forms(post, proposed, failed, own_work) if is_waiting else [],
        "own_work": own_work,
        "holder": entry.lease_by if entry is not None and not is_ours else None,
        "preview": preview(post, shown),
        "lines": review_pages.history_lines(post, review_pages.SHORT_LIST)[0]
        if may_see_events
        else [],
        "may_see_events": may_see_events,
        "last": last,
        "last_text": TRANSITIONS[last.kind].label if last is not None else "",
        "seen": _seen(post, seen, shown),
        "toast": toast_of(request, now),
        "can_change": request.user.has_perm("posts.change_post"),
        "may_compare": request.user.has_perm("posts.view_revision"),
        "public_url": post.get_absolute_url() if post.visibility == PUBLISHED else "",
        "renew_seconds": int(leases.LEASE.total_seconds() // 3),
        "left": _left(request, wanted),
        **notes_context(request, post, shown),
    }
    return TemplateResponse(request, "admin/posts/queue_draft.html", context, status=status)


def _left(request: HttpRequest, wanted: Asked) -> str:
    """Return how many drafts wait here; with several filters nobody counts. One query."""
    filters = wanted.filters
    if filters.is_looked_for or filters.stage is None:
        return ""
    rows = queue_walk.walked(filters, queue_walk.RISK, filters.narrowest, None)
    found, _ = queue_counts.counts(request.user.pk, {"here": rows}, timezone.now())
    return queue_counts.count_text(found["here"])


def _forms(
    post: Post, proposed: Revision | None, failed: ReasonForm | None, own_work: str
) -> list[Form]:
    forms = []
    for name, key in KEYS.items():
        row = TRANSITIONS[name]
        if post.visibility not in row.visibility or (row.needs_another and own_work):
            continue
        is_open = failed is not None and failed.row is row
        forms.append(
            Form(
                name=name,
                key=key,
                text=states.button_text(name, row.label, proposed, post, timezone.now()),
                consequence=states.consequence(
                    name,
                    post=post,
                    proposed=proposed,
                    decided=None,
                    undo_seconds=settings.REVIEW_UNDO_SECONDS,
                ),
                needs_reason=row.needs_reason,
                form=failed if is_open and failed else ReasonForm(row=row, auto_id=f"id_{name}_%s"),
                is_open=is_open,
            )
        )
    return forms


class Seen(NamedTuple):
    """What the person had before them when something newer came, and in what it differs."""

    revision: Revision
    fields: list[str]
    preview: dict[str, Any]


def _seen(post: Post, digest: str, shown: Revision) -> Seen | None:
    if not digest or digest == shown.digest:
        return None
    found = Revision.objects.filter(post=post, digest=digest).order_by("-number").first()
    if found is None:
        return None
    return Seen(found, differing_fields(found.snapshot, shown.snapshot), preview(post, found))


def _last_decision(post: Post) -> Event | None:
    """Return who did what last, for a draft that does not wait any more. One query."""
    return (
        Event.objects.filter(post=post, kind__in=[*KEYS, "archive"])
        .select_related("actor")
        .order_by("-sequence")
        .first()
    )


# --- Deciding, skipping, leaving, taking back -------------------------------------------------


@for_reviewers("POST")
def decide_view(request: HttpRequest, post_id: int, action: str) -> HttpResponse:
    """Carry out a verdict on the digest that was shown, and go on."""
    if action not in KEYS:
        raise Http404("There is no such verdict.")
    wanted, post, row = choices(request), _post(post_id), TRANSITIONS[action]
    seen = request.POST.get("digest", "")
    form = ReasonForm(request.POST, row=row, auto_id=f"id_{action}_%s")
    if not form.is_valid():
        return _page(request, post, wanted, failed=form, status=400)
    now = timezone.now()
    try:
        review.act_on_one(
            action=action,
            post=post,
            by=request.user,
            digest=seen,
            reason=form.cleaned_data["reason"],
            now=now,
        )
    except ReviewError as error:
        messages.error(request, f"Nothing was changed. {error}")
        return _page(request, _post(post_id), wanted, failed=form, seen=seen, status=409)
    request.session["queue_undo"] = {
        "post": post.pk,
        "action": action,
        "digest": seen,
        "at": now.isoformat(),
    }
    return _go_on(request, wanted)


@for_reviewers("POST")
def skip_view(request: HttpRequest, post_id: int) -> HttpResponse:
    """Leave a draft to others: not shown to this person again in this session."""
    skipped = [pk for pk in request.session.get("queue_skipped", []) if pk != post_id]
    request.session["queue_skipped"] = [*skipped, post_id][-SKIPPED_MAX:]
    leases.release(post_ids=[post_id], by=request.user)
    return _go_on(request, choices(request))


@for_reviewers("POST")
def unskip_view(request: HttpRequest) -> HttpResponse:
    """Show again what was skipped in this session."""
    request.session.pop("queue_skipped", None)
    return HttpResponseRedirect(choices(request).here)


@for_reviewers("POST")
def leave_view(request: HttpRequest, post_id: int) -> HttpResponse:
    """Give the draft back, and one that was made ready; lead to the queue."""
    ahead = request.POST.get("ahead", "")
    others = [int(ahead)] if ahead.isascii() and ahead.isdecimal() and len(ahead) <= 18 else []
    leases.release(post_ids=[post_id, *others], by=request.user)
    return HttpResponseRedirect(choices(request).here)


@for_reviewers("POST")
def undo_view(request: HttpRequest) -> HttpResponse:
    """Take the last verdict back while its window is open, and show its draft again."""
    wanted, now = choices(request), timezone.now()
    last = request.session.get("queue_undo")
    if last is None or toast_of(request, now) is None:
        messages.error(
            request,
            "The undo window is over, so the verdict stands. It can be withdrawn on the page of "
            "the post.",
        )
        return HttpResponseRedirect(wanted.next_draft)
    post = _post(last["post"])
    try:
        review.act_on_one(
            action="withdraw", post=post, by=request.user, digest=last["digest"], now=now
        )
    except ReviewError as error:
        messages.error(request, f"Nothing was changed. {error}")
    else:
        messages.success(request, f"“{DONE[last['action']]}” was taken back.")
    del request.session["queue_undo"]
    return HttpResponseRedirect(wanted.draft(post.pk))


@for_reviewers("POST")
def renew_view(request: HttpRequest, post_id: int) -> HttpResponse:
    """Keep the lease of an open page; tell whether the draft still waits and is ours."""
    is_ours = leases.renew(post_id=post_id, by=request.user, now=timezone.now())
    return JsonResponse({"is_ours": is_ours})


@for_reviewers("POST")
def ahead_view(request: HttpRequest, post_id: int) -> HttpResponse:
    """Take a short lease on the draft after this one, and render it into the cache.

    The browser is told its number only: a page that was fetched before could show what has changed
    since.
    """
    handed = leases.hand_out(
        by=request.user,
        filters=choices(request).filters,
        now=timezone.now(),
        skipped=[post_id, *request.session.get("queue_skipped", ())],
        lease=leases.AHEAD,
    )
    if handed.post_id is not None:
        post = _post(handed.post_id)
        revision = Revision.objects.get(pk=post.proposed_revision_id or post.live_revision_id)
        preview(post, revision)
    return JsonResponse({"post": handed.post_id})
