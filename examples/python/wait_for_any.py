#!/usr/bin/env python3
"""Wait for processes, whoever's children they are, and say how each ended.

    wait_for_any.py PID-OR-TOKEN...

Exits with 0 if all have exited with 0, and with 1 otherwise.
"""

from __future__ import annotations

import sys

import exithand


def target(word: str) -> int | str:
    """A number is a pid; anything else is a token, which names one process for good."""
    return int(word) if word.isdigit() else word


def main(words: list[str]) -> int:
    if not words:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        # All are opened before the first is waited for: no pid can be reused meanwhile.
        handles = [exithand.open(target(word)) for word in words]
    except (OSError, ValueError) as error:
        print(f"wait_for_any: {error}", file=sys.stderr)
        return 127

    def tell(handle: exithand.Handle) -> None:
        print(f"{handle.token}: {handle.wait()}", flush=True)

    try:
        gone, _ = exithand.wait_procs(handles, callback=tell)
    except KeyboardInterrupt:
        return 130
    exits = [handle.wait() for handle in gone]
    return 0 if all(exit.success for exit in exits) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
