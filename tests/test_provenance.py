"""The public record of a post, its approved revisions, and addresses that are gone."""

from __future__ import annotations

import json
import re

import pytest
from django.utils import timezone

from posts import linked_data, provenance, review, writing
from posts.importing import erasure
from posts.models import ErasedAddress, Post
from tests.builders import make_post, make_snapshot, make_user
from tests.held_posts import edit, import_note

pytestmark = pytest.mark.django_db

BAD = "<script>alert(1)</script>"
PAGES = ("provenance/", "provenance.json", "revisions/", "revisions/1/")


def at(post, page):
    return f"/posts/{post.slug}/{page}"


def published_note(**fields):
    post = import_note(**fields)
    review.act_on_one(action="publish", post=post, by=make_user("publisher"))
    return post


def decide(action, post, by=None, **more):
    by = by or make_user("reviewer", first_name="Rosa", last_name="Lind", username="secret-name")
    more.setdefault("reason", "private words")
    review.act_on_one(action=action, post=post, by=by, undo_seconds=0, **more)


def held_and_approved():
    """Return a listed post with revisions 1 (approved), 2 (approved, live), 3 (held)."""
    post = published_note(title="The first title")
    person = make_user("reviewer", first_name="Rosa", last_name="Lind", username="secret-name")
    decide("approve", post, person)
    import_note(title="The second title")
    post.refresh_from_db()
    decide("approve", post, person)
    import_note(title="The unapproved title", body="Unapproved words.")
    post.refresh_from_db()
    return post


# --- The record ---------------------------------------------------------------------------------


def test_record_tells_source_runs_digests_verdicts_and_claims(client):
    post = held_and_approved()

    response = client.get(at(post, "provenance/"))

    record = response.context["record"]
    assert (record.origin.source, record.origin.key) == ("tide notes", "n-1")
    assert record.origin.first_run < record.origin.newest_run
    numbers = [(one.number, one.is_live, one.is_approved) for one in record.versions]
    assert numbers == [(3, False, False), (2, True, True), (1, False, True)]
    digests = list(post.revisions.order_by("-number").values_list("digest", flat=True))
    assert [one.digest for one in record.versions] == digests
    assert [one.text for one in record.versions[1].verdicts] == ["approved"]
    page = response.content.decode()
    assert all(digest in page for digest in digests)
    assert record.chain_end == post.events.latest("sequence").hash
    assert record.chain_end in page


def test_record_holds_no_text_reason_or_account(client):
    post = held_and_approved()
    decide("reject", post, Post.objects.get().revisions.first() and make_user("reviewer"))

    for page in ("provenance/", "provenance.json", "revisions/"):
        told = client.get(at(post, page)).content.decode()
        assert "unapproved" not in told.lower()
        assert "private words" not in told
        assert "secret-name" not in told
        assert "notes.jsonl" not in told


def test_record_as_json_says_the_same(client):
    post = held_and_approved()

    told = client.get(at(post, "provenance.json")).json()

    assert told["disclosure"]["value"] == "ai-generated"
    assert [one["number"] for one in told["revisions"]] == [3, 2, 1]
    assert told["origin"]["source"] == "tide notes"
    assert told["live_revision"] == 2


def test_record_of_a_post_written_here_names_no_import(client):
    post = make_post(state="published")

    response = client.get(at(post, "provenance/"))

    assert response.context["record"].origin.newest_run is None
    assert "written here" in response.content.decode()


def test_long_record_goes_on_by_number(client, monkeypatch):
    monkeypatch.setattr(provenance, "PAGE", 2)
    post = held_and_approved()

    first = client.get(at(post, "provenance/"))
    second = client.get(at(post, "provenance/?before=2"))

    assert first.context["record"].older == 2
    assert [one.number for one in second.context["record"].versions] == [1]
    assert client.get(at(post, "provenance/?before=x")).status_code == 404


@pytest.mark.parametrize("page", PAGES)
def test_pages_about_a_note_are_for_no_index(client, page):
    response = client.get(at(held_and_approved(), page))

    assert response.status_code == 200
    assert response.headers["X-Robots-Tag"] == "noindex"
    assert not response.cookies


@pytest.mark.parametrize("page", PAGES)
def test_pages_about_a_note_follow_its_state(client, page):
    post = held_and_approved()
    writing.change_slug(post=post, by=make_user("editor"), slug="another-address")

    moved = client.get(f"/posts/{Post.objects.get().slugs.get(is_current=False)}/{page}")
    assert (moved.status_code, moved["Location"]) == (301, f"/posts/another-address/{page}")

    review.act_on_one(action="unpublish", post=post, by=make_user("publisher"))
    assert client.get(at(post, page)).status_code == 404

    review.act_on_one(action="archive", post=post, by=make_user("publisher"))
    assert client.get(at(post, page)).status_code == 410


def test_record_costs_the_same_with_many_revisions(client, django_assert_num_queries):
    post = published_note()
    for number in range(12):
        edit(post, body=f"Body {number}.")
        post.refresh_from_db()

    # Post, tags, entities, images; who made the text; revisions, verdicts, first one, newest run,
    # end of the chain.
    with django_assert_num_queries(10):
        client.get(at(post, "provenance/"))


def test_everything_in_the_record_is_escaped(client):
    post = published_note(payload={"generator": BAD, "scenario": BAD}, reading_time=3, title=BAD)

    for page in ("", "provenance/", "revisions/"):
        assert "<script>alert" not in client.get(at(post, page)).content.decode()


