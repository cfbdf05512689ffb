"""The audit pages: all events, one event, what was done to many posts at once; and the export.

In: requests of staff who may see events. Out: pages of bounded cost at any size, JSON Lines. Writes
nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponseBadRequest, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.http import urlencode

from posts import bulk, history
from posts.admin import audit_filters, lists
from posts.admin.audit_filters import FilterForm
from posts.admin.audit_lines import kinds, lines_of
from posts.admin.site import site
from posts.models import BulkAction, Event, Seal
from posts.pagination import NOTE, Cursor

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

#: Who sees events sees these pages, whatever else they may do.
PERMISSION = "posts.view_event"
#: Numbers of posts that the page of a bulk action names.
IDS_SHOWN = 20


def _require(request: HttpRequest) -> None:
    if not request.user.has_perm(PERMISSION):
        raise PermissionDenied


@admin.register(Event, site=site)
class EventAdmin(lists.ReadOnly):
    """Events, newest first."""

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show a page of events. About ten queries, whatever is filtered."""
        _require(request)
        form = FilterForm(request.GET, kinds=kinds())
        text = request.GET.get("after", "")
        after = Cursor.decode(text) if text else None
        is_valid = form.is_valid()
        found = (
            audit_filters.page_of(form.wanted(), after)
            if is_valid
            else audit_filters.Found([], None, is_cut=False)
        )
        filters = _filters(request)
        context = {
            **self.admin_site.each_context(request),
            "title": "Audit",
            "opts": self.opts,
            "form": form,
            "is_valid": is_valid,
            "is_filtered": bool(filters),
            "bulk": form.cleaned_data.get("bulk") if is_valid else None,
            "lines": lines_of(found.ids, request.user),
            "note": NOTE if text and after is None else "",
            "is_first": after is None,
            "is_cut": found.is_cut and len(found.ids) < audit_filters.PAGE,
            "window": audit_filters.WINDOW,
            "first_url": f"?{urlencode(filters)}",
            "further_url": (
                f"?{urlencode({**filters, 'after': found.further.encode()})}"
                if found.further is not None
                else ""
            ),
            "export_url": f"{reverse('admin:posts_event_export')}?{urlencode(filters)}",
        }
        return TemplateResponse(request, "admin/posts/audit.html", context)

    def export_view(self, request: HttpRequest) -> HttpResponse | StreamingHttpResponse:
        """Answer with all events that fit, one JSON object a line, newest first."""
        _require(request)
        form = FilterForm(request.GET, kinds=kinds())
        if not form.is_valid():
            problems = "\n".join(
                f"{name}: {text}" for name, texts in form.errors.items() for text in texts
            )
            return HttpResponseBadRequest(problems, content_type="text/plain; charset=utf-8")
        return StreamingHttpResponse(
            json_lines(audit_filters.all_of(form.wanted())),
            content_type="application/jsonl; charset=utf-8",
            headers={"Content-Disposition": 'attachment; filename="audit.jsonl"'},
        )

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show one event with what its hash covers. About eight queries."""
        _require(request)
        number = _number_or_404(object_id)
        found = lines_of([number], request.user)
        if not found:
            raise Http404("There is no such event.")
        (line,) = found
        event = line.event
        seal = (
            Seal.objects.filter(first_event__lte=event.pk, last_event__gte=event.pk)
            .order_by("number")
            .first()
        )
        subject, value = next(
            (
                (name, getattr(event, f"{name}_id"))
                for name in ("post", "run")
                if getattr(event, f"{name}_id") is not None
            ),
            ("person", event.person.username) if event.person is not None else ("", ""),
        )
        chain = f"?{urlencode({subject: value})}" if subject else ""
        context = {
            **self.admin_site.each_context(request),
            "title": f"Event {event.pk}",
            "opts": self.opts,
            "line": line,
            "event": event,
            "seal": seal,
            "data": json.dumps(event.data, indent=2, sort_keys=True, ensure_ascii=False),
            "chain_url": f"{reverse('admin:posts_event_changelist')}{chain}" if chain else "",
            "command": (
                f"manage.py verify_history --{subject} {value}"
                if subject in ("post", "run")
                else "manage.py verify_history"
            ),
        }
        return TemplateResponse(request, "admin/posts/audit_event.html", context)

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(self.export_view)
        return [path("export.jsonl", view, name="posts_event_export"), *super().get_urls()]


def _filters(request: HttpRequest) -> dict[str, str]:
    """Return the fields of the filter that are filled in, as the address has them."""
    names = FilterForm.base_fields
    return {name: value for name in names if (value := request.GET.get(name, "").strip())}


def _number_or_404(text: str) -> int:
    if not (text.isascii() and text.isdecimal()) or len(text) > 18:
        raise Http404("This is no number.")
    return int(text)


def json_lines(events: Iterator[Event]) -> Iterator[bytes]:
    """Yield events as lines of JSON: every column, as its hash covers it."""
    for event in events:
        row = {name: getattr(event, name) for name in history.COLUMNS}
        row["at"] = event.at.isoformat()
        yield json.dumps(row, ensure_ascii=False).encode() + b"\n"


@admin.register(BulkAction, site=site)
class BulkActionAdmin(lists.ReadOnly):
    """What was done to many posts at once."""

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm(PERMISSION)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(PERMISSION)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show bulk actions, newest first, by key. One query."""
        _require(request)
        below = request.GET.get("below", "")
        confirmed = BulkAction.objects.exclude(state=BulkAction.State.PREPARED)
        rows = confirmed.select_related("actor").defer("filters").order_by("-pk")
        if below:
            rows = rows.filter(pk__lt=_number_or_404(below))
        page = list(rows[: audit_filters.PAGE + 1])
        further = page[audit_filters.PAGE - 1].pk if len(page) > audit_filters.PAGE else None
        context = {
            **self.admin_site.each_context(request),
            "title": "Bulk actions",
            "opts": self.opts,
            "actions": [(one, _label(one)) for one in page[: audit_filters.PAGE]],
            "further": further,
            "is_first": not below,
        }
        return TemplateResponse(request, "admin/posts/audit_bulk_list.html", context)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show a bulk action and the newest of its events. About ten queries."""
        _require(request)
        action = (
            BulkAction.objects.select_related("actor")
            .exclude(state=BulkAction.State.PREPARED)
            .filter(pk=_number_or_404(object_id))
            .first()
        )
        if action is None:
            raise Http404("There is no such bulk action.")
        form = FilterForm({"bulk": str(action.pk)}, kinds=kinds())
        found = audit_filters.page_of(form.wanted(), None) if form.is_valid() else None
        events_url = f"{reverse('admin:posts_event_changelist')}?bulk={action.pk}"
        context = {
            **self.admin_site.each_context(request),
            "title": f"Bulk action {action.pk}: {_label(action)}",
            "opts": self.opts,
            "action": action,
            "label": _label(action),
            "filters": filter_words(action.filters),
            "lines": lines_of(found.ids, request.user) if found else [],
            "events_url": events_url,
            "has_further": bool(found and found.further),
            "export_url": f"{reverse('admin:posts_event_export')}?bulk={action.pk}",
        }
        return TemplateResponse(request, "admin/posts/audit_bulk.html", context)


def _label(action: BulkAction) -> str:
    return bulk.label(bulk.names(action))


def filter_words(filters: dict[str, Any]) -> list[tuple[str, str]]:
    """Return what a bulk action was about: conditions, or posts one by one."""
    told = []
    for name, value in filters.items():
        if isinstance(value, dict):
            told += [(key.replace("_", " "), str(one)) for key, one in value.items()]
        elif isinstance(value, list):
            shown = ", ".join(str(one) for one in value[:IDS_SHOWN])
            more = len(value) - IDS_SHOWN
            told.append((name.replace("_", " "), shown + (f" and {more:,} more" * (more > 0))))
        else:
            told.append((name.replace("_", " "), str(value)))
    return [(name, value) for name, value in told if value]
