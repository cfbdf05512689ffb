"""The admin's pages: who may open them, what they hold, that nothing is inline, what they cost."""

import re

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from posts import content, writing
from posts.models import Entity, ImageSource, ImportReject, ImportRun, ImportSource, Post, Tag
from tests.builders import make_post, make_snapshot, make_user

pytestmark = pytest.mark.django_db

INLINE = re.compile(
    r"""<style|<[^>]+\sstyle\s*=|<[^>]+\son[a-z]+\s*=|javascript:"""
    r"""|<script(?![^>]*\ssrc=)(?![^>]*type="application/json")""",
    re.IGNORECASE,
)


def url(name: str, *args: object) -> str:
    return reverse(f"admin:posts_{name}", args=args)


@pytest.fixture
def as_reviewer(client):
    client.force_login(make_user("reviewer"))
    return client


@pytest.fixture
def as_editor(client):
    client.force_login(make_user("editor"))
    return client


@pytest.fixture
def as_superuser(client):
    client.force_login(make_user("superuser"))
    return client


def make_run(rejects: int = 0) -> ImportRun:
    now = timezone.now()
    source, _ = ImportSource.objects.get_or_create(name="tide gauge", defaults={"created_at": now})
    run = ImportRun.objects.create(
        source=source,
        fence=1,
        engine_version="1",
        started_at=now,
        finished_at=now,
        state="complete",
        read=rejects,
        rejected=rejects,
        inputs=[{"file": "notes.jsonl", "size": 1234}],
        options={"batch_size": 500},
    )
    ImportReject.objects.bulk_create(
        ImportReject(
            run=run,
            sequence=number,
            file="notes.jsonl",
            record=number,
            line=number,
            byte=0,
            code="missing_title",
            field="title",
            expected="a title",
            is_retryable=False,
            raw_digest="1:ab",
        )
        for number in range(1, rejects + 1)
    )
    return run


def pages(post: Post, run: ImportRun) -> list[str]:
    return [
        reverse("admin:index"),
        url("post_changelist"),
        url("post_changelist") + "?q=measuring&queue=awaiting&tag=gauge",
        url("post_add"),
        url("post_change", post.pk),
        url("post_edit", post.pk),
        url("post_events", post.pk),
        url("post_revisions", post.pk),
        url("post_revision", post.pk, 1),
        url("importrun_changelist"),
        url("importrun_change", run.pk),
        url("importsource_changelist"),
        url("tag_changelist"),
        url("tag_change", Tag.objects.first().pk),
        url("entity_changelist"),
        url("entity_change", Entity.objects.first().pk),
        url("imagesource_changelist"),
        url("imagesource_change", ImageSource.objects.first().pk),
        reverse("admin:auth_user_changelist"),
        reverse("admin:auth_user_add"),
        reverse("admin:auth_group_changelist"),
        reverse("admin:login"),
    ]


def test_no_page_holds_inline_style_or_script(as_superuser):
    image = content.Image(source="a gauge", url="https://picsum.photos/1/800/400", caption="tide")
    post = make_post(
        snapshot=make_snapshot(
            image_sources=(image,),
            body="![tide](image:1)\n\n```python\nprint(1)\n```\n\n| a |\n| --: |\n| 1 |",
        ),
        state="private",
    )
    for page in pages(post, make_run(rejects=2)):
        response = as_superuser.get(page)
        assert response.status_code in (200, 302), page
        assert not INLINE.findall(response.content.decode()), page
        policy = response.headers["Content-Security-Policy"]
        assert "unsafe" not in policy, page
        assert "script-src 'self'" in policy, page


