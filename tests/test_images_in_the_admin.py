"""Images in the admin: added to the text in the form, listed with their uses, deleted."""

import re

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from posts import content, writing
from posts.admin.uploads import NO_ALT
from posts.images import storing
from posts.models import ImageSource, Post, StoredImage
from tests.builders import make_post, make_snapshot, make_user
from tests.image_files import encoded, picture
from tests.test_edit_windows import edit_url, opened, typed

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def media(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path / "media"
    return settings.MEDIA_ROOT


@pytest.fixture
def editor(client):
    person = make_user("editor")
    client.force_login(person)
    return person


def a_file(data=None, name="harbour.jpg"):
    return SimpleUploadedFile(name, encoded(form="JPEG") if data is None else data)


def sent(client, post, **over):
    """Return what the browser sends when the panel is filled in and its button pressed."""
    panel = {
        "upload-file": a_file(),
        "upload-caption": "slack water",
        "upload-alt": "a quay at low tide",
        "upload-credit": "Ada Example",
        "upload-licence": "cleared",
    }
    return typed(opened(client, post)) | {"do": "upload", **panel} | over


def lines(answer):
    return answer.context["form"]["image_sources"].value().splitlines()


# --- Adding -------------------------------------------------------------------------------------


def test_an_image_becomes_a_source_of_the_text_in_the_form(client, editor):
    post = make_post(state="private")

    answer = client.post(edit_url(post), sent(client, post, body="Typed, not saved."))

    stored = StoredImage.objects.get()
    assert stored.uploaded_by == editor
    assert lines(answer) == [
        f"Ada Example | upload:{stored.digest} | slack water | a quay at low tide"
    ]
    assert answer.context["added"].markdown == "![slack water](image:1)"
    assert answer.context["form"]["body"].value() == "Typed, not saved."
    assert post.revisions.count() == 1
    source = ImageSource.objects.get(url=content.upload_url(stored.digest))
    assert (source.credit, source.licence) == ("Ada Example", "cleared")


def test_saving_that_form_makes_the_revision_that_shows_it(client, editor):
    post = make_post(state="private")
    answer = client.post(edit_url(post), sent(client, post))
    body = f"Text.\n\n{answer.context['added'].markdown}"

    saved = client.post(edit_url(post), typed(answer.context["form"], body=body) | {"do": "save"})

    assert saved.status_code == 302
    post.refresh_from_db()
    image = post.proposed_revision.snapshot.meta.image_sources[0]
    assert image.url == content.upload_url(StoredImage.objects.get().digest)
    assert (image.source, image.caption, image.alt) == (
        *("Ada Example", "slack water", "a quay at low tide"),
    )
    page = client.get(reverse("admin:posts_post_revision", args=[post.pk, 2])).content.decode()
    address = re.search(r'src="(/admin/posts/storedimage/of/[^"]+)"', page)[1]
    assert client.get(address).headers["Content-Type"] == "image/jpeg"


def test_a_new_post_takes_images_before_it_has_a_title(client, editor):
    first = client.get(reverse("admin:posts_post_add"))
    panel = {"upload-file": a_file(), "upload-licence": "unknown", "do": "upload"}

    answer = client.post(
        reverse("admin:posts_post_add"), typed(first.context["form"], title="") | panel
    )

    assert answer.status_code == 200
    assert len(lines(answer)) == 1
    assert not answer.context["form"].errors
    assert not Post.objects.exists()


def test_the_window_stays_the_same_window(client, editor):
    post = make_post(state="private")
    form = sent(client, post)

    answer = client.post(edit_url(post), form)

    assert answer.context["form"]["tab"].value() == form["tab"]
    assert "data-dirty" in answer.content.decode()


def test_an_image_stands_behind_the_sources_there_are(client, editor):
    there = (content.Image("a gauge", "https://picsum.photos/1"), content.Image())
    post = make_post(snapshot=make_snapshot(image_sources=there), state="private")

    answer = client.post(edit_url(post), sent(client, post))

    assert answer.context["added"].number == 3
    assert len(lines(answer)) == 3


def test_the_same_image_again_is_not_a_second_source(client, editor):
    post = make_post(state="private")
    answer = client.post(edit_url(post), sent(client, post))
    again = typed(answer.context["form"]) | {
        **{"do": "upload", "upload-file": a_file(), "upload-caption": "another word"},
        "upload-licence": "unknown",
    }

    answer = client.post(edit_url(post), again)

    assert len(lines(answer)) == 1
    assert (answer.context["added"].number, answer.context["added"].is_new) == (1, False)


@pytest.mark.parametrize(
    ("alt", "warning"),
    [("", NO_ALT), ("slack water", NO_ALT), ("a quay at low tide", "")],
)
def test_alternative_text_is_asked_for(client, editor, alt, warning):
    post = make_post(state="private")

    answer = client.post(edit_url(post), sent(client, post, **{"upload-alt": alt}))

    assert answer.context["added"].warning == warning


def test_a_file_is_not_lost_by_another_button(client, editor):
    post = make_post(state="private")

    answer = client.post(edit_url(post), sent(client, post, do="save", body="Typed."))

    assert answer.status_code == 200
    assert len(lines(answer)) == 1
    assert post.revisions.count() == 1


@pytest.mark.parametrize(
    ("panel", "words"),
    [
        ({"upload-file": a_file(b"<svg onload='alert(1)'/>", "x.svg")}, "Save it as PNG"),
        ({"upload-file": a_file(b"plain words", "x.png")}, "expected JPEG, PNG"),
        ({"upload-file": a_file(b"", "x.png")}, "The file is empty"),
        ({"upload-file": ""}, "Choose an image first"),
        ({"upload-caption": "low | high"}, "without “|”"),
    ],
)
def test_what_is_refused_is_told_and_what_was_typed_stays(client, editor, panel, words):
    post = make_post(state="private")

    answer = client.post(edit_url(post), sent(client, post, body="Typed.", **panel))

    page = answer.content.decode()
    assert "No image was added" in page
    assert words in page
    assert answer.context["form"]["body"].value() == "Typed."
    assert lines(answer) == []
    assert not StoredImage.objects.exists()


def test_a_file_that_is_too_long_is_told_and_not_kept(client, editor, settings):
    settings.IMAGE_UPLOAD_MAX_BYTES = 1024 * 1024
    post = make_post(state="private")
    long = a_file(encoded(form="JPEG") + b"x" * 4 * 1024 * 1024)

    answer = client.post(edit_url(post), sent(client, post, **{"upload-file": long}))

    assert "more than 1 MB" in answer.content.decode()
    # What is beyond the limit was read and dropped, not kept somewhere.
    assert answer.wsgi_request.FILES["upload-file"].size < 1024 * 1024 + 2 * 64 * 1024


def test_who_may_not_upload_has_no_panel_and_no_way(client):
    person = make_user("editor")
    person.groups.clear()
    for name in ("view_post", "change_post", "view_revision"):
        person.user_permissions.add(
            make_user("reviewer").groups.get().permissions.get(codename=name)
        )
    client.force_login(person)
    post = make_post(state="private")
    page = client.get(edit_url(post))
    assert 'name="upload-file"' not in page.content.decode()
    panel = {"do": "upload", "upload-file": a_file(), "upload-licence": "unknown"}

    client.post(edit_url(post), typed(page.context["form"]) | panel)

    assert not StoredImage.objects.exists()


def test_a_caption_cannot_break_out_of_its_place(client, editor):
    post = make_post(state="private")
    panel = {"upload-caption": "a] b [c", "upload-alt": '"><script>alert(1)</script>'}

    answer = client.post(edit_url(post), sent(client, post, **panel))

    added = answer.context["added"].markdown
    assert added == "![a\\] b \\[c](image:1)"
    assert "<script>alert" not in answer.content.decode()


def test_the_first_button_of_the_form_saves(client, editor):
    """What Enter in a field presses is the first one, wherever it stands to the eye."""
    page = client.get(edit_url(make_post(state="private"))).content.decode()

    buttons = re.findall(r'<button[^>]*name="do" value="(\w+)"', page)

    assert buttons[0] == "save"
    assert "upload" in buttons


# --- What stands out ----------------------------------------------------------------------------


def test_sources_without_words_of_their_own_stand_out(client, editor):
    images = (
        content.Image("s", "https://picsum.photos/1", "tide", "a gauge"),
        content.Image("s", "https://picsum.photos/2", "ebb"),
        content.Image("s", content.upload_url("ab" * 32), "quay", "a quay"),
    )
    body = "![tide](image:1)\n\n![ebb](image:2)\n\n![quay](image:3)"
    post = make_post(snapshot=make_snapshot(image_sources=images, body=body), state="private")

    answer = client.post(edit_url(post), typed(opened(client, post)) | {"do": "check"})

    said = [(one.line, one.text) for one in answer.context["proof"].findings]
    assert [line for line, text in said if "no alternative text of its own" in text] == [3]
    assert [line for line, text in said if "This site does not have the upload" in text] == [5]
    assert not any("Pages show no pictures" in text for _, text in said)


# --- The list -----------------------------------------------------------------------------------


def upload(by, **more):
    return storing.upload(data=encoded(picture(**more), "JPEG"), by=by)


def page_of(stored):
    return reverse("admin:posts_storedimage_change", args=[stored.pk])


def showing(stored):
    image = content.Image("s", content.upload_url(stored.digest), "tide", "a gauge")
    return make_snapshot(image_sources=(image,), body="![tide](image:1)")


def test_the_list_tells_used_from_unused(client, editor, django_assert_max_num_queries):
    used, unused = upload(editor), upload(editor, seed=1)
    make_post(snapshot=showing(used), state="private")
    address = reverse("admin:posts_storedimage_changelist")

    with django_assert_max_num_queries(8):
        both = client.get(address).content.decode()
    only_unused = client.get(address, {"used": "no"}).content.decode()

    assert used.digest in both
    assert unused.digest in both
    assert used.digest not in only_unused
    assert unused.digest in only_unused
    found = client.get(address, {"q": used.digest[:8]}).content.decode()
    assert used.digest in found
    assert unused.digest not in found


def test_the_page_of_an_image_says_where_it_is_used(client, editor):
    stored = upload(editor)
    post = make_post(snapshot=showing(stored))
    writing.revise(post=post, by=editor, snapshot=make_snapshot(title="Another title"), seen=1)

    answer = client.get(page_of(stored))

    page = answer.content.decode()
    assert [(use.number, use.role) for use in answer.context["uses"]] == [(1, "live")]
    assert reverse("admin:posts_post_revision", args=[post.pk, 1]) in page
    assert f"upload:{stored.digest}" in page
    assert not answer.context["may_remove"]


def test_an_unused_image_is_deleted(client, editor):
    stored = upload(editor)
    assert client.get(page_of(stored)).context["may_remove"]

    client.post(reverse("admin:posts_storedimage_remove", args=[stored.pk]))

    assert not StoredImage.objects.exists()


def test_an_image_that_came_into_use_meanwhile_stays(client, editor):
    stored = upload(editor)
    make_post(snapshot=showing(stored), state="private")

    answer = client.post(reverse("admin:posts_storedimage_remove", args=[stored.pk]), follow=True)

    assert "A revision names this image" in answer.content.decode()
    assert StoredImage.objects.exists()


def test_no_image_page_holds_inline_style_or_script(client, editor):
    stored = upload(editor)
    post = make_post(snapshot=showing(stored), state="private")
    addresses = [reverse("admin:posts_storedimage_changelist"), page_of(stored), edit_url(post)]
    for address in addresses:
        page = client.get(address).content.decode()
        assert not re.findall(r"<style|<script(?![^>]*\bsrc=)[^>]*>|\sstyle=|\son\w+=", page), (
            address
        )
