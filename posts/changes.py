"""When anything that readers may see last changed: what `Last-Modified` and early ETags may say.

Every door writes an event and an import gives a sign of life with each batch; so the newest of them
is the bound. What only becomes due, a gate that opens or closes by its date, has no event and is
looked up beside it. Never earlier than a change.
"""

from __future__ import annotations

import datetime as dt

from django.db.models import F, Func, Subquery

from posts.models import Event, ImportSource, Post

#: A change is dated when its transaction begins, and seen when it ends. Younger ones say nothing
#: about what may still come with an earlier date; no transaction of this project takes so long.
SETTLED = dt.timedelta(seconds=60)


def last_change(now: dt.datetime) -> dt.datetime | None:
    """Return the moment since which no page, list or feed has changed; None for a new archive.

    Ask before reading what it is said of: a change in between must look like one. One query: the
    ends of three indexes, and the few sources. It is one moment for the whole site: a list does not
    know of a post that left it, and the newest of those that stayed would claim that nothing had
    happened.
    """
    opened = Post.objects.opened_by(now).order_by("-listed_at", "-pk").values("listed_at")
    closed = Post.objects.closed_by(now).order_by("-archive_at").values("archive_at")
    # The newest of a few rows; as an aggregate Django would group them first.
    beats = ImportSource.objects.annotate(newest=Func(F("heartbeat_at"), function="MAX"))
    moments = (
        Event.objects.order_by("-at", "-pk")
        .annotate(
            opened=Subquery(opened[:1]),
            closed=Subquery(closed[:1]),
            imported=Subquery(beats.order_by().values("newest")),
        )
        .values_list("at", "opened", "closed", "imported")
        .first()
    )
    return max((moment for moment in moments or () if moment is not None), default=None)
