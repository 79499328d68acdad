#!/usr/bin/env python3
"""Ask a process to end, and kill it if it does not within the time given.

    stop_politely.py PID [SECONDS]

Neither signal can hit another process that has got the same pid meanwhile.
"""

import sys

import exithand


def stop(handle: exithand.Handle, patience: float) -> exithand.Exit:
    """Return how the process ended."""
    try:
        handle.terminate()
    except ProcessLookupError:
        # It was faster, and the handle knows how it went.
        return handle.wait()
    try:
        return handle.wait(timeout=patience)
    except TimeoutError:
        print(f"{handle.token} has not ended within {patience} s, and is killed")
        handle.kill()
        return handle.wait()


def main(pid: str, patience: str = "10") -> None:
    try:
        with exithand.open(int(pid)) as handle:
            exit = stop(handle, float(patience))
    except ProcessLookupError as error:
        sys.exit(f"stop_politely: {error.strerror}")
    except PermissionError as error:
        sys.exit(f"stop_politely: {error.strerror}")
    print(f"{handle.token}: {exit}")


if __name__ == "__main__":
    if not 2 <= len(sys.argv) <= 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
