"""Undo of an import: the archive is as before the run, but for what somebody built on.

Every undo goes through `undone`, which also checks the dry run, the counts and the undo's own log.
"""

import io
import json
import re
from collections import Counter
from contextlib import contextmanager
from random import Random

import pytest
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from posts import content, history, review, writing
from posts.importing import engine, erasure, resume, runs, undo
from posts.importing.export import canonical_lines
from posts.importing.formats import Input, jsonl
from posts.importing.intake import Arrival, Intake
from posts.models import (
    Entity,
    Event,
    ImageSource,
    ImportedPost,
    ImportRun,
    ImportSource,
    Post,
    PostTag,
    Revision,
    Tag,
)
from tests.builders import make_snapshot, make_user

pytestmark = pytest.mark.django_db


# --- What the tests say in one word -------------------------------------------------------------


def note(key="n-1", title="A note", **fields):
    return {"key": key, "title": title, "lede": "Short.", "body": "Text.", **fields}


def imported(*records, source="notes", **options):
    """Import records; return the run and its counts."""
    data = b"".join(json.dumps(record).encode() + b"\n" for record in records)
    arrivals = (
        Arrival(0, raw, jsonl) for raw in jsonl.records(io.BytesIO(data), Input("n.jsonl", None))
    )
    progress = engine.run_import(arrivals, options=engine.Options(source=source, **options))
    return progress.run, dict(progress.counts)


def exported():
    return list(canonical_lines(with_statistics=False))


def by_key(lines):
    return {json.loads(line)["key"]: line for line in lines}


def undone(run, **more):
    """Undo a run after rehearsing it; return counts and reasons by key."""
    before, runs = exported(), ImportRun.objects.count()
    rehearsed = undo.undo_run(run, dry_run=True, **more)
    assert (exported(), ImportRun.objects.count()) == (before, runs)

    progress = undo.undo_run(run, **more)

    assert progress.counts == rehearsed.counts
    assert progress.kept == rehearsed.kept
    stored = ImportRun.objects.get(pk=progress.run.pk)
    assert (stored.kind, stored.parent_id, stored.state) == ("undo", run.pk, "complete")
    assert stored.read == progress.counts.total() == stored.updated + stored.unchanged
    logged = Counter()
    for checkpoint in stored.checkpoints.all():
        logged.update(checkpoint.counts)
    assert logged == progress.counts
    rejects = list(stored.rejects.order_by("sequence").values_list("key", "code"))
    assert rejects == [(one.key, one.reason) for one in progress.kept]
    assert not history.broken_links(stored.events.order_by("sequence"))
    assert ImportSource.objects.get(pk=run.source_id).owner_id is None
    assert_whole()
    return dict(progress.counts), {one.key: one.reason for one in progress.kept}


def assert_whole():
    """Check every constraint now, and that all pages mirror their live revisions."""
    connection.check_constraints()
    for post in Post.objects.select_related("live_revision"):
        snapshot = post.live_revision.snapshot
        assert (post.title, post.topic) == (snapshot.title, snapshot.meta.topic)
        shown = set(
            PostTag.objects.filter(content_object=post, origin="imported").values_list(
                "tag__name", flat=True
            )
        )
        editorial = set(
            PostTag.objects.filter(content_object=post, origin="editorial").values_list(
                "tag__name", flat=True
            )
        )
        assert shown == {tag.name for tag in content.tag_names(snapshot.meta)} - editorial


def the(key="n-1"):
    return ImportedPost.objects.select_related("post__live_revision").get(key=key)


def decide(action, key="n-1", **more):
    if action in ("reject", "request_changes"):
        more.setdefault("reason", "no numbers in it")
    review.act_on_one(
        action=action, post=the(key).post, by=make_user("reviewer"), undo_seconds=0, **more
    )


def edit(key="n-1", **over):
    post = the(key).post
    newest = post.revisions.newest_first().first()
    over.setdefault("title", "An editor's title")
    return writing.revise(
        post=post, by=make_user("editor"), snapshot=make_snapshot(**over), seen=newest.number
    )


