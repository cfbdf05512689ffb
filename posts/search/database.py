"""The index of search on both databases, side by side: its tables, writing, and candidates.

PostgreSQL: a column `vector` (tsvector) of posts_searchentry with a GIN index. SQLite: the FTS5
table `posts_searchindex`, whose row number is an entry's place. Both hold the tokens of
`posts.search.words` as they are. In: entries, and what is wanted. Out: the newest posts that match.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal, NamedTuple

from django.db import connection, models, transaction
from django.db.migrations.operations.base import Operation

from posts import db
from posts.models import Post, SearchEntry

#: Bits of a place that hold the post's number; the others are seconds since 1970.
POST_BITS = 30

#: Where words are looked for: the title; also topic, tags, entities and headings; everywhere.
Field = Literal["title", "head", "any"]

#: What marks the tokens of a field, and facts. No word holds such a character. A field has tokens
#: of its own, so that a word common in texts and rare in titles is rare when looked for there.
_MARK = {"any": "", "head": "~", "title": "="}
_FACT = "#"
#: Stands between two fields in SQLite's index.
_GAP = "="
#: A fact that every entry has, so that a query may consist of exclusions alone.
EVERY = "every"

#: Positions of a vector that PostgreSQL takes; words beyond are not found.
POSITIONS_MAX = 16_000
_POSITIONS = [str(position) for position in range(1, POSITIONS_MAX + 1)]
#: Words of topic, tags, entities and headings: they stand in a vector twice, which has a limit too.
HEAD_MAX = 2_000

#: Newest entries looked at to learn how common a query is.
SAMPLE = 100
#: What reading one entry's vector costs, in times of what sorting one match of the index costs.
READING = 12
#: Notes with all words of a phrase, newest first, in which the phrase itself is looked for.
PHRASE_LOOKS = 2_000


class Entry(NamedTuple):
    """A post's entry: columns of `SearchEntry`, and its tokens by field; `facts` are `fact`s."""

    post_id: int
    revision: int
    place: int
    tags: str
    title: Sequence[str]
    head: Sequence[str]
    body: Sequence[str]
    facts: Sequence[str]


class Wanted(NamedTuple):
    """What posts must hold and must not: phrases of stems, and facts; places in a half-open range.

    Of `one_of`, when there are any, at least one stem. A place of None is no limit.
    """

    phrases: tuple[tuple[str, ...], ...] = ()
    one_of: tuple[str, ...] = ()
    no_phrases: tuple[tuple[str, ...], ...] = ()
    facts: tuple[str, ...] = ()
    no_facts: tuple[str, ...] = ()
    since: int | None = None
    until: int | None = None


class Candidate(NamedTuple):
    """A post that matches and is behind no gate."""

    post_id: int
    place: int
    title_words: int
    tags: str
    difficulty: str


def place(moment: dt.datetime, post_id: int = 0) -> int:
    """Return the place of a post published at a moment: later ones higher, then newer posts."""
    return (math.floor(moment.timestamp()) << POST_BITS) + post_id % (1 << POST_BITS)


def year_of(place: int) -> int:
    return dt.datetime.fromtimestamp(place >> POST_BITS, dt.UTC).year


def fact(kind: str, value: object) -> str:
    """Return the token of a fact, such as a tag's number; letters and digits only."""
    return f"{kind}{value}"


# --- Tables -----------------------------------------------------------------------------------

_POSTGRESQL = (
    "ALTER TABLE posts_searchentry ADD COLUMN IF NOT EXISTS vector tsvector NOT NULL",
    # Read whole, often: not compressed, and beside the row, which the walks by date read.
    "ALTER TABLE posts_searchentry ALTER COLUMN vector SET STORAGE EXTERNAL",
    # A short list of what is not sorted in yet: every search reads it from end to end.
    "CREATE INDEX IF NOT EXISTS search_vector ON posts_searchentry USING gin (vector) "
    "WITH (gin_pending_list_limit = 1024)",
    # Statistics of words would only mislead: `candidates` says itself which way to go.
    "ALTER TABLE posts_searchentry ALTER COLUMN vector SET STATISTICS 0",
    'ALTER TABLE posts_searchword ALTER COLUMN word TYPE varchar(40) COLLATE "C"',
)
_SQLITE = (
    "CREATE VIRTUAL TABLE IF NOT EXISTS posts_searchindex "
    "USING fts5(tokens, tokenize = \"ascii tokenchars '=~#'\")",
    "CREATE TRIGGER IF NOT EXISTS posts_searchentry_leaves AFTER DELETE ON posts_searchentry "
    "BEGIN DELETE FROM posts_searchindex WHERE rowid = old.place; END",
)
_SQLITE_BACK = (
    "DROP TRIGGER IF EXISTS posts_searchentry_leaves",
    "DROP TABLE IF EXISTS posts_searchindex",
)


