"""Claims beside what the site finds: each rule, and what the sample documents come to."""

import os
import time
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from posts import claims, content
from posts.claim_rules import Verdict
from posts.importing.synthesizer.articles import synthesize
from tests.conftest import MISSING_SAMPLES
from tests.importing_samples import line_fields, read_export, read_line

ROOT = Path(__file__).resolve().parent.parent
SEEDS = Path(os.environ.get("ALPHANODE_SEEDS") or ROOT / "../shared/seeds")

VERIFIED, CONTRADICTED, UNVERIFIABLE = (
    Verdict.VERIFIED,
    Verdict.CONTRADICTED,
    Verdict.UNVERIFIABLE,
)
NOTE = "content should be reviewed before indexing"


def snapshot(*, title="A note", lede="Short.", body="Text.", **meta):
    return content.Snapshot(title=title, lede=lede, body=body, meta=content.Meta(**meta))


def finding(name, one, statistics=None, **more):
    """Return the finding on one claim; None when it was not made."""
    found = claims.check(one, statistics or content.Statistics(), **more).findings
    return next((finding for finding in found if finding.name == name), None)


def verdict(name, one, statistics=None, **more):
    found = finding(name, one, statistics, **more)
    return found.verdict if found else None


# --- The rules ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "claimed", "wanted"),
    [
        (400, 2, VERIFIED),  # 220 a minute, as computed
        (400, 1, VERIFIED),  # skimmed
        (400, 4, VERIFIED),  # studied
        (400, 5, CONTRADICTED),
        (400, 12, CONTRADICTED),  # 33 words a minute, as the documents have it
        (4_400, 9, CONTRADICTED),  # 489 words a minute
        (4_400, 10, VERIFIED),
        (4_400, 41, CONTRADICTED),
        (30, 0, VERIFIED),  # less than a minute, rounded down
        (30, 2, VERIFIED),
        (30, 3, CONTRADICTED),
        (400, None, None),
    ],
)
def test_reading_time_agrees_at_any_sane_speed(words, claimed, wanted):
    one = snapshot(lede="", body="word " * words)

    assert verdict("reading_time", one, content.Statistics(reading_time=claimed)) == wanted


def test_text_without_spaces_is_not_counted_in_words():
    one = snapshot(lede="", body="\u8fd9\u7bc7\u6587\u7ae0" * 500)

    found = finding("reading_time", one, content.Statistics(reading_time=9))

    assert found.verdict == UNVERIFIABLE
    assert found.found == "words without white space between them are not counted here"


def test_reading_time_says_words_minutes_and_the_speed_that_is_claimed():
    one = snapshot(lede="", body="word " * 400)

    found = finding("reading_time", one, content.Statistics(reading_time=10))

    assert found.claimed == "10 minutes"
    assert found.found == (
        "400 words: 2 minutes at 220 words a minute; 10 minutes would be 40 a minute"
    )


@pytest.mark.parametrize(
    ("claimed", "wanted"), [(2, VERIFIED), (3, VERIFIED), (1, CONTRADICTED), (4, CONTRADICTED)]
)
def test_paragraphs_are_counted_with_or_without_the_introduction(claimed, wanted):
    one = snapshot(
        body="## A heading\n\nOne.\n\n- an item\n\nTwo.",
        payload=content.Payload(paragraphs=claimed),
    )

    assert verdict("payload.paragraphs", one) == wanted
    assert "3 paragraphs" in finding("payload.paragraphs", one).found


IMAGES = tuple(content.Image("s", f"https://x.test/{n}", f"c{n}") for n in (1, 2, 3))
FIGURES = ["", *("\n\n".join(f"![c{n}](image:{n})" for n in range(1, k + 1)) for k in (1, 2, 3))]


@pytest.mark.parametrize(
    ("figures", "claimed", "wanted"),
    [
        (0, True, CONTRADICTED),
        (0, False, VERIFIED),
        (1, True, VERIFIED),
        (1, False, CONTRADICTED),
        (1, None, None),
    ],
)
def test_has_images_is_held_against_the_figures(figures, claimed, wanted):
    one = snapshot(body=FIGURES[figures], flags=content.Flags(has_images=claimed))

    assert verdict("flags.has_images", one) == wanted


