"""Runs pytest on SQLite and then on PostgreSQL, and says at the end which of them it was.

In: pytest's arguments; TEST_POSTGRES_URL; ALPHANODE_REQUIRE_POSTGRES=1, which makes a missing
server a failure. Out: pytest's output, one closing line, exit code 0 only when all of it passed.
"""

import os
import subprocess
import sys
from urllib.parse import urlsplit, urlunsplit

import psycopg

DEFAULT_POSTGRES_URL = "postgres://postgres@127.0.0.1:5432/alphanode"
SQLITE_URL = "sqlite:///test.sqlite3"  # the tests themselves run in memory
CONNECT_SECONDS = 3
NOTHING_SELECTED = 5  # pytest's exit code


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
    environment = {**os.environ, "DATABASE_URL": database_url}
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
        codes["PostgreSQL"] = run_pytest(url, arguments)

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
