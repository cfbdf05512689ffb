"""Every difference between SQLite and PostgreSQL, both branches side by side.

Raw statements live here, in the importing engine and in migrations; everything else speaks ORM.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from django.db import (
    DatabaseError,
    InterfaceError,
    OperationalError,
    connection,
    models,
    transaction,
)
from django.db.migrations.operations.base import Operation

#: Tables whose rows never change; the triggers refuse UPDATE always and DELETE outside `erasing`.
IMMUTABLE_TABLES = ("posts_revision", "posts_decision", "posts_event")

#: SQLite refuses statements with more parameters than it was built for; look-ups stay far below.
LOOKUP_CHUNK = 500


def is_postgresql() -> bool:
    return connection.vendor == "postgresql"


# --- Rows in bulk -----------------------------------------------------------------------------


def allocate_ids(model: type[models.Model], count: int) -> list[int]:
    """Return `count` unused primary keys, so that rows can refer to each other when inserted.

    One query. PostgreSQL takes them from the sequence (gaps are normal after a rollback); SQLite
    counts on from the largest ever used, safe inside the one writing transaction it allows.
    """
    if count == 0:
        return []
    table = model._meta.db_table
    with connection.cursor() as cursor:
        if is_postgresql():
            cursor.execute(
                "SELECT nextval(pg_get_serial_sequence(%s, 'id')) FROM generate_series(1, %s)",
                [table, count],
            )
            return [row[0] for row in cursor.fetchall()]
        cursor.execute("SELECT seq FROM sqlite_sequence WHERE name = %s", [table])
        row = cursor.fetchone()
        first = (row[0] if row else 0) + 1
        return list(range(first, first + count))


def insert_rows(
    model: type[models.Model], fields: Sequence[str], rows: Iterable[Sequence[Any]]
) -> None:
    """Insert rows of plain values in the order of `fields` (attribute names, such as `post_id`).

    One statement. JSON columns take their encoded text; other values are what the drivers know.
    Constraints and triggers hold as for any insert: an `IntegrityError` leaves nothing behind
    that a rollback would not remove.
    """
    columns = [_field(model, name) for name in fields]
    names = ", ".join(connection.ops.quote_name(column.column) for column in columns)
    table = connection.ops.quote_name(model._meta.db_table)
    with connection.cursor() as cursor:
        if is_postgresql():
            with (
                connection.wrap_database_errors,
                cursor.copy(f"COPY {table} ({names}) FROM STDIN") as copy,
            ):
                for row in rows:
                    copy.write_row(row)
            return
        marks = ", ".join(["%s"] * len(columns))
        cursor.executemany(
            f"INSERT INTO {table} ({names}) VALUES ({marks})",  # noqa: S608
            _encoded(rows, columns),
        )


def update_rows(
    model: type[models.Model], key: str, fields: Sequence[str], rows: Sequence[Sequence[Any]]
) -> None:
    """Update rows by key; each row is the key's value and then the values of `fields`.

    PostgreSQL: one COPY into a temporary table and one set-based UPDATE. SQLite: one prepared
    statement for all rows.
    """
    if not rows:
        return
    quote = connection.ops.quote_name
    table = quote(model._meta.db_table)
    columns = [_field(model, name) for name in (key, *fields)]
    names = [quote(column.column) for column in columns]
    with connection.cursor() as cursor:
        if is_postgresql():
            listed = ", ".join(names)
            cursor.execute(
                f"CREATE TEMP TABLE changed ON COMMIT DROP AS "  # noqa: S608
                f"SELECT {listed} FROM {table} WITH NO DATA"
            )
            with (
                connection.wrap_database_errors,
                cursor.copy(f"COPY changed ({listed}) FROM STDIN") as copy,
            ):
                for row in rows:
                    copy.write_row(row)
            assigned = ", ".join(f"{name} = changed.{name}" for name in names[1:])
            cursor.execute(
                f"UPDATE {table} SET {assigned} FROM changed "  # noqa: S608
                f"WHERE {table}.{names[0]} = changed.{names[0]}"
            )
            cursor.execute("DROP TABLE changed")
            return
        assigned = ", ".join(f"{name} = %s" for name in names[1:])
        cursor.executemany(
            f"UPDATE {table} SET {assigned} WHERE {names[0]} = %s",  # noqa: S608
            [[*row[1:], row[0]] for row in _encoded(rows, columns)],
        )


def _field(model: type[models.Model], name: str) -> Any:
    return next(
        field for field in model._meta.concrete_fields if name in (field.attname, field.name)
    )


def _encoded(rows: Iterable[Sequence[Any]], columns: Sequence[Any]) -> list[Sequence[Any]]:
    """Return rows as SQLite takes them: times as text, everything else as it is."""
    times = [
        number for number, column in enumerate(columns) if isinstance(column, models.DateTimeField)
    ]
    if not times:
        return list(rows)
    encoded: list[Sequence[Any]] = []
    for row in rows:
        values = list(row)
        for number in times:
            if values[number] is not None:
                values[number] = _sqlite_time(values[number])
        encoded.append(values)
    return encoded


def _sqlite_time(moment: dt.datetime) -> str:
    # Django's own spelling of a time on SQLite: naive UTC, so that text order is time order.
    return str(moment.astimezone(dt.UTC).replace(tzinfo=None))


def chunked(values: Sequence[Any], size: int = LOOKUP_CHUNK) -> Iterator[Sequence[Any]]:
    """Yield slices of at most `size`, for IN lists that both databases accept."""
    for start in range(0, len(values), size):
        yield values[start : start + size]


# --- Failures that pass -----------------------------------------------------------------------

#: SQLSTATE classes whose cause lies outside the data: connection, transaction rolled back by the
#: server, resources, operator; and the lock that was not to be had.
_RETRYABLE_CLASSES = ("08", "40", "53", "57")
_LOCK_NOT_AVAILABLE = "55P03"
_SQLITE_BUSY = (5, 6)  # SQLITE_BUSY, SQLITE_LOCKED


def is_retryable(error: DatabaseError) -> bool:
    """Say whether the same statements may succeed a moment later."""
    cause = error.__cause__
    if is_postgresql():
        state = getattr(cause, "sqlstate", None)
        if state is None:
            # The connection broke before the server could say why.
            return isinstance(error, OperationalError | InterfaceError)
        return state[:2] in _RETRYABLE_CLASSES or state == _LOCK_NOT_AVAILABLE
    return getattr(cause, "sqlite_errorcode", 0) & 0xFF in _SQLITE_BUSY


def reconnect_if_broken() -> None:
    """Give up a connection that the server has closed; the next query opens another."""
    if not connection.in_atomic_block and not connection.is_usable():
        connection.close()


# --- Immutability -----------------------------------------------------------------------------


def _trigger_name(table: str, verb: str) -> str:
    return f"{table}_refuse_{verb}"


def _trigger_statements(table: str) -> list[str]:
    message = f"{table} rows never change"
    door = "EXISTS (SELECT 1 FROM posts_erasuredoor)"
    if is_postgresql():
        return [
            f"""
            CREATE OR REPLACE FUNCTION {table}_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                IF TG_OP = 'DELETE' AND {door} THEN
                    RETURN OLD;
                END IF;
                RAISE EXCEPTION '{message}' USING ERRCODE = 'integrity_constraint_violation';
            END $$
            """,
            *(
                statement
                for verb in ("update", "delete")
                for statement in (
                    f"DROP TRIGGER IF EXISTS {_trigger_name(table, verb)} ON {table}",
                    f"CREATE TRIGGER {_trigger_name(table, verb)} BEFORE {verb} ON {table} "
                    f"FOR EACH ROW EXECUTE FUNCTION {table}_refuse()",
                )
            ),
        ]
    return [
        f"DROP TRIGGER IF EXISTS {_trigger_name(table, 'update')}",
        f"CREATE TRIGGER {_trigger_name(table, 'update')} BEFORE UPDATE ON {table} "
        f"BEGIN SELECT RAISE(ABORT, '{message}'); END",
        f"DROP TRIGGER IF EXISTS {_trigger_name(table, 'delete')}",
        f"CREATE TRIGGER {_trigger_name(table, 'delete')} BEFORE DELETE ON {table} "
        f"WHEN NOT {door} BEGIN SELECT RAISE(ABORT, '{message}'); END",
    ]


class InstallTriggers(Operation):
    """Put the triggers on the immutable tables; to be repeated after any change of those tables.

    SQLite changes a table by building it anew, which silently drops its triggers. The system
    check `posts.E001` fails when they are missing.
    """

    reversible = True
    reduces_to_sql = False

    def state_forwards(self, app_label: str, state: Any) -> None:
        """Change no model."""

    def database_forwards(self, app_label: str, schema_editor: Any, *states: Any) -> None:
        for table in IMMUTABLE_TABLES:
            for statement in _trigger_statements(table):
                schema_editor.execute(statement)

    def database_backwards(self, app_label: str, schema_editor: Any, *states: Any) -> None:
        for table in IMMUTABLE_TABLES:
            on = f" ON {table}" if is_postgresql() else ""
            for verb in ("update", "delete"):
                schema_editor.execute(f"DROP TRIGGER IF EXISTS {_trigger_name(table, verb)}{on}")
            if is_postgresql():
                schema_editor.execute(f"DROP FUNCTION IF EXISTS {table}_refuse()")

    def describe(self) -> str:
        return "Install the triggers that keep immutable rows as they are"


class OnPostgreSQL(Operation):
    """Run statements on PostgreSQL and nothing on SQLite."""

    reversible = True

    def __init__(self, forwards: Sequence[str], backwards: Sequence[str]) -> None:
        self.forwards = forwards
        self.backwards = backwards

    def state_forwards(self, app_label: str, state: Any) -> None:
        """Change no model."""

    def database_forwards(self, app_label: str, schema_editor: Any, *states: Any) -> None:
        self._run(schema_editor, self.forwards)

    def database_backwards(self, app_label: str, schema_editor: Any, *states: Any) -> None:
        self._run(schema_editor, self.backwards)

    def _run(self, schema_editor: Any, statements: Sequence[str]) -> None:
        if schema_editor.connection.vendor == "postgresql":
            for statement in statements:
                schema_editor.execute(statement)

    def describe(self) -> str:
        return "Run statements that only PostgreSQL has"


def has_table(name: str) -> bool:
    """Say whether a table exists: before the first migration it does not. One query."""
    return name in connection.introspection.table_names()


def missing_triggers() -> list[str]:
    """Return the names of the triggers that should exist and do not. One query."""
    wanted = {
        _trigger_name(table, verb) for table in IMMUTABLE_TABLES for verb in ("update", "delete")
    }
    query = (
        "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal AND tgenabled <> 'D'"
        if is_postgresql()
        else "SELECT name FROM sqlite_master WHERE type = 'trigger'"
    )
    with connection.cursor() as cursor:
        cursor.execute(query)
        return sorted(wanted - {row[0] for row in cursor.fetchall()})


@contextmanager
def erasing(reason: str) -> Iterator[None]:
    """Let this transaction delete immutable rows: for undo, logged erasure and the test runner."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM posts_erasuredoor")
        is_inside_another = cursor.fetchone()[0] > 0
        cursor.execute("INSERT INTO posts_erasuredoor (reason) VALUES (%s)", [reason])
        yield
        # The erasure around this one goes on, and closes the door at its end.
        if not is_inside_another:
            cursor.execute("DELETE FROM posts_erasuredoor")


