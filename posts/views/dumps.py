"""The dumps as readers find them: a small page, the checksums and the files.

In: the name of a file. Out: what `write_dumps` wrote last; a name that its index does not hold is
no file, and one that holds what has left the lists since is none until it is written anew.
"""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

from django.conf import settings
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from posts import dumps
from posts.views.conditional import Moment, conditional, etag_of, revalidated_by_body
from posts.views.page import page_context

GZIP_TYPE = "application/gzip"
TEXT_TYPE = "text/plain; charset=utf-8"
INTRO = (
    "Every listed note as JSON Lines, one file for each month in which notes were listed. "
    "All files are written anew each time, from what is listed then."
)


@require_safe
@revalidated_by_body
def page(request: HttpRequest) -> HttpResponse:
    """List the files that may be read now. One query: departures."""
    there = dumps.read_index(Path(settings.DUMPS_FOLDER)).dumps
    found = dumps.offered(there, timezone.now())
    context = page_context(
        page_title="Dumps",
        description=INTRO,
        path=request.path,
        intro=INTRO,
        dumps=found,
        is_waiting=len(found) < len(there),
        sums_url=reverse("dump", args=[dumps.SUMS]),
    )
    return render(request, "posts/dumps.html", context)


@require_safe
def download(request: HttpRequest, name: str) -> HttpResponseBase:
    """Return a file that may be read now, or the checksums of those. One query: departures.

    404 for one that holds what has left the lists since it was written, until it is written anew.
    """
    now = timezone.now()
    folder = Path(settings.DUMPS_FOLDER)
    there = dumps.read_index(folder).dumps
    if name == dumps.SUMS:
        found = dumps.offered(there, now)
        sums = HttpResponse(dumps.sums_of(found), content_type=TEXT_TYPE)
        return conditional(request, sums, Moment(now, None), etag_of(sums.content))
    known = {dump.name: dump for dump in dumps.offered((d for d in there if d.name == name), now)}
    if name not in known:
        raise Http404("There is no such dump, or it has to be written anew.")
    file = _opened(folder / name)
    response = FileResponse(file, as_attachment=True, filename=name, content_type=GZIP_TYPE)
    etag = etag_of(known[name].sha256.encode())
    answer = conditional(request, response, Moment(now, known[name].made_at), etag)
    if answer is not response:
        file.close()
    return answer


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise Http404("There is no such dump.") from error
