"""The rows of the review queue: what every door leaves there, and that it is what refresh says."""

import io
import json
import random

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from posts import claims, queue, review, risk, writing
from posts.importing import engine, erasure, undo
from posts.importing.formats import Input, jsonl
from posts.importing.intake import Arrival
from posts.models import ImportRun, Post, QueueEntry, Revision, RiskWeights, Tag
from posts.transitions import TRANSITIONS
from tests.builders import make_post, make_snapshot, make_user
from tests.held_posts import SOURCE, approve, edit, held_beside_approved, import_note

pytestmark = pytest.mark.django_db

Reason, Stage = QueueEntry.Reason, QueueEntry.Stage


def rows() -> dict:
    """Return what the queue holds, without leases, by post."""
    return {row[0]: tuple(row) for row in QueueEntry.objects.values_list(*queue.COLUMNS)}


def from_scratch() -> dict:
    """Return what the queue should hold."""
    ids = list(Post.objects.values_list("pk", flat=True))
    return {pk: tuple(row) for pk, row in queue.wanted(ids).items()}


def entry_of(post) -> QueueEntry:
    return QueueEntry.objects.get(post=post)


def import_notes(*records: dict, publish: bool = False, source: str = SOURCE) -> ImportRun:
    lines = io.BytesIO(b"".join(json.dumps(record).encode() + b"\n" for record in records))
    arrivals = (Arrival(0, raw, jsonl) for raw in jsonl.records(lines, Input("notes.jsonl", None)))
    engine.run_import(arrivals, options=engine.Options(source=source, publish=publish))
    return ImportRun.objects.order_by("-pk").first()


RISKY = {
    "title": "Slack water",
    "lede": "Short.",
    "body": "## Why\n\nNumbers come first.",
    "stack": ["Tidal  Services", "backend", "python"],
    "difficulty": "advanced",
    "reading_time": 40,
    "flags": {"has_images": True, "needs_human_review": True},
    "revision": {"status": "Reviewed"},
    "image_sources": [{"caption": "a gauge"}],
    "score": {"quality": 12, "depth": 90},
}


def test_import_enters_new_drafts_with_what_it_knows():
    run = import_notes({"key": "n-1", **RISKY})

    post = Post.objects.get()
    entry = entry_of(post)
    assert (entry.stage, entry.reason) == (Stage.WAITING, Reason.NEW)
    assert (entry.revision_id, entry.run_id) == (post.proposed_revision_id, run.pk)
    assert entry.source_id == run.source_id
    assert entry.stack == Tag.objects.get(name="tidal services")
    assert entry.difficulty == "advanced"
    assert entry.lease_by_id is None
    assert (entry.lowest_score, entry.words_added, entry.words_removed) == (12, None, None)
    assert set(risk.words(entry.factors, entry.contradicted)) >= {
        risk.LOW_SCORES.words,
        risk.MISSING_IMAGES.words,
        risk.ASKS_FOR_REVIEW.words,
        risk.SAYS_REVIEWED.words,
    }
    assert rows() == from_scratch()


def test_public_drafts_are_riskier():
    import_notes({"key": "n-1", "title": "One", "body": "Text."})
    import_notes({"key": "n-2", "title": "Two", "body": "Text."}, publish=True)

    private, public = QueueEntry.objects.order_by("post_id")
    assert public.risk == private.risk + risk.PUBLIC.points
    assert rows() == from_scratch()


def test_contradicted_claims_raise_the_risk():
    import_notes({"key": "n-1", "title": "One", "body": "Text."})
    import_notes({"key": "n-2", "title": "Two", "body": "Text.", "reading_time": 40})

    calm, bold = QueueEntry.objects.order_by("post_id")
    assert bold.risk == calm.risk + risk.CLAIM_UNLEARNED
    assert risk.words(bold.factors, bold.contradicted) == ["contradicted: reading time"]
    assert (calm.contradicted, bold.contradicted) == (0, claims.mask_of("reading_time"))


def test_rare_contradictions_weigh_more():
    points = [risk.claim_points(*counted) for counted in ((90, 100), (10, 100), (1, 1_000))]

    assert points == sorted(points)
    assert points[0] == risk.CLAIM_LEAST
    assert risk.claim_points(0, 10**9) == risk.CLAIM_MOST
    weights = risk.weights_from({"reading_time": (10, 100), "payload.paragraphs": (1, 1_000)}, {})
    mask = claims.mask_of("reading_time") | claims.mask_of("payload.paragraphs")
    assert weights.of_claims(mask) == points[1] + points[2]
    assert weights.of_claims(risk.claims.EVERY_CLAIM) == risk.CLAIMS_MOST


def generated(key: str, scenario: str) -> dict:
    return {
        "key": key,
        "title": f"Note {key}",
        "body": "Text.",
        "payload": {"generator": "Tidal  Writer", "scenario": scenario},
    }


