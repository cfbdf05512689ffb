"""What a note is, for machines that read pages: schema.org terms in one script of data.

In: plain values. Out: a script element that no browser runs. The only module besides the renderer
that declares HTML safe: inside a script nothing may be escaped as HTML, so the JSON itself has none
of the characters that could end it.
"""

from __future__ import annotations

from typing import Any

import msgspec
from django.utils.safestring import SafeString, mark_safe

#: As in `django.utils.html.json_script`, which knows only one type of script.
_ESCAPES = {
    ord(">"): "\\u003E",
    ord("<"): "\\u003C",
    ord("&"): "\\u0026",
    0x2028: "\\u2028",
    0x2029: "\\u2029",
}

CONTEXT = "https://schema.org"


def script(value: dict[str, Any]) -> SafeString:
    """Return values as a script element of linked data; members without a value are left out."""
    text = msgspec.json.encode({"@context": CONTEXT} | given(value)).decode().translate(_ESCAPES)
    return mark_safe(f'<script type="application/ld+json">{text}</script>')  # noqa: S308


def given(value: dict[str, Any]) -> dict[str, Any]:
    """Return the members that have a value."""
    return {name: member for name, member in value.items() if member not in (None, "", [], {})}


def person(name: str) -> dict[str, str] | None:
    """Return a person by their public name, None without one."""
    return {"@type": "Person", "name": name} if name else None
