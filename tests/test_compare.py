"""Comparing two contents: what is told, in which words, and that no input makes it expensive."""

import re
import time
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from posts import alignment, blockdiff, compare, content, worddiff
from tests.builders import make_snapshot

PARAGRAPHS = [
    "A nightly export is easy to love because it needs nobody.",
    "Reading only what is new takes a cursor and some patience.",
    "Keep the old command until the new one has run for a month.",
    "Numbers come before opinions, and a baseline before numbers.",
    "Write down what was measured, where, and with which version.",
    "The queue tells the truth about a system under pressure.",
]


def body_of(*paragraphs: str) -> str:
    return "\n\n".join(paragraphs)


def compared(before: str, after: str) -> compare.Comparison:
    return compare.compare(
        content.Snapshot(title="A note", body=before), content.Snapshot(title="A note", body=after)
    )


def body_rows(before: str, after: str) -> list:
    (field,) = compared(before, after).fields
    assert field.name == "body"
    return list(field.rows)


def kinds(rows) -> list[str]:
    return [row.kind for row in rows]


def text_of(pieces, *kinds: str) -> str:
    return "".join(piece.text for piece in pieces if not kinds or piece.kind in kinds)


def field_of(name: str, before: object, after: object, **more) -> compare.Field:
    """Return what changed in one field of the meta."""
    start = make_snapshot(**{name: before})
    meta = msgspec.structs.replace(start.meta, **{name: after})
    (field,) = compare.compare(start, msgspec.structs.replace(start, meta=meta)).fields
    assert field.name == name
    return field


# --- The body ---------------------------------------------------------------------------------


def test_equal_contents_differ_in_nothing():
    snapshot = make_snapshot()

    comparison = compare.compare(snapshot, snapshot)

    assert comparison.is_same
    assert comparison.summary.sentences() == []


def test_changed_word_stands_alone_in_its_paragraph():
    before = body_of(*PARAGRAPHS)
    rows = body_rows(before, before.replace("patience", "care"))

    changed = next(row for row in rows if row.kind == "changed")
    assert text_of(changed.inline, "removed") == "patience"
    assert text_of(changed.inline, "added") == "care"
    assert text_of(changed.before) == PARAGRAPHS[1]
    assert text_of(changed.after) == PARAGRAPHS[1].replace("patience", "care")


def test_unchanged_paragraphs_are_folded_with_one_of_context():
    before = body_of(*PARAGRAPHS, "The end of it.")

    rows = body_rows(before, before.replace("opinions", "feelings"))

    assert kinds(rows) == ["fold", "same", "changed", "same", "fold"]
    assert [row.count for row in rows if row.kind == "fold"] == [2, 2]
    assert text_of(rows[1].inline) == PARAGRAPHS[2]


def test_a_single_unchanged_paragraph_is_not_folded():
    before = body_of(*PARAGRAPHS[:3])

    rows = body_rows(before, body_of(PARAGRAPHS[0], PARAGRAPHS[1], "Something else entirely."))

    assert kinds(rows)[:2] == ["same", "same"]


def test_paragraphs_that_came_and_went_are_told():
    rows = body_rows(body_of(*PARAGRAPHS[:3]), body_of(PARAGRAPHS[0], PARAGRAPHS[2], PARAGRAPHS[4]))

    assert kinds(rows) == ["same", "removed", "same", "added"]


def test_moved_paragraph_is_told_at_both_places():
    moved = [*PARAGRAPHS[1:5], PARAGRAPHS[0]]

    rows = body_rows(body_of(*PARAGRAPHS[:5]), body_of(*moved))

    left, came = rows[0], rows[-1]
    assert (left.kind, came.kind) == ("left", "moved")
    assert came.label == "moved down 4 places"
    assert (left.target, came.target) == (came.name, left.name)
    assert {"added", "removed", "changed"}.isdisjoint(kinds(rows))


