"""Stored checks of claims: written with a revision, made again, filtered by, counted, shown."""

import io
import json
import re
import signal

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from posts import claim_checks, claims, content, db, metabox, review, writing
from posts.importing import engine, erasure, undo
from posts.importing.formats import Input, jsonl
from posts.importing.intake import Arrival
from posts.models import ClaimCheck, ImportedPost, Post, Revision
from tests.builders import make_post, make_snapshot, make_user
from tests.importing_samples import line_fields

pytestmark = pytest.mark.django_db

ROWS = ("verified", "contradicted", "unverifiable")


def note(key="n-1", **fields):
    """Return a record that claims to have images, one of them named, and has none."""
    return {
        "key": key,
        "title": "A note",
        "lede": "Short.",
        "body": "Text.",
        "flags": {"has_images": True},
        "reading_time": 1,
        **fields,
    }


def imported(*records, source="notes", **options):
    data = b"".join(json.dumps(record).encode() + b"\n" for record in records)
    arrivals = (
        Arrival(0, raw, jsonl) for raw in jsonl.records(io.BytesIO(data), Input("n.jsonl", None))
    )
    progress = engine.run_import(arrivals, options=engine.Options(source=source, **options))
    return progress.run


def the(key="n-1"):
    return Post.objects.get(imported__key=key)


def verdicts(revision):
    """Return the names of the claims verified and contradicted, by the stored row."""
    row = ClaimCheck.objects.get(revision=revision)
    return set(claims.names_in(row.verified)), set(claims.names_in(row.contradicted))


def judged(revision):
    """Return the masks as the page of the revision would have them now."""
    post = revision.post
    check = metabox.claims_of(
        revision.snapshot,
        statistics=getattr(post, "statistics", None),
        imported=ImportedPost.objects.select_related("source").get(post=post),
        origin=revision.origin,
    )
    masks = {"verified": 0, "contradicted": 0, "unverifiable": 0}
    for finding in check.findings:
        masks[finding.verdict.name.lower()] |= claims.mask_of(finding.name)
    return tuple(masks.values())


def assert_every_revision_is_checked_as_it_is_shown():
    rows = {row[0]: row[1:] for row in ClaimCheck.objects.values_list("pk", "rules_version", *ROWS)}
    revisions = Revision.objects.select_related("post__statistics")
    assert rows == {one.pk: (claims.RULES_VERSION, *judged(one)) for one in revisions}


def run_command(*arguments):
    """Run the command; return its exit code, stdout and stderr."""
    out, err = io.StringIO(), io.StringIO()
    code = 0
    try:
        call_command("check_claims", *arguments, stdout=out, stderr=err)
    except SystemExit as ended:
        code = ended.code
    return code, out.getvalue(), err.getvalue()


# --- Written with the revision ------------------------------------------------------------------


def test_import_writes_a_check_with_every_revision():
    imported(note(), line_fields())
    assert verdicts(the().live_revision) == ({"reading_time"}, {"flags.has_images"})

    imported(note(body="![c](image:1)", image_sources=[{"url": "https://x.test/1"}]))

    assert Revision.objects.count() == ClaimCheck.objects.count() == 3
    assert verdicts(the().live_revision)[0] >= {"flags.has_images", "image_sources"}
    assert_every_revision_is_checked_as_it_is_shown()


def test_same_record_again_writes_no_check():
    imported(note())
    ClaimCheck.objects.update(rules_version=7)

    imported(note())

    assert ClaimCheck.objects.get().rules_version == 7


def test_held_revision_has_its_check_and_is_the_one_that_is_filtered_by():
    imported(note(flags={}))
    review.act_on_one(action="approve", post=the(), by=make_user("reviewer"), undo_seconds=0)

    imported(note())

    assert the().proposed_revision != the().live_revision
    assert list(Post.objects.with_contradicted("flags.has_images")) == [the()]
    assert_every_revision_is_checked_as_it_is_shown()


def edited(key="n-1", **over):
    post = the(key)
    newest = post.revisions.newest_first().first()
    return writing.revise(
        post=post, by=make_user("editor"), snapshot=make_snapshot(**over), seen=newest.number
    )


def test_persons_revision_is_held_against_what_the_generator_claimed():
    imported(note())

    revision = edited(flags=content.Flags(has_images=True), tools=("never named",))

    # The person could have taken the tools out, so they are no claim any more.
    assert verdicts(revision) == ({"reading_time"}, {"flags.has_images"})
    assert_every_revision_is_checked_as_it_is_shown()


