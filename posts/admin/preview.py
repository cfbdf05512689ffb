"""A revision as its readers would see it, from the renderer and the meta box of the public page.

In: a revision and its post. Out: the values of `admin/posts/_preview.html`. Two queries, for what
is known of the images and for the imported numbers. Must not import the public views.
"""

from __future__ import annotations

from typing import Any

from posts import content, markdown, metabox
from posts.admin.stored_images import staff_policy
from posts.known_pictures import pictures_of
from posts.models import Post, Revision, Statistics


def preview(post: Post, revision: Revision) -> dict[str, Any]:
    """Return title, lede, rendered body, meta box and checked claims of a revision."""
    snapshot = revision.snapshot
    said = {
        "statistics": Statistics.objects.filter(post=post).first(),
        "imported": getattr(post, "imported", None),
        "origin": revision.origin,
    }
    check = metabox.claims_of(snapshot, **said)
    article = markdown.rendered(
        revision.digest,
        snapshot.body,
        images=pictures_of(snapshot),
        policy=staff_policy(),
    )
    return {
        "revision": revision,
        "title": snapshot.title,
        "lede": markdown.render_inline(snapshot.lede),
        "html": article.html,
        "has_code": "<pre" in article.html,
        "reading_minutes": content.reading_minutes(snapshot),
        "difficulty": snapshot.meta.difficulty,
        "metabox": metabox.meta_box(snapshot, **said, check=check),
        "claims": check,
    }


def differing_fields(one: content.Snapshot, other: content.Snapshot) -> list[str]:
    """Return the names of the fields in which two snapshots differ, in the order of the page."""
    names = [
        name for name in ("title", "lede", "body") if getattr(one, name) != getattr(other, name)
    ]
    names += [
        metabox.label_of(name)
        for name in content.Meta.__struct_fields__
        if getattr(one.meta, name) != getattr(other.meta, name)
    ]
    return names
