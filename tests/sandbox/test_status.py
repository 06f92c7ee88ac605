"""Which ends are failures, and how they are said."""

import pytest

from workbench.sandbox.status import failed, words
from workbench.sandbox.types import Ended

ANSWERS = [
    "grep x file",
    "rg -n x",
    "ls | grep x",
    "cd src && grep x *.py",
    "make; grep x log",
    "make || grep x log",
    "LC_ALL=C grep x f",
    "timeout 5 grep x f",
    "command grep x f",
    "! grep -q x f",
    "diff a b",
    "cmp a b",
    "test -f x",
    "[ -f x ]",
    "[[ -f x ]]",
    "find / -name x",
    "git diff --exit-code",
    "git --no-pager diff --quiet",
    "git grep x",
    "/usr/bin/grep x f",
    "grep 'a && b' f",
    "grep x $(git ls-files)",
    "echo start\ngrep x f",
    "grep x f # nothing there",
]
FAILURES = [
    "false",
    "pytest",
    "pytest && grep x log",
    "grep x f && pytest",
    "grep x f | python3 count.py",
    "set -o pipefail; pytest | grep x",
    "set -e; pytest; grep x log",
    "git push",
    "(grep x f)",
    "if true; then grep x f; fi",
    "for f in *; do grep x $f; done",
    "grep x <<'E'\nx\nE\n",
    "grep x 'open",
    "mygrep x",
    "",
]


@pytest.mark.parametrize("command", ANSWERS)
def test_one_is_an_answer(command):
    assert not failed(command, Ended(exit_code=1))
    assert failed(command, Ended(exit_code=2))
    assert failed(command, Ended(signal=9))
    assert not failed(command, Ended(exit_code=0))


@pytest.mark.parametrize("command", FAILURES)
def test_one_is_a_failure(command):
    assert failed(command, Ended(exit_code=1))
    assert not failed(command, Ended(exit_code=0))


def test_ends_in_words():
    assert words(Ended(exit_code=1)) == "exit code 1"
    assert words(Ended(signal=15)) == "ended by SIGTERM"
    assert "memory" in words(Ended(exit_code=137))
    assert "SIGSEGV" in words(Ended(exit_code=139))
    assert "no such command" in words(Ended(exit_code=127))
    assert words(Ended(exit_code=250)) == "exit code 250"
    assert "SIGRTMIN" in words(Ended(signal=34)) or "34" in words(Ended(signal=34))
