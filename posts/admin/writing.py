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
from django.utils import timezone
from msgspec import to_builtins

from posts import content, edit_windows, validation, writing
from posts.admin import states, uploads
from posts.admin.edit_windows import (
    close_saved,
    discard_url,
    form_url,
    notes_of,
    proof_of,
    side_urls,
)
from posts.admin.forms import IMPORTED_ONLY, PostForm
from posts.admin.review import post_url
from posts.admin.stale import Clash
from posts.metabox import as_tree, label_of
from posts.models import EditWindow, Post, PostTag, Revision
from posts.models.tags import parse_comma_tags
from posts.transitions import ReviewError
from posts.writing import ContentRefusedError

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

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
        kept = _kept(request, None)
        form = PostForm(
            request.POST or None, is_new=True, kept=kept and kept.fields, initial=_window(kept)
        )
        if uploads.has_upload(request):
            return self._upload_page(request, form, None, newest=0)
        if request.method == "POST" and form.is_valid() and _does(request, "save"):
            post = _new_post(form, by=request.user)
            if post is not None:
                close_saved(request, timezone.now())
                self.message_user(
                    request,
                    "The post is written. It is private, and revision 1 waits for a reviewer.",
                    messages.SUCCESS,
                )
                return HttpResponseRedirect(post_url(post))
        return self._form_page(request, form, None, newest=0, kept=kept)

    def edit_view(self, request: HttpRequest, post_id: int) -> HttpResponse:
        """Show a revision in the form; on POST propose what was typed as a new one.

        The form starts from what waits for a verdict, else from what is live; `?from=` names
        another revision, `?window=` a window of this person whose unsaved text it goes on with.
        With `do` a POST saves nothing: "check" looks at the text, "merge" puts what a newer
        revision changed into the form.
        """
        post = self.post_or_404(request, post_id)
        if not self.has_change_permission(request, post):
            raise PermissionDenied
        newest = _newest(post)
        kept = _kept(request, post)
        number = kept.fields.get("base", "") if kept is not None else request.GET.get("from", "")
        base = _base(post, request.POST.get("base") or number)
        tags = ", ".join(_editorial_tags(post))
        initial = {
            **{"seen": newest, "base": base.number},
            **{"slug": post.slug, "seen_slug": post.slug},
            **{"editorial_tags": tags, "seen_tags": tags},
            **_window(kept),
        }
        form = PostForm(
            request.POST or None,
            snapshot=base.snapshot,
            initial=initial,
            is_new=False,
            kept=kept and kept.fields,
        )
        if uploads.has_upload(request):
            return self._upload_page(request, form, post, newest=newest, base=base)
        if request.method == "POST" and form.is_valid():
            if _does(request, "merge"):
                return self._merged_page(request, form, post, newest=newest, base=base)
            if _does(request, "save"):
                saved = _saved(form, post, by=request.user, newest=newest)
                if saved is not None:
                    close_saved(request, timezone.now())
                    self.message_user(request, saved, messages.SUCCESS)
                    return HttpResponseRedirect(post_url(post))
        return self._form_page(request, form, post, newest=newest, base=base, kept=kept)

    def _merged_page(
        self, request: HttpRequest, form: PostForm, post: Post, *, newest: int, base: Revision
    ) -> HttpResponse:
        """Show the form with both sides' changes; nothing is saved."""
        clash = Clash(post, form, form.cleaned_data["seen"] or 0)
        texts, clashed = clash.together(form)
        sent = {name: form.data.get(name, "") for name in form.fields}
        data = sent | texts | {"seen": str(newest), "base": str(newest)}
        merged = PostForm(data, snapshot=clash.newest.snapshot, is_new=False)
        told = (
            f"The form holds the changes of revision {newest} and yours. Look it over, then save."
        )
        if clashed:
            told += f" Both changed {', '.join(clashed)}: there yours stands."
        self.message_user(request, told, messages.WARNING if clashed else messages.SUCCESS)
        return self._form_page(request, merged, post, newest=newest, base=clash.newest)

    def _upload_page(
        self,
        request: HttpRequest,
        form: PostForm,
        post: Post | None,
        *,
        newest: int,
        base: Revision | None = None,
    ) -> HttpResponse:
        """Show the form as it was typed, with an image more; only the image itself is kept."""
        upload = uploads.UploadForm(request.POST, request.FILES)
        sent, added = uploads.take(upload, form, request.user)
        typed = PostForm(
            snapshot=base.snapshot if base is not None else None,
            initial={name: sent[name] for name in ("tab", "continues", "continues_step")},
            is_new=post is None,
            kept=sent,
        )
        return self._form_page(
            request,
            typed,
            post,
            newest=newest,
            base=base,
            upload=upload if added is None else None,
            added=added,
        )

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
        kept: EditWindow | None = None,
        upload: uploads.UploadForm | None = None,
        added: uploads.Added | None = None,
    ) -> HttpResponse:
        now = timezone.now()
        text = form
        if not form.is_bound:
            text = PostForm(form.initial, snapshot=form.start, is_new=post is None)
        text.is_valid()
        snapshot, _ = validation.checked(text.snapshot())
        stale = getattr(form, "stale", None)
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
            "stale": stale,
            "clash": Clash(post, form, stale["seen"]) if stale and post is not None else None,
            "proof": proof_of(snapshot, now),
            "kept": kept,
            "offers": [
                (window, form_url(post), discard_url(post, window.pk))
                for window in edit_windows.offered(by=request.user, post=post)
                if window != kept and window.tab != request.POST.get("tab")
            ],
            "notes": notes_of(request, post, now) if not form.is_bound else [],
            "upload": (upload or uploads.UploadForm()) if uploads.may_upload(request) else None,
            "added": added,
            "has_typed": kept is not None or form.is_bound or request.method == "POST",
            **side_urls(post),
        }
        status = 409 if stale else 200
        return TemplateResponse(request, "admin/posts/edit.html", context, status=status)


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
            _save_tags(form, post, by=by)
            slug = form.cleaned_data["slug"]
            if slug and slug != form.cleaned_data["seen_slug"]:
                writing.change_slug(post=post, by=by, slug=slug)
    except ReviewError as error:
        _refuse(form, error)
        if error.code == "stale":
            form.stale = {"seen": seen, "newest": newest}
        return None
    if revision.number == newest and revision.number == seen:
        return f"The content is that of revision {revision.number}, so no revision was added."
    return f"Revision {revision.number} is saved and waits for a reviewer."


