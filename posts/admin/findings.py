"""Findings for a generator: the sources that have some, one source's report, and its download.

In: requests of staff who may see verdicts. Out: pages of bounded cost and JSON Lines. Writes
nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponseBadRequest, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.http import urlencode

from posts import generator_report
from posts.generator_report import Wanted
from posts.models import Finding, ImportSource

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

PERMISSION = "posts.view_decision"
_NUMBER_DIGITS = 18
_LONGEST = {
    name: Finding._meta.get_field(name).max_length or 0 for name in generator_report.DIMENSIONS
}


def _site_context(request: HttpRequest, title: str) -> dict[str, Any]:
    from posts.admin.site import site

    return {**site.each_context(request), "title": title}


def _require(request: HttpRequest) -> None:
    if not request.user.has_perms([PERMISSION, "posts.view_post"]):
        raise PermissionDenied


def sources_view(request: HttpRequest) -> HttpResponse:
    """List the sources with findings. Two queries."""
    _require(request)
    context = _site_context(request, "Findings for generators")
    context["lines"] = generator_report.sources()
    return TemplateResponse(request, "admin/posts/findings.html", context)


def _number(text: str) -> int | None:
    """Return a number of an address, None for none. Raises `ValueError` for what is none."""
    if not text:
        return None
    if not (text.isascii() and text.isdecimal()) or len(text) > _NUMBER_DIGITS:
        raise ValueError(text)
    return int(text)


def asked(request: HttpRequest, source: ImportSource) -> tuple[Wanted, str]:
    """Return what an address asks for, and what of it was not understood, in words.

    `reason=` with nothing behind it asks for findings without a reason; left out, it asks for any.
    """
    problem = ""
    given: dict[str, Any] = {
        name: text[: _LONGEST[name]].replace("\x00", "")
        for name in generator_report.DIMENSIONS
        if (text := request.GET.get(name)) is not None
    }
    state = request.GET.get("state", "open")
    if state not in generator_report.STATES:
        allowed = ", ".join(generator_report.STATES)
        problem = f"The state got {state[:40]!r}; expected one of {allowed}. Showing open ones."
        state = "open"
    try:
        given["run"] = _number(request.GET.get("run", ""))
    except ValueError:
        problem = "The import run is no number. Showing all runs."
    return Wanted(source.pk, state=state, **given), problem


def _source_or_404(source_id: int) -> ImportSource:
    found = ImportSource.objects.filter(pk=source_id).first() if source_id < 2**63 else None
    if found is None:
        raise Http404("There is no such source.")
    return found


def source_view(request: HttpRequest, source_id: int) -> HttpResponse:
    """Show one source's findings: counts, trend, a page of them. About ten queries."""
    _require(request)
    source = _source_or_404(source_id)
    wanted, problem = asked(request, source)
    try:
        below = _number(request.GET.get("below", ""))
    except ValueError:
        below, problem = None, "The place in this address was not understood."
    rows, further = generator_report.page(wanted, below=below)
    chosen = {
        name: value
        for name in (*generator_report.DIMENSIONS, "run")
        if (value := getattr(wanted, name)) is not None
    }
    kept = {**chosen, **({"state": wanted.state} if wanted.state != "open" else {})}
    own_url = reverse("admin:findings_source", args=[source.pk])

    def link(**over: Any) -> str:
        given = {name: value for name, value in {**kept, **over}.items() if value is not None}
        return f"{own_url}?{urlencode(given)}" if given else own_url

    totals = generator_report.totals(source.pk)
    context = _site_context(request, f"Findings of {source.name}")
    context |= {
        "source": source,
        "problem": problem,
        "tabs": [
            (name, number, link(state=None if name == "open" else name), name == wanted.state)
            for name, number in {**totals, "all": sum(totals.values())}.items()
        ],
        "chips": [(name, str(value), link(**{name: None})) for name, value in chosen.items()],
        "counts": [
            (one, [(share, link(**{one.name: share.value})) for share in one.shares])
            for one in generator_report.counts(wanted)
        ],
        "trend": [(one, link(run=one.run)) for one in generator_report.trend(source.pk)],
        "findings": rows,
        "is_first": below is None,
        "further_url": link(below=further) if further else "",
        "export_url": f"{reverse('admin:findings_export', args=[source.pk])}?{urlencode(kept)}",
        "may_see_runs": request.user.has_perm("posts.view_importrun"),
    }
    return TemplateResponse(request, "admin/posts/findings_source.html", context)


def export_view(request: HttpRequest, source_id: int) -> HttpResponse:
    """Answer with the findings that fit as JSON Lines, streamed."""
    _require(request)
    source = _source_or_404(source_id)
    wanted, problem = asked(request, source)
    if problem:
        return HttpResponseBadRequest(problem, content_type="text/plain; charset=utf-8")
    name = f"findings-source-{source.pk}-{wanted.state}.jsonl"
    return StreamingHttpResponse(
        generator_report.json_lines(wanted),
        content_type="application/jsonl; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )
