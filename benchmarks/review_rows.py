"""Fills a PostgreSQL database for the review benchmark: posts, revisions, drafts in the queue.

In: how many of each. Out: rows made by the server itself, so that millions take minutes; the rest
of the benchmark uses the project's own doors on them. Foreign keys are not checked row by row.
"""

from __future__ import annotations

from django.contrib.auth.models import Group, User
from django.db import connection, transaction
from django.utils import timezone

from posts import db
from posts.models import (
    ChainEnd,
    Counter,
    Event,
    ImportedPost,
    ImportRun,
    ImportSource,
    PostTag,
    QueueEntry,
    Revision,
    Tag,
)

#: Revisions of a post that has more than one, so that 1,000,000 posts have 3.5 million.
REVISIONS = 6
STACKS = 8
WORDS_OF_A_BODY = 40


def fill(posts: int, drafts: int) -> User:
    """Make an archive whose newest `drafts` posts wait for review; return a reviewer of it.

    Half of the posts have `REVISIONS` revisions and half have one. All posts but the drafts are
    approved and listed; all came by one import run of one source.
    """
    now = timezone.now()
    source = ImportSource.objects.create(name="bench", created_at=now)
    run = ImportRun.objects.create(
        source=source, fence=1, engine_version="bench", started_at=now, finished_at=now
    )
    reviewer = User.objects.create_user("bench-reviewer", is_staff=True)
    reviewer.groups.add(Group.objects.get(name="reviewer"))
    tags = [
        Tag.objects.create(name=f"stack {n}", slug=f"stack-{n}", kind="stack")
        for n in range(STACKS)
    ]
    body = "word " * WORDS_OF_A_BODY
    with transaction.atomic(), connection.cursor() as cursor:
        # The rows refer to each other, and each is right by the way it is made.
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(
            "INSERT INTO posts_revision (id, post_id, number, digest, title, lede, body, meta, "
            "origin, run_id, comment, created_at) "
            "SELECT (n - 1) * %(each)s + m, n, m, '1:' || md5(n || '-' || m), 'Note number ' || n, "
            "'A lede.', %(body)s, jsonb_build_object('stack', "
            "jsonb_build_array('stack ' || n %% %(stacks)s)), 'import', %(run)s, '', "
            "%(now)s - interval '1 second' * (%(posts)s - n) "
            "FROM generate_series(1, %(posts)s) AS n, "
            "LATERAL generate_series(1, CASE n %% 2 WHEN 0 THEN 1 ELSE %(each)s END) AS m",
            {
                **{"posts": posts, "each": REVISIONS, "body": body, "stacks": STACKS},
                **{"run": run.pk, "now": now},
            },
        )
        cursor.execute(
            "INSERT INTO posts_post (id, title, topic, difficulty, code_language, language, "
            "reference, reading_minutes, slug, visibility, published_at, listed_at, "
            "live_revision_id, proposed_revision_id, approved_revision_id, created_at, changed_at) "
            "SELECT n, 'Note number ' || n, '', (ARRAY['beginner', 'intermediate', 'advanced'])"
            "[1 + n %% 3], '', '', '', 1, 'note-' || n, "
            "CASE WHEN is_draft THEN 'private' ELSE 'published' END, "
            "CASE WHEN is_draft THEN NULL ELSE at END, CASE WHEN is_draft THEN NULL ELSE at END, "
            "live, CASE WHEN is_draft THEN live END, CASE WHEN is_draft THEN NULL ELSE live END, "
            "at, at FROM (SELECT n, n > %(posts)s - %(drafts)s AS is_draft, "
            "(n - 1) * %(each)s + CASE n %% 2 WHEN 0 THEN 1 ELSE %(each)s END AS live, "
            "%(now)s - interval '1 second' * (%(posts)s - n) AS at "
            "FROM generate_series(1, %(posts)s) AS n) AS made",
            {"posts": posts, "drafts": drafts, "each": REVISIONS, "now": now},
        )
        cursor.execute(
            "INSERT INTO posts_importedpost (source_id, key, post_id, base_revision_id, "
            "base_digest, record_digest, statistics_digest, is_tombstone) "
            "SELECT %s, 'key-' || id, id, live_revision_id, '', '', '', false FROM posts_post",
            [source.pk],
        )
        cursor.execute(
            "INSERT INTO posts_posttag (post_id, tag_id, origin, position, listed_at) "
            "SELECT id, %s + id %% %s, 'imported', 0, listed_at FROM posts_post",
            [tags[0].pk, STACKS],
        )
        for table, last in (("posts_post", posts), ("posts_revision", posts * REVISIONS)):
            cursor.execute("SELECT setval(pg_get_serial_sequence(%s, 'id'), %s)", [table, last])
    Counter.objects.update_or_create(name="listed", defaults={"value": posts - drafts})
    fill_queue()
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    return reviewer


def fill_queue() -> None:
    """Make the queue entries of all posts that wait, by the columns the posts have."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(
            "INSERT INTO posts_queueentry (post_id, revision_id, stage, reason, source_id, "
            "run_id, stack_id, difficulty, verified, contradicted, lowest_score, words_added, "
            "words_removed, entered_at, risk, factors, rank) "
            "SELECT p.id, p.proposed_revision_id, 1, 1 + p.id % 3, i.source_id, r.run_id, "
            "t.tag_id, p.difficulty, (p.id % 7)::int, (p.id % 5)::int, (p.id % 101)::int, 40, 0, "
            "r.created_at, (p.id % 11) * 90, 0, "
            "((1000 - (p.id % 11) * 90)::bigint << 48) + p.id "
            "FROM posts_post p JOIN posts_revision r ON r.id = p.proposed_revision_id "
            "JOIN posts_importedpost i ON i.post_id = p.id "
            "JOIN posts_posttag t ON t.post_id = p.id "
            "WHERE p.proposed_revision_id IS NOT NULL "
            "ON CONFLICT DO NOTHING"
        )


def make_all_wait() -> None:
    """Bring every post back to a draft that waits, as an archive is after its first import."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(
            "UPDATE posts_post SET visibility = 'private', published_at = NULL, listed_at = NULL, "
            "approved_revision_id = NULL, proposed_revision_id = live_revision_id "
            "WHERE proposed_revision_id IS NULL"
        )
        cursor.execute("UPDATE posts_posttag SET listed_at = NULL WHERE listed_at IS NOT NULL")
    fill_queue()
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    db.refresh_planner_statistics([ImportedPost, PostTag, QueueEntry, Revision, Event, ChainEnd])
