"""The archive: all indexable posts by date, narrowed by filters; and the lists of one reference.

In: a path and query parameters. Out: pages whose queries and work do not grow with the archive.
"""

from __future__ import annotations

import datetime as dt

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from posts import calendar, counters, selection
from posts.models import Post
from posts.selection import Facet, Option, Selection, Span
from posts.views.conditional import Moment, revalidated, revalidated_by_body
from posts.views.page import NOINDEX, cards, page_context, with_robots

#: Posts shown for one reference; more of them is a mistake of the sources.
REFERENCES_MAX = 50


@require_safe
@revalidated
def archive(request: HttpRequest, moment: Moment) -> HttpResponse:
    """Show the whole archive: years, months, the newest notes, facets; see `_page`."""
    return _page(request, moment, path=reverse("archive"), place="", span=Span())


@require_safe
@revalidated
def year(request: HttpRequest, moment: Moment, year: int) -> HttpResponse:
    """Show the notes of a year; see `_page`."""
    path = reverse("archive-year", args=[year])
    return _page(request, moment, path=path, place=str(year), span=_span(year))


@require_safe
@revalidated
def month(request: HttpRequest, moment: Moment, year: int, month: int) -> HttpResponse:
    """Show the notes of a month; see `_page`."""
    path = reverse("archive-month", args=[year, month])
    place = f"{calendar.MONTHS[month - 1]} {year}" if 1 <= month <= 12 else ""
    return _page(request, moment, path=path, place=place, span=_span(year, month))


def _span(year: int, month: int | None = None) -> Span:
    try:
        return calendar.span_of(year, month)
    except (ValueError, OverflowError) as error:
        raise Http404("There is no such year or month.") from error


def _page(
    request: HttpRequest, moment: Moment, *, path: str, place: str, span: Span
) -> HttpResponse:
    """Show a selection. A filtered one is for readers, not for search engines.

    Queries: change, tags of the filters, walk and its end, posts, their tags, counters by month;
    facets of the whole archive from counters, of a part of it from its newest posts.
    """
    now = moment.now
    chosen = selection.read(request.GET, path=path, span=span)
    found = selection.page_of(chosen, request.GET, now)
    cards(found.items)
    months = counters.named(counters.MONTH, now)
    is_whole = not chosen.is_filtered and not place
    counted = None if is_whole else selection.counted(chosen, now)
    total, is_capped = _total(chosen, span, months, counted, now)
    robots = "noindex, follow" if chosen.is_filtered or chosen.sort != "newest" else ""
    heading = place or "Archive"
    context = page_context(
        page_title=f"Archive, {place}" if place else "Archive",
        description=_intro(place),
        path="" if robots else (f"{path}?{found.query}" if found.query else path),
        robots=robots,
        heading=heading,
        intro=found.note or _intro(place),
        place=place,
        selection=chosen,
        page=found,
        total=total,
        is_capped=is_capped,
        years=_years(months, span),
        facets=counted.facets if counted else selection.whole_facets(chosen, now),
        year_facet=_year_facet(chosen, counted) if counted and span.start is None else None,
    )
    return with_robots(render(request, "posts/archive.html", context), robots)


def _intro(place: str) -> str:
    if place:
        return f"Notes that passed review in {place}."
    return "Every note that a person has reviewed, by the date of its review."


def _total(
    chosen: Selection,
    span: Span,
    months: dict[str, int],
    counted: selection.Counted | None,
    now: dt.datetime,
) -> tuple[int, bool]:
    """Return how many notes there are and whether there may be more; exact without filters."""
    if chosen.is_filtered and counted is not None:
        return counted.total, counted.is_capped
    if span.start is None or span.end is None:
        return counters.total_listed(now), False
    first, end = f"{span.start:%Y-%m}", f"{span.end:%Y-%m}"
    return sum(number for name, number in months.items() if first <= name < end), False


def _years(months: dict[str, int], span: Span) -> list[calendar.Year]:
    """Return the years of the strip: all of them, or the one that is shown."""
    years = calendar.years(months)
    if span.start is None:
        return years
    return [year for year in years if year.number == span.start.year]


def _year_facet(chosen: Selection, counted: selection.Counted) -> Facet:
    options = [
        Option(
            str(number),
            posts,
            chosen.url(path=reverse("archive-year", args=[number])),
            counted.is_capped,
        )
        for number, posts in counted.years
    ]
    return Facet("Year", options)


@require_safe
@revalidated_by_body
def reference(request: HttpRequest, reference: str) -> HttpResponse:
    """Lead to the published post with a reference, or list several. Queries: posts, their tags."""
    if not reference.isprintable():
        raise Http404("No reference is spelled so.")
    found = Post.objects.published(timezone.now()).filter(reference=reference).exclude(reference="")
    posts = cards(found.for_card().order_by("-pk")[:REFERENCES_MAX])
    if not posts:
        raise Http404("No published post has this reference.")
    if len(posts) == 1:
        return redirect(posts[0])
    context = page_context(
        page_title=f"Reference {reference}", robots=NOINDEX, reference=reference, posts=posts
    )
    return with_robots(render(request, "posts/reference.html", context), NOINDEX)
