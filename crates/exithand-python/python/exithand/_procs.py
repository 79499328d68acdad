"""Waiting for many processes, in the manner of psutil."""

from __future__ import annotations

import time

from exithand._exithand import Handle, WaitSet, open

# Only for those who check types: importing typing takes longer than all the rest.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from exithand._exithand import _Target


def wait_procs(
    targets: Iterable[Handle | _Target],
    timeout: float | None = None,
    callback: Callable[[Handle], object] | None = None,
) -> tuple[list[Handle], list[Handle]]:
    """Wait until all of ``targets`` have ended; return those that have, and those that have not.

    ``targets`` are handles, or whatever ``exithand.open`` takes; all are opened before the first
    is waited for, and if one cannot be opened, nothing is waited for. ``timeout`` is in seconds.
    ``callback`` is called with each handle as its process ends.

    Returns ``(gone, alive)``, lists of handles, gone in the order in which they ended. The
    ``poll()`` of those gone tells how. A process named twice is in the list twice.

        >>> import exithand, subprocess
        >>> children = [subprocess.Popen(["sleep", "60"]) for _ in range(2)]
        >>> children[0].kill()
        >>> gone, alive = exithand.wait_procs(children, timeout=0.1)
        >>> [str(handle.poll()) for handle in gone]
        ['killed 9 KILL']
        >>> for handle in alive:
        ...     handle.kill()
        >>> [child.wait() for child in children]
        [-9, -9]
    """
    end = None if timeout is None else time.monotonic() + timeout
    handles = [it if isinstance(it, Handle) else open(it) for it in targets]
    gone: list[Handle] = []
    with WaitSet() as waiting:
        by_member: dict[Handle, list[Handle]] = {}
        for handle in handles:
            by_member.setdefault(waiting.add(handle), []).append(handle)
        while len(waiting):
            left = None if end is None else end - time.monotonic()
            finished = waiting.wait(timeout=left)
            if not finished:
                break
            for handle in [it for member in finished for it in by_member.pop(member)]:
                gone.append(handle)
                if callback is not None:
                    callback(handle)
    return gone, [it for them in by_member.values() for it in them]
