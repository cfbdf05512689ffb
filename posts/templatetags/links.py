"""What a link says. Pure."""

from __future__ import annotations

from django import template
from django.utils.html import format_html

register = template.Library()

#: Names of tags that tell nobody where a link leads when it is read out of its list: Go, the
#: language, is one. They are what Lighthouse's audit of link texts knows as such in English.
_SAYS_LITTLE = {"go", "here", "information", "more", "start", "this"}


@register.filter
def tag_text(name: str) -> str:
    """Return a tag's name as a link's text, said to be a tag where the name says little."""
    if name not in _SAYS_LITTLE:
        return name
    return format_html('<span class="visually-hidden">tag </span>{}', name)
