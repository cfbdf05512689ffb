"""The table of transitions as pure functions: each row, and what holds after any sequence."""

import datetime as dt
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posts import transitions
from posts.transitions import ARCHIVED, PRIVATE, PUBLISHED, Moment, ReviewError, State, after

NOW = dt.datetime(2026, 11, 17, 9, 0, tzinfo=dt.UTC)
WINDOW = dt.timedelta(seconds=10)
AT_ONCE = Moment(NOW, NOW)
VERDICTS = ("approve", "request_changes", "reject")

WAITING = State(visibility=PRIVATE, live=1, proposed=1, approved=None)
LISTED = State(
    visibility=PUBLISHED, live=1, proposed=None, approved=1, published_at=NOW, listed_at=NOW
)

#: action -> from which visibility, by which permission, with which verdict, reason needed
TABLE = {
    "approve": ({PRIVATE, PUBLISHED}, "posts.review_post", "approve", False),
    "request_changes": ({PRIVATE, PUBLISHED}, "posts.review_post", "request_changes", True),
    "reject": ({PRIVATE, PUBLISHED}, "posts.review_post", "reject", True),
    "withdraw": ({PRIVATE, PUBLISHED}, "posts.review_post", "withdraw", False),
    "publish": ({PRIVATE}, "posts.publish_post", "", False),
    "schedule": ({PRIVATE, PUBLISHED}, "posts.publish_post", "", False),
    "unpublish": ({PUBLISHED}, "posts.publish_post", "", False),
    "archive": ({PRIVATE, PUBLISHED}, "posts.publish_post", "", False),
    "unarchive": ({ARCHIVED}, "posts.publish_post", "", False),
}


# --- Row by row -------------------------------------------------------------------------------


def test_table_has_exactly_the_known_actions():
    assert set(transitions.TRANSITIONS) == set(TABLE)


@pytest.mark.parametrize("action", TABLE)
def test_row_says_permission_verdict_and_reason(action):
    row = transitions.TRANSITIONS[action]

    assert (row.visibility, row.permission, row.verdict, row.needs_reason) == TABLE[action]


@pytest.mark.parametrize("visibility", [PRIVATE, PUBLISHED, ARCHIVED])
@pytest.mark.parametrize("action", TABLE)
def test_action_is_admitted_from_its_visibilities_only(action, visibility):
    published_at = None if visibility == PRIVATE else NOW
    state = State(visibility, live=1, proposed=1, approved=None, published_at=published_at)
    if action == "withdraw":
        state = replace(state, proposed=None, approved=1)

    moment = AT_ONCE
    if action == "schedule":
        soon, later = NOW + WINDOW, NOW + 2 * WINDOW
        moment = Moment(NOW, NOW, soon if visibility != PUBLISHED else None, archive_at=later)

    if visibility in TABLE[action][0]:
        after(action, state, moment)
    else:
        with pytest.raises(ReviewError, match=visibility) as refusal:
            after(action, state, moment)
        assert refusal.value.code == "not_allowed"


@pytest.mark.parametrize("action", VERDICTS)
def test_verdict_needs_something_that_waits(action):
    with pytest.raises(ReviewError, match="Nothing of this post waits") as refusal:
        after(action, replace(WAITING, proposed=None), AT_ONCE)

    assert refusal.value.code == "not_allowed"


def test_approval_makes_the_proposed_revision_live_and_publishes_nothing():
    approved = after("approve", replace(WAITING, proposed=2), AT_ONCE)

    assert approved == State(PRIVATE, live=2, proposed=None, approved=2)


@pytest.mark.parametrize("action", ["request_changes", "reject"])
def test_sending_back_moves_no_pointer_that_readers_see(action):
    sent_back = after(action, replace(LISTED, proposed=2), AT_ONCE)

    assert sent_back == LISTED


@pytest.mark.parametrize("action", VERDICTS)
def test_waiting_revision_is_proposed_after_a_verdict(action):
    decided = after(action, replace(WAITING, proposed=2, waiting=3), AT_ONCE)

    assert (decided.proposed, decided.waiting) == (3, None)


