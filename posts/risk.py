"""How risky it is to let a draft through without a close look: a number and what it comes from.

In: what is known of a revision and its post, and what earlier verdicts teach. Out: bits of factors,
0 to 1,000 points, and words. Pure, without Django, so that an import knows it before a row is
written. A factor says where to look first; none of them opens or closes anything.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import NamedTuple

from posts import claims
from posts.content import Meta, Score

#: Raised when a factor, its points or its reach changes: a sign to run `refresh_queue`.
RULES_VERSION = 2
MOST = 1_000
#: Scores of the generator below this are low. They are its own opinion of its text.
LOW_SCORE = 40
#: Points of one contradicted claim: of the rarest, of the most usual, before anything is learned.
CLAIM_MOST, CLAIM_LEAST, CLAIM_UNLEARNED = 200, 30, 120
#: Points of all contradicted claims of a draft together.
CLAIMS_MOST = 400
#: Verdicts on a generator's scenario from which a share of them says something.
DECIDED_ENOUGH = 5


class Factor(NamedTuple):
    """One reason to look closely; `bit` is stored and never given to another.

    `name` stands in addresses.
    """

    bit: int
    name: str
    points: int
    words: str

    @property
    def mask(self) -> int:
        return 1 << self.bit


#: Bits 2, 3 and 4 counted contradicted claims and are free of meaning now.
HELD = Factor(0, "held", 200, "changes a page that people edited or approved")
PUBLIC = Factor(1, "public", 150, "readers can open it already")
MISSING_IMAGES = Factor(5, "images", 130, "an image has no address")
LOW_SCORES = Factor(6, "scores", 140, f"the generator scores it below {LOW_SCORE}")
ASKS_FOR_REVIEW = Factor(7, "asks", 100, "the generator asks for a review")
SAYS_REVIEWED = Factor(8, "says-reviewed", 50, "the generator calls it reviewed; nobody here did")
#: Its points are those of the claims, by how rare each contradiction is.
CONTRADICTED = Factor(9, "claims", 0, "a claim is contradicted")
NOVEL = Factor(10, "novel", 60, "nobody has decided on a draft of its generator's scenario yet")
OFTEN_SENT_BACK = Factor(
    11, "often-back", 160, "most earlier drafts of its generator's scenario were sent back"
)
AT_TIMES_SENT_BACK = Factor(
    12, "at-times-back", 80, "every fifth earlier draft of its scenario, or more, was sent back"
)

FACTORS = (
    *(HELD, CONTRADICTED, OFTEN_SENT_BACK, PUBLIC, LOW_SCORES, MISSING_IMAGES),
    *(ASKS_FOR_REVIEW, AT_TIMES_SENT_BACK, NOVEL, SAYS_REVIEWED),
)
BY_NAME = {factor.name: factor for factor in FACTORS}


class Origin(NamedTuple):
    """Earlier drafts of one generator and scenario: decided on, and sent back of them."""

    decided: int
    sent_back: int


class Weights(NamedTuple):
    """What is learned: points of each contradicted claim by its bit, and the origins known.

    `origins` is None before anything was learned: then nothing is novel.
    """

    claims: Mapping[int, int] = {}
    origins: Mapping[str, Origin] | None = None

    def of_claims(self, contradicted: int) -> int:
        """Return the points of a mask of contradicted claims."""
        if not contradicted:
            return 0
        return min(
            CLAIMS_MOST,
            sum(
                self.claims.get(claim.mask, CLAIM_UNLEARNED)
                for claim in claims.CHECKABLE
                if claim.mask & contradicted
            ),
        )

    def of_origin(self, origin: str) -> int:
        """Return the bit of the factor that the past of a generator's scenario is, or 0."""
        if self.origins is None or not origin:
            return 0
        found = self.origins.get(origin)
        if found is None:
            return NOVEL.mask
        if found.decided < DECIDED_ENOUGH:
            return 0
        if found.sent_back * 2 > found.decided:
            return OFTEN_SENT_BACK.mask
        return AT_TIMES_SENT_BACK.mask if found.sent_back * 5 >= found.decided else 0


