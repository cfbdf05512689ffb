"""Events of accounts and groups: who was given or lost what, by whom.

In: Django's signals about its own models. Out: events of the person, or of the site for groups and
for accounts that are gone. The accounts are Django's, with doors of their own (admin, commands,
shell), so this is the one place where signals are listened to. Changes nothing else. What goes past
the signals (`update()`, raw SQL) is not seen here.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib.auth.models import Group, Permission, User
from django.db.models.signals import m2m_changed, post_delete, post_save, pre_delete, pre_save
from django.utils import timezone

from posts import actors, history

#: Kinds of events, as they are stored.
CREATED = "account created"
FLAGS = "account flags"
RENAMED = "account renamed"
PASSWORD = "account password"  # noqa: S105 (the name of an event)
GROUPS = "account groups"
PERMISSIONS = "account permissions"
DELETED = "account deleted"
GROUP_CREATED = "group created"
GROUP_RENAMED = "group renamed"
GROUP_PERMISSIONS = "group permissions"
GROUP_DELETED = "group deleted"

_FLAGS = ("is_active", "is_staff", "is_superuser")
#: Fields that say who somebody is; their values stay out of the history.
_NAMES = ("username", "email", "first_name", "last_name")
_WATCHED = (*_FLAGS, *_NAMES, "password")


def watch() -> None:
    """Listen from now on; called once when the application is ready."""
    uid = "posts.accounts"
    pre_save.connect(_before_account, sender=User, dispatch_uid=uid)
    post_save.connect(_after_account, sender=User, dispatch_uid=uid)
    post_delete.connect(_account_deleted, sender=User, dispatch_uid=uid)
    pre_save.connect(_before_group, sender=Group, dispatch_uid=uid)
    post_save.connect(_after_group, sender=Group, dispatch_uid=uid)
    pre_delete.connect(_before_group_deleted, sender=Group, dispatch_uid=uid)
    post_delete.connect(_group_deleted, sender=Group, dispatch_uid=uid)
    for through, changed in (
        (User.groups.through, _membership_changed),
        (User.user_permissions.through, _permissions_changed),
        (Group.permissions.through, _group_permissions_changed),
    ):
        m2m_changed.connect(changed, sender=through, dispatch_uid=uid)


# --- Accounts ---------------------------------------------------------------------------------


def _before_account(
    sender: Any, instance: User, raw: bool, update_fields: Any, **more: Any
) -> None:
    """Keep what the row holds now, for `_after_account` to compare with. At most one query."""
    instance._watched_before = None  # type: ignore[attr-defined]
    written = set(_WATCHED) if update_fields is None else set(_WATCHED).intersection(update_fields)
    if raw or not written or instance.pk is None:
        return
    before = User.objects.filter(pk=instance.pk).values(*sorted(written)).first()
    instance._watched_before = before  # type: ignore[attr-defined]
    # A password that was typed is still there in the clear until the row is written; a hash made
    # anew with better parameters, or put in by a program, is not.
    instance._watched_typed = instance._password is not None  # type: ignore[attr-defined]


def _after_account(sender: Any, instance: User, created: bool, raw: bool, **more: Any) -> None:
    if raw:
        return
    if created:
        _tell_person(instance.pk, CREATED, {name: getattr(instance, name) for name in _FLAGS})
        return
    before = instance._watched_before  # type: ignore[attr-defined]
    changed = {
        name: value for name, value in (before or {}).items() if getattr(instance, name) != value
    }
    flags = {name: [changed[name], getattr(instance, name)] for name in _FLAGS if name in changed}
    if flags:
        _tell_person(instance.pk, FLAGS, flags)
    if names := [name for name in _NAMES if name in changed]:
        _tell_person(instance.pk, RENAMED, {"fields": names})
    if "password" in changed:
        typed = instance._watched_typed  # type: ignore[attr-defined]
        usable = instance.has_usable_password()
        _tell_person(instance.pk, PASSWORD, {"typed": typed, "usable": usable})


def _account_deleted(sender: Any, instance: User, **more: Any) -> None:
    # Only an account that never did anything and was never changed can go.
    _tell_site(DELETED, {"person": instance.pk})


def _membership_changed(
    sender: Any, instance: Any, action: str, reverse: bool, pk_set: Any, **more: Any
) -> None:
    """Tell every person whose groups changed; from the group's side there may be many."""
    verb, ids = _change(instance, action, pk_set, "user_set" if reverse else "groups")
    for person in sorted(ids) if reverse else [instance.pk]:
        groups = [instance.pk] if reverse else sorted(ids)
        if groups and ids:
            _tell_person(person, GROUPS, {verb: groups})


