"""The disclosure is a function of what happened: every history of up to five events, two ways.

`expected` says what PRODUCT.md and DATA-MODEL.md say, on texts and hands instead of pointers and
rows. It is compared with the site's own rules for every history, and with what the site stores and
serves for every history of up to four (`long`) and some longer ones.
"""

from __future__ import annotations

import datetime as dt
import io
import itertools
import json
import random
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import pytest
from django.db import transaction
from django.test import Client

from posts import content, disclosure, review, writing
from posts.importing import engine
from posts.importing.classification import OVERWRITE
from posts.importing.formats import Input, jsonl
from posts.importing.intake import Arrival
from posts.models import ImportedPost, Post
from posts.transitions import PUBLISHED, Moment, ReviewError, State, after
from tests.builders import make_snapshot, make_user

NOW = dt.datetime(2026, 11, 17, 9, 0, tzinfo=dt.UTC)
WRITER, EDITOR, REVIEWER = "Wim Oster", "Edda Moor", "Rosa Lindqvist"

#: What may happen after a post came by an import, or was written by hand.
EVENTS = ("import", "edit", "put the first back", "approve", "send back", "withdraw")
AFTER = {"imported": EVENTS, "written": EVENTS[1:]}
LONGEST = 5
#: A history takes a twentieth of a second to carry out, serve and take back.
LONGEST_SERVED = 4


def histories(begins, longest):
    for length in range(longest + 1):
        yield from itertools.product(AFTER[begins], repeat=length)


# --- What the documents say ---------------------------------------------------------------------


@dataclass(frozen=True)
class Text:
    """A text by what it says, who first said so, and whether a person saved it last."""

    says: int
    by: str
    saved_by_person: bool


class Page(NamedTuple):
    """Which text readers see, which one a reviewer approved, what waits first and second."""

    seen: Text
    approved: Text | None
    first: Text | None
    second: Text | None = None


def expected(begins, history):
    """Return sentence and value after a history, by the words of the documents."""
    is_generated = begins == "imported"
    start = Text(0, "" if is_generated else WRITER, not is_generated)
    page = Page(start, None, start)
    undoes = None  # the page before the last event, where that was a verdict
    for number, event in enumerate(history, start=1):
        before, page = page, happens(event, number, start, page, undoes)
        if page != before or event == "withdraw":
            undoes = before if event in ("approve", "send back") else None
    by, reviewed = page.seen.by, page.approved is page.seen
    review = f"reviewed by {REVIEWER} on 17 November 2026" if reviewed else ""
    if not is_generated:
        edited = f"edited by {by}" if by != WRITER else ""
        told = [f"Written by {WRITER}", edited, review]
        return ", ".join(filter(None, told)) + ".", "none"
    if not by and not reviewed:
        return "AI-generated, not reviewed.", "ai-autonomous"
    edited = f"edited by {by}" if by else ""
    return ", ".join(filter(None, ["AI-generated", edited, review])) + ".", "ai-generated"


def happens(event, number, start, page, undoes):
    """Return the page after one event; an event that is not possible changes nothing."""
    is_approved = page.approved is page.seen
    if event in ("edit", "put the first back"):
        new = (
            Text(number, EDITOR, True) if event == "edit" else replace(start, saved_by_person=True)
        )
        # Readers keep an approved page; one that nobody approved follows the person at once.
        return page._replace(seen=page.seen if is_approved else new, first=new)
    if event == "import":
        new = Text(number, "", False)
        if page.first is not None and page.first.saved_by_person:
            return page._replace(second=new)
        # An import never overwrites a person's work.
        if is_approved or page.seen.saved_by_person:
            return page._replace(first=new)
        return page._replace(seen=new, first=new)
    if event == "withdraw":
        if undoes is not None:
            return undoes
        return page._replace(approved=None, first=page.first or page.seen) if is_approved else page
    if page.first is None:
        return page
    if event == "approve":
        return Page(page.first, page.first, page.second)
    return page._replace(first=page.second, second=None)