def test_restored_revision_is_checked_too():
    imported(note())
    edited(title="Other")

    first = the().revisions.get(number=1)
    writing.restore(post=the(), by=make_user("editor"), revision=first, seen=2)

    assert Revision.objects.count() == ClaimCheck.objects.count() == 3
    assert_every_revision_is_checked_as_it_is_shown()


def test_post_written_here_claims_nothing():
    post = make_post(snapshot=make_snapshot(tools=("never named",)))

    assert ClaimCheck.objects.values_list(*ROWS).get(revision=post.live_revision) == (0, 0, 0)


def test_refused_edit_leaves_no_check(monkeypatch):
    imported(note())

    def fail(*arguments, **more):
        raise RuntimeError

    monkeypatch.setattr(writing.history, "append", fail)
    with pytest.raises(RuntimeError):
        edited(title="Other")

    assert ClaimCheck.objects.count() == Revision.objects.count() == 1


# --- Numbers that move beside the text ----------------------------------------------------------


def test_new_reading_time_of_the_same_text_changes_its_verdict():
    imported(note())

    imported(note(reading_time=30))

    assert Revision.objects.count() == 1
    assert verdicts(the().live_revision)[1] == {"reading_time", "flags.has_images"}
    assert_every_revision_is_checked_as_it_is_shown()


@pytest.mark.parametrize("case", ["edited", "approved", "held"])
def test_new_numbers_ask_for_new_verdicts_on_texts_that_stay(case):
    imported(note())
    if case == "edited":
        edited(title="Other")
    else:
        review.act_on_one(action="approve", post=the(), by=make_user("reviewer"), undo_seconds=0)
    if case == "held":
        imported(note(body="Newer.", reading_time=30))
    else:
        imported(note(reading_time=30))

    # Pages judge for themselves and never waited for this.
    run_command("-v", "0")

    assert "reading_time" in verdicts(the().live_revision)[1]


def test_numbers_of_other_posts_touch_nothing():
    imported(note(), note("n-2"))

    imported(note(), note("n-2", view_count=5))

    assert set(ClaimCheck.objects.values_list("rules_version", flat=True)) == {claims.RULES_VERSION}
    assert_every_revision_is_checked_as_it_is_shown()


# --- Undo and erasure ---------------------------------------------------------------------------


def test_undo_takes_the_checks_of_its_revisions():
    imported(note())
    run = imported(note(body="Newer."), note("n-2"))
    assert ClaimCheck.objects.count() == 3

    undo.undo_run(run)

    assert ClaimCheck.objects.get().revision_id == the().live_revision_id
    connection.check_constraints()


def test_erasure_takes_the_checks_of_the_post():
    imported(note(), note("n-2"))
    edited()

    erasure.erase(post_ids=[the().pk], by=make_user("superuser"), reason="asked for")

    assert ClaimCheck.objects.get().revision_id == the("n-2").live_revision_id
    connection.check_constraints()


# --- check_claims -------------------------------------------------------------------------------


def test_command_makes_missing_and_older_checks_and_no_others():
    imported(note(), note("n-2"), note("n-3"))
    one, two, three = (the(f"n-{number}").live_revision_id for number in (1, 2, 3))
    ClaimCheck.objects.filter(pk=one).delete()
    ClaimCheck.objects.filter(pk=two).update(rules_version=0, verified=0, contradicted=0)
    ClaimCheck.objects.filter(pk=three).update(verified=0)  # up to date by its version

    code, out, _ = run_command("--json")

    told = json.loads(out)
    assert (code, told["revisions"], told["checked"], told["up_to_date"]) == (0, 3, 2, 1)
    assert (told["state"], told["rules_version"]) == ("complete", claims.RULES_VERSION)
    assert ClaimCheck.objects.get(pk=three).verified == 0
    assert verdicts(one) == verdicts(two) == ({"reading_time"}, {"flags.has_images"})
    assert json.loads(run_command("--json")[1])["checked"] == 0

    assert json.loads(run_command("--all", "--json")[1])["checked"] == 3
    assert_every_revision_is_checked_as_it_is_shown()


def test_check_by_newer_rules_than_ours_stays():
    imported(note())
    ClaimCheck.objects.update(rules_version=claims.RULES_VERSION + 1, verified=0)

    told = json.loads(run_command("--all", "--json")[1])

    assert told["checked"] == 0
    assert ClaimCheck.objects.get().verified == 0


