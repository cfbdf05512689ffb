"""Whether every save of an editor beside an import landed by the rules, or was refused and said so.

In: the log of the saves, and what is in the database. Out: counts, problems. The rules are told
here once more, from DATA-MODEL.md, and not asked of the code that is judged. Reads only.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

#: Seconds between the last statement that a checkpoint times and its commit.
COMMIT_SECONDS = 0.005
PROBLEMS_MAX = 20


@dataclass
class Pointers:
    """Numbers of the revisions that a post points to, and whether the live one is approved."""

    live: int
    proposed: int | None
    is_approved: bool
    waiting: int | None = None


def judged(log: Sequence[dict[str, Any]], source: str, stood: dict[str, str]) -> dict[str, Any]:
    """Return the counts of the saves, and everything that is not as the rules say.

    `stood` says by key how posts stood before the race; the others were untouched.
    """
    from posts import history
    from posts.models import ImportedPost, ImportRun, Revision

    problems: list[str] = []
    run = ImportRun.objects.filter(source__name=source, kind="import").order_by("-pk")[0]
    if run.state != "complete" or run.updated + run.held != run.read:
        problems.append(
            f"the run is {run.state}: read {run.read}, updated {run.updated}, held {run.held}"
        )
    saves: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for one in log:
        saves[one["key"]].append(one)
    identities = ImportedPost.objects.filter(source__name=source).select_related(
        "post__live_revision", "post__proposed_revision", "waiting_revision"
    )
    revisions: dict[int, list[Revision]] = defaultdict(list)
    for revision in Revision.objects.select_related("author").order_by("post_id", "number"):
        revisions[revision.post_id].append(revision)
    for identity in identities:
        post = identity.post
        assert post is not None  # noqa: S101  (nothing was erased here)
        own = revisions[post.pk]
        wrong = lost(saves.get(identity.key, ()), own)
        if [one.run_id for one in own].count(run.pk) != 1:
            wrong.append("the run did not leave exactly one revision")
        if [one.number for one in own] != list(range(1, len(own) + 1)):
            wrong.append("the revisions have gaps")
        expected = replayed(own, stood.get(identity.key, ""))
        got = Pointers(
            post.live_revision.number,
            post.proposed_revision.number if post.proposed_revision else None,
            post.is_live_approved,
            identity.waiting_revision.number if identity.waiting_revision else None,
        )
        if got != expected:
            wrong.append(f"got {got}, expected {expected}")
        if post.title != post.live_revision.title:
            wrong.append("the list column is not the title of the live revision")
        if history.broken_links(list(post.events.order_by("sequence"))):
            wrong.append("its events are no chain")
        problems += [f"{identity.key}: {text}" for text in wrong]
    return {
        "saves": len(log),
        "outcomes": dict(Counter(one["outcome"] for one in log)),
        "states": {
            state: dict(Counter(one["outcome"] for one in log if one["state"] == state))
            for state in sorted(set(stood.values()))
        },
        "met": _met(log, run),
        "held": run.held,
        "updated": run.updated,
        "problems": problems[:PROBLEMS_MAX],
    }


def lost(saves: Sequence[dict[str, Any]], own: Sequence[Any]) -> list[str]:
    """Return which saves are neither there nor refused with the message for a person."""
    wrong = []
    for save in saves:
        there = [one for one in own if one.title == save["title"]]
        if save["outcome"] == "saved":
            if [(one.number, one.digest) for one in there] != [(save["number"], save["digest"])]:
                wrong.append(f"lost save: {save['title']!r} is no revision {save['number']}")
        elif save["outcome"] == "stale":
            if there:
                wrong.append(f"{save['title']!r} was refused and is there")
            if "Nothing was overwritten" not in save["said"]:
                wrong.append(f"a refusal that does not say what happened: {save['said']!r}")
        else:
            wrong.append(f"broken save, {save['outcome']}: {save['said']}")
    return wrong


def replayed(own: Sequence[Any], state: str) -> Pointers:
    """Return where the pointers have to be, from the revisions in the order of their numbers."""
    at = Pointers(1, 1, False)
    if state in ("approved", "proposed"):
        at = Pointers(1, None, True)
    by_person = {one.number: one.origin != "import" for one in own}
    for number, is_personal in list(by_person.items())[1:]:
        if is_personal:
            at.proposed = number
            at.live = at.live if at.is_approved else number
        elif at.proposed is not None and by_person[at.proposed]:
            at.waiting = number
        elif at.is_approved or by_person[at.live]:
            at.proposed = number
        else:
            at.live = at.proposed = number
    return at


def _met(log: Sequence[dict[str, Any]], run: Any) -> int:
    """Return how many saves ran while the batch that changes the same post did."""
    batches = []
    first = 0
    for checkpoint in run.checkpoints.order_by("batch"):
        began = checkpoint.created_at.timestamp()
        ended = began + checkpoint.milliseconds / 1000 + COMMIT_SECONDS
        batches.append((first, checkpoint.record, began, ended))
        first = checkpoint.record
    met = 0
    for save in log:
        for first, last, began, ended in batches:
            if first <= save["record"] < last:
                met += save["started"] < ended and save["ended"] > began
    return met
