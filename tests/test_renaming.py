"""Renaming, merging, taking apart: pages lead on, imports follow, counts are right throughout."""

import datetime as dt

import pytest
from django.core.exceptions import PermissionDenied
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from posts import counters, renaming, review, writing
from posts.importing import erasure
from posts.models import (
    BulkAction,
    CounterDelta,
    Entity,
    ImportRun,
    ImportSource,
    Post,
    PostTag,
    QueueEntry,
    Tag,
)
from tests.builders import make_post, make_snapshot, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def editor():
    return make_user("editor")


def tagged(*stack, **more):
    return make_post(snapshot=make_snapshot(stack=stack, tools=(), entities=()), **more)


def tags_of(post):
    rows = PostTag.objects.filter(content_object=post).select_related("tag").order_by("position")
    return [row.tag.name for row in rows]


def the(name):
    return Tag.objects.get(name=name)


def uses(*names, now=None):
    now = now or timezone.now()
    ids = {the(name).pk: name for name in names}
    found = counters.use_counts(tags=ids, now=now).tags
    return {name: found[pk] for pk, name in ids.items()}


def test_merged_tag_leads_on_and_its_posts_are_the_others(client, editor):
    only = tagged("k8s")
    both = tagged("kubernetes", "k8s")
    draft = tagged("k8s", state="private")
    assert uses("k8s", "kubernetes") == {"k8s": 2, "kubernetes": 1}

    moved = renaming.merge(the("k8s"), the("kubernetes"), by=editor, reason="One thing.")

    assert moved == 3
    assert [tags_of(post) for post in (only, both, draft)] == [["kubernetes"]] * 3
    assert uses("k8s", "kubernetes") == {"k8s": 0, "kubernetes": 2}
    assert counters.total_listed(timezone.now()) == 2
    response = client.get("/tags/k8s/")
    assert (response.status_code, response["Location"]) == (301, "/tags/kubernetes/")
    page = client.get("/tags/kubernetes/").content.decode()
    assert only.title in page
    assert draft.title not in page
    assert QueueEntry.objects.get(post=draft).stack == the("kubernetes")
    logged = BulkAction.objects.get(action="merge tag")
    assert (logged.actor, logged.reason, logged.changed) == (editor, "One thing.", 3)
    assert logged.filters["merged"] == "k8s"


def test_readers_find_a_moved_post_by_its_new_tag_and_programs_see_that_it_changed(client, editor):
    post = tagged("k8s")
    tagged("kubernetes")
    before = post.changed_at

    renaming.merge(the("k8s"), the("kubernetes"), by=editor)

    assert post.title in client.get("/search/", {"q": "tag:kubernetes"}).content.decode()
    post.refresh_from_db()
    assert post.changed_at > before


def test_counts_that_are_still_to_come_follow(editor):
    soon = timezone.now() + dt.timedelta(hours=1)
    post = tagged("k8s", state="private")
    tagged("kubernetes")
    someone = make_user()
    for action in ("approve", "publish"):
        review.act_on_one(action=action, post=post, by=someone, undo_seconds=3_600)
    assert uses("k8s") == {"k8s": 0}

    renaming.merge(the("k8s"), the("kubernetes"), by=editor)

    assert uses("k8s", "kubernetes") == {"k8s": 0, "kubernetes": 1}
    later = soon + dt.timedelta(hours=2)
    assert uses("k8s", "kubernetes", now=later) == {"k8s": 0, "kubernetes": 2}
    counters.fold(now=later)
    assert the("k8s").use_count == 0
    assert not CounterDelta.objects.exists()


def test_what_comes_later_with_the_old_name_means_the_other(editor):
    tagged("k8s")
    tagged("kubernetes")
    renaming.merge(the("k8s"), the("kubernetes"), by=editor)

    later = tagged("k8s", "kubernetes", "python")
    edited = tagged("python")
    writing.set_editorial_tags(post=edited, by=editor, names=["K8s"])

    assert tags_of(later) == ["kubernetes", "python"]
    assert sorted(tags_of(edited)) == ["kubernetes", "python"]


def test_meta_box_keeps_the_name_and_links_to_what_stands_for_it(client, editor):
    post = tagged("k8s")
    tagged("kubernetes")
    renaming.merge(the("k8s"), the("kubernetes"), by=editor)

    page = client.get(post.get_absolute_url()).content.decode()

    assert '<a href="/tags/kubernetes/">k8s</a>' in page.replace(' class="meta-link"', "")


