"""Import runs and sources: what came, how fast, what was refused; all of it read-only.

In: requests of staff. Out: lists, a page a run, its rejects as JSON Lines. Starts nothing, stops
nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone

from posts.admin import lists, states
from posts.admin.site import site
from posts.importing.report import reject_line
from posts.metabox import as_text, label_of
from posts.models import ImportReject, ImportRun, ImportSource

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

REJECTS_SHOWN = 100
#: Rejects fetched at once while a download streams.
STREAM_CHUNK = 1_000

COUNTS = (
    "read",
    "created",
    "updated",
    "statistics",
    "unchanged",
    "held",
    "converged",
    "tombstoned",
    "filtered",
    "rejected",
)


def seconds_of(run: ImportRun) -> float:
    return ((run.finished_at or timezone.now()) - run.started_at).total_seconds()


def rate_of(run: ImportRun) -> str:
    """Return records a second, from the start to the end or until now."""
    return f"{run.read / max(seconds_of(run), 0.001):,.0f}/s" if run.read else "–"


def size_of(number: Any) -> str:
    return f"{number:,} bytes" if isinstance(number, int) else ""


@admin.register(ImportRun, site=site)
class RunAdmin(lists.ReadOnly):
    """Runs of `import_posts` and `import_undo`."""

    list_display = (
        "name",
        "source",
        "kind",
        "state_tag",
        "started",
        "rate",
        *(name for name in COUNTS if name in ("read", "created", "updated", "held", "rejected")),
    )
    list_display_links = ("name",)
    list_select_related = ("source",)
    list_filter = ("state", "kind", "source")
    sortable_by = ("name",)
    ordering = ("-pk",)

    @admin.display(description="Run", ordering="pk")
    def name(self, run: ImportRun) -> str:
        return f"run {run.pk}"

    @admin.display(description="State")
    def state_tag(self, run: ImportRun) -> str:
        return states.run_state(run.state)

    @admin.display(description="Started")
    def started(self, run: ImportRun) -> str:
        return f"{run.started_at:%-d %b %Y %H:%M}"

    @admin.display(description="Rate")
    def rate(self, run: ImportRun) -> str:
        return rate_of(run)

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).defer("options", "inputs", "message")

    def get_urls(self) -> list[Any]:
        return [
            path(
                "<int:run_id>/rejects.jsonl",
                self.admin_site.admin_view(self.rejects_view),
                name="posts_importrun_rejects",
            ),
            *super().get_urls(),
        ]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show a run: state, counts, rate, inputs, options, its first rejects. Two queries."""
        run = self._run_or_404(request, object_id)
        may_see_rejects = request.user.has_perm("posts.view_importreject")
        context = {
            **self.admin_site.each_context(request),
            "title": f"Run {run.pk}: {run.kind} from {run.source.name}",
            "opts": self.opts,
            "run": run,
            "state": states.run_state(run.state),
            "rate": rate_of(run),
            "seconds": seconds_of(run),
            "counts": [(name, getattr(run, name)) for name in COUNTS],
            "inputs": [
                (str(item.get("file", "")), size_of(item.get("size")))
                if isinstance(item, dict)
                else (str(item), "")
                for item in run.inputs[:REJECTS_SHOWN]
            ],
            "more_inputs": max(0, len(run.inputs) - REJECTS_SHOWN),
            "options": [
                (label_of(name), as_text(value))
                for name, value in sorted(run.options.items())
                if value is not None
            ],
            "may_see_rejects": may_see_rejects,
            "rejects": list(run.rejects.order_by("sequence")[:REJECTS_SHOWN])
            if may_see_rejects
            else [],
            "download_url": reverse("admin:posts_importrun_rejects", args=[run.pk]),
        }
        return TemplateResponse(request, "admin/posts/run.html", context)

    def rejects_view(self, request: HttpRequest, run_id: int) -> StreamingHttpResponse:
        """Answer with all rejects of a run, in the lines that `--rejects` writes."""
        run = self._run_or_404(request, str(run_id))
        if not request.user.has_perm("posts.view_importreject"):
            raise PermissionDenied
        return StreamingHttpResponse(
            _reject_lines(run.pk),
            content_type="application/jsonl; charset=utf-8",
            headers={"Content-Disposition": f'attachment; filename="rejects-run-{run.pk}.jsonl"'},
        )

    def _run_or_404(self, request: HttpRequest, run_id: str) -> ImportRun:
        if not self.has_view_permission(request):
            raise PermissionDenied
        run = (
            ImportRun.objects.select_related("source", "started_by", "parent")
            .filter(pk=int(run_id))
            .first()
            if run_id.isdecimal()
            else None
        )
        if run is None:
            raise Http404("There is no such run.")
        return run


def _reject_lines(run_id: int) -> Iterator[str]:
    """Yield the rejects of a run as JSON Lines, a chunk a query, none of them held for long."""
    last = -1
    while chunk := list(
        ImportReject.objects.filter(run_id=run_id, sequence__gt=last).order_by("sequence")[
            :STREAM_CHUNK
        ]
    ):
        last = chunk[-1].sequence
        yield "".join(
            json.dumps(reject_line(reject, run_id), ensure_ascii=False) + "\n" for reject in chunk
        )


@admin.register(ImportSource, site=site)
class SourceAdmin(lists.ReadOnly):
    """Where posts come from. A source appears with its first run."""

    list_display = ("name", "created_at", "heartbeat_at")
    fields = ("name", "created_at", "owner", "heartbeat_at", "fence")
    list_select_related = ()
    ordering = ("name",)
    sortable_by = ("name",)
