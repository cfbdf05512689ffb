"""Spelling and completion from the words of listed posts; forgetting words of erased ones.

In: a word as typed. Out: words that somebody may have meant. They are only suggestions: what is
shown of them must have been found through the gate, because a closed post's words stay here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from posts import content, db
from posts.models import Revision, SearchWord, Tag
from posts.search import database
from posts.search.entries import spellings
from posts.search.passages import passages
from posts.search.words import one_typo_away, plain_words, stem

#: Letters that names of tags share to be alike, and words of a text that is being typed.
_ALIKE = 4
_TYPED_MAX = 8


def near(word: str) -> list[str]:
    """Return known words one typo away, likelier ones first. One query.

    A swap of neighbours comes first, then words that begin and end alike; of words with one
    stem, which would find the same, the first.
    """
    known = [found for found, _ in db.primary_keys(SearchWord, "word", sorted(one_typo_away(word)))]
    known.sort(
        key=lambda one: (not _is_swap(one, word), one[0] != word[0], one[-1] != word[-1], one)
    )
    first: dict[str, str] = {}
    for one in known:
        first.setdefault(stem(one), one)
    first.pop(stem(word), None)
    return list(first.values())


def _is_swap(one: str, other: str) -> bool:
    return len(one) == len(other) and sorted(one) == sorted(other)


def completions(prefix: str, *, limit: int) -> list[str]:
    """Return known words that begin so, in alphabetical order. One query."""
    return database.beginning_with(SearchWord, "word", prefix, limit=limit)


def tags_near(text: str, *, limit: int) -> list[str]:
    """Return names of tags that a text misspells or begins like, used or not. Two queries."""
    name = content.normal_tag(text)
    found = [tag for tag, _ in db.primary_keys(Tag, "name", sorted(one_typo_away(name)))]
    return found + tags_beginning_with(name[:_ALIKE], limit=limit)


def tags_beginning_with(prefix: str, *, limit: int) -> list[str]:
    """Return names of tags that begin so, used or not, in the order of their bytes. One query."""
    name = content.normal_tag(prefix)
    return database.beginning_with(Tag, "name", name, limit=limit) if name else []


def words_of(post_ids: Sequence[int]) -> set[str]:
    """Return the words that any revision of these posts may have brought. One query per 500."""
    words: set[str] = set()
    for chunk in db.chunked(post_ids):
        for row in Revision.objects.filter(post_id__in=chunk).values_list(
            "title", "lede", "body", "meta"
        ):
            snapshot = content.snapshot_from_row(*row)
            words |= spellings(snapshot, passages(snapshot.body).headings)
    return words


def forget(words: Iterable[str]) -> int:
    """Remove words that no entry holds any more; return how many. For an erasure."""
    by_stem: dict[str, list[str]] = {}
    for word in words:
        by_stem.setdefault(stem(word), []).append(word)
    for used in database.stems_in_use(by_stem):
        del by_stem[used]
    gone = sorted(word for one in by_stem.values() for word in one)
    removed = 0
    for chunk in db.chunked(gone):
        removed += SearchWord.objects.filter(word__in=chunk).delete()[0]
    return removed


def words_typed(text: str) -> list[str]:
    """Return the first words of what somebody is typing, at most `_TYPED_MAX`."""
    return plain_words(text)[:_TYPED_MAX]
