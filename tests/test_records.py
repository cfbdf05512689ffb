"""The one validator: all problems at once, limits, identity, and fields that contradict."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import to_builtins

from posts.content import Problem, digest, statistics_digest
from posts.importing.formats import READERS
from posts.importing.records import checked_key, normal_key
from tests.importing_samples import codes, export_text, line_fields, read_export, read_line


def only(problems: list[Problem], severity: str = "error") -> Problem:
    """Return the one problem of a severity."""
    (problem,) = [problem for problem in problems if problem.severity == severity]
    return problem


def test_every_problem_of_a_record_is_told_at_once() -> None:
    record, problems = read_line(
        line_fields(
            key=7,
            title="",
            body=["a"],
            slug="Not A Slug",
            language="english please",
            published_at="yesterday",
            reading_time="twelve",
            view_count=-1,
            score={"quality": 174, "depth": 1.5},
            difficulty="hard",
            stack="go",
            tags=["ok", 7],
            flags={"has_images": 1},
            revision={"last_reviewed": "2023-02-29"},
            entities=[{"name": "x"}, "y"],
            image_sources=[{"url": "javascript:alert(1)"}],
            payload={"seed": True},
            notes=["a\u0000b"],
        )
    )

    assert record is None
    assert {(p.code, p.field) for p in problems if p.severity == "error"} == {
        ("bad_type", "key"),
        ("missing_title", "title"),
        ("bad_type", "body"),
        ("bad_slug", "slug"),
        ("bad_choice", "language"),
        ("bad_date", "published_at"),
        ("bad_int", "reading_time"),
        ("out_of_range", "view_count"),
        ("out_of_range", "score.quality"),
        ("bad_int", "score.depth"),
        ("bad_choice", "difficulty"),
        ("bad_type", "stack"),
        ("bad_type", "tags[1]"),
        ("bad_type", "flags.has_images"),
        ("bad_date", "revision.last_reviewed"),
        ("bad_type", "entities[0].type"),
        ("bad_type", "entities[1]"),
        ("bad_url", "image_sources[0].url"),
        ("bad_int", "payload.seed"),
        ("control_character", "notes[0]"),
        ("empty", "entities[0].type"),
    }
    for problem in problems:
        assert problem.expected
        assert len(problem.value) <= 200
        assert problem.severity != "error" or problem.hint
        assert problem.retryable is False


@pytest.mark.parametrize(
    ("changes", "code", "field", "value", "expected"),
    [
        ({"key": None}, "missing_key", "key", "", "1 to 200 characters"),
        ({"key": "  "}, "missing_key", "key", "", "1 to 200 characters"),
        ({"key": 7}, "bad_type", "key", "7", "a text"),
        ({"key": "x" * 201, "payload": None}, "too_long", "key", "x" * 200, "at most 200"),
        ({"key": "a\nb", "payload": None}, "control_character", "key", "a\\nb", "no control"),
        ({"title": None}, "missing_title", "title", "", "1 to 300"),
        ({"title": "  "}, "missing_title", "title", "", "1 to 300"),
        ({"title": 7}, "bad_type", "title", "7", "a text"),
        ({"title": "x" * 301}, "too_long", "title", "xxx", "300"),
        ({"title": "a\u0007"}, "control_character", "title", "a\\x07", "control"),
        ({"lede": "x" * 2001}, "too_long", "lede", "xxx", "2,000"),
        ({"tags": ["t"] * 201}, "too_many", "tags", "201", "200"),
        ({"tags": ["x" * 101]}, "too_long", "tags[0]", "xxx", "100"),
        ({"slug": "-"}, "bad_slug", "slug", "-", "lower-case letters"),
        ({"slug": "a/../b"}, "bad_slug", "slug", "a/../b", "150"),
        ({"slug": "x" * 151}, "bad_slug", "slug", "xxx", "150"),
        ({"slug": "straße"}, "bad_slug", "slug", "straße", "a-z"),
        ({"slug": ["a"]}, "bad_type", "slug", "['a']", "a text"),
        ({"view_count": 2**53}, "out_of_range", "view_count", "9007199254740992", "integer 0.."),
        ({"view_count": 1.0}, "bad_int", "view_count", "1.0", "integer 0..9007199254740991"),
        ({"reading_time": True}, "bad_int", "reading_time", "True", "integer 0..100000"),
        ({"score": [1]}, "bad_type", "score", "[1]", "a map of quality"),
        ({"mood": 1e300}, "out_of_range", "mood", "1e+300", "a number"),
        ({"published_at": "2026-02-03"}, "bad_date", "published_at", "2026-02-03", "a time"),
        ({"published_at": "0001-01-01T00:00:00+14:00"}, "bad_date", "published_at", "0001", "time"),
    ],
)
def test_a_bad_value_is_refused_with_what_was_expected(
    changes: dict[str, Any], code: str, field: str, value: str, expected: str
) -> None:
    record, problems = read_line(line_fields(**changes))

    assert record is None
    problem = only(problems)
    assert (problem.code, problem.field) == (code, field)
    assert value in problem.value
    assert expected in problem.expected


def test_a_key_is_trimmed_and_composed_and_this_is_said() -> None:
    key, problems = checked_key(" cafe\u0301 ")

    assert key == "caf\u00e9"
    assert codes(problems) == ["trimmed", "not_nfc"]
    assert {problem.severity for problem in problems} == {"repair"}
    assert normal_key(" cafe\u0301 ") == key
    assert checked_key(key) == (key, [])


def test_an_invisible_character_in_a_key_is_said() -> None:
    key, problems = checked_key("a\u200bb")

    assert key == "a\u200bb"
    assert codes(problems, "warning") == ["invisible"]


@pytest.mark.parametrize("slug", ["a", "2026-note", "a--b", "x" * 150])
def test_a_valid_slug_is_taken_as_it_is(slug: str) -> None:
    record, _ = read_line(line_fields(slug=slug))

    assert record is not None
    assert record.slug == slug


@pytest.mark.parametrize(
    "changes",
    [
        {"reference": "anp-ref-000418-2290"},
        {"payload": {"source_id": "alphanode-000417", "seed": 418}},
        {"key": "alphanode-000418", "payload": None},
    ],
)
def test_id_reference_and_seed_must_agree(changes: dict[str, Any]) -> None:
    record, problems = read_line(line_fields(**changes))

    assert record is None
    problem = only(problems)
    assert (problem.code, problem.field) == ("id_mismatch", "reference")
    assert "alphanode-" in problem.value
    assert "anp-ref-" in problem.value
    assert "seed " in problem.value


def test_source_id_must_be_the_key() -> None:
    record, problems = read_line(line_fields(key="other"))

    assert record is None
    problem = only(problems)
    assert (problem.code, problem.field) == ("id_mismatch", "payload.source_id")
    assert problem.value == "alphanode-000417"
    assert problem.expected == "the key, other"


@pytest.mark.parametrize(
    "changes",
    [
        {"reference": "JIRA-17"},
        {"key": "post 17", "payload": {"source_id": "post 17", "seed": 99}},
    ],
)
def test_identities_of_another_shape_are_not_compared(changes: dict[str, Any]) -> None:
    record, problems = read_line(line_fields(**changes))

    assert record is not None
    assert codes(problems) == []


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"image_sources": []}, "image_mismatch", "image_sources"),
        ({"flags": {"has_images": False}}, "image_mismatch", "flags.has_images"),
        ({"payload": {"paragraphs": 9}}, "paragraph_count", "payload.paragraphs"),
        ({"checklist": ["other"]}, "checklist_mismatch", "checklist"),
        ({"topic": "Plan / Rust"}, "topic_mismatch", "topic"),
        ({"payload": {"scenario": "alone"}}, "outline_mismatch", "ai_outline.context"),
        ({"stack": ["Rust", "pipelines", "go"]}, "stack_mismatch", "stack[0]"),
        ({"stack": ["Go", "pipelines", "rust"]}, "stack_mismatch", "stack[2]"),
        ({"entities": [{"name": "x", "type": "area"}]}, "entity_mismatch", "entities[0].name"),
        (
            {"image_sources": [{"caption": "Plan with Go visual reference 2"}]},
            "caption_mismatch",
            "image_sources[0].caption",
        ),
    ],
)  # fmt: skip
def test_a_contradiction_is_kept_with_a_warning(
    changes: dict[str, Any], code: str, field: str
) -> None:
    record, problems = read_line(line_fields(**changes))

    assert record is not None
    found = [p for p in problems if (p.code, p.field) == (code, field)]
    assert len(found) == 1, problems
    assert found[0].severity == "warning"
    assert found[0].expected
    assert set(codes(problems)) == {code}


def test_fields_that_are_not_given_are_not_compared() -> None:
    _, problems = read_line({"key": "a", "title": "b", "topic": "c", "body": "- d\n- e"})

    assert problems == []


def test_a_warning_of_a_text_export_names_its_line() -> None:
    text = export_text().replace("paragraphs: 3", "paragraphs: 8")
    _, (problem,) = read_export(text)

    assert problem.line == text.split("\n").index("  • paragraphs: 8") + 1


def test_both_formats_give_the_same_digest() -> None:
    record, _ = read_export(export_text())
    assert record is not None

    meta = to_builtins(record.snapshot.meta)
    statistics = to_builtins(record.statistics)
    snapshot = record.snapshot
    again, problems = read_line(
        {
            "key": record.key,
            "title": snapshot.title,
            "lede": snapshot.lede,
            "body": snapshot.body,
            **meta,
            **statistics,
        }
    )

    assert again is not None
    assert problems == []
    assert digest(again.snapshot) == digest(snapshot)
    assert statistics_digest(again.statistics) == statistics_digest(record.statistics)


def test_a_record_of_a_million_faults_tells_the_first_of_them() -> None:
    _, problems = read_line(line_fields(tags=[7] * 100_000, notes=[7] * 100_000))

    assert len(problems) <= 201

    _, problems = read_export(export_text().replace("topic", "topicx\n" * 20_000 + "topic"))

    assert "duplicate_key_name" in codes(problems)
    assert len(problems) <= 201


def test_every_reader_has_the_members_of_one() -> None:
    for name, reader in READERS.items():
        assert name == reader.NAME
        for member in ("matches", "records", "key_of", "decode"):
            assert callable(getattr(reader, member))
