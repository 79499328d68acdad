"""Blocking waits, compared with wait(2)."""

import errno
import math
import os
import select
import selectors
import threading
import weakref

import exithand
import pytest
from support import LONG, returncode

ENDS = [0, 1, 3, 255, -1, -9, -15, -34, -64]


@pytest.mark.parametrize("end", ENDS)
def test_a_stranger_hears_what_the_parent_hears(strangers, end):
    stranger = strangers(end)
    with exithand.open(stranger.pid) as handle, exithand.open(stranger.pid) as late:
        assert (handle.poll(), handle.state) == (None, "alive")
        stranger.end()
        exit = handle.wait(LONG, until="ended", grace=LONG if os.geteuid() else 0.1)
        assert handle.state == "ended"
        truth = returncode(stranger.reap())
        assert (exit.returncode, exit.reaped, exit.source) == (truth, False, "zombie")
        assert handle.wait(LONG, until="reaped").reaped
        assert handle.state == "reaped"
        assert late.poll().returncode == truth
        assert (late.poll().source, late.poll().reaped) == ("pidfd", True)
        assert late.wait() == late.wait(0) == late.poll()
        assert handle.wait() == handle.poll()


def test_a_child_is_left_to_its_parent(child):
    with exithand.open(child) as handle:
        child.stdin.close()
        exit = handle.wait(LONG)
        assert (exit.exit_code, exit.source) == (3, "child")
        assert child.wait() == 3


def test_time_runs_out(child):
    with exithand.open(child) as handle:
        for timeout in (0, -1, 0.001, -math.inf, False):
            with pytest.raises(TimeoutError) as caught:
                handle.wait(timeout)
            assert caught.value.errno == errno.ETIMEDOUT
            assert handle.token in str(caught.value)
        for until in ("ended", "reaped"):
            with pytest.raises(TimeoutError, match=until):
                handle.wait(0.001, until=until)


def test_a_zombie_is_not_reaped(child):
    with exithand.open(child) as handle:
        child.stdin.close()
        handle.wait(LONG)
        for timeout in (0, 0.001):
            with pytest.raises(TimeoutError):
                handle.wait(timeout, until="reaped")
        child.wait()
        assert handle.wait(LONG, until="reaped").exit_code == 3


@pytest.mark.parametrize("timeout", [math.inf, 1e300, 10**9])
def test_time_that_never_runs_out(child, timeout):
    with exithand.open(child) as handle:
        threading.Thread(target=child.stdin.close).start()
        assert handle.wait(timeout, grace=timeout).exit_code == 3


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"timeout": math.nan}, ValueError),
        ({"timeout": "1"}, TypeError),
        ({"timeout": []}, TypeError),
        ({"timeout": 10**400}, OverflowError),
        ({"grace": math.nan}, ValueError),
        ({"grace": None}, TypeError),
        ({"until": "dead"}, ValueError),
        ({"until": None}, TypeError),
        ({"until": 1}, TypeError),
        ({"unless": 1}, TypeError),
    ],
)
def test_arguments_that_make_no_sense(child, arguments, error):
    with exithand.open(child) as handle:
        for wait in (handle.wait, handle.wait_async):
            with pytest.raises(error):
                wait(**arguments)


def test_nobody_waits_for_oneself():
    with exithand.open(os.getpid()) as handle:
        assert (handle.poll(), handle.state) == (None, "alive")
        for wait in (handle.wait, lambda: exithand.WaitSet().add(handle)):
            with pytest.raises(OSError, match="itself") as caught:
                wait()
            assert caught.value.errno == errno.EDEADLK


def test_other_threads_run_meanwhile(child):
    with exithand.open(child) as handle:
        # If the wait kept the interpreter, the thread would never come to close it.
        threading.Thread(target=child.stdin.close).start()
        assert handle.wait(LONG).exit_code == 3


def test_readable_means_ended(child):
    with exithand.open(child) as handle, selectors.DefaultSelector() as selector:
        selector.register(handle, selectors.EVENT_READ, "child")
        poll = select.poll()
        poll.register(handle, select.POLLIN)
        assert selector.select(0) == poll.poll(0) == []
        assert select.select([handle], [], [], 0)[0] == []
        child.stdin.close()
        assert selector.select(LONG)[0][0].data == "child"
        assert poll.poll(LONG) == [(handle.fileno(), select.POLLIN)]
        assert select.select([handle], [], [], 0)[0] == [handle]
        assert handle.poll().exit_code == 3


def test_can_be_referred_to_weakly(child):
    handle = exithand.open(child)
    reference = weakref.ref(handle)
    assert reference() is handle
    del handle
    assert reference() is None


def test_of_another_user(strangers):
    """Whoever may not see the zombie's status waits for the reap, and gets the truth."""
    if os.geteuid() != 0:
        pytest.skip("other-users")
    stranger = strangers(7)
    result, told = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.setgroups([])
        os.setresgid(65534, 65534, 65534)
        os.setresuid(65534, 65534, 65534)
        try:
            with exithand.open(stranger.pid) as handle:
                try:
                    handle.kill()
                except PermissionError as error:
                    os.write(told, f"{error.errno} ".encode())
                hasty = handle.wait(LONG, grace=0)
                os.write(told, f"{hasty.returncode} {hasty.why}\n".encode())
                os.write(told, str(handle.wait(LONG, grace=LONG)).encode())
        finally:
            os._exit(0)
    os.close(told)
    with open(result) as lines:
        stranger.end()
        line = lines.readline()
        stranger.reap()
        assert line == f"{errno.EPERM} None zombie of another user, not yet reaped\n"
        assert lines.read() == "exited 7"
    os.waitpid(pid, 0)
