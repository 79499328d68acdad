"""Wait for any process on Linux, without polling, and learn how it ended.

    >>> import exithand, subprocess
    >>> child = subprocess.Popen(["sh", "-c", "exit 3"])
    >>> with exithand.open(child.pid) as handle:
    ...     exit = handle.wait(timeout=10)
    >>> print(exit)
    exited 3
    >>> child.wait()
    3

The process need not be a child: any pid will do, and no privilege is needed. A handle holds its
process by a pidfd, so it never speaks of another one that has got the same pid.

    open(target)        a Handle, from a pid, a token, a subprocess.Popen or a psutil.Process
    Handle.wait()       blocks until the process has ended, and returns an Exit
    Handle.wait_async() the same for asyncio
    WaitSet, wait_procs many processes at once

Errors are OSError, in the subclass that fits: ProcessLookupError where there is no such process,
TimeoutError after a timeout, PermissionError. Nothing is guessed: where nobody who knows may tell
how a process ended, Exit.returncode is None and Exit.why is the reason.
"""

from exithand._exithand import Exit, Handle, WaitSet, __version__, open
from exithand._procs import wait_procs

__all__ = ["Exit", "Handle", "WaitSet", "__version__", "open", "wait_procs"]