# --- Statistics of the planner ----------------------------------------------------------------


def refresh_planner_statistics(tables: Sequence[type[models.Model]]) -> None:
    """Tell the planner about many new rows; background jobs of the server may not have yet."""
    with connection.cursor() as cursor:
        if is_postgresql():
            for model in tables:
                cursor.execute(f"ANALYZE {connection.ops.quote_name(model._meta.db_table)}")
        else:
            cursor.execute("PRAGMA optimize")


# --- Similar posts ----------------------------------------------------------------------------


def similar_candidates(
    *,
    post_id: int,
    rarest: Sequence[tuple[str, int]],
    tag_bits: Mapping[int, int],
    entity_bits: Mapping[int, int],
    group_type: str,
    newest: int,
    now: dt.datetime,
) -> list[tuple[int, int, int, dt.datetime, str, str, int | None]]:
    """Return posts that share one of `rarest`, the `newest` of each, with what they share.

    `rarest` holds ("tag" or "entity", id); the bits say which feature a tag or entity stands for.
    Rows: id, bits by tags, bits by entities, listed_at, difficulty, title, id of the first entity
    of `group_type`. One statement of at most `len(rarest) * newest` posts: it walks the partial
    indexes by listed_at, then looks up each candidate by its key. Both databases run the same.
    """
    sql, parameters = similar_statement(
        post_id=post_id,
        rarest=rarest,
        tag_bits=tag_bits,
        entity_bits=entity_bits,
        group_type=group_type,
        newest=newest,
        now=now,
    )
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        rows = cursor.fetchall()
    if is_postgresql():
        return rows
    return [(*row[:3], row[3].replace(tzinfo=dt.UTC), *row[4:]) for row in rows]


