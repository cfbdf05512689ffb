"""What is typed and not saved: kept for its author, told to nobody, lost by nothing."""

import datetime as dt
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from posts import content, counters, edit_windows, review, writing
from posts.admin import edit_windows as pages
from posts.admin.forms import KEPT, PostForm
from posts.importing import erasure
from posts.models import CounterDelta, EditWindow, Post, Revision
from tests.builders import make_post, make_snapshot, make_user
from tests.held_posts import import_note

pytestmark = pytest.mark.django_db

NOW = dt.datetime(2026, 11, 20, 9, 0, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
TAB, OTHER = "window-one", "window-two"


@pytest.fixture
def editor(client):
    person = make_user("editor", first_name="Ana")
    client.force_login(person)
    return person


def keep(by, post, text=None, tab=TAB, step=1, now=NOW):
    fields = None if text is None else {"title": text}
    return edit_windows.keep(
        by=by, post=post, tab=tab, step=step, fields=fields, base=None, now=now
    )


def texts(by, post):
    return [
        EditWindow.objects.get(pk=row.pk).fields["title"]
        for row in edit_windows.offered(by=by, post=post)
    ]


# --- The rows ---------------------------------------------------------------------------------


def test_each_window_has_its_own_text(editor):
    post = make_post()
    keep(editor, post, "one")
    keep(editor, post, "two", tab=OTHER, now=NOW + DAY)
    keep(editor, None, "new post", tab="window-three")

    assert texts(editor, post) == ["two", "one"]
    assert texts(editor, None) == ["new post"]


def test_late_request_does_not_replace_a_newer_text(editor):
    post = make_post()
    assert keep(editor, post, "newer", step=3)

    assert not keep(editor, post, "older", step=2)

    assert texts(editor, post) == ["newer"]


def test_sign_of_life_keeps_what_was_typed(editor):
    post = make_post()
    keep(editor, post, "typed")
    keep(editor, post, step=2, now=NOW + DAY)

    assert texts(editor, post) == ["typed"]
    assert EditWindow.objects.get().seen_at == NOW + DAY


def test_saved_window_takes_nothing_more(editor):
    post = make_post()
    keep(editor, post, "typed")
    edit_windows.close(by=editor, tab=TAB, now=NOW)

    assert not keep(editor, post, "on its way", step=2)

    assert texts(editor, post) == []
    assert EditWindow.objects.get().fields is None


def test_newer_text_of_a_window_is_not_thrown_away(editor):
    post = make_post()
    keep(editor, post, "offered")
    (window,) = edit_windows.offered(by=editor, post=post)
    keep(editor, post, "typed since", step=2)

    assert not edit_windows.discard(by=editor, pk=window.pk, step=window.step, now=NOW)
    assert texts(editor, post) == ["typed since"]
    assert edit_windows.discard(by=editor, pk=window.pk, step=2, now=NOW)
    assert texts(editor, post) == []


def test_nobody_reads_keeps_or_discards_a_window_of_another(editor):
    post, other = make_post(), make_user("superuser")
    keep(editor, post, "private")
    window = EditWindow.objects.get()

    assert edit_windows.offered(by=other, post=post) == []
    assert edit_windows.find(by=other, post=post, pk=window.pk) is None
    assert not edit_windows.discard(by=other, pk=window.pk, step=1, now=NOW)
    edit_windows.close(by=other, tab=TAB, now=NOW)
    keep(other, post, "theirs", step=9)
    assert texts(editor, post) == ["private"]


@pytest.mark.parametrize("tab", ["", "short", "x" * 33, "with spaces in it", "ünïcödé-name"])
def test_window_without_a_name_is_refused(editor, tab):
    with pytest.raises(edit_windows.WindowError, match="Open the form again"):
        keep(editor, None, "text", tab=tab)


def test_what_is_kept_has_bounds(editor, monkeypatch):
    with pytest.raises(edit_windows.WindowError, match="are kept"):
        keep(editor, None, "x" * (edit_windows.CHARACTERS_MAX + 1))
    monkeypatch.setattr(edit_windows, "WINDOWS_MAX", 1)
    keep(editor, None, "one")
    with pytest.raises(edit_windows.WindowError, match="Save or discard"):
        keep(editor, None, "two", tab=OTHER)
    assert keep(editor, None, "one, longer", step=2)


def test_text_that_a_json_column_refuses_is_kept_without_it(editor):
    keep(editor, None, "a\x00b\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16"))

    assert texts(editor, None) == ["ab😀"]


