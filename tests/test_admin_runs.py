"""The pages of import runs: what they tell, who may see and undo, what they cost at any size."""

import csv
import io
import json
import re

import pytest
from django.contrib.auth.models import Permission, User
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from posts import review, writing
from posts.admin import lists, run_lists, run_undo
from posts.importing import engine, run_facts, undo
from posts.importing.formats import Input, jsonl
from posts.importing.intake import Arrival
from posts.models import ImportedPost, ImportReject, ImportRun, ImportSource, Post, Revision
from tests.builders import make_snapshot, make_user

pytestmark = pytest.mark.django_db


def url(name, *args):
    return reverse(f"admin:posts_importrun_{name}", args=args)


def note(key="n-1", title="A note", **fields):
    return {"key": key, "title": title, "body": "Text.", **fields}


def imported(*records, source="notes", parent=None, **options):
    data = b"".join(json.dumps(record).encode() + b"\n" for record in records)
    arrivals = (
        Arrival(0, raw, jsonl)
        for raw in jsonl.records(io.BytesIO(data), Input("notes.jsonl", None))
    )
    run = engine.run_import(
        arrivals,
        options=engine.Options(source=source, **options),
        inputs=[{"file": "notes.jsonl", "size": len(data)}],
    ).run
    if parent is not None:
        ImportRun.objects.filter(pk=run.pk).update(parent=parent)
        run.refresh_from_db()
    return run


def the(key):
    return ImportedPost.objects.get(key=key).post


def edit(key):
    post = the(key)
    writing.revise(
        post=post, by=make_user("editor"), snapshot=make_snapshot(title="By hand"), seen=1
    )
    return post


def approve(key):
    review.act_on_one(action="approve", post=the(key), by=make_user("reviewer"), undo_seconds=0)


@pytest.fixture
def as_editor(client):
    client.force_login(make_user("editor"))
    return client


@pytest.fixture
def operator():
    """A person who may undo: an editor with the two permissions that it takes."""
    person = make_user("editor")
    for name in ("change_importrun", "delete_post"):
        person.user_permissions.add(Permission.objects.get(codename=name))
    return person


@pytest.fixture
def as_operator(client, operator):
    client.force_login(operator)
    return client


def text_of(response):
    return " ".join(re.sub(r"<[^>]+>", " ", response.content.decode()).split())


# --- The list -----------------------------------------------------------------------------------


def test_list_tells_outcome_and_relations_of_every_run(as_editor):
    first = imported(note("a"), note("b", title=""))
    second = imported(note("c"), parent=first)
    done = undo.undo_run(second).run

    page = as_editor.get(url("changelist"))

    text = text_of(page)
    assert [run.pk for run in page.context["cl"].result_list] == [done.pk, second.pk, first.pk]
    assert f"undo of run {second.pk}" in text
    assert f"import, went on with run {first.pk}, undone by run {done.pk}" in text
    assert f"import, gone on with by run {second.pk}" in text
    assert "2 read, 1 new, 1 rejected" in text
    assert "1 read, 1 taken back" in text
    assert "3 runs, newest first." in text


def test_list_goes_on_below_the_cap(as_editor, monkeypatch):
    monkeypatch.setattr(lists, "CAP", 3)
    runs = [imported(note(f"n-{n}")) for n in range(5)]

    page = as_editor.get(url("changelist"))
    further = as_editor.get(url("changelist") + page.context["cl"].further_url)

    shown = [run.pk for run in page.context["cl"].result_list]
    shown += [run.pk for run in further.context["cl"].result_list]
    assert shown[:3] == [run.pk for run in reversed(runs)][:3]
    assert set(shown) == {run.pk for run in runs}


@pytest.mark.parametrize("query", ["state__exact=failed", "kind__exact=undo", "below=0"])
def test_list_is_filtered(as_editor, query):
    imported(note("a"))

    assert not as_editor.get(f"{url('changelist')}?{query}").context["cl"].result_list


# --- The page of a run --------------------------------------------------------------------------


