"""The bytes of stored images, for readers, and for whoever has a preview link to a draft.

In: a digest, a width, a format. Out: the rendition, or 404 for an image that nobody outside may see
and for one that is not: the answers are the same.
"""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.utils import timezone
from django.utils.cache import get_conditional_response
from django.views.decorators.http import require_safe

from posts import previews
from posts.images import renditions, uses
from posts.models import StoredImage
from posts.views import preview
from posts.views.conditional import etag_of
from posts.views.page import NOINDEX, with_robots

TYPES = {"jpg": "image/jpeg", "webp": "image/webp", "avif": "image/avif"}

#: What stands at an address never changes, so a browser need not ask again. A cache that serves
#: many asks every ten minutes, and then lets go of what no published note shows any more.
CACHE_CONTROL = "public, max-age=31536000, s-maxage=600, immutable"


@require_safe
def image(request: HttpRequest, digest: str, width: int, form: str) -> HttpResponseBase:
    """Return a rendition of an image that a published post shows.

    Queries: image, its sources, one to three for who shows it, the rendition.
    """
    now = timezone.now()
    stored = StoredImage.objects.filter(digest=digest).first()
    shown = uses.shown_to_readers(stored, now) if stored is not None else None
    if stored is None or shown is None:
        raise Http404("There is no such image.")
    response = rendition(stored, width, form)
    response.headers["Cache-Control"] = CACHE_CONTROL
    response.headers["ETag"] = etag = etag_of(response.content)
    # Feeds carry the text with its images to other sites and programs.
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    with_robots(response, "" if shown.is_indexable else NOINDEX)
    return get_conditional_response(request, etag=etag, response=response) or response


@require_safe
def preview_image(
    request: HttpRequest, token: str, digest: str, width: int, form: str
) -> HttpResponse:
    """Return a rendition of an image that the revision behind a preview link names.

    Queries: link and its use, image, the rendition.
    """
    try:
        link = previews.opened(token, timezone.now())
    except previews.LinkError as error:
        raise Http404("There is no such image.") from error
    stored = (
        StoredImage.objects.filter(digest=digest, revision_images__revision=link.revision).first()
        if link is not None
        else None
    )
    if stored is None:
        raise Http404("There is no such image.")
    response = rendition(stored, width, form)
    for name, value in preview.HEADERS.items():
        response.headers[name] = value
    return with_robots(response, preview.ROBOTS)


def rendition(stored: StoredImage, width: int, form: str) -> HttpResponse:
    """Return the bytes of a rendition; 404 for a width or format that no page names."""
    if not renditions.has(stored, width, form):
        raise Http404("There is no such rendition.")
    try:
        data = renditions.read(stored, width, form)
    except renditions.MissingFileError as error:
        raise Http404("The bytes of this image are missing.") from error
    return HttpResponse(data, content_type=TYPES[form])