def tag(key="n-1", *names):
    writing.set_editorial_tags(post=the(key).post, by=make_user("editor"), names=names)


# --- What is taken back -------------------------------------------------------------------------


def test_created_posts_go_with_everything_they_brought():
    imported(note("old", tags=["shared"], entities=[{"name": "Go", "type": "stack"}]))
    before = exported()
    run, _ = imported(
        note(
            "n-1",
            tags=["shared", "only here"],
            entities=[{"name": "Go", "type": "stack"}, {"name": "Rust", "type": "stack"}],
            image_sources=[{"url": "https://example.org/a.png"}],
        ),
        note("n-2"),
        publish=True,
    )

    counts, kept = undone(run)

    assert (counts, kept) == ({"reversed": 2}, {})
    assert exported() == before
    assert not ImportedPost.objects.filter(key__startswith="n-").exists()
    assert list(Tag.objects.values_list("name", flat=True)) == ["shared"]
    assert list(Entity.objects.values_list("name", flat=True)) == ["go"]
    assert not ImageSource.objects.exists()


def test_undone_input_can_be_imported_again_as_new():
    run, _ = imported(note("n-1"), note("n-2"))
    slugs = set(Post.objects.values_list("slug", flat=True))
    after_import = exported()
    undone(run)

    _, counts = imported(note("n-1"), note("n-2"))

    assert counts == {"created": 2}
    assert set(Post.objects.values_list("slug", flat=True)) == slugs
    assert exported() == after_import


def test_revised_post_gets_its_earlier_revision_back():
    old, new = note(tags=["one"]), note(title="Another", tags=["two"])
    imported(old)
    first, before = the().base_revision_id, exported()
    run, _ = imported(new)

    counts, _ = undone(run)

    assert counts == {"reversed": 1}
    assert exported() == before
    identity = the()
    assert identity.base_revision_id == first == identity.post.live_revision_id
    assert identity.post.proposed_revision_id == first
    assert imported(old)[1] == {"unchanged": 1}
    assert imported(new)[1] == {"updated": 1}


def test_post_that_a_run_revised_twice_goes_back_to_before_the_run():
    imported(note())
    before = exported()
    run, counts = imported(note(title="Two"), note(title="Three"), note("n-2"), note("n-2", "Y"))
    assert counts == {"created": 1, "updated": 3}

    counts, _ = undone(run, batch_size=1)

    assert counts == {"reversed": 2}
    assert exported() == before


@pytest.mark.parametrize("verdict", ["reject", "request_changes"])
def test_refused_page_stays_out_of_the_queue_when_its_next_version_is_taken_back(verdict):
    imported(note())
    decide(verdict)
    before = exported()
    run, _ = imported(note(title="Two"))
    assert the().post.proposed_revision_id is not None

    undone(run)

    assert exported() == before
    assert the().post.proposed_revision_id is None


def test_held_revision_leaves_the_queue_and_the_approved_page_stays_listed():
    imported(note(), publish=True)
    decide("approve")
    before = exported()
    run, counts = imported(note(title="Two"))
    assert counts == {"held": 1}

    undone(run)

    assert exported() == before
    post = the().post
    assert post.listed_at is not None
    assert post.proposed_revision_id is None
    assert imported(note(title="Two"))[1] == {"held": 1}


def test_held_revision_that_waits_behind_a_persons_proposal_goes_and_the_proposal_stays():
    imported(note(), publish=True)
    decide("approve")
    proposal = edit()
    imported(note(title="Two"))
    waiting, before = the().waiting_revision_id, exported()
    run, _ = imported(note(title="Three"))

    undone(run)

    assert exported() == before
    assert the().post.proposed_revision_id == proposal.pk
    assert the().waiting_revision_id == waiting


def test_earlier_held_revision_comes_back_into_the_queue():
    imported(note())
    decide("approve")
    imported(note(title="Two"))
    before = exported()
    run, _ = imported(note(title="Three"))

    undone(run)

    assert exported() == before
    assert the().post.proposed_revision.title == "Two"