def test_anonymous_and_readers_are_sent_to_the_login_page(client):
    post, run = make_post(), make_run()
    addresses = [
        url("post_changelist"),
        url("post_change", post.pk),
        url("post_edit", post.pk),
        url("post_act", post.pk, "approve"),
        url("post_revision", post.pk, 1),
        url("post_restore", post.pk, 1),
        url("post_events", post.pk),
        url("importrun_rejects", run.pk),
    ]
    for kind in ("anonymous", "reader"):
        if kind == "reader":
            client.force_login(make_user("reader"))
        for address in addresses:
            for method in (client.get, client.post):
                response = method(address)
                assert response.status_code == 302, (kind, address)
                assert response.url.startswith(reverse("admin:login")), (kind, address)


def test_staff_without_a_group_is_refused(client):
    post, run = make_post(), make_run()
    client.force_login(User.objects.create_user("newcomer", is_staff=True))

    assert client.get(reverse("admin:index")).status_code == 200
    for address in (
        url("post_changelist"),
        url("post_change", post.pk),
        url("post_add"),
        url("post_edit", post.pk),
        url("post_events", post.pk),
        url("post_revisions", post.pk),
        url("post_revision", post.pk, 1),
        url("importrun_change", run.pk),
        url("importrun_rejects", run.pk),
    ):
        assert client.get(address).status_code == 403, address


def test_nothing_can_be_deleted_even_by_a_superuser(as_superuser):
    post = make_post()
    tag = Tag.objects.first()

    assert as_superuser.post(url("post_delete", post.pk), {"post": "yes"}).status_code == 403
    assert as_superuser.post(url("tag_delete", tag.pk), {"post": "yes"}).status_code == 403
    person = make_user("editor")
    address = reverse("admin:auth_user_delete", args=[person.pk])
    assert as_superuser.post(address, {"post": "yes"}).status_code == 403
    assert "delete_selected" not in as_superuser.get(url("post_changelist")).content.decode()


def test_pages_that_do_not_exist_answer_404(as_superuser):
    post = make_post()
    for address in (
        url("post_change", 10**9),
        url("post_change", 10**30),
        url("post_change", "none"),
        url("post_edit", 10**9),
        url("post_edit", post.pk) + "?from=99",
        url("post_revision", post.pk, 99),
        url("post_act", post.pk, "explode"),
        url("importrun_change", 10**9),
    ):
        assert as_superuser.get(address).status_code == 404, address


def test_home_counts_what_waits_and_names_the_riskiest(as_reviewer):
    waiting = make_post(state="private")
    make_post(state="listed")

    response = as_reviewer.get(reverse("admin:index"))

    assert response.context["queue_tabs"]["waiting"].count == "1"
    assert [line.entry.post_id for line in response.context["riskiest"]] == [waiting.pk]


def test_counts_are_exact_to_a_thousand_and_capped_beyond(as_reviewer, many_posts):
    many_posts(1_001)

    page = as_reviewer.get(url("post_changelist") + "?p=21")
    assert page.context["cl"].paginator.count_text == "1,000+"
    assert page.context["cl"].next_below is not None
    further = as_reviewer.get(url("post_changelist") + page.context["cl"].further_url)
    assert further.context["cl"].result_count < 1_000


@pytest.fixture
def many_posts():
    """Return a function that copies a waiting post's row until there are so many."""
    template = make_post(state="private")

    def copy(count: int) -> None:
        missing = count - Post.objects.count()
        Post.objects.bulk_create(
            [
                Post(
                    title=template.title,
                    slug=f"copy-{Post.objects.count()}-{number}",
                    live_revision_id=template.live_revision_id,
                    proposed_revision_id=template.proposed_revision_id,
                    created_at=template.created_at,
                    changed_at=template.changed_at,
                )
                for number in range(missing)
            ]
        )

    return copy


