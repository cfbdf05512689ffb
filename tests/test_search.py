"""What search finds: only what is listed now, in the order it says, on both databases alike."""

import datetime as dt

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from posts import content, review, writing
from posts.importing import erasure
from posts.models import Post, PostTag, SearchEntry, SearchWord, Tag
from posts.search import database, entries, finding
from posts.search.language import parse
from tests.builders import make_post, make_snapshot, make_user
from tests.held_posts import import_note

pytestmark = pytest.mark.django_db


def note(title="Plain note", body="Numbers come before opinions.", *, now=None, **more):
    """Return a listed post."""
    state = more.pop("state", "listed")
    tags = more.pop("tags", ())
    return make_post(
        snapshot=make_snapshot(title=title, body=body, **more), tags=tags, now=now, state=state
    )


def find(text, *, sort="relevance", now=None):
    return finding.find(parse(text), sort=sort, now=now or timezone.now())


def titles(text, *, sort="relevance", now=None):
    found = find(text, sort=sort, now=now)
    names = dict(Post.objects.values_list("pk", "title"))
    return [names[one.post_id] for one in found.posts]


def counted_rows():
    with connection.cursor() as cursor:
        table = "posts_searchentry" if connection.vendor == "postgresql" else "posts_searchindex"
        cursor.execute(f"SELECT count(*) FROM {table}")  # noqa: S608 (a constant)
        return cursor.fetchone()[0]


# --- Where words are looked for ---------------------------------------------------------------


@pytest.mark.parametrize(
    "more",
    [
        {"title": "On walruses"},
        {"lede": "A walrus arrives."},
        {"topic": "keeping a walrus"},
        {"body": "## The walrus\n\nText."},
        {"body": "A paragraph about a walrus."},
        {"body": "```\nrun(walrus)\n```"},
        {"tools": ("walrus",)},
        {"entities": (content.Entity("walrus", "problem"),)},
        {"tags": ["walrus"]},
    ],
)
def test_every_part_of_a_note_is_searched(more):
    note("Another")
    wanted = note(**more)

    assert [one.post_id for one in find("walrus").posts] == [wanted.pk]


def test_all_words_have_to_be_there_and_excluded_ones_not():
    note("Both", "walrus and herring")
    note("One", "walrus alone")

    assert titles("walrus herring") == ["Both"]
    assert titles("walrus -herring") == ["One"]
    assert titles("-herring") == ["One"]
    assert titles("walrus -tag:sluice") == []


def test_a_phrase_is_its_words_in_order_within_one_text():
    note("In order", "a rolling restart helps")
    note("Apart", "restart while rolling")
    note("Across rolling", "restart")

    assert titles('"rolling restart"') == ["In order"]
    assert set(titles('restart -"rolling restart"')) == {"Apart", "Across rolling"}


def test_filters_narrow():
    past = timezone.now() - dt.timedelta(days=800)
    note("Old", "walrus", now=past, difficulty="beginner")
    note("New", "walrus", stack=("coastal services", "backend", "go"), tags=["sea life"])

    assert titles("walrus difficulty:beginner") == ["Old"]
    assert titles('walrus stack:"coastal services"') == ["New"]
    assert titles('walrus tag:"sea life"') == ["New"]
    assert titles("walrus -tag:go") == ["Old"]
    assert titles(f"walrus before:{past.year + 1}") == ["Old"]
    assert titles(f"walrus year:{past.year}") == ["Old"]
    assert titles(f"walrus after:{past.year + 1}") == ["New"]
    assert titles("tag:go") == ["New"]


def test_a_stack_is_a_tag_of_that_kind():
    note("New", tools=("sluice",))

    assert titles("tag:sluice") == ["New"]
    assert find("stack:sluice").unknown == parse("stack:sluice").filters


def test_titles_come_first_the_shortest_before_all_then_heads_then_the_rest_newest_first():
    now = timezone.now()
    made = [
        ("Text old", {"body": "walrus"}),
        ("Head", {"topic": "walrus"}),
        ("A walrus among many other words", {}),
        ("Walrus", {}),
        ("Text new", {"body": "walrus"}),
    ]
    for age, (title, more) in zip(range(len(made), 0, -1), made, strict=True):
        note(title, now=now - dt.timedelta(days=age), **more)

    assert titles("walrus") == [
        "Walrus",
        "A walrus among many other words",
        "Head",
        "Text new",
        "Text old",
    ]
    assert titles("walrus", sort="newest")[:2] == ["Text new", "Walrus"]


# --- The gate ---------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["private", "published", "archived"])
def test_only_listed_notes_have_entries(state):
    note("Closed", "walrus", state=state)

    assert not SearchEntry.objects.exists()
    assert counted_rows() == 0
    assert titles("walrus") == []


@pytest.mark.parametrize("action", ["withdraw", "unpublish", "archive"])
def test_a_closed_gate_takes_the_entry_away(action):
    post = note(body="walrus")
    assert titles("walrus")

    review.act_on_one(
        action=action, post=post, by=make_user("superuser"), reason="why", undo_seconds=0
    )

    assert titles("walrus") == []
    assert counted_rows() == 0


