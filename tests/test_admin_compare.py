"""The pages that compare and merge: who may open them, what they show, what a choice leaves."""

import re

import msgspec
import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from posts import content, review, writing
from posts.models import Decision, Post, Revision
from tests.builders import make_post, make_snapshot, make_user
from tests.held_posts import BODY, approve, edit, held_behind_edit, held_beside_approved, post_of
from tests.test_admin_pages import INLINE

pytestmark = pytest.mark.django_db


@pytest.fixture
def reviewer(client):
    person = make_user("reviewer")
    client.force_login(person)
    return person


@pytest.fixture
def editor(client):
    person = make_user("editor")
    client.force_login(person)
    return person


def compare_url(post: Post, query: str = "") -> str:
    return reverse("admin:posts_post_compare", args=[post.pk]) + query


def merge_url(post: Post) -> str:
    return reverse("admin:posts_post_merge", args=[post.pk])


def revised(post: Post, **over) -> Revision:
    """Save a revision that differs from the newest in the members given."""
    head = post.revisions.order_by("-number").first()
    own = {name: over.pop(name) for name in ("title", "lede", "body") if name in over}
    meta = msgspec.structs.replace(head.snapshot.meta, **over)
    snapshot = msgspec.structs.replace(head.snapshot, meta=meta, **own)
    return writing.revise(post=post, by=make_user("editor"), snapshot=snapshot, seen=head.number)


def sides(page) -> tuple[int, int]:
    return page.context["before"].revision.number, page.context["after"].revision.number


def text_of(page) -> str:
    return re.sub(r"\s+", " ", page.content.decode())


# --- Who may ----------------------------------------------------------------------------------


def test_anonymous_and_readers_are_sent_to_the_login_page(client):
    post = held_beside_approved()
    for kind in ("anonymous", "reader"):
        if kind == "reader":
            client.force_login(make_user("reader"))
        for address in (compare_url(post), merge_url(post)):
            for method in (client.get, client.post):
                response = method(address)
                assert response.status_code == 302, (kind, address)
                assert response.url.startswith(reverse("admin:login"))


@pytest.mark.parametrize("given", [(), ("view_post",), ("view_revision",)])
def test_staff_without_both_permissions_may_not_compare(client, given):
    post = held_beside_approved()
    person = User.objects.create_user("newcomer", is_staff=True)
    person.user_permissions.set(Permission.objects.filter(codename__in=given))
    client.force_login(person)

    assert client.get(compare_url(post)).status_code == 403
    assert client.get(merge_url(post)).status_code == 403


def test_staff_who_may_only_look_compare_and_may_not_merge(client):
    post = held_beside_approved()
    person = User.objects.create_user("onlooker", is_staff=True)
    codenames = ["view_post", "view_revision"]
    person.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    client.force_login(person)

    page = client.get(compare_url(post))

    assert page.status_code == 200
    assert page.context["restorable"] == page.context["buttons"] == []
    assert not page.context["is_held"]
    assert client.get(merge_url(post)).status_code == 403
    assert client.post(merge_url(post), {"all": "theirs"}).status_code == 403
    assert Revision.objects.count() == 2


@pytest.mark.parametrize(
    "query",
    ["?to=9", "?from=9", "?to=x", "?to=-1", "?to=%00", "?from=1&to=99999999999999999999", "?to=²"],
)
def test_revision_there_is_not_is_not_found(client, reviewer, query):
    post = make_post()

    assert client.get(compare_url(post, query)).status_code == 404


def test_revision_of_another_post_is_not_found(client, reviewer):
    post, other = make_post(), make_post()
    revised(other, title="Another")

    assert client.get(compare_url(post, "?from=1&to=2")).status_code == 404
    assert client.get(compare_url(Post(pk=10**6))).status_code == 404


# --- What is compared -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "revisions", "query", "expected"),
    [
        ("listed", 1, "", (1, 1)),
        ("listed", 2, "", (1, 2)),
        ("listed", 3, "", (1, 3)),
        ("listed", 3, "?to=2", (1, 2)),
        ("listed", 3, "?to=1", (1, 1)),
        ("listed", 3, "?from=2", (2, 3)),
        ("listed", 3, "?from=3&to=1", (3, 1)),
        ("private", 3, "", (2, 3)),
        ("private", 3, "?to=1", (3, 1)),
    ],
)
def test_live_is_compared_with_what_waits_unless_named(
    client, reviewer, state, revisions, query, expected
):
    post = make_post(state=state)
    for number in range(2, revisions + 1):
        revised(post, title=f"Try {number}")

    assert sides(client.get(compare_url(post, query))) == expected


