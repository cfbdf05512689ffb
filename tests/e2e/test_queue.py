"""The review queue and its loop in a real browser: by keys, without JavaScript, for everybody."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.urls import reverse
from django.utils import timezone

from posts import leases, writing
from posts.models import Decision, Post, QueueEntry
from tests.builders import make_post, make_snapshot, make_user
from tests.held_posts import held_beside_approved

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def open_page(live_server, client, browser):
    """Return a function that opens a page of the site for a signed-in reviewer."""
    client.force_login(make_user("reviewer"))
    contexts = []

    def open_at(address: str, **options):
        context = browser.new_context(**options)
        contexts.append(context)
        context.add_cookies(
            [
                {"name": name, "value": morsel.value, "url": live_server.url + "/admin/"}
                for name, morsel in client.cookies.items()
            ]
        )
        page = context.new_page()
        page.goto(live_server.url + address)
        settle(page)
        return page

    yield open_at
    for context in contexts:
        for page in context.pages:
            # What the page still asks for must be answered before the server goes.
            settle(page)
            page.goto("about:blank")
            page.wait_for_timeout(300)
        context.close()


def drafts(count: int) -> list[Post]:
    return [
        make_post(state="private", snapshot=make_snapshot(title=f"Draft {number}"))
        for number in range(count)
    ]


def shown(page) -> str:
    return page.locator("#content h1").inner_text()


def verdicts() -> list[str]:
    return list(Decision.objects.order_by("pk").values_list("verdict", flat=True))


def settle(page) -> None:
    """Wait for what a page asks for behind itself: a database in memory takes one at a time."""
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(200)


def leases_become(page, count: int) -> bool:
    """Wait until so many drafts are open; what leaves a page is sent behind it."""
    settle(page)
    for _ in range(50):
        if QueueEntry.objects.filter(lease_by__isnull=False).count() == count:
            return True
        page.wait_for_timeout(100)
    return False


def wait_for(page, title: str) -> None:
    page.wait_for_function(
        "title => document.querySelector('#content h1').innerText === title", arg=title
    )
    settle(page)


def wait_for_another(page, title: str) -> None:
    page.wait_for_function(
        "was => document.querySelector('#content h1').innerText !== was", arg=title
    )
    settle(page)


def test_the_loop_goes_by_keys(open_page):
    drafts(5)
    page = open_page(reverse("admin:queue"))
    page.get_by_role("link", name="Review the next draft").click()
    assert shown(page) == "Draft 0"

    page.keyboard.press("a")
    wait_for(page, "Draft 1")
    assert verdicts() == ["approve"]
    assert "Approved" in page.locator("[data-toast]").inner_text()

    page.keyboard.press("u")
    wait_for(page, "Draft 0")
    assert verdicts() == ["approve", "withdraw"]

    page.keyboard.press("s")
    wait_for_another(page, "Draft 0")
    after_skip = shown(page)

    page.keyboard.press("r")
    reason = page.locator("#id_request_changes_reason")
    assert reason.evaluate("node => node === document.activeElement")
    page.keyboard.type("a useless axiom, sure")
    assert reason.input_value() == "a useless axiom, sure"
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    wait_for_another(page, after_skip)
    assert verdicts()[2:] == ["request_changes"]
    assert Decision.objects.order_by("pk").last().reason == "a useless axiom, sure"

    page.keyboard.press("x")
    page.keyboard.type("No.")
    page.keyboard.press("Tab")
    before = shown(page)
    page.keyboard.press("Enter")
    wait_for_another(page, before)
    assert verdicts()[3:] == ["reject"]


def test_keys_compare_edit_and_explain(open_page):
    held_beside_approved()
    page = open_page(reverse("admin:queue_next"))
    address = page.url

    page.keyboard.press("?")
    assert page.locator("[data-help]").evaluate("node => node.open")
    for key, place in (("c", "compare"), ("e", "edit")):
        page.keyboard.press(key)
        page.wait_for_url(f"**/{place}/")
        settle(page)
        # Whoever looks closer comes back: the draft stays theirs.
        assert QueueEntry.objects.filter(lease_by__isnull=False).count() == 1
        page.goto(address)
        settle(page)


def test_every_key_has_a_visible_button(open_page):
    held_beside_approved()
    page = open_page(reverse("admin:queue_next"))

    for key in ("a", "r", "x", "s", "c", "e", "?"):
        button = page.locator(f"[data-key='{key}']")
        assert button.count() == 1, key
        assert button.is_visible(), key
        assert button.locator("kbd").is_visible(), key


def test_keys_keep_quiet_with_modifiers_in_fields_and_when_switched_off(open_page):
    drafts(2)
    page = open_page(reverse("admin:queue_next"))

    for held in ("Control", "Alt", "Meta", "Shift"):
        page.keyboard.press(f"{held}+a")
    page.locator("summary", has_text="Reject").click()
    page.locator("#id_reject_reason").press("a")
    page.locator("[data-help] summary").click()
    page.locator("[data-keys]").uncheck()
    page.locator("#content h1").click()
    page.keyboard.press("a")
    page.reload()
    page.keyboard.press("a")

    page.wait_for_timeout(300)
    assert shown(page) == "Draft 0"
    assert not Decision.objects.exists()
    assert not page.locator("[data-keys]").is_checked()
    assert page.locator("[data-key-hint]:visible").count() == 0


def test_the_next_draft_is_made_ready_and_leaving_gives_all_back(open_page):
    drafts(3)
    page = open_page(reverse("admin:queue_next"))
    page.wait_for_function("() => document.querySelector('[data-ahead-field]').value !== ''")
    assert leases_become(page, 2)

    page.keyboard.press("a")
    wait_for(page, "Draft 1")
    page.wait_for_function("() => document.querySelector('[data-ahead-field]').value !== ''")
    assert leases_become(page, 2)

    page.goto(page.url.split("/admin/")[0] + reverse("admin:index"))
    assert leases_become(page, 0)


def test_one_key_pressed_twice_decides_once(open_page):
    drafts(3)
    page = open_page(reverse("admin:queue_next"))

    page.evaluate("""() => {
        for (let n = 0; n < 3; n += 1) {
            const press = new KeyboardEvent("keydown", {key: "a", bubbles: true});
            document.body.dispatchEvent(press);
        }
    }""")
    wait_for(page, "Draft 1")

    assert verdicts() == ["approve"]


def test_the_loop_works_without_javascript(open_page):
    drafts(3)
    page = open_page(reverse("admin:queue"), java_script_enabled=False)
    page.get_by_role("link", name="Review the next draft").click()
    assert shown(page) == "Draft 0"
    assert page.locator("kbd:visible").count() == 0

    page.get_by_role("button", name="Approve revision 1").click()
    assert shown(page) == "Draft 1"
    page.get_by_role("button", name="Undo").click()
    assert shown(page) == "Draft 0"
    page.get_by_role("button", name="Skip").click()
    page.locator("summary", has_text="Request changes").click()
    page.locator("#id_request_changes_reason").fill("Say which version.")
    page.get_by_role("button", name="Request changes").click()
    page.get_by_role("button", name="Back to the queue").click()

    assert shown(page) == "Review queue"
    assert verdicts() == ["approve", "withdraw", "request_changes"]
    assert not QueueEntry.objects.filter(lease_by__isnull=False).exists()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 320])
def test_pages_have_no_accessibility_problem_and_no_sideways_scroll(open_page, scheme, width):
    posts = drafts(3)
    held_beside_approved()
    leases.renew(post_id=posts[2].pk, by=make_user(first_name="Ben"), now=timezone.now())
    options = {"color_scheme": scheme, "viewport": {"width": width, "height": 900}}
    page = open_page(reverse("admin:queue"), **options)
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    site = page.url.split("/admin/")[0]

    def check(name: str) -> None:
        settle(page)
        assert said == [], name
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
        found = Axe().run(page).response["violations"]
        assert [(one["id"], one["nodes"][0]["target"]) for one in found] == [], name
        page.wait_for_timeout(100)  # what axe itself sets off under the policy
        said.clear()

    check("queue")
    page.goto(site + reverse("admin:queue") + "?source=none&order=oldest")
    check("queue with a problem")
    page.goto(site + reverse("admin:index"))
    check("home")
    page.goto(site + reverse("admin:queue_next"))
    check("draft")
    page.keyboard.press("a")
    page.wait_for_selector("[data-toast]")
    settle(page)
    page.keyboard.press("?")
    page.keyboard.press("x")
    check("draft with toast, help and reason")
    page.goto(site + reverse("admin:queue_draft", args=[posts[2].pk]))
    check("draft of another")
    page.goto(site + reverse("admin:queue_draft", args=[posts[1].pk]))
    settle(page)
    writing.revise(
        post=posts[1], by=make_user("editor"), snapshot=make_snapshot(title="Newer"), seen=1
    )
    page.get_by_role("button", name="Approve revision 1").click()
    page.wait_for_selector(".messagelist .error")
    said.clear()  # The browser reports the refusal, status 409.
    check("stale draft")
