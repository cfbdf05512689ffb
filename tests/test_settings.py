"""Each environment variable: what it sets, its default, and the message a wrong value gets."""

import os
import re
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from alphanode import environment
from alphanode.logs import drop_personal_fields

ROOT = Path(__file__).resolve().parent.parent
SETTINGS = ROOT / "alphanode" / "settings.py"
VARIABLES = sorted(
    set(re.findall(r'env\.read_\w+\(\s*"([A-Z_]+)"', SETTINGS.read_text(encoding="utf-8")))
)


@pytest.fixture
def load(monkeypatch):
    """Return a function that reads the settings as an installation with exactly these variables."""

    def load_settings(**variables: str) -> dict[str, Any]:
        for name in VARIABLES:
            monkeypatch.delenv(name, raising=False)
        for name, value in {"SECRET_KEY": "a secret", **variables}.items():
            monkeypatch.setenv(name, value)
        # Neither a developer's .env nor the one of the tests, and no difference for being a test.
        monkeypatch.setattr(environment, "read_env_file", lambda path: None)
        with monkeypatch.context() as outside_pytest:
            outside_pytest.delitem(sys.modules, "pytest")
            return runpy.run_path(str(SETTINGS))

    return load_settings


def test_settings_read_the_documented_variables():
    assert VARIABLES == [
        "ALLOWED_HOSTS",
        "BULK_PROCESS",
        "CONTACT_EMAIL",
        "DATABASE_URL",
        "DEBUG",
        "DUMPS_FOLDER",
        "EMAIL_FROM",
        "EMAIL_URL",
        "IMAGE_CHECKS",
        "IMAGE_HOSTS",
        "IMAGE_MIRROR_HOSTS",
        "IMAGE_PLACEHOLDER",
        "IMPORT_UPLOAD_MB",
        "LICENCE_NAME",
        "LICENCE_URL",
        "MEDIA_FOLDER",
        "PUBLIC_URL",
        "REDIS_URL",
        "REVIEW_OWN_WORK",
        "REVIEW_UNDO_SECONDS",
        "SEARCHES_A_MINUTE",
        "SECRET_KEY",
        "SITE_NAME",
    ]


def test_site_says_who_it_is_only_as_far_as_it_is_told(load):
    settings = load()
    assert settings["SITE_NAME"] == "alphanode"
    assert (settings["CONTACT_EMAIL"], settings["LICENCE_NAME"], settings["LICENCE_URL"]) == (
        *("", "", ""),
    )

    settings = load(SITE_NAME=" Tidal notes ", CONTACT_EMAIL="a@example.org", LICENCE_NAME="")
    assert (settings["SITE_NAME"], settings["CONTACT_EMAIL"]) == ("Tidal notes", "a@example.org")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SITE_NAME", "x" * 41),
        ("SITE_NAME", "two\nlines"),
        ("CONTACT_EMAIL", "Name <a@example.org>"),
        ("CONTACT_EMAIL", "nobody"),
        ("LICENCE_URL", "javascript:alert(1)"),
        ("LICENCE_URL", "https://"),
        ("LICENCE_URL", "https://[x"),
    ],
)
def test_wrong_word_about_the_site_stops_the_start(load, name, value):
    with pytest.raises(ImproperlyConfigured, match=f"{name} is wrong"):
        load(**{name: value})


def test_operations_document_lists_each_variable_with_its_default(load):
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    documented = dict(re.findall(r"^\| `([A-Z_]+)` \| (.*?) \|", text, re.MULTILINE))
    settings = load()

    assert documented == {
        "SECRET_KEY": "none, required",
        "DATABASE_URL": "`sqlite:///alphanode.sqlite3`",
        "REDIS_URL": "none",
        "DEBUG": "`off`",
        "ALLOWED_HOSTS": f"`{','.join(settings['ALLOWED_HOSTS'])}`",
        "PUBLIC_URL": f"`{settings['PUBLIC_URL']}`",
        "IMAGE_HOSTS": f"`{','.join(settings['IMAGE_HOSTS'])}`",
        "IMAGE_PLACEHOLDER": "`off`",
        "IMPORT_UPLOAD_MB": "`5`",
        "IMAGE_CHECKS": "`off`",
        "IMAGE_MIRROR_HOSTS": "empty",
        "MEDIA_FOLDER": "`media`",
        "DUMPS_FOLDER": "`dumps`",
        "REVIEW_UNDO_SECONDS": f"`{settings['REVIEW_UNDO_SECONDS']}`",
        "REVIEW_OWN_WORK": "`off`",
        "BULK_PROCESS": "`on`",
        "SEARCHES_A_MINUTE": f"`{settings['SEARCHES_A_MINUTE']}`",
        "EMAIL_URL": "`consolemail://`",
        "EMAIL_FROM": f"`{settings['DEFAULT_FROM_EMAIL']}`",
        "SITE_NAME": f"`{settings['SITE_NAME']}`",
        "CONTACT_EMAIL": "empty",
        "LICENCE_NAME": "empty",
        "LICENCE_URL": "empty",
    }