def test_run_page_tells_what_became_of_the_records_and_where_to_see_them(as_editor):
    imported(note("a"))
    approve("a")
    run = imported(note("a", "Newer"), note("b"), note("c", difficulty="odd"), publish=True)

    page = as_editor.get(url("change", run.pk))

    told = {one.name: (one.number, one.url) for one in page.context["outcomes"]}
    posts = url("posts", run.pk)
    assert told["new"] == (1, posts)
    assert told["held"] == (1, f"{posts}?only=held")
    assert told["rejected"] == (1, "")
    assert told["revised"] == (0, "")
    text = text_of(page)
    assert "What became of 3 records" in text
    assert "All records were read. 1 of them rejected." in text
    assert "notes.jsonl" in text
    assert "publish yes" in text
    assert "1 × bad_choice first at notes.jsonl:3, difficulty" in text
    assert f"manage.py import_undo {run.pk} --dry-run" in text
    assert as_editor.get(page.context["held_url"]).context["cl"].result_count == 1


def test_runs_of_a_chain_and_their_undo_lead_to_each_other(as_editor, operator):
    first = imported(note("a"))
    second = imported(note("b"), parent=first)
    done = undo.undo_run(first, by=operator).run

    for run in (first, second, done):
        page = as_editor.get(url("change", run.pk))
        links = set(re.findall(r'href="([^"]+/change/)"', page.content.decode()))
        others = {first, second, done} - {run}
        assert {url("change", one.pk) for one in others} <= links
        assert f"undid run {first.pk} by {operator.username}" in text_of(page)


def test_page_of_an_undo_names_every_kept_post_with_its_reason(as_editor):
    run = imported(note("a"), note("b"), note("c"))
    post = edit("b")
    done = undo.undo_run(run).run

    page = as_editor.get(url("change", done.pk))

    assert [(kept.post, kept.reject.code) for kept in page.context["rejects"]] == [(post, "edited")]
    text = text_of(page)
    assert "By hand b edited : undoing needs a post nobody edited since" in text
    assert "Restore an older revision by hand." in text
    assert reverse("admin:posts_post_change", args=[post.pk]) in page.content.decode()


def test_findings_stand_on_the_page_without_values_of_records(as_editor):
    run = imported(note("a"))
    progress = engine.Progress(run)
    progress.findings["warning", "tag_unknown"] = 7
    progress.examples["warning", "tag_unknown"] = "notes.jsonl:12 tags: got 'secret', expected x"
    run_facts.note_findings(run, progress)
    run_facts.note_findings(run, progress)

    text = text_of(as_editor.get(url("change", run.pk)))

    assert "kept as it came 7 tag_unknown notes.jsonl:12" in text
    assert "secret" not in text
    assert run.events.filter(kind=run_facts.FINDINGS).count() == 1
    assert "secret" not in json.dumps(list(run.events.values_list("data", flat=True)))


def test_values_of_strangers_are_escaped(as_editor):
    run = imported(note("a", difficulty="<script>alert(1)</script>"))
    ImportRun.objects.filter(pk=run.pk).update(inputs=[{"file": "<b>x", "size": 3}])

    for address in (url("change", run.pk), url("problems", run.pk), url("posts", run.pk)):
        body = as_editor.get(address).content.decode()
        assert "<script>alert" not in body
        assert "<b>x" not in body


# --- Rejects ------------------------------------------------------------------------------------


def make_rejects(run, number, code=lambda n: "missing_title"):
    ImportReject.objects.filter(run=run).delete()
    ImportReject.objects.bulk_create(
        ImportReject(
            run=run,
            sequence=n,
            file="notes.jsonl",
            record=n,
            line=n,
            byte=0,
            key=f"k-{n}",
            code=code(n),
            field="title",
            expected="a title",
            is_retryable=False,
            raw_digest="1:ab",
        )
        for n in range(1, number + 1)
    )


def walked(client, address):
    """Return the pages of a list by following the link to the next."""
    base, pages = address.partition("?")[0], []
    while address:
        page = client.get(address)
        pages.append(page)
        address = page.context["further_url"] and base + page.context["further_url"]
    return pages


def test_rejects_are_paged_and_each_is_met_once(as_editor):
    run = imported(note("a"))
    make_rejects(run, 250)

    pages = walked(as_editor, url("problems", run.pk))

    assert [len(page.context["rejects"]) for page in pages] == [100, 100, 50]
    found = [reject.sequence for page in pages for reject in page.context["rejects"]]
    assert found == list(range(1, 251))


