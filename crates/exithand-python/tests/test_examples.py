"""The examples, as a user runs them."""

import os
import pathlib
import signal
import subprocess
import sys

import exithand
import pytest
from support import LONG, child_that_waits

EXAMPLES = pathlib.Path(__file__).parents[3] / "examples" / "python"


def start(name, *arguments):
    command = [sys.executable, "-W", "ignore::ResourceWarning", EXAMPLES / name, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process):
    out, error = process.communicate(timeout=LONG)
    return process.returncode, out, error


def test_none_is_long():
    examples = list(EXAMPLES.glob("*.py"))
    assert len(examples) >= 3
    for example in examples:
        assert len(example.read_text().splitlines()) < 60, example


@pytest.mark.parametrize("example", ["wait_for_any.py", "stop_politely.py", "supervise.py"])
def test_wrong_usage_prints_the_usage(example):
    code, out, error = finish(start(example))
    assert code in (1, 2)
    assert (out, example in error) == ("", True)


def test_wait_for_any(child):
    with exithand.open(child) as handle:
        waiter = start("wait_for_any.py", child.pid, handle.token)
        # The child stays a zombie, and can be opened, until the fixture collects it.
        child.stdin.close()
        line = f"{handle.token}: exited 3\n"
        assert finish(waiter) == (1, line * 2, "")
    child.wait()
    code, _, error = finish(start("wait_for_any.py", handle.token))
    assert (code, "has ended" in error) == (127, True)


def test_stop_politely(child):
    with exithand.open(child) as handle:
        assert finish(start("stop_politely.py", child.pid)) == (0, f"{handle.token}: killed 15 TERM\n", "")


def test_stop_impolitely():
    script = "trap '' TERM; echo ready; read line"
    pipe = subprocess.PIPE
    with subprocess.Popen(["sh", "-c", script], stdin=pipe, stdout=pipe) as stubborn:
        stubborn.stdout.readline()
        code, out, error = finish(start("stop_politely.py", stubborn.pid, 0.1))
        assert (code, error) == (0, "")
        assert out.splitlines()[1].endswith(": killed 9 KILL")


def test_supervise_takes_up_what_it_had_left(tmp_path):
    state, fifo = tmp_path / "services", tmp_path / "fifo"
    os.mkfifo(fifo)
    service = f"read line < {fifo} && test $line = well"
    first = start("supervise.py", state, service)
    pid = int(first.stdout.readline().split()[-1])
    with exithand.open(pid) as handle, open(fifo, "w"):
        # The token is on disk before the line of the next service is.
        while not state.exists() or handle.token not in state.read_text():
            assert first.poll() is None
        first.send_signal(signal.SIGKILL)
        # The service has its output still, so that does not end.
        first.wait()
        second = start("supervise.py", state, service)
        assert second.stdout.readline() == f"{service}: still runs as {pid}\n"
    # The fifo is at its end: the service fails, and is started again.
    assert second.stdout.readline() == f"{service}: exited 1\n"
    assert f"{service}: started as " in second.stdout.readline()
    with open(fifo, "w") as line:
        line.write("well\n")
    assert finish(second) == (0, f"{service}: exited 0\n", "")
    for pipe in (first.stdout, first.stderr):
        pipe.close()
