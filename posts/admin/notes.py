"""Notes on drafts in the admin: the panel of a post's page, leaving one, resolving one.

In: requests of staff with the permission for each. Out: notes by `posts.notes`, and back to where
the person was. What is refused keeps what was typed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme

from posts import notes
from posts.models import DraftNote, Post, Revision

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse


class NoteForm(forms.Form):
    """A note and the passage it means; `posts.notes` judges both."""

    text = forms.CharField(
        label="Note",
        required=False,
        widget=forms.Textarea(attrs={"rows": 3, "maxlength": notes.TEXT_MAX}),
    )
    passage = forms.CharField(
        label="Passage, copied from the text (optional)",
        required=False,
        widget=forms.TextInput(attrs={"maxlength": notes.PASSAGE_MAX}),
    )


def notes_context(request: HttpRequest, post: Post, revision: Revision) -> dict[str, Any]:
    """Return what the panel of notes needs. One query, none without the permission."""
    may_see = request.user.has_perm(notes.VIEW)
    return {
        "notes": notes.of(post) if may_see else [],
        "may_see_notes": may_see,
        "may_add_note": request.user.has_perm(notes.ADD),
        "may_resolve_note": request.user.has_perm(notes.RESOLVE),
        "note_revision": revision,
        "note_form": NoteForm(auto_id="id_note_%s"),
        "note_back": request.get_full_path(),
    }


def _back(request: HttpRequest, post_id: int) -> HttpResponse:
    """Lead to the page of the admin a form came from, else to the post."""
    target = request.POST.get("back", "")
    is_ours = url_has_allowed_host_and_scheme(target, allowed_hosts=None)
    if not (is_ours and target.startswith(reverse("admin:index"))):
        target = reverse("admin:posts_post_change", args=[post_id])
    return HttpResponseRedirect(target)


def add_view(request: HttpRequest, revision_id: int) -> HttpResponse:
    """Show the form for a note on a revision, and leave one on POST. About six queries."""
    if not request.user.has_perms([notes.VIEW, notes.ADD, "posts.view_post"]):
        raise PermissionDenied
    revision = Revision.objects.select_related("post").filter(pk=revision_id).first()
    if revision is None:
        raise Http404("There is no such revision.")
    form = NoteForm(request.POST or None, auto_id="id_note_%s")
    if request.method == "POST" and form.is_valid():
        try:
            notes.add(revision=revision, by=request.user, **form.cleaned_data)
        except notes.NoteError as error:
            form.add_error(error.field, str(error))
        else:
            messages.success(request, f"Your note on revision {revision.number} was kept.")
            return _back(request, revision.post_id)
    from posts.admin.site import site

    context = {
        **site.each_context(request),
        "title": f"Note on revision {revision.number} of {revision.post.title}",
        "post": revision.post,
        "post_url": reverse("admin:posts_post_change", args=[revision.post_id]),
        "note_revision": revision,
        "note_form": form,
        "note_back": request.POST.get("back", ""),
    }
    status = 400 if form.errors else 200
    return TemplateResponse(request, "admin/posts/note.html", context, status=status)


def resolve_view(request: HttpRequest, note_id: int) -> HttpResponse:
    """Mark a note as dealt with, on POST."""
    if not request.user.has_perms([notes.VIEW, notes.RESOLVE]):
        raise PermissionDenied
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    note = DraftNote.objects.filter(pk=note_id).first()
    if note is None:
        raise Http404("There is no such note.")
    notes.resolve(note=note, by=request.user)
    messages.success(request, "The note is marked as dealt with.")
    return _back(request, note.post_id)
