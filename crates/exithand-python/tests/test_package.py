"""What the package says of itself: help, and what it imports."""

import inspect
import subprocess
import sys
from importlib import resources

import exithand


def test_is_marked_as_typed():
    assert resources.files(exithand).joinpath("py.typed").is_file()


def test_all_that_is_public_is_documented():
    for name in exithand.__all__:
        thing = getattr(exithand, name)
        if name == "__version__":
            assert thing.count(".") == 2
            continue
        assert inspect.getdoc(thing), name
        assert thing.__module__.startswith("exithand"), name
        for member, value in vars(thing).items() if isinstance(thing, type) else ():
            if not member.startswith("_"):
                assert inspect.getdoc(value), f"{name}.{member}"


def test_help_shows_it():
    script = "import exithand; help(exithand); help(exithand.Handle)"
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    for words in ("without polling", "wait(self, timeout=None, *, until='ended', grace=0.1)", "EDEADLK"):
        assert words in shown.stdout.replace("/, ", ""), words


def test_imports_little(python):
    script = """
import sys
before = set(sys.modules)
import exithand
print(*sorted(set(sys.modules) - before))
"""
    imported = set(python(script).split())
    assert {it for it in imported if not it.startswith("exithand")} <= {"__future__"}
