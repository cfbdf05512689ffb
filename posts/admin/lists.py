"""What every admin list shares: a capped count, no facets, no deleting, no sorting by chance.

In: a queryset. Out: pages and counts whose cost does not grow with the archive. Must not know any
model.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from django.contrib import admin
from django.core.paginator import Paginator
from django.utils.functional import cached_property

#: Lists count exactly up to here; beyond it they say "1,000+" and filters narrow them down.
CAP = 1_000


class Count(NamedTuple):
    """A number of rows, exact up to `CAP`, and how to write it."""

    value: int

    @property
    def text(self) -> str:
        return f"{CAP:,}+" if self.value > CAP else f"{self.value:,}"


def capped_count(queryset: Any) -> Count:
    """Count rows, looking at no more than `CAP` + 1 of them. One query."""
    return Count(queryset.order_by()[: CAP + 1].count())


class CappedPaginator(Paginator):
    """Pages over the first `CAP` rows: neither the count nor an offset grows with the table."""

    @cached_property
    def count(self) -> int:
        return capped_count(self.object_list).value

    @property
    def count_text(self) -> str:
        return Count(self.count).text


class BoundedList(admin.ModelAdmin):
    """A list whose queries stay the same at any size. Nothing is deleted from a list, ever."""

    paginator = CappedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    list_per_page = 50
    list_max_show_all = 50
    sortable_by: tuple[str, ...] = ()

    def has_delete_permission(self, request: Any, obj: Any = None) -> bool:
        return False


class ReadOnly(BoundedList):
    """A list and pages that only show: what stands there is written by imports and by doors."""

    def has_add_permission(self, request: Any) -> bool:
        return False

    def has_change_permission(self, request: Any, obj: Any = None) -> bool:
        return False


class FromFilter(admin.SimpleListFilter):
    """Goes on where the `CAP` rows of a list ended: only rows below an id, newest first."""

    title = "number"
    parameter_name = "below"

    def has_output(self) -> bool:
        return self.value() is not None

    def lookups(self, request: Any, model_admin: Any) -> list[tuple[str, str]]:
        below = self.used_parameters.get(self.parameter_name)
        return [(below, f"below {below}")] if below else []

    def queryset(self, request: Any, queryset: Any) -> Any:
        below = self.value()
        if below is None:
            return queryset
        return queryset.filter(pk__lt=int(below)) if below.isdecimal() else queryset.none()
