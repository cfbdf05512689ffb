"""Runs pytest on SQLite and then on PostgreSQL, and says at the end which of them it was.

Modules in which nothing can reach a database are run once, with SQLite: what they test is the same.

In: pytest's arguments; TEST_POSTGRES_URL; ALPHANODE_REQUIRE_POSTGRES=1, which makes a missing
server a failure. Out: pytest's output, one closing line, exit code 0 only when all of it passed.
"""

import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg

DEFAULT_POSTGRES_URL = "postgres://postgres@127.0.0.1:5432/alphanode"
SQLITE_URL = "sqlite:///test.sqlite3"  # the tests themselves run in memory
CONNECT_SECONDS = 3
#: What the tests write need not survive a power cut: no commit waits for the disk.
POSTGRES_OPTIONS = "-c synchronous_commit=off"
NOTHING_SELECTED = 5  # pytest's exit code
#: What a test module that can reach a database has in it: the marker, a fixture, a command, or the
#: name of the variable for processes of its own.
REACHES_DATABASE = re.compile(
    r"django_db|transactional_db|\bdb\b|live_server|call_command|connection|DATABASE_URL"
)


def modules_without_database() -> list[str]:
    """Return the test modules that hold nothing by which a database is reached."""
    return sorted(
        f"tests/{path.name}"
        for path in Path(__file__).parent.glob("test_*.py")
        if not REACHES_DATABASE.search(path.read_text(encoding="utf-8"))
    )


def why_not_reachable(url: str) -> str:
    """Return why a PostgreSQL server does not answer, or an empty text when it does.

    Asks the server for its own database: the one in the URL need not exist, since the tests make
    their own beside it.
    """
    try:
        maintenance = urlunsplit(urlsplit(url)._replace(path="/postgres"))
        psycopg.connect(maintenance, connect_timeout=CONNECT_SECONDS).close()
    except (ValueError, psycopg.Error) as error:
        return (str(error).strip().splitlines() or ["no message"])[0]
    return ""


def run_pytest(database_url: str, arguments: list[str]) -> int:
    """Run pytest in a process of its own on one database; return its exit code."""
    environment = {"PGOPTIONS": POSTGRES_OPTIONS, **os.environ, "DATABASE_URL": database_url}
    command = [sys.executable, "-m", "pytest", *arguments]
    return subprocess.run(command, env=environment, check=False).returncode


def in_words(code: int) -> str:
    """Return an exit code of pytest as a word for the closing line."""
    return {0: "passed", NOTHING_SELECTED: "no test selected"}.get(code, "FAILED")


def main(arguments: list[str]) -> int:
    """Run on each database there is; return 1 when a run failed or a required one is missing."""
    url = os.environ.get("TEST_POSTGRES_URL") or DEFAULT_POSTGRES_URL
    required = os.environ.get("ALPHANODE_REQUIRE_POSTGRES") == "1"

    codes = {"SQLite": run_pytest(SQLITE_URL, arguments)}
    unreachable = why_not_reachable(url)
    if not unreachable:
        once = [f"--ignore={module}" for module in modules_without_database()]
        codes["PostgreSQL"] = run_pytest(url, [*arguments, *once])

    line = "Tests ran on " + ", ".join(f"{name} ({in_words(code)})" for name, code in codes.items())
    if unreachable:
        parts = urlsplit(url)
        line += (
            f". PostgreSQL was not reachable at {parts.hostname}:{parts.port or 5432} "
            f"({unreachable}), so nothing ran there; TEST_POSTGRES_URL names another server"
        )
        if required:
            line += ". FAILED, because this run requires PostgreSQL"
    print(f"\n{line}.", flush=True)

    failed = any(code not in (0, NOTHING_SELECTED) for code in codes.values())
    return int(failed or (required and bool(unreachable)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