# --- JSON-LD ------------------------------------------------------------------------------------


def structured(client, post):
    page = client.get(post.get_absolute_url()).content.decode()
    (text,) = re.findall(r'<script type="application/ld\+json">(.*?)</script>', page, re.S)
    return json.loads(text)


def test_structured_data_tells_the_disclosure(client):
    post = held_and_approved()

    told = structured(client, post)

    assert told["@type"] == "TechArticle"
    assert told["creditText"].startswith("AI-generated, reviewed by Rosa Lind on ")
    assert told["digitalSourceType"].endswith("CompositeWithTrainedAlgorithmicMediaDigitalSource")
    assert told["mainEntityOfPage"]["reviewedBy"] == {"@type": "Person", "name": "Rosa Lind"}
    assert told["usageInfo"].endswith("/provenance/")
    # Nobody wrote it, and whoever publishes it answers for it.
    assert told["author"]["@type"] == "Organization"


def test_structured_data_names_a_writer(client):
    person = make_user("editor", first_name="Wim", last_name="Oster")

    told = structured(client, make_post(state="published", by=make_user("superuser")))
    post = writing.write_post(by=person, snapshot=make_snapshot())
    review.act_on_one(action="publish", post=post, by=make_user("publisher"))

    assert structured(client, post)["author"]["name"] == "Wim Oster"
    assert told["digitalSourceType"].endswith("/DigitalCreationDigitalSource")


def test_no_text_leaves_its_element(client):
    told = structured(client, published_note(title="</script><b>&\u2028--> done"))

    assert told["headline"] == "</script><b>&\u2028--> done"
    assert "</script>" not in linked_data.script({"a": "</script>"})[:-9]


# --- Revisions for readers ----------------------------------------------------------------------


def test_only_approved_revisions_are_listed_and_shown(client):
    post = held_and_approved()

    listed = client.get(at(post, "revisions/"))

    assert [row.number for row, _ in listed.context["lines"]] == [2, 1]
    assert client.get(at(post, "revisions/2/")).status_code == 200
    assert client.get(at(post, "revisions/3/")).status_code == 404
    assert client.get(at(post, "revisions/99999999999/")).status_code == 404


def test_old_version_says_so_and_leads_to_the_current_one(client, settings):
    settings.PUBLIC_URL = "https://notes.example.org"
    post = held_and_approved()

    page = client.get(at(post, "revisions/1/"))
    text = page.content.decode()

    assert "You are viewing an old version" in text
    assert "The first title" in text
    assert f'href="{post.get_absolute_url()}">Read the current version' in text
    assert page.context["canonical"] == f"https://notes.example.org{post.get_absolute_url()}"
    assert 'name="robots" content="noindex"' in text
    assert page.context["disclosure"].text.startswith("AI-generated, reviewed by Rosa Lind")


def test_current_version_at_its_own_address_says_so(client):
    text = client.get(at(held_and_approved(), "revisions/2/")).content.decode()

    assert "This is the version readers see now" in text


def test_withdrawn_approval_takes_the_old_version_away(client):
    post = published_note()
    decide("approve", post)
    assert client.get(at(post, "revisions/1/")).status_code == 200

    review.act_on_one(action="withdraw", post=post, by=make_user("reviewer"))

    assert client.get(at(post, "revisions/1/")).status_code == 404
    assert client.get(at(post, "revisions/")).context["lines"] == []


def test_approved_and_then_rejected_revision_is_not_shown(client):
    post = published_note()
    decide("approve", post)
    review.act_on_one(action="withdraw", post=post, by=make_user("reviewer"))
    decide("reject", post, make_user("reviewer"))

    assert client.get(at(post, "revisions/1/")).status_code == 404


def test_article_leads_to_its_record_and_history(client):
    post = held_and_approved()

    page = client.get(post.get_absolute_url()).content.decode()

    for name in ("provenance/", "revisions/", "report/"):
        assert f'href="/posts/{post.slug}/{name}"' in page


def test_published_and_not_listed_note_takes_no_reports(client):
    post = published_note()

    assert "report/" not in client.get(post.get_absolute_url()).content.decode()


# --- Erased ---------------------------------------------------------------------------------------


def erase(post):
    erasure.erase(post_ids=[post.pk], by=make_user("superuser"), reason="asked for")


@pytest.mark.parametrize("page", ["", *PAGES])
def test_addresses_of_an_erased_post_are_gone(client, page):
    post = held_and_approved()
    old = post.slug
    writing.change_slug(post=post, by=make_user("editor"), slug="second-address")
    erase(post)

    for slug in (old, "second-address"):
        response = client.get(f"/posts/{slug}/{page}")
        assert response.status_code == 410
        assert " title" not in response.content.decode().partition("<main")[2]


def test_erased_draft_is_not_told_of(client):
    post = import_note(title="A quiet draft")
    erase(post)

    assert not ErasedAddress.objects.exists()
    assert client.get(f"/posts/{post.slug}/").status_code == 404


def test_address_of_an_erased_post_may_be_given_again(client):
    post = make_post(slug="a-good-name")
    erase(post)
    again = make_post(slug="a-good-name")

    assert client.get("/posts/a-good-name/").status_code == 200

    erase(again)
    assert client.get("/posts/a-good-name/").status_code == 410
    assert ErasedAddress.objects.get().erased_at <= timezone.now()
