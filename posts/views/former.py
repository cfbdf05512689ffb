"""Addresses that posts had where they came from: one hop to where they are now.

In: a request that no route of the site answers. Out: 301 to a public post, 410 for one that was
taken back or erased, else nothing. Never asked for an address the site itself has.
"""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponsePermanentRedirect,
)
from django.urls import is_valid_path
from django.utils import timezone

from posts import addresses, gone
from posts.models import FormerUrl
from posts.views.article import is_withdrawn, withdrawn_page


def answer(request: HttpRequest) -> HttpResponse | None:
    """Return what the post says that had this address before; None where there is none.

    The gate decides as it does for the post's own address. One query, two when nothing is found.
    """
    wanted = addresses.candidates(request.path, request.META.get("QUERY_STRING", ""))
    if request.method not in ("GET", "HEAD") or not wanted:
        return None
    found = {
        row.path: row.post
        for row in FormerUrl.objects.filter(path__in=wanted).select_related("post")
    }
    post = next((found[path] for path in wanted if path in found), None)
    now = timezone.now()
    if post is None:
        return withdrawn_page(request, "") if gone.is_erased_path(wanted) else None
    if post.is_public(now):
        return HttpResponsePermanentRedirect(post.get_absolute_url())
    return withdrawn_page(request, post.title) if is_withdrawn(post, now) else None


class FormerUrlMiddleware:
    """Answers for posts' former addresses where no route does. Stands last in MIDDLEWARE."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer the request; at most two queries more, and only for what is not found."""
        response = self.get_response(request)
        # A view that answers 404 has an address of the site.
        if response.status_code != 404 or request.resolver_match is not None:
            return response
        # The same address with a slash is the site's too.
        if settings.APPEND_SLASH and is_valid_path(f"{request.path_info}/"):
            return response
        return answer(request) or response