def test_live_revision_that_is_not_the_parent_comes_back_after_a_withdrawal():
    imported(note())
    decide("approve")
    imported(note(title="Two"))
    decide("withdraw")
    before = exported()
    run, counts = imported(note(title="Three"))
    assert counts == {"updated": 1}

    undone(run)

    assert exported() == before
    assert the().post.live_revision.title == "A note"
    assert the().post.proposed_revision.title == "Two"


def test_runs_are_undone_newest_first_down_to_nothing():
    exports, runs = [exported()], []
    for title in ("One", "Two", "Three"):
        runs.append(imported(note(title=title), note(f"n-{title}"))[0])
        exports.append(exported())

    for run in reversed(runs):
        exports.pop()
        undone(run)
        assert exported() == exports[-1]

    assert not Post.objects.exists()
    assert not Revision.objects.exists()


def test_editorial_tags_and_slug_of_a_revised_post_survive():
    imported(note(tags=["one"]))
    run, _ = imported(note(title="Two", tags=["two"]))
    tag("n-1", "one", "by hand")
    writing.change_slug(post=the().post, by=make_user("editor"), slug="by-hand")

    counts, _ = undone(run)

    assert counts == {"reversed": 1}
    post = the().post
    assert post.slug == "by-hand"
    assert set(PostTag.objects.filter(content_object=post).values_list("tag__name", "origin")) == {
        ("one", "editorial"),
        ("by hand", "editorial"),
    }


def test_imported_numbers_stay():
    imported(note(view_count=1))
    run, _ = imported(note(title="Two", view_count=2))

    undone(run)

    assert the().post.statistics.imported_view_count == 2


def test_names_somebody_worked_on_stay():
    run, _ = imported(note(image_sources=[{"url": "https://example.org/a.png"}]))
    ImageSource.objects.update(credit="A person")

    undone(run)

    assert ImageSource.objects.count() == 1


def test_names_stay_while_another_source_is_imported():
    run, _ = imported(note(tags=["one"]))
    other, _ = imported(note("x"), source="other")
    other.state = "running"
    other.host, other.process = "elsewhere", 7
    other.save()
    ImportSource.objects.filter(name="other").update(
        owner=other, heartbeat_at=other.finished_at or other.started_at
    )

    undone(run)

    assert Tag.objects.filter(name="one").exists()


# --- What is kept -------------------------------------------------------------------------------

TOUCHES = {
    "edited": lambda: edit(),
    "decided": lambda: decide("approve"),
    "moved": lambda: decide("publish"),
    "tagged": lambda: tag("n-1", "by hand"),
    "slug": lambda: writing.change_slug(
        post=the().post, by=make_user("editor"), slug="another-address"
    ),
    "later_run": lambda: imported(note(title="Later")),
}


@pytest.mark.parametrize("reason", TOUCHES)
def test_created_post_somebody_built_on_is_kept_and_named(reason):
    run, _ = imported(note(), note("n-2"))
    TOUCHES[reason]()
    before = by_key(exported())

    counts, kept = undone(run)

    assert counts == {"reversed": 1, "kept": 1}
    assert kept == {"n-1": reason}
    assert by_key(exported()) == {"n-1": before["n-1"]}


@pytest.mark.parametrize("reason", ["edited", "decided", "moved", "later_run"])
def test_revised_post_somebody_built_on_is_kept_and_named(reason):
    imported(note(title="Zero"))
    run, _ = imported(note())
    TOUCHES[reason]()
    before = exported()

    _, kept = undone(run)

    assert kept == {"n-1": reason}
    assert exported() == before


def test_held_revision_somebody_decided_on_is_kept():
    imported(note(title="Zero"))
    decide("approve")
    run, _ = imported(note())
    decide("reject")
    before = exported()

    _, kept = undone(run)

    assert kept == {"n-1": "decided"}
    assert exported() == before