def test_others_are_told_who_is_here_and_not_what_they_type(editor):
    post, other = make_post(), make_user("editor", first_name="Bo", last_name="Tide")
    keep(other, post, "secret", now=NOW)
    keep(other, post, tab=OTHER, now=NOW + dt.timedelta(minutes=2))
    keep(editor, post, now=NOW)
    soon = NOW + edit_windows.PRESENT

    assert edit_windows.others(by=editor, post=post, now=NOW) == [("Bo Tide", NOW, True)]
    later = NOW + dt.timedelta(minutes=2)
    assert edit_windows.others(by=editor, post=post, now=soon) == [("Bo Tide", later, False)]
    assert edit_windows.others(by=editor, post=post, now=NOW + DAY) == []


def test_window_left_with_nothing_typed_is_forgotten(editor):
    post = make_post()
    keep(editor, post)
    keep(editor, post, "typed", tab=OTHER)

    edit_windows.leave(by=editor, tab=TAB)
    edit_windows.leave(by=editor, tab=OTHER)

    assert texts(editor, post) == ["typed"]
    assert EditWindow.objects.count() == 1


def test_sweep_removes_what_is_old_and_folds_and_changes_nothing_that_is_read(editor):
    now = timezone.now()
    post = make_post()
    keep(editor, post, "a month ago", now=now - edit_windows.TYPED_KEPT - DAY)
    keep(editor, post, "yesterday", tab=OTHER, now=now - DAY)
    keep(editor, post, tab="window-three", now=now - edit_windows.EMPTY_KEPT - DAY)
    review.act_on_one(action="unpublish", post=post, by=make_user("reviewer"), now=now - DAY)
    before, out = counters.total_listed(now), StringIO()

    call_command("sweep", stdout=out)

    assert texts(editor, post) == ["yesterday"]
    assert "old edit windows removed: 2" in out.getvalue()
    assert not CounterDelta.objects.filter(due_at__lte=now).exists()
    assert counters.total_listed(now) == before


def test_erased_post_takes_its_unsaved_texts_with_it(editor):
    post = make_post()
    keep(editor, post, "must go as well")

    erasure.erase(post_ids=[post.pk], by=make_user("superuser"), reason="asked for")

    assert not EditWindow.objects.exists()


# --- Behind the form --------------------------------------------------------------------------


def edit_url(post):
    return reverse("admin:posts_post_edit", args=[post.pk])


def typed(form, **changes):
    """Return what a browser would send for a form."""
    data = {}
    for name in form.fields:
        value = form[name].value()
        data[name] = "" if value is None else str(value)
    return data | changes


def opened(client, post, **query):
    return client.get(edit_url(post), query).context["form"]


def keep_url(post):
    return reverse("admin:posts_post_keep", args=[post.pk])


def test_typed_text_is_offered_continued_and_gone_after_saving(client, editor):
    post = make_post()
    form = opened(client, post)
    sent = typed(form, title="Kept title", tools="one\r\ntwo", typed="1", step="1")
    answer = client.post(keep_url(post), sent).json()
    assert answer["kept"]
    assert Revision.objects.filter(post=post).count() == 1

    shown = client.get(edit_url(post))
    ((window, _, _),) = shown.context["offers"]
    assert shown.context["form"]["title"].value() == post.title
    assert "Continue with them" in shown.text
    form = opened(client, post, window=window.pk)
    assert (form["title"].value(), form["tools"].value()) == ("Kept title", "one\r\ntwo")

    client.post(edit_url(post), typed(form))

    assert Revision.objects.filter(post=post).latest("number").title == "Kept title"
    assert client.get(edit_url(post)).context["offers"] == []


def test_continued_text_moves_to_the_new_window_unless_the_old_one_went_on(client, editor):
    post = make_post()
    form = opened(client, post)
    client.post(keep_url(post), typed(form, title="First", typed="1", step="1"))
    continued = opened(client, post, window=EditWindow.objects.get().pk)
    client.post(keep_url(post), typed(form, title="First, longer", typed="1", step="2"))

    client.post(keep_url(post), typed(continued, title="Second", typed="1", step="1"))

    assert sorted(texts(editor, post)) == ["First, longer", "Second"]


def test_new_post_is_kept_too(client, editor):
    add = reverse("admin:posts_post_add")
    form = client.get(add).context["form"]
    client.post(reverse("admin:posts_post_keep_new"), typed(form, title="New", typed="1", step="1"))

    ((window, address, _),) = client.get(add).context["offers"]
    form = client.get(address, {"window": window.pk}).context["form"]
    client.post(add, typed(form))

    assert Post.objects.get().title == "New"
    assert client.get(add).context["offers"] == []


