"""The sitemap: an index of shards by ranges of ids, and the shards; only what the gate lists.

In: the number of a shard. Out: XML by the protocol of sitemaps.org. A post keeps its shard for
good, so a crawler that knows the index fetches only shards with something new.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterator, Sequence

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.urls import reverse
from django.utils.html import escape
from django.views.decorators.http import require_safe

from posts import db
from posts.models import Post
from posts.querysets import MODIFIED_AT, SHARD_IDS
from posts.views.conditional import Moment, etag_of, revalidated
from posts.views.page import absolute

XML_TYPE = "application/xml; charset=utf-8"
HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
NAMESPACE = "http://www.sitemaps.org/schemas/sitemap/0.9"
#: Addresses written at once.
CHUNK = 500
#: The last shard of 64-bit ids.
SHARD_MAX = (2**63 - 1) // SHARD_IDS - 1


@require_safe
@revalidated
def index(request: HttpRequest, moment: Moment) -> HttpResponse:
    """List the shards that hold anything, each with its newest change. Queries: change, shards."""
    lines = [
        _line("sitemap", absolute(reverse("sitemap-shard", args=[number])), modified_at)
        for number, modified_at in db.newest_by_shard(SHARD_IDS, moment.now)
    ]
    body = f'{HEAD}<sitemapindex xmlns="{NAMESPACE}">\n{"".join(lines)}</sitemapindex>\n'
    return HttpResponse(body, content_type=XML_TYPE)


@require_safe
@revalidated
def shard(request: HttpRequest, moment: Moment, number: int) -> HttpResponseBase:
    """List the posts of one range of ids. Queries: change, posts; memory: one range, narrow.

    404 when it holds none, since the protocol knows no empty file.
    """
    if number > SHARD_MAX:
        raise Http404("There is no such part of the sitemap.")
    rows = list(
        Post.objects.indexable(moment.now)
        .filter(pk__gte=number * SHARD_IDS, pk__lt=(number + 1) * SHARD_IDS)
        .order_by("pk")
        .values_list("slug", MODIFIED_AT)
    )
    if not rows:
        raise Http404("There is no such part of the sitemap.")
    seen = hashlib.sha256(absolute("").encode())
    for slug, modified_at in rows:
        seen.update(f"\n{slug} {modified_at.isoformat()}".encode())
    response = StreamingHttpResponse(_urls(rows), content_type=XML_TYPE)
    response.headers["ETag"] = etag_of(seen.digest())
    return response


def _urls(rows: Sequence[tuple[str, dt.datetime]]) -> Iterator[str]:
    yield f'{HEAD}<urlset xmlns="{NAMESPACE}">\n'
    # A slug needs no quoting, so one address is worked out and its end replaced.
    before, after = absolute(reverse("article", args=["-"])).rsplit("-", 1)
    for start in range(0, len(rows), CHUNK):
        yield "".join(
            _line("url", f"{before}{slug}{after}", modified_at)
            for slug, modified_at in rows[start : start + CHUNK]
        )
    yield "</urlset>\n"


def _line(name: str, address: str, modified_at: dt.datetime) -> str:
    moment = modified_at.astimezone(dt.UTC).isoformat()
    return f"<{name}><loc>{escape(address)}</loc><lastmod>{moment}</lastmod></{name}>\n"
