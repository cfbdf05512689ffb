"""Every difference between SQLite and PostgreSQL, both branches side by side.

Raw statements live here, in the importing engine and in migrations; everything else speaks ORM.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec
from django.core.exceptions import EmptyResultSet
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
IMMUTABLE_TABLES = (
    "posts_revision",
    "posts_decision",
    "posts_event",
    "posts_erasedevent",
    "posts_seal",
)

#: SQLite refuses statements with more parameters than it was built for; look-ups stay far below.
LOOKUP_CHUNK = 500


def is_postgresql() -> bool:
    return connection.vendor == "postgresql"


def read_without_map() -> None:
    """Let this connection read its file as others do, not by mapping it into memory.

    On SQLite, one statement; none on PostgreSQL. A map is good for pages of readers, who meet the
    same parts again; who goes through a whole archive would hold all of it, up to `mmap_size`.
    """
    if not is_postgresql():
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA mmap_size = 0")


# --- Rows in bulk -----------------------------------------------------------------------------


def batch_size() -> int:
    """Return how many records an import writes in one transaction unless told otherwise.

    SQLite has one writer at a time, and an editor's save waits for the whole transaction.
    """
    return 1_000 if is_postgresql() else 200


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
                "WITH sequence AS MATERIALIZED "
                "(SELECT pg_get_serial_sequence(%s, 'id')::regclass AS id) "
                "SELECT nextval(sequence.id) FROM sequence, generate_series(1, %s)",
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


def insert_selected(
    model: type[models.Model], fields: Sequence[str], rows: models.QuerySet[Any, Any]
) -> int:
    """Insert what a query of `fields`, in their order, finds; return how many rows.

    One statement, none for a query that cannot find anything. The rows never leave the database, so
    their number costs neither memory nor the way.
    """
    quote = connection.ops.quote_name
    names = ", ".join(quote(_field(model, name).column) for name in fields)
    try:
        statement, parameters = rows.query.sql_with_params()
    except EmptyResultSet:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {quote(model._meta.db_table)} ({names}) {statement}",
            parameters,
        )
        return cursor.rowcount


def insert_missing(
    model: type[models.Model],
    fields: Sequence[str],
    rows: Sequence[Sequence[str | int]],
    **constants: str,
) -> None:
    """Insert rows of texts and keys, leaving out those that a unique constraint knows already.

    `constants` are columns with the same text in every row. At most one statement, with one
    parameter however many the rows are. A row that another transaction inserts meanwhile is
    waited for.
    """
    if not rows:
        return
    quote = connection.ops.quote_name
    columns = [_field(model, name) for name in fields]
    names = [quote(column.column) for column in columns]
    names += [quote(_field(model, name).column) for name in constants]
    rows_of, item = (
        ("json_array_elements(%s::json)", "(value ->> {})::{}")
        if is_postgresql()
        else ("json_each(%s)", "json_extract(value, '$[{}]')")
    )
    values = [
        *(item.format(at, column.db_type(connection)) for at, column in enumerate(columns)),
        *(["%s"] * len(constants)),
    ]
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {quote(model._meta.db_table)} ({', '.join(names)}) "  # noqa: S608
            f"SELECT {', '.join(values)} FROM {rows_of} WHERE true "
            "ON CONFLICT DO NOTHING",
            [*constants.values(), _json(rows)],
        )


def primary_keys(
    model: type[models.Model], field: str, values: Sequence[str]
) -> list[tuple[str, int]]:
    """Return (value, primary key) of the rows whose unique text is one of these.

    At most one statement, with one parameter however many the values are.
    """
    if not values:
        return []
    quote = connection.ops.quote_name
    column = quote(_field(model, field).column)
    wanted = (
        "= ANY(ARRAY(SELECT json_array_elements_text(%s::json)))"
        if is_postgresql()
        else "IN (SELECT value FROM json_each(%s))"
    )
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {column}, {quote(_field(model, 'pk').column)} "  # noqa: S608
            f"FROM {quote(model._meta.db_table)} WHERE {column} {wanted}",
            [_json(values)],
        )
        return cursor.fetchall()


def rows_by_text(
    model: type[models.Model],
    fields: Sequence[str],
    *,
    within: tuple[str, int],
    field: str,
    values: Sequence[str],
) -> list[tuple[Any, ...]]:
    """Return the values of `fields` of rows with a text of `values`, within one other row's.

    For a unique index on (`within`, `field`), which is walked once a value whatever the planner
    believes of the table: while an import fills it, its statistics are those of an empty one, and a
    list of values would be searched for in the whole table. One statement with two parameters.
    """
    if not values:
        return []
    quote = connection.ops.quote_name
    table = quote(model._meta.db_table)
    listed = ", ".join(f"found.{quote(_field(model, name).column)}" for name in fields)
    scope, wanted = quote(_field(model, within[0]).column), quote(_field(model, field).column)
    statement = (
        f"SELECT {listed} FROM json_array_elements_text(%s::json) AS given(value) "  # noqa: S608
        f"JOIN LATERAL (SELECT * FROM {table} WHERE {scope} = %s AND {wanted} = given.value "
        "LIMIT 1) AS found ON true"
        if is_postgresql()
        else f"SELECT {listed} FROM json_each(%s) AS given "  # noqa: S608
        f"CROSS JOIN {table} AS found ON found.{scope} = %s AND found.{wanted} = given.value"
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, [_json(values), within[1]])
        return cursor.fetchall()


def delete_rows(model: type[models.Model], keys: Sequence[int]) -> None:
    """Delete rows by primary key, without looking at what refers to them. At most one statement."""
    if not keys:
        return
    quote = connection.ops.quote_name
    wanted = (
        "= ANY(ARRAY(SELECT json_array_elements_text(%s::json)::bigint))"
        if is_postgresql()
        else "IN (SELECT value FROM json_each(%s))"
    )
    with connection.cursor() as cursor:
        cursor.execute(
            f"DELETE FROM {quote(model._meta.db_table)} "  # noqa: S608
            f"WHERE {quote(_field(model, 'pk').column)} {wanted}",
            [_json(keys)],
        )


def update_rows(
    model: type[models.Model], key: str, fields: Sequence[str], rows: Sequence[Sequence[Any]]
) -> None:
    """Update rows by key; each row is the key's value and then the values of `fields`.

    At most one statement. PostgreSQL takes the rows as one parameter, so that nothing is created
    in its catalogue for a batch; JSON columns come as their encoded text on both databases.
    """
    if not rows:
        return
    quote = connection.ops.quote_name
    table = quote(model._meta.db_table)
    columns = [_field(model, name) for name in (key, *fields)]
    columns_of = [column.column for column in columns]
    names = [quote(name) for name in columns_of]
    with connection.cursor() as cursor:
        if is_postgresql():
            types = [
                "text" if isinstance(column, models.JSONField) else column.db_type(connection)
                for column in columns
            ]
            listed = ", ".join(f"{n} {kind}" for n, kind in zip(names, types, strict=True))
            assigned = ", ".join(
                f"{name} = changed.{name}{'::jsonb' * isinstance(column, models.JSONField)}"
                for name, column in zip(names[1:], columns[1:], strict=True)
            )
            cursor.execute(
                f"UPDATE {table} SET {assigned} "  # noqa: S608
                f"FROM json_to_recordset(%s::json) AS changed ({listed}) "
                f"WHERE {table}.{names[0]} = changed.{names[0]}",
                [_json([dict(zip(columns_of, row, strict=True)) for row in rows])],
            )
            return
        assigned = ", ".join(f"{name} = %s" for name in names[1:])
        cursor.executemany(
            f"UPDATE {table} SET {assigned} WHERE {names[0]} = %s",  # noqa: S608
            [[*row[1:], row[0]] for row in _encoded(rows, columns)],
        )


def _json(value: Any) -> str:
    """Return many rows as the one parameter of a statement; times in ISO 8601."""
    return msgspec.json.encode(value).decode()


def _field(model: type[models.Model], name: str) -> Any:
    if name == "pk":
        return model._meta.pk
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


def distinct_values(model: type[models.Model], field: str) -> list[int]:
    """Return the different positive whole numbers of an indexed column, in order.

    One statement that steps from each to the next by the index: its cost grows with how many
    there are, not with the rows. The index may leave out what is not positive.
    """
    quote = connection.ops.quote_name
    table, column = quote(model._meta.db_table), quote(_field(model, field).column)
    least = f"SELECT MIN({column}) FROM {table} WHERE {column} > 0"  # noqa: S608
    with connection.cursor() as cursor:
        cursor.execute(
            f"WITH RECURSIVE steps(value) AS ({least} UNION ALL "  # noqa: S608
            f"SELECT ({least} AND {column} > steps.value) FROM steps "
            "WHERE steps.value IS NOT NULL) "
            "SELECT value FROM steps WHERE value IS NOT NULL"
        )
        return [row[0] for row in cursor.fetchall()]


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
    check `posts.E001` fails when they are missing. With `again`, for every migration but the
    first, the way back installs them too: put one before and one behind the changes. A table that
    a later migration makes is left to that one.
    """

    reversible = True
    reduces_to_sql = False

    def __init__(self, *, again: bool = False) -> None:
        self.again = again

    def state_forwards(self, app_label: str, state: Any) -> None:
        """Change no model."""

    def database_forwards(self, app_label: str, schema_editor: Any, *states: Any) -> None:
        for table in _immutable_tables_there_are():
            for statement in _trigger_statements(table):
                schema_editor.execute(statement)

    def database_backwards(self, app_label: str, schema_editor: Any, *states: Any) -> None:
        if self.again:
            self.database_forwards(app_label, schema_editor, *states)
            return
        for table in _immutable_tables_there_are():
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


