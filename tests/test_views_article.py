"""The article page: who may see it, what robots are told, what stands on it, what it costs."""

import datetime as dt
import html
import json
import os
import re
from pathlib import Path

import pytest
from django.core.management import call_command
from django.urls import reverse
from django.utils import timezone

from posts import content, review, writing
from posts.models import Decision, ImageSource, Post, PostImage
from tests.builders import make_post, make_snapshot, make_user
from tests.bulk_archive import fill_archive

PICTURE = content.Image("picsum.photos", "https://picsum.photos/seed/a/1200/630", "the caption")

# post (with live revision, statistics, identity), tags, entities, images, use counts, candidates
# for similar posts, those posts, the stamp, the note before, the one after, more of the first tag
ARTICLE_QUERIES = 11


def rich_snapshot(**over):
    over.setdefault("image_sources", (PICTURE,))
    over.setdefault("body", "## Why this matters\n\nText.\n\n![the caption](image:1)")
    return make_snapshot(**over)


def get(client, post, name="article"):
    return client.get(reverse(name, args=[post.slug]))


def test_a_listed_post_is_shown_and_robots_are_told_nothing(client, db):
    post = make_post(state="listed")

    response = get(client, post)

    assert response.status_code == 200
    assert "X-Robots-Tag" not in response.headers
    assert response.context["robots"] == ""
    assert response.context["is_indexable"] is True
    assert post.title in response.content.decode()


def test_a_published_post_that_nobody_approved_is_noindex(client, db):
    response = get(client, make_post(state="published"))

    assert response.status_code == 200
    assert response.headers["X-Robots-Tag"] == "noindex"
    assert '<meta name="robots" content="noindex">' in response.content.decode()
    assert response.context["stamp"].is_reviewed is False


def test_a_post_in_its_undo_window_is_noindex(client, db):
    post = make_post(state="listed")
    Post.objects.filter(pk=post.pk).update(listed_at=timezone.now() + dt.timedelta(seconds=60))

    assert get(client, post).headers["X-Robots-Tag"] == "noindex"


def test_an_imported_reviewed_label_does_not_open_the_gate(client, db):
    snapshot = make_snapshot(revision=content.Label("reviewed", "1.0.0", "2020-01-01"))

    response = get(client, make_post(snapshot=snapshot, state="published"))

    assert response.headers["X-Robots-Tag"] == "noindex"
    assert response.context["stamp"].is_reviewed is False


VIEWS = ["article", "article-markdown", "article-json", "article-card"]


@pytest.mark.parametrize("name", VIEWS)
def test_a_private_post_is_not_found(client, db, name):
    assert get(client, make_post(state="private"), name).status_code == 404


def test_a_post_due_later_is_not_found(client, db):
    post = make_post(state="published")
    Post.objects.filter(pk=post.pk).update(published_at=timezone.now() + dt.timedelta(days=1))

    assert get(client, post).status_code == 404


@pytest.mark.parametrize("name", ["article", "article-markdown", "article-json"])
def test_an_archived_post_is_gone(client, db, name):
    post = make_post(state="archived")

    response = get(client, post, name)

    assert response.status_code == 410
    assert response.headers["X-Robots-Tag"] == "noindex"
    assert post.title in response.content.decode()


def test_a_post_past_its_archive_date_is_gone(client, db):
    post = make_post(state="listed")
    Post.objects.filter(pk=post.pk).update(archive_at=timezone.now())

    assert get(client, post).status_code == 410


@pytest.mark.parametrize("name", VIEWS)
def test_retired_slugs_lead_to_the_current_one_in_one_hop(client, db, name):
    editor = make_user("superuser")
    post = make_post(slug="first-slug", by=editor)
    writing.change_slug(post=post, by=editor, slug="second-slug")
    post.refresh_from_db()
    writing.change_slug(post=post, by=editor, slug="third-slug")

    for retired in ("first-slug", "second-slug"):
        response = client.get(reverse(name, args=[retired]))

        assert response.status_code == 301
        assert response.headers["Location"] == reverse(name, args=["third-slug"])


@pytest.mark.parametrize(("state", "status"), [("private", 404), ("archived", 410)])
def test_a_retired_slug_tells_no_more_than_the_current_one(client, db, state, status):
    editor = make_user("superuser")
    post = make_post(slug="first-slug", by=editor, state=state)
    writing.change_slug(post=post, by=editor, slug="second-slug")

    assert client.get("/posts/first-slug/").status_code == status


def test_unknown_slugs_are_not_found(client, db):
    response = client.get("/posts/hardening-gunicorn-workers/")

    assert response.status_code == 404


