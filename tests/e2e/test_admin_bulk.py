"""Bulk actions in a real browser: chosen, confirmed, followed with and without a script."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.urls import reverse

from posts import bulk
from posts.admin import bulk_run
from posts.models import BulkAction, Decision, Post
from tests.builders import make_post, make_snapshot, make_user

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def in_small_steps(monkeypatch):
    """Let a request do one chunk of two posts, so that a small action takes several."""
    monkeypatch.setattr(bulk, "CHUNK", 2)
    monkeypatch.setattr(bulk_run, "REQUEST_SECONDS", 0)


def signed_in(browser, client, live_server, person, **context):
    client.force_login(person)
    page = browser.new_context(**context).new_page()
    page.context.add_cookies(
        [
            {"name": name, "value": morsel.value, "url": live_server.url + "/admin/"}
            for name, morsel in client.cookies.items()
        ]
    )
    return page


@pytest.mark.parametrize("has_script", [True, False])
def test_drafts_are_approved_from_the_queue(
    live_server, client, browser, in_small_steps, has_script
):
    for _ in range(5):
        make_post(state="private")
    page = signed_in(
        browser, client, live_server, make_user("reviewer"), java_script_enabled=has_script
    )

    page.goto(live_server.url + reverse("admin:queue"))
    page.select_option("select[name=action]", "approve")
    page.click("button[name=scope][value=all]")
    assert "Approve: 5 posts" in page.inner_text("h1")
    page.click(".act button.default")
    for _ in range(0 if has_script else 2):
        page.get_by_role("button", name="Go on").click()

    page.wait_for_selector("text=5 of 5 posts: done.")
    assert page.locator("table.rows tbody tr").count() == 5
    assert Decision.objects.count() == 5


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 320)])
def test_pages_have_no_accessibility_problem_and_no_sideways_scroll(
    live_server, client, browser, settings, scheme, width
):
    settings.BULK_PROCESS = True  # so that the page waits for a process and does not go on itself
    title = f"Measuring the cold start of a service whose name is long-{'x' * 60}"
    for number in range(2):
        make_post(state="private", snapshot=make_snapshot(title=f"{title} {number}"))
    make_post(state="archived")
    by = make_user("reviewer")
    everything = Post.objects.all()
    asked, running, ended = (
        bulk.prepare(actions=[name], queryset=everything, by=by)
        for name in ("reject", "approve", "publish")
    )
    bulk.confirm(running)
    bulk.confirm(ended)
    bulk.carry_out(ended.pk)
    page = signed_in(
        *(browser, client, live_server, by),
        color_scheme=scheme,
        viewport={"width": width, "height": 900},
    )
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))

    for name, address in {
        "queue": reverse("admin:queue"),
        **{a.action: reverse("admin:bulk", args=[a.pk]) for a in (asked, running, ended)},
    }.items():
        assert page.goto(live_server.url + address).status == 200, name
        assert said == [], name
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
        found = Axe().run(page).response["violations"]
        assert [(one["id"], one["nodes"][0]["target"]) for one in found] == [], name
        page.wait_for_timeout(100)  # what axe itself sets off under the policy
        said.clear()
    assert BulkAction.objects.get(pk=running.pk).done == 0