def test_what_is_sent_back_often_is_learned_and_what_is_new_is_novel():
    import_notes(*(generated(f"n-{n}", "outage") for n in range(12)))
    first = QueueEntry.objects.order_by("post_id").first()
    assert not first.factors & risk.NOVEL.mask  # before anything is learned
    ids = list(Post.objects.order_by("pk").values_list("pk", flat=True))
    review.act(action="reject", posts=ids[:4], by=make_user(), reason="No.")
    review.act(action="approve", posts=ids[4:6], by=make_user())
    review.act(action="reject", posts=ids[6:8], by=make_user(), reason="No.")
    review.act(action="withdraw", posts=ids[6:8], by=make_user())

    call_command("refresh_queue", "-v", "0")

    learned = RiskWeights.objects.get()
    assert list(learned.origins.values()) == [[6, 4]]
    waiting = QueueEntry.objects.get(post=ids[-1])
    assert waiting.factors & risk.OFTEN_SENT_BACK.mask
    assert waiting.risk == first.risk + risk.OFTEN_SENT_BACK.points
    import_notes(generated("n-98", "OUTAGE "), generated("n-99", "migration"))
    again, other = QueueEntry.objects.order_by("-post_id")[:2][::-1]
    assert again.factors & risk.OFTEN_SENT_BACK.mask
    assert other.factors & risk.NOVEL.mask
    assert rows() == from_scratch()


def test_weights_stay_until_the_command_runs_again_from_the_start():
    import_notes(generated("n-1", "outage"))
    call_command("refresh_queue", "-v", "0")
    first = RiskWeights.objects.get().made_at

    call_command("refresh_queue", "-v", "0", "--after", "1")
    assert RiskWeights.objects.get().made_at == first
    call_command("refresh_queue", "-v", "0")
    assert RiskWeights.objects.get().made_at > first


def test_size_of_a_change_counts_words_that_came_and_went():
    assert queue.size_of_change("one two two three", "three two four five") == (2, 2)
    assert queue.size_of_change("a b\n\nc d", "c d\n\na b") == (0, 0)
    post = approve(import_note())
    old = post.live_revision

    edit(post, title="Slack water", body=f"{old.body}\n\nThree more words.")

    entry = entry_of(post)
    came = queue.size_of_change(f"{old.title} {old.lede}", f"Slack water {entry.revision.lede}")
    assert (entry.words_added, entry.words_removed) == (came.added + 3, came.removed)


def test_numbers_that_move_alone_move_the_risk():
    import_notes({"key": "n-1", "title": "One", "body": "Text.", "score": {"quality": 80}})
    before = QueueEntry.objects.get().risk

    import_notes({"key": "n-1", "title": "One", "body": "Text.", "score": {"quality": 5}})

    assert Revision.objects.count() == 1
    assert QueueEntry.objects.get().risk == before + risk.LOW_SCORES.points
    assert rows() == from_scratch()


def test_held_version_is_entered_as_changed_by_an_import():
    post = held_beside_approved()

    entry = entry_of(post)

    assert (entry.stage, entry.reason) == (Stage.WAITING, Reason.HELD)
    assert entry.revision_id == post.proposed_revision_id != post.live_revision_id
    assert risk.HELD.words in risk.words(entry.factors, 0)
    assert entry.words_added is not None


def test_edit_is_entered_as_proposed_with_its_author():
    post = approve(import_note())
    assert not QueueEntry.objects.exists()

    revision = edit(post, title="Slack water, edited")

    entry = entry_of(post)
    assert (entry.reason, entry.revision_id) == (Reason.PROPOSED, revision.pk)
    assert entry.author_id == revision.author_id


@pytest.mark.parametrize(
    ("action", "reason"),
    [("request_changes", Reason.CHANGES_REQUESTED), ("reject", Reason.REJECTED)],
)
def test_what_is_sent_back_is_returned_at_that_moment(action, reason):
    post = make_post(state="private")

    review.act_on_one(action=action, post=post, by=make_user(), reason="Say which version.")

    entry = entry_of(post)
    assert (entry.stage, entry.reason) == (Stage.RETURNED, reason)
    assert entry.revision_id == post.live_revision_id
    assert entry.entered_at == post.live_revision.decisions.get().decided_at


def test_withdrawing_takes_a_draft_back_to_its_place():
    post = make_post(state="private")
    before = rows()
    review.act_on_one(action="approve", post=post, by=make_user())
    assert rows() == {}

    review.act_on_one(action="withdraw", post=post, by=make_user())

    assert rows() == before


def test_archived_posts_wait_for_nobody():
    post = make_post(state="private")

    review.act_on_one(action="archive", post=post, by=make_user())

    assert rows() == {}


def test_erased_posts_leave_the_queue():
    import_note()

    erasure.erase(post_ids=[Post.objects.get().pk], by=make_user("superuser"), reason="Asked to.")

    assert not QueueEntry.objects.exists()


def test_undo_gives_the_queue_of_before():
    import_note("n-1")
    before = rows()
    run = import_notes(
        {"key": "n-1", "title": "Slack water, newer", "body": "Other."},
        {"key": "n-2", "title": "Another", "body": "Text."},
    )
    assert len(rows()) == 2
    assert rows() != before

    undo.undo_run(run)

    assert rows() == before


