"""Writing by hand in the admin: what a form may change, what it keeps, what it refuses."""

import msgspec
import pytest
from django.core.exceptions import PermissionDenied
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from posts import content, validation, writing
from posts.admin.forms import PostForm
from posts.models import Post, PostTag, Revision, Slug
from tests.builders import make_post, make_snapshot, make_user


@pytest.fixture
def editor(client, db):
    person = make_user("editor")
    client.force_login(person)
    return person


ADD = "admin:posts_post_add"


def edit_url(post: Post) -> str:
    return reverse("admin:posts_post_edit", args=[post.pk])


def typed(form: PostForm, **changes: str) -> dict[str, str]:
    """Return what a browser would send for a form, line ends included."""
    data = {}
    for name in form.fields:
        value = form.get_initial_for_field(form.fields[name], name)
        data[name] = "" if value is None else str(value).replace("\n", "\r\n")
    return data | changes


FULL = {
    "title": "Tide tables that tell the truth",
    "lede": "What to *check* first.",
    "body": "## Why\r\n\r\nBecause.",
    "slug": "tide-tables",
    "topic": "tide tables / harbours",
    "summary": "A summary.",
    "difficulty": "advanced",
    "code_language": "python",
    "language": "en",
    "stack": "tidal services\r\nbackend\r\npython",
    "tools": "sluice\r\n\r\ngauge",
    "tags": "harbour\r\nbuoy",
    "editorial_tags": "long reads, python services",
    "checklist": "read the gauge\r\nwrite it down",
    "notes": "one note, with a comma",
    "entities": "problem: wrong tables\r\nstack: tidal services",
    "image_sources": "a gauge | https://picsum.photos/800/400 | the gauge | a brass gauge",
}


def test_written_post_holds_every_field_and_waits(client, editor):
    response = client.post(reverse(ADD), FULL)

    post = Post.objects.get()
    assert response.url == reverse("admin:posts_post_change", args=[post.pk])
    assert (post.visibility, post.slug) == ("private", "tide-tables")
    assert post.proposed_revision_id == post.live_revision_id
    snapshot = post.live_revision.snapshot
    assert snapshot.body == "## Why\n\nBecause."
    meta = snapshot.meta
    assert meta.stack == ("tidal services", "backend", "python")
    assert meta.tools == ("sluice", "gauge")
    assert meta.tags == ("buoy", "harbour")
    assert meta.checklist == ("read the gauge", "write it down")
    assert meta.notes == ("one note, with a comma",)
    assert meta.entities == (
        content.Entity("wrong tables", "problem"),
        content.Entity("tidal services", "stack"),
    )
    assert meta.image_sources[0] == content.Image(
        "a gauge", "https://picsum.photos/800/400", "the gauge", "a brass gauge"
    )
    editorial = PostTag.objects.filter(content_object=post, origin="editorial")
    assert set(editorial.values_list("tag__name", flat=True)) == {"long reads", "python services"}


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("title", "", "a title of 1 to 300 characters"),
        ("title", "x" * 301, "at most 300 characters"),
        ("slug", "Not A Slug", "lower-case letters, digits and single hyphens"),
        ("slug", "archive", "address of another page"),
        ("language", "english please", "a language tag such as en"),
        ("tools", "ok\r\n" + "x" * 101, "Line 2: Expected at most 100 characters"),
        ("entities", "no colon here", "Line 1: expected a type and a name"),
        ("image_sources", "a | ftp://b | c", "Line 1: Expected an http or https URL"),
        ("image_sources", "a | b | c | d | e", "at most four parts"),
        ("editorial_tags", "x" * 101, "longer than 100 characters"),
        ("difficulty", "impossible", "impossible"),
    ],
)
def test_refused_input_is_explained_at_its_field_and_kept(client, editor, field, value, expected):
    response = client.post(reverse(ADD), FULL | {field: value})

    assert response.status_code == 200
    assert not Post.objects.exists()
    errors = " ".join(response.context["form"].errors[field])
    assert expected in errors
    assert response.context["form"][field].value() == value
    assert response.context["form"]["body"].value() == FULL["body"]


def test_editing_proposes_a_revision_and_keeps_what_is_imported(client, editor):
    snapshot = make_snapshot(
        payload=content.Payload(source_id="alphanode-000001", seed=7),
        flags=content.Flags(needs_human_review=True),
        reference="REF-1",
        revision=content.Label(status="reviewed", version="1.2"),
        extra={"mood": "calm"},
    )
    post = make_post(snapshot=snapshot, state="listed")
    page = client.get(edit_url(post))
    data = typed(page.context["form"], body="Better.", comment="Says it better.")

    response = client.post(edit_url(post), data)

    assert response.status_code == 302
    post.refresh_from_db()
    new = post.proposed_revision
    assert (new.number, new.author, new.comment) == (2, editor, "Says it better.")
    assert post.live_revision.number == 1
    assert new.snapshot == msgspec.structs.replace(snapshot, body="Better.")
    assert "mood" in page.content.decode()


def test_saving_without_a_change_adds_no_revision(client, editor):
    image = content.Image(source="a | b", url="https://picsum.photos/1", caption="c")
    post = make_post(snapshot=make_snapshot(image_sources=(image,)))
    data = typed(client.get(edit_url(post)).context["form"])

    client.post(edit_url(post), data)

    assert Revision.objects.filter(post=post).count() == 1


