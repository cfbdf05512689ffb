"""What a query finds: candidates through the gate, their order, counts, and corrected spelling.

In: a `Query` and a moment. Out: `Found`, bounded by `RESULTS_MAX` whatever the query: a common word
is answered from the newest notes that hold it. Reads only.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter as Tally
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from posts import counters, db
from posts.models import Tag
from posts.search import database, vocabulary
from posts.search.database import Candidate, Wanted, fact, place
from posts.search.language import Filter, Part, Query, Term
from posts.search.words import stem

#: The most results of a query, and of what is counted; "1,000+" beyond.
RESULTS_MAX = 1_000
#: Matches counted of something that is only proposed; "50+" beyond.
PROPOSED_MAX = 50
#: Spellings tried for one word, and parts whose leaving out is proposed.
SPELLINGS_TRIED = 6
PARTS_TRIED = 4
#: Tags looked at for the counts beside the results.
TAGS_COUNTED = 80

RELEVANCE, NEWEST = "relevance", "newest"


@dataclass(frozen=True)
class Found:
    """Posts that a query finds, in order, and the newest of them, which the counts are about.

    `query` is what was searched for: with `corrections` (typed, meant) where nothing was found
    for what was typed. `unknown` are filters on tags that there are not.
    """

    query: Query
    posts: list[Candidate] = field(default_factory=list)
    newest: list[Candidate] = field(default_factory=list)
    is_more: bool = False
    corrections: tuple[tuple[str, str], ...] = ()
    unknown: tuple[Filter, ...] = ()


class Counted(NamedTuple):
    """A value of a facet with the number of newest results that have it."""

    value: str
    number: int


class Proposal(NamedTuple):
    """A query that finds something, without a part of the one that finds nothing."""

    left_out: Part
    query: Query
    number: int
    is_more: bool


def find(query: Query, *, sort: str, now: dt.datetime) -> Found:
    """Return what a query finds, if nothing then what its likeliest other spelling finds.

    Queries: one for tags if the query names any, one or two statements of `database.candidates`
    a field. Of a query that finds nothing at most some 20 more.
    """
    found = _find(query, sort, now)
    if found.posts or not query.terms or found.unknown:
        return found
    corrected = _corrected(query, now)
    if corrected is None:
        return found
    meant, corrections = corrected
    other = _find(meant, sort, now)
    return Found(meant, other.posts, other.newest, is_more=other.is_more, corrections=corrections)


def _find(query: Query, sort: str, now: dt.datetime) -> Found:
    wanted, unknown = _wanted(query)
    if unknown:
        return Found(query, unknown=unknown)
    by_relevance = sort == RELEVANCE and bool(query.terms)
    fields: list[database.Field] = ["title", "head", "any"] if by_relevance else ["any"]
    *better, newest = database.candidates(wanted, fields=fields, limit=RESULTS_MAX + 1, now=now)
    is_more, newest = len(newest) > RESULTS_MAX, newest[:RESULTS_MAX]
    for tier in better[:1]:
        # All words in the title: the title with the fewest others first. Sorting keeps the newest
        # of equals in front.
        tier.sort(key=lambda one: one.title_words)
    # Equal keys: which of the lists had the post first.
    ordered = {one.post_id: one for tier in (*better, newest) for one in tier}
    return Found(query, list(ordered.values())[:RESULTS_MAX], newest, is_more=is_more)


def _wanted(query: Query) -> tuple[Wanted, tuple[Filter, ...]]:
    """Return a query in the terms of the index, and its filters on tags that there are not."""
    tags = _tags(query)
    facts: dict[bool, list[str]] = {False: [], True: []}
    unknown = []
    for one in query.filters:
        if one.kind == "difficulty":
            facts[one.is_excluded].append(fact("d", one.value))
        elif one.kind in ("tag", "stack"):
            if one in tags:
                facts[one.is_excluded].append(fact("t", tags[one]))
            elif not one.is_excluded:
                unknown.append(one)
    since, until = (
        place(dt.datetime.combine(day, dt.time(), dt.UTC)) if day else None for day in query.period
    )
    wanted = Wanted(
        phrases=tuple(term.stems for term in query.terms),
        no_phrases=tuple(term.stems for term in query.excluded),
        facts=tuple(facts[False]),
        no_facts=tuple(facts[True]),
        since=since,
        until=until,
    )
    return wanted, tuple(unknown)


def _tags(query: Query) -> dict[Filter, int]:
    """Return the keys of the tags that filters name. At most one query."""
    wanted = [one for one in query.filters if one.kind in ("tag", "stack")]
    if not wanted:
        return {}
    there = {
        name: (pk, kind)
        for pk, name, kind in Tag.objects.filter(
            name__in={one.value for one in wanted}
        ).values_list("pk", "name", "kind")
    }
    return {
        one: there[one.value][0]
        for one in wanted
        if one.value in there and (one.kind == "tag" or there[one.value][1] == Tag.Kind.STACK)
    }


# --- Spelling ---------------------------------------------------------------------------------


def _corrected(query: Query, now: dt.datetime) -> tuple[Query, tuple[tuple[str, str], ...]] | None:
    """Return the query with words replaced so that it finds something, and which; None if not.

    Words that nothing is found for are replaced first. When each alone is known but all together
    are not, one of them is: a typo may make another word.
    """
    single = [term for term in query.terms if len(term.stems) == 1]
    strange = [term for term in single if not _count(Query((term,)), now, limit=1)]
    meant, corrections = query, []
    for number, term in enumerate(strange):
        # Judged beside the words that are known so far.
        others = meant.without(*strange[number + 1 :])
        better = _best_spelling(others, term, now)
        if better is None:
            return None
        meant = meant.replaced(term, better)
        corrections.append((term.text, better.text))
    if strange:
        return meant, tuple(corrections)
    best: tuple[Query, tuple[tuple[str, str], ...]] | None = None
    most = (0, 0)
    for term in single:
        better = _best_spelling(query, term, now)
        if better is None:
            continue
        other = query.replaced(term, better)
        rating = _rating(other, now)
        if rating > most:
            best, most = (other, ((term.text, better.text),)), rating
    return best


def _best_spelling(query: Query, term: Term, now: dt.datetime) -> Term | None:
    """Return the other spelling of a term with which the query finds most, in titles first."""
    best, most = None, (0, 0)
    for word in vocabulary.near(term.text.lower())[:SPELLINGS_TRIED]:
        other = Term(word, (stem(word),))
        number = _rating(query.replaced(term, other), now)
        if number > most:
            best, most = other, number
    return best


def _rating(query: Query, now: dt.datetime) -> tuple[int, int]:
    wanted, _ = _wanted(query)
    title, anywhere = database.candidates(
        wanted, fields=["title", "any"], limit=PROPOSED_MAX, now=now
    )
    return len(title), len(anywhere)


def _count(query: Query, now: dt.datetime, *, limit: int) -> int:
    wanted, unknown = _wanted(query)
    if unknown:
        return 0
    (found,) = database.candidates(wanted, fields=["any"], limit=limit, now=now)
    return len(found)


# --- Nothing found ----------------------------------------------------------------------------


def proposals(query: Query, now: dt.datetime) -> list[Proposal]:
    """Return what leaving out one part would find: filters first, then words. Bounded queries."""
    words = query.terms if len(query.terms) > 1 else ()
    found = []
    parts: list[Part] = [*query.filters[:PARTS_TRIED], *words[:PARTS_TRIED]]
    for part in parts:
        other = query.without(part)
        if not other.parts:
            continue
        number = _count(other, now, limit=PROPOSED_MAX + 1)
        if number:
            found.append(
                Proposal(part, other, min(number, PROPOSED_MAX), is_more=number > PROPOSED_MAX)
            )
    return found


def nearest_tags(query: Query, now: dt.datetime, *, limit: int) -> list[Tag]:
    """Return used tags whose names are close to what was asked for, the most used first.

    Close: the same but for a typo, or the same beginning. Queries: two a word of at most
    `PARTS_TRIED`, and one for the counts.
    """
    asked = [one.value for one in query.filters if one.kind in ("tag", "stack")]
    asked += [term.text.lower() for term in query.terms]
    names: dict[str, None] = {}
    for text in asked[:PARTS_TRIED]:
        names |= dict.fromkeys(vocabulary.tags_near(text, limit=limit * 2))
    return used_tags(list(names), now, limit=limit)


def used_tags(names: Sequence[str], now: dt.datetime, *, limit: int) -> list[Tag]:
    """Return those of the tags that listed posts carry, with `count`, most used first."""
    tags = [tag for some in db.chunked(names) for tag in Tag.objects.filter(name__in=some)]
    if not tags:
        return []
    uses = counters.use_counts(tags=[tag.pk for tag in tags], now=now).tags
    used = [tag for tag in tags if uses.get(tag.pk)]
    for tag in used:
        tag.count = uses[tag.pk]
    return sorted(used, key=lambda tag: (-uses[tag.pk], tag.name))[:limit]


# --- Facets -----------------------------------------------------------------------------------


def without_own(query: Query, kind: str, found: Found, now: dt.datetime) -> Sequence[Candidate]:
    """Return the newest results of the query without its filters of a kind.

    A reader who chose one value sees what the others would give. No query when there is none.
    """
    own = [one for one in query.filters if one.kind == kind and not one.is_excluded]
    return _find(query.without(*own), NEWEST, now).newest if own else found.newest


def count_difficulties(posts: Iterable[Candidate], order: Sequence[str]) -> list[Counted]:
    tally = Tally(one.difficulty for one in posts)
    return [Counted(name, tally[name]) for name in order if tally[name]]


def count_years(posts: Iterable[Candidate]) -> list[Counted]:
    """Return the years of publication, the latest first."""
    tally = Tally(database.year_of(one.place) for one in posts)
    return [Counted(str(year), tally[year]) for year in sorted(tally, reverse=True)]


def count_tags(posts: Iterable[Candidate]) -> tuple[list[Counted], list[Counted]]:
    """Return stacks and other tags, the most frequent first. One query."""
    tally = Tally(" ".join(one.tags for one in posts).split())
    counted: Mapping[int, int] = {
        int(key): number for key, number in tally.most_common(TAGS_COUNTED)
    }
    stacks: list[Counted] = []
    others: list[Counted] = []
    rows = Tag.objects.filter(pk__in=list(counted)).values_list("pk", "name", "kind")
    for pk, name, kind in sorted(rows, key=lambda row: (-counted[row[0]], row[1])):
        some = stacks if kind == Tag.Kind.STACK else others
        some.append(Counted(name, counted[pk]))
    return stacks, others


# --- While typing -----------------------------------------------------------------------------

#: Completions of the last word that titles are looked for, and titles looked at.
_COMPLETIONS = 12
_TITLES = 60


def titles_while_typing(text: str, now: dt.datetime) -> list[Candidate]:
    """Return the newest posts whose titles hold the words typed, the last one perhaps unfinished.

    Queries: one for completions, one or two for posts.
    """
    words = vocabulary.words_typed(text)
    if not words:
        return []
    *whole, last = words
    endings = {stem(last), *map(stem, vocabulary.completions(last, limit=_COMPLETIONS))}
    wanted = Wanted(
        phrases=tuple((stem(word),) for word in dict.fromkeys(whole)), one_of=tuple(sorted(endings))
    )
    (found,) = database.candidates(wanted, fields=["title"], limit=_TITLES, now=now)
    return found
