"""The API as Django serves it: its document, validators, problems instead of error pages.

In: the operations of `posts.api.operations`. Out: routes. What holds for every answer is here: GET
and HEAD only, no parameter that the document does not name, an ETag.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, wraps
from typing import Any, cast

from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponsePermanentRedirect,
)
from django.urls import URLPattern, URLResolver, path
from ninja import NinjaAPI
from ninja.errors import ValidationError
from ninja.openapi.schema import OpenAPISchema
from ninja.renderers import JSONRenderer

from posts.api import operations
from posts.api.problems import (
    PROBLEM_TYPE,
    MovedError,
    Problem,
    ProblemError,
    of_validation,
    response_of,
)
from posts.views.conditional import Moment, kept, unchanged
from posts.views.page import NOINDEX, with_robots

DESCRIPTION = (
    "Reviewed engineering field notes, read-only. Only notes that a person has approved are here; "
    "one that is withdrawn or edited is gone until it is approved again. Fields and addresses are "
    "added and never removed. Every answer has an ETag."
)
METHODS = ("GET", "HEAD")
View = Callable[..., HttpResponse]


class Renderer(JSONRenderer):
    """JSON with texts as they are."""

    json_dumps_params = {"ensure_ascii": False}


class Api(NinjaAPI):
    """django-ninja's API, with the problems in its document and `answering` around its views."""

    document: OpenAPISchema | None = None

    def get_openapi_schema(self, **options: Any) -> OpenAPISchema:
        """Return the document, made once; every operation also names its problems."""
        if self.document is None:
            self.document = self._with_problems(super().get_openapi_schema(**options))
        return self.document

    def _with_problems(self, document: OpenAPISchema) -> OpenAPISchema:
        reference = "#/components/schemas/{model}"
        problem = Problem.model_json_schema(ref_template=reference)
        document["components"]["schemas"]["Problem"] = problem
        for address, methods in document["paths"].items():
            for operation in methods.values():
                statuses = {400: "A parameter is wrong."}
                if "{" in address:
                    statuses[404] = "There is no such thing, or it is not listed."
                if address.endswith("/search"):
                    statuses[429] = "Too many searches; Retry-After says how long to wait."
                if "/posts/{slug}" in address:
                    statuses[410] = "The post was withdrawn."
                    operation["responses"][301] = {"description": "The post has another address."}
                for status, words in statuses.items():
                    schema = {"$ref": reference.format(model="Problem")}
                    content = {PROBLEM_TYPE: {"schema": schema}}
                    operation["responses"][status] = {"description": words, "content": content}
        return document

    def _get_urls(self) -> list[URLResolver | URLPattern]:
        found = super()._get_urls()
        for pattern in found:
            # They are all plain views; the annotation allows for included ones too.
            pattern.callback = answering(cast(View, pattern.callback), self)
        return [*found, path("<path:rest>", answering(nothing_here, self), name="nothing")]


def nothing_here(request: HttpRequest, rest: str) -> HttpResponse:
    """Refuse an address that the API does not have."""
    raise ProblemError(
        404,
        "The API has no such address.",
        failed="the address",
        expected="one of those in the OpenAPI document, /api/v1/openapi.json",
    )


def answering(view: View, service: NinjaAPI) -> Callable[..., HttpResponseBase]:
    """Return a view that keeps the rules of every answer.

    One query more: the last change. It is the only one where that is what the request has seen.
    """

    @wraps(view)
    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        method = request.method
        if method not in METHODS:
            return _not_allowed()
        moment = Moment.of_now()
        if (nothing_new := unchanged(request, moment)) is not None:
            return with_robots(nothing_new, NOINDEX)
        try:
            _refuse_unknown(request, service)
            # Whoever sends the answer leaves out the body of a HEAD request.
            request.method = "GET"
            response = view(request, *args, **kwargs)
        except ProblemError as error:
            response = response_of(error)
        finally:
            request.method = method
        # Answers for programs are no pages for a search to find.
        return kept(request, with_robots(response, NOINDEX), moment)

    answer.csrf_exempt = True  # type: ignore[attr-defined]
    return answer


def _not_allowed() -> HttpResponse:
    error = ProblemError(
        405, "The API only reads.", failed="the method", expected=" or ".join(METHODS)
    )
    response = response_of(error)
    response.headers["Allow"] = ", ".join(METHODS)
    return response


def _refuse_unknown(request: HttpRequest, service: NinjaAPI) -> None:
    """Refuse parameters the document does not name: ignoring a filter would return everything."""
    unknown = sorted(set(request.GET) - _parameters_of(request, service))
    if unknown:
        raise ProblemError(
            400,
            "This address takes no such parameter.",
            failed=", ".join(name[:100] for name in unknown[:10]),
            expected=", ".join(sorted(_parameters_of(request, service))) or "no parameters",
        )


def _parameters_of(request: HttpRequest, service: NinjaAPI) -> set[str]:
    name = request.resolver_match.url_name if request.resolver_match else None
    return _known_parameters(service).get(name or "", set())


@cache
def _known_parameters(service: NinjaAPI) -> dict[str, set[str]]:
    return {
        operation["operationId"]: {
            given["name"] for given in operation["parameters"] if given["in"] == "query"
        }
        for methods in service.get_openapi_schema()["paths"].values()
        for operation in methods.values()
    }


api = Api(
    title="alphanode",
    version="1",
    description=DESCRIPTION,
    docs_url=None,
    urls_namespace="api-v1",
    renderer=Renderer(),
)
api.add_router("", operations.router)


@api.exception_handler(ProblemError)
def _problem(request: HttpRequest, error: ProblemError) -> HttpResponse:
    return response_of(error)


@api.exception_handler(ValidationError)
def _bad_parameters(request: HttpRequest, error: ValidationError) -> HttpResponse:
    return response_of(of_validation(error.errors))


@api.exception_handler(MovedError)
def _moved(request: HttpRequest, error: MovedError) -> HttpResponse:
    return HttpResponsePermanentRedirect(error.url)
