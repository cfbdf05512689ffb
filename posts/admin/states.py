"""The states of a post in words: tags for lists, and what each action will do, before it is done.

In: a post with its pointers. Out: short texts. Issues no query and changes nothing.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, NamedTuple

from django.utils import timezone
from django.utils.html import format_html, format_html_join

from posts.transitions import ARCHIVED, PRIVATE, PUBLISHED, shown_time

if TYPE_CHECKING:
    from django.utils.safestring import SafeString

    from posts.models import Post, Revision


class StateTag(NamedTuple):
    """A state as a text; `kind` chooses the stroke: solid is approved, dashed is not."""

    kind: str
    text: str


def tags_of(post: Post, now: dt.datetime) -> list[StateTag]:
    """Return a post's states, what waits first. Needs `proposed_revision` fetched."""
    if post.is_over(now):
        return [StateTag("archived", "archived")]
    tags = []
    if post.is_planned(now):
        tags.append(StateTag("planned", f"to be published {shown_time(post.published_at)}"))
    if post.archive_at is not None:
        tags.append(StateTag("planned", f"to be archived {shown_time(post.archive_at)}"))
    planned = len(tags)
    if post.proposed_revision_id is not None:
        is_held = (
            post.proposed_revision_id != post.live_revision_id
            and not post.proposed_revision.is_by_person
        )
        tags.append(
            StateTag("held", "held by import")
            if is_held
            else StateTag("waiting", "awaiting review")
        )
    if post.is_live_approved:
        tags.append(StateTag("approved", _approved_text(post, now)))
    elif len(tags) == planned:
        tags.append(StateTag("returned", "returned"))
    return tags


def _approved_text(post: Post, now: dt.datetime) -> str:
    if post.visibility == PRIVATE:
        return "approved, private"
    if post.listed_at is not None and post.listed_at > now:
        is_soon = post.listed_at - now < dt.timedelta(hours=1)
        when = f"{post.listed_at:%H:%M:%S} UTC" if is_soon else shown_time(post.listed_at)
        return f"approved, listed from {when}"
    return "approved and listed" if post.listed_at else "approved, not listed"


def as_html(tags: list[StateTag]) -> SafeString:
    return format_html_join(" ", '<span class="state state-{}">{}</span>', tags)


def run_state(state: str) -> SafeString:
    return format_html('<span class="state state-run-{}">{}</span>', state, state)


def revision_name(revision: Revision | None) -> str:
    return f"revision {revision.number}" if revision is not None else "no revision"


def button_text(
    action: str,
    label: str,
    proposed: Revision | None,
    post: Post | None = None,
    now: dt.datetime | None = None,
) -> str:
    """Return what stands on the button: an approval names its revision and a planned time."""
    is_planned = post is not None and now is not None and post.is_planned(now)
    if action == "unpublish" and is_planned:
        return "Cancel the publication"
    if action != "approve":
        return label
    when = f" for {post.published_at:%-d %b %H:%M}" if is_planned and post is not None else ""
    return f"{label} {revision_name(proposed)}{when}"


def consequence(
    action: str,
    *,
    post: Post,
    proposed: Revision | None,
    decided: Revision | None,
    undo_seconds: int,
    now: dt.datetime | None = None,
) -> str:
    """Return what an action will do to this post, in one or two sentences.

    `decided` is the revision whose verdict "withdraw" would take back.
    """
    now = now or timezone.now()
    is_public = post.is_public(now)
    if post.is_planned(now) and action in ("approve", "unpublish", "archive"):
        return _of_planned(action, post, proposed)
    if action == "approve":
        return _approval(post, proposed, undo_seconds)
    if action in ("request_changes", "reject"):
        kept = "The page readers see stays as it is." if is_public else "The post stays private."
        return f"Takes {revision_name(proposed)} out of the queue and keeps your reason. {kept}"
    if action == "withdraw":
        closing = " The page leaves the lists and the search index." if post.listed_at else ""
        return f"Takes back the last verdict on {revision_name(decided)}.{closing}"
    if action == "publish":
        if post.is_live_approved:
            return "The page can be read and is listed and indexed at once."
        return (
            "The page can be read by its address. It is not listed, and search engines are asked "
            "to leave it out until a person has approved it."
        )
    if action == "archive" and post.published_at is None:
        return "The draft leaves the queue without having been seen. It can be brought back."
    return {
        "unpublish": "The post is private again; its time of archiving is off."
        if post.is_over(now)
        else "The page answers “not found” and leaves lists, feeds and the search index.",
        "archive": "The page answers “gone” and leaves lists, feeds and the search index. "
        "It can be brought back.",
        "unarchive": "The post is private again; it can then be reviewed and published.",
    }.get(action, "")


def _of_planned(action: str, post: Post, proposed: Revision | None) -> str:
    when = shown_time(post.published_at)
    if action == "approve":
        name = revision_name(proposed).capitalize()
        return f"{name} is the page that readers see, listed and indexed, from {when} on."
    after = "The post is private." if action == "unpublish" else "The draft leaves the queue."
    return f"The publication planned for {when} is off. {after}"


def _approval(post: Post, proposed: Revision | None, undo_seconds: int) -> str:
    name = revision_name(proposed).capitalize()
    if post.visibility == PRIVATE:
        return f"{name} is approved. The post stays private until it is published."
    when = f"after {undo_seconds} seconds" if undo_seconds else "at once"
    if proposed is not None and proposed.pk == post.live_revision_id:
        return f"{name}, the page readers see now, is listed and indexed {when}."
    return f"{name} becomes the page readers see and is indexed {when}."


def after_choosing(post: Post, revision: Revision, undo_seconds: int, now: dt.datetime) -> str:
    """Return what approving a revision that is not the one waiting will do."""
    name = revision_name(revision).capitalize()
    if post.is_public(now):
        when = f"after {undo_seconds} seconds" if undo_seconds else "at once"
        effect = f"{name} becomes the page readers see and is indexed {when}."
    elif post.is_planned(now):
        effect = _of_planned("approve", post, revision)
    else:
        effect = f"{name} is approved and becomes the text of the page once it is published."
    is_beside = post.proposed_revision_id not in (None, revision.pk)
    return f"{effect} What waits for a verdict goes on waiting." if is_beside else effect


def after_saving(post: Post | None, newest: int) -> str:
    """Return what saving the edit form will do."""
    if post is None:
        return "Saving makes a private post whose first revision waits for a reviewer."
    number = newest + 1
    if post.visibility == ARCHIVED:
        effect = "The post stays archived."
    elif post.is_live_approved:
        effect = "Readers keep the approved page until a reviewer approves the new revision."
    elif post.visibility == PUBLISHED:
        effect = (
            "The page is published and not approved, so readers see the new text at once; "
            "it is not listed."
        )
    else:
        effect = "The post stays private."
    return f"Saving makes revision {number}, which waits for a reviewer. {effect}"
