"""What is left of handles and sets after a fork."""

import multiprocessing
import os
import signal
import threading

import exithand
import pytest
from support import LONG, until_blocked


def in_child(body):
    """Runs ``body`` in a child made by fork; returns what it returned, or the error it raised."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(reader)
            try:
                said = repr(body())
            except BaseException as error:
                said = repr(error)
            os.write(writer, said.encode())
        finally:
            os._exit(0)
    os.close(writer)
    with open(reader) as result:
        said = result.read()
    assert os.waitpid(pid, 0)[1] == 0
    return said


def test_both_may_wait(child):
    with exithand.open(child) as handle:
        assert in_child(lambda: handle.state) == "'alive'"
        pid = os.fork()
        if pid == 0:
            signal_number = 0
            try:
                # No child of the child's, which learns it all the same.
                signal_number = handle.wait(LONG, grace=LONG).signal
            finally:
                os._exit(signal_number)
        handle.kill()
        assert handle.wait(LONG).signal == signal.SIGKILL
        assert child.wait() == -signal.SIGKILL
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == signal.SIGKILL


def test_signals_come_through_on_both_sides(child):
    handle = exithand.open(child)
    with pytest.raises(TimeoutError):
        handle.wait(0.001)

    def interrupted():
        signal.signal(signal.SIGUSR1, signal.default_int_handler)
        threading.Thread(target=os.kill, args=(os.getpid(), signal.SIGUSR1)).start()
        return handle.wait(LONG)

    assert in_child(interrupted) == "KeyboardInterrupt()"
    with pytest.raises(KeyboardInterrupt):
        threading.Thread(target=os.kill, args=(os.getpid(), signal.SIGINT)).start()
        handle.wait(LONG)


def test_closing_here_does_not_close_there(child):
    with exithand.open(child) as handle:
        assert in_child(handle.close) == "None"
        child.stdin.close()
        assert handle.wait(LONG).exit_code == 3


def test_a_set_stays_with_its_maker(child):
    with exithand.WaitSet() as waiting:
        handle = waiting.add(exithand.open(child))
        uses = [
            waiting.wait,
            waiting.fileno,
            waiting.__len__,
            lambda: waiting.add(handle),
            lambda: waiting.remove(handle),
        ]
        for use in uses:
            said = in_child(use)
            assert said.startswith("RuntimeError(") and "after a fork" in said
        assert in_child(waiting.close) == "None"
        assert in_child(lambda: exithand.wait_procs([handle], 0)[0]) == "[]"
        child.stdin.close()
        assert waiting.wait(timeout=LONG) == [handle]


def test_a_fork_while_threads_wait(child):
    handle = exithand.open(child)
    waiting = exithand.WaitSet()
    waiting.add(handle)
    bodies = (lambda: handle.wait(LONG), lambda: waiting.wait(timeout=LONG))
    threads = [threading.Thread(target=body) for body in bodies]
    for thread in threads:
        thread.start()
        until_blocked(thread)
    for _ in range(10):
        assert in_child(lambda: (handle.state, handle.poll())) == "('alive', None)"
        assert in_child(lambda: exithand.wait_procs([handle], 0)[0]) == "[]"
    child.stdin.close()
    for thread in threads:
        thread.join()


def _worker(token):
    with exithand.open(token) as handle:
        return str(handle.wait(LONG, grace=LONG))


def test_tokens_go_to_workers(child):
    with exithand.open(child) as handle:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            result = pool.apply_async(_worker, [handle.token])
            child.stdin.close()
            # Nobody reaps it before the worker has answered, so it can be opened until then.
            assert result.get(LONG) == "exited 3"
