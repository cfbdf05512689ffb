"""The pages of one bulk action: what it will do, how far it is, what came of each post.

In: requests of whoever began it, and of those who may see the audit. Out: a confirmation with
counts and a sample, progress that needs no script, results by page and as CSV. A short action ends
within the request that confirms it; a longer one is left to a process, or to this page.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import wraps
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlencode

from django import forms
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import (
    Http404,
    HttpResponseNotAllowed,
    HttpResponseRedirect,
    JsonResponse,
    StreamingHttpResponse,
)
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone

from posts import bulk
from posts.admin.audit import PERMISSION, filter_words
from posts.admin.bulk import prepare_view
from posts.admin.forms import ReasonForm
from posts.bulk_plan import plan_of
from posts.importing.report import cell
from posts.models import BulkAction, BulkItem, Post
from posts.transitions import ReviewError

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

State = BulkAction.State

#: Seconds a request carries an action out before it leaves the rest to a process, and posts from
#: which the process is begun at once, so that it has started by then.
REQUEST_SECONDS, LONG = 2.0, 5_000
PAGE = 50
#: Rows looked at for one page of results of one kind, and rows of a download read at once.
WINDOW, STEP = 20_000, 2_000
#: Name in the address -> text, condition on the rows.
KINDS_OF_RESULTS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "": ("All", lambda rows: rows),
    "changed": ("Changed", lambda rows: rows.filter(outcome=BulkItem.CHANGED)),
    "skipped": ("Skipped", lambda rows: rows.exclude(outcome__in=["", BulkItem.CHANGED])),
    "left": ("Not reached", lambda rows: rows.filter(outcome="")),
}


class ConfirmForm(ReasonForm):
    """What a bulk action has to be told: why, or which tag."""

    tag = forms.CharField(
        required=False,
        help_text="One tag of the site's own; those that came with the texts stay as they are.",
    )

    def __init__(self, *args: Any, row: bulk.Kind, **kwargs: Any) -> None:
        super().__init__(*args, row=row, **kwargs)
        self.fields["tag"].required = row.needs_tag
        for name, is_asked in (("reason", row.needs_reason), ("tag", row.needs_tag)):
            if not is_asked:
                del self.fields[name]


def page(
    *methods: str, is_for_actor: bool = False
) -> Callable[[Callable[..., HttpResponse]], Callable[..., HttpResponse]]:
    """Let in who began the action; others only by the audit's permission. One query."""

    def wrap(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
        @wraps(view)
        def answer(request: HttpRequest, bulk_id: int) -> HttpResponse:
            found = BulkAction.objects.select_related("actor").filter(pk=bulk_id).first()
            is_actor = found is not None and found.actor_id == request.user.pk
            if not is_actor and (is_for_actor or not request.user.has_perm(PERMISSION)):
                raise PermissionDenied
            if found is None:
                raise Http404("There is no such bulk action.")
            if request.method not in methods:
                return HttpResponseNotAllowed(methods)
            return view(request, found)

        return answer

    return wrap


def _kind_of(action: BulkAction) -> bulk.Kind:
    """Return what an action is; of several in one, as a command begins them, all in words."""
    names = bulk.names(action)
    return replace(bulk.KINDS[names[0]], label=bulk.label(names))


def _address(action: BulkAction) -> str:
    return reverse("admin:bulk", args=[action.pk])


@page("GET", "HEAD")
def show_view(request: HttpRequest, action: BulkAction) -> HttpResponse:
    """Show what an action will do, or how far it is. Six queries and those of every page."""
    if action.state != State.PREPARED:
        return _progress_page(request, action)
    return _confirm_page(request, action, None)


# --- Before -----------------------------------------------------------------------------------


def _confirm_page(
    request: HttpRequest, action: BulkAction, failed: ConfirmForm | None
) -> HttpResponse:
    from posts.admin.site import site

    kind = _kind_of(action)
    plan = plan_of(action)
    context = {
        **site.each_context(request),
        "title": f"{kind.label}: {action.total:,} post{'s' if action.total != 1 else ''}",
        "action": action,
        "kind": kind,
        "plan": plan,
        "told": {
            "fitting": f"{plan.fitting:,}",
            "total": f"{plan.total:,}",
            "contradicted": f"{plan.contradicted:,}",
            "states": _told(plan.states),
            "stacks": _told(plan.stacks),
            "refusals": _told(plan.refusals),
        },
        "form": failed or ConfirmForm(row=kind),
        "is_actor": action.actor_id == request.user.pk,
        "filters": filter_words(action.filters),
        "back": action.options.get("back", reverse("admin:posts_post_changelist")),
    }
    status = 200 if failed is None else 400
    return TemplateResponse(request, "admin/posts/bulk.html", context, status=status)


def _told(numbers: Iterable[tuple[str, int]]) -> list[tuple[str, str]]:
    return [(text, f"{number:,}") for text, number in numbers]


@page("POST", is_for_actor=True)
def confirm_view(request: HttpRequest, action: BulkAction) -> HttpResponse:
    """Set a prepared action going, and carry it out as far as a request may."""
    kind = _kind_of(action)
    if action.state == State.PREPARED:
        form = ConfirmForm(request.POST, row=kind)
        if not form.is_valid():
            return _confirm_page(request, action, form)
        for name in bulk.names(action):
            bulk.require(name, request.user)
        try:
            if bulk.confirm(action, **form.cleaned_data):
                _carry_on(action)
        except ReviewError as error:
            form.add_error("tag" if error.code == "bad_tag" else "reason", str(error))
            return _confirm_page(request, action, form)
    return HttpResponseRedirect(_address(action))


def _carry_on(action: BulkAction) -> None:
    """Work for a moment, and leave the rest to a process of its own."""
    is_left_to_it = action.total - action.done > LONG and bulk.begin_beside(action.pk)
    now = bulk.carry_out(action.pk, seconds=REQUEST_SECONDS)
    if now.state == State.RUNNING and not is_left_to_it:
        bulk.begin_beside(action.pk)


# --- Meanwhile --------------------------------------------------------------------------------


@page("POST", is_for_actor=True)
def go_on_view(request: HttpRequest, action: BulkAction) -> HttpResponse:
    """Go on with what a stop or a process that died has left."""
    if action.state == State.PREPARED or not bulk.go_on(action.pk):
        messages.info(request, "Nothing is left of this action.")
    else:
        _carry_on(action)
    return HttpResponseRedirect(_address(action))


@page("POST")
def stop_view(request: HttpRequest, action: BulkAction) -> HttpResponse:
    """Stop an action behind its current chunk; one that was not confirmed is forgotten."""
    if not bulk.may_stop(action, request.user):
        raise PermissionDenied
    if action.state == State.PREPARED:
        bulk.forget(action.pk)
        messages.info(request, "Nothing has happened; the set was forgotten.")
        return HttpResponseRedirect(
            action.options.get("back") or reverse("admin:posts_post_changelist")
        )
    if not bulk.stop(action.pk):
        messages.info(request, "It had ended already.")
    return HttpResponseRedirect(_address(action))


def _facts(action: BulkAction) -> dict[str, Any]:
    """Return how far an action is, as the page and its script know it."""
    now = timezone.now()
    is_running = action.state == State.RUNNING
    is_here = is_running and not settings.BULK_PROCESS
    is_alive = bulk.is_alive(action, now) and not is_here
    # What was done before results were kept for each post has no total.
    text = (
        f"{action.done:,} of {action.total:,} posts" if action.total else f"{action.done:,} posts"
    )
    if action.state == State.FINISHED:
        text += ": done."
    elif action.state == State.STOPPED:
        text += ": stopped."
    elif is_alive:
        text += ", going on."
    else:
        text += ", waiting to go on."
    return {
        "state": action.state,
        "is_alive": is_alive,
        "total": action.total,
        "done": action.done,
        "changed": action.changed,
        "skipped": action.skipped,
        "text": text,
    }


@page("GET", "HEAD")
def progress_view(request: HttpRequest, action: BulkAction) -> HttpResponse:
    """Answer with how far an action is, for the script. One query and those of every page."""
    return JsonResponse(_facts(action))


# --- What came of it --------------------------------------------------------------------------


def _progress_page(request: HttpRequest, action: BulkAction) -> HttpResponse:
    from posts.admin.site import site

    wanted = request.GET.get("only", "")
    if wanted not in KINDS_OF_RESULTS:
        raise Http404("There is no such kind of result.")
    items, further = results(action, wanted, _number(request.GET.get("after", "0")))
    facts = _facts(action)
    is_actor = action.actor_id == request.user.pk
    is_left = action.state in (State.RUNNING, State.STOPPED) and action.done < action.total
    context = {
        **site.each_context(request),
        "title": f"{bulk.label(bulk.names(action))}: bulk action {action.pk}",
        "action": action,
        "facts": facts,
        "refusals": _told(sorted(action.refusals.items(), key=lambda pair: -pair[1])),
        "changed": f"{action.changed:,}",
        "skipped": f"{action.skipped:,}",
        "tag": action.options.get("tag", ""),
        "filters": filter_words(action.filters),
        "items": items,
        "only": wanted,
        "kinds": [(name, text) for name, (text, _) in KINDS_OF_RESULTS.items()],
        "further_url": f"?{urlencode({'only': wanted, 'after': further})}" if further else "",
        "is_first": "after" not in request.GET,
        "is_running": action.state == State.RUNNING,
        "may_stop": action.state == State.RUNNING and bulk.may_stop(action, request.user),
        "may_go_on": is_actor and is_left and not facts["is_alive"],
        "has_audit": request.user.has_perm(PERMISSION),
        "back": action.options.get("back", ""),
    }
    return TemplateResponse(request, "admin/posts/bulk_run.html", context)


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal()) or len(text) > 18:
        raise Http404("This is no number.")
    return int(text)


