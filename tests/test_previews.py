"""Preview links: unguessable, for one revision, for a while, for no robot and no cache."""

from __future__ import annotations

import datetime as dt
import re

import pytest
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone

from posts import counters, previews, review, writing
from posts.importing import erasure, undo
from posts.models import Counter, CounterDelta, Post, PreviewLink
from tests.builders import make_post, make_snapshot, make_user
from tests.held_posts import import_note

pytestmark = pytest.mark.django_db

DAY = dt.timedelta(days=1)


@pytest.fixture
def editor(client):
    person = make_user("editor")
    client.force_login(person)
    return person


@pytest.fixture
def draft():
    return make_post(state="private", snapshot=make_snapshot(title="A secret plan"))


def link_to(post, by=None, **more):
    revision = post.proposed_revision or post.live_revision
    return previews.make(revision=revision, by=by or make_user("editor"), **more)


def page(token):
    return reverse("preview", args=[token])


# --- The link ---------------------------------------------------------------------------------


def test_token_is_long_random_and_stored_as_a_digest_only(draft):
    made = [link_to(draft) for _ in range(20)]

    tokens = {token for _, token in made}
    assert len(tokens) == 20
    assert all(len(token) >= 43 for token in tokens)  # 32 bytes in base 64
    stored = str(list(PreviewLink.objects.values()))
    assert not any(token in stored for token in tokens)
    assert {link.token_digest for link, _ in made} == set(map(previews.digest_of, tokens))


def test_link_lives_a_week_unless_said_otherwise(draft):
    now = timezone.now()

    assert link_to(draft, now=now)[0].expires_at == now + 7 * DAY
    assert link_to(draft, now=now, days=30)[0].expires_at == now + 30 * DAY


@pytest.mark.parametrize("days", [0, -1, 2, 365])
def test_other_lives_are_refused(draft, days):
    with pytest.raises(previews.LinkError) as refused:
        link_to(draft, days=days)

    assert refused.value.code == "bad_days"
    assert not PreviewLink.objects.exists()


@pytest.mark.parametrize("kind", ["staff", "importer", "administrator", "reader"])
def test_only_people_who_share_make_and_revoke(draft, kind):
    person = make_user(kind)
    link, _ = link_to(draft)

    with pytest.raises(PermissionDenied):
        link_to(draft, by=person)
    with pytest.raises(PermissionDenied):
        previews.revoke(link=link, by=person)


def test_second_revocation_changes_nothing(draft):
    link, _ = link_to(draft)
    first, second = make_user("editor"), make_user("editor")

    previews.revoke(link=link, by=first)
    ended_at = link.revoked_at
    previews.revoke(link=link, by=second)

    assert (link.revoked_by, link.revoked_at) == (first, ended_at)


@pytest.mark.parametrize(
    "wrong", [{"revoked_at": timezone.now()}, {"expires_at": timezone.now() - 900 * DAY}]
)
def test_database_refuses_a_link_that_contradicts_itself(draft, wrong):
    link, _ = link_to(draft)

    with pytest.raises(IntegrityError), transaction.atomic():
        PreviewLink.objects.filter(pk=link.pk).update(**wrong)


# --- The page ---------------------------------------------------------------------------------


def test_anybody_with_the_link_reads_the_revision_in_the_article_template(client, draft):
    _, token = link_to(draft)

    shown = client.get(page(token))

    assert shown.status_code == 200
    assert {"posts/preview.html", "posts/article.html"} <= {t.name for t in shown.templates}
    text = shown.content.decode()
    assert "A secret plan" in text
    assert re.search(
        r'class="notice".*?Preview\..*?revision 1.*?which readers do not see', text, re.S
    )
    assert "Permalink" not in text


def test_page_shows_its_revision_and_no_newer_one(client, draft):
    _, token = link_to(draft)
    newer = make_snapshot(title="A newer plan")
    writing.revise(post=draft, by=make_user("editor"), snapshot=newer, seen=1)

    text = client.get(page(token)).content.decode()

    assert "A secret plan" in text
    assert "A newer plan" not in text


def test_page_says_when_it_is_what_readers_see(client):
    _, token = link_to(make_post(state="listed"))

    assert "the one readers see now" in client.get(page(token)).content.decode()


