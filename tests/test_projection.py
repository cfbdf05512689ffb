"""The relational mirror of live revisions: it shows exactly what the snapshot says."""

import datetime as dt
import itertools

import pytest
from django.db import transaction
from hypothesis import given, settings
from hypothesis import strategies as st

from posts import content, db, projection, writing
from posts.content import Entity as NamedEntity
from posts.content import Image
from posts.models import Entity, ImageSource, Post, PostEntity, PostImage, PostTag, Tag
from posts.reflection import LIST_COLUMNS, entity_names, reflected
from tests.builders import make_post, make_snapshot, make_user

pytestmark = pytest.mark.django_db

NOW = dt.datetime(2026, 11, 17, 9, 0, tzinfo=dt.UTC)


def resolved(*snapshots):
    names = projection.Names()
    names.resolve([reflected(snapshot) for snapshot in snapshots])
    return names


def mirrored(post):
    """Return tags, entities and images of a post in the order of their positions."""
    return (
        list(
            PostTag.objects.filter(content_object=post, origin="imported")
            .order_by("position")
            .values_list("tag__name", flat=True)
        ),
        list(
            PostEntity.objects.filter(post=post)
            .order_by("position")
            .values_list("entity__type", "entity__name")
        ),
        list(
            PostImage.objects.filter(post=post)
            .order_by("position")
            .values_list("position", "image__url")
        ),
    )


# --- What is mirrored -------------------------------------------------------------------------


def test_list_columns_mirror_the_live_revision():
    snapshot = make_snapshot(
        title="A title",
        topic="a topic",
        difficulty="advanced",
        code_language="go",
        language="pt-BR",
        reference="anp-ref-7",
        body="word " * 500,
    )

    post = Post.objects.get(pk=make_post(state="private", snapshot=snapshot).pk)

    assert {name: getattr(post, name) for name in LIST_COLUMNS} == {
        "title": "A title",
        "topic": "a topic",
        "difficulty": "advanced",
        "code_language": "go",
        "language": "pt-BR",
        "reference": "anp-ref-7",
        "reading_minutes": content.reading_minutes(snapshot),
    }
    assert post.reading_minutes == 3


def test_tags_entities_and_images_mirror_the_live_revision_in_its_order():
    snapshot = make_snapshot(
        stack=("Tidal  Services", "backend", "python"),
        tools=("sluice", "Python"),
        tags=("free", "sluice"),
        entities=(NamedEntity("Tidal Services", "stack"), NamedEntity("tidal  services", "STACK")),
        image_sources=(
            Image(url="https://picsum.photos/1"),
            Image(source="no address"),
            Image(url="https://picsum.photos/1"),
        ),
    )

    post = make_post(state="private", snapshot=snapshot)

    assert mirrored(post) == (
        ["tidal services", "backend", "python", "sluice", "free"],
        [("stack", "tidal services")],
        [(1, "https://picsum.photos/1"), (3, "https://picsum.photos/1")],
    )


names = st.lists(st.sampled_from(["sluice", "gauge", "c", "C++", "§", "Σ", "a b"]), max_size=4)
snapshots = st.builds(
    lambda stack, tools, entities, images: make_snapshot(
        stack=tuple(stack),
        tools=tuple(tools),
        entities=tuple(NamedEntity(name, "stack") for name in entities),
        image_sources=tuple(Image(url=f"https://picsum.photos/{n}") for n in images),
    ),
    names,
    names,
    names,
    st.lists(st.integers(1, 3), max_size=3),
)


@settings(max_examples=10)
@given(st.lists(snapshots, min_size=1, max_size=4))
def test_mirror_follows_the_live_revision_through_any_edits(contents):
    with transaction.atomic():
        editor = make_user("editor")
        post = make_post(state="private", snapshot=contents[0], tags=["gauge", "own"])
        for snapshot in contents[1:]:
            seen = post.revisions.count()
            writing.revise(post=post, by=editor, snapshot=snapshot, seen=seen)
        live = post.live_revision.snapshot

        editorial = set(
            PostTag.objects.filter(content_object=post, origin="editorial").values_list(
                "tag__name", flat=True
            )
        )
        assert "own" in editorial
        wanted = [tag.name for tag in content.tag_names(live.meta)]
        assert mirrored(post) == (
            [name for name in wanted if name not in editorial],
            list(entity_names(live.meta)),
            [(n, image.url) for n, image in enumerate(live.meta.image_sources, start=1)],
        )
        transaction.set_rollback(True)


