"""Headers of every response that neither Django nor django-csp sets.

In: a finished response. Out: the same with headers added; one that a view has set stays. Must stand
first in MIDDLEWARE and must not touch the session or the user, which would make every page
personal.
"""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponseBase

# An article site needs none of a browser's sensors and devices, so no script that ever gets in can
# ask for them.
PERMISSIONS_POLICY = ", ".join(
    f"{feature}=()"
    for feature in (
        "accelerometer",
        "autoplay",
        "browsing-topics",
        "camera",
        "display-capture",
        "fullscreen",
        "geolocation",
        "gyroscope",
        "magnetometer",
        "microphone",
        "midi",
        "payment",
        "publickey-credentials-get",
        "screen-wake-lock",
        "usb",
        "xr-spatial-tracking",
    )
)

HEADERS = {
    "Permissions-Policy": PERMISSIONS_POLICY,
    "Cross-Origin-Resource-Policy": "same-origin",
    # Without it a shared cache may keep a response by its own judgement, a draft or an editor's
    # page among them. What may be kept says so itself; forgetting to say anything must be the safe
    # mistake.
    "Cache-Control": "private, no-store",
}


class ResponseHeadersMiddleware:
    """Adds HEADERS to each response that does not have them."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer the request and complete the headers; no queries."""
        response = self.get_response(request)
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        return response
