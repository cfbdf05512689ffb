"""Similar posts: what is chosen and why, and that the work does not grow with the archive."""

import datetime as dt
import time

import pytest
from django.db import connection

from posts import content, similar
from posts import db as db_module
from posts.models import Post
from tests.builders import make_post, make_snapshot
from tests.bulk_archive import NOW, fill_archive

BEFORE = NOW - dt.timedelta(hours=1)


def write(title, *, stack=(), tools=(), problem="", now=BEFORE, **more):
    entities = (content.Entity(problem, "problem"),) if problem else ()
    state = more.pop("state", "listed")
    snapshot = make_snapshot(title=title, stack=stack, tools=tools, entities=entities, **more)
    return make_post(snapshot=snapshot, state=state, now=now)


def fetched(post):
    return Post.objects.for_article().get(pk=post.pk)


def found_for(post, **more):
    return similar.similar_posts(fetched(post), now=more.pop("now", NOW), **more)


def titles(found):
    return [item.post.title for item in found]


@pytest.fixture
def archive(db):
    """Six posts that all share git; two share the rarer sluice."""
    for number, word in enumerate(("alder", "birch", "cedar", "dogwood")):
        write(f"{word} something else {number}", tools=("git",))
    return write("the one asked about", tools=("git", "sluice"))


def test_what_is_rare_counts_more_and_is_named_first(archive):
    write("quiet gates of the sluice", tools=("sluice", "git"))

    found = found_for(archive)

    assert titles(found)[0] == "quiet gates of the sluice"
    assert found[0].reasons == ["sluice", "git"]
    assert found[1].reasons == ["git"]


def test_the_post_itself_and_near_identical_titles_are_left_out(archive):
    write("The one, asked about!", tools=("git", "sluice"))

    found = titles(found_for(archive))

    assert "The one, asked about!" not in found
    assert archive.title not in found


@pytest.mark.parametrize("state", ["private", "published", "archived"])
def test_only_indexable_posts_are_similar(archive, state):
    write("never to be seen here", tools=("git", "sluice"), state=state)

    assert "never to be seen here" not in titles(found_for(archive))


def test_posts_not_yet_due_or_past_their_date_are_left_out(archive):
    write("listed only tomorrow", tools=("sluice",), now=NOW + dt.timedelta(days=1))
    past = write("archived by its date", tools=("sluice",))
    Post.objects.filter(pk=past.pk).update(archive_at=NOW)

    assert not {"listed only tomorrow", "archived by its date"} & set(titles(found_for(archive)))


def test_at_most_two_posts_are_about_one_problem(db):
    asked = write("asked", tools=("git",), problem="keeping staging close")
    for word in ("alder", "birch", "cedar", "dogwood"):
        write(f"{word} and staging", tools=("git",), problem="keeping staging close")
    write("elm and something else", tools=("git",), problem="another one")

    found = titles(found_for(asked))

    assert len([title for title in found if title.endswith("staging")]) == 2
    assert "elm and something else" in found


def test_a_tag_and_an_entity_of_one_name_count_once(db):
    asked = write("asked", stack=("tidal",), problem="tidal")
    write("other", stack=("tidal",), problem="tidal")

    assert found_for(asked)[0].reasons == ["tidal"]


def test_equal_scores_are_ordered_by_difficulty_then_recency(db):
    asked = write("asked", tools=("git",), difficulty="beginner")
    write("alder", tools=("git",), difficulty="advanced")
    write("birch", tools=("git",), difficulty="beginner", now=BEFORE - dt.timedelta(days=1))
    write("cedar", tools=("git",), difficulty="beginner")
    write("dogwood", tools=("git",), difficulty="intermediate")

    assert titles(found_for(asked)) == ["cedar", "birch", "dogwood", "alder"]


def test_looking_at_few_at_first_chooses_the_same(db, monkeypatch):
    """Titles that repeat and problems that many share push what is chosen far down."""
    asked = write("asked", tools=("git", "sluice"), problem="staging")
    for number in range(30):
        title = "the same words again" if number % 3 else f"{number} other {number} words {number}"
        tools = ("git", "sluice") if number % 2 else ("git",)
        problem = "staging" if number < 20 else f"problem {number % 4}"
        now = BEFORE - dt.timedelta(minutes=number)
        write(title, tools=tools, problem=problem, now=now)
    monkeypatch.setattr(similar, "SHORTLIST", 1_000)
    monkeypatch.setattr(similar, "OWN_PROBLEM", 1_000)
    expected = titles(found_for(asked))

    monkeypatch.setattr(similar, "SHORTLIST", 2)
    monkeypatch.setattr(similar, "OWN_PROBLEM", 1)

    assert len(expected) == 5
    assert titles(found_for(asked)) == expected


def test_reasons_are_at_most_three(db):
    names = ("git", "sluice", "gauge", "weir", "lock")
    asked = write("asked", tools=names)
    write("other", tools=names)

    assert len(found_for(asked)[0].reasons) == 3


def test_a_post_without_tags_has_no_similar_posts(db, django_assert_num_queries):
    post = fetched(make_post(snapshot=make_snapshot(stack=(), tools=(), entities=()), now=BEFORE))

    with django_assert_num_queries(0):
        assert similar.similar_posts(post, now=NOW) == []


def test_it_takes_three_queries(archive, django_assert_num_queries):
    post = fetched(archive)

    with django_assert_num_queries(3):  # use counts, candidates, posts
        found = similar.similar_posts(post, now=NOW)
        assert [item.post.get_absolute_url() for item in found]


# --- Size -------------------------------------------------------------------------------------

SIZE = 6_000


def plan_of(statement, parameters):
    explain = "EXPLAIN " if db_module.is_postgresql() else "EXPLAIN QUERY PLAN "
    with connection.cursor() as cursor:
        cursor.execute(explain + statement, parameters)
        return "\n".join(str(row[-1]) for row in cursor.fetchall())


def test_candidates_come_from_the_partial_indexes_at_size(db, monkeypatch):
    newest = fill_archive(SIZE)
    asked = {}
    plain = db_module.similar_statement

    def remember(**arguments):
        asked["statement"] = plain(**arguments)
        return asked["statement"]

    monkeypatch.setattr(db_module, "similar_statement", remember)
    post = fetched(newest)
    started = time.process_time()
    found = similar.similar_posts(post, now=NOW)
    seconds = time.process_time() - started

    plan = plan_of(*asked["statement"])
    assert len(found) == similar.LIMIT
    assert "post_tag_listed" in plan
    for line in plan.splitlines():
        assert "Seq Scan on posts_post" not in line, plan
        assert not line.startswith(("SCAN p ", "SCAN s ", "SCAN g ", "SCAN posts_")), plan
    # Around 10 ms on an idle machine; the limit only says that it is not a matter of seconds.
    assert seconds < 0.5
