"""Error pages: not allowed, not found, server error. The 410 belongs to the article view."""

from __future__ import annotations

import re
from urllib.parse import unquote

from django.conf import settings
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseForbidden,
    HttpResponseNotFound,
    HttpResponseServerError,
)
from django.template import TemplateDoesNotExist, loader

from posts.views.page import NOINDEX, page_context, with_robots

GUESS_MAX = 100
_WORD = re.compile(r"[^\W\d_]{3,}")
_PLACES = frozenset(("posts", "tags", "entities", "archive", "json"))


def guess_from(path: str) -> str:
    """Return the words of a path that a search may start from, at most 100 characters."""
    words = [word for word in _WORD.findall(unquote(path[:500])) if word not in _PLACES]
    return " ".join(words)[:GUESS_MAX].strip()


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Return the 404 page. No queries."""
    context = page_context(
        page_title="Page not found", robots=NOINDEX, guess=guess_from(request.path)
    )
    page = loader.render_to_string("404.html", context, request)
    return with_robots(HttpResponseNotFound(page), NOINDEX)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Return the 403 page, without what the exception says. No queries."""
    context = page_context(page_title="Not allowed", robots=NOINDEX)
    page = loader.render_to_string("403.html", context, request)
    return with_robots(HttpResponseForbidden(page), NOINDEX)


def server_error(request: HttpRequest) -> HttpResponse:
    """Return the 500 page: a template that needs no more than a name, since anything may break."""
    try:
        page = loader.get_template("500.html").render({"site_name": settings.SITE_NAME})
    except TemplateDoesNotExist:
        page = "<!doctype html><title>Server error</title><h1>Server error</h1>"
    return HttpResponseServerError(page)
