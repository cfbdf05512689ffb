"""System checks of the archive's own invariants; ids are stable, hints say what to run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core import checks
from django.db import DEFAULT_DB_ALIAS

from posts import db


@checks.register(checks.Tags.database)
def triggers_are_installed(
    *, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[checks.CheckMessage]:
    """E001: the triggers that keep revisions, decisions and events as they are exist."""
    if not databases or DEFAULT_DB_ALIAS not in databases or not db.has_table("posts_revision"):
        return []
    missing = db.missing_triggers()
    if not missing:
        return []
    return [
        checks.Error(
            f"Triggers that protect immutable rows are missing: {', '.join(missing)}.",
            hint=(
                "A migration that changes one of these tables must end with "
                "posts.db.InstallTriggers(). Add one that does and run: manage.py migrate"
            ),
            id="posts.E001",
        )
    ]
