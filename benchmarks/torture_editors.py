"""Editors who save posts at the moment an import changes them, and what became of their saves.

In: DATABASE_URL, a step (`prepare`, `save` or `judge`), a folder for the log, sizes. Out: one JSON
object on stdout. A process of its own, because a process has one database; `save` runs beside the
import command and says "ready" on stderr when it waits for it.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

EDITOR, REVIEWER = "racing-editor", "racing-reviewer"
#: How posts stand before the race; they take turns.
STATES = ("untouched", "approved", "edited", "proposed")
THREADS = 4
#: Of those who are refused, so many save again.
AGAIN_SHARE = 0.25
POLL_SECONDS = 0.002
WAIT_SECONDS = 240


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one step and print what it found."""
    parser = argparse.ArgumentParser()
    parser.add_argument("step", choices=("prepare", "save", "judge"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--source", required=True)
    parser.add_argument("--batch-size", type=int, default=40)
    parser.add_argument("--races", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "alphanode.settings")
    import django

    django.setup()
    from benchmarks import torture_judge

    log = options.folder / "saves.jsonl"
    if options.step == "prepare":
        told = prepare(options.source, options.races, options.batch_size)
    elif options.step == "save":
        saves = _Saves(options)
        saves.run()
        log.write_text("".join(json.dumps(one) + "\n" for one in saves.log))
        told = {"saves": len(saves.log)}
    else:
        lines = [json.loads(line) for line in log.read_text().splitlines()]
        chosen = raced(keys_of(options.source), options.races, options.batch_size)
        stood = {one.key: one.state for one in chosen}
        told = torture_judge.judged(lines, options.source, stood)
    sys.stdout.write(json.dumps(told) + "\n")
    return 0


class Raced(NamedTuple):
    """A post that an editor will save: its place in the input, and how it stands before."""

    record: int
    key: str
    state: str


def raced(keys: Sequence[str], races: int, batch_size: int) -> list[Raced]:
    """Return which posts are raced: as many of each batch as there are editors.

    `keys` stand in the order of the input, one record a key.
    """
    chosen = []
    each = min(THREADS, batch_size)
    for start in range(0, len(keys), batch_size):
        for place in range(min(each, len(keys) - start)):
            record = start + place * (batch_size // each)
            if record < len(keys) and len(chosen) < races:
                state = STATES[len(chosen) // each % len(STATES)]
                chosen.append(Raced(record, keys[record], state))
    return chosen


def keys_of(source: str) -> list[str]:
    """Return the keys in the order of the input, which was that of the ids. One query."""
    from posts.models import ImportedPost

    rows = ImportedPost.objects.filter(source__name=source).order_by("post_id")
    return list(rows.values_list("key", flat=True))


def prepare(source: str, races: int, batch_size: int) -> dict[str, Any]:
    """Make the people, and bring each raced post into its state."""
    from django.contrib.auth.models import Group, User

    from posts import review, writing
    from posts.models import ImportedPost

    people = {}
    for name, group in ((EDITOR, "editor"), (REVIEWER, "reviewer")):
        people[name] = User.objects.create_user(name, is_staff=True)
        people[name].groups.add(Group.objects.get(name=group))
    posts = {
        one.key: one.post
        for one in ImportedPost.objects.filter(source__name=source).select_related(
            "post__live_revision"
        )
    }
    chosen = raced(keys_of(source), races, batch_size)
    for one in chosen:
        post = posts[one.key]
        assert post is not None  # noqa: S101  (nothing was erased here)
        if one.state in ("approved", "proposed"):
            review.act_on_one(
                action="approve", post=post, by=people[REVIEWER], undo_seconds=0, now=None
            )
        if one.state in ("edited", "proposed"):
            snapshot = _with_title(post.live_revision.snapshot, f"Edited before, {one.key}")
            writing.revise(post=post, by=people[EDITOR], snapshot=snapshot, seen=1)
    return {"raced": len(chosen)}


def _with_title(snapshot: Any, title: str) -> Any:
    import msgspec

    return msgspec.structs.replace(snapshot, title=title)


def _opened(source: str, keys: set[str]) -> dict[str, tuple[Any, int]]:
    """Return posts with their live revision and the number of the newest one. One query."""
    from django.db.models import Max

    from posts.models import ImportedPost

    rows = ImportedPost.objects.filter(source__name=source).select_related("post__live_revision")
    newest = rows.annotate(newest=Max("post__revisions__number"))
    return {one.key: (one.post, one.newest) for one in newest if one.key in keys}


class _Saves:
    """Threads that wait until the import writes the batch with their post, and then save it."""

    def __init__(self, options: argparse.Namespace) -> None:
        from django.contrib.auth.models import User

        from posts.models import ImportRun

        self.options = options
        self.by = User.objects.get(username=EDITOR)
        self.chosen = raced(keys_of(options.source), options.races, options.batch_size)
        #: key -> post and the number of its newest revision, as a form has them before it is saved
        self.opened = _opened(options.source, {one.key for one in self.chosen})
        self.before = ImportRun.objects.count()
        #: Records of which the import has committed the fate; -1 before it began.
        self.frontier = -1
        self.is_over = False
        #: Seconds of the last batch, by the clock of the watching thread.
        self.batch_seconds = 0.05
        self.log: list[dict[str, Any]] = []
        self.lock = threading.Lock()

    def run(self) -> None:
        """Start the editors, follow the import, return when every post was saved or refused."""
        from django.db import close_old_connections, connection

        threads = [
            threading.Thread(target=self._edit, args=(number,), name=f"editor-{number}")
            for number in range(THREADS)
        ]
        connection.ensure_connection()
        for thread in threads:
            thread.start()
        sys.stderr.write("ready\n")
        sys.stderr.flush()
        self._watch()
        for thread in threads:
            thread.join(WAIT_SECONDS)
        close_old_connections()
        if any(thread.is_alive() for thread in threads):
            raise RuntimeError("an editor waits for ever")

    def _watch(self) -> None:
        """Follow the checkpoints of the run that begins, until it ends."""
        from posts.models import ImportCheckpoint, ImportRun

        deadline = time.monotonic() + WAIT_SECONDS
        run = None
        changed_at = time.monotonic()
        while time.monotonic() < deadline:
            if run is None:
                if ImportRun.objects.count() > self.before:
                    run = ImportRun.objects.order_by("-pk")[0]
                    self.frontier, changed_at = 0, time.monotonic()
            else:
                rows = ImportCheckpoint.objects.filter(run=run).order_by("-batch")
                record = rows.values_list("record", flat=True).first() or 0
                if record != self.frontier:
                    now = time.monotonic()
                    self.batch_seconds = min(2.0, now - changed_at)
                    self.frontier, changed_at = record, now
                run.refresh_from_db(fields=["state"])
                if run.state != ImportRun.State.RUNNING:
                    break
            time.sleep(POLL_SECONDS)
        self.is_over = True

    def _edit(self, number: int) -> None:
        """Save this editor's posts, each when its batch is next; one that has passed is left."""
        from django.db import connection

        size = self.options.batch_size
        try:
            connection.ensure_connection()
            chance = random.Random(self.options.seed * THREADS + number)  # noqa: S311
            for one in self.chosen[number::THREADS]:
                batch = one.record // size * size
                while self.frontier < batch and not self.is_over:
                    time.sleep(POLL_SECONDS)
                if self.frontier >= batch + size:
                    continue
                time.sleep(chance.uniform(0, self.batch_seconds))
                post, seen = self.opened[one.key]
                is_refused = self._save(one, post, seen, 1)
                if is_refused and chance.random() < AGAIN_SHARE:
                    # As a person who compared the two and saves again.
                    newest = post.revisions.order_by("-number").values_list("number", flat=True)
                    self._save(one, post, newest[0], 2)
        finally:
            connection.close()

    def _save(self, one: Raced, post: Any, seen: int, attempt: int) -> bool:
        """Save once and log it; say whether it was refused as stale."""
        from django.utils import timezone

        from posts import writing
        from posts.transitions import ReviewError

        title = f"Race {self.options.seed}, attempt {attempt}, {one.key}"
        told: dict[str, Any] = {**one._asdict(), "title": title, "seen": seen}
        told["started"] = timezone.now().timestamp()
        try:
            revision = writing.revise(
                post=post,
                by=self.by,
                snapshot=_with_title(post.live_revision.snapshot, title),
                seen=seen,
            )
        except ReviewError as error:
            told |= {"outcome": error.code, "said": str(error)}
        except Exception as error:  # whatever it was, the judge has to see it
            told |= {"outcome": "broken", "said": f"{type(error).__name__}: {error}"[:500]}
        else:
            told |= {"outcome": "saved", "number": revision.number, "digest": revision.digest}
        told["ended"] = timezone.now().timestamp()
        with self.lock:
            self.log.append(told)
        return told["outcome"] == "stale"


if __name__ == "__main__":
    sys.exit(main())
