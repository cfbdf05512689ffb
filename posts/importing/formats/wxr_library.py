"""What the items of a WordPress export refer to: attachments by number, numbers already used.

In: attachments as they are met. Out: pictures of a post. Kept in a temporary database on disk, so
that memory stays flat however many there are.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from types import TracebackType

import msgspec

#: Pictures of one gallery; a page shows no more.
GALLERY_MAX = 200
_CACHE_KIB = 2_000


class Picture(msgspec.Struct, frozen=True, omit_defaults=True):
    """An attachment that is shown."""

    url: str
    caption: str = ""
    alt: str = ""


class Library:
    """Attachments and identities of one export. Use it as a context."""

    def __init__(self) -> None:
        # An empty name is a database of its own, on disk and without a name.
        # Reading may go on in another thread, but never in two at once (batches.ReadAhead).
        self._rows = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._rows.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        self._rows.execute("PRAGMA journal_mode = OFF")
        self._rows.execute("PRAGMA synchronous = OFF")
        self._rows.execute(
            "CREATE TABLE picture (id INTEGER PRIMARY KEY, parent INTEGER, url, caption, alt)"
        )
        self._rows.execute("CREATE INDEX child ON picture (parent)")
        self._rows.execute("CREATE TABLE used (key TEXT PRIMARY KEY, mark TEXT) WITHOUT ROWID")
        self._rows.execute("BEGIN")

    def __enter__(self) -> Library:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._rows.close()

    def add(self, number: int, parent: int, picture: Picture) -> None:
        """Keep an attachment; of two with one number the first."""
        self._rows.execute(
            "INSERT OR IGNORE INTO picture VALUES (?, ?, ?, ?, ?)",
            (number, parent, picture.url, picture.caption, picture.alt),
        )

    def pictures(self, numbers: Sequence[int]) -> dict[int, Picture]:
        """Return the attachments with these numbers, as far as the export has them."""
        found = {}
        for number in numbers[:GALLERY_MAX]:
            row = self._rows.execute(
                "SELECT url, caption, alt FROM picture WHERE id = ?", (number,)
            ).fetchone()
            if row is not None:
                found[number] = Picture(*row)
        return found

    def attached_to(self, parent: int) -> list[Picture]:
        """Return the attachments of a post, in the order of their numbers."""
        rows = self._rows.execute(
            "SELECT url, caption, alt FROM picture WHERE parent = ? ORDER BY id LIMIT ?",
            (parent, GALLERY_MAX),
        )
        return [Picture(*row) for row in rows]

    def is_free(self, key: str, mark: str) -> bool:
        """Say whether a key is met for the first time, or again for the same thing."""
        self._rows.execute("INSERT OR IGNORE INTO used VALUES (?, ?)", (key, mark))
        (first,) = self._rows.execute("SELECT mark FROM used WHERE key = ?", (key,)).fetchone()
        return bool(first == mark)
