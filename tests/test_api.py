"""The API: pages, problems, revisions, moved and withdrawn posts, costs."""

import datetime as dt
import json
from urllib.parse import urlencode

import pytest
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from posts import counters, review, writing
from posts.models import Entity, Post, PostTag, Tag
from tests.builders import make_post, make_snapshot, make_user

pytestmark = pytest.mark.django_db


def get(client, path, status=200):
    response = client.get(path)
    assert response.status_code == status, response.content
    kind = "application/json" if status == 200 else "application/problem+json"
    assert response.headers["Content-Type"].split(";")[0] == kind
    assert response.headers["X-Robots-Tag"] == "noindex"
    return json.loads(response.content)


def all_pages(client, path):
    """Yield the items of every page; each address is used as it was given."""
    while path:
        page = get(client, path)
        yield page["items"]
        path = page["next"]


def test_posts_come_once_each_newest_first(client):
    expected = [make_post().slug for _ in range(5)][::-1]
    make_post(state="published")

    pages = [[post["slug"] for post in page] for page in all_pages(client, "/api/v1/posts?limit=2")]

    assert [len(page) for page in pages] == [2, 2, 1]
    assert [slug for page in pages for slug in page] == expected


def test_a_post_is_what_its_page_says(client):
    post = make_post(by=make_user("superuser", first_name="Ana", last_name="Reyes"))

    found = get(client, f"/api/v1/posts/{post.slug}")
    listed = get(client, "/api/v1/posts")["items"][0]

    assert {name: found[name] for name in listed} == listed
    assert found["body"] == post.live_revision.body
    assert found["revision"] == {"number": 1, "digest": post.live_revision.digest}
    assert found["review"]["byline"] == "Ana Reyes"
    assert found["disclosure"]["value"] == "none"
    assert "reviewed by Ana Reyes" in found["disclosure"]["text"]
    assert found["meta"]["about"]["difficulty"]["value"] == "intermediate"
    page = json.loads(client.get(f"/posts/{post.slug}.json").content)
    assert {name: page[name] for name in found} == found


def test_a_retired_address_leads_to_the_new_one(client):
    post = make_post()
    old = post.slug
    writing.change_slug(post=post, by=make_user("editor"), slug="another-address")

    for rest in ("", "/similar", "/revisions", "/revisions/1"):
        response = client.get(f"/api/v1/posts/{old}{rest}")
        assert response.status_code == 301
        assert response.headers["Location"].endswith(f"/api/v1/posts/another-address{rest}")
        assert client.get(response.headers["Location"]).status_code == 200


def test_a_withdrawn_post_is_gone_and_others_are_not_there(client):
    moved = make_post(state="published")
    old = moved.slug
    writing.change_slug(post=moved, by=make_user("editor"), slug="another-address")

    gone = get(client, f"/api/v1/posts/{make_post(state='archived').slug}", 410)
    missing = [
        get(client, f"/api/v1/posts/{slug}", 404)
        for slug in (make_post(state="private").slug, "another-address", old, "never-was")
    ]

    assert gone["status"] == 410
    assert gone["can_retry"] is False
    assert all(problem == missing[0] for problem in missing), "nobody can tell which it was"


@pytest.mark.parametrize(
    ("path", "failed"),
    [
        ("/api/v1/posts?limit=0", "limit"),
        ("/api/v1/posts?limit=101", "limit"),
        ("/api/v1/posts?limit=many", "limit"),
        ("/api/v1/posts?after=nowhere", "after"),
        ("/api/v1/posts?after=%00", "after"),
        ("/api/v1/posts?tag=tides", "tag"),
        ("/api/v1/tags?kind=colour", "kind"),
        ("/api/v1/tags?after=W10", "after"),
        ("/api/v1/entities?after=WzEsMl0", "after"),
        ("/api/v1/?page=2", "page"),
        ("/api/v1/openapi.json?x=1", "x"),
    ],
)
def test_a_wrong_parameter_is_a_problem_that_says_what_to_do(client, path, failed):
    problem = get(client, path, 400)

    assert problem["failed"] == failed
    assert problem["expected"]
    assert problem["detail"]
    assert problem["can_retry"] is False
    assert problem["title"] == "Bad Request"


