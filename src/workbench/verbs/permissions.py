"""`mlwb permissions check`: which verdict a tool call would get, and by which rule. Executes nothing."""

import argparse
import json
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec

from workbench import places
from workbench.permissions.decide import decide, parts
from workbench.permissions.rules import RuleError, parse_rules
from workbench.permissions.types import Call, Part, Policy, Verdict
from workbench.permissions.world import RealWorld
from workbench.protocol.names import MODES, ORCHESTRATION, TOOLS, Mode, canonical, lower
from workbench.protocol.task import Rules
from workbench.protocol.visible import visible
from workbench.settings import trust
from workbench.settings.load import load
from workbench.settings.types import Settings, SettingsError
from workbench.verbs.options import Parser

_DEFAULT_MODE: Mode = "acceptEdits"
_LISTS = ("allow", "ask", "deny")


class _UsageError(Exception):
    """What was asked for cannot be judged; the message says why."""


def main(args: list[str]) -> int:
    """Runs `mlwb permissions ARGS`; returns the exit status: 0 with a verdict, whatever it is; 2 for bad usage."""
    options = _parser().parse_args(args)
    if options.batch is not None:
        return _batch(options)
    if options.tool is None or options.input is None:
        return _failed("give a TOOL and its INPUT_JSON, or --batch FILE")
    try:
        question = _with_defaults({"tool": options.tool, "input": _object(options.input)}, options)
        world = RealWorld()
        verdict = _judge(question, world)
        if options.explain or (sys.stdout.isatty() and not options.json):
            print(_told(verdict, _parts(question, world)))
            return 0
    except (_UsageError, SettingsError) as error:
        return _failed(str(error))
    print(json.dumps(_shown(verdict)))
    return 0


def _failed(words: str) -> int:
    print(f"mlwb permissions check: {visible(words)}", file=sys.stderr)
    return 2


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="mlwb permissions", description="Which verdict a tool call would get.")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="check")
    check = verbs.add_parser("check", help="the verdict on a call, with the rule that decides it; nothing is executed")
    check.add_argument("tool", nargs="?", metavar="TOOL", help="Read, Write, Edit, Bash, …")
    check.add_argument("input", nargs="?", metavar="INPUT_JSON", help='the call\'s input: \'{"command": "ls"}\'')
    check.add_argument("--agent", metavar="NAME", help="as this agent; default: all built-in tools are granted")
    check.add_argument("--mode", choices=MODES, help=f"default: your settings', else {_DEFAULT_MODE}")
    for kind in _LISTS:
        check.add_argument(f"--{kind}", action="append", default=[], metavar="RULE", help=f"a further {kind} rule")
    check.add_argument("--workspace", metavar="DIR", help="default: the current folder")
    shown = check.add_mutually_exclusive_group()
    shown.add_argument("--explain", action="store_true", help="in words, part by part; the default on a terminal")
    shown.add_argument("--json", action="store_true", help="as JSON; the default elsewhere")
    check.add_argument("--batch", metavar="FILE", help="questions as lines of JSON, `-` for standard input")
    return parser


