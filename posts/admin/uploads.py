"""Adding an image to the text in the form: the file, its words, and the line it becomes.

In: what the panel beside the form sent. Out: an image source more in that form, which is saved with
the rest or not at all; the bytes are kept at once, by `posts.images.storing`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from django import forms
from django.conf import settings

from posts import content
from posts.admin.forms import PostForm, image_line
from posts.images import storing
from posts.images.checking import FORMATS_IN_WORDS, ImageRefusedError
from posts.models import ImageSource

if TYPE_CHECKING:
    from django.http import HttpRequest

PREFIX = "upload"
NO_ALT = (
    "It has no alternative text of its own, so who cannot see it hears the caption: say in the "
    "fourth part of its line what is to be seen."
)


class UploadForm(forms.Form):
    """An image for the text: the caption is read by everybody, the alternative text instead of it.

    The words become parts of a line, so none may hold what separates these.
    """

    file = forms.FileField(
        label="Image",
        help_text=f"{FORMATS_IN_WORDS}, up to {settings.IMAGE_UPLOAD_MAX_BYTES // 1024**2} MB. "
        "Choose it, or drop it here.",
        widget=forms.FileInput(
            attrs={"accept": "image/jpeg,image/png,image/webp,image/avif,image/gif"}
        ),
        error_messages={
            "required": "Choose an image first.",
            "empty": "The file is empty. Choose another one.",
        },
    )
    caption = forms.CharField(
        label="Caption", required=False, max_length=300, help_text="Stands under the image."
    )
    alt = forms.CharField(
        label="Alternative text",
        required=False,
        max_length=content.ITEM_MAX,
        help_text="What is to be seen, for who cannot see it; not the caption again.",
    )
    credit = forms.CharField(
        label="Credit",
        required=False,
        max_length=content.NAME_MAX,
        help_text="Who made it, and on what terms.",
    )
    licence = forms.ChoiceField(
        label="Licence",
        choices=[
            (ImageSource.Licence.UNKNOWN.value, "not known yet"),
            (ImageSource.Licence.CLEARED.value, "may be shown here"),
        ],
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, prefix=PREFIX, **kwargs)
        for field in self.fields.values():
            # The panel stands beside the form of the post, and belongs to it all the same.
            field.widget.attrs["form"] = "edit-form"

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        for name in ("caption", "alt", "credit"):
            if "|" in data.get(name, ""):
                self.add_error(
                    name, "Expected words without “|”, which separates them in the line."
                )
        return data


class Added(NamedTuple):
    """What became of an upload: its number, and what is to be written where it shall stand."""

    number: int
    markdown: str
    is_new: bool
    warning: str


def may_upload(request: HttpRequest) -> bool:
    return bool(request.user.has_perm(storing.ADD))


def has_upload(request: HttpRequest) -> bool:
    """Say whether a request brings a file, whatever button was pressed: none is lost silently."""
    is_asked = request.POST.get("do") == PREFIX or f"{PREFIX}-file" in request.FILES
    return request.method == "POST" and is_asked and may_upload(request)


def take(upload: UploadForm, form: PostForm, by: Any) -> tuple[dict[str, str], Added | None]:
    """Keep the file and return what was typed with the image among its sources.

    What is wrong with the file becomes an error of `upload`, and nothing is added.
    """
    sent = {name: form.data.get(name, "") for name in form.fields}
    if not upload.is_valid():
        return sent, None
    data = upload.cleaned_data
    most = settings.IMAGE_UPLOAD_MAX_BYTES
    try:
        stored = storing.upload(
            data=data["file"].read(most + 1),
            by=by,
            credit=data["credit"],
            licence=data["licence"],
        )
    except ImageRefusedError as error:
        upload.add_error("file", str(error))
        return sent, None
    address = content.upload_url(stored.digest)
    lines = [line for line in sent["image_sources"].splitlines() if line.strip()]
    there = [number for number, line in enumerate(lines, start=1) if address in line]
    if not there:
        alt = "" if data["alt"] == data["caption"] else data["alt"]
        lines.append(image_line(content.Image(data["credit"], address, data["caption"], alt)))
    sent["image_sources"] = "\n".join(lines)
    number = there[0] if there else len(lines)
    caption = data["caption"].replace("[", "\\[").replace("]", "\\]")
    has_alt = data["alt"] and data["alt"] != data["caption"]
    added = Added(
        number, f"![{caption}](image:{number})", not there, "" if has_alt or there else NO_ALT
    )
    return sent, added
