"""Lists of posts: home, archive, tags, entities (indexable posts), references (published ones).

In: a path and a cursor. Out: pages whose queries and work do not grow with the archive.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter as Tally
from typing import Any

from django.db.models import F, Q, Window
from django.db.models.functions import RowNumber
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from posts import counters
from posts.models import Entity, Post, Tag
from posts.pagination import Page, page_of
from posts.views.page import NOINDEX, cards, page_context, with_robots

HOME_POSTS = 12
HOME_STACKS = 24
TAGS_A_KIND = 60
RELATED_TAGS = 12
#: Posts shown for one reference; more of them is a mistake of the sources.
REFERENCES_MAX = 50

HOME_DESCRIPTION = "Short engineering notes, drafted by a machine and checked by people."
KIND_LABELS = {
    "stack": "Stacks",
    "area": "Areas",
    "language": "Languages",
    "tool": "Tools",
    "topic": "Topics",
    "free": "Tags",
}


def counted_tags(now: dt.datetime) -> Any:
    """Tags that listed posts carry, with their `count`."""
    return Tag.objects.annotate(count=F("use_count") + counters.due_amount("tag", now)).filter(
        count__gt=0
    )


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """Show the newest posts and the stacks. Queries: posts, their tags, total, stacks."""
    now = timezone.now()
    newest = Post.objects.indexable(now).for_card().order_by("-listed_at", "-pk")
    posts = cards(newest[:HOME_POSTS])
    stacks = counted_tags(now).filter(kind=Tag.Kind.STACK).order_by("-count", "name")
    context = page_context(
        page_title="Engineering field notes",
        description=HOME_DESCRIPTION,
        path=reverse("home"),
        posts=posts,
        total=counters.total_listed(now),
        stacks=list(stacks[:HOME_STACKS]),
        is_empty=not posts,
    )
    return render(request, "posts/home.html", context)


def _list_page(
    request: HttpRequest, page: Page, *, heading: str, intro: str, **more: Any
) -> HttpResponse:
    cards(page.items)
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


def _related(page: Page, now: dt.datetime, *, without: Tag | None = None) -> list[Any]:
    """Return the tags that the posts of a page carry most often, with counts. One query."""
    seen: dict[int, Any] = {}
    uses: Tally[int] = Tally()
    for post in page.items:
        for row in post.post_tags.all():
            seen[row.tag_id] = row.tag
            uses[row.tag_id] += 1
    if without is not None:
        uses.pop(without.pk, None)
    tags = [seen[pk] for pk, _ in uses.most_common(RELATED_TAGS)]
    counts = counters.use_counts(tags=[tag.pk for tag in tags], now=now).tags if tags else {}
    for tag in tags:
        tag.count = counts.get(tag.pk, 0)
    return tags


@require_safe
def archive(request: HttpRequest) -> HttpResponse:
    """List all indexable posts, newest first. Queries: posts, their tags, total."""
    now = timezone.now()
    posts = Post.objects.indexable(now).for_card()
    return _list_page(
        request,
        page_of(posts, request.GET, path=request.path),
        heading="Archive",
        kicker="Archive",
        intro="Every note that a person has reviewed, newest first.",
        empty_text="No note has passed review yet.",
        total=counters.total_listed(now),
        related=[],
    )


@require_safe
def tag(request: HttpRequest, slug: str) -> HttpResponse:
    """List posts with a tag. Queries: tag, posts, their tags, related counts, count."""
    now = timezone.now()
    found = get_object_or_404(Tag.objects.select_related("merged_into"), slug=slug)
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
    kicker = "Tag" if found.kind == Tag.Kind.FREE else found.get_kind_display().capitalize()
    return _list_page(
        request,
        page,
        heading=found.name,
        kicker=kicker,
        intro=f"Reviewed notes with the tag {found.name}.",
        empty_text=f"No reviewed note has the tag {found.name} yet.",
        total=counters.use_counts(tags=[found.pk], now=now).tags[found.pk],
        related=_related(page, now, without=found),
        alternates=_feeds("tag", found.slug),
    )


@require_safe
def entity(request: HttpRequest, type_slug: str, slug: str) -> HttpResponse:
    """List posts about an entity. Queries: entity, posts, their tags, related counts, count."""
    now = timezone.now()
    entities = Entity.objects.select_related("merged_into")
    found = get_object_or_404(entities, type_slug=type_slug, slug=slug)
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
    return _list_page(
        request,
        page,
        heading=found.name,
        kicker=f"Entity · {found.type}",
        intro=f"Reviewed notes about {found.name}.",
        empty_text=f"No reviewed note is about {found.name} yet.",
        total=counters.use_counts(entities=[found.pk], now=now).entities[found.pk],
        related=_related(page, now),
        alternates=_feeds("entity", found.type_slug, found.slug),
    )


@require_safe
def tag_list(request: HttpRequest) -> HttpResponse:
    """Show the most used tags of each kind. One query."""
    now = timezone.now()
    rank = Window(RowNumber(), partition_by="kind", order_by=[F("count").desc(), F("name").asc()])
    by_kind: dict[str, list[Tag]] = {}
    ranked = counted_tags(now).annotate(rank=rank).filter(rank__lte=TAGS_A_KIND)
    for found in ranked.order_by("rank"):
        by_kind.setdefault(found.kind, []).append(found)
    context = page_context(
        page_title="Tags",
        description="What the notes are about, by kind.",
        path=request.path,
        groups=[(label, by_kind[kind]) for kind, label in KIND_LABELS.items() if kind in by_kind],
    )
    return render(request, "posts/tags.html", context)


@require_safe
def reference(request: HttpRequest, reference: str) -> HttpResponse:
    """Lead to the published post with a reference, or list several. Queries: posts, their tags."""
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
