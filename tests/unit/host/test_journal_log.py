import io
import subprocess
import sys
from collections.abc import Iterator

import pytest
import structlog

from edge.host import journal_log
from edge.host.withheld import withheld


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    configured = structlog.get_config()
    journal_log.configure(simulated=True)
    yield stream
    structlog.configure(**configured)


def test_a_traceback_in_the_log_names_the_place_and_no_variable(written: io.StringIO) -> None:
    def judge(worker_name: str) -> None:
        raise ValueError("the core is wrong")

    try:
        judge("张三")
    except ValueError as error:
        structlog.get_logger("controller").error("controller_fault", exc_info=error)
    (line,) = written.getvalue().splitlines()
    assert line.startswith("level=error event=controller_fault ")
    assert "simulated=true" in line
    assert "the core is wrong" in line
    assert "test_journal_log.py" in line
    assert "'judge'" in line
    assert "张三" not in line


def test_the_daemon_loads_nothing_that_draws_in_colour() -> None:
    code = """
import sys
from collections.abc import Iterator
from edge.host.withheld import withheld
with withheld("rich"):
    import edge.app.daemon
print([name for name in sys.modules if name.partition(".")[0] in ("rich", "pygments")])
import rich.console
"""
    said = subprocess.run([sys.executable, "-P", "-c", code], check=True, capture_output=True, text=True)
    assert said.stdout.strip() == "[]"


def test_a_module_that_is_loaded_already_stays() -> None:
    with withheld("io"):
        import io as again
    assert again is io
