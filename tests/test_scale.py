"""Twenty thousand posts from a generator to a public archive, by the commands alone."""

import contextlib
import io
import json

import pytest
from django.core.cache import cache
from django.core.management import call_command
from django.db import connection
from django.db.models import Count, F
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from posts import counters, history
from posts.models import (
    Decision,
    Entity,
    Event,
    ImportCheckpoint,
    ImportedPost,
    ImportRun,
    Post,
    PostEntity,
    PostTag,
    Revision,
    Slug,
    Statistics,
    Tag,
)
from tests.builders import make_user

pytestmark = [pytest.mark.long, pytest.mark.django_db]

COUNT = 20_000
CONTENT = (
    Post,
    Revision,
    Slug,
    Statistics,
    ImportedPost,
    PostTag,
    PostEntity,
    Tag,
    Entity,
    Decision,
)


def told(command, *arguments):
    """Run a command that prints one JSON object; return it."""
    out = io.StringIO()
    # import_posts ends with an exit code, review_posts returns.
    with contextlib.suppress(SystemExit):
        call_command(command, *arguments, "--json", stdout=out, stderr=io.StringIO())
    return json.loads(out.getvalue())


def rows():
    return {model.__name__: model.objects.count() for model in CONTENT}


def test_twenty_thousand_posts_are_imported_approved_published_and_found_unchanged(tmp_path):
    path, changed = tmp_path / "archive.jsonl.gz", tmp_path / "changed.jsonl.gz"
    for out, percent in ((path, "0"), (changed, "10")):
        more = ("--seed", "1", "--changed", percent, "--out", str(out))
        call_command("synthesize_posts", "--count", str(COUNT), *more, stderr=io.StringIO())
    make_user("reviewer", username="ana")

    first = told("import_posts", str(path), "--source", "notes")
    assert (first["created"], first["read"], first["rejected"]) == (COUNT, COUNT, 0)
    assert ImportCheckpoint.objects.count() == COUNT // 1_000
    assert Post.objects.filter(proposed_revision=F("live_revision")).count() == COUNT
    assert not Post.objects.indexable().exists()

    decided = told(
        "review_posts", "--by", "ana", "--approve", "--publish", "--source", "notes", "--yes"
    )
    assert (decided["changed"], decided["skipped"]) == (COUNT, 0)
    assert Post.objects.indexable().count() == COUNT
    assert Decision.objects.count() == COUNT
    assert Event.objects.filter(post__isnull=False).count() == 2 * COUNT
    assert counters.total_listed(timezone.now()) == COUNT
    listed = PostTag.objects.filter(listed_at__isnull=False)
    assert listed.count() == PostTag.objects.count()
    uses = dict(listed.values_list("tag").annotate(uses=Count("pk")))
    while counters.fold(now=timezone.now()):
        pass
    assert dict(Tag.objects.exclude(use_count=0).values_list("pk", "use_count")) == uses
    for post in Post.objects.order_by("slug")[:5]:
        assert not history.broken_links(post.events.order_by("sequence"))

    before = rows()
    second = told("import_posts", str(path), "--source", "notes")
    assert (second["unchanged"], second["read"]) == (COUNT, COUNT)
    assert rows() == before
    nothing = told("review_posts", "--by", "ana", "--approve", "--publish", "--all", "--yes")
    assert (nothing["changed"], nothing["skipped"]) == (0, 0)

    third = told("import_posts", str(changed), "--source", "notes")
    assert third["held"] + third["unchanged"] == COUNT
    assert 0.09 * COUNT < third["held"] < 0.11 * COUNT
    assert Post.objects.indexable().count() == COUNT
    assert Post.objects.held_by_import().count() == third["held"]
    assert Revision.objects.count() == COUNT + third["held"]
    fourth = told("import_posts", str(changed), "--source", "notes")
    assert fourth["unchanged"] == COUNT
    assert Revision.objects.count() == COUNT + third["held"]

    assert set(ImportRun.objects.values_list("state", flat=True)) == {"complete"}
    connection.check_constraints()


def queries_of(client, paths):
    """Return how many queries each page takes, on a cold cache."""
    counted = {}
    for name, path in paths.items():
        cache.clear()
        with CaptureQueriesContext(connection) as queries:
            response = client.get(path)
        assert response.status_code == 200, path
        counted[name] = len(queries)
    return counted


def test_pages_take_as_many_queries_at_twenty_thousand_posts_as_at_two_hundred(tmp_path, client):
    make_user("reviewer", username="ana")
    counted = {}
    for total in (200, COUNT):
        path = tmp_path / f"{total}.jsonl"
        call_command(
            "synthesize_posts",
            *("--count", str(total), "--seed", "1", "--out", str(path)),
            stderr=io.StringIO(),
        )
        told("import_posts", str(path), "--source", "notes")
        told("review_posts", "--by", "ana", "--approve", "--publish", "--all", "--yes")
        post = Post.objects.get(imported__key="alphanode-000007")
        tag = post.post_tags.select_related("tag").first().tag
        entity = post.post_entities.select_related("entity").first().entity
        counted[total] = queries_of(
            client,
            {
                "article": post.get_absolute_url(),
                "home": "/",
                "archive": "/archive/",
                "tag": tag.get_absolute_url(),
                "entity": entity.get_absolute_url(),
                "tags": "/tags/",
            },
        )

    assert counted[200] == counted[COUNT]
    article = counted[COUNT].pop("article")
    assert article <= 11
    assert max(counted[COUNT].values()) <= 8