@pytest.mark.parametrize("state", ["open", "ended", "unknown"])
def test_no_robot_no_cache_no_referrer_no_cookie(client, draft, state):
    link, token = link_to(draft)
    if state == "ended":
        previews.revoke(link=link, by=make_user("editor"))

    answer = client.get(page("unknown" if state == "unknown" else token))

    assert answer.headers["X-Robots-Tag"] == "noindex, nofollow"
    assert '<meta name="robots" content="noindex, nofollow">' in answer.content.decode()
    assert "no-store" in answer.headers["Cache-Control"]
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert not answer.cookies
    assert "canonical" not in answer.content.decode()


def test_robots_are_told_to_stay_away(client):
    assert "Disallow: /preview/" in client.get("/robots.txt").content.decode().splitlines()


def test_preview_shows_no_similar_posts_and_counts_nothing(client):
    for _ in range(3):
        make_post()
    counters.fold(now=timezone.now())
    before = list(Counter.objects.values()), CounterDelta.objects.count()
    _, token = link_to(make_post(state="private"))

    shown = client.get(page(token))

    assert "Similar posts" not in shown.content.decode()
    counters.fold(now=timezone.now())
    assert (list(Counter.objects.values()), CounterDelta.objects.count()) == before


def test_tags_the_site_does_not_know_are_shown_without_a_link(client):
    post = make_post(state="listed")
    new = make_snapshot(tags=("never seen before",))
    writing.revise(post=post, by=make_user("editor"), snapshot=new, seen=1)
    _, token = link_to(post)

    shown = client.get(page(token))

    assert "never seen before" in [tag.name for tag in shown.context["tags"]]
    assert '<span class="note-tag">never seen before</span>' in shown.content.decode()


def test_disclosure_is_about_the_revision_shown(client):
    post = import_note()
    editor = make_user("reviewer", first_name="Edda", last_name="Moor")
    review.act_on_one(action="approve", post=post, by=make_user("reviewer"))
    writing.revise(post=post, by=editor, snapshot=make_snapshot(), seen=1)
    _, token = link_to(post)

    assert "edited by Edda Moor" in client.get(page(token)).content.decode()


@pytest.mark.parametrize("ending", ["revoked", "expired", "account closed", "post archived"])
def test_ended_link_answers_410_and_tells_nothing(client, draft, ending):
    maker = make_user("editor")
    link, token = link_to(draft, by=maker)
    assert client.get(page(token)).status_code == 200
    if ending == "revoked":
        previews.revoke(link=link, by=maker)
    elif ending == "expired":
        moved = timezone.now() - 8 * DAY
        PreviewLink.objects.update(made_at=moved, expires_at=moved + 7 * DAY)
    elif ending == "account closed":
        maker.is_active = False
        maker.save(update_fields=["is_active"])
    else:
        review.act_on_one(action="archive", post=draft, by=make_user("reviewer"))

    answer = client.get(page(token))

    link.refresh_from_db()
    link.revision.post.refresh_from_db()
    assert previews.why_closed(link, timezone.now()) == ending
    assert answer.status_code == 410
    assert "A secret plan" not in answer.content.decode()
    assert "Ask whoever sent it to you" in answer.content.decode()


@pytest.mark.parametrize("token", ["there-is-none", "a" * 5000, "'; --", "%00"])
def test_token_nobody_made_answers_404_without_repeating_it(client, token):
    answer = client.get(f"/preview/{token}/")

    assert answer.status_code == 404
    assert "There is no such preview" in answer.content.decode()
    assert "there-is-none" not in answer.content.decode()


def test_digest_itself_opens_nothing(client, draft):
    link, _ = link_to(draft)

    assert client.get(page(link.token_digest)).status_code == 404


def test_last_use_is_kept_to_the_minute(client, draft, time_machine):
    link, token = link_to(draft)
    began = timezone.now()
    uses = []
    for seconds in (0, 30, 61):
        time_machine.move_to(began + dt.timedelta(seconds=seconds), tick=False)
        client.get(page(token))
        link.refresh_from_db()
        uses.append(round((link.last_used_at - began).total_seconds()))

    assert uses == [0, 0, 61]


@pytest.mark.parametrize("method", ["post", "put", "delete"])
def test_page_is_for_reading_only(client, draft, method):
    _, token = link_to(draft)

    assert getattr(client, method)(page(token)).status_code == 405


def test_page_costs_the_same_whatever_the_archive_holds(client, django_assert_num_queries):
    post = make_post(state="private")
    _, token = link_to(post)
    client.get(page(token))
    for _ in range(10):
        make_post()

    with django_assert_num_queries(4):  # link, its use, imported numbers, tags
        client.get(page(token))


