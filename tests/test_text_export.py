"""The text export reader: the sample documents, and each rule on a document of our own."""

from __future__ import annotations

import io
import os
import re
from pathlib import Path

import pytest

from posts.content import Image, Score, tag_names
from posts.importing.formats import READERS, Input, text_export
from posts.importing.formats.text_meta import KEYS
from posts.importing.records import RECORD_BYTES_MAX, Record
from posts.outline import outline
from tests.importing_samples import codes, export_text, read, read_export

ROOT = Path(__file__).parent.parent
FOLDER = (ROOT / os.environ.get("ALPHANODE_SEEDS", "../shared/seeds")).resolve()


@pytest.fixture(scope="module")
def documents() -> list[Record]:
    files = sorted(FOLDER.glob("*.txt"))
    if not files:
        pytest.skip(f"sample documents not found in {FOLDER}")
    records = []
    for file in files:
        record, problems = read_export(file.read_bytes())
        assert record is not None, problems
        assert problems == []
        records.append(record)
    return records


def golden(documents: list[Record], *expected: object) -> list[object]:
    """Return the expected values of as many documents as there are."""
    assert len(documents) == 5, "the golden numbers are those of five documents"
    return list(expected)


class TestSampleDocuments:
    def test_titles(self, documents: list[Record]) -> None:
        assert len({record.snapshot.title for record in documents}) == 5
        assert documents[3].snapshot.title.startswith("building a safer workflow for documenting")

    def test_paragraphs(self, documents: list[Record]) -> None:
        found = [outline(r.snapshot.body).paragraphs + bool(r.snapshot.lede) for r in documents]
        assert found == golden(documents, 10, 8, 9, 11, 6)

    def test_claimed_paragraphs(self, documents: list[Record]) -> None:
        found = [record.snapshot.meta.payload.paragraphs for record in documents]
        assert found == golden(documents, 9, 7, 8, 10, 5)

    def test_figures_and_image_sources(self, documents: list[Record]) -> None:
        wanted = golden(documents, 1, 1, 2, 1, 0)
        assert [len(outline(r.snapshot.body).figures) for r in documents] == wanted
        assert [len(r.snapshot.meta.image_sources) for r in documents] == wanted
        for record in documents:
            figures = outline(record.snapshot.body).figures
            assert [f.number for f in figures] == list(range(1, len(figures) + 1))
            captions = [image.caption for image in record.snapshot.meta.image_sources]
            assert [figure.caption for figure in figures] == captions
            assert all(image.alt == "" for image in record.snapshot.meta.image_sources)

    def test_flags(self, documents: list[Record]) -> None:
        flags = [record.snapshot.meta.flags for record in documents]
        assert [f.has_images for f in flags] == golden(documents, True, True, True, True, False)
        assert {f.image_heavy for f in flags} == {False}
        assert {f.ai_generated_style for f in flags} == {True}
        assert {f.needs_human_review for f in flags} == {False}

    def test_lists_are_the_checklists(self, documents: list[Record]) -> None:
        for record in documents:
            (items,) = outline(record.snapshot.body).lists
            assert len(items) == 5
            assert items == record.snapshot.meta.checklist

    def test_headings(self, documents: list[Record]) -> None:
        headings = [re.findall(r"^## (.+)$", r.snapshot.body, re.MULTILINE) for r in documents]
        assert [len(found) for found in headings] == golden(documents, 4, 4, 4, 5, 4)
        assert {tuple(found[-2:]) for found in headings} == {
            ("implementation checklist", "final notes")
        }

    def test_tags_and_entities(self, documents: list[Record]) -> None:
        assert [len(tag_names(r.snapshot.meta)) for r in documents] == [9] * 5
        for record in documents:
            meta = record.snapshot.meta
            assert [entity.type for entity in meta.entities] == ["stack", "area", "problem"]
            assert meta.entities[0].name == meta.stack[0] == meta.ai_outline.stack
            assert meta.entities[1].name == meta.stack[1]
            assert meta.entities[2].name == meta.ai_outline.problem
            assert meta.stack[2] == meta.code_language
            assert meta.tools == ("fastapi", "pytest", "uvicorn", "ruff", "git", "logs")

    def test_identities(self, documents: list[Record]) -> None:
        seeds = golden(documents, 30904, 38324, 8673, 4379, 13989)
        ends = golden(documents, 8519, 3999, 5282, 5620, 3943)
        for record, seed, end in zip(documents, seeds, ends, strict=True):
            meta = record.snapshot.meta
            assert record.key == meta.payload.source_id == f"alphanode-{seed:06d}"
            assert meta.reference == f"anp-ref-{seed:06d}-{end}"
            assert meta.payload.seed == seed
            assert re.fullmatch("[0-9a-f]{24}", meta.hash)
        hashes = [record.snapshot.meta.hash[:4] for record in documents]
        assert hashes == golden(documents, "ee42", "40ce", "1251", "2c8c", "ef5b")

    def test_statistics(self, documents: list[Record]) -> None:
        found = [(r.statistics.reading_time, r.statistics.view_count) for r in documents]
        assert found == golden(
            documents, (12, 481777), (11, 63161), (12, 430239), (17, 145470), (6, 763548)
        )
        assert [record.statistics.score for record in documents] == golden(
            documents,
            Score(74, 92, 89, 85),
            Score(95, 54, 98, 82),
            Score(81, 81, 67, 72),
            Score(90, 48, 81, 83),
            Score(76, 95, 61, 78),
        )

    def test_label_difficulty_and_outline(self, documents: list[Record]) -> None:
        metas = [record.snapshot.meta for record in documents]
        assert [
            (m.revision.status, m.revision.version, m.revision.last_reviewed) for m in metas
        ] == golden(
            documents,
            ("reviewed", "1.6.2", "2017-05-10"),
            ("reviewed", "1.5.5", "2023-02-23"),
            ("expanded", "1.3.1", "2020-11-21"),
            ("reviewed", "1.2.9", "2023-07-14"),
            ("drafted", "1.6.7", "2018-08-25"),
        )
        assert [m.difficulty for m in metas] == golden(
            documents, "advanced", "advanced", "intermediate", "beginner", "intermediate"
        )
        for meta in metas:
            assert meta.topic == f"{meta.ai_outline.problem} / {meta.ai_outline.stack}"
            assert meta.ai_outline.context == meta.payload.scenario
            assert meta.payload.generator == "anp content synthesizer"
            assert len(meta.notes) == 3
            assert meta.extra == {}

    def test_introductions_name_problem_stack_and_scenario(self, documents: list[Record]) -> None:
        for record in documents:
            said = record.snapshot.meta.ai_outline
            assert all(
                text in record.snapshot.lede for text in (said.problem, said.stack, said.context)
            )

    def test_key_is_known_without_decoding(self, documents: list[Record]) -> None:
        for file, record in zip(sorted(FOLDER.glob("*.txt")), documents, strict=True):
            ((_, _, raw),) = read(file.read_bytes(), "text-export")
            assert text_export.key_of(raw) == record.key