def test_taking_apart_gives_posts_the_names_of_their_revisions_back(client, editor):
    only, both, other = tagged("k8s"), tagged("kubernetes", "k8s"), tagged("kubernetes")
    renaming.merge(the("k8s"), the("kubernetes"), by=editor)

    renaming.separate(the("k8s"), by=editor)

    assert [tags_of(post) for post in (only, both, other)] == [
        ["k8s"],
        ["kubernetes", "k8s"],
        ["kubernetes"],
    ]
    assert uses("k8s", "kubernetes") == {"k8s": 2, "kubernetes": 2}
    assert client.get("/tags/k8s/").status_code == 200


def test_aliases_of_a_merged_tag_lead_on_in_one_hop(client, editor):
    for name in ("kube", "k8s", "kubernetes"):
        tagged(name)
    renaming.merge(the("kube"), the("k8s"), by=editor)
    renaming.merge(the("k8s"), the("kubernetes"), by=editor)

    assert client.get("/tags/kube/")["Location"] == "/tags/kubernetes/"
    assert uses("kubernetes") == {"kubernetes": 3}


def test_renaming_moves_the_address_and_the_old_one_leads_there(client, editor):
    post = tagged("k8s")

    renaming.rename(the("k8s"), "  Kubernetes ", by=editor)

    assert tags_of(post) == ["kubernetes"]
    assert client.get("/tags/kubernetes/").status_code == 200
    assert client.get("/tags/k8s/")["Location"] == "/tags/kubernetes/"
    assert tags_of(tagged("k8s")) == ["kubernetes"]
    assert uses("kubernetes") == {"kubernetes": 2}


def test_renaming_back_and_forth_leaves_one_alias(client, editor):
    tagged("k8s")
    renaming.rename(the("k8s"), "kubernetes", by=editor)
    renaming.rename(the("kubernetes"), "k8s", by=editor)

    assert client.get("/tags/k8s/").status_code == 200
    assert client.get("/tags/kubernetes/")["Location"] == "/tags/k8s/"
    assert [alias.name for alias in the("k8s").aliases.all()] == ["kubernetes"]


def test_another_spelling_keeps_the_address(client, editor):
    tagged("load-testing")

    renaming.rename(the("load-testing"), "load testing", by=editor)

    assert the("load testing").slug == "load-testing"
    assert client.get("/tags/load-testing/").status_code == 200


def test_entities_merge_and_lead_on(client, editor):
    post = make_post()
    first, second = Entity.objects.order_by("pk")
    Entity.objects.filter(pk=second.pk).update(type=first.type, type_slug=first.type_slug)

    renaming.merge(first, second, by=editor)

    assert [row.entity_id for row in post.post_entities.all()] == [second.pk]
    second.refresh_from_db()
    assert client.get(first.get_absolute_url())["Location"] == second.get_absolute_url()
    assert counters.use_counts(entities=[second.pk], now=timezone.now()).entities[second.pk] == 1


@pytest.mark.parametrize(
    ("name", "said"),
    [("", "expected 1 to 100"), ("x" * 101, "101 characters"), ("other", "is there already")],
)
def test_names_that_cannot_be_given_are_refused(editor, name, said):
    tagged("k8s", "other")

    with pytest.raises(renaming.RenamingError, match=said):
        renaming.rename(the("k8s"), name, by=editor)
    assert Tag.objects.filter(merged_into__isnull=False).count() == 0


def test_merging_into_itself_or_its_own_alias_is_refused(editor):
    tagged("k8s", "kubernetes")
    with pytest.raises(renaming.RenamingError, match="into itself"):
        renaming.merge(the("k8s"), the("k8s"), by=editor)
    renaming.merge(the("k8s"), the("kubernetes"), by=editor)

    with pytest.raises(renaming.RenamingError, match="into itself"):
        renaming.merge(the("kubernetes"), the("k8s"), by=editor)


def test_a_merge_that_was_stopped_goes_on_and_counts_are_right_in_between(editor, monkeypatch):
    monkeypatch.setattr(renaming, "CHUNK", 2)
    for _ in range(5):
        tagged("k8s")
    tagged("kubernetes")
    count, left = renaming.gate.count, [4]

    def stopping(*arguments):
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        count(*arguments)

    monkeypatch.setattr(renaming.gate, "count", stopping)
    with pytest.raises(KeyboardInterrupt):
        renaming.merge(the("k8s"), the("kubernetes"), by=editor)
    assert sum(uses("k8s", "kubernetes").values()) == 6
    assert PostTag.objects.filter(tag=the("k8s")).count() == uses("k8s")["k8s"]
    monkeypatch.setattr(renaming.gate, "count", count)

    renaming.merge(the("k8s"), the("kubernetes"), by=editor)

    assert uses("k8s", "kubernetes") == {"k8s": 0, "kubernetes": 6}
    assert BulkAction.objects.filter(action="merge tag").count() == 1


