"""What every public page has: the context all templates rely on, cards, robots header.

No queries of its own but that for the tags of cards: posts arrive fetched.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.http import HttpResponse

from posts.markdown import plain_text
from posts.models import Post, PostTag
from posts.models.tags import address_of_tag

NOINDEX = "noindex"

#: Characters and tags of one line of a list.
LEDE_MAX = 240
TAGS_SHOWN = 4
DESCRIPTION_MAX = 160


def absolute(path: str) -> str:
    """Return the address readers use for a path of this site."""
    return f"{settings.PUBLIC_URL}{path}"


def page_context(
    *,
    page_title: str,
    description: str = "",
    path: str = "",
    robots: str = "",
    **more: Any,
) -> dict[str, Any]:
    """Return a template's context; `path` is the canonical path, "" for none."""
    return {
        "site_name": settings.SITE_NAME,
        "public_url": settings.PUBLIC_URL,
        "canonical": absolute(path) if path else "",
        "robots": robots,
        "page_title": page_title,
        "description": description,
        **more,
    }


def with_robots(response: HttpResponse, robots: str) -> HttpResponse:
    """Return the response, with `X-Robots-Tag` when robots are told anything."""
    if robots:
        response.headers["X-Robots-Tag"] = robots
    return response


@dataclass(slots=True)
class CardTag:
    """A tag on a card, and how many notes have it where somebody counted."""

    pk: int
    name: str
    slug: str
    count: int = 0

    @property
    def get_absolute_url(self) -> str:
        return address_of_tag(self.slug)


def cards(posts: Iterable[Post]) -> list[Any]:
    """Return posts of `for_card()` with `lede_text`, `card_tags`, and the first of these to show.

    One query for the tags, none without posts. A page has hundreds of them, so they are values
    and no rows.
    """
    found: list[Any] = list(posts)
    if not found:
        return found
    rows = PostTag.objects.filter(content_object__in=found).order_by("origin", "position", "tag_id")
    tags_of: dict[int, list[CardTag]] = {post.pk: [] for post in found}
    for post_id, *tag in rows.values_list("content_object_id", "tag_id", "tag__name", "tag__slug"):
        tags_of[post_id].append(CardTag(*tag))
    for post in found:
        post.lede_text = plain_text(post.live_revision.lede, limit=LEDE_MAX)
        post.card_tags = tags_of[post.pk]
        post.shown_tags = post.card_tags[:TAGS_SHOWN]
    return found