def _save_tags(form: PostForm, post: Post, *, by: Any) -> None:
    """Add and take away the tags that this person did; what others did meanwhile stays."""
    there = set(_editorial_tags(post))
    typed = {content.normal_tag(name) for name in form.editorial_tag_names()}
    seen = there
    if "seen_tags" in form.data:
        seen = set(map(content.normal_tag, parse_comma_tags(form.cleaned_data["seen_tags"])))
    names = (there - (seen - typed)) | (typed - seen)
    writing.set_editorial_tags(post=post, by=by, names=names)


def _does(request: HttpRequest, what: str) -> bool:
    return request.POST.get("do", "save") == what


def _kept(request: HttpRequest, post: Post | None) -> EditWindow | None:
    """Return the window of this person whose text the form is to go on with. One query."""
    pk = request.GET.get("window", "")
    if request.method == "POST" or not pk:
        return None
    found = None
    if pk.isdecimal() and len(pk) < 18:
        found = edit_windows.find(by=request.user, post=post, pk=int(pk))
    if found is None:
        raise Http404("There is no such unsaved text.")
    return found


def _window(kept: EditWindow | None) -> dict[str, Any]:
    """Return the fields that name a new window."""
    found: dict[str, Any] = {"tab": edit_windows.new_tab()}
    return found | ({"continues": kept.pk, "continues_step": kept.step} if kept else {})


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
