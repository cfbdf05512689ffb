"""The promise of the API: what its document said when it was last kept, in data/api-v1.json.

`python -m tests.api_promise` keeps the document of today, and refuses one that breaks the promise:
an address, a field or a status that is gone, another type, a new duty or a narrower bound.
"""

import json
import sys
from pathlib import Path

PATH = Path(__file__).parent / "data" / "api-v1.json"
#: Bounds of what may be sent: lower ones may fall, upper ones may rise.
LOWER = ("minimum", "exclusiveMinimum", "minLength", "minItems")
UPPER = ("maximum", "exclusiveMaximum", "maxLength", "maxItems")


def current():
    """Return the document as it is now, as plain JSON."""
    from posts.api import api

    return json.loads(json.dumps(api.get_openapi_schema(), default=str))


def kept():
    return json.loads(PATH.read_text(encoding="utf-8"))


def broken(old, new):
    """Return a line for every promise of `old` that `new` does not keep."""
    return list(_broken(old, new))


def _broken(old, new):
    for path, methods in old["paths"].items():
        for method, operation in methods.items():
            place = f"{method.upper()} {path}"
            other = new["paths"].get(path, {}).get(method)
            if other is None:
                yield f"{place} is gone"
                continue
            yield from _broken_parameters(place, operation, other)
            for status, response in operation["responses"].items():
                if status not in other["responses"]:
                    yield f"{place} no longer answers {status}"
                    continue
                yield from _broken_content(
                    f"{place} {status}", old, response, new, other["responses"][status]
                )


def _broken_parameters(place, operation, other):
    before = {(one["in"], one["name"]): one for one in operation["parameters"]}
    after = {(one["in"], one["name"]): one for one in other["parameters"]}
    for key, parameter in before.items():
        name = f"{place} parameter {key[1]}"
        if key not in after:
            yield f"{name} is gone"
            continue
        one, two = parameter["schema"], after[key]["schema"]
        if after[key]["required"] and not parameter["required"]:
            yield f"{name} became a duty"
        if one.get("type") != two.get("type") or one.get("default") != two.get("default"):
            yield f"{name} has another type or default"
        yield from _narrower(name, one, two)
    for key in after.keys() - before.keys():
        if after[key]["required"]:
            yield f"{place} parameter {key[1]} is new and a duty"


def _narrower(name, one, two):
    for bound in (*LOWER, *UPPER):
        if bound not in two:
            continue
        is_wider = bound in one and (
            two[bound] <= one[bound] if bound in LOWER else two[bound] >= one[bound]
        )
        if not is_wider:
            yield f"{name} has a narrower {bound}"
    if two.get("pattern") not in (None, one.get("pattern")):
        yield f"{name} has another pattern"


def _broken_content(place, old, response, new, other):
    for kind, content in response.get("content", {}).items():
        if kind not in other.get("content", {}):
            yield f"{place} is no longer {kind}"
            continue
        yield from _broken_shape(
            place, old, content["schema"], new, other["content"][kind]["schema"], seen=()
        )


def _resolved(document, schema):
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    return schema


def _kinds(document, schema):
    """Return what a value may be: (type, format) pairs."""
    options = [_resolved(document, one) for one in schema.get("anyOf", [schema])]
    return {(one.get("type"), one.get("format")) for one in options}


def _broken_shape(place, old, before, new, after, seen):
    before, after = _resolved(old, before), _resolved(new, after)
    if (id(before), id(after)) in seen:
        return
    seen = (*seen, (id(before), id(after)))
    if not _kinds(new, after) <= _kinds(old, before):
        yield f"{place} may be something else now"
        return
    for name, part in before.get("properties", {}).items():
        there = after.get("properties", {}).get(name)
        if there is None:
            yield f"{place} has no {name} any more"
            continue
        if name in before.get("required", ()) and name not in after.get("required", ()):
            yield f"{place} may leave out {name}"
        yield from _broken_shape(f"{place}.{name}", old, part, new, there, seen)
    if "items" in before:
        yield from _broken_shape(f"{place}[]", old, before["items"], new, after["items"], seen)


def main():
    """Keep today's document, unless it breaks the promise."""
    import django

    django.setup()
    new = current()
    lines = broken(kept(), new) if PATH.exists() else []
    if lines:
        sys.stderr.write("Not kept, because it breaks the promise:\n" + "\n".join(lines) + "\n")
        return 1
    PATH.write_text(json.dumps(new, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