@pytest.mark.parametrize("claimed", [True, False])
def test_images_inside_a_paragraph_prove_nothing(claimed):
    one = snapshot(body="See ![c](image:1) here.", flags=content.Flags(has_images=claimed))

    assert verdict("flags.has_images", one) == UNVERIFIABLE


@pytest.mark.parametrize(
    ("figures", "claimed", "wanted"),
    [
        (2, False, VERIFIED),
        (2, True, CONTRADICTED),
        (3, True, VERIFIED),
        # Where the documents draw the line is not known, only that it is above two.
        (3, False, UNVERIFIABLE),
    ],
)
def test_image_heavy_is_three_figures_or_more(figures, claimed, wanted):
    one = snapshot(body=FIGURES[figures], flags=content.Flags(image_heavy=claimed))

    assert verdict("flags.image_heavy", one) == wanted


@pytest.mark.parametrize(
    ("figures", "sources", "wanted"),
    [
        (2, 2, VERIFIED),
        (1, 2, CONTRADICTED),
        (3, 2, CONTRADICTED),
        (0, 1, CONTRADICTED),
        (1, 0, None),
    ],
)
def test_every_image_source_needs_its_figure(figures, sources, wanted):
    one = snapshot(body=FIGURES[figures], image_sources=IMAGES[:sources])

    assert verdict("image_sources", one) == wanted


@pytest.mark.parametrize(
    ("body", "wanted", "said"),
    [
        ("- run it\n- ship it", VERIFIED, "2 of 2 items"),
        ("1. Run `it`\n2. Ship _it_", VERIFIED, "2 of 2 items"),
        ("- [ ] run it\n- [x] ship it", VERIFIED, "2 of 2 items"),
        ("- a\n\nText.\n\n- run it\n- ship it", VERIFIED, "2 lists in the article"),
        ("- run it", CONTRADICTED, "a list of 1 in the article, with 1 of 2 items"),
        ("- ship it\n- run it", CONTRADICTED, "2 of 2 items"),
        ("Run it. Ship it.", CONTRADICTED, "no list in the article"),
    ],
)
def test_checklist_equals_a_list_of_the_body(body, wanted, said):
    one = snapshot(body=body, checklist=("run it", "ship it"))

    assert verdict("checklist", one) == wanted
    assert said in finding("checklist", one).found


@pytest.mark.parametrize(
    ("body", "tools", "wanted"),
    [
        ("Use Git and PyTest.", ("git", "pytest"), VERIFIED),
        ("Use git.", ("git", "pytest"), UNVERIFIABLE),
        ("A digital logger is logging.", ("git", "logs"), CONTRADICTED),
        ("Call `my\\_tool` now.", ("my_tool",), VERIFIED),
        ("Use the query\nplan.", ("query plan",), VERIFIED),
        ("Written in C++.", ("c++",), VERIFIED),
        ("Written in C.", ("c++",), CONTRADICTED),
        ("Nothing.", ("\u2014",), CONTRADICTED),
        ("\u4f7f\u7528git\u3002", ("git",), VERIFIED),
        ("digital " * 50, ("git",), CONTRADICTED),
        ("digital " * 50 + "git", ("git",), VERIFIED),
        ("Nothing.", (), None),
    ],
)
def test_tools_are_looked_for_as_words(body, tools, wanted):
    assert verdict("tools", snapshot(lede="", body=body, tools=tools)) == wanted


def test_names_behind_what_is_looked_at_are_not_missed():
    one = snapshot(body="word " * 50_000, tools=("git",))

    assert verdict("tools", one) == UNVERIFIABLE


def test_many_names_inside_longer_words_of_a_huge_text_take_no_longer_than_reading_it():
    one = snapshot(title="x", body="a" * content.BODY_MAX, tools=("a",) * content.LIST_MAX)

    began = time.process_time()
    assert verdict("tools", one) == UNVERIFIABLE

    assert time.process_time() - began < 5


def test_tools_of_title_and_lede_count():
    one = snapshot(title="On git", lede="With ruff.", tools=("git", "ruff"))

    assert verdict("tools", one) == VERIFIED
    assert finding("tools", one).found == "2 of 2 named in the article"


