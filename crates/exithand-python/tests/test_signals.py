"""Signals while a wait blocks: their handlers run at once, none is lost, none is taken away."""

import os
import signal
import threading
import time

import exithand
import pytest
from support import LONG, child_that_waits, until_blocked

ROUNDS = 300


class Interrupted(Exception):
    pass


@pytest.fixture
def handler():
    """Has SIGUSR1 raise ``Interrupted`` in the main thread."""

    def interrupt(number, frame):
        raise Interrupted

    before = signal.signal(signal.SIGUSR1, interrupt)
    yield
    signal.signal(signal.SIGUSR1, before)


def waits(child):
    """Every way to block, as functions."""
    handle = exithand.open(child)
    waiting = exithand.WaitSet()
    waiting.add(handle)
    return [
        lambda: handle.wait(LONG),
        lambda: handle.wait(),
        lambda: handle.wait(until="reaped"),
        lambda: waiting.wait(timeout=LONG),
        lambda: waiting.wait(None),
        lambda: exithand.wait_procs([handle]),
    ]


def test_keyboard_interrupt(child):
    for wait in waits(child):
        with pytest.raises(KeyboardInterrupt):
            threading.Thread(target=os.kill, args=(os.getpid(), signal.SIGINT)).start()
            wait()
            pytest.fail("the wait has ended by itself")


def test_no_signal_is_lost_before_during_and_after_going_to_sleep(child, handler):
    handle = exithand.open(child)
    for _ in range(ROUNDS):
        begin = threading.Event()

        def body():
            begin.wait()
            os.kill(os.getpid(), signal.SIGUSR1)

        thread = threading.Thread(target=body)
        thread.start()
        with pytest.raises(Interrupted):
            begin.set()
            handle.wait(LONG)
        thread.join()


def test_signals_that_another_thread_was_given(child, handler):
    handle = exithand.open(child)
    done = threading.Event()
    other = threading.Thread(target=done.wait)
    other.start()
    for _ in range(ROUNDS):
        sender = threading.Thread(target=signal.pthread_kill, args=(other.ident, signal.SIGUSR1))
        with pytest.raises(Interrupted):
            sender.start()
            handle.wait(LONG)
        sender.join()
    done.set()
    other.join()


def test_a_zombie_that_is_not_reaped(child, handler):
    handle = exithand.open(child)
    child.stdin.close()
    handle.wait(LONG)
    with pytest.raises(Interrupted):
        threading.Thread(target=os.kill, args=(os.getpid(), signal.SIGUSR1)).start()
        handle.wait(until="reaped")


def test_a_handler_that_returns_leaves_the_wait_alone(child):
    handle = exithand.open(child)
    ran = []

    def body(number, frame):
        ran.append(number)
        if len(ran) == 3:
            child.stdin.close()
        else:
            os.kill(os.getpid(), number)

    before = signal.signal(signal.SIGUSR1, body)
    try:
        threading.Thread(target=os.kill, args=(os.getpid(), signal.SIGUSR1)).start()
        assert handle.wait(LONG).exit_code == 3
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert ran == [signal.SIGUSR1] * 3


def test_signals_do_not_make_a_timeout_longer(child):
    handle = exithand.open(child)
    before = signal.signal(signal.SIGALRM, lambda number, frame: None)
    signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
    begun = time.monotonic()
    try:
        for wait in (lambda: handle.wait(0.3), lambda: handle.wait(0.05)):
            with pytest.raises(TimeoutError):
                wait()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert time.monotonic() - begun >= 0.35


def test_a_handler_may_wait_too(child):
    handle = exithand.open(child)
    inner = child_that_waits()

    def body(number, frame):
        with exithand.open(inner) as other:
            threading.Thread(target=inner.stdin.close).start()
            ended.append(other.wait(LONG).exit_code)
        child.stdin.close()

    ended = []
    before = signal.signal(signal.SIGUSR1, body)
    try:
        threading.Thread(target=os.kill, args=(os.getpid(), signal.SIGUSR1)).start()
        assert handle.wait(LONG).exit_code == 3
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert (ended, inner.wait()) == ([3], 3)


def test_whoever_watches_signals_still_hears_of_them(child, handler):
    """What asyncio does: a descriptor gets a byte for each signal."""
    handle = exithand.open(child)
    reader, writer = os.pipe()
    for end in (reader, writer):
        os.set_blocking(end, False)
    before = signal.set_wakeup_fd(writer)
    try:
        with pytest.raises(Interrupted):
            threading.Thread(target=os.kill, args=(os.getpid(), signal.SIGUSR1)).start()
            handle.wait(LONG)
        assert os.read(reader, 10) == bytes([signal.SIGUSR1])
        with pytest.raises(TimeoutError):
            handle.wait(0.001)
        with pytest.raises(BlockingIOError):
            os.read(reader, 10)
    finally:
        assert signal.set_wakeup_fd(before) == writer
        os.close(reader)
        os.close(writer)


def test_a_watch_that_a_handler_sets_stays(child):
    handle = exithand.open(child)
    reader, writer = os.pipe()
    os.set_blocking(writer, False)

    def body(number, frame):
        signal.set_wakeup_fd(writer)
        child.stdin.close()

    before = signal.signal(signal.SIGUSR1, body)
    try:
        threading.Thread(target=os.kill, args=(os.getpid(), signal.SIGUSR1)).start()
        assert handle.wait(LONG).exit_code == 3
        assert signal.set_wakeup_fd(-1) == writer
    finally:
        signal.signal(signal.SIGUSR1, before)
        os.close(reader)
        os.close(writer)


def test_nobody_leaves_a_set_when_a_handler_raises(child, handler):
    ended = child_that_waits()
    with exithand.WaitSet() as waiting:
        members = [waiting.add(exithand.open(it)) for it in (child, ended)]
        ended.stdin.close()
        members[1].wait(LONG)
        with pytest.raises(Interrupted):
            threading.Thread(target=os.kill, args=(os.getpid(), signal.SIGUSR1)).start()
            waiting.wait(None)
        assert len(waiting) == 2
        assert waiting.wait(timeout=LONG) == [members[1]]
        assert len(waiting) == 1
        child.stdin.close()
        assert waiting.wait(timeout=LONG) == [members[0]]
    assert ended.wait() == 3


def test_only_the_main_thread_is_interrupted(child, handler):
    """Elsewhere a wait goes on; the handler runs on the main thread."""
    handle = exithand.open(child)
    exits = []
    thread = threading.Thread(target=lambda: exits.append(handle.wait(LONG)))
    thread.start()
    with pytest.raises(Interrupted):
        until_blocked(thread)
        signal.pthread_kill(thread.ident, signal.SIGUSR1)
        handle.wait(LONG)
    child.stdin.close()
    thread.join()
    assert exits[0].exit_code == 3