def _immutable_tables_there_are() -> list[str]:
    there_are = set(connection.introspection.table_names())
    return [table for table in IMMUTABLE_TABLES if table in there_are]


def has_table(name: str) -> bool:
    """Say whether a table exists: before the first migration it does not. One query."""
    return name in connection.introspection.table_names()


def missing_triggers() -> list[str]:
    """Return the names of the triggers that should exist and do not. Two queries.

    A table that is not there yet needs none: before its migration nothing is in it.
    """
    wanted = {
        _trigger_name(table, verb)
        for table in _immutable_tables_there_are()
        for verb in ("update", "delete")
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


#: Rows of an index that SQLite looks at, so that nobody waits long for its lock; the upper end of
#: what https://www.sqlite.org/pragma.html#pragma_analysis_limit recommends.
ANALYSIS_LIMIT = 1_000


def refresh_planner_statistics(tables: Sequence[type[models.Model]]) -> None:
    """Tell the planner about many new rows; background jobs of the server may not have yet.

    On SQLite in a transaction of its own: without one the statement reads first, and a save in
    between ends it at once with "database is locked", whatever time the connection may wait.
    """
    if is_postgresql():
        with connection.cursor() as cursor:
            for model in tables:
                cursor.execute(f"ANALYZE {connection.ops.quote_name(model._meta.db_table)}")
    else:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"PRAGMA analysis_limit = {ANALYSIS_LIMIT}")
            cursor.execute("PRAGMA optimize")


