"""Feeds of the site, of a tag (a stack is one) and of an entity: Atom and JSON Feed, in pages.

In: what to list and a cursor. Out: the newest posts that the gate lists, whole, with their
disclosure; a place that makes no sense gives the first page.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_safe

from posts import disclosure, feeds, markdown, pictures
from posts.models import Entity, Post, Tag
from posts.pagination import Page, page_of
from posts.querysets import about, tagged
from posts.views.article import Stamp, description_of, pictures_of, stamps_of
from posts.views.conditional import Moment, revalidated
from posts.views.documents import identifier
from posts.views.page import absolute

#: Posts on one page of a feed; they come with their whole text.
FEED_POSTS = 20
#: What an empty feed of a new archive says; Atom wants a moment.
NEVER = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)

SITE_DESCRIPTION = "Engineering field notes, drafted by a machine and reviewed by a person."


@require_safe
@revalidated
def site(request: HttpRequest, moment: Moment, form: str) -> HttpResponse:
    """Return the newest posts. Queries: change, posts, tags, entities, images, stamps, hands."""
    page = page_of(_posts(moment.now), request.GET, path=request.path, size=FEED_POSTS)
    return _feed(request, form, page, moment, settings.SITE_NAME, SITE_DESCRIPTION, reverse("home"))


@require_safe
@revalidated
def tag(request: HttpRequest, moment: Moment, slug: str, form: str) -> HttpResponse:
    """Return the newest posts with a tag. Queries: tag, and those of `site`."""
    found = get_object_or_404(Tag, slug=slug)
    page = page_of(
        _posts(moment.now),
        request.GET,
        path=request.path,
        size=FEED_POSTS,
        **tagged(found, moment.now)._asdict(),
    )
    words = f"Reviewed notes with the tag {found.name}."
    title = f"{settings.SITE_NAME}: {found.name}"
    return _feed(request, form, page, moment, title, words, found.get_absolute_url())


@require_safe
@revalidated
def entity(
    request: HttpRequest, moment: Moment, type_slug: str, slug: str, form: str
) -> HttpResponse:
    """Return the newest posts about an entity. Queries: entity, and those of `site`."""
    found = get_object_or_404(Entity, type_slug=type_slug, slug=slug)
    page = page_of(
        _posts(moment.now),
        request.GET,
        path=request.path,
        size=FEED_POSTS,
        **about(found, moment.now)._asdict(),
    )
    words = f"Reviewed notes about {found.name}."
    title = f"{settings.SITE_NAME}: {found.name} ({found.type})"
    return _feed(request, form, page, moment, title, words, found.get_absolute_url())


def _posts(now: dt.datetime) -> Any:
    return Post.objects.indexable(now).for_article()


def _feed(
    request: HttpRequest,
    form: str,
    page: Page,
    moment: Moment,
    title: str,
    description: str,
    home: str,
) -> HttpResponse:
    first = absolute(request.path)
    channel = feeds.Channel(
        title=title,
        description=description,
        home_url=absolute(home),
        feed_url=first,
        page_url=f"{first}?{page.query}" if page.query else first,
        author=settings.SITE_NAME,
        updated_at=moment.changed_at or NEVER,
        next_url=absolute(page.next_url) if page.next_url else "",
        previous_url=absolute(page.previous_url) if page.previous_url else "",
    )
    entries = entries_of(page.items)
    if form == "atom":
        return HttpResponse(feeds.as_atom(channel, entries), content_type=feeds.ATOM_TYPE)
    body = json.dumps(feeds.as_json_feed(channel, entries), ensure_ascii=False)
    return HttpResponse(body, content_type=feeds.JSON_FEED_TYPE)


def entries_of(posts: Sequence[Any]) -> list[feeds.Entry]:
    """Return posts of `for_article()` as entries of a feed. Queries: stamps, hands."""
    stamps = stamps_of(posts)
    known = disclosure.hands_of([post.live_revision for post in posts])
    policy = pictures.ImagePolicy.from_settings(uploads=absolute(pictures.public_uploads()))
    return [_entry(post, stamps[post.pk], known, policy) for post in posts]


def _entry(
    post: Any, stamp: Stamp, known: dict[int, disclosure.Hands], policy: pictures.ImagePolicy
) -> feeds.Entry:
    revision = post.live_revision
    told = disclosure.disclosure(
        post, reviewer=stamp.byline, reviewed_at=stamp.decided_at, known=known
    )
    lede = markdown.render_inline(revision.lede)
    body = markdown.rendered(
        revision.digest, revision.body, images=pictures_of(post), policy=policy
    )
    return feeds.Entry(
        id=f"urn:uuid:{identifier(post)}",
        title=revision.title,
        url=absolute(post.get_absolute_url()),
        summary=description_of(post),
        html=f"<p>{lede}</p>\n{body.html}" if lede else str(body.html),
        language=post.language,
        published_at=post.published_at,
        modified_at=post.modified_at,
        tags=[row.tag.name for row in post.post_tags.all()],
        disclosure_text=told.text,
        disclosure_value=told.value,
        alternates=[
            feeds.Alternate(
                "text/markdown", absolute(reverse("article-markdown", args=[post.slug]))
            ),
            feeds.Alternate(
                "application/json", absolute(reverse("article-json", args=[post.slug]))
            ),
        ],
    )
