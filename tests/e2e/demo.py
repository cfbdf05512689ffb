"""A real demo for the browser: its own database, gunicorn on a free port, headless Chromium."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, BrowserType, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
UNDO_SECONDS = 1
START_SECONDS = 60


@dataclass(frozen=True)
class Demo:
    """A running demo: where it listens, how its editor signs in, how to run a command on it."""

    url: str
    password: str
    manage: Callable[..., str]


@contextmanager
def running_demo(
    folder: Path, *, posts: int, undo_seconds: int = UNDO_SECONDS, is_debug: bool = False
) -> Iterator[Demo]:
    """Take the steps of `make demo` in a folder of its own, by default with a short undo window."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {
        **os.environ,
        "SECRET_KEY": "for-the-browser-tests-only",
        "DEBUG": "on" if is_debug else "off",
        "DATABASE_URL": f"sqlite:///{folder / 'demo.sqlite3'}",
        "REDIS_URL": "",
        "IMAGE_PLACEHOLDER": "on",
        "ALLOWED_HOSTS": "127.0.0.1",
        "PUBLIC_URL": f"http://127.0.0.1:{port}",
        "REVIEW_UNDO_SECONDS": str(undo_seconds),
    }
    environment.pop("DJANGO_SETTINGS_MODULE", None)

    def manage(*arguments: str) -> str:
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=environment,
            check=True,
            capture_output=True,
            text=True,
        ).stdout

    manage("migrate", "--verbosity", "0")
    with alone_with_static_files():
        manage("collectstatic", "--noinput", "--verbosity", "0")
    told = manage("demo", "--posts", str(posts))
    found = re.search(r"user editor, password (\S+)", told)
    assert found is not None, told
    url = f"http://127.0.0.1:{port}"
    with alone_with_static_files():
        server = subprocess.Popen(
            [
                str(Path(sys.executable).with_name("gunicorn")),
                *("-c", "alphanode/gunicorn.conf.py", "--bind", f"127.0.0.1:{port}"),
            ],
            cwd=ROOT,
            env={**environment, "WEB_CONCURRENCY": "1"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            _wait_for(url, server)
        except BaseException:
            server.kill()
            raise
    try:
        yield Demo(url, found.group(1), manage)
    finally:
        server.terminate()
        server.wait(timeout=20)


@contextmanager
def alone_with_static_files() -> Iterator[None]:
    """Keep other demos out: all serve from one folder, and a server at its start reads it whole."""
    with (ROOT / "manage.py").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _wait_for(url: str, server: subprocess.Popen[bytes]) -> None:
    ends = time.monotonic() + START_SECONDS
    while time.monotonic() < ends:
        assert server.poll() is None, "the server ended at its start"
        try:
            urllib.request.urlopen(url, timeout=2).close()  # noqa: S310  (a local address)
        except (urllib.error.URLError, TimeoutError):
            time.sleep(0.2)
        else:
            return
    raise AssertionError(f"nothing answered at {url} in {START_SECONDS} s")


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start headless Chromium, which must be installed."""
    with sync_playwright() as playwright:
        started = launched(playwright.chromium)
        yield started
        started.close()


def launched(chromium_type: BrowserType, *, has_scroll_bars: bool = False) -> Browser:
    """Return a new browser; with scroll bars like those of a desktop, which take room."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    assert path, "Chromium is missing; on Debian: apt-get install chromium"
    return chromium_type.launch(
        executable_path=path,
        args=[
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
        ],
        ignore_default_args=["--hide-scrollbars"] if has_scroll_bars else None,
    )
