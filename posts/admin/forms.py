"""The forms of editorial work: a reason for a verdict, and a post written or edited by hand.

In: what a person typed. Out: a `content.Snapshot` judged by `validation.checked`, whose problems
become errors of the fields. What a form cannot show stays as it is in the snapshot it began with.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec
from django import forms
from django.contrib.admin.helpers import Fieldset

from posts import content, validation
from posts.models import Decision, Revision
from posts.models.tags import parse_comma_tags
from posts.transitions import Transition

REASON_MAX = Decision._meta.get_field("reason").max_length
COMMENT_MAX = Revision._meta.get_field("comment").max_length


class ReasonForm(forms.Form):
    """What a verdict is told: why. `row` says whether it must be given."""

    reason = forms.CharField(
        required=False,
        max_length=REASON_MAX,
        widget=forms.Textarea(attrs={"rows": 3, "class": "reason"}),
        help_text="The author and later reviewers read it in the history.",
    )

    def __init__(self, *args: Any, row: Transition, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.row = row
        if row.needs_reason:
            self.fields["reason"].required = True
            self.fields["reason"].error_messages["required"] = (
                f"{row.label} needs a reason the author can act on."
            )


# --- Lists as lines ---------------------------------------------------------------------------


def _lines(text: str) -> list[str]:
    """Return the lines that say something. Only line feeds end one, as in the documents."""
    return [line.strip() for line in text.split("\n") if line.strip()]


def _entity_line(entity: content.Entity) -> str:
    return f"{entity.type}: {entity.name}"


def _entity(line: str) -> content.Entity:
    kind, colon, name = line.partition(":")
    if not (colon and kind.strip() and name.strip()):
        raise ValueError("a type and a name, such as “problem: slow cold starts”")
    return content.Entity(name=name.strip(), type=kind.strip())


_IMAGE_MEMBERS = ("source", "url", "caption", "alt")


def image_line(image: content.Image) -> str:
    """Return an image source as a line of the form."""
    # An image that says nothing still has its place: image:2 must stay the second one.
    return " | ".join(getattr(image, name) for name in _IMAGE_MEMBERS).rstrip(" |") or "|"


def _image(line: str) -> content.Image:
    parts = [part.strip() for part in line.split("|")]
    if len(parts) > len(_IMAGE_MEMBERS):
        raise ValueError("at most four parts: source | url | caption | alternative text")
    image = content.Image(**dict(zip(_IMAGE_MEMBERS, parts, strict=False)))
    return msgspec.structs.replace(image, alt="") if image.alt == image.caption else image


class LinesField(forms.CharField):
    """One item a line. A line that was not touched gives back the very item it was written from."""

    def __init__(
        self,
        *,
        parse: Callable[[str], Any] = str,
        write: Callable[[Any], str] = str,
        rows: int = 4,
        **kwargs: Any,
    ) -> None:
        super().__init__(required=False, widget=forms.Textarea(attrs={"rows": rows}), **kwargs)
        self.parse, self.write = parse, write
        self.items: tuple[Any, ...] = ()
        self.known: dict[str, Any] = {}

    def start(self, items: Iterable[Any]) -> str:
        """Return the items as lines and remember them."""
        self.items = tuple(items)
        lines = [self.write(item).strip() for item in self.items]
        self.known = dict(zip(lines, self.items, strict=True))
        return "\n".join(lines)

    def clean(self, value: Any) -> tuple[Any, ...]:
        found, errors = [], []
        lines = _lines(super().clean(value).replace("\r\n", "\n"))
        if lines == [self.write(item).strip() for item in self.items]:
            return self.items
        for number, line in enumerate(lines, start=1):
            try:
                found.append(self.known[line] if line in self.known else self.parse(line))
            except ValueError as error:
                errors.append(f"Line {number}: expected {error}; got “{content.shown(line)}”.")
        if errors:
            raise forms.ValidationError(errors)
        return tuple(found)


class TextField(forms.CharField):
    """A text exactly as it was typed, with the line ends of the documents."""

    def __init__(self, *, rows: int = 0, **kwargs: Any) -> None:
        widget = forms.Textarea(attrs={"rows": rows}) if rows else forms.TextInput()
        super().__init__(required=False, strip=False, widget=widget, **kwargs)

    def to_python(self, value: Any) -> str:
        return super().to_python(value).replace("\r\n", "\n")


class _Hidden(forms.HiddenInput):
    """A hidden field that a browser does not fill with what another page left in it."""

    def __init__(self) -> None:
        super().__init__(attrs={"autocomplete": "off"})


# --- The form ---------------------------------------------------------------------------------

_LISTS = ("stack", "tools", "tags", "checklist", "notes", "entities", "image_sources")
_TEXTS = ("topic", "summary", "difficulty", "code_language", "language")
#: What only a generator sets, shown beside the form and never in it.
IMPORTED_ONLY = (
    "reference",
    "hash",
    "revision",
    "flags",
    "payload",
    "ai_outline",
    "ai_brief",
    "author",
    "published_at",
    "former_urls",
    "extra",
)


class PostForm(forms.Form):
    """Everything an editor may write of a post.

    `seen` and `base` are revision numbers, `seen_slug` and `seen_tags` what the form began with, so
    that only what a person changed is changed. `tab` names the window, `continues` and
    `continues_step` the one whose unsaved text this one goes on with.
    """

    seen = forms.IntegerField(required=False, widget=_Hidden)
    base = forms.IntegerField(required=False, widget=_Hidden)
    seen_slug = forms.CharField(required=False, widget=_Hidden)
    seen_tags = forms.CharField(required=False, widget=_Hidden)
    tab = forms.CharField(required=False, widget=_Hidden)
    continues = forms.IntegerField(required=False, widget=_Hidden)
    continues_step = forms.IntegerField(required=False, widget=_Hidden)

    title = TextField(label="Title", help_text="At most 300 characters.")
    lede = TextField(
        label="Lede", rows=3, help_text="One paragraph of Markdown that stands before the text."
    )
    body = TextField(
        label="Body",
        rows=28,
        help_text="Markdown: headings from ##, lists, tables, code blocks. "
        "![caption](image:1) shows the first of the image sources below.",
    )
    slug = forms.CharField(
        label="Address",
        required=False,
        help_text="Lower-case letters, digits and hyphens. Left empty on a new post, it is made "
        "from the title. A changed address redirects from the old one for good.",
    )
    topic = TextField(label="Topic")
    summary = TextField(label="Summary", rows=3)
    difficulty = forms.ChoiceField(
        label="Difficulty",
        required=False,
        choices=[("", "not said"), *((name, name) for name in content.DIFFICULTIES)],
    )
    code_language = TextField(label="Code language")
    language = TextField(label="Language", help_text="Of the text, such as en or pt-BR.")
    stack = LinesField(
        label="Stack", help_text="One a line; the first three are stack, area and language."
    )
    tools = LinesField(label="Tools", help_text="One a line.")
    tags = LinesField(
        label="Tags of the revision",
        help_text="One a line. They belong to the content: changing them makes a new revision.",
    )
    editorial_tags = forms.CharField(
        label="Editorial tags",
        required=False,
        help_text="Separated by commas. They are the site's own: changing them makes no revision "
        "and needs no review.",
    )
    checklist = LinesField(label="Checklist", rows=6, help_text="One item a line.")
    notes = LinesField(label="Notes", rows=6, help_text="One note a line.")
    entities = LinesField(
        label="Entities",
        parse=_entity,
        write=_entity_line,
        help_text="One a line, “type: name”, such as “problem: slow cold starts”.",
    )
    image_sources = LinesField(
        label="Image sources",
        parse=_image,
        write=image_line,
        help_text="One a line, “source | url | caption | alternative text”; the last two may be "
        "left out.",
    )
    comment = forms.CharField(
        label="What changed",
        required=False,
        max_length=COMMENT_MAX,
        help_text="One line for the history, at most 500 characters.",
    )

    FIELDSETS = (
        ("Text", ("title", "lede", "body")),
        ("Address and tags of the site", ("slug", "editorial_tags")),
        (
            "About",
            ("topic", "summary", "difficulty", "code_language", "language"),
        ),
        ("Stack, tools, tags", ("stack", "tools", "tags")),
        ("Checklist, notes, entities, images", ("checklist", "notes", "entities", "image_sources")),
    )

    def __init__(
        self,
        data: Any = None,
        *,
        snapshot: content.Snapshot | None = None,
        initial: dict[str, Any] | None = None,
        is_new: bool,
        kept: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(data, initial=initial)
        self.start = snapshot or content.Snapshot(title="")
        self.is_new = is_new
        meta = self.start.meta
        self.initial |= {name: getattr(self.start, name) for name in ("title", "lede", "body")}
        self.initial |= {name: getattr(meta, name) for name in _TEXTS}
        self.initial |= {name: self.fields[name].start(getattr(meta, name)) for name in _LISTS}
        if is_new:
            del self.fields["comment"]
        # What was typed and not saved stands over what is saved.
        self.initial |= {name: kept[name] for name in KEPT if name in (kept or {})}

    def fieldsets(self) -> list[Fieldset]:
        sets = list(self.FIELDSETS)
        if "comment" in self.fields:
            sets.append(("For the history", ("comment",)))
        return [
            Fieldset(self, name=name, fields=[(field,) for field in fields])
            for name, fields in sets
        ]

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if not self.errors:
            _, problems = validation.checked(self.snapshot())
            self.add_problems(problem for problem in problems if problem.severity == "error")
        return data

    def snapshot(self) -> content.Snapshot:
        """Return the content as typed; what the form does not hold stays as it was.

        So does a field with an error, for a preview of an unfinished text.
        """
        start, meta = self.start, self.start.meta
        data = {name: getattr(start, name) for name in ("title", "lede", "body")}
        data |= {name: getattr(meta, name) for name in (*_TEXTS, *_LISTS)}
        data |= self.cleaned_data
        meta = msgspec.structs.replace(
            self.start.meta, **{name: data[name] for name in (*_TEXTS, *_LISTS)}
        )
        return content.Snapshot(
            title=data["title"], lede=data["lede"], body=data["body"], meta=meta
        )

    def editorial_tag_names(self) -> list[str]:
        return parse_comma_tags(self.cleaned_data["editorial_tags"])

    def values_of(self, snapshot: content.Snapshot) -> dict[str, str]:
        """Return a snapshot as the texts of the form's fields."""
        values = {name: getattr(snapshot, name) for name in ("title", "lede", "body")}
        values |= {name: getattr(snapshot.meta, name) for name in _TEXTS}
        for name in _LISTS:
            field = self.fields[name]
            lines = (field.write(item).strip() for item in getattr(snapshot.meta, name))
            values[name] = "\n".join(lines)
        return values

    def add_problems(self, problems: Iterable[content.Problem]) -> None:
        """Put each problem at the field it is about, with what was expected and what came."""
        for problem in problems:
            name = re.split(r"[.\[]", problem.field)[0]
            item = re.match(r"[^\[]*\[(\d+)\]", problem.field)
            where = f"Line {int(item[1]) + 1}: " if item else ""
            got = f"; got “{problem.value}”" if problem.value else ""
            is_shown = name in self.fields
            self.add_error(
                name if is_shown else None,
                f"{where}{'' if is_shown else problem.field + ': '}Expected {problem.expected}"
                f"{got}.",
            )

    def error_summary(self) -> Sequence[tuple[str, str, str]]:
        """Return (id to jump to, label, text) of every error, in the order of the page."""
        return [
            (self[name].id_for_label, self[name].label, text)
            for name in self.fields
            if name in self.errors
            for text in self.errors[name]
        ]


#: What is kept of a form that is not saved.
KEPT = tuple(
    name for name in PostForm.base_fields if name not in ("tab", "continues", "continues_step")
)
