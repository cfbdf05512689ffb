"""What is drawn stays where it is while the rest of the page arrives over a slow line."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.request import urlopen

import pytest
from playwright.sync_api import Browser

from tests.e2e.demo import Demo, launched
from tests.e2e.test_main_job import FILTERED, LAYOUT_SHIFTS

pytestmark = pytest.mark.browser

#: Seconds until the next lines arrive.
PAUSE = 0.02
#: What arrives at once: some lines, each with whole elements. A word in two would show when it
#: arrives whether it still fits its line.
PIECES = re.compile(rb"(?s).{600}.*?(?:\n|\Z)|.+\Z")


class SlowLine(BaseHTTPRequestHandler):
    """Hands on what a demo answers, the body of a page piece by piece."""

    origin = ""

    def do_GET(self) -> None:
        with urlopen(self.origin + self.path) as answer:  # noqa: S310  (a local address)
            content: bytes = answer.read()
            kind = answer.headers["Content-Type"]
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        head, mark, body = content.partition(b"<body>")
        with suppress(BrokenPipeError, ConnectionResetError):
            self.wfile.write(head + mark)
            if not body:
                return
            # The styles are there when the first piece is, so that every piece is drawn.
            time.sleep(5 * PAUSE)
            for piece in PIECES.findall(body):
                self.wfile.write(piece)
                time.sleep(PAUSE)

    def log_message(self, *_: object) -> None:
        """Say nothing: the tests say what matters."""


@pytest.fixture
def slow_url(demo: Demo) -> Iterator[str]:
    handler = type("ToTheDemo", (SlowLine,), {"origin": demo.url})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def desktop(browser: Browser) -> Iterator[Browser]:
    started = launched(browser.browser_type, has_scroll_bars=True)
    yield started
    started.close()


@pytest.mark.parametrize("width", [1280, 320])
def test_nothing_moves_while_a_page_arrives(
    demo: Demo, slow_url: str, desktop: Browser, width: int
) -> None:
    page = desktop.new_page(viewport={"width": width, "height": 900})
    page.goto(demo.url)
    article = page.locator("main a[href^='/posts/']").first.get_attribute("href")
    tag = page.locator("main a[href^='/tags/']").first.get_attribute("href")
    page.add_init_script(LAYOUT_SHIFTS)

    shifts = {}
    for path in ("/", article, tag, FILTERED, "/search/?q=service"):
        page.goto(f"{slow_url}{path}")
        shifts[path] = page.evaluate("window.layoutShift")
    page.close()

    assert {path: shift for path, shift in shifts.items() if shift} == {}
