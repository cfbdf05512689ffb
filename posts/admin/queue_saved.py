"""Filters of the queue under a name: saved from the address, shared with all editors, deleted.

In: requests of staff. Out: links to the addresses they stand for. What is saved is what `asked`
understood of an address, without the place in the list.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import HttpResponseNotAllowed, HttpResponseRedirect
from django.http.request import QueryDict
from django.utils import timezone

from posts.admin.queue_asked import Asked, asked
from posts.models import SavedFilter

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.http import HttpRequest, HttpResponse

NAME_MAX = SavedFilter.NAME_MAX
#: Filters one person may save, and those of others that are shown.
OWN_MAX = 30
SHOWN_MAX = 60


class Saved(NamedTuple):
    """One saved filter for its reader; `by` is empty for their own."""

    pk: int
    name: str
    url: str
    by: str
    is_shared: bool
    is_current: bool


def shown_to(user: Any, wanted: Asked) -> list[Saved]:
    """Return a person's own filters, then those others share, by name. One query."""
    rows = (
        SavedFilter.objects.filter(Q(owner=user.pk) | Q(is_shared=True))
        .select_related("owner")
        .only(
            "name", "query", "is_shared", "owner__username", "owner__first_name", "owner__last_name"
        )
        .order_by("name", "pk")[: OWN_MAX + SHOWN_MAX]
    )
    found = [
        Saved(
            row.pk,
            row.name,
            Asked(chosen=dict(QueryDict(row.query).items())).link(),
            "" if row.owner_id == user.pk else row.owner.get_full_name() or row.owner.username,
            row.is_shared,
            row.query == wanted.query,
        )
        for row in rows
    ]
    return sorted(found, key=lambda one: bool(one.by))


def save_view(request: HttpRequest) -> HttpResponse:
    """Save the filters of an address under a name; the same name again replaces them."""
    wanted = _posted(request)
    if wanted is None:
        return HttpResponseNotAllowed(["POST"])
    name = " ".join(request.POST.get("name", "").replace("\x00", "").split())
    problem = _problem(request, name, wanted)
    if problem:
        messages.error(request, f"Nothing was saved. {problem}")
    else:
        _save(request.user, name, wanted.query, is_shared="shared" in request.POST)
        messages.success(request, f"“{name}” stands beside the tabs now.")
    return HttpResponseRedirect(wanted.link())


def _posted(request: HttpRequest) -> Asked | None:
    if not request.user.has_perm("posts.view_post"):
        raise PermissionDenied
    if request.method != "POST":
        return None
    return asked(QueryDict(request.POST.get("back", "")))


def _problem(request: HttpRequest, name: str, wanted: Asked) -> str:
    """Return why filters cannot be saved, and what to do. At most one query."""
    if not name or len(name) > NAME_MAX:
        return f"A name has 1 to {NAME_MAX} characters; this one has {len(name)}."
    if len(wanted.query) > SavedFilter.QUERY_MAX:
        return f"The filters are longer than {SavedFilter.QUERY_MAX:,} characters. Choose fewer."
    if wanted.problems:
        return f"{wanted.problems[0]} Choose filters that find something."
    own = set(SavedFilter.objects.filter(owner=request.user).values_list("name", flat=True))
    if name not in own and len(own) >= OWN_MAX:
        return f"You have {OWN_MAX} saved filters, the most there can be. Delete one first."
    return ""


def _save(by: User, name: str, query: str, *, is_shared: bool) -> None:
    SavedFilter.objects.update_or_create(
        owner=by,
        name=name,
        defaults={"query": query, "is_shared": is_shared},
        create_defaults={
            "query": query,
            "is_shared": is_shared,
            "created_at": timezone.now(),
        },
    )


def delete_view(request: HttpRequest, filter_id: int) -> HttpResponse:
    """Delete a filter of one's own, or a shared one as an administrator of the site."""
    wanted = _posted(request)
    if wanted is None:
        return HttpResponseNotAllowed(["POST"])
    rows = SavedFilter.objects.filter(pk=filter_id)
    if not request.user.is_superuser:
        rows = rows.filter(owner=request.user)
    name = rows.values_list("name", flat=True).first()
    if name is None:
        messages.error(request, "Nothing was deleted: the filter is gone, or is not yours.")
    else:
        rows.delete()
        messages.success(request, f"“{name}” was deleted.")
    return HttpResponseRedirect(wanted.link())