# --- Sitemap ----------------------------------------------------------------------------------


def newest_by_shard(ids: int, now: dt.datetime) -> list[tuple[int, dt.datetime]]:
    """Return the shards of `ids` ids that hold a listed post, each with its newest change.

    A post that left is a change of its shard. One statement that steps from shard to shard by the
    index `post_sitemap` and takes the newest of each from it and from `departure_shard`: its cost
    grows with the shards, not with the posts.
    """
    sql, parameters = newest_by_shard_statement(ids, now)
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        rows = cursor.fetchall()
    if is_postgresql():
        return rows
    return [(n, dt.datetime.fromisoformat(at).replace(tzinfo=dt.UTC)) for n, at in rows]


def newest_by_shard_statement(ids: int, now: dt.datetime) -> tuple[str, list[Any]]:
    """Return the statement of `newest_by_shard` and its parameters, for it and its plan test.

    `now` bounds the gate as `querysets.indexable` does.
    """
    moment: Any = now if is_postgresql() else _sqlite_time(now)
    shard = f"(id / {int(ids)})"
    latest = "GREATEST" if is_postgresql() else "MAX"
    modified = f"{latest}(changed_at, listed_at)"
    # The plus keeps SQLite from walking all that is listed in search of one shard.
    due = "listed_at" if is_postgresql() else "+listed_at"
    # In words of the index: an aggregate would be answered by a scan of what is left of it.
    first = (
        f"SELECT {shard} FROM posts_post WHERE listed_at IS NOT NULL "  # noqa: S608 (constants)
        f"ORDER BY {shard} LIMIT 1"
    )
    following = (
        f"SELECT {shard} FROM posts_post WHERE listed_at IS NOT NULL "  # noqa: S608 (constants)
        f"AND {shard} > shards.number ORDER BY {shard} LIMIT 1"
    )
    newest = (
        f"SELECT {modified} FROM posts_post WHERE listed_at IS NOT NULL "  # noqa: S608 (constants)
        f"AND {shard} = shards.number AND {due} <= %s "
        f"AND (archive_at IS NULL OR archive_at > %s) ORDER BY {modified} DESC LIMIT 1"
    )
    left = (
        f"SELECT left_at FROM posts_departure WHERE (post_number / {int(ids)}) = shards.number "  # noqa: S608 (constants)
        "AND left_at <= %s ORDER BY left_at DESC LIMIT 1"
    )
    # A shard whose posts are all due later, or over, has no moment.
    statement = (
        f"WITH RECURSIVE shards(number) AS (SELECT ({first}) UNION ALL "  # noqa: S608 (constants)
        f"SELECT ({following}) FROM shards WHERE number IS NOT NULL) "
        f"SELECT number, {latest}(at, COALESCE(left_at, at)) FROM ("
        f"SELECT number, ({newest}) AS at, ({left}) AS left_at FROM shards "
        "WHERE number IS NOT NULL) AS dated WHERE at IS NOT NULL"
    )
    return statement, [moment, moment, moment]


