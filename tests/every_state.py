"""An archive with posts in every state they can be in, by the project's own doors, at any size.

Each post has a mark of its own in title, text and address, and one of its state in a tag, an entity
and a topic: what a surface shows of it can be told from the text of an answer.
"""

import datetime as dt
import io
import json
import random
import re
from collections.abc import Callable, Collection
from typing import Any, NamedTuple

from django.core.management import call_command
from django.utils import timezone

from posts import review
from posts.importing import engine, erasure
from posts.importing.formats import Input, jsonl
from posts.importing.intake import Arrival
from posts.models import ImportedPost, Post
from tests.builders import make_user

SOURCE = "marked notes"
#: The mark of a post, that of a text which waits for a verdict, and that of a state.
MARK = re.compile(r"zq\d{6}")
WAITING_MARK = re.compile(r"zx\d{6}")
STATE_MARK = re.compile(r"kz-[a-z-]+?-kz")
HOUR = dt.timedelta(hours=1)


class Step(NamedTuple):
    """An action of `posts.review` on all posts of a state, `hours` ago, with what it needs."""

    actions: tuple[str, ...]
    more: dict[str, Any] = {}
    hours: int = 3


class State(NamedTuple):
    """How posts come into a state: before the dumps are written, and after.

    `is_open` is what lists may show; `is_reachable`, that the address of a post answers.
    """

    first: tuple[Step, ...] = ()
    then: tuple[Step, ...] = ()
    is_open: bool = False
    is_reachable: bool = False
    weight: int = 2


def _ahead(hours: int) -> dt.datetime:
    return timezone.now() + hours * HOUR


def states() -> dict[str, State]:
    """Return every way to be listed or not, by a name for it."""
    listed = (Step(("approve", "publish"), {"undo_seconds": 0}),)
    published = (Step(("publish",)),)
    wrong = {"reason": "Wrong."}
    at_once = {"undo_seconds": 0}
    later = {"undo_seconds": 3600}
    ends = {"archive_at": _ahead(1)}
    ended = {"archive_at": _ahead(-1)}
    shown: dict[str, Any] = {"is_open": True, "is_reachable": True}
    return {
        "listed": State(listed, **shown, weight=12),
        "private": State(),
        "approved": State((Step(("approve",), at_once),)),
        "published": State(published, is_reachable=True),
        "opens-later": State((Step(("approve", "publish"), later, 0),), is_reachable=True),
        "planned": State(
            (Step(("approve",), at_once), Step(("schedule",), {"publish_at": _ahead(1)}))
        ),
        "planned-unapproved": State((Step(("schedule",), {"publish_at": _ahead(1)}),)),
        "ends-later": State(listed, (Step(("schedule",), ends),), **shown),
        "ended": State(listed, (Step(("schedule",), ended, 2),)),
        "archived": State(listed, (Step(("archive",), hours=0),)),
        "unpublished": State(listed, (Step(("unpublish",), hours=0),)),
        "back-unapproved": State(
            listed,
            (Step(("archive",), hours=1), Step(("unarchive", "withdraw", "publish"), wrong, 0)),
            is_reachable=True,
        ),
        "withdrawn": State(listed, (Step(("withdraw",), wrong, 0),), is_reachable=True),
        "returned": State(published, (Step(("request_changes",), wrong, 0),), is_reachable=True),
        "rejected": State(published, (Step(("reject",), wrong, 0),), is_reachable=True),
        "held": State(listed, **shown),
        "renewed": State(listed, (Step(("approve",), at_once, 0),), **shown),
        "renewed-later": State(listed, (Step(("approve",), later, 0),), is_reachable=True),
        "changed": State(published, is_reachable=True),
        "erased": State(listed),
    }


#: States of posts that a second import brings another text of, between the first and the last step.
CHANGED = ("held", "renewed", "renewed-later", "changed")


