"""What readers send: the form that reports a problem, and the way out of mails. Kept by no cache.

In: a slug and a text, or a signed link. Out: a report in the editors' list, or a wish. Public
pages have no cookie, so there is no token of one: a form of another site is told by its origin, a
robot by the field people do not see, by speed and by number.
"""

from __future__ import annotations

import ipaddress
from typing import Any
from urllib.parse import urlsplit

from django import forms
from django.conf import settings
from django.core import signing
from django.core.cache import cache
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from posts import mailing, reader_reports
from posts.reader_reports import TEXT_MAX, ReportError
from posts.views.article import answers_moved_and_withdrawn, find_post
from posts.views.page import NOINDEX, page_context, with_robots

#: Reports from one address within this time; the address itself is not kept.
ADDRESS_MAX, ADDRESS_SECONDS = 5, 600
#: A form is sent between these ages, in seconds.
AGE_MIN, AGE_MAX = 2, 24 * 60 * 60
_SALT = "posts.views.reports"

HEADERS = {"Cache-Control": "private, no-store"}


class ReportForm(forms.Form):
    """What a reader tells. `website` is seen by robots only."""

    text = forms.CharField(
        max_length=TEXT_MAX,
        error_messages={
            "required": "Say what is wrong, in a sentence or two.",
            "max_length": f"This text is too long. Shorten it to {TEXT_MAX:,} characters.",
        },
    )
    email = forms.EmailField(
        required=False,
        max_length=254,
        error_messages={
            "invalid": "This is no e-mail address. Write one like name@example.org, or none."
        },
    )
    website = forms.CharField(required=False)


@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
@answers_moved_and_withdrawn
def report(request: HttpRequest, slug: str) -> HttpResponse:
    """Show or take the form for a listed post. Queries: the post's four, two to take a report."""
    post = find_post(slug, timezone.now())
    if not post.is_indexable:
        raise Http404("Only listed notes take reports.")
    if request.method != "POST":
        return _page(request, post, ReportForm(), is_sent=request.GET.get("sent") == "1")
    form = ReportForm(request.POST)
    if not is_own_origin(request):
        form.add_error(None, "This form was sent from another page. Send it from here.")
        return _page(request, post, form, status=403)
    if not form.is_valid():
        return _page(request, post, form, status=400)
    if form.cleaned_data["website"]:
        return _sent(post)  # a robot learns nothing
    if not _is_our_form(request.POST.get("form", ""), post.pk):
        form.add_error(None, "This form was open too long, or too short. Send it once more.")
        return _page(request, post, form, status=400)
    if not _is_within_limit(request):
        form.add_error(None, "Too many reports came from your network. Try again in ten minutes.")
        return _page(request, post, form, status=429)
    try:
        reader_reports.take(
            post=post, text=form.cleaned_data["text"], email=form.cleaned_data["email"]
        )
    except ReportError as error:
        form.add_error(None, str(error))
        return _page(request, post, form, status=429)
    return _sent(post)


def _sent(post: Any) -> HttpResponse:
    return _private(HttpResponseRedirect(f"{reverse('report', args=[post.slug])}?sent=1"))


def _page(
    request: HttpRequest, post: Any, form: ReportForm, *, is_sent: bool = False, status: int = 200
) -> HttpResponse:
    context = page_context(
        page_title=f"Report a problem with {post.title}",
        robots=NOINDEX,
        post=post,
        form=form,
        token=signing.TimestampSigner(salt=_SALT).sign(str(post.pk)),
        is_sent=is_sent,
        text_max=TEXT_MAX,
    )
    return _private(render(request, "posts/report.html", context, status=status))


def _private(response: HttpResponse) -> HttpResponse:
    for name, value in HEADERS.items():
        response.headers[name] = value
    return with_robots(response, NOINDEX)


def is_own_origin(request: HttpRequest) -> bool:
    """Say whether a form was sent from this site; a browser too old to tell is believed."""
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        return False
    origin = request.headers.get("Origin")
    if origin is None:
        return True
    return urlsplit(origin).netloc in (request.get_host(), urlsplit(settings.PUBLIC_URL).netloc)


def _is_our_form(token: str, post_id: int) -> bool:
    """Say whether a form of ours for this post is sent at an age people send forms at."""
    signer = signing.TimestampSigner(salt=_SALT)
    try:
        is_ours = signer.unsign(token, max_age=AGE_MAX) == str(post_id)
    except signing.BadSignature:
        return False
    try:
        signer.unsign(token, max_age=AGE_MIN)
    except signing.SignatureExpired:
        return is_ours
    return False


def _is_within_limit(request: HttpRequest) -> bool:
    """Count a report of this network; what is kept for ten minutes is a keyed digest."""
    key = f"reports.{salted_hmac(_SALT, _network(request), algorithm='sha256').hexdigest()}"
    if cache.add(key, 1, ADDRESS_SECONDS):
        return True
    try:
        return cache.incr(key) <= ADDRESS_MAX
    except ValueError:  # it ended between the two
        return True


def _network(request: HttpRequest) -> str:
    """Return where a request comes from; behind our own proxy, what that one wrote last."""
    address = request.META.get("REMOTE_ADDR", "")
    forwarded = request.headers.get("X-Forwarded-For", "").rpartition(",")[2].strip()
    try:
        if forwarded and ipaddress.ip_address(address).is_private:
            address = forwarded
        found = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    # One household or company has a whole network of the long addresses.
    size = 64 if found.version == 6 else 32
    return str(ipaddress.ip_network(f"{found}/{size}", strict=False))


@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
def unsubscribe(request: HttpRequest, token: str) -> HttpResponse:
    """Ask, and on POST end the mails of the person the signed link belongs to.

    The link is the right to do this, and all it can do; mail programs send the POST themselves
    (RFC 8058), from no page of ours.
    """
    person = mailing.person_of(token)
    if person is None:
        raise Http404("There is no such link.")
    is_done = request.method == "POST"
    if is_done:
        mailing.unsubscribe(person)
    context = page_context(page_title="Mails about your work", robots=NOINDEX, is_done=is_done)
    return _private(render(request, "posts/unsubscribe.html", context))
