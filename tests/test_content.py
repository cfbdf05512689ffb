"""Content: a digest that changes exactly when the content does, and normalising that is final."""

from __future__ import annotations

import datetime as dt
import time
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posts.content import (
    Entity,
    Flags,
    Image,
    Label,
    Meta,
    Outline,
    Payload,
    Problem,
    Score,
    Snapshot,
    Statistics,
    count_words,
    digest,
    meta_to_json,
    reading_minutes,
    shown,
    snapshot_from_row,
    statistics_digest,
    tag_names,
)
from posts.validation import checked, checked_statistics, is_date, is_moment

META = Meta(
    topic="exports / go",
    summary="A short plan.",
    ai_outline=Outline("for a team", "exports", "go", "switch"),
    ai_brief="Written as a plan.",
    stack=("go", "pipelines"),
    tools=("pprof", "git"),
    tags=("exports", "streams"),
    code_language="go",
    difficulty="advanced",
    language="en",
    published_at="2026-02-03T04:05:06Z",
    revision=Label("reviewed", "1.4.2", "2024-02-29"),
    reference="anp-ref-000417-2290",
    hash="0f1e2d3c4b5a69788796a5b4",
    flags=Flags(True, True, False, None),
    checklist=("run both", "compare"),
    entities=(Entity("go", "stack"),),
    image_sources=(Image("example.org", "https://example.org/a.png", "a plan", "two arrows"),),
    payload=Payload("alphanode-000417", "sample", 3, "for a team", 417),
    notes=("made up",),
    extra={"mood": {"a": [1, 2.5, True, None, "x"], "b": "caf\u00e9"}},
)
SNAPSHOT = Snapshot(
    title="Caf\u00e9 exports", lede="One line.", body="## A\n\nText.\n\n![p](image:1)", meta=META
)
GOLDEN = "1:413a71553d187a25b7855600d7a37bceda3e61663b602513738838af429c8d57"


def normal(snapshot: Snapshot) -> Snapshot:
    """Return the normalised snapshot, which must be free of errors."""
    found, problems = checked(snapshot)
    assert [p for p in problems if p.severity == "error"] == []
    return found


def with_meta(**changes: Any) -> Snapshot:
    return msgspec.structs.replace(SNAPSHOT, meta=msgspec.structs.replace(META, **changes))


def test_the_digest_of_one_snapshot_never_changes() -> None:
    """Approvals are bound to it: if this fails, CANONICAL_VERSION has to change as well."""
    assert normal(SNAPSHOT) == SNAPSHOT
    assert digest(SNAPSHOT) == GOLDEN


@pytest.mark.parametrize(
    "same",
    [
        with_meta(tags=("streams", "exports")),
        with_meta(tags=("streams", "exports", "streams")),
        with_meta(extra={"mood": {"b": "caf\u00e9", "a": [1, 2.5, True, None, "x"]}}),
        with_meta(extra={"mood": {"a": [1.0, 2.5, True, None, "x"], "b": "cafe\u0301"}}),
        msgspec.structs.replace(SNAPSHOT, title="Cafe\u0301 exports"),
        msgspec.structs.replace(SNAPSHOT, title=" Caf\u00e9 exports "),
        msgspec.structs.replace(SNAPSHOT, body="## A\r\n\r\nText.\r\n\r\n![p](image:1)\r\n"),
        msgspec.structs.replace(SNAPSHOT, body="\n\n## A\n\nText.\n\n![p](image:1)\n\n"),
    ],
)
def test_another_spelling_of_the_same_content_has_the_same_digest(same: Snapshot) -> None:
    assert digest(normal(same)) == GOLDEN


CHANGES: dict[str, Any] = {
    "topic": "other",
    "summary": "other",
    "ai_brief": "other",
    "stack": ("pipelines", "go"),
    "tools": ("git", "pprof"),
    "tags": ("exports",),
    "code_language": "rust",
    "difficulty": "beginner",
    "language": "de",
    "author": "somebody",
    "published_at": "2026-02-03T04:05:07Z",
    "former_urls": ("/?p=12",),
    "reference": "anp-ref-000417-2291",
    "hash": "0f1e2d3c4b5a69788796a5b5",
    "checklist": ("compare", "run both"),
    "entities": (Entity("go", "area"),),
    "image_sources": (),
    "notes": (),
    "extra": {"mood": {"a": [1, 2.5, True, None, "y"], "b": "caf\u00e9"}},
    "ai_outline": Outline("for a team", "exports", "go", "stay"),
    "revision": Label("reviewed", "1.4.3", "2024-02-29"),
    "flags": Flags(True, True, False, False),
    "payload": Payload("alphanode-000417", "sample", 3, "for a team", 418),
}


