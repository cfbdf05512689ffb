"""The append-only history: chains that show every change, rows that refuse to change."""

import datetime as dt
import json

import pytest
from django.core import checks
from django.db import IntegrityError, connection, transaction
from hypothesis import given, settings
from hypothesis import strategies as st

from posts import db, history, review, writing
from posts.models import Decision, ErasureDoor, Event, ImportRun, ImportSource, Revision
from tests.builders import make_post, make_snapshot, make_user

pytestmark = pytest.mark.django_db

NOW = dt.datetime(2026, 11, 17, 9, 0, 0, 123456, tzinfo=dt.UTC)


@pytest.fixture
def post():
    """A post with a history of several kinds of events."""
    reviewer = make_user("reviewer")
    post = make_post(state="listed", tags=["by hand"])
    writing.revise(post=post, by=make_user("editor"), snapshot=make_snapshot(), seen=1)
    review.act_on_one(action="approve", post=post, by=reviewer)
    review.act_on_one(action="withdraw", post=post, by=reviewer)
    writing.change_slug(post=post, by=reviewer, slug="another-address")
    return post


def events_of(post):
    return list(post.events.order_by("sequence"))


def without_triggers():
    """Drop the triggers until the test's transaction is taken back."""
    with connection.cursor() as cursor:
        for table in db.IMMUTABLE_TABLES:
            for verb in ("update", "delete"):
                on = f" ON {table}" if connection.vendor == "postgresql" else ""
                cursor.execute(f"DROP TRIGGER {table}_refuse_{verb}{on}")


# --- Chains -----------------------------------------------------------------------------------


def test_chain_of_a_post_verifies(post):
    events = events_of(post)

    assert [event.kind for event in events] == [
        *("write", "tags", "approve", "publish", "revise", "approve", "withdraw", "slug")
    ]
    assert [event.sequence for event in events] == list(range(1, 9))
    assert history.broken_links(events) == []


def test_chain_of_a_run_verifies_and_is_its_own(post):
    source = ImportSource.objects.create(name="generator", created_at=NOW)
    run = ImportRun.objects.create(source=source, fence=1, engine_version="1", started_at=NOW)

    history.append_to_run(run, "import started", data={"fence": 1}, now=NOW)
    history.append_to_run(run, "import complete", data={"read": 480}, now=NOW)

    events = list(run.events.order_by("sequence"))
    assert [event.sequence for event in events] == [1, 2]
    assert history.broken_links(events) == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("sequence", 30),
        ("kind", "reject"),
        ("actor_id", "another person"),
        ("at", NOW),
        ("revision_digest", "1:" + "0" * 64),
        ("data", {}),
        ("previous_hash", "0" * 64),
        ("hash", "0" * 64),
    ],
)
def test_altering_any_field_of_a_stored_event_is_found(post, field, value):
    altered = events_of(post)[2]
    without_triggers()
    if field == "actor_id":
        value = make_user("editor").pk

    Event.objects.filter(pk=altered.pk).update(**{field: value})

    broken = history.broken_links(events_of(post))
    assert altered.pk in [event.pk for event in broken]


def test_event_moved_to_another_post_is_found(post):
    other = make_post(state="private")
    (first,) = events_of(other)
    first.post_id = post.pk

    assert history.broken_links([first]) == [first]


def test_removed_event_is_found(post):
    events = events_of(post)

    assert history.broken_links(events[:2] + events[3:])


def test_swapped_events_are_found(post):
    events = events_of(post)
    events[2], events[3] = events[3], events[2]

    assert history.broken_links(events)


values = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**63), 2**63 - 1),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=5),
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab-", max_size=3), inner),
    max_leaves=6,
)


@settings(max_examples=30)
@given(st.dictionaries(st.text("abc_", min_size=1, max_size=4), values, max_size=3))
def test_any_json_value_keeps_its_hash_through_the_database(data):
    with transaction.atomic():
        source = ImportSource.objects.create(name="generator", created_at=NOW)
        run = ImportRun.objects.create(source=source, fence=1, engine_version="1", started_at=NOW)

        history.append_to_run(run, "measured", data=data, now=NOW)

        assert history.broken_links(Event.objects.filter(run=run)) == []
        transaction.set_rollback(True)


@pytest.mark.parametrize("number", [1.0, -0.0, 0.1, 1e16, 1e22, 1e300, 5e-324, 2**53 + 1])
def test_numbers_keep_their_hash_through_the_database(number):
    source = ImportSource.objects.create(name="generator", created_at=NOW)
    run = ImportRun.objects.create(source=source, fence=1, engine_version="1", started_at=NOW)

    history.append_to_run(run, "measured", data={"number": [number, None]}, now=NOW)

    assert history.broken_links(Event.objects.filter(run=run)) == []


@pytest.mark.parametrize("hours", [-11, 0, 5.5, 14])
@pytest.mark.parametrize("microsecond", [0, 1, 123456])
def test_hash_does_not_depend_on_the_time_zone_it_was_written_in(hours, microsecond):
    zone = dt.timezone(dt.timedelta(hours=hours))
    now = NOW.replace(microsecond=microsecond).astimezone(zone)

    post = make_post(state="listed", now=now)

    events = events_of(post)
    assert {event.at for event in events} == {now}
    assert history.broken_links(events) == []


