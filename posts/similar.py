"""Similar posts: what shares the rarest tags and entities of a post, and why each was chosen.

In: a post fetched by `for_article()`. Out: a few `Similar` with reasons, only indexable posts.
Computed on read with bounded work; never ranks by an imported number.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from dataclasses import dataclass, field
from typing import NamedTuple

from posts import content, counters, db
from posts.models import Post

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
#: Posts fetched beyond `limit`, in case a gate closed between the two queries.
SPARE = 6

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
    title: frozenset[str]
    problem: int | None
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

    Queries: use counts (unless given), candidates, posts; at most 1,500 candidates.
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
    chosen = _chosen(post, candidates, limit + SPARE)
    posts = (
        Post.objects.indexable(now)
        .for_card()
        .prefetch_related(None)
        .in_bulk([candidate.pk for candidate in chosen])
    )
    return [
        Similar(posts[candidate.pk], _reasons(features, candidate.shared))
        for candidate in chosen
        if candidate.pk in posts
    ][:limit]


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
        group_type=PROBLEM,
        newest=NEWEST,
        now=now,
    )
    weights = {feature.bit: feature.weight for feature in features}
    scores: dict[int, float] = {}
    candidates = []
    for pk, by_tags, by_entities, listed_at, difficulty, title, problem in rows:
        shared = by_tags | by_entities
        if shared not in scores:
            scores[shared] = round(sum(w for bit, w in weights.items() if bit & shared), 9)
        distance = _distance(post.difficulty, difficulty)
        candidates.append(
            _Candidate(pk, scores[shared], distance, listed_at, _words(title), problem, shared)
        )
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


def _chosen(post: Post, candidates: list[_Candidate], most: int) -> list[_Candidate]:
    titles = [_words(post.title)]
    per_problem: dict[int, int] = {}
    chosen: list[_Candidate] = []
    for candidate in candidates:
        if len(chosen) == most:
            break
        problem = candidate.problem
        if problem is not None and per_problem.get(problem, 0) >= PER_PROBLEM:
            continue
        if any(_is_same_title(candidate.title, title) for title in titles):
            continue
        if problem is not None:
            per_problem[problem] = per_problem.get(problem, 0) + 1
        titles.append(candidate.title)
        chosen.append(candidate)
    return chosen


def _reasons(features: list[_Feature], shared: int) -> list[str]:
    return [feature.name for feature in features if feature.bit & shared][:REASONS_MAX]