def test_every_field_of_the_meta_is_changed_below() -> None:
    assert set(CHANGES) == set(Meta.__struct_fields__)


@pytest.mark.parametrize("name", CHANGES)
def test_any_other_value_changes_the_digest(name: str) -> None:
    assert digest(normal(with_meta(**{name: CHANGES[name]}))) != GOLDEN


@pytest.mark.parametrize("name", ["title", "lede", "body"])
def test_any_other_text_changes_the_digest(name: str) -> None:
    changed = msgspec.structs.replace(SNAPSHOT, **{name: getattr(SNAPSHOT, name) + "!"})
    assert digest(normal(changed)) != GOLDEN


def test_a_value_cannot_move_to_the_next_field_unseen() -> None:
    one = with_meta(topic="a", summary="")
    other = with_meta(topic="", summary="a")
    assert digest(normal(one)) != digest(normal(other))


def test_a_stored_row_has_the_digest_it_was_stored_with() -> None:
    stored = msgspec.json.decode(msgspec.json.encode(meta_to_json(META)))
    read = snapshot_from_row(SNAPSHOT.title, SNAPSHOT.lede, SNAPSHOT.body, stored)

    assert read == SNAPSHOT
    assert digest(read) == GOLDEN


def test_statistics_have_a_digest_of_their_own() -> None:
    one = Statistics(reading_time=4, view_count=5, score=Score(1, 2, 3, 4))
    other = msgspec.structs.replace(one, view_count=6)

    assert statistics_digest(one) != statistics_digest(other)
    assert statistics_digest(one).startswith("1:")


AWKWARD = [*"ab \t\r\n<e", "\0", "\x01", "\x85", "\u0301", "\u0338", "\u2028", "\u200b"]
TEXTS = st.text(max_size=30) | st.lists(
    st.sampled_from([*AWKWARD, "\ufeff", "\ud800"]), max_size=12
).map("".join)
UNKNOWN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=400, deadline=None)
@given(TEXTS, TEXTS, TEXTS, st.lists(TEXTS, max_size=3).map(tuple), st.dictionaries(TEXTS, UNKNOWN))
def test_normalising_twice_is_normalising_once(
    title: str, lede: str, body: str, texts: tuple[str, ...], extra: dict[str, Any]
) -> None:
    meta = Meta(
        topic=title,
        summary=body,
        tags=texts,
        notes=texts,
        image_sources=tuple(Image(caption=text) for text in texts),
        extra=extra,
    )
    once, problems = checked(Snapshot(title=title, lede=lede, body=body, meta=meta))
    if any(problem.severity == "error" for problem in problems):
        return
    twice, again = checked(once)

    assert twice == once
    assert digest(twice) == digest(once)
    assert [problem for problem in again if problem.severity != "warning"] == []
    stored = msgspec.json.decode(msgspec.json.encode(meta_to_json(once.meta)))
    assert digest(snapshot_from_row(once.title, once.lede, once.body, stored)) == digest(once)


@pytest.mark.parametrize("value", [1.0, 0.0, -0.0, 1, 2**53 - 1, 2.5, -7.25])
def test_numbers_have_one_spelling(value: float) -> None:
    found = normal(with_meta(extra={"n": value})).meta.extra["n"]

    assert found == value
    assert isinstance(found, int) == (value == int(value))
    assert str(found) != "-0.0"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 2**53, -(2**60), 1e300])
def test_numbers_that_no_database_keeps_are_refused(value: float) -> None:
    _, problems = checked(with_meta(extra={"n": value}))

    assert [(p.code, p.field) for p in problems] == [("out_of_range", "n")]


