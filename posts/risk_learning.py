"""What verdicts and checks teach about risk: how rare contradictions are, what is sent back.

In: the newest checks of claims and decisions. Out: the one row of `RiskWeights`. Run by
`refresh_queue`, never by a door: a risk that moved with every verdict would leave every stored row
behind it. Decides nothing.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter

from posts import claim_checks
from posts.models import Decision, RiskWeights
from posts.risk import origin_of

Verdict = Decision.Verdict

#: Newest verdicts that are looked at, and origins that are kept, those with most verdicts.
DECISIONS_MAX = 50_000
ORIGINS_MAX = 2_000


def learn(*, now: dt.datetime) -> RiskWeights:
    """Count anew and replace the weights. Four statements; reads one line a verdict."""
    _, frequencies = claim_checks.frequencies()
    counted = {
        one.claim: (one.contradicted, one.contradicted + one.verified)
        for one in frequencies
        if one.contradicted + one.verified
    }
    decided, sent_back = _origins()
    found, _ = RiskWeights.objects.update_or_create(
        pk=RiskWeights.ONLY,
        defaults={
            "made_at": now,
            "claims": counted,
            "origins": {
                origin: (number, sent_back[origin])
                for origin, number in decided.most_common(ORIGINS_MAX)
            },
        },
    )
    return found


def _origins() -> tuple[Counter[str], Counter[str]]:
    """Return drafts decided on, and those of them sent back, by the key of their origin.

    The latest verdict on a revision counts, and none where it was withdrawn. One query.
    """
    payload = "revision__meta__payload__"
    newest = Decision.objects.order_by("-pk").values_list(
        "revision_id", "verdict", f"{payload}generator", f"{payload}scenario"
    )[:DECISIONS_MAX]
    decided: Counter[str] = Counter()
    sent_back: Counter[str] = Counter()
    seen: set[int] = set()
    for revision, verdict, generator, scenario in newest.iterator():
        if revision in seen:
            continue
        seen.add(revision)
        origin = origin_of(generator or "", scenario or "")
        if not origin or verdict == Verdict.WITHDRAW:
            continue
        decided[origin] += 1
        sent_back[origin] += verdict != Verdict.APPROVE
    return decided, sent_back