def test_raised_rules_version_makes_every_check_again(monkeypatch):
    imported(note(), note("n-2"))
    monkeypatch.setattr(claims, "RULES_VERSION", claims.RULES_VERSION + 1)

    assert json.loads(run_command("--json")[1])["checked"] == 2
    assert_every_revision_is_checked_as_it_is_shown()


@pytest.mark.parametrize("every", [False, True])
def test_stopped_command_says_how_to_go_on_and_goes_on(monkeypatch, every):
    # A job in the background ignores Ctrl-C from its beginning; the command has to leave it so.
    handler = signal.getsignal(signal.SIGINT)
    imported(*(note(f"n-{number}") for number in range(7)))
    if not every:
        ClaimCheck.objects.all().delete()
    monkeypatch.setattr(claim_checks, "STEP", 3)
    make_again = claim_checks.make_again

    def interrupted(**more):
        step = make_again(**more)
        signal.raise_signal(signal.SIGINT)
        return step

    monkeypatch.setattr(claim_checks, "make_again", interrupted)
    code, out, _ = run_command(*(["--all"] if every else []))

    assert code == 130
    assert out.startswith("3 of 3 revisions checked")
    (line,) = re.findall(r"^  manage\.py check_claims(.*)$", out, re.MULTILINE)
    third = sorted(Revision.objects.values_list("pk", flat=True))[2]
    assert line.split() == (["--all", "--after", str(third)] if every else [])
    assert signal.getsignal(signal.SIGINT) is handler

    monkeypatch.setattr(claim_checks, "make_again", make_again)
    told = json.loads(run_command(*line.split(), "--json")[1])
    assert (told["state"], told["checked"]) == ("complete", 4)
    assert ClaimCheck.objects.count() == 7
    assert_every_revision_is_checked_as_it_is_shown()


def test_queries_of_a_step_do_not_grow_with_texts_at_once(monkeypatch):
    imported(*(note(f"n-{number}") for number in range(60)))
    counted = []
    for at_once in (20, 60):
        monkeypatch.setattr(claim_checks, "AT_ONCE", at_once)
        ClaimCheck.objects.all().delete()
        with CaptureQueriesContext(connection) as queries:
            claim_checks.make_again()
        statements = [q for q in queries if "SAVEPOINT" not in q["sql"]]
        counted.append(len(statements))

    assert counted[0] - 1 == 3 * (counted[1] - 1)
    # One for the page; five for the checks and four for the queue a transaction.
    assert counted[1] <= 1 + 5 + 4


def test_revision_that_goes_meanwhile_is_left_out():
    imported(note(), note("n-2"))
    gone = the().live_revision_id
    ClaimCheck.objects.all().delete()
    erasure.erase(post_ids=[the().pk], by=make_user("superuser"), reason="asked for")

    assert claim_checks._make([gone, the("n-2").live_revision_id]) == 1
    connection.check_constraints()


def test_command_with_nothing_to_do_says_so():
    code, out, _ = run_command()

    assert (code, out.split(",")[0]) == (0, "0 of 0 revisions checked by rules version 1")


def test_summary_counts_live_revisions_by_claim():
    imported(note(), note("n-2", flags={"has_images": False}), note("n-3", hash="0f"))
    edited("n-1", title="Other", flags=content.Flags())  # its first revision is not live any more

    code, out, _ = run_command("--summary", "--json")
    text = run_command("--summary")[1]

    told = json.loads(out)
    assert (code, told["posts"]) == (0, 3)
    assert told["claims"]["flags.has_images"] == {
        "verified": 1,
        "contradicted": 1,
        "unverifiable": 0,
    }
    assert told["claims"]["hash"]["unverifiable"] == 1
    assert told["claims"]["reading_time"]["verified"] == 3
    assert re.search(r"^  has images +1 +1 +33\.3% +0$", text, re.MULTILINE)
    assert "3 live revisions with a check, of the newest 100,000 posts." in text


def test_summary_looks_at_the_newest_posts_only():
    imported(note(), note("n-2", flags={}))

    with CaptureQueriesContext(connection) as queries:
        posts, rows = claim_checks.frequencies(newest=1)

    assert posts == 1
    assert not any(row.contradicted for row in rows)
    assert len(queries) == 1


def test_summary_refuses_what_it_would_ignore():
    with pytest.raises(CommandError, match="expected one of them") as refused:
        call_command("check_claims", "--summary", "--all")
    assert refused.value.returncode == 2


# --- The filter ---------------------------------------------------------------------------------


