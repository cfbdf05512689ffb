"""The admin site: its name and its home page.

In: requests of staff. Out: pages of counts and links. Every query of the home page is bounded.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.contenttypes.models import ContentType
from django.contrib.contenttypes.views import shortcut
from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.urls import path
from django.utils import timezone

from posts import notices
from posts.admin import queue, states
from posts.models import ImportRun

if TYPE_CHECKING:
    from django.http import HttpRequest

#: Lines of each short list on the home page.
SHORT_LIST = 5


class AlphanodeAdminSite(admin.AdminSite):
    """The one admin of the project. Its home page begins with what waits for a person."""

    site_header = "alphanode"
    site_title = "alphanode"
    index_title = "Editorial work"
    index_template = "admin/home.html"
    enable_nav_sidebar = False

    def get_urls(self) -> list[Any]:
        from posts.admin import bulk_run, feedback_pages, import_pages
        from posts.admin.queue_pages import pages

        pages += feedback_pages.pages
        address = "r/<path:content_type_id>/<path:object_id>/"
        view = self.admin_view(self.view_on_site)
        return [
            path(address, view, name="view_on_site"),
            *(
                path(at, self.admin_view(page), name=name)
                for at, page, name in (*pages, *bulk_run.pages, *import_pages.pages)
            ),
            *super().get_urls(),
        ]

    def each_context(self, request: Any) -> dict[str, Any]:
        """Add the number beside the bell, looked up where a page shows it."""
        match = request.resolver_match
        unread = partial(
            notices.unread_count,
            request.user,
            request.session,
            may_begin=match is not None and match.url_name in ("index", "notices"),
            now=timezone.now(),
        )
        return {**super().each_context(request), "unread_notices": unread}

    def view_on_site(self, request: HttpRequest, content_type_id: str, object_id: str) -> Any:
        """Lead to the public page; its address holds the title, so only whoever may see that."""
        is_number = content_type_id.isdecimal() and len(content_type_id) < 10
        kind = ContentType.objects.filter(pk=int(content_type_id)).first() if is_number else None
        known = self._registry.get(kind.model_class()) if kind is not None else None
        if known is None:
            raise Http404("There is no such page.")
        if not known.has_view_permission(request):
            raise PermissionDenied
        return shortcut(request, content_type_id, object_id)

    def index(self, request: Any, extra_context: dict[str, Any] | None = None) -> Any:
        """Queries: the capped counts, the riskiest drafts in two, the latest runs."""
        context: dict[str, Any] = {"subtitle": None}
        if request.user.has_perm("posts.view_post"):
            context |= {
                "has_queue": True,
                "may_review": request.user.has_perm("posts.review_post"),
                **queue.on_the_desk(request, SHORT_LIST),
            }
        if request.user.has_perm("posts.view_importrun"):
            runs = ImportRun.objects.select_related("source").order_by("-pk")[:SHORT_LIST]
            context["runs"] = [(run, states.run_state(run.state)) for run in runs]
            context["has_runs"] = True
            context["may_import"] = request.user.has_perm("posts.add_importrun")
        return super().index(request, {**context, **(extra_context or {})})


site = AlphanodeAdminSite(name="alphanode")
