"""Runs functions in threads with connections of their own, to see what they do to each other.

For transactional tests. SQLite's test database lives in memory, where threads cannot wait for each
other as processes do; there the functions work on a copy in a file.
"""

import sqlite3
import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from django.db import connection

WAIT_SECONDS = 30


def run_together(functions: Sequence[Callable[[], Any]], folder: Path) -> list[Any]:
    """Start the functions at the same moment; return what each returned or raised."""
    name = connection.settings_dict["NAME"]
    if connection.vendor == "sqlite":
        name = str(folder / "copy.sqlite3")
        if not Path(name).exists():
            with connection.cursor() as cursor:
                cursor.execute("VACUUM INTO %s", [name])
            # Once, alone: of several connections that ask for it at the same time all but one are
            # told at once that the file is locked.
            with closing(sqlite3.connect(name)) as copy:
                copy.execute("PRAGMA journal_mode = WAL")
    results: list[Any] = [None] * len(functions)
    start = threading.Barrier(len(functions), timeout=WAIT_SECONDS)

    def work(number: int, function: Callable[[], Any]) -> None:
        # A new thread gets a new connection; the settings it opens with are its own copy.
        connection.settings_dict = {**connection.settings_dict, "NAME": name}
        try:
            connection.ensure_connection()
            start.wait()
            results[number] = function()
        except Exception as error:  # whatever it was, the test wants to see it
            results[number] = error
        finally:
            if connection.connection is not None:
                connection.connection.close()
                connection.connection = None
            else:
                start.abort()

    threads = [
        threading.Thread(target=work, args=(number, function))
        for number, function in enumerate(functions)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_SECONDS)
    assert not any(thread.is_alive() for thread in threads), "a thread waits for ever"
    return results


def look(function: Callable[[], Any], folder: Path) -> Any:
    """Return what a function finds where `run_together` worked."""
    (found,) = run_together([function], folder)
    return found
