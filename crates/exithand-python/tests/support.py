"""Processes whose ends are known."""

import os
import subprocess
import sys

#: Seconds after which a wait that should have ended has failed.
LONG = 60

_PARENT = """
import os, sys
end = int(sys.argv[1])
gate, opener = os.pipe()
pid = os.fork()
if pid == 0:
    os.close(opener)
    os.read(gate, 1)
    if end < 0:
        os.kill(os.getpid(), -end)
    os._exit(end)
print(pid, flush=True)
for line in sys.stdin:
    if line == "end\\n":
        os.close(opener)
    else:
        print(os.waitpid(pid, 0)[1], flush=True)
"""


class Stranger:
    """A process that is not our child. Its parent reaps it when told to, and says what it got."""

    def __init__(self, end):
        """``end`` is an exit status, or minus a signal."""
        command = [sys.executable, "-I", "-S", "-c", _PARENT, str(end)]
        pipe = subprocess.PIPE
        self._parent = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, bufsize=1)
        self.pid = int(self._parent.stdout.readline())

    def end(self):
        """Has the process end, and does not wait for that."""
        self._parent.stdin.write("end\n")

    def reap(self):
        """Has its parent collect it; returns the wait status."""
        self._parent.stdin.write("reap\n")
        return int(self._parent.stdout.readline())

    def close(self):
        self._parent.stdin.close()
        self._parent.stdout.close()
        self._parent.wait()


def child_that_waits():
    """A child of ours that exits with status 3 at the end of its standard input."""
    return subprocess.Popen(["sh", "-c", "read line; exit 3"], stdin=subprocess.PIPE)


def returncode(wait_status):
    """What ``subprocess`` would say."""
    if os.WIFSIGNALED(wait_status):
        return -os.WTERMSIG(wait_status)
    return os.WEXITSTATUS(wait_status)


def until_blocked(thread):
    """Returns once the thread sleeps in a wait: in `poll` or `ppoll`."""
    while True:
        with open(f"/proc/self/task/{thread.native_id}/syscall") as call:
            if call.read().split()[0] in ("7", "271", "73"):
                return
