"""Processes as psutil holds them."""

import os

import exithand
import pytest
from support import LONG

psutil = pytest.importorskip("psutil", reason="python:psutil")

RECYCLE = """
import exithand, psutil
from support import child_that_waits

def end(child):
    child.stdin.close()
    child.wait()

first = child_that_waits()
process = psutil.Process(first.pid)
with exithand.open(process) as handle:
    assert handle.pid == first.pid
end(first)
# psutil tells processes apart by ticks of the clock, so another tick has to begin.
while True:
    with open("/proc/sys/kernel/ns_last_pid", "w") as last:
        last.write(str(first.pid - 1))
    second = child_that_waits()
    assert second.pid == first.pid
    if psutil.Process(second.pid).create_time() != process.create_time():
        break
    end(second)
try:
    exithand.open(process)
except ProcessLookupError as error:
    print(error)
with exithand.open(psutil.Process(second.pid)) as handle:
    assert handle.pid == second.pid
end(second)
"""


def test_a_recycled_pid_is_refused(python):
    if os.geteuid() != 0:
        pytest.skip("private-pid-namespace")
    told = python(RECYCLE, before=("unshare", "--pid", "--fork", "--mount-proc"))
    assert "has ended" in told


def test_a_process_that_lives(child):
    with exithand.open(psutil.Process(child.pid)) as handle:
        child.stdin.close()
        assert handle.wait(LONG).exit_code == 3


def test_a_child_that_psutil_started():
    child = psutil.Popen(["cat"], stdin=psutil.subprocess.PIPE)
    with exithand.open(child) as handle:
        child.stdin.close()
        assert handle.wait(LONG).exit_code == 0
    child.wait()


def test_a_process_that_has_ended(child):
    process = psutil.Process(child.pid)
    with exithand.open(process):
        child.kill()
        child.wait()
        with pytest.raises(ProcessLookupError):
            exithand.open(process)


class Recycled:
    """A process of psutil's whose creation time does not fit."""

    def __init__(self, pid):
        self.pid = pid

    def create_time(self):
        return 0.0

    def is_running(self):
        return False


def test_whoever_psutil_disowns_is_refused(child):
    with pytest.raises(ProcessLookupError, match="another may have taken"):
        exithand.open(Recycled(child.pid))


def test_errors_of_psutil_come_through(child):
    process = Recycled(child.pid)
    process.is_running = lambda: 1 // 0
    with pytest.raises(ZeroDivisionError):
        exithand.open(process)