def test_two_names_that_become_one_are_refused() -> None:
    _, problems = checked(with_meta(extra={"caf\u00e9": 1, "cafe\u0301": 2}))

    assert "duplicate_key_name" in {problem.code for problem in problems}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("plain", "plain"),
        ("a\nb\x00\x1b[2J", "a\\nb\\x00\\x1b[2J"),
        ("\u202eevil", "\\u202eevil"),
        ("\ud800", "\\ud800"),
        ("caf\u00e9", "caf\u00e9"),
        (7, "7"),
    ],
)
def test_a_shown_value_cannot_break_a_report(value: object, expected: str) -> None:
    assert shown(value) == expected


def test_a_shown_value_is_short_whatever_it_is() -> None:
    deep: list[Any] = []
    for _ in range(5_000):
        deep = [deep]

    for value in ("x" * 10_000, "\0" * 10_000, deep, 10**100_000, {"a": ["b"] * 10_000}):
        assert len(shown(value)) <= 200


@pytest.mark.parametrize(
    ("text", "expected"),
    [("2024-02-29", True), ("2023-02-29", False), ("0000-00-00", False), ("20240229", False)],
)
def test_dates_are_calendar_dates(text: str, expected: bool) -> None:
    assert is_date(text) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-02-03T04:05:06Z", True),
        ("2026-02-03T04:05:06.5+02:00", True),
        ("2026-02-03T04:05:06", False),
        ("2026-02-03", False),
        ("0001-01-01T00:00:00+14:00", False),
        ("9999-12-31T23:59:59-12:00", False),
        ("2026-02-03T24:61:00Z", False),
    ],
)
def test_moments_have_an_offset_and_exist_in_utc(text: str, expected: bool) -> None:
    assert is_moment(text) is expected
    if expected:
        assert dt.datetime.fromisoformat(text).astimezone(dt.UTC)


def figure_problems(body: str) -> list[Problem]:
    return checked(msgspec.structs.replace(SNAPSHOT, body=body))[1]


def test_a_figure_must_refer_to_an_image_source() -> None:
    assert figure_problems(r"![a \] b](image:1)") == []
    assert figure_problems('![a](image:0 "somewhere")') == []
    assert [p.code for p in figure_problems(r"![a \] b](image:2)")] == ["image_mismatch"]


def test_reading_time_is_counted_from_words_that_are_read() -> None:
    assert count_words("one [two](https://example.org/three/four) snake_case it's") == 4
    assert reading_minutes(Snapshot(title="t", body="word " * 220)) == 1
    assert reading_minutes(Snapshot(title="t", body="word " * 221)) == 2
    assert reading_minutes(Snapshot(title="t")) == 1


def test_hostile_bodies_are_judged_in_linear_time() -> None:
    started = time.process_time()
    for piece in ("](", "![", "[", "](image:9", "\\", "`", "*a", "\n\n![", "- ", "```\n\n"):
        body = piece * (200_000 // len(piece))
        checked(Snapshot(title="t", body=body))
        count_words(body)
    assert time.process_time() - started < 20


def test_tags_are_stack_tools_and_tags_without_repeats() -> None:
    found = tag_names(msgspec.structs.replace(META, tags=("GO", " new  tag ")))

    assert [(tag.name, tag.kind) for tag in found] == [
        ("go", "stack"),
        ("pipelines", "area"),
        ("pprof", "tool"),
        ("git", "tool"),
        ("new tag", "free"),
    ]


def test_statistics_out_of_range_are_refused() -> None:
    problems = checked_statistics(
        Statistics(reading_time=-1, view_count=2**53, score=Score(quality=101))
    )

    assert [(p.code, p.field) for p in problems] == [
        ("out_of_range", "reading_time"),
        ("out_of_range", "view_count"),
        ("out_of_range", "score.quality"),
    ]


def test_url_that_no_index_could_hold_is_refused():
    # PostgreSQL refuses an index row over about 2,700 bytes; 980 such characters are 2,900.
    url = "https://picsum.photos/" + "\u8a18" * 960

    problems = checked(with_meta(image_sources=(Image(source="picsum.photos", url=url),)))[1]

    assert [(p.field, p.code, p.expected) for p in problems if p.severity == "error"] == [
        ("image_sources[0].url", "too_long", "at most 2,500 bytes")
    ]
