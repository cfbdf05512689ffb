"""Writing by hand: the form of a new post, the form of a new revision, restoring an old one.

In: requests of editors. Out: forms, and calls of `posts.writing`, the only door to content. Input
that is refused comes back as it was typed, with what was expected.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Max
from django.http import Http404, HttpResponseRedirect
from django.template.response import TemplateResponse
from msgspec import to_builtins

from posts import writing
from posts.admin import states
from posts.admin.forms import IMPORTED_ONLY, PostForm
from posts.admin.review import post_url
from posts.metabox import as_tree, label_of
from posts.models import Post, PostTag, Revision
from posts.transitions import ReviewError
from posts.writing import ContentRefusedError

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

    from posts import content

#: Which field a refusal of `posts.writing` is about; the rest is about the whole form.
_FIELD_OF = {"bad_slug": "slug", "slug_taken": "slug", "bad_tag": "editorial_tags"}


class WritingPages:
    """The pages of PostAdmin that write content."""

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the empty form; on POST write a private post whose first revision waits."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = PostForm(request.POST or None, is_new=True)
        if request.method == "POST" and form.is_valid():
            post = _new_post(form, by=request.user)
            if post is not None:
                self.message_user(
                    request,
                    "The post is written. It is private, and revision 1 waits for a reviewer.",
                    messages.SUCCESS,
                )
                return HttpResponseRedirect(post_url(post))
        return self._form_page(request, form, None, newest=0)

    def edit_view(self, request: HttpRequest, post_id: int) -> HttpResponse:
        """Show a revision in the form; on POST propose what was typed as a new one.

        The form starts from what waits for a verdict, else from what is live; `?from=` names
        another revision.
        """
        post = self.post_or_404(request, post_id)
        if not self.has_change_permission(request, post):
            raise PermissionDenied
        newest = _newest(post)
        base = _base(post, request.POST.get("base") or request.GET.get("from", ""))
        form = PostForm(
            request.POST or None,
            snapshot=base.snapshot,
            initial={
                "seen": newest,
                "base": base.number,
                "slug": post.slug,
                "editorial_tags": ", ".join(_editorial_tags(post)),
            },
            is_new=False,
        )
        if request.method == "POST" and form.is_valid():
            saved = _saved(form, post, by=request.user, newest=newest)
            if saved is not None:
                self.message_user(request, saved, messages.SUCCESS)
                return HttpResponseRedirect(post_url(post))
        return self._form_page(request, form, post, newest=newest, base=base)

    def restore_view(self, request: HttpRequest, post_id: int, number: int) -> HttpResponse:
        """On POST propose an older revision's content as a new revision."""
        post = self.post_or_404(request, post_id)
        if not self.has_change_permission(request, post):
            raise PermissionDenied
        revision = Revision.objects.filter(post=post, number=number).first()
        if revision is None:
            raise Http404
        if request.method != "POST":
            return HttpResponseRedirect(post_url(post))
        seen = request.POST.get("seen", "")
        try:
            new = writing.restore(
                post=post,
                by=request.user,
                revision=revision,
                seen=int(seen) if seen.isdecimal() else 0,
            )
        except ReviewError as error:
            self.message_user(request, str(error), messages.ERROR)
        else:
            self.message_user(
                request,
                f"Revision {new.number} holds the content of revision {number} and waits for a "
                "reviewer.",
                messages.SUCCESS,
            )
        return HttpResponseRedirect(post_url(post))

    def _form_page(
        self,
        request: HttpRequest,
        form: PostForm,
        post: Post | None,
        *,
        newest: int,
        base: Revision | None = None,
    ) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": "Add a post" if post is None else f"Edit: {post.title}",
            "opts": self.opts,
            "post": post,
            "post_url": post_url(post) if post is not None else "",
            "form": form,
            "base": base,
            "consequence": states.after_saving(post, newest),
            "imported_only": _imported_only(base.snapshot) if base is not None else [],
            "stale": getattr(form, "stale", None),
        }
        return TemplateResponse(request, "admin/posts/edit.html", context)


def _new_post(form: PostForm, *, by: Any) -> Post | None:
    try:
        return writing.write_post(
            by=by,
            snapshot=form.snapshot(),
            slug=form.cleaned_data["slug"],
            tags=form.editorial_tag_names(),
        )
    except ReviewError as error:
        _refuse(form, error)
        return None


def _saved(form: PostForm, post: Post, *, by: Any, newest: int) -> str | None:
    """Save revision, tags and slug together, or nothing of it; return what to tell the editor."""
    seen = form.cleaned_data["seen"] or 0
    if (
        seen != newest
        and form.data.get("has_compared")
        and form.data.get("compared") == str(newest)
    ):
        seen = newest
    try:
        with transaction.atomic():
            revision = writing.revise(
                post=post,
                by=by,
                snapshot=form.snapshot(),
                seen=seen,
                comment=form.cleaned_data["comment"],
            )
            writing.set_editorial_tags(post=post, by=by, names=form.editorial_tag_names())
            if slug := form.cleaned_data["slug"]:
                writing.change_slug(post=post, by=by, slug=slug)
    except ReviewError as error:
        _refuse(form, error)
        if error.code == "stale":
            form.stale = {"seen": seen, "newest": newest}
        return None
    if revision.number == newest and revision.number == seen:
        return f"The content is that of revision {revision.number}, so no revision was added."
    return f"Revision {revision.number} is saved and waits for a reviewer."


def _refuse(form: PostForm, error: ReviewError) -> None:
    if isinstance(error, ContentRefusedError):
        form.add_problems(error.problems)
    else:
        form.add_error(_FIELD_OF.get(error.code), str(error))


def _newest(post: Post) -> int:
    return post.revisions.aggregate(newest=Max("number"))["newest"]


def _base(post: Post, number: str) -> Revision:
    if number.isdecimal():
        found = Revision.objects.filter(post=post, number=int(number)).first()
        if found is None:
            raise Http404
        return found
    return Revision.objects.get(pk=post.proposed_revision_id or post.live_revision_id)


def _editorial_tags(post: Post) -> list[str]:
    rows = PostTag.objects.filter(content_object=post, origin=PostTag.Origin.EDITORIAL)
    return list(rows.order_by("tag__name").values_list("tag__name", flat=True))


def _imported_only(snapshot: content.Snapshot) -> list[tuple[str, Any]]:
    """Return what the form leaves alone, as (label, tree of texts); empty values left out."""
    rows = to_builtins(snapshot.meta)
    return [
        (label_of(name), as_tree(rows[name]))
        for name in IMPORTED_ONLY
        if rows.get(name) not in (None, "", {}, [])
    ]
