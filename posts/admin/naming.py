"""Other names of tags and entities in the admin: rename, merge, take apart.

In: requests of staff. Out: one page a tag or entity, and calls of `posts.renaming`. What moves more
posts than a request may take is shown as a command.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse

from posts import content, renaming

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

#: Posts that a request moves at most.
MOVED_MAX = 2_000
#: Aliases shown of one tag or entity.
ALIASES_SHOWN = 100


class Naming(admin.ModelAdmin):
    """Adds the page of other names, and a link to it, to the page of a tag or entity."""

    change_form_template = "admin/posts/named.html"

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(self.names_view)
        return [
            path("<int:subject_id>/names/", view, name=self._page("names")),
            *super().get_urls(),
        ]

    def _page(self, name: str) -> str:
        return f"posts_{self.model._meta.model_name}_{name}"

    def _address(self, subject: Any) -> str:
        return reverse(f"admin:{self._page('names')}", args=[subject.pk])

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        """Show a tag or entity, with the way to its other names for who may change them."""
        may_rename = request.user.has_perm(renaming.PERMISSION)
        more = {"may_rename": may_rename, "names_page": f"admin:{self._page('names')}"}
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **more})

    def names_view(self, request: HttpRequest, subject_id: int) -> HttpResponse:
        """Show the other names; on POST rename, merge or take apart."""
        if not request.user.has_perm(renaming.PERMISSION):
            raise PermissionDenied
        rows = self.model._default_manager.select_related("merged_into")
        subject: Any = rows.filter(pk=subject_id).first()
        if subject is None:
            raise Http404("There is no such name.")
        if request.method == "POST":
            return self._changed(request, subject)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.model._meta,
            "title": f"Names of {subject.name}",
            "subject": subject,
            "aliases": list(subject.aliases.order_by("name")[:ALIASES_SHOWN]),
            "name_max": renaming.VOCABULARIES[self.model].name_max,
            "changelist": f"admin:{self._page('changelist')}",
            "change_page": f"admin:{self._page('change')}",
            **self._plan(request, subject),
        }
        return TemplateResponse(request, "admin/posts/names.html", context)

    def _plan(self, request: HttpRequest, subject: Any) -> dict[str, Any]:
        """Return what merging into the name in the address would do."""
        wanted = content.normal_tag(request.GET.get("into", "").replace("\x00", ""))
        if not wanted:
            return {}
        into = self._named(subject, wanted)
        if into is None or into.pk == subject.pk:
            return {"wanted": wanted, "is_unknown": True}
        posts, both = renaming.both_used(subject, into)
        kind = self.model._meta.model_name
        return {
            "wanted": wanted,
            "into": into,
            "posts": posts,
            "both": both,
            "is_too_much": posts > MOVED_MAX,
            "command": f"manage.py merge_names {kind} {subject.pk} {into.pk} "
            f"--by {request.user.get_username()}",
        }

    def _named(self, subject: Any, name: str) -> Any:
        rows = self.model._default_manager.select_related("merged_into").filter(name=name)
        if kind := getattr(subject, "type", ""):
            rows = rows.filter(type=kind)
        found: Any = rows.first()
        return found and (found.merged_into or found)

    def _changed(self, request: HttpRequest, subject: Any) -> HttpResponse:
        posted = request.POST
        back = self._address(subject)
        by: Any = request.user
        try:
            if posted.get("action") == "rename":
                before = subject.name
                renaming.rename(subject, posted.get("name", ""), by=by)
                said = f"“{before}” is now called “{subject.name}”; the old address leads there."
            elif posted.get("action") == "merge":
                into = self._named(subject, content.normal_tag(posted.get("into", "")))
                if into is None:
                    raise renaming.RenamingError("There is no such name to merge into.")
                if renaming.both_used(subject, into)[0] > MOVED_MAX:
                    raise renaming.RenamingError(
                        f"More than {MOVED_MAX:,} posts are moved by the command only."
                    )
                moved = renaming.merge(
                    subject, into, by=by, reason=posted.get("reason", "").strip()
                )
                said = f"“{subject.name}” is now an alias of “{into.name}”; {moved:,} posts moved."
                back = self._address(into)
            elif posted.get("action") == "separate":
                alias = subject.aliases.filter(pk=_number(posted.get("alias", ""))).first()
                if alias is None:
                    raise renaming.RenamingError("That is no alias of this name any more.")
                renaming.separate(alias, by=by)
                said = f"“{alias.name}” stands for itself again."
            else:
                raise renaming.RenamingError("Nothing was chosen: rename, merge or take apart.")
        except renaming.RenamingError as error:
            self.message_user(request, str(error), messages.ERROR)
        else:
            self.message_user(request, said, messages.SUCCESS)
        return HttpResponseRedirect(back)


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else 0
