"""Waits on the event loop of asyncio."""

import asyncio
import errno
import os
import resource
import threading

import exithand
import pytest
from support import LONG, child_that_waits, returncode

#: Waits at once, and the processes they are for.
WAITS, PROCESSES = 10_000, 50


def run(main):
    """Runs a coroutine function, and makes sure that it leaves the loop as it was."""

    async def checked():
        loop = asyncio.get_running_loop()
        before = set(loop._selector.get_map())
        result = await main()
        assert set(loop._selector.get_map()) == before
        return result

    return asyncio.run(checked())


def test_waits_for_the_end(child):
    async def main():
        with exithand.open(child) as handle:
            wait = asyncio.ensure_future(handle.wait_async())
            await asyncio.sleep(0)
            assert not wait.done()
            child.stdin.close()
            exit = await wait
            assert threading.active_count() == 1
            return exit, await handle.wait_async(), await handle.wait_async(0)

    exits = run(main)
    assert [exit.exit_code for exit in exits] == [3, 3, 3]


def test_waits_for_the_reap(child):
    async def main():
        with exithand.open(child) as handle:
            wait = asyncio.ensure_future(handle.wait_async(until="reaped"))
            child.stdin.close()
            await handle.wait_async()
            assert not wait.done()
            child.wait()
            return await wait, await handle.wait_async(until="reaped")

    for exit in run(main):
        assert (exit.exit_code, exit.reaped) == (3, True)


@pytest.mark.parametrize("end", [0, 255, -9])
def test_a_stranger_hears_what_the_parent_hears(strangers, end):
    stranger = strangers(end)

    async def main():
        with exithand.open(stranger.pid) as handle:
            wait = asyncio.ensure_future(handle.wait_async(grace=LONG))
            await asyncio.sleep(0)
            stranger.end()
            return await wait

    assert run(main).returncode == returncode(stranger.reap()) == end


def test_the_grace_is_for_who_may_not_see_the_zombie(strangers):
    """Run as another user, who hears the truth from the kernel once the zombie is reaped."""
    if os.geteuid() != 0:
        pytest.skip("other-users")
    stranger = strangers(7)
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.setresgid(65534, 65534, 65534)
            os.setresuid(65534, 65534, 65534)

            async def main():
                with exithand.open(stranger.pid) as handle:
                    stranger.end()
                    hasty = await handle.wait_async(grace=0)
                    assert (hasty.known, hasty.reaped) == (False, False)
                    patient = asyncio.ensure_future(handle.wait_async(grace=LONG))
                    await asyncio.sleep(0)
                    stranger.reap()
                    return await patient

            code = asyncio.run(main()).exit_code
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7


def test_time_runs_out(child):
    async def main():
        with exithand.open(child) as handle:
            for timeout in (0, -1, 0.001):
                with pytest.raises(TimeoutError) as caught:
                    await handle.wait_async(timeout)
                assert caught.value.errno == errno.ETIMEDOUT
            child.stdin.close()
            await handle.wait_async(LONG)
            with pytest.raises(TimeoutError, match="reaped"):
                await handle.wait_async(0.001, until="reaped")

    run(main)


def test_refuses_what_a_blocking_wait_refuses():
    async def main():
        with exithand.open(os.getpid()) as handle:
            with pytest.raises(OSError) as caught:
                await handle.wait_async()
            assert caught.value.errno == errno.EDEADLK

    run(main)


def test_many_tasks_wait_for_one_handle(child):
    async def main():
        with exithand.open(child) as handle:
            events = ["ended", "reaped"] * 50
            waits = [asyncio.ensure_future(handle.wait_async(until=it)) for it in events]
            await asyncio.sleep(0)
            for wait in waits[:10]:
                wait.cancel()
            child.stdin.close()
            early = await asyncio.gather(*waits[10::2])
            child.wait()
            late = await asyncio.gather(*waits[11::2])
            cancelled = await asyncio.gather(*waits[:10], return_exceptions=True)
            assert all(isinstance(it, asyncio.CancelledError) for it in cancelled)
            return early + late

    assert [exit.exit_code for exit in run(main)] == [3] * 90


def test_a_handle_may_be_closed_meanwhile(child):
    async def main():
        handle = exithand.open(child)
        wait = asyncio.ensure_future(handle.wait_async())
        await asyncio.sleep(0)
        handle.close()
        # Gets the number of a descriptor that was closed, if one was.
        with exithand.open(os.getppid()):
            child.stdin.close()
            return await wait

    assert run(main).exit_code == 3


def test_cancelling_leaves_nothing_behind(child):
    async def main():
        before = len(os.listdir("/proc/self/fd"))
        handle = exithand.open(child)
        for _ in range(3):
            with pytest.raises((asyncio.TimeoutError, TimeoutError)):
                await asyncio.wait_for(handle.wait_async(), 0.001)
        handle.close()
        assert len(os.listdir("/proc/self/fd")) == before

    run(main)


def test_a_wait_belongs_to_a_loop(child):
    with exithand.open(child) as handle:
        wait = handle.wait_async()
        with pytest.raises(RuntimeError):
            wait.send(None)
        child.stdin.close()
        assert [run(handle.wait_async).exit_code for _ in range(2)] == [3, 3]


def test_ten_thousand_waits_at_once():
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limits[1] < WAITS + 500:
        pytest.skip("descriptors-10500")
    resource.setrlimit(resource.RLIMIT_NOFILE, (limits[1], limits[1]))
    children = [child_that_waits() for _ in range(PROCESSES)]
    handles = [exithand.open(children[i % PROCESSES]) for i in range(WAITS)]

    async def main():
        waits = [asyncio.ensure_future(handle.wait_async()) for handle in handles]
        await asyncio.sleep(0)
        loop = asyncio.get_running_loop()
        assert len(loop._selector.get_map()) > WAITS
        assert threading.active_count() == 1
        for child in children:
            child.stdin.close()
        return await asyncio.gather(*waits)

    try:
        exits = run(main)
        assert [exit.exit_code for exit in exits] == [3] * WAITS
    finally:
        for handle in handles:
            handle.close()
        for child in children:
            child.wait()
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