@pytest.mark.parametrize("path", ["/api/v1/nothing", "/api/v1/posts/", "/api/v1/tags/a/b/c"])
def test_an_unknown_address_is_a_problem_too(client, path):
    assert get(client, path, 404)["failed"] == "the address"


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete", "options", "trace"])
def test_nothing_but_reading(client, method):
    response = getattr(client, method)("/api/v1/posts")

    assert response.status_code == 405
    assert response.headers["Allow"] == "GET, HEAD"
    assert json.loads(response.content)["failed"] == "the method"


def test_tags_and_entities_are_those_of_listed_posts(client):
    make_post(snapshot=make_snapshot(tools=("harpoon",)), state="published")
    for _ in range(2):
        make_post()

    tags = [tag for page in all_pages(client, "/api/v1/tags?limit=2") for tag in page]
    entities = [one for page in all_pages(client, "/api/v1/entities?limit=2") for one in page]

    assert {tag["name"]: tag["posts"] for tag in tags} == {
        **{"backend": 2, "gauge": 2, "python": 2, "sluice": 2, "tidal services": 2}
    }
    assert [(tag["kind"], tag["slug"]) for tag in tags] == sorted(
        (tag["kind"], tag["slug"]) for tag in tags
    )
    assert sorted(one["posts"] for one in entities) == [1, 1, 2]
    assert len({one["url"] for one in entities}) == 3
    assert [tag["name"] for tag in get(client, "/api/v1/tags?kind=tool")["items"]] == [
        *("gauge", "sluice")
    ]
    assert len(get(client, "/api/v1/entities?type=problem")["items"]) == 2
    assert get(client, "/api/v1/tags/harpoon", 404)["failed"] == "slug"
    assert len(get(client, "/api/v1/tags/sluice/posts")["items"]) == 2
    assert len(get(client, "/api/v1/entities/stack/tidal-services/posts?limit=1")["items"]) == 1


def test_tags_are_the_same_before_and_after_a_fold(client):
    now = timezone.now()
    posts = [make_post(snapshot=make_snapshot(tools=(f"tool-{n}",))) for n in range(3)]
    review.act_on_one(action="archive", post=posts[0], by=make_user("publisher"))
    # What the folds behind those actions had added is taken back into deltas.
    Tag.objects.update(use_count=0)
    for tag in Tag.objects.all():
        for row in PostTag.objects.filter(tag=tag, listed_at__isnull=False):
            counters.CounterDelta.objects.create(tag=row.tag, amount=1, due_at=now)

    before = [tag for page in all_pages(client, "/api/v1/tags?limit=3") for tag in page]
    while counters.fold(now=timezone.now()):
        pass
    after = [tag for page in all_pages(client, "/api/v1/tags?limit=3") for tag in page]

    assert before == after
    assert {tag["slug"] for tag in after} >= {"tool-1", "tool-2"}
    assert "tool-0" not in {tag["slug"] for tag in after}


def test_public_revisions_are_those_a_person_approved(client):
    editor, reviewer = make_user("editor"), make_user("reviewer", first_name="Ana")
    post = make_post(by=reviewer)
    bodies = ["Approved later.", "Sent back.", "Approved, then not.", "Waits."]
    for number, body in enumerate(bodies, start=1):
        writing.revise(post=post, by=editor, snapshot=make_snapshot(body=body), seen=number)
        if body == "Waits.":
            continue
        action = "request_changes" if body == "Sent back." else "approve"
        review.act_on_one(action=action, post=post, by=reviewer, reason="Because.", undo_seconds=0)
        if body == "Approved, then not.":
            review.act_on_one(action="withdraw", post=post, by=reviewer, undo_seconds=0)
    post.refresh_from_db()
    assert Post.objects.indexable().filter(pk=post.pk).exists()

    pages = list(all_pages(client, f"/api/v1/posts/{post.slug}/revisions?limit=1"))

    shown = [item["number"] for page in pages for item in page]
    assert shown == [2, 1]
    assert [item["is_live"] for page in pages for item in page] == [
        number == post.live_revision.number for number in shown
    ]
    whole = get(client, f"/api/v1/posts/{post.slug}/revisions/2")
    assert whole["body"] == "Approved later."
    assert whole["review"]["byline"] == "Ana"
    for number in (3, 4, 5, 6):
        assert get(client, f"/api/v1/posts/{post.slug}/revisions/{number}", 404)