class InstallSearch(Operation):
    """Make the index beside the tables of the models; the way back drops it.

    To be repeated, with `again`, behind a later change of posts_searchentry: SQLite makes a changed
    table anew and silently drops its trigger. Both ways of that one only make what is missing.
    """

    reversible = True
    reduces_to_sql = False

    def __init__(self, *, again: bool = False) -> None:
        self.again = again

    def state_forwards(self, app_label: str, state: Any) -> None:
        """Change no model."""

    def database_forwards(self, app_label: str, schema_editor: Any, *states: Any) -> None:
        for statement in _POSTGRESQL if db.is_postgresql() else _SQLITE:
            schema_editor.execute(statement)

    def database_backwards(self, app_label: str, schema_editor: Any, *states: Any) -> None:
        if self.again:
            self.database_forwards(app_label, schema_editor, *states)
        elif not db.is_postgresql():
            for statement in _SQLITE_BACK:
                schema_editor.execute(statement)

    def describe(self) -> str:
        return "Make the full-text index"


# --- Writing ----------------------------------------------------------------------------------

_ENTRY_COLUMNS = "post_id, revision, place, title_words, tags, version"


def insert(entries: Sequence[Entry], *, version: int) -> None:
    """Insert entries of posts that have none. One statement on PostgreSQL, two on SQLite.

    In the order of places: FTS5 would write its buffer out at each step back.
    """
    entries = sorted(entries, key=lambda entry: entry.place)
    rows = [
        (one.post_id, one.revision, one.place, min(len(one.title), 30_000), one.tags, version)
        for one in entries
    ]
    with connection.cursor() as cursor:
        if db.is_postgresql():
            with (
                connection.wrap_database_errors,
                cursor.copy(
                    f"COPY posts_searchentry ({_ENTRY_COLUMNS}, vector) FROM STDIN"
                ) as copy,
            ):
                for row, one in zip(rows, entries, strict=True):
                    copy.write_row((*row, _vector(one)))
            return
        cursor.executemany(
            f"INSERT INTO posts_searchentry ({_ENTRY_COLUMNS}) "  # noqa: S608 (constants)
            "VALUES (%s, %s, %s, %s, %s, %s)",
            rows,
        )
        cursor.executemany(
            "INSERT OR REPLACE INTO posts_searchindex (rowid, tokens) VALUES (%s, %s)",
            [(one.place, _tokens(one)) for one in entries],
        )


def _tokens(entry: Entry) -> str:
    """Return an entry's tokens as FTS5 takes them, field after field."""
    head, body = entry.head[:HEAD_MAX], entry.body[:POSITIONS_MAX]
    fields = (
        [_FACT + one for one in (EVERY, *entry.facts)],
        [_MARK["title"] + token for token in entry.title],
        [_MARK["head"] + token for token in entry.title],
        [_MARK["head"] + token for token in head],
        entry.title,
        head,
        body,
    )
    return f" {_GAP} ".join(" ".join(field) for field in fields)


def _vector(entry: Entry) -> str:
    """Return an entry's tokens as a tsvector is written: `'token':1,7`.

    A position apart from one field to the next, so that no phrase spans two.
    """
    parts = [f"'{_FACT}{one}'" for one in (EVERY, *entry.facts)]
    by_field: list[dict[str, str]] = []
    at = 0
    for tokens in (entry.title, entry.head[:HEAD_MAX], entry.body):
        positions: dict[str, str] = {}
        for token, position in zip(tokens, _POSITIONS[at : at + len(tokens)], strict=False):
            positions[token] = f"{positions[token]},{position}" if token in positions else position
        by_field.append(positions)
        at += len(tokens) + 1
    for mark, fields in (("=", by_field[:1]), ("~", by_field[:2]), ("", by_field)):
        merged: dict[str, str] = {}
        for positions in fields:
            for token, places in positions.items():
                merged[token] = f"{merged[token]},{places}" if token in merged else places
        parts += [f"'{mark}{token}':{places}" for token, places in merged.items()]
    return " ".join(parts)


