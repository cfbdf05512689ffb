"""When something has changed, and the answer 304 when nothing has: on every surface."""

import datetime as dt

import pytest
from django.db import connection
from django.http import HttpResponse
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django.utils.http import http_date, parse_http_date

from posts import changes, renaming, review, writing
from posts.models import Event, ImportSource, Post, Tag
from posts.querysets import SHARD_IDS
from posts.views.conditional import Moment, kept
from tests.builders import make_post, make_snapshot, make_user
from tests.held_posts import import_note

pytestmark = pytest.mark.django_db

LONG_AGO = dt.datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=dt.UTC)
SURFACES = (
    *("/", "/archive/", "/tags/", "/tags/{tag}/", "/entities/{type}/{entity}/", "/posts/{slug}/"),
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


def test_nothing_is_made_when_nothing_has_changed(client, post, monkeypatch):
    monkeypatch.setattr("posts.changes.last_change", lambda now: LONG_AGO)
    seen = {path: client.get(path).headers["ETag"] for path in (filled(p, post) for p in SURFACES)}
    monkeypatch.undo()
    Post.objects.filter(pk=post.pk).update(archive_at=None)
    monkeypatch.setattr("posts.views.conditional.changes.SETTLED", dt.timedelta(0))

    for path in seen:
        etag = client.get(path).headers["ETag"]
        with CaptureQueriesContext(connection) as captured:
            answer = client.get(path, headers={"If-None-Match": etag})
        assert (answer.status_code, len(captured)) == (304, 1), path
        assert answer.headers["Cache-Control"] == "public, no-cache"
        assert not answer.templates


@pytest.mark.parametrize(
    "other",
    [
        {"SITE_NAME": "Tide tables"},
        {"PUBLIC_URL": "https://notes.example.org"},
        {"IMAGE_HOSTS": []},
    ],
)
def test_another_setting_makes_every_copy_an_old_one(client, post, settings, monkeypatch, other):
    monkeypatch.setattr("posts.changes.last_change", lambda now: LONG_AGO)
    path = filled("/posts/{slug}/", post)
    etag = client.get(path).headers["ETag"]

    for name, value in other.items():
        setattr(settings, name, value)

    assert client.get(path, headers={"If-None-Match": etag}).status_code == 200


def test_another_day_makes_every_copy_an_old_one(client, post, monkeypatch):
    """Pages tell how long ago something was."""
    monkeypatch.setattr("posts.changes.last_change", lambda now: LONG_AGO)
    etag = client.get("/").headers["ETag"]
    tomorrow = timezone.now() + dt.timedelta(days=1)
    monkeypatch.setattr("django.utils.timezone.now", lambda: tomorrow)

    assert client.get("/", headers={"If-None-Match": etag}).status_code == 200


def test_an_etag_is_of_one_address(client, post, monkeypatch):
    monkeypatch.setattr("posts.changes.last_change", lambda now: LONG_AGO)
    etag = client.get("/").headers["ETag"]

    assert client.get("/tags/", headers={"If-None-Match": etag}).status_code == 200
    assert client.get("/?a=b", headers={"If-None-Match": etag}).status_code == 200
    assert client.get("/tags/no/", headers={"If-None-Match": etag}).status_code == 404
    assert client.get("/tags/no/", headers={"If-None-Match": "*"}).status_code == 404


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
    tag = Tag.objects.get(name="tides")
    after(lambda post, **more: renaming.rename(tag, **more), name="ebb and flow", by=editor)
    other = Tag.objects.get(name="python")
    after(lambda post, **more: renaming.merge(tag, other, **more), by=editor)
    after(lambda post: import_note("n-1"))

    assert moments == sorted(set(moments)), "each is later than the one before"


@pytest.mark.parametrize("column", ["listed_at", "archive_at"])
def test_a_gate_that_moves_by_its_date_is_a_change(post, column):
    now = quiet()
    due = now - dt.timedelta(minutes=1)
    before = changes.last_change(due - dt.timedelta(seconds=1))

    Post.objects.filter(pk=post.pk).update(**{column: due})

    assert changes.last_change(due - dt.timedelta(seconds=1)) == before
    assert changes.last_change(now) == due


def test_a_batch_of_an_import_is_a_change(post):
    now = quiet()
    beat = now - dt.timedelta(minutes=1)

    ImportSource.objects.update(heartbeat_at=beat)

    assert changes.last_change(now) == beat


def test_a_new_archive_has_never_changed(django_assert_num_queries):
    Post.objects.all().delete()
    assert not Event.objects.exists()

    with django_assert_num_queries(1):
        assert changes.last_change(timezone.now()) is None


def test_a_second_that_is_not_over_is_no_moment_to_rely_on():
    now = timezone.now()
    request = RequestFactory().get("/", headers={"If-Modified-Since": http_date(now.timestamp())})

    just_now = kept(request, HttpResponse("a"), Moment(now, now))
    never = kept(request, HttpResponse("a"), Moment(now, None))

    for response in (just_now, never):
        assert response.status_code == 200
        assert "Last-Modified" not in response.headers
        assert response.headers["ETag"]


def test_a_precondition_that_fails_is_told():
    request = RequestFactory().get("/", headers={"If-Match": '"of another time"'})
    now = timezone.now()

    response = kept(request, HttpResponse("a"), Moment(now, None))

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