def test_window_of_another_is_not_found_in_any_way(client, editor):
    post = make_post()
    form = opened(client, post)
    client.post(keep_url(post), typed(form, title="Private to Ana", typed="1", step="1"))
    window = EditWindow.objects.get()
    other = Client()
    other.force_login(make_user("superuser"))

    shown = other.get(edit_url(post))
    assert shown.context["offers"] == []
    assert "Ana opened this" in shown.text
    assert "Private to Ana" not in shown.text
    assert other.get(edit_url(post), {"window": window.pk}).status_code == 404
    other.post(reverse("admin:posts_post_discard", args=[post.pk, window.pk]), {"step": 1})
    assert texts(editor, post) == ["Private to Ana"]


@pytest.mark.parametrize("pk", ["0", "x", "9" * 30, "-1"])
def test_unknown_window_is_not_found(client, editor, pk):
    assert client.get(edit_url(make_post()), {"window": pk}).status_code == 404


def test_offer_is_discarded_by_a_button(client, editor):
    post = make_post()
    form = opened(client, post)
    client.post(keep_url(post), typed(form, title="Not wanted", typed="1", step="1"))
    ((window, _, address),) = client.get(edit_url(post)).context["offers"]

    client.post(address, {"step": window.step})

    assert texts(editor, post) == []


def test_too_much_is_refused_in_words(client, editor, monkeypatch):
    monkeypatch.setattr(edit_windows, "CHARACTERS_MAX", 10)
    post = make_post()

    answer = client.post(keep_url(post), typed(opened(client, post), typed="1", step="1"))

    assert answer.status_code == 409
    assert "characters" in answer.json()["error"]


def test_keeping_costs_the_same_for_a_long_history(client, editor):
    costs = []
    for revisions in (1, 4):
        post = make_post()
        for number in range(1, revisions):
            writing.revise(post=post, by=make_user("editor"), snapshot=make_snapshot(), seen=number)
        for number in range(revisions):
            keep(make_user("editor"), post, "typed", tab=f"window-{number}", now=timezone.now())
        form = opened(client, post)
        sent = typed(form, typed="1", step="1")
        client.post(keep_url(post), sent)
        with CaptureQueriesContext(connection) as keeping:
            client.post(keep_url(post), sent | {"step": "2"})
        with CaptureQueriesContext(connection) as opening:
            client.get(edit_url(post))
        costs.append((len(keeping), len(opening)))

    # Session, person, two for permissions; post, revision it began from, the row, the newest,
    # the others, own windows. The form: also base, tags, and the people once more.
    assert costs[0] == costs[1]
    assert costs[0][0] <= 11
    assert costs[0][1] <= 15


# --- Stale ------------------------------------------------------------------------------------


def test_stale_save_shows_both_versions_and_merges_with_the_input_kept(client, editor):
    post = make_post(snapshot=make_snapshot(title="Began", lede="Began.", summary="began"))
    form = opened(client, post)
    snapshot = post.live_revision.snapshot
    theirs = make_snapshot(title="Theirs <b>", lede="Began.", body=snapshot.body)
    writing.revise(post=post, by=make_user("editor"), snapshot=theirs, seen=1, comment="Why not.")

    mine = typed(form, lede="Mine.", title="Mine <i>")
    answer = client.post(edit_url(post), mine)

    assert answer.status_code == 409
    states = {field.name: field.state for field in answer.context["clash"].fields}
    assert (states["title"], states["lede"]) == ("conflict", "ours")
    assert "Why not." in answer.text
    assert "&lt;b&gt;" in answer.text
    assert answer.context["form"]["lede"].value() == "Mine."
    assert post.revisions.count() == 2

    merged = client.post(edit_url(post), mine | {"do": "merge"})
    form = merged.context["form"]
    assert (form["title"].value(), form["lede"].value()) == ("Mine <i>", "Mine.")
    assert form["topic"].value() == theirs.meta.topic
    assert "there yours stands" in merged.text
    assert post.revisions.count() == 2

    client.post(edit_url(post), typed(form))
    last = post.revisions.latest("number")
    assert (last.number, last.title, last.lede) == (3, "Mine <i>", "Mine.")
    assert last.snapshot.meta.topic == theirs.meta.topic


def test_import_that_came_meanwhile_is_told_and_never_overwritten(client, editor):
    post = import_note()
    form = opened(client, post)
    import_note(title="Slack water, anew")

    told = client.post(keep_url(post), typed(form, lede="Mine.", typed="1", step="1")).json()
    answer = client.post(edit_url(post), typed(form, lede="Mine."))

    assert told["notes"][0].startswith("Revision 2 came meanwhile, import from tide notes")
    assert answer.status_code == 409
    assert {field.name: field.state for field in answer.context["clash"].fields} == {
        "title": "theirs",
        "lede": "ours",
    }


