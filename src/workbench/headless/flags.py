"""The flags of `mlwb run`, and what they and the task file make together."""

import os
import re
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import msgspec

from workbench import places
from workbench.headless import taskfile
from workbench.headless.keys import KEYS, NotTakenError
from workbench.protocol.names import Mode
from workbench.protocol.task import Caps, Rules, Task

FORMATS = ("text", "json", "stream-json")
_CAPS = ("maxTurns", "maxUsd", "maxTokens", "timeout", "maxGpuHours")
_ABOUT = """\
Runs a task with no one watching. Nothing is ever asked: what would ask is denied and listed. The final answer goes
to standard output, all else to standard error; the exit code says how it ended (docs/headless.md).

  mlwb run task.md
  mlwb run task.md --max-usd 2 --checks 'make test' --output-format json
  mlwb run --resume ID --answer 'the small model will do'
"""


class UsageError(Exception):
    """The command line or the task file asks for what cannot be done; the message is one line."""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What one call of `mlwb run` asks for. `task` is None exactly where `resume` names a session."""

    task: Task | None = None
    resume: str | None = None
    mode: Mode | None = None  # of a resume
    caps: Caps = Caps()
    answer: str | None = None
    format: str = "text"
    partial: bool = False
    check: bool = False
    record: Path | None = None
    replay: Path | None = None
    allow_bypass: bool = False
    trust_workspace: bool = False


class _Parser(ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; `mlwb run --help` lists the flags")


def wanted_format(args: Sequence[str]) -> str:
    """The output format as far as it can be told from ARGS, whatever else is wrong with them."""
    for at, arg in enumerate(args):
        name, _, value = arg.partition("=")
        if name == "--output-format":
            value = value or (args[at + 1] if at + 1 < len(args) else "")
            return value if value in FORMATS else "text"
    return "text"


def read(args: Sequence[str]) -> Asked:
    """ARGS with the task file they name. Raises UsageError; `--help` prints and raises SystemExit."""
    parser = _parser()
    given, extra = parser.parse_known_args(list(args))
    if extra:
        raise UsageError(_unexpected(extra[0], parser))
    values = {}
    for key in KEYS:
        if (text := getattr(given, key.name)) is not None:
            try:
                values[key.name] = key.value(text, key.flag)
            except NotTakenError as error:
                raise UsageError(str(error)) from None
    if given.output_format not in FORMATS:
        raise UsageError(f"--output-format: it takes {', '.join(FORMATS)}, not {given.output_format!r}")
    if given.record and given.replay:
        raise UsageError("--record and --replay exclude each other: a replay has nothing new to record")
    if given.resume is not None:
        _resumable(given, values)
    task = _task(given, values) if given.resume is None else None
    return Asked(
        task=task, resume=given.resume, caps=_caps(values), answer=given.answer, format=given.output_format,
        partial=given.include_partial_messages, check=given.check, record=_path(given.record),
        replay=_existing(given.replay), allow_bypass=values.get("permissionMode") == "bypassPermissions",
        trust_workspace=given.trust_workspace, mode=values.get("permissionMode"),
    )  # fmt: skip


def _parser() -> _Parser:
    parser = _Parser(
        prog="mlwb run", description=_ABOUT, allow_abbrev=False, formatter_class=RawDescriptionHelpFormatter,
        epilog="A flag overrides the key of the same name in the task's front matter.",
    )  # fmt: skip
    parser.add_argument("task", nargs="*", metavar="TASK.md", help="the task; `-` reads it from standard input")
    say = parser.add_argument
    say("--output-format", default="text", metavar="|".join(FORMATS), help="what goes to standard output")
    say("--include-partial-messages", action="store_true", help="stream-json: the deltas of unfinished answers too")
    for key in KEYS:
        say(key.flag, dest=key.name, action="append" if key.many else "store", metavar=key.metavar, help=key.help)
    say("--add-dir", action="append", default=[], metavar="DIR", help="a folder that belongs to the workspace too")
    say("--brief", metavar="FILE|TEXT", help="what an earlier session hands over to this one")
    say("--resume", metavar="ID", help="goes on with a session; caps given here replace its own")
    say("--answer", metavar="TEXT", help="with --resume: the answer to its questions")
    say("--record", metavar="FILE", help="writes the model's answers to FILE")
    say("--replay", metavar="FILE", help="takes the model's answers from FILE: no key, no network")
    say("--check", action="store_true", help="tells what stands in the way of the task, spends no token")
    say("--trust-workspace", action="store_true", help="the workspace's own allow rules count")
    return parser


def _unexpected(extra: str, parser: _Parser) -> str:
    import difflib

    if not extra.startswith("-"):
        return f"{extra!r} is one argument too many; `mlwb run` takes one task file"
    names = [flag.lstrip("-") for flag in parser._option_string_actions]  # argparse has no public list of them
    near = difflib.get_close_matches(extra.partition("=")[0].strip("-"), names, n=1)
    return f"there is no flag {extra}; " + (f"did you mean --{near[0]}?" if near else "`mlwb run --help` lists them")


def _resumable(given: Namespace, values: dict[str, Any]) -> None:
    """A resume has its task already: only caps and an answer may come with it."""
    if given.task:
        raise UsageError(f"--resume goes on with the session's own task; leave out {given.task[0]}")
    if not re.fullmatch(r"[\w.-]+", given.resume):
        raise UsageError(f"--resume takes the id of a session, not {given.resume!r}; `mlwb sessions list` shows them")
    kept = [key.flag for key in KEYS if key.name in values and key.name not in (*_CAPS, "permissionMode")]
    kept += [
        flag for flag, on in (("--add-dir", given.add_dir), ("--brief", given.brief), ("--check", given.check)) if on
    ]
    if kept:
        rules = "; rules of your settings count" if kept[0] in ("--allow", "--ask", "--deny") else ""
        raise UsageError(f"{kept[0]} cannot be changed by --resume: only caps, --permission-mode, --answer{rules}")
    if given.answer is not None and not given.answer.strip():
        raise UsageError("--answer is empty; say what is decided")


def _task(given: Namespace, flags: dict[str, Any]) -> Task:
    if given.answer is not None:
        raise UsageError("--answer belongs to a session that asked: `mlwb run --resume ID --answer TEXT`")
    if not given.task:
        raise UsageError("no task is named: `mlwb run TASK.md`, or `mlwb run -` to read it from standard input")
    if len(given.task) > 1:
        raise UsageError(f"{given.task[1]!r} is one argument too many; `mlwb run` takes one task file")
    try:
        file = taskfile.load(given.task[0])
    except taskfile.TaskError as error:
        raise UsageError(str(error)) from None
    _need_flags(file, flags)
    values = {**file.values, **flags}
    source = given.task[0]
    return Task(
        prompt=file.prompt, source=source if source == taskfile.STDIN else str(Path(source).absolute()),
        workspace=_workspace(), add_dirs=tuple(str(places.named(each).absolute()) for each in given.add_dir),
        rules=Rules(**{name: values[name] for name in ("allow", "ask", "deny") if name in values}),
        caps=_caps(values), brief=_brief(given.brief), **_plain(values),
    )  # fmt: skip


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    """The values that go into a task as they are, under the task's own names."""
    aside = {"allow", "ask", "deny", *_CAPS}
    return {_snake(name): value for name, value in values.items() if name not in aside}


