"""Checks every page that readers see with the Nu HTML checker: `make check-html VNU=vnu.jar`.

In: the path of vnu.jar (npm has it as `vnu-jar`; it needs Java). Out: what the checker says of the
pages of a fresh demo, and its exit code: 0 when it has nothing to say.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser

from tests.e2e.demo import Demo, chromium, running_demo
from tests.e2e.screenshots import public_pages

POSTS = 120


def pages_of(browser: Browser, demo: Demo) -> dict[str, str]:
    """Return the pages of the screenshots and those nobody takes a picture of."""
    pages = public_pages(browser, demo)
    article = pages["article"]
    return pages | {
        "provenance": f"{article}provenance/",
        "revisions": f"{article}revisions/",
        "revision": f"{article}revisions/1/",
        "report": f"{article}report/",
        "search": "/search/",
        "search-found": "/search/?q=the+cache",
        "search-nothing": "/search/?q=zzqqxx+tag:none",
        "archive-nothing": "/archive/?difficulty=none&after=nowhere",
        "dumps": "/dumps/",
        "preview-closed": "/preview/none/",
        "login": "/admin/login/",
    }


def main(jar: str) -> int:
    """Save the pages of a demo as readers get them, and let the checker read them."""
    with tempfile.TemporaryDirectory() as folder:
        files = []
        with running_demo(Path(folder), posts=POSTS) as demo, chromium() as browser:
            context = browser.new_context()
            for name, path in pages_of(browser, demo).items():
                files.append(Path(folder) / f"{name}.html")
                files[-1].write_bytes(context.request.get(demo.url + path).body())
        # The default stack is too small for the checker's grammar.
        command = ["java", "-Xss4m", "-jar", jar, "--format", "gnu", *map(str, files)]
        return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
