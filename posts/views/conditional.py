"""Validators, and how long a copy may be kept: what is needed to ask "does mine still hold?".

In: a view, or a finished response. Out: the same with `Cache-Control`, `ETag` and `Last-Modified`,
or 304 or 412 in its place; 304 before the view does any work where nothing at all has changed.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable
from functools import cache, wraps
from typing import Any, NamedTuple

from django.conf import settings
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseNotModified,
)
from django.utils import timezone
from django.utils.cache import get_conditional_response
from django.utils.http import http_date, parse_etags

from posts import changes

#: Everybody may keep an answer, and nobody may show it again without asking: a copy, a shared one
#: too, is never out of date by a moment, however a gate closes.
REVALIDATED = "public, no-cache"
#: `Last-Modified` counts whole seconds, so it says nothing about a second that is not over; one
#: more for clocks that differ a little.
SETTLED = dt.timedelta(seconds=2)
#: What else than the archive an answer is made of; another value makes every copy an old one.
_CODE = ("alphanode", "posts", "requirements", "static", "templates")
_SETTINGS = (
    *("CONTACT_EMAIL", "DEBUG", "IMAGE_HOSTS", "IMAGE_PLACEHOLDER", "LICENCE_NAME", "LICENCE_URL"),
    *("PUBLIC_URL", "REVIEW_UNDO_SECONDS", "SITE_NAME"),
)


class Moment(NamedTuple):
    """When a request is answered, and the last change of the archive before that."""

    now: dt.datetime
    changed_at: dt.datetime | None

    @classmethod
    def of_now(cls) -> Moment:
        """Return this moment. One query, before anything that is shown is read."""
        now = timezone.now()
        return cls(now, changes.last_change(now))


def revalidated(view: Callable[..., Any]) -> Callable[..., Any]:
    """Make the pages of a view ones that may be kept and are asked about before each use.

    The view is given a `Moment` behind the request. One query more; and no other one when the
    request's own ETag says that nothing has changed since.
    """

    @wraps(view)
    def answer(request: HttpRequest, **named: Any) -> HttpResponseBase:
        moment = Moment.of_now()
        return unchanged(request, moment) or kept(request, view(request, moment, **named), moment)

    return answer


def revalidated_by_body(view: Callable[..., Any]) -> Callable[..., Any]:
    """Do the same for answers that cost no more than asking: no query, an ETag of the body."""

    @wraps(view)
    def answer(request: HttpRequest, **named: Any) -> HttpResponseBase:
        moment = Moment(timezone.now(), None)
        return kept(request, view(request, **named), moment)

    return answer


def unchanged(request: HttpRequest, moment: Moment) -> HttpResponse | None:
    """Return 304 when the request's ETag is of this very state of the archive, else None."""
    etag = _etag_of_state(request, moment)
    sent = [tag.removeprefix("W/") for tag in parse_etags(request.headers.get("If-None-Match", ""))]
    if not etag or etag not in sent or "If-Match" in request.headers:
        return None
    response = HttpResponseNotModified()
    response.headers["ETag"] = etag
    response.headers["Cache-Control"] = REVALIDATED
    return response


def kept(request: HttpRequest, response: HttpResponseBase, moment: Moment) -> HttpResponseBase:
    """Return a page with its validators and with leave to keep it; what is no page, as it is.

    A streamed one brings an ETag of its content.
    """
    if response.status_code != 200:
        return response
    etag = _etag_of_state(request, moment) or response.headers.get("ETag", "")
    if not etag:
        assert isinstance(response, HttpResponse)  # noqa: S101
        etag = etag_of(response.content)
    return conditional(request, response, moment, etag)


def etag_of(content: bytes) -> str:
    """Return an ETag that differs whenever the content does."""
    return f'"{hashlib.sha256(content).hexdigest()[:32]}"'


def _etag_of_state(request: HttpRequest, moment: Moment) -> str:
    """Return an ETag of all that an answer is made of; "" while something may still be under way.

    The day is part of it, because some pages tell how long ago something was.
    """
    if moment.changed_at is None or moment.now - moment.changed_at < changes.SETTLED:
        return ""
    parts = [_code_digest(), request.get_full_path(), moment.changed_at, moment.now.date()]
    parts += [getattr(settings, name) for name in _SETTINGS]
    return etag_of("\n".join(map(str, parts)).encode())


@cache
def _code_digest() -> str:
    """Return a digest of everything that makes pages: code, templates, static files, libraries.

    Reads some hundreds of files, once a process.
    """
    digest = hashlib.sha256()
    for folder in _CODE:
        for path in sorted((settings.BASE_DIR / folder).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                digest.update(f"{path.relative_to(settings.BASE_DIR)}\n".encode())
                digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def conditional(
    request: HttpRequest, response: HttpResponseBase, moment: Moment, etag: str
) -> HttpResponseBase:
    """Return the response with leave to keep it and its validators, or 304 when those still hold.

    The moment is that of the last change of what the response is made of. No query.
    """
    response.headers["Cache-Control"] = REVALIDATED
    response.headers["ETag"] = etag
    last_modified = None
    if moment.changed_at is not None and moment.now - moment.changed_at >= SETTLED:
        last_modified = int(moment.changed_at.timestamp())
        response.headers["Last-Modified"] = http_date(last_modified)
    # Its types know no streamed response; it looks at the status and the headers only.
    found: Any = get_conditional_response(request, etag, last_modified, response)  # type: ignore[arg-type]
    return response if found is None else found
