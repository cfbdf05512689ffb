"""Tags and entities under other names: renamed, merged, and taken apart again.

In: a tag or entity, and a person. Out: aliases, which are rows whose `merged_into` is the one that
stands for them; posts moved in short transactions; a BulkAction as the log. An alias keeps its name
and its address: imports and edits that bring the name mean the other, and its page leads there.
Snapshots are not touched, so that taking apart finds again which posts had which name.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from posts import content, counters, db, gate, history, projection
from posts.importing import runs
from posts.models import (
    BulkAction,
    Entity,
    ImportSource,
    Post,
    PostEntity,
    PostTag,
    QueueEntry,
    Revision,
    Tag,
)
from posts.models.tags import KIND_STRENGTH
from posts.reflection import reflected
from posts.search import entries as search

Subject = Tag | Entity

PERMISSION = "posts.change_tag"
#: Posts moved in one transaction.
CHUNK = 200
REASON_MAX = 500


class RenamingError(Exception):
    """What was asked for cannot be done: what was found, what was expected, what to do."""


@dataclass(frozen=True)
class Vocabulary:
    """Where tags, or entities, are used: the rows between them and posts."""

    model: Any
    uses: Any
    #: Columns of a use: the post, and the tag or entity.
    post: str
    subject: str
    name_max: int

    def uses_of(self, subject: Subject) -> Any:
        return self.uses._default_manager.filter(**{self.subject: subject.pk})


TAGS = Vocabulary(Tag, PostTag, "content_object_id", "tag_id", content.TAG_MAX)
ENTITIES = Vocabulary(Entity, PostEntity, "post_id", "entity_id", content.NAME_MAX)
VOCABULARIES: Mapping[Any, Vocabulary] = {Tag: TAGS, Entity: ENTITIES}


def rename(subject: Subject, name: str, *, by: User, now: dt.datetime | None = None) -> None:
    """Give a tag or entity another name and address; the old name becomes an alias.

    A name that is an alias of it already changes places with its name. Raises `PermissionDenied`,
    and `RenamingError` for a name that is empty, too long or another's, for an alias, and while an
    import runs. About eight queries.
    """
    vocabulary = _permitted(subject, by)
    name = content.normal_tag(name)
    if not name or len(name) > vocabulary.name_max:
        raise RenamingError(
            f"Got a name of {len(name)} characters; expected 1 to {vocabulary.name_max}."
        )
    now = now or timezone.now()
    with transaction.atomic():
        _keep_imports_out(now)
        locked = _locked(vocabulary, subject)
        if locked.merged_into_id:
            raise RenamingError(f"“{locked.name}” is an alias. Rename what it stands for.")
        if name == locked.name:
            return
        namesake = _namesakes(locked).filter(name=name).first()
        if namesake is not None:
            if namesake.merged_into_id != locked.pk:
                raise RenamingError(
                    f"“{name}” is there already. Merge “{locked.name}” into it instead."
                )
            namesake.delete()
        alias = type(locked)(**_identity(locked), merged_into=locked)
        before = locked.name
        locked.name = name
        if projection.slug_of(name, with_suffix=False) == locked.slug:
            # Only the spelling differs: readers keep the address, the alias needs another.
            alias.slug = projection.slug_of(before, with_suffix=True, of=_kind_of(locked))
        else:
            locked.slug = _free_slug(locked)
        locked.save(update_fields=["name", "slug"])
        alias.save()
        _log(by, "rename", locked, now, changed=1, before=before, after=name)
    subject.refresh_from_db()


def merge(
    source: Subject, target: Subject, *, by: User, reason: str = "", now: dt.datetime | None = None
) -> int:
    """Let `target` stand for `source` too; return how many posts were moved.

    First the name is settled, then posts follow, `CHUNK` in a transaction, with counts that are
    right in between. Called again it goes on where it was stopped. Raises `PermissionDenied`, and
    `RenamingError` for one and the same, for two of different models, for a reason that is too
    long, and while an import runs. About twelve queries a chunk.
    """
    vocabulary = _permitted(source, by)
    now = now or timezone.now()
    if type(source) is not type(target):
        raise RenamingError("A tag and an entity cannot be merged. Choose two of one kind.")
    if len(reason) > REASON_MAX:
        raise RenamingError(f"Got a reason of {len(reason)} characters; at most {REASON_MAX}.")
    with transaction.atomic():
        _keep_imports_out(now)
        ends = {one.pk: one for one in _both(vocabulary, source, target)}
        first, second = ends[source.pk], ends[target.pk]
        into = second.merged_into or second
        if into.pk == first.pk:
            raise RenamingError(f"“{first.name}” cannot be merged into itself.")
        if first.merged_into_id not in (None, into.pk):
            raise RenamingError(
                f"“{first.name}” is an alias of “{first.merged_into.name}”. Take it apart first."
            )
        logged = None
        if first.merged_into_id is None:
            first.aliases.update(merged_into=into)
            first.merged_into = into
            first.save(update_fields=["merged_into"])
            _strengthen(first, into)
            logged = _log(by, "merge", into, now, reason=reason, merged=first.name)
    moved = _move(vocabulary, first, into, now)
    if logged is not None:
        logged.changed, logged.finished_at = moved, timezone.now()
        logged.save(update_fields=["changed", "finished_at"])
    source.refresh_from_db()
    target.refresh_from_db()
    counters.fold(now=now)
    return moved


def separate(alias: Subject, *, by: User, now: dt.datetime | None = None) -> int:
    """Let an alias stand for itself again; return how many posts were looked at.

    Posts whose live revision has the name get it back. An editorial tag that was merged stays what
    it became, because no revision tells of it. Raises as `merge`.
    """
    vocabulary = _permitted(alias, by)
    now = now or timezone.now()
    with transaction.atomic():
        _keep_imports_out(now)
        locked = _locked(vocabulary, alias)
        if locked.merged_into_id is None:
            raise RenamingError(f"“{locked.name}” is no alias.")
        into = locked.merged_into
        locked.merged_into = None
        locked.save(update_fields=["merged_into"])
        logged = _log(by, "separate", into, now, separated=locked.name)
    looked_at, last = 0, 0
    while True:
        uses = vocabulary.uses_of(into).filter(**{f"{vocabulary.post}__gt": last})
        ids = list(uses.order_by(vocabulary.post).values_list(vocabulary.post, flat=True)[:CHUNK])
        if not ids:
            break
        with transaction.atomic():
            _reflect(ids, now)
        looked_at, last = looked_at + len(ids), ids[-1]
    logged.changed, logged.finished_at = looked_at, timezone.now()
    logged.save(update_fields=["changed", "finished_at"])
    alias.refresh_from_db()
    counters.fold(now=now)
    return looked_at


def both_used(source: Subject, target: Subject) -> tuple[int, int]:
    """Return how many posts a merge would move, and how many of them have both. Two queries."""
    vocabulary = VOCABULARIES[type(source)]
    posts = vocabulary.uses_of(source)
    with_both = posts.filter(
        **{f"{vocabulary.post}__in": vocabulary.uses_of(target).values(vocabulary.post)}
    )
    return posts.count(), with_both.count()


def _permitted(subject: Subject, by: User) -> Vocabulary:
    vocabulary = VOCABULARIES[type(subject)]
    if not by.has_perm(PERMISSION):
        raise PermissionDenied(f"Names are changed with the permission {PERMISSION}.")
    return vocabulary


def _keep_imports_out(now: dt.datetime) -> None:
    """Hold every source until the commit; refuse while a run is alive, which knows names by id."""
    sources = ImportSource.objects.select_for_update(of=("self",)).select_related("owner")
    for source in sources.order_by("pk"):
        if source.owner is not None and runs.is_alive(source.owner, source.heartbeat_at, now):
            raise RenamingError(
                f"Run {source.owner.pk} is importing from {source.name!r}. Nothing was changed. "
                "Wait for it, or stop it, and try again."
            )


def _locked(vocabulary: Vocabulary, subject: Subject) -> Any:
    return vocabulary.model.objects.select_for_update().get(pk=subject.pk)


def _both(vocabulary: Vocabulary, *subjects: Subject) -> Any:
    ids = [subject.pk for subject in subjects]
    return vocabulary.model.objects.select_for_update().filter(pk__in=ids).order_by("pk")


def _identity(subject: Subject) -> dict[str, str]:
    names = ("name", "slug", "kind") if isinstance(subject, Tag) else ("name", "slug", "type")
    found = {name: getattr(subject, name) for name in names}
    return found if isinstance(subject, Tag) else {**found, "type_slug": subject.type_slug}


def _namesakes(subject: Subject) -> Any:
    rows = type(subject)._default_manager.exclude(pk=subject.pk)
    return rows if isinstance(subject, Tag) else rows.filter(type=subject.type)


def _kind_of(subject: Subject) -> str:
    return "" if isinstance(subject, Tag) else subject.type


def _free_slug(subject: Subject) -> str:
    plain = projection.slug_of(subject.name, with_suffix=False)
    others = type(subject)._default_manager.exclude(pk=subject.pk)
    if isinstance(subject, Entity):
        others = others.filter(type_slug=subject.type_slug)
    is_taken = others.filter(slug=plain).exists()
    return projection.slug_of(subject.name, with_suffix=is_taken, of=_kind_of(subject))


def _strengthen(source: Subject, target: Subject) -> None:
    if not (isinstance(source, Tag) and isinstance(target, Tag)):
        return
    if KIND_STRENGTH[source.kind] > KIND_STRENGTH[target.kind]:
        target.kind = source.kind
        target.save(update_fields=["kind"])


def _move(vocabulary: Vocabulary, source: Subject, target: Subject, now: dt.datetime) -> int:
    """Let posts that have `source` have `target`, in order of their ids."""
    moved = 0
    rows = vocabulary.uses_of(source).order_by(vocabulary.post)
    while ids := list(rows.values_list(vocabulary.post, flat=True)[:CHUNK]):
        with transaction.atomic():
            gates = _gates(ids)
            gate.count(gates, -1, now)
            some = vocabulary.uses_of(source).filter(**{f"{vocabulary.post}__in": ids})
            has_both = vocabulary.uses_of(target).filter(
                **{vocabulary.post: OuterRef(vocabulary.post)}
            )
            db.delete_rows(
                vocabulary.uses, list(some.filter(Exists(has_both)).values_list("pk", flat=True))
            )
            some.update(**{vocabulary.subject: target.pk})
            if vocabulary is TAGS:
                QueueEntry.objects.filter(post_id__in=ids, stack_id=source.pk).update(
                    stack_id=target.pk
                )
            _finish(gates, now)
        moved += len(ids)
    return moved


def _gates(ids: list[int]) -> list[gate.Gate]:
    locked = Post.objects.select_for_update().filter(pk__in=ids).order_by("pk")
    return [gate.Gate(*row) for row in locked.values_list("pk", "listed_at", "archive_at")]


def _reflect(ids: list[int], now: dt.datetime) -> None:
    """Mirror the live revisions of some posts anew."""
    gates = _gates(ids)
    gate.count(gates, -1, now)
    live = Revision.objects.filter(pk__in=Post.objects.filter(pk__in=ids).values("live_revision"))
    reflections = {revision.post_id: reflected(revision.snapshot) for revision in live}
    names = projection.Names()
    names.resolve(reflections.values())
    projection.replace(
        [
            projection.Mirrored(one.post_id, reflections[one.post_id], one.listed_at)
            for one in gates
        ],
        names,
    )
    _finish(gates, now)


def _finish(gates: list[gate.Gate], now: dt.datetime) -> None:
    """Let counts, search and whoever asks what changed know the posts under their new names."""
    gate.count(gates, +1, now)
    # Of its own time: chunks of one merge follow each other, and readers ask in between.
    history.append_to_site("names moved", data={"posts": len(gates)}, now=timezone.now())
    Post.objects.filter(pk__in=[one.post_id for one in gates]).update(changed_at=now)
    search.refresh(one.post_id for one in gates if one.listed_at is not None)


def _log(
    by: User,
    action: str,
    subject: Subject,
    now: dt.datetime,
    *,
    reason: str = "",
    changed: int = 0,
    **what: str,
) -> BulkAction:
    kind = type(subject)._meta.model_name or ""
    history.append_to_site(f"{action} {kind}", data={kind: subject.pk}, now=now, actor=by)
    return BulkAction.objects.create(
        actor=by,
        action=f"{action} {kind}",
        filters={kind: subject.pk, "name": subject.name, **what},
        reason=reason,
        started_at=now,
        finished_at=now if changed else None,
        changed=changed,
    )