def test_rejects_of_a_rare_code_are_found_behind_many_others(as_editor, monkeypatch):
    monkeypatch.setattr(run_lists, "WINDOW", 50)
    run = imported(note("a"))
    make_rejects(run, 200, code=lambda n: "odd" if n in (7, 130, 131) else "missing_title")

    pages = walked(as_editor, url("problems", run.pk) + "?code=odd")

    found = [reject.sequence for page in pages for reject in page.context["rejects"]]
    assert found == [7, 130, 131]
    assert len(pages) == 4
    assert "None among the problems looked at here." in text_of(pages[1])
    summary = pages[0].context["summary"]
    assert (summary.counted, summary.total) == (50, 200)
    assert [(code.code, code.number) for code in summary.codes] == [
        ("missing_title", 49),
        ("odd", 1),
    ]


@pytest.mark.parametrize("chain", ["", "?chain=1"])
def test_rejects_are_downloaded_as_json_lines_and_as_csv(as_editor, chain):
    first = imported(note("a", title=""))
    run = imported(note("=b", difficulty="=1+1"), note("c", title=""), parent=first)
    wanted = (["a"] if chain else []) + ["=b", "c"]

    lines = as_editor.get(url("rejects", run.pk) + chain)
    table = as_editor.get(url("rejects_csv", run.pk) + chain)

    told = [json.loads(line) for line in b"".join(lines.streaming_content).splitlines()]
    assert [row["key"] for row in told] == wanted
    assert lines.headers["Content-Type"].startswith("application/jsonl")
    data = b"".join(table.streaming_content).decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(data)))
    assert [row["key"].lstrip("'") for row in rows] == wanted
    assert [row["value"] for row in rows if "b" in row["key"]] == ["'=1+1"]
    assert table.headers["Content-Type"].startswith("text/csv")
    assert "attachment" in table.headers["Content-Disposition"]


def test_addresses_that_make_no_sense_answer_404(as_editor):
    run = imported(note("a"))
    for address in (
        url("problems", run.pk) + "?after=x",
        url("posts", run.pk) + "?after=-1",
        url("posts", run.pk) + "?post=" + "9" * 30,
        url("posts", 10**9),
        url("problems", 10**30),
        url("undo", 10**9),
    ):
        assert as_editor.get(address).status_code == 404, address
    assert as_editor.get(url("problems", run.pk) + "?code=%00'").status_code == 200


# --- Posts of a run -----------------------------------------------------------------------------


def test_posts_of_a_run_stand_with_their_place_and_what_became_of_them(as_editor):
    imported(note("a"), note("b"), note("c"))
    approve("a")
    run = imported(note("a", "Held"), note("b", "Revised"), note("new"))

    page = as_editor.get(url("posts", run.pk))

    told = {one.revision.post.imported.key: one[1:] for one in page.context["brought"]}
    assert told == {
        "a": ("notes.jsonl:1", "version 2", "held: waits for a verdict"),
        "b": ("notes.jsonl:2", "version 2", "live, waits for a verdict"),
        "new": ("notes.jsonl:3", "created the post", "live, waits for a verdict"),
    }
    held = as_editor.get(url("posts", run.pk) + "?only=held").context["brought"]
    assert [one.revision.post.imported.key for one in held] == ["a"]
    approve("a")
    assert not as_editor.get(url("posts", run.pk) + "?only=held").context["brought"]
    of_one = as_editor.get(f"{url('posts', run.pk)}?post={the('b').pk}").context["brought"]
    assert [one.place for one in of_one] == ["notes.jsonl:2"]


def test_version_behind_a_persons_proposal_is_held_too(as_editor):
    imported(note("a"))
    approve("a")
    edit("a")
    run = imported(note("a", "Newer"))

    (held,) = as_editor.get(url("posts", run.pk) + "?only=held").context["brought"]

    assert held.now == "held: waits behind a person's proposal"


@pytest.mark.parametrize(
    ("inputs", "place"),
    [
        ([{"file": "12000 files"}], "file 8 of 12000 files:3"),
        ([{"file": "a.jsonl"}], "file 8:3"),
        ([{"file": f"{n}.jsonl"} for n in range(9)], "7.jsonl:3"),
    ],
)
def test_place_names_the_file_as_far_as_the_run_knows_it(as_editor, inputs, place):
    run = imported(note("a"))
    ImportRun.objects.filter(pk=run.pk).update(inputs=inputs)
    Revision.objects.bulk_create(
        [
            Revision(
                post=the("a"),
                number=2,
                digest="1:x",
                title="t",
                origin="import",
                run=run,
                run_file=7,
                run_line=3,
                created_at=timezone.now(),
            )
        ]
    )

    page = as_editor.get(url("posts", run.pk))

    assert page.context["brought"][-1].place == place


