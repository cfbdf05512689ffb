"""The review queue and its loop in a real browser: by keys, without JavaScript, for everybody."""

import sqlite3
from contextlib import closing

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.urls import reverse
from django.utils import timezone

from posts import leases, writing
from posts.models import Decision, Post, QueueEntry
from tests.builders import make_post, make_snapshot, make_user
from tests.e2e.demo import running_demo
from tests.e2e.looks import each_look
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
    settle(page)

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


# --- Many drafts, by keyboard alone -----------------------------------------------------------

#: Notes in the browser when a key was pressed, in milliseconds since 1970.
NOTE_KEYS = """addEventListener(
    "keydown",
    () => sessionStorage.setItem("pressed", performance.timeOrigin + performance.now()),
    true,
)"""
#: Milliseconds from that key to the first text of this page; null on a page no key led to.
SINCE_KEY = """() => {
    const pressed = Number(sessionStorage.getItem("pressed"));
    const paint = performance.getEntriesByName("first-contentful-paint")[0];
    return pressed && paint ? performance.timeOrigin + paint.startTime - pressed : null;
}"""


def arrive(page, was: str) -> str:
    """Wait for another address, and there for the keys; return its path."""
    page.wait_for_function(
        """was => location.pathname !== was
            && document.querySelector("[data-key-hint]:not([hidden])") !== null""",
        arg=was,
    )
    return page.evaluate("location.pathname")


def decide_by_keys(page, key: str) -> None:
    page.keyboard.press(key)
    if key != "a":
        page.keyboard.type("Say which version, and since when.")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")


def clear_by_keys(
    page, here: str, count: int, *, reading=lambda page: None
) -> tuple[dict[int, list[str]], list[float]]:
    """Decide on `count` drafts; return the verdicts that should stand of each, and the times.

    `reading` is what happens before each key, by default no pause at all. Every fifth draft is
    sent back or rejected, every seventh undone and decided on again. The times are milliseconds
    from the key of an approval to the text of the next draft.
    """
    expected: dict[int, list[str]] = {}
    times = []
    for number in range(count):
        post = int(here.split("/")[-2])
        key = "rx"[number % 2] if number % 5 == 4 else "a"
        verdict = {"a": "approve", "r": "request_changes", "x": "reject"}[key]
        reading(page)
        decide_by_keys(page, key)
        there = arrive(page, here)
        took = page.evaluate(SINCE_KEY)
        if key == "a" and took is not None:
            times.append(took)
        expected.setdefault(post, []).append(verdict)
        if number % 7 == 6:
            reading(page)
            page.keyboard.press("u")
            assert arrive(page, there) == here
            reading(page)
            decide_by_keys(page, "a")
            there = arrive(page, here)
            expected[post] += ["withdraw", "approve"]
        here = there
    return expected, times


def test_drafts_are_cleared_by_keyboard_and_no_verdict_is_lost_or_doubled(open_page):
    posts = drafts(12)
    page = open_page(reverse("admin:queue"))

    page.keyboard.press("j")
    page.keyboard.press("Enter")
    here = arrive(page, reverse("admin:queue"))
    expected, _ = clear_by_keys(page, here, 12, reading=settle)

    assert page.evaluate("location.pathname") == reverse("admin:queue")
    settle(page)
    found: dict[int, list[str]] = {}
    for post, verdict in Decision.objects.order_by("pk").values_list("revision__post", "verdict"):
        found.setdefault(post, []).append(verdict)
    assert found == expected
    assert set(found) == {post.pk for post in posts}
    assert not QueueEntry.objects.filter(stage=1).exists()


