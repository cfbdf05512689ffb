"""The admin in a real browser: accessible in light and dark, and silent under the strict policy."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.urls import reverse

from posts import renaming
from posts.models import Tag
from tests.builders import make_post, make_snapshot, make_user
from tests.e2e.looks import each_look

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@each_look
def test_pages_have_no_accessibility_problem_and_no_sideways_scroll(
    live_server, client, browser, scheme, width
):
    posts = [
        make_post(state="private", snapshot=make_snapshot(body="## One\n\n```python\nx = 1\n```"))
        for _ in range(3)
    ]
    reviewer = make_user("reviewer")
    renamed = Tag.objects.get(name="tidal services")
    renaming.rename(renamed, "tides", by=reviewer)
    client.force_login(reviewer)
    page = browser.new_context(
        color_scheme=scheme, viewport={"width": width, "height": 900}
    ).new_page()
    page.context.add_cookies(
        [
            {"name": name, "value": morsel.value, "url": live_server.url + "/admin/"}
            for name, morsel in client.cookies.items()
        ]
    )
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    post = posts[0].pk

    def check(name: str) -> None:
        page.wait_for_load_state()
        assert said == [], name
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
        found = Axe().run(page).response["violations"]
        assert [(one["id"], one["nodes"][0]["target"]) for one in found] == [], name
        page.wait_for_timeout(100)  # what axe itself sets off under the policy
        said.clear()

    for name, address in {
        "home": reverse("admin:index"),
        "list": reverse("admin:posts_post_changelist"),
        "post": reverse("admin:posts_post_change", args=[post]),
        "revision": reverse("admin:posts_post_revision", args=[post, 1]),
        "add": reverse("admin:posts_post_add"),
        "edit": reverse("admin:posts_post_edit", args=[post]),
        "tag": reverse("admin:posts_tag_change", args=[renamed.pk]),
        "names": f"{reverse('admin:posts_tag_names', args=[renamed.pk])}?into=backend",
    }.items():
        page.goto(live_server.url + address)
        check(name)

    page.goto(live_server.url + reverse("admin:posts_post_add"))
    page.click(".save-row button")
    check("add form with an error")

    page.goto(live_server.url + reverse("admin:posts_post_changelist"))
    page.check("#action-toggle")
    page.select_option("select[name=action]", "request_changes")
    page.click(".actions button[type=submit]")
    page.wait_for_selector("textarea[name=reason]")
    check("confirmation")


def test_a_draft_is_approved_by_hand(live_server, client, browser):
    post = make_post(state="published")
    client.force_login(make_user("reviewer"))
    page = browser.new_page()
    page.context.add_cookies(
        [
            {"name": name, "value": morsel.value, "url": live_server.url + "/admin/"}
            for name, morsel in client.cookies.items()
        ]
    )

    page.goto(live_server.url + reverse("admin:posts_post_change", args=[post.pk]))
    page.click("text=Approve revision 1")
    page.wait_for_selector(".messagelist .success")

    post.refresh_from_db()
    assert post.listed_at is not None
