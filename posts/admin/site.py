"""The admin site: its name, its home page, and the people who may sign in.

In: requests of staff. Out: pages of counts and links. Every query of the home page is bounded.
"""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, User
from django.utils import timezone

from posts.admin import lists, states
from posts.models import ImportRun, Post

#: Lines of each short list on the home page.
SHORT_LIST = 5


class AlphanodeAdminSite(admin.AdminSite):
    """The one admin of the project. Its home page begins with what waits for a person."""

    site_header = "alphanode"
    site_title = "alphanode"
    index_title = "Editorial work"
    index_template = "admin/home.html"
    enable_nav_sidebar = False

    def index(self, request: Any, extra_context: dict[str, Any] | None = None) -> Any:
        """Queries: three capped counts, the oldest waiting posts, the latest runs."""
        context: dict[str, Any] = {"subtitle": None}
        if request.user.has_perm("posts.view_post"):
            now = timezone.now()
            oldest = (
                Post.objects.awaiting_review()
                .select_related("proposed_revision")
                .only(*QUEUE_COLUMNS)
                .order_by("pk")[:SHORT_LIST]
            )
            context |= {
                "has_queue": True,
                "awaiting": lists.capped_count(Post.objects.awaiting_review()),
                "held": lists.capped_count(
                    Post.objects.held_by_import().exclude(visibility="archived")
                ),
                "returned": lists.capped_count(
                    Post.objects.returned().exclude(visibility="archived")
                ),
                "oldest": [
                    (post, states.as_html(states.tags_of(post, now)), post.proposed_revision)
                    for post in oldest
                ],
            }
        if request.user.has_perm("posts.view_importrun"):
            runs = ImportRun.objects.select_related("source").order_by("-pk")[:SHORT_LIST]
            context["runs"] = [(run, states.run_state(run.state)) for run in runs]
            context["has_runs"] = True
        return super().index(request, {**context, **(extra_context or {})})


#: What a line about a waiting post shows.
QUEUE_COLUMNS = (
    "title",
    "visibility",
    "archive_at",
    "listed_at",
    "live_revision_id",
    "approved_revision_id",
    "proposed_revision__number",
    "proposed_revision__origin",
    "proposed_revision__created_at",
)

site = AlphanodeAdminSite(name="alphanode")


@admin.register(User, site=site)
class PersonAdmin(lists.BoundedList, UserAdmin):
    """People. Their decisions stay theirs, so an account is closed by "active", never deleted."""

    list_display = ("username", "first_name", "last_name", "is_staff", "is_active")
    sortable_by = ("username",)


@admin.register(Group, site=site)
class RoleAdmin(lists.BoundedList, GroupAdmin):
    """Groups: editor and reviewer come with the project."""
