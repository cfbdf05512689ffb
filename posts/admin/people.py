"""People and groups in the admin, and a new password by mail. Nobody gives more than they have.

In: requests of staff who manage people, and of anybody who forgot a password. Out: Django's own
pages on this site. A person who is no superuser changes only what stays within their own rights.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib import admin
from django.contrib.auth import views
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.forms import PasswordResetForm
from django.contrib.auth.models import Group, Permission, User
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.forms import CheckboxSelectMultiple
from django.urls import path

from posts import disclosure
from posts.admin import lists
from posts.admin.site import site

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse


def rights_of(person: Any) -> set[int]:
    """Return the ids of a person's permissions, as if their account were open. One query."""
    held = Permission.objects.filter(Q(user=person) | Q(group__user=person))
    return set(held.values_list("pk", flat=True))


def is_beyond(person: Any, by: Any) -> bool:
    """Say whether a person may do something that `by` may not. Up to two queries."""
    if by.is_superuser:
        return False
    return person.is_superuser or bool(rights_of(person) - rights_of(by))


def grantable_groups(by: Any) -> Any:
    """Return the groups that hold nothing which `by` does not hold."""
    if by.is_superuser:
        return Group.objects.all()
    more = Permission.objects.exclude(pk__in=rights_of(by))
    return Group.objects.exclude(permissions__in=more)


@admin.register(User, site=site)
class PersonAdmin(lists.BoundedList, UserAdmin):
    """People. Their decisions stay theirs, so an account is closed by "active", never deleted."""

    class Media:
        css = {"all": ["css/admin-people.css"]}

    list_display = ("username", "byline", "is_staff", "is_active")
    list_filter = ("is_active", "is_staff", "groups")
    sortable_by = ("username",)
    readonly_fields = ("user_permissions", "last_login", "date_joined")
    filter_horizontal = ()
    fieldsets = (
        (None, {"fields": ("username", "password")}),
        (
            "Public name",
            {
                "fields": ("first_name", "last_name"),
                "description": "Readers see the full name as the byline of what this person "
                "writes and reviews. Left empty, they see “a reviewer” or “an editor”; the "
                "username and the address are never shown to them.",
            },
        ),
        (
            "Mail",
            {
                "fields": ("email",),
                "description": "A link for a new password goes to this address, and nothing else.",
            },
        ),
        (
            "Access",
            {
                "fields": ("is_active", "is_staff", "is_superuser", "groups", "user_permissions"),
                "description": "Rights come with groups. You can give the groups whose rights you "
                "hold yourself. To close an account, untick “active”: what the person decided "
                "stays theirs.",
            },
        ),
        ("Dates", {"fields": ("last_login", "date_joined")}),
    )

    @admin.display(description="Public byline", empty_value="")
    def byline(self, person: User) -> str:
        return disclosure.byline(person, "")

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        hidden = set() if request.user.is_superuser else {"is_superuser"}
        if obj is not None and is_beyond(obj, request.user):
            hidden.add("password")
        return [
            (name, {**more, "fields": [field for field in more["fields"] if field not in hidden]})
            for name, more in super().get_fieldsets(request, obj)
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Of an account with more rights than one's own, only closing it is left."""
        fixed = [*self.readonly_fields]
        if obj is None:
            return fixed
        if is_beyond(obj, request.user):
            names = [name for _, more in self.fieldsets for name in more["fields"]]
            return [name for name in names if name != "is_active" or not obj.is_active]
        if obj.pk == request.user.pk:
            fixed += ["is_active", "is_staff"]
        return fixed

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        may = super().has_change_permission(request, obj)
        return may and not (obj is not None and obj.is_superuser and not request.user.is_superuser)

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> Any:
        """Refuse the password of an account with more rights: it would be a way to them."""
        person = self.get_object(request, id)
        if person is not None and is_beyond(person, request.user):
            raise PermissionDenied
        return super().user_change_password(request, id, form_url)

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "groups":
            kwargs["queryset"] = grantable_groups(request.user).order_by("name")
            kwargs["widget"] = CheckboxSelectMultiple
        return super().formfield_for_manytomany(db_field, request, **kwargs)


@admin.register(Group, site=site)
class RoleAdmin(lists.BoundedList, GroupAdmin):
    """Groups: five come with the project (docs/operations.md)."""

    filter_horizontal = ()

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        may = super().has_change_permission(request, obj)
        if obj is None or not may:
            return may
        return grantable_groups(request.user).filter(pk=obj.pk).exists()

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "permissions":
            kwargs["widget"] = CheckboxSelectMultiple
            if not request.user.is_superuser:
                kwargs["queryset"] = Permission.objects.filter(pk__in=rights_of(request.user))
        return super().formfield_for_manytomany(db_field, request=request, **kwargs)


# --- A new password by mail ---------------------------------------------------------------------

#: Mail leaves beside the request, so that the time of an answer does not tell who has an account.
_post_office = ThreadPoolExecutor(max_workers=1, thread_name_prefix="mail")


class ResetForm(PasswordResetForm):
    """Django's form; its answer neither says nor shows whether there is such an account."""

    def send_mail(self, *args: Any, **kwargs: Any) -> None:
        _post_office.submit(super().send_mail, *args, **kwargs)


class OnAdminSite:
    """Gives a view of Django what every page of the admin has."""

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context = super().get_context_data(**kwargs)  # type: ignore[misc]
        hours = settings.PASSWORD_RESET_TIMEOUT // 3600
        return {**site.each_context(self.request), "hours": hours, **context}  # type: ignore[attr-defined]


class ResetView(OnAdminSite, views.PasswordResetView):
    """Asks for an address and mails a link. The link leads to PUBLIC_URL, whatever host asked."""

    form_class = ResetForm
    title = "Forgotten your password?"
    email_template_name = "registration/password_reset_email.txt"
    subject_template_name = "registration/password_reset_subject.txt"

    def form_valid(self, form: Any) -> HttpResponse:
        address = urlsplit(settings.PUBLIC_URL)
        self.extra_email_context = {
            "site_name": site.site_header,
            "protocol": address.scheme,
            "domain": address.netloc,
            "hours": settings.PASSWORD_RESET_TIMEOUT // 3600,
        }
        return super().form_valid(form)


class ResetDoneView(OnAdminSite, views.PasswordResetDoneView):
    """Says that mail may be on its way, the same for every address."""

    title = "Look at your mail"


class ResetConfirmView(OnAdminSite, views.PasswordResetConfirmView):
    """Asks for the new password, once for each link."""


class ResetCompleteView(OnAdminSite, views.PasswordResetCompleteView):
    """Says that the password is set."""

    title = "Your password is set"


#: Below /admin/, where the cookies of forms are sent; the names are those Django looks for.
reset_urls = [
    path("password_reset/", ResetView.as_view(), name="admin_password_reset"),
    path("password_reset/done/", ResetDoneView.as_view(), name="password_reset_done"),
    path("reset/<uidb64>/<token>/", ResetConfirmView.as_view(), name="password_reset_confirm"),
    path("reset/done/", ResetCompleteView.as_view(), name="password_reset_complete"),
]