def weights_from(
    counted: Mapping[str, Sequence[int]], origins: Mapping[str, Sequence[int]]
) -> Weights:
    """Return weights from what was counted: (contradicted, judged) by claim, origins by name."""
    return Weights(
        {
            claim.mask: claim_points(*counted[claim.name])
            for claim in claims.CHECKABLE
            if claim.name in counted
        },
        {name: Origin(*values) for name, values in origins.items()},
    )


def claim_points(contradicted: int, judged: int) -> int:
    """Return the points of a contradiction: 60 for each power of ten by which it is rare."""
    share = (contradicted + 1) / (judged + 2)
    return max(CLAIM_LEAST, min(CLAIM_MOST, round(-60 * math.log10(share))))


def origin_of(generator: str, scenario: str) -> str:
    """Return the key of a generator's scenario, "" when a draft names neither.

    A digest, so that what was learned keeps no text that an erasure must reach.
    """
    name = tuple(" ".join(text.split()).casefold() for text in (generator, scenario))
    if not any(name):
        return ""
    return hashlib.blake2b("\0".join(name).encode(), digest_size=8).hexdigest()


class Risk(NamedTuple):
    """Points, 0 to 1,000, and the bits of the factors they are the sum of."""

    points: int
    factors: int


def risk(
    *,
    said: int,
    lowest_score: int | None,
    contradicted: int,
    origin: str,
    is_held: bool,
    is_public: bool,
    weights: Weights,
) -> Risk:
    """Return the risk of a revision.

    `said` are the bits `said_by` found in it, `contradicted` the mask of claims found otherwise,
    `origin` the name `origin_of` gave.
    """
    factors = said | weights.of_origin(origin)
    if lowest_score is not None and lowest_score < LOW_SCORE:
        factors |= LOW_SCORES.mask
    if contradicted:
        factors |= CONTRADICTED.mask
    if is_held:
        factors |= HELD.mask
    if is_public:
        factors |= PUBLIC.mask
    return Risk(min(MOST, _points(factors) + weights.of_claims(contradicted)), factors)


@cache
def _points(factors: int) -> int:
    return sum(factor.points for factor in FACTORS if factors & factor.mask)


def said_by(meta: Meta) -> int:
    """Return the bits of the factors that stand in the revision itself."""
    return said_by_values(
        image_urls=[image.url for image in meta.image_sources],
        needs_review=meta.flags.needs_human_review,
        status=meta.revision.status,
    )


def said_by_values(*, image_urls: Sequence[str], needs_review: bool | None, status: str) -> int:
    """Return the same from the values alone, as a database gives them."""
    said = 0
    if not all(image_urls):
        said |= MISSING_IMAGES.mask
    if needs_review:
        said |= ASKS_FOR_REVIEW.mask
    if status.strip().casefold() == "reviewed":
        said |= SAYS_REVIEWED.mask
    return said


def lowest(score: Score) -> int | None:
    """Return the lowest of the scores that were given."""
    return lowest_of(getattr(score, name) for name in score.__struct_fields__)


def lowest_of(values: Iterable[int | None]) -> int | None:
    """Return the lowest of values of which some may be missing."""
    return min((value for value in values if value is not None), default=None)


def words(factors: int, contradicted: int) -> list[str]:
    """Return what the factors say, what weighs most first; contradicted claims by their names."""
    return [_words(factor, contradicted) for factor in FACTORS if factors & factor.mask]


def _words(factor: Factor, contradicted: int) -> str:
    if factor is not CONTRADICTED or not contradicted:
        return factor.words
    labels = [claim.label for claim in claims.CHECKABLE if claim.mask & contradicted]
    return f"contradicted: {', '.join(labels)}"


class Checked(NamedTuple):
    """One thing that was looked for in a draft: what it is, whether it was found, its points."""

    words: str
    is_found: bool
    points: int


def checked(factors: int, contradicted: int, weights: Weights) -> list[Checked]:
    """Return everything that makes a draft risky, found or not, what was found first."""
    lines = [
        Checked(
            _words(factor, contradicted),
            bool(factors & factor.mask),
            weights.of_claims(contradicted) if factor is CONTRADICTED else factor.points,
        )
        for factor in FACTORS
    ]
    return sorted(lines, key=lambda line: (not line.is_found, -line.points))
