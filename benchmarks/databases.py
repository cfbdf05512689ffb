"""Fresh databases for contestants: a migrated template, and a copy of it for each.

In: an address of PostgreSQL whose database's name says that it is for benchmarks, or a folder for
SQLite. Out: addresses for DATABASE_URL. Everything under these names is dropped and made again.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

#: The log of runs, which an import writes the only events of; other tables hold content.
LOG_TABLES = (
    "posts_importsource",
    "posts_importrun",
    "posts_importcheckpoint",
    "posts_importreject",
    "posts_event",
    "posts_chainend",
)
SETTINGS = (
    "shared_buffers",
    "max_wal_size",
    "fsync",
    "synchronous_commit",
    "full_page_writes",
    "wal_level",
    "data_checksums",
)
LEAVE_SECONDS = 10


class PostgreSQL:
    """A database of one name that can be had empty and migrated as often as wanted."""

    vendor = "postgresql"

    def __init__(self, url: str, suffix: str = "") -> None:
        parts = urlsplit(url)
        self.name = parts.path.strip("/") + suffix
        if "bench" not in self.name:
            raise ValueError(
                f"The database {self.name!r} would be dropped: got a name without 'bench', "
                "expected one such as alphanode_bench. Nothing was done."
            )
        self.template = f"{self.name}_template"
        self.url = urlunsplit(parts._replace(path=f"/{self.name}"))
        self._template_url = urlunsplit(parts._replace(path=f"/{self.template}"))
        self._maintenance = urlunsplit(parts._replace(path="/postgres", query=""))
        self._own = urlunsplit(parts._replace(path=f"/{self.name}", query=""))

    def build(self, migrate: Callable[[str], None]) -> None:
        """Make the template by the migrations, which `migrate` runs at an address."""
        with self._server() as server:
            self._drop(server, self.template)
            server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(self.template)))
        migrate(self._template_url)

    def renew(self) -> None:
        """Drop the database and copy the template; a checkpoint, so that each begins alike."""
        with self._server() as server:
            self._drop(server, self.name)
            server.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
                    sql.Identifier(self.name), sql.Identifier(self.template)
                )
            )
            server.execute("CHECKPOINT")

    def remove(self) -> None:
        with self._server() as server:
            self._drop(server, self.name)
            self._drop(server, self.template)

    def tuple_counts(self) -> dict[str, int]:
        """Return rows inserted, updated and deleted so far in content tables, by the server.

        A backend reports at its end, so this waits until everybody else has left the database.
        """
        with psycopg.connect(self._own, autocommit=True) as own:
            deadline = time.monotonic() + LEAVE_SECONDS
            while time.monotonic() < deadline:
                row = own.execute(
                    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
                    "AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
                ).fetchone()
                if row == (0,):
                    break
                time.sleep(0.05)
            found = own.execute(
                "SELECT coalesce(sum(n_tup_ins), 0), coalesce(sum(n_tup_upd), 0), "
                "coalesce(sum(n_tup_del), 0) FROM pg_stat_user_tables "
                "WHERE starts_with(relname, 'posts_') AND NOT relname = ANY(%s)",
                [list(LOG_TABLES)],
            ).fetchone()
            assert found is not None  # noqa: S101  (an aggregate always has a row)
            return dict(zip(("inserted", "updated", "deleted"), map(int, found), strict=True))

    def about(self) -> dict[str, Any]:
        """Return the version of the server and the settings that matter here."""
        with self._server() as server:
            return {
                "version": server.info.parameter_status("server_version"),
                **{
                    name: (server.execute(f"SHOW {name}").fetchone() or [""])[0]
                    for name in SETTINGS
                },
            }

    def _server(self) -> psycopg.Connection[Any]:
        return psycopg.connect(self._maintenance, autocommit=True, connect_timeout=5)

    def _drop(self, server: psycopg.Connection[Any], name: str) -> None:
        server.execute(
            sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
        )


class SQLite:
    """The same for a file in a folder of its own."""

    vendor = "sqlite"

    def __init__(self, folder: Path) -> None:
        self.file = folder / "bench.sqlite3"
        self.template = folder / "template.sqlite3"
        self.url = f"sqlite:///{self.file}"

    def build(self, migrate: Callable[[str], None]) -> None:
        self.template.unlink(missing_ok=True)
        migrate(f"sqlite:///{self.template}")

    def renew(self) -> None:
        for suffix in ("", "-wal", "-shm"):
            Path(f"{self.file}{suffix}").unlink(missing_ok=True)
        shutil.copyfile(self.template, self.file)

    def remove(self) -> None:
        """The folder goes as a whole."""

    def about(self) -> dict[str, Any]:
        import sqlite3

        return {"version": sqlite3.sqlite_version}
