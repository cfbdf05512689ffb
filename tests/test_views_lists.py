"""Home, archive, tags, entities, references: only what is indexable, bounded, with addresses."""

import datetime as dt

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from posts import content
from posts.models import Entity, Post, PostTag, Tag
from posts.pagination import PAGE_SIZE, Cursor
from tests.builders import make_post, make_snapshot
from tests.bulk_archive import NOW, fill_archive
from tests.plans import plan_of

LISTS = [
    ("/", "posts"),
    ("/archive/", "page"),
    ("/tags/sluice/", "page"),
    ("/entities/stack/tidal-services/", "page"),
]


def shown(response, name):
    found = response.context[name]
    return [post.title for post in (found if name == "posts" else found.items)]


@pytest.mark.parametrize(("path", "name"), LISTS)
def test_lists_show_only_indexable_posts(client, db, path, name):
    listed = make_post(state="listed")
    for state in ("private", "published", "archived"):
        make_post(state=state)
    later = make_post(state="listed")
    due = timezone.now() + dt.timedelta(minutes=5)
    Post.objects.filter(pk=later.pk).update(listed_at=due)
    PostTag.objects.filter(content_object=later).update(listed_at=due)
    later.post_entities.update(listed_at=due)
    past = make_post(state="listed")
    Post.objects.filter(pk=past.pk).update(archive_at=timezone.now())

    response = client.get(path)

    assert response.status_code == 200
    assert shown(response, name) == [listed.title]
    assert "X-Robots-Tag" not in response.headers


@pytest.mark.parametrize("path", ["/", "/archive/", "/tags/"])
def test_an_empty_archive_has_pages(client, db, path):
    assert client.get(path).status_code == 200


def test_an_empty_home_says_so(client, db):
    context = client.get("/").context

    assert context["is_empty"]
    assert context["total"] == 0


def test_cards_have_words_and_four_tags(client, db):
    make_post(snapshot=make_snapshot(lede="A *short* note. " * 40))

    (card,) = client.get("/").context["posts"]

    assert card.lede_text.startswith("A short note.")
    assert len(card.lede_text) <= 240
    assert len(card.shown_tags) == 4


def test_home_shows_totals_and_stacks(client, db):
    make_post()
    make_post()

    context = client.get("/").context

    assert context["total"] == 2
    assert [(tag.name, tag.count) for tag in context["stacks"]] == [("tidal services", 2)]


