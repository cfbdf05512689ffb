"""Three versions: what each side changed, what may be chosen, what comes of it."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from posts import compare, content, merging
from tests.builders import make_snapshot

BASE = make_snapshot(
    title="Slack water",
    body="## Why\n\nNumbers come first.\n\n- note it\n- change one thing\n\nWrite it down.",
    notes=("a note",),
)


def changed(snapshot: content.Snapshot = BASE, **over) -> content.Snapshot:
    own = {name: over.pop(name) for name in ("title", "lede", "body") if name in over}
    return msgspec.structs.replace(
        snapshot, meta=msgspec.structs.replace(snapshot.meta, **over), **own
    )


def states(merge: merging.Merge) -> dict[str, str]:
    return {field.name: field.state for field in merge.fields}


def the(merge: merging.Merge, name: str) -> merging.MergeField:
    return next(field for field in merge.fields if field.name == name)


OURS = changed(title="Ours", summary="both say so", tools=("sluice",), difficulty="beginner")
THEIRS = changed(title="Theirs", summary="both say so", notes=(), difficulty="advanced")


def test_each_field_is_told_by_who_changed_it():
    merge = merging.three_way(BASE, OURS, THEIRS)

    assert states(merge) == {
        "title": "conflict",
        "summary": "agreed",
        "tools": "ours",
        "notes": "theirs",
        "difficulty": "conflict",
    }
    assert the(merge, "tools").by_theirs is None
    assert the(merge, "notes").by_ours is None
    assert not the(merge, "summary").is_open


def test_what_one_side_changed_is_taken_unless_chosen_otherwise():
    merge = merging.three_way(BASE, OURS, THEIRS)

    merged = merge.merged({"title": "theirs", "difficulty": "ours"})

    assert merged == changed(
        title="Theirs", summary="both say so", tools=("sluice",), notes=(), difficulty="beginner"
    )
    assert merge.merged({"title": "ours", "difficulty": "ours", "notes": "ours"}) == OURS


@pytest.mark.parametrize(
    ("choices", "names"),
    [
        ({}, ("title", "difficulty")),
        ({"title": "ours"}, ("difficulty",)),
        ({"title": "nobody's", "difficulty": "ours"}, ("title",)),
        ({"title": "both", "difficulty": "ours"}, ("title",)),
        ({"title": "ours", "difficulty": "ours", "notes": "x"}, ("notes",)),
    ],
)
def test_conflict_without_a_valid_choice_is_refused_by_name(choices, names):
    merge = merging.three_way(BASE, OURS, THEIRS)

    with pytest.raises(merging.ChoiceError) as refusal:
        merge.merged(choices)

    assert set(refusal.value.names) == set(names)


def test_without_a_common_beginning_every_difference_needs_a_choice():
    merge = merging.three_way(None, OURS, THEIRS)

    assert set(states(merge).values()) == {"conflict"}
    assert "summary" not in states(merge)
    assert all(field.by_ours is None and field.by_theirs for field in merge.fields)
    every = {name: "theirs" for name in states(merge)}
    assert merge.merged(every) == THEIRS


@pytest.mark.parametrize("name", compare.FIELDS)
def test_every_field_can_be_taken_from_either_side(name):
    full = content.Snapshot(
        title="Full",
        lede="Lede.",
        body="Body.",
        meta=content.Meta(
            topic="t",
            summary="s",
            ai_outline=content.Outline(context="c"),
            ai_brief="b",
            stack=("x",),
            tools=("y",),
            tags=("z",),
            code_language="go",
            difficulty="advanced",
            language="en",
            author="n",
            published_at="2026-01-01T00:00:00Z",
            former_urls=("/old/",),
            revision=content.Label(status="draft"),
            reference="R",
            hash="h",
            flags=content.Flags(image_heavy=True),
            checklist=("one",),
            entities=(content.Entity("a", "b"),),
            image_sources=(content.Image(source="s"),),
            payload=content.Payload(seed=1),
            notes=("n",),
            extra={"k": 1},
        ),
    )
    blank = content.Snapshot(title="Blank")
    merge = merging.three_way(None, blank, full)
    assert set(states(merge)) == set(compare.FIELDS)

    merged = merge.merged({**{field: "ours" for field in states(merge)}, name: "theirs"})

    for field in compare.FIELDS:
        side = full if field == name else blank
        assert compare.value_of(merged, field) == compare.value_of(side, field)


# --- Both sides' changes of a body ------------------------------------------------------------


def test_changes_of_different_places_can_both_be_taken():
    ours = changed(body=BASE.body.replace("Numbers", "Figures"))
    theirs = changed(body=BASE.body + "\n\nThe end.")

    field = the(merge := merging.three_way(BASE, ours, theirs), "body")

    assert (field.state, field.default) == ("conflict", "")
    wanted = BASE.body.replace("Numbers", "Figures") + "\n\nThe end."
    assert merge.merged({"body": "both"}).body == wanted


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("Figures come first.", "Numbers come last."),
        ("Numbers come first.\n\nOurs.", "Numbers come first.\n\nTheirs."),
    ],
)
def test_changes_that_touch_cannot_both_be_taken(ours, theirs):
    sides = [
        changed(body=BASE.body.replace("Numbers come first.", text)) for text in (ours, theirs)
    ]

    field = the(merging.three_way(BASE, *sides), "body")

    assert field.both is None
    assert "same place" in field.why_not
    assert "both" not in field.choices


def test_figures_that_count_in_other_lists_cannot_both_be_taken():
    ours = changed(body=BASE.body.replace("Why", "Why at all"))
    theirs = changed(
        body=BASE.body + "\n\n![tide](image:1)", image_sources=(content.Image(source="a gauge"),)
    )

    field = the(merging.three_way(BASE, ours, theirs), "body")

    assert field.both is None
    assert "image sources that differ" in field.why_not


def test_item_appended_to_a_list_at_the_end_stays_in_the_list():
    base = "Do this:\n\n- one\n- two"

    merged = merging.merged_blocks(base, base + "\n- three", base.replace("this", "that"))

    assert merged == "Do that:\n\n- one\n- two\n- three"


BLOCKS = st.lists(
    st.sampled_from(["# Head", "One two.", "Three four.", "- item", "```\ncode\n\nmore\n```"]),
    max_size=6,
).map("\n\n".join)


@given(BLOCKS, BLOCKS)
def test_a_side_that_changed_nothing_gives_way(base, side):
    assert merging.merged_blocks(base, side, base) == side
    assert merging.merged_blocks(base, base, side) == side
    assert merging.merged_blocks(base, side, side) == side


@given(BLOCKS, BLOCKS, BLOCKS)
def test_merged_blocks_do_not_depend_on_the_side(base, ours, theirs):
    one = merging.merged_blocks(base, ours, theirs)
    other = merging.merged_blocks(base, theirs, ours)

    assert one == other
