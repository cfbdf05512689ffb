"""Changes of accounts and groups become events, with the person who made them."""

import json

import pytest
from django.contrib.auth import authenticate
from django.contrib.auth.models import Group, Permission, User
from django.core.management import call_command
from django.db import transaction
from django.db.models import ProtectedError
from django.test import RequestFactory, override_settings
from django.urls import reverse

from posts import accounts, actors, verification
from posts.models import Event
from tests.builders import make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def editor():
    return make_user("editor", username="secret-name", email="secret@example.org")


@pytest.fixture
def told():
    """Return a function that gives kind and data of the events since it was asked last."""
    seen = set(Event.objects.values_list("pk", flat=True))

    def news():
        rows = Event.objects.exclude(pk__in=seen).order_by("pk")
        found = [(event.kind, event.data) for event in rows]
        seen.update(rows.values_list("pk", flat=True))
        return found

    return news


def permission(code):
    return Permission.objects.get(codename=code, content_type__app_label="posts")


def test_new_account_and_its_first_group_are_told(told):
    editor = make_user("editor")

    assert told() == [
        ("account created", {"is_active": True, "is_staff": True, "is_superuser": False}),
        ("account groups", {"added": [Group.objects.get(name="editor").pk]}),
    ]
    assert set(Event.objects.filter(person=editor).values_list("actor", flat=True)) == {None}


@pytest.mark.parametrize("flag", ["is_active", "is_staff", "is_superuser"])
def test_flag_is_told_with_what_it_was(editor, told, flag):
    told()
    before = getattr(editor, flag)

    setattr(editor, flag, not before)
    editor.save()
    editor.save()

    assert told() == [("account flags", {flag: [before, not before]})]


def test_groups_and_permissions_are_told_from_both_sides(editor, told):
    reviewer, review = Group.objects.get(name="reviewer"), permission("review_post")
    told()

    editor.groups.add(reviewer)
    editor.groups.add(reviewer)
    reviewer.user_set.remove(editor)
    editor.user_permissions.add(review)
    review.user_set.clear()
    editor.groups.clear()
    editor.groups.set([reviewer])

    assert told() == [
        ("account groups", {"added": [reviewer.pk]}),
        ("account groups", {"removed": [reviewer.pk]}),
        ("account permissions", {"added": ["posts.review_post"]}),
        ("account permissions", {"removed": ["posts.review_post"]}),
        ("account groups", {"removed": [Group.objects.get(name="editor").pk]}),
        ("account groups", {"added": [reviewer.pk]}),
    ]
    assert set(Event.objects.filter(person=editor).values_list("person", flat=True)) == {editor.pk}


def test_permissions_of_a_group_are_events_of_the_site(told):
    group = Group.objects.create(name="helpers")
    review, publish = permission("review_post"), permission("publish_post")

    group.permissions.add(review, publish)
    review.group_set.remove(group)
    group.permissions.clear()
    group.name = "others"
    group.save()
    group.save()

    assert told() == [
        ("group created", {"group": group.pk}),
        (
            "group permissions",
            {"group": group.pk, "added": ["posts.publish_post", "posts.review_post"]},
        ),
        ("group permissions", {"group": group.pk, "removed": ["posts.review_post"]}),
        ("group permissions", {"group": group.pk, "removed": ["posts.publish_post"]}),
        ("group renamed", {"group": group.pk}),
    ]
    newest = Event.objects.latest("pk")
    assert (newest.post_id, newest.run_id, newest.person_id) == (None, None, None)


def test_members_of_a_group_that_goes_are_told(editor, told):
    group = Group.objects.create(name="helpers")
    pk = group.pk
    group.permissions.add(permission("review_post"))
    editor.groups.add(group)
    told()

    group.delete()

    assert told() == [
        ("account groups", {"removed": [pk]}),
        ("group deleted", {"group": pk, "removed": ["posts.review_post"]}),
    ]