def test_withdrawing_without_a_decision_is_refused():
    with pytest.raises(ReviewError, match="no decision to withdraw"):
        after("withdraw", WAITING, AT_ONCE)


def test_withdrawing_an_older_approval_closes_the_page_and_keeps_the_newer_proposal():
    withdrawn = after("withdraw", replace(LISTED, proposed=2, waiting=3), AT_ONCE)

    assert withdrawn == replace(LISTED, approved=None, proposed=2, waiting=3, listed_at=None)


def test_publishing_opens_the_gate_of_an_approved_post_only():
    approved = replace(WAITING, proposed=None, approved=1)

    assert after("publish", approved, AT_ONCE).listed_at == NOW
    assert after("publish", WAITING, AT_ONCE).listed_at is None


def test_publication_keeps_its_first_date_and_takes_a_planned_one():
    earlier, planned = NOW - dt.timedelta(days=9), NOW + dt.timedelta(days=9)
    again = replace(WAITING, published_at=earlier)

    assert after("publish", WAITING, AT_ONCE).published_at == NOW
    assert after("publish", again, AT_ONCE).published_at == earlier
    assert after("publish", again, Moment(NOW, NOW, planned)).published_at == planned
    assert after("publish", replace(WAITING, published_at=planned), AT_ONCE).published_at == NOW


def test_planned_publication_opens_the_gate_at_its_moment():
    planned = NOW + dt.timedelta(days=9)
    approved = replace(WAITING, proposed=None, approved=1)

    assert after("publish", approved, Moment(NOW, NOW, planned)).listed_at == planned


def test_approval_opens_the_gate_when_the_undo_window_ends():
    published = replace(WAITING, visibility=PUBLISHED, published_at=NOW)

    assert after("approve", published, Moment(NOW, NOW + WINDOW)).listed_at == NOW + WINDOW


@pytest.mark.parametrize("action", ["unpublish", "archive"])
def test_leaving_publication_closes_the_gate_and_keeps_the_approval(action):
    left = after(action, LISTED, AT_ONCE)

    assert (left.listed_at, left.approved) == (None, 1)


def test_post_comes_back_from_the_archive_as_private():
    archived = after("archive", LISTED, AT_ONCE)

    assert after("unarchive", archived, AT_ONCE) == replace(
        LISTED, visibility=PRIVATE, listed_at=None
    )


def test_withdrawn_approval_does_not_list_a_post_before_its_planned_publication():
    planned = NOW + dt.timedelta(days=9)
    replaced = replace(LISTED, live=2, approved=2)
    private = after("unpublish", replaced, AT_ONCE)
    replanned = after("publish", private, Moment(NOW, NOW, planned))

    withdrawn = after("withdraw", replanned, Moment(NOW, NOW, before=LISTED))

    assert withdrawn.listed_at == planned


def test_available_actions_are_those_that_fit_the_state_and_the_person():
    class Reviewer:
        def has_perm(self, permission):
            return permission == "posts.review_post"

    waiting = {row.name for row in transitions.available(WAITING, Reviewer())}
    archived = transitions.available(replace(LISTED, visibility=ARCHIVED), Reviewer())

    assert waiting == {*VERDICTS, "withdraw"}
    assert archived == []


# --- Times ------------------------------------------------------------------------------------

DAY = dt.timedelta(days=1)
SOON, LATER = NOW + DAY, NOW + 2 * DAY
APPROVED = replace(WAITING, proposed=None, approved=1)


def plan(publish_at=None, archive_at=None, now=NOW):
    return Moment(now, now, publish_at, archive_at=archive_at)


def test_schedule_publishes_and_lists_an_approved_post_at_its_moment():
    planned = after("schedule", APPROVED, plan(SOON, LATER))

    assert (planned.visibility, planned.published_at) == (PUBLISHED, SOON)
    assert (planned.archive_at, planned.listed_at) == (LATER, SOON)


@pytest.mark.parametrize("publish_at", [NOW + DAY / 2, NOW + 3 * DAY])
def test_planned_publication_moves_both_ways(publish_at):
    planned = after("schedule", APPROVED, plan(SOON))

    moved = after("schedule", planned, plan(publish_at))

    assert (moved.published_at, moved.listed_at) == (publish_at, publish_at)


