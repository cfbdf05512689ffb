"""Import runs and sources: what came, how fast, what became of it, what undid it, what to do next.

In: requests of staff. Out: the list of runs and a page a run; long lists stand in `run_lists`, the
undo in `run_undo`. Starts no import and stops none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from django.contrib import admin
from django.contrib.admin.views.main import ORDER_VAR, PAGE_VAR, ChangeList
from django.core.exceptions import PermissionDenied
from django.db.models import Prefetch
from django.http import Http404
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone

from posts.admin import lists, run_lists, states
from posts.admin.run_lists import RunLists
from posts.admin.run_undo import UndoPages, undo_context
from posts.admin.site import site
from posts.importing import run_facts
from posts.importing.undo import COLUMNS
from posts.metabox import as_text, label_of
from posts.models import ImportRun, ImportSource

if TYPE_CHECKING:
    import datetime as dt

    from django.http import HttpRequest, HttpResponse

#: Inputs named on the page of a run.
INPUTS_SHOWN = 50

#: What became of records, by the columns of a run, in the order they are told.
OUTCOMES = {
    "created": ("new", "a post was made"),
    "updated": ("revised", "the page shows the new version"),
    "held": ("held", "the new version waits, because people edited or approved the page"),
    "statistics": ("numbers updated", "only imported numbers differed"),
    "unchanged": ("unchanged", "nothing differed, nothing was written"),
    "converged": ("already the same", "people had written here what came"),
    "tombstoned": ("erased here", "the post was erased for good and stays away"),
    "filtered": ("no post", "left out, such as a file of another kind in a folder"),
    "rejected": ("rejected", "refused, with place and reason below"),
}
UNDO_OUTCOMES = {
    "reversed": ("taken back", "the post is as it was before the run, or gone"),
    "kept": ("kept", "somebody or a later run built on it"),
    "failed": ("refused", "the database refused to change it"),
}
#: Outcomes that the list tells; the page of the run tells all.
LISTED = ("created", "updated", "held", "unchanged", "rejected", "reversed", "kept", "failed")


class Outcome(NamedTuple):
    """One line of the table of outcomes, with the address of the records where there is a list."""

    name: str
    number: int
    meaning: str
    url: str


def outcomes_of(run: ImportRun) -> list[tuple[str, str, int, str]]:
    """Return (code, name, number, meaning) of everything that can become of a record."""
    if run.kind == ImportRun.Kind.UNDO:
        return [
            (code, name, getattr(run, COLUMNS[code]), meaning)
            for code, (name, meaning) in UNDO_OUTCOMES.items()
        ]
    return [(code, name, getattr(run, code), meaning) for code, (name, meaning) in OUTCOMES.items()]


def duration(seconds: float) -> str:
    """Return a time span in its two largest units: 0.4 s, 12 s, 3 min 5 s, 2 h 10 min."""
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours:,} h {minutes} min"


def size_of(number: Any) -> str:
    """Return a number of bytes for people, empty for what is no number."""
    if not isinstance(number, int):
        return ""
    if number < 1000:
        return f"{number} bytes"
    unit, size = next(
        (unit, size) for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)) if number >= size
    )
    return f"{number / size:,.1f} {unit}"


class RunList(ChangeList):
    """The list of runs, which goes on below its last number where the cap cut it."""

    @property
    def next_below(self) -> int | None:
        is_cut = self.result_count > lists.CAP and self.page_num == self.paginator.num_pages
        rows = list(self.result_list) if is_cut and self.params.get(ORDER_VAR) != "1" else []
        return rows[-1].pk if rows else None

    @property
    def further_url(self) -> str:
        return self.get_query_string({"below": self.next_below, PAGE_VAR: None})


@admin.register(ImportRun, site=site)
class RunAdmin(RunLists, UndoPages, lists.ReadOnly):
    """Runs of `import_posts` and `import_undo`."""

    list_display = ("name", "state_tag", "source", "what", "outcome", "started", "took", "rate")
    list_display_links = ("name",)
    list_select_related = ("source", "started_by")
    list_filter = ("state", "kind", "source", lists.FromFilter)
    sortable_by = ("name",)
    ordering = ("-pk",)
    change_list_template = "admin/posts/run_list.html"

    @admin.display(description="Run", ordering="pk")
    def name(self, run: ImportRun) -> str:
        return f"run {run.pk}"

    @admin.display(description="What")
    def what(self, run: ImportRun) -> str:
        """Return the kind of a run and the runs it has to do with."""
        texts = []
        if run.kind == ImportRun.Kind.UNDO:
            texts.append(f"undo of run {run.parent_id}")
        else:
            texts.append("import")
            if run.parent_id is not None:
                texts.append(f"went on with run {run.parent_id}")
        for child in run.children.all():
            is_undo = child.kind == ImportRun.Kind.UNDO
            texts.append(f"{'undone by' if is_undo else 'gone on with by'} run {child.pk}")
        return ", ".join(texts)

    @admin.display(description="State")
    def state_tag(self, run: ImportRun) -> str:
        return states.run_state(run.state)

    @admin.display(description="Started")
    def started(self, run: ImportRun) -> str:
        by = f" by {run.started_by}" if run.started_by else ""
        return f"{run.started_at:%-d %b %Y %H:%M}{by}"

    @admin.display(description="Took")
    def took(self, run: ImportRun) -> str:
        return duration(run_facts.seconds_of(run, timezone.now()))

    @admin.display(description="Rate")
    def rate(self, run: ImportRun) -> str:
        return rate_of(run, timezone.now())

    @admin.display(description="Outcome")
    def outcome(self, run: ImportRun) -> str:
        told = [f"{n:,} {name}" for code, name, n, _ in outcomes_of(run) if n and code in LISTED]
        return f"{run.read:,} read" + "".join(f", {text}" for text in told)

    def get_queryset(self, request: HttpRequest) -> Any:
        children = ImportRun.objects.only("parent_id", "kind").order_by("pk")
        return (
            super()
            .get_queryset(request)
            .defer("options", "inputs", "message")
            .prefetch_related(Prefetch("children", children))
        )

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return RunList

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        return super().changelist_view(request, {"title": "Import runs", **(extra_context or {})})

    def get_urls(self) -> list[Any]:
        def page(route: str, view: Any, name: str, **more: Any) -> Any:
            return path(
                f"<int:run_id>/{route}",
                self.admin_site.admin_view(view),
                more,
                name=f"posts_importrun_{name}",
            )

        return [
            page("rejects/", self.problems_view, "problems"),
            page("rejects.jsonl", self.rejects_view, "rejects", ending="jsonl"),
            page("rejects.csv", self.rejects_view, "rejects_csv", ending="csv"),
            page("posts/", self.posts_view, "posts"),
            page("undo/", self.undo_view, "undo"),
            *super().get_urls(),
        ]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show a run. About ten queries, whatever it did."""
        run = self.run_or_404(request, object_id)
        now = timezone.now()
        relatives = run_facts.family(run)
        is_undo = run.kind == ImportRun.Kind.UNDO
        may_see_rejects = request.user.has_perm("posts.view_importreject")
        rejects, further = run_lists.problems(run) if may_see_rejects else ([], None)
        context = self.run_context(request, run, f"Run {run.pk}: {_title(run)}")
        context |= {
            "state": states.run_state(run.state),
            "state_in_words": run_facts.state_in_words(run, now),
            "is_undo": is_undo,
            "rate": rate_of(run, now),
            "took": duration(run_facts.seconds_of(run, now)),
            "outcomes": self._outcomes(request, run),
            "inputs": [
                (str(item.get("file", "")), size_of(item.get("size")))
                if isinstance(item, dict)
                else (str(item), "")
                for item in run.inputs[:INPUTS_SHOWN]
            ],
            "more_inputs": max(0, len(run.inputs) - INPUTS_SHOWN),
            "options": [
                (label_of(name), as_text(value))
                for name, value in run_facts.options_of(run).items()
            ],
            "chain": relatives.imports,
            "has_chain": len(relatives.imports) > 1,
            "undos": [one for one in relatives.undos if one.pk != run.pk],
            "commands": run_facts.next_commands(run, relatives),
            "findings": run_facts.findings_of(run),
            "may_see_rejects": may_see_rejects,
            "rejects": run_lists.kept_posts(run, rejects) if is_undo else rejects,
            "summary": run_facts.rejects_of(run, run_lists.WINDOW) if may_see_rejects else None,
            "has_further": further is not None,
            "problems_url": reverse("admin:posts_importrun_problems", args=[run.pk]),
            "held_url": _held_url(run),
            **undo_context(request, run, relatives),
        }
        return TemplateResponse(request, "admin/posts/run.html", context)

    def _outcomes(self, request: HttpRequest, run: ImportRun) -> list[Outcome]:
        """Return the outcomes that were, and the most usual ones also at zero."""
        posts_url = reverse("admin:posts_importrun_posts", args=[run.pk])
        may_see_posts = request.user.has_perms(["posts.view_post", "posts.view_revision"])
        urls = {"held": f"{posts_url}?only=held", "created": posts_url, "updated": posts_url}
        return [
            Outcome(name, number, meaning, urls.get(code, "") if may_see_posts and number else "")
            for code, name, number, meaning in outcomes_of(run)
            if number or code in LISTED
        ]

    def run_or_404(self, request: HttpRequest, run_id: Any) -> ImportRun:
        """Return a run for a person who may see it. One query."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        text = str(run_id)
        run = (
            ImportRun.objects.select_related("source", "started_by", "parent")
            .defer("parent__inputs", "parent__options", "parent__message")
            .filter(pk=int(text))
            .first()
            if text.isdecimal() and len(text) <= 18
            else None
        )
        if run is None:
            raise Http404("There is no such run.")
        return run

    def run_context(self, request: HttpRequest, run: ImportRun, title: str) -> dict[str, Any]:
        """Return what every page of a run needs."""
        return {
            **self.admin_site.each_context(request),
            "title": title,
            "opts": self.opts,
            "run": run,
            "run_name": f"run {run.pk}",
        }


def rate_of(run: ImportRun, now: dt.datetime) -> str:
    return f"{run_facts.rate_of(run, now):,.0f}/s" if run.read else "–"


def _title(run: ImportRun) -> str:
    if run.kind == ImportRun.Kind.UNDO:
        return f"undo of run {run.parent_id}, {run.source.name}"
    return f"import from {run.source.name}"


def _held_url(run: ImportRun) -> str:
    return f"{reverse('admin:posts_post_changelist')}?queue=held&run={run.pk}"


@admin.register(ImportSource, site=site)
class SourceAdmin(lists.ReadOnly):
    """Where posts come from. A source appears with its first run."""

    list_display = ("name", "created_at", "heartbeat_at")
    fields = ("name", "created_at", "owner", "heartbeat_at", "fence")
    list_select_related = ()
    ordering = ("name",)
    sortable_by = ("name",)
