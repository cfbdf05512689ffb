"""People, groups, passwords: nobody gives more than they have, or learns who has an account."""

from __future__ import annotations

import importlib
import re
import threading
from pathlib import Path

import pytest
from django.apps import apps
from django.contrib.auth.models import Group, Permission, User
from django.contrib.contenttypes.models import ContentType
from django.core import mail
from django.urls import reverse

from posts.admin import people
from posts.models import Post
from tests.builders import make_post, make_user

pytestmark = pytest.mark.django_db

ROOT = Path(__file__).resolve().parent.parent
GROUPS = ("editor", "reviewer", "publisher", "importer", "administrator")
PASSWORD = "long enough for a test"
NEW_PASSWORD = "quite another password"


@pytest.fixture
def administrator(client):
    person = make_user("administrator")
    client.force_login(person)
    return person


def codes(group: str) -> set[str]:
    rows = Group.objects.get(name=group).permissions.values_list(
        "content_type__app_label", "codename"
    )
    return {f"{label}.{code}" for label, code in rows}


def change(person):
    return reverse("admin:auth_user_change", args=[person.pk])


def password_of(person):
    return reverse("admin:auth_user_password_change", args=[person.pk])


def form_of(person, **over):
    """Return what the form of a person sends when nothing but `over` is changed."""
    sent = {
        "username": person.username,
        "first_name": person.first_name,
        "last_name": person.last_name,
        "email": person.email,
        "is_active": person.is_active,
        "is_staff": person.is_staff,
        "is_superuser": person.is_superuser,
        "groups": list(person.groups.values_list("pk", flat=True)),
        **over,
    }
    return {name: value for name, value in sent.items() if value is not False}


# --- Groups -----------------------------------------------------------------------------------


def test_operations_document_lists_what_each_group_may():
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    table = re.search(r"^\| permission \|.*?(?=\n\n|\Z)", text, re.M | re.S)
    assert table is not None
    head, _, *rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in table[0].splitlines()
    ]
    assert tuple(head[2:]) == GROUPS

    documented = {
        group: {row[0].strip("`") for row in rows if row[2 + column]}
        for column, group in enumerate(GROUPS)
    }

    assert documented == {group: codes(group) for group in GROUPS}


def test_administrator_decides_on_nothing_and_sees_no_draft():
    assert not {code for code in codes("administrator") if code.startswith("posts.")}


def test_publisher_reads_and_publishes_but_neither_writes_nor_reviews():
    assert {"posts.publish_post", "posts.view_revision"} <= codes("publisher")
    assert codes("publisher").isdisjoint(
        {"posts.review_post", "posts.add_post", "posts.change_post"}
    )


def test_only_importers_take_runs_back():
    undoing = {"posts.change_importrun", "posts.delete_post"}

    assert [group for group in GROUPS if undoing & codes(group)] == ["importer"]


def test_migration_back_takes_what_it_gave_and_leaves_people():
    migration = importlib.import_module("posts.migrations.0005_people")
    person = make_user("publisher")
    before = codes("editor")

    migration.reduce_groups(apps, None)

    assert set(Group.objects.values_list("name", flat=True)) == {"editor", "reviewer"}
    assert "posts.add_previewlink" in before - codes("editor")
    assert {"posts.change_post", "posts.view_post"} <= codes("editor")
    assert User.objects.filter(pk=person.pk).exists()
    migration.extend_groups(apps, None)
    assert codes("editor") == before


# --- Nobody gives more than they have -----------------------------------------------------------


def test_administrator_makes_an_account(client, administrator):
    sent = {
        "username": "ana",
        "usable_password": "true",
        "password1": NEW_PASSWORD,
        "password2": NEW_PASSWORD,
        "is_superuser": "on",
        "is_staff": "on",
    }

    client.post(reverse("admin:auth_user_add"), sent)

    ana = User.objects.get(username="ana")
    assert (ana.is_superuser, ana.is_staff, ana.groups.count()) == (False, False, 0)
    client.post(change(ana), form_of(ana, is_staff=True, first_name="Ana"))
    ana.refresh_from_db()
    assert (ana.is_staff, ana.first_name) == (True, "Ana")


def test_administrator_makes_no_superuser(client, administrator):
    for person in (make_user("reader"), administrator):
        client.post(change(person), form_of(person, is_superuser=True, first_name="X"))

        person.refresh_from_db()
        assert (person.first_name, person.is_superuser) == ("X", False)


def test_administrator_gives_no_single_permissions(client, administrator):
    person = make_user("reader")
    wanted = Permission.objects.get(codename="review_post")

    client.post(change(person), form_of(person, user_permissions=[wanted.pk], first_name="X"))

    person.refresh_from_db()
    assert person.first_name == "X"
    assert not person.user_permissions.exists()


