"""What scenarios happen in: scratch databases, commands as processes, a proxy that breaks.

In: an address of PostgreSQL on which databases may be made, a folder. Out: empty migrated
databases, ended processes with their times and memory. Everything under these names is dropped.
"""

from __future__ import annotations

import os
import resource
import shutil
import socket
import sqlite3
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

ROOT = Path(__file__).resolve().parent.parent
POLL_SECONDS = 0.002
LONG_AGO = "2000-01-01 00:00:00"
_BACKENDS = (
    "SELECT pid FROM pg_stat_activity WHERE datname = current_database() "
    "AND application_name = 'alphanode'"
)
END_ALL = f"SELECT count(pg_terminate_backend(pid)) FROM ({_BACKENDS}) AS theirs"  # noqa: S608
END_ONE = END_ALL.replace(") AS", " ORDER BY (state = 'idle'), state_change DESC LIMIT 1) AS")


@dataclass(frozen=True)
class Ended:
    """How a process ended. `code` is negative for a signal; memory is its peak in MB."""

    code: int
    seconds: float
    megabytes: float
    out: str
    err: str


class Child:
    """A command of this project in a process of its own."""

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        database_url: str,
        folder: Path,
        name: str = "command",
        stdin: IO[bytes] | int = subprocess.DEVNULL,
    ) -> None:
        self._out, self._err = folder / f"{name}.out", folder / f"{name}.err"
        self.started = time.monotonic()
        self._ended: Ended | None = None
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.process = subprocess.Popen(
                [sys.executable, *arguments],
                cwd=ROOT,
                env=environment(database_url),
                stdin=stdin,
                stdout=out,
                stderr=err,
            )

    def send(self, number: int) -> None:
        """Send a signal; a process that has ended takes none."""
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.process.pid, number)

    def poll(self) -> Ended | None:
        """Return how it ended, None while it runs."""
        if self._ended is None:
            pid, status, usage = os.wait4(self.process.pid, os.WNOHANG)
            if pid:
                self._ended = self._told(status, usage)
        return self._ended

    def wait(self, seconds: float) -> Ended:
        """Wait until it ends; kill it and raise when that takes too long."""
        deadline = time.monotonic() + seconds
        while (ended := self.poll()) is None:
            if time.monotonic() > deadline:
                os.kill(self.process.pid, 9)
                _, status, usage = os.wait4(self.process.pid, 0)
                self._ended = self._told(status, usage)
                raise TimeoutError(f"a command ran longer than {seconds:.0f} s")
            time.sleep(POLL_SECONDS)
        return ended

    def wait_for(self, is_so: Callable[[], bool], seconds: float = 60) -> bool:
        """Wait until something is so; False when the process ended before."""
        deadline = time.monotonic() + seconds
        while not is_so():
            if self.poll() is not None:
                return False
            if time.monotonic() > deadline:
                raise TimeoutError(f"a command was not where it should be after {seconds:.0f} s")
            time.sleep(POLL_SECONDS)
        return True

    def has_spoken(self) -> bool:
        """Say whether it wrote a line, as an import does when it begins to read."""
        return self._err.stat().st_size > 0

    def _told(self, status: int, usage: resource.struct_rusage) -> Ended:
        code = os.waitstatus_to_exitcode(status)
        self.process.returncode = code
        return Ended(
            code,
            time.monotonic() - self.started,
            usage.ru_maxrss / 1024,
            self._out.read_text(errors="replace"),
            self._err.read_text(errors="replace"),
        )


def environment(database_url: str) -> dict[str, str]:
    """Return the environment of a command on a database."""
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("PYTEST")},
        "SECRET_KEY": "for-the-fault-harness-only",
        "DEBUG": "off",
        "REDIS_URL": "",
        "DJANGO_SETTINGS_MODULE": "alphanode.settings",
        "DATABASE_URL": database_url,
    }


def migrated(url: str) -> None:
    subprocess.run(
        [sys.executable, "manage.py", "migrate", "--verbosity", "0"],
        cwd=ROOT,
        env=environment(url),
        check=True,
    )