def test_version_that_a_later_run_found_converged_is_kept():
    imported(note())
    decide("approve")
    run, counts = imported(note(title="Two"))
    assert counts == {"held": 1}
    _, counts = imported(note())
    assert counts == {"converged": 1}

    _, kept = undone(run)

    assert kept == {"n-1": "later_run"}


def test_history_that_explains_nothing_keeps_the_post():
    imported(note(title="Zero"))
    run, _ = imported(note())
    # Nothing in the project does this: a pointer moves without an event.
    Post.objects.update(proposed_revision=None)

    _, kept = undone(run)

    assert kept == {"n-1": "unclear"}


def test_erased_post_is_nothing_to_undo():
    run, _ = imported(note(), note("n-2"))
    erasure.erase(post_ids=[the().post_id], by=make_user("superuser"), reason="asked for")

    counts, _ = undone(run)

    assert counts == {"reversed": 1}
    assert the().is_tombstone


# --- The property -------------------------------------------------------------------------------

ACTS = ("none", "edit", "approve", "reject", "publish", "tag")


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    posts=st.lists(
        st.tuples(
            st.sampled_from(("absent", *ACTS)),
            st.sampled_from(("same", "changed")),
            st.sampled_from(ACTS),
        ),
        min_size=1,
        max_size=6,
    ),
    size=st.sampled_from((1, 2, 100)),
)
def test_exactly_the_touched_posts_are_kept(posts, size):
    with rolled_back():
        earlier = [note(f"k-{n}") for n, (first, _, _) in enumerate(posts) if first != "absent"]
        imported(*earlier)
        for number, (first, _, _) in enumerate(posts):
            if first != "absent":
                _do(first, f"k-{number}")
        before = by_key(exported())
        run, _ = imported(
            *(
                note(f"k-{n}", "A note" if change == "same" else "Changed")
                for n, (_, change, _) in enumerate(posts)
            )
        )
        brought = set(
            Revision.objects.filter(run=run).values_list("post__imported__key", flat=True)
        )
        touched = {
            f"k-{n}" for n, (_, _, act) in enumerate(posts) if _do(act, f"k-{n}") and act != "none"
        }
        # Tags outlive a revision that goes, so only a new post is kept for them.
        tagged = {f"k-{n}" for n, (first, _, act) in enumerate(posts) if act == "tag"}
        tagged = {key for key in tagged if key in before}
        after = by_key(exported())

        counts, kept = undone(run, batch_size=size)

        expected = brought & (touched - tagged)
        assert set(kept) == expected
        assert counts.get("reversed", 0) == len(brought - expected)
        now = by_key(exported())
        for key in brought - expected - tagged:
            assert now.get(key) == before.get(key)
        for key in expected:
            assert now[key] == after[key]


@pytest.mark.parametrize("seed", range(12))
def test_run_can_be_undone_after_any_history(seed):
    """Whatever people and imports did before, a run nobody built on leaves nothing behind."""
    random = Random(seed)
    imported(note(title="A"), publish=random.random() < 0.5)
    has_converged = False
    for _ in range(10):
        act = random.choice(("import", "import", *ACTS, "withdraw", "request_changes", "unpublish"))
        if act != "import":
            _do(act, "n-1")
            continue
        before, base = exported(), the().base_revision_id
        run, counts = imported(
            *(note(title=random.choice("ABCD")) for _ in range(random.choice((1, 1, 2))))
        )
        if counts.get("converged"):
            # It is not known which base digest a converged record replaced.
            has_converged = True
        if has_converged or not (counts.get("updated") or counts.get("held")):
            continue
        with rolled_back():
            assert undone(run) == ({"reversed": 1}, {})
            assert exported() == before
            assert the().base_revision_id == base


def _do(act, key):
    """Let a person act on a post as far as its state admits it; say whether it was done."""
    try:
        if act == "edit":
            edit(key)
        elif act == "tag":
            tag(key, "by hand")
        elif act != "none":
            decide(act, key)
    except review.ReviewError:
        return False
    return True


