"""Random bytes into what reads files and messages: only their own errors may come out."""

import random
import time
from collections.abc import Callable

from fuzz.generate import noise
from workbench.definitions.loader import loads
from workbench.permissions.rules import RuleError, command_matches, parse_rule, path_matches
from workbench.permissions.world import parse_git_config
from workbench.protocol import codec

_DEFINITION = (
    b"---\nname: x\ndescription: a: b\ntools: Read, Bash(git diff:*, git log:*)\nmodel: sonnet\n---\nYou are.\n"
)
_RULE = b"Bash(git log:*)"
_PATHS = b"Read(//home/**/[a-z]?.env)"
_COMMAND = b'{"type":"prompt","id":"1","text":"hi"}'
_ENVELOPE = b'{"seq":1,"session":"s","at":1.5,"event":{"type":"session_ended","exit_code":0}}'
_CONFIG = b'[core]\n\tbare = false\n[remote "origin"]\n\turl = x\n[include] path = y\n'


def _rule(data: bytes) -> None:
    rule = parse_rule(data.decode("utf-8", "surrogateescape"))
    command_matches(rule.spec, "git log --oneline")
    path_matches(rule.spec, "/home/x/.env", "/work", "/home/x", fold=True)


READERS: tuple[tuple[Callable[[bytes], object], tuple[type[Exception], ...], list[bytes]], ...] = (
    (lambda data: loads(data, "x.md", "user"), (), [_DEFINITION]),
    (_rule, (RuleError,), [_RULE, _PATHS]),
    (codec.decode_command, (codec.MalformedError,), [_COMMAND]),
    (codec.decode_envelope, (codec.MalformedError,), [_ENVELOPE]),
    (codec.decode_query, (codec.MalformedError,), [_COMMAND]),
    (lambda data: parse_git_config(data.decode("utf-8", "replace")), (), [_CONFIG]),
)


def feed(chance: random.Random, seconds: float) -> tuple[list[str], int]:
    """What broke a reader within SECONDS, and how many inputs there were."""
    broken: list[str] = []
    count, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        for reader, own, samples in READERS:
            data = noise(chance, samples)
            count += 1
            try:
                reader(data)
            except own:
                continue
            except Exception as error:
                broken.append(f"{error!r} from {data!r}")
    return broken, count
