"""Handles and sets that many threads use at once."""

import os
import threading

import exithand
from support import LONG, child_that_waits, until_blocked

MANY = 64


def in_threads(body, count=MANY):
    """Runs ``body`` in many threads that begin together; returns the threads."""
    begin = threading.Barrier(count + 1)

    def run():
        begin.wait()
        body()

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    begin.wait()
    return threads


def test_all_hear_the_same(child):
    handle = exithand.open(child)
    exits = []

    def body():
        for until in ("ended", "reaped"):
            exits.append((until, handle.wait(LONG, until=until).returncode))
            assert handle.poll().returncode == 3

    threads = in_threads(body)
    child.stdin.close()
    child.wait()
    for thread in threads:
        thread.join()
    assert sorted(exits) == [("ended", 3)] * MANY + [("reaped", 3)] * MANY


def test_one_closes_while_the_others_use_it(child):
    results = []
    for _ in range(20):
        handle = exithand.open(child)

        def body():
            for use in (handle.fileno, handle.poll, handle.close, lambda: handle.wait(0)):
                try:
                    use()
                except (ValueError, TimeoutError) as error:
                    results.append(type(error))

        for thread in in_threads(body, 8):
            thread.join()
        assert handle.closed
    assert set(results) == {ValueError}


def test_closing_does_not_end_a_wait(child):
    handle = exithand.open(child)
    exits = []
    threads = in_threads(lambda: exits.append(handle.wait(LONG)), 8)
    for thread in threads:
        until_blocked(thread)
    handle.close()
    # Whoever gets the number of a closed descriptor must not be waited for instead.
    other = exithand.open(os.getppid())
    child.stdin.close()
    for thread in threads:
        thread.join()
    assert [exit.exit_code for exit in exits] == [3] * 8
    assert other.poll() is None


def test_a_set_gives_each_member_to_one_thread():
    children = [child_that_waits() for _ in range(MANY)]
    with exithand.WaitSet() as waiting:
        handles = [waiting.add(exithand.open(it)) for it in children]
        found = []

        def body():
            some = waiting.wait(timeout=LONG)
            while some:
                found.extend(some)
                some = waiting.wait(timeout=LONG)

        threads = in_threads(body)
        for child in children:
            child.stdin.close()
        for thread in threads:
            thread.join()
        assert len(found) == MANY
        assert set(found) == set(handles)
    for child in children:
        child.wait()


def test_members_come_and_go_while_others_wait(child):
    with exithand.WaitSet() as waiting:

        def body():
            handle = exithand.open(child)
            for _ in range(50):
                waiting.add(handle)
                waiting.wait(timeout=0)
                try:
                    waiting.remove(handle)
                except KeyError:
                    pass

        for thread in in_threads(body, 16):
            thread.join()
        assert len(waiting) == 0
