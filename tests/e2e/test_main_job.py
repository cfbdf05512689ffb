"""The main job in a browser: an editor approves a draft, and a reader finds it."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.e2e.demo import UNDO_SECONDS, Demo
from tests.e2e.looks import each_look

pytestmark = pytest.mark.browser


FILTERED = "/archive/?area=backend&difficulty=beginner&stack=none"
NOT_FOUND = "/posts/no-such-note/"
#: Adds up how far what was already drawn moves while a page loads.
LAYOUT_SHIFTS = """
    window.layoutShift = 0;
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) window.layoutShift += entry.value;
    }).observe({ type: "layout-shift", buffered: true });
"""


def sign_in(page: Page, demo: Demo) -> None:
    page.goto(f"{demo.url}/admin/")
    page.get_by_label("Username").fill("editor")
    page.get_by_label("Password").fill(demo.password)
    page.get_by_role("button", name="Log in").click()


def robots_of(page: Page, url: str) -> tuple[str | None, str | None]:
    """Return what page and header say to robots."""
    response = page.goto(url)
    assert response is not None
    meta = page.locator('meta[name="robots"]')
    said = meta.get_attribute("content") if meta.count() else None
    return said, response.headers.get("x-robots-tag")


def test_an_editor_approves_a_draft_and_its_page_becomes_indexable(
    demo: Demo, browser: Browser
) -> None:
    page = browser.new_page()
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text))
    page.on("pageerror", lambda error: problems.append(str(error)))
    sign_in(page, demo)

    page.get_by_role("link", name="Awaiting review").first.click()
    page.locator("a.queue-title").first.click()
    page.get_by_role("link", name="everything about the post").click()
    page.wait_for_url("**/change/")
    draft = page.url
    page.get_by_role("button", name="Publish", exact=True).click()
    published = page.get_by_role("link", name="Read the page").get_attribute("href")
    assert published is not None
    address = demo.url + urlsplit(published).path
    before = robots_of(page, address)
    page.goto(draft)
    page.get_by_role("button", name="Approve revision").click()
    page.wait_for_timeout((UNDO_SECONDS + 0.5) * 1000)
    after = robots_of(page, address)

    assert before == ("noindex", "noindex")
    assert "noindex" not in (after[0] or "")
    assert after[1] is None
    title = page.locator("h1").inner_text()
    page.goto(demo.url)
    expect(page.get_by_role("link", name=title).first).to_be_visible()
    assert problems == []


@each_look
def test_public_pages_are_accessible_and_ask_nobody_else(
    demo: Demo, browser: Browser, scheme: str, width: int
) -> None:
    context = browser.new_context(
        color_scheme="dark" if scheme == "dark" else "light",
        viewport={"width": width, "height": 900},
    )
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(demo.url)
    article = page.locator("main a[href^='/posts/']").first.get_attribute("href")
    tag = page.locator("main a[href^='/tags/']").first.get_attribute("href")
    assert article is not None
    assert tag is not None
    page.goto(demo.url + tag)
    topic = page.locator("main a[href^='/topics/']").first.get_attribute("href")
    assert topic is not None

    findings = {}
    overflowing = []
    page.add_init_script(LAYOUT_SHIFTS)
    shifts: dict[str, float] = {}
    paths = ("/", article, tag, topic, "/archive/", FILTERED, "/tags/", "/privacy/", NOT_FOUND)
    for path in paths:
        page.goto(demo.url + path)
        results = Axe().run(page)
        if results.violations_count:
            findings[path] = results.generate_report()
        if page.evaluate("document.documentElement.scrollWidth > window.innerWidth"):
            overflowing.append(path)
        shifts[path] = page.evaluate("window.layoutShift")
    context.close()

    assert findings == {}
    assert overflowing == []
    assert {path: shift for path, shift in shifts.items() if shift} == {}
    assert [url for url in asked if not url.startswith((demo.url, "data:"))] == []


def test_an_article_reads_without_scripts(demo: Demo, browser: Browser) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(demo.url)
    page.locator("main a[href^='/posts/']").first.click()

    box = page.locator("main aside.meta-box")
    box.locator("details:not([open]) summary").first.click()

    expect(page.locator("main h1")).to_be_visible()
    expect(box.get_by_text("alphanode post meta")).to_be_visible()
    expect(page.get_by_role("heading", name="Similar posts")).to_be_visible()
    page.get_by_text("Cite this note").click()
    expect(page.locator(".cite-text")).to_be_visible()

    page.goto(f"{demo.url}/archive/")
    page.locator(".facet a").first.click()
    page.locator(".chip-off").first.click()
    expect(page).to_have_url(f"{demo.url}/archive/")
    page.locator(".strip-months a").first.click()
    expect(page.locator("h1")).to_contain_text("20")
    context.close()


@pytest.mark.parametrize("width", [480, 794, 1100])
def test_paper_has_one_column_and_every_group_of_the_meta_box(
    demo: Demo, browser: Browser, width: int
) -> None:
    # At 794 px, the width of A4, the columns of a screen left the title one letter wide.
    context = browser.new_context(viewport={"width": width, "height": 1123})
    page = context.new_page()
    page.goto(demo.url)
    page.locator("main a.entry-link").first.click()

    page.emulate_media(media="print")

    for part in ("main h1", ".note-text", "aside.meta-box"):
        box = page.locator(part).bounding_box()
        assert box is not None
        assert box["width"] > 0.8 * width, part
    for row in page.locator("aside.meta-box dd").all():
        assert row.is_visible()
    assert not any(button.is_visible() for button in page.locator("button").all())
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    context.close()
