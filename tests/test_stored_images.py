"""Stored images: kept once, made smaller when asked for, shown to whom they may be, and let go."""

import datetime as dt
import io
import re

import pytest
from django.core.exceptions import PermissionDenied
from django.core.files.storage import default_storage
from django.core.management import call_command
from django.urls import reverse
from django.utils import timezone
from PIL import Image

from posts import content, previews, review, writing
from posts.images import renditions, storing
from posts.importing import erasure, undo
from posts.models import ImageSource, Post, Rendition, RevisionImage, StoredImage
from tests.builders import make_post, make_snapshot, make_user
from tests.held_posts import import_note
from tests.image_files import encoded, picture

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def media(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path / "media"
    return settings.MEDIA_ROOT


def upload(image=None, form="JPEG", by=None, **more):
    data = encoded(image or picture(1_400, 700), form)
    return storing.upload(data=data, by=by or make_user("editor"), **more)


def showing(stored, **over):
    """Return a snapshot that shows an upload."""
    image = content.Image("Ada Example", content.upload_url(stored.digest), "slack water", "a quay")
    return make_snapshot(image_sources=(image,), body="Text.\n\n![slack water](image:1)", **over)


def shown_by(stored, state="listed", **over):
    return make_post(snapshot=showing(stored, **over), state=state)


def address(stored, width=640, form="webp"):
    return reverse("image", args=[stored.digest, width, form])


def files(media):
    return sorted(str(path.relative_to(media)) for path in media.rglob("*") if path.is_file())


# --- Keeping ------------------------------------------------------------------------------------


def test_an_upload_is_kept_under_its_digest_and_can_be_named(media):
    editor = make_user("editor")
    stored = upload(by=editor, credit="Ada Example", licence="cleared")

    source = ImageSource.objects.get(url=f"upload:{stored.digest}")
    assert (source.stored, source.credit, source.licence) == (stored, "Ada Example", "cleared")
    assert (stored.width, stored.height, stored.format) == (1_400, 700, "jpeg")
    assert stored.uploaded_by == editor
    assert files(media) == [f"images/{stored.digest[:2]}/{stored.digest}/original.jpg"]
    assert stored.bytes == default_storage.size(stored.file.name)


def test_the_same_image_twice_is_one(media):
    first, again = upload(credit="First"), upload(credit="Second")

    assert first == again
    assert ImageSource.objects.get().credit == "First"
    upload(licence="cleared")
    assert ImageSource.objects.get().licence == "cleared"
    ImageSource.objects.update(licence="refused")
    upload(licence="cleared")
    assert ImageSource.objects.get().licence == "refused"
    assert len(files(media)) == 1


def test_a_file_that_was_lost_is_mended_by_the_next_upload(media):
    stored = upload()
    default_storage.delete(stored.file.name)

    assert upload() == stored
    assert len(files(media)) == 1


def test_who_may_not_upload_does_not():
    for kind in ("staff", "publisher", "importer", "administrator", "reader"):
        with pytest.raises(PermissionDenied):
            upload(by=make_user(kind))
    assert not StoredImage.objects.exists()


# --- Renditions ---------------------------------------------------------------------------------


def test_renditions_are_made_once_when_first_asked_for(client, media):
    stored = upload()
    shown_by(stored)

    for form, kind in (("webp", "WEBP"), ("jpg", "JPEG")):
        answer = client.get(address(stored, 640, form))
        assert answer.status_code == 200
        made = Image.open(io.BytesIO(answer.content))
        assert (made.format, made.size) == (kind, (640, 320))
        assert client.get(address(stored, 640, form)).content == answer.content
    assert Rendition.objects.count() == 2
    assert len(files(media)) == 3


def test_no_rendition_is_wider_than_its_image(client):
    stored = upload(picture(500, 250))
    shown_by(stored)

    widths = [
        w for w in (1, 320, 500, 640, 1200) if client.get(address(stored, w)).status_code == 200
    ]

    assert widths == [320, 500]


@pytest.mark.parametrize("form", ["avif", "png", "gif", "svg", "jpg.php", "JPG"])
def test_only_formats_that_pages_name_are_answered(client, form):
    stored = upload()
    shown_by(stored)

    assert client.get(f"/images/{stored.digest}/640.{form}").status_code == 404
    assert not Rendition.objects.exists()


def test_transparency_becomes_white_in_jpeg_and_stays_in_webp():
    clear = picture(400, 200, "RGBA")
    clear.putalpha(Image.new("L", clear.size, 0))
    stored = upload(clear, "PNG")

    as_jpeg = Image.open(io.BytesIO(renditions.read(stored, 320, "jpg")))
    as_webp = Image.open(io.BytesIO(renditions.read(stored, 320, "webp")))

    assert min(as_jpeg.getpixel((150, 80))) > 250
    assert as_webp.convert("RGBA").getpixel((150, 80))[3] == 0


def test_a_bytewise_copy_that_was_lost_is_made_again(media):
    stored = upload()
    first = renditions.read(stored, 320, "webp")
    default_storage.delete(Rendition.objects.get().file.name)

    assert renditions.read(stored, 320, "webp") == first
    assert Rendition.objects.count() == 1


def test_a_lost_original_is_not_found_and_no_server_error(client, media):
    stored = upload()
    shown_by(stored)
    default_storage.delete(stored.file.name)

    assert client.get(address(stored)).status_code == 404


def test_two_who_make_the_same_rendition_keep_one_file(media):
    stored = upload()
    data = renditions.encoded(renditions._original(stored), 320, renditions.Format.WEBP)

    for _ in range(2):
        renditions.keep(stored, 320, renditions.Format.WEBP, data)

    assert Rendition.objects.count() == 1
    assert len(files(media)) == 2


def test_avif_is_made_by_the_command_and_offered_from_then_on(client, capsys):
    stored = upload(picture(700, 350))
    post = shown_by(stored)
    page = post.get_absolute_url()
    assert "image/avif" not in client.get(page).content.decode()

    call_command("make_renditions")

    assert "images: 1; renditions made: 3; missing: 0" in capsys.readouterr().out
    assert 'type="image/avif"' in client.get(page).content.decode()
    answer = client.get(address(stored, 640, "avif"))
    assert answer.headers["Content-Type"] == "image/avif"
    assert Image.open(io.BytesIO(answer.content)).size == (640, 320)
    call_command("make_renditions")
    assert "images: 0" in capsys.readouterr().out


def test_a_lost_avif_is_offered_no_longer(client):
    stored = upload(picture(300, 150))
    post = shown_by(stored)
    renditions.make_avif(stored)
    default_storage.delete(Rendition.objects.get(format="avif").file.name)

    assert client.get(address(stored, 300, "avif")).status_code == 404
    assert "image/avif" not in client.get(post.get_absolute_url()).content.decode()


def test_the_command_tells_of_missing_files(capsys):
    stored = upload()
    default_storage.delete(stored.file.name)

    with pytest.raises(SystemExit) as stop:
        call_command("make_renditions")

    assert stop.value.code == 1
    assert stored.digest in capsys.readouterr().err


# --- Who sees it --------------------------------------------------------------------------------


def withdraw(post):
    review.act_on_one(
        action="unpublish", post=post, by=make_user("superuser"), reason="Wrong.", undo_seconds=0
    )


def archive(post):
    review.act_on_one(action="archive", post=post, by=make_user("superuser"), undo_seconds=0)


def past_its_time(post):
    Post.objects.filter(pk=post.pk).update(archive_at=timezone.now())


def planned(post):
    Post.objects.filter(pk=post.pk).update(published_at=timezone.now() + dt.timedelta(hours=1))


def refused(post):
    ImageSource.objects.update(licence="refused")


CLOSED = {
    "private": ("private", lambda post: None),
    "taken back": ("published", withdraw),
    "archived": ("listed", archive),
    "past its archive date": ("published", past_its_time),
    "planned": ("published", planned),
    "licence refused": ("listed", refused),
}


@pytest.mark.parametrize("way", CLOSED)
def test_what_readers_may_not_see_is_not_found(client, way):
    stored = upload()
    state, close = CLOSED[way]
    close(shown_by(stored, state))

    for form in ("webp", "jpg"):
        assert client.get(address(stored, 640, form)).status_code == 404
    assert not Rendition.objects.exists()


def test_an_upload_that_nothing_names_is_not_found(client):
    assert client.get(address(upload())).status_code == 404
    assert client.get(f"/images/{'0' * 64}/640.webp").status_code == 404


def test_an_image_of_a_proposed_revision_waits_for_it(client):
    stored = upload()
    post = make_post()
    writing.revise(post=post, by=make_user("editor"), snapshot=showing(stored), seen=1)
    assert client.get(address(stored)).status_code == 404

    review.act_on_one(action="approve", post=post, by=make_user("reviewer"), undo_seconds=0)

    assert client.get(address(stored)).status_code == 200


def test_an_image_of_an_approved_older_revision_can_be_seen_there(client):
    stored = upload()
    post = shown_by(stored)
    writing.revise(post=post, by=make_user("editor"), snapshot=make_snapshot(), seen=1)
    review.act_on_one(action="approve", post=post, by=make_user("reviewer"), undo_seconds=0)

    page = client.get(reverse("revision", args=[post.slug, 1])).content.decode()
    assert address(stored) in page
    answer = client.get(address(stored))
    assert (answer.status_code, answer.headers["X-Robots-Tag"]) == (200, "noindex")
    archive(post)
    assert client.get(address(stored)).status_code == 404


@pytest.mark.parametrize(("state", "robots"), [("listed", None), ("published", "noindex")])
def test_robots_are_told_what_they_are_told_of_the_note(client, state, robots):
    stored = upload()
    shown_by(stored, state)

    assert client.get(address(stored)).headers.get("X-Robots-Tag") == robots


def test_headers_of_an_image(client):
    stored = upload()
    shown_by(stored)

    answer = client.get(address(stored))

    assert answer.headers["Content-Type"] == "image/webp"
    assert "immutable" in answer.headers["Cache-Control"]
    assert "s-maxage=600" in answer.headers["Cache-Control"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert not answer.cookies
    assert "Cookie" not in answer.headers.get("Vary", "")
    again = client.get(address(stored), headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status_code == 304
    assert client.post(address(stored)).status_code == 405


def test_what_is_not_found_is_kept_by_no_cache(client):
    stored = upload()
    shown_by(stored, "private")

    assert client.get(address(stored)).headers["Cache-Control"] == "private, no-store"


def test_staff_see_images_of_drafts_and_others_do_not(client):
    stored = upload()
    shown_by(stored, "private")
    inside = reverse("admin:posts_storedimage_rendition", args=[stored.digest, 640, "webp"])

    assert client.get(inside).status_code == 302
    client.force_login(make_user("editor"))
    answer = client.get(inside)
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"].startswith("private")
    client.force_login(make_user("administrator"))
    assert client.get(inside).status_code == 403


def test_a_preview_link_shows_the_images_of_its_revision_and_no_others(client):
    stored, other = upload(), upload(picture(seed=3))
    post = shown_by(stored, "private")
    shown_by(other, "private")
    link, token = previews.make(revision=post.live_revision, by=make_user("editor"))

    page = client.get(reverse("preview", args=[token])).content.decode()

    found = re.search(r'src="(/preview/[^"]+)"', page)[1]
    answer = client.get(found)
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "private, no-store"
    assert answer.headers["X-Robots-Tag"] == "noindex, nofollow"
    assert client.get(found.replace(stored.digest, other.digest)).status_code == 404
    assert client.get(found.replace(token, "x" * 43)).status_code == 404
    previews.revoke(link=link, by=make_user("superuser"))
    assert client.get(found).status_code == 404


# --- On the page ----------------------------------------------------------------------------------


def test_the_page_offers_every_width_with_its_size_and_no_shift(client):
    stored = upload()
    html = client.get(shown_by(stored).get_absolute_url()).context["article"].html

    widths = (320, 640, 960, 1200)
    for form in ("webp", "jpg"):
        wanted = ", ".join(f"{address(stored, width, form)} {width}w" for width in widths)
        assert f'srcset="{wanted}"' in html
    assert f'src="{address(stored, 960, "jpg")}"' in html
    assert 'width="1400" height="700"' in html
    assert 'loading="eager" fetchpriority="high"' in html
    assert html.count("sizes=") == 2
    assert 'alt="a quay"' in html
    assert "Image source: Ada Example" in html
    for place in re.findall(r"/images/[^ \"]+", html):
        assert client.get(place).status_code == 200


def test_the_placeholder_stands_for_remote_images_only(client, settings):
    assert settings.IMAGE_PLACEHOLDER
    html = client.get(shown_by(upload()).get_absolute_url()).context["article"].html

    assert "placeholder" not in html


def test_an_upload_that_is_not_here_is_a_caption(client):
    image = content.Image("", content.upload_url("ab" * 32), "slack water")
    post = make_post(snapshot=make_snapshot(image_sources=(image,), body="![x](image:1)"))

    html = client.get(post.get_absolute_url()).context["article"].html

    assert "<img" not in html
    assert "this site does not have it" in html


def test_a_credit_is_shown_beside_the_source(client):
    stored = upload()
    post = shown_by(stored)
    ImageSource.objects.update(credit="Photo <b>Ada</b>, CC BY 4.0")

    html = client.get(post.get_absolute_url()).context["article"].html

    assert "Image source: Ada Example. Credit: Photo &lt;b&gt;Ada&lt;/b&gt;, CC BY 4.0" in html


def test_programs_get_whole_addresses(client, settings):
    settings.PUBLIC_URL = "https://notes.example.org"
    stored = upload()
    post = shown_by(stored)
    whole = f"https://notes.example.org{address(stored, 960, 'jpg')}"

    assert client.get(f"/posts/{post.slug}.json").json()["images"][0]["url"] == whole
    assert f"![slack water](<{whole}>)" in client.get(f"/posts/{post.slug}.md").content.decode()
    for feed in ("/feed.atom", "/feed.json"):
        text = client.get(feed).content.decode()
        assert whole in text
        assert "/images/" not in text.replace(whole, "")


@pytest.mark.parametrize("is_upload", [True, False])
def test_an_article_costs_no_query_more_with_uploads(client, is_upload, django_assert_num_queries):
    remote = make_snapshot(image_sources=(content.Image("s", "https://picsum.photos/1"),))
    post = make_post(snapshot=showing(upload()) if is_upload else remote)

    with django_assert_num_queries(9):
        client.get(post.get_absolute_url())


# --- Revisions that name it -----------------------------------------------------------------------


def test_every_way_a_revision_comes_is_noted():
    stored = upload()
    post = shown_by(stored, "private")
    editor = make_user("editor")
    writing.revise(post=post, by=editor, snapshot=make_snapshot(), seen=1)
    writing.restore(post=post, by=editor, revision=post.revisions.get(number=1), seen=2)
    image = {"url": content.upload_url(stored.digest), "caption": "slack water"}
    imported = import_note(body="![slack water](image:1)", image_sources=[image])

    named = set(RevisionImage.objects.values_list("revision__post", "revision__number"))

    assert named == {(post.pk, 1), (post.pk, 3), (imported.pk, 1)}


def test_a_digest_that_is_not_here_is_no_use_and_no_error():
    image = content.Image("", content.upload_url("ab" * 32), "slack water")
    make_post(snapshot=make_snapshot(image_sources=(image,)))

    assert not RevisionImage.objects.exists()


def test_an_export_names_uploads_by_their_digest(tmp_path, capsys):
    stored = upload()
    shown_by(stored)

    for form in ("canonical", "jsonl"):
        call_command("export_posts", format=form)
        assert f'"upload:{stored.digest}"' in capsys.readouterr().out


# --- Letting go -----------------------------------------------------------------------------------


def test_what_no_revision_names_is_deleted_with_its_files(
    media, django_capture_on_commit_callbacks
):
    stored = upload()
    renditions.read(stored, 320, "webp")
    assert len(files(media)) == 2

    with django_capture_on_commit_callbacks(execute=True):
        storing.remove(stored=stored, by=make_user("editor"))

    assert not files(media)
    for model in (StoredImage, Rendition, ImageSource):
        assert not model.objects.exists()


def test_what_any_revision_names_stays(media):
    stored = upload()
    post = shown_by(stored, "private")
    writing.revise(post=post, by=make_user("editor"), snapshot=make_snapshot(), seen=1)

    with pytest.raises(storing.ImageUsedError, match="A revision names"):
        storing.remove(stored=stored, by=make_user("superuser"))

    assert len(files(media)) == 1


def test_an_undone_import_lets_its_image_go(media):
    stored = upload()
    image = {"url": content.upload_url(stored.digest), "caption": "slack water"}
    for title in ("One", "Two"):
        post = import_note(title=title, image_sources=[image])
    for number in (2, 1):
        undo.undo_run(post.revisions.get(number=number).run)
        assert RevisionImage.objects.count() == number - 1

    assert ImageSource.objects.exists()


def test_an_erased_post_lets_its_image_go(media):
    stored = upload()
    post = shown_by(stored)
    erasure.erase(post_ids=[post.pk], by=make_user("superuser"), reason="asked for")

    assert not RevisionImage.objects.exists()
    assert ImageSource.objects.exists()  # a person sent it; a person lets it go
    storing.remove(stored=stored, by=make_user("editor"))
    assert not StoredImage.objects.exists()


def test_who_may_not_delete_does_not():
    stored = upload()

    for kind in ("publisher", "staff", "importer"):
        with pytest.raises(PermissionDenied):
            storing.remove(stored=stored, by=make_user(kind))