def test_posts_are_found_by_a_contradicted_claim_of_their_proposed_revision():
    imported(note(), note("n-2", flags={"has_images": False, "image_heavy": True}), note("n-3"))
    review.act_on_one(action="approve", post=the("n-3"), by=make_user("reviewer"))

    def found(claim):
        return set(Post.objects.with_contradicted(claim).values_list("imported__key", flat=True))

    assert found("flags.has_images") == {"n-1"}  # n-3 was decided on
    assert found("flags.image_heavy") == {"n-2"}
    assert found("checklist") == set()
    with pytest.raises(KeyError):
        Post.objects.with_contradicted("colour")


def test_distinct_masks_are_found_in_order():
    assert db.distinct_values(ClaimCheck, "contradicted") == []
    imported(
        note(),
        note("n-2", reading_time=90),
        note("n-3", flags={}),
        note("n-4"),
        note("n-5", flags={"image_heavy": True}),
    )

    assert db.distinct_values(ClaimCheck, "contradicted") == [0b100, 0b101, 0b1000]


@pytest.fixture
def large():
    """Twelve thousand waiting posts; one in six hundred contradicts its checklist."""
    run = imported(note("first"))
    size, now = 12_000, timezone.now()
    post_ids, revision_ids = db.allocate_ids(Post, size), db.allocate_ids(Revision, size)
    rare, common = claims.mask_of("checklist"), claims.mask_of("reading_time")
    with connection.constraint_checks_disabled():
        db.insert_rows(
            Post,
            (
                *("id", "title", "topic", "difficulty", "code_language", "language", "reference"),
                *("reading_minutes", "slug", "visibility", "live_revision_id"),
                *("proposed_revision_id", "created_at", "changed_at"),
            ),
            [
                (pk, "t", "", "", "", "", "", 1, f"s-{pk}", "private", one, one, now, now)
                for pk, one in zip(post_ids, revision_ids, strict=True)
            ],
        )
        db.insert_rows(
            Revision,
            (
                *("id", "post_id", "number", "comment", "digest", "title", "lede", "body", "meta"),
                *("origin", "run_id", "created_at"),
            ),
            [
                (one, pk, 1, "", "1:x", "t", "", "b", "{}", "import", run.pk, now)
                for pk, one in zip(post_ids, revision_ids, strict=True)
            ],
        )
        db.insert_rows(
            ClaimCheck,
            claim_checks.COLUMNS,
            [
                (one, 1, 0, common | (rare if number % 600 == 0 else 0), 0)
                for number, one in enumerate(revision_ids)
            ],
        )
    with connection.cursor() as cursor:
        for table in ("posts_post", "posts_revision", "posts_claimcheck"):
            cursor.execute(f"ANALYZE {table}")
    return size


def plan_of(query):
    sql, parameters = query.query.sql_with_params()
    with connection.cursor() as cursor:
        explain = "EXPLAIN" if db.is_postgresql() else "EXPLAIN QUERY PLAN"
        cursor.execute(f"{explain} {sql}", parameters)
        return "\n".join(str(row[-1]) for row in cursor.fetchall())


def test_rare_claim_is_found_by_the_index_of_masks(large):
    page = Post.objects.with_contradicted("checklist").order_by("-pk").values("pk")[:50]

    plan = plan_of(page)

    assert len(page) == large // 600
    assert "claim_contradicted" in plan
    assert not re.search(r"Seq Scan on posts_(claimcheck|post)\b", plan), plan
    assert not re.search(r"SCAN posts_(?!.*INDEX)", plan), plan


def test_frequent_claim_is_found_without_reading_every_revision(large):
    page = Post.objects.with_contradicted("reading_time").order_by("-pk").values("pk")[:50]

    plan = plan_of(page)

    assert len(page) == 50
    assert "posts_revision" not in plan
    if db.is_postgresql():
        assert not re.search(r"Seq Scan on posts_(claimcheck|post)\b", plan), plan


def test_masks_there_are_are_stepped_through_by_the_index(large):
    with CaptureQueriesContext(connection) as queries:
        assert len(db.distinct_values(ClaimCheck, "contradicted")) == 3
    explain = "EXPLAIN " if db.is_postgresql() else "EXPLAIN QUERY PLAN "
    with connection.cursor() as cursor:
        cursor.execute(explain + queries[0]["sql"])
        plan = "\n".join(str(row[-1]) for row in cursor.fetchall())

    assert "claim_contradicted" in plan
    assert "Seq Scan on posts_claimcheck" not in plan