@pytest.mark.parametrize(
    ("begins", "history", "sentence", "value"),
    [
        ("imported", (), "AI-generated, not reviewed.", "ai-autonomous"),
        (
            "imported",
            ("approve",),
            "AI-generated, reviewed by Rosa Lindqvist on 17 November 2026.",
            "ai-generated",
        ),
        ("imported", ("edit",), "AI-generated, edited by Edda Moor.", "ai-generated"),
        ("written", (), "Written by Wim Oster.", "none"),
        (
            "imported",
            ("approve", "withdraw", "import"),
            "AI-generated, not reviewed.",
            "ai-autonomous",
        ),
        (
            "imported",
            ("edit", "put the first back"),
            "AI-generated, not reviewed.",
            "ai-autonomous",
        ),
    ],
)
def test_expectation_says_what_the_documents_say(begins, history, sentence, value):
    assert expected(begins, history) == (sentence, value)


# --- The site's rules, on values ----------------------------------------------------------------


class Row(NamedTuple):
    """What the rules read of a revision."""

    number: int
    digest: str
    author: Any
    is_by_person: bool


class Person(str):
    def get_full_name(self):
        return str(self)


class Site:
    """The site without its database: transitions, the importer's table, the writer's rule."""

    def __init__(self, begins):
        self.is_generated = begins == "imported"
        self.now = NOW
        self.state = State(PUBLISHED, live=1, proposed=1, approved=None, published_at=NOW)
        first = (
            Row(1, "d0", None, False) if self.is_generated else Row(1, "d0", Person(WRITER), True)
        )
        self.rows = {1: first}
        self.last = None

    def take(self, event):
        new, state = len(self.rows) + 1, self.state
        is_approved = state.approved == state.live
        if event in ("edit", "put the first back"):
            digest = f"d{new}" if event == "edit" else "d0"
            self.rows[new] = Row(new, digest, Person(EDITOR), True)
            live = state.live if is_approved else new
            self.state = replace(state, live=live, proposed=new)
        elif event == "import":
            self.rows[new] = Row(new, f"d{new}", None, False)
            is_protected = is_approved or self.rows[state.live].is_by_person
            has_own = state.proposed is not None and self.rows[state.proposed].is_by_person
            _, pointers = OVERWRITE[is_protected, has_own]
            self.state = replace(state, **dict.fromkeys(pointers, new))
        else:
            self.decide(event)

    def decide(self, event):
        action = {"send back": "request_changes"}.get(event, event)
        before = None
        if action == "withdraw" and self.last and self.last[1] == self.pointers():
            before = self.last[0]
        try:
            new = after(action, self.state, Moment(self.now, self.now, before=before))
        except ReviewError:
            return
        was, self.state = self.state, new
        if action != "withdraw":
            self.last = (was, self.pointers())

    def pointers(self):
        return (self.state.live, self.state.proposed, self.state.approved, self.state.waiting)

    def says(self):
        live = self.rows[self.state.live]
        alike = [
            row
            for row in self.rows.values()
            if row.number == 1 or (row.digest == live.digest and row.number <= live.number)
        ]
        writer, editor = disclosure.hands(alike, live.digest)
        is_reviewed = self.state.approved == self.state.live
        return disclosure.said_of(
            disclosure.Making(
                self.is_generated,
                writer=str(writer or ""),
                editor=str(editor or ""),
                reviewer=REVIEWER if is_reviewed else "",
                reviewed_at=NOW if is_reviewed else None,
            )
        )


@pytest.mark.parametrize("begins", AFTER)
def test_rules_say_what_is_expected_of_every_history(begins):
    seen = set()
    for history in histories(begins, LONGEST):
        site = Site(begins)
        for event in history:
            site.take(event)

        assert tuple(site.says()) == expected(begins, history), history
        seen.add(expected(begins, history))

    # Every row of the table occurs: with and without edit, with and without review.
    assert len(seen) == 4


# --- What the site stores and serves ------------------------------------------------------------