def test_moved_paragraph_with_another_word_shows_the_word():
    moved = [PARAGRAPHS[4].replace("version", "build"), *PARAGRAPHS[:4]]

    rows = body_rows(body_of(*PARAGRAPHS[:5]), body_of(*moved))

    came = next(row for row in rows if row.kind == "moved")
    assert came.label == "moved up 4 places, and changed"
    assert text_of(came.inline, "removed") == "version"
    assert text_of(came.inline, "added") == "build"


def test_code_with_blank_lines_is_one_block():
    code = "```python\nx = 1\n\n- no item\n```"

    found = blockdiff.blocks(f"Text.\n{code}\nMore.\n- item\n  goes on\n- another")

    assert [block.text for block in found] == [
        "Text.",
        code,
        "More.",
        "- item\n  goes on",
        "- another",
    ]
    assert [block.is_code for block in found] == [False, True, False, False, False]


@pytest.mark.parametrize(
    ("before", "after"),
    [("One.\n\nTwo.", "One.\n\n\nTwo."), ("- one\n- two", "- one\n\n- two")],
)
def test_difference_of_blank_lines_alone_is_said(before, after):
    (field,) = compared(before, after).fields

    assert "Only blank lines" in field.note
    assert {"same", "fold"} >= set(kinds(field.rows))


def test_a_rewritten_paragraph_is_no_confetti():
    rows = body_rows("The cat sat on the mat today.", "Queues, the memory of a busy system, grow.")

    assert kinds(rows) == ["removed", "added"]


def test_sum_counts_words_blocks_tags_and_fields():
    before = make_snapshot(title="A note", body=body_of(*PARAGRAPHS), tags=("old",))
    meta = msgspec.structs.replace(before.meta, tags=("fresh", "new"), difficulty="beginner")
    body = body_of(PARAGRAPHS[0], "A wholly new thought.", *PARAGRAPHS[1:])

    comparison = compare.compare(before, msgspec.structs.replace(before, body=body, meta=meta))

    assert comparison.summary.sentences() == [
        "+5 −1 words",
        "text: 1 added",
        "tags +2 −1",
        "fields: body, tags, difficulty",
    ]


# --- Fields -----------------------------------------------------------------------------------

LEFT_OUT = {"title", "lede", "body"}
CHANGES = {
    "topic": ("one", "another"),
    "summary": ("one", ""),
    "ai_outline": (content.Outline(), content.Outline(problem="queues")),
    "ai_brief": ("", "new"),
    "stack": (("python",), ("go",)),
    "tools": (("sluice",), ()),
    "tags": ((), ("queues",)),
    "code_language": ("python", "go"),
    "difficulty": ("beginner", "advanced"),
    "language": ("en", "de"),
    "author": ("", "Ada Nuss"),
    "published_at": ("", "2026-01-01T00:00:00Z"),
    "former_urls": (("/old/",), ("/old/", "/?p=12")),
    "revision": (content.Label(status="draft"), content.Label(status="reviewed")),
    "reference": ("A-1", "A-2"),
    "hash": ("ab", "cd"),
    "flags": (content.Flags(has_images=True), content.Flags(has_images=False)),
    "checklist": (("one thing",), ("one thing", "another thing")),
    "entities": ((), (content.Entity("queues", "problem"),)),
    "image_sources": ((), (content.Image(url="https://picsum.photos/1", caption="tide"),)),
    "payload": (content.Payload(seed=1), content.Payload(seed=2)),
    "notes": (("a note",), ()),
    "extra": ({"mood": "calm"}, {"mood": {"sea": [1, 2]}}),
}


@pytest.mark.parametrize("name", content.Meta.__struct_fields__)
def test_every_field_of_the_meta_tells_its_change(name):
    before, after = CHANGES[name]

    field = field_of(name, before, after)

    assert any(row.kind != "same" for row in field.rows)
    assert all(row.inline for row in field.rows)


def test_members_of_a_section_are_told_one_by_one():
    field = field_of(
        "payload",
        content.Payload(generator="a", seed=1, scenario="same"),
        content.Payload(generator="b", seed=None, scenario="same"),
    )

    assert [(row.label, row.kind) for row in field.rows] == [
        ("generator", "changed"),
        ("seed", "removed"),
    ]