def test_differences_are_told_in_words_and_marks(client, reviewer):
    post = make_post(snapshot=make_snapshot(body="One thing first.\n\nThen another thing here."))
    revised(post, body="One thing last.\n\nThen another thing here.", tags=("tide",))

    text = text_of(client.get(compare_url(post)))

    assert '<del class="diff-del">first</del><ins class="diff-ins">last</ins>' in text
    assert '<span aria-hidden="true">±</span> changed' in text
    assert '<span class="visually-hidden">added: </span><ins class="diff-ins">tide</ins>' in text
    assert "+1 −1 words" in text


def test_equal_revisions_say_so(client, reviewer):
    post = make_post()

    page = client.get(compare_url(post))

    assert "No differences: both revisions hold the same content." in text_of(page)
    assert "data-diff-bar" not in text_of(page)


def test_hostile_content_is_text_and_nothing_is_inline(client, reviewer):
    hostile = "<script>alert(1)</script>\n\n<img src=x onerror=alert(1)>\n\n\u202eevil"
    post = make_post(snapshot=make_snapshot(body="Calm."))
    revised(
        post,
        title="<b onclick=x>bold</b>",
        body=hostile,
        notes=("<i>note</i>",),
        tags=("<u>tag</u>",),
        extra={"<s>": "<q>"},
        image_sources=(content.Image(url="https://picsum.photos/<x>", caption='"><x>'),),
    )

    page = client.get(compare_url(post))

    text = page.content.decode()
    assert not INLINE.findall(text.replace("&lt;", ""))
    for sent in (
        "<script>alert",
        "<img src=x",
        "<b onclick",
        "<i>note",
        "<u>tag",
        "<s>",
        "<q>",
        "<x>",
    ):
        assert sent not in text
    assert "\u202e" not in text
    assert "U+202E right-to-left override" in text
    assert "unsafe" not in page.headers["Content-Security-Policy"]


def test_what_waits_is_decided_beside_its_difference(client, reviewer, settings):
    settings.REVIEW_UNDO_SECONDS = 0
    post = make_post()
    revision = revised(post, title="Better")

    page = client.get(compare_url(post))
    buttons = {button.name: button for button in page.context["buttons"]}
    response = client.post(buttons["approve"].url, {"digest": buttons["approve"].digest})

    assert set(buttons) == {"approve", "request_changes", "reject"}
    assert response.status_code == 302
    assert Decision.objects.get(revision=revision).verdict == "approve"
    post.refresh_from_db()
    assert post.live_revision_id == revision.pk


def test_verdicts_stand_only_where_what_waits_is_the_newer_side(client, reviewer):
    post = make_post()
    revised(post, title="Better")
    revised(post, title="Best")

    assert client.get(compare_url(post, "?from=1&to=2")).context["buttons"] == []
    assert client.get(compare_url(post, "?from=3&to=1")).context["buttons"] == []
    assert len(client.get(compare_url(post, "?from=2&to=3")).context["buttons"]) == 3


def test_older_side_is_restored_as_a_new_revision(client, editor):
    post = make_post(state="private")
    first = post.live_revision
    revised(post, title="Second")
    revised(post, title="Third")

    page = client.get(compare_url(post, "?from=1&to=3"))
    assert [revision.number for revision in page.context["restorable"]] == [1]
    client.post(reverse("admin:posts_post_restore", args=[post.pk, 1]), {"seen": "3"})

    post.refresh_from_db()
    assert post.revisions.count() == 4
    assert post.proposed_revision.digest == first.digest
    assert post.proposed_revision.origin == "restore"


def test_live_revision_is_published_while_a_newer_draft_stays(client, reviewer):
    post = make_post(state="private")
    review.act_on_one(action="approve", post=post, by=reviewer, undo_seconds=0)
    draft = revised(post, title="Not yet")

    review.act_on_one(action="publish", post=post, by=reviewer, undo_seconds=0)

    post.refresh_from_db()
    assert post.live_revision.number == 1
    assert post.proposed_revision_id == draft.pk
    assert Post.objects.indexable().filter(pk=post.pk).exists()


