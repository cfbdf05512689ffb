"""What an address of the review queue asks for: its tab, filters, order and place.

In: the parameters of a request. Out: filters, the address again, and in words what is shown and
what was wrong. Nothing here is an error: what cannot be is said and finds nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse

from posts import claims, content, queue_listed, queue_walk, risk
from posts.models import ImportSource, QueueEntry, Tag
from posts.queue_walk import Filters, Row, Test

Reason, Stage = QueueEntry.Reason, QueueEntry.Stage
WAITING, RETURNED = Stage.WAITING.value, Stage.RETURNED.value

#: Name in the address -> text, stage, reason. The first is where a person begins.
TABS: dict[str, tuple[str, int | None, int | None]] = {
    "waiting": ("Awaiting review", WAITING, None),
    "held": ("Held by an import", WAITING, Reason.HELD.value),
    "proposed": ("Proposed by a person", WAITING, Reason.PROPOSED.value),
    "requested": ("Changes requested", RETURNED, Reason.CHANGES_REQUESTED.value),
    "rejected": ("Rejected", RETURNED, Reason.REJECTED.value),
    "all": ("All drafts", None, None),
}
#: Parts that hold listed posts, not drafts: neither filters nor orders of the queue fit them.
LISTED_TABS = {
    queue_listed.SCHEDULED: "Scheduled",
    queue_listed.STALE: "Stale",
}
ORDERS = {
    queue_walk.RISK: "highest risk first",
    queue_walk.OLDEST: "oldest first",
    queue_walk.NEWEST: "newest first",
}
SCORES = {
    "0-39": "below 40",
    "40-59": "40 to 59",
    "60-79": "60 to 79",
    "80-100": "80 and more",
    "none": "not scored",
}
CONTRADICTED, VERIFIED, CLEAN = "contradicted", "verified", "none-contradicted"
CLAIMS = {
    CONTRADICTED: "any contradicted",
    CLEAN: "none contradicted",
    **{f"{CONTRADICTED}:{claim.name}": f"{claim.label} contradicted" for claim in claims.CHECKABLE},
    **{f"{VERIFIED}:{claim.name}": f"{claim.label} agrees" for claim in claims.CHECKABLE},
}
CHECKS = {factor.name: factor.words for factor in risk.FACTORS}
#: No row has it: a filter by something that does not exist finds nothing.
_NOBODY = 0


@dataclass
class Asked:
    """What an address asks for: as filters, as the values of its form, and what was wrong.

    `place` is where in the list it stands; it is no part of what `link` leads to.
    """

    filters: Filters = field(default_factory=Filters)
    chosen: dict[str, str] = field(default_factory=dict)
    place: dict[str, str] = field(default_factory=dict)
    narrowed: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def tab(self) -> str:
        return self.chosen.get("tab", "waiting")

    @property
    def query(self) -> str:
        """The address's own part, without the place: the same for all who ask for the same."""
        return urlencode(self.chosen)

    @property
    def back(self) -> str:
        """The same with the place, for the way back."""
        return urlencode({**self.chosen, **self.place})

    @property
    def here(self) -> str:
        """The address of the list, with the place."""
        return self.link(**self.place)

    @property
    def next_draft(self) -> str:
        """The address that hands out a draft and keeps the way back."""
        return self.link("admin:queue_next", **self.place)

    @property
    def said(self) -> str:
        """What the list is sorted and filtered by."""
        order = ORDERS[self.filters.order].capitalize()
        return f"{order}; only {', '.join(self.narrowed)}." if self.narrowed else f"{order}."

    def link(self, name: str = "admin:queue", *args: Any, **change: str) -> str:
        """Return an address of the queue with these choices, and some changed; "" removes one."""
        merged = {name: value for name, value in {**self.chosen, **change}.items() if value}
        return reverse(name, args=args) + (f"?{urlencode(merged)}" if merged else "")

    def draft(self, post_id: int) -> str:
        """Return the address of a draft that knows the way back to this place."""
        return self.link("admin:queue_draft", post_id, **self.place)


