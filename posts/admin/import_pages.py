"""Importing a small file on a page: choose it, read what it would do, confirm, watch it.

In: requests of staff who may add import runs. Out: a form, the report of a dry run, progress that
needs no script. What is too large for a request is told the command that takes it.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError
from django.http import Http404, HttpResponseNotAllowed, HttpResponseRedirect, JsonResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone

from posts.admin import states
from posts.admin.imports import OUTCOMES, size_of
from posts.content import shown
from posts.importing import uploads
from posts.importing.formats import READERS, csv_columns
from posts.importing.run_facts import FOUND
from posts.importing.runs import checked_source, is_alive
from posts.models import ImportRun, ImportSource, ImportUpload

if TYPE_CHECKING:
    from django.core.files.uploadedfile import UploadedFile
    from django.http import HttpRequest, HttpResponse

PERMISSION = "posts.add_importrun"
AUTO = "auto"
#: Sources proposed while a name is typed.
SOURCES_SHOWN = 100
#: Seconds after a confirmation in which a process is expected to begin.
START_SECONDS = 15
NAME_MAX = ImportUpload._meta.get_field("file_name").max_length or 0


class UploadForm(forms.Form):
    """A file, the source it comes from, and the format it is in."""

    file = forms.FileField(
        label="File",
        help_text="An export of another site or of a generator: WordPress, Ghost, a feed, "
        "Markdown, HTML, a table, JSON Lines; also as .gz, .zst or .tar.",
        error_messages={"empty": "The file is empty. Choose one that holds posts."},
    )
    source = forms.CharField(
        label="Source",
        help_text="A name for where it comes from. Import its later exports under the same name: "
        "posts are known again by it.",
        widget=forms.TextInput(attrs={"list": "sources", "autocomplete": "off"}),
    )
    format = forms.ChoiceField(
        label="Format", choices=[(AUTO, "by its content"), *((name, name) for name in READERS)]
    )
    writers = forms.ChoiceField(
        label="Written by",
        required=False,
        choices=[
            ("", "as said before, else machines"),
            *ImportSource.Writers.choices,
        ],
        help_text="Every page of its texts says so: “AI-generated”, or “Written by the authors of” "
        "and the name of the source. It holds for all posts of the source.",
    )
    columns = forms.CharField(
        label="Columns of a table",
        required=False,
        help_text="Only for tables whose columns have other names than the fields: a line each, "
        "such as title=Headline.",
        widget=forms.Textarea(attrs={"rows": 3}),
    )

    def clean_source(self) -> str:
        try:
            return checked_source(self.cleaned_data["source"])
        except ValueError as error:
            raise forms.ValidationError(f"Got {error}.") from error

    def clean_columns(self) -> dict[str, str]:
        lines = [line for line in self.cleaned_data["columns"].splitlines() if line.strip()]
        try:
            pairs = [csv_columns.mapped(line) for line in lines]
        except ValueError as error:
            raise forms.ValidationError(f"Got {shown(str(error))}") from error
        if len(dict(pairs)) < len(pairs):
            raise forms.ValidationError("Got a field twice; expected each field once.")
        return dict(pairs)

    def clean_file(self) -> UploadedFile:
        """Refuse what is too large for a page, with the command that takes it."""
        file: UploadedFile = self.cleaned_data["file"]
        if (file.size or 0) > settings.IMPORT_UPLOAD_MB * 1_000_000:
            source = self.data.get("source", "").strip() or "NAME"
            raise forms.ValidationError(
                f"The file has {size_of(file.size)}; this page takes {settings.IMPORT_UPLOAD_MB} "
                "MB. A developer can import a file of any size: manage.py import_posts "
                f"{shlex.quote(shown(file.name))} --source {shlex.quote(shown(source))} --dry-run"
            )
        return file


def page(
    *methods: str, has_upload: bool = True
) -> Callable[[Callable[..., HttpResponse]], Callable[..., HttpResponse]]:
    """Let in who may import, and answer 405 to other methods. One query for the upload."""

    def wrap(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
        @wraps(view)
        def answer(request: HttpRequest, upload_id: int | None = None) -> HttpResponse:
            if not request.user.has_perm(PERMISSION):
                raise PermissionDenied
            if request.method not in methods:
                return HttpResponseNotAllowed(methods)
            if not has_upload:
                return view(request)
            found = (
                ImportUpload.objects.select_related("run__source", "uploaded_by")
                .defer("content")
                .filter(pk=upload_id)
                .first()
            )
            if found is None:
                raise Http404("There is no such upload. One that is not confirmed is kept a week.")
            return view(request, found)

        return answer

    return wrap


def _address(upload: ImportUpload) -> str:
    return reverse("admin:import_upload", args=[upload.pk])


def _page(
    request: HttpRequest, template: str, context: dict[str, Any], status: int = 200
) -> HttpResponse:
    from posts.admin.site import site

    context = {**site.each_context(request), **context}
    return TemplateResponse(request, f"admin/posts/{template}", context, status=status)


@page("GET", "HEAD", "POST", has_upload=False)
def choose_view(request: HttpRequest) -> HttpResponse:
    """Show the form; take a file, try it and lead to the report. Two queries to show it."""
    if request.method == "POST":
        form = UploadForm(request.POST, request.FILES)
        if form.is_valid():
            file = form.cleaned_data["file"]
            try:
                upload = uploads.keep(
                    file.read(),
                    file_name=shown(file.name)[-NAME_MAX:],
                    source_name=form.cleaned_data["source"],
                    format_name=form.cleaned_data["format"],
                    writers=form.cleaned_data["writers"],
                    columns=form.cleaned_data["columns"],
                    by=request.user,
                )
            except DatabaseError as error:
                form.add_error(None, f"The file was not kept: {error}. Nothing was imported.")
            else:
                return HttpResponseRedirect(_address(upload))
    else:
        form = UploadForm()
    waiting = ImportUpload.objects.filter(confirmed_at=None).defer("content", "report")
    context = {
        "title": "Import a file",
        "form": form,
        "largest": settings.IMPORT_UPLOAD_MB,
        "sources": ImportSource.objects.exclude(name=ImportSource.LOCAL)
        .order_by("name")
        .values_list("name", flat=True)[:SOURCES_SHOWN],
        "waiting": waiting.select_related("uploaded_by").order_by("-pk")[:SOURCES_SHOWN],
        "keep_days": uploads.KEEP_DAYS,
    }
    return _page(request, "import.html", context, status=400 if form.errors else 200)


@page("GET", "HEAD")
def show_view(request: HttpRequest, upload: ImportUpload) -> HttpResponse:
    """Show what the file would do, or how far its import is. Three queries and the page's own."""
    report = uploads.report_of(upload)
    context: dict[str, Any] = {
        "title": f"Import of {upload.file_name}",
        "upload": upload,
        "size": size_of(upload.size),
        "report": report,
        "keep_days": uploads.KEEP_DAYS,
    }
    if upload.confirmed_at is None:
        context |= {
            "outcomes": [
                (name, f"{report.counts[code]:,}", meaning)
                for code, (name, meaning) in OUTCOMES.items()
                if report.counts.get(code)
            ],
            "writes": f"{report.writes:,}",
            "findings": [
                (FOUND.get(one.severity, one.severity), f"{one.number:,}", one.code, one.example)
                for one in report.findings
            ],
        }
        return _page(request, "import_report.html", context)
    facts = _facts(upload)
    context |= {
        "facts": facts,
        "run": upload.run,
        "state": states.run_state(upload.run.state) if upload.run else "",
        "may_go_on": facts["state"] == "running" and not facts["is_alive"],
    }
    return _page(request, "import_progress.html", context)


