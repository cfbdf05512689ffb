"""The first page: what was reviewed last, what is read most, and the fields to enter by."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from posts import counters, page_views
from posts.models import Post
from posts.views import former
from posts.views.conditional import Moment, revalidated
from posts.views.page import cards, page_context

NEWEST = 12
#: Stacks are the first click to every note, so that all of a usual archive's stand here.
FIELDS = 60
MOST_READ = 5

DESCRIPTION = "Short engineering notes, drafted by a machine and checked by people."


@require_safe
@revalidated
def home(request: HttpRequest, moment: Moment) -> HttpResponse:
    """Show the newest posts, the most read, the stacks and the areas.

    Queries: change, posts, their tags, total, most read (none to 3), fields. The page has no
    parameters of its own: with some, it is asked first whether a post was at `/?p=12` before (1 or
    2).
    """
    if request.META.get("QUERY_STRING") and (answer := former.answer(request)):
        return answer
    now = moment.now
    newest = Post.objects.indexable(now).for_card().order_by("-listed_at", "-pk")
    posts = cards(newest[:NEWEST])
    fields = counters.most_used(("stack", "area"), FIELDS, now)
    context = page_context(
        page_title="Engineering field notes",
        description=DESCRIPTION,
        path=reverse("home"),
        posts=posts,
        total=counters.total_listed(now),
        stacks=fields["stack"],
        areas=fields["area"],
        most_read=_most_read(now),
        is_empty=not posts,
    )
    return render(request, "posts/home.html", context)


def _most_read(now: dt.datetime) -> list[Any]:
    """Return the posts read most of late, with `views`; none before any was counted."""
    ranked = page_views.most_read(now, most=MOST_READ)
    found = Post.objects.indexable(now).only("title", "slug", "published_at").in_bulk(ranked)
    posts: list[Any] = [found[pk] for pk in ranked if pk in found]
    for post in posts:
        post.views = ranked[post.pk]
    return posts
