"""Addresses that posts had elsewhere: kept by imports, answered where no route is, taken back."""

import io
import json

import pytest
from django.db import connection
from django.test import override_settings
from django.test.utils import CaptureQueriesContext

from posts import addresses, review, writing
from posts.importing import engine, erasure, undo
from posts.importing.export import canonical_lines
from posts.importing.formats import Input, jsonl
from posts.importing.intake import Arrival
from posts.models import FormerUrl, ImportRun, Post, Revision
from tests.builders import make_user
from tests.importing_samples import codes, line_fields, read_line

pytestmark = pytest.mark.django_db

OLD = "/2012/03/hello/"


def note(key="n-1", *urls, **fields):
    return {"key": key, "title": "A note", "body": "Text.", "former_urls": list(urls), **fields}


def imported(*records, source="notes", **options):
    data = b"".join(json.dumps(record).encode() + b"\n" for record in records)
    stream = jsonl.records(io.BytesIO(data), Input("notes.jsonl", None))
    arrivals = (Arrival(0, raw, jsonl) for raw in stream)
    return engine.run_import(arrivals, options=engine.Options(source=source, **options))


def post_of(key="n-1", source="notes"):
    return Post.objects.get(imported__key=key, imported__source__name=source)


def warned(progress):
    return progress.findings["warning", "former_url_taken"]


# --- Spelling -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("/2012/03/hello/", "/2012/03/hello"),
        ("/2012/03/hello", "/2012/03/hello"),
        ("//2012///03/hello/#more", "/2012/03/hello"),
        ("/caf%C3%A9/", "/caf\u00e9"),
        ("/cafe\u0301", "/caf\u00e9"),
        ("/?p=12", "/?p=12"),
        ("/index.php?p=12", "/index.php?p=12"),
        ("/%00", "/\ufffd"),
        ("/%ff", "/\ufffd"),
        ("/", ""),
        ("/#top", ""),
    ],
)
def test_one_spelling_of_an_address(url, path):
    assert addresses.normal(url) == path
    assert addresses.normal(path) == path


def test_candidates_begin_with_the_closest():
    assert addresses.candidates("/a/", "p=1&x=2") == ["/a?p=1&x=2", "/a?p=1", "/a?x=2", "/a"]
    assert addresses.candidates("/", "p=1") == ["/?p=1"]
    assert len(addresses.candidates("/a", "&".join("abcdefghijklmnopq"))) < 15


@pytest.mark.parametrize("url", ["https://example.org/a/", "//example.org/a/", "a/", ""])
def test_address_with_a_host_is_refused(url):
    record, problems = read_line(line_fields(former_urls=[url]))

    assert record is None
    assert codes(problems, "error") == ["bad_url"]


# --- Answers --------------------------------------------------------------------------------------


@pytest.fixture
def listed():
    imported(note("n-1", OLD, "/?p=12", "/caf%C3%A9/"), publish=True)
    return post_of()


@pytest.mark.parametrize(
    "asked",
    [
        *(OLD, OLD.rstrip("/"), f"{OLD}?utm_source=x", "/?p=12", "/?utm_source=x&p=12"),
        *("/caf%C3%A9/", "/caf%c3%a9"),
    ],
)
def test_old_address_leads_to_the_post_in_one_hop(client, listed, asked):
    response = client.get(asked)

    assert response.status_code == 301
    assert response.headers["Location"] == f"/posts/{listed.slug}/"
    assert client.get(response.headers["Location"]).status_code == 200


def test_old_address_leads_to_where_the_post_is_now(client, listed):
    writing.change_slug(post=listed, by=make_user("superuser"), slug="moved-again")

    assert client.get(OLD).headers["Location"] == "/posts/moved-again/"


def test_draft_does_not_answer_at_its_old_address(client):
    imported(note("n-1", OLD))

    assert client.get(OLD).status_code == 404


def test_withdrawn_post_is_gone_at_its_old_address_too(client, listed):
    review.act_on_one(action="archive", post=listed, by=make_user("superuser"), undo_seconds=0)

    response = client.get(OLD)

    assert response.status_code == 410
    assert "noindex" in response.headers["X-Robots-Tag"]


