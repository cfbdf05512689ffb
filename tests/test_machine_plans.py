"""Every list for programs walks an index: what a page reads does not grow with the archive."""

import json
import re

import pytest
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext

from posts import db
from tests.bulk_archive import fill_archive, name_archive

pytestmark = pytest.mark.django_db

SIZE = 2_000
PAGE = 20
#: The tables that grow with the archive.
LARGE = ("post", "revision", "posttag", "postentity", "postimage", "decision", "event")
LISTS = (
    *("/feed.atom", "/feed.json", "/tags/hot/feed.atom", "/tags/rare-7/feed.json"),
    *("/entities/problem/p7/feed.atom", "/llms.txt", "/sitemap.xml"),
    *("/api/v1/posts", "/api/v1/tags", "/api/v1/entities", "/api/v1/tags/hot/posts"),
    *("/api/v1/tags/rare-7/posts", "/api/v1/entities/problem/p7/posts"),
    *("/api/v1/tags?kind=stack", "/api/v1/entities?type=problem"),
)


def pages_of(client, path):
    """Return the first and the second page of a list."""
    yield path
    body = client.get(path).content.decode()
    found = re.search(r'(?:"next(?:_url)?": "|href=")([^"]*\?after=[^"]*)', body)
    if found:
        yield found[1].replace("&amp;", "&")


def rows_read(sql):
    """Return how many rows of large tables a query reads, by PostgreSQL's own account."""
    with connection.cursor() as cursor:
        # A table of a few pages is quicker read whole; what counts is whether it must be.
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}")
        (plan,) = cursor.fetchone()
    plan = json.loads(plan) if isinstance(plan, str) else plan
    nodes, total = [plan[0]["Plan"]], 0
    while nodes:
        node = nodes.pop()
        nodes += node.get("Plans", ())
        if node.get("Relation Name", "").removeprefix("posts_") in LARGE:
            removed = node.get("Rows Removed by Filter", 0)
            total += (node["Actual Rows"] + removed) * node["Actual Loops"]
    return round(total)


def check_plan(sql, path):
    if db.is_postgresql():
        # Posts, their revisions and tags, for a page and one more; the limit of an API page is 20.
        assert rows_read(sql) <= 12 * PAGE, f"{path}\n{sql}"
        return
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
        plan = [row[3] for row in cursor.fetchall()]
    for line in plan:
        is_scan = re.match(r"SCAN (posts_)?(\w+)", line)
        assert not (is_scan and is_scan[2] in LARGE and "INDEX" not in line), f"{path}\n{plan}"
    if "LIMIT" in sql and "posts_post" in sql:
        assert not any("TEMP B-TREE" in line for line in plan), f"{path}\n{plan}"


def test_every_page_of_every_list_walks_an_index(client):
    fill_archive(SIZE)
    name_archive()
    seen = 0
    for path in LISTS:
        for page in pages_of(client, path):
            cache.clear()
            with CaptureQueriesContext(connection) as captured:
                assert client.get(page).status_code == 200, page
            for query in captured:
                check_plan(query["sql"], page)
                seen += 1
    assert seen > 100