def test_own_document_is_read_without_a_finding() -> None:
    record, problems = read_export(export_text())

    assert problems == []
    assert record is not None
    assert record.key == "alphanode-000417"
    assert record.snapshot.lede.startswith("a nightly export is easy to love")
    assert record.snapshot.body.count("\n## ") + record.snapshot.body.startswith("## ") == 3
    assert "- compare the row counts\n- stop the nightly job\n\n![" in record.snapshot.body
    assert record.snapshot.meta.ai_outline.recommended_action == (
        "run both paths: compare, then switch"
    )
    assert record.snapshot.meta.image_sources[1] == Image(
        source="picsum.photos",
        url="https://picsum.photos/seed/anp-000418/1200/630",
        caption="replacing a nightly export with go services visual reference 2",
    )


def test_no_key_begins_another() -> None:
    names = [key.name for key in KEYS]

    assert not [(a, b) for a in names for b in names if a != b and a.startswith(b)]


def changed(*replacements: tuple[str, str]) -> str:
    """Return the sample with each text, which must be there, replaced once."""
    text = export_text()
    for old, new in replacements:
        assert old in text, old
        text = text.replace(old, new, 1)
    return text


CAPTION = "replacing a nightly export with go services visual reference 1"


@pytest.mark.parametrize("header", ["", "|\n\n", "| |\n\n", "| | |\n\n", "| | | |\n", "\n\n"])
def test_header_bars_carry_no_data(header: str) -> None:
    record, problems = read_export(changed(("| | |\n\n", header)))

    assert record is not None
    assert problems == []
    assert record.snapshot.title == "replacing a nightly export with a stream in go services"