def test_chips_keep_their_order_and_say_what_moved():
    field = field_of("stack", ("a", "b", "c"), ("c", "a", "d"))

    assert [(text_of(row.inline), row.kind) for row in field.rows] == [
        ("c", "same"),
        ("a", "moved"),
        ("d", "added"),
        ("b", "removed"),
    ]


def test_repeated_chips_are_counted():
    field = field_of("tools", ("a", "a"), ("a",))

    assert kinds(field.rows) == ["same", "removed"]


# --- Hostile texts ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("character", "name"),
    [
        ("\u202e", "U+202E right-to-left override"),
        ("\u200b", "U+200B zero width space"),
        ("\x1b", "U+001B"),
        ("\xa0", "U+00A0 no-break space"),
        ("\U000e0041", "U+E0041 tag latin capital letter a"),
    ],
)
def test_character_nobody_sees_is_named(character, name):
    rows = body_rows("Pay to Alice.", f"Pay to {character}Alice.")

    marks = [piece for row in rows for piece in row.inline if piece.mark]
    assert [(piece.text, piece.kind) for piece in marks] == [(name, "added")]
    assert not any(character in piece.text for row in rows for piece in row.inline)


def test_many_unseen_characters_are_named_and_counted():
    rows = body_rows("Text.", "Text." + "\u200b" * 500 + "\u200c\u200d" * 400)

    shown = text_of([piece for row in rows for piece in row.inline])
    assert "zero width space ×500" in shown
    assert not re.search("[\u200b-\u200d]", shown)


def hostile() -> dict[str, tuple[str, str]]:
    return {
        "identical lines, one more": ("x y z\n" * 100_000, "x y z\n" * 100_001),
        "identical lines, all changed": ("x y z\n" * 100_000, "x y w\n" * 100_000),
        "identical items": ("- x y\n" * 100_000, "- x y\n" * 50_000 + "- x z\n" * 50_000),
        "alternating items": ("- x y\n- y x\n" * 9_000, "- y x\n- x y\n- x y\n" * 6_000),
        "alternating words": ("a b " * 60_000, "b a a " * 40_000),
        "one word": ("a" * 2**20, "b" * 2**20),
        "one word, one letter more": ("a" * 2**20, "a" * 2**20 + "b"),
        "zero width": ("\u200b\u200c" * 500_000, "\u200c\u200b" * 500_000),
        "points": ("!?" * 500_000, "?!" * 500_001),
        "reversed paragraphs": (
            "\n\n".join(f"number {n} of many" for n in range(9_000)),
            "\n\n".join(f"number {n} of many" for n in range(9_000, 0, -1)),
        ),
        "fences": ("```\n" * 15_000, "~~~\n" * 15_000),
        "spaces": (" " * 1_000_000 + "a", " " * 999_999 + "b a"),
        "items of one sign": ("-\n" * 900_000, "+\n" * 900_000),
    }


@pytest.mark.parametrize("name", hostile())
def test_hostile_text_is_compared_with_bounded_work(name, monkeypatch):
    before, after = hostile()[name]
    work = worddiff.Work()
    monkeypatch.setattr(compare, "Work", lambda: work)

    started = time.process_time()
    comparison = compared(before, after)
    seconds = time.process_time() - started

    assert work.budget.left >= 0
    rows = [row for field in comparison.fields for row in field.rows]
    pieces = [piece for row in rows for piece in getattr(row, "inline", ())]
    assert len(rows) <= 2 * compare.ROWS_MAX + compare.FOLD_ROWS_MAX
    assert len(pieces) <= worddiff.PIECES_MAX + 10 * len(rows) + 2_000
    assert sum(len(piece.text) for piece in pieces) < 3_000_000
    # A second and a half is twenty times less than anything quadratic here would take.
    assert seconds < 1.5
    assert comparison.notes or len(comparison.fields[0].rows) > 100 or comparison.fields[0].hidden