def test_posts_of_a_run_are_paged_and_each_is_met_once(as_editor, monkeypatch):
    monkeypatch.setattr(run_lists, "PAGE", 4)
    run = imported(*(note(f"n-{n:02d}") for n in range(10)))

    pages = walked(as_editor, url("posts", run.pk))

    keys = [one.revision.post.imported.key for page in pages for one in page.context["brought"]]
    assert [len(page.context["brought"]) for page in pages] == [4, 4, 2]
    assert sorted(keys) == [f"n-{n:02d}" for n in range(10)]


def test_posts_of_a_run_are_looked_for_behind_what_was_there_before_it(as_editor):
    imported(*(note(f"n-{n}") for n in range(3)))
    before = Revision.objects.latest("pk").pk
    run = imported(note("m-1"), note("m-2"))

    with CaptureQueriesContext(connection) as queries:
        page = as_editor.get(url("posts", run.pk))

    assert [one.place for one in page.context["brought"]] == ["notes.jsonl:1", "notes.jsonl:2"]
    assert f'"posts_revision"."id" > {before}' in queries[-1]["sql"]


def test_held_posts_are_found_behind_many_others(as_editor, monkeypatch):
    monkeypatch.setattr(run_lists, "HELD_WINDOW", 3)
    imported(*(note(f"n-{n:02d}") for n in range(10)))
    approve("n-08")
    run = imported(*(note(f"n-{n:02d}", "Newer") for n in range(10)))

    pages = walked(as_editor, url("posts", run.pk) + "?only=held")

    keys = [one.revision.post.imported.key for page in pages for one in page.context["brought"]]
    assert keys == ["n-08"]
    assert "None among the 3 looked at here." in text_of(pages[0])


# --- Undo ---------------------------------------------------------------------------------------


def test_undo_is_shown_first_and_done_on_confirmation(as_operator, operator):
    run = imported(note("a"), note("b"), note("c"), publish=True)
    post = edit("b")

    page = as_operator.get(url("undo", run.pk))

    text = text_of(page)
    assert "Nothing has happened yet." in text
    assert "2 posts that this run created; readers see 2 of them now" in text
    assert "By hand b edited : undoing needs a post nobody edited since" in text
    assert f"Undo run {run.pk}: 2 posts" in text
    assert (Post.objects.count(), ImportRun.objects.count()) == (3, 1)

    done = as_operator.post(url("undo", run.pk), follow=True)

    undone = ImportRun.objects.latest("pk")
    assert done.redirect_chain[-1][0] == url("change", undone.pk)
    assert (undone.kind, undone.parent_id, undone.started_by) == ("undo", run.pk, operator)
    assert list(Post.objects.all()) == [post]
    assert f"Run {run.pk} was undone: 2 posts taken back, 1 kept" in text_of(done)
    assert [kept.post for kept in done.context["rejects"]] == [post]


def test_undo_confirmed_twice_is_done_once(as_operator):
    run = imported(note("a"))
    as_operator.post(url("undo", run.pk))

    again = as_operator.post(url("undo", run.pk))

    assert "has taken all of it back already" in text_of(again)
    assert ImportRun.objects.count() == 2


def test_large_run_is_left_to_the_command(as_operator, monkeypatch):
    monkeypatch.setattr(run_undo, "MOST", 2)
    run = imported(*(note(f"n-{n}") for n in range(3)))

    for page in (as_operator.get(url("undo", run.pk)), as_operator.post(url("undo", run.pk))):
        assert f"manage.py import_undo {run.pk} --dry-run" in text_of(page)
        assert page.context["plan"] is None
    assert (Post.objects.count(), ImportRun.objects.count()) == (3, 1)


def test_undo_of_what_cannot_be_undone_says_why(as_operator):
    empty = imported(note("a", title=""))
    run = imported(note("b"))
    done = undo.undo_run(run).run

    for number, says in (
        (empty.pk, "changed no post"),
        (run.pk, f"Run {done.pk} has taken all of it back already"),
        (done.pk, "This run is an undo"),
    ):
        page = as_operator.post(url("undo", number))
        assert says in text_of(page)
        assert "Undo this run" not in text_of(as_operator.get(url("change", number)))


