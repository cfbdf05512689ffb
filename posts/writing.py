"""What people write: new posts, new revisions, restored ones, editorial tags, slugs.

In: a snapshot from a form. Out: an immutable revision, proposed for review; live at once only
where nothing approved would be replaced. Decides on nothing: verdicts are `posts.review`'s.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from posts import (
    claim_checks,
    content,
    db,
    gate,
    history,
    moves,
    projection,
    queue,
    slugs,
    validation,
)
from posts.images import uses
from posts.models import (
    ImportedPost,
    ImportSource,
    Post,
    PostTag,
    Revision,
    Slug,
    Statistics,
    Tag,
)
from posts.reflection import LIST_COLUMNS, reflected
from posts.search import entries as search
from posts.transitions import INITIAL_VISIBILITY, ReviewError, state_of

if TYPE_CHECKING:
    from django.contrib.auth.models import User


#: Characters of a revision's comment, as the database holds it.
COMMENT_MAX = 500


class ContentRefusedError(ReviewError):
    """Content with errors; `problems` names each field, what it got and what it expects."""

    def __init__(self, problems: Sequence[content.Problem]) -> None:
        super().__init__("content", "; ".join(f"{p.field}: {p.expected}" for p in problems))
        self.problems = problems


def write_post(
    *,
    by: User,
    snapshot: content.Snapshot,
    slug: str = "",
    tags: Iterable[str] = (),
    now: dt.datetime | None = None,
) -> Post:
    """Create a private post by hand, its first revision waiting for review.

    Its identity is the source `local` and a key made here. Raises `PermissionDenied`,
    `ContentRefusedError`, and `ReviewError` `slug_taken` or `bad_slug`.
    """
    _require(by, "posts.add_post")
    snapshot = _accepted(snapshot)
    now = now or timezone.now()
    with transaction.atomic():
        source, _ = ImportSource.objects.get_or_create(
            name=ImportSource.LOCAL, defaults={"created_at": now}
        )
        (post_id,) = db.allocate_ids(Post, 1)
        (revision_id,) = db.allocate_ids(Revision, 1)
        key = f"{ImportSource.LOCAL}-{post_id:06d}"
        slug = (
            _free_slug(slug) if slug else slugs.made_from(snapshot.title, ImportSource.LOCAL, key)
        )
        reflection = reflected(snapshot)
        columns = dict(zip(LIST_COLUMNS, reflection.columns, strict=True))
        post = Post(
            id=post_id,
            slug=slug,
            visibility=INITIAL_VISIBILITY["default"],
            live_revision_id=revision_id,
            proposed_revision_id=revision_id,
            created_at=now,
            changed_at=now,
            **columns,
        )
        post.save(force_insert=True)
        revision = _revision(post, snapshot, number=1, by=by, now=now, pk=revision_id)
        Slug.objects.create(slug=slug, post=post, is_current=True, created_at=now)
        Statistics.objects.create(post=post)
        ImportedPost.objects.create(
            source=source,
            key=key,
            post=post,
            base_revision=revision,
            base_digest=revision.digest,
        )
        names = projection.Names()
        names.resolve([reflection])
        projection.insert([projection.Mirrored(post_id, reflection, None)], names)
        history.append([history.Entry(post_id, "write", revision.digest)], actor=by, now=now)
        set_editorial_tags(post=post, by=by, names=tags, now=now)
        queue.refresh([post_id])
    return post


def revise(
    *,
    post: Post,
    by: User,
    snapshot: content.Snapshot,
    seen: int,
    comment: str = "",
    origin: str = Revision.Origin.EDITOR,
    now: dt.datetime | None = None,
) -> Revision:
    """Add a revision and propose it. Live at once unless the live one is approved.

    `seen` is the number of the newest revision the person had before them. Content equal to the
    newest revision adds nothing and returns it. Raises `ReviewError` `stale` when a newer revision
    came meanwhile; the caller still has the input and can compare; and `comment_too_long`.
    """
    return _propose(
        post=post, by=by, snapshot=snapshot, seen=seen, comment=comment, origin=origin, now=now
    )


def merge(
    *,
    post: Post,
    by: User,
    snapshot: content.Snapshot,
    incoming: Revision,
    seen: int,
    comment: str = "",
    now: dt.datetime | None = None,
) -> Revision:
    """Propose what a person made of a version that an import holds; see `revise`.

    The new revision grows from `incoming`, which no longer waits: its next version is compared
    with it, not with what was settled here. Content equal to an `incoming` that is proposed adds
    nothing. Raises `ReviewError` `stale` also when `incoming` is not held any more.
    """
    return _propose(
        post=post, by=by, snapshot=snapshot, seen=seen, comment=comment, incoming=incoming, now=now
    )


def _propose(
    *,
    post: Post,
    by: User,
    snapshot: content.Snapshot,
    seen: int,
    comment: str,
    origin: str = Revision.Origin.EDITOR,
    incoming: Revision | None = None,
    now: dt.datetime | None,
) -> Revision:
    _require(by, "posts.change_post")
    if len(comment) > COMMENT_MAX:
        raise ReviewError(
            "comment_too_long",
            f"The comment has {len(comment)} characters, of at most {COMMENT_MAX}. Shorten it.",
        )
    snapshot = _accepted(snapshot)
    now = now or timezone.now()
    with transaction.atomic():
        locked = Post.objects.select_for_update().get(pk=post.pk)
        newest = locked.revisions.aggregate(newest=Max("number"))["newest"]
        if newest != seen:
            raise ReviewError(
                "stale",
                f"Revision {newest} was saved after revision {seen}, which you were editing. "
                "Nothing was overwritten: compare the two and save again.",
            )
        waiting = _waiting(locked) if incoming is not None else None
        if incoming is not None and incoming.pk not in (waiting, locked.proposed_revision_id):
            raise ReviewError(
                "stale",
                f"Revision {incoming.number} is not held any more. Nothing was saved: look at the "
                "post again.",
            )
        head = incoming or Revision.objects.get(
            pk=locked.proposed_revision_id or locked.live_revision_id
        )
        is_head_there = head.pk in (locked.proposed_revision_id, locked.live_revision_id)
        if (
            origin == Revision.Origin.EDITOR
            and is_head_there
            and head.digest == content.digest(snapshot)
        ):
            return head
        revision = _revision(
            locked,
            snapshot,
            number=newest + 1,
            by=by,
            now=now,
            parent=head,
            origin=origin,
            comment=comment,
        )
        before = state_of(locked, waiting)
        live = locked.live_revision_id if locked.is_live_approved else revision.pk
        is_settled = incoming is not None and incoming.pk == waiting
        state = replace(
            before, live=live, proposed=revision.pk, waiting=None if is_settled else waiting
        )
        Post.objects.filter(pk=post.pk).update(
            live_revision=state.live, proposed_revision=state.proposed, changed_at=now
        )
        if state.live != before.live:
            moves.mirror({post.pk: state})
        kind = "revise" if origin == Revision.Origin.EDITOR else "restore"
        data: dict[str, Any] = {"number": revision.number, "parent": head.number}
        if incoming is not None:
            kind = "merge"
            # An undo follows pointers through the events; this one moves `waiting` too.
            data |= moves.moved_pointers(before, state)
            if is_settled:
                ImportedPost.objects.filter(post=locked).update(waiting_revision=None)
        history.append(
            [history.Entry(post.pk, kind, revision.digest, data)],
            actor=by,
            now=now,
        )
        queue.refresh([post.pk])
    post.refresh_from_db()
    return revision


def _waiting(post: Post) -> int | None:
    """Return the imported revision that waits behind a proposal. One query."""
    found = ImportedPost.objects.filter(post=post).values_list("waiting_revision_id", flat=True)
    return found.first()


def restore(
    *, post: Post, by: User, revision: Revision, seen: int, now: dt.datetime | None = None
) -> Revision:
    """Propose the content of an older revision of this post as a new one; see `revise`."""
    if revision.post_id != post.pk:
        raise ReviewError(
            "not_allowed", "This revision belongs to another post. Choose one of this post."
        )
    return revise(
        post=post,
        by=by,
        snapshot=revision.snapshot,
        seen=seen,
        comment=f"Restores revision {revision.number}.",
        origin=Revision.Origin.RESTORE,
        now=now,
    )


def set_editorial_tags(
    *, post: Post, by: User, names: Iterable[str], now: dt.datetime | None = None
) -> None:
    """Make these the post's editorial tags; imported ones stay. Does not close the gate.

    A name the revision already stands for is left to the revision. Raises `ReviewError`
    `bad_tag` for a name over 100 characters.
    """
    _require(by, "posts.change_post")
    now = now or timezone.now()
    wanted = sorted({name for raw in names if (name := content.normal_tag(raw))})
    if too_long := next((name for name in wanted if len(name) > content.TAG_MAX), None):
        raise ReviewError(
            "bad_tag", f"{too_long[:40]}… is longer than {content.TAG_MAX} characters."
        )
    with transaction.atomic():
        locked = Post.objects.select_for_update().get(pk=post.pk)
        current = {
            row.tag.name: row
            for row in PostTag.objects.filter(content_object=locked).select_related("tag")
        }
        editorial = {
            name for name, row in current.items() if row.origin == PostTag.Origin.EDITORIAL
        }
        added = [name for name in wanted if name not in current]
        removed = sorted(editorial.difference(wanted))
        if not added and not removed:
            return
        this_gate = [gate.Gate(locked.pk, locked.listed_at, locked.archive_at)]
        gate.count(this_gate, -1, now)
        PostTag.objects.filter(
            content_object=locked, tag__name__in=removed, origin=PostTag.Origin.EDITORIAL
        ).delete()
        resolver = projection.Names()
        meta = content.Meta(tags=tuple(added))
        resolver.resolve([reflected(content.Snapshot(title="", meta=meta))])
        tag_ids = [resolver.tags[name][0] for name in added]
        db.insert_rows(
            PostTag,
            ("content_object_id", "tag_id", "origin", "position", "listed_at"),
            [
                (locked.pk, tag_id, PostTag.Origin.EDITORIAL.value, position, locked.listed_at)
                for position, tag_id in enumerate(tag_ids)
            ],
        )
        gate.count(this_gate, +1, now)
        Post.objects.filter(pk=locked.pk).update(changed_at=now)
        if locked.listed_at is not None:
            search.refresh([locked.pk])
        removed_ids = Tag.objects.filter(name__in=removed).values_list("id", flat=True)
        history.append(
            [
                history.Entry(
                    locked.pk, "tags", data={"added": tag_ids, "removed": sorted(removed_ids)}
                )
            ],
            actor=by,
            now=now,
        )


def change_slug(*, post: Post, by: User, slug: str, now: dt.datetime | None = None) -> None:
    """Give a post another address; the old one answers 301 from now on.

    Raises `ReviewError` `bad_slug` or `slug_taken`. A slug this post had before may come back.
    """
    _require(by, "posts.change_post")
    now = now or timezone.now()
    if slug == post.slug:
        return
    with transaction.atomic():
        locked = Post.objects.select_for_update().get(pk=post.pk)
        slug = _free_slug(slug, post=locked)
        Slug.objects.filter(post=locked, is_current=True).update(is_current=False)
        Slug.objects.update_or_create(
            slug=slug,
            post=locked,
            defaults={"is_current": True},
            create_defaults={"is_current": True, "created_at": now},
        )
        Post.objects.filter(pk=locked.pk).update(slug=slug, changed_at=now)
        history.append([history.Entry(locked.pk, "slug")], actor=by, now=now)
    post.refresh_from_db()


def _free_slug(slug: str, post: Post | None = None) -> str:
    if post is not None and Slug.objects.filter(slug=slug, post=post).exists():
        return slug
    if not slugs.is_slug(slug):
        raise ReviewError(
            "bad_slug",
            f"{slug[:60]!r} is no slug: lower-case letters, digits and single hyphens, at most "
            f"{slugs.GIVEN_MAX} characters.",
        )
    if Slug.objects.taken([slug]):
        raise ReviewError("slug_taken", f"{slug} is the address of another page. Choose another.")
    return slug


def _accepted(snapshot: content.Snapshot) -> content.Snapshot:
    normal, problems = validation.checked(snapshot)
    errors = [problem for problem in problems if problem.severity == "error"]
    if errors:
        raise ContentRefusedError(errors)
    return normal


def _revision(
    post: Post,
    snapshot: content.Snapshot,
    *,
    number: int,
    by: User,
    now: dt.datetime,
    parent: Revision | None = None,
    origin: str = Revision.Origin.EDITOR,
    comment: str = "",
    pk: int | None = None,
) -> Revision:
    revision = Revision(
        id=pk,
        post=post,
        number=number,
        digest=content.digest(snapshot),
        title=snapshot.title,
        lede=snapshot.lede,
        body=snapshot.body,
        meta=content.meta_to_json(snapshot.meta),
        origin=origin,
        author=by,
        parent=parent,
        comment=comment,
        created_at=now,
    )
    revision.save(force_insert=True)
    claim_checks.insert_for(revision)
    uses.record((revision.pk, image.url) for image in snapshot.meta.image_sources)
    return revision


def _require(by: User, permission: str) -> None:
    if not by.has_perm(permission):
        raise PermissionDenied(f"This needs the permission {permission}.")
