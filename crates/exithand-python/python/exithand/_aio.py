"""Waiting on the event loop of asyncio.

A pidfd is readable once its process has ended, and turns writable, as far as event loops can
tell, exactly when it was reaped. So the reader of the loop waits for the one, and the writer for
the other: no thread, and no timer but the caller's.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

from exithand._exithand import Exit, Handle

_Futures = set["asyncio.Future[bool]"]
#: Who waits on which loop for which descriptor: a loop takes one callback for each.
_waiting: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[tuple[int, str], _Futures]]
_waiting = WeakKeyDictionary()


async def wait(handle: Handle, timeout: float | None, until: str, grace: float) -> Exit:
    """Wait as ``Handle.wait_async`` says. ``handle`` is for this wait alone."""
    now = asyncio.get_running_loop().time()
    end = None if timeout is None else now + timeout
    with handle:
        exit = handle._look(until)
        if exit is None and not await _seen(handle, "ended", end):
            raise handle._timed_out(until)
        exit = handle.poll()
        assert exit is not None
        if exit.reaped:
            return exit
        if until == "reaped":
            if not await _seen(handle, "reaped", end):
                raise handle._timed_out(until)
        elif not exit.known and _tells_reap(handle):
            limit = asyncio.get_running_loop().time() + grace
            await _seen(handle, "reaped", limit if end is None else min(limit, end))
        else:
            return exit
        exit = handle.poll()
        assert exit is not None
        return exit


async def _seen(handle: Handle, event: str, end: float | None) -> bool:
    """Say whether ``event`` was seen before ``end``."""
    loop = asyncio.get_running_loop()
    fd = handle.fileno()
    add: Callable[..., Any]
    if event == "ended":
        add, remove = loop.add_reader, loop.remove_reader
    else:
        add, remove = loop.add_writer, loop.remove_writer
    table = _waiting.setdefault(loop, {})
    futures = table.setdefault((fd, event), set())
    if not futures:
        add(fd, _answer, futures, True)
    future: asyncio.Future[bool] = loop.create_future()
    futures.add(future)
    timer = None if end is None else loop.call_at(end, _answer, {future}, False)
    try:
        return await future
    finally:
        if timer is not None:
            timer.cancel()
        futures.discard(future)
        if not futures:
            remove(fd)
            del table[fd, event]


def _answer(futures: _Futures, seen: bool) -> None:
    for future in futures:
        if not future.done():
            future.set_result(seen)


def _tells_reap(handle: Handle) -> bool:
    """Say whether this kernel announces reaps: not before Linux 6.9."""
    try:
        handle._look("reaped")
    except OSError as error:
        if error.errno != errno.EOPNOTSUPP:
            raise
        return False
    return True
