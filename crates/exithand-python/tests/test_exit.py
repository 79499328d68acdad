"""Exits as values."""

import copy
import pickle

import exithand
import pytest
from exithand import Exit

EXITED = Exit("1:2", "exited 3", reaped=True, source="child")
DUMPED = Exit("1:2", "killed 11 SEGV core", source="zombie")
UNKNOWN = Exit("1:2", "unknown: other pid namespace")


def facts(exit):
    return (exit.exit_code, exit.signal, exit.signal_name, exit.core_dumped, exit.returncode)


def test_says_how_a_process_ended():
    assert facts(EXITED) == (3, None, None, False, 3)
    assert facts(DUMPED) == (None, 11, "SIGSEGV", True, -11)
    assert facts(UNKNOWN) == (None, None, None, False, None)
    assert facts(Exit("1:2", "killed 9 KILL")) == (None, 9, "SIGKILL", False, -9)
    assert (EXITED.known, EXITED.why, EXITED.success) == (True, None, False)
    assert (UNKNOWN.known, UNKNOWN.why) == (False, "other pid namespace")
    assert (EXITED.reaped, EXITED.source, EXITED.token) == (True, "child", "1:2")
    assert (UNKNOWN.reaped, UNKNOWN.source) == (False, None)
    assert Exit("1:2", "exited 0").success


def test_prints_as_the_command_does():
    assert str(EXITED) == "exited 3"
    assert str(DUMPED) == "killed 11 SEGV core"
    assert str(UNKNOWN) == "unknown: other pid namespace"
    assert repr(EXITED) == "<exithand.Exit exited 3 of process 1:2>"


@pytest.mark.parametrize("exit", [EXITED, DUMPED, UNKNOWN], ids=str)
def test_can_be_copied_and_pickled(exit):
    copies = [copy.copy(exit), copy.deepcopy(exit)]
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        copies.append(pickle.loads(pickle.dumps(exit, protocol)))
    for it in copies:
        assert (it, hash(it), repr(it)) == (exit, hash(exit), repr(exit))


def test_equals_its_like_and_nothing_else():
    assert Exit("1:2", "exited 3") == Exit("1:2", "exited 3")
    assert Exit("1:2", "exited 3") != EXITED
    assert EXITED != DUMPED
    assert EXITED != "exited 3"
    with pytest.raises(TypeError):
        EXITED < DUMPED


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("", "exited 3"), ValueError),
        (("1:2", "exited 256"), ValueError),
        (("1:2", "killed 9 TERM"), ValueError),
        (("1:2", ""), ValueError),
        (("1:2", 3), TypeError),
        ((1, "exited 3"), TypeError),
        ((), TypeError),
    ],
)
def test_refuses_what_no_process_does(arguments, error):
    with pytest.raises(error):
        Exit(*arguments)


def test_refuses_an_unknown_source():
    with pytest.raises(ValueError, match="no source"):
        Exit("1:2", "exited 3", source="hearsay")


def test_cannot_be_changed():
    with pytest.raises(AttributeError):
        EXITED.reaped = False


def test_a_handle_cannot_be_pickled(child):
    with exithand.open(child) as handle:
        for refused in (pickle.dumps, copy.copy):
            with pytest.raises(TypeError, match="cannot pickle"):
                refused(handle)
        assert pickle.loads(pickle.dumps(handle.token)) == handle.token