@pytest.mark.long
def test_500_drafts_are_cleared_by_keyboard(tmp_path, browser):
    """On the real server, as fast as its pages come: 300 ms from a key to the next draft."""
    with running_demo(tmp_path, posts=120, undo_seconds=10) as demo:
        more = str(tmp_path / "more.jsonl")
        demo.manage("synthesize_posts", "--count", "440", "--seed", "7", "--out", more)
        demo.manage("import_posts", more, "--source", "more")
        page = browser.new_page()
        page.add_init_script(NOTE_KEYS)
        page.goto(f"{demo.url}{reverse('admin:queue_next')}")
        page.get_by_label("Username").fill("editor")
        page.get_by_label("Password").fill(demo.password)
        page.keyboard.press("Enter")
        here = arrive(page, reverse("admin:login"))

        expected, times = clear_by_keys(page, here, 500)

        settle(page)
        page.close()
        with closing(sqlite3.connect(tmp_path / "demo.sqlite3")) as database:
            found: dict[int, list[str]] = {}
            for post, verdict in database.execute(
                "SELECT revision.post_id, verdict FROM posts_decision AS decision "
                "JOIN posts_revision AS revision ON revision.id = decision.revision_id "
                "JOIN auth_user AS person ON person.id = decision.reviewer_id "
                "WHERE person.username = 'editor' ORDER BY decision.id"
            ):
                found.setdefault(post, []).append(verdict)
            (waiting,) = database.execute(
                "SELECT COUNT(*) FROM posts_queueentry WHERE stage = 1"
            ).fetchone()
    assert found == expected
    assert (len(found), waiting) == (500, 0)
    times.sort()
    told = {share: round(times[int(len(times) * share)]) for share in (0.5, 0.95, 0.99)}
    assert told[0.5] <= 300, told


def test_the_list_goes_by_keys(open_page):
    posts = drafts(4)
    page = open_page(reverse("admin:queue"))
    ticked = "() => [...document.querySelectorAll('[data-list] :checked')].map(box => box.value)"
    focused = "() => document.activeElement.innerText"

    for _ in range(3):
        page.keyboard.press("j")
    assert page.evaluate(focused) == "Draft 2"
    page.keyboard.press(" ")
    page.keyboard.press("k")
    page.keyboard.press(" ")
    assert page.evaluate(focused) == "Draft 1"
    assert page.evaluate(ticked) == [str(posts[1].pk), str(posts[2].pk)]
    assert "(2)" in page.locator(".bulk-bar").inner_text()
    page.keyboard.press(" ")
    assert page.evaluate(ticked) == [str(posts[2].pk)]
    for _ in range(9):
        page.keyboard.press("k")
    assert page.evaluate(focused) == "Draft 0"
    page.locator("#filter-stack").press("j")
    assert page.locator("#filter-stack").input_value() == "j"
    page.get_by_role("button", name="The ticked ones").click()
    assert "Approve" in page.locator("#content h1").inner_text()
    assert page.get_by_text("Draft 2").count()
    assert not Decision.objects.exists()


def test_filters_are_saved_and_deleted_without_javascript(open_page):
    drafts(1)
    address = reverse("admin:queue") + "?order=oldest&score=none"
    page = open_page(address, java_script_enabled=False)
    assert page.locator("kbd:visible").count() == 0

    page.locator("summary", has_text="Save these filters").click()
    page.get_by_label("Name").fill("Not scored")
    page.get_by_role("button", name="Save", exact=True).click()
    page.goto(page.url.split("?")[0])
    page.get_by_role("link", name="Not scored").click()

    assert page.url.endswith(address)
    assert page.get_by_role("link", name="Draft 0").count()
    page.get_by_role("button", name="Delete “Not scored”").click()
    assert page.get_by_role("link", name="Not scored").count() == 0


def test_verdicts_stay_in_view(open_page):
    make_post(state="private", snapshot=make_snapshot(body="A paragraph.\n\n" * 200))
    for width in (1280, 320):
        page = open_page(reverse("admin:queue_next"), viewport={"width": width, "height": 700})
        page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
        for key in ("a", "r", "x", "s"):
            button = page.locator(f"[data-key='{key}']")
            box = button.bounding_box()
            assert box, key
            assert 0 <= box["y"] < 700 - box["height"], (width, key)


# --- Keys -------------------------------------------------------------------------------------


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


@each_look
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
    page.keyboard.press("j")
    page.keyboard.press(" ")
    page.keyboard.press("?")
    page.locator("summary", has_text="Save these filters").click()
    page.locator("#saved-name").fill("Oldest")
    page.get_by_role("button", name="Save", exact=True).click()
    page.wait_for_selector(".saved-link[aria-current]")
    check("queue with a saved filter")
    page.goto(site + reverse("admin:queue") + "?tab=stale")
    check("listed posts")
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
