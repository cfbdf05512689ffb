"""The meta box: every field of the documents, verbatim, and unknown ones as texts."""

import msgspec
import pytest
from django.template.loader import render_to_string

from posts import content, metabox
from posts.models import ImportedPost, ImportSource, Statistics

META = content.Meta(
    topic="testing critical paths / python services",
    summary="this summary explains",
    ai_outline=content.Outline("for api-first products", "testing", "python services", "measure"),
    ai_brief="the article is written like a draft",
    stack=("python services", "backend", "python"),
    tools=("fastapi", "git"),
    code_language="python",
    difficulty="advanced",
    revision=content.Label("reviewed", "1.6.2", "2017-05-10"),
    reference="anp-ref-030904-8519",
    hash="ee4210630caad57d2c66ffc9",
    flags=content.Flags(True, True, False, None),
    checklist=("run linting", "tag the release"),
    entities=(
        content.Entity("python services", "stack"),
        content.Entity("testing", "problem"),
    ),
    image_sources=(content.Image("picsum.photos", "https://picsum.photos/1/2", "cap", "seen"),),
    payload=content.Payload("alphanode-030904", "anp content synthesizer", 9, "for api", 30904),
    notes=("view count is synthetic",),
)
STATISTICS = Statistics(
    imported_reading_time=12,
    imported_view_count=481777,
    imported_score={"quality": 74, "freshness": 92, "depth": 89, "clarity": 0},
)


def box(meta=META, **more):
    more.setdefault("statistics", STATISTICS)
    more.setdefault(
        "imported", ImportedPost(source=ImportSource(name="seeds"), key="alphanode-030904")
    )
    return metabox.meta_box(content.Snapshot(title="t", meta=meta), **more)


def rows(groups):
    return {row.name: row for group in groups for row in group.rows}


def words(groups):
    return render_to_string("posts/_meta_box.html", {"metabox": groups})


def test_groups_stand_in_order_and_the_first_three_are_open():
    groups = box()

    assert [group.title for group in groups] == [
        "About",
        "Quality",
        "Revision",
        "Brief",
        "Checklist",
        "Entities",
        "Image sources",
        "Record",
    ]
    assert [group.is_open for group in groups] == [True] * 3 + [False] * 5


def test_every_field_of_the_documents_appears_verbatim():
    found = rows(box())

    assert {name: row.value for name, row in found.items() if row.kind in ("text", "mono")} == {
        "topic": META.topic,
        "difficulty": "advanced",
        "revision.status": "reviewed",
        "revision.version": "1.6.2",
        "revision.last_reviewed": "2017-05-10",
        "summary": META.summary,
        "ai_brief": META.ai_brief,
        "reference": META.reference,
        "hash": META.hash,
        "source": "seeds",
        "reading_time": "12",
        "view_count": "481777",
    }
    assert [link.text for link in found["stack"].value] == ["python services", "backend", "python"]
    assert [link.text for link in found["tools"].value] == ["fastapi", "git"]
    assert found["score"].value == [
        ("quality", "74"),
        ("freshness", "92"),
        ("depth", "89"),
        ("clarity", "0"),
    ]
    assert found["ai_outline"].value == [
        ("context", "for api-first products"),
        ("problem", "testing"),
        ("stack", "python services"),
        ("recommended action", "measure"),
    ]
    assert found["payload"].value == [
        ("source id", "alphanode-030904"),
        ("generator", "anp content synthesizer"),
        ("paragraphs", "9"),
        ("scenario", "for api"),
        ("seed", "30904"),
    ]
    assert found["flags"].value == [
        ("ai generated style", "yes"),
        ("has images", "yes"),
        ("image heavy", "no"),
    ]
    assert found["checklist"].value == ["run linting", "tag the release"]
    assert found["entities.problem"].value == [("testing", "", 0)]
    assert found["image_sources"].value == [
        [
            ("source", "picsum.photos"),
            ("url", "https://picsum.photos/1/2"),
            ("caption", "cap"),
            ("alt", "seen"),
        ]
    ]
    assert found["notes"].value == ["view count is synthetic"]