def test_work_is_the_same_for_twice_the_hostile_text():
    """The budget is what is spent, so that size alone cannot make the pairing slower."""
    spent = []
    for times in (10_000, 20_000):
        budget = alignment.Budget(100_000)
        alignment.align("ab" * times, "baa" * times, budget)
        spent.append(budget.is_spent)

    assert spent == [True, True]


def test_long_stretch_is_shortened_and_said():
    comparison = compared("short", "a" * 100_000)

    assert any("shortened" in note for note in comparison.notes)
    (field,) = comparison.fields
    assert any("80,000 characters more" in text_of(row.inline) for row in field.rows)


def test_more_differences_than_a_page_shows_are_counted():
    before = "\n\n".join(f"number {n} of the old ones" for n in range(3_000))
    after = "\n\n".join(f"item {n}, newly made" for n in range(3_000))

    (field,) = compared(before, after).fields

    assert len(field.rows) <= compare.ROWS_MAX
    assert field.hidden == 6_000 - len(field.rows)


# --- Properties -------------------------------------------------------------------------------

LINES = st.lists(
    st.sampled_from(
        ["# Head", "- item one", "- item", "a b c", "a  b", "", "```", "x\u200by", " "]
    ),
    max_size=12,
).map("\n".join)


@given(LINES, LINES)
def test_rows_hold_both_texts_completely(before, after):
    work = worddiff.Work()

    rows = blockdiff.compare_blocks(blockdiff.blocks(before), blockdiff.blocks(after), work)

    def side(*mine: str) -> list[str]:
        return sorted(
            word
            for row in rows
            if row.kind in mine
            for pieces in ((row.before if "removed" in mine else row.after) or row.inline,)
            for word in text_of(pieces).replace("↵", "").split()
        )

    def said(text: str) -> list[str]:
        shown = text_of(worddiff.pieces("same", text, worddiff.Work()))
        return sorted(shown.split())

    assert side("same", "changed", "removed", "moved") == said(before)
    assert side("same", "changed", "added", "moved") == said(after)


@given(st.text())
def test_blocks_joined_again_are_the_text(text):
    assert "".join(block.text + block.after for block in blockdiff.blocks(text)) == text


@given(st.text(), st.text())
def test_word_changes_lead_from_one_text_to_the_other(before, after):
    found = worddiff.word_changes(before, after, worddiff.Work())

    assert "".join(text for kind, text in found if kind != "added") == before
    assert "".join(text for kind, text in found if kind != "removed") == after


SHORT = st.lists(st.sampled_from("abc"), max_size=9)


@given(SHORT, SHORT)
def test_alignment_is_the_longest_on_a_stretch_without_anchors(one, other):
    longest = [[0] * (len(other) + 1) for _ in range(len(one) + 1)]
    for i, x in enumerate(one):
        for j, y in enumerate(other):
            longest[i + 1][j + 1] = (
                longest[i][j] + 1 if x == y else max(longest[i][j + 1], longest[i + 1][j])
            )
    span = (0, len(one), 0, len(other))

    found = sorted(alignment._shortest(one, other, span, alignment.Budget(10**6)))

    assert all(one[i] == other[j] for i, j in found)
    assert all(a < c and b < d for (a, b), (c, d) in pairwise(found))
    assert len(found) == longest[-1][-1]


@given(SHORT, SHORT, st.integers(0, 60))
def test_alignment_is_right_with_any_budget(one, other, steps):
    found = alignment.align(one, other, alignment.Budget(steps))

    assert all(one[i] == other[j] for i, j in found)
    assert all(a < c and b < d for (a, b), (c, d) in pairwise(found))


@given(st.text("ab", max_size=30), st.text("ab", max_size=30))
def test_equal_ends_are_as_long_as_they_can_be(one, other):
    head, tail = worddiff.equal_ends(one, other)

    assert one[:head] == other[:head]
    assert one[len(one) - tail :] == other[len(other) - tail :]
    assert head + tail <= min(len(one), len(other))
    assert one[head : head + 1] != other[head : head + 1] or head == min(len(one), len(other))
