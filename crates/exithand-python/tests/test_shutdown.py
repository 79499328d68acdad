"""The end of the interpreter while threads wait."""

import pytest

BLOCKED = """
import threading, exithand
from support import child_that_waits, until_blocked

child = child_that_waits()
handle = exithand.open(child)
waiting = exithand.WaitSet()
waiting.add(handle)
ways = [
    handle.wait,
    lambda: handle.wait(3600),
    lambda: handle.wait(until="reaped"),
    waiting.wait,
    lambda: exithand.wait_procs([handle]),
]
for way in ways:
    thread = threading.Thread(target=way, daemon=True)
    thread.start()
    until_blocked(thread)
"""

#: An object of the main module, which is torn down when threads may not run Python any more.
ENDS_LATE = """
class Late:
    def __del__(self, close=child.stdin.close, wait=child.wait, print=print):
        close()
        wait()
        print("late", flush=True)

late = Late()
"""

ENDS_SOON = """
import atexit
atexit.register(child.stdin.close)
"""

RAISES = """
raise SystemExit(7)
"""

FROM_THE_MAIN_THREAD = """
import os, threading, exithand
from support import child_that_waits

child = child_that_waits()
threading.Thread(target=child.stdin.close).start()

class Late:
    def __del__(self, handle=exithand.open(child), print=print):
        print(handle.wait(), flush=True)

late = Late()
"""

LEFTOVERS = """
import asyncio, exithand
from support import child_that_waits

child = child_that_waits()
handle = exithand.open(child)
waiting = exithand.WaitSet()
waiting.add(handle)

async def main():
    return asyncio.ensure_future(handle.wait_async())

loop = asyncio.new_event_loop()
left = loop.run_until_complete(main())
loop._keep = (handle, waiting, loop)
child.stdin.close()
child.wait()
"""


def test_threads_that_sleep_are_left_alone(python):
    assert python(BLOCKED) == ""
    assert python(BLOCKED + RAISES, code=7) == ""


@pytest.mark.parametrize("end", [ENDS_LATE, ENDS_SOON])
def test_threads_that_wake_while_the_interpreter_ends(python, end):
    for _ in range(5):
        python(BLOCKED + end)


def test_a_wait_while_the_interpreter_ends(python):
    assert python(FROM_THE_MAIN_THREAD) == "exited 3\n"


def test_what_is_open_at_the_end_is_closed_quietly(python):
    python(LEFTOVERS.replace("asyncio.ensure_future(handle.wait_async())", "None"))
