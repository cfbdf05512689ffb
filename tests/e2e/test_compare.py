"""Comparing and merging in a real browser: accessible, narrow, driven by keys and by hand."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.urls import reverse

from posts import content
from posts.models import Post, Revision
from tests.builders import make_user
from tests.e2e.looks import each_look
from tests.held_posts import BODY, edit, held_behind_edit, import_note, post_of

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

LONG = "\n\n".join(" ".join(f"{word}{n}" for word in BODY.split()[2:9]) for n in range(30))


def signed_in(live_server, client, browser, **options):
    client.force_login(make_user("superuser"))
    page = browser.new_context(**options).new_page()
    page.context.add_cookies(
        [
            {"name": name, "value": morsel.value, "url": live_server.url + "/admin/"}
            for name, morsel in client.cookies.items()
        ]
    )
    return page


def conflicting() -> Post:
    """Return a held post whose versions differ in every kind of field."""
    theirs = BODY + "\n\nThe end.\n\n```python\nx = 1  # " + "long " * 30 + "\n```"
    return held_behind_edit(
        {
            "title": "Ours",
            "body": BODY.replace("Numbers come", "Figures\u200b come"),
            "notes": ("ours",),
            "tools": ("sluice",),
            "image_sources": (content.Image(source="a gauge", caption="tide"),),
        },
        title="Theirs, with " + "a" * 90,
        body=theirs,
        difficulty="advanced",
        tags=["one", "two"],
    )


def addresses() -> dict[str, str]:
    post = conflicting()
    compare = reverse("admin:posts_post_compare", args=[post.pk])
    moved = import_note(key="n-2", body=LONG)
    paragraphs = LONG.split("\n\n")
    edit(moved, body="\n\n".join([*paragraphs[1:20], paragraphs[0] + " Now.", *paragraphs[21:]]))
    return {
        "compare": compare + "?from=1&to=2",
        "compare what waits": compare,
        "compare equal": compare + "?from=2&to=2",
        "compare moved": reverse("admin:posts_post_compare", args=[moved.pk]) + "?from=1&to=2",
        "merge": reverse("admin:posts_post_merge", args=[post.pk]),
    }


@each_look
def test_pages_have_no_accessibility_problem_and_no_sideways_scroll(
    live_server, client, browser, scheme, width
):
    page = signed_in(
        live_server,
        client,
        browser,
        color_scheme=scheme,
        viewport={"width": width, "height": 900},
    )
    said: list[str] = []
    # That the answer to a refused form is no success, the browser says by itself.
    page.on(
        "console",
        lambda told: None if "400 (Bad Request)" in told.text else said.append(told.text),
    )

    def check(name: str) -> None:
        page.wait_for_load_state()
        assert said == [], name
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
        found = Axe().run(page).response["violations"]
        assert [(one["id"], one["nodes"][0]["target"]) for one in found] == [], name
        page.wait_for_timeout(100)  # what axe itself sets off under the policy
        said.clear()

    for name, address in addresses().items():
        page.goto(live_server.url + address)
        check(name)
    page.click("text=Save as chosen")
    page.wait_for_selector(".error-summary")
    check("merge with an error")


def test_keys_and_buttons_go_from_change_to_change(live_server, client, browser):
    page = signed_in(live_server, client, browser, viewport={"width": 1280, "height": 500})
    page.goto(live_server.url + addresses()["compare moved"])
    count = page.locator("[data-diff-count]")
    focused = "document.activeElement.matches('[data-change]')"

    assert count.inner_text() == "3 changes"
    page.keyboard.press("n")
    assert (count.inner_text(), page.evaluate(focused)) == ("1 of 3", True)
    page.keyboard.press("n")
    assert count.inner_text() == "2 of 3"
    page.keyboard.press("p")
    assert count.inner_text() == "1 of 3"
    page.keyboard.press("Control+n")
    assert count.inner_text() == "1 of 3"
    page.click("[data-diff-previous]")
    assert count.inner_text() == "3 of 3"

    page.focus("#pick-from")
    before = count.inner_text()
    page.keyboard.press("n")
    assert count.inner_text() == before

    page.uncheck("[data-diff-keys]")
    page.locator("h1").click()
    page.keyboard.press("n")
    assert count.inner_text() == before
    page.reload()
    assert not page.is_checked("[data-diff-keys]")


def test_next_goes_on_from_the_last_change_it_showed(live_server, client, browser):
    page = signed_in(live_server, client, browser, viewport={"width": 1280, "height": 500})
    page.goto(live_server.url + addresses()["compare moved"])
    seen = []
    for _ in range(4):
        page.click("[data-diff-next]")
        seen.append(page.locator("[data-diff-count]").inner_text())

    assert seen == ["1 of 3", "2 of 3", "3 of 3", "1 of 3"]


def test_columns_and_changes_only_are_switched(live_server, client, browser):
    page = signed_in(live_server, client, browser, viewport={"width": 1280, "height": 900})
    page.goto(live_server.url + addresses()["compare"])
    body = page.locator("section[aria-labelledby=field-body]")

    assert body.locator(".diff-sides").first.is_visible()
    assert not body.locator(".diff-inline").first.is_visible()
    page.click("[data-diff-sides]")
    assert not body.locator(".diff-sides").first.is_visible()
    assert body.locator(".diff-inline").first.is_visible()
    page.reload()
    assert body.locator(".diff-inline").first.is_visible()

    page.set_viewport_size({"width": 320, "height": 900})
    assert body.locator(".diff-inline").first.is_visible()
    assert not body.locator(".diff-sides").first.is_visible()
    assert body.locator(".diff-row:not([data-change])").first.is_visible()
    page.click("[data-diff-only]")
    assert not body.locator(".diff-row:not([data-change])").first.is_visible()


def test_comparison_is_read_without_javascript(live_server, client, browser):
    page = signed_in(live_server, client, browser, java_script_enabled=False)
    page.goto(live_server.url + addresses()["compare moved"])

    assert not page.locator("[data-diff-bar]").is_visible()
    page.click("text=unchanged blocks >> nth=0")
    assert page.locator(".diff-fold .diff-row").first.is_visible()
    page.locator("a[href^='#was-']").first.click()
    assert page.url.rsplit("#", 1)[1].startswith("was-")


def test_versions_are_merged_by_hand(live_server, client, browser):
    page = signed_in(live_server, client, browser)
    page.goto(live_server.url + addresses()["merge"])

    page.check("#take-title-ours")
    page.check("#take-body-both")
    page.fill("#merge-comment", "Both texts, our title.")
    page.click("text=Save as chosen")
    page.wait_for_selector(".messagelist .success")

    revision = Revision.objects.get(pk=post_of().proposed_revision_id)
    assert (revision.title, revision.comment) == ("Ours", "Both texts, our title.")
    assert "Figures" in revision.body
    assert "The end." in revision.body