def test_editorial_tags_and_address_change_without_a_revision(client, editor):
    post = make_post(slug="old-address", tags=["buoy"])
    data = typed(
        client.get(edit_url(post)).context["form"], editorial_tags="harbour", slug="new-address"
    )

    client.post(edit_url(post), data)

    post.refresh_from_db()
    assert Revision.objects.filter(post=post).count() == 1
    assert post.slug == "new-address"
    assert Slug.objects.get(slug="old-address").is_current is False
    editorial = PostTag.objects.filter(content_object=post, origin="editorial")
    assert list(editorial.values_list("tag__name", flat=True)) == ["harbour"]
    assert post.listed_at is not None


def test_a_refused_address_saves_nothing_of_the_form(client, editor):
    make_post(slug="taken")
    post = make_post(slug="mine")
    data = typed(client.get(edit_url(post)).context["form"], slug="taken", body="New text.")

    response = client.post(edit_url(post), data)

    assert "address of another page" in " ".join(response.context["form"].errors["slug"])
    assert Revision.objects.filter(post=post).count() == 1
    assert response.context["form"]["body"].value() == "New text."


def test_stale_save_is_refused_kept_and_possible_after_comparing(client, editor):
    post = make_post(state="private")
    data = typed(client.get(edit_url(post)).context["form"], body="My text.")
    writing.revise(
        post=post, by=make_user("editor"), snapshot=make_snapshot(body="Theirs."), seen=1
    )

    refused = client.post(edit_url(post), data)

    assert Revision.objects.filter(post=post).count() == 2
    assert refused.context["form"]["body"].value() == "My text."
    for number in (1, 2):
        link = reverse("admin:posts_post_revision", args=[post.pk, number])
        assert link in refused.content.decode()

    client.post(edit_url(post), data | {"has_compared": "1", "compared": "1"})
    assert Revision.objects.filter(post=post).count() == 2

    client.post(edit_url(post), data | {"has_compared": "1", "compared": "2"})
    post.refresh_from_db()
    assert post.proposed_revision.number == 3
    assert post.proposed_revision.body == "My text."


def test_restoring_makes_a_new_revision(client, editor):
    post = make_post(state="private")
    first = post.live_revision
    writing.revise(post=post, by=editor, snapshot=make_snapshot(), seen=1)
    address = reverse("admin:posts_post_restore", args=[post.pk, 1])

    client.get(address)
    client.post(address, {"seen": "1"})
    assert Revision.objects.filter(post=post).count() == 2

    client.post(address, {"seen": "2"})
    post.refresh_from_db()
    assert (post.proposed_revision.number, post.proposed_revision.digest) == (3, first.digest)


def test_edit_can_start_from_a_revision_that_was_sent_back(client, editor):
    post = make_post(state="listed")
    writing.revise(post=post, by=editor, snapshot=make_snapshot(body="Sent back."), seen=1)
    from posts import review

    review.act_on_one(action="reject", post=post, by=make_user("reviewer"), reason="No.")

    assert client.get(edit_url(post)).context["base"].number == 1
    again = client.get(edit_url(post) + "?from=2")
    assert again.context["form"]["body"].value() == "Sent back."
    client.post(edit_url(post), typed(again.context["form"], lede="Mended."))

    post.refresh_from_db()
    assert (post.proposed_revision.number, post.proposed_revision.body) == (3, "Sent back.")


def test_page_of_a_post_saves_nothing_whatever_is_sent(client, editor):
    post = make_post(state="private")
    before = Post.objects.values().get()

    client.post(
        reverse("admin:posts_post_change", args=[post.pk]),
        {"title": "x", "visibility": "published", "_save": "1"},
    )

    assert Post.objects.values().get() == before


def test_save_model_refuses():
    from posts.admin import site

    with pytest.raises(PermissionDenied):
        site.get_model_admin(Post).save_model(None, Post(), None, True)


def test_readonly_staff_may_look_and_not_write(client, db):
    from django.contrib.auth.models import Permission, User

    person = User.objects.create_user("auditor", is_staff=True)
    wanted = ("view_post", "view_revision")
    person.user_permissions.add(*Permission.objects.filter(codename__in=wanted))
    client.force_login(person)
    post = make_post()

    assert client.get(reverse("admin:posts_post_change", args=[post.pk])).status_code == 200
    for address in (
        reverse(ADD),
        edit_url(post),
        reverse("admin:posts_post_restore", args=[post.pk, 1]),
    ):
        assert client.post(address, FULL).status_code == 403
    assert Revision.objects.count() == 1


# --- A form loses nothing ---------------------------------------------------------------------

_words = st.text(
    st.characters(blacklist_categories=["Cs", "Cc"], blacklist_characters="\u2028\u2029\x85"),
    max_size=30,
)
_texts = st.lists(_words, max_size=4).map("\n".join)
_items = st.lists(_words, max_size=4).map(tuple)
_snapshots = st.builds(
    lambda title, lede, body, summary, items, entities, images: content.Snapshot(
        title=title,
        lede=lede,
        body=body,
        meta=content.Meta(
            summary=summary,
            stack=items,
            notes=items,
            entities=entities,
            image_sources=images,
        ),
    ),
    _words,
    _texts,
    _texts,
    _texts,
    _items,
    st.lists(st.builds(content.Entity, name=_words, type=_words), max_size=4).map(tuple),
    st.lists(
        st.builds(content.Image, source=_words, url=st.just(""), caption=_words, alt=_words),
        max_size=4,
    ).map(tuple),
)


@given(_snapshots)
def test_an_untouched_form_gives_back_the_same_content(snapshot):
    snapshot, problems = validation.checked(snapshot)
    if any(problem.severity == "error" for problem in problems):
        return
    shown = PostForm(snapshot=snapshot, is_new=False)

    sent = PostForm(typed(shown), snapshot=snapshot, is_new=False)

    assert sent.is_valid(), sent.errors
    assert content.digest(validation.checked(sent.snapshot())[0]) == content.digest(snapshot)
