"""Nothing the gate closes appears on any surface for programs, in whatever way it was closed."""

import datetime as dt
import gzip

import pytest
from django.core.management import call_command
from django.utils import timezone

from posts import content, gate, review, writing
from posts.models import Post
from posts.querysets import SHARD_IDS
from tests.builders import make_post, make_snapshot, make_user

pytestmark = pytest.mark.django_db

#: Of the title, the body, a tag and an entity of the post in question, and of nothing else.
SECRET = "harpoon"
LISTS = (
    *("/feed.atom", "/feed.json", "/sitemap.xml", "/sitemap-{shard}.xml", "/llms.txt"),
    *("/tags/tidal-services/feed.atom", "/tags/tidal-services/feed.json"),
    *("/entities/stack/tidal-services/feed.atom", "/entities/stack/tidal-services/feed.json"),
    *("/api/v1/posts", "/api/v1/tags", "/api/v1/entities", "/api/v1/tags/tidal-services/posts"),
    "/api/v1/entities/stack/tidal-services/posts",
    *("/api/v1/posts/{listed}/similar", "/dumps/"),
)
OWN = (
    *("/api/v1/posts/{slug}", "/api/v1/posts/{slug}/similar", "/api/v1/posts/{slug}/revisions"),
    *("/api/v1/posts/{slug}/revisions/1", "/api/v1/tags/harpoon", "/api/v1/tags/harpoon/posts"),
    *("/api/v1/entities/problem/harpoon", "/api/v1/entities/problem/harpoon/posts"),
)


def secret_post(state, now=None):
    entities = (content.Entity(SECRET, "problem"), content.Entity("tidal services", "stack"))
    snapshot = make_snapshot(
        title=f"The {SECRET}",
        body=f"About a {SECRET}.",
        tools=(SECRET,),
        entities=entities,
        topic=SECRET,
    )
    return make_post(snapshot=snapshot, state=state, now=now)


def withdrawn(post):
    review.act_on_one(
        action="withdraw", post=post, by=make_user("superuser"), reason="Wrong.", undo_seconds=0
    )


def archived_by_date(post):
    """Give a post an archive date that has just come, with what the counters learn of it."""
    now = timezone.now()
    gate.count([gate.Gate(post.pk, post.listed_at, None)], -1, now)
    Post.objects.filter(pk=post.pk).update(archive_at=now)
    gate.count([gate.Gate(post.pk, post.listed_at, now)], +1, now)


CLOSED = {
    "private": lambda: secret_post("private"),
    "published, not approved": lambda: secret_post("published"),
    "archived": lambda: secret_post("archived"),
    "listed later": lambda: secret_post("listed", timezone.now() + dt.timedelta(hours=1)),
    "approval withdrawn": lambda: withdrawn(secret_post("listed")),
    "past its archive date": lambda: archived_by_date(secret_post("listed")),
}


def text_of(response):
    body = response.getvalue()
    return (gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body).decode()


@pytest.mark.parametrize("way", CLOSED)
def test_what_is_closed_is_on_no_surface(client, way, settings, tmp_path):
    settings.DUMPS_FOLDER = tmp_path
    listed = make_post()
    CLOSED[way]()
    closed = Post.objects.get(title=f"The {SECRET}")
    assert not Post.objects.indexable().filter(pk=closed.pk).exists()
    call_command("write_dumps", verbosity=0)
    paths = [path.format(shard=listed.pk // SHARD_IDS, listed=listed.slug) for path in LISTS]
    paths += [f"/dumps/{path.name}" for path in tmp_path.glob("notes-*")]

    for path in paths:
        response = client.get(path)
        assert response.status_code == 200, path
        assert SECRET not in text_of(response), path
    for path in OWN:
        response = client.get(path.format(slug=closed.slug))
        assert response.status_code in (404, 410), path
        assert SECRET not in text_of(response), path
    for ending in ("md", "json"):
        response = client.get(f"/posts/{closed.slug}.{ending}")
        is_reachable = way in ("published, not approved", "approval withdrawn")
        assert (response.status_code == 200) == is_reachable
        if is_reachable:
            assert response.headers["X-Robots-Tag"] == "noindex"


def test_the_same_post_is_on_every_surface_while_it_is_open(client, settings, tmp_path):
    """Or the test above would find nothing whatever is shown."""
    settings.DUMPS_FOLDER = tmp_path
    listed, post = make_post(), secret_post("listed")
    call_command("write_dumps", verbosity=0)
    paths = [path.format(shard=listed.pk // SHARD_IDS, listed=listed.slug) for path in LISTS[:-1]]
    paths.remove("/sitemap.xml")
    paths += [f"/dumps/{path.name}" for path in tmp_path.glob("notes-*")]
    paths += [path.format(slug=post.slug) for path in OWN if "similar" not in path]

    for path in paths:
        response = client.get(path)
        assert response.status_code == 200, path
        assert SECRET in text_of(response), path


def test_a_proposed_revision_shows_nowhere(client, settings, tmp_path):
    settings.DUMPS_FOLDER = tmp_path
    post = make_post()
    writing.revise(
        post=post,
        by=make_user("editor"),
        snapshot=make_snapshot(title=f"The {SECRET}", tools=(SECRET,)),
        seen=1,
    )
    call_command("write_dumps", verbosity=0)
    paths = [path.format(shard=post.pk // SHARD_IDS, listed=post.slug) for path in LISTS]
    paths += [f"/api/v1/posts/{post.slug}{rest}" for rest in ("", "/revisions", "/revisions/1")]
    paths += [f"/dumps/{path.name}" for path in tmp_path.glob("notes-*")]

    for path in paths:
        assert SECRET not in text_of(client.get(path)), path
    assert client.get(f"/api/v1/posts/{post.slug}/revisions/2").status_code == 404