def test_no_account_and_no_comment_shows(client):
    person = make_user("superuser", username="secret-name", email="secret@example.org")
    post = make_post(by=person)

    for path in ("", "/revisions", "/revisions/1", "/similar"):
        assert "secret" not in client.get(f"/api/v1/posts/{post.slug}{path}").content.decode()


# --- Search -----------------------------------------------------------------------------------


@pytest.fixture
def unlimited(settings):
    settings.SEARCHES_A_MINUTE = 0
    cache.clear()


def found(client, q, **more):
    return get(client, f"/api/v1/search?{urlencode({'q': q, **more})}")


def titled(title, **more):
    return make_post(snapshot=make_snapshot(title=title, **more))


def test_a_search_finds_what_the_site_finds(client, unlimited):
    titled("Quiet harbours", body="## One\n\nThe pilot waits for the tide.")
    titled("Pilots and harbours", difficulty="advanced")
    make_post(snapshot=make_snapshot(title="Private pilots"), state="published")

    page = found(client, "pilot")

    assert [item["title"] for item in page["items"]] == ["Pilots and harbours", "Quiet harbours"]
    assert page["items"][1]["passage"] == "The pilot waits for the tide."
    assert (page["number"], page["is_more"], page["next"]) == (2, False, None)
    listed = {item["slug"]: item for item in get(client, "/api/v1/posts")["items"]}
    for item in page["items"]:
        assert {name: item[name] for name in listed[item["slug"]]} == listed[item["slug"]]
    by_site = client.get("/search/", {"q": "pilot"}).context["results"]
    assert [post.title for post in by_site] == [item["title"] for item in page["items"]]
    assert [item["title"] for item in found(client, "pilot difficulty:advanced")["items"]] == [
        "Pilots and harbours"
    ]
    newest = [item["title"] for item in found(client, "harbours", sort="newest")["items"]]
    assert newest == ["Pilots and harbours", "Quiet harbours"]


def test_a_search_says_what_it_understood(client, unlimited):
    titled("Walrus on the quay")

    page = found(client, "wallrus before:never")

    assert page["corrections"] == [{"typed": "wallrus", "meant": "walrus"}]
    assert page["query"] == "walrus"
    assert len(page["problems"]) == 1
    assert "never" in page["problems"][0]
    assert [item["title"] for item in page["items"]] == ["Walrus on the quay"]


def test_a_search_comes_in_pages(client, unlimited, monkeypatch):
    monkeypatch.setattr("posts.api.operations.PAGE_SIZE", 2)
    for number in range(5):
        titled(f"Walrus {number}")

    pages = list(all_pages(client, "/api/v1/search?q=walrus&sort=newest"))

    assert [[item["title"][-1] for item in page] for page in pages] == [
        *(["4", "3"], ["2", "1"], ["0"])
    ]
    assert found(client, "walrus", page=9)["items"] == []


@pytest.mark.parametrize(
    ("query", "failed"),
    [
        ("", "q"),
        ("q=", "q"),
        ("q=%20%20", "q"),
        ("q=%00", "q"),
        ("q=before:never", "q"),
        (f"q={'a' * 201}", "q"),
        ("q=a&sort=oldest", "sort"),
        ("q=a&page=0", "page"),
        ("q=a&page=51", "page"),
        ("q=a&limit=5", "limit"),
    ],
)
def test_a_search_for_nothing_is_a_problem(client, unlimited, query, failed):
    problem = get(client, f"/api/v1/search?{query}", 400)

    assert problem["failed"] == failed
    assert problem["expected"]