class PostgreSQL:
    """A database of one name that can be had empty and migrated as often as wanted."""

    vendor = "postgresql"

    def __init__(self, url: str) -> None:
        self._parts = urlsplit(url)
        self.name = self._parts.path.strip("/")
        if not self.name.startswith("alphanode_torture"):
            raise ValueError(
                f"The database {self.name!r} would be dropped: expected a name that begins with "
                "alphanode_torture. Nothing was done."
            )
        self.url = url
        self.server = (self._parts.hostname or "127.0.0.1", self._parts.port or 5432)
        self._kept = 0

    def url_by(self, port: int) -> str:
        """Return the address of the same database behind a proxy of this machine."""
        user, _, _ = self._parts.netloc.rpartition("@")
        netloc = f"{user}@127.0.0.1:{port}" if user else f"127.0.0.1:{port}"
        return urlunsplit(self._parts._replace(netloc=netloc, query="sslmode=disable"))

    def build(self) -> None:
        self._drop_and_make(f"{self.name}_template", None)
        migrated(urlunsplit(self._parts._replace(path=f"/{self.name}_template")))

    def renew(self) -> None:
        self._drop_and_make(self.name, f"{self.name}_template")

    def keep(self) -> str:
        """Put the database aside for people to look at; return its name."""
        self._kept += 1
        name = f"{self.name}_kept_{self._kept}"
        with self._maintenance() as server:
            server.execute(_statement("DROP DATABASE IF EXISTS {} WITH (FORCE)", name))
            self._disconnect(server)
            server.execute(_statement("ALTER DATABASE {} RENAME TO {}", self.name, name))
        return name

    def remove(self) -> None:
        with self._maintenance() as server:
            for name in (self.name, f"{self.name}_template"):
                server.execute(_statement("DROP DATABASE IF EXISTS {} WITH (FORCE)", name))

    def run(self, statement: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url, autocommit=True, application_name="torture") as own:
            cursor = own.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def is_free(self) -> bool:
        """Say whether no command stands inside a transaction."""
        return self.run(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
            "AND application_name = 'alphanode' AND state <> 'idle'"
        ) == [(0,)]

    def end_backends(self, *, everyone: bool) -> int:
        """End the backends of the command, or the one that works; return how many."""
        found = self.run(END_ALL if everyone else END_ONE)
        return int(found[0][0])

    def _maintenance(self) -> psycopg.Connection[Any]:
        url = urlunsplit(self._parts._replace(path="/postgres", query=""))
        return psycopg.connect(url, autocommit=True, connect_timeout=5)

    def _disconnect(self, server: psycopg.Connection[Any]) -> None:
        server.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
            [self.name],
        )
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            row = server.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = %s", [self.name]
            ).fetchone()
            if row == (0,):
                return
            time.sleep(0.05)

    def _drop_and_make(self, name: str, template: str | None) -> None:
        with self._maintenance() as server:
            server.execute(_statement("DROP DATABASE IF EXISTS {} WITH (FORCE)", name))
            if template is None:
                server.execute(_statement("CREATE DATABASE {}", name))
            else:
                server.execute(_statement("CREATE DATABASE {} TEMPLATE {}", name, template))


def _statement(text: str, *names: str) -> sql.Composed:
    return sql.SQL(text).format(*map(sql.Identifier, names))  # type: ignore[arg-type]


class SQLite:
    """The same for a file in a folder of its own."""

    vendor = "sqlite"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "torture.sqlite3"
        self.template = folder / "template.sqlite3"
        self.url = f"sqlite:///{self.file}"
        self._kept = 0

    def build(self) -> None:
        migrated(f"sqlite:///{self.template}")

    def at(self, file: Path) -> SQLite:
        """Return a place of the same template with its file elsewhere."""
        other = SQLite(self.folder)
        other.file, other.url = file, f"sqlite:///{file}"
        return other

    def renew(self) -> None:
        for suffix in ("", "-wal", "-shm"):
            Path(f"{self.file}{suffix}").unlink(missing_ok=True)
        shutil.copyfile(self.template, self.file)

    def keep(self) -> str:
        self._kept += 1
        name = self.folder / f"kept_{self._kept}.sqlite3"
        for suffix in ("", "-wal", "-shm"):
            if Path(f"{self.file}{suffix}").exists():
                shutil.copyfile(f"{self.file}{suffix}", f"{name}{suffix}")
        return str(name)

    def remove(self) -> None:
        """The folder goes as a whole."""

    def run(self, statement: str) -> list[tuple[Any, ...]]:
        own = sqlite3.connect(self.file, timeout=20, isolation_level=None)
        try:
            return own.execute(statement).fetchall()
        finally:
            own.close()

    def is_free(self) -> bool:
        """Say whether no command holds the write lock."""
        own = sqlite3.connect(self.file, timeout=0, isolation_level=None)
        try:
            own.execute("BEGIN IMMEDIATE")
            own.execute("ROLLBACK")
        except sqlite3.OperationalError:
            return False
        finally:
            own.close()
        return True