class Result(NamedTuple):
    """What came of one post; one that was erased since has no title."""

    post_id: int
    title: str
    outcome: str
    note: str


def _with_titles(rows: Any) -> list[Result]:
    """Return rows with the titles of the posts that are still there. Two queries."""
    found = list(rows.values_list("post_id", "outcome", "note"))
    titles = dict(
        Post.objects.filter(pk__among=[row[0] for row in found]).values_list("pk", "title")
    )
    return [Result(pk, titles.get(pk, ""), outcome, note) for pk, outcome, note in found]


def results(action: BulkAction, only: str, after: int) -> tuple[list[Result], int | None]:
    """Return results behind a post, and the post to go on behind. At most three queries.

    Of one kind at most `WINDOW` rows are looked at; a page may be short although there is more.
    """
    rows = BulkItem.objects.filter(bulk_action=action, post_id__gt=after).order_by("post_id")
    end = None
    found = rows
    if only:
        end = rows.values_list("post_id", flat=True)[WINDOW - 1 : WINDOW].first()
        found = KINDS_OF_RESULTS[only][1](rows)
        if end is not None:
            found = found.filter(post_id__lte=end)
    shown = _with_titles(found[: PAGE + 1])
    if len(shown) > PAGE:
        return shown[:PAGE], shown[PAGE - 1].post_id
    return shown, end