class Archive:
    """The archive. `open` and `closed` are the marks of posts; `posts` are (slug, id) by mark."""

    def __init__(self, size: int, *, only: Collection[str] = (), seed: int = 7) -> None:
        self.states = {name: s for name, s in states().items() if not only or name in only}
        draw = random.Random(seed)
        names, weights = zip(*((n, s.weight) for n, s in self.states.items()), strict=True)
        # Every state is there, however few posts there are.
        drawn = draw.choices(names, weights, k=max(0, size - 2 * len(names)))
        self.state_of = {f"zq{n:06d}": name for n, name in enumerate([*names, *names, *drawn])}
        self.by = make_user("superuser")
        self._import(self.state_of)
        self.posts = self._posts()
        self._carry_out(lambda state: state.first)

    def _import(self, marks: dict[str, str], *, changed: str = "") -> None:
        lines = io.BytesIO()
        for mark, state in marks.items():
            lines.write(json.dumps(_record(mark, state, changed)).encode() + b"\n")
        lines.seek(0)
        arrivals = (
            Arrival(0, raw, jsonl) for raw in jsonl.records(lines, Input("notes.jsonl", None))
        )
        progress = engine.run_import(arrivals, options=engine.Options(source=SOURCE))
        assert progress.counts["rejected"] == 0, progress.examples

    def _posts(self) -> dict[str, tuple[str, int]]:
        rows = ImportedPost.objects.filter(source__name=SOURCE, post__isnull=False)
        return {key: (slug, pk) for key, slug, pk in rows.values_list("key", "post__slug", "post")}

    def _carry_out(self, steps_of: Callable[[State], tuple[Step, ...]]) -> None:
        for name, state in self.states.items():
            ids = [self.posts[mark][1] for mark, of in self.state_of.items() if of == name]
            for step in steps_of(state):
                moment = timezone.now() - step.hours * HOUR
                outcome = review.act(
                    action=step.actions, posts=ids, by=self.by, now=moment, **step.more
                )
                assert not outcome.refused, (name, step.actions, outcome.refused)

    def close(self) -> None:
        """Bring the posts whose state needs it from open to what they are to be."""
        marks = {mark: of for mark, of in self.state_of.items() if of in CHANGED}
        self._import(marks, changed="zx")
        self._carry_out(lambda state: state.then)
        erased = [self.posts[mark][1] for mark, of in self.state_of.items() if of == "erased"]
        erasure.erase(post_ids=erased, by=self.by, reason="Asked for.")

    def write_dumps(self) -> None:
        call_command("write_dumps", verbosity=0, stdout=io.StringIO(), stderr=io.StringIO())

    @property
    def open(self) -> set[str]:
        """Marks of the posts that may be listed, as their states say."""
        return {mark for mark, of in self.state_of.items() if self.states[of].is_open}

    @property
    def open_states(self) -> set[str]:
        return {state_mark(name) for name, state in self.states.items() if state.is_open}

    def sample(self, of_each: int) -> dict[str, str]:
        """Return the marks of so many posts of each state, with their states."""
        found: dict[str, list[str]] = {}
        for mark, name in self.state_of.items():
            found.setdefault(name, []).append(mark)
        return {mark: name for name, marks in found.items() for mark in marks[:of_each]}


def state_mark(name: str) -> str:
    """Return the mark of a state, which is a tag's and an entity's name and slug as well."""
    return f"kz-{name}-kz"


def indexable_marks() -> set[str]:
    """Return the marks of the posts that the gate lists, as the database says."""
    slugs = Post.objects.indexable().values_list("slug", flat=True)
    return {MARK.search(slug)[0] for slug in slugs}  # type: ignore[index]


def _record(mark: str, state: str, changed: str) -> dict[str, Any]:
    text = f"About {mark}." if not changed else f"About {mark}, anew: {mark.replace('zq', 'zx')}."
    return {
        "key": mark,
        "title": f"Tidal note {mark}",
        "lede": text,
        "body": f"## Why\n\n{text} Numbers come first.",
        "topic": f"{state_mark(state)} tides / tidal services",
        "stack": ["tidal services"],
        "tools": [state_mark(state)],
        "difficulty": "advanced",
        "reference": f"ref-{mark}",
        "entities": [
            {"name": state_mark(state), "type": "problem"},
            {"name": "tidal services", "type": "stack"},
        ],
    }