def test_undo_while_another_run_works_changes_nothing_and_says_who(as_operator):
    run = imported(note("a"))
    other = imported(note("b"))
    ImportRun.objects.filter(pk=other.pk).update(state="running", host="elsewhere")
    ImportSource.objects.update(owner=other, heartbeat_at=timezone.now())

    page = as_operator.post(url("undo", run.pk), follow=True)

    assert f"Nothing was changed. Run {other.pk} holds the source" in text_of(page)
    assert Post.objects.count() == 2


def test_undo_that_the_database_ends_says_so(as_operator, monkeypatch):
    run = imported(note("a"))

    def refuse(*arguments, **more):
        raise OperationalError("disk full")

    monkeypatch.setattr(undo, "undo_run", refuse)
    page = as_operator.post(url("undo", run.pk), follow=True)

    assert "The undo failed: disk full." in text_of(page)


# --- Who may ------------------------------------------------------------------------------------


def addresses(run):
    names = ("change", "problems", "rejects", "rejects_csv", "posts", "undo")
    return [url("changelist"), *(url(name, run.pk) for name in names)]


def test_strangers_are_sent_to_the_login_page(client):
    run = imported(note("a"))
    for kind in ("anonymous", "reader"):
        if kind == "reader":
            client.force_login(make_user("reader"))
        for address in addresses(run):
            for method in (client.get, client.post):
                assert method(address).url.startswith(reverse("admin:login")), (kind, address)


def test_staff_without_a_group_is_refused(client):
    run = imported(note("a"))
    client.force_login(User.objects.create_user("newcomer", is_staff=True))

    for address in addresses(run):
        assert client.get(address).status_code == 403, address


@pytest.mark.parametrize("missing", ["change_importrun", "delete_post"])
def test_undo_needs_every_one_of_its_permissions(client, operator, missing):
    run = imported(note("a"))
    permission = Permission.objects.get(codename=missing)
    operator.user_permissions.remove(permission)
    for group in operator.groups.all():
        group.permissions.remove(permission)
    client.force_login(operator)

    assert client.get(url("undo", run.pk)).status_code == 403
    assert client.post(url("undo", run.pk)).status_code == 403
    assert Post.objects.count() == 1


def test_page_names_what_a_person_lacks_to_undo(as_editor):
    run = imported(note("a"))

    text = text_of(as_editor.get(url("change", run.pk)))

    assert "Undo this run" not in text
    assert "Undoing needs the permissions to change import runs and to delete posts" in text


@pytest.mark.parametrize(
    ("permissions", "refused"),
    [
        (["view_importrun"], ["problems", "rejects", "rejects_csv", "posts", "undo"]),
        (["view_importrun", "view_importreject"], ["posts", "undo"]),
        (["view_importrun", "view_post"], ["problems", "rejects", "rejects_csv", "posts", "undo"]),
        (["view_importrun", "view_post", "view_revision"], ["problems", "rejects", "undo"]),
    ],
)
def test_each_list_needs_the_permission_for_what_it_shows(client, permissions, refused):
    run = imported(note("a"), note("b", title=""))
    person = User.objects.create_user("newcomer", is_staff=True)
    for name in permissions:
        person.user_permissions.add(Permission.objects.get(codename=name))
    client.force_login(person)

    for name in ("change", "problems", "rejects", "rejects_csv", "posts", "undo"):
        if name not in ("rejects_csv",) or name in refused:
            status = client.get(url(name, run.pk)).status_code
            assert status == (403 if name in refused else 200), name
    page = client.get(url("change", run.pk))
    assert ("You may not see the rejects." in text_of(page)) is ("problems" in refused)
    assert (url("posts", run.pk) in page.content.decode()) is ("posts" not in refused)


def test_undo_needs_the_token_of_the_form(operator):
    from django.test import Client

    run = imported(note("a"))
    client = Client(enforce_csrf_checks=True)
    client.force_login(operator)

    assert client.post(url("undo", run.pk)).status_code == 403
    assert Post.objects.count() == 1


# --- What it costs ------------------------------------------------------------------------------