@pytest.mark.parametrize("group", ["editor", "reviewer", "publisher", "importer"])
def test_administrator_gives_no_group_with_more_than_their_own_rights(client, administrator, group):
    more = Group.objects.get(name=group)
    for person in (make_user("reader"), administrator):
        had = set(person.groups.all())

        answer = client.post(change(person), form_of(person, groups=[more.pk]))

        assert answer.status_code == 200
        assert "groups" in answer.context["adminform"].form.errors
        assert set(person.groups.all()) == had


def test_whoever_is_also_a_reviewer_makes_reviewers(client, administrator):
    administrator.groups.add(Group.objects.get(name="reviewer"))
    person = make_user("reader")
    groups = Group.objects.filter(name__in=["editor", "reviewer"])

    client.post(change(person), form_of(person, groups=[group.pk for group in groups]))

    assert set(person.groups.all()) == set(groups)
    offered = client.get(change(person)).context["adminform"].form.fields["groups"].queryset
    names = {group.name for group in offered}
    assert names == {"editor", "reviewer", "publisher", "administrator"}


def test_superuser_gives_everything(client):
    client.force_login(make_user("superuser"))
    person = make_user("reader")
    reviewer = Group.objects.get(name="reviewer")

    client.post(change(person), form_of(person, groups=[reviewer.pk], is_superuser=True))

    person.refresh_from_db()
    assert person.is_superuser
    assert list(person.groups.all()) == [reviewer]


def test_account_with_more_rights_can_only_be_closed(client, administrator):
    person = make_user("reviewer", email="old@example.org")

    client.post(
        change(person),
        form_of(person, username="x", email="mine@example.org", is_staff=False, groups=[]),
    )

    person.refresh_from_db()
    assert (person.email, person.is_staff) == ("old@example.org", True)
    assert person.username != "x"
    assert person.groups.get().name == "reviewer"
    assert client.get(password_of(person)).status_code == 403
    client.post(change(person), {})
    person.refresh_from_db()
    assert not person.is_active
    assert person.groups.get().name == "reviewer"


def test_closed_account_with_more_rights_is_not_opened_again(client, administrator):
    person = make_user("reviewer", is_active=False)

    client.post(change(person), form_of(person, is_active=True))

    person.refresh_from_db()
    assert not person.is_active


@pytest.mark.parametrize("kind", ["superuser", "reviewer"])
def test_password_of_an_account_with_more_rights_stays(client, administrator, kind):
    person = make_user(kind)
    sent = {"usable_password": "true", "password1": NEW_PASSWORD, "password2": NEW_PASSWORD}

    assert client.post(password_of(person), sent).status_code == 403

    person.refresh_from_db()
    assert person.check_password(PASSWORD)


def test_superuser_cannot_be_changed_by_an_administrator(client, administrator):
    person = make_user("superuser")

    assert client.post(change(person), {}).status_code == 403

    person.refresh_from_db()
    assert person.is_active
    shown = client.get(change(person))
    assert shown.status_code == 200
    assert "pbkdf2" not in shown.content.decode()


def test_nobody_closes_their_own_account(client, administrator):
    client.post(change(administrator), form_of(administrator, is_active=False, is_staff=False))

    administrator.refresh_from_db()
    assert (administrator.is_active, administrator.is_staff) == (True, True)


def test_rights_given_one_by_one_count_as_well(client, administrator):
    person = make_user("reader")
    person.user_permissions.add(Permission.objects.get(codename="review_post"))

    assert people.is_beyond(person, administrator)
    assert client.get(password_of(person)).status_code == 403


def test_who_may_change_groups_stays_within_their_own_rights(client, administrator):
    for code in ("change_group", "add_group"):
        administrator.user_permissions.add(Permission.objects.get(codename=code))
    reviewing = Permission.objects.get(codename="review_post")
    own = Group.objects.get(name="administrator")
    reviewer = Group.objects.get(name="reviewer")

    def send(group, *permissions):
        address = reverse("admin:auth_group_change", args=[group.pk])
        return client.post(
            address, {"name": group.name, "permissions": [one.pk for one in permissions]}
        )

    assert "permissions" in send(own, reviewing).context["adminform"].form.errors
    assert send(reviewer, reviewing).status_code == 403
    assert reviewing not in own.permissions.all()
    answer = client.post(
        reverse("admin:auth_group_add"), {"name": "friends", "permissions": [reviewing.pk]}
    )
    assert "permissions" in answer.context["adminform"].form.errors
    assert not Group.objects.filter(name="friends").exists()


def test_form_says_what_readers_see_of_a_person(client, administrator):
    person = make_user("reader", first_name="Edda", last_name="Moor")

    assert "Readers see the full name as the byline" in client.get(change(person)).content.decode()
    listed = client.get(reverse("admin:auth_user_changelist")).content.decode()
    assert "Edda Moor" in listed


# --- A new password by mail -------------------------------------------------------------------


