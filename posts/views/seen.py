"""The beacon by which a browser tells that somebody looks at a page.

In: a POST with the id of a post. Out: nothing, whatever is thought of it.
"""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from posts import page_views


# Pages are the same for everybody and carry no token. There is nothing to forge: the request has no
# session, and whoever wants to count up a page can as well open it.
@csrf_exempt
@require_POST
def seen(request: HttpRequest, post_id: int) -> HttpResponse:
    """Count a view when a person's browser tells it. Mostly no query, see `page_views.write`."""
    if page_views.is_reader(request.headers):
        page_views.count(post_id)
    return HttpResponse(status=204)
