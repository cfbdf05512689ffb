"""The rules of the test run itself: which skips are accepted, and that a missing server is said."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import on_databases
from tests.conftest import MISSING_SAMPLES

ROOT = Path(__file__).resolve().parent.parent


def run_tests(path: Path, *options: str, strict: bool) -> subprocess.CompletedProcess[str]:
    """Run pytest on one file with this project's rule about skips and nothing else of it."""
    environment = {**os.environ, "ALPHANODE_FAIL_ON_SKIP": "1" if strict else ""}
    del environment["DJANGO_SETTINGS_MODULE"]
    command = [sys.executable, "-m", "pytest", "-p", "tests.conftest", "-p", "no:django"]
    return subprocess.run(
        [*command, "-c", os.devnull, f"--rootdir={path.parent}", *options, str(path)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_only_modules_that_reach_no_database_are_run_once():
    once = on_databases.modules_without_database()

    assert "tests/test_records.py" in once
    assert "tests/test_engine.py" not in once
    marked = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "-m", "django_db", *once],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert marked.returncode == on_databases.NOTHING_SELECTED, marked.stdout


@pytest.fixture
def skipping(tmp_path):
    """Return a function that writes a test file in which one test is skipped for a reason."""

    def write_test(reason: str) -> Path:
        path = tmp_path / "test_sample.py"
        path.write_text(
            "import pytest\n"
            "def test_passes(): pass\n"
            f"@pytest.mark.skip(reason={reason!r})\n"
            "def test_skipped(): pass\n",
            encoding="utf-8",
        )
        return path

    return write_test


def test_unexpected_skip_fails_an_automatic_run(skipping):
    result = run_tests(skipping("no PostgreSQL here"), strict=True)

    assert result.returncode == 1
    assert "test_sample.py::test_skipped: no PostgreSQL here" in result.stdout


def test_missing_sample_documents_may_be_skipped(skipping):
    assert run_tests(skipping(f"{MISSING_SAMPLES} in /nowhere"), strict=True).returncode == 0


def test_unexpected_skip_fails_a_parallel_run(skipping):
    result = run_tests(skipping("no PostgreSQL here"), "-n", "2", strict=True)

    assert result.returncode == 1
    assert "test_sample.py::test_skipped: no PostgreSQL here" in result.stdout


def test_skip_is_harmless_at_home(skipping):
    assert run_tests(skipping("no PostgreSQL here"), strict=False).returncode == 0


def run_suite(monkeypatch, capsys, *, code: int = 0, require: str = "") -> tuple[int, str]:
    """Run the suite's driver with pytest replaced and no server; return its code and last line."""
    monkeypatch.setattr(on_databases, "run_pytest", lambda url, arguments: code)
    monkeypatch.setenv("TEST_POSTGRES_URL", "postgres://user:hunter2@127.0.0.1:1/none")
    monkeypatch.setenv("ALPHANODE_REQUIRE_POSTGRES", require)
    result = on_databases.main([])
    return result, capsys.readouterr().out.splitlines()[-1]


def test_missing_server_is_said_in_the_last_line(monkeypatch, capsys):
    code, line = run_suite(monkeypatch, capsys)

    assert code == 0
    assert line.startswith(
        "Tests ran on SQLite (passed). PostgreSQL was not reachable at 127.0.0.1:1 ("
    )
    assert "hunter2" not in line


def test_missing_server_fails_a_run_that_requires_it(monkeypatch, capsys):
    code, line = run_suite(monkeypatch, capsys, require="1")

    assert code == 1
    assert "FAILED, because this run requires PostgreSQL" in line


def test_failed_test_fails_the_run(monkeypatch, capsys):
    code, line = run_suite(monkeypatch, capsys, code=1)

    assert code == 1
    assert line.startswith("Tests ran on SQLite (FAILED)")