def test_scheduled_times_are_asked_when_somebody_searches():
    now = timezone.now()
    post = note(body="walrus")
    later = now + dt.timedelta(days=1)
    Post.objects.filter(pk=post.pk).update(archive_at=later)

    assert titles("walrus", now=now) == [post.title]
    assert titles("walrus", now=later) == []


def test_a_note_is_found_when_its_undo_window_has_ended():
    now = timezone.now()
    post = note(body="walrus", state="private")
    reviewer = make_user("reviewer")
    review.act_on_one(
        action=["approve", "publish"], post=post, by=reviewer, undo_seconds=30, now=now
    )

    assert titles("walrus", now=now) == []
    assert titles("walrus", now=now + dt.timedelta(seconds=31)) == [post.title]


def test_an_entry_of_words_that_are_not_live_any_more_is_no_right_to_be_found():
    post = note(body="walrus")
    SearchEntry.objects.filter(pk=post.pk).update(revision=0)

    assert titles("walrus") == []


def test_an_approved_change_replaces_the_words():
    post = note(body="walrus")
    writing.revise(
        post=post, by=make_user("editor"), snapshot=make_snapshot(body="herring"), seen=1
    )
    assert titles("herring") == []

    review.act_on_one(action="approve", post=post, by=make_user("reviewer"), undo_seconds=0)

    assert titles("walrus") == []
    assert len(titles("herring")) == 1
    assert counted_rows() == 1


def test_editorial_tags_are_found_at_once():
    post = note()
    editor = make_user("editor")

    writing.set_editorial_tags(post=post, by=editor, names=["walrus"])
    assert titles("tag:walrus") == titles("walrus") == [post.title]

    writing.set_editorial_tags(post=post, by=editor, names=[])
    assert titles("tag:walrus") == titles("walrus") == []


def test_a_changed_address_changes_nothing_found():
    post = note(body="walrus")

    writing.change_slug(post=post, by=make_user("editor"), slug="another-address")

    assert titles("walrus") == [post.title]


def test_an_import_of_drafts_writes_no_entries_and_asks_nothing_of_search():
    with CaptureQueriesContext(connection) as queries:
        import_note(title="On walruses")

    assert not [query for query in queries if "posts_search" in query["sql"]]
    assert titles("walruses") == []


def test_an_erasure_takes_entry_and_words_but_not_words_of_others():
    note("Herring of the coast")
    post = note("Walrus of the coast")

    erasure.erase(post_ids=[post.pk], by=make_user("superuser"), reason="asked for")

    assert titles("walrus") == []
    assert counted_rows() == 1
    left = set(SearchWord.objects.values_list("word", flat=True))
    assert "walrus" not in left
    assert {"coast", "herring"} <= left


def test_from_scratch_gives_the_same_entries_and_then_writes_nothing():
    for n in range(5):
        note(f"Walrus {n}")
    before = list(SearchEntry.objects.order_by("pk").values())
    words = set(SearchWord.objects.values_list("word", flat=True))
    SearchEntry.objects.all().delete()
    SearchWord.objects.all().delete()
    assert counted_rows() == 0

    first = entries.rebuild(after=0, size=3)
    second = entries.rebuild(after=first.last, size=3)

    assert (first.written, second.written, second.last) == (3, 2, None)
    assert list(SearchEntry.objects.order_by("pk").values()) == before
    assert set(SearchWord.objects.values_list("word", flat=True)) == words
    assert entries.rebuild(after=0).written == 0
    assert len(titles("walrus")) == 5


# --- Spelling ---------------------------------------------------------------------------------


@pytest.mark.parametrize("typo", ["walurs", "walus", "wallrus", "walris"])
def test_one_typo_is_corrected_and_said(typo):
    note("Walrus and herring")

    found = find(f"{typo} herring")

    assert len(found.posts) == 1
    assert found.corrections == ((typo, "walrus"),)


def test_a_typo_that_is_a_word_elsewhere_is_corrected_where_nothing_else_is_found():
    note("Cast iron")
    note("Cost of caching")

    assert find("cast caching").corrections == (("cast", "cost"),)
    assert titles("cast") == ["Cast iron"]


def test_of_several_spellings_the_one_that_fits_the_other_words_is_taken():
    note("Cold wind")
    note("Bold claims")

    assert titles("xold claims") == ["Bold claims"]
    assert titles("xold wind") == ["Cold wind"]


def test_a_word_of_a_closed_note_is_no_correction():
    post = note("Walrus")
    review.act_on_one(
        action="withdraw", post=post, by=make_user("reviewer"), reason="why", undo_seconds=0
    )

    found = find("walris")

    assert not found.posts
    assert not found.corrections


# --- Nothing found, facets, suggestions -------------------------------------------------------