@page("GET", "HEAD")
def results_view(request: HttpRequest, action: BulkAction) -> HttpResponse:
    """Answer with what came of each post, as CSV."""
    return StreamingHttpResponse(
        _csv_lines(action),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="bulk-action-{action.pk}.csv"'},
    )


def _csv_lines(action: BulkAction) -> Iterator[str]:
    """Yield a line a post, with a byte order mark first, by which spreadsheets know the encoding.

    Two queries for `STEP` posts.
    """
    text = io.StringIO()
    writer = csv.writer(text)
    text.write("\ufeff")
    writer.writerow(["post", "title", "result", "reason"])
    last = 0
    items = BulkItem.objects.filter(bulk_action=action).order_by("post_id")
    while rows := _with_titles(items.filter(post_id__gt=last)[:STEP]):
        last = rows[-1].post_id
        for row in rows:
            outcome = row.outcome or "not reached"
            writer.writerow([row.post_id, cell(row.title), outcome, cell(row.note)])
        yield text.getvalue()
        text.seek(0)
        text.truncate()


#: (address below `admin/`, view, name)
pages = (
    ("bulk/prepare/", prepare_view, "bulk_prepare"),
    ("bulk/<int:bulk_id>/", show_view, "bulk"),
    ("bulk/<int:bulk_id>/confirm/", confirm_view, "bulk_confirm"),
    ("bulk/<int:bulk_id>/go-on/", go_on_view, "bulk_go_on"),
    ("bulk/<int:bulk_id>/stop/", stop_view, "bulk_stop"),
    ("bulk/<int:bulk_id>/progress.json", progress_view, "bulk_progress"),
    ("bulk/<int:bulk_id>/results.csv", results_view, "bulk_results"),
)
