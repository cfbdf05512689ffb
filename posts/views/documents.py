"""A post as plain values: what JSON views, the API and the dumps say of it, in the same words.

In: a post of `for_article()` or `for_summary()` and its stamp. Out: dictionaries of texts, numbers
and moments with absolute addresses; nothing of an account but its public name. Only `summaries`
makes queries.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from django.urls import reverse

from posts import disclosure, markdown, metabox
from posts.models import Entity, Post, Revision, Tag
from posts.views.article import Stamp, box_of, portable_pictures_of, stamps_of
from posts.views.page import LEDE_MAX, absolute

Known = Mapping[int, disclosure.Hands] | None

#: Of the identifiers of this system; any other value would give every post another one.
NAMESPACE = uuid.UUID("6f1d0bd7-6a0f-5a53-9a39-0f5f3c1f8d52")


def identifier(post: Post) -> uuid.UUID:
    """Return what names the post for good: made of source and key, which never change.

    So it outlives another slug, another address of the site and another database.
    """
    identity = post.imported
    return uuid.uuid5(NAMESPACE, f"{identity.source.name}\x00{identity.key}")


def summaries(posts: Sequence[Any]) -> dict[int, dict[str, Any]]:
    """Return by id what a list says of posts of `for_summary()`. Queries: stamps, hands."""
    stamps = stamps_of(posts)
    known = disclosure.hands_of([post.live_revision for post in posts])
    return {post.pk: summary(post, stamps[post.pk], known) for post in posts}


def summary(post: Any, stamp: Stamp, known: Known = None) -> dict[str, Any]:
    """Return what a list says of a post; `known` is of `disclosure.hands_of`."""
    return {
        "id": str(identifier(post)),
        "slug": post.slug,
        "title": post.title,
        "summary": markdown.plain_text(post.live_revision.lede, limit=LEDE_MAX),
        "url": absolute(post.get_absolute_url()),
        "markdown_url": absolute(reverse("article-markdown", args=[post.slug])),
        "json_url": absolute(reverse("article-json", args=[post.slug])),
        "language": post.language,
        "topic": post.topic,
        "difficulty": post.difficulty,
        "code_language": post.code_language,
        "reference": post.reference,
        "reading_minutes": post.reading_minutes,
        "published_at": post.published_at,
        "modified_at": post.modified_at,
        "tags": [{**tag_reference(row.tag), "origin": row.origin} for row in post.post_tags.all()],
        "disclosure": disclosed(post, post.live_revision, stamp, known),
        "review": reviewed(stamp),
    }


def document(post: Any, stamp: Stamp) -> dict[str, Any]:
    """Return everything the page of a post of `for_article()` says."""
    return {
        **summary(post, stamp),
        **content_of(post.live_revision),
        "entities": [entity_reference(row.entity) for row in post.post_entities.all()],
        "images": [
            {
                "number": number,
                "url": picture.url,
                "source": picture.source,
                "caption": picture.caption,
                "alt": picture.alt or picture.caption,
            }
            for number, picture in enumerate(portable_pictures_of(post), start=1)
        ],
        "meta": metabox.as_json(box_of(post)),
    }


def archived(post: Any, stamp: Stamp, known: Known) -> dict[str, Any]:
    """Return a line of a dump: content as it came, without what is counted or only shown."""
    return {
        **summary(post, stamp, known),
        **content_of(post.live_revision),
        "entities": [entity_reference(row.entity) for row in post.post_entities.all()],
        # Claims of the source, as they came; see the page for what the site finds about them.
        "claimed": post.live_revision.meta,
    }


def content_of(revision: Revision) -> dict[str, Any]:
    """Return the text of a revision and what identifies it."""
    return {
        "lede": revision.lede,
        "body": revision.body,
        "body_format": "markdown",
        "revision": {"number": revision.number, "digest": revision.digest},
    }


def disclosed(post: Post, revision: Revision, stamp: Stamp, known: Known = None) -> dict[str, str]:
    """Return who made the text, in a sentence, a value of `posts.disclosure`, and a page."""
    told = disclosure.disclosure(
        post, revision=revision, reviewer=stamp.byline, reviewed_at=stamp.decided_at, known=known
    )
    return {
        "text": told.text,
        "value": told.value,
        "provenance_url": absolute(reverse("provenance", args=[post.slug])),
    }


def reviewed(stamp: Stamp) -> dict[str, Any]:
    """Return the state of review."""
    return {
        "approved": stamp.is_reviewed,
        "at": stamp.decided_at,
        "byline": stamp.byline or None,
    }


def tag_reference(tag: Tag) -> dict[str, str]:
    """Return what names a tag."""
    return {
        "name": tag.name,
        "slug": tag.slug,
        "kind": tag.kind,
        "url": absolute(tag.get_absolute_url()),
    }


def entity_reference(entity: Entity) -> dict[str, str]:
    """Return what names an entity."""
    return {
        "name": entity.name,
        "slug": entity.slug,
        "type": entity.type,
        "type_slug": entity.type_slug,
        "url": absolute(entity.get_absolute_url()),
    }
