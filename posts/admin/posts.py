"""The list of posts: columns, filters, search; and which page answers which address.

In: requests of staff. Out: lists without long columns, bounded at any size. Writes nothing itself:
pages of review, of writing and bulk actions stand in their own modules.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.admin.options import IS_POPUP_VAR
from django.contrib.admin.views.main import ORDER_VAR, PAGE_VAR, ChangeList
from django.core.exceptions import PermissionDenied
from django.db.models import Max, Q
from django.urls import path, reverse
from django.utils import timezone
from django.utils.html import format_html

from posts import content
from posts.admin import bulk, lists, states
from posts.admin.claims import ClaimFilter
from posts.admin.compare import ComparePages, compare_url
from posts.admin.edit_windows import WindowPages
from posts.admin.previews import PreviewPages
from posts.admin.review import ReviewPages
from posts.admin.schedule import SchedulePages
from posts.admin.site import site
from posts.admin.writing import WritingPages
from posts.models import ImportedPost, Post, PostTag, Slug, Tag
from posts.querysets import indexable

if TYPE_CHECKING:
    from django.http import HttpRequest

#: Words of titles are looked for among this many newest posts; no index serves them.
TITLE_SEARCH_MAX = 200_000
SEARCH_WORDS_MAX = 8


class QueueFilter(admin.SimpleListFilter):
    """The states of editorial work."""

    title = "queue"
    parameter_name = "queue"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [
            ("awaiting", "awaiting review"),
            ("held", "held by import"),
            ("returned", "returned"),
            ("listed", "listed"),
            ("unlisted", "published, not listed"),
            ("planned", "publication planned"),
            ("ending", "archiving planned"),
        ]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        now = timezone.now()
        match self.value():
            case "awaiting":
                return queryset.awaiting_review()
            case "held":
                return queryset.held_by_import().exclude(visibility="archived")
            case "returned":
                return queryset.returned().exclude(visibility="archived")
            case "listed":
                return queryset.indexable(now)
            case "unlisted":
                return queryset.published(now).exclude(indexable(now))
            case "planned":
                return queryset.planned(now)
            case "ending":
                return queryset.ending(now)
        return queryset


class RunFilter(admin.SimpleListFilter):
    """Posts whose waiting revision one import run brought; the page of the run leads here."""

    title = "import run"
    parameter_name = "run"

    def has_output(self) -> bool:
        return self.value() is not None

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        run = self.used_parameters.get(self.parameter_name)
        return [(run, f"run {run}")] if run else []

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        run = self.value()
        if run is None:
            return queryset
        if not (run.isascii() and run.isdecimal() and len(run) <= 18):
            return queryset.none()
        beside = Q(proposed_revision__run=int(run))
        return queryset.filter(beside | Q(imported__waiting_revision__run=int(run)))


class TagFilter(admin.SimpleListFilter):
    """One tag, by name, slug or id, typed into a field: a list of all tags would have no end."""

    title = "tag"
    parameter_name = "tag"
    template = "admin/posts/tag_filter.html"

    def __init__(self, request: HttpRequest, params: Any, model: Any, model_admin: Any) -> None:
        super().__init__(request, params, model, model_admin)
        self.kept = [
            (name, value)
            for name, value in request.GET.items()
            if name not in (self.parameter_name, "p", "e")
        ]
        self.tag = self._find(self.value())

    @staticmethod
    def _find(wanted: str | None) -> Tag | None:
        if not wanted or "\x00" in wanted:
            return None
        match = Q(name=content.normal_tag(wanted)) | Q(slug=wanted)
        if wanted.isdecimal():
            match |= Q(pk=int(wanted))
        found = Tag.objects.select_related("merged_into").filter(match).first()
        return found and (found.merged_into or found)

    def has_output(self) -> bool:
        return True

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return []

    def choices(self, changelist: ChangeList) -> list[dict[str, Any]]:
        return [
            {
                "selected": self.value() is None,
                "query_string": changelist.get_query_string(remove=[self.parameter_name]),
                "display": "All",
                "wanted": self.value() or "",
                "is_unknown": bool(self.value()) and self.tag is None,
                "kept": self.kept,
                "parameter": self.parameter_name,
            }
        ]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        if not self.value():
            return queryset
        if self.tag is None:
            return queryset.none()
        return queryset.filter(
            pk__in=PostTag.objects.filter(tag=self.tag).values("content_object_id")
        )


class PostList(ChangeList):
    """The list with the columns it shows and no others: no body leaves the database."""

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> Any:
        return super().get_queryset(request, exclude_parameters).only(*LIST_COLUMNS)

    @property
    def next_below(self) -> int | None:
        """The number under which a list goes on that the cap has cut, on its last page."""
        is_cut = self.result_count > lists.CAP and self.page_num == self.paginator.num_pages
        is_newest_first = self.params.get(ORDER_VAR) in (None, "-1")
        rows = list(self.result_list) if is_cut and is_newest_first else []
        return rows[-1].pk if rows else None

    @property
    def further_url(self) -> str:
        return self.get_query_string({"below": self.next_below, PAGE_VAR: None})


LIST_COLUMNS = (
    "title",
    "slug",
    "visibility",
    "difficulty",
    "published_at",
    "archive_at",
    "listed_at",
    "changed_at",
    "live_revision_id",
    "approved_revision_id",
    "proposed_revision__origin",
    "proposed_revision__author_id",
    "imported__key",
    "imported__post_id",
    "imported__source__name",
)


@admin.register(Post, site=site)
class PostAdmin(
    ReviewPages,
    ComparePages,
    WritingPages,
    WindowPages,
    SchedulePages,
    PreviewPages,
    lists.BoundedList,
):
    """Posts. Every page that changes one goes through `posts.review` or `posts.writing`."""

    list_display = (
        "number",
        "titled",
        "state",
        "visibility",
        "difficulty",
        "origin",
        "published",
        "changed",
    )
    list_display_links = ("titled",)
    list_select_related = ("proposed_revision", "imported__source")
    list_filter = (
        QueueFilter,
        "visibility",
        "difficulty",
        TagFilter,
        RunFilter,
        ClaimFilter,
        "imported__source",
        lists.FromFilter,
    )
    search_fields = ("title",)
    search_help_text = (
        "Words of the title (among the newest 200,000 posts), or one exact reference, key or slug."
    )
    sortable_by = ("number",)
    ordering = ("-pk",)
    change_list_template = "admin/posts/list.html"

    @admin.display(description="No.", ordering="pk")
    def number(self, post: Post) -> int:
        return post.pk

    @admin.display(description="Title")
    def titled(self, post: Post) -> str:
        return post.title

    @admin.display(description="State")
    def state(self, post: Post) -> str:
        tags = states.as_html(states.tags_of(post, timezone.now()))
        if post.proposed_revision_id in (None, post.live_revision_id):
            return tags
        return format_html(
            '{}<br><a href="{}">Compare with live<span class="visually-hidden">: {}</span></a>',
            tags,
            compare_url(post),
            post.title,
        )

    @admin.display(description="Source · key")
    def origin(self, post: Post) -> str:
        imported = getattr(post, "imported", None)
        if imported is None:
            return ""
        return format_html('{} · <span class="mono">{}</span>', imported.source.name, imported.key)

    @admin.display(description="Published", empty_value="")
    def published(self, post: Post) -> Any:
        return post.published_at and f"{post.published_at:%-d %b %Y}"

    @admin.display(description="Changed")
    def changed(self, post: Post) -> str:
        return f"{post.changed_at:%-d %b %Y %H:%M}"

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        return super().changelist_view(request, {"title": "Posts", **(extra_context or {})})

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return PostList

    def get_search_results(
        self, request: HttpRequest, queryset: Any, search_term: str
    ) -> tuple[Any, bool]:
        """Find by reference, key or slug, and only otherwise by words of the title.

        Queries: one for the exact matches, one for the newest id. At most `TITLE_SEARCH_MAX`
        titles are looked at.
        """
        term = search_term.strip().replace("\x00", "")
        if not term:
            return queryset, False
        exact = list(
            Post.objects.filter(reference=term)
            .values_list("pk")
            .union(
                ImportedPost.objects.filter(key=term, post__isnull=False).values_list("post_id"),
                Slug.objects.filter(slug=term).values_list("post_id"),
            )[:200]
        )
        if exact:
            return queryset.filter(pk__in=[pk for (pk,) in exact]), False
        newest = Post.objects.aggregate(newest=Max("pk"))["newest"] or 0
        queryset = queryset.filter(pk__gt=newest - TITLE_SEARCH_MAX)
        for word in term.split()[:SEARCH_WORDS_MAX]:
            queryset = queryset.filter(title__icontains=word)
        return queryset, False

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Bulk actions this person has the permission for; deleting is not among them."""
        if IS_POPUP_VAR in request.GET:
            return {}
        return {
            kind.name: (partial(bulk.run, action=kind.name), kind.name, kind.label)
            for kind in bulk.kinds_for(request.user)
        }

    def get_urls(self) -> list[Any]:
        def page(route: str, view: Any, name: str) -> Any:
            return path(route, self.admin_site.admin_view(view), name=f"posts_post_{name}")

        return [
            page("<int:post_id>/act/<slug:action>/", self.act_view, "act"),
            page("<int:post_id>/edit/", self.edit_view, "edit"),
            page("<int:post_id>/edit/keep/", self.keep_view, "keep"),
            page("<int:post_id>/edit/preview/", self.live_preview_view, "live_preview"),
            page("<int:post_id>/edit/discard/<int:window_id>/", self.discard_view, "discard"),
            page("add/keep/", self.keep_view, "keep_new"),
            page("add/preview/", self.live_preview_view, "live_preview_new"),
            page("add/discard/<int:window_id>/", self.discard_view, "discard_new"),
            page("<int:post_id>/schedule/", self.schedule_view, "schedule"),
            page("<int:post_id>/compare/", self.compare_view, "compare"),
            page("<int:post_id>/merge/", self.merge_view, "merge"),
            page("<int:post_id>/events/", self.events_view, "events"),
            page("<int:post_id>/revisions/", self.revisions_view, "revisions"),
            page("<int:post_id>/revisions/<int:number>/", self.revision_view, "revision"),
            page("<int:post_id>/revisions/<int:number>/restore/", self.restore_view, "restore"),
            page("<int:post_id>/revisions/<int:number>/approve/", self.choose_view, "choose"),
            page(
                "<int:post_id>/revisions/<int:number>/share/",
                self.make_preview_view,
                "make_preview",
            ),
            page("<int:post_id>/previews/", self.previews_view, "previews"),
            page(
                "<int:post_id>/previews/<int:link_id>/revoke/",
                self.revoke_preview_view,
                "revoke_preview",
            ),
            *super().get_urls(),
        ]

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Refuse: a post is written by `posts.writing` and moved by `posts.review`."""
        raise PermissionDenied("A post is not saved from a form.")

    def view_on_site(self, post: Post) -> str:
        return reverse("article", args=[post.slug])
