"""The pages of import runs in a real browser: accessible, narrow, and an undo by keyboard alone."""

import io
import json
from contextlib import suppress

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.core.management import call_command
from django.urls import reverse

from posts import writing
from posts.importing import report, undo, uploads
from posts.models import ImportedPost, ImportRun, Post
from tests.builders import make_snapshot, make_user
from tests.e2e.looks import each_look

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def record(number, **more):
    return {"key": f"n-{number}", "title": f"Note number {number}", "body": "Text.", **more}


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """An interrupted import and the one that went on, another that was undone but for one post."""
    monkeypatch.chdir(tmp_path)
    rows = [record(n, checklist=["nowhere"] * (n % 2)) for n in range(6)]
    rows[1]["difficulty"] = "x" * 300
    rows[4]["title"] = ""

    def imported(name, rows, stop=False):
        (tmp_path / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
        with monkeypatch.context() as patch, suppress(SystemExit, KeyboardInterrupt):
            if stop:

                def interrupted(view, progress, taken):
                    raise KeyboardInterrupt

                patch.setattr(report.ProgressView, "update", interrupted)
            call_command(
                *("import_posts", name, "--source", "tide gauge", "--batch-size", "3"),
                stdout=io.StringIO(),
                stderr=io.StringIO(),
            )
        return ImportRun.objects.latest("pk")

    imported("a-long-name-of-a-file-" * 3 + ".jsonl", rows, stop=True)
    going_on = imported("a-long-name-of-a-file-" * 3 + ".jsonl", rows)
    other = imported("b.jsonl", [record(n) for n in range(10, 14)])
    post = ImportedPost.objects.get(key="n-11").post
    writing.revise(post=post, by=make_user("editor"), snapshot=make_snapshot(), seen=1)
    undone = undo.undo_run(other).run
    last = imported("c.jsonl", [record(n, title=f"Once more {n}") for n in (20, 21, 11)])
    return {"chain": going_on, "undone": other, "undo": undone, "last": last}


def signed_in(live_server, client, browser, **more):
    client.force_login(make_user("superuser"))
    page = browser.new_context(**more).new_page()
    page.context.add_cookies(
        [
            {"name": name, "value": morsel.value, "url": live_server.url + "/admin/"}
            for name, morsel in client.cookies.items()
        ]
    )
    return page


def pages(runs):
    """Return the addresses of everything there is to see of runs, by name."""
    chain, last = runs["chain"].pk, runs["last"].pk
    return {
        "list": reverse("admin:posts_importrun_changelist"),
        "run": reverse("admin:posts_importrun_change", args=[chain]),
        "undone": reverse("admin:posts_importrun_change", args=[runs["undone"].pk]),
        "undo-run": reverse("admin:posts_importrun_change", args=[runs["undo"].pk]),
        "problems": reverse("admin:posts_importrun_problems", args=[chain]) + "?code=missing_title",
        "kept": reverse("admin:posts_importrun_problems", args=[runs["undo"].pk]),
        "posts": reverse("admin:posts_importrun_posts", args=[chain]),
        "held": reverse("admin:posts_importrun_posts", args=[last]) + "?only=held",
        "undo": reverse("admin:posts_importrun_undo", args=[last]),
        "nothing-to-undo": reverse("admin:posts_importrun_undo", args=[runs["undo"].pk]),
        "import": reverse("admin:import"),
        "tried": reverse("admin:import_upload", args=[tried("tried.jsonl").pk]),
        "imported": reverse("admin:import_upload", args=[confirmed("sent.jsonl").pk]),
    }


def tried(name):
    """Return an upload whose report has everything a report can have."""
    lines = (record(50), record(51, moon="full"), {"key": "n52"})
    return uploads.keep(
        b"".join(json.dumps(one).encode() + b"\n" for one in lines),
        **{"file_name": name, "source_name": "uploads", "format_name": "auto"},
        by=make_user("importer"),
    )


def confirmed(name):
    upload = tried(name)
    uploads.confirm(upload)
    uploads.carry_out(upload)
    return upload


def test_a_file_is_tried_and_imported_without_a_script(live_server, client, browser):
    page = signed_in(live_server, client, browser, java_script_enabled=False)
    page.goto(live_server.url + reverse("admin:import"))
    file = {"name": "n.jsonl", "mimeType": "text/plain", "buffer": json.dumps(record(1)).encode()}

    page.set_input_files("#id_file", file)
    page.get_by_label("Source").fill("by hand")
    page.get_by_role("button", name="Try it").click()
    assert "What would become of 1 record" in page.content()
    assert not Post.objects.exists()
    page.get_by_role("button", name="Import: 1 record to write").click()

    assert "1 of 1 records: done." in page.content()
    assert Post.objects.count() == 1


@each_look
def test_pages_of_runs_have_no_accessibility_problem_and_no_sideways_scroll(
    live_server, client, browser, runs, scheme, width
):
    size = {"width": width, "height": 900}
    page = signed_in(live_server, client, browser, color_scheme=scheme, viewport=size)
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))

    for name, address in pages(runs).items():
        assert page.goto(live_server.url + address).status == 200, name
        assert said == [], name
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
        found = Axe().run(page).response["violations"]
        assert [(one["id"], one["nodes"][0]["target"]) for one in found] == [], name
        page.wait_for_timeout(100)  # what axe itself sets off under the policy
        said.clear()


def test_run_is_undone_by_keyboard_alone(live_server, client, browser, runs):
    page = signed_in(live_server, client, browser)
    before = Post.objects.count()
    page.goto(live_server.url + reverse("admin:posts_importrun_change", args=[runs["last"].pk]))

    def press(text):
        for _ in range(60):
            page.keyboard.press("Tab")
            if text in page.evaluate("document.activeElement.textContent"):
                with page.expect_navigation():
                    page.keyboard.press("Enter")
                return
        raise AssertionError(f"the keyboard does not reach {text}")

    press("Undo this run")
    assert Post.objects.count() == before
    press(f"Undo run {runs['last'].pk}: ")
    page.wait_for_selector(".messagelist li")

    assert f"Run {runs['last'].pk} was undone" in page.inner_text(".messagelist")
    done = ImportRun.objects.latest("pk")
    assert (done.kind, done.parent_id, done.updated) == ("undo", runs["last"].pk, 3)
