"""The sitemap: valid, the gate's posts exactly, exact moments, cheap at any size."""

import datetime as dt
import tracemalloc

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from posts import db, review, writing
from posts.importing import erasure
from posts.models import Post
from posts.querysets import SHARD_IDS
from posts.views import sitemaps
from tests.builders import make_post, make_snapshot, make_user
from tests.bulk_archive import fill_archive
from tests.sitemap_rules import check_sitemap

pytestmark = pytest.mark.django_db


def shards(client):
    """Return the (path, moment) of the shards that the index lists."""
    response = client.get("/sitemap.xml")
    assert response.headers["Content-Type"] == "application/xml; charset=utf-8"
    found = check_sitemap(response.content, root="sitemapindex", line="sitemap")
    return [(address.removeprefix("http://127.0.0.1:8000"), moment) for address, moment in found]


def urls(client, path):
    response = client.get(path)
    assert response.status_code == 200, path
    return check_sitemap(response.getvalue(), root="urlset", line="url")


def union(client):
    """Return the address and moment of every post in the sitemap."""
    found = {}
    for path, newest in shards(client):
        listed = dict(urls(client, path))
        assert not set(listed) & set(found), "a post in two shards"
        assert max(listed.values()) <= newest
        found.update(listed)
    return found


def gated():
    """Return the same of what the gate lists, computed row by row."""
    return {
        f"http://127.0.0.1:8000{post.get_absolute_url()}": post.modified_at
        for post in Post.objects.indexable()
    }


@pytest.fixture
def small_shards(monkeypatch):
    """Let a post or two fill a shard. The index of the database knows only the real size."""
    monkeypatch.setattr(sitemaps, "SHARD_IDS", 2)


def test_the_union_of_the_shards_is_what_the_gate_lists(client, small_shards):
    now = timezone.now()
    posts = [make_post(state="listed") for _ in range(5)]
    for state in ("private", "published", "archived"):
        make_post(state=state)
    make_post(now=now + dt.timedelta(days=1))
    for post, archive_at in ((posts[0], now), (posts[1], now + dt.timedelta(days=1))):
        Post.objects.filter(pk=post.pk).update(archive_at=archive_at)
    writing.revise(post=posts[2], by=make_user("editor"), snapshot=make_snapshot(), seen=1)

    assert union(client) == gated()
    assert len(gated()) == 4
    assert len(shards(client)) >= 2


def test_each_change_of_a_page_moves_its_moment(client):
    editor, reviewer = make_user("editor"), make_user("reviewer")
    post = make_post(now=timezone.now() - dt.timedelta(hours=1))
    other = make_post(now=timezone.now() - dt.timedelta(hours=2))
    seen = []

    def look():
        found = union(client)
        assert found == gated()
        post.refresh_from_db()
        seen.append(found[f"http://127.0.0.1:8000{post.get_absolute_url()}"])
        assert found[f"http://127.0.0.1:8000{other.get_absolute_url()}"] == other.modified_at

    look()
    writing.set_editorial_tags(post=post, by=editor, names=["tides"])
    look()
    writing.change_slug(post=post, by=editor, slug="another-address")
    look()
    writing.revise(post=post, by=editor, snapshot=make_snapshot(), seen=1)
    review.act_on_one(action="approve", post=post, by=reviewer, undo_seconds=0)
    look()

    assert seen == sorted(set(seen))


def newest(client):
    ((_, moment),) = shards(client)
    return moment


def test_a_shard_changes_when_a_post_only_leaves(client):
    """However it leaves, and not when its gate moves without a leaving."""
    admin = make_user("superuser")
    now = timezone.now()
    make_post(now=now - dt.timedelta(hours=5))
    archived, withdrawn, erased, ending = (
        make_post(now=now - dt.timedelta(hours=4)) for _ in range(4)
    )
    at = now - dt.timedelta(hours=3)
    review.act_on_one(
        action="schedule", post=ending, by=admin, archive_at=now + dt.timedelta(hours=1), now=at
    )
    assert newest(client) == ending.modified_at == at

    moments = [now - dt.timedelta(minutes=minutes) for minutes in (30, 20, 10)]
    review.act_on_one(action="archive", post=archived, by=admin, now=moments[0])
    assert newest(client) == moments[0]
    review.act_on_one(action="withdraw", post=withdrawn, by=admin, reason="Wrong.", now=moments[1])
    assert newest(client) == moments[1]
    erasure.erase(post_ids=[erased.pk], by=admin, reason="Asked for.", now=moments[2])
    assert newest(client) == moments[2]