def test_the_stamp_names_the_reviewer_publicly(client, db):
    reviewer = make_user("superuser", first_name="Ada", last_name="Example", username="secret-name")
    post = make_post(by=reviewer)

    response = get(client, post)

    stamp = response.context["stamp"]
    assert stamp.is_reviewed
    assert stamp.byline == "Ada Example"
    assert stamp.decided_at == Decision.objects.get(verdict="approve").decided_at
    assert "secret-name" not in response.content.decode()


def test_a_reviewer_without_a_public_name_stays_anonymous(client, db):
    reviewer = make_user("superuser", username="secret-name", email="secret@example.org")

    response = get(client, make_post(by=reviewer))

    assert response.context["stamp"].byline == "a reviewer"
    assert "secret" not in response.content.decode()


def test_the_head_has_canonical_and_description(client, db, settings):
    settings.PUBLIC_URL = "https://notes.example.org"
    post = make_post(snapshot=make_snapshot(lede="What *to* measure first."))

    context = get(client, post).context

    assert context["canonical"] == f"https://notes.example.org/posts/{post.slug}/"
    assert context["description"] == "What to measure first."
    assert dict(context["alternates"]) == {
        "text/markdown": f"/posts/{post.slug}.md",
        "application/json": f"/posts/{post.slug}.json",
    }


def test_figures_show_known_sizes_and_the_placeholder(client, db, settings):
    settings.IMAGE_PLACEHOLDER = True
    post = make_post(snapshot=rich_snapshot())
    ImageSource.objects.update(width=640, height=320)

    html = get(client, post).context["article"].html

    assert PostImage.objects.filter(post=post).exists()
    assert 'width="640" height="320"' in html
    assert "images/placeholder" in html
    assert "Image source: " in html


def test_pictures_without_a_licence_are_not_shown(client, db):
    post = make_post(snapshot=rich_snapshot())
    ImageSource.objects.update(licence="refused")

    assert "<img" not in get(client, post).context["article"].html


def test_the_meta_box_links_to_tags_and_entities(client, db):
    html = get(client, make_post()).content.decode()

    assert 'href="/tags/sluice/"' in html
    assert 'href="/entities/stack/tidal-services/"' in html


def test_content_is_escaped_everywhere(client, db):
    bad = "<script>alert(1)</script>"
    snapshot = make_snapshot(
        title=f"t {bad}", lede=bad, body=f"## {bad}\n\n{bad}", topic=bad, notes=(bad,), tools=(bad,)
    )

    html = get(client, make_post(snapshot=snapshot)).content.decode()

    assert "<script>alert" not in html


def test_no_cookie_and_no_variation_by_cookie(client, db):
    response = get(client, make_post())

    assert not response.cookies
    assert "Cookie" not in response.headers.get("Vary", "")


def test_only_safe_methods_are_answered(client, db):
    assert client.post(f"/posts/{make_post().slug}/").status_code == 405


@pytest.mark.parametrize("size", [20, 2_000])
def test_the_article_costs_the_same_at_any_size(client, db, size, django_assert_num_queries):
    fill_archive(size)
    post = make_post(snapshot=rich_snapshot(tools=("hot", "rare-1")))

    with django_assert_num_queries(ARTICLE_QUERIES):
        response = get(client, post)

    assert response.context["similar"]


# --- What stands beside and below -------------------------------------------------------------

HOUR = dt.timedelta(hours=1)


def write(title, *, hours, **more):
    now = timezone.now() - HOUR * hours
    return make_post(snapshot=make_snapshot(title=title, **more), now=now)


def test_neighbours_are_those_of_the_archive(client, db):
    older, post, newer = (write(title, hours=h) for title, h in (("a", 9), ("b", 5), ("c", 1)))
    make_post(state="published", now=timezone.now() - 3 * HOUR)

    beside = get(client, post).context["beside"]

    assert (beside.older.pk, beside.newer.pk) == (older.pk, newer.pk)
    assert get(client, newer).context["beside"].newer is None
    assert get(client, older).context["beside"].older is None


def test_a_note_that_is_not_listed_has_no_neighbours(client, db):
    write("a", hours=9)

    assert get(client, make_post(state="published")).context["beside"] == (None, None)


def test_more_of_the_first_tag_repeats_neither_the_note_nor_similar_ones(client, db):
    posts = [write(f"word{n} {n}", hours=20 - n, stack=("weirs",), tools=()) for n in range(14)]

    context = get(client, posts[5]).context

    similar = {item.post.pk for item in context["similar"]}
    more = [post.pk for post in context["more"]]
    assert len(more) == 5
    assert not {posts[5].pk, *similar} & set(more)
    assert more == [p.pk for p in reversed(posts) if p.pk not in {posts[5].pk, *similar}][:5]


