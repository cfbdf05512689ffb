"""Signing in, people and previews in a real browser: accessible, narrow, by keyboard."""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.core import mail
from django.urls import reverse

from posts import previews
from posts.admin import people
from tests.builders import make_post, make_snapshot, make_user
from tests.e2e.looks import each_look

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def signed_in(live_server, client, browser, person, **more):
    client.force_login(person)
    page = browser.new_context(**more).new_page()
    page.context.add_cookies(
        [
            {"name": name, "value": morsel.value, "url": live_server.url + "/admin/"}
            for name, morsel in client.cookies.items()
        ]
    )
    return page


@each_look
def test_pages_have_no_accessibility_problem_and_no_sideways_scroll(
    live_server, client, browser, scheme, width
):
    post = make_post(state="private", snapshot=make_snapshot(title="A plan to read early"))
    administrator = make_user("administrator", first_name="Ada", last_name="Example")
    administrator.groups.add(*make_user("reviewer").groups.all())
    person = make_user("editor", email="ana@example.org")
    _, token = previews.make(revision=post.proposed_revision, by=person)
    ended, over = previews.make(revision=post.proposed_revision, by=person)
    previews.revoke(link=ended, by=person)
    looks = {"color_scheme": scheme, "viewport": {"width": width, "height": 900}}
    said: list[str] = []

    def listen(message) -> None:
        if message.type in ("error", "warning"):  # the rest is advice about Django's own forms
            said.append(message.text)

    def check(page, name: str) -> None:
        page.wait_for_load_state()
        # A browser says of every error page that its address did not load.
        wrong = [text for text in said if "Failed to load" not in text]
        assert wrong == [], name
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
        found = Axe().run(page).response["violations"]
        assert [(one["id"], one["nodes"][0]["target"]) for one in found] == [], name
        page.wait_for_timeout(100)  # what axe itself sets off under the policy
        said.clear()

    anybody = browser.new_context(**looks).new_page()
    anybody.on("console", listen)
    for name, address in {
        "login": reverse("admin:login"),
        "reset": reverse("admin_password_reset"),
        "reset asked": reverse("password_reset_done"),
        "reset complete": reverse("password_reset_complete"),
        "reset link that is dead": reverse("password_reset_confirm", args=["x", "y-z"]),
        "preview": reverse("preview", args=[token]),
        "preview that is over": reverse("preview", args=[over]),
        "preview that never was": reverse("preview", args=["unknown"]),
    }.items():
        anybody.goto(live_server.url + address)
        check(anybody, name)

    page = signed_in(live_server, client, browser, administrator, **looks)
    page.on("console", listen)
    for name, address in {
        "people": reverse("admin:auth_user_changelist"),
        "new person": reverse("admin:auth_user_add"),
        "person": reverse("admin:auth_user_change", args=[person.pk]),
        "password of a person": reverse("admin:auth_user_password_change", args=[person.pk]),
        "person with more rights": reverse(
            "admin:auth_user_change", args=[make_user("superuser").pk]
        ),
        "group": reverse("admin:auth_group_change", args=[administrator.groups.first().pk]),
        "own password": reverse("admin:password_change"),
        "revision with links": reverse("admin:posts_post_revision", args=[post.pk, 1]),
        "links": reverse("admin:posts_post_previews", args=[post.pk]),
    }.items():
        page.goto(live_server.url + address)
        check(page, name)
    page.goto(live_server.url + reverse("admin:posts_post_revision", args=[post.pk, 1]))
    page.click("text=Make a preview link")
    check(page, "link that was made")


def test_a_forgotten_password_is_set_by_keyboard(live_server, browser, settings):
    settings.PUBLIC_URL = live_server.url
    make_user("editor", username="ana", email="ana@example.org")
    page = browser.new_page()
    page.goto(live_server.url + reverse("admin:login"))
    page.click("text=Forgotten")
    page.fill("#id_email", "ana@example.org")
    page.keyboard.press("Enter")
    page.wait_for_url("**/password_reset/done/")
    people._post_office.submit(lambda: None).result()

    page.goto(re.search(r"http://\S+", mail.outbox[0].body)[0])
    page.fill("#id_new_password1", "quite another password")
    page.fill("#id_new_password2", "quite another password")
    page.keyboard.press("Enter")
    page.wait_for_url("**/reset/done/")
    page.goto(live_server.url + reverse("admin:login"))
    page.fill("#id_username", "ana")
    page.fill("#id_password", "quite another password")
    page.keyboard.press("Enter")

    page.wait_for_url("**/admin/")
    assert "Editorial work" in page.title()


def test_a_link_made_by_an_editor_opens_for_somebody_without_an_account(
    live_server, client, browser, settings
):
    settings.PUBLIC_URL = live_server.url
    post = make_post(state="private", snapshot=make_snapshot(title="A plan to read early"))
    page = signed_in(live_server, client, browser, make_user("editor"))
    page.goto(live_server.url + reverse("admin:posts_post_revision", args=[post.pk, 1]))
    page.select_option("#link-days", "1")
    page.click("text=Make a preview link")
    address = page.input_value("#preview-address")

    stranger = browser.new_context().new_page()
    stranger.goto(address)
    assert "A plan to read early" in stranger.inner_text("h1")
    assert "Preview." in stranger.inner_text(".notice")
    page.click("text=All links of this post")
    page.click("text=Revoke")
    answer = stranger.goto(address)

    assert answer is not None
    assert answer.status == 410
    assert "over" in stranger.inner_text("h1")
