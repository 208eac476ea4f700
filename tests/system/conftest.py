"""Enrolled gateways at rest, made once for all system tests that break copies of them; the fault matrix as a report."""

import fault_report
import pytest
from plants import Template, make_template, make_used_template


@pytest.fixture(scope="session")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Template:
    """Enrolled, and never started."""
    return make_template(tmp_path_factory.mktemp("fresh"))


@pytest.fixture(scope="session")
def used(fresh: Template, tmp_path_factory: pytest.TempPathFactory) -> Template:
    """Has admitted a worker; everything acknowledged; ended in peace."""
    return make_used_template(fresh, tmp_path_factory.mktemp("used"))


def pytest_configure(config: pytest.Config) -> None:
    """The matrix of an earlier session is no report of this one; workers leave it alone."""
    if not hasattr(config, "workerinput"):
        for path in fault_report.FOLDER.glob("*"):
            path.unlink()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Device x fault, as it was found in this session; also in ``build/fault_matrix/table.txt``."""
    lines = fault_report.report()
    if lines:
        (fault_report.FOLDER / "table.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
        terminalreporter.section("device x fault")
        for line in lines:
            terminalreporter.write_line(line)
