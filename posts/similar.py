"""Similar posts: what shares the rarest tags and entities of a post, and why each was chosen.

In: a post fetched by `for_article()`. Out: a few `Similar` with reasons, only indexable posts.
Computed on read with bounded work; never ranks by an imported number.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from collections import Counter as Tally
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from django.db.models import OuterRef, Subquery

from posts import content, counters, db
from posts.models import Post, PostEntity

#: The definition in words, for the page.
DEFINITION = (
    "Reviewed notes that share this note's tags and subjects; the rarer what they share, the "
    "higher they stand. No more than two about one problem."
)

LIMIT = 6
REASONS_MAX = 3
RAREST = 3
NEWEST = 500
PER_PROBLEM = 2
PROBLEM = "problem"
#: Share of words two titles have in common from which they count as the same title.
SAME_TITLE = 0.85
#: Features considered, rarest first: their bits must fit a signed 64-bit integer.
FEATURES_MAX = 60
#: Posts fetched at first to choose from; four times as many whenever too few of them will do.
SHORTLIST = 48
#: Of those about the post's own problem, of which few are wanted, so many stand among the first.
OWN_PROBLEM = 12

_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Similar:
    """A similar post, and what both are about, most telling first."""

    post: Post
    reasons: list[str]


@dataclass
class _Feature:
    """A name the post carries: as a tag, as an entity of one or more types, or as both."""

    name: str
    count: int = 0
    weight: float = 0.0
    bit: int = 0
    tags: list[int] = field(default_factory=list)
    entities: list[int] = field(default_factory=list)

    def source(self) -> tuple[str, int]:
        return ("tag", self.tags[0]) if self.tags else ("entity", self.entities[0])


class _Candidate(NamedTuple):
    pk: int
    score: float
    distance: int
    listed_at: dt.datetime
    shared: int


def similar_posts(
    post: Post,
    *,
    now: dt.datetime,
    limit: int = LIMIT,
    counts: counters.UseCounts | None = None,
) -> list[Similar]:
    """Return up to `limit` indexable posts that share what is telling about this one.

    Definition: candidates are the newest 500 listed posts of each of the post's three rarest tags
    or entities, by the number of listed posts that carry them (none known counts as one). A
    candidate's score is the sum, over every name both carry, of ln(listed posts / posts with that
    name); a tag and an entity of one name count once. Equal scores: nearer difficulty, then newer.
    Left out: the post itself, titles that share 85 % of their words with it or with a chosen one,
    and the third and later post about one problem.

    Queries: use counts (unless given), candidates, posts; another of posts where most of the best
    are left out. At most 1,500 candidates.
    """
    features = _features(post)
    if not features:
        return []
    if counts is None:
        counts = counters.use_counts(
            tags=[pk for feature in features for pk in feature.tags],
            entities=[pk for feature in features for pk in feature.entities],
            now=now,
        )
    features = _weighed(features, counts)
    candidates = _candidates(post, features, now)
    return _chosen(post, candidates, features, limit, now)


def _features(post: Post) -> list[_Feature]:
    features: dict[str, _Feature] = {}
    for row in post.post_tags.all():
        name = content.normal_tag(row.tag.name)
        features.setdefault(name, _Feature(name)).tags.append(row.tag_id)
    for entity_row in post.post_entities.all():
        name = content.normal_tag(entity_row.entity.name)
        features.setdefault(name, _Feature(name)).entities.append(entity_row.entity_id)
    return list(features.values())


def _weighed(features: list[_Feature], counts: counters.UseCounts) -> list[_Feature]:
    """Return the features rarest first, with weights ln(N / df) and a bit each."""
    for feature in features:
        known = [counts.tags.get(pk, 0) for pk in feature.tags]
        known += [counts.entities.get(pk, 0) for pk in feature.entities]
        feature.count = max(known)
        feature.weight = max(0.0, math.log(max(counts.listed, 1) / max(feature.count, 1)))
    features.sort(key=lambda feature: (max(feature.count, 1), feature.name))
    for number, feature in enumerate(features[:FEATURES_MAX]):
        feature.bit = 1 << number
    return features[:FEATURES_MAX]


def _candidates(post: Post, features: list[_Feature], now: dt.datetime) -> list[_Candidate]:
    # What one listed post carries, and this post is listed, nobody else carries.
    is_listed = post.listed_at is not None and post.listed_at <= now
    common = [feature for feature in features if not (is_listed and feature.count == 1)]
    rarest = common[:RAREST]
    if not rarest:
        return []
    rows = db.similar_candidates(
        post_id=post.pk,
        rarest=[feature.source() for feature in rarest],
        tag_bits={pk: feature.bit for feature in features for pk in feature.tags},
        entity_bits={pk: feature.bit for feature in features for pk in feature.entities},
        newest=NEWEST,
        now=now,
    )
    weights = {feature.bit: feature.weight for feature in features}
    scores: dict[int, float] = {}
    candidates = []
    for pk, by_tags, by_entities, listed_at, difficulty in rows:
        shared = by_tags | by_entities
        if shared not in scores:
            scores[shared] = round(sum(w for bit, w in weights.items() if bit & shared), 9)
        distance = _distance(post.difficulty, difficulty)
        candidates.append(_Candidate(pk, scores[shared], distance, listed_at, shared))
    candidates.sort(key=lambda c: (-c.score, c.distance, -c.listed_at.timestamp(), -c.pk))
    return candidates


def _distance(one: str, other: str) -> int:
    """Return how far two difficulties are apart; an unknown one is as far as it gets."""
    names = content.DIFFICULTIES
    if one not in names or other not in names:
        return len(names)
    return abs(names.index(one) - names.index(other))


def _words(title: str) -> frozenset[str]:
    return frozenset(_WORD.findall(title.casefold()))


def _is_same_title(one: frozenset[str], other: frozenset[str]) -> bool:
    return len(one & other) >= SAME_TITLE * len(one | other)


def _chosen(
    post: Post,
    candidates: list[_Candidate],
    features: list[_Feature],
    limit: int,
    now: dt.datetime,
) -> list[Similar]:
    """Return the best candidates that repeat neither a title nor a problem too often.

    Titles and problems are asked for only of those that have a chance, a few dozen as a rule.
    """
    own_problem = _bit_of_problem(post, features)
    posts: dict[int, Any] = {}
    size = SHORTLIST
    while True:
        shortlist, skipped = _shortlisted(candidates, own_problem, size)
        new = [candidate.pk for candidate in shortlist if candidate.pk not in posts]
        posts |= dict.fromkeys(new) | _fetched(new, now)
        chosen = _picked(post, [(c, posts[c.pk]) for c in shortlist], limit)
        of_own = sum(1 for candidate, _ in chosen if candidate.shared & own_problem)
        is_exact = len(chosen) == limit and (not skipped or of_own >= PER_PROBLEM)
        if is_exact or len(shortlist) == len(candidates):
            return [Similar(found, _reasons(features, c.shared)) for c, found in chosen]
        size *= 4


def _picked(
    post: Post, shortlist: list[tuple[_Candidate, Any]], limit: int
) -> list[tuple[_Candidate, Any]]:
    """Return the first of a shortlist that repeat neither a title nor a problem too often."""
    titles = [_words(post.title)]
    per_problem: Tally[int] = Tally()
    picked: list[tuple[_Candidate, Any]] = []
    for candidate, found in shortlist:
        if len(picked) == limit:
            break
        if found is None:  # a gate closed between the two queries
            continue
        words = _words(found.title)
        if per_problem[found.problem] >= PER_PROBLEM:
            continue
        if any(_is_same_title(words, title) for title in titles):
            continue
        if found.problem is not None:
            per_problem[found.problem] += 1
        titles.append(words)
        picked.append((candidate, found))
    return picked


def _bit_of_problem(post: Post, features: list[_Feature]) -> int:
    problems = {row.entity_id for row in post.post_entities.all() if row.entity.type == PROBLEM}
    return sum(feature.bit for feature in features if problems.intersection(feature.entities))


def _shortlisted(
    candidates: list[_Candidate], own_problem: int, size: int
) -> tuple[list[_Candidate], bool]:
    """Return the best `size`, and whether some about the post's own problem were passed over."""
    shortlist: list[_Candidate] = []
    of_own, skipped = 0, False
    for candidate in candidates:
        if len(shortlist) == size:
            break
        is_own = bool(candidate.shared & own_problem)
        if is_own and of_own >= OWN_PROBLEM * size // SHORTLIST:
            skipped = True
            continue
        of_own += is_own
        shortlist.append(candidate)
    return shortlist, skipped


def _fetched(ids: list[int], now: dt.datetime) -> dict[int, Any]:
    """Return indexable posts by id with what a line shows, and the id of their `problem`."""
    problem = (
        PostEntity.objects.filter(post=OuterRef("pk"), entity__type=PROBLEM)
        .order_by("entity")
        .values("entity")[:1]
    )
    posts = Post.objects.indexable(now).only("title", "slug", "published_at", "reading_minutes")
    found: dict[int, Any] = posts.annotate(problem=Subquery(problem)).in_bulk(ids)
    return found


def _reasons(features: list[_Feature], shared: int) -> list[str]:
    return [feature.name for feature in features if feature.bit & shared][:REASONS_MAX]
