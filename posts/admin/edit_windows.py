"""What stands behind the edit form while somebody types: keeping it, showing it, throwing it away.

In: requests of the form's script, and of plain buttons without it. Out: JSON, the article's own
page of a text nobody saved, or a redirect. Nothing here makes a revision.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from csp.decorators import csp_update
from django.contrib import messages
from django.core.cache import cache
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect, JsonResponse
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.timesince import timesince

from posts import content, edit_windows, markdown, validation
from posts.admin.forms import KEPT, PostForm
from posts.admin.review import newest_number
from posts.admin.stored_images import staff_policy
from posts.admin.timeline import where_from
from posts.known_pictures import pictures_of
from posts.models import ImportedPost, ImportSource, Post, Revision
from posts.proofreading import Proof, proofread
from posts.views.preview import ROBOTS, revision_context

if TYPE_CHECKING:
    from django.http import HttpRequest

#: Characters of a text that is rendered while it is typed, and previews of one person in a minute.
PREVIEW_MAX = 400_000
PREVIEWS_A_MINUTE = 60

#: The page may load its style sheets and pictures; it runs no script and sends no form.
SANDBOX = {"sandbox": ["allow-same-origin"]}


class WindowPages:
    """The pages of PostAdmin behind the edit form; `post_id` is None for a new post."""

    def edited_post(self, request: HttpRequest, post_id: int | None) -> Post | None:
        """Return the post a person may edit, None for a new one they may write. One query."""
        if post_id is None:
            if not self.has_add_permission(request):
                raise PermissionDenied
            return None
        post = self.post_or_404(request, post_id)
        if not self.has_change_permission(request, post):
            raise PermissionDenied
        return post

    def keep_view(self, request: HttpRequest, post_id: int | None = None) -> HttpResponse:
        """On POST keep what a window holds, for this person alone; say who else is there."""
        post = self.edited_post(request, post_id)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        now, sent = timezone.now(), request.POST
        tab = sent.get("tab", "")
        fields = None
        if "typed" in sent:
            fields = {name: sent[name] for name in KEPT if name in sent}
        try:
            is_kept = edit_windows.keep(
                by=request.user,
                post=post,
                tab=tab,
                step=_whole(sent.get("step")),
                fields=fields,
                base=_base_row(post, sent.get("base", "")),
                now=now,
            )
        except edit_windows.WindowError as error:
            return JsonResponse({"error": str(error), "code": error.code}, status=409)
        if fields is not None:
            _close_continued(request, now)
        if "leave" in sent:
            edit_windows.leave(by=request.user, tab=tab)
        notes = notes_of(request, post, now, tab=tab, seen=_whole(sent.get("seen")))
        return JsonResponse({"kept": is_kept, "at": f"{now:%H:%M:%S} UTC", "notes": notes})

    def discard_view(
        self, request: HttpRequest, window_id: int, post_id: int | None = None
    ) -> HttpResponse:
        """On POST throw away what one window of this person holds."""
        post = self.edited_post(request, post_id)
        if request.method == "POST" and edit_windows.find(by=request.user, post=post, pk=window_id):
            step = _whole(request.POST.get("step"))
            if edit_windows.discard(by=request.user, pk=window_id, step=step, now=timezone.now()):
                self.message_user(request, "The unsaved text is thrown away.", messages.SUCCESS)
            else:
                self.message_user(
                    request,
                    "Nothing was thrown away: that window holds a newer text by now.",
                    messages.ERROR,
                )
        return HttpResponseRedirect(form_url(post))

    @method_decorator(csp_update(SANDBOX))
    def live_preview_view(self, request: HttpRequest, post_id: int | None = None) -> HttpResponse:
        """On POST show what is typed in the article's own template; it is stored nowhere."""
        post = self.edited_post(request, post_id)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        wants_parts = request.headers.get("Accept", "").startswith("application/json")
        refusal = _refusal(request)
        if refusal:
            if wants_parts:
                return JsonResponse({"error": refusal[1]}, status=refusal[0])
            return HttpResponse(
                refusal[1], status=refusal[0], content_type="text/plain; charset=utf-8"
            )
        base = _base_row(post, request.POST.get("base", ""), with_content=True)
        form = PostForm(
            request.POST, snapshot=base.snapshot if base is not None else None, is_new=post is None
        )
        form.is_valid()
        snapshot, _ = validation.checked(form.snapshot())
        now = timezone.now()
        article = rendered(snapshot)
        page = _page(request, post, base, snapshot, article)
        if not wants_parts:
            return HttpResponse(page, headers={"X-Robots-Tag": ROBOTS})
        ids = {heading.id for heading in article.headings}
        proof = proofread(snapshot, heading_ids=ids, now=now)
        said = render_to_string("admin/posts/_proof.html", {"proof": proof})
        return JsonResponse({"page": page, "proof": said})


def form_url(post: Post | None) -> str:
    if post is None:
        return reverse("admin:posts_post_add")
    return reverse("admin:posts_post_edit", args=[post.pk])


