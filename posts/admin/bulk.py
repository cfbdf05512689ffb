"""One action on many posts: a page that says what will happen, then the doors of `posts.review`.

In: the posts ticked in a list, or all that a filter matches. Out: a confirmation, then a message
with what was changed and what was skipped. Freezes what was confirmed: nothing newer is touched.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import PermissionDenied
from django.http import HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils import timezone

from posts import review
from posts.admin import states
from posts.admin.forms import REASON_MAX, ReasonForm
from posts.models import BulkAction, Post, Revision
from posts.transitions import (
    TRANSITIONS,
    Moment,
    ReviewError,
    Transition,
    after,
    refuse_own_work,
    state_of,
)

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

ACTIONS = ("approve", "request_changes", "reject", "publish", "archive")

#: Posts of one confirmed action: what a request can do before the server's time is up. More are
#: taken in further steps, or by `manage.py review_posts`.
MOST = 2_000
SAMPLE = 10


class Plan(NamedTuple):
    """What a confirmation shows, and what it freezes."""

    posts: list[Post]
    has_more: bool
    newest_revision: int
    breakdown: list[tuple[str, int]]
    fitting: list[Post]
    refusals: list[tuple[str, int]]


def run(model_admin: Any, request: HttpRequest, queryset: Any, *, action: str) -> Any:
    """Answer a bulk action of the list: ask first, act on the second request."""
    row = TRANSITIONS[action]
    if not request.user.has_perm(row.permission):
        raise PermissionDenied
    is_across = request.POST.get("select_across") == "1"
    form = ReasonForm(request.POST if "confirmed" in request.POST else None, row=row)
    if "confirmed" in request.POST and form.is_valid():
        reason = form.cleaned_data["reason"]
        if is_across:
            _act_on_filter(model_admin, request, queryset, row, reason)
        else:
            _act_on_ticked(model_admin, request, row, reason)
        return HttpResponseRedirect(request.get_full_path())
    return _ask(model_admin, request, queryset, row, form, is_across=is_across)


def _ask(
    model_admin: Any,
    request: HttpRequest,
    queryset: Any,
    row: Transition,
    form: ReasonForm,
    *,
    is_across: bool,
) -> HttpResponse:
    if is_across and "through" in request.POST:
        queryset = _frozen(request, queryset, row)
    plan = _plan(queryset, row, request.user)
    context = {
        **model_admin.admin_site.each_context(request),
        "title": f"{row.label}: {len(plan.posts):,} post{'s' if len(plan.posts) != 1 else ''}",
        "opts": model_admin.opts,
        "row": row,
        "plan": plan,
        "sample": plan.fitting[:SAMPLE],
        "unshown": len(plan.fitting) - SAMPLE,
        "form": form,
        "reason_max": REASON_MAX,
        "is_across": is_across,
        "through": plan.posts[-1].pk if plan.posts else 0,
        "most": MOST,
        "seen": _digests_seen(plan.posts, row) if not is_across else {},
        "checkbox_name": ACTION_CHECKBOX_NAME,
        "first": plan.posts[0].pk if plan.posts else 0,
        "list_url": request.get_full_path(),
    }
    return TemplateResponse(request, "admin/posts/bulk.html", context)


def _plan(queryset: Any, row: Transition, by: Any) -> Plan:
    """Look at the posts an action would meet, oldest first. Two queries."""
    posts = list(queryset.order_by("pk")[: MOST + 1])
    now = timezone.now()
    breakdown: Counter[str] = Counter()
    refusals: Counter[str] = Counter()
    fitting = []
    for post in posts[:MOST]:
        breakdown[", ".join(tag.text for tag in states.tags_of(post, now))] += 1
        try:
            if post.proposed_revision is not None:
                refuse_own_work(row, post.proposed_revision.author_id, by)
            after(row.name, state_of(post), Moment(now, now))
            fitting.append(post)
        except ReviewError as error:
            refusals[str(error)] += 1
    newest = Revision.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    return Plan(
        posts[:MOST],
        len(posts) > MOST,
        newest,
        breakdown.most_common(),
        fitting,
        refusals.most_common(),
    )


def _digests_seen(posts: list[Post], row: Transition) -> dict[int, str]:
    """Return, per post, the digest the action is bound to. One query."""
    targets = {post.pk: _target(post, row) for post in posts}
    digests = dict(Revision.objects.filter(pk__in=targets.values()).values_list("pk", "digest"))
    return {pk: digests[target] for pk, target in targets.items()}


def _target(post: Post, row: Transition) -> int:
    return (row.verdict and post.proposed_revision_id) or post.live_revision_id


def _act_on_ticked(model_admin: Any, request: HttpRequest, row: Transition, reason: str) -> None:
    seen = {
        int(pk): request.POST.get(f"digest-{pk}", "")
        for pk in request.POST.getlist(ACTION_CHECKBOX_NAME)[:MOST]
        if pk.isdecimal()
    }
    started = timezone.now()
    record = BulkAction.objects.create(
        actor=request.user,
        action=row.name,
        filters={"posts": sorted(seen)},
        reason=reason,
        started_at=started,
    )
    refused: Counter[str] = Counter()
    ids = sorted(seen)
    for start in range(0, len(ids), review.CHUNK):
        outcome = review.act(
            action=row.name,
            posts={pk: seen[pk] for pk in ids[start : start + review.CHUNK]},
            by=request.user,
            reason=reason,
            bulk_action=record,
        )
        record.changed += len(outcome.changed)
        record.skipped += len(outcome.refused)
        refused.update(str(error) for error in outcome.refused.values())
    record.finished_at = timezone.now()
    record.save(update_fields=["changed", "skipped", "finished_at"])
    _tell(model_admin, request, row, record, refused)


def _frozen(request: HttpRequest, queryset: Any, row: Transition) -> Any:
    """Narrow a filter to what was confirmed: the same ids, and no revision that came later."""
    through, newest = (
        int(value) if value.isdecimal() else 0
        for value in (request.POST.get("through", ""), request.POST.get("newest_revision", ""))
    )
    frozen = queryset.filter(pk__lte=through)
    if row.verdict:
        frozen = frozen.filter(proposed_revision_id__lte=newest)
    return frozen


def _act_on_filter(
    model_admin: Any, request: HttpRequest, queryset: Any, row: Transition, reason: str
) -> None:
    refused: Counter[str] = Counter()
    record = review.act_on_all(
        actions=[row.name],
        queryset=_frozen(request, queryset, row),
        by=request.user,
        reason=reason,
        filters={"query": request.GET.dict(), "through": request.POST.get("through", "")},
        on_chunk=lambda _, outcome: refused.update(map(str, outcome.refused.values())),
    )
    _tell(model_admin, request, row, record, refused)


def _tell(
    model_admin: Any,
    request: HttpRequest,
    row: Transition,
    record: BulkAction,
    refused: Counter[str],
) -> None:
    text = f"{row.label}: {record.changed:,} changed, {record.skipped:,} skipped."
    for reason, number in refused.most_common(3):
        text += f" {number:,} × {reason}"
    level = messages.SUCCESS if record.changed else messages.WARNING
    model_admin.message_user(request, text, level)
