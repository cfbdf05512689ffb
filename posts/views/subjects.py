"""Lists of what notes are about: tags, entities, topics, and the tag index.

In: a path and a cursor. Out: pages of indexable posts whose work does not grow with the archive.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter as Tally
from typing import Any

from django.db.models import F, Q, Subquery
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_safe

from posts import counters
from posts.models import Entity, Post, Tag, Topic
from posts.pagination import Cursor, Page, page_of
from posts.selection import PARAMETER_OF
from posts.views.conditional import Moment, revalidated
from posts.views.page import cards, page_context

TAGS_A_KIND = 60
RELATED_TAGS = 12
#: Topics on the page of a stack.
TOPICS_MAX = 200
#: Notes on one page of a topic, and pages that its first one leads to.
TOPIC_PAGE = 100
TOPIC_PARTS = 50

KIND_LABELS = {
    "stack": "Stacks",
    "area": "Areas",
    "language": "Languages",
    "tool": "Tools",
    "topic": "Topics",
    "free": "Tags",
}


def _list_page(
    request: HttpRequest, page: Page, *, heading: str, intro: str, **more: Any
) -> HttpResponse:
    context = page_context(
        page_title=heading,
        description=intro,
        path=f"{request.path}?{page.query}" if page.query else request.path,
        heading=heading,
        intro=page.note or intro,
        page=page,
        **more,
    )
    return render(request, "posts/list.html", context)


def _feeds(of: str, *parts: str) -> list[tuple[str, str]]:
    """Return the feeds of a list, by type."""
    return [
        ("application/atom+xml", reverse(f"{of}-feed-atom", args=parts)),
        ("application/feed+json", reverse(f"{of}-feed-json", args=parts)),
    ]


def _related(
    page: Page, now: dt.datetime, *, tag: Tag | None = None, entity: Entity | None = None
) -> tuple[list[Any], int]:
    """Return the tags that the posts of a page carry most often, and how many posts there are.

    The page is that of a tag or an entity. One query, for all the counts.
    """
    seen: dict[int, Any] = {}
    uses: Tally[int] = Tally()
    for post in page.items:
        for one in post.card_tags:
            seen[one.pk] = one
            uses[one.pk] += 1
    own = [tag.pk] if tag is not None else []
    for pk in own:
        uses.pop(pk, None)
    related = [seen[pk] for pk, _ in uses.most_common(RELATED_TAGS)]
    counts = counters.use_counts(
        tags=[*own, *(one.pk for one in related)],
        entities=[entity.pk] if entity is not None else [],
        now=now,
    )
    for one in related:
        one.count = counts.tags[one.pk]
    return related, sum(counts.tags[pk] for pk in own) + sum(counts.entities.values())


def _spelled(part: str) -> str:
    """Return a part of an address that a database can be asked for."""
    if not part.isprintable():
        raise Http404("Nothing is spelled so.")
    return part


def _topics_of(stack: Tag, now: dt.datetime) -> list[Any]:
    """Return the topics of a stack by name, also by former ones, with counts. One query."""
    names = Tag.objects.filter(Q(pk=stack.pk) | Q(merged_into=stack)).values("name")
    topics = Topic.objects.filter(stack__in=names).order_by("subject")
    count = F("use_count") + counters.due_amount("topic", now)
    return [topic for topic in topics.annotate(count=count)[:TOPICS_MAX] if topic.count > 0]


@require_safe
@revalidated
def tag(request: HttpRequest, moment: Moment, slug: str) -> HttpResponse:
    """List posts with a tag.

    Queries: change, tag, posts, their tags, counts, dates, topics of a stack.
    """
    now = moment.now
    found = get_object_or_404(Tag.objects.select_related("merged_into"), slug=_spelled(slug))
    if found.merged_into is not None:
        return redirect(found.merged_into, permanent=True)
    page = page_of(
        Post.objects.indexable(now).for_card(),
        request.GET,
        path=request.path,
        where=Q(post_tags__tag=found, post_tags__listed_at__lte=now),
        moment="post_tags__listed_at",
        key="post_tags__content_object_id",
    )
    cards(page.items)
    related, total = _related(page, now, tag=found)
    kicker = "Tag" if found.kind == Tag.Kind.FREE else found.get_kind_display().capitalize()
    return _list_page(
        request,
        page,
        heading=found.name,
        kicker=kicker,
        intro=f"Reviewed notes with the tag {found.name}.",
        empty_text=f"No reviewed note has the tag {found.name} yet.",
        total=total,
        related=related,
        alternates=_feeds("tag", found.slug),
        topics=_topics_of(found, now) if found.kind == Tag.Kind.STACK else [],
        dates=_dates(found, now),
        filters=f"{reverse('archive')}?{PARAMETER_OF[found.kind]}={found.slug}",
    )


def _dates(tag: Tag, now: dt.datetime) -> tuple[Any, Any] | None:
    """Return when the first and the last post with a tag were listed. One query by its index."""
    posts = Post.objects.indexable(now).tagged(tag.pk, now).values("pk")
    ends = Q(pk=Subquery(posts[:1])) | Q(pk=Subquery(posts.reverse()[:1]))
    dates = sorted(Post.objects.filter(ends).values_list("listed_at", flat=True))
    return (dates[0], dates[-1]) if dates else None


@require_safe
@revalidated
def entity(request: HttpRequest, moment: Moment, type_slug: str, slug: str) -> HttpResponse:
    """List posts about an entity. Queries: change, entity, posts, their tags, counts."""
    now = moment.now
    entities = Entity.objects.select_related("merged_into")
    found = get_object_or_404(entities, type_slug=_spelled(type_slug), slug=_spelled(slug))
    if found.merged_into is not None:
        return redirect(found.merged_into, permanent=True)
    page = page_of(
        Post.objects.indexable(now).for_card(),
        request.GET,
        path=request.path,
        where=Q(post_entities__entity=found, post_entities__listed_at__lte=now),
        moment="post_entities__listed_at",
        key="post_entities__post_id",
    )
    cards(page.items)
    related, total = _related(page, now, entity=found)
    return _list_page(
        request,
        page,
        heading=found.name,
        kicker=f"Entity · {found.type}",
        intro=f"Reviewed notes about {found.name}.",
        empty_text=f"No reviewed note is about {found.name} yet.",
        total=total,
        related=related,
        alternates=_feeds("entity", found.type_slug, found.slug),
    )


@require_safe
@revalidated
def topic(request: HttpRequest, moment: Moment, slug: str) -> HttpResponse:
    """List posts with a topic, and where each part of them begins.

    Queries: change, topic, places, posts, their tags, the stack's tag, count.
    """
    now = moment.now
    found = get_object_or_404(Topic, slug=_spelled(slug))
    # The second condition is the index's own, without which SQLite does not use it.
    posts = Post.objects.indexable(now).filter(topic=found.name).exclude(topic="")
    page = page_of(posts.for_card(), request.GET, path=request.path, size=TOPIC_PAGE)
    cards(page.items)
    return _list_page(
        request,
        page,
        heading=found.subject,
        kicker="Topic",
        intro=f"Reviewed notes on {found.name}.",
        empty_text="No reviewed note has this topic now.",
        total=counters.topic_counts([found.pk], now)[found.pk],
        is_dense=True,
        parts=_parts(posts, request.path),
        stack=Tag.objects.filter(name=found.stack).first() if found.stack else None,
    )


def _parts(posts: Any, path: str) -> list[tuple[str, str]]:
    """Return ("21 to 40", address) for the pages of a topic, none when there is one page only."""
    places = list(
        posts.order_by("-listed_at", "-pk").values_list("listed_at", "pk")[
            : TOPIC_PARTS * TOPIC_PAGE
        ]
    )
    if len(places) <= TOPIC_PAGE:
        return []
    parts = []
    for start in range(0, len(places), TOPIC_PAGE):
        last = min(start + TOPIC_PAGE, len(places))
        place = f"?after={Cursor(*places[start - 1]).encode()}" if start else ""
        parts.append((f"{start + 1}–{last}", f"{path}{place}"))
    return parts


@require_safe
@revalidated
def tag_list(request: HttpRequest, moment: Moment) -> HttpResponse:
    """Show the most used tags of each kind. Queries: change, tags."""
    now = moment.now
    by_kind = counters.most_used(list(KIND_LABELS), TAGS_A_KIND, now)
    context = page_context(
        page_title="Tags",
        description="What the notes are about, by kind.",
        path=request.path,
        groups=[(label, by_kind[kind]) for kind, label in KIND_LABELS.items() if by_kind[kind]],
    )
    return render(request, "posts/tags.html", context)
