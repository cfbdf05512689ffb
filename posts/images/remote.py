"""Remote images: whether they are still there, and copies of those whose licence was cleared.

In: rows of `ImageSource` and a `Fetcher`. Out: when each was looked at, what was wrong, its size,
its copy. Both are off until they are configured, and run by a command only.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.conf import settings
from django.db.models import F, Q

from posts.images import storing
from posts.images.checking import ImageRefusedError, checked, size_of
from posts.images.fetching import Fetcher, FetchError, OtherHostError
from posts.models import ImageSource

#: The head of an image stands within the first bytes, also behind a long profile of colours.
BEGINNING_BYTES = 256 * 1024
FAULT_MAX = 300


def fetcher_of(hosts: list[str]) -> Fetcher:
    """Return what may ask these hosts, under the name of this site."""
    return Fetcher(hosts=frozenset(hosts), agent=f"alphanode (+{settings.PUBLIC_URL})")


def to_check(before: dt.datetime) -> Any:
    """Return the sources on allowed hosts that nobody looked at since `before`, oldest first."""
    return _oldest_first(ImageSource.objects.filter(host__in=settings.IMAGE_HOSTS), before)


def to_mirror(before: dt.datetime) -> Any:
    """Return the sources with a cleared licence on mirrored hosts that have no copy yet.

    One that could not be had is tried again when its last try is older than `before`.
    """
    rows = ImageSource.objects.filter(
        host__in=settings.IMAGE_MIRROR_HOSTS,
        licence=ImageSource.Licence.CLEARED,
        stored__isnull=True,
    )
    return _oldest_first(rows, before)


def _oldest_first(rows: Any, before: dt.datetime) -> Any:
    return rows.filter(Q(checked_at__isnull=True) | Q(checked_at__lt=before)).order_by(
        F("checked_at").asc(nulls_first=True), "pk"
    )


def check(source: ImageSource, fetcher: Fetcher, now: dt.datetime) -> str:
    """Look whether an image is still there; return what is wrong, "" when nothing. One query.

    What redirects to another allowed host is there; its size stays as it was known.
    """
    found: dict[str, Any] = {"fault": ""}
    try:
        beginning = fetcher.fetch(source.url, most=BEGINNING_BYTES, is_beginning_enough=True)
        found["width"], found["height"] = size_of(beginning)
    except OtherHostError as error:
        if error.host not in fetcher.hosts:
            found["fault"] = str(error)[:FAULT_MAX]
    except (FetchError, ImageRefusedError) as error:
        found["fault"] = str(error)[:FAULT_MAX]
    ImageSource.objects.filter(pk=source.pk).update(checked_at=now, **found)
    return str(found["fault"])


def mirror(source: ImageSource, fetcher: Fetcher, now: dt.datetime) -> str:
    """Keep a copy of an image, checked as an upload is; return what was wrong, "" when nothing."""
    found: dict[str, Any] = {"fault": ""}
    try:
        data = fetcher.fetch(source.url, most=settings.IMAGE_UPLOAD_MAX_BYTES)
        stored = storing.store(checked(data), by=None, now=now)
        found |= {"stored": stored, "width": stored.width, "height": stored.height}
    except (FetchError, ImageRefusedError) as error:
        found["fault"] = str(error)[:FAULT_MAX]
    # The licence may have been taken back while the bytes were on their way.
    rows = ImageSource.objects.filter(pk=source.pk, licence=ImageSource.Licence.CLEARED)
    rows.update(checked_at=now, **found)
    return str(found["fault"])
