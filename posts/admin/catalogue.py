"""Tags, entities and images: the names the archive uses, to look up and hardly ever to change.

In: requests of staff. Out: bounded lists. Names come with revisions; what stands for what is
decided on a page of its own, `posts.admin.naming`. Of an image, people keep its licence and its
credit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db import transaction
from django.utils import timezone

from posts import content, history
from posts.admin import lists, naming
from posts.admin.site import site
from posts.models import Entity, ImageSource, Tag

if TYPE_CHECKING:
    from django.http import HttpRequest


class ByName:
    """Search by the beginning of a name, in the spelling the site stores."""

    search_fields = ("name",)
    search_help_text = "The beginning of a name."

    def get_search_results(
        self, request: HttpRequest, queryset: Any, search_term: str
    ) -> tuple[Any, bool]:
        term = content.normal_tag(search_term.replace("\x00", ""))
        return (queryset.filter(name__startswith=term) if term else queryset), False


@admin.register(Tag, site=site)
class TagAdmin(ByName, naming.Naming, lists.ReadOnly):
    """Tags. They are made by revisions and by editors' lists, and counted as the gate moves."""

    list_display = ("name", "slug", "kind", "use_count", "merged_into")
    fields = ("name", "slug", "kind", "use_count", "merged_into")
    list_select_related = ("merged_into",)
    list_filter = ("kind",)
    ordering = ("name",)
    sortable_by = ("name", "slug")


@admin.register(Entity, site=site)
class EntityAdmin(ByName, naming.Naming, lists.ReadOnly):
    """Entities, by type and name."""

    list_display = ("name", "type", "use_count", "merged_into")
    fields = ("type", "name", "type_slug", "slug", "use_count", "merged_into")
    list_select_related = ("merged_into",)
    list_filter = (lists.FromFilter,)
    ordering = ("-pk",)


class FaultFilter(admin.SimpleListFilter):
    """Images that the last check did not find."""

    title = "last check"
    parameter_name = "fault"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "with a fault")]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.exclude(fault="") if self.value() == "yes" else queryset


@admin.register(ImageSource, site=site)
class ImageAdmin(lists.BoundedList):
    """Images as notes name them. One with a refused licence is shown nowhere."""

    list_display = ("url", "host", "licence", "checked_at", "fault")
    list_filter = ("licence", FaultFilter, lists.FromFilter)
    list_select_related = ("stored",)
    fields = (
        *("url", "host", "licence", "credit", "width", "height"),
        *("checked_at", "fault", "stored"),
    )
    readonly_fields = ("url", "host", "width", "height", "checked_at", "fault", "stored")
    search_fields = ("url",)
    search_help_text = "One exact URL, or a host."
    ordering = ("-pk",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Save the licence and tell the history: pages show another picture from now on."""
        with transaction.atomic():
            super().save_model(request, obj, form, change)
            history.append_to_site(
                "image", data={"image": obj.pk}, now=timezone.now(), actor=request.user
            )

    def get_search_results(
        self, request: HttpRequest, queryset: Any, search_term: str
    ) -> tuple[Any, bool]:
        term = search_term.strip().replace("\x00", "")
        if not term:
            return queryset, False
        is_url = "/" in term
        return queryset.filter(url=term) if is_url else queryset.filter(host=term), False
