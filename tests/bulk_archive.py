"""A large archive in a few seconds: listed posts inserted in bulk, with the counters they make.

For tests of plans and query counts at size; everything else uses `tests.builders`, which goes
through the project's doors.
"""

import datetime as dt

from django.contrib.auth.models import User
from django.db import connection

from posts import db
from posts.models import (
    Counter,
    Entity,
    ImportedPost,
    ImportSource,
    Post,
    PostEntity,
    PostTag,
    Revision,
    Tag,
)

NOW = dt.datetime(2026, 11, 17, 9, tzinfo=dt.UTC)


def fill_archive(size):
    """Insert `size` listed posts, one a minute until NOW; return the newest.

    Each has the tag "hot", one of three common tags (of kind stack), one of 60 rarer tags and one
    of 40 problems.
    """
    user = User.objects.create_user("reviewer-of-many")
    names = ["hot", "warm-0", "warm-1", "warm-2", *(f"rare-{n}" for n in range(60))]
    tags = [
        Tag.objects.create(name=name, slug=name, kind="stack" if "warm" in name else "free")
        for name in names
    ]
    problems = [
        Entity.objects.create(type="problem", type_slug="problem", name=f"p{n}", slug=f"p{n}")
        for n in range(40)
    ]
    posts, revisions, post_tags, post_entities = [], [], [], []
    post_ids = db.allocate_ids(Post, size)
    revision_ids = db.allocate_ids(Revision, size)
    with connection.constraint_checks_disabled():
        for n, (pk, revision_pk) in enumerate(zip(post_ids, revision_ids, strict=True)):
            moment = NOW - dt.timedelta(minutes=size - n)
            posts.append(
                Post(
                    pk=pk,
                    title=f"note number {n} on w{n % 97} and w{n % 89}",
                    slug=f"note-{n}",
                    visibility="published",
                    published_at=moment,
                    listed_at=moment,
                    live_revision_id=revision_pk,
                    approved_revision_id=revision_pk,
                    created_at=moment,
                    changed_at=moment,
                )
            )
            revisions.append(
                Revision(
                    pk=revision_pk,
                    post_id=pk,
                    number=1,
                    digest="1:x",
                    title="t",
                    lede="l",
                    origin="editor",
                    author=user,
                    created_at=moment,
                )
            )
            post_tags += [
                PostTag(content_object_id=pk, tag=tag, listed_at=moment)
                for tag in (tags[0], tags[1 + n % 3], tags[4 + n % 60])
            ]
            post_entities.append(PostEntity(post_id=pk, entity=problems[n % 40], listed_at=moment))
        Post.objects.bulk_create(posts, batch_size=500)
        Revision.objects.bulk_create(revisions, batch_size=500)
        PostTag.objects.bulk_create(post_tags, batch_size=500)
        PostEntity.objects.bulk_create(post_entities, batch_size=500)
    for tag in tags:
        Tag.objects.filter(pk=tag.pk).update(use_count=PostTag.objects.filter(tag=tag).count())
    for entity in problems:
        uses = PostEntity.objects.filter(entity=entity).count()
        Entity.objects.filter(pk=entity.pk).update(use_count=uses)
    Counter.objects.update_or_create(name="listed", defaults={"value": size})
    # Also of the table behind the lists: another test may have left figures of an empty one.
    db.refresh_planner_statistics([Post, Revision, PostTag, PostEntity, Entity, Tag])
    return posts[-1]


def name_archive():
    """Give every post of a filled archive an identity, which feeds and API speak of."""
    source, _ = ImportSource.objects.get_or_create(name="bulk", defaults={"created_at": NOW})
    rows = [
        ImportedPost(source=source, key=str(pk), post_id=pk, base_revision_id=revision)
        for pk, revision in Post.objects.values_list("pk", "live_revision")
    ]
    ImportedPost.objects.bulk_create(rows, batch_size=500)
    db.refresh_planner_statistics([ImportedPost])