def _permissions_changed(
    sender: Any, instance: Any, action: str, reverse: bool, pk_set: Any, **more: Any
) -> None:
    verb, ids = _change(instance, action, pk_set, "user_set" if reverse else "user_permissions")
    if not ids:
        return
    codes = _codes([instance.pk] if reverse else ids)
    for person in sorted(ids) if reverse else [instance.pk]:
        _tell_person(person, PERMISSIONS, {verb: codes})


# --- Groups -----------------------------------------------------------------------------------


def _before_group(sender: Any, instance: Group, raw: bool, **more: Any) -> None:
    instance._name_before = (  # type: ignore[attr-defined]
        None
        if raw or instance.pk is None
        else Group.objects.filter(pk=instance.pk).values_list("name", flat=True).first()
    )


def _after_group(sender: Any, instance: Group, created: bool, raw: bool, **more: Any) -> None:
    if raw:
        return
    if created:
        _tell_site(GROUP_CREATED, {"group": instance.pk})
    elif instance._name_before != instance.name:  # type: ignore[attr-defined]
        _tell_site(GROUP_RENAMED, {"group": instance.pk})


def _before_group_deleted(sender: Any, instance: Group, **more: Any) -> None:
    """Tell the members: their membership goes without a signal of its own."""
    instance._codes_before = _codes(  # type: ignore[attr-defined]
        instance.permissions.values_list("pk", flat=True)
    )
    for person in instance.user_set.order_by("pk").values_list("pk", flat=True):
        _tell_person(person, GROUPS, {"removed": [instance.pk]})


def _group_deleted(sender: Any, instance: Group, **more: Any) -> None:
    codes = instance._codes_before  # type: ignore[attr-defined]
    _tell_site(GROUP_DELETED, {"group": instance.pk, "removed": codes})


def _group_permissions_changed(
    sender: Any, instance: Any, action: str, reverse: bool, pk_set: Any, **more: Any
) -> None:
    verb, ids = _change(instance, action, pk_set, "group_set" if reverse else "permissions")
    if not ids:
        return
    codes = _codes([instance.pk] if reverse else ids)
    for group in sorted(ids) if reverse else [instance.pk]:
        _tell_site(GROUP_PERMISSIONS, {"group": group, verb: codes})


# --- What they share --------------------------------------------------------------------------


def _change(instance: Any, action: str, pk_set: Any, relation: str) -> tuple[str, set[int]]:
    """Return "added" or "removed" and the ids a signal is about; none for one that tells nothing.

    A `clear()` names no ids, so what is there is read before it goes.
    """
    if action in ("post_add", "post_remove"):
        return ("added" if action == "post_add" else "removed"), set(pk_set)
    if action == "pre_clear":
        return "removed", set(getattr(instance, relation).values_list("pk", flat=True))
    return "", set()


def _codes(ids: Iterable[int]) -> list[str]:
    """Return permissions by their codes; their numbers differ between databases. One query."""
    found = Permission.objects.filter(pk__in=list(ids))
    return sorted(
        f"{label}.{code}"
        for label, code in found.values_list("content_type__app_label", "codename").order_by()
    )


def _tell_person(person: int, kind: str, data: dict[str, Any]) -> None:
    history.append_to_person(person, kind, data=data, now=timezone.now(), actor=actors.current())


def _tell_site(kind: str, data: dict[str, Any]) -> None:
    history.append_to_site(kind, data=data, now=timezone.now(), actor=actors.current())