def asked(parameters: Mapping[str, str]) -> Asked:
    """Read an address; what cannot be is said and finds nothing. Up to two queries."""
    found = Asked()
    values: dict[str, Any] = {}
    tests: list[Test] = []

    def given(name: str) -> str:
        return parameters.get(name, "").replace("\x00", "").strip()[: content.TAG_MAX]

    def unknown(text: str) -> None:
        found.problems.append(text)
        tests.append(_nothing)

    for name, known, default in (
        ("tab", {**TABS, **LISTED_TABS}, "waiting"),
        ("order", ORDERS, queue_walk.RISK),
    ):
        value = given(name)
        if value and value not in known:
            found.problems.append(f"There is no {name} “{value}”; expected {', '.join(known)}.")
        elif value and value != default:
            found.chosen[name] = value
    for name in ("source", "run", "stack", "difficulty", "claim", "score", "check"):
        if value := given(name):
            found.chosen[name] = value
    for name in ("after", "before"):
        if value := given(name):
            found.place = {name: value}
            break
    chosen = found.chosen
    if name := chosen.get("source"):
        source = ImportSource.objects.filter(name=name).values_list("pk", flat=True).first()
        values["source_id"] = source or _NOBODY
        found.narrowed.append(f"source {name}")
        if source is None:
            found.problems.append(f"There is no source “{name}”.")
    if number := chosen.get("run"):
        is_number = number.isascii() and number.isdecimal() and len(number) <= 18
        values["run_id"] = int(number) if is_number else _NOBODY
        found.narrowed.append(f"import run {number}")
        if not is_number:
            found.problems.append(f"“{number}” is no number of an import run.")
    if name := chosen.get("stack"):
        tag = Tag.objects.filter(name=content.normal_tag(name)).values_list("pk", flat=True).first()
        values["stack_id"] = tag or _NOBODY
        found.narrowed.append(f"stack {name}")
        if tag is None:
            found.problems.append(f"There is no tag “{name}”.")
    if level := chosen.get("difficulty"):
        values["difficulty"] = level
        found.narrowed.append(level)
        if level not in content.DIFFICULTIES:
            unknown(
                f"There is no difficulty “{level}”; expected {', '.join(content.DIFFICULTIES)}."
            )
    for name, known, read in (
        ("claim", CLAIMS, _claim),
        ("check", CHECKS, _check),
        ("score", SCORES, _score),
    ):
        if (value := chosen.get(name)) is None:
            continue
        test = read(value)
        if test is None:
            unknown(f"There is no {name} “{value}”; expected {', '.join(known)}.")
        else:
            tests.append(test)
            text = known.get(value, value)
            found.narrowed.append(f"lowest score {text}" if name == "score" else text)
    _, stage, reason = TABS.get(found.tab, TABS["all"])
    if reason is not None:
        values["reason"] = reason
    found.filters = Filters(
        stage=stage,
        values=values,
        tests=tuple(tests),
        order=chosen.get("order", queue_walk.RISK),
    )
    return found


def _nothing(row: Row) -> bool:
    return False


def _claim(value: str) -> Test | None:
    """Return the test of a verdict on a claim, None when there is no such claim."""
    if value not in CLAIMS:
        return None
    verdict, _, name = value.partition(":")
    if verdict == CLEAN:
        return lambda row: not row.contradicted
    if not name:
        return lambda row: bool(row.contradicted)
    mask = claims.mask_of(name)
    if verdict == VERIFIED:
        return lambda row: bool(row.verified & mask)
    return lambda row: bool(row.contradicted & mask)


def _check(value: str) -> Test | None:
    factor = risk.BY_NAME.get(value)
    return None if factor is None else lambda row: bool(row.factors & factor.mask)


def _score(value: str) -> Test | None:
    """Return the test of a range such as 40-59, or of drafts without a score."""
    if value == "none":
        return lambda row: row.lowest_score is None
    found = re.fullmatch(r"(\d{1,3})-(\d{1,3})", value, re.ASCII)
    if found is None:
        return None
    low, high = int(found[1]), int(found[2])
    return lambda row: row.lowest_score is not None and low <= row.lowest_score <= high


def filters_of(tab: str) -> Filters:
    """Return the whole of a tab of drafts."""
    _, stage, reason = TABS[tab]
    return Filters(stage=stage, values={} if reason is None else {"reason": reason})