def similar_statement(
    *,
    post_id: int,
    rarest: Sequence[tuple[str, int]],
    tag_bits: Mapping[int, int],
    entity_bits: Mapping[int, int],
    group_type: str,
    newest: int,
    now: dt.datetime,
) -> tuple[str, list[Any]]:
    """Return the statement of `similar_candidates` and its parameters, for it and its plan test."""
    moment: Any = now if is_postgresql() else _sqlite_time(now)
    walks: list[str] = []
    parameters: list[Any] = []
    for subject, pk in rarest:
        walks.append(
            f"SELECT * FROM (SELECT post_id FROM posts_post{subject} "  # noqa: S608 (constants)
            f"WHERE {subject}_id = %s AND listed_at IS NOT NULL AND listed_at <= %s "
            f"ORDER BY listed_at DESC, post_id DESC LIMIT %s) AS newest_{len(walks)}"
        )
        parameters += [pk, moment, newest]
    shared: list[str] = []
    shared_parameters: list[Any] = []
    for subject, bits in (("tag", tag_bits), ("entity", entity_bits)):
        if not bits:
            shared.append("0")
            continue
        cases = " ".join("WHEN %s THEN CAST(%s AS bigint)" for _ in bits)
        marks = ", ".join("%s" for _ in bits)
        # A scalar subquery runs once for each candidate, by the unique index on (post, subject);
        # a join would let the planner start from all posts of a common tag.
        shared.append(
            f"COALESCE((SELECT CAST(SUM(DISTINCT CASE s.{subject}_id {cases} END) AS bigint) "  # noqa: S608
            f"FROM posts_post{subject} s "
            f"WHERE s.post_id = p.id AND s.{subject}_id IN ({marks})), 0)"
        )
        shared_parameters += [part for pair in bits.items() for part in pair] + list(bits)
    # OFFSET 0 keeps PostgreSQL from joining by a scan of all posts; SQLite looks up by key anyway.
    lookup = (
        "JOIN LATERAL (SELECT * FROM posts_post WHERE id = c.post_id OFFSET 0) p ON true"
        if is_postgresql()
        else "JOIN posts_post p ON p.id = c.post_id"
    )
    statement = (
        f"WITH candidate AS ({' UNION '.join(walks)}) "  # noqa: S608 (names are constants)
        f"SELECT p.id, {shared[0]}, {shared[1]}, p.listed_at, p.difficulty, p.title, "
        "(SELECT MIN(g.entity_id) FROM posts_postentity g "
        "JOIN posts_entity e ON e.id = g.entity_id WHERE g.post_id = p.id AND e.type = %s) "
        f"FROM candidate c {lookup} "
        "WHERE p.id <> %s AND p.listed_at IS NOT NULL"
    )
    return statement, [*parameters, *shared_parameters, group_type, post_id]