def test_archive_time_of_a_published_post_is_set_changed_and_taken_away():
    ending = after("schedule", LISTED, plan(archive_at=SOON))
    moved = after("schedule", ending, plan(archive_at=LATER))

    assert ending == replace(LISTED, archive_at=SOON)
    assert moved == replace(LISTED, archive_at=LATER)
    assert after("schedule", moved, plan()) == LISTED


@pytest.mark.parametrize(
    ("state", "told", "code"),
    [
        (APPROVED, plan(NOW), "past_time"),
        (APPROVED, plan(NOW - DAY), "past_time"),
        (APPROVED, plan(SOON, NOW), "past_time"),
        (APPROVED, plan(SOON, SOON), "archived_before_published"),
        (APPROVED, plan(LATER, SOON), "archived_before_published"),
        (APPROVED, plan(archive_at=LATER), "time_missing"),
        (LISTED, plan(SOON), "not_allowed"),
        (LISTED, plan(archive_at=NOW), "past_time"),
        (LISTED, plan(), "not_allowed"),
        (replace(LISTED, visibility=ARCHIVED), plan(SOON), "not_allowed"),
    ],
)
def test_times_that_make_no_sense_are_refused(state, told, code):
    with pytest.raises(ReviewError) as refusal:
        after("schedule", state, told)

    assert refusal.value.code == code
    assert str(refusal.value).endswith(".")


def test_publication_in_the_past_is_refused():
    with pytest.raises(ReviewError, match="has passed") as refusal:
        after("publish", APPROVED, plan(NOW))

    assert refusal.value.code == "past_time"


@pytest.mark.parametrize("action", ["unpublish", "archive"])
def test_cancelled_publication_leaves_no_date_and_no_time_of_archiving(action):
    planned = after("schedule", APPROVED, plan(SOON, LATER))

    cancelled = after(action, planned, AT_ONCE)

    assert (cancelled.published_at, cancelled.archive_at, cancelled.listed_at) == (None, None, None)


def test_post_past_its_archive_time_comes_back_as_private_without_one():
    ended = replace(LISTED, archive_at=SOON)

    back = after("unpublish", ended, plan(now=LATER))

    assert back == replace(LISTED, visibility=PRIVATE, listed_at=None)
    assert after("publish", back, plan(now=LATER)).archive_at is None


def test_withdrawal_does_not_bring_an_earlier_plan_back():
    planned = after("schedule", APPROVED, plan(LATER))
    decided = after("approve", replace(planned, proposed=2), AT_ONCE)
    sooner = after("schedule", decided, plan(SOON))

    before = replace(sooner, live=1, approved=1, proposed=2, listed_at=LATER)
    withdrawn = after("withdraw", sooner, Moment(NOW, NOW + WINDOW, before=before))

    assert (withdrawn.live, withdrawn.listed_at) == (1, SOON)


# --- A chosen revision ------------------------------------------------------------------------


def test_chosen_revision_goes_live_and_newer_ones_wait_on():
    state = replace(LISTED, live=1, approved=1, proposed=3, waiting=4)

    chosen = after("approve", state, Moment(NOW, NOW + WINDOW, chosen=2))

    assert (chosen.live, chosen.approved) == (2, 2)
    assert (chosen.proposed, chosen.waiting) == (3, 4)
    assert chosen.listed_at == NOW + WINDOW


def test_choosing_what_waits_is_approving_it():
    state = replace(LISTED, proposed=2, waiting=3)

    assert after("approve", state, replace(AT_ONCE, chosen=2)) == after("approve", state, AT_ONCE)


def test_choosing_needs_nothing_that_waits_and_refuses_what_is_there_already():
    assert after("approve", LISTED, replace(AT_ONCE, chosen=2)).live == 2
    with pytest.raises(ReviewError, match="already"):
        after("approve", LISTED, replace(AT_ONCE, chosen=1))


# --- Any sequence -----------------------------------------------------------------------------

