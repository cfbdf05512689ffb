"""Two revisions of a post side by side, and the three versions that meet where an import holds one.

In: requests of staff. Out: pages, and a call of `posts.writing.merge` with what was chosen field by
field. What was chosen for other versions than those that stand there now is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlencode

import msgspec
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from posts import content, merging, pictures, writing
from posts.admin import states
from posts.admin.review import (
    LONG_LIST,
    VERDICTS,
    is_held,
    newest_number,
    own_work,
    post_url,
    roles_of,
    where_from,
)
from posts.admin.stored_images import staff_policy
from posts.compare import compare
from posts.held import Held, held
from posts.known_pictures import pictures_of
from posts.models import Post, Revision
from posts.transitions import ReviewError

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

#: Digits of a revision's number in an address; more is no number of a revision.
_DIGITS = 9
_NUMBERS = ("seen", "ours", "incoming")


class Side(NamedTuple):
    """One of the two revisions: what it is to its post, and where it came from."""

    revision: Revision
    roles: list[str]
    source: str


class Thumbnail(NamedTuple):
    """A picture that came or went; `reason` where it may not be shown."""

    kind: str
    picture: pictures.Picture
    address: str
    reason: str


def compare_url(post: Post, *, before: int | None = None, after: int | None = None) -> str:
    """Return the address of a comparison; without numbers, of what is live with what waits."""
    address = reverse("admin:posts_post_compare", args=[post.pk])
    numbers = {"from": before, "to": after}
    query = urlencode({name: number for name, number in numbers.items() if number is not None})
    return f"{address}?{query}" if query else address


class ComparePages:
    """The pages of PostAdmin that compare and merge revisions."""

    def compare_view(self, request: HttpRequest, post_id: int) -> HttpResponse:
        """Show what leads from one revision (`from`, else the live one) to another (`to`)."""
        post = self.post_or_404(request, post_id)
        if not request.user.has_perm("posts.view_revision"):
            raise PermissionDenied
        listed = list(post.revisions.without_content().newest_first()[:LONG_LIST])
        before, after = _chosen(post, listed, request.GET)
        comparison = compare(before.snapshot, after.snapshot)
        newest = listed[0].number
        can_change = self.has_change_permission(request, post)
        context = self._context(request, post, f"Compare revisions of {post.title}")
        context |= {
            "before": Side(before, roles_of(post, before), where_from(before)),
            "after": Side(after, roles_of(post, after), where_from(after)),
            "choices": _choices(post, listed, before, after),
            "comparison": comparison,
            "sentences": comparison.summary.sentences(),
            "thumbnails": _thumbnails(before.snapshot, after.snapshot),
            "newest": newest,
            "can_change": can_change,
            "restorable": (
                [
                    side
                    for side in dict.fromkeys((before, after))
                    if side.number != newest and side.pk != post.proposed_revision_id
                ]
                if can_change
                else []
            ),
            "buttons": self._verdicts(request, post, before, after),
            "own_work": own_work(
                request, post, after if after.pk == post.proposed_revision_id else None
            ),
            "is_held": can_change
            and is_held(post, after if after.pk == post.proposed_revision_id else None),
        }
        return TemplateResponse(request, "admin/posts/compare.html", context)

    def _verdicts(
        self, request: HttpRequest, post: Post, before: Revision, after: Revision
    ) -> list[Any]:
        """Return the buttons of a decision when the newer side is the one that waits for it."""
        if after.pk != post.proposed_revision_id:
            return []
        live = next((side for side in (before, after) if side.pk == post.live_revision_id), None)
        live = live or Revision.objects.without_content().get(pk=post.live_revision_id)
        return [b for b in self._buttons(request, post, live, after, None) if b.name in VERDICTS]

    def merge_view(self, request: HttpRequest, post_id: int) -> HttpResponse:
        """Show the three versions of a held post; on POST save what was chosen of them."""
        post = self.post_or_404(request, post_id)
        if not (
            self.has_change_permission(request, post)
            and request.user.has_perm("posts.view_revision")
        ):
            raise PermissionDenied
        versions = held(post)
        if versions is None:
            self.message_user(
                request, "No imported version is held here; there is nothing to merge."
            )
            return HttpResponseRedirect(post_url(post))
        merge = merging.three_way(
            versions.base.snapshot if versions.base is not None else None,
            versions.ours.snapshot,
            versions.incoming.snapshot,
        )
        newest = newest_number(post)
        if request.method != "POST":
            return self._merge_page(request, post, versions, merge, newest)
        seen = {"seen": newest, "ours": versions.ours.number, "incoming": versions.incoming.number}
        if any(request.POST.get(name, "") != str(seen[name]) for name in _NUMBERS):
            error = ReviewError(
                "stale",
                "Another revision came meanwhile, so nothing was saved. These are the versions "
                "that meet now; choose again.",
            )
            return self._merge_page(request, post, versions, merge, newest, error=error)
        try:
            revision = writing.merge(
                post=post,
                by=request.user,
                snapshot=merge.merged(_choices_sent(request, merge)),
                incoming=versions.incoming,
                seen=newest,
                comment=request.POST.get("comment", "").strip(),
            )
        except (merging.ChoiceError, ReviewError) as error:
            return self._merge_page(
                request, post, versions, merge, newest, error=error, sent=request.POST
            )
        told = (
            f"That is revision {revision.number} as it came, which waits for a reviewer; no "
            "revision was added."
            if revision == versions.incoming
            else f"Revision {revision.number} is saved and waits for a reviewer."
        )
        self.message_user(request, told, messages.SUCCESS)
        return HttpResponseRedirect(post_url(post))

    def _merge_page(
        self,
        request: HttpRequest,
        post: Post,
        versions: Held,
        merge: merging.Merge,
        newest: int,
        *,
        error: Exception | None = None,
        sent: Any = None,
    ) -> HttpResponse:
        missing = error.names if isinstance(error, merging.ChoiceError) else ()
        comment = (
            f"Merges revision {versions.incoming.number}, imported, into revision "
            f"{versions.ours.number}."
        )
        context = self._context(request, post, f"Merge an imported version of {post.title}")
        context |= {
            "base": versions.base,
            "ours": Side(versions.ours, roles_of(post, versions.ours), where_from(versions.ours)),
            "incoming": Side(
                versions.incoming, roles_of(post, versions.incoming), where_from(versions.incoming)
            ),
            "merge": merge,
            "fields": [_offer(field, versions, sent, missing) for field in merge.fields],
            "newest": newest,
            "consequence": states.after_saving(post, newest),
            "comment": sent.get("comment", "") if sent is not None else comment,
            "comment_max": writing.COMMENT_MAX,
            "error": error,
            "missing": [field for field in merge.fields if field.name in missing],
        }
        is_stale = isinstance(error, ReviewError) and error.code == "stale"
        status = 409 if is_stale else 400 if error is not None else 200
        return TemplateResponse(request, "admin/posts/merge.html", context, status=status)


class Option(NamedTuple):
    """One version of a field that can be taken."""

    value: str
    text: str
    is_chosen: bool


class Offer(NamedTuple):
    """A field of a merge with what can be taken of it."""

    field: merging.MergeField
    options: list[Option]
    is_missing: bool


def _offer(field: merging.MergeField, versions: Held, sent: Any, missing: Any) -> Offer:
    texts = {
        merging.OURS: f"Keep ours, revision {versions.ours.number}",
        merging.THEIRS: f"Take theirs, revision {versions.incoming.number}",
        merging.BOTH: "Take the changes of both",
    }
    chosen = sent.get(f"take-{field.name}", "") if sent is not None else field.default
    options = [Option(value, texts[value], value == chosen) for value in field.choices]
    return Offer(field, options if field.is_open else [], field.name in missing)


def _choices_sent(request: HttpRequest, merge: merging.Merge) -> dict[str, str]:
    """Return the choice for each field; one of the two big buttons chooses for all."""
    whole = request.POST.get("all", "")
    if whole in (merging.OURS, merging.THEIRS):
        return {field.name: whole for field in merge.fields}
    # What was not sent is not chosen: a default counts only where the page showed it as chosen.
    return {field.name: request.POST.get(f"take-{field.name}", "nothing") for field in merge.fields}


def _chosen(post: Post, listed: list[Revision], query: Any) -> tuple[Revision, Revision]:
    """Return the two revisions an address names. One query; 404 for a number there is not."""
    numbers = {revision.pk: revision.number for revision in listed}
    pointers = dict(
        Revision.objects.filter(
            pk__in=[pk for pk in (post.live_revision_id, post.proposed_revision_id) if pk]
        ).values_list("pk", "number")
    )
    numbers |= pointers
    live = numbers[post.live_revision_id]
    newest = listed[0].number
    after = _number(query.get("to")) or pointers.get(post.proposed_revision_id or 0) or newest
    if after == live and not query.get("to"):
        after = newest
    before = _number(query.get("from")) or (live if after != live else max(1, after - 1))
    wanted = Revision.objects.filter(post=post, number__in={before, after})
    found = {row.number: row for row in wanted.select_related("author", "run__source")}
    if before not in found and not query.get("from"):
        before = after  # an undone import can leave a gap below
    if before not in found or after not in found:
        raise Http404("There is no such revision.")
    return found[before], found[after]


def _number(text: str | None) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) <= _DIGITS):
        raise Http404("There is no such revision.")
    return int(text)


def _choices(
    post: Post, listed: list[Revision], before: Revision, after: Revision
) -> list[tuple[int, str]]:
    """Return (number, text) of the newest revisions and the two that are compared."""
    rows = {row.number: row for row in (*listed, before, after)}
    return [
        (number, ", ".join([f"revision {number}", *roles_of(post, rows[number])]))
        for number in sorted(rows, reverse=True)
    ]


def _thumbnails(before: content.Snapshot, after: content.Snapshot) -> list[Thumbnail]:
    """Return the pictures that came or went. One query when there are any."""
    old, new = before.meta.image_sources, after.meta.image_sources
    told = {image.url for image in old}, {image.url for image in new}
    differing = [("removed", image) for image in old if image.url not in told[1]]
    differing += [("added", image) for image in new if image.url not in told[0]]
    if not differing:
        return []
    images = tuple(image for _, image in differing)
    found = pictures_of(msgspec.structs.replace(after, meta=content.Meta(image_sources=images)))
    policy = staff_policy()
    return [
        Thumbnail(kind, picture, *pictures.address_of(picture, policy))
        for (kind, _), picture in zip(differing, found, strict=True)
    ]
