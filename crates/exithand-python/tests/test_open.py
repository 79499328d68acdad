"""What can be opened, and what cannot."""

import asyncio
import errno
import os
import resource
import signal
import subprocess
import threading

import exithand
import pytest
from support import LONG


class Index:
    def __init__(self, number):
        self.number = number

    def __index__(self):
        return self.number


def str_of(value):
    """A name for a parameter: numbers may be too long to be printed."""
    return "huge" if isinstance(value, int) and value.bit_length() > 70 else repr(value)[:16]


def test_a_pid_by_any_integer(child):
    for pid in (child.pid, Index(child.pid)):
        with exithand.open(pid) as handle:
            assert handle.pid == child.pid
            assert handle.token.startswith(f"{child.pid}:")


def test_a_token_opens_the_same_process_or_none(child):
    with exithand.open(child.pid) as handle:
        token, stored = handle.token, handle.stored_token
        assert stored.startswith(token + "@")
        for name in (token, stored):
            with exithand.open(name) as again:
                assert again.token == token
        child.kill()
        child.wait()
        for name in (token, stored):
            with pytest.raises(ProcessLookupError, match="has ended"):
                exithand.open(name)
    with pytest.raises(ProcessLookupError, match="another boot"):
        exithand.open(token + "@00000000-0000-4000-8000-000000000000")


def test_a_child_that_was_not_waited_for(child):
    with exithand.open(child) as handle:
        assert handle.pid == child.pid
        child.stdin.close()
        assert handle.wait(LONG).exit_code == 3
    with exithand.open(child) as zombie:
        assert zombie.state == "ended"
    returncode = child.wait()
    with pytest.raises(ProcessLookupError, match="waited for"):
        exithand.open(child)
    # Somebody has waited for it without telling the object.
    child.returncode = None
    with pytest.raises(ProcessLookupError):
        exithand.open(child)
    child.returncode = returncode


def test_a_child_of_asyncio():
    async def main():
        child = await asyncio.create_subprocess_exec("cat", stdin=subprocess.PIPE)
        with exithand.open(child) as handle:
            child.stdin.close()
            assert handle.pid == child.pid
            assert await child.wait() == 0
        with pytest.raises(ProcessLookupError):
            exithand.open(child)

    asyncio.run(main())


@pytest.mark.parametrize(
    ("target", "error"),
    [
        (0, ValueError),
        (-1, ValueError),
        (-(2**40), OverflowError),
        (2**31, OverflowError),
        (2**64, OverflowError),
        (10**5000, OverflowError),
        (2**31 - 1, ProcessLookupError),
        (True, TypeError),
        (False, TypeError),
        (None, TypeError),
        (1.0, TypeError),
        (float("nan"), TypeError),
        (b"1:2", TypeError),
        ([], TypeError),
        (object(), TypeError),
        (Index("1"), TypeError),
        ("", ValueError),
        ("1", ValueError),
        ("1:0", ValueError),
        ("1:2\0", ValueError),
        ("\udc80", ValueError),
        ("1:18446744073709551615", ProcessLookupError),
    ],
    ids=str_of,
)
def test_what_is_no_process(target, error):
    with pytest.raises(error):
        exithand.open(target)


def test_arguments_of_the_wrong_number():
    for arguments in ((), (1, 2)):
        with pytest.raises(TypeError):
            exithand.open(*arguments)
    with pytest.raises(TypeError):
        exithand.Handle()


def test_a_thread_is_not_a_process():
    begun, done = threading.Event(), threading.Event()
    ids = []

    def body():
        ids.append(threading.get_native_id())
        begun.set()
        done.wait()

    thread = threading.Thread(target=body)
    thread.start()
    begun.wait()
    with pytest.raises(OSError, match="is a thread of process") as caught:
        exithand.open(ids[0])
    assert caught.value.errno == errno.EINVAL
    done.set()
    thread.join()


def test_no_process_has_the_number(child):
    child.kill()
    child.wait()
    with pytest.raises(ProcessLookupError) as caught:
        exithand.open(child.pid)
    assert caught.value.errno == errno.ESRCH
    assert str(child.pid) in caught.value.strerror


def test_out_of_descriptors():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with exithand.open(os.getpid()) as handle:
        resource.setrlimit(resource.RLIMIT_NOFILE, (handle.fileno() + 1, hard))
        try:
            with pytest.raises(OSError, match="ulimit -n") as caught:
                for _ in range(handle.fileno() + 2):
                    exithand.open(os.getpid())
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert caught.value.errno == errno.EMFILE


def test_descriptors_are_not_inherited(child):
    with exithand.open(child) as handle, exithand.WaitSet() as waiting:
        assert not os.get_inheritable(handle.fileno())
        assert not os.get_inheritable(waiting.fileno())


def test_a_handle_gives_its_descriptor_back():
    def descriptors():
        return set(os.listdir("/proc/self/fd"))

    before = descriptors()
    for _ in range(3):
        exithand.open(os.getpid())
    with exithand.open(os.getpid()):
        pass
    assert len(descriptors()) == len(before)


def test_a_closed_handle(child):
    handle = exithand.open(child)
    assert not handle.closed
    handle.close()
    handle.close()
    assert handle.closed
    assert "closed" in repr(handle)
    assert (handle.pid, str(child.pid) in handle.token) == (child.pid, True)
    uses = [
        handle.wait,
        handle.wait_async,
        handle.poll,
        handle.fileno,
        handle.kill,
        handle.terminate,
        handle.__enter__,
        lambda: handle.state,
        lambda: handle.send_signal(signal.SIGTERM),
        lambda: exithand.WaitSet().add(handle),
        lambda: exithand.wait_procs([handle]),
    ]
    for use in uses:
        with pytest.raises(ValueError, match="closed"):
            use()
    assert child.poll() is None


@pytest.mark.parametrize("number", [0, -1, 65, 10**5000], ids=str_of)
def test_a_number_that_is_no_signal(child, number):
    with exithand.open(child) as handle, pytest.raises(ValueError, match="numbered 1 to 64"):
        handle.send_signal(number)


@pytest.mark.parametrize("number", [None, "TERM", 1.5, True])
def test_what_is_no_signal(child, number):
    with exithand.open(child) as handle, pytest.raises(TypeError):
        handle.send_signal(number)


def test_signals_go_to_the_process(child):
    with exithand.open(child) as handle:
        handle.send_signal(signal.SIGUSR1)
        assert handle.wait(LONG).signal == signal.SIGUSR1
        handle.kill()
        child.wait()
        with pytest.raises(ProcessLookupError):
            handle.kill()