@pytest.mark.parametrize(
    ("address", "most"),
    [
        ("", 12),
        ("posts/post/", 8),
        ("posts/post/?queue=awaiting", 8),
        ("posts/post/?queue=held", 8),
        ("posts/post/?q=measuring+starts", 10),
        ("posts/post/?visibility__exact=private&difficulty__exact=beginner&tag=gauge", 9),
    ],
)
def test_lists_cost_the_same_at_any_size(as_reviewer, many_posts, address, most):
    target = reverse("admin:index") + address
    counts = []
    for size in (20, 2_000):
        many_posts(size)
        as_reviewer.get(target)
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert as_reviewer.get(target).status_code == 200
        counts.append(len(queries))
        assert not any('"body"' in query["sql"] for query in queries)

    assert counts[0] == counts[1]
    assert counts[0] <= most


def test_a_post_page_costs_the_same_with_many_revisions(as_reviewer):
    post = make_post(state="private")
    editor = make_user("editor")
    counts = []
    for revisions in (3, 30):
        for number in range(post.revisions.count(), revisions):
            writing.revise(
                post=post, by=editor, snapshot=make_snapshot(title=f"Try {number}"), seen=number
            )
        with CaptureQueriesContext(connection) as queries:
            assert as_reviewer.get(url("post_change", post.pk)).status_code == 200
        counts.append(len(queries))

    assert counts[0] == counts[1]
    assert counts[0] <= 20


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("queue=awaiting", {"waiting", "edited"}),
        ("queue=held", set()),
        ("queue=returned", {"returned"}),
        ("queue=listed", {"listed", "edited"}),
        ("queue=unlisted", {"published"}),
        ("visibility__exact=archived", {"archived"}),
        ("tag=barnacle", {"listed"}),
        ("tag=no+such+tag", set()),
        ("q=slack+returned", {"returned"}),
        ("q=the-address-of-listed", {"listed"}),
        ("q=REF-7", {"returned"}),
        ("below=0", set()),
        ("below=%00", set()),
    ],
)
def test_filters_and_search_find(as_reviewer, query, found):
    reviewer = make_user("reviewer")

    def named(name: str, state: str, **more) -> Post:
        snapshot = make_snapshot(title=f"Slack water {name}", **more.pop("content", {}))
        return make_post(snapshot=snapshot, state=state, **more)

    named("waiting", "private")
    named("published", "published")
    named("listed", "listed", tags=["barnacle"], slug="the-address-of-listed")
    named("archived", "archived")
    returned = named("returned", "private", content={"reference": "REF-7"})
    edited = named("edited", "listed")
    from posts import review

    review.act_on_one(action="reject", post=returned, by=reviewer, reason="No.")
    writing.revise(post=edited, by=reviewer, snapshot=make_snapshot(title="Other"), seen=1)
    review.act_on_one(
        action="reject", post=Post.objects.get(title__endswith="published"), by=reviewer, reason="x"
    )

    response = as_reviewer.get(f"{url('post_changelist')}?{query}")

    titles = {post.title.split()[-1] for post in response.context["cl"].result_list}
    if query == "queue=returned":
        titles -= {"published"}
    assert titles == found


def test_key_finds_its_post(as_reviewer):
    post = make_post()

    response = as_reviewer.get(url("post_changelist"), {"q": post.imported.key})

    assert [row.pk for row in response.context["cl"].result_list] == [post.pk]


def test_run_page_shows_and_streams_rejects(as_editor):
    run = make_run(rejects=1_203)

    page = as_editor.get(url("importrun_change", run.pk))
    download = as_editor.get(url("importrun_rejects", run.pk))

    assert len(page.context["rejects"]) == 100
    lines = b"".join(download.streaming_content).decode().splitlines()
    assert len(lines) == 1_203
    assert '"code": "missing_title"' in lines[0]


def test_image_licence_is_kept_by_people(as_editor):
    image = ImageSource.objects.create(url="https://picsum.photos/1", host="picsum.photos")

    as_editor.post(
        url("imagesource_change", image.pk),
        {"licence": "refused", "credit": "A. Nemone", "url": "https://elsewhere.example/"},
    )

    image.refresh_from_db()
    assert (image.licence, image.credit) == ("refused", "A. Nemone")
    assert image.url == "https://picsum.photos/1"