@pytest.mark.parametrize(
    ("key", "source_id", "reference", "seed", "wanted"),
    [
        ("a-000042", "a-000042", "anp-ref-000042-1234", 42, (VERIFIED,) * 3),
        ("a-000042", "a-000042", "anp-ref-000043-1234", 42, (VERIFIED, CONTRADICTED, VERIFIED)),
        ("a-000042", "a-000042", "anp-ref-000042-1234", 7, (VERIFIED, VERIFIED, CONTRADICTED)),
        ("a-000042", "a-000041", "", 42, (CONTRADICTED, None, CONTRADICTED)),
        ("", "a-000042", "RFC 9", 42, (UNVERIFIABLE, UNVERIFIABLE, VERIFIED)),
        ("x", "", "anp-ref-000042-1234", 42, (None, VERIFIED, VERIFIED)),
        ("x", "", "", 42, (None, None, UNVERIFIABLE)),
        ("x", "", "anp-ref-000042-1234", None, (None, UNVERIFIABLE, None)),
    ],
)
def test_source_id_reference_and_seed_spell_one_number(key, source_id, reference, seed, wanted):
    one = snapshot(reference=reference, payload=content.Payload(source_id=source_id, seed=seed))

    names = ("payload.source_id", "reference", "payload.seed")
    assert tuple(verdict(name, one, key=key) for name in names) == wanted


@pytest.mark.parametrize(
    ("claimed", "notes", "wanted"),
    [
        (False, (NOTE,), CONTRADICTED),
        (True, (NOTE,), VERIFIED),
        (False, ("a person should review the text first",), CONTRADICTED),
        (False, ("needs a human review",), CONTRADICTED),
        (False, ("this draft is unreviewed",), CONTRADICTED),
        (False, ("reviewed by the team", "we review weekly"), UNVERIFIABLE),
        (True, (), UNVERIFIABLE),
        (None, (NOTE,), None),
    ],
)
def test_need_of_review_is_held_against_the_notes(claimed, notes, wanted):
    one = snapshot(notes=notes, flags=content.Flags(needs_human_review=claimed))

    assert verdict("flags.needs_human_review", one) == wanted


def test_note_that_asks_for_review_is_quoted():
    one = snapshot(notes=("a", NOTE), flags=content.Flags(needs_human_review=False))

    assert NOTE in finding("flags.needs_human_review", one).found


def test_what_nobody_here_can_know_is_said_to_be_so():
    one = snapshot(
        hash="ee4210630caad57d2c66ffc9",
        published_at="2026-02-03T04:05:06Z",
        revision=content.Label("reviewed", "1.6.2", "2017-05-10"),
        flags=content.Flags(ai_generated_style=True),
    )
    numbers = content.Statistics(view_count=0, score=content.Score(quality=74))

    found = {one.name: one for one in claims.check(one, numbers).findings}

    assert {name: one.claimed for name, one in found.items()} == {
        "flags.ai_generated_style": "yes",
        "revision.status": "reviewed",
        "revision.version": "1.6.2",
        "revision.last_reviewed": "2017-05-10",
        "score": "quality 74",
        "view_count": "0",
        "hash": "ee4210630caad57d2c66ffc9",
        "published_at": "2026-02-03T04:05:06Z",
    }
    assert {one.verdict for one in found.values()} == {UNVERIFIABLE}
    assert all(one.found for one in found.values())


def test_nothing_claimed_is_nothing_found():
    assert claims.judge(snapshot(), content.Statistics()) == (0, 0, 0)
    assert claims.check(snapshot(), content.Statistics()).summary == ""


# --- Whose claims -------------------------------------------------------------------------------

FULL = snapshot(
    tools=("git",),
    checklist=("a",),
    image_sources=IMAGES[:1],
    published_at="2026-02-03T04:05:06Z",
    payload=content.Payload(paragraphs=9),
)


def test_what_a_person_could_have_set_is_no_claim_of_their_revision():
    scope = claims.scope_of(is_generated=True, is_import=False)

    masks = claims.judge(FULL, content.Statistics(reading_time=9), scope=scope)

    assert claims.names_in(masks.contradicted) == ["reading_time", "payload.paragraphs"]
    assert masks.verified == masks.unverifiable == 0


