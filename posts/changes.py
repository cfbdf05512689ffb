"""When anything that readers may see last changed: what `Last-Modified` may say.

Every door writes an event, so the newest one is the bound; what only becomes due, a gate that opens
or closes by its date, has no event and is looked up beside it. Never earlier than a change.
"""

from __future__ import annotations

import datetime as dt

from django.db.models import Subquery

from posts.models import Event, Post


def last_change(now: dt.datetime) -> dt.datetime | None:
    """Return the moment since which no page, list or feed has changed; None for a new archive.

    Ask before reading what it is said of: a change in between must look like one. One query: the
    ends of three indexes. It is one moment for the whole site: a list does not
    know of a post that left it, and the newest of those that stayed would claim that nothing had
    happened.
    """
    opened = Post.objects.opened_by(now).order_by("-listed_at", "-pk").values("listed_at")
    closed = Post.objects.closed_by(now).order_by("-archive_at").values("archive_at")
    moments = (
        Event.objects.order_by("-at", "-pk")
        .annotate(opened=Subquery(opened[:1]), closed=Subquery(closed[:1]))
        .values_list("at", "opened", "closed")
        .first()
    )
    return max((moment for moment in moments or () if moment is not None), default=None)
