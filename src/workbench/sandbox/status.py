"""How a command ended, in words; and which exit codes tell something other than a failure."""

import re
import shlex
import signal

from workbench.sandbox.types import Ended

# Exit code 1 of these is an answer: nothing found, files differ, not so.
_ANSWERS = frozenset(
    ["grep", "egrep", "fgrep", "zgrep", "rg", "ag", "ack", "diff", "cmp", "test", "[", "[[", "find", "pgrep", "which"]
)
_GIT_ANSWERS = frozenset(["diff", "grep"])
# These stand before such a command without an exit code of their own to tell.
_QUIET = frozenset(["cd", "echo", "printf", "pwd", "export", "set", "source", "true", ":"])
_WRAPPERS = frozenset(["command", "builtin", "time", "nice", "nohup", "stdbuf", "!"])
_SEPARATORS = frozenset([";", "&&", "||", "|", "|&", "&", "\n"])
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")
_MEANING = {
    126: "it was found and cannot be executed",
    127: "no such command",
    137: "SIGKILL; often the system ran out of memory",
}


def words(ended: Ended) -> str:
    """ENDED in a few words: `exit code 1`, `ended by SIGTERM`."""
    if ended.signal is not None:
        return f"ended by {_signal_name(ended.signal)}"
    code = ended.exit_code
    if code is None:
        return "ended; its exit code is not known"
    meaning = _MEANING.get(code) or (_signal_name(code - 128) if 128 < code <= 128 + 64 else "")
    return f"exit code {code}" + (f" ({meaning})" if meaning else "")


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def failed(command: str, ended: Ended) -> bool:
    """Whether COMMAND failed: any exit code but 0, save a 1 that every command which can have given it means well."""
    if ended.signal is not None or ended.exit_code is None:
        return True
    return ended.exit_code != 0 and not (ended.exit_code == 1 and _one_is_an_answer(command))


def _one_is_an_answer(command: str) -> bool:
    """Reads COMMAND roughly; what is not simple (loops, subshells, here-documents, pipefail) is no answer."""
    if "<<" in command or "pipefail" in command or re.search(r"\bset\s+-\w*e", command):
        return False
    parts = _parts(command)
    if not parts or not _answers(parts[-1][1]):
        return False
    # Before the last one: what an && hangs on may have given the exit code, unless a pipe or `;` came between.
    for separator, words_ in reversed([(parts[i + 1][0], part) for i, (_, part) in enumerate(parts[:-1])]):
        if separator in (";", "\n", "||", "&"):
            return True
        if separator == "&&" and not (_answers(words_) or (words_ and words_[0] in _QUIET)):
            return False
    return True


def _parts(command: str) -> list[tuple[str, list[str]]]:
    """The simple commands of COMMAND as words, each with the separator before it; empty where it cannot be read."""
    lexer = shlex.shlex(command.strip(), posix=True, punctuation_chars=";&|()\n")
    lexer.whitespace, lexer.whitespace_split, lexer.commenters = " \t\r", True, ""
    parts: list[tuple[str, list[str]]] = [("", [])]
    depth = 0
    try:
        for token in lexer:
            if set(token) <= set("()"):
                depth += token.count("(") - token.count(")")
                parts[-1][1].append("(")
            elif depth == 0 and (token in _SEPARATORS or set(token) <= set(";\n")):
                parts.append((token if token in _SEPARATORS else ";", []))
            elif depth == 0:
                parts[-1][1].append(token)
    except ValueError:  # an open quote
        return []
    while parts and not parts[-1][1]:
        parts.pop()
    return parts


def _answers(words_: list[str]) -> bool:
    rest = list(words_)
    while rest and (_ASSIGNMENT.match(rest[0]) or rest[0] in _WRAPPERS):
        rest.pop(0)
    if len(rest) > 2 and rest[0] == "timeout":
        rest = rest[2:]
    if rest and rest[0] == "git":
        return any(word in _GIT_ANSWERS for word in rest[1:4])
    return bool(rest) and rest[0].rpartition("/")[2] in _ANSWERS