@pytest.mark.parametrize("path", ["/archive/", "/tags/sluice/", "/entities/stack/tidal-services/"])
def test_pages_walk_through_everything_once_with_a_canonical_each(client, db, path, settings):
    settings.PUBLIC_URL = "https://notes.example.org"
    count = PAGE_SIZE * 2 + 3
    now = timezone.now()
    for number in range(count):
        make_post(now=now - dt.timedelta(minutes=1 + number // 5))
    seen, url = [], path
    while url:
        response = client.get(url)
        page = response.context["page"]
        seen += [post.pk for post in page.items]
        assert response.context["canonical"] == f"https://notes.example.org{url}"
        assert response.context["total"] == count
        assert len(page.items) <= PAGE_SIZE
        url = page.next_url

    newest_first = Post.objects.order_by("-listed_at", "-pk").values_list("pk", flat=True)
    assert seen == list(newest_first)


def test_unknown_parameters_do_not_reach_the_canonical(client, db):
    make_post()

    assert client.get("/archive/?utm=1").context["canonical"].endswith("/archive/")


def test_a_bad_cursor_shows_the_first_page_and_says_so(client, db):
    make_post()

    response = client.get("/archive/?after=nonsense")

    assert response.status_code == 200
    assert "not understood" in response.content.decode()
    assert len(response.context["page"].items) == 1


def test_kickers_name_the_kind(client, db):
    make_post(tags=["hand picked"])

    def kicker(path):
        return client.get(path).context["kicker"]

    assert kicker("/tags/hand-picked/") == "Tag"
    assert kicker("/tags/tidal-services/") == "Stack"
    assert kicker("/entities/stack/tidal-services/") == "Entity · stack"


def test_related_tags_come_with_counts_and_without_the_tag_itself(client, db):
    make_post()

    related = client.get("/tags/sluice/").context["related"]

    assert {tag.name for tag in related} == {"tidal services", "backend", "python", "gauge"}
    assert {tag.count for tag in related} == {1}


@pytest.mark.parametrize("path", ["/tags/nothing/", "/entities/stack/nothing/", "/entities/x/y/"])
def test_unknown_tags_and_entities_are_not_found(client, db, path):
    assert client.get(path).status_code == 404


def test_a_tag_that_no_listed_post_carries_is_an_empty_list(client, db):
    make_post(state="published")

    response = client.get("/tags/sluice/")

    assert response.status_code == 200
    assert response.context["page"].items == []
    assert response.context["total"] == 0


def test_addresses_of_tags_and_entities_open(client, db):
    make_post()

    for thing in [*Tag.objects.all(), *Entity.objects.all()]:
        assert client.get(thing.get_absolute_url()).status_code == 200


def test_tags_are_grouped_by_kind_with_counts(client, db):
    make_post()
    make_post(state="published", snapshot=make_snapshot(tools=("unlisted",)))

    groups = dict(client.get("/tags/").context["groups"])

    assert [(tag.name, tag.count) for tag in groups["Tools"]] == [("gauge", 1), ("sluice", 1)]
    assert list(groups) == ["Stacks", "Areas", "Languages", "Tools"]


def test_each_kind_shows_its_sixty_most_used_tags(client, db):
    Tag.objects.bulk_create(
        Tag(name=f"t{n}", slug=f"t{n}", kind="tool", use_count=n) for n in range(80)
    )

    ((_, tags),) = client.get("/tags/").context["groups"]

    assert [tag.count for tag in tags] == list(range(79, 19, -1))


def with_reference(state, reference="anp-ref-1"):
    return make_post(snapshot=make_snapshot(reference=reference), state=state)


def test_a_reference_leads_to_its_post(client, db):
    post = with_reference("published")
    with_reference("private")

    response = client.get("/r/anp-ref-1/")

    assert response.status_code == 302
    assert response.headers["Location"] == post.get_absolute_url()


def test_a_reference_of_several_posts_lists_them(client, db):
    posts = [with_reference("published"), with_reference("listed")]

    response = client.get("/r/anp-ref-1/")

    assert response.status_code == 200
    assert {post.pk for post in response.context["posts"]} == {post.pk for post in posts}
    assert response.headers["X-Robots-Tag"] == "noindex"


@pytest.mark.parametrize("state", ["private", "archived"])
def test_a_reference_without_published_posts_is_not_found(client, db, state):
    with_reference(state)

    assert client.get("/r/anp-ref-1/").status_code == 404
    assert client.get("/r/other/").status_code == 404


# The last change, posts and their tags, then what the page adds.
QUERIES = {
    "/": 6,  # total, read most, most used tags
    "/archive/": 8,  # walk and where it stopped, months, total, most used tags, difficulties
    "/tags/sluice/": 6,  # the tag, counts of it and of related ones, first and last date
    "/tags/tidal-services/": 7,  # as above, topics
    "/entities/stack/tidal-services/": 5,  # the entity, counts of it and of related tags
    "/tags/hot/": 6,
    "/entities/problem/p1/": 5,
    "/tags/": 2,  # most used tags
    "/about/": 0,
    "/r/anp-ref-1/": 2,  # posts and their tags only
}


@pytest.mark.parametrize("size", [20, 2_000])
def test_lists_cost_the_same_at_any_size(client, db, size, django_assert_num_queries):
    for _ in range(2):
        with_reference("listed")
    fill_archive(size)

    for path, queries in QUERIES.items():
        with django_assert_num_queries(queries):
            assert client.get(path).status_code == 200


def test_entities_of_two_types_with_one_name_have_two_pages(client, db):
    entities = (content.Entity("tidal", "stack"), content.Entity("tidal", "problem"))
    make_post(snapshot=make_snapshot(entities=entities))

    for type_slug in ("stack", "problem"):
        page = client.get(reverse("entity", args=[type_slug, "tidal"])).context["page"]
        assert len(page.items) == 1


@pytest.mark.parametrize("path", ["/tags/hot/", "/entities/problem/p1/"])
def test_deep_pages_walk_an_index_and_read_no_more_than_a_page(client, db, path):
    """The statement of a page deep in the archive, as the database plans it."""
    fill_archive(3_000)
    place = Cursor(NOW - dt.timedelta(minutes=2_000), 2**40).encode()

    with CaptureQueriesContext(connection) as queries:
        assert client.get(path, {"after": place}).context["page"].items

    (statement,) = [
        query["sql"] for query in queries if "LIMIT 21" in query["sql"] and "lede" in query["sql"]
    ]
    plan = plan_of(statement)
    index = {"tags": "post_tag_listed", "entities": "post_entity_listed"}
    assert index[path.split("/")[1]] in plan, plan
    assert "Sort" not in plan, plan
    assert "TEMP B-TREE" not in plan, plan


@pytest.mark.django_db
def test_a_tag_whose_name_says_little_is_told_to_be_one(client):
    make_post(tags=["go", "backend"], state="listed")

    page = client.get("/").content.decode()

    assert '<span class="visually-hidden">tag </span>go</a>' in page
    assert ">backend</a>" in page
