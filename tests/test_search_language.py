"""The query language, words and passages: every text is a query, and says what it left out."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posts.search.language import QUERY_MAX, TERMS_MAX, Filter, Term, parse
from posts.search.passages import PASSAGE_MAX, best_passage, marked, passages, texts_with
from posts.search.words import one_typo_away, stem, stems

#: Letters and the signs of the language, so that generated texts hold its corners.
QUERIES = st.text(st.sampled_from('ab1 -:"“tagyerfo26') | st.characters(), max_size=260)


def test_words_phrases_and_exclusions():
    query = parse('cold "rolling restart" -redis -"no luck"')

    assert [term.text for term in query.terms] == ["cold", "rolling restart"]
    assert [term.text for term in query.excluded] == ["redis", "no luck"]
    assert not query.problems


def test_filters():
    query = parse('tag:Backend stack:"python  services" -tag:git difficulty:Beginner year:2026')

    assert query.filters == (
        Filter("tag", "backend"),
        Filter("stack", "python services"),
        Filter("tag", "git", is_excluded=True),
        Filter("difficulty", "beginner"),
        Filter("year", "2026"),
    )


@pytest.mark.parametrize(
    ("text", "since", "until"),
    [
        ("after:2025", dt.date(2025, 1, 1), None),
        ("before:2025-03", None, dt.date(2025, 3, 1)),
        ("after:2025-03-17 before:2025-04", dt.date(2025, 3, 17), dt.date(2025, 4, 1)),
        ("year:2025", dt.date(2025, 1, 1), dt.date(2026, 1, 1)),
        ("year:2025 after:2025-06", dt.date(2025, 6, 1), dt.date(2026, 1, 1)),
        ("words", None, None),
    ],
)
def test_dates_make_a_period(text, since, until):
    assert parse(text).period == (since, until)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("before:soon", "a year, a month or a day"),
        ("after:2025-02-30", "a year, a month or a day"),
        ("year:0000", "a year, such as 2026"),
        ("year:٢٠٢٦", "a year, such as 2026"),
        ("difficulty:brutal", "beginner, intermediate, advanced"),
        ("-after:2025", "cannot be excluded"),
        (f"tag:{'x' * 150}", "the name of a tag"),
        ("x" * 250, "first 200 characters"),
    ],
)
def test_what_makes_no_sense_is_left_out_and_said(text, said):
    query = parse(text)

    assert not query.filters
    assert said in query.problems[0]


def test_unknown_keys_are_words():
    assert parse("http://example.org note:this").terms == (
        Term("http://example.org", ("http", "exampl", "org")),
        Term("note:this", ("note", "this")),
    )


def test_number_of_words_is_bounded():
    query = parse(" ".join(chr(97 + n) for n in range(20)))

    assert len(query.terms) == TERMS_MAX
    assert f"first {TERMS_MAX} words" in query.problems[0]


@given(QUERIES)
def test_every_text_is_a_query_and_its_spelling_says_the_same(text):
    query = parse(text)

    assert len(query.parts) <= QUERY_MAX
    again = parse(str(query))
    if len(str(query)) <= QUERY_MAX:
        assert again == query
        assert not again.problems
    for part in query.parts:
        assert part not in query.without(part).parts


def test_endings_and_accents_do_not_matter():
    assert stems("Caching CACHED caches") == [stem("cache")] * 3
    assert stems("Größe café") == stems("grosse cafe")
    assert stems("設定") == ["設", "定"]


@pytest.mark.parametrize("typo", ["cahce", "cach", "cachee", "casche", "cacho", "ache"])
def test_words_one_typo_away(typo):
    assert "cache" in one_typo_away(typo)


def test_a_body_becomes_headings_and_passages():
    body = (
        "## Why `it` matters ##\n\nNumbers come *before*\n[opinions](https://x.example/y).\n\n"
        "- note the\n  baseline\n- [ ] second\n\n| a | b |\n|---|---|\n| c | d |\n\n"
        "```python\n# no heading\nsnake_case = 1\n```\n> ![A chart](image:1)"
    )

    found = passages(body)

    assert found.headings == ["Why it matters"]
    assert found.texts == [
        "Numbers come before opinions.",
        "note the baseline",
        "second",
        "a b c d",
        "# no heading snake_case = 1",
        "A chart",
    ]


@pytest.mark.parametrize("text", ["[" * 60_000 + "](", "](" * 50_000, "# " + " " * 90_000 + "x"])
def test_hostile_bodies_are_read_in_one_pass(text):
    assert passages(text)


@given(st.text(max_size=2_000))
def test_pieces_are_the_text(text):
    found = passages(text)
    for one in found.texts:
        assert "".join(piece.text for piece in marked(one, frozenset(stems(one)[:2]))) == one


BODIES = (
    "# Cache\n\nNothing.\n\n- one\n- a cache\n\n```\n# cache\n\ncache()\n```\n\nThe cache.",
    "Nothing.\n\n~~~\nplain\n\ncaches here\n~~~\n\nCaching, twice: cached.",
    "Ünïcode first.\n\nA cache.",
    "Nothing at all.",
    "cache",
    "",
)


@pytest.mark.parametrize("body", BODIES)
def test_passage_is_the_one_a_reading_of_the_whole_body_finds(body):
    wanted = frozenset(stems("cache"))
    whole = ["A lead.", *passages(body).texts]

    assert best_passage(["A lead.", *texts_with(body, wanted)], wanted) == best_passage(
        whole, wanted
    )


def test_the_passage_with_most_matches_is_cut_around_the_first():
    texts = ["Nothing here.", "word " * 60 + "caching beats restarts " + "word " * 60, "A cache."]

    pieces = best_passage(texts, frozenset(stems("cache restart")))

    assert [piece.text for piece in pieces if piece.is_match] == ["caching", "restarts"]
    assert sum(len(piece.text) for piece in pieces) <= PASSAGE_MAX + 4
    assert pieces[0].text == "… "
    assert pieces[-1].text == " …"


FORMS = """possibility relational organizations studies happily hopping sized generously
triplicate dependencies caching indices abilities easier"""


@pytest.mark.parametrize("word", FORMS.split())
def test_passage_is_found_by_every_form_of_a_word(word):
    pieces = best_passage(["Nothing here.", f"It has {word} in it."], frozenset(stems(word)))

    assert [piece.text for piece in pieces if piece.is_match] == [word]
