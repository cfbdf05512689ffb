"""How much of a file is taken from a request, whatever address it was sent to.

In: the parts of a file as they arrive. Out: the same, until there is more than an image may have;
the rest is read and dropped, so that nobody fills the disk and the form can say what is wrong.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.files.uploadhandler import FileUploadHandler


class CappedUploadHandler(FileUploadHandler):
    """Stands before the handlers that keep what it lets through."""

    def receive_data_chunk(self, raw_data: bytes, start: int) -> bytes | None:
        # The part that passes the limit comes through: by it the file is refused.
        return raw_data if start <= settings.IMAGE_UPLOAD_MAX_BYTES else None

    def file_complete(self, file_size: int) -> Any:
        return None