def settle() -> None:
    """Sort in what many insertions left unsorted, and tell the planner. After a rebuild."""
    with connection.cursor() as cursor:
        if db.is_postgresql():
            cursor.execute("SELECT gin_clean_pending_list('search_vector')")
        else:
            # Merges some of the pieces that many transactions left; bounded work.
            cursor.execute(
                "INSERT INTO posts_searchindex (posts_searchindex, rank) VALUES ('merge', 500)"
            )
    db.refresh_planner_statistics([SearchEntry])


# --- Candidates -------------------------------------------------------------------------------


def candidates(
    wanted: Wanted, *, fields: Sequence[Field], limit: int, now: dt.datetime
) -> list[list[Candidate]]:
    """Return for each field the newest posts, at most `limit`, that hold there what is wanted.

    Joined with the gate: an entry is no right to be found. Work is bounded by `limit` where a
    query is common, and by its matches where it is rare. One to three statements a field.
    """
    until = place(now + dt.timedelta(seconds=1))
    wanted = wanted._replace(until=until if wanted.until is None else min(wanted.until, until))
    find = _on_postgresql if db.is_postgresql() else _on_sqlite
    return find(wanted, fields, limit, now)


_FOUND = "e.post_id, e.place, e.title_words, e.tags, posts_post.difficulty"


def _gate(now: dt.datetime) -> tuple[str, list[Any]]:
    """Return the one spelling of the gate, as the condition of a statement on posts_post."""
    compiler = Post.objects.indexable(now).query.get_compiler(connection=connection)
    sql, parameters = compiler.compile(compiler.query.where)
    return f"{sql} AND posts_post.live_revision_id = e.revision", list(parameters)


def _range(column: str, wanted: Wanted) -> tuple[str, list[Any]]:
    parts, parameters = [f"{column} < %s"], [wanted.until]
    if wanted.since is not None:
        parts.append(f"{column} >= %s")
        parameters.append(wanted.since)
    return " AND ".join(parts), parameters


def _on_sqlite(
    wanted: Wanted, fields: Sequence[Field], limit: int, now: dt.datetime
) -> list[list[Candidate]]:
    gate, gate_parameters = _gate(now)
    within, range_parameters = _range("s.rowid", wanted)
    # CROSS JOIN is how SQLite is told the order: the index hands out the newest match first.
    statement = (
        f"SELECT {_FOUND} FROM posts_searchindex s "  # noqa: S608 (constants)
        "CROSS JOIN posts_searchentry e ON e.place = s.rowid "
        "CROSS JOIN posts_post ON posts_post.id = e.post_id "
        f"WHERE posts_searchindex MATCH %s AND {within} AND {gate} "
        "ORDER BY s.rowid DESC LIMIT %s"
    )
    found = []
    with connection.cursor() as cursor:
        for field in fields:
            cursor.execute(
                statement,
                [match_of(wanted, field), *range_parameters, *gate_parameters, limit],
            )
            found.append([Candidate._make(row) for row in cursor.fetchall()])
    return found


def match_of(wanted: Wanted, field: Field) -> str:
    """Return what is wanted in the words of FTS5; every token in quotes, so nothing is syntax."""
    mark = _MARK[field]
    parts = [_quoted(mark + token for token in phrase) for phrase in wanted.phrases]
    if wanted.one_of:
        parts.append(" OR ".join(_quoted([mark + one]) for one in wanted.one_of).join("()"))
    parts += [_quoted([_FACT + one]) for one in wanted.facts]
    text = " AND ".join(parts) or _quoted([_FACT + EVERY])
    unwanted = [_quoted(phrase) for phrase in wanted.no_phrases]
    unwanted += [_quoted([_FACT + one]) for one in wanted.no_facts]
    return f"({text}) NOT ({' OR '.join(unwanted)})" if unwanted else text