def test_stored_data_is_canonical_json(post):
    with connection.cursor() as cursor:
        cursor.execute("SELECT CAST(data AS text) FROM posts_event WHERE kind = 'publish'")
        stored = [json.loads(row[0]) for row in cursor.fetchall()]

    assert stored == [event.data for event in events_of(post) if event.kind == "publish"]


def test_latest_event_of_some_kinds_is_found_for_each_post(post):
    other = make_post(state="listed")

    latest = history.latest_of_kind([post.pk, other.pk], kinds=["publish", "withdraw"])

    assert {pk: kind for pk, (kind, _) in latest.items()} == {
        post.pk: "withdraw",
        other.pk: "publish",
    }


# --- Immutable rows ---------------------------------------------------------------------------

TEXTS = {Revision: "title", Decision: "comment", Event: "kind"}
models = pytest.mark.parametrize("model", TEXTS, ids=lambda model: model.__name__)


@models
@pytest.mark.parametrize("is_inside", [False, True], ids=["outside", "inside erasing"])
def test_update_is_always_refused(post, model, is_inside):
    before = list(model.objects.order_by("pk").values())

    around = db.erasing("test") if is_inside else transaction.atomic()

    with pytest.raises(IntegrityError, match="rows never change"), around:
        model.objects.update(**{TEXTS[model]: "rewritten"})

    assert list(model.objects.order_by("pk").values()) == before


@models
def test_saving_a_row_again_is_refused(post, model):
    row = model.objects.first()

    with pytest.raises(IntegrityError, match="rows never change"), transaction.atomic():
        row.save()


@models
def test_delete_is_refused_outside_an_erasure(post, model):
    before = model.objects.count()

    with pytest.raises(IntegrityError, match="rows never change"), transaction.atomic():
        model.objects.all()._raw_delete("default")

    assert model.objects.count() == before


@models
def test_delete_is_allowed_inside_an_erasure_and_refused_after_it(post, model):
    newest = model.objects.order_by("-pk").first()
    if model is Revision:  # only a revision nothing points to; this one is inside no chain
        newest = Revision.objects.create(
            post=post,
            number=9,
            digest="1:" + "0" * 64,
            title="Never seen",
            origin=Revision.Origin.EDITOR,
            author=make_user("editor"),
            created_at=NOW,
        )

    with db.erasing("test"):
        model.objects.filter(pk=newest.pk)._raw_delete("default")

    assert not model.objects.filter(pk=newest.pk).exists()
    assert not ErasureDoor.objects.exists()
    with pytest.raises(IntegrityError, match="rows never change"), transaction.atomic():
        model.objects.all()._raw_delete("default")


def test_door_is_closed_after_an_exception_and_nothing_was_deleted(post):
    before = Event.objects.count()

    with pytest.raises(KeyError), db.erasing("test"):  # noqa: PT012  (the block is the point)
        Event.objects.all()._raw_delete("default")
        raise KeyError

    assert Event.objects.count() == before
    assert not ErasureDoor.objects.exists()
    with pytest.raises(IntegrityError), transaction.atomic():
        Event.objects.all()._raw_delete("default")


def test_erasure_inside_an_erasure_leaves_the_outer_door_open(post):
    with db.erasing("outer"):
        with db.erasing("inner"):
            Decision.objects.all()._raw_delete("default")

        Event.objects.all()._raw_delete("default")

    assert not Event.objects.exists()
    assert not ErasureDoor.objects.exists()


def test_queryset_delete_cannot_take_revisions_along_with_a_post(post):
    with transaction.atomic():
        type(post).objects.filter(pk=post.pk)._raw_delete("default")
        with pytest.raises(IntegrityError), transaction.atomic():
            connection.check_constraints()
        transaction.set_rollback(True)


# --- The system check -------------------------------------------------------------------------


def run_check():
    return checks.run_checks(tags=[checks.Tags.database], databases=["default"])


def test_check_is_silent_while_all_triggers_are_installed():
    assert [message for message in run_check() if message.id == "posts.E001"] == []


def test_check_fails_when_a_trigger_is_missing_and_says_what_to_do():
    on = " ON posts_revision" if connection.vendor == "postgresql" else ""
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TRIGGER posts_revision_refuse_update{on}")

    (message,) = [message for message in run_check() if message.id == "posts.E001"]

    assert message.level == checks.ERROR
    assert "posts_revision_refuse_update" in message.msg
    assert "posts_revision_refuse_delete" not in message.msg
    assert "InstallTriggers()" in message.hint
    assert "manage.py migrate" in message.hint


def test_check_asks_nothing_when_no_database_is_checked(django_assert_num_queries):
    with django_assert_num_queries(0):
        assert not [m for m in checks.run_checks() if m.id == "posts.E001"]


def test_installing_the_triggers_again_is_harmless_and_mends():
    without_triggers()
    operation = db.InstallTriggers()

    for _ in range(2):
        with connection.cursor() as cursor:
            for table in db.IMMUTABLE_TABLES:
                for statement in db._trigger_statements(table):
                    cursor.execute(statement)

    assert operation.reversible
    assert db.missing_triggers() == []
