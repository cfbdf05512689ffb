"""What the API says when it cannot answer: application/problem+json (RFC 9457).

Every problem says what failed, what was expected, and whether the same request can work later.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from django.http import JsonResponse
from ninja import Schema
from pydantic import Field

PROBLEM_TYPE = "application/problem+json"


class Problem(Schema):
    """A problem of RFC 9457; `failed`, `expected` and `can_retry` are of this API."""

    type: str = Field("about:blank", description="Always about:blank: the status says the kind.")
    title: str = Field(description="The status in words.")
    status: int
    detail: str = Field(description="What is wrong with this request, in a sentence.")
    failed: str = Field(description="The parameter, or part of the address, it is about.")
    expected: str = Field(description="What would be right there.")
    can_retry: bool = Field(description="Whether the same request may work later.")


class ProblemError(Exception):
    """A request that cannot be answered; its values become a `Problem`.

    `retry_after` is in seconds, 0 where nobody knows.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        failed: str,
        expected: str,
        can_retry: bool = False,
        retry_after: int = 0,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.failed = failed
        self.expected = expected
        self.can_retry = can_retry
        self.retry_after = retry_after


class MovedError(Exception):
    """The thing has another address; `url` is the current one."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.url = url


def missing(what: str, *, failed: str, expected: str) -> ProblemError:
    """Return the problem of something that is not there, or not listed: nobody can tell which."""
    detail = f"There is no listed {what} of this name."
    return ProblemError(404, detail, failed=failed, expected=expected, can_retry=True)


def response_of(error: ProblemError) -> JsonResponse:
    """Return a problem as the response it is."""
    values: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(error.status).phrase,
        "status": error.status,
        "detail": error.detail,
        "failed": error.failed,
        "expected": error.expected,
        "can_retry": error.can_retry,
    }
    response = JsonResponse(values, status=error.status, content_type=PROBLEM_TYPE)
    if error.retry_after:
        response.headers["Retry-After"] = str(error.retry_after)
    return response


def of_validation(errors: list[dict[str, Any]]) -> ProblemError:
    """Return the problem of parameters that are not what the document says."""
    names = [str(error["loc"][-1]) for error in errors]
    said = "; ".join(
        f"{name}: {error['msg'].lower()}" for name, error in zip(names, errors, strict=True)
    )
    return ProblemError(
        400,
        f"A parameter is not what it should be. {said}.",
        failed=", ".join(names),
        expected="what the OpenAPI document says of the parameter",
    )