def test_post_written_here_has_no_claims():
    scope = claims.scope_of(is_generated=False, is_import=False)

    assert claims.judge(FULL, content.Statistics(reading_time=9), scope=scope) == (0, 0, 0)
    assert claims.check(FULL, content.Statistics(reading_time=9), scope=scope).findings == ()


# --- In one line --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("verdicts", "wanted"),
    [
        ([VERIFIED] * 2 + [CONTRADICTED] + [UNVERIFIABLE] * 8, "3 of 11 {}: 2 agree, 1 does not."),
        ([VERIFIED, CONTRADICTED, CONTRADICTED], "3 of 3 {}: 1 agrees, 2 do not."),
        ([VERIFIED, UNVERIFIABLE], "1 of 2 {}: 1 agrees."),
        ([CONTRADICTED, UNVERIFIABLE], "1 of 2 {}: 1 does not agree."),
        ([UNVERIFIABLE] * 2, "0 of 2 {}."),
    ],
)
def test_summary_is_one_line(verdicts, wanted):
    check = claims.Check(tuple(claims.Finding("n", "n", one, "", "") for one in verdicts))

    assert check.summary == wanted.format("imported claims checked here")


# --- Bits ---------------------------------------------------------------------------------------


def test_bits_stand_in_stored_rows_and_never_change():
    assert {claim.name: claim.bit for claim in claims.CLAIMS} == {
        "reading_time": 0,
        "payload.paragraphs": 1,
        "flags.has_images": 2,
        "flags.image_heavy": 3,
        "image_sources": 4,
        "checklist": 5,
        "tools": 6,
        "payload.source_id": 7,
        "reference": 8,
        "payload.seed": 9,
        "flags.needs_human_review": 10,
        "flags.ai_generated_style": 11,
        "revision.status": 12,
        "revision.version": 13,
        "revision.last_reviewed": 14,
        "score": 15,
        "view_count": 16,
        "hash": 17,
        "published_at": 18,
    }
    assert max(claim.bit for claim in claims.CLAIMS) < 63
    with pytest.raises(KeyError):
        claims.mask_of("colour")


FLAG = st.sampled_from([None, True, False])
WORDS = st.sampled_from(
    ["", "git", "run it", "![c](image:1)", "- run it", "Text.", "\\*", "```", NOTE]
)
SNAPSHOTS = st.builds(
    content.Snapshot,
    title=WORDS,
    lede=WORDS,
    body=st.lists(WORDS).map("\n\n".join),
    meta=st.builds(
        content.Meta,
        tools=st.lists(WORDS.filter(bool)).map(tuple),
        checklist=st.lists(WORDS.filter(bool)).map(tuple),
        notes=st.lists(WORDS).map(tuple),
        reference=st.sampled_from(["", "anp-ref-000001-0001", "other"]),
        hash=st.sampled_from(["", "0f"]),
        published_at=st.sampled_from(["", "2026-02-03T04:05:06Z"]),
        image_sources=st.lists(st.just(content.Image("s"))).map(tuple),
        revision=st.builds(content.Label, WORDS, WORDS, WORDS),
        flags=st.builds(content.Flags, FLAG, FLAG, FLAG, FLAG),
        payload=st.builds(
            content.Payload,
            source_id=st.sampled_from(["", "a-000001", "b"]),
            paragraphs=st.none() | st.integers(0, 5),
            seed=st.none() | st.integers(0, 2),
        ),
    ),
)
STATISTICS = st.builds(
    content.Statistics,
    reading_time=st.none() | st.integers(0, 20),
    view_count=st.none() | st.integers(0, 20),
    score=st.builds(content.Score, quality=st.none() | st.integers(0, 100)),
)


def made(one, statistics):
    """Return the names of the claims that were made, read from the fields themselves."""
    fields = msgspec.to_builtins(one.meta) | msgspec.to_builtins(statistics)
    names = set()
    for claim in claims.CLAIMS:
        value = fields
        for part in claim.name.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        if value not in (None, "", [], {}):
            names.add(claim.name)
    return names