def test_password_says_whether_it_was_typed(editor, told):
    told()
    editor.set_password("another long one")
    editor.save()
    editor.set_unusable_password()
    editor.save()

    assert told() == [
        ("account password", {"typed": True, "usable": True}),
        ("account password", {"typed": False, "usable": False}),
    ]


def test_hash_made_anew_at_a_login_is_told_apart(editor, told):
    told()
    hasher = "django.contrib.auth.hashers.PBKDF2PasswordHasher"
    with override_settings(
        PASSWORD_HASHERS=[hasher, "django.contrib.auth.hashers.MD5PasswordHasher"]
    ):
        assert authenticate(username="secret-name", password="long enough for a test")

    assert told() == [("account password", {"typed": False, "usable": True})]


def test_login_alone_is_no_change_of_an_account(editor, told, client):
    told()

    client.force_login(editor)

    assert told() == []


def test_names_are_told_as_changed_and_not_kept(editor, told):
    told()
    editor.username = "another-secret"
    editor.first_name = "Nobody"
    editor.save()

    assert told() == [("account renamed", {"fields": ["username", "first_name"]})]


def test_no_event_of_an_account_holds_a_name(editor):
    editor.email = "other-secret@example.org"
    editor.save()
    group = Group.objects.create(name="secret-group")
    group.user_set.add(editor)

    stored = json.dumps(list(Event.objects.values_list("data", flat=True)))

    assert "secret" not in stored


def test_person_of_the_request_is_the_actor(editor):
    boss = make_user("superuser")
    request = RequestFactory().post("/admin/")
    request.user = boss

    def answer(request):
        editor.is_staff = False
        editor.save()

    actors.ActorMiddleware(answer)(request)
    editor.is_active = False
    editor.save()

    newest = Event.objects.filter(person=editor, kind=accounts.FLAGS).order_by("sequence")
    assert [event.actor for event in newest] == [boss, None]


def test_actor_is_forgotten_after_a_failure():
    request = RequestFactory().get("/admin/")
    request.user = make_user("superuser")

    def fail(request):
        raise KeyError

    with pytest.raises(KeyError):
        actors.ActorMiddleware(fail)(request)

    assert actors.current() is None


def test_password_set_in_the_admin_names_who_set_it(client, editor):
    boss = make_user("superuser")
    client.force_login(boss)
    form = {"password1": "a long new one 42", "password2": "a long new one 42"}

    response = client.post(
        reverse("admin:auth_user_password_change", args=[editor.pk]),
        {**form, "usable_password": "true"},
    )

    assert response.status_code == 302
    newest = Event.objects.filter(person=editor).latest("sequence")
    assert (newest.kind, newest.actor) == ("account password", boss)


def test_change_that_is_taken_back_leaves_no_event(editor, told):
    told()
    with transaction.atomic():
        editor.groups.clear()
        transaction.set_rollback(True)

    assert told() == []


def test_account_with_a_history_stays(editor):
    with pytest.raises(ProtectedError):
        editor.delete()


def test_account_from_before_the_history_can_go_and_is_told(told):
    # As `bulk_create` and old versions left them: no signal, no event.
    (user,) = User.objects.bulk_create([User(username="old")])
    user = User.objects.get(username="old")
    pk = user.pk

    user.delete()

    assert told() == [("account deleted", {"person": pk})]


def test_fixture_that_is_loaded_tells_nothing(told, tmp_path):
    path = tmp_path / "people.json"
    path.write_text('[{"model": "auth.user", "pk": 900, "fields": {"username": "loaded"}}]')

    call_command("loaddata", str(path), verbosity=0)

    assert told() == []


def test_chains_of_people_and_of_the_site_hold(editor):
    editor.is_staff = False
    editor.save()
    Group.objects.create(name="helpers")

    assert list(verification.breaks(verification.Tally())) == []


def test_public_page_asks_nobody_who_acts(client, django_assert_num_queries):
    with django_assert_num_queries(0):
        client.get("/robots.txt")
