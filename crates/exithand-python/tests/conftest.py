"""What all tests share: an end to hanging tests, skips that are written down, and a tally."""

import faulthandler
import os
import subprocess
import sys

import pytest
from support import Stranger, child_that_waits

collect_ignore = ["test_mypy.py"] if sys.version_info < (3, 10) else []

#: A test that hangs is ended, with all stacks shown, after so many seconds.
PATIENCE = 120


@pytest.fixture(autouse=True)
def _no_test_hangs():
    faulthandler.dump_traceback_later(PATIENCE, exit=True)
    yield
    faulthandler.cancel_dump_traceback_later()


@pytest.fixture
def child():
    """A child of ours that exits with status 3 at the end of its standard input."""
    process = child_that_waits()
    yield process
    process.kill()
    process.stdin.close()
    process.wait()


@pytest.fixture
def strangers():
    """Makes processes that are not our children."""
    made = []

    def make(*args, **kwargs):
        made.append(Stranger(*args, **kwargs))
        return made[-1]

    yield make
    for stranger in made:
        stranger.close()


@pytest.fixture
def python(tmp_path):
    """Runs a script in an interpreter of its own; returns what it wrote."""

    def run(script, *args, code=0, before=()):
        path = tmp_path / "script.py"
        path.write_text(script)
        environment = {**os.environ, "PYTHONPATH": os.path.dirname(__file__)}
        done = subprocess.run(
            [*before, sys.executable, str(path), *args],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env=environment,
            timeout=PATIENCE,
        )
        assert (done.returncode, done.stderr) == (code, "")
        return done.stdout

    return run


def pytest_terminal_summary(terminalreporter):
    """Says how each test went in the words of Rust's test programs, for `cargo xtask`."""
    if "EXITHAND_SKIPS" not in os.environ:
        return
    reports = terminalreporter.stats
    names = {}
    for word, outcome in (("passed", "ok"), ("skipped", "ok"), ("failed", "FAILED"), ("error", "FAILED")):
        for report in reports.get(word, []):
            names[report.nodeid.replace("tests/", "")] = outcome
    for name, outcome in names.items():
        terminalreporter.write_line(f"test {name} ... {outcome}")
    failed = sum(outcome == "FAILED" for outcome in names.values())
    verdict = "FAILED" if failed else "ok"
    passed = len(names) - failed
    terminalreporter.write_line(f"test result: {verdict}. {passed} passed; {failed} failed; 0 ignored")
    with open(os.environ["EXITHAND_SKIPS"], "a") as skips:
        for report in reports.get("skipped", []):
            program = os.environ.get("EXITHAND_PROGRAM", "python")
            need = report.longrepr[2].replace("Skipped: ", "")
            skips.write(f"{program}::{report.nodeid}\t{need}\n")