def _quoted(tokens: Iterable[str]) -> str:
    return f'"{" ".join(tokens)}"'


def tsquery_of(wanted: Wanted, field: Field, *, is_exact: bool = True) -> str:
    """Return what is wanted as a tsquery is written.

    Not `is_exact`: phrases as the words they consist of, which an index answers without reading
    a vector; it finds all that match, and more.
    """
    between = " <-> " if is_exact else " & "
    mark = _MARK[field]
    parts = [
        between.join(f"'{mark}{token}'" for token in phrase).join("()") for phrase in wanted.phrases
    ]
    if wanted.one_of:
        parts.append(" | ".join(f"'{mark}{one}'" for one in wanted.one_of).join("()"))
    parts += [f"'{_FACT}{one}'" for one in wanted.facts]
    parts = parts or [f"'{_FACT}{EVERY}'"]
    parts += [
        " <-> ".join(f"'{token}'" for token in phrase).join(("!(", ")"))
        for phrase in wanted.no_phrases
        if is_exact or len(phrase) == 1
    ]
    parts += [f"!'{_FACT}{one}'" for one in wanted.no_facts]
    return " & ".join(parts)


@contextmanager
def _by_index() -> Iterator[Any]:
    """Give a cursor whose statements use indexes.

    PostgreSQL does not know what reading a vector costs, and would rather read all of them; it
    would also remember every post it has looked up, though none comes twice.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT set_config(name, 'off', true) "
            "FROM unnest(ARRAY['enable_seqscan', 'enable_memoize', 'jit']) AS name"
        )
        yield cursor
        cursor.execute("SET LOCAL enable_seqscan = on")


def _on_postgresql(
    wanted: Wanted, fields: Sequence[Field], limit: int, now: dt.datetime
) -> list[list[Candidate]]:
    with _by_index() as cursor:
        shares, size = _sample(cursor, wanted, fields)
        found = []
        for field, share in zip(fields, shares, strict=True):
            rows: list[tuple[Any, ...]] | None = None
            # A walk reads limit / share vectors; the index sorts share * size matches.
            if share * share * size >= limit * READING:
                rows = _walked(cursor, wanted, field, limit, round(limit / share * 1.5), now)
            if rows is None:
                most = limit * 2 if share * size >= limit * 4 else None
                rows = _looked_up(cursor, wanted, field, limit, now, most=most)
            found.append([Candidate._make(row) for row in rows])
    return found


def _sample(cursor: Any, wanted: Wanted, fields: Sequence[Field]) -> tuple[list[float], float]:
    """Return which share of the newest entries match, by field, and about how many there are."""
    within, parameters = _range("place", wanted)
    counts = ", ".join("count(*) FILTER (WHERE ts_match_vq(vector, %s::tsquery))" for _ in fields)
    cursor.execute(
        # Some 100 bytes a row, where nobody has counted yet.
        "SELECT (SELECT greatest(reltuples, pg_relation_size(oid) / 100) FROM pg_class "  # noqa: S608
        "WHERE oid = 'posts_searchentry'::regclass), count(*), "
        f"{counts} FROM (SELECT vector FROM posts_searchentry WHERE {within} "
        "ORDER BY place DESC LIMIT %s) AS newest",
        [*(tsquery_of(wanted, field) for field in fields), *parameters, SAMPLE],
    )
    size, seen, *matches = cursor.fetchone()
    return [match / (seen or 1) for match in matches], size


def _walked(
    cursor: Any, wanted: Wanted, field: Field, limit: int, window: int, now: dt.datetime
) -> list[tuple[Any, ...]] | None:
    """Return matches among the newest `window` entries, or None when they are too few to stop."""
    gate, gate_parameters = _gate(now)
    within, parameters = _range("place", wanted)
    cursor.execute(
        # The function instead of the operator: no index answers it, the order by place does.
        f"SELECT {_FOUND} FROM (SELECT * FROM posts_searchentry WHERE {within} "  # noqa: S608
        "ORDER BY place DESC LIMIT %s) AS e "
        "JOIN LATERAL (SELECT * FROM posts_post WHERE id = e.post_id OFFSET 0) AS posts_post "
        f"ON {gate} WHERE ts_match_vq(e.vector, %s::tsquery) ORDER BY e.place DESC LIMIT %s",
        [*parameters, window, *gate_parameters, tsquery_of(wanted, field), limit],
    )
    rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows if len(rows) >= limit else None


def _looked_up(
    cursor: Any,
    wanted: Wanted,
    field: Field,
    limit: int,
    now: dt.datetime,
    *,
    most: int | None,
) -> list[tuple[Any, ...]]:
    """Return matches by the index on words, sorted by place.

    Of a common word `most` are looked at first, for nearly all that have an entry are listed; all
    of them when that is not enough.
    """
    gate, gate_parameters = _gate(now)
    within, parameters = _range("place", wanted)
    is_exact = all(len(phrase) == 1 for phrase in wanted.phrases + wanted.no_phrases)
    looks, check = (
        (most, "true") if is_exact else (PHRASE_LOOKS, "ts_match_vq(e.vector, %s::tsquery)")
    )
    cursor.execute(
        # Each OFFSET 0 keeps the planner from another way.
        f"SELECT {_FOUND} FROM (SELECT place FROM (SELECT place FROM posts_searchentry "  # noqa: S608
        f"WHERE vector @@ %s::tsquery AND {within} OFFSET 0) AS found "
        "ORDER BY place DESC LIMIT %s) AS newest "
        "JOIN LATERAL (SELECT * FROM posts_searchentry WHERE place = newest.place OFFSET 0) "
        f"AS e ON {check} "
        "JOIN LATERAL (SELECT * FROM posts_post WHERE id = e.post_id OFFSET 0) AS posts_post "
        f"ON {gate} ORDER BY newest.place DESC LIMIT %s",
        [
            tsquery_of(wanted, field, is_exact=False),
            *parameters,
            looks,
            *(() if is_exact else (tsquery_of(wanted, field),)),
            *gate_parameters,
            limit,
        ],
    )
    rows: list[tuple[Any, ...]] = cursor.fetchall()
    if is_exact and most is not None and len(rows) < limit:
        return _looked_up(cursor, wanted, field, limit, now, most=None)
    return rows


# --- Words ------------------------------------------------------------------------------------


def beginning_with(model: type[models.Model], field: str, prefix: str, *, limit: int) -> list[str]:
    """Return texts of a unique column that begin with a prefix, in the order of their bytes.

    One statement, which reads `limit` entries of an index. PostgreSQL compares by bytes whatever
    the locale of the server, as the index that Django makes for such look-ups does.
    """
    quote = connection.ops.quote_name
    column, table = quote(field), quote(model._meta.db_table)
    least, less = ("~>=~", "~<~") if db.is_postgresql() else (">=", "<")
    order = f"{column} USING ~<~" if db.is_postgresql() else column
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {column} FROM {table} WHERE {column} {least} %s AND {column} {less} %s "  # noqa: S608
            f"ORDER BY {order} LIMIT %s",
            [prefix, prefix + "\U0010ffff", limit],
        )
        return [row[0] for row in cursor.fetchall()]


def stems_in_use(stems: Iterable[str]) -> set[str]:
    """Return those of these stems that some entry holds, listed or not. For an erasure.

    One statement on SQLite for each; on PostgreSQL one for the common ones and one for each other.
    """
    wanted = set(stems)
    if not db.is_postgresql():
        with connection.cursor() as cursor:
            found = set()
            for one in wanted:
                cursor.execute(
                    "SELECT rowid FROM posts_searchindex WHERE posts_searchindex MATCH %s LIMIT 1",
                    [match_of(Wanted(phrases=((one,),)), "any")],
                )
                if cursor.fetchone():
                    found.add(one)
            return found
    with _by_index() as cursor:
        cursor.execute(
            "SELECT DISTINCT unnest(tsvector_to_array(vector)) FROM (SELECT vector "
            "FROM posts_searchentry ORDER BY place DESC LIMIT %s) AS newest",
            [SAMPLE],
        )
        found = wanted.intersection(row[0] for row in cursor.fetchall())
        for one in wanted - found:
            cursor.execute(
                "SELECT EXISTS (SELECT 1 FROM posts_searchentry WHERE vector @@ %s::tsquery)",
                [tsquery_of(Wanted(phrases=((one,),)), "any")],
            )
            if cursor.fetchone()[0]:
                found.add(one)
        return found
