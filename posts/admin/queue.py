"""The page of the review queue: tabs, filters in the address, risk in words, who has what open.

In: requests of staff. Out: pages of at most `queue_walk.PAGE_SIZE` lines; every choice is a part of
the address. Writes nothing; drafts are handed out and decided on in `posts.admin.queue_loop`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlencode

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone

from posts import content, leases, queue_walk, risk
from posts.models import ImportSource, Post, QueueEntry, Tag
from posts.queue_walk import Filters

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

Reason = QueueEntry.Reason

#: Name in the address -> reason, text. The first is where a person begins.
TABS: dict[str, tuple[int | None, str]] = {
    "waiting": (None, "Awaiting review"),
    "new": (Reason.NEW.value, "New"),
    "held": (Reason.HELD.value, "Changed by an import"),
    "proposed": (Reason.PROPOSED.value, "Proposed by a person"),
    "returned": (Reason.RETURNED.value, "Returned"),
}
ORDERS = {
    queue_walk.RISK: "highest risk first",
    queue_walk.OLDEST: "oldest first",
    queue_walk.NEWEST: "newest first",
}
#: What a verdict of the loop is called once it was taken.
DONE = {"approve": "Approved", "request_changes": "Changes requested", "reject": "Rejected"}
#: Sources a person can choose from; another is reached by its name in the address.
SOURCES_MAX = 100
#: No row has it: a filter by something that does not exist finds nothing.
_NOBODY = 0


class Asked(NamedTuple):
    """What an address asks for: as filters, as the values of its form, and what was wrong."""

    filters: Filters
    chosen: dict[str, str]
    problems: list[str]

    @property
    def tab(self) -> str:
        return self.chosen.get("tab", "waiting")

    @property
    def query(self) -> str:
        """The address's own part: the same for everybody who asks for the same."""
        return urlencode(self.chosen)

    def link(self, name: str = "admin:queue", *args: Any, **change: str) -> str:
        """Return an address of the queue with these choices, and some changed; "" removes one."""
        merged = {name: value for name, value in {**self.chosen, **change}.items() if value}
        return reverse(name, args=args) + (f"?{urlencode(merged)}" if merged else "")


def asked(parameters: Mapping[str, str]) -> Asked:
    """Read an address; what cannot be is said and finds nothing. Up to two queries."""
    chosen: dict[str, str] = {}
    values: dict[str, Any] = {}
    problems: list[str] = []

    def given(name: str) -> str:
        return parameters.get(name, "").replace("\x00", "").strip()[: content.TAG_MAX]

    for name, known, default in (("tab", TABS, "waiting"), ("order", ORDERS, queue_walk.RISK)):
        value = given(name)
        if value and value not in known:
            problems.append(f"There is no {name} “{value}”; expected {', '.join(known)}.")
        elif value and value != default:
            chosen[name] = value
    if name := given("source"):
        chosen["source"] = name
        source = ImportSource.objects.filter(name=name).values_list("pk", flat=True).first()
        values["source_id"] = source or _NOBODY
        if source is None:
            problems.append(f"There is no source “{name}”.")
    if number := given("run"):
        chosen["run"] = number
        is_number = number.isascii() and number.isdecimal() and len(number) <= 18
        values["run_id"] = int(number) if is_number else _NOBODY
        if not is_number:
            problems.append(f"“{number}” is no number of an import run.")
    if name := given("stack"):
        chosen["stack"] = name
        tag = Tag.objects.filter(name=content.normal_tag(name)).values_list("pk", flat=True).first()
        values["stack_id"] = tag or _NOBODY
        if tag is None:
            problems.append(f"There is no tag “{name}”.")
    if level := given("difficulty"):
        chosen["difficulty"] = level
        values["difficulty"] = level
        if level not in content.DIFFICULTIES:
            problems.append(
                f"There is no difficulty “{level}”; expected {', '.join(content.DIFFICULTIES)}."
            )
    reason, _ = TABS[chosen.get("tab", "waiting")]
    filters = queue_walk.tab(
        Filters(values=values, order=chosen.get("order", queue_walk.RISK)), reason
    )
    return Asked(filters, chosen, problems)


class Line(NamedTuple):
    """One draft of the queue, and in words why it is here and where to look first."""

    entry: QueueEntry
    reason: str
    factors: list[str]
    holder: str
    is_own: bool
    url: str
    compare_url: str


class Tab(NamedTuple):
    name: str
    text: str
    count: str
    url: str
    is_current: bool