def test_pictures_that_came_are_shown(client, reviewer, settings):
    settings.IMAGE_PLACEHOLDER = True
    post = make_post()
    image = content.Image(source="a gauge", url="https://picsum.photos/1/80/40", caption="tide")
    revised(post, image_sources=(image,))

    page = client.get(compare_url(post))

    (thumbnail,) = page.context["thumbnails"]
    assert (thumbnail.kind, thumbnail.picture.caption) == ("added", "tide")
    assert thumbnail.address.endswith(".svg")
    assert 'alt="tide"' in text_of(page)


# --- The ways there ---------------------------------------------------------------------------


def test_list_post_history_revisions_and_revision_lead_to_the_comparison(client, reviewer):
    post = make_post()
    revised(post, title="Better")
    pages = {
        reverse("admin:posts_post_changelist") + "?queue=awaiting": compare_url(post),
        reverse("admin:posts_post_change", args=[post.pk]): compare_url(post),
        reverse("admin:posts_post_events", args=[post.pk]): compare_url(post, "?from=1&amp;to=2"),
        reverse("admin:posts_post_revisions", args=[post.pk]): compare_url(post, "?to=2"),
        reverse("admin:posts_post_revision", args=[post.pk, 2]): compare_url(post, "?to=2"),
    }
    for page, address in pages.items():
        assert f'href="{address}"' in client.get(page).content.decode(), page


def test_held_post_leads_to_the_merge(client, editor):
    post = held_beside_approved()
    for page in (reverse("admin:posts_post_change", args=[post.pk]), compare_url(post)):
        assert f'href="{merge_url(post)}"' in client.get(page).content.decode(), page

    other = make_post()
    page = client.get(reverse("admin:posts_post_change", args=[other.pk]))
    assert "merge/" not in page.content.decode()


def test_stale_edit_leads_to_the_comparison(client, editor):
    post = make_post(state="private")
    revised(post, title="Meanwhile")
    address = reverse("admin:posts_post_edit", args=[post.pk])

    page = client.post(address, {"seen": "1", "base": "1", "title": "Mine", "body": "x"})

    assert f'href="{compare_url(post, "?from=1&amp;to=2")}"' in page.content.decode()


# --- Merging ----------------------------------------------------------------------------------


def form_of(page, **more) -> dict[str, str]:
    """Return what the page's form would send as it stands."""
    offers = page.context["fields"]
    chosen = {
        f"take-{offer.field.name}": option.value
        for offer in offers
        for option in offer.options
        if option.is_chosen
    }
    return {
        "seen": str(page.context["newest"]),
        "ours": str(page.context["ours"].revision.number),
        "incoming": str(page.context["incoming"].revision.number),
        "comment": page.context["comment"],
        **chosen,
        **more,
    }


def conflicting() -> Post:
    return held_behind_edit(
        {"title": "Ours", "body": BODY.replace("Numbers", "Figures"), "notes": ("ours",)},
        title="Theirs",
        body=BODY + "\n\nThe end.",
        difficulty="advanced",
    )


def test_merge_page_tells_who_changed_what(client, editor):
    page = client.get(merge_url(conflicting()))

    offers = {offer.field.name: offer for offer in page.context["fields"]}
    assert {name: offer.field.state for name, offer in offers.items()} == {
        "title": "conflict",
        "body": "conflict",
        "notes": "ours",
        "difficulty": "theirs",
    }
    assert [option.value for option in offers["body"].options] == ["ours", "theirs", "both"]
    assert not any(option.is_chosen for option in offers["title"].options)
    text = text_of(page)
    assert "both changed it, differently" in text
    assert not INLINE.findall(page.content.decode())
    ids = re.findall(r'\sid="([^"]+)"', page.content.decode())
    assert len(ids) == len(set(ids))


def test_choices_are_saved_as_a_new_revision_with_the_comment(client, editor):
    post = conflicting()
    page = client.get(merge_url(post))

    response = client.post(
        merge_url(post),
        form_of(page, **{"take-title": "theirs", "take-body": "both", "comment": "Both, joined."}),
    )

    assert response.status_code == 302
    post = post_of()
    revision = post.proposed_revision
    assert (revision.number, revision.author, revision.comment) == (4, editor, "Both, joined.")
    assert revision.title == "Theirs"
    assert revision.body == BODY.replace("Numbers", "Figures") + "\n\nThe end."
    assert revision.meta["notes"] == ["ours"]
    assert revision.meta["difficulty"] == "advanced"
    assert post.imported.waiting_revision_id is None
    history = client.get(reverse("admin:posts_post_events", args=[post.pk]))
    assert "Imported version merged" in text_of(history)


