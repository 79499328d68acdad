"""Many processes in one wait."""

import os
import select
import threading

import exithand
import pytest
from support import LONG, child_that_waits


@pytest.fixture
def children():
    made = [child_that_waits() for _ in range(4)]
    yield made
    for child in made:
        child.kill()
        child.stdin.close()
        child.wait()


def test_any_some_and_all(children):
    with exithand.WaitSet() as waiting:
        handles = [waiting.add(exithand.open(it)) for it in children]
        assert len(waiting) == 4
        assert waiting.wait(timeout=0) == waiting.wait(timeout=0.001) == []
        children[2].stdin.close()
        assert waiting.wait() == [handles[2]]
        children[0].stdin.close()
        handles[0].wait()
        assert select.select([waiting], [], [], 0)[0] == [waiting]
        assert waiting.wait(2, timeout=0.001) == [handles[0]]
        for child in (children[1], children[3]):
            child.stdin.close()
        assert set(waiting.wait(None, timeout=LONG)) == {handles[1], handles[3]}
        assert (len(waiting), waiting.wait(), waiting.wait(None), waiting.wait(7)) == (0, [], [], [])
        assert [handle.poll().exit_code for handle in handles] == [3] * 4


def test_reaped_is_another_event(child):
    with exithand.WaitSet("reaped") as waiting:
        handle = waiting.add(exithand.open(child))
        child.stdin.close()
        handle.wait(LONG)
        assert waiting.wait(timeout=0) == []
        child.wait()
        assert waiting.wait(timeout=LONG) == [handle]


def test_a_process_is_a_member_once(child):
    with exithand.WaitSet() as waiting:
        first, second = exithand.open(child), exithand.open(child)
        assert waiting.add(first) is first
        assert waiting.add(second) is waiting.add(first) is first
        assert len(waiting) == 1
        waiting.remove(second)
        assert len(waiting) == 0
        for handle in (first, second):
            with pytest.raises(KeyError):
                waiting.remove(handle)


def test_a_member_may_be_closed(child):
    with exithand.WaitSet() as waiting:
        with exithand.open(child) as handle:
            waiting.add(handle)
        child.stdin.close()
        assert waiting.wait(timeout=LONG) == [handle]
        assert handle.closed


def test_a_set_keeps_its_handles_and_lets_go_of_them(child):
    before = len(os.listdir("/proc/self/fd"))
    waiting = exithand.WaitSet()
    waiting.add(exithand.open(child))
    waiting.close()
    waiting.close()
    assert len(os.listdir("/proc/self/fd")) == before
    uses = [
        waiting.wait,
        waiting.fileno,
        waiting.__len__,
        waiting.__enter__,
        lambda: waiting.add(exithand.open(child)),
        lambda: waiting.remove(exithand.open(child)),
    ]
    for use in uses:
        with pytest.raises(ValueError, match="closed"):
            use()
    assert "closed" in repr(waiting)


@pytest.mark.parametrize(
    ("use", "error"),
    [
        (lambda: exithand.WaitSet("dead"), ValueError),
        (lambda: exithand.WaitSet(1), TypeError),
        (lambda: exithand.WaitSet().add(1), TypeError),
        (lambda: exithand.WaitSet().add(None), TypeError),
        (lambda: exithand.WaitSet().wait(-1), OverflowError),
        (lambda: exithand.WaitSet().wait(1.5), TypeError),
        (lambda: exithand.WaitSet().wait(timeout=float("nan")), ValueError),
        (lambda: exithand.wait_procs(None), TypeError),
        (lambda: exithand.wait_procs([None]), TypeError),
        (lambda: exithand.wait_procs([2**31 - 1]), ProcessLookupError),
    ],
)
def test_what_makes_no_sense(use, error):
    with pytest.raises(error):
        use()


def test_the_last_member_is_taken_away_while_others_wait(child):
    with exithand.WaitSet() as waiting:
        handle = waiting.add(exithand.open(child))
        threading.Thread(target=waiting.remove, args=(handle,)).start()
        assert waiting.wait(timeout=LONG) == []
        assert handle.poll() is None


def test_closing_the_set_does_not_end_a_wait(child):
    waiting = exithand.WaitSet()
    handle = waiting.add(exithand.open(child))
    found = []
    thread = threading.Thread(target=lambda: found.extend(waiting.wait(timeout=LONG)))
    thread.start()
    child.stdin.close()
    thread.join()
    waiting.close()
    assert found == [handle]


def test_wait_procs_as_in_psutil(children):
    for child in children[:2]:
        child.stdin.close()
    called = []
    gone, alive = exithand.wait_procs(children, timeout=0.2, callback=called.append)
    while len(gone) < 2:
        more, alive = exithand.wait_procs(alive, timeout=0.2, callback=called.append)
        gone += more
    assert called == gone
    assert {it.pid for it in gone} == {it.pid for it in children[:2]}
    assert {it.pid for it in alive} == {it.pid for it in children[2:]}
    assert [it.poll().returncode for it in gone] == [3, 3]
    for handle in alive:
        handle.kill()
    gone, alive = exithand.wait_procs(alive)
    assert ([it.poll().returncode for it in gone], alive) == ([-9, -9], [])


def test_wait_procs_of_nobody():
    assert exithand.wait_procs([]) == ([], [])
    assert exithand.wait_procs(iter(()), timeout=0) == ([], [])


def test_wait_procs_of_the_same_process_twice(child):
    child.stdin.close()
    gone, alive = exithand.wait_procs([child, child.pid, exithand.open(child)], LONG)
    assert ([it.pid for it in gone], alive) == ([child.pid] * 3, [])


def test_an_error_of_the_callback_comes_through(child):
    child.stdin.close()
    with pytest.raises(ZeroDivisionError):
        exithand.wait_procs([child], callback=lambda handle: 1 // 0)
