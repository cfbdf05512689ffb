"""Stored images in the admin: the list, what uses each, its bytes for staff, letting one go.

In: requests of staff. Out: bounded lists and pages, and calls of `posts.images.storing`. Uploads
come by the form of a post, `posts.admin.uploads`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Exists, OuterRef, Q
from django.http import Http404, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.defaultfilters import filesizeformat
from django.urls import path, reverse
from django.utils.html import format_html

from posts import content
from posts.admin import lists
from posts.admin.site import site
from posts.images import storing
from posts.models import PostImage, RevisionImage, StoredImage
from posts.pictures import ImagePolicy
from posts.views.images import rendition

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

#: Uses shown of one image.
USES_SHOWN = 50
#: Images whose digest begins so are one: nobody types all of it.
DIGEST_TYPED = 6


def staff_policy() -> ImagePolicy:
    """Return what staff may be shown: stored images also while only drafts name them."""
    return ImagePolicy.from_settings(uploads=f"{reverse('admin:posts_storedimage_changelist')}of/")


class Use(NamedTuple):
    """A revision that names an image, and what it is to its post."""

    title: str
    number: int
    role: str
    url: str


class UsedFilter(admin.SimpleListFilter):
    """Images that something uses, and those that may go."""

    title = "use"
    parameter_name = "used"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "used"), ("no", "unused")]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        match self.value():
            case "yes":
                return queryset.filter(Q(is_named=True) | Q(is_shown=True))
            case "no":
                return queryset.filter(is_named=False, is_shown=False)
        return queryset


_IS_NAMED = Exists(RevisionImage.objects.filter(stored=OuterRef("pk")))
_IS_SHOWN = Exists(PostImage.objects.filter(image__stored=OuterRef("pk")))


@admin.register(StoredImage, site=site)
class StoredImageAdmin(lists.ReadOnly):
    """Uploads, and copies of remote images. They never change; one that nothing uses may go."""

    list_display = ("shown", "size", "format", "uploaded_by", "created_at", "used")
    list_display_links = ("size",)
    list_select_related = ("uploaded_by",)
    list_filter = (UsedFilter, lists.FromFilter)
    fields = ("size", "format", "weight", "uploaded_by", "created_at", "digest", "has_avif")
    readonly_fields = ("size", "weight")
    search_fields = ("digest",)
    search_help_text = f"The beginning of a digest, at least {DIGEST_TYPED} characters."
    ordering = ("-pk",)
    change_form_template = "admin/posts/stored_image.html"

    @admin.display(description="Image")
    def shown(self, stored: StoredImage) -> str:
        width = min(stored.width, 320)
        return format_html(
            '<img src="{}" alt="" width="96" height="{}" loading="lazy">',
            rendition_url(stored, width),
            max(1, round(stored.height * 96 / stored.width)),
        )

    @admin.display(description="Pixels")
    def size(self, stored: StoredImage) -> str:
        return f"{stored.width:,} × {stored.height:,}"

    @admin.display(description="Bytes")
    def weight(self, stored: StoredImage) -> str:
        return filesizeformat(stored.bytes)

    @admin.display(description="Used", boolean=True)
    def used(self, stored: StoredImage) -> bool:
        return bool(stored.is_named or stored.is_shown)

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).annotate(is_named=_IS_NAMED, is_shown=_IS_SHOWN)

    def get_search_results(
        self, request: HttpRequest, queryset: Any, search_term: str
    ) -> tuple[Any, bool]:
        term = search_term.strip().lower().removeprefix("upload:").replace("\x00", "")
        if not term:
            return queryset, False
        if len(term) < DIGEST_TYPED:
            return queryset.none(), False
        return queryset.filter(digest__startswith=term), False

    def get_urls(self) -> list[Any]:
        def page(route: str, view: Any, name: str) -> Any:
            view = self.admin_site.admin_view(view)
            return path(route, view, name=f"posts_storedimage_{name}")

        return [
            page("of/<slug:digest>/<int:width>.<str:form>", self.rendition_view, "rendition"),
            page("<int:stored_id>/remove/", self.remove_view, "remove"),
            *super().get_urls(),
        ]

    def rendition_view(
        self, request: HttpRequest, digest: str, width: int, form: str
    ) -> HttpResponse:
        """Return a rendition to whoever may see drafts. Queries: image, the rendition."""
        if not request.user.has_perm("posts.view_post"):
            raise PermissionDenied
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET", "HEAD"])
        stored = StoredImage.objects.filter(digest=digest).first()
        if stored is None:
            raise Http404("There is no such image.")
        response = rendition(stored, width, form)
        # A preview is drawn anew with every pause in typing.
        response.headers["Cache-Control"] = "private, max-age=600"
        return response

    def remove_view(self, request: HttpRequest, stored_id: int) -> HttpResponse:
        """On POST delete an image that nothing uses."""
        if not request.user.has_perm(storing.DELETE):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        stored = StoredImage.objects.filter(pk=stored_id).first()
        if stored is None:
            raise Http404("There is no such image.")
        try:
            storing.remove(stored=stored, by=request.user)
        except storing.ImageUsedError as error:
            self.message_user(request, str(error), messages.ERROR)
            return HttpResponseRedirect(reverse("admin:posts_storedimage_change", args=[stored_id]))
        self.message_user(request, "The image and its files are deleted.", messages.SUCCESS)
        return HttpResponseRedirect(reverse("admin:posts_storedimage_changelist"))

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        """Show an image, how to use it in another note, and what uses it. Four queries more."""
        stored = self.get_object(request, object_id)
        more: dict[str, Any] = {}
        if stored is not None:
            uses = uses_of(stored)
            more = {
                "address": rendition_url(stored, min(stored.width, 640)),
                "line": f"credit | {content.upload_url(stored.digest)} | caption | "
                "alternative text",
                "uses": uses[:USES_SHOWN],
                "has_more": len(uses) > USES_SHOWN,
                "sources": list(stored.sources.order_by("pk")[:USES_SHOWN]),
                "may_see_sources": request.user.has_perm("posts.view_imagesource"),
                "may_remove": request.user.has_perm(storing.DELETE)
                and not (stored.is_named or stored.is_shown),
            }
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **more})


def rendition_url(stored: StoredImage, width: int) -> str:
    return reverse("admin:posts_storedimage_rendition", args=[stored.digest, width, "jpg"])


def uses_of(stored: StoredImage) -> list[Use]:
    """Return the newest revisions that name an image, one more than are shown. One query."""
    rows = (
        RevisionImage.objects.filter(stored=stored)
        .select_related("revision__post")
        .defer("revision__lede", "revision__body", "revision__meta")
        .order_by("-revision_id")[: USES_SHOWN + 1]
    )
    return [
        Use(
            row.revision.post.title,
            row.revision.number,
            _role(row.revision),
            reverse("admin:posts_post_revision", args=[row.revision.post_id, row.revision.number]),
        )
        for row in rows
    ]


def _role(revision: Any) -> str:
    if revision.pk == revision.post.live_revision_id:
        return "live"
    return "proposed" if revision.pk == revision.post.proposed_revision_id else "older"