@pytest.mark.parametrize(("whole", "title"), [("ours", "Ours"), ("theirs", "Theirs")])
def test_all_of_one_side_is_taken_at_once(client, editor, whole, title):
    post = conflicting()
    page = client.get(merge_url(post))
    side = page.context["ours" if whole == "ours" else "incoming"].revision

    client.post(merge_url(post), form_of(page, all=whole))

    revision = post_of().proposed_revision
    assert (revision.number, revision.title) == (4, title)
    assert revision.digest == side.digest


def test_conflict_without_a_choice_saves_nothing_and_keeps_the_others(client, editor):
    post = conflicting()
    page = client.get(merge_url(post))

    response = client.post(
        merge_url(post), form_of(page, **{"take-body": "theirs", "comment": "My comment."})
    )

    assert response.status_code == 400
    assert Revision.objects.count() == 3
    assert [field.name for field in response.context["missing"]] == ["title"]
    assert response.context["comment"] == "My comment."
    body = next(o for o in response.context["fields"] if o.field.name == "body")
    assert [option.value for option in body.options if option.is_chosen] == ["theirs"]
    assert 'href="#take-title-ours"' in response.content.decode()


@pytest.mark.parametrize("sent", [{}, {"take-title": "neither"}, {"all": "nobody"}])
def test_form_that_says_nothing_valid_saves_nothing(client, editor, sent):
    post = conflicting()
    form = form_of(client.get(merge_url(post)))
    form = {name: form[name] for name in ("seen", "ours", "incoming")} | sent

    assert client.post(merge_url(post), form).status_code == 400
    assert Revision.objects.count() == 3


def test_choices_for_other_versions_are_refused(client, editor):
    post = conflicting()
    form = form_of(client.get(merge_url(post)), **{"take-title": "ours", "take-body": "ours"})
    edit(post_of(), title="Somebody else's")

    response = client.post(merge_url(post), form)

    assert response.status_code == 409
    assert "Another revision came meanwhile" in text_of(response)
    assert response.context["ours"].revision.number == 4
    assert Revision.objects.count() == 4


def test_merge_that_was_decided_meanwhile_leads_back(client, editor):
    post = held_beside_approved()
    form = form_of(client.get(merge_url(post)))
    approve(post)

    response = client.post(merge_url(post), form)

    assert response.status_code == 302
    assert Revision.objects.count() == 2


def test_comment_that_is_too_long_comes_back(client, editor):
    post = held_beside_approved()
    page = client.get(merge_url(post))

    response = client.post(merge_url(post), form_of(page, comment="x" * 501))

    assert response.status_code == 400
    assert "of at most 500" in text_of(response)
    assert response.context["comment"] == "x" * 501


def test_merge_needs_a_csrf_token(editor):
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(editor)
    post = held_beside_approved()

    assert strict.post(merge_url(post), {"all": "theirs"}).status_code == 403
    assert Revision.objects.count() == 2


def test_nothing_to_merge_leads_to_the_post(client, editor):
    post = make_post()

    response = client.get(merge_url(post))

    assert response.url == reverse("admin:posts_post_change", args=[post.pk])


# --- What it costs ----------------------------------------------------------------------------


@pytest.mark.parametrize("page", ["compare", "merge"])
def test_pages_cost_the_same_with_many_revisions_and_long_texts(client, reviewer, page):
    post = held_behind_edit({"title": "Ours"}, title="Theirs")
    address = reverse(f"admin:posts_post_{page}", args=[post.pk])
    counts = []
    for revisions, words in ((4, 10), (70, 3_000)):
        for number in range(post.revisions.count(), revisions):
            body = "\n\n".join(f"Paragraph {n} of try {number}." for n in range(words))
            edit(post_of(), body=body)
        with CaptureQueriesContext(connection) as queries:
            assert client.get(address).status_code == 200
        counts.append(len(queries))

    assert counts[0] == counts[1]
    assert counts[0] <= {"compare": 14, "merge": 9}[page]


def test_list_with_the_way_to_compare_costs_no_query_a_row(client, reviewer):
    address = reverse("admin:posts_post_changelist") + "?queue=awaiting"
    counts = []
    for _ in range(2):
        for _ in range(5):
            revised(make_post(), title="Better")
        with CaptureQueriesContext(connection) as queries:
            client.get(address)
        counts.append(len(queries))

    assert counts[0] == counts[1]
