"""The API keeps what it promised: its document against the kept one, and the check itself."""

import copy

import pytest

from tests import api_promise


def test_the_api_keeps_its_promise():
    lines = api_promise.broken(api_promise.kept(), api_promise.current())

    assert not lines, "Clients rely on this; add beside it instead.\n" + "\n".join(lines)


def test_what_was_added_is_promised_too():
    assert api_promise.current() == api_promise.kept(), (
        "The document has changed. Keep it: DJANGO_SETTINGS_MODULE=alphanode.settings "
        "python -m tests.api_promise"
    )


POST = "/api/v1/posts/{slug}"
LIST = "/api/v1/posts"


def schema_of(document, name):
    return document["components"]["schemas"][name]


def drop_path(new):
    del new["paths"][POST]


def drop_field(new):
    del schema_of(new, "Post")["properties"]["body"]


def drop_nested_field(new):
    del schema_of(new, "Disclosure")["properties"]["text"]


def drop_status(new):
    del new["paths"][POST]["get"]["responses"]["410"]


def another_type(new):
    schema_of(new, "PostSummary")["properties"]["reading_minutes"]["type"] = "string"


def another_format(new):
    schema_of(new, "PostSummary")["properties"]["published_at"]["format"] = "date"


def may_be_null(new):
    schema_of(new, "PostSummary")["properties"]["title"] = {
        "anyOf": [{"type": "string"}, {"type": "null"}]
    }


def may_be_missing(new):
    schema_of(new, "PostPage")["required"].remove("next")


def new_duty(new):
    parameter = {"in": "query", "name": "key", "required": True, "schema": {"type": "string"}}
    new["paths"][LIST]["get"]["parameters"].append(parameter)


def narrower_bound(new):
    limit = next(p for p in new["paths"][LIST]["get"]["parameters"] if p["name"] == "limit")
    limit["schema"]["maximum"] = 50


def another_kind_of_problem(new):
    response = new["paths"][LIST]["get"]["responses"]["400"]
    response["content"]["application/json"] = response["content"].pop("application/problem+json")


@pytest.mark.parametrize(
    "change",
    [
        *(drop_path, drop_field, drop_nested_field, drop_status, another_type, another_format),
        *(may_be_null, may_be_missing, new_duty, narrower_bound, another_kind_of_problem),
    ],
)
def test_a_broken_promise_is_noticed(change):
    new = copy.deepcopy(api_promise.kept())
    change(new)

    assert api_promise.broken(api_promise.kept(), new)


def test_additions_break_nothing():
    new = copy.deepcopy(api_promise.kept())
    new["paths"]["/api/v1/more"] = new["paths"][LIST]
    schema_of(new, "Post")["properties"]["more"] = {"type": "string"}
    schema_of(new, "Post")["required"].append("more")
    optional = {"in": "query", "name": "more", "required": False, "schema": {"type": "string"}}
    new["paths"][LIST]["get"]["parameters"].append(optional)
    new["paths"][LIST]["get"]["parameters"][1]["schema"]["maximum"] = 500

    assert api_promise.broken(api_promise.kept(), new) == []
