"""Editing in a real browser: nothing typed is lost, the preview is the page readers will get."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.test import Client
from django.urls import reverse

from posts import writing
from posts.models import EditWindow, Post, Revision
from tests.builders import make_post, make_snapshot, make_user
from tests.held_posts import import_note
from tests.image_files import encoded

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

HOSTILE = "<script>parent.document.title = 'taken'</script><img src=x onerror=alert(1)>"


@pytest.fixture
def sign_in(live_server, browser):
    """Return a function that opens a page for somebody; the first one is an editor."""
    contexts = []

    def sign_in(person, address, **options):
        client = Client()
        client.force_login(person)
        context = browser.new_context(**options)
        contexts.append(context)
        context.add_cookies(
            [
                {"name": name, "value": morsel.value, "url": live_server.url + "/admin/"}
                for name, morsel in client.cookies.items()
            ]
        )
        return open_in(context, address)

    def open_in(context, address):
        page = context.new_page()
        page.on("dialog", lambda dialog: dialog.accept())
        page.goto(live_server.url + address)
        settle(page)
        return page

    sign_in.another = lambda page, address: open_in(page.context, address)
    yield sign_in
    for context in contexts:
        for page in context.pages:
            # What the page still asks for must be answered before the server goes.
            page.goto("about:blank")
            page.wait_for_timeout(200)
        context.close()


def settle(page):
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(200)


def edit_url(post):
    return reverse("admin:posts_post_edit", args=[post.pk])


def typed(page, field, text):
    """Type into a field and wait until it is kept."""
    page.fill(f"#id_{field}", text)
    page.wait_for_function(
        "() => document.querySelector('[data-edit-kept]').textContent.startsWith('Kept')"
    )
    page.evaluate("document.querySelector('[data-edit-kept]').textContent = ''")


def save(page):
    page.click("text=Save a new revision")
    page.wait_for_load_state()


def newest(post):
    return Revision.objects.filter(post=post).latest("number")


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (320, "dark")])
def test_pages_have_no_accessibility_problem_and_no_sideways_scroll(sign_in, width, scheme):
    reviewer = make_user("reviewer")
    post = make_post(snapshot=make_snapshot(title="Narrow " + "x" * 90))
    writing.revise(
        post=post,
        by=make_user("editor"),
        snapshot=make_snapshot(body="![](image:3) and [a link](/nowhere/) " + "long " * 90),
        seen=1,
        comment="A longer body.",
    )
    page = sign_in(
        reviewer, edit_url(post), color_scheme=scheme, viewport={"width": width, "height": 900}
    )
    said = []
    # That the answer to a refused form is no success, the browser says by itself.
    page.on("console", lambda told: None if "409 (" in told.text else said.append(told.text))

    def check(name):
        page.wait_for_timeout(300)
        assert [text for text in said if "Blocked script" not in text] == [], name
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
        found = Axe().run(page).response["violations"]
        assert [(one["id"], one["nodes"][0]["target"]) for one in found] == [], name
        page.wait_for_timeout(100)  # what axe itself sets off under the policy
        said.clear()

    page.click("[data-edit-toggle]")
    page.wait_for_function("() => document.querySelector('iframe').srcdoc !== ''")
    check("edit")
    typed(page, "summary", "Kept only.")
    page.reload()
    check("edit with an offer")
    page.fill("#id_title", "")
    page.fill("#id_language", "no such language")
    save(page)
    page.wait_for_selector(".error-summary:focus")
    check("errors")
    page.fill("#id_title", "Mine")
    page.fill("#id_language", "en")
    writing.revise(post=post, by=make_user("editor"), snapshot=make_snapshot(), seen=2)
    save(page)
    page.wait_for_selector(".clash")
    check("both versions")
    for name in ("schedule", "revisions", "events"):
        page.goto(
            page.url.split("/admin/")[0] + reverse(f"admin:posts_post_{name}", args=[post.pk])
        )
        check(name)


def test_what_was_typed_outlives_the_window(sign_in):
    editor, post = make_user("editor"), make_post()
    page = sign_in(editor, edit_url(post))
    typed(page, "body", "An hour of work. " + HOSTILE)
    page.close()
    assert newest(post).number == 1

    page = sign_in(editor, edit_url(post))
    assert "An hour" not in page.input_value("#id_body")
    page.click("text=Continue with them")
    page.wait_for_selector("#id_body")
    assert page.input_value("#id_body") == "An hour of work. " + HOSTILE
    save(page)

    assert newest(post).body == "An hour of work. " + HOSTILE
    page.goto(page.url.split("/admin/")[0] + edit_url(post))
    assert not page.locator(".edit-offer").count()
    assert not EditWindow.objects.filter(fields__isnull=False).exists()


def test_leaving_at_once_loses_nothing(sign_in):
    editor, post = make_user("editor"), make_post()
    page = sign_in(editor, edit_url(post))
    other = sign_in.another(page, reverse("admin:index"))
    page.fill("#id_lede", "Typed just before the window was closed.")
    page.close(run_before_unload=True)
    for _ in range(50):
        if EditWindow.objects.filter(fields__isnull=False).exists():
            break
        other.wait_for_timeout(50)

    kept = EditWindow.objects.get(fields__isnull=False)
    assert kept.fields["lede"] == "Typed just before the window was closed."
    assert kept.user == editor


def test_two_windows_two_people_and_an_import_lose_nothing(sign_in):
    post = import_note()
    ana, bo = make_user("editor", first_name="Ana"), make_user("editor", first_name="Bo")
    one = sign_in(ana, edit_url(post))
    typed(one, "lede", "Ana's lede.")
    two = sign_in.another(one, edit_url(post))
    assert "Unsaved changes" in two.locator(".edit-offer").inner_text()
    typed(two, "summary", "Ana's summary, of her other window.")
    assert "Another window of yours" in two.locator("[data-edit-notes]").inner_text()
    his = sign_in(bo, edit_url(post))
    assert "Ana opened this" in his.locator("[data-edit-notes]").inner_text()
    assert "has unsaved changes" in his.locator("[data-edit-notes]").inner_text()
    typed(his, "body", his.input_value("#id_body") + "\n\nBo's end.")

    import_note(title="Slack water, imported anew")  # a newer revision while all of them type
    typed(his, "topic", "tides")
    assert "Revision 2 came meanwhile" in his.locator("[data-edit-notes]").inner_text()
    for page, number in ((his, 3), (one, 4), (two, 5)):
        save(page)
        page.wait_for_selector(".clash")
        assert newest(post).number == number - 1
        page.click("text=Put both into the form")
        page.wait_for_selector(".messagelist")
        save(page)
        page.wait_for_selector(".messagelist .success")
        assert newest(post).number == number

    last = newest(post)
    assert last.title == "Slack water, imported anew"
    assert last.lede == "Ana's lede."
    assert last.meta["summary"] == "Ana's summary, of her other window."
    assert last.meta["topic"] == "tides"
    assert last.body.endswith("Bo's end.")
    assert not EditWindow.objects.filter(fields__isnull=False).exists()


def test_preview_shows_what_is_typed_as_text_in_the_readers_page(sign_in):
    post = make_post()
    page = sign_in(make_user("editor"), edit_url(post), viewport={"width": 1400, "height": 900})
    said = []
    page.on("console", lambda told: said.append(told.text))
    page.click("[data-edit-toggle]")
    page.fill("#id_title", "Seen before " + HOSTILE)
    page.fill("#id_body", "## A part\n\n" + HOSTILE + "\n\n[away](https://example.org/)")
    frame = page.frame_locator("[data-edit-frame]")
    frame.locator("h1", has_text="Seen before").wait_for()

    assert "<script>" in frame.locator(".prose").inner_text()
    assert not frame.locator(".prose script, .prose img, h1 img").count()
    assert page.title().startswith("Edit:")
    width = frame.locator(".note-title").evaluate("node => getComputedStyle(node).fontFamily")
    assert "Charter" in width
    frame.locator("text=away").click()
    page.wait_for_timeout(300)
    assert frame.locator("h1", has_text="Seen before").count() == 1
    assert "words" in page.locator("[data-edit-proof]").inner_text()
    # What the tests themselves run inside the frame, the sandbox refuses.
    assert [text for text in said if "Blocked script" not in text] == []


def test_everything_works_without_javascript(sign_in):
    post = make_post()
    page = sign_in(make_user("editor"), edit_url(post), java_script_enabled=False)
    assert not page.locator("[data-edit-preview]").is_visible()
    page.fill("#id_body", "## Words\n\n[broken](/posts/never-was/)")
    page.click("text=Check the text")
    assert "No post has the address" in page.locator("[data-edit-proof]").inner_text()
    assert newest(post).number == 1
    with page.context.expect_page() as opened:
        page.click("text=Preview >> nth=0")
    shown = opened.value
    shown.wait_for_load_state()
    assert "It is not saved" in shown.locator(".notice").inner_text()

    writing.revise(post=post, by=make_user("editor"), snapshot=make_snapshot(), seen=1)
    save(page)
    assert "Both versions" in page.locator(".error-summary").inner_text()
    assert page.input_value("#id_body") == "## Words\n\n[broken](/posts/never-was/)"
    page.click("text=Put both into the form")
    save(page)

    assert newest(post).number == 3
    assert Post.objects.get(pk=post.pk).revisions.count() == 3


# --- Images -------------------------------------------------------------------------------------


@pytest.fixture
def media(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path / "media"


def add_image(page):
    page.set_input_files(
        "#id_upload-file",
        {"name": "quay.jpg", "mimeType": "image/jpeg", "buffer": encoded(form="JPEG")},
    )
    page.fill("#id_upload-caption", "slack water")
    page.fill("#id_upload-alt", "a quay at low tide")
    page.click("text=Add the image")
    page.wait_for_load_state()


@pytest.mark.parametrize("has_scripts", [True, False])
def test_image_is_added_with_and_without_scripts(sign_in, media, has_scripts):
    post = make_post(state="private")
    page = sign_in(make_user("editor"), edit_url(post), java_script_enabled=has_scripts)
    page.fill("#id_body", "Typed before.")

    add_image(page)

    assert "![slack water](image:1)" in page.inner_text("[role=status]")
    if has_scripts:
        page.click("text=Put it at the end of the body")
    else:
        page.fill("#id_body", "Typed before.\n\n![slack water](image:1)")
    save(page)
    image = post.revisions.get(number=2)
    assert image.body == "Typed before.\n\n![slack water](image:1)"
    assert image.snapshot.meta.image_sources[0].alt == "a quay at low tide"


def test_file_goes_with_its_own_button_only(sign_in, media):
    page = sign_in(make_user("editor"), edit_url(make_post(state="private")))
    sent = []
    page.on("request", lambda request: sent.append((request.url, request.post_data_buffer or b"")))
    page.set_input_files(
        "#id_upload-file",
        {"name": "quay.png", "mimeType": "image/png", "buffer": b"the file itself"},
    )

    typed(page, "title", "Typed beside a file")

    kept = [body for url, body in sent if url.endswith("/keep/")]
    assert kept
    assert not any(b"the file itself" in body for _, body in sent)


def test_panel_of_images_is_accessible_in_both_themes(sign_in, media):
    editor, post = make_user("editor"), make_post(state="private")
    for theme in ("light", "dark"):
        for width in (320, 1280):
            page = sign_in(
                editor,
                edit_url(post),
                color_scheme=theme,
                viewport={"width": width, "height": 900},
                reduced_motion="reduce",
            )
            add_image(page)
            found = Axe().run(page, context="#upload, .edit-note").response["violations"]
            assert [one["id"] for one in found] == [], (theme, width)
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
