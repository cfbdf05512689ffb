"""The undo of a run in the admin: what it would do, a confirmation, the doing for small runs.

In: requests of people who may. Out: a page, then a call of `posts.importing.undo` and its run.
Large runs are undone by the command, because a request has little time. Judges nothing itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError
from django.http import HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from posts.importing import run_facts, runs, undo
from posts.models import ImportRun

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

#: Both are needed: an undo changes what a run did, and removes posts that it created.
PERMISSIONS = ("posts.change_importrun", "posts.delete_post")
#: Posts that one request may take back: one batch, so all of them or none.
MOST = 1_000
#: Kept posts that are named on the page; all stand in the run of the undo.
KEPT_SHOWN = 100
#: Shorter than the command's: a server ends a request after half a minute.
PAUSES = (0.1, 0.4, 1.6)


class UndoPages:
    """The pages of RunAdmin that take a run back."""

    def undo_view(self, request: HttpRequest, run_id: int) -> HttpResponse:
        """On GET rehearse the undo and ask; on POST carry it out and show what became of it."""
        run = self.run_or_404(request, run_id)
        if not may_undo(request):
            raise PermissionDenied
        why_not = reason_against(run, run_facts.family(run))
        if request.method == "POST" and not why_not and not is_large(run):
            return self._undo(request, run)
        with runs.patience(PAUSES):
            plan = None if why_not or is_large(run) else undo.undo_run(run, dry_run=True)
        context = self.run_context(request, run, f"Undo run {run.pk}?")
        context |= {
            "here": "Undo",
            "why_not": why_not,
            "plan": plan,
            "touched": touched(run),
            "most": MOST,
            "kept": [
                (one, *undo.REASONS[one.reason]) for one in (plan.kept if plan else [])[:KEPT_SHOWN]
            ],
            "more_kept": max(0, sum(plan.reasons.values()) - KEPT_SHOWN) if plan else 0,
            "put_back": plan.counts[undo.REVERSED] - plan.removed if plan else 0,
            "command": f"manage.py import_undo {run.pk}",
        }
        return TemplateResponse(request, "admin/posts/run_undo.html", context)

    def _undo(self, request: HttpRequest, run: ImportRun) -> HttpResponse:
        try:
            with runs.patience(PAUSES):
                done = undo.undo_run(run, by=request.user)
        except runs.ImportFailedError as error:
            self.message_user(request, f"Nothing was changed. {error}", messages.ERROR)
            return HttpResponseRedirect(run_url(run.pk))
        except DatabaseError as error:
            self.message_user(
                request,
                f"The undo failed: {error}. What was not taken back is as it was; try it again.",
                messages.ERROR,
            )
            return HttpResponseRedirect(run_url(run.pk))
        assert done.run is not None  # noqa: S101  (only a dry run has none)
        kept = done.counts[undo.KEPT] + done.counts[undo.FAILED]
        text = f"Run {run.pk} was undone: {done.counts[undo.REVERSED]:,} posts taken back"
        text += f", {kept:,} kept; they are listed below with the reason." if kept else "."
        self.message_user(request, text, messages.WARNING if kept else messages.SUCCESS)
        return HttpResponseRedirect(run_url(done.run.pk))


def run_url(run_id: int) -> str:
    return reverse("admin:posts_importrun_change", args=[run_id])


def may_undo(request: HttpRequest) -> bool:
    return all(request.user.has_perm(permission) for permission in PERMISSIONS)


def touched(run: ImportRun) -> int:
    """Return how many records of a run left a revision behind."""
    return run.created + run.updated + run.held


def is_large(run: ImportRun) -> bool:
    """Say whether a run is for the command. No query."""
    return touched(run) > MOST


def reason_against(run: ImportRun, relatives: run_facts.Family) -> str:
    """Return why there is nothing to undo, empty when there is. No query."""
    if run.kind != ImportRun.Kind.IMPORT:
        return "This run is an undo. To take it back, import the input of its run again."
    if not touched(run):
        return "This run changed no post, so there is nothing to take back."
    for one in relatives.undone_by(run):
        if one.state == ImportRun.State.COMPLETE and not one.unchanged + one.rejected:
            return f"Run {one.pk} has taken all of it back already."
    return ""


def undo_context(
    request: HttpRequest, run: ImportRun, relatives: run_facts.Family
) -> dict[str, Any]:
    """Return what the page of a run says about undoing it."""
    return {
        "may_undo": may_undo(request),
        "undo_url": reverse("admin:posts_importrun_undo", args=[run.pk]),
        "why_no_undo": reason_against(run, relatives),
        "undo_command": f"manage.py import_undo {run.pk} --dry-run",
    }