# --- In the admin -----------------------------------------------------------------------------


def test_address_is_shown_once_and_works(client, editor, draft, settings):
    settings.PUBLIC_URL = "https://notes.example.org"
    revision = reverse("admin:posts_post_revision", args=[draft.pk, 1])
    share = reverse("admin:posts_post_make_preview", args=[draft.pk, 1])

    made = client.post(share, {"days": "1"})

    address = made.context["address"]
    assert address.startswith("https://notes.example.org/preview/")
    assert address in made.content.decode()
    assert "no-store" in made.headers["Cache-Control"]
    path = address.removeprefix("https://notes.example.org")
    assert client.get(path).status_code == 200
    for later in (revision, reverse("admin:posts_post_previews", args=[draft.pk])):
        assert path.split("/")[2] not in client.get(later).content.decode()
    link = PreviewLink.objects.get()
    assert (link.made_by, link.revision.number) == (editor, 1)
    assert link.expires_at - link.made_at == DAY


def test_revision_page_lists_its_links_and_the_post_all(client, editor, draft):
    first, _ = link_to(draft, by=editor)
    writing.revise(post=draft, by=editor, snapshot=make_snapshot(), seen=1)
    second, _ = link_to(draft, by=editor)

    def links(name, *args):
        address = reverse(f"admin:posts_post_{name}", args=[draft.pk, *args])
        return [line.link.pk for line in client.get(address).context["links"]]

    assert links("revision", 1) == [first.pk]
    assert links("revision", 2) == [second.pk]
    assert links("previews") == [second.pk, first.pk]


def test_list_of_links_is_bounded_and_goes_on(client, editor, draft):
    for _ in range(53):
        link_to(draft, by=editor)
    address = reverse("admin:posts_post_previews", args=[draft.pk])

    first = client.get(address)
    rest = client.get(address, {"before": first.context["older"]})

    assert (len(first.context["links"]), len(rest.context["links"])) == (50, 3)
    assert rest.context["older"] is None


def test_revoking_by_a_click_ends_the_link(client, editor, draft):
    link, token = link_to(draft)

    client.post(reverse("admin:posts_post_revoke_preview", args=[draft.pk, link.pk]))

    link.refresh_from_db()
    assert link.revoked_by == editor
    assert client.get(page(token)).status_code == 410


def test_link_of_another_post_is_not_found_here(client, editor, draft):
    link, token = link_to(make_post(state="private"))

    answer = client.post(reverse("admin:posts_post_revoke_preview", args=[draft.pk, link.pk]))

    assert answer.status_code == 404
    assert client.get(page(token)).status_code == 200


@pytest.mark.parametrize("days", ["", "x", "999", "-1"])
def test_wrong_life_is_refused_with_a_message(client, editor, draft, days):
    share = reverse("admin:posts_post_make_preview", args=[draft.pk, 1])

    answer = client.post(share, {"days": days}, follow=True)

    assert "A link lives one of 1, 7, 30 days" in answer.content.decode()
    assert not PreviewLink.objects.exists()


def test_opening_the_address_by_get_makes_no_link(client, editor, draft):
    share = reverse("admin:posts_post_make_preview", args=[draft.pk, 1])

    assert client.get(share).status_code == 302
    assert not PreviewLink.objects.exists()


# --- When the post goes -----------------------------------------------------------------------


def test_erased_post_takes_its_links_along(client):
    post = import_note()
    _, token = link_to(post)

    erasure.erase(post_ids=[post.pk], by=make_user("superuser"), reason="asked for")

    assert not PreviewLink.objects.exists()
    assert client.get(page(token)).status_code == 404


def test_undone_import_takes_its_links_along_and_a_link_keeps_no_post(client):
    post = import_note()
    _, token = link_to(post)

    undo.undo_run(post.live_revision.run)

    assert not Post.objects.exists()
    assert client.get(page(token)).status_code == 404


def test_undone_version_takes_only_its_own_links_along(client):
    post = import_note()
    review.act_on_one(action="approve", post=post, by=make_user("reviewer"))
    _, old = previews.make(revision=post.live_revision, by=make_user("editor"))
    post = import_note(title="Newer")
    _, new = link_to(post)

    undo.undo_run(post.proposed_revision.run)

    assert client.get(page(old)).status_code == 200
    assert client.get(page(new)).status_code == 404