class BreakingProxy:
    """Forwards to PostgreSQL, and at the COMMITs it is told to breaks the connection.

    `way` says what the server gets of that COMMIT: "answered" lets it answer and drops the answer,
    "sent" closes at once behind the COMMIT, "lost" drops the COMMIT itself.
    """

    def __init__(self, server: tuple[str, int], *, break_at: Sequence[int], way: str) -> None:
        self.commits = 0
        self.broken = 0
        self._server, self._break_at, self._way = server, set(break_at), way
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def close(self) -> None:
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for one in self._sockets:
            _end(one)
        for thread in list(self._threads):
            thread.join(timeout=5)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            server = socket.create_connection(self._server)
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._sockets += [client, server]
            is_deaf = threading.Event()
            answered = threading.Event()
            for target in (
                lambda c=client, s=server, d=is_deaf, a=answered: self._questions(c, s, d, a),
                lambda c=client, s=server, d=is_deaf, a=answered: self._answers(c, s, d, a),
            ):
                thread = threading.Thread(target=target, daemon=True)
                self._threads.append(thread)
                thread.start()

    def _questions(
        self,
        client: socket.socket,
        server: socket.socket,
        is_deaf: threading.Event,
        answered: threading.Event,
    ) -> None:
        """Forward whole messages of the client, as long as no COMMIT is to be broken."""
        waiting = b""
        has_started = False
        with suppress(OSError):
            while data := client.recv(64 * 1024):
                waiting += data
                ready = 0
                while (size := message_size(waiting, ready, has_started)) is not None:
                    message = waiting[ready : ready + size]
                    # An answer to the question for encryption comes before the start itself.
                    has_started = has_started or message[4:6] != b"\x04\xd2"
                    if is_commit(message) and self._is_to_break():
                        server.sendall(waiting[:ready])
                        if self._way == "answered":
                            is_deaf.set()
                        if self._way != "lost":
                            server.sendall(message)
                        if self._way == "answered":
                            answered.wait(10)
                        _end(client)
                        _end(server)
                        return
                    ready += size
                server.sendall(waiting[:ready])
                waiting = waiting[ready:]
        _end(server)

    def _is_to_break(self) -> bool:
        with self._lock:
            self.commits += 1
            if self.commits in self._break_at:
                self.broken += 1
                return True
        return False

    def _answers(
        self,
        client: socket.socket,
        server: socket.socket,
        is_deaf: threading.Event,
        answered: threading.Event,
    ) -> None:
        with suppress(OSError):
            while data := server.recv(64 * 1024):
                if is_deaf.is_set():
                    answered.set()
                    break
                client.sendall(data)
        answered.set()
        if not is_deaf.is_set():
            _end(client)


def message_size(data: bytes, start: int, has_started: bool) -> int | None:
    """Return the size of the message that begins there, None when it is not whole yet."""
    head = 1 if has_started else 0
    if len(data) < start + head + 4:
        return None
    (size,) = struct.unpack_from("!I", data, start + head)
    return size + head if len(data) >= start + head + size else None


def is_commit(message: bytes) -> bool:
    if message[:1] == b"Q":
        return message[5:] == b"COMMIT\0"
    return message[:1] == b"P" and message[5:].split(b"\0")[1] == b"COMMIT"


def _end(one: socket.socket) -> None:
    with suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()