def asked(client, address):
    """Ask for a new password; return the answer and the mails that left."""
    answer = client.post(reverse("admin_password_reset"), {"email": address})
    people._post_office.submit(lambda: None).result()
    return answer, mail.outbox


def link_in(message):
    return re.search(r"https?://\S+", message.body)[0]


def test_login_page_leads_to_a_new_password(client):
    assert reverse("admin_password_reset") in client.get(reverse("admin:login")).content.decode()


def test_forgotten_password_is_set_by_a_mailed_link_once(client, settings):
    settings.PUBLIC_URL = "https://notes.example.org"
    person = make_user("editor", email="ana@example.org")

    answer, (message,) = asked(client, "ana@example.org")

    assert answer.headers["Location"] == reverse("password_reset_done")
    assert message.to == ["ana@example.org"]
    link = link_in(message)
    assert link.startswith("https://notes.example.org/admin/reset/")
    form = client.get(link.removeprefix("https://notes.example.org"), follow=True)
    sent = {"new_password1": NEW_PASSWORD, "new_password2": NEW_PASSWORD}
    done = client.post(form.request["PATH_INFO"], sent, follow=True)
    assert done.redirect_chain[-1][0] == reverse("password_reset_complete")
    person.refresh_from_db()
    assert person.check_password(NEW_PASSWORD)
    again = client.get(link.removeprefix("https://notes.example.org"), follow=True)
    assert again.context["validlink"] is False


def test_host_of_the_request_does_not_reach_the_mail(client, settings):
    settings.ALLOWED_HOSTS = ["*"]
    make_user("editor", email="ana@example.org")

    client.post(
        reverse("admin_password_reset"), {"email": "ana@example.org"}, HTTP_HOST="evil.example"
    )
    people._post_office.submit(lambda: None).result()

    assert "evil.example" not in mail.outbox[0].body


def test_answer_is_the_same_with_and_without_an_account(client):
    make_user("editor", email="ana@example.org")
    make_user("editor", email="closed@example.org", is_active=False)
    answers = {}
    for address in ("ana@example.org", "closed@example.org", "nobody@example.org"):
        answer, _ = asked(client, address)
        page = client.get(answer.headers["Location"])
        answers[address] = (answer.status_code, answer.headers["Location"], page.content)

    assert len(set(answers.values())) == 1
    assert [message.to for message in mail.outbox] == [["ana@example.org"]]


def test_answer_does_not_wait_for_the_mail(client, monkeypatch):
    make_user("editor", email="ana@example.org")
    may_leave, left = threading.Event(), []

    def slow(message, *args, **kwargs):
        may_leave.wait(10)
        left.append(message)

    monkeypatch.setattr("django.core.mail.EmailMultiAlternatives.send", slow)

    client.post(reverse("admin_password_reset"), {"email": "ana@example.org"})

    assert left == []
    may_leave.set()
    people._post_office.submit(lambda: None).result()
    assert len(left) == 1


def test_mail_that_fails_shows_nobody_anything(client, monkeypatch):
    make_user("editor", email="ana@example.org")

    def refuse(message, *args, **kwargs):
        raise ConnectionRefusedError

    monkeypatch.setattr("django.core.mail.EmailMultiAlternatives.send", refuse)

    answer, _ = asked(client, "ana@example.org")

    assert answer.status_code == 302


def test_link_is_dead_after_two_hours(client, time_machine):
    make_user("editor", email="ana@example.org")
    time_machine.move_to("2026-11-21T10:00:00Z", tick=False)
    _, (message,) = asked(client, "ana@example.org")
    path = "/admin/" + link_in(message).split("/admin/", 1)[1]

    time_machine.move_to("2026-11-21T12:00:01Z", tick=False)

    assert client.get(path, follow=True).context["validlink"] is False


def test_weak_password_is_refused(client):
    make_user("editor", email="ana@example.org")
    _, (message,) = asked(client, "ana@example.org")
    form = client.get("/admin/" + link_in(message).split("/admin/", 1)[1], follow=True)

    answer = client.post(
        form.request["PATH_INFO"], {"new_password1": "12345678", "new_password2": "12345678"}
    )

    assert answer.context["form"].errors


# --- The public page behind a number ------------------------------------------------------------


def test_way_to_the_public_page_does_not_tell_a_draft_to_everybody(client):
    draft = make_post(state="private", slug="a-secret-plan")
    kind = ContentType.objects.get_for_model(Post).pk
    address = reverse("admin:view_on_site", args=[kind, draft.pk])

    client.force_login(make_user("staff"))
    assert client.get(address).status_code == 403
    client.force_login(make_user("editor"))
    assert client.get(address).headers["Location"].endswith("/posts/a-secret-plan/")
    assert client.get(reverse("admin:view_on_site", args=["x", 1])).status_code == 404
