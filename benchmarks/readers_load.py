"""Readers of a running site, and an eye on who waits for a lock of the database.

In: an address and paths, or an address of PostgreSQL. Out: the moment and length of every answer,
and the longest wait by application name. Threads of the measuring process.
"""

from __future__ import annotations

import http.client
import random
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

import psycopg

SAMPLE_SECONDS = 0.02
TIMEOUT_SECONDS = 30
_WAITING = """
    SELECT a.application_name,
           extract(epoch FROM clock_timestamp() - coalesce(l.waitstart, clock_timestamp()))
      FROM pg_locks l JOIN pg_stat_activity a USING (pid)
     WHERE NOT l.granted AND a.datname = current_database()
"""


class Answer(NamedTuple):
    """One answer: when it was due, seconds until its last byte, status."""

    at: float
    seconds: float
    status: int


class Readers:
    """Threads that ask for articles at an even rate over connections that stay open.

    Seconds count from the moment a request was due, so that a slow answer is not hidden by the
    requests that could not be sent meanwhile.
    """

    def __init__(self, port: int, paths: Sequence[str], *, readers: int, rate: float) -> None:
        self.answers: list[Answer] = []
        self._port, self._paths = port, paths
        self._period = readers / rate
        self._is_over = threading.Event()
        self._threads = [
            threading.Thread(target=self._read, args=(number, readers), daemon=True)
            for number in range(readers)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._is_over.set()
        for thread in self._threads:
            thread.join(TIMEOUT_SECONDS)

    def _read(self, number: int, readers: int) -> None:
        chance = random.Random(number)  # noqa: S311  (chooses articles only)
        connection = self._connection()
        due = time.time() + number * self._period / readers
        while not self._is_over.wait(max(0.0, due - time.time())):
            status = 0
            for _ in range(2):
                try:
                    connection.request("GET", chance.choice(self._paths))
                    response = connection.getresponse()
                    response.read()
                    status = response.status
                    break
                except (http.client.HTTPException, OSError):
                    # The server closes a connection that was idle for long, and a worker's end.
                    connection.close()
                    connection = self._connection()
            self.answers.append(Answer(due, time.time() - due, status))
            due += self._period
        connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self._port, timeout=TIMEOUT_SECONDS)


class LockWatch:
    """Asks PostgreSQL every 20 ms who waits for a lock, and since when."""

    def __init__(self, url: str) -> None:
        self._url = url
        #: (moment, application name, seconds waited until then)
        self.waits: list[tuple[float, str, float]] = []
        self.samples = 0
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._is_over.set()
        self._thread.join(TIMEOUT_SECONDS)

    def _watch(self) -> None:
        with psycopg.connect(self._url, autocommit=True, application_name="watch") as connection:
            while not self._is_over.wait(SAMPLE_SECONDS):
                self.samples += 1
                with suppress(psycopg.errors.QueryCanceled):
                    for name, seconds in connection.execute(_WAITING):
                        self.waits.append((time.time(), name, float(seconds)))


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below which so large a share of the values lies; 0 of none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0