def test_every_member_of_the_types_has_a_place():
    """A field added to the snapshot must not be forgotten here."""
    others = content.Meta(
        tags=("a tag",),
        language="en",
        author="Ada Nuss",
        published_at="2026-01-01T00:00:00Z",
        former_urls=("/2012/03/old/", "/?p=12"),
    )
    found = rows(box(others))

    assert found["author"].value == "Ada Nuss"
    assert found["former_urls"].value == ["/2012/03/old/", "/?p=12"]
    given = set(content.Meta.__struct_fields__) - {"extra"}
    assert given <= {name.split(".")[0] for name in (*rows(box()), *found)}


def test_absent_values_are_left_out():
    assert box(content.Meta(), statistics=None, imported=None) == []


def test_labels_are_those_of_the_documents():
    labels = {row.label for row in rows(box()).values()}

    assert {"ai brief", "code language", "payload", "last reviewed", "view count"} <= labels


def test_names_link_to_their_pages_where_there_are_such():
    links = metabox.Links(
        tags={"python services": "/tags/python-services/"},
        entities={("problem", "testing"): "/entities/problem/testing/"},
        counts={"/tags/python-services/": 7},
    )

    found = rows(box(links=links))

    assert found["stack"].value[0] == ("python services", "/tags/python-services/", 7)
    assert found["stack"].value[1] == ("backend", "", 0)
    assert found["entities.problem"].value == [("testing", "/entities/problem/testing/", 0)]


def test_all_values_of_an_imported_revision_are_marked():
    assert all(row.is_imported for row in rows(box()).values())


def test_only_claims_stay_marked_once_a_person_has_saved_the_revision():
    found = rows(box(origin="editor"))

    marked = {name.split(".")[0] for name, row in found.items() if row.is_imported}
    assert marked == {
        "score",
        "revision",
        "reference",
        "hash",
        "source",
        "payload",
        "flags",
        "reading_time",
        "view_count",
    }


@pytest.mark.parametrize("source", [None, "local"])
def test_nothing_is_marked_on_a_post_written_here(source):
    imported = ImportedPost(source=ImportSource(name=source), key="k") if source else None

    assert not any(row.is_imported for row in rows(box(imported=imported)).values())


def test_unknown_fields_become_nested_texts():
    meta = msgspec.structs.replace(
        META,
        extra={
            "audience": {"level": 3, "roles": ["dev", {"x": True}], "none": None},
            "payload": {"model": "m-1"},
            "revision": {"channel": ["a", "b"]},
            "empty": None,
        },
    )

    groups = box(meta)
    found = rows(groups)

    assert found["audience"].value == [("level", "3"), ("roles", ["dev", [("x", "yes")]])]
    assert found["payload"].value[-1] == ("model", "m-1")
    assert found["revision.channel"].value == ["a", "b"]
    assert "empty" not in found
    revision = next(group for group in groups if group.key == "revision")
    assert "revision.channel" in [row.name for row in revision.rows]


def test_values_never_become_markup():
    bad = "<script>alert(1)</script>"
    meta = content.Meta(
        topic=bad,
        stack=(bad,),
        notes=(bad,),
        entities=(content.Entity(bad, bad),),
        image_sources=(content.Image(bad, "", bad),),
        extra={bad: {bad: [bad, {bad: bad}]}},
    )

    html = words(box(meta))

    assert "<script" not in html
    assert html.count("&lt;script&gt;") >= 9


def test_the_page_shows_each_value():
    html = words(box())

    for value in ("481777", "2017-05-10", "ee4210630caad57d2c66ffc9", "anp content synthesizer"):
        assert value in html


def test_the_box_as_json_and_markdown_holds_the_same_values():
    groups = box()

    record = metabox.as_json(groups)["record"]
    text = metabox.as_markdown(groups)

    assert record["view_count"] == {"value": "481777", "is_imported": True}
    assert record["flags"]["value"]["image heavy"] == "no"
    assert "- view count (imported): 481777" in text
    assert "- stack (imported):\n  - python services" in text