@contextmanager
def rolled_back():
    """Take back at the end what happened inside, so that every example begins with nothing."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


# --- The run of an undo -------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_stopped_undo_goes_on_when_it_runs_again(size):
    imported(*(note(f"k-{n}") for n in range(3)))
    before = exported()
    run, _ = imported(*(note(f"k-{n}", "Two") for n in range(6)))

    first = undo.undo_run(run, batch_size=size, should_stop=lambda: True)

    assert first.state == "stopped"
    assert first.counts == {"reversed": min(size, 6)}
    counts, _ = undone(run, batch_size=size)
    assert counts.get("reversed", 0) == 6 - min(size, 6)
    assert exported() == before


def test_failed_batch_leaves_nothing_behind_and_the_earlier_ones_stand(monkeypatch):
    run, _ = imported(*(note(f"k-{n}") for n in range(4)))
    remove, calls = erasure.remove_rows, []

    def failing(ids):
        calls.append(ids)
        if len(calls) == 2:
            raise RuntimeError("power cut")
        remove(ids)

    monkeypatch.setattr(erasure, "remove_rows", failing)
    with pytest.raises(RuntimeError):
        undo.undo_run(run, batch_size=2)

    failed = ImportRun.objects.latest("pk")
    assert (failed.state, failed.read, failed.updated) == ("failed", 2, 2)
    assert failed.message == "RuntimeError: power cut"
    assert Post.objects.count() == 2
    assert ImportSource.objects.get().owner_id is None
    assert undone(run)[0] == {"reversed": 2}


def test_post_the_database_refuses_to_remove_fails_alone(monkeypatch):
    run, _ = imported(*(note(f"k-{n}") for n in range(5)))
    guilty, remove = the("k-3").post_id, erasure.remove_rows

    def refusing(ids):
        if guilty in ids:
            raise IntegrityError("still referenced")
        remove(ids)

    monkeypatch.setattr(erasure, "remove_rows", refusing)
    progress = undo.undo_run(run)

    assert progress.counts == {"reversed": 4, "failed": 1}
    assert progress.kept == [undo.KeptPost("k-3", "database_refused", "still referenced")]
    assert list(Post.objects.values_list("pk", flat=True)) == [guilty]
    stored = ImportRun.objects.get(pk=progress.run.pk)
    assert (stored.read, stored.updated, stored.rejected) == (5, 4, 1)


@pytest.mark.parametrize("undone_first", [True, False])
def test_import_does_not_go_on_with_a_run_that_was_undone(tmp_path, undone_first):
    """It began behind the checkpoint of the undone run, and what the undo removed stayed away."""
    path = tmp_path / "notes.jsonl"
    path.write_text("".join(json.dumps(note(f"k-{n}")) + "\n" for n in range(6)))

    def import_file(stop_after=99, wanted=resume.AUTO):
        intake = Intake([str(path)])
        inputs = intake.description()
        point = resume.resumed(intake, source="notes", inputs=inputs, publish=False, wanted=wanted)
        written = []
        return engine.run_import(
            intake,
            options=engine.Options(source="notes", batch_size=1),
            inputs=inputs,
            on_batch=written.append,
            should_stop=lambda: len(written) == stop_after,
            going_on=point,
        ).run

    first = import_file(2)
    second = import_file(2)
    assert (first.state, second.state, second.parent_id) == ("stopped", "stopped", first.pk)

    undone(first if undone_first else second)
    with pytest.raises(resume.CannotResumeError, match="an undo took back what it brought"):
        import_file(wanted=str(second.pk))
    import_file()

    assert ImportedPost.objects.count() == 6


def test_undo_waits_for_nobody_who_holds_the_source():
    run, _ = imported(note())
    other, _ = imported(note())
    other.state, other.host, other.process = "running", "elsewhere", 7
    other.save()
    ImportSource.objects.update(owner=other, heartbeat_at=other.started_at)

    with pytest.raises(runs.SourceBusyError, match=f"Run {other.pk} holds"):
        undo.undo_run(run)

    assert Post.objects.count() == 1


def test_undo_whose_source_was_taken_over_writes_nothing_more():
    run, _ = imported(*(note(f"k-{n}") for n in range(4)))

    def take_over(progress):
        ImportSource.objects.update(fence=99)

    with pytest.raises(runs.SourceBusyError, match=r"took the source .notes. over"):
        undo.undo_run(run, batch_size=2, on_batch=take_over)

    assert Post.objects.count() == 2


def test_undo_of_an_undo_is_refused():
    run, _ = imported(note())
    done = undo.undo_run(run)

    with pytest.raises(undo.UndoError, match="import the input of its run again"):
        undo.undo_run(done.run)


def test_queries_of_a_batch_do_not_grow_with_its_size():
    counts = []
    for size in (4, 40):
        imported(*(note(f"{size}-{n}", tags=["one"]) for n in range(size // 2)))
        run, _ = imported(*(note(f"{size}-{n}", "Two", tags=["two"]) for n in range(size)))
        with CaptureQueriesContext(
            connection,
        ) as captured:
            undo.undo_run(run)
        counts.append(len(captured))

    assert counts[0] == counts[1] <= 101


def test_every_row_that_refers_to_a_post_or_revision_is_found():
    found = {
        (model._meta.object_name, field)
        for target in (Post, Revision)
        for model, field in erasure._referring_to(target)
    }

    assert found >= {
        ("Decision", "revision_id"),
        ("Event", "post_id"),
        ("PostTag", "content_object_id"),
        ("PostEntity", "post_id"),
        ("PostImage", "post_id"),
        ("Revision", "post_id"),
        ("Slug", "post_id"),
        ("Statistics", "post_id"),
    }
    assert Event.objects.count() == 0


# --- The command --------------------------------------------------------------------------------


def command(*arguments):
    out, err, code = io.StringIO(), io.StringIO(), 0
    try:
        call_command("import_undo", *arguments, stdout=out, stderr=err)
    except SystemExit as stop:
        code = stop.code or 0
    return code, out.getvalue(), err.getvalue()


def test_command_names_what_was_kept_and_why():
    run, _ = imported(note(), note("n-2"))
    edit()

    code, out, _ = command(str(run.pk))

    assert code == 0
    assert f"undo of run {run.pk}, source notes" in out
    assert "1 x edited; expected a post nobody edited since" in out
    assert "    n-1  edited  An editor's title\n" in out
    assert re.search(r"whole posts removed +1\n +of them public +0\n", out)
    assert "manage.py import_runs" in out


def test_command_rehearses_with_the_same_counts_and_prints_one_object():
    run, _ = imported(note(), note("n-2"))
    edit()

    code, out, _ = command(str(run.pk), "--dry-run", "--json")
    told = json.loads(out)

    assert code == 0
    assert (told["run"], told["undone"], told["dry_run"]) == (None, run.pk, True)
    assert (told["reversed"], told["kept"], told["failed"]) == (1, 1, 0)
    assert told["posts_kept"] == [
        {
            "key": "n-1",
            "reason": "edited",
            "said": "",
            "post": the().post_id,
            "title": "An editor's title",
        }
    ]
    assert (told["removed"], told["removed_public"]) == (1, 0)
    assert Post.objects.count() == 2
    assert json.loads(command(str(run.pk), "--json")[1])["reversed"] == 1


def test_quiet_command_tells_nothing_when_nothing_is_wrong():
    run, _ = imported(note())

    assert command(str(run.pk), "-v", "0") == (0, "", "")
    assert not Post.objects.exists()


def test_rehearsal_says_how_many_public_pages_would_go():
    run, _ = imported(note(), note("n-2"), publish=True)

    told = json.loads(command(str(run.pk), "--dry-run", "--json")[1])

    assert (told["removed"], told["removed_public"]) == (2, 2)


def test_command_exits_with_3_while_a_run_holds_the_source():
    run, _ = imported(note())
    run.state, run.host, run.process = "running", "elsewhere", 7
    run.save()
    ImportSource.objects.update(owner=run, heartbeat_at=run.started_at)

    code, out, err = command(str(run.pk))

    assert (code, out) == (3, "")
    assert f"Run {run.pk} holds the source" in err
