"""The headers that every response carries, whatever answered it."""

import re
from pathlib import Path

import pytest
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.test import override_settings
from django.urls import path

from alphanode.middleware import PERMISSIONS_POLICY

POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data: https://picsum.photos https://fastly.picsum.photos "
    "https://images.unsplash.com https://loremflickr.com https://placehold.co",
    "font-src": "'self'",
    "connect-src": "'self'",
    "manifest-src": "'self'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
    "base-uri": "'none'",
}

HEADERS = {
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "strict-origin-when-cross-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": PERMISSIONS_POLICY,
}


def break_down(request: HttpRequest) -> HttpResponse:
    """Fail, as a view with a fault does."""
    raise RuntimeError("a fault in a view")


def say_cacheable(request: HttpRequest) -> HttpResponse:
    """Answer with a Cache-Control of its own."""
    return HttpResponse("text", headers={"Cache-Control": "public, max-age=60"})


def say_nothing(request: HttpRequest) -> HttpResponse:
    """Answer without a word about caching."""
    return HttpResponse("text")


urlpatterns = [
    path("broken/", break_down),
    path("cacheable/", say_cacheable),
    path("plain/", say_nothing),
]


def assert_protected(response) -> None:
    """Check the policy to the word and the other headers."""
    directives = response.headers["Content-Security-Policy"].split(";")
    policy = dict(directive.strip().split(" ", 1) for directive in directives)
    assert policy == POLICY
    assert {name: response.headers.get(name) for name in HEADERS} == HEADERS
    assert "Cache-Control" in response.headers


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("url", "status"),
    [
        ("/", 200),
        ("/admin/login/", 200),
        ("/admin/", 302),
        ("/admin", 301),
        ("/there-is-no-such-page/", 404),
        ("/posts/there-is-no-such-post/", 404),
        ("/static/admin/css/base.css", 200),
        ("/static/there-is-no-such-file.css", 404),
    ],
)
def test_response_carries_every_header(client, url, status):
    response = client.get(url)

    assert response.status_code == status
    assert_protected(response)
    if response.streaming:
        b"".join(response)  # reading a file to its end closes it


@override_settings(ROOT_URLCONF=__name__)
def test_server_error_carries_every_header(client):
    client.raise_request_exception = False

    response = client.get("/broken/")

    assert response.status_code == 500
    assert_protected(response)


def test_refused_host_carries_every_header(client):
    response = client.get("/", headers={"host": "elsewhere.example"})

    assert response.status_code == 400
    assert_protected(response)


@override_settings(SECURE_SSL_REDIRECT=True, ROOT_URLCONF=__name__)
def test_redirect_to_https_carries_every_header(client):
    response = client.get("/plain/")

    assert response.headers["Location"] == "https://testserver/plain/"
    assert_protected(response)


def test_policy_allows_nothing_inline():
    policy = str(settings.CONTENT_SECURITY_POLICY)

    assert "unsafe" not in policy
    assert "nonce" not in policy
    assert "http://" not in policy


@override_settings(ROOT_URLCONF=__name__)
def test_response_without_a_rule_is_not_kept(client):
    assert client.get("/plain/").headers["Cache-Control"] == "private, no-store"


@override_settings(ROOT_URLCONF=__name__)
def test_cache_control_of_a_view_stays(client):
    assert client.get("/cacheable/").headers["Cache-Control"] == "public, max-age=60"


@pytest.mark.django_db
@pytest.mark.parametrize("url", ["/", "/there-is-no-such-page/"])
def test_public_page_sets_no_cookie_and_does_not_depend_on_one(client, url):
    response = client.get(url)

    assert not response.cookies
    assert "Cookie" not in response.headers.get("Vary", "")


@pytest.mark.django_db
def test_cookies_of_the_admin_stay_in_the_admin(client, django_user_model):
    editor = django_user_model.objects.create_superuser("editor", password="correct horse battery")

    response = client.post(
        "/admin/login/", {"username": editor.username, "password": "correct horse battery"}
    )

    assert response.status_code == 302
    session = response.cookies[settings.SESSION_COOKIE_NAME]
    assert {cookie["path"] for cookie in response.cookies.values()} == {"/admin/"}
    assert session["httponly"] is True
    assert session["samesite"] == "Lax"


def test_request_with_too_many_fields_is_refused(client):
    fields = {f"field{number}": "" for number in range(settings.DATA_UPLOAD_MAX_NUMBER_FIELDS + 1)}

    assert client.post("/admin/login/", fields).status_code == 400


def test_request_with_too_long_a_body_is_refused(client):
    body = "username=" + "x" * settings.DATA_UPLOAD_MAX_MEMORY_SIZE

    response = client.post("/admin/login/", body, "application/x-www-form-urlencoded")

    assert response.status_code == 400


def test_checklist_names_tests_that_exist():
    tests = Path(__file__).resolve().parent
    checklist = (tests.parent / "docs" / "security.md").read_text(encoding="utf-8")
    named = re.findall(r"`(test_\w+\.py)::(test_\w+)`", checklist)

    assert named
    for file, function in named:
        assert f"def {function}(" in (tests / file).read_text(encoding="utf-8"), function
