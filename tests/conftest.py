"""What every test shares: reproducible properties and the rule about skipped tests.

Fixtures that several files need stand here; everything else stays beside its tests.
"""

import os

import pytest
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
