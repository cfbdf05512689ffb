"""The audit pages in a real browser: accessible in light and dark, narrow, silent."""

import datetime as dt

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.urls import reverse
from django.utils import timezone

from posts import seals
from posts.bulk import act_on_all
from posts.models import Event, Post
from tests.builders import make_post, make_snapshot, make_user
from tests.e2e.looks import each_look

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def pages():
    """The addresses of the audit pages, by name, with something on each."""
    ana = make_user("reviewer", username="ana")
    title = "Measuring the cold start of a service whose name is longer than a narrow screen"
    for number in range(3):
        make_post(state="private", snapshot=make_snapshot(title=f"{title}-{'x' * 60} {number}"))
    bulk = act_on_all(
        actions=["reject"],
        queryset=Post.objects.all(),
        by=ana,
        reason="The whole series repeats one paragraph; see the note in the tracker.",
        filters={"query": {"queue": "awaiting"}, "through": "3"},
    )
    seals.seal_events(now=timezone.now(), older_than=dt.timedelta(0))
    event = Event.objects.filter(kind="reject").latest("pk")
    events = reverse("admin:posts_event_changelist")
    return {
        "audit": events,
        "filtered": f"{events}?kind=reject&actor=ana",
        "wrong": f"{events}?actor=nobody&since=x",
        "event": reverse("admin:posts_event_change", args=[event.pk]),
        "bulk-actions": reverse("admin:posts_bulkaction_changelist"),
        "bulk-action": reverse("admin:posts_bulkaction_change", args=[bulk.pk]),
    }


@each_look
def test_audit_pages_have_no_accessibility_problem_and_no_sideways_scroll(
    live_server, client, browser, pages, scheme, width
):
    client.force_login(make_user("superuser"))
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

    for name, address in pages.items():
        assert page.goto(live_server.url + address).status == 200, name
        assert said == [], name
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
        found = Axe().run(page).response["violations"]
        assert [(one["id"], one["nodes"][0]["target"]) for one in found] == [], name
        page.wait_for_timeout(100)  # what axe itself sets off under the policy
        said.clear()


def test_events_are_narrowed_down_by_hand(live_server, client, browser, pages):
    client.force_login(make_user("reviewer"))
    page = browser.new_page()
    page.context.add_cookies(
        [
            {"name": name, "value": morsel.value, "url": live_server.url + "/admin/"}
            for name, morsel in client.cookies.items()
        ]
    )

    page.goto(live_server.url + reverse("admin:index"))
    page.click("text=Audit")
    page.select_option("select[name=kind]", "reject")
    page.fill("input[name=actor]", "ana")
    page.click("text=Narrow down")

    assert page.locator(".timeline-row").count() == 3
    page.click(".audit-more a[href*=bulkaction] >> nth=0")
    assert "The whole series repeats" in page.inner_text("dl.facts >> nth=0")