def test_defaults_are_safe(load):
    settings = load()

    assert settings["DEBUG"] is False
    assert settings["ALLOWED_HOSTS"] == ["localhost", "127.0.0.1", "[::1]"]
    assert settings["PUBLIC_URL"] == "http://127.0.0.1:8000"
    assert settings["IMAGE_PLACEHOLDER"] is False
    assert settings["IMAGE_CHECKS"] is False
    assert settings["IMAGE_MIRROR_HOSTS"] == []
    assert settings["MEDIA_ROOT"] == ROOT / "media"
    assert settings["DUMPS_FOLDER"] == ROOT / "dumps"
    assert settings["REVIEW_UNDO_SECONDS"] == 10
    assert settings["REVIEW_OWN_WORK"] is False
    assert settings["EMAIL_BACKEND"].endswith("console.EmailBackend")
    assert settings["REDIS_URL"] is None
    assert settings["CACHES"]["default"]["BACKEND"].endswith("LocMemCache")
    assert settings["DATABASES"]["default"]["NAME"] == str(ROOT / "alphanode.sqlite3")


@pytest.mark.parametrize(
    ("variables", "name", "expected"),
    [
        ({"SECRET_KEY": "$looks-like-a-reference"}, "SECRET_KEY", "$looks-like-a-reference"),
        ({"DEBUG": "on"}, "DEBUG", True),
        ({"DEBUG": " TRUE "}, "DEBUG", True),
        ({"DEBUG": "1"}, "DEBUG", True),
        ({"DEBUG": "0"}, "DEBUG", False),
        ({"DEBUG": "no"}, "DEBUG", False),
        ({"ALLOWED_HOSTS": "a.example, .b.example"}, "ALLOWED_HOSTS", ["a.example", ".b.example"]),
        ({"ALLOWED_HOSTS": "*"}, "ALLOWED_HOSTS", ["*"]),
        ({"ALLOWED_HOSTS": "[::1],10.0.0.7"}, "ALLOWED_HOSTS", ["[::1]", "10.0.0.7"]),
        ({"PUBLIC_URL": "https://notes.example.org/"}, "PUBLIC_URL", "https://notes.example.org"),
        ({"PUBLIC_URL": "http://[::1]:8080"}, "PUBLIC_URL", "http://[::1]:8080"),
        ({"DUMPS_FOLDER": "/srv/dumps"}, "DUMPS_FOLDER", Path("/srv/dumps")),
        ({"IMAGE_HOSTS": "Img.Example.org"}, "IMAGE_HOSTS", ["img.example.org"]),
        ({"IMAGE_HOSTS": ""}, "IMAGE_HOSTS", []),
        ({"IMAGE_PLACEHOLDER": "yes"}, "IMAGE_PLACEHOLDER", True),
        ({"REVIEW_UNDO_SECONDS": "0"}, "REVIEW_UNDO_SECONDS", 0),
        ({"REVIEW_OWN_WORK": "on"}, "REVIEW_OWN_WORK", True),
        ({"BULK_PROCESS": "off"}, "BULK_PROCESS", False),
        ({"EMAIL_FROM": "Notes <n@example.org>"}, "DEFAULT_FROM_EMAIL", "Notes <n@example.org>"),
        ({"EMAIL_URL": "smtp+tls://u:p%40ss@h"}, "EMAIL_HOST_PASSWORD", "p@ss"),
        ({"EMAIL_URL": "smtp+tls://u:p@h"}, "EMAIL_PORT", 587),
        ({"EMAIL_URL": "smtp+tls://u:p@h"}, "EMAIL_USE_TLS", True),
        ({"EMAIL_URL": "smtp+ssl://u:p@h"}, "EMAIL_USE_SSL", True),
        ({"EMAIL_URL": "smtp://h:2525"}, "EMAIL_PORT", 2525),
        ({"REDIS_URL": ""}, "REDIS_URL", None),
        ({"REDIS_URL": "redis://cache:6379/1"}, "REDIS_URL", "redis://cache:6379/1"),
    ],
)
def test_variable_sets_its_setting(load, variables, name, expected):
    assert load(**variables)[name] == expected


