"""The pages around the notes: about, review, privacy, licence, security.txt, the icon, the style.

In: settings. Out: short texts that are true of what the software does. No queries.
"""

from __future__ import annotations

import datetime as dt

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponsePermanentRedirect
from django.shortcuts import render
from django.templatetags.static import static
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from posts import pictures
from posts.views.conditional import revalidated_by_body
from posts.views.page import NOINDEX, absolute, page_context, with_robots

#: RFC 9116 wants a date less than a year away, after which nobody should rely on the contact.
SECURITY_TXT_DAYS = 180

#: By the name of the address: title, description, template.
TEXTS = {
    "about": ("About", "What this site is, and how to find a note.", "posts/about.html"),
    "about-review": (
        "How notes are made and reviewed",
        "What a machine does here, what people do, and how a page says which.",
        "posts/about_review.html",
    ),
    "privacy": ("Privacy", "What this site keeps about its readers.", "posts/privacy.html"),
    "licence": ("Licence", "On what terms the notes may be used.", "posts/licence.html"),
}


@require_safe
@revalidated_by_body
def text(request: HttpRequest, name: str) -> HttpResponse:
    """Show one of the texts about the site."""
    title, description, template = TEXTS[name]
    context = page_context(
        page_title=title,
        description=description,
        path=reverse(name),
        contact=settings.CONTACT_EMAIL,
        licence_name=settings.LICENCE_NAME,
        licence_url=settings.LICENCE_URL,
        image_hosts=sorted(pictures.ImagePolicy.from_settings().hosts),
        undo_seconds=settings.REVIEW_UNDO_SECONDS,
        texts=[(reverse(other), TEXTS[other][0], other == name) for other in TEXTS],
    )
    return render(request, template, context)


@require_safe
@revalidated_by_body
def security_txt(request: HttpRequest) -> HttpResponse:
    """Say whom to tell of a weakness (RFC 9116); 404 while no contact is set."""
    if not settings.CONTACT_EMAIL:
        raise Http404("No contact is set.")
    until = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0)
    until += dt.timedelta(days=SECURITY_TXT_DAYS)
    lines = [
        f"Contact: mailto:{settings.CONTACT_EMAIL}",
        f"Expires: {until:%Y-%m-%dT%H:%M:%SZ}",
        "Preferred-Languages: en",
        f"Canonical: {absolute(reverse('security-txt'))}",
    ]
    return HttpResponse("\n".join(lines) + "\n", content_type="text/plain; charset=utf-8")


@require_safe
def favicon(request: HttpRequest) -> HttpResponse:
    """Lead programs that ask for the icon at its old address to where it is."""
    return HttpResponsePermanentRedirect(static("images/favicon.ico"))


@require_safe
def style(request: HttpRequest) -> HttpResponse:
    """Show the visual language on one page, while developing; 404 otherwise."""
    if not settings.DEBUG:
        raise Http404("Only with DEBUG.")
    context = page_context(
        page_title="Style",
        robots=NOINDEX,
        colours=STYLE_COLOURS,
        sizes=STYLE_SIZES,
        steps=STYLE_STEPS,
    )
    return with_robots(render(request, "posts/style.html", context), NOINDEX)


#: Names of tokens, each with what it is for; static/css/style.css has a class for each.
STYLE_COLOURS = (
    ("paper", "the sheet"),
    ("paper-inset", "code, notices, a picture that loads"),
    ("ink", "text"),
    ("ink-quiet", "labels, what is imported"),
    ("rule", "hairlines"),
    ("rule-strong", "dashed rules, scales"),
    ("signal", "links, focus, state"),
    ("signal-wash", "what was just jumped to"),
)
STYLE_SIZES = ("title", "section", "lede", "prose", "interface", "small", "label")
STYLE_STEPS = ("quarter", "half", "three-quarters", "whole")
