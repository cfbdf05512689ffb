"""The API against its own document: schemathesis asks, and judges every answer by it.

Right requests must be answered as documented, wrong ones refused as documented.
"""

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings
from schemathesis import GenerationMode
from schemathesis.checks import load_all_checks
from schemathesis.specs.openapi.checks import positive_data_acceptance

from tests.builders import make_post

pytestmark = pytest.mark.django_db

#: A cursor is any text to the document, and one that no page gave is refused.
NOT_CHECKED = [positive_data_acceptance]


@pytest.fixture(autouse=True)
def one_connection():
    """Keep the connection between requests, as Django's own test client does."""
    signals = (request_started, request_finished)
    for signal in signals:
        signal.disconnect(close_old_connections)
    yield
    for signal in signals:
        signal.connect(close_old_connections)


def check_operations(examples):
    """Ask every operation so often, in each mode, by made-up names and by real ones."""
    load_all_checks()
    post = make_post()
    make_post()
    tag = post.post_tags.earliest("pk").tag
    schema = schemathesis.openapi.from_wsgi("/api/v1/openapi.json", get_wsgi_application())
    slugs = {"/tags/": tag.slug, "/entities/": tag.slug}
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) >= 12
    statuses = set()
    for operation in operations:
        names = {
            "slug": next((s for part, s in slugs.items() if part in operation.path), post.slug),
            "type_slug": "stack",
            "number": 1,
        }
        real = {name: value for name, value in names.items() if f"{{{name}}}" in operation.path}
        given_places = {parameter.location.value for parameter in operation.iter_parameters()}
        for parameters in [{}, real] if real else [{}]:
            modes = [GenerationMode.POSITIVE]
            # Something must be left that can be wrong.
            if given_places - ({"path"} if parameters else set()):
                modes.append(GenerationMode.NEGATIVE)
            for mode in modes:
                cases = operation.as_strategy(generation_mode=mode, path_parameters=parameters)
                statuses |= asked(cases, examples)
    assert {200, 400, 404} <= statuses


def asked(cases, examples):
    """Ask so many cases and check every answer; return the statuses they had."""
    seen = set()

    @given(case=cases)
    @hypothesis_settings(
        max_examples=examples,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def ask(case):
        # The test client of the framework does not unpack what it is sent.
        response = case.call(headers={"Accept-Encoding": "identity"})
        seen.add(response.status_code)
        case.validate_response(response, excluded_checks=NOT_CHECKED)

    ask()
    return seen


def test_every_operation_answers_as_its_document_says():
    check_operations(1)


@pytest.mark.long
def test_every_operation_answers_as_its_document_says_at_length():
    check_operations(60)