@pytest.mark.parametrize(
    ("days", "years"), [(10, 0), (2 * 365 - 5, 0), (2 * 365 + 5, 2), (4 * 365 + 9, 4)]
)
def test_a_note_reviewed_long_ago_says_so(client, db, days, years):
    post = make_post(now=timezone.now() - dt.timedelta(days=days))

    response = get(client, post)

    assert response.context["reviewed_years_ago"] == years
    assert ("Last reviewed over" in response.content.decode()) is (years > 0)


def linked_data(response):
    (text,) = re.findall(
        r'<script type="application/ld\+json">(.*?)</script>', response.content.decode(), re.DOTALL
    )
    return json.loads(text)


def test_linked_data_tells_what_the_site_knows_and_no_claim(client, db, settings):
    settings.PUBLIC_URL = "https://notes.example.org"
    snapshot = make_snapshot(reference="anp-ref-1", revision=content.Label("x", "1", "2020-01-01"))
    post = make_post(snapshot=snapshot)
    address = f"https://notes.example.org/posts/{post.slug}/"

    found = linked_data(get(client, post))

    assert found["@type"] == "TechArticle"
    assert found["url"] == found["mainEntityOfPage"]["@id"] == address
    assert found["datePublished"] == post.published_at.isoformat()
    assert found["isBasedOn"] == "https://notes.example.org/r/anp-ref-1/"
    assert found["image"]["url"] == f"https://notes.example.org/posts/{post.slug}.png"
    assert found["proficiencyLevel"] == "intermediate"
    assert "2020" not in json.dumps(found)
    assert "license" not in found


def test_linked_data_cannot_end_its_script(client, db):
    bad = "</script><script>alert(1)</script><!-- \u2028 & é"

    response = get(client, make_post(snapshot=make_snapshot(title=bad)))

    assert linked_data(response)["headline"] == bad
    assert "<script>alert" not in response.content.decode()


def test_a_note_can_be_cited(client, db, settings):
    settings.PUBLIC_URL = "https://notes.example.org"
    post = make_post(snapshot=make_snapshot(title="Weirs", reference="anp-ref-1"))

    text = " ".join(re.sub(r"<[^>]+>", "", get(client, post).content.decode()).split())

    day = f"{post.published_at.day} {post.published_at:%B %Y}"
    assert (
        f"“Weirs”, alphanode, reference anp-ref-1, revision 1, {day}, reviewed by a reviewer on "
        f"{day}. https://notes.example.org/posts/{post.slug}/"
    ) in text


def seeds():
    folder = Path(os.environ.get("ALPHANODE_SEEDS", Path(__file__).parents[2] / "shared" / "seeds"))
    return sorted(folder.glob("*.txt"))


def words_of(page):
    main = page[page.index("<main") : page.index("</main>")]
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", main)).lower().split())


GLUED_KEYS = (
    "topic",
    "summary",
    "ai brief",
    "code language",
    "difficulty",
    "reading time",
    "view count",
    "reference",
    "hash",
)


def spellings(line):
    """The ways a line of a text export may read on the page: without key, flags as words."""
    yield line
    yield line.split(": ", 1)[-1]
    yield from (line.removeprefix(key) for key in GLUED_KEYS if line.startswith(key))
    if line.endswith((": 0", ": 1")):
        yield line[:-3] + (" yes" if line.endswith("1") else " no")


def missing_lines(document, page):
    words = words_of(page)
    body = document.split("\nSimilar Posts")[0].lower()
    lines = [line.strip(" •|") for line in body.splitlines()]
    return [
        line
        for line in lines
        if line and not any(" ".join(text.split()) in words for text in spellings(line))
    ]


def import_and_read(client, path):
    with pytest.raises(SystemExit) as end:
        call_command("import_posts", str(path), "--source", "seeds", "--publish", verbosity=0)
    assert end.value.code == 0
    (post,) = Post.objects.all()
    return get(client, post).content.decode()


def test_every_line_of_a_text_export_stands_in_main(client, db):
    path = Path(__file__).parent / "data" / "text-export" / "alphanode-000417.txt"

    page = import_and_read(client, path)

    assert missing_lines(path.read_text("utf-8"), page) == []


@pytest.mark.parametrize("number", range(5))
def test_every_line_of_the_samples_stands_in_main(client, db, number):
    if len(seeds()) != 5:
        pytest.skip("sample documents not found: ALPHANODE_SEEDS names no folder with five")
    path = seeds()[number]

    page = import_and_read(client, path)

    assert missing_lines(path.read_text("utf-8"), page) == []


def test_archived_draft_that_was_never_published_is_not_told_of(client, db):
    # Its address can be guessed from the title; "gone" with the title would tell of a draft.
    post = make_post(state="private", slug="quiet-draft")
    review.act_on_one(action="archive", post=post, by=make_user("reviewer"))

    response = client.get("/posts/quiet-draft/")

    assert response.status_code == 404
    assert post.title not in response.content.decode()