def queue_view(request: HttpRequest) -> HttpResponse:
    """Show one page of the queue. About ten queries, whatever its size."""
    from posts.admin.bulk import kinds_for
    from posts.admin.site import site

    if not request.user.has_perm("posts.view_post"):
        raise PermissionDenied
    now = timezone.now()
    wanted = asked(request.GET)
    page = queue_walk.page_of(
        wanted.filters,
        after=request.GET.get("after", ""),
        before=request.GET.get("before", ""),
    )
    counts = queue_walk.counts(
        request.user.pk, {name: queue_walk.tab(Filters(), TABS[name][0]) for name in TABS}
    )
    if not page.is_understood:
        wanted.problems.append("The place in this address was not understood: this is the top.")
    is_reviewer = request.user.has_perm("posts.review_post")
    context = {
        **site.each_context(request),
        "title": "Review queue",
        "asked": wanted,
        "tabs": [
            Tab(
                name,
                text,
                queue_walk.count_text(counts[name]),
                wanted.link(tab="" if name == "waiting" else name),
                name == wanted.tab,
            )
            for name, (_, text) in TABS.items()
        ],
        "lines": [line_of(entry, wanted, request.user.pk, now) for entry in page.entries],
        "after_url": wanted.link(after=page.after) if page.after else "",
        "before_url": wanted.link(before=page.before) if page.before else "",
        "top_url": wanted.link(),
        "is_top": not (request.GET.get("after") or request.GET.get("before")),
        "is_cut": page.is_cut,
        "window": queue_walk.WINDOW,
        "orders": ORDERS,
        "order_text": ORDERS[wanted.filters.order],
        "sources": ImportSource.objects.order_by("name").values_list("name", flat=True)[
            :SOURCES_MAX
        ],
        "difficulties": content.DIFFICULTIES,
        "is_filtered": bool(wanted.filters.values.keys() - {"reason"}),
        "may_review": is_reviewer,
        "next_url": wanted.link("admin:queue_next"),
        "open_now": leases.held_by(request.user, now) if is_reviewer else [],
        "bulk_kinds": kinds_for(request.user),
        "skipped": len(request.session.get("queue_skipped", ())),
        "is_unbuilt": not any(counts.values()) and Post.objects.awaiting_review().exists(),
        "toast": toast_of(request, now),
    }
    return TemplateResponse(request, "admin/posts/queue.html", context)


def on_the_desk(request: HttpRequest, count: int) -> dict[str, Any]:
    """Return what the home page says of the queue: its counts and its riskiest. Three queries."""
    now, everything = timezone.now(), asked({})
    counts = queue_walk.counts(
        request.user.pk, {name: queue_walk.tab(Filters(), TABS[name][0]) for name in TABS}
    )
    return {
        "queue_url": everything.link(),
        "queue_next_url": everything.link("admin:queue_next"),
        "queue_tabs": [
            Tab(
                name,
                text,
                queue_walk.count_text(counts[name]),
                everything.link(tab="" if name == "waiting" else name),
                name == "waiting",
            )
            for name, (_, text) in TABS.items()
        ],
        "riskiest": [
            line_of(entry, everything, request.user.pk, now) for entry in queue_walk.first(count)
        ],
    }


def line_of(entry: QueueEntry, wanted: Asked, user_id: int, now: Any) -> Line:
    is_leased = entry.lease_until is not None and entry.lease_until > now
    holder = entry.lease_by if is_leased else None
    is_beside = entry.revision_id != entry.post.live_revision_id
    return Line(
        entry=entry,
        reason=entry.get_reason_display(),
        factors=risk.words(entry.factors),
        holder=(holder.get_full_name() or holder.get_username()) if holder else "",
        is_own=holder is not None and holder.pk == user_id,
        url=(
            wanted.link("admin:queue_draft", entry.post_id)
            if entry.stage == QueueEntry.Stage.WAITING
            else reverse("admin:posts_post_change", args=[entry.post_id])
        ),
        compare_url=reverse("admin:posts_post_compare", args=[entry.post_id]) if is_beside else "",
    )


class Toast(NamedTuple):
    """What was decided last, and for how many seconds it can be taken back."""

    text: str
    title: str
    post_id: int
    seconds: int


def toast_of(request: HttpRequest, now: dt.datetime) -> Toast | None:
    """Return the last verdict of this session while it can be taken back. At most one query."""
    last = request.session.get("queue_undo")
    if last is None:
        return None
    ends = dt.datetime.fromisoformat(last["at"]) + dt.timedelta(
        seconds=settings.REVIEW_UNDO_SECONDS
    )
    title = Post.objects.filter(pk=last["post"]).values_list("title", flat=True).first()
    if ends <= now or title is None:
        return None
    return Toast(
        DONE[last["action"]], title, last["post"], max(1, round((ends - now).total_seconds()))
    )
