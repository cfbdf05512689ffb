"""Takes the pictures of docs/screenshots from a fresh demo: `make screenshots`.

In: nothing. Out: PNG files, one for each page, theme and width. Asserts nothing; people look.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from urllib.parse import urlsplit

from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Page

from tests.e2e.demo import ROOT, Demo, chromium, running_demo

FOLDER = ROOT / "docs" / "screenshots"
THEMES = ("light", "dark")
WIDTHS = (320, 768, 1280)
HEIGHT = 900
COLOURS = 48


def public_pages(browser: Browser, demo: Demo) -> dict[str, str]:
    """Return a page of every kind that readers see, by name, as paths."""
    page = browser.new_page()

    def first(selector: str) -> str:
        return urlsplit(page.locator(selector).first.get_attribute("href") or "").path

    page.goto(demo.url)
    article, tag = first("main a.entry-link"), first("section[aria-labelledby=stacks] a")
    page.goto(demo.url + tag)
    topic = first("section[aria-labelledby=topics] a")
    page.goto(demo.url + article)
    entity = first("main a[href^='/entities/']")
    page.goto(f"{demo.url}/archive/?sort=oldest")
    old = first("main a.entry-link")
    page.close()
    return {
        "home": "/",
        "article": article,
        "article-old": old,
        "archive": "/archive/",
        "archive-month": "/archive/2025/3/",
        "archive-filtered": "/archive/?stack=none&area=backend&difficulty=beginner",
        "tag": tag,
        "topic": topic,
        "entity": entity,
        "tags": "/tags/",
        "search": "/search/?q=testing",
        "search-nothing": "/search/?q=no-such-word",
        "provenance": f"{article}provenance/",
        "revisions": f"{article}revisions/",
        "revision": f"{article}revisions/1/",
        "report": f"{article}report/",
        "dumps": "/dumps/",
        "about": "/about/",
        "review": "/about/review/",
        "privacy": "/privacy/",
        "licence": "/licence/",
        "404": "/posts/no-such-note/",
    }


def save(page: Page, name: str, suffix: str) -> None:
    """Take what is in sight."""
    page.wait_for_load_state("networkidle")
    page.screenshot(path=FOLDER / f"{name}-{suffix}.png")


def take_public(context: BrowserContext, demo: Demo, pages: dict[str, str], suffix: str) -> None:
    """Take every public page, and of an article also its meta box and its foot."""
    page = context.new_page()
    for name, path in pages.items():
        page.goto(demo.url + path)
        save(page, name, suffix)
    page.goto(demo.url + pages["article-old"])
    page.locator("aside.meta-box").screenshot(path=FOLDER / f"meta-box-{suffix}.png")
    page.locator(".note-foot").scroll_into_view_if_needed()
    save(page, "article-foot", suffix)
    page.close()


def take_admin(context: BrowserContext, demo: Demo, suffix: str) -> None:
    """Take the queue, a draft in it, and the page that imports a file."""
    page = context.new_page()
    page.goto(f"{demo.url}/admin/")
    page.get_by_label("Username").fill("editor")
    page.get_by_label("Password").fill(demo.password)
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("link", name="Awaiting review").first.click()
    save(page, "queue", suffix)
    page.locator("a.queue-title").first.click()
    save(page, "draft", suffix)
    page.goto(f"{demo.url}/admin/import/")
    save(page, "import", suffix)
    page.close()


def take(browser: Browser, demo: Demo) -> None:
    """Take everything in both themes at every width."""
    pages = public_pages(browser, demo)
    for theme in THEMES:
        for width in WIDTHS:
            context = browser.new_context(
                color_scheme="dark" if theme == "dark" else "light",
                viewport={"width": width, "height": HEIGHT},
                reduced_motion="reduce",  # no picture of a page that is still fading in
            )
            take_public(context, demo, pages, f"{theme}-{width}")
            take_admin(context, demo, f"{theme}-{width}")
            context.close()


def take_style(browser: Browser, folder: Path) -> None:
    """Take the style page, which only a site under development shows."""
    with running_demo(folder, posts=2, is_debug=True) as demo:
        for theme in THEMES:
            for width in WIDTHS:
                page = browser.new_page(
                    color_scheme="dark" if theme == "dark" else "light",
                    viewport={"width": width, "height": HEIGHT},
                )
                page.goto(f"{demo.url}/style/")
                page.wait_for_load_state("networkidle")
                page.screenshot(path=FOLDER / f"style-{theme}-{width}.png", full_page=True)
                page.close()


def shrink() -> None:
    """Reduce the pictures to few colours: flat pages lose nothing and they stay small."""
    for path in FOLDER.glob("*.png"):
        with Image.open(path) as picture:
            few = picture.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
        few.save(path, optimize=True)


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        with running_demo(Path(folder), posts=500) as demo:
            take(browser, demo)
        (Path(folder) / "style").mkdir()
        take_style(browser, Path(folder) / "style")
    shrink()


if __name__ == "__main__":
    main()
