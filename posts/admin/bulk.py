"""Where bulk actions begin: the post list and the review queue freeze a set and lead to its page.

In: posts ticked in a list, or all that the filters of the address match. Out: a prepared bulk
action, which `posts.admin.bulk_run` shows and asks to confirm. Decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponseNotAllowed, HttpResponseRedirect, QueryDict
from django.urls import reverse

from posts import bulk
from posts.admin.queue import asked
from posts.models import Post, QueueEntry
from posts.queue_walk import Filters, Row

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

#: What the lists offer, in their order.
ACTIONS = (
    *("approve", "request_changes", "reject", "publish", "archive"),
    *("add_tag", "remove_tag"),
)
#: Posts frozen by one action of a list; freezing and counting them is one request. `review_posts`
#: takes any number.
MOST = 100_000


def kinds_for(person: Any) -> list[bulk.Kind]:
    """Return the bulk actions a person has the permission for. No query of its own."""
    return [bulk.KINDS[name] for name in ACTIONS if person.has_perm(bulk.KINDS[name].permission)]


def run(model_admin: Any, request: HttpRequest, queryset: Any, *, action: str) -> Any:
    """Answer an action of the post list: freeze the ticked posts, or all that its address finds."""
    if request.POST.get("select_across") == "1":
        filters: dict[str, Any] = {"query": request.GET.dict()}
    else:
        filters = {"posts": _numbers(request.POST.getlist(ACTION_CHECKBOX_NAME))}
    return _freeze(request, action, queryset, filters, request.get_full_path())


def prepare_view(request: HttpRequest) -> HttpResponse:
    """Answer the queue: freeze the ticked drafts, or all that its filters find."""
    action = request.POST.get("action", "")
    if not request.user.has_perm("posts.view_post") or not kinds_for(request.user):
        raise PermissionDenied
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    if action not in ACTIONS:
        raise Http404("There is no such action.")
    wanted = asked(QueryDict(request.POST.get("back", "")))
    if request.POST.get("scope") == "all":
        ids = _fitting(wanted.filters)
        filters: dict[str, Any] = {"queue": wanted.chosen or {"tab": wanted.tab}}
    else:
        ids = _numbers(request.POST.getlist(ACTION_CHECKBOX_NAME))
        filters = {"posts": ids}
    queryset = Post.objects.filter(pk__among=ids)
    return _freeze(request, action, queryset, filters, wanted.link())


def _fitting(filters: Filters) -> list[int]:
    """Return the posts of all drafts that filters of the queue find, at most one too many.

    One query of narrow rows: some filters are conditions on a row that no database knows.
    """
    entries = QueueEntry.objects.filter(**filters.values)
    if filters.stage is not None:
        entries = entries.filter(stage=filters.stage)
    rows = (Row._make(row) for row in entries.values_list(*Row._fields).iterator())
    return list(islice((row.post_id for row in rows if filters.fits(row)), MOST + 1))


def _numbers(texts: Iterable[str]) -> list[int]:
    """Return the numbers of posts among what was ticked; the lists always send a 0."""
    plain = {text for text in texts if text.isascii() and text.isdecimal() and len(text) <= 18}
    return sorted({int(text) for text in plain} - {0})


def _freeze(
    request: HttpRequest, action: str, queryset: Any, filters: dict[str, Any], back: str
) -> HttpResponse:
    try:
        prepared = bulk.prepare(
            actions=[action],
            queryset=queryset,
            by=request.user,
            filters=filters,
            options={"back": back},
            most=MOST,
        )
    except bulk.TooManyError:
        messages.error(
            request,
            f"More than {MOST:,} posts match. Narrow the filters down, or ask a developer for "
            "review_posts, which takes any number. Nothing has happened.",
        )
        return HttpResponseRedirect(back)
    if not prepared.total:
        bulk.forget(prepared.pk)
        messages.warning(request, "No post was chosen: tick some, or choose all that fit.")
        return HttpResponseRedirect(back)
    return HttpResponseRedirect(reverse("admin:bulk", args=[prepared.pk]))
