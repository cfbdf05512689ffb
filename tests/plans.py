"""How the database plans a statement, as text, for tests that say which index it walks."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import connection


def plan_of(statement: str, parameters: Iterable[object] | None = None) -> str:
    """Return the plan of a statement; one without parameters stands as it was captured."""
    explain = "EXPLAIN " if connection.vendor == "postgresql" else "EXPLAIN QUERY PLAN "
    text = statement if parameters is not None else statement.replace("%", "%%")
    with connection.cursor() as cursor:
        cursor.execute(explain + text, list(parameters or ()))
        return "\n".join(str(row[-1]) for row in cursor.fetchall())