# --- What people see ----------------------------------------------------------------------------


def published(*records):
    imported(*records, publish=True)


def test_page_marks_what_the_site_finds_otherwise_with_a_note(client):
    published(note(reading_time=30))

    response = client.get(the().get_absolute_url())
    html = response.content.decode()

    assert "2 imported claims checked here: 2 do not agree." in html
    notes = re.findall(r'<details class="claim-note">(.*?)</details>', html, re.DOTALL)
    assert len(notes) == 2
    text = [" ".join(re.sub(r"<[^>]+>", " ", one).split()) for one in notes]
    assert any(
        "not as found here : has images Claimed: yes. Found: 0 figures in the article." in one
        for one in text
    ), text
    assert any("Claimed: 30 minutes. Found: 2 words: 1 minute at 220" in one for one in text), text
    record = next(group for group in response.context["metabox"] if group.key == "record")
    assert record.contradicted == 2


def test_page_of_a_post_whose_claims_agree_has_no_mark(client):
    published(note(flags={"has_images": False}))

    html = client.get(the().get_absolute_url()).content.decode()

    assert "2 of 2 imported claims checked here: 2 agree." in html
    assert "claim-mark" not in html


def test_page_written_here_says_nothing_of_claims(client):
    html = client.get(make_post(snapshot=make_snapshot()).get_absolute_url()).content.decode()

    assert "checked here" not in html
    assert "claim-mark" not in html


def test_page_judges_for_itself_whatever_is_stored(client):
    published(note(flags={"has_images": False}))
    ClaimCheck.objects.update(verified=0, contradicted=claims.EVERY_CLAIM, rules_version=0)

    assert "2 agree." in client.get(the().get_absolute_url()).content.decode()


def test_values_in_notes_never_become_markup(client):
    bad = "<script>alert(1)</script>"
    published(note(tools=[bad], checklist=[bad], notes=[f"{bad} should be reviewed"]))

    html = client.get(the().get_absolute_url()).content.decode()

    assert "&lt;script&gt;" in html
    assert "<script>alert" not in html


def test_json_and_markdown_tell_what_was_found(client):
    published(note())
    slug = the().slug

    data = client.get(reverse("article-json", args=[slug])).json()
    text = client.get(reverse("article-markdown", args=[slug])).content.decode()

    assert data["meta"]["record"]["flags"]["contradicted"] == [
        {"claim": "has images", "claimed": "yes", "found": "0 figures in the article"}
    ]
    assert "contradicted" not in data["meta"]["record"]["reading_time"]
    assert "  - has images: yes is claimed; found here: 0 figures in the article" in text


@pytest.fixture
def as_reviewer(client):
    client.force_login(make_user("reviewer"))
    return client


def test_admin_page_has_a_table_of_all_claims(as_reviewer):
    imported(note(hash="0f"))

    html = as_reviewer.get(reverse("admin:posts_post_change", args=[the().pk])).content.decode()

    table = html[html.index("Table of claims") :]
    cells = [
        " ".join(re.sub(r"<[^>]+>", "|", row).split())
        for row in re.findall(r"<tr>(.*?)</tr>", table, re.DOTALL)
    ]
    text = "\n".join(cells)
    for wanted in (
        "reading time| |1 minute| |verified|",
        "has images| |yes| ||≠| contradicted| |0 figures in the article|",
        "hash| |0f| |cannot be verified|",
    ):
        assert wanted in text


def test_admin_list_filters_by_contradicted_claims(as_reviewer):
    imported(note(), note("n-2", flags={}))
    address = reverse("admin:posts_post_changelist")

    def found(claim):
        response = as_reviewer.get(address, {"claim": claim})
        assert response.status_code == 200
        return list(response.context["cl"].result_list)

    assert found("flags.has_images") == [the()]
    assert found("checklist") == []
    assert found("hash") == found("no such claim") == []
    assert len(found("")) == 2


def test_admin_list_by_claim_costs_the_same_at_any_size(as_reviewer):
    address = reverse("admin:posts_post_changelist") + "?claim=flags.has_images"
    counts = []
    for size in (10, 150):
        imported(*(note(f"m-{number}") for number in range(size)))
        as_reviewer.get(address)
        with CaptureQueriesContext(connection) as queries:
            assert as_reviewer.get(address).status_code == 200
        counts.append(len(queries))
        assert not any('"body"' in query["sql"] for query in queries)

    assert counts[0] == counts[1] <= 9
