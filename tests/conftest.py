"""What every test shares: reproducible properties and the rule about skipped tests.

Fixtures that several files need stand here; everything else stays beside its tests.
"""

import importlib
import os

import pytest
from django.apps import apps
from django.db import connection
from django.db.models.signals import post_migrate
from django.test import override_settings
from hypothesis import settings as hypothesis_settings

# The only reason for a skip that an automatic run accepts; what follows it says where the tests
# looked for the documents.
MISSING_SAMPLES = "sample documents not found"

# Without randomness a failure here is a failure everywhere, and without a deadline a busy machine
# is not a failure.
hypothesis_settings.register_profile("alphanode", derandomize=True, deadline=None, database=None)
hypothesis_settings.load_profile("alphanode")


def skip_reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    """Return why a test was skipped, without pytest's own "Skipped: " before it."""
    text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return text.removeprefix("Skipped: ")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """With ALPHANODE_FAIL_ON_SKIP=1, fail a run in which a test was skipped, and list which.

    A skip for MISSING_SAMPLES is accepted. An expected failure is not a skip.
    """
    if os.environ.get("ALPHANODE_FAIL_ON_SKIP") != "1":
        return
    terminal = session.config.pluginmanager.get_plugin("terminalreporter")
    # The workers of a parallel run report to the process that started them, and that one decides.
    if terminal is None or hasattr(session.config, "workerinput"):
        return
    unexpected = [
        f"{report.nodeid}: {skip_reason(report)}"
        for report in terminal.stats.get("skipped", [])
        if not skip_reason(report).startswith(MISSING_SAMPLES)
    ]
    if unexpected:
        terminal.section("these skips fail the run (ALPHANODE_FAIL_ON_SKIP=1)", red=True)
        for line in unexpected:
            terminal.line(line)
        if session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup):
    """Make the flush after a transactional test work here, and leave what migrations left.

    Passwords are hashed quickly: nobody attacks those of a test, and most tests make people.
    SQLite flushes by DELETE, which the triggers of immutable tables refuse; so the door stands
    open around it. PostgreSQL flushes by TRUNCATE, which makes hundreds of files anew, half a
    second each time; a superuser deletes the few rows in milliseconds instead. A flush also empties
    the groups that a migration made; they come back with the permissions.
    """
    if connection.vendor == "sqlite":
        flush = connection.ops.execute_sql_flush

        def flush_with_open_door(statements):
            door = "posts_erasuredoor"
            opened = f"INSERT INTO {door} (reason) VALUES ('flush')"  # noqa: S608
            last = [line for line in statements if door in line]
            others = [line for line in statements if door not in line]
            flush([opened, *others, *last])

        connection.ops.execute_sql_flush = flush_with_open_door
    else:
        truncate = connection.ops.sql_flush

        def delete(style, tables, **options):
            with connection.cursor() as cursor:
                cursor.execute("SELECT current_setting('is_superuser')")
                (is_superuser,) = cursor.fetchone()
            if is_superuser != "on":
                return truncate(style, tables, **options)
            # Neither triggers nor references are asked while the rows go.
            quoted = [connection.ops.quote_name(table) for table in tables]
            return [
                "SET LOCAL session_replication_role = replica",
                *(f"DELETE FROM {table}" for table in quoted),  # noqa: S608
            ]

        connection.ops.sql_flush = delete
    groups = importlib.import_module("posts.migrations.0004_groups")
    people = importlib.import_module("posts.migrations.0005_people")
    provenance = importlib.import_module("posts.migrations.0018_provenance")
    uploads = importlib.import_module("posts.migrations.0020_uploads")
    images = importlib.import_module("posts.migrations.0021_images")

    def make_groups_again(**kwargs):
        groups.create_groups(apps, None)
        people.extend_groups(apps, None)
        provenance.extend_groups(apps, None)
        uploads.extend_group(apps, None)
        images.extend_groups(apps, None)

    post_migrate.connect(
        make_groups_again, sender=apps.get_app_config("posts"), weak=False, dispatch_uid="tests"
    )
    hasher = "django.contrib.auth.hashers.MD5PasswordHasher"
    with override_settings(PASSWORD_HASHERS=[hasher]):
        yield
