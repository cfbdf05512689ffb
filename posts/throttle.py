"""How often one reader may ask for something that costs work: fixed windows in the cache.

In: a request. Out: the seconds to wait, 0 for go on. Nothing personal is kept: an address is
hashed, and forgotten with its window. Without a shared cache each worker process counts alone.
"""

from __future__ import annotations

import ipaddress
import time

from django.core.cache import cache
from django.http import HttpRequest
from django.utils.crypto import salted_hmac

WINDOW_SECONDS = 60


def seconds_to_wait(request: HttpRequest, *, name: str, limit: int) -> int:
    """Count this request; return how long its sender must wait when it is one too many in a minute.

    A limit of 0 is none. No queries; two operations of the cache.
    """
    if not limit:
        return 0
    now = time.time()
    window = int(now // WINDOW_SECONDS)
    sender = salted_hmac("posts.throttle", address_of(request)).hexdigest()[:24]
    key = f"throttle:{name}:{window}:{sender}"
    cache.add(key, 0, timeout=2 * WINDOW_SECONDS)
    try:
        count = cache.incr(key)
    except ValueError:  # a cache that keeps nothing, or dropped the key this moment
        return 0
    return 0 if count <= limit else max(1, round((window + 1) * WINDOW_SECONDS - now))


def address_of(request: HttpRequest) -> str:
    """Return the address a request came from.

    Behind a proxy, which connects from a private address or a socket, the last one it noted; a
    reader who connects directly cannot choose.
    """
    peer = str(request.META.get("REMOTE_ADDR", ""))
    noted = str(request.META.get("HTTP_X_FORWARDED_FOR", "")).rpartition(",")[2].strip()
    try:
        is_public = bool(peer) and not ipaddress.ip_address(peer).is_private
    except ValueError:
        is_public = False
    return peer if is_public or not noted else noted[:64]