# --- Similar posts ----------------------------------------------------------------------------


def similar_candidates(
    *,
    post_id: int,
    rarest: Sequence[tuple[str, int]],
    tag_bits: Mapping[int, int],
    entity_bits: Mapping[int, int],
    newest: int,
    now: dt.datetime,
) -> list[tuple[int, int, int, dt.datetime, str]]:
    """Return posts that share one of `rarest`, the `newest` of each, with what they share.

    `rarest` holds ("tag" or "entity", id); the bits say which feature a tag or entity stands for.
    Rows: id, bits by tags, bits by entities, listed_at, difficulty. One statement of at most
    `len(rarest) * newest` posts: it walks the partial indexes by listed_at, then looks up each
    candidate by its key. Both databases run the same.
    """
    sql, parameters = similar_statement(
        post_id=post_id,
        rarest=rarest,
        tag_bits=tag_bits,
        entity_bits=entity_bits,
        newest=newest,
        now=now,
    )
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        rows = cursor.fetchall()
    if is_postgresql():
        return rows
    return [(*row[:3], row[3].replace(tzinfo=dt.UTC), row[4]) for row in rows]


def similar_statement(
    *,
    post_id: int,
    rarest: Sequence[tuple[str, int]],
    tag_bits: Mapping[int, int],
    entity_bits: Mapping[int, int],
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
        f"SELECT p.id, {shared[0]}, {shared[1]}, p.listed_at, p.difficulty "
        f"FROM candidate c {lookup} "
        "WHERE p.id <> %s AND p.listed_at IS NOT NULL"
    )
    return statement, [*parameters, *shared_parameters, post_id]
