"""Wagtail beside this project: its environment, its tables and its writes, in `.venv-bench`.

In: the lock `requirements/bench.txt`, an address, posts as plain JSON. Out: a timing. Nothing here
is needed without `--peers`, and what fails here leaves the other contestants alone.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements" / "bench.txt"
VENV = ROOT / ".venv-bench"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "alphanode-bench.stamp"
POSTS = "posts.json"
INSTALL_SECONDS = 600
RUN_SECONDS = 1800


class PeerError(Exception):
    """The peer cannot be had: what failed, and the last thing it said."""


def ensure() -> None:
    """Make `.venv-bench` hold the lock; nothing to do when its stamp says so."""
    wanted = hashlib.sha256(sys.version.encode() + LOCK.read_bytes()).hexdigest()
    if STAMP.is_file() and STAMP.read_text(encoding="ascii") == wanted:
        return
    _run(sys.executable, "-m", "venv", "--clear", str(VENV), seconds=INSTALL_SECONDS)
    _run(
        *(str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"),
        *("--require-hashes", "--only-binary=:all:", "-r", str(LOCK)),
        seconds=INSTALL_SECONDS,
    )
    STAMP.write_text(wanted, encoding="ascii")


def build(url: str) -> None:
    """Make Wagtail's tables in an empty database."""
    _job("build", url=url)


def publish(url: str, posts: Path) -> dict[str, Any]:
    """Publish posts by `add_child` and `save_revision().publish()`; return the timing."""
    timing: dict[str, Any] = json.loads(_job("publish", str(posts), url=url))
    return timing


def _job(*arguments: str, url: str) -> str:
    return _run(
        *(str(PYTHON), "-m", "benchmarks.wagtail_site.job", *arguments),
        seconds=RUN_SECONDS,
        DATABASE_URL=url,
    )


def _run(*command: str, seconds: int, **environment: str) -> str:
    try:
        ended = subprocess.run(
            command,
            cwd=ROOT,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PeerError(str(error)) from error
    if ended.returncode:
        last = (ended.stderr.strip().splitlines() or ["no message"])[-1]
        raise PeerError(f"{' '.join(command[1:4])} ended with code {ended.returncode}: {last}")
    return ended.stdout