def test_pages_cost_the_same_at_any_size(as_operator):
    counted = []
    for size in (2, 40):
        first = imported(*(note(f"{size}-{n}") for n in range(size)))
        run = imported(
            *(note(f"{size}-{n}", "Newer", difficulty="odd" * (n % 2)) for n in range(size)),
            *(note(f"{size}-new-{n}") for n in range(size)),
            parent=first,
            batch_size=size,
        )
        make_rejects(run, size * 5, code=lambda n: f"code-{n % 7}")
        done = undo.undo_run(imported(*(note(f"{size}-u-{n}") for n in range(size)))).run
        numbers = {}
        for address in (
            url("changelist"),
            url("change", run.pk),
            url("change", done.pk),
            url("problems", run.pk),
            url("problems", run.pk) + "?code=code-1",
            url("posts", run.pk),
            url("posts", run.pk) + "?only=held",
            url("undo", run.pk),
        ):
            with CaptureQueriesContext(connection) as queries:
                assert as_operator.get(address).status_code == 200
            numbers[re.sub(r"\d+", "N", address)] = len(queries)
            assert not any('"body"' in query["sql"] for query in queries)
        counted.append(numbers)

    assert counted[0] == counted[1]
    assert {name: number <= 16 for name, number in counted[0].items()} == dict.fromkeys(
        counted[0], True
    ), counted[0]


def plan_of(query):
    sql, parameters = query.query.sql_with_params()
    with connection.cursor() as cursor:
        explain = "EXPLAIN" if connection.vendor == "postgresql" else "EXPLAIN QUERY PLAN"
        cursor.execute(f"{explain} {sql}", parameters)
        return "\n".join(str(row[-1] if len(row) > 1 else row[0]) for row in cursor.fetchall())


@pytest.fixture
def large():
    """Runs whose revisions, rejects and children no plan would read as a whole by choice."""
    run = imported(*(note(f"n-{n}") for n in range(3)))
    posts = list(Post.objects.values_list("pk", flat=True))
    others = [imported(note("n-0"), note("n-1"), parent=run) for _ in range(20)]
    for one in others:
        make_rejects(one, 500)
    make_rejects(run, 500)
    Revision.objects.bulk_create(
        Revision(
            post_id=posts[0],
            number=n,
            digest="1:x",
            title="t",
            origin="import",
            run=others[n % 20],
            created_at=timezone.now(),
        )
        for n in range(10, 5_000)
    )
    tables = ("posts_revision", "posts_importreject", "posts_importrun")
    with connection.cursor() as cursor:
        for table in tables:
            cursor.execute(f"ANALYZE {table}")
    return run


def test_every_query_of_the_long_lists_walks_an_index(large):
    rejects = ImportReject.objects.filter(run=large)
    brought = Revision.objects.filter(run=large, pk__gt=0).order_by("pk")
    queries = {
        "page of rejects": rejects.filter(sequence__gt=100).order_by("sequence")[:101],
        "rejects of a code": rejects.filter(
            sequence__gt=100, sequence__lte=200, code="odd"
        ).order_by("sequence")[:101],
        "codes": rejects.filter(sequence__lte=200).values_list("code").order_by(),
        "number of problems": rejects.order_by("-sequence").values_list("sequence")[:1],
        "posts": brought.only(*run_lists.REVISION_COLUMNS).select_related("post__imported")[:101],
        "posts of one": brought.filter(post=1).only("pk")[:101],
        "kept": ImportedPost.objects.filter(source=large.source_id, key__in=["n-1", "n-2"]),
    }
    for name, query in queries.items():
        plan = plan_of(query)
        if connection.vendor == "postgresql":
            assert not re.search(r"Seq Scan on posts_(revision|importreject)", plan), (name, plan)
        else:
            assert not re.search(r"SCAN posts_(?!.*INDEX)", plan), (name, plan)
            assert "TEMP B-TREE FOR ORDER BY" not in plan, (name, plan)


def test_review_list_shows_what_one_run_holds(as_editor):
    imported(note("a"), note("b"))
    approve("a")
    approve("b")
    run = imported(note("a", "Newer"))
    imported(note("b", "Newer"))

    page = as_editor.get(as_editor.get(url("change", run.pk)).context["held_url"])

    assert list(page.context["cl"].result_list) == [the("a")]
    address = reverse("admin:posts_post_changelist") + "?run="
    assert not as_editor.get(address + "x").context["cl"].result_list


def test_post_and_revision_lead_to_file_and_line_in_their_run(as_editor):
    run = imported(note("a"))
    post = the("a")
    address = f"{url('posts', run.pk)}?post={post.pk}"

    for page in ("change", "revisions"):
        assert (
            address
            in as_editor.get(reverse(f"admin:posts_post_{page}", args=[post.pk])).content.decode()
        )
    assert (
        address
        in as_editor.get(reverse("admin:posts_post_revision", args=[post.pk, 1])).content.decode()
    )