@pytest.mark.parametrize(
    ("name", "value", "got", "expected"),
    [
        ("SECRET_KEY", "  ", "got nothing", "long random text"),
        ("DEBUG", "maybe", "got 'maybe'", "one of 1, on, true, yes for on"),
        ("DEBUG", "", "got ''", "one of 1, on, true, yes for on"),
        ("ALLOWED_HOSTS", "https://a.example", "'https://a.example'", "host names with commas"),
        ("ALLOWED_HOSTS", "a.example:8000", "'a.example:8000'", "without scheme, port or path"),
        ("PUBLIC_URL", "notes.example.org", "got 'notes.example.org'", "https://notes.example.org"),
        ("PUBLIC_URL", "https://notes.example.org/sub", "/sub'", "without path"),
        ("PUBLIC_URL", "https://notes.example.org:many", ":many'", "an address like"),
        ("PUBLIC_URL", "https://[", "got 'https://['", "an address like"),
        ("IMAGE_HOSTS", "*.example.org", "'*.example.org'", "host names with commas"),
        ("IMAGE_HOSTS", "a.example;script-src *", "'a.example;script-src *'", "host names"),
        ("IMAGE_PLACEHOLDER", "2", "got '2'", "one of 0, off, false, no for off"),
        ("REVIEW_UNDO_SECONDS", "-1", "got '-1'", "a whole number, 0 or more"),
        ("REVIEW_UNDO_SECONDS", "1.5", "got '1.5'", "a whole number, 0 or more"),
        ("REVIEW_UNDO_SECONDS", "", "got ''", "a whole number, 0 or more"),
        ("REVIEW_OWN_WORK", "", "got ''", "one of 1, on, true, yes for on"),
        ("EMAIL_URL", "", "got ''", "smtp+tls://USER:PASSWORD@HOST:587"),
        ("EMAIL_URL", "mail.example.org", "got 'mail.example.org'", "consolemail://"),
        ("EMAIL_URL", "smtp://", "got 'smtp://'", "smtp://HOST:25"),
        ("EMAIL_URL", "smtp://h:many", "got 'smtp://h:many'", "smtp://HOST:25"),
        ("EMAIL_FROM", "notes", "got 'notes'", "an address like notes@example.org"),
        ("EMAIL_FROM", "a@b.example\nBcc: c@d.example", "got 'a@b", "an address like"),
        ("REDIS_URL", "localhost:6379", "got 'localhost:6379'", "redis://HOST:PORT/NUMBER"),
        ("REDIS_URL", "redis://", "got 'redis://'", "redis://HOST:PORT/NUMBER"),
        ("DATABASE_URL", "", "got ''", "sqlite:///PATH or postgres://"),
        ("DATABASE_URL", "mysql://u@h/n", "got 'mysql://u@h/n'", "sqlite:///PATH or postgres://"),
        ("DATABASE_URL", "sqlite://a/b.db", "got 'sqlite://a/b.db'", "sqlite:///PATH"),
        ("DATABASE_URL", "postgres://u@h:many/n", "got 'postgres://u@h:many/n'", "postgres://"),
        ("DATABASE_URL", "postgres://u@h", "got 'postgres://u@h'", "postgres://"),
        ("DATABASE_URL", "postgres://u@h/n?pool=few", "got ?pool=few", "?pool=on or ?pool=off"),
    ],
)
def test_wrong_value_names_variable_and_expectation(load, name, value, got, expected):
    with pytest.raises(ImproperlyConfigured) as caught:
        load(**{name: value})

    message = str(caught.value)
    assert message.startswith(f"{name} is wrong: ")
    assert got in message
    assert expected in message


@pytest.mark.parametrize("name", ["DATABASE_URL", "EMAIL_URL", "REDIS_URL", "PUBLIC_URL"])
def test_message_about_an_address_leaves_the_password_out(load, name):
    with pytest.raises(ImproperlyConfigured) as caught:
        load(**{name: "ftp://user:hunter@2@host/name"})

    assert "hunter" not in str(caught.value)


def test_there_is_no_default_secret(load, monkeypatch):
    with pytest.raises(ImproperlyConfigured, match="SECRET_KEY is wrong: got nothing"):
        load(SECRET_KEY="")


def test_redis_needs_its_package(load, monkeypatch):
    monkeypatch.setattr(environment, "find_spec", lambda name: None)

    with pytest.raises(ImproperlyConfigured, match=r"REDIS_URL.*the redis package"):
        load(REDIS_URL="redis://cache:6379")


def test_redis_replaces_the_cache_in_memory(load):
    cache = load(REDIS_URL="redis://cache:6379/1")["CACHES"]["default"]

    assert cache["BACKEND"] == "django.core.cache.backends.redis.RedisCache"
    assert cache["LOCATION"] == "redis://cache:6379/1"


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///other.sqlite3", str(ROOT / "other.sqlite3")),
        ("sqlite:////var/lib/notes.sqlite3", "/var/lib/notes.sqlite3"),
        ("sqlite://:memory:", ":memory:"),
    ],
)
def test_sqlite_path_counts_from_the_project(load, url, path):
    database = load(DATABASE_URL=url)["DATABASES"]["default"]

    assert database["NAME"] == path
    assert database["OPTIONS"]["transaction_mode"] == "IMMEDIATE"
    assert database["OPTIONS"]["timeout"] == 20
    assert "journal_mode = WAL" in database["OPTIONS"]["init_command"]


