"""Provenance, revisions, reports, findings and notices in a real browser."""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.urls import reverse
from django.utils import timezone

from posts import notes, reader_reports, review
from posts.models import Notice, ReaderReport
from posts.views import reports
from tests.builders import make_user
from tests.held_posts import import_note

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def reviewer(client):
    person = make_user("reviewer", first_name="Rosa", last_name="Lindqvist")
    client.force_login(person)
    return person


def archive(reviewer):
    """Two approved revisions and a held one, a draft that was sent back, a note, a report."""
    first = import_note(
        title="Slack water and the first reading",
        payload={"generator": "field notes", "scenario": "outage", "seed": 7},
        stack=["tidal services"],
        reading_time=17,
    )
    review.act_on_one(action=["approve", "publish"], post=first, by=reviewer, undo_seconds=0)
    import_note(title="Slack water and the second reading", reading_time=17)
    first.refresh_from_db()
    review.act_on_one(action="approve", post=first, by=reviewer, undo_seconds=0)
    import_note(title="Slack water, a third time")
    draft = import_note("n-2", payload={"scenario": "outage"}, stack=["tidal services"])
    notes.add(revision=draft.live_revision, by=reviewer, text="Which?", passage="Numbers come")
    review.act_on_one(action="reject", post=draft, by=reviewer, reason="no sources")
    reader_reports.take(post=first, text="The second step is missing.\nSee the figure.")
    now = timezone.now()
    Notice.objects.create(
        **{"person": reviewer, "kind": "returned", "topic": "returned source", "count": 3},
        **{"source": draft.imported.source, "reason": "no sources"},
        first_at=now,
        last_at=now,
    )
    return first, draft


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 320)])
def test_pages_have_no_accessibility_problem_and_no_sideways_scroll(
    live_server, client, browser, reviewer, scheme, width
):
    post, draft = archive(reviewer)
    report = ReaderReport.objects.get()
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
    public = post.get_absolute_url()
    for address in (
        *(public, f"{public}provenance/", f"{public}revisions/", f"{public}revisions/1/"),
        *(f"{public}report/", f"{public}report/?sent=1"),
        *(reverse("admin:findings"), reverse("admin:reports"), reverse("admin:notices")),
        reverse("admin:findings_source", args=[post.imported.source_id]) + "?reason=no+sources",
        reverse("admin:reports_one", args=[report.pk]),
        reverse("admin:note_add", args=[draft.live_revision_id]),
        reverse("admin:posts_post_change", args=[draft.pk]),
    ):
        page.goto(live_server.url + address)
        page.wait_for_load_state()
        assert said == [], address
        assert page.evaluate("document.documentElement.scrollWidth") <= width, address
        found = Axe().run(page).response["violations"]
        assert [(one["id"], one["nodes"][0]["target"]) for one in found] == [], address
        page.wait_for_timeout(100)  # what axe itself sets off under the policy
        said.clear()


def test_reader_reports_a_problem_without_script(
    live_server, client, browser, reviewer, monkeypatch
):
    monkeypatch.setattr(reports, "AGE_MIN", -1)
    post, _ = archive(reviewer)
    ReaderReport.objects.all().delete()
    page = browser.new_context(java_script_enabled=False).new_page()

    page.goto(live_server.url + post.get_absolute_url())
    page.get_by_role("link", name="Report a problem").click()
    page.get_by_role("button", name="Send to the editors").click()
    assert "Say what is wrong" in page.content()
    page.get_by_label("What is wrong?").fill("The second step is missing.")
    page.get_by_role("button", name="Send to the editors").click()
    page.wait_for_url(re.compile(r"sent=1$"))

    assert page.get_by_role("heading", name="Thank you").count() == 1
    assert page.context.cookies() == []
    assert ReaderReport.objects.get().text == "The second step is missing."