def test_a_shard_changes_when_a_planned_end_comes(client, monkeypatch):
    admin = make_user("superuser")
    now = timezone.now()
    make_post(now=now - dt.timedelta(hours=5))
    ending, kept = (make_post(now=now - dt.timedelta(hours=4)) for _ in range(2))
    for post, hours in ((ending, 1), (kept, 2)):
        ends = now + dt.timedelta(hours=hours)
        review.act_on_one(action="schedule", post=post, by=admin, archive_at=ends)
    review.act_on_one(action="schedule", post=kept, by=admin, archive_at=None)

    for hours, expected in ((1, now + dt.timedelta(hours=1)), (3, now + dt.timedelta(hours=1))):
        moment = now + dt.timedelta(hours=hours)
        monkeypatch.setattr(timezone, "now", lambda moment=moment: moment)
        assert newest(client) == expected


def test_a_page_changes_when_its_gate_opens(client):
    decided = timezone.now() - dt.timedelta(minutes=5)
    post = make_post(state="private", now=decided)
    for action, by in (("publish", "publisher"), ("approve", "reviewer")):
        review.act_on_one(action=action, post=post, by=make_user(by), undo_seconds=10, now=decided)

    ((_, moment),) = union(client).items()

    assert moment == decided + dt.timedelta(seconds=10)


def test_a_site_without_posts_has_an_index_without_shards(client):
    response = client.get("/sitemap.xml")

    assert response.status_code == 200
    assert b"<sitemap>" not in response.content


@pytest.mark.parametrize("number", ["1", "99999999999999999999999", "922337203685477"])
def test_a_shard_without_posts_is_not_found(client, number):
    make_post(state="private")

    assert client.get(f"/sitemap-{10**6}{number}.xml").status_code == 404


def test_a_shard_is_asked_for_once_however_many_posts_it_holds(client, django_assert_num_queries):
    for _ in range(3):
        make_post()
    ((path, _),) = shards(client)

    with django_assert_num_queries(2):  # posts, last change
        client.get(path)
    with django_assert_num_queries(2):  # shards, last change
        client.get("/sitemap.xml")


def plan_of(sql, parameters=()):
    with connection.cursor() as cursor:
        explain = "EXPLAIN" if db.is_postgresql() else "EXPLAIN QUERY PLAN"
        cursor.execute(f"{explain} {sql}", parameters)
        return "\n".join(str(row[-1]) for row in cursor.fetchall())


def check_plans(client):
    """Every query of index and shards walks an index, and the newest of a shard is its first."""
    if connection.vendor == "postgresql":
        # Of a shard that holds the whole table, reading it all is as good a way.
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")
    plan = plan_of(*db.newest_by_shard_statement(SHARD_IDS, timezone.now()))
    walks = [
        line for line in plan.splitlines() if "on posts_post" in line or " posts_post " in line
    ]
    assert len(walks) >= 2, plan
    assert all("post_sitemap" in line for line in walks), plan
    assert "Sort" not in plan, plan
    assert "TEMP B-TREE" not in plan, plan
    path = shards(client)[0][0]
    with CaptureQueriesContext(connection) as captured:
        client.get(path)
    (query,) = (query["sql"] for query in captured if '"posts_post"."slug"' in query["sql"])
    plan = plan_of(query)
    assert "Seq Scan" not in plan, plan
    assert "TEMP B-TREE" not in plan, plan


def test_the_index_steps_from_shard_to_shard(client):
    fill_archive(1_500)

    check_plans(client)


@pytest.mark.long
def test_twelve_thousand_posts_are_streamed_in_little_memory(client):
    fill_archive(12_000)
    check_plans(client)
    paths = [path for path, _ in shards(client)]
    assert len(paths) >= 2

    tracemalloc.start()
    total, size = 0, 0
    for path in paths:
        response = client.get(path)
        for part in response:
            total += part.count(b"<loc>")
            size += len(part)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert total == 12_000
    assert size > 1_000_000
    assert peak < 12_000_000
    assert union(client) == gated()
