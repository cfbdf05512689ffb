"""Search entries, made from posts by one function, whichever door moved them.

In: ids of posts that moved, in the transaction of the move. Out: their entries as they are to be:
one for a post whose gate is set, none for any other. From scratch gives the same rows. Decides
nothing; whether a post may be found now is asked when somebody searches.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from django.db import transaction

from posts import content, db
from posts.models import Post, PostTag, SearchEntry, SearchWord
from posts.rebuilding import Step
from posts.reflection import entity_names
from posts.search import database
from posts.search.database import Entry, fact
from posts.search.passages import passages
from posts.search.words import VERSION, different_words, stems

#: Posts looked at in one transaction of `rebuild`.
STEP = 500
#: Letters of a word that is worth spelling.
SPELLED_MIN = 2


def refresh(post_ids: Iterable[int]) -> int:
    """Make the entries of these posts what the posts say; return how many were written or removed.

    Inside the transaction that moved them. At most six statements per 500 posts that become
    listed, two per 500 others, and one for the vocabulary.
    """
    written = 0
    words: set[str] = set()
    for chunk in db.chunked(sorted(set(post_ids))):
        written += _refresh(chunk, words)
    # At once and in order, so that two transactions that meet the same new words wait for each
    # other and do not deadlock.
    db.insert_missing(SearchWord, ("word",), [(word,) for word in sorted(words)])
    return written


def rebuild(*, after: int, size: int = STEP) -> Step:
    """Make the entries of the next posts behind a post; one short transaction."""
    with transaction.atomic():
        posts = Post.objects.select_for_update(no_key=True).filter(pk__gt=after).order_by("pk")
        ids = list(posts.values_list("pk", flat=True)[:size])
        written = refresh(ids)
    return Step(ids[-1] if len(ids) == size else None, len(ids), written)


class _Facts(NamedTuple):
    """Columns that say whether an entry is as it should be."""

    revision: int
    place: int
    tags: str
    version: int


def _refresh(post_ids: Sequence[int], words: set[str]) -> int:
    """Refresh at most 500 entries, add their words, and return how many changed."""
    posts, there = {}, {}
    for pk, revision, published_at, listed_at, *values in Post.objects.filter(
        pk__in=post_ids
    ).values_list(
        *("pk", "live_revision_id", "published_at", "listed_at"),
        *(f"search_entry__{name}" for name in _Facts._fields),
    ):
        if listed_at is not None:
            posts[pk] = (revision, published_at)
        if values[0] is not None:
            there[pk] = _Facts._make(values)
    tags = _tags_of(list(posts))
    wanted = {
        pk: _Facts(
            revision,
            database.place(published_at, pk),
            " ".join(str(tag_id) for tag_id in tags[pk]),
            VERSION,
        )
        for pk, (revision, published_at) in posts.items()
    }
    fresh = {pk: facts for pk, facts in wanted.items() if there.get(pk) != facts}
    gone = [pk for pk, facts in there.items() if wanted.get(pk) != facts]
    for chunk in db.chunked(gone):
        rows = SearchEntry.objects.filter(pk__in=chunk)
        rows._raw_delete(rows.db)
    if fresh:
        words |= _insert(fresh, tags)
    return len(fresh) + len(set(gone).difference(fresh))


def _tags_of(post_ids: Sequence[int]) -> dict[int, dict[int, str]]:
    """Return names of tags by their keys, for each post. One query."""
    tags: dict[int, dict[int, str]] = defaultdict(dict)
    if post_ids:
        for post_id, tag_id, name in (
            PostTag.objects.filter(content_object_id__in=post_ids)
            .order_by("content_object_id", "tag_id")
            .values_list("content_object_id", "tag_id", "tag__name")
        ):
            tags[post_id][tag_id] = name
    return tags


def _insert(wanted: Mapping[int, _Facts], tags: Mapping[int, Mapping[int, str]]) -> set[str]:
    """Insert entries and return the words their revisions bring to the vocabulary."""
    entries = []
    words: set[str] = set()
    for pk, title, lede, body, meta in Post.objects.filter(pk__in=list(wanted)).values_list(
        "pk", *(f"live_revision__{name}" for name in ("title", "lede", "body", "meta"))
    ):
        snapshot = content.snapshot_from_row(title, lede, body, meta)
        text = passages(body)
        words |= spellings(snapshot, text.headings)
        difficulty = snapshot.meta.difficulty
        facts = [fact("t", tag_id) for tag_id in tags[pk]]
        if difficulty in content.DIFFICULTIES:
            facts.append(fact("d", difficulty))
        names = [*tags[pk].values(), *(name for _, name in entity_names(snapshot.meta))]
        entries.append(
            Entry(
                post_id=pk,
                revision=wanted[pk].revision,
                place=wanted[pk].place,
                tags=wanted[pk].tags,
                title=stems(title),
                head=stems("\n".join((snapshot.meta.topic, *names, *text.headings))),
                body=stems("\n".join((lede, *text.texts))),
                facts=facts,
            )
        )
    database.insert(entries, version=VERSION)
    return words


def spellings(snapshot: content.Snapshot, headings: Iterable[str]) -> set[str]:
    """Return the words of a revision that the vocabulary takes: all but those of its body."""
    meta = snapshot.meta
    names = [tag.name for tag in content.tag_names(meta)]
    names += [name for _, name in entity_names(meta)]
    return {
        word
        for word in different_words(
            "\n".join((snapshot.title, snapshot.lede, meta.topic, *names, *headings))
        )
        if len(word) >= SPELLED_MIN and not word.isdigit()
    }
