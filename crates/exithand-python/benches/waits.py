#!/usr/bin/env python3
"""What a wait costs, against the bare calls of Python: `os.pidfd_open` and `select.poll`.

Prints rows like those of the Rust benchmarks: what, median, baseline, ratio, goal. The two take
turns in one run. Run it with the interpreter of an environment that has exithand, built for
release (`maturin build`).
"""

import asyncio
import mmap
import os
import resource
import select
import signal
import statistics
import subprocess
import sys
import time

import exithand

ROUNDS = 400
IMPORTS = 60
WAITS, PROCESSES = 10_000, 100
#: The numbers of poll and ppoll, on x86-64 and arm64.
POLLS = (b"7", b"271", b"73")


def row(what, times, baselines, goal):
    median, baseline = statistics.median(times), statistics.median(baselines)
    ratio = f"{median / baseline:.2f}" if baseline else "-"
    print(what, f"{median / 1000:.1f} us", f"{baseline / 1000:.1f} us", ratio, goal, sep="\t", flush=True)


def bare(pid):
    fd = os.pidfd_open(pid)
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return poll.poll, lambda: os.close(fd)


def ours(pid):
    handle = exithand.open(pid)
    return handle.wait, handle.close


def killer(commands, stamp):
    """Kills each process whose pid it reads once we sleep, and stamps when."""
    us = f"/proc/{os.getppid()}/syscall"
    while line := commands.read(8):
        while True:
            with open(us, "rb") as call:
                if call.read().split()[0] in POLLS:
                    break
        stamp[:8] = time.monotonic_ns().to_bytes(8, "little")
        os.kill(int(line), signal.SIGKILL)


def reactions():
    """From the kill of a process until the wait has returned."""
    stamp = mmap.mmap(-1, 8)
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(writer)
        with open(reader, "rb", buffering=0) as commands:
            killer(commands, stamp)
        os._exit(0)
    times = {bare: [], ours: []}
    for _ in range(ROUNDS):
        for way, taken in times.items():
            child = subprocess.Popen(["sleep", "60"])
            wait, close = way(child.pid)
            os.write(writer, b"%8d" % child.pid)
            wait()
            taken.append(time.monotonic_ns() - int.from_bytes(stamp[:8], "little"))
            close()
            child.wait()
    os.close(writer)
    os.waitpid(pid, 0)
    row("blocking wait, from kill to return", times[ours], times[bare], "<=1.5")


def imports():
    """The first import in a fresh interpreter."""
    script = "import {0}; print(time.perf_counter_ns() - begun)"
    times = {"select": [], "exithand": []}
    for _ in range(IMPORTS):
        for module, taken in times.items():
            code = f"import time; begun = time.perf_counter_ns(); {script.format(module)}"
            taken.append(int(subprocess.check_output([sys.executable, "-I", "-c", code])))
    row("import of the module", times["exithand"], times["select"], "-")
    more = (statistics.median(times["exithand"]) - statistics.median(times["select"])) / 1e6
    print(f"importing exithand costs {more:.2f} ms more than select (goal: under 5)")


def concurrent():
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limits[1], limits[1]))
    children = [subprocess.Popen(["sleep", "60"]) for _ in range(PROCESSES)]
    handles = [exithand.open(children[i % PROCESSES]) for i in range(WAITS)]

    async def main():
        waits = [asyncio.ensure_future(handle.wait_async()) for handle in handles]
        begun = time.monotonic()
        await asyncio.sleep(0)
        slept = time.monotonic()
        for child in children:
            child.kill()
        exits = await asyncio.gather(*waits)
        assert all(exit.signal == signal.SIGKILL for exit in exits)
        return slept - begun, time.monotonic() - slept

    begin, end = asyncio.run(main())
    for child in children:
        child.wait()
    print(f"asyncio: {WAITS} waits at once, begun in {begin:.3f} s and answered in {end:.3f} s")


if __name__ == "__main__":
    print("what", "median", "baseline", "ratio", "goal", sep="\t")
    reactions()
    imports()
    concurrent()
