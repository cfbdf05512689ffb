"""What came with an import and nobody here checked, beside what this site finds.

In: a snapshot, its imported numbers, its key. Out: a verdict a claim, as bit masks for the row of
the revision or as findings in words for people. Knows neither Django nor any file format; each
rule stands in `posts.claim_rules`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from posts import claim_rules as rules
from posts.claim_rules import Facts, Verdict, counted, yes_or_no
from posts.content import Score, Snapshot, Statistics

#: Raised when a rule or its reach changes; `check_claims` then judges every revision again.
RULES_VERSION = 1


class Masks(NamedTuple):
    """Verdicts of one revision: the bits of the claims with each. No bit is in two of them."""

    verified: int
    contradicted: int
    unverifiable: int


class Finding(NamedTuple):
    """One claim that was made: what was claimed, what became of it, what the site finds."""

    name: str
    label: str
    verdict: Verdict
    claimed: str
    found: str

    @property
    def is_contradicted(self) -> bool:
        return self.verdict is Verdict.CONTRADICTED


def _given(value: Callable[[Facts], object]) -> Callable[[Facts], Verdict]:
    """Return a rule for a value that this site has nothing to compare with."""
    return lambda facts: (
        Verdict.UNVERIFIABLE if value(facts) not in (None, "", Score()) else Verdict.NOT_CLAIMED
    )


def _because(reason: str) -> Callable[[Facts], str]:
    return lambda facts: reason


class Claim(NamedTuple):
    """A rule: the field it judges, as the meta box names it, and its bit, which never changes."""

    bit: int
    name: str
    label: str
    judge: Callable[[Facts], Verdict]
    claimed: Callable[[Facts], object]
    found: Callable[[Facts], str]
    is_checkable: bool = True

    @property
    def mask(self) -> int:
        return 1 << self.bit

    @property
    def section(self) -> str:
        """The field of the documents it belongs to."""
        return self.name.split(".")[0]


def _scores(facts: Facts) -> str:
    score = facts.statistics.score
    return ", ".join(
        f"{name} {value}"
        for name in score.__struct_fields__
        if (value := getattr(score, name)) is not None
    )


def _unverifiable(
    bit: int, name: str, value: Callable[[Facts], object], reason: str, claimed: object = None
) -> Claim:
    label = name.split(".")[-1].replace("_", " ")
    shown = claimed if callable(claimed) else value
    return Claim(bit, name, label, _given(value), shown, _because(reason), is_checkable=False)


#: Every claim, in the order of people's tables. Bits are stored: a new claim takes the next free
#: one and raises `RULES_VERSION`, a bit that is given up is never used again.
CLAIMS = (
    Claim(
        *(0, "reading_time", "reading time", rules.reading_time),
        lambda facts: counted(facts.statistics.reading_time or 0, "minute"),
        rules.say_reading_time,
    ),
    Claim(
        *(1, "payload.paragraphs", "paragraphs", rules.paragraphs),
        lambda facts: facts.meta.payload.paragraphs,
        rules.say_paragraphs,
    ),
    Claim(
        *(2, "flags.has_images", "has images", rules.has_images),
        lambda facts: yes_or_no(facts.meta.flags.has_images),
        rules.say_figures,
    ),
    Claim(
        *(3, "flags.image_heavy", "image heavy", rules.image_heavy),
        lambda facts: yes_or_no(facts.meta.flags.image_heavy),
        rules.say_heavy,
    ),
    Claim(
        *(4, "image_sources", "image sources", rules.image_sources),
        lambda facts: counted(len(facts.meta.image_sources), "source"),
        rules.say_figures,
    ),
    Claim(
        *(5, "checklist", "checklist", rules.checklist),
        lambda facts: counted(len(facts.meta.checklist), "item"),
        rules.say_checklist,
    ),
    Claim(
        *(6, "tools", "tools", rules.tools),
        lambda facts: ", ".join(facts.meta.tools),
        rules.say_tools,
    ),
    Claim(
        *(7, "payload.source_id", "source id", rules.source_id),
        lambda facts: facts.meta.payload.source_id,
        rules.say_source_id,
    ),
    Claim(
        *(8, "reference", "reference", rules.reference),
        lambda facts: facts.meta.reference,
        rules.say_reference,
    ),
    Claim(
        *(9, "payload.seed", "seed", rules.seed),
        lambda facts: facts.meta.payload.seed,
        rules.say_seed,
    ),
    Claim(
        *(10, "flags.needs_human_review", "needs human review", rules.needs_review),
        lambda facts: yes_or_no(facts.meta.flags.needs_human_review),
        rules.say_needs_review,
    ),
    _unverifiable(
        *(11, "flags.ai_generated_style", lambda facts: facts.meta.flags.ai_generated_style),
        "style proves nothing about who wrote a text",
        lambda facts: yes_or_no(facts.meta.flags.ai_generated_style),
    ),
    _unverifiable(
        *(12, "revision.status", lambda facts: facts.meta.revision.status),
        "said by the source; a review counts here when somebody here did it",
    ),
    _unverifiable(
        *(13, "revision.version", lambda facts: facts.meta.revision.version),
        "counted by the source; this site numbers revisions itself",
    ),
    _unverifiable(
        *(14, "revision.last_reviewed", lambda facts: facts.meta.revision.last_reviewed),
        "nobody here did that review",
    ),
    _unverifiable(
        *(15, "score", lambda facts: facts.statistics.score),
        "how the source scores is not known",
        _scores,
    ),
    _unverifiable(
        *(16, "view_count", lambda facts: facts.statistics.view_count),
        "views elsewhere; those here are counted apart",
    ),
    _unverifiable(
        *(17, "hash", lambda facts: facts.meta.hash),
        "what it was taken over is not known; this site takes its own digest",
    ),
    _unverifiable(
        *(18, "published_at", lambda facts: facts.meta.published_at),
        "published elsewhere; this site knows when it published itself",
    ),
)

#: Fields that only a generator sets: still its claims when a person has edited the revision.
GENERATED = frozenset(
    ("score", "reading_time", "view_count", "revision", "reference", "hash", "flags", "payload")
)

#: Claims that this site can contradict.
CHECKABLE = tuple(claim for claim in CLAIMS if claim.is_checkable)
EVERY_CLAIM = sum(claim.mask for claim in CLAIMS)
_GENERATED_CLAIMS = sum(claim.mask for claim in CLAIMS if claim.section in GENERATED)
_JUDGES = tuple((claim.mask, claim.judge) for claim in CLAIMS)
_BY_NAME = {claim.name: claim for claim in CLAIMS}


def scope_of(*, is_generated: bool, is_import: bool) -> int:
    """Return which fields of a revision are claims: those no person here could have set.

    `is_generated`: the post came from another source than this site. `is_import`: the revision is
    an import's own, not one that a person saved.
    """
    if not is_generated:
        return 0
    return EVERY_CLAIM if is_import else _GENERATED_CLAIMS


def mask_of(name: str) -> int:
    """Return the bit of a claim by the name of its field. Raises `KeyError`."""
    return _BY_NAME[name].mask


def names_in(mask: int) -> list[str]:
    """Return the names of the claims whose bits are set."""
    return [claim.name for claim in CLAIMS if claim.mask & mask]


def judge(
    snapshot: Snapshot,
    statistics: Statistics,
    *,
    key: str = "",
    scope: int = EVERY_CLAIM,
    minutes: int | None = None,
) -> Masks:
    """Return the verdicts on a normalised snapshot as bit masks.

    `minutes` is its reading time where the caller knows it. The masks are disjoint; together they
    hold exactly the claims of the scope that were made.
    """
    if not scope:
        return Masks(0, 0, 0)
    facts = Facts(snapshot, statistics, key, minutes)
    masks = [0, 0, 0, 0]
    for mask, rule in _JUDGES:
        if mask & scope:
            masks[rule(facts)] |= mask
    return Masks(*masks[1:])


class Check(NamedTuple):
    """The findings of one revision, in the order of `CLAIMS`; only claims that were made."""

    findings: tuple[Finding, ...] = ()

    def number(self, verdict: Verdict) -> int:
        return sum(finding.verdict is verdict for finding in self.findings)

    @property
    def contradicted(self) -> tuple[Finding, ...]:
        return tuple(one for one in self.findings if one.is_contradicted)

    @property
    def summary(self) -> str:
        """One line for readers; empty when nothing was claimed."""
        if not self.findings:
            return ""
        agree, differ = self.number(Verdict.VERIFIED), self.number(Verdict.CONTRADICTED)
        said = f"{agree + differ:,} of {counted(len(self.findings), 'imported claim')} checked here"
        if not agree + differ:
            return f"{said}."
        parts = []
        if agree:
            parts.append(f"{agree:,} {'agrees' if agree == 1 else 'agree'}")
        if differ:
            verb = "does not" if differ == 1 else "do not"
            parts.append(f"{differ:,} {verb}" + ("" if agree else " agree"))
        return f"{said}: {', '.join(parts)}."


def check(
    snapshot: Snapshot, statistics: Statistics, *, key: str = "", scope: int = EVERY_CLAIM
) -> Check:
    """Return what `judge` finds, in words. The same rules give the verdicts."""
    if not scope:
        return Check()
    facts = Facts(snapshot, statistics, key, None)
    findings = []
    for claim in CLAIMS:
        verdict = claim.judge(facts) if claim.mask & scope else Verdict.NOT_CLAIMED
        if verdict is not Verdict.NOT_CLAIMED:
            findings.append(
                Finding(
                    claim.name,
                    claim.label,
                    verdict,
                    str(claim.claimed(facts)),
                    claim.found(facts),
                )
            )
    return Check(tuple(findings))
