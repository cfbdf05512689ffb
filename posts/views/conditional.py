"""Validators: what a program needs to ask "has it changed?", and the answer 304 when it has not.

In: a finished response. Out: the same with `ETag` and `Last-Modified`, or 304 or 412 in its place.
Says nothing about how long a copy may be kept.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from typing import Any, overload

from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.utils.cache import get_conditional_response
from django.utils.http import http_date

#: `Last-Modified` counts whole seconds, so it says nothing about a second that is not over; one
#: more for clocks that differ a little.
SETTLED = dt.timedelta(seconds=2)


@overload
def conditional(
    request: HttpRequest,
    response: HttpResponse,
    *,
    changed_at: dt.datetime | None,
    now: dt.datetime,
) -> HttpResponse: ...


@overload
def conditional(
    request: HttpRequest,
    response: StreamingHttpResponse,
    *,
    changed_at: dt.datetime | None,
    now: dt.datetime,
    fingerprint: bytes,
) -> HttpResponseBase: ...


def conditional(
    request: HttpRequest,
    response: HttpResponseBase,
    *,
    changed_at: dt.datetime | None,
    now: dt.datetime,
    fingerprint: bytes = b"",
) -> HttpResponseBase:
    """Return the response with its validators, or 304 when the request's own still hold. No query.

    The ETag is exact: it is made of the body, or for a streamed one of a `fingerprint` that
    differs whenever the body does. `changed_at` bounds the last change from above.
    """
    body = response.content if isinstance(response, HttpResponse) else fingerprint
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    response.headers["ETag"] = etag
    last_modified = None
    if changed_at is not None and now - changed_at >= SETTLED:
        last_modified = int(changed_at.timestamp())
        response.headers["Last-Modified"] = http_date(last_modified)
    # Its types know no streamed response; it looks at the status and the headers only.
    found: Any = get_conditional_response(request, etag, last_modified, response)  # type: ignore[arg-type]
    return response if found is None else found