def test_erased_post_is_gone_at_its_old_address_too(client, listed):
    erasure.erase(post_ids=[listed.pk], by=make_user("superuser"), reason="asked for")

    assert FormerUrl.objects.count() == 0
    assert client.get(OLD).status_code == 410


@pytest.mark.parametrize("path", ["/archive/", "/archive", "/tags/", "/robots.txt", "/"])
def test_addresses_of_the_site_are_never_shadowed(client, path):
    before = client.get(path)
    imported(note("n-1", path, f"{path.rstrip('/')}/"), publish=True)

    after = client.get(path)

    assert (after.status_code, after.headers.get("Location")) == (
        before.status_code,
        before.headers.get("Location"),
    )


def test_view_that_finds_nothing_is_not_asked_again(client):
    imported(note("n-1", "/posts/not-here/", "/tags/nothing/"), publish=True)

    assert client.get("/posts/not-here/").status_code == 404
    assert client.get("/tags/nothing/").status_code == 404


@override_settings(DEBUG=True)
def test_old_address_answers_while_debugging(client, listed):
    assert client.get(OLD).status_code == 301


def test_only_reading_is_answered(client, listed):
    assert client.head(OLD).status_code == 301
    assert client.post(OLD).status_code in (403, 404)


def test_what_is_not_found_costs_two_queries(client, listed, django_assert_num_queries):
    with django_assert_num_queries(2):
        assert client.get("/nothing/here/").status_code == 404
    with django_assert_num_queries(0):
        assert client.get("/archive").status_code == 301


# --- Imports --------------------------------------------------------------------------------------


def test_first_post_keeps_an_address_and_the_other_is_told():
    run = imported(note("n-1", OLD), note("n-2", "/other/", OLD))
    assert warned(run) == 1

    other = imported(note("n-1", OLD, "/?p=1"), source="others")

    assert warned(other) == 1
    assert dict(FormerUrl.objects.values_list("path", "post_id")) == {
        "/2012/03/hello": post_of().pk,
        "/other": post_of("n-2").pk,
        "/?p=1": post_of("n-1", "others").pk,
    }
    assert Revision.objects.get(post=post_of("n-2")).meta["former_urls"] == ["/other/", OLD]


def test_dry_run_tells_the_same():
    records = [note("n-1", OLD), note("n-2", OLD), note("n-3", "/a/")]
    imported(note("x-1", "/a/"), source="others")

    told = imported(*records, dry_run=True)

    assert FormerUrl.objects.count() == 1
    assert warned(told) == warned(imported(*records)) == 2


def test_second_import_changes_nothing():
    records = [note("n-1", OLD), note("n-2", OLD)]
    imported(*records)
    before = list(FormerUrl.objects.values())

    again = imported(*records)

    assert again.counts == {"unchanged": 2}
    assert list(FormerUrl.objects.values()) == before


def test_old_address_that_a_new_version_leaves_out_still_answers():
    imported(note("n-1", OLD))
    imported(note("n-1", "/newer/"))

    assert {row.path for row in FormerUrl.objects.all()} == {"/2012/03/hello", "/newer"}


def test_undo_takes_addresses_back():
    imported(note("n-1", OLD))
    before = b"".join(canonical_lines())
    imported(note("n-1", "/newer/"), note("n-2", "/another/"))

    undo.undo_run(ImportRun.objects.latest("pk"))

    assert [row.path for row in FormerUrl.objects.all()] == ["/2012/03/hello"]
    assert b"".join(canonical_lines()) == before
    undo.undo_run(ImportRun.objects.earliest("pk"))
    assert not FormerUrl.objects.exists()
    assert not Post.objects.exists()


def test_batch_without_addresses_pays_nothing():
    """One insert and one look, however many there are, and neither where there are none."""
    imported(note("n-0"))
    counts = []
    for number, urls in enumerate(((), ("/a/", "/b/"), ("/c/", "/d/", "/e/")), start=1):
        with CaptureQueriesContext(connection) as captured:
            imported(note(f"n-{number}", *urls))
        counts.append(len(captured))

    assert counts[1] == counts[2] == counts[0] + 2


def test_canonical_export_holds_them():
    imported(note("n-1", OLD, author="Ada Nuss"))

    (line,) = map(json.loads, canonical_lines())

    assert line["meta"] == {"author": "Ada Nuss", "former_urls": [OLD]}
