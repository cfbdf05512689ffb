"""One step of a walk over the archive that makes derived rows anew.

Queue entries, search entries, findings and checks are told by posts and decisions; each module
that keeps such rows has a function that makes the next few anew and returns a `Step`.
"""

from __future__ import annotations

from typing import NamedTuple


class Step(NamedTuple):
    """The last row looked at (None at the end), how many were looked at, and how many written."""

    last: int | None
    seen: int
    written: int
