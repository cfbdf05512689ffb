"""When something has changed, and the answer 304 when nothing has: on every surface."""

import datetime as dt

import pytest
from django.http import HttpResponse
from django.test import RequestFactory
from django.utils import timezone
from django.utils.http import http_date, parse_http_date

from posts import changes, review, writing
from posts.models import Event, Post
from posts.querysets import SHARD_IDS
from posts.views.conditional import conditional
from tests.builders import make_post, make_snapshot, make_user

pytestmark = pytest.mark.django_db

LONG_AGO = dt.datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=dt.UTC)
SURFACES = (
    *("/feed.atom", "/feed.json", "/tags/{tag}/feed.atom", "/tags/{tag}/feed.json"),
    *("/entities/{type}/{entity}/feed.atom", "/entities/{type}/{entity}/feed.json"),
    *("/sitemap.xml", "/sitemap-{shard}.xml", "/llms.txt"),
    *("/posts/{slug}.md", "/posts/{slug}.json"),
    *("/api/v1/", "/api/v1/openapi.json", "/api/v1/posts", "/api/v1/posts/{slug}"),
    *("/api/v1/posts/{slug}/similar", "/api/v1/posts/{slug}/revisions"),
    *("/api/v1/posts/{slug}/revisions/1", "/api/v1/tags", "/api/v1/tags/{tag}"),
    *("/api/v1/tags/{tag}/posts", "/api/v1/entities", "/api/v1/entities/{type}/{entity}"),
    "/api/v1/entities/{type}/{entity}/posts",
)
#: What changes when a post leaves the archive.
LISTS = ("/feed.atom", "/feed.json", "/sitemap-{shard}.xml", "/llms.txt", "/api/v1/posts")


def filled(path, post):
    tag = post.post_tags.earliest("pk").tag
    entity = post.post_entities.earliest("pk").entity
    return path.format(
        slug=post.slug,
        tag=tag.slug,
        type=entity.type_slug,
        entity=entity.slug,
        shard=post.pk // SHARD_IDS,
    )


@pytest.fixture
def post():
    """Return a note of a site on which nothing has happened for long."""
    return make_post(now=LONG_AGO)


def quiet():
    """Return how long ago the last change must be taken to lie, in a test that has just begun."""
    return timezone.now() + dt.timedelta(minutes=5)


def test_what_has_not_changed_is_not_sent_again(client, post, monkeypatch):
    monkeypatch.setattr("posts.changes.last_change", lambda now: LONG_AGO)
    for path in SURFACES:
        check_conditions(client, filled(path, post))


def check_conditions(client, path):
    first = client.get(path)
    assert first.status_code == 200, path
    etag, modified = first.headers["ETag"], first.headers["Last-Modified"]
    assert parse_http_date(modified) == int(LONG_AGO.timestamp())
    for headers in ({"If-None-Match": etag}, {"If-None-Match": f"W/{etag}"}):
        nothing = client.get(path, headers=headers)
        assert (nothing.status_code, nothing.content) == (304, b""), path
        assert nothing.headers["ETag"] == etag
    assert client.get(path, headers={"If-Modified-Since": modified}).status_code == 304, path
    earlier = http_date(LONG_AGO.timestamp() - 1)
    assert client.get(path, headers={"If-Modified-Since": earlier}).status_code == 200, path
    # The entity tag is exact, so it counts for more than the moment.
    other = {"If-None-Match": '"another"', "If-Modified-Since": modified}
    assert client.get(path, headers=other).status_code == 200, path
    head = client.head(path)
    assert (head.status_code, head.headers["ETag"]) == (200, etag), path


def test_a_post_that_leaves_changes_every_list(client, post):
    other = make_post(now=LONG_AGO - dt.timedelta(days=1))
    paths = [filled(path, post) for path in LISTS]
    etags = [client.get(path).headers["ETag"] for path in paths]
    before = http_date(timezone.now().timestamp() - 60)

    review.act_on_one(action="archive", post=other, by=make_user("publisher"))

    # The newest entry is what it was: only the moment of the whole site tells.
    for path, etag in zip(paths, etags, strict=True):
        assert client.get(path, headers={"If-None-Match": etag}).status_code == 200, path
        assert client.get(path, headers={"If-Modified-Since": before}).status_code == 200, path


def test_every_door_moves_the_last_change():
    editor, reviewer, publisher = (make_user(kind) for kind in ("editor", "reviewer", "publisher"))
    post = make_post(state="private")
    moments = [changes.last_change(timezone.now())]

    def after(do, **more):
        do(post=post, **more)
        post.refresh_from_db()
        moments.append(changes.last_change(timezone.now()))

    after(review.act_on_one, action="approve", by=reviewer, undo_seconds=0)
    after(review.act_on_one, action="publish", by=publisher, undo_seconds=0)
    after(writing.set_editorial_tags, by=editor, names=["tides"])
    after(writing.change_slug, by=editor, slug="another")
    after(writing.revise, by=editor, snapshot=make_snapshot(), seen=1)
    after(review.act_on_one, action="archive", by=publisher)

    assert moments == sorted(set(moments)), "each is later than the one before"


@pytest.mark.parametrize("column", ["listed_at", "archive_at"])
def test_a_gate_that_moves_by_its_date_is_a_change(post, column):
    now = quiet()
    due = now - dt.timedelta(minutes=1)
    before = changes.last_change(due - dt.timedelta(seconds=1))

    Post.objects.filter(pk=post.pk).update(**{column: due})

    assert changes.last_change(due - dt.timedelta(seconds=1)) == before
    assert changes.last_change(now) == due


def test_a_new_archive_has_never_changed(django_assert_num_queries):
    Post.objects.all().delete()
    assert not Event.objects.exists()

    with django_assert_num_queries(1):
        assert changes.last_change(timezone.now()) is None


def test_a_second_that_is_not_over_is_no_moment_to_rely_on():
    now = timezone.now()
    request = RequestFactory().get("/", headers={"If-Modified-Since": http_date(now.timestamp())})

    just_now = conditional(request, HttpResponse("a"), changed_at=now, now=now)
    never = conditional(request, HttpResponse("a"), changed_at=None, now=now)

    for response in (just_now, never):
        assert response.status_code == 200
        assert "Last-Modified" not in response.headers
        assert response.headers["ETag"]


def test_a_precondition_that_fails_is_told():
    request = RequestFactory().get("/", headers={"If-Match": '"of another time"'})
    now = timezone.now()

    response = conditional(request, HttpResponse("a"), changed_at=None, now=now)

    assert response.status_code == 412


@pytest.mark.parametrize("path", ["/feed.json", "/llms.txt", "/api/v1/posts"])
def test_the_moment_is_asked_for_before_the_content(client, post, path, monkeypatch):
    """Or a change in between would be dated, and not be in what is sent."""

    def changes_meanwhile(now):
        make_post(now=LONG_AGO - dt.timedelta(days=1))
        return LONG_AGO

    before = client.get(path).content
    monkeypatch.setattr("posts.changes.last_change", changes_meanwhile)

    found = client.get(path)

    assert found.headers["Last-Modified"]
    assert found.content != before


def test_tags_change_the_page(post):
    writing.set_editorial_tags(post=post, by=make_user("editor"), names=["tides"])
    changed = Post.objects.get(pk=post.pk)

    assert changed.changed_at > post.changed_at
    assert changed.modified_at == changed.changed_at
