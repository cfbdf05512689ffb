"""The walk behind a filtered archive: one statement whose work is bounded, on both databases.

The newest of the rarest tag (or of all posts) are read from its index, so many and no more, and
each is tested for the rest by its keys. What lies further down is the next page's business.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any, NamedTuple

from django.db import connection

from posts import db


class Step(NamedTuple):
    """A post that matches, where it stands, and what facets count of it."""

    pk: int
    listed_at: dt.datetime
    difficulty: str


class Walked(NamedTuple):
    """Matches in order, and where the walk stopped before it had found enough, if it did."""

    steps: list[Step]
    stopped_at: tuple[dt.datetime, int] | None


def walk(
    *,
    tags: Sequence[int],
    difficulty: str,
    start: dt.datetime | None,
    end: dt.datetime | None,
    behind: tuple[dt.datetime, int] | None,
    is_rising: bool,
    now: dt.datetime,
    find: int,
    look_at: int,
) -> Walked:
    """Return up to `find` listed posts with all of `tags` (the rarest first) and a difficulty.

    They stand behind a place, newest first, or oldest first with `is_rising`. At most `look_at`
    rows of the index are read. One statement; another one when it stopped early.
    """
    sql, parameters, walked, its_parameters = walk_statement(
        tags=tags,
        difficulty=difficulty,
        start=start,
        end=end,
        behind=behind,
        is_rising=is_rising,
        now=now,
        find=find,
        look_at=look_at,
    )
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        steps = [Step(row[0], _time(row[1]), row[2]) for row in cursor.fetchall()]
        if len(steps) == find:
            return Walked(steps, None)
        cursor.execute(f"{walked} OFFSET {look_at - 1}", its_parameters)
        last = cursor.fetchone()
    return Walked(steps, (_time(last[1]), last[0]) if last else None)


def walk_statement(
    *,
    tags: Sequence[int],
    difficulty: str,
    start: dt.datetime | None,
    end: dt.datetime | None,
    behind: tuple[dt.datetime, int] | None,
    is_rising: bool,
    now: dt.datetime,
    find: int,
    look_at: int,
) -> tuple[str, list[Any], str, list[Any]]:
    """Return the statement of `walk` and its parameters, and those of the bare index walk."""
    table, key = ("posts_posttag", "post_id") if tags else ("posts_post", "id")
    conditions = ["listed_at IS NOT NULL", "listed_at <= %s"]
    parameters: list[Any] = [_moment(now)]
    if tags:
        conditions.insert(0, "tag_id = %s")
        parameters.insert(0, tags[0])
    if start is not None:
        conditions.append("listed_at >= %s")
        parameters.append(_moment(start))
    if end is not None:
        conditions.append("listed_at < %s")
        parameters.append(_moment(end))
    if behind is not None:
        conditions.append(f"(listed_at, {key}) {'>' if is_rising else '<'} (%s, %s)")
        parameters += [_moment(behind[0]), behind[1]]
    order = "ASC" if is_rising else "DESC"
    walked = (
        f"SELECT {key} AS post_id, listed_at FROM {table} "  # noqa: S608 (names are constants)
        f"WHERE {' AND '.join(conditions)} ORDER BY listed_at {order}, {key} {order} LIMIT "
    )
    tests = ["p.listed_at IS NOT NULL", "(p.archive_at IS NULL OR p.archive_at > %s)"]
    tested: list[Any] = [_moment(now)]
    if difficulty:
        tests.append("p.difficulty = %s")
        tested.append(difficulty)
    for tag in tags[1:]:
        # A scalar subquery is answered by the unique index on (post, tag) for each row; a join
        # would let the planner read all posts of a common tag.
        tests.append(
            "(SELECT 1 FROM posts_posttag t WHERE t.post_id = w.post_id AND t.tag_id = %s) = 1"
        )
        tested.append(tag)
    # OFFSET 0 keeps PostgreSQL from joining by a scan of all posts; SQLite looks up by key anyway.
    lookup = (
        "JOIN LATERAL (SELECT * FROM posts_post WHERE id = w.post_id OFFSET 0) p ON true"
        if db.is_postgresql()
        else "CROSS JOIN posts_post p ON p.id = w.post_id"
    )
    statement = (
        f"WITH walked AS MATERIALIZED ({walked}{int(look_at)}) "  # noqa: S608
        f"SELECT w.post_id, w.listed_at, p.difficulty FROM walked w {lookup} "
        f"WHERE {' AND '.join(tests)} "
        f"ORDER BY w.listed_at {order}, w.post_id {order} LIMIT {int(find)}"
    )
    return statement, parameters + tested, f"{walked}1", parameters


def _moment(moment: dt.datetime) -> Any:
    # Django's own spelling of a time on SQLite: naive UTC, so that text order is time order.
    return moment if db.is_postgresql() else str(moment.astimezone(dt.UTC).replace(tzinfo=None))


def _time(value: Any) -> dt.datetime:
    return value if value.tzinfo else value.replace(tzinfo=dt.UTC)
