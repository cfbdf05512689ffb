"""A scratch archive of listed notes for the search benchmark, with words of known frequency.

In: an empty migrated database from DATABASE_URL. Out: synthesized notes, listed over seven years,
with the rows that search reads, inserted in bulk; entries come from `posts.search.entries`, as any
gate would make them. Never for an archive that anybody reads.
"""

from __future__ import annotations

import datetime as dt
import random
import string
import time
from typing import Any

import msgspec
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Count

from posts import content, db, projection
from posts.importing.synthesizer.articles import Article, synthesize
from posts.models import Counter, Entity, Post, PostTag, Revision, SearchEntry, Tag
from posts.reflection import LIST_COLUMNS, reflected
from posts.search import database, entries

SEED = 1
CHUNK = 500
FIRST = dt.datetime(2019, 11, 1, tzinfo=dt.UTC)
LAST = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)

#: Word -> share of the notes that hold it in their body, in percent.
WORDS = {
    "zorvath": 0.01,
    "quibblex": 0.1,
    "plonkard": 1,
    "frimbel": 5,
    "dreskin": 20,
    "ubiqat": 100,
    "gralnik": 0.1,
    "vostrep": 5,
    "mostril": 20,
    "everant": 100,
}


def body_of(article: Article, number: int) -> str:
    """Return a note's body with the words that fall to its number."""
    draw = random.Random(number)  # noqa: S311  (frequencies, no secrets)
    words = [word for word, percent in WORDS.items() if draw.random() * 100 < percent]
    return f"{article.body}\n\nAlso noted: {', '.join(words)}."


def mistyped(title: str, draw: random.Random) -> str:
    """Return a title with one letter lost, added, changed, or swapped with the next one."""
    places = [at for at in range(len(title) - 1) if title[at].isalpha() and title[at + 1].isalpha()]
    at = draw.choice(places)
    other = draw.choice(string.ascii_lowercase.replace(title[at].lower(), ""))
    kind = draw.choice(("lost", "added", "changed", "swapped"))
    if kind == "swapped" and title[at] != title[at + 1]:
        return f"{title[:at]}{title[at + 1]}{title[at]}{title[at + 2 :]}"
    if kind == "lost":
        return title[:at] + title[at + 1 :]
    return title[:at] + other + title[at + (kind == "changed") :]


def build(posts: int) -> dict[str, Any]:
    """Insert `posts` listed notes; return how long their search entries took, in seconds."""
    person = User.objects.create_user("bench-reviewer")
    names = projection.Names()
    every = (LAST - FIRST) / posts
    began = time.perf_counter()
    spent = 0.0
    chunk: list[tuple[int, Article]] = []
    for number, article in enumerate(synthesize(SEED, posts)):
        chunk.append((number, article))
        if len(chunk) == CHUNK or number == posts - 1:
            spent += _insert(chunk, names, person, every)
            chunk = []
    settled = time.perf_counter()
    database.settle()
    for tag in PostTag.objects.values("tag").annotate(uses=Count("pk")).order_by():
        Tag.objects.filter(pk=tag["tag"]).update(use_count=tag["uses"])
    Counter.objects.create(name="listed", value=posts)
    db.refresh_planner_statistics([Post, Revision, PostTag, Entity, Tag, SearchEntry])
    return {
        "posts": posts,
        "seconds": round(time.perf_counter() - began, 1),
        "entry_ms_a_post": round(spent / posts * 1000, 3),
        "settle_seconds": round(time.perf_counter() - settled, 1),
    }


def _insert(
    chunk: list[tuple[int, Article]], names: projection.Names, person: User, every: dt.timedelta
) -> float:
    """Insert a chunk in one transaction; return the seconds of its search entries."""
    with transaction.atomic():
        ids = db.allocate_ids(Post, len(chunk))
        revision_ids = db.allocate_ids(Revision, len(chunk))
        posts, revisions, mirrored = [], [], []
        for pk, revision, (number, article) in zip(ids, revision_ids, chunk, strict=True):
            moment = FIRST + every * number
            body = body_of(article, number)
            snapshot = content.Snapshot(
                title=article.title, lede=article.lede, body=body, meta=article.meta
            )
            reflection = reflected(snapshot)
            posts.append(
                (
                    *(pk, f"note-{number}", "published", moment, moment, revision, revision),
                    *(moment, moment, *reflection.columns),
                )
            )
            revisions.append(
                (
                    *(revision, pk, 1, content.digest(snapshot), snapshot.title, snapshot.lede),
                    *(body, msgspec.json.encode(snapshot.meta).decode(), "editor", person.pk),
                    *("", moment),
                )
            )
            mirrored.append(
                projection.Mirrored(pk, msgspec.structs.replace(reflection, images=()), moment)
            )
        db.insert_rows(
            Post,
            (
                *("id", "slug", "visibility", "published_at", "listed_at", "live_revision_id"),
                *("approved_revision_id", "created_at", "changed_at", *LIST_COLUMNS),
            ),
            posts,
        )
        db.insert_rows(
            Revision,
            (
                *("id", "post_id", "number", "digest", "title", "lede", "body", "meta", "origin"),
                *("author_id", "comment", "created_at"),
            ),
            revisions,
        )
        names.resolve(one.reflection for one in mirrored)
        projection.insert(mirrored, names)
        began = time.perf_counter()
        entries.refresh(ids)
        return time.perf_counter() - began
