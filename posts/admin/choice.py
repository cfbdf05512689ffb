"""What a page says of approving a revision other than the one that waits for a verdict.

In: a request, a post, one of its revisions. Out: values of a template. Changes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.utils import timezone

from posts.admin import states
from posts.models import Post, Revision
from posts.transitions import TRANSITIONS, ReviewError, refuse_own_work

if TYPE_CHECKING:
    from django.http import HttpRequest


def choice_of(request: HttpRequest, post: Post, revision: Revision) -> dict[str, Any]:
    """Return what a page says of approving a revision other than the one waiting. One query."""
    row = TRANSITIONS["approve"]
    is_done = revision.pk == post.live_revision_id == post.approved_revision_id
    is_waiting = revision.pk == post.proposed_revision_id
    may = request.user.has_perm(row.permission) and post.visibility in row.visibility
    if is_done or is_waiting or not may:
        return {}
    try:
        refuse_own_work(row, revision.author_id, request.user)
    except ReviewError as error:
        return {"choice_refusal": str(error)}
    live = Revision.objects.without_content().get(pk=post.live_revision_id)
    return {
        "choice": states.after_choosing(
            post, revision, settings.REVIEW_UNDO_SECONDS, timezone.now()
        ),
        "choice_over": live.digest,
    }
