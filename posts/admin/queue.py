"""The page of the review queue: tabs, saved filters, drafts with their risk in words, who has what.

In: requests of staff. Out: pages of at most `queue_walk.PAGE_SIZE` lines; every choice is a part of
the address. Writes nothing; drafts are handed out and decided on in `posts.admin.queue_loop`.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, NamedTuple

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone

from posts import content, queue_counts, queue_listed, queue_walk, risk
from posts.admin import queue_saved
from posts.admin.queue_asked import (
    CHECKS,
    CLAIMS,
    LISTED_TABS,
    ORDERS,
    SCORES,
    TABS,
    Asked,
    asked,
    filters_of,
)
from posts.models import ImportSource, Post, QueueEntry
from posts.queue_counts import Open

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

#: What a verdict of the loop is called once it was taken.
DONE = {"approve": "Approved", "request_changes": "Changes requested", "reject": "Rejected"}
#: Sources a person can choose from; another is reached by its name in the address.
SOURCES_MAX = 100


class Line(NamedTuple):
    """One draft of the queue, and in words why it is here and where to look first."""

    entry: QueueEntry
    reason: str
    factors: list[str]
    size: str
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
    """Show one page of the queue. Eight queries unless filters are looked for."""
    from posts.admin.bulk import kinds_for
    from posts.admin.site import site

    if not request.user.has_perm("posts.view_post"):
        raise PermissionDenied
    now = timezone.now()
    wanted = asked(request.GET)
    is_reviewer = request.user.has_perm("posts.review_post")
    counts, opened = _counts(request, now)
    is_listed = wanted.tab in LISTED_TABS
    page: Any = (
        queue_listed.page_of(wanted.tab, now=now, **wanted.place)
        if is_listed
        else queue_walk.page_of(wanted.filters, **wanted.place)
    )
    if not page.is_understood:
        wanted.problems.append("The place in this address was not understood: this is the top.")
        wanted.place = {}
    lines = [] if is_listed else [line_of(entry, wanted, request, now) for entry in page.entries]
    context = {
        **site.each_context(request),
        "title": "Review queue",
        "asked": wanted,
        "tabs": _tabs(counts, wanted),
        "lines": lines,
        "is_listed": is_listed,
        "listed": page.lines if is_listed else [],
        "after_url": wanted.link(after=page.after) if page.after else "",
        "before_url": wanted.link(before=page.before) if page.before else "",
        "top_url": wanted.link(),
        "is_cut": not is_listed and page.is_cut,
        "window": f"{queue_walk.WINDOW:,}",
        "choices": {
            "order": ORDERS,
            "claim": CLAIMS,
            "score": SCORES,
            "check": CHECKS,
            "difficulty": {level: level for level in content.DIFFICULTIES},
        },
        "order": wanted.filters.order,
        "sources": []
        if is_listed
        else ImportSource.objects.order_by("name").values_list("name", flat=True)[:SOURCES_MAX],
        "saved": queue_saved.shown_to(request.user, wanted),
        "name_max": queue_saved.NAME_MAX,
        "may_review": is_reviewer,
        "is_loop": wanted.filters.stage != QueueEntry.Stage.RETURNED and not is_listed,
        "next_url": wanted.link("admin:queue_next"),
        "open": opened if is_reviewer else Open(),
        "bulk_kinds": kinds_for(request.user),
        "skipped": len(request.session.get("queue_skipped", ())),
        "is_unbuilt": not any(counts.values()) and Post.objects.awaiting_review().exists(),
        "toast": toast_of(request, now),
    }
    return TemplateResponse(request, "admin/posts/queue.html", context)


def _counts(request: HttpRequest, now: dt.datetime) -> tuple[dict[str, int], Open]:
    """Return the number of each tab, and what this person has open. One query."""
    drafts = {name: filters_of(name) for name in TABS if name != "all"}
    parts = {
        name: queue_walk.walked(filters, queue_walk.RISK, filters.narrowest, None)
        for name, filters in drafts.items()
    }
    parts["returned"] = QueueEntry.objects.filter(stage=QueueEntry.Stage.RETURNED)
    parts |= {name: queue_listed.part(name, now) for name in LISTED_TABS}
    counts, opened = queue_counts.counts(request.user.pk, parts, now)
    counts["all"] = counts["waiting"] + counts.pop("returned")
    return counts, opened


def _tabs(counts: dict[str, int], wanted: Asked) -> list[Tab]:
    """Return all parts of the queue, that of all drafts last."""
    texts = {name: text for name, (text, _, _) in TABS.items()}
    everything = texts.pop("all")
    return [
        Tab(
            name,
            text,
            queue_counts.count_text(counts[name]),
            wanted.link(tab="" if name == "waiting" else name),
            name == wanted.tab,
        )
        for name, text in {**texts, **LISTED_TABS, "all": everything}.items()
    ]


def on_the_desk(request: HttpRequest, count: int) -> dict[str, Any]:
    """Return what the home page says of the queue: its counts and its riskiest. Two queries."""
    now, everything = timezone.now(), Asked()
    counts, _ = _counts(request, now)
    tabs = _tabs(counts, everything)
    return {
        "queue_url": everything.link(),
        "queue_next_url": everything.link("admin:queue_next"),
        "queue_tabs": {tab.name: tab for tab in tabs},
        "riskiest": [line_of(entry, everything, request, now) for entry in queue_walk.first(count)],
    }


def line_of(entry: QueueEntry, wanted: Asked, request: HttpRequest, now: dt.datetime) -> Line:
    is_leased = entry.lease_until is not None and entry.lease_until > now
    holder = entry.lease_by if is_leased else None
    is_beside = entry.revision_id != entry.post.live_revision_id
    is_open = entry.stage == QueueEntry.Stage.WAITING and request.user.has_perm("posts.review_post")
    return Line(
        entry=entry,
        reason=entry.get_reason_display(),
        factors=risk.words(entry.factors, entry.contradicted),
        size=size_text(entry),
        holder=(holder.get_full_name() or holder.get_username()) if holder else "",
        is_own=holder is not None and holder.pk == request.user.pk,
        url=(
            wanted.draft(entry.post_id)
            if is_open
            else reverse("admin:posts_post_change", args=[entry.post_id])
        ),
        compare_url=reverse("admin:posts_post_compare", args=[entry.post_id]) if is_beside else "",
    )


def size_text(entry: QueueEntry) -> str:
    """Return how much a draft changes the page, or how much there is to read of a new one."""
    if entry.words_added is None:
        minutes = entry.post.reading_minutes
        return f"{minutes:,} min read"
    if not entry.words_added and not entry.words_removed:
        return "no word changed"
    return f"+{entry.words_added:,} −{entry.words_removed:,} words"


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
    if ends <= now:
        return None
    title = Post.objects.filter(pk=last["post"]).values_list("title", flat=True).first()
    if title is None:
        return None
    return Toast(
        DONE[last["action"]], title, last["post"], max(1, round((ends - now).total_seconds()))
    )