def _facts(upload: ImportUpload) -> dict[str, Any]:
    """Return how far an import is, as the page and its script know it."""
    run = upload.run
    total = uploads.report_of(upload).read
    done = run.read if run is not None else 0
    is_over = run is not None and run.state == ImportRun.State.COMPLETE
    now = timezone.now()
    if run is not None:
        alive = is_alive(run, run.source.heartbeat_at, now)
    else:
        # A process needs a moment to begin its run.
        since = (now - upload.confirmed_at).total_seconds() if upload.confirmed_at else None
        alive = not upload.problem and since is not None and since < START_SECONDS
    text = f"{done:,} of {total:,} records"
    if is_over:
        text += ": done."
    else:
        text += ", going on." if alive else ", waiting to go on."
    return {
        "state": "finished" if is_over else "running",
        "is_alive": alive,
        "total": total,
        "done": done,
        "changed": run.created + run.updated if run is not None else 0,
        "skipped": run.rejected if run is not None else 0,
        "text": text,
    }


@page("GET", "HEAD")
def progress_view(request: HttpRequest, upload: ImportUpload) -> HttpResponse:
    """Answer with how far an import is, for the script. One query and those of every page."""
    return JsonResponse(_facts(upload))


@page("POST")
def confirm_view(request: HttpRequest, upload: ImportUpload) -> HttpResponse:
    """Import what was tried: by a process of its own, or within this request where none may be."""
    if uploads.confirm(upload):
        _carry_on(upload)
    return HttpResponseRedirect(_address(upload))


@page("POST")
def go_on_view(request: HttpRequest, upload: ImportUpload) -> HttpResponse:
    """Go on with an import whose process died or was hindered."""
    facts = _facts(upload) if upload.confirmed_at is not None else None
    if facts is None or facts["state"] != "running" or facts["is_alive"]:
        messages.info(request, "Nothing is left to go on with.")
    else:
        _carry_on(upload)
    return HttpResponseRedirect(_address(upload))


def _carry_on(upload: ImportUpload) -> None:
    if not uploads.begin_beside(upload.pk):
        uploads.carry_out(ImportUpload.objects.get(pk=upload.pk))


@page("POST")
def discard_view(request: HttpRequest, upload: ImportUpload) -> HttpResponse:
    """Forget a file that was not confirmed."""
    if not uploads.discard(upload):
        messages.info(request, "It was confirmed before; its run can be undone.")
        return HttpResponseRedirect(_address(upload))
    messages.info(request, f"Nothing was imported; {upload.file_name} was forgotten.")
    return HttpResponseRedirect(reverse("admin:import"))


#: (address below `admin/`, view, name)
pages = (
    ("import/", choose_view, "import"),
    ("import/<int:upload_id>/", show_view, "import_upload"),
    ("import/<int:upload_id>/confirm/", confirm_view, "import_confirm"),
    ("import/<int:upload_id>/go-on/", go_on_view, "import_go_on"),
    ("import/<int:upload_id>/discard/", discard_view, "import_discard"),
    ("import/<int:upload_id>/progress.json", progress_view, "import_progress"),
)
