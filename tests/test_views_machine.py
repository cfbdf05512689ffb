"""Markdown and JSON of a post, robots.txt, error pages: the article's rules, no private data."""

import json

import pytest
from django.test import RequestFactory

from posts import content
from posts.models import Statistics
from posts.views import errors
from tests.builders import make_post, make_snapshot, make_user

PICTURE = content.Image("picsum.photos", "https://picsum.photos/seed/a/1200/630", "the caption")


def rich_post(**more):
    snapshot = make_snapshot(
        body="## One\n\nText.\n\n![the caption](image:1)\n\n- do it",
        image_sources=(PICTURE,),
        hash="ee4210630caad57d2c66ffc9",
        flags=content.Flags(ai_generated_style=True, image_heavy=False),
        extra={"audience": {"level": 3}},
    )
    return make_post(snapshot=snapshot, **more)


@pytest.mark.parametrize("ending", ["md", "json"])
@pytest.mark.parametrize(("state", "robots"), [("listed", None), ("published", "noindex")])
def test_robots_hear_the_same_as_on_the_page(client, db, ending, state, robots):
    response = client.get(f"/posts/{make_post(state=state).slug}.{ending}")

    assert response.status_code == 200
    assert response.headers.get("X-Robots-Tag") == robots


def test_markdown_has_title_lede_body_figures_and_meta(client, db):
    post = rich_post()

    response = client.get(f"/posts/{post.slug}.md")
    text = response.content.decode()

    assert response.headers["Content-Type"] == "text/markdown; charset=utf-8"
    assert text.startswith(f"# {post.title}\n\nA short note on what to measure first.\n\n## One")
    assert f"![the caption](<{PICTURE.url}>)\n\nImage source: picsum.photos" in text
    assert "- hash: ee4210630caad57d2c66ffc9" in text
    assert "- image heavy: no" in text
    assert "- level: 3" in text
    assert "review: reviewed by a reviewer on " in text


def test_json_has_content_claims_and_review(client, db):
    post = rich_post()
    Statistics.objects.update_or_create(
        post=post,
        defaults={"imported_view_count": 481777, "imported_score": {"quality": 74}},
    )

    response = client.get(f"/posts/{post.slug}.json")
    found = json.loads(response.content)

    assert response.headers["Content-Type"] == "application/json"
    assert found["title"] == post.title
    assert found["url"].endswith(f"/posts/{post.slug}/")
    assert found["body"] == post.live_revision.body
    assert {tag["name"] for tag in found["tags"]} >= {"sluice", "tidal services"}
    assert {entity["type"] for entity in found["entities"]} == {"stack", "problem"}
    assert found["images"][0]["url"] == PICTURE.url
    assert found["statistics"]["imported"]["view_count"] == 481777
    assert found["meta"]["record"]["view_count"]["value"] == "481777"
    assert found["meta"]["record"]["audience"]["value"] == {"level": "3"}
    assert found["review"]["approved"] is True
    assert found["gate"] == {"visibility": "published", "is_indexable": True, "robots": ""}


def test_json_of_an_unreviewed_post_says_so(client, db):
    found = json.loads(client.get(f"/posts/{make_post(state='published').slug}.json").content)

    assert found["review"] == {"approved": False, "at": None, "byline": None}
    assert found["gate"]["robots"] == "noindex"


@pytest.mark.parametrize("ending", ["md", "json"])
def test_no_account_shows(client, db, ending):
    person = make_user("superuser", username="secret-name", email="secret@example.org")

    text = client.get(f"/posts/{make_post(by=person).slug}.{ending}").content.decode()

    assert "secret" not in text


@pytest.mark.parametrize("ending", ["md", "json"])
def test_a_machine_view_costs_six_queries(client, db, ending, django_assert_num_queries):
    post = rich_post()
    for _ in range(20):
        make_post()

    with django_assert_num_queries(6):  # post, tags, entities, images, stamp, last change
        client.get(f"/posts/{post.slug}.{ending}")


def test_robots_may_fetch_everything_but_the_admin(client, db, django_assert_num_queries):
    with django_assert_num_queries(0):
        response = client.get("/robots.txt")

    assert response.headers["Content-Type"].startswith("text/plain")
    assert response.content == (
        b"User-agent: *\nDisallow: /admin/\nDisallow: /preview/\n\n"
        b"Sitemap: http://127.0.0.1:8000/sitemap.xml\n"
    )


@pytest.mark.parametrize(
    ("path", "guess"),
    [
        ("/posts/hardening-gunicorn-workers/", "hardening gunicorn workers"),
        ("/posts/%3Cscript%3E/", "script"),
        ("/" + "long-" * 500, None),
        ("/", ""),
    ],
)
def test_words_of_a_path_become_a_guess(path, guess):
    found = errors.guess_from(path)

    assert len(found) <= errors.GUESS_MAX
    assert guess is None or found == guess


def test_the_not_found_page_is_styled_and_noindex():
    request = RequestFactory().get("/posts/nothing-here/")

    response = errors.not_found(request, Exception())

    assert response.status_code == 404
    assert response.headers["X-Robots-Tag"] == "noindex"
    assert "nothing here" in response.content.decode()


def test_the_server_error_page_needs_nothing():
    response = errors.server_error(RequestFactory().get("/"))

    assert response.status_code == 500
    assert b"<h1" in response.content
