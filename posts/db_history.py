"""What the history needs of the two databases: numbers, who still writes, rows as they are stored.

Both branches side by side, as in `posts.db`. Rows come as the texts the database holds, so that
a checker sees every byte and no value is mended on the way.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from django.db import connection, models

from posts import db

#: The advisory lock of PostgreSQL that says "this transaction has numbers of events": two halves
#: of a key that nothing else in this project uses.
_WRITER = (0x616C7068, 0x65767473)

#: Rows of an immutable table as texts; None is NULL.
Texts = tuple[str | None, ...]


def event_numbers(model: type[models.Model], count: int) -> list[int]:
    """Return unused numbers for events, and let `writers` see this transaction until it ends.

    One query, inside a transaction. The lock is taken before the first number is, so whoever finds
    no lock knows that no lower number than the ones to be seen can still arrive.
    """
    if not db.is_postgresql():
        return db.allocate_ids(model, count)
    with connection.cursor() as cursor:
        cursor.execute(
            "WITH told AS MATERIALIZED (SELECT pg_advisory_xact_lock_shared(%s, %s)) "
            "SELECT nextval(pg_get_serial_sequence(%s, 'id')) "
            "FROM told CROSS JOIN generate_series(1, %s)",
            [*_WRITER, model._meta.db_table, count],
        )
        return [row[0] for row in cursor.fetchall()]


def writers() -> set[str]:
    """Return the transactions that have taken numbers of events and not ended. One query.

    On SQLite there is one writer at a time, and the caller is it. On PostgreSQL the caller itself
    is left out.
    """
    if not db.is_postgresql():
        return set()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT virtualtransaction FROM pg_locks "
            "WHERE locktype = 'advisory' AND classid = %s AND objid = %s AND objsubid = 2 "
            "AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
            "AND pid <> pg_backend_pid()",
            _WRITER,
        )
        return {row[0] for row in cursor.fetchall()}


def write_ends(model: type[models.Model], rows: Sequence[Sequence[Any]]) -> None:
    """Insert chain ends, or move those that are there. One statement.

    Rows: subject, its id, source, sequence, event, hash. Whoever writes holds the subject's lock.
    """
    table = connection.ops.quote_name(model._meta.db_table)
    rows_of, items = (
        (
            "json_array_elements(%s::json)",
            "value ->> 0, (value ->> 1)::bigint, (value ->> 2)::bigint, "
            "(value ->> 3)::integer, (value ->> 4)::bigint, value ->> 5",
        )
        if db.is_postgresql()
        else (
            "json_each(%s)",
            ", ".join(f"json_extract(value, '$[{number}]')" for number in range(6)),
        )
    )
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} (subject, subject_id, source_id, sequence, event_id, hash) "  # noqa: S608
            f"SELECT {items} FROM {rows_of} WHERE true "
            "ON CONFLICT (subject, subject_id) DO UPDATE SET "
            "sequence = excluded.sequence, event_id = excluded.event_id, hash = excluded.hash",
            [msgspec.json.encode(rows).decode()],
        )


def stored(
    model: type[models.Model],
    fields: Sequence[str],
    *,
    order: Sequence[str],
    after: Sequence[int] = (),
    where: str = "",
    among: tuple[str, Sequence[int]] | None = None,
    limit: int,
) -> list[tuple[tuple[int | None, ...], Texts]]:
    """Return rows in `order`, each with its place there and with `fields` as stored texts.

    `order` names whole-number columns; `after` is a place, `where` a constant condition, `among` a
    column and the numbers it may have. A place is None in a column that holds no whole number,
    which only SQLite can. One query.
    """
    quote = connection.ops.quote_name
    table = quote(model._meta.db_table)
    columns = {field.attname: field for field in model._meta.concrete_fields}
    selected = [_place(quote(name)) for name in order] + [
        _text(columns[name], quote(name)) for name in fields
    ]
    conditions = [where] if where else []
    parameters: list[Any] = []
    if after:
        names = ", ".join(quote(name) for name in order)
        conditions.append(f"({names}) > ({', '.join(['%s'] * len(after))})")
        parameters += after
    if among is not None:
        column, numbers = among
        wanted = (
            "= ANY(ARRAY(SELECT json_array_elements_text(%s::json)::bigint))"
            if db.is_postgresql()
            else "IN (SELECT value FROM json_each(%s))"
        )
        conditions.append(f"{quote(column)} {wanted}")
        parameters.append(msgspec.json.encode(list(numbers)).decode())
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {', '.join(selected)} FROM {table} "  # noqa: S608
            f"WHERE {' AND '.join(conditions) or 'true'} "
            f"ORDER BY {', '.join(f'{table}.{quote(name)}' for name in order)} LIMIT %s",
            [*parameters, limit],
        )
        width = len(order)
        return [
            (tuple(row[:width]), tuple(_decoded(value) for value in row[width:]))
            for row in cursor.fetchall()
        ]


def _place(name: str) -> str:
    if db.is_postgresql():
        return name
    return f"CASE typeof({name}) WHEN 'integer' THEN {name} END"


def _text(column: Any, name: str) -> str:
    if not db.is_postgresql():
        # The bytes, whatever type somebody gave them: SQLite does not insist on a column's.
        return f"CAST({name} AS BLOB)"
    if isinstance(column, models.DateTimeField):
        return f"to_char({name} AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')"
    return f"{name}::text"


def _decoded(value: Any) -> str | None:
    # What is no UTF-8 keeps its bytes; no hash of a written row can cover such a text.
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else value


def numbered_hashes(after: int, through: int, limit: int) -> list[tuple[int, str]]:
    """Return number and hash of events of a range, erased ones included, in order. One query.

    One statement, so that an event erased meanwhile is seen once: as itself or as what is left.
    """
    hash_of = "hash" if db.is_postgresql() else "CAST(hash AS BLOB)"
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT * FROM ("  # noqa: S608 (the text is a constant)
            f"SELECT * FROM (SELECT id, {hash_of} FROM posts_event "
            "WHERE id > %s AND id <= %s ORDER BY id LIMIT %s) AS here "
            "UNION ALL "
            f"SELECT * FROM (SELECT event_id, {hash_of} FROM posts_erasedevent "
            "WHERE event_id > %s AND event_id <= %s ORDER BY event_id LIMIT %s) AS gone"
            ") AS both_of_them ORDER BY 1 LIMIT %s",
            [after, through, limit, after, through, limit, limit],
        )
        return [(number, _decoded(hashed) or "") for number, hashed in cursor.fetchall()]