def test_a_wrapped_value_goes_on_behind_words_that_are_keys() -> None:
    wrapped = changed(("without losing a row.", "without losing a\nhash or a row."))
    record, problems = read_export(wrapped)

    assert record is not None
    assert record.snapshot.meta.summary.endswith("without losing a hash or a row.")
    assert codes(problems) == ["continued_value"]
    assert problems[0].line == wrapped.split("\n").index("hash or a row.") + 1


@pytest.mark.parametrize("words", ["stack traces", "tools of all kinds", "notes for later"])
def test_section_words_inside_a_wrapped_value_open_no_section(words: str) -> None:
    record, problems = read_export(changed(("losing a row.", f"losing\n{words}")))

    assert record is not None
    assert record.snapshot.meta.summary.endswith(f"losing {words}")
    assert codes(problems) == ["continued_value"]


def test_map_value_is_split_at_the_first_colon_only() -> None:
    record, _ = read_export(
        changed(("for a small support team\n  • problem", "a: b: c\n  • problem"))
    )

    assert record is not None
    assert record.snapshot.meta.ai_outline.context == "a: b: c"


def test_a_row_without_a_member_stays_a_row() -> None:
    record, problems = read_export(
        changed(("    • url: https://example.org/plans/stream.png\n", ""))
    )

    assert record is not None
    assert [image.url for image in record.snapshot.meta.image_sources] == [
        "",
        "https://picsum.photos/seed/anp-000418/1200/630",
    ]
    assert problems == []


def test_alternative_text_is_kept_when_it_is_not_the_caption() -> None:
    record, _ = read_export(changed((f"{CAPTION}\n", "replacing a nightly export\n")))

    assert record is not None
    assert record.snapshot.meta.image_sources[0].alt == "replacing a nightly export"
    assert f"![{CAPTION}](image:1)" in record.snapshot.body


def test_image_source_is_split_at_its_last_place() -> None:
    longer = f"{CAPTION}. image source: seen by hand"
    record, problems = read_export(
        changed(
            (f"{CAPTION}\n{CAPTION}.", f"{longer}\n{longer}."),
            (f"caption: {CAPTION}", f"caption: {longer}"),
        )
    )

    assert record is not None
    assert record.snapshot.meta.image_sources[0].caption == longer
    assert record.snapshot.meta.image_sources[0].source == "example.org"
    assert codes(problems) == []


def test_lines_that_only_look_like_a_figure_are_two_paragraphs() -> None:
    record, problems = read_export(changed((f"{CAPTION}\n{CAPTION}.", f"other words\n{CAPTION}.")))

    assert record is not None
    assert f"other words\n\n{CAPTION}. image source: example.org" in record.snapshot.body
    assert "broken_figure" in codes(problems, "warning")
    assert "image_mismatch" in codes(problems, "warning")


def test_rows_are_joined_by_caption_before_order() -> None:
    first = changed(("    • source: example.org\n", "    • source: picsum.photos\n"))
    start = first.index("    • source: picsum.photos")
    end = first.index("payload\n")
    rows = first[start:end].splitlines(keepends=True)
    record, problems = read_export(first[:start] + "".join(rows[3:] + rows[:3]) + first[end:])

    assert record is not None
    numbers = [figure.number for figure in outline(record.snapshot.body).figures]
    assert numbers == [2, 1]
    assert "image_mismatch" in codes(problems)


def test_a_figure_without_a_row_shows_caption_and_source() -> None:
    text = export_text()
    start, end = text.index("    • source: picsum.photos"), text.index("payload\n")
    record, problems = read_export(text[:start] + text[end:])

    assert record is not None
    assert 'visual reference 2](image:0 "picsum.photos")' in record.snapshot.body
    (warning,) = problems
    assert (warning.code, warning.value) == ("image_mismatch", "2 figures, 1 image sources")