def test_lease_outlives_a_refresh_but_not_the_way_back():
    post = make_post(state="private")
    holder = make_user()
    QueueEntry.objects.update(lease_by=holder, risk=999)

    queue.refresh([post.pk])
    assert entry_of(post).lease_by == holder
    assert entry_of(post).risk != 999

    review.act_on_one(action="reject", post=post, by=make_user(), reason="No.")
    assert entry_of(post).lease_by is None


def test_refreshing_what_is_right_writes_nothing():
    for _ in range(3):
        make_post(state="private")
    ids = list(Post.objects.values_list("pk", flat=True))

    assert queue.refresh(ids) == 0


def test_refresh_costs_the_same_for_many():
    import_notes(*({"key": f"n-{n}", **RISKY} for n in range(60)))
    ids = list(Post.objects.values_list("pk", flat=True))
    costs = []
    for some in (ids[:2], ids):
        QueueEntry.objects.filter(pk__in=some[1:]).update(risk=1)
        QueueEntry.objects.filter(pk=some[0]).delete()
        with CaptureQueriesContext(connection) as captured:
            assert queue.refresh(some) == len(some)
        costs.append(len(captured))

    assert costs[0] == costs[1] <= 11


def test_command_builds_the_queue_and_then_finds_nothing_to_do():
    make_post(state="private")
    held_beside_approved()
    expected = rows()
    QueueEntry.objects.all().delete()
    stray = make_post(state="listed")
    QueueEntry.objects.create(
        post=stray,
        revision=stray.live_revision,
        stage=1,
        reason=1,
        entered_at=stray.created_at,
        risk=0,
        factors=0,
        rank=0,
    )

    told = []
    for _ in range(2):
        out = io.StringIO()
        call_command("refresh_queue", "--json", stdout=out)
        told.append(json.loads(out.getvalue()))

    assert rows() == expected == from_scratch()
    assert [one["written"] for one in told] == [3, 0]
    assert told[0]["posts"] == Post.objects.count()


def test_rebuild_goes_on_behind_a_post(monkeypatch):
    monkeypatch.setattr(queue, "STEP", 2)
    for _ in range(3):
        make_post(state="private")
    expected = rows()
    QueueEntry.objects.all().delete()

    first = queue.rebuild()
    assert (first.seen, len(rows())) == (2, 2)
    second = queue.rebuild(after=first.last)
    assert (second.seen, queue.rebuild(after=second.last).last) == (1, None)
    assert rows() == expected


@pytest.mark.parametrize("seed", range(12))
def test_after_any_doors_the_queue_is_what_refresh_makes(seed):
    """Doors in an order nobody chose: the rows they keep are those made from scratch."""
    choice = random.Random(seed)
    reviewer, editor, chief = make_user(), make_user("editor"), make_user("superuser")
    stacks = [["tidal services"], ["Harbour  Ops"], ["1e5", "tidal services"], []]

    def record(key):
        return {
            "key": key,
            "title": f"Title {choice.randrange(4)}",
            "body": f"Body {choice.randrange(4)}.",
            "stack": choice.choice(stacks),
            "difficulty": choice.choice(["beginner", "advanced"]),
            "reading_time": choice.choice([1, 40]),
            "score": {"quality": choice.choice([10, 90])},
            "flags": {"needs_human_review": choice.choice([True, False])},
            "revision": {"status": choice.choice(["drafted", "reviewed"])},
            "image_sources": choice.choice([[], [{"caption": "gauge"}]]),
        }

    def any_post():
        return choice.choice(list(Post.objects.order_by("pk"))) if Post.objects.exists() else None

    def bring():
        import_notes(
            *(record(f"n-{n}") for n in choice.sample(range(8), 4)), publish=choice.random() < 0.3
        )

    def write():
        writing.write_post(by=editor, snapshot=make_snapshot(), tags=["a tag"])

    def change():
        post = any_post()
        head = Revision.objects.get(pk=post.proposed_revision_id or post.live_revision_id)
        writing.revise(
            post=post,
            by=editor,
            snapshot=make_snapshot(title=head.title, stack=tuple(choice.choice(stacks))),
            seen=post.revisions.order_by("-number").first().number,
        )

    def put_back():
        post = any_post()
        writing.restore(
            post=post,
            by=editor,
            revision=post.revisions.order_by("number").first(),
            seen=post.revisions.order_by("-number").first().number,
        )

    def act():
        ids = [post.pk for post in Post.objects.order_by("pk") if choice.random() < 0.5]
        action = choice.choice(["approve", *TRANSITIONS])
        review.act(action=action, posts=ids, by=reviewer, reason="Because.")

    def take_back():
        run = ImportRun.objects.filter(kind="import").order_by("-pk").first()
        if run is not None:
            undo.undo_run(run)

    def erase():
        erasure.erase(post_ids=[any_post().pk], by=chief, reason="Asked to.")

    doors = [bring, bring, write, change, change, put_back, *[act] * 4, take_back, erase]
    for step in range(25):
        door = choice.choice(doors)
        if door in (change, put_back, erase) and any_post() is None:
            continue
        door()
        assert rows() == from_scratch(), (step, door.__name__)
    assert queue.refresh(Post.objects.values_list("pk", flat=True)) == 0