@given(SNAPSHOTS, STATISTICS, st.sampled_from(["", "a-000001"]))
def test_verdicts_are_disjoint_and_cover_exactly_the_claims_made(one, statistics, key):
    masks = claims.judge(one, statistics, key=key)
    check = claims.check(one, statistics, key=key)

    verified, contradicted, unverifiable = (set(claims.names_in(mask)) for mask in masks)
    assert not verified & contradicted | verified & unverifiable | contradicted & unverifiable
    assert verified | contradicted | unverifiable == made(one, statistics)
    assert sum(masks) < 2 << max(claim.bit for claim in claims.CLAIMS)
    assert not contradicted & {one.name for one in claims.CLAIMS if not one.is_checkable}
    assert [(one.name, one.verdict) for one in check.findings] == [
        (claim.name, verdict)
        for claim in claims.CLAIMS
        for verdict, names in (
            (VERIFIED, verified),
            (CONTRADICTED, contradicted),
            (UNVERIFIABLE, unverifiable),
        )
        if claim.name in names
    ]
    assert all(one.claimed and one.found for one in check.findings)


# --- Documents, and what the synthesizer makes --------------------------------------------------

#: The same in all five: no document names its tools, takes the reading time of its text, or asks
#: in its flags for the review that its own note asks for.
OF_DOCUMENTS = {
    "reading_time": CONTRADICTED,
    "payload.paragraphs": VERIFIED,
    "flags.has_images": VERIFIED,
    "flags.image_heavy": VERIFIED,
    "image_sources": VERIFIED,
    "checklist": VERIFIED,
    "tools": CONTRADICTED,
    "payload.source_id": VERIFIED,
    "reference": VERIFIED,
    "payload.seed": VERIFIED,
    "flags.needs_human_review": CONTRADICTED,
    "flags.ai_generated_style": UNVERIFIABLE,
    "revision.status": UNVERIFIABLE,
    "revision.version": UNVERIFIABLE,
    "revision.last_reviewed": UNVERIFIABLE,
    "score": UNVERIFIABLE,
    "view_count": UNVERIFIABLE,
    "hash": UNVERIFIABLE,
}
#: Number of the document: minutes by the text, minutes claimed (IMPORT.md 3.4, 25).
READING = {"000": (2, 12), "001": (2, 11), "002": (2, 12), "003": (3, 17), "004": (2, 6)}


@pytest.mark.skipif(not SEEDS.is_dir(), reason=f"{MISSING_SAMPLES} in {SEEDS}")
@pytest.mark.parametrize("number", READING)
def test_documents_come_to_the_expected_verdicts(number):
    (path,) = SEEDS.glob(f"{number}_*.txt")
    record, _ = read_export(path.read_bytes())

    check = claims.check(record.snapshot, record.statistics, key=record.key)

    found = {one.name: one for one in check.findings}
    expected = dict(OF_DOCUMENTS)
    if number == "004":
        del expected["image_sources"]  # no figure, no section
    assert {name: one.verdict for name, one in found.items()} == expected
    minutes, claimed = READING[number]
    assert found["reading_time"].claimed == f"{claimed} minutes"
    assert f" words: {minutes} minutes at 220 words a minute" in found["reading_time"].found
    assert found["tools"].found == "0 of 6 named in the article"
    assert "should be reviewed before indexing" in found["flags.needs_human_review"].found
    agree = 7 if number == "004" else 8
    assert check.summary == (
        f"{agree + 3} of {len(expected)} imported claims checked here: {agree} agree, 3 do not."
    )


def test_synthesized_articles_are_mostly_what_they_claim():
    for article in synthesize(7, 300):
        masks = claims.judge(article.snapshot, article.statistics, key=article.key)

        wrong = set(claims.names_in(masks.contradicted))
        assert wrong <= {"reading_time", "tools", "flags.needs_human_review"}, article.key
        assert masks.verified.bit_count() > masks.contradicted.bit_count()


def test_complete_record_without_contradictions_agrees_in_what_can_be_checked():
    record, problems = read_line(line_fields())

    masks = claims.judge(record.snapshot, record.statistics, key=record.key)

    assert not problems
    assert set(claims.names_in(masks.contradicted)) <= {"reading_time", "tools"}