class World:
    """A published post and the people who work on it."""

    def __init__(self, begins):
        name = iter(
            make_user(kind, first_name=first, last_name=last)
            for kind, (first, last) in zip(
                ("superuser", "editor", "reviewer", "publisher"),
                (who.split() for who in (WRITER, EDITOR, REVIEWER, "Pia Blanc")),
                strict=True,
            )
        )
        writer, self.editor, self.reviewer, publisher = name
        self.begins, self.number = begins, 0
        if begins == "imported":
            self.bring()
            self.post = ImportedPost.objects.get(key="n-1").post
        else:
            self.post = writing.write_post(by=writer, snapshot=make_snapshot(), now=NOW)
        review.act_on_one(action="publish", post=self.post, by=publisher, now=NOW)

    def bring(self):
        self.number += 1
        record = {"key": "n-1", "title": "Cold starts", "body": f"As imported {self.number}."}
        # What an import says of itself must not matter.
        record |= {"flags": {"ai_generated_style": False, "needs_human_review": False}}
        record |= {"revision": {"status": "reviewed", "last_reviewed": "2026-01-01"}}
        lines = io.BytesIO(json.dumps(record).encode() + b"\n")
        arrivals = (Arrival(0, raw, jsonl) for raw in jsonl.records(lines, Input("n.jsonl", None)))
        engine.run_import(arrivals, options=engine.Options(source="notes"))

    def take(self, event):
        post = self.post
        newest = post.revisions.count()
        if event == "import":
            self.bring()
        elif event == "edit":
            self.number += 1
            snapshot = content.Snapshot(title="Cold starts", body=f"As edited {self.number}.")
            writing.revise(post=post, by=self.editor, snapshot=snapshot, seen=newest, now=NOW)
        elif event == "put the first back":
            first = post.revisions.get(number=1)
            writing.restore(post=post, by=self.editor, revision=first, seen=newest, now=NOW)
        else:
            action = {"send back": "request_changes"}.get(event, event)
            review.act(
                action=action,
                posts=[post.pk],
                by=self.reviewer,
                reason="no sources",
                now=NOW,
                undo_seconds=0,
            )
        post.refresh_from_db()

    def check(self, client, history):
        told = client.get(f"/posts/{self.post.slug}.json").json()
        text, value = expected(self.begins, history)

        assert (told["disclosure"]["text"], told["disclosure"]["value"]) == (text, value), history
        assert (told["review"]["byline"] == REVIEWER) == (REVIEWER in text), history
        assert told["gate"]["is_indexable"] == (REVIEWER in text), history
        self.check_page(client, history, text, value)

    def check_page(self, client, history, text, value):
        response = client.get(self.post.get_absolute_url())
        page = response.content.decode()

        assert response.status_code == 200
        assert f'<meta name="ai-disclosure" content="{value}">' in page, history
        assert f'<p class="note-disclosure">{text} <a' in page, history
        assert f'"creditText":"{text}"' in page, history


def explore(world, client, history, longest):
    """Check a history and all that go on from it, each taken back behind itself."""
    world.check(client, history)
    if len(history) == longest:
        return 1
    checked = 1
    for event in AFTER[world.begins]:
        number = world.number
        with transaction.atomic():
            world.take(event)
            checked += explore(world, client, (*history, event), longest)
            transaction.set_rollback(True)
        world.number = number
        world.post = Post.objects.get(pk=world.post.pk)
    return checked


@pytest.mark.django_db
@pytest.mark.parametrize("begins", AFTER)
def test_site_serves_what_is_expected_of_short_histories(client, begins):
    assert explore(World(begins), client, (), 1) == 1 + len(AFTER[begins])


@pytest.mark.django_db
def test_site_serves_what_is_expected_of_some_long_histories(client):
    chance = random.Random(17)
    for begins in AFTER:
        for _ in range(6):
            history = tuple(chance.choices(AFTER[begins], k=LONGEST))
            with transaction.atomic():
                world = World(begins)
                for event in history:
                    world.take(event)
                world.check(client, history)
                transaction.set_rollback(True)


@pytest.mark.long
@pytest.mark.django_db
@pytest.mark.parametrize("begins", AFTER)
def test_site_serves_what_is_expected_of_every_history(begins):
    options = len(AFTER[begins])

    checked = explore(World(begins), Client(), (), LONGEST_SERVED)

    assert checked == sum(options**length for length in range(LONGEST_SERVED + 1))