def _snake(name: str) -> str:
    return re.sub(r"[A-Z]", lambda found: f"_{found[0].lower()}", name)


def _caps(values: dict[str, Any]) -> Caps:
    given = {_snake(name): values[name] for name in _CAPS if name in values}
    if "timeout" in given:
        given["timeout_s"] = given.pop("timeout")
    return Caps(**given)


def _need_flags(file: taskfile.TaskFile, flags: dict[str, Any]) -> None:
    """What takes guards away is said by the person who starts the task, not by a file."""
    for name, value in (("permissionMode", "bypassPermissions"), ("sandbox", "off")):
        if file.values.get(name) == value and name not in flags:
            flag = next(key.flag for key in KEYS if key.name == name)
            raise UsageError(
                f"{file.source}: `{name}: {value}` counts only as a flag; add `{flag} {value}` if you mean it"
            )


def _workspace() -> str:
    try:
        return str(Path.cwd())
    except OSError:
        raise UsageError("the current folder is gone; change to the folder of the task's workspace") from None


def _brief(given: str | None) -> str | None:
    """The text of a brief: a file's, where GIVEN names one, else GIVEN itself."""
    if given is None:
        return None
    path = Path(given)
    try:
        if len(given) < 4096 and path.is_file():
            return path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError):
        raise UsageError(f"--brief: the file {given} cannot be read as UTF-8 text") from None
    if not given.strip():
        raise UsageError("--brief is empty; it takes a file or a text")
    if not re.search(r"\s", given) and (path.suffix or os.sep in given):
        raise UsageError(f"--brief: there is no file {given}")
    return given


def _path(given: str | None) -> Path | None:
    return None if given is None else places.named(given).absolute()


def _existing(given: str | None) -> Path | None:
    path = _path(given)
    if path is not None and not path.is_file():
        raise UsageError(f"--replay: there is no file {given}")
    return path