def side_urls(post: Post | None) -> dict[str, str]:
    """Return the addresses that the form's script and buttons use."""
    if post is None:
        return {
            "keep_url": reverse("admin:posts_post_keep_new"),
            "preview_url": reverse("admin:posts_post_live_preview_new"),
        }
    return {
        "keep_url": reverse("admin:posts_post_keep", args=[post.pk]),
        "preview_url": reverse("admin:posts_post_live_preview", args=[post.pk]),
    }


def discard_url(post: Post | None, pk: int) -> str:
    if post is None:
        return reverse("admin:posts_post_discard_new", args=[pk])
    return reverse("admin:posts_post_discard", args=[post.pk, pk])


def notes_of(
    request: HttpRequest, post: Post | None, now: dt.datetime, *, tab: str = "", seen: int = 0
) -> list[str]:
    """Return what happens around this window: others, other windows, newer revisions.

    Queries: own windows; of a post also the people and the newest revision.
    """
    notes = []
    if post is not None:
        newest = newest_number(post)
        if seen and newest > seen:
            revision = (
                Revision.objects.without_content()
                .select_related("author", "run__source")
                .get(post=post, number=newest)
            )
            notes.append(
                f"Revision {newest} came meanwhile, {where_from(revision)}. Saving will show you "
                "both; nothing is overwritten."
            )
        for one in edit_windows.others(by=request.user, post=post, now=now):
            is_new = now - one.since < dt.timedelta(minutes=1)
            since = "just now" if is_new else f"{timesince(one.since, now, depth=1)} ago"
            typed = " and has unsaved changes" if one.has_typed else ""
            notes.append(f"{one.name} opened this {since}{typed}.")
    for window in edit_windows.offered(by=request.user, post=post):
        is_open = now - window.seen_at < edit_windows.PRESENT
        if window.tab != tab and is_open and tab:
            notes.append(
                "Another window of yours holds unsaved changes, from "
                f"{window.typed_at:%H:%M:%S} UTC. Neither overwrites the other."
            )
    return notes


def rendered(snapshot: content.Snapshot) -> markdown.Rendered:
    """Render a text that nobody saved, past the cache. One query when there are images."""
    return markdown.render(
        snapshot.body,
        images=pictures_of(snapshot),
        policy=staff_policy(),
    )


def proof_of(snapshot: content.Snapshot, now: dt.datetime) -> Proof | None:
    """Return what stands beside the form, None for a text too long to look at meanwhile."""
    if len(snapshot.body) > PREVIEW_MAX:
        return None
    ids = {heading.id for heading in rendered(snapshot).headings}
    return proofread(snapshot, heading_ids=ids, now=now)


def close_saved(request: HttpRequest, now: dt.datetime) -> None:
    """Close the window whose form was saved, and the one it went on with. Two queries at most."""
    if tab := request.POST.get("tab", ""):
        edit_windows.close(by=request.user, tab=tab, now=now)
    _close_continued(request, now)


def _close_continued(request: HttpRequest, now: dt.datetime) -> None:
    continued = _whole(request.POST.get("continues"))
    if continued:
        step = _whole(request.POST.get("continues_step"))
        edit_windows.discard(by=request.user, pk=continued, step=step, now=now)


def _page(
    request: HttpRequest,
    post: Post | None,
    base: Revision | None,
    snapshot: content.Snapshot,
    article: markdown.Rendered,
) -> str:
    if post is None:
        post = Post(visibility=Post.Visibility.PRIVATE, created_at=timezone.now())
        ImportedPost(post=post, source=ImportSource(name=ImportSource.LOCAL))
    number = newest_number(post) + 1 if post.pk else 1
    revision = Revision(
        post=post,
        number=number,
        title=snapshot.title or "Without a title",
        lede=snapshot.lede,
        body=snapshot.body,
        meta=content.meta_to_json(snapshot.meta),
        origin=Revision.Origin.EDITOR,
        author=request.user,
        parent=base,
    )
    context = revision_context(post, revision, article)
    return render_to_string("admin/posts/live_preview.html", context)


def _refusal(request: HttpRequest) -> tuple[int, str] | None:
    """Return status and reason where nothing is rendered: too long, or too often."""
    length = sum(len(request.POST.get(name, "")) for name in KEPT)
    if length > PREVIEW_MAX:
        return 413, (
            f"The form holds {length:,} characters; up to {PREVIEW_MAX:,} are shown while typing. "
            "Save it, and look at the revision."
        )
    key = f"posts.live-preview.{request.user.pk}.{int(timezone.now().timestamp()) // 60}"
    cache.add(key, 0, 120)
    try:
        count = cache.incr(key)
    except ValueError:  # the cache lost it meanwhile, or is none
        count = 1
    if count > PREVIEWS_A_MINUTE:
        return 429, f"More than {PREVIEWS_A_MINUTE} previews in a minute. Wait a little."
    return None


def _base_row(post: Post | None, number: str, *, with_content: bool = False) -> Revision | None:
    if post is None or not (number.isdecimal() and len(number) < 10):
        return None
    rows: Any = Revision.objects.filter(post=post, number=int(number))
    return (rows if with_content else rows.without_content()).first()


def _whole(text: str | None) -> int:
    return int(text) if text and text.isdecimal() and len(text) < 10 else 0