def test_a_missing_image_section_must_agree_with_the_flag() -> None:
    text = export_text()
    record, problems = read_export(
        text[: text.index("image sources\n")] + text[text.index("payload\n") :]
    )

    assert record is not None
    assert record.snapshot.meta.image_sources == ()
    assert codes(problems, "warning") == ["image_mismatch"]


def test_marker_words_inside_the_article_are_text() -> None:
    record, problems = read_export(
        changed(
            ("what to keep\n", "alphanode post meta\n\nthat line is quoted here.\n\nwhat to keep\n")
        )
    )

    assert record is not None
    assert "## alphanode post meta" in record.snapshot.body
    assert codes(problems) == ["paragraph_count"]


def test_tail_titles_are_dropped() -> None:
    record, problems = read_export(export_text() + "\n\nanother note\n\nand one more note\n")

    assert record is not None
    assert problems == []
    assert "another note" not in record.snapshot.body


def test_a_heading_without_text_is_kept_with_a_warning() -> None:
    record, problems = read_export(changed(("what to keep\n", "an empty part\n\nwhat to keep\n")))

    assert record is not None
    assert "## an empty part\n\n## what to keep" in record.snapshot.body
    assert codes(problems) == ["empty_heading"]


def test_markdown_in_the_text_stays_text() -> None:
    record, _ = read_export(
        changed(("reading every row", "# *reading* `every` <b>row</b> &amp; [x](y)"))
    )

    assert record is not None
    assert r"\# \*reading\* \`every\` \<b>row\</b> \&amp; \[x](y)" in record.snapshot.body


def test_a_long_first_paragraph_stays_in_the_body() -> None:
    record, _ = read_export(changed(("a nightly export is", "so " * 800 + "a nightly export is")))

    assert record is not None
    assert record.snapshot.lede == ""
    assert record.snapshot.body.startswith("so so")


def test_unknown_sections_and_members_are_kept() -> None:
    record, problems = read_export(
        changed(
            ("code languagego", "cost centre\n  • 17 b\n  • support\ncode languagego"),
            ("  • seed: 417", "  • seed: 417\n  • review board: east"),
            ("    • type: area", "    • type: area\n    • rank: 2"),
        )
    )

    assert record is not None
    assert record.snapshot.meta.extra == {
        "cost centre": ["17 b", "support"],
        "entities": {"2": {"rank": "2"}},
        "payload": {"review board": "east"},
    }
    assert codes(problems) == ["unknown_member"] * 3
    assert all(problem.line for problem in problems)


def test_an_unknown_section_cannot_hide_a_known_one() -> None:
    record, _ = read_export(
        changed(
            ("tools\n", "ai_outline\n  • x\ntools\n"),
            ("  • stack: go services\n", "  • stack: go services\n  • mood: calm\n"),
        )
    )

    assert record is not None
    assert record.snapshot.meta.extra == {
        "ai_outline": {"mood": "calm"},
        "ai_outline (section)": ["x"],
    }


def test_a_file_beyond_the_cap_is_one_reject_that_is_not_held() -> None:
    stream = io.BytesIO(export_text().encode() + b"x" * RECORD_BYTES_MAX)
    (raw,) = READERS["text-export"].records(stream, Input("big.txt", None))

    assert [problem.code for problem in raw.problems] == ["record_too_large"]
    assert len(raw.raw) <= 1024
    assert raw.position.end > RECORD_BYTES_MAX


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"| | |\n\ntitle\n", True),
        (b"title\n\ntext.\n\nalphanode post meta\n", True),
        ("\ufefftitle\r\n\r\ntext.\r\n\r\nalphanode post meta\r\n".encode(), True),
        ("| |\n\ntitle\n".encode("utf-16"), True),
        (b"# a readme\n\nwith text.\n", False),
        (b'{"key": "a"}\n', False),
        (b"", False),
        (b"\x89PNG\r\n\x1a\n", False),
    ],
)
def test_content_is_recognised_without_a_name(head: bytes, expected: bool) -> None:
    assert text_export.matches("anything", head) is expected
