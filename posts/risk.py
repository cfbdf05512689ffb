"""How risky it is to let a draft through without a close look: a number and what it comes from.

In: what is known of a revision and its post. Out: bits of factors, 0 to 1,000 points, and words.
Pure, without Django, so that an import knows it before a row is written. A factor says where to
look first; none of them opens or closes anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from posts.content import Meta, Score

#: Raised when a factor, its points or its reach changes: a sign to run `refresh_queue`.
RULES_VERSION = 1
MOST = 1_000
#: Scores of the generator below this are low. They are its own opinion of its text.
LOW_SCORE = 40
#: Claims that this site finds otherwise: a few of them, and many.
FEW, MANY = 2, 4


class Factor(NamedTuple):
    """One reason to look closely; `bit` is stored and never given to another."""

    bit: int
    points: int
    words: str

    @property
    def mask(self) -> int:
        return 1 << self.bit


HELD = Factor(0, 200, "changes a page that people edited or approved")
PUBLIC = Factor(1, 150, "readers can open it already")
ONE_CLAIM = Factor(2, 120, "a claim is contradicted")
FEW_CLAIMS = Factor(3, 240, f"{FEW} or {MANY - 1} claims are contradicted")
MANY_CLAIMS = Factor(4, 360, f"{MANY} or more claims are contradicted")
MISSING_IMAGES = Factor(5, 130, "an image has no address")
LOW_SCORES = Factor(6, 140, f"the generator scores it below {LOW_SCORE}")
ASKS_FOR_REVIEW = Factor(7, 100, "the generator asks for a review")
SAYS_REVIEWED = Factor(8, 50, "the generator calls it reviewed; nobody here did")

FACTORS = (
    *(HELD, MANY_CLAIMS, FEW_CLAIMS, ONE_CLAIM, PUBLIC, LOW_SCORES, MISSING_IMAGES),
    *(ASKS_FOR_REVIEW, SAYS_REVIEWED),
)


class Risk(NamedTuple):
    """Points, 0 to 1,000, and the bits of the factors they are the sum of."""

    points: int
    factors: int


def risk(
    *,
    said: int,
    lowest_score: int | None,
    contradicted: int,
    is_held: bool,
    is_public: bool,
) -> Risk:
    """Return the risk of a revision.

    `said` are the bits `said_by` found in it, `contradicted` the mask of claims found otherwise.
    """
    factors = said
    if lowest_score is not None and lowest_score < LOW_SCORE:
        factors |= LOW_SCORES.mask
    if claims := contradicted.bit_count():
        found = MANY_CLAIMS if claims >= MANY else FEW_CLAIMS if claims >= FEW else ONE_CLAIM
        factors |= found.mask
    if is_held:
        factors |= HELD.mask
    if is_public:
        factors |= PUBLIC.mask
    return Risk(
        min(MOST, sum(factor.points for factor in FACTORS if factors & factor.mask)), factors
    )


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


def words(factors: int) -> list[str]:
    """Return what the factors say, the heaviest first."""
    found = [factor for factor in FACTORS if factors & factor.mask]
    return [factor.words for factor in sorted(found, key=lambda factor: -factor.points)]
