"""Builders of posts in which an imported version is held, by the importer's own way in."""

from __future__ import annotations

import io
import json
from typing import Any

import msgspec

from posts import review, writing
from posts.importing import engine
from posts.importing.formats import Input, jsonl
from posts.importing.intake import Arrival
from posts.models import ImportedPost, Post, Revision
from tests.builders import make_user

SOURCE = "tide notes"
BODY = "## Why\n\nNumbers come first.\n\n- note the baseline\n- change one thing\n\nWrite it down."


def import_note(key: str = "n-1", **fields: Any) -> Post:
    """Import one note and return its post, freshly read."""
    record = {"key": key, "title": "Slack water", "lede": "Short.", "body": BODY, **fields}
    lines = io.BytesIO(json.dumps(record).encode() + b"\n")
    arrivals = (Arrival(0, raw, jsonl) for raw in jsonl.records(lines, Input("notes.jsonl", None)))
    engine.run_import(arrivals, options=engine.Options(source=SOURCE))
    return post_of(key)


def post_of(key: str = "n-1") -> Post:
    identity = ImportedPost.objects.select_related("post").get(source__name=SOURCE, key=key)
    return Post.objects.select_related("imported__source").get(pk=identity.post_id)


def approve(post: Post) -> Post:
    review.act_on_one(action="approve", post=post, by=make_user("reviewer"), undo_seconds=0)
    return post_of(post.imported.key)


def edit(post: Post, **over: Any) -> Revision:
    """Let an editor change members of what waits, else of what is live."""
    head = Revision.objects.get(pk=post.proposed_revision_id or post.live_revision_id)
    own = {name: over.pop(name) for name in ("title", "lede", "body") if name in over}
    meta = msgspec.structs.replace(head.snapshot.meta, **over)
    return writing.revise(
        post=post,
        by=make_user("editor"),
        snapshot=msgspec.structs.replace(head.snapshot, meta=meta, **own),
        seen=post.revisions.count(),
    )


def held_beside_approved(**theirs: Any) -> Post:
    """Return a post with an approved page and a newer import proposed: 1 live, 2 theirs."""
    approve(import_note())
    return import_note(**(theirs or {"title": "Slack water, newer"}))


def held_behind_edit(ours: dict[str, Any], **theirs: Any) -> Post:
    """Return a post with a person's edit and an import behind it: 1 base, 2 ours, 3 theirs."""
    edit(import_note(), **ours)
    return import_note(**theirs)