# --- Names ------------------------------------------------------------------------------------

CLAIMS = {
    "as a tool": {"tools": ("sluice",), "stack": ()},
    "as an area": {"tools": (), "stack": ("x", "sluice")},
    "as a free tag": {"tools": (), "stack": (), "tags": ("sluice",)},
}


@pytest.mark.parametrize("order", list(itertools.permutations(CLAIMS)), ids="; ".join)
@pytest.mark.parametrize("is_one_batch", [True, False], ids=["one batch", "three batches"])
def test_kind_of_a_tag_does_not_depend_on_the_order_of_records(order, is_one_batch):
    records = [make_snapshot(**CLAIMS[name]) for name in order]

    for batch in [records] if is_one_batch else [[record] for record in records]:
        resolved(*batch)

    assert Tag.objects.get(name="sluice").kind == "area"


def test_kind_is_never_weakened_by_somebody_who_knew_less():
    early = resolved(make_snapshot(stack=(), tools=(), tags=("sluice",)))
    resolved(make_snapshot(stack=("sluice",), tools=()))

    early.resolve([reflected(make_snapshot(stack=(), tools=("sluice",)))])

    assert Tag.objects.get(name="sluice").kind == "stack"


@pytest.mark.parametrize("is_one_batch", [True, False])
def test_two_names_with_one_slug_get_distinct_slugs(is_one_batch):
    records = [make_snapshot(tools=(name,), stack=()) for name in ("c", "c++", "c#")]

    for batch in [records] if is_one_batch else [[record] for record in records]:
        resolved(*batch)

    found = dict(Tag.objects.values_list("name", "slug"))
    assert found["c"] == "c"
    assert len(set(found.values())) == 3
    assert all(slug.startswith("c") for slug in found.values())


def test_names_without_a_slug_character_get_a_slug_of_their_own():
    resolved(make_snapshot(tools=("§", "日本"), stack=(), entities=(NamedEntity("§", "§§"),)))

    found = list(Tag.objects.values_list("slug", flat=True))
    entity = Entity.objects.get()
    assert len(set(found)) == 2
    assert all(found)
    assert entity.slug
    assert entity.type_slug


def test_entities_of_one_slug_in_one_type_get_distinct_slugs():
    resolved(make_snapshot(entities=(NamedEntity("c", "stack"), NamedEntity("c++", "stack"))))

    found = set(Entity.objects.values_list("type_slug", "slug"))
    assert len(found) == 2
    assert ("stack", "c") in found


def test_one_entity_name_in_two_types_is_two_entities():
    known = resolved(make_snapshot(entities=(NamedEntity("c", "stack"), NamedEntity("c", "area"))))

    assert known.entities["stack", "c"] != known.entities["area", "c"]


def test_longest_names_fit_their_columns():
    post = make_post(
        state="private",
        snapshot=make_snapshot(
            tools=("x" * 99 + "y", "x" * 99 + "z"),
            entities=(NamedEntity("n" * 199 + "y", "t" * 50), NamedEntity("n" * 200, "t" * 50)),
        ),
    )

    tags, entities, _ = mirrored(post)
    assert "x" * 99 + "z" in tags
    assert len(entities) == 2


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://picsum.photos/7", "picsum.photos"),
        ("https://PICSUM.photos:8443/7", "picsum.photos"),
        ("https://[broken/7", ""),
        ("https://" + "h" * 600 + "/7", "h" * 255),
    ],
)
def test_host_of_an_image_is_read_and_no_address_stops_a_batch(url, host):
    known = resolved(make_snapshot(image_sources=(Image(url=url),)))

    assert ImageSource.objects.get(pk=known.images[url]).host == host


def test_image_that_somebody_else_meets_meanwhile_is_one_row(monkeypatch):
    first, second, third = (f"https://a.example/{number}" for number in range(3))
    allocate = db.allocate_ids

    def overtaken(model, count):
        ImageSource.objects.create(url=second)
        return allocate(model, count)

    monkeypatch.setattr(db, "allocate_ids", overtaken)

    known = resolved(
        make_snapshot(image_sources=tuple(Image(url=url) for url in (first, second, third)))
    )

    assert known.images == dict(ImageSource.objects.values_list("url", "pk"))
    assert set(known.images) == {first, second, third}