def test_searches_for_programs_count_with_those_of_people(client, settings):
    settings.SEARCHES_A_MINUTE = 2
    cache.clear()
    client.get("/search/?q=walrus")
    get(client, "/api/v1/search?q=walrus")

    response = client.get("/api/v1/search?q=walrus")
    problem = get(client, "/api/v1/search?q=walrus", 429)

    assert 1 <= int(response.headers["Retry-After"]) <= 60
    assert problem["can_retry"] is True
    assert problem["failed"] == "the number of requests"
    assert get(client, "/api/v1/posts")["items"] == []
    cache.clear()


def test_a_search_costs_the_same_however_much_it_finds(client, unlimited):
    counted = []
    for size in (2, 6):
        for number in range(size):
            titled(f"Walrus {number}")
        with CaptureQueriesContext(connection) as captured:
            assert len(found(client, "walrus")["items"]) >= size
        counted.append(len([one for one in captured if "SAVEPOINT" not in one["sql"]]))

    assert counted[0] == counted[1]


# --- Costs ------------------------------------------------------------------------------------


def edited(post):
    """Let somebody else change an approved post, and have the change approved."""
    seen = post.revisions.count()
    writing.revise(post=post, by=make_user("editor"), snapshot=make_snapshot(), seen=seen)
    review.act_on_one(action="approve", post=post, by=make_user("reviewer"), undo_seconds=0)


def test_who_edited_is_asked_once_for_a_list(client):
    posts = [make_post() for _ in range(2)]
    for post in posts:
        edited(post)
    paths = ("/api/v1/posts", f"/api/v1/posts/{posts[0].slug}/revisions", "/feed.atom", "/llms.txt")
    costs = {}
    for _ in range(2):
        for path in paths:
            with CaptureQueriesContext(connection) as captured:
                assert client.get(path).status_code == 200
            assert len(captured) == costs.setdefault(path, len(captured)), path
        for _ in range(3):
            edited(make_post())
        edited(posts[0])
    (item,) = [
        item for item in get(client, "/api/v1/posts")["items"] if item["slug"] == posts[1].slug
    ]

    assert costs == {"/api/v1/posts": 5, paths[1]: 8, "/feed.atom": 7, "/llms.txt": 7}
    assert item["disclosure"]["text"].startswith("Written by an editor, edited by an editor, revie")


#: What each address asks, with the last change, however many posts there are.
COSTS = {
    "/api/v1/": 1,
    "/api/v1/posts": 4,  # posts, tags, stamps
    "/api/v1/posts/{slug}": 6,  # post, tags, entities, images, stamp
    "/api/v1/posts/{slug}/similar": 8,  # post, tags, entities, images, counts, candidates, posts
    "/api/v1/posts/{slug}/revisions": 7,  # post, tags, entities, images, revisions, decisions
    "/api/v1/posts/{slug}/revisions/1": 7,
    "/api/v1/tags": 4,  # in use, lately in use, counts
    "/api/v1/tags/sluice": 3,  # tag, count
    "/api/v1/tags/sluice/posts": 6,
    "/api/v1/entities": 4,
    "/api/v1/entities/stack/tidal-services": 3,
    "/api/v1/entities/stack/tidal-services/posts": 6,
    "/llms.txt": 6,  # posts, tags, stamps, total, most used stacks
}


def test_an_address_costs_the_same_however_many_posts_there_are(client):
    for size in (2, 6):
        posts = [make_post() for _ in range(size)]
        for path, queries in COSTS.items():
            with CaptureQueriesContext(connection) as captured:
                assert client.get(path.format(slug=posts[0].slug)).status_code == 200
            assert len(captured) == queries, path


def test_the_service_leads_everywhere(client):
    make_post()
    places = get(client, "/api/v1/")

    for place in (*places.pop("feeds"), *places.values()):
        if place.startswith("http"):
            assert client.get(place).status_code == 200, place


def test_a_gate_that_opens_later_opens_for_programs_too(client):
    later = timezone.now() + dt.timedelta(hours=1)
    post = make_post(now=later)

    assert get(client, f"/api/v1/posts/{post.slug}", 404)
    assert get(client, "/api/v1/tags")["items"] == []
    assert Entity.objects.exists()