def test_a_running_import_keeps_names_as_they_are(editor):
    tagged("k8s", "kubernetes")
    now = timezone.now()
    source = ImportSource.objects.create(name="notes", created_at=now, heartbeat_at=now)
    source.owner = ImportRun.objects.create(
        source=source, fence=1, engine_version="1", started_at=now, host="elsewhere", process=1
    )
    source.save()

    with pytest.raises(renaming.RenamingError, match="is importing from 'notes'"):
        renaming.merge(the("k8s"), the("kubernetes"), by=editor)
    assert the("k8s").merged_into is None


def test_erasing_and_undoing_leave_aliases_and_what_they_stand_for(editor):
    post = tagged("k8s")
    renaming.rename(the("k8s"), "kubernetes", by=editor)

    erasure.erase(post_ids=[post.pk], by=make_user("superuser"), reason="asked for")
    erasure.remove_unused_names([{"stack": ["k8s", "kubernetes"]}], now=timezone.now())

    assert Tag.objects.filter(name__in=["k8s", "kubernetes"]).count() == 2


def test_queries_do_not_grow_with_the_posts_of_a_chunk(editor):
    costs = []
    for number, posts in ((1, 2), (2, 6)):
        for _ in range(posts):
            tagged(f"old {number}", f"new {number}")
        with CaptureQueriesContext(connection) as captured:
            renaming.merge(the(f"old {number}"), the(f"new {number}"), by=editor)
        costs.append(len(captured))

    assert costs[1] <= costs[0]


def test_only_who_may_changes_names():
    tagged("k8s", "kubernetes")
    other = make_user("importer")

    with pytest.raises(PermissionDenied):
        renaming.rename(the("k8s"), "kube", by=other)
    with pytest.raises(PermissionDenied):
        renaming.merge(the("k8s"), the("kubernetes"), by=other)
    with pytest.raises(PermissionDenied):
        renaming.separate(the("k8s"), by=other)


def test_the_page_shows_what_a_merge_would_do_and_does_it(client, editor):
    tagged("k8s")
    tagged("k8s", "kubernetes")
    client.force_login(editor)
    address = reverse("admin:posts_tag_names", args=[the("k8s").pk])

    plan = client.get(address, {"into": " Kubernetes"})
    assert (plan.context["posts"], plan.context["both"]) == (2, 1)
    done = client.post(address, {"action": "merge", "into": "kubernetes"}, follow=True)

    assert "2 posts moved" in done.content.decode()
    assert the("k8s").merged_into == the("kubernetes")
    page = client.get(reverse("admin:posts_tag_names", args=[the("kubernetes").pk]))
    assert [alias.name for alias in page.context["aliases"]] == ["k8s"]
    client.post(
        reverse("admin:posts_tag_names", args=[the("kubernetes").pk]),
        {"action": "separate", "alias": the("k8s").pk},
    )
    assert the("k8s").merged_into is None


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({}, "Nothing was chosen"),
        ({"action": "merge", "into": "nobody"}, "no such name"),
        ({"action": "rename", "name": " "}, "expected 1 to 100"),
        ({"action": "separate", "alias": "9" * 40}, "no alias of this name"),
    ],
)
def test_the_page_says_what_is_wrong(client, editor, data, said):
    tagged("k8s")
    client.force_login(editor)
    address = reverse("admin:posts_tag_names", args=[the("k8s").pk])

    assert said in client.post(address, data, follow=True).content.decode()


def test_a_merge_of_many_posts_is_shown_as_a_command_that_does_it(
    client, editor, monkeypatch, capsys
):
    from posts.admin import naming

    monkeypatch.setattr(naming, "MOVED_MAX", 1)
    for _ in range(2):
        tagged("k8s")
    tagged("kubernetes")
    client.force_login(editor)
    address = reverse("admin:posts_tag_names", args=[the("k8s").pk])

    shown = client.get(address, {"into": "kubernetes"}).context["command"]
    refused = client.post(address, {"action": "merge", "into": "kubernetes"}, follow=True)
    assert "by the command only" in refused.content.decode()
    call_command(*shown.split()[1:])

    assert capsys.readouterr().out == "2 posts moved from 'k8s' to 'kubernetes'.\n"
    assert Post.objects.filter(post_tags__tag=the("kubernetes")).count() == 3
    with pytest.raises(CommandError, match="no tag 'nothing'"):
        call_command("merge_names", "tag", "nothing", "kubernetes", "--by", editor.username)
