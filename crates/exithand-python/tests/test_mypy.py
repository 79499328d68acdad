"""The types, as mypy sees them. Left out before Python 3.10, which mypy has given up."""

import subprocess
import sys

from test_examples import EXAMPLES


def run_module(*arguments):
    done = subprocess.run([sys.executable, "-m", *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_types_are_strict():
    run_module("mypy", "--strict", "-p", "exithand")


def test_the_stubs_are_what_is_there():
    run_module("mypy.stubtest", "exithand")


def test_users_can_check_their_types(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(
        "import subprocess, exithand\n"
        "def f(child: subprocess.Popen[bytes]) -> int | None:\n"
        "    with exithand.open(child) as handle:\n"
        "        return handle.wait(timeout=1.5).returncode\n"
        "async def g(pid: int) -> str:\n"
        "    return str(await exithand.open(pid).wait_async(until='reaped'))\n"
        "gone, alive = exithand.wait_procs([1, '1:2', exithand.open(3)])\n"
        "exithand.open(None)  # type: ignore[arg-type]\n"
    )
    run_module("mypy", "--strict", str(program))


def test_types_of_the_examples():
    for example in EXAMPLES.glob("*.py"):
        run_module("mypy", "--strict", str(example))
