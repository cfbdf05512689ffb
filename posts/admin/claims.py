"""The filter of the list of posts by imported claims that this site finds otherwise.

In: the name of a claim. Out: posts whose waiting revision contradicts it, by its stored check.
Counts are left out: one is a scan of all posts. `manage.py check_claims --summary` has them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin

from posts import claims

if TYPE_CHECKING:
    from django.http import HttpRequest


class ClaimFilter(admin.SimpleListFilter):
    """Claims that can be contradicted; those that nobody here can know are not among them."""

    title = "claim contradicted"
    parameter_name = "claim"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(claim.name, claim.label) for claim in claims.CHECKABLE]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        wanted = self.value()
        if not wanted:
            return queryset
        if all(claim.name != wanted for claim in claims.CHECKABLE):
            return queryset.none()
        return queryset.with_contradicted(wanted)
