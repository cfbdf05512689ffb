"""Search in a browser: the slash, suggestions by keys, results without script, accessibility."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, expect

from tests.e2e.demo import Demo

pytestmark = pytest.mark.browser


def test_slash_goes_to_the_box_and_a_suggestion_is_opened_by_keys(
    demo: Demo, browser: Browser
) -> None:
    page = browser.new_page()
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text))
    page.goto(demo.url)

    page.keyboard.press("/")
    page.keyboard.type("back/")
    expect(page.locator("#site-query")).to_have_value("back/")
    page.keyboard.press("Backspace")
    expect(page.get_by_role("option", name="backend")).to_be_visible()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")

    page.wait_for_url("**/tags/**")
    assert problems == []
    page.close()


def test_a_search_without_script_narrows_down_and_goes_back(demo: Demo, browser: Browser) -> None:
    context = browser.new_context(java_script_enabled=False, viewport={"width": 320, "height": 800})
    page = context.new_page()
    page.goto(demo.url)

    page.get_by_role("searchbox").fill("tag:backend")
    page.get_by_role("button", name="Search").click()
    found = page.get_by_role("status").inner_text()
    page.get_by_role("link", name="beginner").first.click()

    assert "tag:backend" in found
    assert "difficulty:beginner" in page.get_by_role("status").inner_text()
    page.get_by_role("link", name="Remove difficulty:beginner").click()
    assert page.get_by_role("status").inner_text() == found
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("query", ["", "?q=tag:backend", "?q=zzzqqq+difficulty:beginner"])
def test_axe_finds_nothing(demo: Demo, browser: Browser, scheme: str, query: str) -> None:
    context = browser.new_context(color_scheme=scheme, viewport={"width": 320, "height": 800})  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(f"{demo.url}/search/{query}")

    found = Axe().run(page).response["violations"]

    assert [one["id"] for one in found] == []
    assert page.evaluate("document.documentElement.scrollWidth") == 320
    context.close()