def test_known_names_cost_no_query(django_assert_num_queries):
    snapshot = make_snapshot(image_sources=(Image(url="https://picsum.photos/7"),))
    known = resolved(snapshot)

    with django_assert_num_queries(0):
        known.resolve([reflected(snapshot)])


def test_forgotten_names_of_a_lost_transaction_are_made_anew():
    snapshot = make_snapshot(tools=("sluice",), image_sources=(Image(url="https://a.example/1"),))
    known = projection.Names()
    with transaction.atomic():
        known.resolve([reflected(snapshot)])
        transaction.set_rollback(True)
    assert not Tag.objects.exists()

    known.forget()
    known.resolve([reflected(snapshot)])

    assert known.tags["sluice"][0] == Tag.objects.get(name="sluice").pk
    assert known.images == dict(ImageSource.objects.values_list("url", "pk"))
    assert set(known.entities.values()) == set(Entity.objects.values_list("pk", flat=True))


def test_full_cache_starts_anew_and_still_knows_the_batch(monkeypatch):
    monkeypatch.setattr(projection, "CACHE_MAX", 2)
    known = resolved(make_snapshot(tools=("one", "two", "three"), stack=()))

    known.resolve([reflected(make_snapshot(tools=("four",), stack=(), entities=()))])

    assert set(known.tags) == {"four"}


# --- Replacing --------------------------------------------------------------------------------


def test_replacing_nothing_asks_nothing(django_assert_num_queries):
    with django_assert_num_queries(0):
        projection.replace([], projection.Names())


def test_replaced_rows_carry_the_gate_they_are_given():
    post = make_post(state="listed", now=NOW)
    snapshot = make_snapshot(tools=("gauge",))

    projection.replace([projection.Mirrored(post.pk, reflected(snapshot), NOW)], resolved(snapshot))

    assert set(PostTag.objects.values_list("listed_at", flat=True)) == {NOW}
    assert set(PostEntity.objects.values_list("listed_at", flat=True)) == {NOW}


def test_replacing_one_post_leaves_the_others_alone():
    post, other = make_post(), make_post()
    before = mirrored(other)
    snapshot = make_snapshot(tools=(), stack=(), entities=())

    projection.replace(
        [projection.Mirrored(post.pk, reflected(snapshot), None)], resolved(snapshot)
    )

    assert mirrored(post) == ([], [], [])
    assert mirrored(other) == before


def keys_of_rows(post):
    return {
        name: dict(rows.order_by("position").values_list("position", "pk"))
        for name, rows in (
            ("tags", PostTag.objects.filter(content_object=post)),
            ("entities", PostEntity.objects.filter(post=post)),
            ("images", PostImage.objects.filter(post=post)),
        )
    }


def test_rows_that_stay_as_they_are_are_not_written_again():
    before = make_snapshot(
        stack=("one", "two", "three"),
        tools=(),
        entities=(NamedEntity("a", "stack"), NamedEntity("b", "area")),
        image_sources=(Image(url="https://a.example/1"), Image(url="https://a.example/2")),
    )
    after = make_snapshot(
        stack=("one", "other", "three"),
        tools=(),
        entities=(NamedEntity("a", "stack"), NamedEntity("c", "area")),
        image_sources=(Image(url="https://a.example/1"), Image(url="https://a.example/3")),
    )
    post = make_post(state="private", snapshot=before)
    old = keys_of_rows(post)

    projection.replace([projection.Mirrored(post.pk, reflected(after), None)], resolved(after))

    new = keys_of_rows(post)
    kept = {
        name: [place for place in rows if old[name][place] == rows[place]]
        for name, rows in new.items()
    }
    assert kept == {"tags": [0, 2], "entities": [0], "images": [1]}
    assert mirrored(post) == (
        ["one", "other", "three"],
        [("stack", "a"), ("area", "c")],
        [(1, "https://a.example/1"), (2, "https://a.example/3")],
    )


def test_tags_that_change_places_change_them():
    before, after = make_snapshot(stack=("one", "two")), make_snapshot(stack=("two", "one"))
    post = make_post(state="private", snapshot=before)

    projection.replace([projection.Mirrored(post.pk, reflected(after), None)], resolved(after))

    assert mirrored(post)[0][:2] == ["two", "one"]