def test_leaving_out_a_part_is_proposed_where_it_finds_something():
    note("Walrus", difficulty="beginner")

    proposed = finding.proposals(parse("walrus zzzqqq difficulty:advanced"), timezone.now())
    one_less = finding.proposals(parse("walrus difficulty:advanced"), timezone.now())

    assert proposed == []
    assert [(str(one.left_out), one.number) for one in one_less] == [("difficulty:advanced", 1)]


def test_near_tags_are_used_ones():
    note(tags=["observability"])
    Tag.objects.create(name="observers", slug="observers")

    near = finding.nearest_tags(parse("tag:observabilty"), timezone.now(), limit=5)

    assert [(tag.name, tag.count) for tag in near] == [("observability", 1)]


def test_facets_count_what_the_other_filters_leave():
    now = timezone.now()
    for difficulty in ("beginner", "beginner", "advanced"):
        note("Walrus", difficulty=difficulty)
    found = find("walrus difficulty:advanced")

    own = finding.without_own(found.query, "difficulty", found, now)
    stacks, tags = finding.count_tags(found.newest)

    assert finding.count_difficulties(own, content.DIFFICULTIES) == [
        ("beginner", 2),
        ("advanced", 1),
    ]
    assert stacks == [("tidal services", 1)]
    assert {one.value for one in tags} == {"backend", "python", "sluice", "gauge"}
    assert finding.count_years(found.newest) == [(str(now.year), 1)]


def test_results_and_counts_are_bounded(monkeypatch):
    monkeypatch.setattr(finding, "RESULTS_MAX", 3)
    for n in range(5):
        note(f"Walrus {n}")

    found = find("walrus")

    assert found.is_more
    assert len(found.posts) == len(found.newest) == 3


def test_titles_are_found_while_the_last_word_is_typed():
    note("Walrus and herring")
    note("Walruses")

    assert len(finding.titles_while_typing("walr", timezone.now())) == 2
    assert len(finding.titles_while_typing("walrus her", timezone.now())) == 1
    assert finding.titles_while_typing("", timezone.now()) == []


# --- Both ways to look on PostgreSQL give the same --------------------------------------------


@pytest.mark.parametrize(
    "text",
    ["walrus", '"walrus herring"', 'walrus -"walrus herring"', "walrus -herring", "tag:sluice"],
)
def test_walking_and_looking_up_find_the_same(monkeypatch, text):
    now = timezone.now()
    for n in range(12):
        moment = now - dt.timedelta(hours=n + 1)
        note(f"Walrus {n}", ("walrus herring", "herring walrus", "alone")[n % 3], now=moment)
    found = []
    for reading in (0, 10**9):
        monkeypatch.setattr(database, "READING", reading)
        found.append([one.post_id for one in find(text, sort="newest", now=now).posts])

    assert found[0]
    assert found[0] == found[1]


def test_older_notes_are_found_behind_many_that_have_just_closed():
    """Of a common word the newest are looked at first, and all when few of them are listed."""
    now = timezone.now()
    posts = [
        note(f"Note {number}", "walrus", now=now - dt.timedelta(days=20 - number))
        for number in range(10)
    ]
    newest = [post.pk for post in posts[3:]]
    Post.objects.filter(pk__in=newest).update(archive_at=now - dt.timedelta(hours=1))

    (found,) = database.candidates(
        database.Wanted(phrases=(("walrus",),)), fields=["any"], limit=2, now=now
    )

    assert [one.post_id for one in found] == [posts[2].pk, posts[1].pk]


def test_candidates_come_by_an_index():
    for n in range(8):
        note(f"Walrus {n}")
    with CaptureQueriesContext(connection) as queries:
        finding.find(parse("walrus"), sort="newest", now=timezone.now())
    (statement,) = [q["sql"] for q in queries if "LIMIT 1001" in q["sql"]][-1:]

    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute(f"EXPLAIN {statement}")
        else:
            cursor.execute(f"EXPLAIN QUERY PLAN {statement}")
        plan = "\n".join(str(row[-1]) for row in cursor.fetchall())

    if connection.vendor == "postgresql":
        assert "Seq Scan" not in plan
    else:
        assert "VIRTUAL TABLE INDEX" in plan
        assert "TEMP B-TREE" not in plan


def test_notes_of_one_second_are_told_apart():
    now = timezone.now() - dt.timedelta(minutes=1)
    made = [note(f"Walrus {n}", now=now).pk for n in range(3)]

    assert [one.post_id for one in find("walrus", sort="newest").posts] == made[::-1]


def test_a_huge_body_is_cut_not_refused():
    words = " ".join(f"w{n}x" for n in range(40_000))
    many = "\n\n".join(f"## heading{n}" for n in range(6_000))

    post = note("Walrus", f"{words}\n\n{many}")
    other = note("Heads", many)

    assert [one.post_id for one in find("walrus w12x").posts] == [post.pk]
    assert [one.post_id for one in find("heading7").posts] == [other.pk]
    assert PostTag.objects.exists()
