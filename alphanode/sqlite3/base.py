"""The wait for SQLite's one write lock, in even short steps.

In: the beginning of a transaction. Out: the lock, or the error after the option `timeout`, seconds.
SQLite's own wait sleeps longer each time, up to a tenth of a second. An import gives the lock back
for some milliseconds between two batches, and an editor's save would sleep through them again and
again.
"""

from __future__ import annotations

import sqlite3
import time

from django.db import OperationalError
from django.db.backends.sqlite3 import base

#: Seconds between two tries, well below the time an import needs from one batch to the next.
STEP = 0.002


class DatabaseWrapper(base.DatabaseWrapper):
    """SQLite as Django knows it; only the beginning of a transaction waits otherwise."""

    def _start_transaction_under_autocommit(self) -> None:
        seconds = self.settings_dict["OPTIONS"].get("timeout", 5)
        until = time.monotonic() + seconds
        self.connection.execute("PRAGMA busy_timeout = 0")
        try:
            while True:
                try:
                    super()._start_transaction_under_autocommit()  # type: ignore[misc]
                except OperationalError as error:
                    code = getattr(error.__cause__, "sqlite_errorcode", 0) & 0xFF
                    if code != sqlite3.SQLITE_BUSY or time.monotonic() >= until:
                        raise
                    time.sleep(STEP)
                else:
                    return
        finally:
            self.connection.execute(f"PRAGMA busy_timeout = {round(seconds * 1000)}")
