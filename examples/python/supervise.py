#!/usr/bin/env python3
"""Keep services running, on asyncio, and take up those that an earlier run has left.

    supervise.py FILE COMMAND...

Each COMMAND is one for the shell, and is started again when it fails. FILE keeps the token of each
service: when the supervisor itself is started again, it finds the services that still run, waits
for them although they are not its children any more, and still learns how they ended.
"""

from __future__ import annotations

import asyncio
import json
import pathlib
import subprocess
import sys

import exithand


def adopt_or_start(command: str, token: str | None) -> exithand.Handle:
    try:
        if token is not None:
            handle = exithand.open(token)
            print(f"{command}: still runs as {handle.pid}", flush=True)
            return handle
    except ProcessLookupError:
        pass
    # Popen itself reaps the child when the next one is started.
    child = subprocess.Popen(["/bin/sh", "-c", command], start_new_session=True)
    print(f"{command}: started as {child.pid}", flush=True)
    return exithand.open(child)


async def keep(command: str, tokens: dict[str, str], file: pathlib.Path) -> None:
    while True:
        with adopt_or_start(command, tokens.pop(command, None)) as handle:
            tokens[command] = handle.stored_token
            file.write_text(json.dumps(tokens))
            exit = await handle.wait_async()
            print(f"{command}: {exit}", flush=True)
            del tokens[command]
        if exit.success:
            return


async def main(file: pathlib.Path, commands: list[str]) -> None:
    tokens = json.loads(file.read_text()) if file.exists() else {}
    await asyncio.gather(*(keep(command, tokens, file) for command in commands))


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    asyncio.run(main(pathlib.Path(sys.argv[1]), sys.argv[2:]))