steps = st.lists(
    st.tuples(
        st.sampled_from([*TABLE, "revise", "import"]),
        st.sampled_from([None, -5, 0, 7, 3_600]),  # seconds to the planned publication
        st.sampled_from([None, 0, 9, 4_000]),  # seconds to the planned archiving
        st.integers(min_value=0, max_value=15),  # seconds that pass before the next step
    ),
    max_size=25,
)


def walk(sequence):
    """Yield (action, before, what came of it or the refusal, moment) along a sequence of steps.

    `revise` and `import` move pointers as posts.writing and the engine's table do.
    """
    state, now, newest = WAITING, NOW, 1
    last = None
    for action, publish_in, archive_in, seconds in sequence:
        if action in ("revise", "import"):
            newest += 1
            is_approved = state.approved == state.live
            if action == "import" and state.proposed not in (None, state.live):
                state = replace(state, waiting=newest)
            else:
                live = state.live if is_approved else newest
                state = replace(state, live=live, proposed=newest)
        else:
            planned, ending = (
                now + dt.timedelta(seconds=wait) if wait is not None else None
                for wait in (publish_in, archive_in)
            )
            pointers = (state.live, state.proposed, state.approved, state.waiting)
            usable = last and last[1] == pointers
            before = None
            if action == "withdraw" and usable:
                found = last[0]
                before = replace(
                    state,
                    live=found.live,
                    proposed=found.proposed,
                    approved=found.approved,
                    waiting=found.waiting,
                    listed_at=found.listed_at,
                )
            moment = Moment(now, now + WINDOW, planned, before, ending)
            try:
                new = after(action, state, moment)
            except ReviewError as refusal:
                yield action, state, refusal, moment
            else:
                yield action, state, new, moment
                if action in VERDICTS:
                    last = (state, (new.live, new.proposed, new.approved, new.waiting))
                state = new
        now += dt.timedelta(seconds=seconds)


@given(steps)
def test_gate_is_open_exactly_for_a_published_and_approved_live_revision(sequence):
    for _, _, new, _ in walk(sequence):
        if isinstance(new, State):
            may_open = new.visibility == PUBLISHED and new.approved == new.live
            assert (new.listed_at is not None) == may_open


@given(steps)
def test_post_is_never_listed_before_it_is_published(sequence):
    for _, _, new, _ in walk(sequence):
        if isinstance(new, State) and new.listed_at is not None:
            assert new.listed_at >= new.published_at


@given(steps)
def test_withdrawing_at_once_restores_exactly_what_the_verdict_found(sequence):
    for action, before, new, moment in walk(sequence):
        if action in VERDICTS and isinstance(new, State):
            undone = after("withdraw", new, replace(moment, before=before))

            assert undone == before


@given(steps)
def test_only_an_approval_makes_a_revision_approved(sequence):
    for action, before, new, _ in walk(sequence):
        if isinstance(new, State) and action not in ("approve", "withdraw"):
            assert new.approved == before.approved
        if isinstance(new, State) and action == "approve":
            assert new.approved == before.proposed


@given(steps)
def test_no_verdict_loses_a_waiting_revision(sequence):
    for action, before, new, _ in walk(sequence):
        if isinstance(new, State) and action in VERDICTS and before.waiting is not None:
            assert new.proposed == before.waiting


@given(steps)
def test_visibility_changes_by_its_own_actions_only(sequence):
    for action, before, new, _ in walk(sequence):
        if isinstance(new, State) and TABLE[action][2]:
            assert (new.visibility, new.published_at) == (before.visibility, before.published_at)


REFUSALS = {"not_allowed", "past_time", "time_missing", "archived_before_published"}


@given(steps)
def test_archive_time_stands_beside_a_publication_before_it_only(sequence):
    for _, _, new, _ in walk(sequence):
        if isinstance(new, State) and new.archive_at is not None:
            assert new.visibility == PUBLISHED
            assert new.archive_at > new.published_at


@given(steps)
def test_refusal_names_a_stable_code_and_what_to_do(sequence):
    for _, _, refusal, _ in walk(sequence):
        if isinstance(refusal, ReviewError):
            assert refusal.code in REFUSALS
            assert str(refusal).endswith(".")
