"""The search page and what is proposed while somebody types. Reads only; everything is a GET URL.

In: `q` in the query language, `sort`, `page`. Out: results with marked passages, chips, facets; if
nothing is found, what to try instead. No input is an error.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import chain
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.views.decorators.http import require_safe

from posts import content, throttle
from posts.models import Post, Revision
from posts.search import finding, vocabulary
from posts.search.database import Candidate
from posts.search.finding import NEWEST, RELEVANCE, RESULTS_MAX, Counted, Found
from posts.search.language import QUERY_MAX, Filter, Part, Query, parse
from posts.search.passages import Piece, best_passage, marked, texts_with
from posts.views.page import cards, page_context, with_robots

ROBOTS = "noindex,follow"
PAGE_SIZE = 20
PAGES_MAX = RESULTS_MAX // PAGE_SIZE
#: Values of a facet that are shown at once, and with the ones behind "more".
FACET_SHOWN, FACET_MAX = 10, 20
TAGS_PROPOSED = 8
TITLES_PROPOSED = 6
#: Suggestions are asked for at every pause of typing.
SUGGESTIONS_A_SEARCH = 4


@require_safe
def search(request: HttpRequest) -> HttpResponse:
    """Show what a query finds, or the query language. Queries: `finding.find`, tags, posts, texts.

    Too many searches in a minute give 429 with the seconds to wait.
    """
    wait = throttle.seconds_to_wait(request, name="search", limit=settings.SEARCHES_A_MINUTE)
    if wait:
        return _slow_down(request, wait)
    now = timezone.now()
    typed = request.GET.get("q", "")[: QUERY_MAX * 2]
    query = parse(typed)
    sort = request.GET.get("sort", "")
    if sort not in (RELEVANCE, NEWEST) or not query.terms:
        sort = _usual_sort(query)
    problems = list(query.problems)
    page = _page_number(request.GET.get("page", ""), problems)
    context = page_context(
        page_title=f"Search: {query}" if query.parts else "Search",
        description="Search the reviewed notes by words, tags, difficulty and date.",
        robots=ROBOTS,
        typed=typed[:QUERY_MAX],
        query=query,
        problems=problems,
        query_max=QUERY_MAX,
        difficulties=content.DIFFICULTIES,
        sort=sort,
    )
    if query.parts:
        found = finding.find(query, sort=sort, now=now)
        context |= _found_context(found, query, sort, page, now)
    return with_robots(render(request, "posts/search.html", context), ROBOTS)


def _slow_down(request: HttpRequest, wait: int) -> HttpResponse:
    context = page_context(page_title="Too many searches", robots=ROBOTS, seconds=wait)
    response = render(request, "posts/search_busy.html", context, status=429)
    response.headers["Retry-After"] = str(wait)
    return with_robots(response, ROBOTS)


def _page_number(text: str, problems: list[str]) -> int:
    if not text:
        return 1
    if text.isascii() and text.isdigit() and 1 <= int(text[:4]) <= PAGES_MAX and len(text) < 4:
        return int(text)
    problems.append(f"There is no page {text[:20]!r}, so this is the first one.")
    return 1


def _found_context(
    found: Found, typed: Query, sort: str, page: int, now: dt.datetime
) -> dict[str, Any]:
    query = found.query
    pages = -(-len(found.posts) // PAGE_SIZE)
    if page > pages:
        page = 1
    shown = found.posts[(page - 1) * PAGE_SIZE : page * PAGE_SIZE]
    context: dict[str, Any] = {
        "found": found,
        "query_shown": str(query),
        "number": len(found.newest),
        "most": f"{RESULTS_MAX:,}",
        "results": _results(shown, query, now),
        "page": page,
        "pages": pages,
        "previous_url": _url(query, sort, page - 1) if page > 1 else "",
        "next_url": _url(query, sort, page + 1) if page < pages else "",
        "sorts": [(name, "" if name == sort else _url(query, name)) for name in (RELEVANCE, NEWEST)]
        if query.terms
        else [],
        "chips": [(part, _url(query.without(part), sort)) for part in query.parts],
        "clear_url": _path(),
        "corrections": found.corrections,
    }
    if found.posts:
        context["facets"] = _facets(found, sort, now)
    else:
        context["unknown"] = found.unknown
        context["proposals"] = [
            (one.left_out, one.number, one.is_more, _url(one.query, sort))
            for one in finding.proposals(query, now)
        ]
        context["tags"] = finding.nearest_tags(typed, now, limit=TAGS_PROPOSED)
    return context


def _url(query: Query, sort: str, page: int = 1) -> str:
    """Return the address of a page of results; what goes without saying is left out."""
    if not query.parts:
        return _path()
    return _address(str(query), sort, page, is_usual=sort == _usual_sort(query))


def _usual_sort(query: Query) -> str:
    return RELEVANCE if query.terms else NEWEST


def _address(text: str, sort: str, page: int = 1, *, is_usual: bool) -> str:
    parameters = {"q": text}
    if not is_usual:
        parameters["sort"] = sort
    if page > 1:
        parameters["page"] = str(page)
    return f"{_path()}?{urlencode(parameters)}"


@cache
def _path() -> str:
    return reverse("search")


def _results(shown: Sequence[Candidate], query: Query, now: dt.datetime) -> list[Any]:
    """Return posts in the order found, with `marked_title` and `marked_passage`. Three queries."""
    ids = [one.post_id for one in shown]
    posts = {
        post.pk: post for post in cards(Post.objects.indexable(now).for_card().filter(pk__in=ids))
    }
    results = [posts[pk] for pk in ids if pk in posts]
    passages = passages_of([(post, post.lede_text) for post in results], query)
    for post in results:
        post.marked_title = _marked(marked(post.title, query.stems))
        post.marked_passage = _marked(passages[post.pk])
    return results


def _marked(pieces: Iterable[Piece]) -> str:
    """Return text as HTML with its matches marked; forty templates a page would cost more."""
    parts = (
        format_html("<mark>{}</mark>", one.text) if one.is_match else one.text for one in pieces
    )
    return format_html_join("", "{}", ((part,) for part in parts))


def passages_of(posts: Sequence[tuple[Any, str]], query: Query) -> dict[int, list[Piece]]:
    """Return by post what answers the query, of its lead as text or its body. At most one query."""
    live = [post.live_revision_id for post, _ in posts] if query.terms else []
    bodies = dict(Revision.objects.filter(pk__in=live).values_list("pk", "body"))
    stems = query.stems
    return {
        post.pk: best_passage(
            chain([lead], texts_with(bodies.get(post.live_revision_id, ""), stems)), stems
        )
        for post, lead in posts
    }


def _facets(found: Found, sort: str, now: dt.datetime) -> list[dict[str, Any]]:
    """Return what the results can be narrowed to, each value with its number and address."""
    stacks, tags = finding.count_tags(found.newest)
    difficulties = finding.count_difficulties(
        finding.without_own(found.query, "difficulty", found, now), content.DIFFICULTIES
    )
    years = finding.count_years(finding.without_own(found.query, "year", found, now))
    groups = [
        _facet("Stack", "stack", stacks, found, sort),
        _facet("Difficulty", "difficulty", difficulties, found, sort),
        _facet("Year", "year", years, found, sort),
        _facet("Tag", "tag", tags, found, sort),
    ]
    return [group for group in groups if group["values"]]


def _facet(
    title: str, kind: str, counted: Iterable[Counted], found: Found, sort: str
) -> dict[str, Any]:
    query, total = found.query, len(found.newest)
    own: list[Part] = [one for one in query.filters if one.kind == kind and not one.is_excluded]
    # A note has one difficulty and one year, so another one takes the place of the chosen.
    replaces = kind in ("difficulty", "year")
    kept = str(query.without(*own) if replaces else query)
    is_usual = sort == _usual_sort(query)
    values = []
    for value, number in counted:
        part = Filter(kind, value)
        text = f"{kept} {part}".lstrip()
        narrows = number < total or found.is_more or (replaces and own)
        if part not in own and narrows and len(text) <= QUERY_MAX:
            values.append((value, number, _address(text, sort, is_usual=is_usual)))
    return {
        "title": title,
        "kind": kind,
        "values": values[:FACET_SHOWN],
        "more": values[FACET_SHOWN:FACET_MAX],
    }


@require_safe
def suggestions(request: HttpRequest) -> JsonResponse:
    """Return titles and tags for what is being typed, as JSON; see `templates/posts/search.html`.

    Queries: completions, posts, their titles, tags and their counts.
    """
    limit = settings.SEARCHES_A_MINUTE * SUGGESTIONS_A_SEARCH
    wait = throttle.seconds_to_wait(request, name="suggestions", limit=limit)
    if wait:
        busy = JsonResponse({"titles": [], "tags": []}, status=429)
        busy.headers["Retry-After"] = str(wait)
        return busy
    now = timezone.now()
    # What the language adds is left out: a suggestion is a title or a tag.
    text = " ".join(term.text for term in parse(request.GET.get("q", "")).terms)
    ids = [one.post_id for one in finding.titles_while_typing(text, now)]
    titles: dict[str, dict[str, str]] = {}
    for post in (
        Post.objects.indexable(now).filter(pk__in=ids).only("title", "slug").order_by("-pk")
    ):
        titles.setdefault(
            post.title.casefold(), {"title": post.title, "url": post.get_absolute_url()}
        )
    names = vocabulary.tags_beginning_with(text, limit=60)
    tags = finding.used_tags(names, now, limit=TAGS_PROPOSED)
    response = JsonResponse(
        {
            "titles": list(titles.values())[:TITLES_PROPOSED],
            "tags": [
                {"name": tag.name, "url": tag.get_absolute_url(), "count": tag.count}
                for tag in tags
            ],
        }
    )
    response.headers["X-Robots-Tag"] = ROBOTS
    return response