def _object(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:  # not UTF-8, or nested without end
        raise _UsageError(f"INPUT_JSON is not JSON: {error}") from None


def _with_defaults(question: dict[str, Any], options: argparse.Namespace) -> dict[str, Any]:
    """QUESTION with what the flags say for all."""
    filled = {"mode": options.mode, "agent": options.agent, "workspace": options.workspace, **question}
    for kind in _LISTS:
        given = question.get(kind, [])
        if not isinstance(given, list) or not all(isinstance(rule, str) for rule in given):
            raise _UsageError(f"`{kind}` must be a list of rules")
        filled[kind] = (*getattr(options, kind), *given)
    return filled


def _batch(options: argparse.Namespace) -> int:
    """A line of JSON for each line of the file; one that cannot be judged is denied."""
    try:
        file = sys.stdin.buffer if options.batch == "-" else Path(options.batch).open("rb")  # noqa: SIM115 - below
    except OSError as error:
        return _failed(f"{options.batch}: {error.strerror}")
    world = RealWorld()
    with file:
        for line in filter(bytes.strip, file):
            sys.stdout.write(json.dumps(_answer(line, options, world), ensure_ascii=True) + "\n")
    return 0


def _answer(line: bytes, options: argparse.Namespace, world: RealWorld) -> dict[str, Any]:
    try:
        question = json.loads(line, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        return {"id": _some_id(line), **_shown(_denied(f"the line is not JSON: {error}"))}
    if not isinstance(question, dict):
        return {"id": None, **_shown(_denied("the line is not a JSON object"))}
    try:
        verdict = _judge(_with_defaults(question, options), world)
    except Exception as error:  # every line is answered, and what goes wrong is a deny
        verdict = _denied(str(error) or repr(error))
    return {"id": question.get("id"), **_shown(verdict)}


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose keys all differ: of two, another reader may take the other."""
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a key stands there twice")
    return made


def _some_id(line: bytes) -> Any:
    """The id of a line that is not JSON, if it can be seen in it."""
    import re

    found = re.search(rb'"id"\s*:\s*("(?:[^"\\]|\\.)*"|-?\d+)', line)
    try:
        return json.loads(found[1]) if found else None
    except ValueError:
        return None


def _denied(reason: str) -> Verdict:
    return Verdict(verdict="deny", reason=reason)


def _shown(verdict: Verdict) -> dict[str, Any]:
    return {"rule": None, "reason": "", **msgspec.to_builtins(verdict)}


def _told(verdict: Verdict, parts: list[Part]) -> str:
    """VERDICT for a person: what decided, by which rule, what would let it pass, and each part of a compound."""
    lines = [f"{verdict.verdict}: {verdict.reason}"]
    lines += [f"  decided by  {verdict.part}"] if verdict.part else []
    lines += [f"  rule        {verdict.rule}"] if verdict.rule else []
    if verdict.lifted_by:
        lines.append(f"  would pass with the allow rule  {verdict.lifted_by}")
    elif verdict.verdict == "ask":
        lines.append("  no single allow rule would let it pass" if verdict.confinable else "  no allow rule lifts it")
    lines += ["  a session with a working sandbox may run it confined instead"] if verdict.confinable else []
    for part in parts if len(parts) > 1 else ():
        lines.append(f"  {part.verdict:5} {part.text}" + (f"  [{part.rule}]" if part.rule else ""))
        lines += [f"        {part.reason}"] if part.verdict != "allow" else []
        lines += [f"        would pass with {part.lifted_by}"] if part.lifted_by else []
    return "\n".join(visible(line) for line in lines)


def _parts(question: dict[str, Any], world: RealWorld) -> list[Part]:
    """The commands of a Bash call with their verdicts; none for other tools and what cannot be read."""
    asked = _call(question, world)
    return parts(*asked, world) if not isinstance(asked, Verdict) else []


def _judge(question: dict[str, Any], world: RealWorld) -> Verdict:
    """The verdict that a live session would come to. Raises _UsageError, SettingsError."""
    asked = _call(question, world)
    return asked if isinstance(asked, Verdict) else decide(*asked, world)


def _call(question: dict[str, Any], world: RealWorld) -> tuple[Call, Policy] | Verdict:
    """QUESTION as a call with its policy, or the verdict on what is no call. Raises _UsageError, SettingsError."""
    name, given = question.get("tool"), question.get("input")
    if not isinstance(name, str):
        raise _UsageError("`tool` must be the name of a tool")
    workspace = str(Path(question["workspace"] or "").absolute())
    policy = _policy(workspace, question["mode"], question["agent"], tuple(question[kind] for kind in _LISTS))
    tool = canonical(name)
    if tool is None:
        return _denied(f"there is no tool {name!r}")
    if tool in ORCHESTRATION:
        return Call(tool=tool, cwd=workspace), policy
    from workbench.tools.base import ToolError
    from workbench.tools.registry import needs_of

    if not isinstance(given, dict):
        return _denied(f"the input of {tool} must be an object")
    try:
        needs = needs_of(tool, given, workspace)
    except ToolError as error:
        return _denied(str(error))
    call = Call(tool=tool, needs=needs, cwd=workspace)
    return (_carried(call, given, policy, world) if tool == "Bash" else call), policy


def _carried(call: Call, given: dict[str, Any], policy: Policy, world: RealWorld) -> Call:
    """CALL of Bash; one `mlwb exp` command as a session's host judges it, unless a deny rule is about `mlwb` itself."""
    if "mlwb" not in str(given.get("command")):
        return call
    from workbench.session.exp_calls import needs_of

    needs = needs_of(str(given["command"]), call.cwd)
    if needs is None:
        return call
    whole = decide(call, policy, world)
    return call if whole.verdict == "deny" and whole.rule is not None else msgspec.structs.replace(call, needs=needs)


@lru_cache(maxsize=256)
def _policy(workspace: str, mode: str | None, agent: str | None, rules: tuple[tuple[str, ...], ...]) -> Policy:
    """The policy of a session started with these flags. The lists are allow, ask, deny."""
    settings = _settings(workspace)
    if mode is not None and mode not in MODES:
        raise _UsageError(f"there is no mode {mode!r}; the modes are {', '.join(MODES)}")
    chosen: Mode = mode or settings.permission_mode or _DEFAULT_MODE
    chosen = lower(chosen, settings.ceiling) if settings.ceiling else chosen
    grants: dict[str, tuple[str, ...]] = dict.fromkeys(TOOLS, ())
    denied: tuple[str, ...] = ()
    if agent is not None:
        grants, denied, chosen = _agent(agent, workspace, chosen)
    allow, ask, deny = rules
    merged = Rules(
        allow=(*settings.rules.allow, *allow),
        ask=(*settings.rules.ask, *ask),
        deny=(*settings.rules.deny, *denied, *deny),
    )
    try:
        for texts in (merged.allow, merged.ask, merged.deny):
            parse_rules(texts)
    except RuleError as error:
        raise _UsageError(str(error)) from None
    return Policy(grants=grants, mode=chosen, rules=merged, workspace=workspace, home=str(Path.home()))


@lru_cache(maxsize=64)
def _settings(workspace: str) -> Settings:
    return load(Path(workspace), Path.home(), places.config(), trusts=trust.digests(places.state()))


def _agent(name: str, workspace: str, mode: Mode) -> tuple[dict[str, tuple[str, ...]], tuple[str, ...], Mode]:
    """What the agent NAME is granted, what its definition denies, and the mode, lowered by it at most."""
    from workbench.definitions import discovery
    from workbench.definitions.grants import deny_rules

    definition = discovery.find(name, Path(workspace), Path.home(), places.config())
    if definition is None or definition.status == "rejected":
        raise _UsageError(
            f"there is no agent {name!r}" if definition is None else f"the definition {definition.path} is rejected"
        )
    narrowed = lower(mode, definition.permission_mode) if definition.permission_mode else mode
    return definition.grants, tuple(deny_rules(definition)), narrowed