def test_postgres_pool_has_a_connection_for_each_thread(load):
    database = load(DATABASE_URL="postgres://u:p%40ss@h:5433/n?sslmode=require")["DATABASES"]
    server = runpy.run_path(str(ROOT / "alphanode" / "gunicorn.conf.py"))

    options = database["default"]["OPTIONS"]
    assert (database["default"]["PASSWORD"], database["default"]["PORT"]) == ("p@ss", 5433)
    assert options["sslmode"] == "require"
    assert options["pool"]["max_size"] == server["threads"] + 1
    assert database["default"]["CONN_HEALTH_CHECKS"] is True
    assert database["default"].get("CONN_MAX_AGE", 0) == 0


def test_what_a_server_has_loaded_is_not_looked_through_for_cycles():
    """A full look took a tenth of a second, in the middle of somebody's page."""
    told = subprocess.run(
        [
            *(sys.executable, "-c"),
            "import gc, sys, alphanode.wsgi; print(gc.get_freeze_count() > 10_000, "
            "'posts.views.article' in sys.modules)",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )

    assert told.stdout.split() == ["True", "True"]


def test_postgres_pool_can_be_switched_off(load):
    database = load(DATABASE_URL="postgres://u@h/n?pool=off")["DATABASES"]["default"]

    assert "pool" not in database["OPTIONS"]


def test_https_address_turns_on_the_rules_for_tls(load):
    settings = load(PUBLIC_URL="https://notes.example.org")

    assert settings["SECURE_SSL_REDIRECT"] is True
    assert settings["SECURE_HSTS_SECONDS"] >= 31_536_000
    assert settings["SESSION_COOKIE_SECURE"] is True
    assert settings["CSRF_COOKIE_SECURE"] is True
    assert settings["CSRF_TRUSTED_ORIGINS"] == ["https://notes.example.org"]


def test_http_address_keeps_the_rules_for_tls_off(load):
    settings = load(PUBLIC_URL="http://127.0.0.1:8000")

    assert settings["SECURE_SSL_REDIRECT"] is False
    assert settings["SECURE_HSTS_SECONDS"] == 0
    assert settings["SESSION_COOKIE_SECURE"] is False


def test_static_files_are_hashed_unless_developing(load):
    backend = load()["STORAGES"]["staticfiles"]["BACKEND"]
    developing = load(DEBUG="on")["STORAGES"]["staticfiles"]["BACKEND"]

    assert backend == "whitenoise.storage.CompressedManifestStaticFilesStorage"
    assert developing == "django.contrib.staticfiles.storage.StaticFilesStorage"


def test_image_hosts_are_the_ones_a_page_may_load_from(load):
    policy = load(IMAGE_HOSTS="a.example,b.example")["CONTENT_SECURITY_POLICY"]["DIRECTIVES"]

    assert policy["img-src"] == ["'self'", "data:", "https://a.example", "https://b.example"]


def test_real_variable_wins_over_the_file(tmp_path, monkeypatch):
    env_file = tmp_path / ".env"
    env_file.write_text("ALPHANODE_TEST_A=file\nALPHANODE_TEST_B=file\n", encoding="utf-8")
    monkeypatch.setenv("ALPHANODE_TEST_A", "real")
    monkeypatch.setenv("ALPHANODE_TEST_B", "placeholder")  # so that it is removed afterwards
    monkeypatch.delenv("ALPHANODE_TEST_B")

    environment.read_env_file(env_file)

    assert environment.read_raw("ALPHANODE_TEST_A") == "real"
    assert environment.read_raw("ALPHANODE_TEST_B") == "file"


def test_missing_file_is_not_an_error(tmp_path):
    environment.read_env_file(tmp_path / ".env")


def test_command_line_answers_a_wrong_value_with_one_line():
    result = subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=ROOT,
        env={**os.environ, "DEBUG": "maybe"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert result.returncode == 1
    assert result.stdout == ""
    assert result.stderr.startswith("DEBUG is wrong: got 'maybe', expected one of")
    assert len(result.stderr.splitlines()) == 1


def test_deployment_checks_find_nothing():
    result = subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
        cwd=ROOT,
        env={
            **os.environ,
            "SECRET_KEY": "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ",
            "PUBLIC_URL": "https://notes.example.org",
            "ALLOWED_HOSTS": "notes.example.org",
        },
        capture_output=True,
        text=True,
        check=False,
    )

    assert result.returncode == 0, result.stderr


def test_log_line_holds_no_personal_data():
    event = {"event": "review.approve", "post": 7, "email": "a@example.org", "ip": "192.0.2.1"}

    assert drop_personal_fields(None, "info", event) == {"event": "review.approve", "post": 7}
