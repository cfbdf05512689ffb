"""Takes the pictures of docs/screenshots from a fresh demo: `make screenshots`.

In: nothing. Out: PNG files, one for each page, theme and width. Asserts nothing; people look.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page

from tests.e2e.demo import ROOT, Demo, chromium, running_demo

FOLDER = ROOT / "docs" / "screenshots"
WIDTHS = (320, 1280)
HEIGHT = 900


def take(browser: Browser, demo: Demo) -> None:
    """Take home, article, meta box, queue, draft and 404 in both themes at both widths."""
    for theme in ("light", "dark"):
        for width in WIDTHS:
            context = browser.new_context(
                color_scheme="dark" if theme == "dark" else "light",
                viewport={"width": width, "height": HEIGHT},
                reduced_motion="reduce",  # no picture of a page that is still fading in
            )
            page = context.new_page()

            def save(name: str, page: Page = page, suffix: str = f"{theme}-{width}") -> None:
                page.wait_for_load_state("networkidle")
                page.screenshot(path=FOLDER / f"{name}-{suffix}.png")

            page.goto(demo.url)
            save("home")
            page.locator("main a.entry-link").first.click()
            save("article")
            page.locator("aside.meta-box").scroll_into_view_if_needed()
            page.locator("aside.meta-box").screenshot(path=FOLDER / f"meta-box-{theme}-{width}.png")
            page.goto(f"{demo.url}/posts/no-such-note/")
            save("404")
            page.goto(f"{demo.url}/admin/")
            page.get_by_label("Username").fill("editor")
            page.get_by_label("Password").fill(demo.password)
            page.get_by_role("button", name="Log in").click()
            page.get_by_role("link", name="Awaiting review").first.click()
            save("queue")
            page.locator("a.queue-title").first.click()
            save("draft")
            context.close()


def shrink() -> None:
    """Reduce the pictures to 64 colours: flat pages lose nothing and the repository stays small."""
    for path in FOLDER.glob("*.png"):
        with Image.open(path) as picture:
            picture.convert("RGB").quantize(64, dither=Image.Dither.NONE).save(path, optimize=True)


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        running_demo(Path(folder), posts=500) as demo,
        chromium() as browser,
    ):
        take(browser, demo)
    shrink()


if __name__ == "__main__":
    main()
