"""Installs as users do: the wheel, and the tree, each into a clean environment."""

import os
import pathlib
import re
import subprocess
import sys
import zipfile

import pytest

TREE = pathlib.Path(__file__).parents[1]
WHEEL = os.environ.get("EXITHAND_WHEEL")

SMOKE = """
import subprocess, exithand
child = subprocess.Popen(["sh", "-c", "exit 3"])
with exithand.open(child) as handle:
    print(exithand.__version__, handle.wait(timeout=60), exithand.__file__)
child.wait()
"""

pytestmark = pytest.mark.skipif(WHEEL is None, reason="python:wheel")


def check(*command, **options):
    done = subprocess.run(command, capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def install(folder, what):
    """Installs ``what`` into a new environment, tries it, and takes it out again."""
    check(sys.executable, "-m", "venv", folder)
    python = folder / "bin" / "python"
    check(python, "-m", "pip", "install", "--disable-pip-version-check", what)
    try:
        version, *words, place = check(python, "-I", "-c", SMOKE, cwd="/").split()
        assert (version, words) == (version_of_the_tree(), ["exited", "3"])
        assert pathlib.Path(place).is_relative_to(folder)
        assert check(python, "-I", "-m", "pip", "list", "--format=freeze").count("exithand==") == 1
    finally:
        check(python, "-m", "pip", "uninstall", "-y", "exithand")
    left = [it for it in folder.rglob("*") if "exithand" in it.name]
    assert left == []


def version_of_the_tree():
    text = (TREE.parents[1] / "Cargo.toml").read_text()
    return re.search(r'^version = "(.*)"', text, re.MULTILINE).group(1)


def test_the_wheel(tmp_path):
    install(tmp_path / "venv", WHEEL)


def test_the_tree(tmp_path):
    install(tmp_path / "venv", TREE)


def test_what_is_in_the_wheel():
    names = zipfile.ZipFile(WHEEL).namelist()
    for name in ("__init__.py", "_aio.py", "_procs.py", "_exithand.pyi", "py.typed"):
        assert f"exithand/{name}" in names
    assert [it for it in names if it.startswith("exithand/") and it.endswith(".so")] != []
    for licence in ("LICENSE-MIT", "LICENSE-APACHE"):
        assert [it for it in names if it.endswith(f"licenses/{licence}")] != []
    assert [it for it in names if "test" in it or "__pycache__" in it] == []
    metadata = zipfile.ZipFile(WHEEL).read(next(it for it in names if it.endswith("METADATA"))).decode()
    for line in ("License-Expression: MIT OR Apache-2.0", "Requires-Python: >=3.9"):
        assert line in metadata
    if sys.version_info[:2] == (3, 11):
        assert "-cp39-abi3-" in pathlib.Path(WHEEL).name
