"""The dumps as readers find them: a small page, the checksums and the files.

In: the name of a file. Out: what `write_dumps` wrote last; a name that its index does not hold is
no file. Nothing here looks at the archive.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import BinaryIO

from django.conf import settings
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from posts import dumps
from posts.views.conditional import conditional
from posts.views.page import page_context

GZIP_TYPE = "application/gzip"
TEXT_TYPE = "text/plain; charset=utf-8"
INTRO = (
    "Every listed note as JSON Lines, one file for each month in which notes were listed. "
    "All files are written anew each time, from what is listed then."
)


@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """List the files. No queries."""
    context = page_context(
        page_title="Dumps",
        description=INTRO,
        path=request.path,
        intro=INTRO,
        dumps=dumps.read_index(Path(settings.DUMPS_FOLDER)).dumps,
        sums_url=reverse("dump", args=[dumps.SUMS]),
    )
    return render(request, "posts/dumps.html", context)


@require_safe
def download(request: HttpRequest, name: str) -> HttpResponseBase:
    """Return a file of the index, or the checksums. No queries."""
    now = timezone.now()
    folder = Path(settings.DUMPS_FOLDER)
    known = {dump.name: dump for dump in dumps.read_index(folder).dumps}
    if name != dumps.SUMS and name not in known:
        raise Http404("There is no such dump.")
    file = _opened(folder / name)
    written_at = dt.datetime.fromtimestamp((folder / name).stat().st_mtime, tz=dt.UTC)
    if name == dumps.SUMS:
        with file:
            sums = HttpResponse(file.read(), content_type=TEXT_TYPE)
        return conditional(request, sums, changed_at=written_at, now=now)
    response = FileResponse(file, as_attachment=True, filename=name, content_type=GZIP_TYPE)
    fingerprint = known[name].sha256.encode()
    answer = conditional(request, response, changed_at=written_at, now=now, fingerprint=fingerprint)
    if answer is not response:
        file.close()
    return answer


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise Http404("There is no such dump.") from error