def test_tags_and_address_that_others_changed_meanwhile_stay(client, editor):
    post = make_post(tags=["kept", "taken away"])
    form = opened(client, post)
    other = make_user("editor")
    writing.set_editorial_tags(post=post, by=other, names=["kept", "taken away", "theirs"])
    writing.change_slug(post=post, by=other, slug="their-address")

    client.post(edit_url(post), typed(form, editorial_tags="kept, mine"))

    post.refresh_from_db()
    assert post.slug == "their-address"
    names = post.post_tags.filter(origin="editorial").values_list("tag__name", flat=True)
    assert set(names) == {"kept", "mine", "theirs"}


# --- Preview and checks -----------------------------------------------------------------------


def preview_url(post):
    return reverse("admin:posts_post_live_preview", args=[post.pk])


PARTS = {"headers": {"Accept": "application/json"}}


def test_preview_is_the_article_page_and_stores_nothing(client, editor):
    post = make_post()
    sent = typed(opened(client, post), title="Typed <script>", body="# <img onerror=x>")
    before = Revision.objects.count()

    parts = client.post(preview_url(post), sent, **PARTS)
    page = client.post(preview_url(post), sent)

    assert "Typed &lt;script&gt;" in parts.json()["page"]
    assert "<script" not in parts.json()["page"]
    assert "<img" not in parts.json()["page"]
    assert "begin sections with ##" in parts.json()["proof"]
    assert "posts/article.html" in {template.name for template in page.templates}
    assert "no-store" in page.headers["Cache-Control"]
    assert page.headers["X-Robots-Tag"] == "noindex, nofollow"
    assert "sandbox allow-same-origin" in page.headers["Content-Security-Policy"]
    assert "script-src 'self'" in page.headers["Content-Security-Policy"]
    assert Revision.objects.count() == before
    assert not EditWindow.objects.exists()


def test_preview_of_a_new_and_unfinished_post(client, editor):
    address = reverse("admin:posts_post_live_preview_new")

    page = client.post(address, {"title": "", "body": "Some *words*.", "entities": "no colon"})

    assert "Without a title" in page.text
    assert "<em>words</em>" in page.text


def test_preview_is_bounded_in_size_and_rate(client, editor, monkeypatch):
    post = make_post()
    long = client.post(preview_url(post), {"body": "x" * (pages.PREVIEW_MAX + 1)}, **PARTS)
    monkeypatch.setattr(pages, "PREVIEWS_A_MINUTE", 2)
    codes = [client.post(preview_url(post), {"body": "x"}, **PARTS).status_code for _ in range(4)]

    assert long.status_code == 413
    assert "characters" in long.json()["error"]
    assert codes.count(429) >= 1


def test_text_is_checked_without_saving_and_without_javascript(client, editor):
    post, private = make_post(), make_post(state="private")
    moved = make_post()
    old = moved.slug
    writing.change_slug(post=moved, by=editor, slug="moved-here")
    body = "\n\n".join(
        [
            "#### Deep",
            "![](image:1) ![](image:7)",
            "[gone](/posts/never-was/) [hidden](" + private.get_absolute_url() + ")",
            f"[old](/posts/{old}/) [no page](/nowhere/) [part](#nothing) [fine](#deep)",
            "[](https://example.org/) ![shown](https://evil.example/x.png)",
        ]
    )
    sent = typed(opened(client, post), body=body, image_sources=" | https://picsum.photos/1\r\n| ")

    answer = client.post(edit_url(post), sent | {"do": "check"})

    proof = answer.context["proof"]
    said = " ".join(finding.text for finding in proof.findings)
    assert [
        part
        for part in (
            "skips a level",
            "without words for who cannot see",
            "image:7 shows nothing",
            "No post has the address /posts/never-was/",
            "is not published",
            "has moved to /posts/moved-here/",
            "no page /nowhere/",
            "address #nothing",
            "A link without words",
            "no pictures from evil.example",
            "Image source 2 is not shown",
        )
        if part not in said
    ] == []
    assert "#deep" not in said
    assert proof.words == content.count_words(body) + content.count_words(post.live_revision.lede)
    assert post.revisions.count() == 1
    assert answer.context["form"]["body"].value() == body


def test_form_keeps_every_field_but_the_names_of_windows():
    form = PostForm(is_new=False)

    assert set(form.fields) - set(KEPT) == {"tab", "continues", "continues_step"}
